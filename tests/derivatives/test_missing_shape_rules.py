"""Rules that autograd lacks or has wrong: elements moved, selected, copied, sorted; differences."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest
from autograd.extend import primitive
from derivatives.expressions import SIX
from derivatives.plain_judge import check, expression_tests

from refopt.derivatives import gradient, missing_shape_rules
from refopt.derivatives.missing_shape_rules import selection

test_plain_numpy, test_twin = expression_tests("missing_shape_rules")


def test_a_selection_is_told_by_the_numbers_of_the_elements():
    """Twice the first, a constant, and the last: by hand."""

    @primitive
    def odd(x):
        return np.array([x[0], x[0], 0, x[-1]])

    ans = np.array([5.0, 5.0, 7.0, 6.0])
    np.testing.assert_array_equal(selection(odd)(ans, np.array([5.0, 4.0, 6.0])), ans)
    g = gradient(lambda x: anp.sum(selection(odd)(ans, x) * np.array([1.0, 2.0, 4.0, 8.0])), np.ones(3))
    np.testing.assert_array_equal(g, [3.0, 0.0, 8.0])


def test_a_fill_value_counts():
    """autograd took the fill value of full_like for a constant."""
    np.testing.assert_array_equal(
        gradient(lambda x: anp.sum(anp.full_like(np.ones(3), x[0])), np.ones(2)), [3.0, 0.0]
    )


def test_a_cast_to_integers_is_constant():
    """autograd gave it the slope 1."""
    np.testing.assert_array_equal(
        gradient(lambda x: anp.sum(anp.astype(x, int) * x), np.full(2, 2.5)), [2.0, 2.0]
    )


def test_other_paddings_are_refused():
    with pytest.raises(NotImplementedError, match="linear_ramp"):
        missing_shape_rules.pad_definition(np.ones(5), np.ones(3), 1, "linear_ramp")


def test_a_wrong_order_is_caught(monkeypatch):
    monkeypatch.setattr(missing_shape_rules.sorting, "take_along", lambda np, c, order, axis: c)
    with pytest.raises(AssertionError, match="gradient of np.sort"):
        check("np.sort(x.reshape(2, 3))", SIX)
