"""The three tests that every Taylor rule must pass, for the cases of one module of rules."""

from __future__ import annotations

import zlib

import autograd.numpy as anp
import numpy as np
import pytest
from derivatives.taylor_mode import reference
from derivatives.taylor_mode.cases import AUTOGRAD_FAILS_IN_X, CASES, NAMES, NP

from refopt.derivatives import gradient
from refopt.derivatives.taylor_mode.expand import taylor

ORDER = 6
# Relative to the largest element of the same coefficient: rules are sums of products of well-conditioned
# quantities, so the error is some tens of rounding errors; 1e-12 is the promise.
RTOL = 1e-12


def rule_tests(module):
    """``test_coefficients, test_batches, test_gradients`` for the cases of a module of rules.

    The coefficients agree with 50 digits; several directions at once agree with one at a time; gradients of
    the coefficients, in s and in x, agree with 50 digits.
    """

    @pytest.mark.parametrize("name", NAMES[module])
    def coefficients(name):
        check_coefficients(name)

    @pytest.mark.parametrize("name", NAMES[module])
    def batches(name):
        check_batches(name)

    @pytest.mark.parametrize("wrt", ["s", "x"])
    @pytest.mark.parametrize("name", NAMES[module])
    def gradients(name, wrt):
        check_gradients(name, wrt)

    return coefficients, batches, gradients


def seed_of(name):
    return zlib.crc32(name.encode())


def point(name):
    """Formula, point, direction and random numbers of a case."""
    fun, x = CASES[name]
    rng = np.random.default_rng(seed_of(name))
    return fun, x, 0.5 * rng.standard_normal(x.shape), rng


def judged(c, ref, what, rtol=RTOL):
    """Compare coefficient by coefficient, each relative to its own largest element."""
    assert c.shape == ref.shape, f"{what}: shape {c.shape}, expected {ref.shape}"
    for k in range(len(ref)):
        scale = np.abs(ref[k]).max(initial=0.0)
        error = np.abs(c[k] - ref[k]).max(initial=0.0)
        if scale == 0:  # exactly zero: what is left are rounding errors of terms that cancel
            scale = 0.1 * np.abs(ref).max()
        assert error <= rtol * scale, f"{what}, order {k}: relative error {error / (scale or 1):.2e}"


def check_coefficients(name):
    fun, x, s, _ = point(name)
    ref = reference.reference(fun, x, s, ORDER)
    judged(taylor(lambda z: fun(NP, z), x, s, ORDER), ref, f"{name} (seed {seed_of(name)})")


def check_batches(name):
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


def check_gradients(name, wrt):
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
        g = gradient(lambda d: anp.sum(weights * taylor(f, x, d, order)), s)
        batched = gradient(lambda d: anp.sum(weights * taylor(f, x, anp.stack([d, d]), order)[:, 1]), s)
        np.testing.assert_allclose(batched, g, rtol=1e-10, atol=1e-12 * np.abs(g).max())
    else:
        g = gradient(lambda z: anp.sum(weights * taylor(f, z, s, order)), x)
    scale = np.sum(np.abs(weights * slope)) + np.abs(g) @ np.abs(u)
    # one reverse pass multiplies the rounding errors of the forward pass by its own length
    assert abs(g @ u - np.sum(weights * slope)) <= 1e-11 * scale, f"{name} (seed {seed_of(name)})"


def autograd_differentiates(f, x, weights, u, slope):
    """Whether the gradient of sum(weights * f) is what the reference says it is."""
    try:
        g = gradient(lambda z: anp.sum(weights * f(z)), x)
    except Exception:
        return False
    return abs(g @ u - np.sum(weights * slope)) <= 1e-8 * (
        np.sum(np.abs(weights * slope)) + np.abs(g) @ np.abs(u)
    )
