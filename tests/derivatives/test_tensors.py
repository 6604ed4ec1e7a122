"""Full tensors and contractions."""

from __future__ import annotations

import itertools
import tracemalloc

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import jacobian

from refopt.derivatives import gradient, hessian
from refopt.derivatives.tensors import (
    derivative_tensors,
    directional,
    expanded,
    tensor_product,
    tensor_vector,
    tensors_memory,
)


def smooth(x):
    return anp.exp(anp.sum(anp.sin(x) * x[0])) + anp.prod(x) + anp.sum(x[1:] ** 2 * x[:-1] ** 2)


def rosenbrock(x):
    return anp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


ROUTES = ["univariate", "gradient"]


def nested(fun, x, order):
    """The tensors by nesting autograd.jacobian, the slow independent way."""
    out, f = [], fun
    for _ in range(order + 1):
        out.append(f(x))
        f = jacobian(f)
    return out


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_tensors_agree_with_nested_jacobians(route, n):
    x = np.random.default_rng(n).standard_normal(n)
    tensors = derivative_tensors(smooth, x, 4, route=route)
    for k, (ours, expected) in enumerate(zip(tensors, nested(smooth, x, 4), strict=True)):
        assert np.shape(ours) == (n,) * k
        # interpolation amplifies rounding by the size of the coefficients gamma, at most about 30 for order 4
        np.testing.assert_allclose(ours, expected, rtol=1e-11, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("route", ROUTES)
def test_tensors_are_exactly_symmetric(route):
    x = np.random.default_rng(3).standard_normal(5)
    for tensor in derivative_tensors(smooth, x, 4, route=route)[2:]:
        for axes in itertools.permutations(range(tensor.ndim)):
            assert np.array_equal(tensor, tensor.transpose(axes))


@pytest.mark.parametrize("order", range(7))
def test_any_order_on_a_polynomial(order):
    """x0^3 x1^2 x2: derivatives known by hand."""
    x = np.array([1.5, -0.5, 2.0])
    for route in ROUTES:
        tensors = derivative_tensors(lambda x: x[0] ** 3 * x[1] ** 2 * x[2], x, order, route=route)
        assert len(tensors) == order + 1
        if order >= 6:
            assert tensors[6][0, 0, 0, 1, 1, 2] == pytest.approx(12.0, rel=1e-10)
            assert tensors[6][2, 1, 0, 0, 1, 0] == tensors[6][0, 0, 0, 1, 1, 2]
            assert abs(tensors[6][0, 0, 0, 0, 1, 2]) < 1e-8
        if order >= 3:
            assert tensors[3][0, 1, 2] == pytest.approx(6 * x[0] ** 2 * x[1], rel=1e-12)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("sizes", [(1e6, 1e-6, 1.0), (1e-9, 1e3, 1e5), (1e8, 1e8, 1e8)])
def test_units_of_the_variables_cost_no_digits(route, sizes):
    """D^k (f o S) = D^k f [S, ..., S]; the mixed elements too, each relative to the size of its terms."""
    x, s = np.array([0.7, -1.3, 0.9]), np.array(sizes)
    plain = derivative_tensors(smooth, x, 4, route=route)
    tensors = derivative_tensors(lambda z: smooth(z / s), x * s, 4, route=route)
    for k, (ours, expected) in enumerate(zip(tensors, plain, strict=True)):
        for axis in range(k):
            ours = ours * s.reshape([-1 if a == axis else 1 for a in range(k)])
        np.testing.assert_allclose(ours, expected, rtol=1e-10, atol=1e-11 * np.abs(expected).max())
    blind = expanded(lambda z: smooth(z / s), x * s, 4, route, False, np.ones(3))[3]
    if sizes[0] != sizes[1]:  # what it is for
        worst = np.abs(blind * s[:, None, None] * s[:, None] * s - plain[3]).max()
        assert worst > 1e-5 * np.abs(plain[3]).max()


def test_many_variables():
    x = np.random.default_rng(0).standard_normal(40)
    f, g, H = derivative_tensors(rosenbrock, x, 2)
    assert f == rosenbrock(x)
    np.testing.assert_allclose(g, gradient(rosenbrock, x), rtol=1e-12)
    np.testing.assert_allclose(H, hessian(rosenbrock, x), rtol=1e-12, atol=1e-9)
    T = derivative_tensors(rosenbrock, x[:12], 3)[3]
    np.testing.assert_allclose(
        np.einsum("ijk,j,k", T, x[:12], x[:12]), 2 * directional_gradient(x[:12]), rtol=1e-9
    )


def directional_gradient(x):
    return gradient(lambda s: directional(rosenbrock, x, s, 3)[3] / 6, x)


def test_functions_that_reverse_mode_cannot_expand_fall_back():
    def f(x):
        return anp.linalg.slogdet(anp.outer(x, x) + 2 * anp.eye(40))[1]

    x = np.full(40, 0.1)
    H = derivative_tensors(f, x, 2)[2]
    np.testing.assert_allclose(H, hessian(f, x), rtol=1e-10, atol=1e-12)


def test_memory_is_refused_before_anything_is_allocated():
    tracemalloc.start()
    with pytest.raises(
        MemoryError, match=r"1000 variables up to order 4 need about .* GiB, more than memory_limit"
    ):
        derivative_tensors(rosenbrock, np.ones(1000), 4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
    with pytest.raises(MemoryError, match="memory_limit"):
        derivative_tensors(rosenbrock, np.ones(8), 4, memory_limit=1000)


@pytest.mark.parametrize(("n", "order"), [(8, 4), (16, 4), (60, 3), (400, 2)])
@pytest.mark.parametrize("route", ROUTES)
def test_the_memory_estimate_is_from_above(n, order, route):
    x = np.full(n, 0.3)
    tracemalloc.start()
    derivative_tensors(rosenbrock, x, order, route=route)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= tensors_memory(n, order)


def test_bad_input():
    with pytest.raises(ValueError, match="order must be an integer"):
        derivative_tensors(smooth, np.ones(2), -1)
    with pytest.raises(ValueError, match="vector with at least one element"):
        derivative_tensors(smooth, np.ones((2, 2)), 2)
    with pytest.raises(ValueError, match="vector with at least one element"):
        derivative_tensors(smooth, np.ones(0), 2)
    with pytest.raises(ValueError, match="route must be"):
        derivative_tensors(smooth, np.ones(2), 2, route="fast")
    with pytest.raises(ValueError, match="one number"):
        derivative_tensors(lambda x: x, np.ones(2), 2, route="univariate")
    with pytest.raises(ValueError, match="order must be at least 2"):
        tensor_product(smooth, np.ones(2), np.ones(2), 1)


# ---------------------------------------------------------------------- contractions


def test_contractions_agree_with_the_tensors():
    rng = np.random.default_rng(5)
    x, s, v = rng.standard_normal((3, 4))
    f, g, H, T, Q = derivative_tensors(smooth, x, 4)
    expected = [
        f,
        g @ s,
        s @ H @ s,
        np.einsum("ijk,i,j,k", T, s, s, s),
        np.einsum("ijkl,i,j,k,l", Q, s, s, s, s),
    ]
    np.testing.assert_allclose(directional(smooth, x, s, 4), expected, rtol=1e-11)
    np.testing.assert_allclose(
        directional(smooth, x, np.stack([s, 2 * s]), 4)[:, 1],
        [2**k * e for k, e in enumerate(expected)],
        rtol=1e-11,
    )
    np.testing.assert_allclose(tensor_vector(smooth, x, s, v, 2), H @ v, rtol=1e-12)
    np.testing.assert_allclose(tensor_vector(smooth, x, s, v), np.einsum("ijk,i,j", T, s, v), rtol=1e-11)
    np.testing.assert_allclose(
        tensor_vector(smooth, x, s, v, 4), np.einsum("ijkl,i,j,k", Q, s, s, v), rtol=1e-10
    )
    product = tensor_product(smooth, x, s)
    np.testing.assert_allclose(
        [product(e) for e in np.eye(4)], np.einsum("ijk,i", T, s), rtol=1e-10, atol=1e-11
    )
    assert not tensor_vector(smooth, x, np.zeros(4), v).any()
