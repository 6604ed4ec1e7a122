"""Newton: the exact direction, and the one of descent where the Hessian is indefinite."""

from __future__ import annotations

import numpy as np
import pytest

import refopt
from refopt.parts.newton import descent_solve
from refopt.status import Status


def test_a_definite_hessian_gives_newtons_direction():
    H, u = np.array([[4.0, 1.0], [1.0, 3.0]]), np.array([1.0, 2.0])
    d, solver = descent_solve(H, u, 1e-8)
    assert solver == "cholesky" and np.allclose(H @ d, u, rtol=1e-14)


def test_an_indefinite_hessian_gives_descent():
    """Eigenvalues replaced by their sizes: diag(2, -1) acts as diag(2, 1), in any units of the variables."""
    u = np.array([1.0, 1.0])
    d, solver = descent_solve(np.diag([2.0, -1.0]), u, 1e-8)
    assert solver == "modified" and np.allclose(d, [0.5, 1.0])
    scale = np.array([1e3, 1e-2])
    scaled, _ = descent_solve(np.diag([2.0, -1.0]) * np.outer(scale, scale), u * scale, 1e-8)
    assert np.allclose(scaled * scale, d, rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_direction_descends_for_every_symmetric_matrix(seed):
    rng = np.random.default_rng(seed)
    M, u = rng.standard_normal((5, 5)), rng.standard_normal(5)
    assert descent_solve(M + M.T, u, 1e-8)[0] @ u > 0, f"seed {seed}"


def test_singular_and_zero_matrices():
    """No curvature gives the update itself; small eigenvalues count as delta times the largest."""
    u = np.array([1.0, -2.0])
    assert np.array_equal(descent_solve(np.zeros((2, 2)), u, 1e-8)[0], u)
    S = np.array([[1.0, 1.0], [1.0, 1.0]])  # eigenvalues 2 and 0
    d, solver = descent_solve(S - 1e-9 * np.eye(2), np.array([1.0, -1.0]), 0.5)
    assert solver == "modified" and np.allclose(d, [1.0, -1.0], rtol=1e-8)  # -1e-9 counts as 0.5 * 2


def test_a_hessian_that_is_not_finite_ends_the_run():
    result = refopt.minimize(lambda x: x[0] ** 2, [1.0], method="Newton", hess=lambda x: np.array([[np.nan]]))
    assert result.status == Status.NONFINITE.number and "entries that are not finite" in result.message


def test_one_step_solves_a_quadratic_and_says_how():
    run = refopt.iterate(
        lambda x: (x[0] - 1) ** 2 + x[0] * x[1] + 2 * x[1] ** 2, [5.0, -3.0], method=[refopt.Newton()]
    )
    record = next(run)
    assert record.gnorm < 1e-13 and record.figures["solver"] == "cholesky"
