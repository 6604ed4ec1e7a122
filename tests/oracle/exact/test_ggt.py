"""Definitions of GGT and of the methods in its basis."""

import numpy as np
import pytest

from refopt import GGT, SubspaceAdam, SubspaceCubicAdam
from refopt.function import FunctionObjective
from refopt.oracle import exact
from refopt.oracle.exact.ggt import reprojected
from refopt.oracle.exact.precise import Arithmetic, Record, plain


def point_at(x):
    A = np.diag([1.0, 2.0, 3.0])
    return FunctionObjective(lambda x: 0.5 * x @ A @ x, np.ones(3)).at(np.asarray(x))


def test_one_update_is_scaled_to_length_one():
    """With h = 1 and no damping, (M M^T)^(-1/2) u = u / |u|."""
    point, method = point_at([1.0, -1.0, 2.0]), GGT(1, damping=0.0)
    out, state = exact.run(method, point, point.g, method.init(point.x), Arithmetic("mpmath"))
    assert plain(out) == pytest.approx(point.g / np.linalg.norm(point.g), rel=1e-14)
    assert plain(state.L) == pytest.approx([point.g @ point.g], rel=1e-14)


def test_two_updates_are_whitened():
    """M^T (M M^T)^(-1/2) M has the singular values of M: the output lies in the span and has the power p."""
    method, first, second = (
        GGT(2, damping=0.0, matrix_power=-1.0),
        point_at([1.0, 0.0, 1.0]),
        point_at([0.0, 1.0, 1.0]),
    )
    _, state = method.step(first, first.g, method.init(first.x))
    out, _ = exact.run(method, second, second.g, state, Arithmetic("mpmath"))
    M = np.stack([first.g, second.g], axis=1)
    assert plain(out) == pytest.approx(np.linalg.pinv(M @ M.T) @ second.g, rel=1e-12)


def test_the_signs_of_the_basis_are_those_of_the_answer():
    """Adam in the basis takes the same step for both signs; its average has the sign of the basis."""
    method, point = GGT(1, damping=0.0, basis_optimizer=SubspaceAdam()), point_at([1.0, -1.0, 2.0])
    update, answer = method.step(point, point.g, method.init(point.x))
    signs = []
    for turn in (1.0, -1.0):
        given = update, answer._replace(T=turn * answer.T)
        out, state = exact.run(method, point, point.g, method.init(point.x), Arithmetic(), given)
        signs.append(float(state.basis.m1[0]))
        assert plain(out) == pytest.approx(update, rel=1e-12)
    assert signs[0] == -signs[1] != 0


@pytest.mark.parametrize("method", [SubspaceAdam(), SubspaceCubicAdam()])
def test_averages_follow_a_change_of_basis(method):
    C = np.array([[0.0, 1.0], [-1.0, 0.0]])
    state = Record(**{f"m{k}": np.array([2.0, 3.0]) for k in (1, 2, 3)})
    new = reprojected(method, C, state)
    assert new.m1.tolist() == [3, -2] and new.m2.tolist() == [3, 2] and new.m3.tolist() == [3, -2]


@pytest.mark.parametrize("cautious", [True, False])
def test_cautious_zeroes_what_disagrees(cautious):
    method, point = SubspaceAdam(cautious=cautious), point_at([1.0, 1.0, 1.0])
    state = method.init(point.x)._replace(t=1, m1=np.array([-9.0, 1.0, 1.0]), m2=np.ones(3))
    out, _ = exact.run(method, point, point.g, state, Arithmetic())
    assert bool(plain(out)[0] == 0) is cautious and plain(out)[1] > 0
