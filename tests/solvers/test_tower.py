"""The vectors x_k of NewtonNewton and the solves between them, against nested Jacobians."""

from __future__ import annotations

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from refopt.function import FunctionObjective
from refopt.solvers.tower import Krylov, Tower, factorised


def fun(x):
    return anp.sum(anp.cosh(x)) + 0.3 * x[0] * x[1] ** 2 + x[0] * x[2]


X = np.array([0.3, -0.4, 0.8])


def tower(reg, solve=None):
    """The tower at X with the exact operators; `solve` factorises each J_k when it is first needed."""
    objective = FunctionObjective(fun, X)
    point, factors = objective.at(X), {}
    made = Tower(
        point.g, lambda V: objective.contraction(point, V).matrix(), reg, lambda k, b: factors[k][0](b)
    )
    for k in (1, 2):
        factors[k] = factorised(made.J(k, np.eye(3)))
        made.x.append(factors[k][0](made.x[-1]))
    return made, factors


def nested(k, reg):
    """x_k as a function of x, by autograd through the solves."""
    if k == 1:
        return autograd.grad(fun)
    before = nested(k - 1, reg)
    return lambda x: anp.linalg.solve(autograd.jacobian(before)(x) + reg * np.eye(3), before(x))


@pytest.mark.parametrize("reg", [0.0, 0.1])
def test_vectors_and_matrices_are_those_of_nested_jacobians(reg):
    made, _ = tower(reg)
    for k in (1, 2, 3):
        np.testing.assert_allclose(made.x[k - 1], nested(k, reg)(X), rtol=1e-10)
        J = autograd.jacobian(nested(k, reg))(X) + reg * np.eye(3)
        np.testing.assert_allclose(made.J(k, np.eye(3)), J, rtol=1e-9, atol=1e-9)


def test_one_column_is_a_column_of_the_matrix():
    made, _ = tower(0.0)
    v = np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(made.J(2, v), made.J(2, np.eye(3)) @ v, rtol=1e-10)


@pytest.mark.parametrize(
    "J, name",
    [
        (np.diag([1.0, 2.0]), "cholesky"),
        (np.diag([1.0, -2.0]), "lu"),
        (np.array([[1.0, 2.0], [0.0, 3.0]]), "lu"),
        (np.diag([1.0, 0.0]), "least squares"),
        (np.diag([1.0, 1e-17]), "least squares"),
    ],
)
def test_the_solve_that_fits_the_matrix_is_named(J, name):
    solve, how = factorised(J)
    b = np.array([2.0, 3.0])
    assert how == name
    np.testing.assert_allclose(J @ solve(b), b if name != "least squares" else [2.0, 0.0], atol=1e-12)


def test_gmres_says_when_it_did_not_get_there():
    made, _ = tower(0.1)
    solver = Krylov(made, 1, 3, np.dtype(float), 1e-12)
    b = np.array([1.0, -1.0, 2.0])
    np.testing.assert_allclose(solver(b), np.linalg.solve(made.J(1, np.eye(3)), b), rtol=1e-9)
    assert solver.name == "gmres"
    singular = Tower(np.ones(2), lambda V: np.zeros((2, 2)), 0.0, None)
    hopeless = Krylov(singular, 1, 2, np.dtype(float), 1e-12)
    hopeless(np.ones(2))
    assert hopeless.name.startswith("gmres, not to 1e-12")
