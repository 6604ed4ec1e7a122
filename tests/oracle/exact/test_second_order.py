"""Definitions of Newton, LBFGS and GaussNewton, by the property that defines each."""

import autograd.numpy as anp
import numpy as np
import pytest

from refopt import LBFGS, LR, GaussNewton, LeastSquares, Newton, chain
from refopt.function import FunctionObjective
from refopt.oracle import exact
from refopt.oracle.exact.precise import Arithmetic, plain
from refopt.oracle.task import as_task


def run(method, point, update=None, state=None):
    state = method.init(point.x) if state is None else state
    out, state = exact.run(method, point, point.g if update is None else update, state, Arithmetic("mpmath"))
    return plain(out), state


def test_newton_solves_or_takes_the_sizes_of_the_eigenvalues():
    A, D = np.array([[2.0, 1.0], [1.0, 3.0]]), np.diag([2.0, -8.0])
    for H, used, name in ((A, A, "cholesky"), (D, abs(D), "modified")):
        point = FunctionObjective(lambda x, H=H: 0.5 * x @ H @ x, np.ones(2)).at(np.array([1.0, -2.0]))
        out, state = run(Newton(), point)
        assert used @ out == pytest.approx(point.g, rel=1e-14) and state.solver == name
    flat = FunctionObjective(lambda x: x[0] + 2 * x[1], np.ones(2)).at(np.ones(2))
    assert list(run(Newton(), flat)[0]) == [1.0, 2.0]


def test_lbfgs_satisfies_the_secant_equation():
    """H y = s for the last pair of points."""
    A = np.array([[2.0, 1.0], [1.0, 3.0]])
    objective = FunctionObjective(lambda x: 0.5 * x @ A @ x, np.ones(2))
    first, second = objective.at(np.array([1.0, -2.0])), objective.at(np.array([0.5, 1.0]))
    _, state = LBFGS().step(first, first.g, LBFGS().init(first.x))
    y = second.g - first.g
    assert run(LBFGS(), second, y, state)[0] == pytest.approx(second.x - first.x, rel=1e-13)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_gauss_newton_solves_for_the_update_that_it_is_given(share):
    residuals = LeastSquares(lambda x: anp.array([x[0] - 1, x[0] * x[1] - 2, x[1] - 3]))
    task = as_task((residuals, [1.5, 0.5]))
    point = task.objective().at(task.x0)
    method = chain(LR(share), GaussNewton(reg=0.1))
    out, _ = run(method, point, state=method.init(point.x))
    H = 2 * point.jacobian.T @ point.jacobian + 0.1 * np.eye(2)
    assert H @ out == pytest.approx(share * point.g, rel=1e-13)
