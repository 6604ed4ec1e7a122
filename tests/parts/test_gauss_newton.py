"""GaussNewton against lstsq, the definition, and the original."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest
from original import original

import refopt
from refopt.fit import objective_of
from refopt.problems import get
from refopt.status import Status


def step(fun, x, reg=0.0, update=None):
    point = objective_of(fun, x).at(x)
    method = refopt.GaussNewton(reg)
    return method.step(point, point.g if update is None else update, method.init(x))[0], point


@pytest.mark.parametrize("key", ["nist/Misra1a", "nist/Thurber", "mgh/osborne2", "mgh/powell_badly_scaled"])
@pytest.mark.parametrize("reg", [0.0, 1e-3])
def test_the_direction(key, reg):
    """Normal equations in 60 digits as judge; what remains is the condition number of J."""
    import mpmath

    p = get(key)
    d, point = step(p.fun, np.array(p.x0), reg)
    with mpmath.workdps(60):
        J, r = mpmath.matrix(point.jacobian.tolist()), mpmath.matrix(point.residuals.tolist())
        exact = mpmath.lu_solve(2 * J.T * J + reg * mpmath.eye(p.n), 2 * J.T * r)
        exact = np.array([float(v) for v in exact])
    condition = np.linalg.cond(np.vstack((point.jacobian, np.sqrt(reg / 2) * np.eye(p.n))))
    assert np.linalg.norm(d - exact) <= 1e-14 * condition * np.linalg.norm(exact) + 1e-16 * condition**2


def test_other_updates_and_losses_take_the_matrix():
    fun = refopt.LeastSquares(lambda x: anp.concatenate((x**2 - 1, x[:1] * x[1:])))
    x, u = np.array([1.5, 0.5]), np.array([1.0, -2.0])
    d, point = step(fun, x, 0.1, u)
    np.testing.assert_allclose((point.gauss_newton + 0.1 * np.eye(2)) @ d, u, rtol=1e-12)


def test_singular_jacobian_gives_the_shortest_step():
    fun = refopt.LeastSquares(lambda x: x[:1] + x[1:] - 3)
    d, _ = step(fun, np.zeros(2))
    np.testing.assert_allclose(d, [-1.5, -1.5], rtol=1e-14)


def test_one_step_solves_a_linear_problem():
    rng = np.random.default_rng(0)
    A, b = rng.standard_normal((8, 3)), rng.standard_normal(8)
    result = refopt.minimize(
        refopt.LeastSquares(lambda x: A @ x - b), np.zeros(3), method="GaussNewton", tol=1e-10
    )
    assert result.success and result.nit == 1
    np.testing.assert_allclose(result.x, np.linalg.lstsq(A, b)[0], rtol=1e-12)


def test_trouble():
    with pytest.raises(TypeError, match="ModelLoss"):
        refopt.minimize(lambda x: x @ x, [1.0], method="GaussNewton")
    with pytest.raises(ValueError, match="reg must be in"):
        refopt.GaussNewton(-1.0)
    with np.errstate(all="ignore"):
        result = refopt.minimize(
            refopt.LeastSquares(lambda x: anp.abs(x) ** 0.5 + anp.sqrt(x)), [0.0, 4.0], method="GaussNewton"
        )
    assert result.status == Status.NONFINITE.number


def test_the_original():
    """torchzero 0.4.4 on residuals whose loss is their sum of squares: one step with its reg, to rounding."""
    x = np.array([-1.2, 1.0])
    path = original(
        lambda m, ex: m.GaussNewton(reg=0.0),
        lambda torch, x: torch.stack((10 * (x[1] - x[0] ** 2), 1 - x[0])),
        x,
        1,
    )
    fun = refopt.LeastSquares(lambda x: anp.array([10 * (x[1] - x[0] ** 2), 1 - x[0]]))
    np.testing.assert_allclose(x - step(fun, x)[0], path[1], rtol=1e-9)
