"""Rules that autograd lacks or has wrong: elementwise functions and reductions; `complete` itself."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest
from autograd.core import primitive_vjps
from autograd.extend import primitive
from derivatives.expressions import SIX
from derivatives.plain_judge import check, expression_tests

from refopt.derivatives import gradient, hvp, missing_rules, taylor
from refopt.derivatives.missing_rules import complete, only_with
from refopt.derivatives.taylor_mode.rules import RULES

test_plain_numpy, test_twin = expression_tests("missing_rules")


def test_reductions_with_a_mask_leave_out_what_it_leaves_out():
    """autograd gave ones everywhere, without a word."""
    mask = np.array([True, False, True])
    for namespace in (np, anp):
        np.testing.assert_array_equal(
            gradient(lambda x, n=namespace: n.sum(x, where=mask), np.ones(3)), [1.0, 0.0, 1.0]
        )
        np.testing.assert_array_equal(
            gradient(lambda x, n=namespace: n.mean(x, where=mask), np.ones(3)), [0.5, 0.0, 0.5]
        )


def test_a_zero_factor():
    """The derivative of a product by a zero factor is the product of the others; autograd divided by it."""
    x = np.array([0.0, 2.0, 3.0])
    np.testing.assert_array_equal(gradient(lambda x: np.prod(x), x), [6.0, 0.0, 0.0])
    np.testing.assert_array_equal(hvp(lambda x: np.prod(x), x, np.array([0.0, 1.0, 0.0])), [3.0, 0.0, 0.0])


def test_median_of_an_even_number_is_shared_by_the_two_in_the_middle():
    x = np.array([5.0, 1.0, 2.0, 9.0])
    np.testing.assert_array_equal(gradient(lambda x: np.median(x), x), [0.5, 0.0, 0.5, 0.0])


def test_sinc_at_zero():
    """1 - (pi x)^2 / 6: slope 0 and curvature -pi^2 / 3."""
    assert gradient(lambda x: np.sinc(x)[0], np.zeros(1))[0] == 0.0
    np.testing.assert_allclose(
        hvp(lambda x: np.sinc(x)[0], np.zeros(1), np.ones(1)), -(np.pi**2) / 3, rtol=1e-15
    )


# ---------------------------------------------------------------------- complete


@pytest.fixture
def cube():
    """A primitive of its own, whose rule is there for x alone and not for a power."""

    @primitive
    def cube_of_tests(x, power=3):
        return x**power

    yield cube_of_tests
    primitive_vjps.pop(cube_of_tests, None)
    RULES.pop(cube_of_tests, None)


def test_the_definition_serves_what_the_rule_does_not_cover(cube):
    complete(cube, lambda ans, x: x * x * x)
    complete(cube, lambda ans, x, power=3: x**power, only_with())
    x, s = np.array([2.0]), np.ones(1)
    np.testing.assert_array_equal(gradient(lambda x: anp.sum(cube(x)), x), [12.0])
    np.testing.assert_array_equal(gradient(lambda x: anp.sum(cube(x, power=4)), x), [32.0])
    np.testing.assert_array_equal(hvp(lambda x: anp.sum(cube(x, power=4)), x, s), [48.0])
    np.testing.assert_array_equal(taylor(lambda x: anp.sum(cube(x, power=4)), x, s, 4), [16, 32, 24, 8, 1])


def test_a_wrong_definition_is_caught(monkeypatch):
    maker = primitive_vjps[anp.ptp]

    def wrong(argnums, ans, args, kwargs):
        vjp = maker(argnums, ans, args, kwargs)
        return lambda g: [part * (1 + 1e-4) for part in vjp(g)]

    monkeypatch.setitem(primitive_vjps, anp.ptp, wrong)
    with pytest.raises(AssertionError, match="gradient of np.ptp"):
        check("np.ptp(x)", SIX)


def test_quantiles_of_other_methods_are_refused():
    with pytest.raises(NotImplementedError, match="method='linear'"):
        missing_rules.quantile_definition(np.zeros(()), np.ones(3), 0.5, method="hazen")


def test_zero_to_the_zero():
    """x^y at x = 0 is 1 for y = 0 and 0 for y > 0, where the slope in y is 0; the rest is as it was."""
    power = lambda x: anp.sum(x[:3] ** x[3:])  # noqa: E731
    with np.errstate(all="ignore"):
        g = gradient(power, np.array([0.0, 0.0, 2.0, 0.0, 2.0, 3.0]))
        assert np.array_equal(g[3:], [-np.inf, 0.0, 8 * np.log(2)]) and np.array_equal(g[:3], [0, 0, 12])
        assert gradient(lambda x: anp.sum(x**x), np.zeros(1)) == -np.inf
        assert gradient(lambda x: anp.sum(anp.zeros((2, 1)) ** x), np.array([0.0, 1.0])).tolist() == [
            -np.inf,
            0,
        ]
    assert gradient(lambda x: anp.sum(x**0), np.zeros(1)) == 0
