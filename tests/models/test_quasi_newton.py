"""Quasi-Newton strategies against their defining equations, SciPy's own, and its interface."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
from scipy.optimize import BFGS

import refopt
from refopt.models.quasi_newton import broyden_update, psb_update


def pair(seed, n=5):
    """B positive definite, s, and y with y^T s > 0."""
    rng = np.random.default_rng(seed)
    M, N = rng.standard_normal((2, n, n))
    s = rng.standard_normal(n)
    return M @ M.T + np.eye(n), s, (N @ N.T + np.eye(n)) @ s


def is_update(B, new, s, y):
    """Symmetric, and the secant equation B s = y; 1e-10: eps times condition numbers below 1e3."""
    return np.array_equal(new, new.T) and np.allclose(new @ s, y, rtol=1e-10, atol=1e-10 * np.abs(y).max())


@pytest.mark.parametrize("seed", range(5))
def test_secant_equation(seed):
    B, s, y = pair(seed)
    for phi in (0.0, 0.3, 1.0, 2.0):
        new = broyden_update(B, s, y, phi)
        assert is_update(B, new, s, y) and np.linalg.eigvalsh(new)[0] > 0, f"seed {seed}, phi {phi}"
    new = psb_update(B, s, y)
    assert is_update(B, (new + new.T) / 2, s, y), f"seed {seed}"
    assert not is_update(B, new * (1 + 1e-6), s, y) and not is_update(B, B, s, y)  # the check can fail


@pytest.mark.parametrize("seed", range(5))
def test_known_members_of_the_class(seed):
    B, s, y = pair(seed)
    rho, one = 1 / (y @ s), np.eye(5)
    dfp = (one - rho * np.outer(y, s)) @ B @ (one - rho * np.outer(s, y)) + rho * np.outer(y, y)  # eq. 6.13
    np.testing.assert_allclose(broyden_update(B, s, y, 1.0), dfp, rtol=1e-9, atol=1e-9)
    half = (broyden_update(B, s, y, 0.0) + dfp) / 2  # affine in phi
    np.testing.assert_allclose(broyden_update(B, s, y, 0.5), half, rtol=1e-9, atol=1e-9)
    r = y - B @ s
    phi = (s @ y) / (s @ y - s @ B @ s)  # the member that is SR1
    np.testing.assert_allclose(
        broyden_update(B, s, y, phi), B + np.outer(r, r) / (r @ s), rtol=1e-8, atol=1e-8
    )


@pytest.mark.parametrize("seed", range(5))
def test_psb_is_the_least_symmetric_change(seed):
    """Any other symmetric matrix with the secant equation is farther from B in the Frobenius norm."""
    B, s, y = pair(seed)
    new = psb_update(B, s, y)
    rng = np.random.default_rng(seed)
    for _ in range(20):
        E = rng.standard_normal((5, 5))
        P = np.eye(5) - np.outer(s, s) / (s @ s)
        other = new + P @ (E + E.T) @ P  # keeps other @ s = y
        assert np.linalg.norm(other - B) > np.linalg.norm(new - B)


def test_bfgs_equals_scipys():
    """phi = 0 and the same first scaling: SciPy's BFGS for 10 updates, to rounding."""
    ours, theirs = refopt.BroydenClass(0.0), BFGS()
    for strategy in (ours, theirs):
        strategy.initialize(5, "hess")
    rng = np.random.default_rng(1)
    H = pair(3)[0]
    for _ in range(10):
        s = rng.standard_normal(5)
        ours.update(s, H @ s)
        theirs.update(s, H @ s)
        np.testing.assert_allclose(ours.get_matrix(), theirs.get_matrix(), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(ours.dot(s), theirs.dot(s), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("make", [refopt.DFP, refopt.PSB, lambda: refopt.BroydenClass(0.5)])
def test_interface_of_scipy(make):
    """They serve SciPy's own trust-constr."""
    strategy = make()
    assert isinstance(strategy, scipy.optimize.HessianUpdateStrategy)
    fun = lambda x: (x[0] - 1) ** 2 + 4 * (x[1] + 2) ** 2 + x[0] * x[1]  # noqa: E731
    jac = lambda x: np.array([2 * (x[0] - 1) + x[1], 8 * (x[1] + 2) + x[0]])  # noqa: E731
    result = scipy.optimize.minimize(fun, [3.0, 3.0], jac=jac, hess=strategy, method="trust-constr")
    np.testing.assert_allclose(jac(result.x), 0, atol=1e-5)


def test_pairs_of_too_little_curvature():
    s, y = np.array([1.0, 0.0]), np.array([-1.0, 1.0])
    skipping, damping = (
        refopt.BroydenClass(exception_strategy=e, init_scale=2.0) for e in ("skip_update", "damp_update")
    )
    for strategy in (skipping, damping):
        strategy.initialize(2, "hess")
        strategy.update(s, y)
    assert np.array_equal(skipping.get_matrix(), 2 * np.eye(2))
    B = damping.get_matrix()
    assert s @ B @ s == pytest.approx(0.2 * 2.0, rel=1e-12)  # y^T s of the damped y is min_curvature s^T B s
    assert np.linalg.eigvalsh(B)[0] > 0
    psb = refopt.PSB(init_scale=2.0)
    psb.initialize(2, "hess")
    psb.update(s, y)
    assert s @ psb.get_matrix() @ s == -1.0  # negative curvature is learned


def test_self_scaling_shrinks_only():
    s, y = np.array([1.0, 0.0]), np.array([0.5, 0.0])
    big, small = refopt.DFP(init_scale=100.0), refopt.DFP(init_scale=0.01)
    for strategy in (big, small):
        strategy.initialize(2, "hess")
        strategy.update(s, y)
    assert big.get_matrix()[1, 1] == pytest.approx(0.5) and small.get_matrix()[1, 1] == pytest.approx(0.01)


@pytest.mark.parametrize("bad", [np.zeros(2), np.array([np.nan, 1.0]), np.array([np.inf, 1.0])])
def test_bad_pairs_teach_nothing(bad):
    for make in (refopt.PSB, refopt.DFP):
        strategy = make(init_scale=3.0)
        strategy.initialize(2, "hess")
        strategy.update(bad, np.ones(2))
        strategy.update(np.ones(2), bad if not np.all(bad == 0) else np.full(2, np.nan))
        assert np.array_equal(strategy.get_matrix(), 3 * np.eye(2))


def test_matrices_are_handed_out_as_copies():
    strategy = refopt.PSB()
    strategy.initialize(2, "hess")
    strategy.get_matrix()[:] = 7
    assert np.array_equal(strategy.get_matrix(), np.eye(2))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: refopt.BroydenClass(-0.1), r"phi must be in \[0, inf\)"),
        (lambda: refopt.DFP(exception_strategy="damp"), "did you mean 'damp_update'"),
        (lambda: refopt.PSB(init_scale=0), "init_scale must be in"),
        (lambda: refopt.DFP(min_curvature=1.5), "min_curvature must be in"),
        (lambda: refopt.PSB().initialize(2, "inv_hess"), "approx_type must be 'hess'"),
    ],
)
def test_wrong_options(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_before_initialize():
    with pytest.raises(RuntimeError, match="initialize"):
        refopt.PSB().dot(np.ones(2))
