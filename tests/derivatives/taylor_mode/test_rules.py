"""Every rule against 50-digit arithmetic; every differentiable primitive of autograd accounted for."""

from __future__ import annotations

import zlib

import autograd.numpy as anp
import autograd.numpy.linalg as linalg
import autograd.scipy.integrate
import autograd.scipy.linalg
import autograd.scipy.signal
import autograd.scipy.special
import autograd.scipy.stats
import numpy as np
import pytest
from autograd.core import VSpace, primitive_vjps
from autograd.extend import defvjp, primitive
from derivatives.taylor_mode import reference
from derivatives.taylor_mode.cases import CASES
from derivatives.taylor_mode.cases import np_ as NP

from refopt.derivatives.reverse import gradient as grad_at
from refopt.derivatives.taylor_mode.algebra import TaylorError
from refopt.derivatives.taylor_mode.expand import taylor
from refopt.derivatives.taylor_mode.special import REFUSED, RULES


def grad(fun):
    """Reverse mode as a function, without autograd's warning for constants."""
    return lambda x: grad_at(fun, x)


ORDER = 6
# Relative to the largest element of the same coefficient: rules are sums of products of well-conditioned
# quantities, so the error is some tens of rounding errors; 1e-12 is the promise.
RTOL = 1e-12


def seed_of(name):
    return zlib.crc32(name.encode())


def judged(c, ref, what, rtol=RTOL):
    """Compare coefficient by coefficient, each relative to its own largest element."""
    assert c.shape == ref.shape, f"{what}: shape {c.shape}, expected {ref.shape}"
    for k in range(len(ref)):
        scale = np.abs(ref[k]).max(initial=0.0)
        error = np.abs(c[k] - ref[k]).max(initial=0.0)
        if scale == 0:  # exactly zero: rounding errors of the terms that cancel are all there can be
            scale = 0.1 * np.abs(ref).max()
        assert error <= rtol * scale, f"{what}, order {k}: relative error {error / (scale or 1):.2e}"


def point(name):
    fun, x = CASES[name]
    rng = np.random.default_rng(seed_of(name))
    return fun, x, 0.5 * rng.standard_normal(x.shape), rng


@pytest.mark.parametrize("name", CASES)
def test_coefficients_agree_with_50_digits(name):
    fun, x, s, _ = point(name)
    ref = reference.reference(fun, x, s, ORDER)
    judged(taylor(lambda z: fun(NP, z), x, s, ORDER), ref, f"{name} (seed {seed_of(name)})")


@pytest.mark.parametrize("name", CASES)
def test_batches_agree_with_single_directions(name):
    fun, x, s, rng = point(name)
    directions = np.stack([s, rng.standard_normal(x.shape), np.zeros(x.shape), np.eye(len(x))[0]])

    def f(z):
        return fun(NP, z)

    batch = taylor(f, x, directions, 4)
    for i, one in enumerate(directions):
        single = taylor(f, x, one, 4)
        size = np.abs(single).reshape(5, -1).max(axis=1) + 1e-14 * np.abs(batch).max()
        error = np.abs(batch[:, i] - single).reshape(5, -1).max(axis=1)
        # only the order of summation differs
        assert np.all(error <= 1e-11 * size), f"{name} (seed {seed_of(name)}), direction {i}: {error / size}"


# Gradients in x run through the primitive's own vjp as well, and autograd's is missing or wrong for these
# functions at these points (the test establishes it by differentiating the function itself, without Taylor).
AUTOGRAD_FAILS_IN_X = set(
    """
cbrt
positive
sinc near zero
float_power
where broadcast
sort axis
median ptp
ties
prod with zeros
cumprod
roll flip
take
diag trace
diag offsets
full linspace
gradient
outer inner
cross
einsum trace
solve stack
det singular
det zero
norm
norm matrix
matrix_power
t.cdf
t.logcdf
""".split("\n")
) - {""}


def autograd_differentiates(f, x, weights, u, slope):
    """Whether grad of sum(weights * f) is what the reference says it is."""
    try:
        g = grad(lambda z: anp.sum(weights * f(z)))(x)
    except Exception:
        return False
    return abs(g @ u - np.sum(weights * slope)) <= 1e-8 * (
        np.sum(np.abs(weights * slope)) + np.abs(g) @ np.abs(u)
    )


@pytest.mark.parametrize("wrt", ["s", "x"])
@pytest.mark.parametrize("name", CASES)
def test_gradients_through_coefficients(name, wrt):
    fun, x, s, rng = point(name)
    order = 3

    def f(z):
        return fun(NP, z)

    shape = taylor(f, x, s, order).shape
    weights, u = rng.standard_normal(shape), rng.standard_normal(x.shape)
    zero = np.zeros(x.shape)
    slope = reference.reference_slope(fun, x, s, *((zero, u) if wrt == "s" else (u, zero)), order)
    if wrt == "x":
        works = autograd_differentiates(f, x, weights[0], u, slope[0])
        assert works == (name not in AUTOGRAD_FAILS_IN_X), (
            f"autograd itself {'works' if works else 'fails'} here"
        )
        if not works:
            return
    if wrt == "s":
        g = grad(lambda d: anp.sum(weights * taylor(f, x, d, order)))(s)
        batched = grad(lambda d: anp.sum(weights * taylor(f, x, anp.stack([d, d]), order)[:, 1]))(s)
        np.testing.assert_allclose(batched, g, rtol=1e-10, atol=1e-12 * np.abs(g).max())
    else:
        g = grad(lambda z: anp.sum(weights * taylor(f, z, s, order)))(x)
    scale = np.sum(np.abs(weights * slope)) + np.abs(g) @ np.abs(u)
    # one reverse pass multiplies the rounding errors of the forward pass by its own length
    assert abs(g @ u - np.sum(weights * slope)) <= 1e-11 * scale, f"{name} (seed {seed_of(name)})"


# ---------------------------------------------------------------------- none is forgotten

SLOW_ROUTE = {"container_untake", "sequence_extend_right", "sequence_extend_left", "_make_dict"}
# Pieces of reverse mode over containers: refused, and `derivative_tensors` then takes the univariate route.


def status(fun):
    return "rule" if fun in RULES else "refused" if fun in REFUSED else "slow route"


def test_every_differentiable_primitive_is_accounted_for():
    table = {}
    for fun in primitive_vjps:
        if getattr(fun, "__name__", "").endswith("_of_tests"):
            continue
        table.setdefault(status(fun), set()).add(getattr(fun, "__name__", str(fun)))
    assert table["slow route"] <= SLOW_ROUTE, table["slow route"] - SLOW_ROUTE
    assert table["refused"] == {"eig", "svd", "solve_banded", "odeint", "entropy"}
    assert len(table["rule"]) > 170


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: linalg.eig(x.reshape(2, 2))[0],
        lambda x: linalg.svd(x.reshape(2, 2))[1],
        lambda x: autograd.scipy.stats.multivariate_normal.entropy(
            np.zeros(2), x.reshape(2, 2) @ x.reshape(2, 2).T
        ),
    ],
)
def test_refused_by_name_with_advice(fun):
    with pytest.raises(TaylorError, match="no Taylor rule for '(eig|svd|entropy)': .*use "):
        taylor(fun, np.array([1.0, 0.2, 0.3, 2.0]), np.ones(4), 2)


def test_degenerate_eigenvalues_are_refused():
    with pytest.raises(TaylorError, match="eigenvalues coincide"):
        taylor(lambda x: linalg.eigh(x.reshape(2, 2))[0], np.eye(2).ravel(), np.ones(4), 1)


# ---------------------------------------------------------------------- the slow route


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
    by_rule = grad(lambda d: anp.sum(taylor(g, x, d, 3)))(s)
    np.testing.assert_allclose(grad(lambda d: anp.sum(taylor(f, x, d, 3)))(s), by_rule, rtol=1e-12)


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


# ---------------------------------------------------------------------- the judge is judged


@pytest.mark.parametrize("order", range(1, ORDER + 1))
def test_a_wrong_rule_is_caught(order, monkeypatch):
    """A relative error of 1e-11 in one coefficient of one rule fails the comparison above."""
    fun, x, s, _ = point("exp")
    right = RULES[anp.exp]

    def wrong(algebra, *args):
        out = list(right(algebra, *args))
        out[order - 1] = out[order - 1] * (1 + 1e-11)
        return out

    monkeypatch.setitem(RULES, anp.exp, wrong)
    with pytest.raises(AssertionError, match="order"):
        judged(taylor(lambda z: fun(NP, z), x, s, ORDER), reference.reference(fun, x, s, ORDER), "planted")


def test_reverse_pieces_have_rules():
    """Forward over reverse needs the vjps' own primitives."""
    for fun in (VSpace.add, VSpace.mut_add, anp.make_diagonal):
        assert fun in RULES
