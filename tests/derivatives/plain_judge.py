"""The tests that every expression of the table must pass, for those of one module."""

from __future__ import annotations

import re
import zlib

import autograd.numpy as anp
import autograd.scipy.special as aspecial
import numpy as np
import pytest
import scipy.special
from derivatives.expressions import EXPRESSIONS, NAMES, ONLY_PLAIN

from refopt.derivatives import TaylorError, gradient, hvp, taylor, value_and_gradient
from refopt.derivatives.reverse import trace

ORDER = 3
STEP = 1e-5

PLAIN = {"np": np, "special": scipy.special, **NAMES}
TWIN = {"np": anp, "special": aspecial, **NAMES}
# Singular values have no Taylor rule and are refused by name.
NO_SERIES = re.compile(r"linalg\.(svd|cond)\(|, ('nuc'|2|-2)\)$")


def expression_tests(module):
    """``test_plain_numpy, test_twin`` for the expressions of a module."""
    table = EXPRESSIONS[module]
    ids = [f"{i} {text}" for i, (text, _) in enumerate(table)]

    @pytest.mark.parametrize("text, x", table, ids=ids)
    def plain_numpy(text, x):
        check(text, x)

    @pytest.mark.parametrize("text, x", table, ids=ids)
    def twin(text, x):
        check_twin(text, x)

    return plain_numpy, twin


def point(text, x):
    """``(x, s, random numbers)``: the point moved a little, a direction; the seed is in every message."""
    rng = np.random.default_rng(zlib.crc32(text.encode()))
    return x * rng.uniform(0.95, 1.05, x.shape), 0.5 * rng.standard_normal(x.shape), rng


def function(text, names=PLAIN):
    """The expression as a function of x."""
    return eval(f"lambda x: {text}", dict(names))


def weighted(text, names, weights):
    """The sum of the elements, each with a weight of its own."""
    f = function(text, names)
    return lambda x: anp.sum(weights * f(x))


def check(text, x):
    """Value, gradient, product and Taylor coefficients of the expression in plain NumPy.

    The value is NumPy's. Each derivative is compared with central differences of the one before it; their
    error is of order STEP^2, times the size of the function's third derivative, and eps / STEP.
    """
    x, s, rng = point(text, x)
    value = np.asarray(function(text)(x.copy()), dtype=float)
    weights = rng.uniform(0.5, 1.5, value.shape)
    F = weighted(text, PLAIN, weights)
    plain = lambda x: float(np.sum(weights * np.asarray(function(text)(x), dtype=float)))  # noqa: E731

    def difference(f, v):
        return (np.asarray(f(x + STEP * v)) - np.asarray(f(x - STEP * v))) / (2 * STEP)

    def agree(a, b, what, rtol=1e-6):
        scale = max(np.abs(b).max(), np.abs(a).max(), 1.0 + abs(plain(x)))
        assert np.shape(a) == np.shape(b) and np.abs(np.asarray(a) - b).max() <= rtol * scale, (
            f"{what} of {text} at {x.tolist()}: {a}, differences say {b}"
        )

    g = gradient(F, x)
    np.testing.assert_allclose(
        trace(function(text), x)[0], value, rtol=0 if exact(text) else 1e-14, atol=0, err_msg=text
    )
    agree(g, np.array([difference(plain, e) for e in np.eye(len(x))]), "gradient")
    Hs = hvp(F, x, s)
    agree(Hs, difference(lambda z: gradient(F, z), s), "product")
    try:
        c = taylor(F, x, s, ORDER)
    except TaylorError:
        assert NO_SERIES.search(text), text
        return
    agree(c[1], g @ s, "first coefficient", 1e-11)
    agree(2 * c[2], s @ Hs, "second coefficient", 1e-9)
    agree(3 * c[3], difference(lambda z: taylor(F, z, s, 2)[2], s), "third coefficient", 1e-5)
    batch = taylor(F, x, np.stack([s, np.eye(len(x))[0]]), ORDER)[:, 0]
    agree(batch, c, "coefficients of several directions", 1e-11)


def exact(text):
    """Whether the numbers are the same to the bit; not where they go one by one, in an array of boxes."""
    return not any(part in text for part in ("array([", "multi_dot", "None, None, None", ")[1]"))


def series(F, x, s):
    """The Taylor coefficients, where there are some."""
    try:
        return [taylor(F, x, s, ORDER)]
    except TaylorError:
        return []


def check_twin(text, x):
    """The same expression in autograd.numpy gives the same bits, or is known not to work there."""
    x, s, rng = point(text, x)
    weights = rng.uniform(0.5, 1.5, np.shape(function(text)(x.copy())))
    F, G = weighted(text, PLAIN, weights), weighted(text, TWIN, weights)
    try:
        theirs = [*value_and_gradient(G, x), hvp(G, x, s), *series(G, x, s)]
    except Exception as error:
        assert text in ONLY_PLAIN, f"{text} fails in autograd.numpy: {error!r}"
        return
    ours = [*value_and_gradient(F, x), hvp(F, x, s), *series(F, x, s)]
    assert len(ours) == len(theirs), text
    for what, a, b in zip(("value", "gradient", "product", "coefficients"), ours, theirs, strict=False):
        same = np.array_equal(a, b) if exact(text) else np.allclose(a, b, rtol=1e-13, atol=1e-15)
        assert same, f"{what} of {text}: {a}, in autograd.numpy {b}"
