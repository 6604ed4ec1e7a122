"""The iterative solvers of SciPy behind one call: every solver, every outcome, counted products."""

from __future__ import annotations

import numpy as np
import pytest

from refopt.solvers import krylov
from refopt.status import Stop

SOLVERS = list(krylov.SOLVERS)
SEED = 31


def system(n=6, definite=True, seed=SEED):
    """A symmetric matrix of condition number 10, and a right side."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    w = np.linspace(1, 10, n) * (1 if definite else np.resize([1, -1], n))
    return (Q * w) @ Q.T, rng.standard_normal(n)


def product(A, **options):
    return krylov.Product(lambda v: A @ v, "test", **options)


@pytest.mark.parametrize("name", SOLVERS)
def test_every_solver_solves_and_its_products_are_counted(name):
    A, b = system()
    tight = {"atol": 1e-13, "btol": 1e-13} if name in krylov.LEAST_SQUARES else {"rtol": 1e-13}
    times = product(A)
    answer = krylov.solve(name, times, b, keywords=tight)
    assert answer.outcome == "converged" and answer.products == times.count > 0
    assert np.abs(answer.x - np.linalg.solve(A, b)).max() <= 1e-10 * np.abs(b).max()


@pytest.mark.parametrize("name", [n for n in SOLVERS if n not in krylov.LEAST_SQUARES])
def test_rtol_is_the_share_of_the_right_side_that_may_be_left(name):
    A, b = system()
    answer = krylov.solve(name, product(A), b, rtol=1e-3)
    assert np.linalg.norm(b - A @ answer.x) <= 1e-3 * np.linalg.norm(b) * (1 + 1e-9)


def test_the_limit_of_iterations_is_told_from_convergence():
    A, b = system(40)
    assert krylov.solve("cg", product(A), b, keywords={"maxiter": 2}).outcome == "iterations"


def test_truncation_stops_at_the_first_direction_without_curvature():
    A, b = system(definite=False)
    A[0] = A[:, 0] = 0
    A[0, 0], b[:] = -1.0, 0
    b[0] = 1.0
    answer = krylov.solve("cg", product(A, truncate=True), b)
    assert answer.outcome == "curvature" and np.array_equal(answer.x, b)


def test_a_zero_matrix_and_a_product_that_is_not_finite():
    b = np.ones(3)
    answer = krylov.solve("cg", product(np.zeros((3, 3))), b)
    assert answer.outcome == "breakdown" and np.array_equal(answer.x, b) and answer.x is not b
    with pytest.raises(Stop, match="test: coordinate 1 of Hessian-vector product 1 is nan"):
        krylov.solve("cg", krylov.Product(lambda v: np.array([0, np.nan, 0]), "test"), b)
    with pytest.raises(Stop, match="test: the incoming update is not finite"):
        krylov.solve("cg", product(np.eye(3)), np.array([np.inf, 0, 0]))


def test_names_and_keywords():
    assert krylov.find_solver("X", "cg") == krylov.find_solver("X", krylov.SOLVERS["cg"]) == "cg"
    with pytest.raises(ValueError, match="unknown solver for X: 'minrs'; did you mean 'minres'"):
        krylov.find_solver("X", "minrs")
    with pytest.raises(TypeError, match="X: solver must be one of cg, minres"):
        krylov.find_solver("X", np.linalg.solve)
    assert krylov.check_keywords("X", "cg", None, {}) == {}
    with pytest.raises(ValueError, match="X: cg takes no 'restart'; it takes"):
        krylov.check_keywords("X", "cg", {"restart": 3}, {})
    with pytest.raises(ValueError, match="X: kwargs must not hold 'rtol': it is set by forcing"):
        krylov.check_keywords("X", "cg", {"rtol": 3}, {"rtol": "it is set by forcing"})


def test_a_preconditioner_is_used_and_its_shape_checked():
    A, b = np.diag([1.0, 1e4, 1e8]), np.ones(3)
    M = krylov.operator("X", np.diag(1 / np.diag(A)), 3)
    assert np.allclose(M @ b, 1 / np.diag(A)) and np.allclose(M.H @ b, M @ b)
    answer = krylov.solve("cg", product(A), b, M=M)
    assert answer.products <= 2 and np.allclose(answer.x, 1 / np.diag(A))
    with pytest.raises(ValueError, match=r"X: M must have shape \(3, 3\), got shape \(2, 2\)"):
        krylov.operator("X", np.eye(2), 3)


@pytest.mark.parametrize("shown, kept", [([0.9, 0.9], True), ([5.0, 5.0], False), ([np.nan, 1.0], False)])
def test_breakdown_keeps_the_last_iterate_if_it_is_better_than_none(shown, kept, monkeypatch):
    def solver(A, b, callback=None, **rest):
        callback(np.array(shown))
        raise ZeroDivisionError

    monkeypatch.setitem(krylov.SOLVERS, "cg", solver)
    answer = krylov.solve("cg", krylov.Product(lambda v: v.copy(), "test"), np.ones(2))
    assert answer.outcome == "breakdown" and np.array_equal(answer.x, shown if kept else np.ones(2))
