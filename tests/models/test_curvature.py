"""Where a method gets its matrix from: dense and by products, exact, Gauss-Newton, learned, or the user's."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest
import scipy
from scipy.optimize import SR1
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import refopt
from refopt.fit import objective_of
from refopt.method import copy_state
from refopt.models.curvature import make_model, needs_of

fun = refopt.LeastSquares(lambda x: anp.concatenate((x**2 - 1, x[:1] * x[1:])))


def points():
    objective = objective_of(fun, np.array([1.5, 0.5]))
    return objective.at(np.array([1.5, 0.5])), objective.at(np.array([1.2, 0.8]))


@pytest.mark.parametrize("hess", ["exact", "gauss-newton"])
def test_dense_matrix_and_products_agree(hess):
    point, _ = points()
    dense, products = make_model(hess, 2).at(point), make_model(hess, 2, prefer_dense=False).at(point)
    assert isinstance(dense, np.ndarray) and isinstance(products, LinearOperator)
    np.testing.assert_allclose(products @ np.eye(2), dense, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(products.T @ np.eye(2), dense, rtol=1e-13, atol=1e-13)


def test_gauss_newton_factor():
    point, _ = points()
    A, b = make_model("gauss-newton", 2).factor(point)
    np.testing.assert_allclose(A.T @ A, point.gauss_newton, rtol=1e-13)
    np.testing.assert_allclose(A.T @ b, point.g, rtol=1e-13)
    assert make_model("exact", 2).factor(point) is None


@pytest.mark.parametrize("strategy", [SR1(), refopt.PSB()])
def test_a_strategy_learns_between_points(strategy):
    first, second = points()
    model = make_model(strategy, 2)
    model.at(first)
    kept = copy_state(model)
    B = model.at(second)
    s, y = second.x - first.x, second.g - first.g
    np.testing.assert_allclose(B @ s, y, rtol=1e-12)
    assert np.array_equal(model.at(second), B)  # the same point teaches nothing new
    assert np.array_equal(kept.at(second), B)  # a copied state goes its own way to the same place
    operator = make_model(strategy, 2, prefer_dense=False)
    operator.at(first)
    np.testing.assert_allclose(operator.at(second) @ s, y, rtol=1e-12)


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array, aslinearoperator])
@pytest.mark.parametrize("prefer_dense", [True, False])
def test_a_users_hessian_in_every_form(form, prefer_dense):
    H = np.array([[2.0, 1.0], [1.0, 5.0]])
    point, _ = points()
    B = make_model(lambda x: form(H), 2, prefer_dense).at(point)
    assert isinstance(B, np.ndarray) or not prefer_dense
    np.testing.assert_allclose(B @ np.eye(2), H)


def test_a_strategy_with_only_the_inverse_needs_leave():
    class InverseOnly(scipy.optimize.BFGS):
        def initialize(self, n, approx_type):
            if approx_type == "hess":
                raise ValueError("only the inverse")
            super().initialize(n, approx_type)

    with pytest.raises(ValueError, match="InverseOnly holds only the inverse .* set fallback=True"):
        make_model(InverseOnly(), 2)
    first, second = points()
    model = make_model(InverseOnly(), 2, fallback=True)
    model.at(first)
    s, y = second.x - first.x, second.g - first.g
    np.testing.assert_allclose(model.at(second) @ s, y, rtol=1e-10)


def test_what_each_form_needs_of_a_point():
    assert needs_of("X", "exact") == {"hess"} and needs_of("X", "gauss-newton") == {"gauss-newton"}
    assert needs_of("X", SR1()) == {"g"} == needs_of("X", lambda x: np.eye(2))
    for wrong, error, words in [
        ("exat", ValueError, "X: hess must be one of .* did you mean 'exact'"),
        (SR1, TypeError, r"X: hess=SR1 is a class; give an instance, SR1\(\)"),
        (3, TypeError, "X: hess must be one of .* or a function of x that returns a matrix, got 3"),
    ]:
        with pytest.raises(error, match=words):
            needs_of("X", wrong)
