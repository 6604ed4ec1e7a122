"""Rules of functions of scipy.special that autograd does not know."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from autograd.core import primitive_vjps
from derivatives.expressions import SIX
from derivatives.plain_judge import check, expression_tests

from refopt.derivatives import gradient, missing_special_rules
from refopt.derivatives.taylor_mode.rules import RULES

test_plain_numpy, _ = expression_tests("missing_special_rules")


def test_no_count_has_no_part():
    """x log y at x = 0 has the slope log y in x, and none in y."""
    fun = lambda z: np.sum(scipy.special.xlogy(z[:1], z[1:]))  # noqa: E731
    np.testing.assert_array_equal(gradient(fun, np.array([0.0, 2.0])), [np.log(2.0), 0.0])


def test_tails_of_the_normal_distribution():
    """At -40 ndtr is 0 to the last bit; the logarithm's slope is -x + 1/(-x) + O(x^-3)."""
    g = gradient(lambda x: scipy.special.log_ndtr(x)[0], np.array([-40.0]))
    np.testing.assert_allclose(g, 40 + 1 / 40, rtol=1e-6)


def test_a_wrong_partial_is_caught(monkeypatch):
    fun = missing_special_rules.ndtr
    for table in (primitive_vjps, RULES):
        monkeypatch.setitem(table, fun, table[fun])
    missing_special_rules.rules_of(fun, lambda x: 0.4 * np.exp(-0.5 * x**2))
    with pytest.raises(AssertionError, match="gradient of special.ndtr"):
        check("special.ndtr(x)", SIX)
