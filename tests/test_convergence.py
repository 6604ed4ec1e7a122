"""When a run has converged: tests without units, saddles, plateaus, a better point, x that runs away."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest

import refopt
from refopt.convergence import Convergence, Leave
from refopt.decrement import optimality, promise_of
from refopt.function import FunctionObjective
from refopt.status import Status, Stop

EPS = float(np.finfo(float).eps)
SECOND_ORDER = (
    "HigherOrderNewton",
    "InfinityNormTrustRegion",
    "NewtonNewton",
    "Newton",
    "ScipyNewtonCG",
    "NewtonSolver",
    "CurveBall",
    "LBFGS",
)


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def himmelblau(x):
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


def at(fun, x, **given):
    x = np.asarray(x, dtype=float)
    return FunctionObjective(fun, x, **given).at(x)


def run_at(fun, x0, x, **tolerances):
    """The tests of a run from x0, and its point x."""
    start = at(fun, x0)
    given = {"gtol": None, "ftol": None, "xtol": None, **tolerances}
    return Convergence(start, *given.values()), start.objective.at(np.asarray(x, dtype=float))


def ended(end):
    """The status of an end, also of one that is granted once f has been asked along its way."""
    return end.stop.status if isinstance(end, Leave) else end.status


# ---------------------------------------------------------------- the test without units


def test_the_limits_are_those_of_the_formula():
    """f = 1 + (x - 1)^2 from 0: the fall is 1, P = (x - 1)^2, d = x - 1."""
    fun = lambda x: 1 + (x[0] - 1) ** 2  # noqa: E731
    for d, end in ((0.9 * EPS**0.4, True), (1.2 * EPS**0.4, False)):
        tests, point = run_at(fun, [0.0], [1 + d])
        assert isinstance(tests.look(point, 1.0), Stop) is end
    stop = tests.look(run_at(fun, [0.0], [1 + 1e-8])[1], 1.0)
    assert stop.status is Status.CONVERGED and stop.value == pytest.approx(1e-16, rel=1e-6)
    # a fall of 1e-16 from a start close by: P = 1e-20 is no small part of it
    tests, point = run_at(fun, [1 + 1e-8], [1 + 1e-10])
    assert tests.look(point, 1.0) is None


def test_a_coordinate_that_is_zero_at_the_minimiser_is_compared_with_its_way():
    fun = lambda x: x[0] ** 4 + (x[1] - 1) ** 2  # noqa: E731
    for x, end in ((3e-12, True), (1e-6, False)):  # the way is 1, eps^(2/3) = 4e-11, P is tiny in both
        tests, point = run_at(fun, [1.0, 0.0], [x, 1.0])
        assert (tests.look(point, 1.0) is not None) is end  # a `Leave`: the curvature along x is almost zero
    # one that started at zero and hardly moved, and does not matter to f
    tests, point = run_at(lambda x: 1 + x[0] ** 2 + (x[1] - 1) ** 2, [0.0, 0.0], [1e-12, 1.0])
    assert tests.look(point, 1.0) is not None


@pytest.mark.parametrize("by", [1e-12, 1e-3, 1e12])
@pytest.mark.parametrize("name", ["HigherOrderNewton", "Newton", "LBFGS", "ScipyNewtonCG"])
def test_units_of_f_and_a_constant_do_not_change_the_verdict(name, by):
    plain = refopt.minimize(rosenbrock, [-1.2, 1.0], method=name)
    scaled = refopt.minimize(lambda x: by * rosenbrock(x), [-1.2, 1.0], method=name)
    moved = refopt.minimize(lambda x: rosenbrock(x) + 1e6, [-1.2, 1.0], method=name)
    for result in (plain, scaled, moved):
        assert result.success, result.message
        np.testing.assert_allclose(result.x, 1, rtol=1e-5)


@pytest.mark.parametrize("name", ["HigherOrderNewton", "Newton", "ScipyNewtonCG", "InfinityNormTrustRegion"])
def test_units_of_x_do_not_change_the_verdict(name):
    D = np.array([1e6, 1e-6])
    result = refopt.minimize(lambda x: rosenbrock(D * x), np.array([-1.2, 1.0]) / D, method=name)
    assert not result.success or np.allclose(D * result.x, 1, rtol=1e-5)
    # a box with one radius for all, and conjugate gradients, are not made for that
    assert result.success or name in ("InfinityNormTrustRegion", "ScipyNewtonCG"), result.message


def test_a_gtol_of_the_user_means_what_it_means_in_scipy():
    result = refopt.minimize(lambda x: 1e-12 * rosenbrock(x), [-1.2, 1.0], method="LBFGS", tol=1e-5)
    assert result.success and result.status == 0 and result.nit == 0
    assert result.optimality["scaled_gradient"] > 0.1  # which the user can see
    exact = refopt.minimize(rosenbrock, [-1.2, 1.0], method="Newton", options={"gtol": 0})
    assert exact.success and exact.fun < 1e-28


def test_float32():
    result = refopt.minimize(rosenbrock, np.array([-1.2, 1.0], dtype=np.float32), method="Newton")
    assert result.success and np.allclose(result.x, 1, rtol=2e-3), result.message


# ---------------------------------------------------------------- rounding


def test_a_claim_of_rounding_stands_only_with_its_proof():
    claim = Stop(Status.ROUNDING, 1e-20, 1e-16)
    fun = lambda x: 1.0 + anp.sum((x - 1) ** 2)  # noqa: E731
    tests, near = run_at(fun, [1.0, 1.0], [1 + 1e-9, 1 - 1e-9])
    assert ended(tests.claimed(claim, near)) is Status.ROUNDING
    tests, far = run_at(fun, [1.0, 1.0], [1.001, 1.0])
    stop = tests.claimed(claim, far)
    assert stop.status is Status.STALLED and "the Newton decrement is 1e-06" in stop.message
    assert ended(tests.claimed(Stop(Status.STALLED, reason="no step"), near)) is Status.ROUNDING
    other = Stop(Status.MAXITER, 3, 3)
    assert tests.claimed(other, far) is other


def test_what_f_cannot_tell_is_no_success_while_the_gradient_can():
    """1e8 + e^-x at x = 18: the fall is below the rounding error of f, and Newton's step is 1."""
    tests, point = run_at(lambda x: 1e8 + anp.exp(-x[0]), [10.0], [18.0])
    assert promise_of(point).decrement < point.objective.value_error(point)
    assert tests.claimed(Stop(Status.ROUNDING, 0.0, 0.0), point).status is Status.STALLED


def test_a_gradient_that_is_noise_ends_a_run():
    """At the minimiser but for one ulp; a tenth of a percent away the gradient is none."""
    tests, far = run_at(rosenbrock, [-1.2, 1.0], [1.001, 1.0])
    assert tests.by_noise(far, promise_of(far)) is None
    tests, point = run_at(rosenbrock, [-1.2, 1.0], [1.0, 1.0 + 1e-16])
    assert ended(tests.by_noise(point, promise_of(point))) is Status.NOISE


def test_without_a_hessian_secants_decide():
    fun = lambda x: float(np.sum((np.asarray(x) - 1) ** 2))  # noqa: E731
    wrong = lambda x: np.ones((3, 3))  # noqa: E731
    start = at(fun, [3.0, 2.0], jac=lambda x: 2 * (x - 1), hess=wrong)
    tests = Convergence(start, None, None, None)
    assert tests.promise(start).decrement == np.inf  # no step has been seen yet
    near = start.objective.at(np.array([1.0 + 1e-9, 1.0]))
    tests.moved(start, near)
    promise = tests.promise(near)
    assert promise.decrement == pytest.approx(1e-18, rel=1e-6) and np.isnan(promise.least)


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # fixed steps diverge here
@pytest.mark.parametrize("k", [1e3, 1e6, 1e9])
@pytest.mark.parametrize("name", [row.name for row in refopt.methods() if "residuals" not in row.needs])
def test_units_that_hide_a_variable_are_no_success(name, k):
    """1 + (k u)^2 + (v - 1)^2 from (1, 0): a step that serves u alone promises nothing for v."""
    if name in ("GaussNewton", "LevenbergMarquardt"):
        return
    fun = lambda x: 1 + (k * x[0]) ** 2 + (x[1] - 1) ** 2  # noqa: E731
    result = refopt.minimize(fun, [1.0, 0.0], method=name, rng=1, options={"maxiter": 100})
    assert not result.success or abs(result.x[1] - 1) < 1e-3


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize(
    "fun",
    [
        lambda x: anp.max((x - 3) ** 2),
        lambda x: -anp.min(-((x - 3) ** 2)),
        lambda x: anp.maximum((x[0] - 3) ** 2, (x[1] - 3) ** 2),
        lambda x: anp.sort((x - 3) ** 2)[-1],
        lambda x: anp.sum(anp.where(x > 0, x, -x)) + anp.sum((x - 1) ** 2),
    ],
)
def test_no_success_at_a_kink_with_a_slope(fun, order):
    """Where elements tie, the model of higher order may have a gradient of zero; f has not."""
    options = {"order": order, "maxiter": 200}
    result = refopt.minimize(fun, np.zeros(3), method="HigherOrderNewton", options=options)
    assert not result.success or np.abs(result.jac).max() <= 1e-4


# ---------------------------------------------------------------- no minimum, or not this one


@pytest.mark.parametrize("gtol", [None, 1e-6])
@pytest.mark.parametrize("name", SECOND_ORDER)
def test_a_saddle_is_left(name, gtol):
    """The start is a saddle of Himmelblau's function, or the maximum, or runs into one."""
    saddle = [-3.0730257535, -0.0813529656]
    for x0 in (saddle, [-0.2708445907, -0.9230385565], [-5.0, -1.0]):
        result = refopt.minimize(himmelblau, x0, method=name, options={"gtol": gtol})
        assert result.success and result.fun < 1e-6, (x0, result.message)
        assert result.optimality["least_curvature"] > 0


def test_methods_that_seek_stationary_points_end_there_without_success():
    inner = [refopt.LBFGS(), refopt.StrongWolfe()]
    result = refopt.minimize(himmelblau, [-3.0, 0.0], method=refopt.GradMin(inner=inner), tol=1e-6)
    assert not result.success and result.status == Status.SADDLE.number
    assert "no minimum" in result.message and result.optimality["least_curvature"] < 0


@pytest.mark.parametrize("name", ["HigherOrderNewton", "Newton", "LBFGS"])
def test_a_degenerate_saddle_is_left(name):
    for fun, low in (
        (lambda x: x[0] ** 4 - x[1] ** 4 + x[1] ** 6, -4 / 27),
        (lambda x: x[0] ** 3 - 3 * x[0] * x[1] ** 2 + (x[0] ** 2 + x[1] ** 2) ** 2, -27 / 256),
    ):
        result = refopt.minimize(fun, [0.0, 0.0], method=name)
        assert result.success and result.fun == pytest.approx(low, rel=1e-6)


def test_a_flat_start_is_no_minimum_and_a_flat_minimum_is_one():
    for fun in (lambda x: 3 + 0 * x[0], lambda x: anp.where(x[0] > 9, x[0], 1e10) + 0 * x[1]):
        result = refopt.minimize(fun, [1.0, 2.0])
        assert not result.success and result.status == Status.FLAT.number
    quartic = refopt.minimize(lambda x: anp.sum(x**4), [0.0, 0.0])
    assert quartic.success and quartic.nit == 0
    hinge = refopt.minimize(lambda x: anp.sum(anp.maximum(0, x - 1) ** 2), [3.0, 4.0], method="LBFGS")
    assert hinge.success and hinge.fun == 0


@pytest.mark.parametrize("name", ["HigherOrderNewton", "Newton", "LBFGS", "InfinityNormTrustRegion"])
def test_x_that_runs_away_is_no_success(name):
    result = refopt.minimize(lambda x: 1 + anp.exp(-x[0]), [0.0], method=name)
    assert not result.success and result.status == Status.RUNAWAY.number
    assert "+1 x[0]" in result.message
    result = refopt.minimize(lambda x: anp.exp(-x[0]), [0.0], method=name, options={"maxiter": 100})
    assert not result.success and "it may have no minimum" in result.message


@pytest.mark.parametrize("name, options", [("CubicAdam", {}), ("HeavyBall", {"lr": 0.05}), ("Adam", {})])
def test_a_better_point_that_was_seen_is_returned(name, options):
    """A guard returns 1e25 outside the domain; a method with momentum comes to rest there."""
    guard = lambda x: anp.where(x[0] > 2, 1e25, (x[0] - 3) ** 2) + x[1] ** 2  # noqa: E731
    for gtol in (None, 1e-5):
        result = refopt.minimize(guard, [0.0, 1.0], method=name, options={**options, "gtol": gtol})
        assert not result.success and result.fun < 10 and result.x[0] <= 2
        assert result.jac is not None


def test_tolerances_on_changes_do_not_end_a_run_at_a_turning_point():
    method = [refopt.HeavyBall(0.95), refopt.LR(1e-3)]
    for options in ({"xtol": 1e-3}, {"ftol": 1e-4}):
        result = refopt.minimize(
            lambda x: anp.sum(x**2), [3.0, 1.0], method=method, options={**options, "gtol": 0}
        )
        assert not result.success or result.fun < 1e-3


# ---------------------------------------------------------------- what the result tells


def test_optimality_of_a_quadratic():
    """f = (x - 1)^2 + 1 at 1.5 from 3."""
    point = at(lambda x: (x[0] - 1) ** 2 + 1, [1.5])
    got = optimality(point, promise_of(point), np.array([3.0]), 5.0)
    assert got == pytest.approx(
        {
            "gradient": 1.0,
            "scaled_gradient": 1.0 * 1.5 / 3.75,
            "decrement": 0.25,
            "newton_step": 0.5 / 1.5,
            "least_curvature": 1.0,
            "decrease": 3.75,
        }
    )
    unknown = optimality(point, None, np.array([3.0]), 5.0)
    assert np.isnan(unknown["decrement"]) and unknown["gradient"] == 1.0


def test_every_result_has_its_optimality():
    done = refopt.minimize(rosenbrock, [-1.2, 1.0], method="LBFGS")
    assert done["optimality"]["newton_step"] <= EPS**0.4 and not any(done.after_run.values())
    cut = refopt.minimize(rosenbrock, [-1.2, 1.0], method="LBFGS", options={"maxiter": 3})
    assert "optimality" not in cut and cut.optimality["decrement"] > 0.1
    assert cut.after_run["nhev"] == 1 and "optimality" in cut


def test_a_saddle_to_leave_keeps_the_end_that_the_point_has_earned():
    tests, point = run_at(himmelblau, [0.0, 0.0], [-3.0730257535, -0.0813529656], gtol=1e-3)
    end = tests.by_gradient(point)
    assert isinstance(end, Leave) and end.negative and end.stop.status is Status.GTOL
    assert tests.kept(end, changed=True).status is Status.SADDLE
    tests, point = run_at(lambda x: anp.sum(x**4), [1.0], [0.0], gtol=1e-3)
    end = tests.by_gradient(point)
    assert isinstance(end, Leave) and not end.negative
    assert tests.kept(end, changed=False).status is Status.FLAT
    assert tests.kept(end, changed=True).status is Status.GTOL
    assert tests.by_gradient(point).status is Status.GTOL  # it is not asked to leave again
