"""Functions made of a model and a loss: values, derivatives, Gauss-Newton products, counting, errors."""

from __future__ import annotations

import pickle

import autograd.numpy as anp
import numpy as np
import pytest
import scipy.optimize

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


# ---------------------------------------------------------------- shapes

COLUMN = np.linspace(0, 2, 9)[:, None]


@pytest.mark.parametrize(
    "residuals, words",
    [
        (
            lambda x: x[0] * anp.exp(-x[1] * COLUMN[:, 0]) - COLUMN,
            r"must return an array of shape \(m,\), got shape \(9, 9\); if there are 9 data, they are likely "
            r"a column, shape \(9, 1\).*np.ravel\(y\)",
        ),
        (lambda x: x[0] * COLUMN - x[1], r"got shape \(9, 1\); flatten them, np.ravel\(r\)"),
        (lambda x: x[0] * COLUMN.T - x[1], r"got shape \(1, 9\); flatten them"),
        (lambda x: x[0] - x[1], "got the single number 0.0; give a scalar function to minimize directly"),
        (lambda x: [[x[0], x[1]], [x[1], x[0]]], r"got shape \(2, 2\)"),
    ],
)
@pytest.mark.parametrize("jac", [None, "3-point"])
@pytest.mark.parametrize("method", [None, "GaussNewton", "HigherOrderNewton", "LBFGS"])
def test_residuals_that_are_no_vector_are_refused(residuals, words, jac, method):
    calls = []

    def counted(x):
        calls.append(0)
        return residuals(x)

    with pytest.raises(ValueError, match=words):
        refopt.minimize(LeastSquares(counted), [1.0, 1.0], method=method, jac=jac)
    assert len(calls) <= 2  # where a traced call fails, a plain one says whose fault it is
    with pytest.raises(ValueError, match=words):
        LeastSquares(residuals)(np.array([1.0, 1.0]))


# ---------------------------------------------------------------- weights and robust losses

TIMES = np.linspace(0, 4, 15)
NOISE = np.random.default_rng(3).standard_normal(TIMES.size)
DATA = 3 * np.exp(-0.9 * TIMES) + 0.05 * NOISE
DATA[[4, 9]] += [1.0, -0.7]
SIGMA = np.linspace(0.02, 0.1, TIMES.size)
SPREAD = SIGMA[:, None] * SIGMA * 0.6 ** np.abs(np.arange(15)[:, None] - np.arange(15))
ROBUST = ("soft_l1", "huber", "cauchy", "arctan")
P = np.array([2.5, 0.7])


def curve(t, a, k):
    return a * anp.exp(-k * t)


def off(p):
    return curve(TIMES, *p) - DATA


def test_weights_and_sigma_by_hand():
    r = off(P)
    assert LeastSquares(off, weights=SIGMA**-2)(P) == pytest.approx(np.sum((r / SIGMA) ** 2), rel=1e-14)
    assert LeastSquares(off, sigma=SIGMA)(P) == pytest.approx(np.sum((r / SIGMA) ** 2), rel=1e-14)
    assert LeastSquares(off, sigma=0.1)(P) == pytest.approx(100 * r @ r, rel=1e-14)
    inverse = np.linalg.inv(SPREAD)
    assert LeastSquares(off, sigma=SPREAD)(P) == pytest.approx(r @ inverse @ r, rel=1e-11)


def theirs(z, loss):
    """rho, rho', rho'' in the words of SciPy's documentation, at z = 0.5 and z = 2."""
    return {
        "soft_l1": 2 * ((1 + z) ** 0.5 - 1),
        "huber": z if z <= 1 else 2 * z**0.5 - 1,
        "cauchy": np.log(1 + z),
        "arctan": np.arctan(z),
    }[loss]


@pytest.mark.parametrize("loss", ROBUST)
def test_robust_losses_by_hand(loss):
    c = 0.3
    for z in (0.5, 2.0):
        fun = LeastSquares(lambda x: x, loss=loss, f_scale=c)
        assert fun(np.array([c * np.sqrt(z)])) == pytest.approx(c**2 * theirs(z, loss), rel=1e-14)
        rho, h = fun.rho, 1e-5
        assert rho.slope(np.array([z]))[0] == pytest.approx(
            (theirs(z + h, loss) - theirs(z - h, loss)) / (2 * h), rel=1e-9
        )
        assert rho.curvature(np.array([z]))[0] == pytest.approx(
            (theirs(z + h, loss) - 2 * theirs(z, loss) + theirs(z - h, loss)) / h**2, rel=1e-4, abs=1e-5
        )
    assert fun.rho.slope(np.zeros(1))[0] == 1.0 and fun(np.zeros(1)) == 0.0


WEIGHTED = {
    "weights": {"weights": SIGMA**-2},
    "sigma": {"sigma": SIGMA},
    "covariance": {"sigma": SPREAD},
    **{loss: {"loss": loss, "f_scale": 0.1} for loss in ROBUST},
    "both": {"loss": "cauchy", "f_scale": 2.0, "sigma": SIGMA},
    "own": {"loss": lambda z: anp.log(1 + z), "f_scale": 0.1},
    "three rows": {"loss": lambda z: anp.array([anp.log(1 + z), 1 / (1 + z), -1 / (1 + z) ** 2])},
}
each_weighting = pytest.mark.parametrize("given", WEIGHTED.values(), ids=WEIGHTED)


@each_weighting
def test_all_derivatives_with_weights_and_losses(given):
    """The gradient from the parts, the Hessian and the Taylor series are those of the function itself."""
    fun = LeastSquares(off, **given)
    point, v = point_of(fun, P), np.array([0.3, -1.0])
    np.testing.assert_allclose(point.g, gradient(fun, P), rtol=1e-11)
    h = 1e-5
    columns = [(point_of(fun, P + h * e).g - point_of(fun, P - h * e).g) / (2 * h) for e in np.eye(2)]
    np.testing.assert_allclose(point.hess, columns, rtol=1e-6, atol=1e-6 * np.abs(point.hess).max())
    series = point.taylor(v, 3)
    assert series[1] == pytest.approx(point.g @ v, rel=1e-11)
    assert series[2] == pytest.approx(v @ point.hess @ v / 2, rel=1e-10)
    along = lambda t: point_of(fun, P + t * v).hess  # noqa: E731
    assert series[3] == pytest.approx(v @ (along(h) - along(-h)) @ v / (12 * h), rel=1e-5)
    A, b = point.objective.factor(point)
    np.testing.assert_allclose(2 * A.T @ b, point.g, rtol=1e-10)
    np.testing.assert_allclose(2 * A.T @ A, point.gauss_newton, rtol=1e-12)
    np.testing.assert_allclose(point.gauss_newton_product(v), point.gauss_newton @ v, rtol=1e-11)
    assert np.linalg.eigvalsh(point.gauss_newton)[0] >= 0


@each_weighting
@pytest.mark.parametrize("jac", [None, "3-point", "J"])
def test_the_jacobian_has_the_weights(given, jac):
    plain = lambda p: np.stack([np.exp(-p[1] * TIMES), -p[0] * TIMES * np.exp(-p[1] * TIMES)], axis=1)  # noqa: E731
    fun = LeastSquares(off, **given)
    point = objective_of(fun, P, jac=plain if jac == "J" else jac).at(P)
    point.g  # noqa: B018
    np.testing.assert_allclose(point.jacobian, fun.weighted(plain(P)), rtol=1e-7)
    np.testing.assert_allclose(point.residuals, fun.weighted(off(P)), rtol=1e-14)
    np.testing.assert_allclose(point.g, gradient(fun, P), rtol=1e-7)


@pytest.mark.parametrize("loss", ROBUST)
@pytest.mark.parametrize("method", [None, "GaussNewton", "HigherOrderNewton", "InfinityNormTrustRegion"])
def test_robust_fits_are_scipys(loss, method):
    right = scipy.optimize.least_squares(
        off, [2.0, 1.0], loss=loss, f_scale=0.1, xtol=1e-15, ftol=1e-15, gtol=1e-12
    )
    fun = LeastSquares(off, loss=loss, f_scale=0.1)
    result = refopt.minimize(fun, [2.0, 1.0], method=method, options={"gtol": 1e-9})
    assert result.success
    np.testing.assert_allclose(result.x, right.x, rtol=1e-6)
    assert result.fun == pytest.approx(2 * right.cost, rel=1e-10)


@pytest.mark.parametrize("sigma", [SIGMA, SPREAD], ids=["deviations", "covariance"])
@pytest.mark.parametrize("absolute", [False, True])
def test_weighted_fits_are_those_of_curve_fit(sigma, absolute):
    right, spread = scipy.optimize.curve_fit(
        curve, TIMES, DATA, [2.0, 1.0], sigma=sigma, absolute_sigma=absolute, xtol=1e-14, ftol=1e-14
    )
    fun = LeastSquares(off, sigma=sigma, absolute_sigma=absolute)
    result = refopt.minimize(fun, [2.0, 1.0], options={"gtol": 0})
    assert result.success
    np.testing.assert_allclose(result.x, right, rtol=1e-7)
    # curve_fit has its Jacobian from differences
    np.testing.assert_allclose(result.covariance(), spread, rtol=1e-5)
    np.testing.assert_allclose(result.standard_errors(), np.sqrt(np.diag(spread)), rtol=1e-5)
    np.testing.assert_allclose(pickle.loads(pickle.dumps(result)).covariance(), spread, rtol=1e-5)


def test_weights_up_to_a_factor_give_the_same_covariance():
    a, b = (
        refopt.minimize(LeastSquares(off, weights=c * SIGMA**-2), P, options={"gtol": 0}) for c in (1.0, 1e4)
    )
    np.testing.assert_allclose(a.covariance(), b.covariance(), rtol=1e-6)
    assert b.residual_standard_deviation() == pytest.approx(100 * a.residual_standard_deviation(), rel=1e-7)


def test_a_robust_fit_has_no_covariance():
    result = refopt.minimize(LeastSquares(off, loss="huber", f_scale=0.1), P)
    for call in (result.covariance, result.standard_errors, result.residual_standard_deviation):
        with pytest.raises(TypeError, match="the fit has loss='huber', .* bootstrap"):
            call()


def test_float32_with_weights():
    fun = LeastSquares(off, sigma=SIGMA, loss="huber")
    point = point_of(fun, P.astype(np.float32))
    for a in (point.g, point.jacobian, point.residuals, point.gauss_newton):
        assert a.dtype == np.float32
    result = refopt.minimize(fun, P.astype(np.float32), tol=1e-1)
    assert result.x.dtype == np.float32


@pytest.mark.parametrize(
    "given, error, words",
    [
        ({"weights": [1.0], "sigma": [1.0]}, ValueError, "give weights or sigma, not both"),
        ({"weights": "equal"}, TypeError, "weights must be real numbers, got 'equal'"),
        ({"weights": [1.0, 0.0]}, ValueError, "weights must be positive and finite, got 0 at 1; leave out"),
        ({"sigma": [1.0, -2.0]}, ValueError, "sigma must be positive and finite, got -2 at 1"),
        ({"sigma": [1.0, np.nan]}, ValueError, "sigma must be positive and finite, got nan at 1"),
        (
            {"sigma": np.ones((2, 3))},
            ValueError,
            r"sigma must have shape \(m,\) or \(m, m\), got shape \(2, 3\)",
        ),
        (
            {"sigma": [[1.0, 2.0], [2.0, 1.0]]},
            ValueError,
            "must be a covariance matrix, .* positive definite",
        ),
        ({"sigma": [[1.0, 0.5], [0.0, 1.0]]}, ValueError, "it is not symmetric"),
        ({"weights": np.ones((2, 2))}, ValueError, r"weights must have shape \(m,\), got shape \(2, 2\)"),
        ({"loss": "hubber"}, ValueError, "loss must be one of .* did you mean 'huber'"),
        ({"loss": "huber", "f_scale": 0}, ValueError, r"f_scale must be in \(0, inf\)"),
        ({"f_scale": 2.0}, ValueError, "f_scale has no effect with loss='linear'"),
        ({"absolute_sigma": True}, ValueError, "absolute_sigma has no effect without sigma"),
        ({"absolute_sigma": 1, "sigma": 1.0}, TypeError, "absolute_sigma must be True or False"),
    ],
)
def test_wrong_weights_and_losses(given, error, words):
    with pytest.raises(error, match=words):
        LeastSquares(off, **given)


@pytest.mark.parametrize("sigma", [np.ones(14), np.eye(14)])
def test_weights_for_another_number_of_residuals(sigma):
    with pytest.raises(ValueError, match="weights or sigma are for 14 residuals, but there are 15"):
        refopt.minimize(LeastSquares(off, sigma=sigma), P)


def test_a_loss_of_another_shape():
    with pytest.raises(ValueError, match=r"one number for each residual, shape \(15,\)"):
        refopt.minimize(LeastSquares(off, loss=anp.sum), P)


def test_what_was_given_is_printed():
    text = repr(LeastSquares(off, sigma=SIGMA, loss="huber", f_scale=2.0))
    assert text == "LeastSquares(off, sigma=an array of shape (15,) and dtype float64, loss=huber, f_scale=2)"


@pytest.mark.parametrize("loss", ROBUST)
def test_the_gauss_newton_matrix_of_a_robust_loss(loss):
    """For residuals x it is the Hessian where that is positive, and positive where it is not."""
    fun = LeastSquares(lambda x: x, loss=loss, f_scale=0.3)
    near, far = point_of(fun, np.array([0.1, -0.15])), point_of(fun, np.array([0.6, -3.0]))
    np.testing.assert_allclose(near.gauss_newton, near.hess, rtol=1e-13)
    assert np.all(np.diag(far.gauss_newton) > 0)
    assert np.all(np.diag(far.gauss_newton) >= np.diag(far.hess) * (1 - 1e-13))
