"""Finite differences as a source of derivatives: which, of what, how accurate, inside bounds, counted."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest
import scipy.optimize
from functions import never, square_with_the_rule

import refopt
from refopt import differences
from refopt.derivatives.refusal import plain
from refopt.fit import objective_of

START = np.array([-1.2, 1.0])
rosen, rosen_der, rosen_hess = scipy.optimize.rosen, scipy.optimize.rosen_der, scipy.optimize.rosen_hess
SECOND_ORDER = ["HigherOrderNewton", "Newton", "NewtonNewton", "InfinityNormTrustRegion", "NewtonSolver"]


def black_box(x):
    """Rosenbrock's function as a simulation that the tracer cannot follow."""
    r = np.zeros(2)
    r[0], r[1] = 10 * (x[1] - x[0] ** 2), 1 - x[0]
    return float(r @ r)


def complex_box(x):
    r = np.zeros(2, dtype=np.result_type(x, float))
    r[0], r[1] = 10 * (x[1] - x[0] ** 2), 1 - x[0]
    return np.sum(r**2)


@pytest.mark.parametrize("scheme, error", [("2-point", 1e-6), ("3-point", 1e-9), ("cs", 1e-14)])
def test_the_gradient(scheme, error):
    objective = objective_of(complex_box, START, jac=scheme)
    point = objective.at(START)
    assert np.abs(point.g - rosen_der(START)).max() <= error * np.abs(rosen_der(START)).max()
    assert objective.nfev == 1 + {"2-point": 2, "3-point": 4, "cs": 2}[scheme] and objective.njev == 1
    assert objective.derivatives == {"g": "differences of fun", "scheme": scheme}


@pytest.mark.parametrize(
    "jac, hess, error, of",
    [
        ("2-point", None, 1e-5, "fun"),
        ("3-point", None, 1e-6, "fun"),
        ("3-point", "2-point", 1e-4, "fun"),
        ("cs", None, 1e-8, "fun"),
        (rosen_der, "2-point", 1e-6, "jac"),
        (rosen_der, "3-point", 1e-8, "jac"),
        (rosen_der, "cs", 1e-14, "jac"),
        (rosen_der, None, 1e-8, "jac"),
    ],
)
def test_the_hessian_and_its_products(jac, hess, error, of):
    objective = objective_of(complex_box if jac == "cs" else black_box, START, jac=jac, hess=hess)
    point, H = objective.at(START), rosen_hess(START)
    v = np.array([1.0, -0.3])
    size = np.abs(H).max()
    assert np.abs(point.hess - H).max() <= error * size and np.array_equal(point.hess, point.hess.T)
    assert np.abs(point.hvp(v) - H @ v).max() <= error * size
    along = objective.product_along(objective.at(START), v)
    assert np.abs(along - H @ v).max() <= max(error, 1e-6) * size
    assert objective.derivatives["H"] == f"differences of {of}"


def test_the_third_derivative():
    """T[w] v of Rosenbrock's function: f_000 = 2400 x_0, f_001 = -400."""
    w, v = np.array([1.0, 2.0]), np.array([-1.0, 0.5])
    expected = np.array(
        [
            2400 * START[0] * w[0] * v[0] - 400 * (w[0] * v[1] + w[1] * v[0]),
            -400 * w[0] * v[0],
        ]
    )
    for jac, error in ((rosen_der, 1e-5), ("3-point", 1e-3)):
        objective = objective_of(black_box, START, jac=jac)
        T = objective.third(objective.at(START), w)[1](v)
        assert np.abs(T - expected).max() <= error * np.abs(expected).max()


def test_no_point_lies_outside_the_bounds_and_none_is_traced():
    seen = []

    def fun(x):
        assert type(x) is np.ndarray
        seen.append(x.copy())
        return black_box(x)

    low, high = np.array([-1.2, -np.inf]), np.array([np.inf, 1.0])  # START is a corner
    for jac in ("2-point", "3-point"):
        for n in range(2):
            objective = objective_of(fun, START, jac=jac, bounds=(low, high))
            objective.noise = [None, 1e-8][n]
            point = objective.at(START)
            assert np.abs(point.g - rosen_der(START)).max() < 1
            # one-sided steps of 0.01, third derivatives of 2900
            assert np.abs(point.hess - rosen_hess(START)).max() < 60
            objective.product_along(point, np.ones(2))
            objective.third(point, np.array([1.0, -1.0]))[1](np.array([-1.0, -1.0]))
    assert len(seen) > 50 and all(np.all(x >= low) and np.all(x <= high) for x in seen)


def test_float32_stays_float32():
    x = START.astype(np.float32)
    point = objective_of(black_box, x, jac="3-point").at(x)
    assert point.g.dtype == point.hess.dtype == point.hvp(x).dtype == np.float32
    assert np.abs(point.g - rosen_der(START)).max() < 1e-2 * np.abs(rosen_der(START)).max()
    result = refopt.minimize(black_box, x, jac="3-point", method="LBFGS", tol=0.05)
    assert result.success and result.x.dtype == np.float32


@pytest.mark.parametrize("method", SECOND_ORDER + ["LBFGS", "ScipyNewtonCG", "CurveBall", "StrongWolfe"])
@pytest.mark.parametrize("jac", ["3-point", rosen_der], ids=["3-point", "jac alone"])
def test_a_black_box_is_solved(method, jac):
    fun, goal = black_box, [1.0, 1.0]
    if method in ("StrongWolfe", "NewtonSolver"):  # which need thousands of steps on Rosenbrock's function
        fun, goal = lambda x: 1 + float(x[0] ** 2 + 3 * (x[1] - 1) ** 2), [0.0, 1.0]
        jac = jac if jac == "3-point" else lambda x: np.array([2 * x[0], 6 * (x[1] - 1)])
    result = refopt.minimize(fun, START, method=method, jac=jac)
    assert result.success and np.allclose(result.x, goal, atol=1e-3), result.message


@pytest.mark.parametrize("hess", ["2-point", "3-point", scipy.optimize.BFGS(), scipy.optimize.SR1()])
@pytest.mark.parametrize(
    "method", ["Newton", "InfinityNormTrustRegion", "ScipyNewtonCG", "HigherOrderNewton"]
)
def test_hess_by_name_or_strategy(hess, method):
    given = lambda x: np.array(rosen_der(x))  # noqa: E731
    result = refopt.minimize(black_box, START, method=method, jac=given, hess=hess, options={"maxiter": 400})
    assert result.success and np.allclose(result.x, 1, atol=1e-4), result.message
    name = hess if isinstance(hess, str) else type(hess).__name__
    assert result.derivatives["H"] == ("differences of jac" if isinstance(hess, str) else name)


def test_the_strategy_of_the_user_is_not_changed_and_third_derivatives_are_refused():
    strategy = scipy.optimize.BFGS()
    refopt.minimize(black_box, START, method="Newton", jac=rosen_der, hess=strategy)
    assert not hasattr(strategy, "n") or strategy.n is None
    with pytest.raises(TypeError, match="third derivative is needed, which hess=BFGS"):
        refopt.minimize(black_box, START, method="NewtonNewton", jac=rosen_der, hess=strategy)
    with pytest.raises(TypeError, match="hess=BFGS is a class; give an instance"):
        refopt.minimize(black_box, START, method="Newton", jac=rosen_der, hess=scipy.optimize.BFGS)


@pytest.mark.parametrize("method", SECOND_ORDER + ["LBFGS", "CubicAdam", "GradMin"])
def test_the_fallback(method):
    options = {"fallback": "3-point", "maxiter": 20}
    result = refopt.minimize(black_box, START, method=method, options=options)
    assert result.fun < black_box(START) and result.derivatives["g"] == "differences of fun"
    assert "differences, because autograd cannot follow fun" in result.derivatives["note"]
    exact = refopt.minimize(lambda x: (x[0] - 1) ** 2, [0.0], method="LBFGS", options={"fallback": "3-point"})
    assert exact.derivatives == {"g": "autograd", "H": "autograd"}


def test_the_default_falls_back_to_order_two_and_says_so():
    for given in ({"jac": rosen_der}, {"jac": rosen_der, "hess": rosen_hess}, {"jac": "3-point"}):
        result = refopt.minimize(black_box, START, **given)
        assert result.success and "order=2" in result.method and "order=2" in result.derivatives["note"]
    with pytest.raises(refopt.derivatives.TraceError, match="order 4 .* use order=2"):
        refopt.minimize(black_box, START, jac=rosen_der, options={"order": 4})
    with pytest.raises(refopt.derivatives.TraceError, match="order 3 .* use order=2"):
        refopt.minimize(black_box, START, jac="2-point", method=refopt.HigherOrderNewton(order=3))


# ---------------------------------------------------------------- noise


def noisy(level, seed=0):
    rng = np.random.default_rng(seed)
    return lambda x: (1 + float(np.sum((x - 1) ** 2 * [1, 10]))) * (1 + level * rng.uniform(-1, 1))


@pytest.mark.parametrize("noise", [1e-8, "auto"])
def test_noise_in_f_widens_the_steps(noise):
    """With steps for rounding, the error of a difference is noise / step = 1e-8 / 1e-8."""
    fun = noisy(1e-8)
    wide = objective_of(fun, np.zeros(2), jac="2-point", noise=noise)
    wide.prepare(wide.at(np.zeros(2)))
    narrow = objective_of(fun, np.zeros(2), jac="2-point")
    exact = np.array([-2.0, -20.0])
    errors = [np.abs(o.at(np.zeros(2)).g - exact).max() for o in (wide, narrow)]
    assert errors[0] < 5e-3 < errors[1]


def test_a_noisy_simulation_is_minimised():
    result = refopt.minimize(
        noisy(1e-8), [0.0, 0.0], method="LBFGS", jac="3-point", tol=1e-2, options={"noise": 1e-8}
    )
    assert result.success and np.allclose(result.x, 1, atol=5e-3)
    for wrong in (0, 1.0, -1e-8, "yes"):
        with pytest.raises((ValueError, TypeError), match="noise"):
            refopt.minimize(black_box, START, jac="3-point", options={"noise": wrong})


def test_relative_steps_are_scipys():
    seen = []
    fun = lambda x: (seen.append(x[0]), float(x[0] ** 2))[1]  # noqa: E731
    refopt.minimize(
        fun, [2.0], method="LBFGS", jac="2-point", options={"finite_diff_rel_step": 0.25, "maxiter": 0}
    )
    assert seen == [2.0, 2.5]


# ---------------------------------------------------------------- wrong calls


def test_names_of_schemes():
    for name in ("jac", "hess"):
        with pytest.raises(ValueError, match=f"{name}='5-point' is not available: give .* '3-point', 'cs'"):
            refopt.minimize(black_box, START, **{name: "5-point"})
    with pytest.raises(ValueError, match="hess='cs' needs jac"):
        refopt.minimize(black_box, START, method="Newton", jac="3-point", hess="cs")
    with pytest.raises(ValueError, match="fallback must be one of"):
        refopt.minimize(black_box, START, options={"fallback": "yes"})
    assert differences.scheme_or(None, "jac", "a function") == (None, None)


def test_the_default_takes_differences_of_a_gradient_that_cannot_be_traced_again():
    cut_off = lambda ans, x: lambda g: g * 2 * np.array(plain(x))  # noqa: E731
    with square_with_the_rule(cut_off) as square:
        fun = lambda x: anp.sum((square(x) - 2) ** 2)  # noqa: E731
        for method in ([refopt.Newton(), refopt.Backtracking()], refopt.HigherOrderNewton(order=3)):
            with pytest.raises(refopt.derivatives.TraceError):
                refopt.minimize(fun, [1.0, 1.5], method=method)
        result = refopt.minimize(fun, [1.0, 1.5])
    assert result.success and np.allclose(result.x, np.sqrt(2), atol=1e-6)
    assert result.derivatives["H"] == "differences of autograd's gradient"
    assert "order=2" in result.derivatives["note"]


def test_a_rule_of_the_users_own_that_can_be_traced_again_is_followed():
    with square_with_the_rule(lambda ans, x: lambda g: g * 2 * x) as square:
        fun = lambda x: anp.sum((square(x) - 2) ** 2)  # noqa: E731
        result = refopt.minimize(fun, [1.0, 1.5])
        assert result.success and "note" not in result.derivatives and "order=4" in result.method
        assert refopt.minimize(fun, [1.0, 1.5], method="Newton").derivatives["H"] == "autograd"


@pytest.mark.parametrize("jac", ["2-point", "3-point"])
def test_differences_of_zero_are_no_minimum_where_f_is_not_flat(jac):
    """float32 inside: steps of 1e-8 do not change f; a maximum of two: forward differences see one side."""
    single = lambda x: float(np.sum((np.asarray(x, dtype=np.float32) - np.float32(3)) ** 2))  # noqa: E731
    result = refopt.minimize(single, [0.0, 1.0], method="LBFGS", jac=jac)
    assert not result.success or np.allclose(result.x, 3, atol=1e-2)
    largest = lambda x: float(np.max((np.asarray(x) - [0, 0, 2]) ** 2))  # noqa: E731
    result = refopt.minimize(largest, [1.0, -1.0, 1.0], method="LBFGS", jac=jac)
    assert not result.success or result.fun < 1e-8, result.message


def test_options_of_differences_that_would_be_idle_are_refused():
    """Before anything is evaluated."""
    for options in ({"noise": 1e-8}, {"noise": "auto"}, {"finite_diff_rel_step": 1e-3}):
        with pytest.raises(
            ValueError, match=f"{next(iter(options))} has no effect without finite differences"
        ):
            refopt.minimize(never, START, options=options)
    for jac in (rosen_der, True, "3-point"):
        with pytest.raises(ValueError, match="fallback='2-point' has no effect"):
            refopt.minimize(never, START, jac=jac, options={"fallback": "2-point"})
    for jac in (None, False):
        options = {"fallback": "3-point", "noise": "auto"}
        result = refopt.minimize(black_box, START, jac=jac, options=options)
        assert result.success and result.derivatives["g"] == "differences of fun"
