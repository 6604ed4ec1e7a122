"""Functions made of a model and a loss: values, derivatives, Gauss-Newton products, counting, errors."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest

import refopt
from refopt.composite import LeastSquares
from refopt.derivatives import gradient
from refopt.fit import objective_of

RNG = np.random.default_rng(11)
T = RNG.standard_normal((7, 3))
LABELS = np.eye(4)[RNG.integers(0, 4, 7)]


def softmax_model(x):
    return anp.tanh(T @ x[:12].reshape((3, 4))) + x[12]


def cross_entropy(z):
    return anp.sum(anp.log(anp.sum(anp.exp(z), axis=1)) - anp.sum(LABELS * z, axis=1))


SOFTMAX = refopt.ModelLoss(softmax_model, cross_entropy)
WIDE = refopt.LeastSquares(lambda x: anp.array([x[0] * x[1] - 1, anp.sum(x**2) - 3]))  # m < n
TALL = refopt.LeastSquares(lambda x: anp.concatenate((anp.sin(x), x**2 - 1, x[:1] * x[1:])))  # m > n
CASES = {
    "softmax": (SOFTMAX, RNG.standard_normal(13) / 2),
    "wide": (WIDE, np.array([0.5, 2.0, -1.0, 0.3])),
    "tall": (TALL, np.array([0.3, -0.7, 1.1])),
}
each_case = pytest.mark.parametrize("fun, x", CASES.values(), ids=CASES)


def point_of(fun, x):
    return objective_of(fun, x).at(x)


@each_case
def test_value_and_gradient_are_those_of_the_whole(fun, x):
    point = point_of(fun, x)
    whole = lambda x: fun.loss(fun.model(x))  # noqa: E731
    assert point.f == whole(x)
    np.testing.assert_allclose(point.g, gradient(whole, x), rtol=1e-14, atol=1e-15)


@each_case
def test_jacobian_by_central_differences(fun, x):
    """1e-8: error of central differences with step 1e-5 on functions of size 1."""
    point, h = point_of(fun, x), 1e-5
    columns = [np.ravel(fun.model(x + h * e) - fun.model(x - h * e)) / (2 * h) for e in np.eye(x.size)]
    np.testing.assert_allclose(point.jacobian, np.stack(columns, axis=1), rtol=1e-7, atol=1e-8)


@each_case
def test_gauss_newton_matrix_and_products(fun, x):
    point = point_of(fun, x)
    y = fun.model(x)
    H = refopt.derivatives.hessian(lambda v: fun.loss(v.reshape(np.shape(y))), np.ravel(y))
    J = point.jacobian
    np.testing.assert_allclose(point.gauss_newton, J.T @ H @ J, rtol=1e-12, atol=1e-13)
    for v in np.random.default_rng(2).standard_normal((3, x.size)):
        np.testing.assert_allclose(point.gauss_newton_product(v), J.T @ (H @ (J @ v)), rtol=1e-12, atol=1e-13)
    assert np.linalg.eigvalsh(point.gauss_newton)[0] > -1e-12  # both losses are convex


def test_least_squares_is_the_special_case():
    """H_l = 2 I for f = sum r^2, without 1/2."""
    x = CASES["tall"][1]
    pair = refopt.ModelLoss(TALL.residuals, lambda r: anp.sum(r**2))
    a, b = point_of(TALL, x), point_of(pair, x)
    assert a.f == b.f
    np.testing.assert_allclose(a.gauss_newton, b.gauss_newton, rtol=1e-14)
    np.testing.assert_allclose(a.gauss_newton, 2 * a.jacobian.T @ a.jacobian, rtol=1e-15)
    with pytest.raises(TypeError, match="LeastSquares"):
        b.residuals  # noqa: B018


def test_counting():
    """One call of the model for everything at a point; a Jacobian is one Hessian, a product one product."""
    calls = []

    def residuals(x):
        calls.append(1)
        return anp.concatenate((x**2 - 1, x[:1] * x[1:]))

    objective = objective_of(refopt.LeastSquares(residuals), np.ones(2))
    point = objective.at(np.array([1.5, 0.5]))
    point.f, point.g, point.residuals, point.jacobian, point.gauss_newton  # noqa: B018
    point.gauss_newton_product(np.ones(2))
    counts = (objective.nfev, objective.njev, objective.nhev, objective.nhvp)
    assert counts == (1, 1, 1, 1) and len(calls) == 1


def test_arguments_go_to_the_model():
    fun = refopt.ModelLoss(lambda x, a, b: a * x + b, lambda y: anp.sum(y**2))
    result = refopt.minimize(fun, [3.0, 4.0], args=(2.0, np.array([1.0, -1.0])), method="GaussNewton")
    assert result.success
    np.testing.assert_allclose(result.x, [-0.5, 0.5], atol=1e-12)


def test_float32_stays():
    x = CASES["tall"][1].astype(np.float32)
    point = point_of(TALL, x)
    for a in (point.g, point.jacobian, point.residuals, point.gauss_newton, point.gauss_newton_product(x)):
        assert a.dtype == np.float32


def test_a_model_that_ignores_a_variable_or_all():
    point = point_of(refopt.LeastSquares(lambda x: x[:1] - 1), np.array([3.0, 4.0]))
    assert point.jacobian.tolist() == [[1.0, 0.0]]
    point = point_of(refopt.LeastSquares(lambda x: np.array([2.0, 3.0, 4.0])), np.array([3.0, 4.0]))
    assert point.jacobian.tolist() == [[0.0, 0.0]] * 3 and not point.gauss_newton_product(np.ones(2)).any()


def test_matrices_cannot_be_edited():
    point = point_of(*CASES["tall"])
    for a in (point.jacobian, point.gauss_newton, point.residuals):
        with pytest.raises(ValueError, match="read-only"):
            a[0] = 7


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: refopt.ModelLoss(3, anp.sum), "model must be callable"),
        (lambda: refopt.ModelLoss(anp.sin, None), "loss must be callable"),
        (lambda: refopt.LeastSquares(None), "residuals must be callable"),
        (lambda: point_of(anp.sum, np.ones(2)).jacobian, "ModelLoss"),
        (lambda: point_of(anp.sum, np.ones(2)).gauss_newton, "ModelLoss"),
        (lambda: point_of(anp.sum, np.ones(2)).gauss_newton_product(np.ones(2)), "ModelLoss"),
        (lambda: point_of(anp.sum, np.ones(2)).residuals, "LeastSquares"),
    ],
)
def test_wrong_types(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_a_loss_that_is_no_number():
    with pytest.raises(ValueError, match="one number"):
        point_of(refopt.ModelLoss(lambda x: x, lambda y: y**2), np.ones(2)).f  # noqa: B018


def test_least_squares():
    f = LeastSquares(lambda x, a: a * x)
    assert f(np.array([1.0, 2.0]), 3.0) == 45.0 and f.residuals(2.0, 3.0) == 6.0
    assert "lambda" in repr(f)
    with pytest.raises(TypeError, match="LeastSquares: residuals must be callable, got 3"):
        LeastSquares(3)
