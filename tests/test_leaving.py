"""Steps away from stationary points that are no minimisers."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest

from refopt.convergence import Leave
from refopt.decrement import promise_of, reach
from refopt.function import FunctionObjective
from refopt.leaving import Departure, departure
from refopt.status import Status, Stop


def saddle(fun, x, x0=None):
    x = np.asarray(x, dtype=float)
    way = x - (x if x0 is None else np.asarray(x0))
    point = FunctionObjective(fun, x).at(x)
    promise = promise_of(point)
    along = promise.direction[None, :] if promise.negative else promise.flat
    return Leave(Stop(Status.CONVERGED), point, promise, along, np.maximum(np.abs(x), np.abs(way)), way)


@pytest.mark.parametrize("k", [1.0, 1e8])
def test_a_step_along_negative_curvature_gains_its_share(k):
    """f = k (x^2 - y^2 + y^4): the curvature along y is -2 k, the minima are at y = -+ sqrt(1/2)."""
    leave = saddle(lambda x: k * (x[0] ** 2 - x[1] ** 2 + x[1] ** 4), [0.0, 0.0], [3.0, 0.0])
    assert leave.negative
    update = departure(leave).update
    new = leave.point.after(update)
    assert abs(update[0]) < 1e-12 and new.f <= leave.point.f - 0.1 * k * update[1] ** 2


def test_a_function_that_overflows_far_out_has_a_minimum_all_the_same():
    """exp(x^2) at 40 is no number; warnings are errors in this run."""
    well = lambda x: anp.exp(x[0] ** 2) + x[0] ** 4  # noqa: E731
    leave = saddle(lambda x: well(x) + x[1] ** 4, [0.0, 0.0], [20.0, 0.0])
    leave = leave._replace(directions=np.array([[1.0, 0.0]]))
    with pytest.warns(RuntimeWarning, match="overflow"):
        well(np.array([40.0]))
    assert departure(leave) == Departure(None, True, None)


def test_the_gradient_chooses_the_sign():
    for slope in (-1e-3, 1e-3):
        leave = saddle(lambda x, slope=slope: slope * x[0] - x[0] ** 2 + x[0] ** 4 + x[1] ** 2, [0.0, 0.0])
        update = departure(leave).update
        assert np.sign(update[0]) == np.sign(slope)


def test_without_curvature_values_decide():
    monkey = lambda x: x[0] ** 3 - 3 * x[0] * x[1] ** 2  # noqa: E731
    assert monkey(-departure(saddle(monkey, [0.0, 0.0])).update) < 0
    found = departure(saddle(lambda x: anp.sum(x**4), [0.0, 0.0]))
    assert found == Departure(None, True, None)  # f rises: a minimum, as far as can be seen
    leave = saddle(lambda x: 3 + 0 * x[0], [0.0, 0.0])
    assert departure(leave) == Departure(None, False, None)
    # a valley is level along its floor, and its walls are not tried
    valley = saddle(lambda x: (x[0] + x[1] - 1) ** 2, [0.5, 0.5])
    assert departure(valley) == Departure(None, False, None)


def test_a_fall_that_does_not_matter_is_told_apart():
    """1/x^2 at 1e8: a longer x lowers it, by less than anyone wants."""
    x = np.array([1e8, 0.0])
    point = FunctionObjective(lambda x: 1 / (1 + x[0] ** 2) + x[1] ** 2, x).at(x)
    stop, along = Stop(Status.CONVERGED), np.array([[1.0, 0.0]])
    leave = Leave(stop, point, promise_of(point), along, x, x - np.array([1.0, 0.0]))
    found = departure(leave, some=1e-10)
    assert found.update is None and found.falls[0] > 0 and found.falls[1] == 0
    assert departure(leave).update[0] < 0


def test_the_first_length_is_that_of_x_or_of_its_way():
    assert reach(np.array([4.0, 0.0]), np.array([1.0, 0.0])) == 4.0
    assert reach(np.array([4.0, 1.0]), np.array([1.0, 1.0])) == 2.5
    assert reach(np.array([4.0, 1.0]), np.array([2.0, 2.0])) == 1.25
    assert reach(np.zeros(2), np.array([0.5, 0.0])) == 2.0


def test_steps_stay_inside_bounds():
    bounds = (np.array([-1.0, -0.1]), np.array([1.0, 0.2]))
    x = np.zeros(2)
    point = FunctionObjective(lambda x: x[0] ** 2 - x[1] ** 2, x, bounds=bounds).at(x)
    promise = promise_of(point)
    along = promise.direction[None, :]
    leave = Leave(Stop(Status.CONVERGED), point, promise, along, np.ones(2), np.ones(2))
    update = departure(leave).update
    new = point.after(update)
    assert new.f < 0 and np.all((bounds[0] <= new.x) & (new.x <= bounds[1]))
