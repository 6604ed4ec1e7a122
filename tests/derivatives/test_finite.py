"""Products by differences of gradients, against exact products."""

import autograd.numpy as anp
import numpy as np
import pytest

from refopt.derivatives import central_product, finite, forward_product, gradient, hvp
from refopt.derivatives.finite import bounded_product, estimated_noise


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


# ---------------------------------------------------------------- values


def value(x):
    return float(f(np.asarray(x)))


@pytest.mark.parametrize("scheme, error", [("2-point", 1e-6), ("3-point", 1e-9)])
def test_first_derivatives(scheme, error):
    exact = slope(X)
    assert np.abs(finite.first(value, X, value(X), scheme) - exact).max() <= error * np.abs(exact).max()
    pair = lambda x: np.array([value(x), x[0]])  # noqa: E731
    J = finite.first(pair, X, pair(X), scheme)
    assert J.shape == (2, 3) and np.abs(J[1] - [1, 0, 0]).max() < 1e-7


@pytest.mark.parametrize("scheme, error", [("2-point", 1e-4), ("3-point", 1e-6)])
def test_second_derivatives(scheme, error):
    H = np.stack([hvp(f, X, e) for e in np.eye(3)])
    calls = []
    counted = lambda x: (calls.append(0), value(x))[1]  # noqa: E731
    ours = finite.second(counted, X, value(X), scheme)
    assert np.abs(ours - H).max() <= error * np.abs(H).max()
    assert len(calls) == {"2-point": 9, "3-point": 12}[scheme]


def test_a_fixed_variable_is_not_moved():
    low, high = np.array([-1.0, X[1], 1.1]), np.array([2.0, X[1], 3.0])
    seen = []

    def counted(x):
        seen.append(np.array(x))
        return value(x)

    for scheme in ("2-point", "3-point"):
        g = finite.first(counted, X, value(X), scheme, bounds=(low, high))
        H = finite.second(counted, X, value(X), scheme, bounds=(low, high))
        assert g[1] == 0 and not H[1].any() and np.abs(g - slope(X))[[0, 2]].max() < 1e-5
        assert np.all(finite.first(counted, X, value(X), scheme, noise=1e-8, bounds=(X, X)) == 0)
    Hv = bounded_product(lambda x: (seen.append(x), slope(x))[1], X, V, 1e-5, (low, high))
    exact = hvp(f, X, np.where(low < high, V, 0))
    assert np.abs(Hv - exact).max() < 1e-3 * np.abs(exact).max()
    assert all(np.all(low <= x) and np.all(x <= high) for x in seen)


@pytest.mark.parametrize("level", [1e-12, 1e-8, 1e-4])
def test_noise_is_estimated_to_a_factor_of_three(level):
    rng = np.random.default_rng(1)
    estimates = [
        estimated_noise(lambda x: value(x) * (1 + level * rng.standard_normal()), X) for _ in range(20)
    ]
    assert level / 3 < np.median(estimates) < 3 * level
    assert estimated_noise(value, X) <= 1e-14
