"""Where a line search begins: the direction descends, and its first step has the units of x."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest

from refopt.function import FunctionObjective
from refopt.parts.search_start import descent, first_bound, first_size, lengthened, with_slope

BOX = (np.zeros(2), np.ones(2))


def at(fun, x, **given):
    x = np.asarray(x, dtype=float)
    return FunctionObjective(fun, x, **given).at(x)


def bowl(x):
    return anp.sum((x - 1) ** 2)


def test_an_update_that_does_not_descend_is_replaced_by_the_gradient():
    point = at(bowl, [0.4, -1.7])
    assert descent(point, point.g)[2] is False
    for useless in (0 * point.g, -point.g):
        u, slope, fallback = descent(point, useless)
        assert fallback and np.array_equal(u, point.g) and slope == pytest.approx(point.g @ point.g)


def test_a_direction_that_only_descends_because_a_bound_stops_it_is_replaced():
    point = at(lambda x: -10 * x[0] + x[1], [0.0, 0.5], bounds=BOX)
    uphill = np.array([1.0, 1e-9])  # x_0 would leave its bound, and f rise; x_1 descends a little
    direction, slope, fallback = descent(point, uphill)
    assert fallback and direction.tolist() == [-10.0, 1.0] and slope == 101.0
    held = at(lambda x: -10 * x[0] + x[1], [1.0, 0.5], bounds=BOX)  # the gradient holds x_0 there
    assert descent(held, np.array([-1.0, 2.0]))[0].tolist() == [0.0, 2.0]
    assert descent(held, np.array([-1.0, -2.0]))[0].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e300])
def test_the_slope_is_a_number_whatever_the_sizes(size):
    point = at(lambda x: size * bowl(x), [0.0, 3.0])
    for direction in (point.g, 1e10 * (point.g / size)):
        with np.errstate(all="raise", under="ignore"):
            u, slope = with_slope(point, direction)
        assert np.all(np.isfinite(u)) and np.isfinite(slope) and slope >= 0
        assert u / np.abs(u).max() == pytest.approx(direction / np.abs(direction).max())
        with np.errstate(all="raise", under="ignore"):
            u, slope, fallback = descent(point, -point.g)
        assert fallback and 0 < slope < np.inf and u[0] / u[1] == pytest.approx(-0.5)


def test_the_first_size_has_the_units_of_x_over_those_of_the_gradient():
    """|x| / |g|, and at x = 0, where x has no length, |f| / |g|^2; without both 1."""
    assert first_size(at(bowl, [3.0, 4.0]), 10.0) == pytest.approx(0.5)
    assert first_size(at(bowl, [0.0, 0.0]), 10.0) == pytest.approx(0.02)
    assert first_size(at(lambda x: x[0] + x[1], [0.0, 0.0]), 10.0) == 1.0


def test_the_first_bound_is_where_the_first_variable_meets_one():
    assert first_bound(at(bowl, [0.5, 0.5]), np.ones(2)) == np.inf
    assert first_bound(at(bowl, [0.5, 0.5], bounds=BOX), np.array([-0.25, 0.0])) == 2.0


@pytest.mark.parametrize("factor", [1e-30, 1e-12, 1e-3])
def test_a_step_that_is_much_too_short_is_lengthened_to_the_minimum_of_a_quadratic(factor):
    """The secant is exact there: a = 1 / (2 factor) leads from x to the minimum along g."""
    point = at(bowl, [0.0, 3.0])
    u = factor * point.g
    slope = float(point.g @ u)
    a, trials = lengthened(point, u, slope, np.inf)
    assert a == pytest.approx(0.5 / factor, rel=1e-3) and trials >= 1
    assert lengthened(point, u, slope, 10.0) == (10.0, 1)  # no farther than a bound


def test_a_step_of_the_right_order_or_one_that_does_not_descend_is_left_to_the_search():
    point = at(bowl, [0.0, 3.0])
    for factor in (0.1, 0.5, 1.0, 100.0):
        assert lengthened(point, factor * point.g, factor * float(point.g @ point.g), np.inf) == (1.0, 0)
