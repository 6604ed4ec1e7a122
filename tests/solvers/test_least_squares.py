"""A linear least-squares problem in a ball: optimality conditions, condition number, singular matrices."""

import numpy as np
import pytest

from refopt.solvers.ball import quadratic_in_ball
from refopt.solvers.least_squares import least_squares_in_ball


@pytest.mark.parametrize("seed", range(20))
def test_least_squares_meets_the_conditions_of_a_global_minimiser(seed):
    rng = np.random.default_rng(seed)
    m, n = rng.integers(1, 9, 2)
    A, b = rng.normal(size=(m, n)) * 10.0 ** rng.uniform(-3, 3), rng.normal(size=m)
    free = np.linalg.pinv(A) @ b
    for share in (0.01, 0.9, 1.1):
        r = share * float(np.linalg.norm(free))
        z, lam = least_squares_in_ball(A, b, r)
        size = np.linalg.norm(A, 2) ** 2 * r + np.linalg.norm(A.T @ b)
        left = A.T @ (A @ z - b) + lam * z
        assert np.linalg.norm(left) <= 1e-12 * size, f"seed {seed}"
        assert np.linalg.norm(z) <= r * (1 + 1e-12) and lam * (r - np.linalg.norm(z)) <= 1e-12 * size
        assert (lam > 0) == (share < 1)
        if share > 1:
            np.testing.assert_allclose(z, free, rtol=1e-9, atol=1e-12 * np.abs(free).max())


def test_least_squares_has_the_condition_number_of_a():
    """Hilbert's columns, condition number 5e8: the normal matrix has none of these digits left."""
    A = 1 / (np.arange(12)[:, None] + np.arange(7) + 1.0)
    right = np.arange(1.0, 8.0)
    z, lam = least_squares_in_ball(A, A @ right, 100.0)
    assert lam == 0.0 and np.abs(z - right).max() < 1e-6
    w, V = np.linalg.eigh(A.T @ A)
    squared, _ = quadratic_in_ball(w, V, -A.T @ (A @ right), 100.0)
    assert np.abs(squared - right).max() > 1e-4


def test_least_squares_of_a_singular_matrix_is_the_shortest():
    A = np.array([[1.0, 1.0], [2.0, 2.0], [0.0, 0.0]])
    z, lam = least_squares_in_ball(A, np.array([2.0, 4.0, 7.0]), 5.0)
    np.testing.assert_allclose(z, [1.0, 1.0], rtol=1e-14)
    assert lam == 0.0
    z, lam = least_squares_in_ball(np.zeros((3, 2)), np.ones(3), 5.0)
    assert not z.any() and lam == 0.0
