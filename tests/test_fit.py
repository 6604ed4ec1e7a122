"""Functions made of a model and a loss, with the Jacobian of the user, of autograd, or of differences."""

from __future__ import annotations

import math

import autograd.numpy as anp
import numpy as np
import pytest

import refopt
from refopt.fit import FitObjective, objective_of
from refopt.function import FunctionObjective

T = np.linspace(0, 2, 9)
Y = 3 * np.exp(-1.2 * T)
X = np.array([1.0, 1.0])


def decay(p):
    return p[0] * anp.exp(-p[1] * T) - Y


def simulated(p):
    """The same residuals as a black box."""
    return np.array([float(p[0]) * math.exp(-float(p[1]) * t) for t in T]) - Y


def jacobian(p):
    return np.stack([np.exp(-p[1] * T), -p[0] * T * np.exp(-p[1] * T)], axis=1)


def test_which_objective():
    assert type(objective_of(refopt.LeastSquares(decay), X)) is FitObjective
    assert type(objective_of(lambda x: x[0], X)) is FunctionObjective


@pytest.mark.parametrize(
    "fun, jac, error, source",
    [
        (decay, None, 1e-15, "autograd"),
        (simulated, jacobian, 0.0, "jac"),
        (simulated, "2-point", 1e-7, "differences of residuals"),
        (simulated, "3-point", 1e-10, "differences of residuals"),
        (simulated, lambda p: 2 * jacobian(p).T @ simulated(p), 1e-10, "differences of residuals"),
        (decay, lambda p: 2 * jacobian(p).T @ simulated(p), 1e-15, "autograd"),
    ],
)
def test_jacobian_gradient_and_products(fun, jac, error, source):
    objective = objective_of(refopt.LeastSquares(fun), X, jac=jac)
    point, J, r = objective.at(X), jacobian(X), simulated(X)
    v = np.array([1.0, -2.0])
    assert point.f == pytest.approx(r @ r, rel=1e-14)
    assert np.abs(point.jacobian - J).max() <= 4 * error
    assert np.allclose(point.g, 2 * J.T @ r, rtol=1e-13 + 10 * error)
    assert np.allclose(point.residuals, r, rtol=0, atol=1e-15)
    assert np.allclose(point.gauss_newton, 2 * J.T @ J, rtol=1e-13 + 20 * error)
    assert np.allclose(point.gauss_newton_product(v), 2 * J.T @ (J @ v), rtol=1e-12 + 50 * error)
    assert objective.derivatives["J"] == source


@pytest.mark.parametrize(
    "method", ["GaussNewton", "HigherOrderNewton", "LBFGS", "InfinityNormTrustRegion", "Newton"]
)
@pytest.mark.parametrize(
    "jac", [jacobian, "3-point", lambda p: 2 * jacobian(p).T @ simulated(p)], ids=["J", "3-point", "g"]
)
def test_a_fit_of_a_black_box(method, jac):
    result = refopt.minimize(refopt.LeastSquares(simulated), X, method=method, jac=jac)
    assert result.success and np.allclose(result.x, [3.0, 1.2], atol=1e-5)


def test_calls_are_counted():
    calls = []
    fun = refopt.LeastSquares(lambda p: (calls.append(0), simulated(p))[1])
    for jac in (jacobian, "3-point"):
        calls.clear()
        result = refopt.minimize(fun, X, method="GaussNewton", jac=jac)
        assert result.nfev == len(calls) > 1


def test_a_model_and_a_loss_by_differences():
    t = np.array([-1.0, 0.5, 2.0, 1.0])
    y = np.array([0.0, 1.0, 1.0, 0.0])
    model = lambda x: np.array([float(x[0]) + float(x[1]) * s for s in t])  # noqa: E731
    loss = lambda z: anp.sum(anp.logaddexp(0, z) - y * z)  # noqa: E731
    exact = refopt.minimize(
        refopt.ModelLoss(lambda x: x[0] + x[1] * t, loss), [0.0, 0.0], method="GaussNewton"
    )
    ours = refopt.minimize(
        refopt.ModelLoss(model, loss), [0.0, 0.0], method="GaussNewton", jac="3-point", tol=1e-6
    )
    assert ours.success and np.allclose(ours.x, exact.x, atol=1e-5)


def test_a_wrong_jacobian_is_refused_by_its_shape():
    with pytest.raises(
        ValueError, match=r"jac of residuals must return an array of shape \(9, 2\), one row for each"
    ):
        refopt.minimize(refopt.LeastSquares(decay), X, method="GaussNewton", jac=lambda p: jacobian(p).T)
    with pytest.raises(TypeError, match="real numbers"):
        refopt.minimize(refopt.LeastSquares(decay), X, method="GaussNewton", jac=lambda p: 1j * jacobian(p))


def test_a_fallback_for_residuals():
    result = refopt.minimize(
        refopt.LeastSquares(simulated), X, method="GaussNewton", options={"fallback": "3-point"}
    )
    assert result.success and result.derivatives["J"] == "differences of residuals"
    with pytest.raises(refopt.derivatives.TraceError, match="autograd cannot differentiate"):
        refopt.minimize(refopt.LeastSquares(simulated), X, method="GaussNewton")


@pytest.mark.parametrize("jac", [None, "3-point"])
def test_residuals_may_be_a_list(jac):
    fun = refopt.LeastSquares(lambda x: [x[0] - 1, 10 * (x[1] - x[0] ** 2)])
    for method in ("GaussNewton", "HigherOrderNewton", "LBFGS"):
        result = refopt.minimize(fun, [0.5, 0.5], method=method, jac=jac)
        assert result.success and np.allclose(result.x, 1, atol=1e-4)
    assert fun(np.array([2.0, 4.0])) == 1.0
