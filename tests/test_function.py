"""Objective and Point: each quantity once, by the user's function or by autograd, and nobody can spoil it."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import aslinearoperator

from refopt.function import FunctionObjective

X = np.array([0.3, -0.7, 1.1])
V = np.array([1.0, -2.0, 0.5])


def fun(x):
    return anp.sum(anp.exp(x[:-1] * x[1:])) + anp.sin(x[0]) * x[2] ** 3


def exact(x):
    """Gradient and Hessian by hand."""
    a, b, c = x
    p, q = np.exp(a * b), np.exp(b * c)
    g = np.array([b * p + np.cos(a) * c**3, a * p + c * q, b * q + 3 * np.sin(a) * c**2])
    H = np.array([
        [b * b * p - np.sin(a) * c**3, p + a * b * p, 3 * np.cos(a) * c**2],
        [p + a * b * p, a * a * p + c * c * q, q + b * c * q],
        [3 * np.cos(a) * c**2, q + b * c * q, b * b * q + 6 * np.sin(a) * c]])
    return g, H


def at(x=X, **given):
    return FunctionObjective(fun, x, **given).at(x)


def test_derivatives_agree_with_the_hand_calculation():
    g, H = exact(X)
    point = at()
    eps = np.finfo(float).eps
    assert np.allclose(point.g, g, rtol=8 * eps, atol=0)  # a handful of operations each
    assert np.allclose(point.hess, H, rtol=16 * eps, atol=4 * eps)
    assert np.allclose(point.hvp(V), H @ V, rtol=32 * eps, atol=0)


@pytest.mark.parametrize("method, h, error", [("fd_forward", 1e-6, 1e-4), ("fd_central", 1e-4, 1e-6)])
def test_finite_difference_products(method, h, error):
    H = exact(X)[1]
    assert np.allclose(at().hvp(V, method, h), H @ V, rtol=error)  # O(h), O(h^2) plus rounding eps/h
    assert not np.any(at().hvp(np.zeros(3), method, h))
    assert np.allclose(at().hvp(1e6 * V, method, h), 1e6 * H @ V, rtol=error)  # the step does not scale with v


def test_the_order_of_the_differences():
    H = exact(X)[1]
    for method, order in [("fd_forward", 1), ("fd_central", 2)]:
        errors = [np.linalg.norm(at().hvp(V, method, h) - H @ V) for h in (1e-2, 1e-3)]
        assert abs(np.log10(errors[0] / errors[1]) - order) < 0.1


def test_unknown_product_method():
    with pytest.raises(ValueError, match="hvp method must be one of 'autograd', 'fd_forward', 'fd_central', got 'fd'"):
        at().hvp(V, "fd")


def test_products_share_one_trace():
    point = at()
    for _ in range(5):
        point.hvp(V)
    assert (point.objective.nfev, point.objective.nhvp) == (1, 5)


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array, aslinearoperator])
def test_the_users_hessian_serves_products(form):
    H = exact(X)[1]
    point = at(hess=lambda x: form(exact(x)[1]))
    assert np.allclose(point.hvp(V), H @ V) and np.allclose(point.dense_hessian(), H)
    assert (point.objective.nfev, point.objective.nhev, point.objective.nhvp) == (0, 1, 0)


def test_the_users_hessp_is_used_and_counted():
    point = at(hessp=lambda x, v: exact(x)[1] @ v)
    assert np.allclose(point.hvp(V), exact(X)[1] @ V) and point.objective.nhvp == 1
    assert np.allclose(point.hess, exact(X)[1]) and point.objective.nhvp == 4 and point.objective.nhev == 0


def test_everything_is_computed_once():
    point = at()
    for _ in range(3):
        point.f, point.g, point.hess  # noqa: B018
    objective = point.objective
    assert (objective.nfev, objective.njev, objective.nhev) == (2, 1, 1)
    assert objective.at(X.copy()) is point


def test_arrays_are_read_only_and_independent():
    x = X.copy()
    point = at(x)
    x[0] = 9
    assert point.x[0] == X[0]
    for array in (point.x, point.g, point.hess):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
        base = array if array.base is None else array.base
        assert not base.flags.writeable


def test_float32_stays_float32():
    point = at(X.astype(np.float32))
    assert point.g.dtype == point.hess.dtype == point.hvp(V.astype(np.float32)).dtype == np.float32


def test_a_function_that_ignores_x_has_zero_derivatives():
    point = FunctionObjective(lambda x: 3.0, X).at(X)
    assert point.f == 3.0 and not point.g.any() and not point.hess.any()


def test_a_linear_function_has_a_zero_hessian():
    point = FunctionObjective(lambda x: anp.sum(2 * x), X).at(X)
    assert np.array_equal(point.g, [2, 2, 2]) and not point.hess.any() and not point.hvp(V).any()


def test_one_element_results_are_numbers():
    point = FunctionObjective(lambda x: anp.sum(x ** 2).reshape(1), X).at(X)
    assert isinstance(point.f, float) and np.allclose(point.g, 2 * X)
