"""The minimiser of a quadratic model over two directions: the 2x2 system, its branches, against 40 digits."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from refopt.solvers.span import minimise_over_span


def system(seed, n=6, definite=True):
    rng = np.random.default_rng(seed)
    M = rng.standard_normal((n, n))
    K = M @ M.T + 0.1 * np.eye(n) if definite else M + M.T
    u, z = rng.standard_normal(n), rng.standard_normal(n)
    return K, u, K @ z + u, z


def exact_coefficients(K, u, D, z):
    """The solution of the 2x2 system in 40 digits."""
    with mpmath.workdps(40):
        K, u, D, z = (mpmath.matrix(a.tolist()) for a in (K, u, D, z))
        dot = lambda a, b: (a.T * b)[0]  # noqa: E731
        A = mpmath.matrix([[dot(D, K * D), dot(D, K * z)], [dot(z, K * D), dot(z, K * z)]])
        beta, minus = mpmath.lu_solve(A, mpmath.matrix([dot(u, D), dot(u, z)]))
        return float(beta), float(-minus)


def is_minimiser(K, u, D, z, beta, rho):
    """Whether no other point of span{D, z} has a lower model, up to 1e-12 of its depth (rounding of the
    values)."""
    p = rho * z - beta * D
    basis = np.linalg.qr(np.stack((D, z), axis=1))[0]
    best = basis @ np.linalg.solve(basis.T @ K @ basis, -basis.T @ u)  # the direct minimisation
    value = lambda p: u @ p + p @ K @ p / 2  # noqa: E731
    return value(p) <= value(best) + 1e-12 * abs(value(best))


@pytest.mark.parametrize("seed", range(20))
def test_minimises_the_damped_model_over_the_span(seed):
    K, u, D, z = system(seed)
    beta, rho, branch = minimise_over_span(u, D, z, K @ D, K @ z)
    assert branch == "regular"
    assert is_minimiser(K, u, D, z, beta, rho), f"seed {seed}"
    # condition numbers of these systems stay below 1e4
    np.testing.assert_allclose(
        (beta, rho), exact_coefficients(K, u, D, z), rtol=1e-11, err_msg=f"seed {seed}"
    )


def test_the_check_sees_a_wrong_coefficient():
    K, u, D, z = system(0)
    beta, rho, _ = minimise_over_span(u, D, z, K @ D, K @ z)
    assert not is_minimiser(K, u, D, z, beta * (1 + 1e-4), rho)
    assert not is_minimiser(K, u, D, z, beta, -rho)


@pytest.mark.parametrize("factor", [0.0, 1.0, -3.0])
def test_rank_one(factor):
    """z = 0, or z along D: the minimiser along D alone."""
    K, u, D, _ = system(1)
    z = factor * D
    beta, rho, branch = minimise_over_span(u, D, z, K @ D, K @ z)
    assert (branch, rho) == ("rank one", 0.0)
    assert beta == pytest.approx((u @ D) / (D @ K @ D), rel=1e-14)


def test_nearly_parallel_vectors_stay_accurate():
    """D and z with an angle of 1e-6: the model is minimised, although the 2x2 system has condition number
    1e12."""
    K, u, D, w = system(2)
    z = D + 1e-6 * w
    beta, rho, branch = minimise_over_span(u, D, z, K @ D, K @ z)
    assert branch == "regular"
    p = rho * z - beta * D
    slope = u + K @ p
    for e in (D, z):  # 1e-9: eps over the angle
        assert abs(slope @ e) <= 1e-8 * np.linalg.norm(e) * np.linalg.norm(u)


@pytest.mark.parametrize("seed", range(10))
def test_indefinite_systems_descend(seed):
    K, u, D, z = system(seed, definite=False)
    e = np.linalg.qr(np.stack((D, z), axis=1))[0]
    if np.linalg.eigvalsh(e.T @ K @ e)[0] > 0:
        K = K - 50 * np.eye(6)
        D = K @ z + u
    beta, rho, branch = minimise_over_span(u, D, z, K @ D, K @ z)
    assert branch == "indefinite"
    assert u @ (rho * z - beta * D) < 0, f"seed {seed}"
    e = np.linalg.qr(np.stack((D, z), axis=1))[0]
    k, V = np.linalg.eigh(e.T @ K @ e)
    expected = -e @ V @ ((V.T @ e.T @ u) / np.abs(k))  # sizes of the eigenvalues
    np.testing.assert_allclose(rho * z - beta * D, expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())


def test_no_curvature_at_all():
    u = np.array([3.0, 4.0])
    zero = np.zeros(2)
    # H = 0, lam = 0: the gradient
    assert minimise_over_span(u, u, zero, zero, zero) == (1.0, 0.0, "indefinite")
    assert minimise_over_span(u, zero, u, zero, u) == (0.0, 1.0, "rank one")  # D = 0: z solves the system


def test_scale_of_the_variables_does_not_overflow():
    """K(D, D) of lengths 1e100 would be 1e400."""
    K, u, D, z = system(3)
    small = minimise_over_span(u, D, z, K @ D, K @ z)
    large = minimise_over_span(1e100 * u, 1e100 * D, 1e100 * z, 1e100 * (K @ D), 1e100 * (K @ z))
    np.testing.assert_allclose(small[:2], large[:2], rtol=1e-12)
