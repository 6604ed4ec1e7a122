"""The arithmetic of series, and primitives without a rule: expanded by their own derivatives, or refused."""

import autograd.numpy as anp
import autograd.scipy.stats as stats
import numpy as np
import pytest
from autograd.core import primitive_vjps
from autograd.extend import defvjp, primitive
from derivatives.taylor_mode.cases import NP
from derivatives.taylor_mode.judge import judged, point

from refopt.derivatives import TaylorError, gradient, taylor
from refopt.derivatives.taylor_mode.algebra import Algebra
from refopt.derivatives.taylor_mode.rules import RULES

# ---------------------------------------------------------------------- arithmetic of polynomials

P, Q = [2.0, 3.0, None, 5.0], [4.0, None, -1.0, 0.5]


def dense(series):
    return [0.0 if c is None else c for c in series]


def test_products_quotients_and_compositions_are_those_of_polynomials():
    algebra = Algebra(3, None)
    product = np.convolve(dense(P), dense(Q))[:4]
    assert dense([P[0] * Q[0], *algebra.multiply(P, Q)]) == product.tolist()
    assert dense(algebra.divide(P[0], [product[0], *algebra.multiply(P, Q)], Q)) == dense(P[1:])
    h = np.array([0.0, *dense(P)[1:]])  # f(u) = u^3 - u at u = 2 + h: 11 h + 6 h^2 + h^3
    square = np.convolve(h, h)
    expected = 11 * h + 6 * square[:4] + np.convolve(square, h)[:4]
    assert algebra.compose([11.0, 6.0, 1.0], P) == expected[1:].tolist()


def test_directions_share_the_value():
    algebra = Algebra(2, 3)
    x = [np.array([1.0, 2.0]), np.arange(6.0).reshape(3, 2), None]
    aligned = algebra.align(x, 3)
    assert aligned[0] is x[0] and aligned[1].shape == (3, 1, 1, 2) and aligned[2] is None
    spread = algebra.spread(x, (5, 2))
    assert spread[0].shape == (3, 5, 2) and spread[1] is None
    assert np.array_equal(algebra.rows(lambda c: c[::-1], x[1]), x[1][:, ::-1])


# ---------------------------------------------------------------------- primitives without a rule


@primitive
def cube_of_tests(x):
    return x**3


defvjp(cube_of_tests, lambda ans, x: lambda g: 3 * g * x**2)


@primitive
def matrix_of_tests(x, y):
    return np.outer(x, y) ** 2


defvjp(
    matrix_of_tests,
    lambda ans, x, y: lambda g: 2 * anp.sum(g * anp.outer(x, y) * y, axis=1),
    lambda ans, x, y: lambda g: 2 * anp.sum(g * anp.outer(x, y) * x[:, None], axis=0),
)


def test_user_primitive_by_its_own_vjp():
    x, s = np.array([0.4, -1.2]), np.array([1.0, 0.7])

    def f(z):
        return cube_of_tests(anp.sin(z)) * z[0]

    def g(z):
        return anp.sin(z) ** 3 * z[0]

    judged(taylor(f, x, s, 5), taylor(g, x, s, 5), "vjp of one argument")

    def f(z):
        return matrix_of_tests(anp.exp(z), z)

    def g(z):
        return anp.outer(anp.exp(z), z) ** 2

    directions = np.stack([s, -s, 2 * s])
    judged(taylor(f, x, directions, 4), taylor(g, x, directions, 4), "vjp of two arguments, batched")
    by_rule = gradient(lambda d: anp.sum(taylor(g, x, d, 3)), s)
    np.testing.assert_allclose(gradient(lambda d: anp.sum(taylor(f, x, d, 3)), s), by_rule, rtol=1e-12)


@pytest.mark.parametrize("name", ["exp", "tanh", "multiply", "dot", "special.gammaln", "arctan2", "std"])
def test_slow_route_agrees_with_the_rules(name, monkeypatch):
    """Two independent derivations of the same coefficients: our rules, and autograd's vjps at any order."""
    fun, x, s, _ = point(name)
    expected = taylor(lambda z: fun(NP, z), x, s, 4)
    removed = [f for f in RULES if f in primitive_vjps and getattr(f, "__name__", "") == name.split(".")[-1]]
    assert removed, name
    for f in removed:
        monkeypatch.delitem(RULES, f)
    judged(taylor(lambda z: fun(NP, z), x, s, 4), expected, f"{name} by the slow route", rtol=1e-11)


def test_primitive_without_any_derivative_is_refused():
    opaque = primitive(lambda x: x**2)
    opaque.__name__ = "opaque"
    with pytest.raises(TaylorError, match="'opaque' has neither a Taylor rule nor an autograd derivative"):
        taylor(lambda x: opaque(x), np.ones(2), np.ones(2), 2)


def test_a_keyword_that_depends_on_x_is_refused():
    with pytest.raises((TaylorError, TypeError)):
        taylor(lambda x: stats.norm.logpdf(x[0], loc=x[1]), np.array([0.3, -0.7]), np.ones(2), 2)
