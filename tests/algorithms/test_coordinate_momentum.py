"""CoordinateMomentum: its masks, its buffer, and when it is stable."""

from __future__ import annotations

import numpy as np
import pytest
from steps import outputs

import refopt
from refopt import CoordinateMomentum

START = [1.0, 2.0]


def test_masked_coordinates_are_refreshed_and_the_others_kept():
    masks = [np.array([True, False, True]), np.array([False, False, True])]
    method = CoordinateMomentum(mask=masks)
    out = outputs(method, [[1.0, 2.0, 3.0], [-1.0, -2.0, -3.0]])
    assert out.tolist() == [[1.0, 0.0, 3.0], [1.0, 0.0, -3.0]]


def test_p_is_the_share_that_is_refreshed():
    """20,000 coordinates, p = 0.3: the share of one step is within five standard deviations, 0.016."""
    u = np.ones(20_000)
    state = CoordinateMomentum(0.3).init(u, None, np.random.default_rng(7))
    out, _ = CoordinateMomentum(0.3).step(None, u, state)
    assert abs(out.mean() - 0.3) < 0.016 and set(np.unique(out)) == {0.0, 1.0}
    for p in (0.0, 1.0):
        out, _ = CoordinateMomentum(p).step(
            None, u, CoordinateMomentum(p).init(u, None, np.random.default_rng(7))
        )
        assert np.all(out == p)


def test_a_recorded_run_is_replayed():
    """The masks that `randomness` hands out, given to `replaying`, repeat the run."""
    method = CoordinateMomentum(0.4)
    draw = method.randomness(np.random.default_rng(9))
    masks = [draw(t, 2) for t in range(6)]

    def run(m, rng):
        options = {"maxiter": 6, "gtol": 0}
        return refopt.minimize(lambda x: x @ x, START, method=[m, refopt.LR(0.1)], options=options, rng=rng)

    assert np.array_equal(run(method, 9).x, run(method.replaying(masks), 1).x)
    assert method.replaying(masks).randomness(np.random.default_rng(0)) is None


@pytest.mark.parametrize(
    "mask, words",
    [
        (lambda t, n: np.ones(5, bool), r"mask of step 0 must have shape \(2,\), got \(5,\)"),
        ([np.ones(2, bool)], "step 1 needs a mask, but only 1 were given"),
    ],
)
def test_injected_masks(mask, words):
    with pytest.raises(ValueError, match=words):
        refopt.minimize(lambda x: x @ x, START, method=[CoordinateMomentum(mask=mask), refopt.LR(0.1)])


def second_moments(p, lr):
    """The matrix that takes E[x^2, x v, v^2] to the next step's, on f = x^2/2: the two masks, weighed."""
    M = np.zeros((3, 3))
    for refreshed, weight in ((True, p), (False, 1 - p)):
        method = CoordinateMomentum(mask=lambda t, n, refreshed=refreshed: np.array([refreshed]))
        columns = []
        for x, v in ((1.0, 0.0), (0.0, 1.0)):
            out, _ = method.step(None, np.array([x]), method.init(np.zeros(1))._replace(v=np.array([v])))
            columns.append((x - lr * out[0], out[0]))
        (a, c), (b, d) = columns  # x' = a x + b v,  v' = c x + d v
        M += weight * np.array(
            [[a * a, 2 * a * b, b * b], [a * c, a * d + b * c, b * d], [c * c, 2 * c * d, d * d]]
        )
    return M


@pytest.mark.parametrize("p", [0.1, 0.5, 1.0])
def test_the_stable_step_size_is_that_of_the_docstring(p):
    """In the mean square lr < 2 p / ((2 - p) L), L = 1: the spectral radius passes through 1 there."""
    edge = 2 * p / (2 - p)
    radius = lambda lr: np.abs(np.linalg.eigvals(second_moments(p, lr))).max()  # noqa: E731
    assert radius(0.99 * edge) < 1 < radius(1.01 * edge) and radius(edge) == pytest.approx(1, abs=1e-9)
