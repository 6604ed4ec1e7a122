"""Products by differences of gradients, against exact products."""

import autograd.numpy as anp
import numpy as np
import pytest

from refopt.derivatives import central_product, forward_product, gradient, hvp


def f(x):
    return anp.exp(anp.sum(anp.sin(x) * x[0])) + anp.sum(x[1:] ** 2 * x[:-1] ** 3)


X, V = np.array([0.4, -0.8, 1.1]), np.array([1.0, -2.0, 0.5])


def slope(x):
    return gradient(f, x)


def forward(v, h, g=slope):
    return forward_product(g, X, g(X), v, h)


def central(v, h, g=slope):
    return central_product(g, X, v, h)


@pytest.mark.parametrize(
    "product, h, error", [(forward, 1e-8, 1e-6), (central, 1e-5, 1e-9)], ids=["forward", "central"]
)
def test_products_agree_with_the_exact_ones(product, h, error):
    exact = hvp(f, X, V)
    assert np.linalg.norm(product(V, h) - exact) <= error * np.linalg.norm(exact)
    assert np.linalg.norm(product(V, h) - hvp(f, X, 1.001 * V)) > error * np.linalg.norm(exact)


@pytest.mark.parametrize("product, order", [(forward, 1), (central, 2)], ids=["forward", "central"])
def test_order_of_the_error(product, order):
    exact = hvp(f, X, V)
    errors = [np.linalg.norm(product(V, h) - exact) for h in (1e-2, 5e-3, 2.5e-3)]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert np.all(np.abs(orders - order) < 0.05), orders


@pytest.mark.parametrize("product, exact_order", [(forward, 2), (central, 3)], ids=["forward", "central"])
def test_polynomials_up_to_this_degree_are_exact(product, exact_order):
    """The error is made by the next derivative: none is left where that is zero."""
    g = lambda x: exact_order * x ** (exact_order - 1)  # noqa: E731   of the sum of x^exact_order
    exact = exact_order * (exact_order - 1) * X ** (exact_order - 2) * V
    np.testing.assert_allclose(product(V, 0.5, g), exact, rtol=1e-13)


@pytest.mark.parametrize("product", [forward, central])
def test_the_length_of_v_does_not_change_the_accuracy(product):
    """The step is along the unit vector of v, so the product is linear in the length of v."""
    once = product(V, 1e-5)
    for length in (1e-150, 1e-3, 1e6, 1e150):
        np.testing.assert_allclose(product(length * V, 1e-5) / length, once, rtol=1e-10)


@pytest.mark.parametrize("product, calls", [(forward, 1), (central, 2)], ids=["forward", "central"])
def test_number_of_gradients(product, calls):
    seen = []

    def counted(x):
        seen.append(x)
        return slope(x)

    product(V, 1e-6, counted)
    assert sum(x is not X for x in seen) == calls  # that at X is given
    seen.clear()
    assert np.array_equal(product(np.zeros(3), 1e-6, counted), np.zeros(3))
    assert all(x is X for x in seen)
