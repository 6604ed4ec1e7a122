"""Runs over functions with branches that reverse mode cannot see past."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest

import refopt
from refopt.composite import LeastSquares, ModelLoss
from refopt.fit import objective_of

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def guarded(x):
    """The root of -x where x is negative, x elsewhere: reverse mode has nan there, and nothing else is."""
    return anp.where(x >= 0, x, anp.sqrt(-x))


def target(x):
    return anp.sum((guarded(x) - np.arange(2.0, 2.0 + len(x))) ** 2) + (x[0] - x[-1] + len(x) - 1) ** 4


METHODS = [
    *("HigherOrderNewton", "NewtonNewton", "ScipyNewtonCG", "CurveBall", "InfinityNormTrustRegion", "LBFGS"),
    *("Newton", "NewtonSolver"),
]


@pytest.mark.parametrize("n", [1, 3, 7])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_minimum(method, n):
    result = refopt.minimize(target, np.full(n, 6.0), method=method, options={"maxiter": 500})
    assert np.allclose(result.x, np.arange(2.0, 2.0 + n), atol=1e-3), (method, result.message)
    assert "g" in result.derivatives["Taylor mode"]


@pytest.mark.parametrize("kind", ["residuals", "model and loss"])
@pytest.mark.parametrize("m", [2, 9])
def test_fits(kind, m):
    """The Jacobian, by rows or by columns, and products with it; against the same fit without a branch."""
    t = np.linspace(0.5, 2, m)

    def fits(root):
        model = lambda x: root(x[0]) * t + x[1] * t**2 + root(x[2] + 2)  # noqa: E731
        residuals = lambda x: model(x) - np.cos(t)  # noqa: E731
        loss = lambda y: anp.sum(anp.logaddexp(0, y) - y * np.cos(t))  # noqa: E731
        return LeastSquares(residuals) if kind == "residuals" else ModelLoss(model, loss)

    x, v = np.array([1.5, -0.5, 0.7]), np.array([1.0, 2.0, -3.0])
    with_branch, without = (objective_of(fits(root), x) for root in (guarded, lambda x: x))
    p, q = with_branch.at(x), without.at(x)
    assert p.f == q.f
    for a, b in ((p.g, q.g), (p.jacobian, q.jacobian), (p.hess, q.hess), (p.gauss_newton, q.gauss_newton)):
        assert np.allclose(a, b, rtol=1e-10, atol=1e-12)
    assert np.allclose(p.gauss_newton_product(v), q.gauss_newton_product(v), rtol=1e-10)
    assert np.allclose(p.hvp(v), q.hvp(v), rtol=1e-10)
    # column by column J is forward mode in effect, which chooses after it has multiplied
    assert with_branch.derivatives["Taylor mode"] == ("H, J, g" if m < 3 else "H, g")
    assert "Taylor mode" not in without.derivatives


def test_a_fit_by_gauss_newton():
    t = np.linspace(0.5, 2, 20)
    fit = LeastSquares(lambda x: guarded(x[0]) * np.exp(-t) + x[1] * t - (2 * np.exp(-t) + 3 * t))
    result = refopt.minimize(fit, [6.0, 0.0], method="GaussNewton")
    assert result.success and np.allclose(result.x, [2, 3])


def test_higher_contractions():
    """T[w] v, its matrix and D4[a, b] v at once, against the function without a branch."""
    f = objective_of(lambda x: anp.sum(guarded(x) ** 4) + anp.prod(x), np.ones(3))
    g = objective_of(lambda x: anp.sum(x**4) + anp.prod(x), np.ones(3))
    x, w, v = np.array([1.0, 2.0, 3.0]), np.array([1.0, -1.0, 2.0]), np.array([0.5, 1.0, 1.5])
    p, q = f.at(x), g.at(x)
    assert np.allclose(f.third(p, w)[0], g.third(q, w)[0])
    assert np.allclose(f.third(p, w)[1](v), g.third(q, w)[1](v))
    for fixed in ((w,), (w, v)):
        a, b = f.contraction(p, fixed), g.contraction(q, fixed)
        assert np.allclose(a(v), b(v)) and np.allclose(a.matrix(), b.matrix())
    for k, T in enumerate(p.tensors(3)):
        assert np.allclose(T, q.tensors(3)[k])
    value, gradient, product = f.model(p, w, 3)
    for a, b in zip(
        (value, gradient, product(v)), (*g.model(q, w, 3)[:2], g.model(q, w, 3)[2](v)), strict=True
    ):
        assert np.allclose(a, b)


def test_the_message_names_the_operation():
    result = refopt.minimize(lambda x: anp.sum(anp.sqrt(x) ** 2 + x**2), [0.0], method="LBFGS")
    assert not result.success and "`sqrt` of 0" in result.message and "g[0] = nan" in result.message
    hessian = refopt.minimize(
        lambda x: anp.sum(anp.abs(x) ** 1.5 + x), [0.0], method="InfinityNormTrustRegion"
    )
    assert not hessian.success and "the Hessian of fun is not finite in reverse mode at `" in hessian.message


def test_a_slope_is_tested_once_at_a_point():
    f = objective_of(target, np.full(3, 6.0))
    point = f.at(np.full(3, 6.0))
    point.g  # noqa: B018
    assert f.nfev == 1 + 1 + 5
    calls = []
    for v in np.eye(3):
        before = f.nfev
        point.hvp(v)
        calls.append(f.nfev - before)
    assert calls[1] == calls[2] < calls[0]


def test_a_finite_derivative_costs_nothing():
    f = objective_of(lambda x: anp.sum(x**2), np.ones(3))
    f.at(np.ones(3)).g  # noqa: B018
    assert f.nfev == 1 and f.derivatives == {"g": "autograd"} and f.blame == ""
