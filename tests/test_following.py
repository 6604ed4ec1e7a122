"""What is compared with plain calls, and when: the traced function is the function."""

from __future__ import annotations

import warnings

import autograd.numpy as anp
import numpy as np
import pytest
import scipy.optimize
from autograd.tracer import getval, isbox

import refopt
from refopt.derivatives import TraceError
from refopt.derivatives.refusal import plain
from refopt.following import same, slack
from refopt.function import FunctionObjective

START = np.array([0.5, -0.5])


def simulate(x):
    y = np.zeros(2)
    y[0] = x[0] - 3
    y[1] = 2 * (x[1] + 1)
    return float(y @ y)


def guarded(x):
    try:
        return simulate(x)
    except Exception:
        return 1e10


def by_type(x):
    return sum((v - 1) ** 2 for v in x if isinstance(v, float))


def by_dtype(x):
    return ((x - 1) ** 2).sum() if np.asarray(x).dtype == float else 9.0


NAMES = [row.name for row in refopt.methods() if "gauss-newton" not in row.needs]


@pytest.mark.parametrize("name", NAMES)
def test_a_guard_that_tracing_trips_is_refused(name):
    with pytest.raises(
        TraceError, match=r"plain array it gives 7.25, .* 10000000000.0.*y\[0\]|raises ValueError"
    ):
        refopt.minimize(guarded, START, method=name)


@pytest.mark.parametrize("fun", [by_type, by_dtype])
@pytest.mark.parametrize("method", ["LBFGS", "HigherOrderNewton", "Adam"])
def test_a_value_that_tracing_changes_is_refused(fun, method):
    with pytest.raises(TraceError, match=f"{fun.__name__} is not the same function for autograd"):
        refopt.minimize(fun, START, method=method)


@pytest.mark.parametrize("method", ["LBFGS", "Newton", "HigherOrderNewton"])
def test_residuals_that_tracing_changes_are_refused(method):
    residuals = lambda x: anp.array([x[0] - 1, x[1] - (1 if isbox(x) else 2)])  # noqa: E731
    with pytest.raises(TraceError, match="is not the same function for autograd"):
        refopt.minimize(refopt.LeastSquares(residuals), START, method=method)


def test_one_plain_call_a_run_and_none_an_iteration():
    plain = []

    def fun(x):
        plain.append(not isbox(x))
        return anp.sum(anp.array([1.0, 10.0]) * (x - 1) ** 4)

    for maxiter in (3, 30):
        plain.clear()
        result = refopt.minimize(fun, START, method=refopt.LR(1e-3), options={"maxiter": maxiter})
        assert sum(plain) == 1 and plain[0] and result.nfev == len(plain) == maxiter + 2


def test_rounding_of_other_operations_is_no_difference():
    def fun(x):  # the tracer's variables take another way to the same value
        return anp.sum(x**2) if isbox(x) else float(x[1] * x[1] + x[0] * x[0]) * (1 + 1e-15)

    assert refopt.minimize(fun, START, method="LBFGS").success
    with pytest.raises(TraceError):
        refopt.minimize(lambda x: anp.sum(x**2) * (1 if isbox(x) else 1 + 1e-9), START, method="LBFGS")


def test_a_function_that_is_not_deterministic_is_said_and_not_blamed():
    rng = np.random.default_rng(0)
    with pytest.warns(RuntimeWarning, match="two different values at x0"):
        refopt.minimize(
            lambda x: anp.sum(x**2) + rng.standard_normal(),
            START,
            method=refopt.LR(0.1),
            options={"maxiter": 3},
        )


def test_a_start_that_is_not_finite_is_not_traced():
    def fun(x):
        assert not isbox(x)
        return np.inf

    result = refopt.minimize(fun, START, method="LBFGS")
    assert result.status == 20 and result.nfev == 1


def test_limits_leave_the_value_at_the_start():
    result = refopt.minimize(lambda x: anp.sum(x**2), START, method="LBFGS", options={"maxfev": 1})
    assert result.status == 11 and result.fun == 0.5 and result.nfev == 1


# ---------------------------------------------------------------- variables that the tracer lost


def half_lost(x):
    return anp.sum((x[:1] - 1) ** 2) + float(
        (getval(getval(x))[1] - 3) ** 2 if isbox(getval(x)) else (getval(x)[1] - 3) ** 2
    )


@pytest.mark.parametrize("method", ["LBFGS", "Newton", "HigherOrderNewton", "CubicAdam"])
def test_a_variable_that_the_tracer_lost_is_not_at_its_minimum(method):
    with pytest.raises(TraceError, match="depends on x, but the tracer"):
        refopt.minimize(half_lost, [0.0, 0.0], method=method, tol=1e-3)


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: anp.sum((x[:1] - 1) ** 2),  # the second variable is not used
        lambda x: (x[0] - 1) ** 2 + x[1] ** 2,  # it is at its minimum
        lambda x: (x[0] - 1) ** 2 + x[1] ** 4 - x[1] ** 3,  # at a flat place
        lambda x: (x[0] - 1) ** 2 + anp.abs(x[1]),  # at a kink
        lambda x: 1e6 + (x[0] - 1) ** 2 + 1e-7 * x[1] ** 2,  # f is rounded
        lambda x: (x[0] - 1) ** 2 + 100 * (x[1] - 1 + (1 - x[0]) ** 2) ** 2 if x[0] > 0 else (x[0] - 1) ** 2,
    ],
)
def test_a_true_zero_gradient_ends_the_run(fun):
    assert refopt.minimize(fun, [0.0, 0.0], method="LBFGS").success


def test_the_search_for_lost_variables_stays_inside_the_bounds():
    seen = []

    def fun(x):
        if not isbox(x):
            seen.append(x.copy())
        return (x[0] - 1) ** 2 + x[1] ** 2

    bounds = [(-2, 2), (0, 1)]
    refopt.minimize(fun, [0.0, 0.0], method="InfinityNormTrustRegion", bounds=bounds)
    assert len(seen) > 1 and all(x[1] >= 0 for x in seen)


# ---------------------------------------------------------------- with jac


def test_second_derivatives_come_from_a_trace_only_if_it_is_the_function():
    jac = scipy.optimize.rosen_der
    traced = refopt.minimize(scipy.optimize.rosen, [-1.2, 1.0], method="Newton", jac=jac)
    lost = refopt.minimize(
        lambda x: float(scipy.optimize.rosen(np.array(getval(x)))), [-1.2, 1.0], method="Newton", jac=jac
    )
    assert traced.success and traced.derivatives == {"g": "jac", "H": "autograd"}
    assert lost.success and lost.derivatives == {"g": "jac", "H": "differences of jac"}


def test_where_jac_and_trace_differ_the_values_decide():
    """Half of the function is hidden from the tracer, but its value is right: jac is the truth."""

    def fun(x):
        return anp.sum((x - 1) ** 2) + float(np.sum(np.asarray(deep(x)) ** 4))

    def deep(x):
        while isbox(x):
            x = getval(x)
        return x

    jac = lambda x: 2 * (x - 1) + 4 * x**3  # noqa: E731
    result = refopt.minimize(fun, START, method="Newton", jac=jac)
    assert result.success and result.derivatives["H"] == "differences of jac"
    with pytest.raises(ValueError, match="jac disagrees with the derivative of fun, coordinate"):
        refopt.minimize(
            scipy.optimize.rosen, [-1.2, 1.0], method="Newton", jac=lambda x: -scipy.optimize.rosen_der(x)
        )


# ---------------------------------------------------------------- complex steps


def test_a_complex_step_through_a_function_that_is_not_analytic_is_refused():
    for fun in (
        lambda x: np.sum(np.abs(x) ** 2),
        lambda x: np.sum(np.real(x) ** 2),
        lambda x: np.max(np.abs(x)),
    ):
        with pytest.raises(ValueError, match="needs a fun that is analytic"):
            refopt.minimize(fun, START, method="LBFGS", jac="cs")
    with pytest.raises(ValueError, match="discards the imaginary part"):
        refopt.minimize(simulate, START, method="LBFGS", jac="cs")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = refopt.minimize(lambda x: np.sum((np.sin(x) - 0.3) ** 2), START, method="LBFGS", jac="cs")
    assert result.success and np.allclose(np.sin(result.x), 0.3, atol=1e-5)


# ---------------------------------------------------------------- the comparison itself


def test_same():
    assert same(1.0, np.array([1.0]), 0.0) and same(np.nan, np.nan, 0.0) and same(np.inf, np.inf, 0.0)
    assert not same(1.0, 1.0 + 1e-12, 0.0) and same(1.0, 1.0 + 1e-12, 1e-11)
    assert not same([1.0, 2.0], [1.0], 1.0) and not same("a", 1.0, 1.0) and not same(np.nan, 1.0, np.inf)


def test_slack_counts_the_rounding_of_x():
    """f = x^2 - 4 cancels at 2: the rounding of x moves it by eps |g| |x|."""
    point = FunctionObjective(lambda x: x[0] ** 2 - 4.0, START).at(np.array([2.0, 0.0]))
    eps = np.finfo(float).eps
    assert slack(point, point.f) == 100 * eps * 8 and np.array_equal(
        slack(point, [1.0, 3.0]), 100 * eps * np.array([4.0, 6.0])
    )


@pytest.mark.parametrize("n", [2, 5, 10, 40])
@pytest.mark.parametrize("method", ["LBFGS", "HigherOrderNewton", "Newton"])
def test_rosenbrock_from_zero_ends_with_a_variable_that_began_at_gradient_zero(n, method):
    fun = lambda x: anp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)  # noqa: E731
    assert refopt.minimize(fun, np.zeros(n), method=method).success


# ---------------------------------------------------------------- Taylor mode


def test_the_model_has_the_gradient_of_the_point_also_at_a_tie():
    """max_i (x_i - 3)^2 at 0: reverse mode shares the slope of -6, Taylor mode along the axes sees none."""
    fun = lambda x: anp.max((x - 3) ** 2)  # noqa: E731
    point = FunctionObjective(fun, np.zeros(3)).at(np.zeros(3))
    assert np.array_equal(point.tensors(3)[1], point.g) and np.array_equal(point.g, -2 * np.ones(3))
    for order in (3, 4):
        result = refopt.minimize(fun, np.zeros(3), options={"order": order, "maxiter": 50})
        assert result.fun < 5


def test_a_value_that_taylor_mode_changes_is_refused():
    from refopt.derivatives.taylor_mode.algebra import TaylorNode

    def fun(x):
        return anp.sum(x**2) + (1.0 if isbox(x) and isinstance(x._node, TaylorNode) else 0.0)

    point = FunctionObjective(fun, START).at(START)
    with pytest.raises(TraceError, match="is not the same function for autograd"):
        point.tensors(3)


def test_the_error_carries_a_value_of_fun_and_not_one_of_the_tracer():
    with pytest.raises(TraceError) as caught:
        refopt.minimize(by_type, START, method="LBFGS")
    assert caught.value.partial_result.fun == by_type(START) and not caught.value.partial_result.success


@pytest.mark.parametrize(
    "method", ["LBFGS", "Newton", "CubicAdam", "InfinityNormTrustRegion", "HigherOrderNewton"]
)
def test_the_overhead_is_a_plain_call_at_the_start_and_three_before_success(method):
    assert plain_calls(method) == (1 if method == "CubicAdam" else 4)  # CubicAdam claims no success here


def plain_calls(method):
    plain = []

    def fun(x):
        plain.append(not isbox(x))
        return anp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    result = refopt.minimize(fun, [-1.2, 1.0, -0.3], method=method)
    assert method == "CubicAdam" or result.success
    return sum(plain)


@pytest.mark.parametrize("method", ["LBFGS", "Newton", "ScipyNewtonCG", None])
def test_a_function_that_changes_on_the_way_is_no_success(method):
    """A gradient that is small, but not exactly zero, at the end switches no comparison off."""

    def late(x):
        far = getval(getval(getval(x)))[0] > 2
        return anp.sum((x - 1) ** 2) + (0 if far or type(x) is np.ndarray else 5)

    settings = {} if method is None else {"method": method}
    with pytest.raises(TraceError, match="not the same function"):
        refopt.minimize(late, np.array([3.0, 5.0]), **settings)


@pytest.mark.filterwarnings("ignore:fun gave two different values:RuntimeWarning")
def test_a_noisy_function_that_ends_with_success_is_not_blamed():
    rng = np.random.default_rng(2)
    fun = lambda x: anp.sum((x - 1) ** 2) + 1e-3 * rng.standard_normal()  # noqa: E731
    assert refopt.minimize(fun, START, method=refopt.LR(0.5)).success


def test_another_order_of_operations_at_a_minimum_of_zero_is_no_difference():
    def fun(x):
        r = x - 0.1
        return anp.sum(r * r) if isbox(x) else float(np.sum(r * r) + 3e-31)

    for method in ("LBFGS", "Newton", "HigherOrderNewton"):
        assert refopt.minimize(fun, START, method=method, tol=1e-12).success


def bare(x):
    """x without its boxes, as a user's getval would give it."""
    return np.asarray(plain(x), dtype=float)


@pytest.mark.parametrize("method", ["LBFGS", "Newton", "ScipyNewtonCG", "HigherOrderNewton"])
@pytest.mark.parametrize(
    "fun, minimum",
    [
        (lambda x: anp.sum((x - 1) ** 2) + max(0.0, 1.5 - bare(x)[0]) * 10, 0.25),
        (lambda x: (x[0] - 1) ** 2 + (bare(x)[1] * x[0] - 3) ** 2 + (x[1] - 1) ** 2, 0.90983),
        (lambda x: anp.sum((x - 1) ** 2) + 1e-3 * np.sum((bare(x) - 2) ** 2), 0.001998),
        (lambda x: anp.sum((x - 1) ** 2) + (0 if bare(x)[0] > 1.5 else 4 * (bare(x)[0] - 1.4)), -1.4),
    ],
)
def test_a_term_that_is_hidden_in_a_variable_seen_elsewhere_is_found(fun, minimum, method):
    try:
        result = refopt.minimize(fun, [3.0, 5.0], method=method)
    except TraceError as error:
        assert "depends on x, but the tracer did not see how" in str(error)
    else:
        assert not result.success or result.fun < minimum + 1e-4


@pytest.mark.parametrize(
    "key", ["mgh/meyer", "mgh/brown_badly_scaled", "mgh/powell_badly_scaled", "nist/MGH10"]
)
def test_problems_of_bad_scale_are_not_blamed(key):
    problem = refopt.problems.get(key)
    for method in ("HigherOrderNewton", "InfinityNormTrustRegion", "LBFGS"):
        refopt.minimize(problem.fun, problem.x0, method=method, options={"maxiter": 400})
