"""The error of values of the user's function, as an objective answers it."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest

from refopt.composite import LeastSquares
from refopt.derivatives.roundoff import CALLS, value_error
from refopt.fit import objective_of
from refopt.noise import value_error as of_objective
from refopt.views.linear_map import Restriction
from refopt.views.projected import ProjectedObjective

EPS = float(np.finfo(float).eps)


def arwhead(x):
    return anp.sum((x[:-1] ** 2 + x[-1] ** 2) ** 2 - 4 * x[:-1] + 3)


X = np.append(np.full(99, 1.0), 0.0)


def test_a_traced_function_is_traced_twice_and_no_more():
    f = objective_of(arwhead, X)
    point = f.at(X)
    assert point.f == 0
    calls = f.nfev
    error = f.value_error(point)
    assert error == value_error(arwhead, X) and 99 * EPS < error < 99 * 20 * EPS
    assert f.nfev == calls + 2 and f.value_error(point) == error and f.nfev == calls + 2


@pytest.mark.parametrize("given", [{"jac": "3-point"}, {"jac": lambda x: x}])
def test_other_functions_are_called_plainly(given):
    f = objective_of(lambda x: float(arwhead(np.asarray(x)) + 1.0), X, **given)
    error = f.value_error(f.at(X + 1e-3))
    assert error >= 4 * EPS and f.nfev == 1 + 10


def test_a_pair_gives_its_value():
    f = objective_of(lambda x: (x @ x, 2 * x), X, jac=True)
    assert 4 * EPS * 99 <= f.value_error(f.at(X)) < 1e3 * EPS * 99


def test_noise_that_the_user_stated_counts():
    f = objective_of(lambda x: float(x @ x), X, jac="3-point", noise=1e-6)
    assert of_objective(f, f.at(X)) == pytest.approx(99e-6)


def test_residuals_have_the_error_of_their_sum_of_squares():
    fit = LeastSquares(lambda x: x * x - 1)
    f, x = objective_of(fit, X), X * (1 + 1e-9)
    assert f.value_error(f.at(x)) == value_error(fit, x)


def test_where_there_is_no_room_for_calls_none_is_made():
    f = objective_of(arwhead, X, maxfev=CALLS)
    point = f.at(X + 1.0)
    assert point.f > 0 and f.nfev == 1
    assert f.value_error(point) == 4 * EPS * point.f and f.nfev == 1


def test_what_the_function_raises_beside_x_is_left_alone():
    def fun(x):
        if np.any(getattr(x, "_value", x) != X):
            raise ValueError("outside")
        return arwhead(x)

    f = objective_of(fun, X)
    assert f.value_error(f.at(X)) > 99 * EPS


def test_a_projection_answers_for_what_is_behind_it():
    f = objective_of(arwhead, X)
    view = ProjectedObjective(f.at(X), Restriction(((100,),), ((40,),), 30, 70))
    assert view.value_error(view.start) == f.value_error(f.at(X))
