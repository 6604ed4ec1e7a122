"""The distance of a candidate's number from the exact one, in rounding bounds, ulps and relative."""

import numpy as np
import pytest

from refopt.oracle.quantities import Quantity, difference, relative_errors, relative_to_largest

FLOAT = np.dtype(np.float64)


def worst(candidate, exact, bound):
    return difference(3, Quantity("m", candidate, exact, bound), FLOAT)


def test_the_worst_coordinate_is_the_one_furthest_outside_its_bound():
    d = worst(np.array([1.5, 2.25]), np.array([1.0, 2.0]), np.array([1.0, 0.125]))
    assert (d.step, d.quantity, d.index, d.candidate, d.reference) == (3, "m", 1, 2.25, 2.0)
    assert (d.absolute, d.relative, d.factor) == (0.25, 0.125, 2.0) and not d.ok
    assert d.ulps == 0.25 / np.spacing(2.0)


def test_equal_numbers_have_no_distance_whatever_the_bound():
    assert worst(np.zeros(2), np.zeros(2), np.zeros(2)).factor == 0
    assert worst(np.array([np.nan, np.inf]), np.array([np.nan, np.inf]), np.zeros(2)).factor == 0
    assert worst(np.zeros(0), np.zeros(0), np.zeros(0)).ok


@pytest.mark.parametrize(
    ("candidate", "exact"),
    [
        (np.array([np.nan]), np.array([1.0])),
        (np.array([1.0]), np.array([np.nan])),
        (np.array([np.inf]), np.array([-np.inf])),
    ],
)
def test_nan_and_infinity_are_infinitely_far_from_anything_else(candidate, exact):
    assert worst(candidate, exact, np.ones(1)).factor == np.inf


def test_shapes_and_decisions_are_equal_or_not():
    assert worst(np.ones(2), np.ones(3), np.ones(3)).candidate == "shape (2,)"
    assert worst("cholesky", "cholesky", None).ok and not worst("cholesky", "modified", None).ok


def test_a_single_number_has_no_index():
    assert worst(1.5, 1.0, np.asarray(1.0)).index is None


def test_relative_errors_keep_their_signs():
    q = Quantity("m", np.array([1.5, 3.0]), np.array([1.0, 4.0]), np.ones(2))
    assert relative_errors(q).tolist() == [0.5, -0.25]
    assert relative_to_largest(q) == 0.25
    assert relative_errors(Quantity("solver", "a", "b", None)).size == 0
    assert relative_to_largest(Quantity("m", np.array([np.nan]), np.ones(1), np.ones(1))) == np.inf
    assert relative_to_largest(Quantity("m", np.zeros(2), np.zeros(2), np.ones(2))) == 0
