"""Branches that are not taken: their slopes do not matter, and a true infinity never becomes a number."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest

from refopt.derivatives import (
    DerivativeError,
    branches,
    derivative_tensors,
    gradient,
    hessian,
    hvp,
    reverse,
    taylor,
)
from refopt.derivatives.branches import has_slope, mended

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

# f, x, gradient, Hessian by hand: reverse mode has nan in the gradient of each.
RIGHT = {
    "where": (
        lambda x: anp.sum(anp.where(x >= 0, x**2, anp.sqrt(-x))),
        [4.0, -4.0],
        [8, -0.25],
        [2, -1 / 32],
    ),
    "guarded log": (
        lambda x: anp.sum(anp.where(x > 1, anp.log(x), 0 * x + x**2)),
        [0.0, 2],
        [0, 0.5],
        [2, -0.25],
    ),
    "outer curve": (lambda x: anp.sum((anp.where(x > 0, x, anp.sqrt(-x)) - 2) ** 2), [5.0], [6], [2]),
    "overflow": (lambda x: anp.sum(anp.where(x > 700, x, anp.log(1 + anp.exp(x)))), [800.0], [1], [0]),
    "fmax": (lambda x: anp.sum(anp.fmax(x**2, anp.sqrt(-x))), [4.0], [8], [2]),
    "fmin": (lambda x: anp.sum(anp.fmin(x**3, anp.sqrt(x))), [-2.0], [12], [-12]),
    "select": (
        lambda x: anp.sum(anp.select([x > 0, x <= 0], [anp.log(x), anp.sqrt(-x)])),
        [4.0],
        [0.25],
        [-1 / 16],
    ),
    "clip outside": (lambda x: anp.sum(anp.sqrt(anp.clip(x, 0.0, 1.0)) + x**2), [-1.0], [-2], [2]),
    "mask": (lambda x: anp.sum(anp.sqrt(x)[x > 1]) + anp.sum(x), [4.0, 0.0], [1.25, 1], [-1 / 32, 0]),
    "nansum": (lambda x: anp.nansum(anp.sqrt(x)) + x[0], [-1.0, 4.0], [1, 0.25], [0, -1 / 32]),
    "arcsin": (lambda x: anp.sum(anp.where(anp.abs(x) < 1, anp.arcsin(x), x**2)), [2.0], [4], [2]),
}


@pytest.mark.parametrize("name", RIGHT)
def test_derivatives_by_hand(name):
    f, x, g, H = RIGHT[name]
    x, v = np.array(x), np.arange(1.0, len(x) + 1)
    assert np.isnan(reverse.gradient(f, x)).any()
    assert np.allclose(gradient(f, x), g, rtol=1e-12)
    assert np.allclose(hvp(f, x, v), H * v, rtol=1e-12)
    assert np.allclose(hessian(f, x), np.diag(H), rtol=1e-12)
    for route in (None, "gradient", "univariate"):
        tensors = derivative_tensors(f, x, 2, route=route)
        assert np.allclose(tensors[1], g, rtol=1e-12) and np.allclose(tensors[2], np.diag(H), rtol=1e-12)


def test_many_variables_at_the_cost_of_few_calls():
    """300 of 400 entries are nan: three batches of directions, and four values for the test of the slope."""
    calls = []

    def f(x):
        calls.append(0)
        return anp.sum(anp.where(x >= 0, x**2, anp.sqrt(-x)) * np.arange(400)) + x[0] * x[1]

    x = np.r_[np.full(300, 2.0), np.full(100, -4.0)]
    expected = np.arange(400) * np.r_[np.full(300, 4.0), np.full(100, -0.25)]
    expected[:2] += 2
    assert np.isnan(reverse.gradient(f, x)).sum() == 300
    calls.clear()
    assert np.allclose(gradient(f, x), expected, rtol=1e-12)
    assert len(calls) == 1 + 3 + 5
    calls.clear()
    products = np.arange(400) * np.r_[np.full(300, 2.0), np.full(100, -1 / 32)] * x
    assert np.allclose(hvp(f, x, x)[2:], products[2:]) and len(calls) <= 12


def test_very_many_variables_cost_no_more():
    """All of 20,000 entries are nan: one backward pass, and `COLUMNS` of its entries by Taylor mode."""
    calls, n = [], 20_000

    def f(x):
        calls.append(0)
        return anp.sum(anp.where(x >= 0, x**2, anp.sqrt(-x)) * np.arange(n)) + x[0] * x[1]

    x = np.full(n, 2.0)
    expected = 4.0 * np.arange(n)
    expected[:2] += 2
    assert np.isnan(reverse.gradient(f, x)).all()
    calls.clear()
    assert np.allclose(gradient(f, x), expected, rtol=1e-12) and len(calls) == 1 + 2 + 5
    products = 4.0 * np.arange(n)
    products[:2] += 2
    assert np.allclose(hvp(f, x, x), products, rtol=1e-12)


def test_zeros_that_stay_make_no_number_of_an_infinity(monkeypatch):
    """The same judgement for many variables: what has no derivative is refused, whoever computed it."""
    monkeypatch.setattr(branches, "LIMIT", 0)
    for f, x, _ in NONE.values():
        with pytest.raises(DerivativeError):
            gradient(f, np.array(x))
    for name, (f, x, g, H) in RIGHT.items():
        if name == "clip outside":  # here the slope is 0, and the cotangent infinite
            with pytest.raises(DerivativeError):
                gradient(f, np.array(x))
            continue
        assert np.allclose(gradient(f, np.array(x)), g, rtol=1e-12)
        assert np.allclose(hvp(f, np.array(x), np.ones(len(x))), H, rtol=1e-12)
    # planted: a coordinate that only the backward pass has wrong
    x = np.zeros(700)
    x[1:] = 4.0
    with pytest.raises(DerivativeError):
        gradient(lambda x: anp.sum(anp.where(x > 1, x, anp.sqrt(x) ** 2 + anp.sqrt(-x))), x)


# What has no derivative, and the operation that is named.
NONE = {
    "sqrt(x)**2": (lambda x: anp.sum(anp.sqrt(x) ** 2), [0.0], "`sqrt` of 0"),
    "0 * sqrt(x)": (lambda x: anp.sum(0 * anp.sqrt(x)), [0.0], "`sqrt` of 0"),
    "cbrt(x)**3": (lambda x: anp.sum(anp.cbrt(x) ** 3), [0.0], "`cbrt` of 0"),
    "norm": (lambda x: anp.linalg.norm(x), [0.0, 0.0], "`norm` of 0"),
    "root of squares": (lambda x: anp.sqrt(anp.sum(x**2)), [0.0, 0.0], "`sqrt` of 0"),
    "hypot": (lambda x: anp.hypot(x[0], x[1]), [0.0, 0.0], "`hypot` of 0"),
    "std": (lambda x: anp.std(x), [1.0, 1.0], "`std`"),
    "tie of branches": (lambda x: anp.sum(anp.where(x >= 0, x, anp.sqrt(-x))), [0.0], "`sqrt`"),
    "x log x": (
        lambda x: anp.sum(anp.where(x > 0, x * anp.log(x), 0.0)),
        [0.0],
        "`multiply` of 0|`log` of 0",
    ),
    "guarded norm": (lambda x: anp.where(x @ x > 0, anp.sqrt(x @ x), 0.0), [0.0, 0.0], "`sqrt` of 0"),
    "pole": (lambda x: anp.sum(anp.minimum(1 / x, 3.0)), [0.0], "`divide` of 0"),
    "half root": (lambda x: anp.sum(anp.where(x > 0, anp.sqrt(x), 0.0)), [0.0], "`sqrt` of 0"),
    "guarded x**x": (lambda x: anp.sum(anp.where(x > 0, x**x, 1.0)), [0.0], "`power` of 0"),
    "sum of roots": (lambda x: anp.sum(anp.sqrt(x) - anp.sqrt(x)), [0.0], "`sqrt` of 0"),
}


@pytest.mark.parametrize("name", NONE)
def test_what_has_no_derivative_is_refused_by_name(name):
    f, x, who = NONE[name]
    with pytest.raises(DerivativeError, match=f"gradient of fun is not finite in reverse mode at ({who})"):
        gradient(f, np.array(x))
    with pytest.raises(DerivativeError, match="Hessian of fun is not finite"):
        hessian(f, np.array(x)), hvp(f, np.array(x), np.ones(len(x)) / 3)


def test_an_infinite_slope_is_a_true_answer():
    assert np.array_equal(gradient(lambda x: anp.sum(anp.sqrt(x)), np.array([0.0, 1.0])), [np.inf, 0.5])
    assert hvp(lambda x: anp.sum(x**1.5), np.zeros(1), np.ones(1)) == np.inf


def test_no_derivative_is_asked_for_where_there_is_no_value():
    assert np.isnan(gradient(lambda x: anp.sum(x * anp.log(x)), np.zeros(1))).all()


def test_a_second_derivative_of_the_branch_alone_is_not_believed():
    """sin(x)/x at 0 has the Hessian -1/3; the branch that is taken there, the constant 1, has 0."""
    f = lambda x: anp.sum(anp.where(x != 0, anp.sin(x) / x, 1.0))  # noqa: E731
    assert gradient(f, np.zeros(1)) == 0 and taylor(f, np.zeros(1), np.ones(1), 2)[2] == 0
    for second in (hessian, lambda f, x: hvp(f, x, np.ones(1))):
        with pytest.raises(DerivativeError, match="Hessian"):
            second(f, np.zeros(1))


def test_the_slope_is_compared_with_values():
    x, d = np.array([1.0, 0.0]), np.array([1.0, 1.0])
    smooth = lambda x: np.exp(x[0]) + x[1] * x[1]  # noqa: E731
    assert has_slope(smooth, x, d, np.e, np.e) and not has_slope(smooth, x, d, 1.001 * np.e, np.e)
    assert not has_slope(lambda x: abs(x[1]), x, d, 0.0, 0.0) and not has_slope(
        lambda x: abs(x[1]), x, d, 1.0, 1.0
    )
    assert has_slope(lambda x: x[1] if x[1] >= 0 else np.nan, x, d, 1.0, 1.0)  # the side where it is finite
    assert not has_slope(lambda x: 0.0 if x[1] == 0 else np.nan, x, d, 0.0, 0.0)


def test_nested_derivatives_are_loud():
    """Inside another trace nothing can be mended: the outer derivative is nan, and refused."""
    f = lambda x: anp.sum(anp.where(x >= 0, x**3, anp.sqrt(-x)))  # noqa: E731
    with pytest.raises(DerivativeError):
        hvp(lambda x: gradient(f, x)[0], np.array([2.0]), np.ones(1))


def test_arrays_of_any_shape_and_outputs():
    D = np.full((2, 2, 3), np.nan)
    x, A = np.arange(4.0).reshape(2, 2), np.arange(3.0)
    got = mended(lambda x: anp.sum(x**2) * A, x, D)
    assert np.allclose(got, 2 * x[..., None] * A)


def test_float32_stays():
    f = lambda x: anp.sum(anp.where(x >= 0, x * x, anp.sqrt(-x)))  # noqa: E731
    g = gradient(f, np.array([4.0, 1.0], dtype=np.float32))
    assert g.dtype == np.float32 and np.array_equal(g, [8, 2])
