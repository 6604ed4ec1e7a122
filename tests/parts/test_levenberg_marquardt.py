"""LevenbergMarquardt: its steps, the choice of the model, units, bounds, and answers against MINPACK's."""

from __future__ import annotations

import itertools

import autograd.numpy as anp
import numpy as np
import pytest
import scipy.optimize
from functions import square_with_the_rule

import refopt
from refopt import LeastSquares, LevenbergMarquardt, minimize
from refopt.fit import objective_of
from refopt.parts.levenberg_marquardt import column_lengths
from refopt.problems import get, names
from refopt.status import Status

T = np.linspace(0, 4, 15)
RNG = np.random.default_rng(12)
Y = 3 * np.exp(-0.9 * T) + 0.05 * RNG.standard_normal(T.size)


def decay(p):
    return p[0] * anp.exp(-p[1] * T) - Y


def first_step(fun, x, **hyperparameters):
    """``(d, state, point)`` of the first step from x."""
    method = LevenbergMarquardt(**hyperparameters)
    point = objective_of(fun, x).at(x)
    d, state = method.step(point, point.g, method.init(x))
    return d, state, point


# ---------------------------------------------------------------- the step


def test_a_free_step_is_that_of_gauss_newton():
    x = np.array([2.5, 0.8])
    d, state, point = first_step(LeastSquares(decay), x)
    np.testing.assert_allclose(d, np.linalg.lstsq(point.jacobian, point.residuals)[0], rtol=1e-12)
    assert state.accepted and state.attempts == 1


@pytest.mark.parametrize("radius", [1e-3, 0.05])
def test_a_step_at_the_edge_satisfies_the_conditions(radius):
    """(J^T J + lam D^2) d = J^T r with lam > 0 and |D d| = radius |D x0|: Moré 1978, eq. (3.3)."""
    x = np.array([1.0, 0.1])
    d, _, point = first_step(LeastSquares(decay), x, init_radius=radius)
    J, r = point.jacobian, point.residuals
    D = np.linalg.norm(J, axis=0)
    assert np.linalg.norm(D * d) == pytest.approx(radius * np.linalg.norm(D * x), rel=1e-12)
    lam = (J.T @ (r - J @ d)) / (D**2 * d)
    assert lam[0] > 0 and lam[1] == pytest.approx(lam[0], rel=1e-8)


def test_the_scale_is_the_greatest_column_so_far():
    method, objective = LevenbergMarquardt(), objective_of(LeastSquares(decay), np.ones(2))
    state, x, greatest = method.init(np.ones(2)), np.array([0.5, 2.0]), np.zeros(2)
    for _ in range(4):
        point = objective.at(x.copy())
        greatest = np.maximum(greatest, np.linalg.norm(point.jacobian, axis=0))
        update, state = method.step(point, point.g, state)
        np.testing.assert_allclose(state.lengths, greatest, rtol=1e-14)
        x = x - update


def test_lengths_of_columns_do_not_overflow():
    A = np.array([[3e200, 3e-200], [4e200, 4e-200]])
    np.testing.assert_allclose(column_lengths(np.eye(2), (A, np.ones(2))), [5e200, 5e-200], rtol=1e-14)


def test_a_variable_without_effect_at_the_start():
    """At amplitude 0 the rate has no effect, and its column is zero."""
    result = minimize(LeastSquares(decay), [0.0, 1.0], options={"gtol": 0})
    right = scipy.optimize.least_squares(decay, [2.0, 1.0], xtol=1e-15, ftol=1e-15, gtol=1e-15).x
    assert result.success
    np.testing.assert_allclose(result.x, right, rtol=1e-7)


def test_a_start_at_zero():
    line = LeastSquares(lambda x: x[0] + x[1] * T - Y)
    result = minimize(line, [0.0, 0.0], options={"gtol": 0})
    np.testing.assert_allclose(result.x, np.polyfit(T, Y, 1)[::-1], rtol=1e-10)
    assert result.success


def test_a_singular_jacobian_gives_the_shortest_step():
    fun = LeastSquares(lambda x: x[:1] + 2 * x[1:] - 3)
    d, _, _ = first_step(fun, np.array([2.0, 1.0]), init_radius=100.0)
    # shortest in |D d|, D = (1, 2): both parameters change the residual by the same amount
    np.testing.assert_allclose(d, [0.5, 0.25], rtol=1e-13)


# ---------------------------------------------------------------- the models


def models(result):
    return {record.figures["model"] for record in result.history}


def test_a_large_residual_is_left_to_the_hessian():
    """Brown and Dennis: the residuals at the solution are large, and Gauss-Newton converges slowly."""
    p = get("mgh/brown_dennis")
    runs = {
        name: minimize(
            p.fun,
            p.x0,
            method=LevenbergMarquardt(curvature=name),
            options={"gtol": 1e-6, "return_all": True},
        )
        for name in ("adaptive", "gauss-newton")
    }
    assert all(r.success and r.fun == pytest.approx(85822.20162635634, rel=1e-12) for r in runs.values())
    assert runs["adaptive"].nit * 3 < runs["gauss-newton"].nit
    assert models(runs["gauss-newton"]) == {"gauss-newton"} < models(runs["adaptive"])


def test_a_small_residual_never_asks_for_the_hessian():
    result = minimize(LeastSquares(decay), [2.0, 0.5], options={"return_all": True})
    # the run has looked at H where it might end, the method never
    assert result.success and models(result) == {"gauss-newton"} and result.nhev - result.njev <= 2


def test_looks_in_vain_grow_rarer():
    """In the curved valley of MGH17 neither model fits: the Hessian in one of five iterations at most."""
    p = get("nist/MGH17")
    with np.errstate(all="ignore"):
        result = minimize(p.fun, p.starts[0], method=LevenbergMarquardt(), options={"gtol": 0})
    assert p.digits(result.x).min() > 6
    assert result.nhev - result.njev < result.nit / 5


def test_the_hessian_leaves_a_saddle_point():
    """f = (x^2 - 1)^2 + y^2 has a maximum along x at 0; from beside it the run ends at a minimum."""
    fun = LeastSquares(lambda x: anp.array([x[0] ** 2 - 1, x[1]]))
    result = minimize(fun, [1e-3, 1.0], options={"gtol": 0})
    np.testing.assert_allclose(np.abs(result.x), [1, 0], atol=1e-8)


def test_residuals_that_can_be_traced_once_only():
    """The Hessian is not to be had, and the Gauss-Newton model does without."""

    def rule(ans, x):
        return lambda g: g * 2 * float(np.asarray(getattr(x, "_value", x)).ravel()[0])

    with square_with_the_rule(rule) as square:
        fun = LeastSquares(lambda x: anp.array([square(x[0]) - 2.0, square(x[0]) - 9.0]))
        try:
            result = minimize(fun, [0.3], method=LevenbergMarquardt(), tol=1e-6)
        except refopt.derivatives.TraceError:
            pytest.fail("the Hessian was insisted on")
    assert result.x[0] ** 2 == pytest.approx(5.5, rel=1e-5)


def test_a_model_and_a_loss():
    t, y = np.array([-1.0, 0.5, 2.0, 1.0]), np.array([0.0, 1.0, 1.0, 0.0])
    fun = refopt.ModelLoss(lambda x: x[0] + x[1] * t, lambda z: anp.sum(anp.logaddexp(0, z) - y * z))
    ours = minimize(fun, [0.0, 0.0], method="LevenbergMarquardt", tol=1e-9)
    theirs = minimize(fun, [0.0, 0.0], method="Newton", tol=1e-9)
    assert ours.success
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-7)


def test_another_update_takes_the_matrix():
    x = np.array([2.5, 0.8])
    u = objective_of(LeastSquares(decay), x).at(x).g * [0.5, 0.4]
    method, point = LevenbergMarquardt(init_radius=1e3), objective_of(LeastSquares(decay), x).at(x)
    d, _ = method.step(point, u, method.init(x))
    np.testing.assert_allclose(point.gauss_newton @ d, u, rtol=1e-9)


# ---------------------------------------------------------------- units

UNITS = [*itertools.product((1e-6, 1e-3, 1.0, 1e3, 1e6), repeat=2)]
S = np.array([3.5, 1.75, 0.9, 0.45, 0.22, 0.11] * 3 + [0.0])
V = [
    4.41,
    4.19,
    3.55,
    2.58,
    1.66,
    1.06,
    4.84,
    4.67,
    3.9,
    2.86,
    1.75,
    1.06,
    4.91,
    4.52,
    3.75,
    2.76,
    1.86,
    1.12,
    0,
]
L = np.linspace(0, 10, 21)
GROWN = 7 / (1 + np.exp(-1.1 * (L - 4))) + 0.1 * RNG.standard_normal(L.size)
# predictor, data, model, the unit of each parameter where those of predictor and data are a and b, start
FITS = {
    "Michaelis-Menten": (
        S,
        np.array(V),
        lambda p, t: p[0] * t / (p[1] + t),
        lambda a, b: np.array([b, a]),
        np.array([4.0, 0.5]),
    ),
    "decay": (
        T,
        Y,
        lambda p, t: p[0] * anp.exp(-p[1] * t),
        lambda a, b: np.array([b, 1 / a]),
        np.array([2, 0.5]),
    ),
    "logistic growth": (
        L,
        GROWN,
        lambda p, t: p[0] / (1 + anp.exp(-p[1] * (t - p[2]))),
        lambda a, b: np.array([b, 1 / a, a]),
        np.array([5.0, 0.7, 3.0]),
    ),
}


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("method", [None, "GaussNewton"])
def test_fits_in_all_units(name, method):
    """25 systems of units; MINPACK's answer in the first one, to 1e-6."""
    t, y, model, unit_of, start = FITS[name]
    right = scipy.optimize.least_squares(
        lambda p: model(p, t) - y, start, method="lm", xtol=1e-15, ftol=1e-15, gtol=1e-15
    ).x
    for a, b in UNITS:
        unit = unit_of(a, b)
        fun = LeastSquares(lambda p, a=a, b=b: model(p, a * t) - b * y)
        result = minimize(fun, start * unit, method=method, options={"gtol": 0})
        assert result.success, (a, b, result.message)
        np.testing.assert_allclose(result.x, right * unit, rtol=1e-6, err_msg=f"units {a:g}, {b:g}")


@pytest.mark.parametrize("name", FITS)
def test_the_path_does_not_depend_on_units(name):
    """In units that are powers of two the same numbers are rounded; 1e-11 is for the functions' own."""
    t, y, model, unit_of, start = FITS[name]
    paths = []
    for a, b in ((1.0, 1.0), (2.0**20, 2.0**-20), (2.0**-30, 2.0**10)):
        unit = unit_of(a, b)
        fun = LeastSquares(lambda p, a=a, b=b: model(p, a * t) - b * y)
        run = refopt.iterate(fun, start * unit, options={"gtol": 0, "maxiter": 6})
        paths.append([record.x / unit for record in run])
    np.testing.assert_allclose(paths[1], paths[0], rtol=1e-11)
    np.testing.assert_allclose(paths[2], paths[0], rtol=1e-11)


def test_the_scale_of_f_does_not_matter():
    for c in (1e-60, 1e60):
        result = minimize(LeastSquares(lambda p, c=c: c * decay(p)), [2.0, 0.5], options={"gtol": 0})
        plain = minimize(LeastSquares(decay), [2.0, 0.5], options={"gtol": 0})
        np.testing.assert_allclose(result.x, plain.x, rtol=1e-9)


# ---------------------------------------------------------------- bounds


@pytest.mark.parametrize("curvature", ["adaptive", "gauss-newton"])
def test_bounds_are_met_exactly(curvature):
    fun = LeastSquares(lambda x: x[0] * anp.exp(-x[1] * T) + x[2] - Y)
    lower, upper = np.array([0.0, 0.95, -1.0]), np.array([2.8, 2.0, 1.0])
    theirs = scipy.optimize.least_squares(
        fun.residuals, [1.0, 1.0, 0.0], bounds=(lower, upper), xtol=1e-15, ftol=1e-15, gtol=1e-15
    )
    ours = minimize(
        fun,
        [1.0, 1.0, 0.0],
        method=LevenbergMarquardt(curvature=curvature),
        bounds=scipy.optimize.Bounds(lower, upper),
        options={"return_all": True},
        tol=1e-9,
    )
    assert ours.success and all(np.all((x >= lower) & (x <= upper)) for x in ours.allvecs)
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-5)
    assert np.any((ours.x == lower) | (ours.x == upper))


# ---------------------------------------------------------------- trouble


def test_it_needs_residuals():
    with pytest.raises(TypeError, match="needs the Gauss-Newton matrix, but fun is a plain scalar function"):
        minimize(lambda x: x @ x, [1.0], method="LevenbergMarquardt")


def test_a_jacobian_that_is_not_finite():
    with np.errstate(all="ignore"):
        result = minimize(LeastSquares(lambda x: anp.abs(x) ** 0.5 + anp.sqrt(x)), [0.0, 4.0])
    assert result.status == Status.NONFINITE.number and not result.success


def test_a_wall_of_infinite_values():
    """Beyond 1 the residuals are infinite; the minimum is at 0.9."""

    def residuals(x):
        return anp.where(x < 1, 10 * (x - 0.9), anp.inf) + 0 * x

    result = minimize(LeastSquares(residuals), [-30.0], options={"gtol": 0})
    assert result.x[0] == pytest.approx(0.9, rel=1e-9)


def test_wrong_hyperparameters():
    with pytest.raises(ValueError, match="rho_bad must be below rho_good"):
        LevenbergMarquardt(rho_bad=0.8)
    with pytest.raises(ValueError, match="curvature must be one of 'adaptive', 'gauss-newton'"):
        LevenbergMarquardt(curvature="exact")


# ---------------------------------------------------------------- problems with certified answers


@pytest.mark.parametrize("key", names("nist/*"))
def test_nist_from_both_starts(key):
    """All 27, by the bare default; 6 digits of the 11 that are certified."""
    p = get(key)
    for start in p.starts:
        with np.errstate(all="ignore"):
            result = minimize(p.fun, start, options={"gtol": 0})
        assert result.success, result.message
        assert p.digits(result.x).min() >= 6, (start, result.x)


@pytest.mark.parametrize("key", names("mgh/*"))
def test_mgh(key):
    """All 35, by the bare default: f of a listed minimum to 1e-9."""
    p = get(key)
    with np.errstate(all="ignore"):
        result = minimize(p.fun, p.x0, options={"gtol": 0})
    assert result.success, result.message
    assert any(abs(result.fun - known.f) <= 1e-9 * (1 + abs(known.f)) for known in p.minima), result.fun
