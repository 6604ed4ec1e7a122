"""What rounding hides in f, what decides in its place, and when it has ended a run."""

from __future__ import annotations

import numpy as np
import pytest

from refopt.rounding import FLATTER, LONG_SUMS, ULPS, flatter, nothing_left, rounding_error, values_decide
from refopt.status import Status

EPS = float(np.finfo(float).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_error_of_a_value_is_four_units_of_its_last_digit(dtype):
    assert rounding_error(-3.0, dtype) == ULPS * float(np.finfo(dtype).eps) * 3.0 and ULPS == 4
    assert rounding_error(0.0, dtype) == 0.0


def test_the_error_of_x_counts_where_the_curvature_is_known():
    """Every x_i off by eps |x_i| raises a quadratic by e^T |H| e / 2 at most; without an array by nothing."""
    x, H = np.array([1e8, -2.0]), np.array([[3.0, -1.0], [-1.0, 2.0]])
    e = EPS * np.abs(x)
    assert rounding_error(0.0, float, x, H) == pytest.approx(
        (3 * e[0] ** 2 + 2 * e[0] * e[1] + 2 * e[1] ** 2) / 2
    )
    assert rounding_error(1.0, float, x, "no array") == rounding_error(1.0, float)


def test_it_bounds_what_a_long_sum_loses():
    """A sum of 10,000 terms is off by more than e and by less than 1000 e."""
    terms = np.random.default_rng(3).random(10_000).astype(np.float32)
    value, exact = np.float32(0), float(terms.astype(float).sum())
    for term in terms:
        value += term
    e = rounding_error(exact, np.float32)
    assert abs(float(value) - exact) <= LONG_SUMS * e


@pytest.mark.parametrize(
    "promised, actual, decided",
    [
        (1.0, -1e-16, True),
        (1e-14, 1e-14, True),
        (1e-14, -1e-14, False),
        (1e-14, -2e-12, True),
        (1e-17, 1.0, True),
    ],
)
def test_values_decide_where_either_decrease_is_above_the_noise(promised, actual, decided):
    """Noise 1e-15: 1000 times that by one, or that by both."""
    assert values_decide(promised, actual, 1e-15) == decided


def test_a_slope_must_fall_by_a_tenth():
    assert flatter(1.0, FLATTER) and not flatter(1.0, FLATTER + 1e-9) and FLATTER == 0.9


def test_the_promise_decides():
    """Up to 1000 times the rounding error, which the message gives as it is."""
    end = nothing_left("no step", 1e-14, 1e-16)
    assert end.status is Status.ROUNDING and end.value == 1e-14 and end.threshold == 1e-16
    assert nothing_left("no step", 1e-12, 1e-16).status is Status.STALLED
    assert "no step (predicted change up to 1e-12)" in nothing_left("no step", 1e-12, 1e-16).message
