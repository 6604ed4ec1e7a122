"""LBFGS: the two-loop recursion against the matrix it stands for, and which pairs it keeps."""

from __future__ import annotations

import numpy as np
import pytest
from steps import outputs

import refopt
from refopt import LBFGS
from refopt.function import FunctionObjective
from refopt.parts.lbfgs import two_loop

SEED = 41


def pairs(n=6, count=4):
    """Steps and gradient differences of a positive definite quadratic."""
    rng = np.random.default_rng(SEED)
    M = rng.standard_normal((n, n))
    H, S = M @ M.T + np.eye(n), rng.standard_normal((count, n))
    return tuple((s, H @ s, 1 / float(s @ H @ s)) for s in S), rng.standard_normal(n)


def matrix(stored):
    """The BFGS inverse Hessian written out: gamma I, then each pair's update in turn."""
    s, y, _ = stored[-1]
    n = s.size
    B = np.eye(n) * (s @ y) / (y @ y)
    for s, y, rho in stored:
        V = np.eye(n) - rho * np.outer(y, s)
        B = V.T @ B @ V + rho * np.outer(s, s)
    return B


def test_two_loops_are_the_matrix():
    stored, u = pairs()
    np.testing.assert_allclose(two_loop(u, stored), matrix(stored) @ u, rtol=1e-10, err_msg=f"seed {SEED}")
    s, y, _ = stored[-1]
    np.testing.assert_allclose(two_loop(y, stored), s, rtol=1e-10)  # the secant equation


def test_the_first_step_has_at_most_unit_length():
    """In the sum norm: u min(1, 1/|u|_1)."""
    assert outputs(LBFGS(), [[3.0, -1.0]], [1.0, 1.0])[0].tolist() == [0.75, -0.25]
    assert outputs(LBFGS(), [[0.25, -0.25]], [1.0, 1.0])[0].tolist() == [0.25, -0.25]
    assert outputs(LBFGS(), [[0.0, 0.0]], [1.0, 1.0])[0].tolist() == [0.0, 0.0]


def test_a_quadratic_ends_after_n_steps_with_exact_searches():
    """Conjugate directions: with exact line searches n + 1 iterations reach the minimum."""
    k = np.array([1.0, 5.0, 20.0])
    objective = FunctionObjective(lambda x: np.sum(k * x**2) / 2, np.ones(3), jac=lambda x: k * x)
    method, point = LBFGS(), objective.at(np.ones(3))
    state = method.init(point.x)
    for _ in range(4):
        d, state = method.step(point, point.g, state)
        point = point.after(d * float(point.g @ d / (d @ (k * d))))
    assert np.abs(point.x).max() < 1e-12


def test_pairs_without_positive_curvature_are_left_out_and_old_ones_forgotten():
    """On x^4 - x^2 between the inflections the gradient falls along the step: no pair."""
    objective = FunctionObjective(lambda x: x[0] ** 4 - x[0] ** 2, np.array([0.1]))
    method, state = LBFGS(history_size=2), None
    state, seen = method.init(np.array([0.1])), []
    for x in (0.1, 0.2, 0.6, 0.8, 1.0):
        point = objective.at(np.array([x]))
        _, state = method.step(point, point.g, state)
        seen.append(method.figures(state)["pairs"])
    assert seen == [0, 0, 1, 2, 2]


@pytest.mark.parametrize("size", [1e-300, 1e-150, 1e-12, 1e12, 1e150, 1e300])
def test_any_size_of_f_is_minimised(size):
    """The squares of s and y underflow or overflow."""
    fun = lambda x: size * (100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2)  # noqa: E731
    with np.errstate(over="ignore"):  # of f itself, far out
        result = refopt.minimize(fun, [-1.2, 1.0], method="LBFGS", options={"gtol": 0, "maxiter": 200})
    assert result.x == pytest.approx([1.0, 1.0], abs=1e-5), size
