"""Line searches: their conditions hold for what they accept, and what they do where nothing decreases."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest

import refopt
from refopt.function import FunctionObjective
from refopt.parts.line_search import backtrack, descent
from refopt.status import Status, Stop

SEEDS = range(6)


def wavy(x):
    return anp.sum(x**4 - 3 * x**2 + anp.sin(5 * x))


def at(x, fun=wavy, **given):
    x = np.asarray(x, dtype=float)
    return FunctionObjective(fun, x, **given).at(x)


@pytest.mark.parametrize("seed", SEEDS)
def test_backtracking_takes_the_first_step_of_its_sequence_that_satisfies_armijo(seed):
    rng = np.random.default_rng(seed)
    point = at(rng.standard_normal(4))
    direction = point.g * 3.0
    slope = float(point.g @ direction)
    update, a, trials = backtrack(point, direction, slope, 2.0, 0.4, 0.1, 60, "test")
    assert a == pytest.approx(2.0 * 0.4 ** (trials - 1), rel=1e-14) and np.array_equal(update, direction * a)

    def armijo(a):
        return point.after(direction * a).f <= point.f - 0.1 * a * slope

    assert armijo(a) and not any(armijo(2.0 * 0.4**k) for k in range(trials - 1)), f"seed {seed}"


@pytest.mark.parametrize("seed", SEEDS)
def test_strong_wolfe_satisfies_both_conditions(seed):
    rng = np.random.default_rng(seed)
    point = at(rng.standard_normal(4))
    method = refopt.StrongWolfe(c1=1e-3, c2=0.4)
    update, state = method.step(point, point.g, method.init(point.x))
    trial, slope = point.after(update), float(point.g @ point.g)
    assert trial.f <= point.f - 1e-3 * state.step_size * slope
    assert abs(trial.g @ point.g) <= 0.4 * slope, f"seed {seed}"


@pytest.mark.parametrize(
    "method", [refopt.Backtracking(), refopt.StrongWolfe()], ids=["Backtracking", "StrongWolfe"]
)
def test_an_update_that_goes_uphill_is_replaced_by_the_gradient(method):
    point = at([0.4, -1.7])
    plain, _ = method.step(point, point.g, method.init(point.x))
    update, state = method.step(point, -point.g, method.init(point.x))
    assert state.fallback and np.array_equal(update, plain)
    assert descent(point, point.g)[2] is False and descent(point, 0 * point.g)[2] is True


def test_growth_begins_at_a_multiple_of_the_last_step():
    """On x^2/2 every step size up to 1 is accepted, so the first trial always is."""
    records = list(
        refopt.iterate(
            lambda x: x[0] ** 2 / 2,
            [1.0],
            method=refopt.Backtracking(init_step=0.1, growth=2.0),
            options={"maxiter": 3},
        )
    )
    assert [r.figures["step_size"] for r in records] == pytest.approx([0.1, 0.2, 0.4])


def test_a_wrong_gradient_is_no_progress_and_says_so():
    """Halving until the predicted decrease is rounding: 2^-52."""
    point = at([1.0], lambda x: x[0] ** 2, jac=lambda x: -2 * x)
    with pytest.raises(Stop, match="found no decrease .* in 53 trials .* its gradient may be wrong") as stop:
        refopt.Backtracking().step(point, point.g, refopt.Backtracking().init(point.x))
    assert stop.value.status is Status.STALLED


def test_values_that_are_not_finite_are_refused_trials():
    point = at([3.0], lambda x: anp.where(x[0] < 1, anp.nan, 1.0) * (x[0] - 0.5) ** 2)
    update, state = refopt.Backtracking().step(point, point.g, refopt.Backtracking().init(point.x))
    assert state.trials > 1 and np.isfinite(point.after(update).f)


def test_where_f_is_rounding_the_slope_decides():
    """f = 1e8 + small: no trial changes it, but the slope falls, so the step is taken, not refused."""
    point = at([1e-5], lambda x: 1e8 + x[0] ** 2)
    update, state = refopt.Backtracking(init_step=0.25).step(
        point, point.g, refopt.Backtracking().init(point.x)
    )
    assert state.trials == 1 and 0 < update[0] < 2e-5
