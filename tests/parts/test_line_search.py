"""Line searches: their conditions hold for what they accept, and what they do where nothing decreases."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest

import refopt
from refopt.function import FunctionObjective
from refopt.parts.line_search import backtrack
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
    """Halving until the predicted decrease is rounding."""
    point = at([1.0], lambda x: x[0] ** 2, jac=lambda x: -2 * x)
    with pytest.raises(Stop, match="found no decrease of f = 1 down to .* its gradient may be wrong") as stop:
        refopt.Backtracking().step(point, point.g, refopt.Backtracking().init(point.x))
    assert stop.value.status is Status.STALLED


def test_values_that_are_not_finite_are_refused_trials():
    point = at([3.0], lambda x: anp.where(x[0] < 1, anp.nan, 1.0) * (x[0] - 0.5) ** 2)
    update, state = refopt.Backtracking().step(point, point.g, refopt.Backtracking().init(point.x))
    assert state.trials > 1 and np.isfinite(point.after(update).f)


SEARCHES = pytest.mark.parametrize(
    "method", [refopt.Backtracking(), refopt.StrongWolfe()], ids=["Backtracking", "StrongWolfe"]
)


@SEARCHES
def test_trials_with_a_gradient_that_is_not_finite_are_refused(method):
    """At x = 1, the first trial, f = 0 and the slope is that of sqrt at 0: infinite."""
    point = at([3.0], lambda x: x[0] * anp.sqrt(anp.abs(x[0] - 1)), jac=cusp)
    update, state = method.step(point, np.array([2.0]), method.init(point.x))
    assert state.trials > 1 and np.all(np.isfinite(point.after(update).g))


def cusp(x):
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(np.abs(x - 1))
        return root + x * np.sign(x - 1) / (2 * root)


def test_no_gradient_is_computed_for_a_trial_that_is_refused():
    point = at([1.0], lambda x: 30 * x[0] ** 4)
    point.g  # noqa: B018
    state = refopt.Backtracking().step(point, point.g, refopt.Backtracking().init(point.x))[1]
    assert state.trials > 5 and point.objective.njev == 2


@SEARCHES
def test_a_huge_direction_is_shortened_in_a_few_trials(method):
    """A factor of 1e60 in 60 trials of one halving each is out of reach; the last of them are bisection."""
    point = at([1.0, 2.0], lambda x: anp.sum(x**2))
    update, state = method.step(point, 1e60 * point.g, method.init(point.x))
    assert state.trials < 60 and not state.fallback
    a = state.step_size * 1e60
    assert 0.4 <= a < 1, "the longest of the sequence that satisfies Armijo's rule, on a quadratic a < 1"


@SEARCHES
def test_a_direction_without_slope_is_replaced_by_the_gradient(method):
    """Hiebert's function: at 0 the direction promises nothing that values could show, the gradient does."""
    hiebert = at([0.0, 0.0], lambda x: (x[0] - 10) ** 2 + (x[0] * x[1] - 50000) ** 2)
    update, state = method.step(hiebert, np.array([-1e-20, 1.0]), method.init(hiebert.x))
    assert state.fallback and hiebert.after(update).f < hiebert.f - 1


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160, 1e300])
@SEARCHES
def test_the_size_of_f_does_not_matter(method, size):
    """The square of such a gradient is 0 or infinite."""
    with np.errstate(all="raise", under="ignore"):
        point = at([1.5, -2.0], lambda x: size * anp.sum((x - 1) ** 2))
        uphill = -point.g
        update, state = method.step(point, uphill, method.init(point.x))
    assert state.fallback and point.after(update).f <= 0.9 * point.f, size


@pytest.mark.parametrize("factor", [1e-30, 1e-12, 1.0, 1e12])
def test_the_search_for_wolfe_finds_a_step_whatever_the_length_of_the_direction(factor):
    point = at([1.0, 2.0], lambda x: anp.sum(x**2))
    update, state = refopt.StrongWolfe().step(point, factor * point.g, refopt.StrongWolfe().init(point.x))
    assert point.after(update).f < 0.9 * point.f and update == pytest.approx(
        state.step_size * factor * point.g, rel=1e-12
    )


def test_the_error_of_the_terms_decides_where_f_cancels():
    """f = 0 has the rounding error 0, its terms have not; they are asked only before the search fails."""
    point = at([1.0 + 1e-9], lambda x: 0.0, jac=lambda x: 2 * (x - 1))
    asked = []
    point.objective.value_error = lambda point: asked.append(point) or 1e-15
    update, state = refopt.Backtracking().step(point, np.array([1e-9]), refopt.Backtracking().init(point.x))
    assert asked and not state.fallback and point.after(update).x[0] == 1
    point.objective.value_error = lambda point: 0.0
    with pytest.raises(Stop):
        refopt.Backtracking().step(point, np.array([1e-9]), refopt.Backtracking().init(point.x))


def test_where_f_is_rounding_the_slope_decides():
    """f = 1e8 + small: no trial changes it, but the slope falls, so the step is taken, not refused."""
    point = at([1e-5], lambda x: 1e8 + x[0] ** 2)
    update, state = refopt.Backtracking(init_step=0.25).step(
        point, point.g, refopt.Backtracking().init(point.x)
    )
    assert state.trials == 1 and 0 < update[0] < 2e-5


# ---------------------------------------------------------------- inside bounds


def slanted(x):
    return (x[0] - 2) ** 2 + (x[1] + 3) ** 2 + x[0] * x[1]


BOX = (np.zeros(2), np.ones(2))


def test_trials_are_on_the_projected_arc():
    point = at([0.5, 0.5], slanted, bounds=BOX)
    for rule in (refopt.Backtracking(), refopt.StrongWolfe()):
        update, state = rule.step(point, point.g, rule.init(point.x))
        x = point.after(update).x
        assert x.tolist() == np.clip(point.x - state.step_size * point.g, 0, 1).tolist() == [1.0, 0.0]
        assert state.trials == 1  # the first bound is nearer than a = 1, so the arc is searched at once


@pytest.mark.parametrize("seed", SEEDS)
def test_the_decrease_asked_for_is_that_of_the_arc(seed):
    rng = np.random.default_rng(seed)
    bounds = (np.full(4, -0.5), np.full(4, 0.5))
    point = at(rng.uniform(-0.5, 0.5, 4), bounds=bounds)
    direction = point.g * rng.uniform(0.1, 3, 4)
    slope = float(point.g @ direction)
    update, a, trials = backtrack(point, direction, slope, 2.0, 0.4, 0.3, 60, "test")

    def enough(a):
        x = np.clip(point.x - a * direction, *bounds)
        return wavy(x) <= point.f - 0.3 * point.g @ (point.x - x)

    assert enough(a) and not any(enough(2.0 * 0.4**k) for k in range(trials - 1)), f"seed {seed}"


def test_the_search_for_wolfe_ends_at_the_first_bound():
    seen = []

    def watched(x):
        seen.append(np.array(getattr(x, "_value", x)))
        return -3.0 * x[0]

    point = at([0.0], watched, bounds=(np.zeros(1), np.full(1, 5.0)))
    update, state = refopt.StrongWolfe().step(point, np.array([-1.0]), refopt.StrongWolfe().init(point.x))
    assert point.after(update).x == 5.0 and state.step_size == 5.0  # f falls as far as the bound
    assert max(float(x[0]) for x in seen) <= 5.0


def test_the_projected_gradient_is_tried_before_the_run_ends():
    point = at([0.5, 0.5], lambda x: x[0] + 1e-20 * x[1], bounds=BOX)
    useless = np.array([1e-18, 0.0])  # its predicted decrease is rounding
    update, state = refopt.Backtracking().step(point, useless, refopt.Backtracking().init(point.x))
    assert state.fallback and point.after(update).x[0] == 0.0
    flat = at([0.5, 0.5], lambda x: 1e8 + 1e-12 * x[0], bounds=BOX)  # only the slope shows that f falls
    update, state = refopt.Backtracking().step(flat, flat.g, refopt.Backtracking().init(flat.x))
    assert state.fallback and flat.after(update).x.tolist() == [0.0, 0.5]


def test_where_f_is_rounding_the_projected_gradient_decides():
    flat = lambda x: 1e8 + (x[0] - 1e-5) ** 2 + 1e-3 * x[1]  # noqa: E731
    point = at([2e-5, 0.0], flat, bounds=BOX)
    rule = refopt.Backtracking(init_step=0.25)
    update, state = rule.step(point, point.g, rule.init(point.x))
    assert state.trials == 1 and point.after(update).x == pytest.approx([1.5e-5, 0.0], rel=1e-6)
