"""Objective and Point: each quantity once, counted and limited, and nobody can spoil it."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest

import refopt
from refopt import minimize
from refopt.function import FunctionObjective
from refopt.objective import Objective, locked
from refopt.status import Status, Stop

START = np.array([-1.2, 1.0])
X = np.array([0.3, -0.7, 1.1])


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def fun(x):
    return anp.sum(anp.exp(x[:-1] * x[1:])) + anp.sin(x[0]) * x[2] ** 3


def at(x=X, **given):
    return FunctionObjective(fun, x, **given).at(x)


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


@pytest.mark.parametrize("method", ["LBFGS", "Newton", "Backtracking", "CubicAdam"])
@pytest.mark.parametrize("maxfev", [1, 2, 5, 8])
def test_maxfev_is_never_exceeded(method, maxfev):
    calls = []

    def fun(x):
        calls.append(0)
        return rosenbrock(x)

    result = minimize(fun, START, method=method, options={"maxfev": maxfev, "gtol": 0})
    assert len(calls) == result.nfev <= maxfev and result.status == 11
    assert np.isfinite(result.fun) and result.fun <= rosenbrock(START)


def test_maxtime_stops_between_evaluations():
    options = {"maxtime": 0.05, "gtol": 0, "maxiter": 10**9}
    result = minimize(lambda x: anp.sum(x**2), START, method=refopt.LR(1e-6), options=options)
    assert result.status == 12 and "maxtime = 0.05" in result.message and result.nit > 0


def test_the_last_three_points_are_remembered():
    """The iterate, an accepted trial and one more; a fourth pushes the first out."""
    objective = FunctionObjective(fun, X)
    points = [objective.at(X + k) for k in range(3)]
    assert all(objective.at(X + k) is points[k] for k in range(3))
    objective.at(X + 3.0)
    assert objective.at(X) is not points[0] and objective.at(X + 2.0) is points[2]


def test_trials_are_clipped_to_the_bounds_and_listed_on_request():
    objective = FunctionObjective(fun, X, bounds=(X - 1, X + 1))
    point = objective.at(X)
    assert np.array_equal(point.after(np.array([5.0, -5.0, 0.5])).x, X + [-1, 1, -0.5])
    assert objective.tried is None
    objective.tried = []
    trial = point.after(np.full(3, 0.1))
    assert len(objective.tried) == 1 and objective.tried[0] is trial.x


def test_with_bounds_the_gradient_counts_as_far_as_it_can_be_followed():
    bounds = (np.array([0.0, -0.5]), np.ones(2))
    objective = FunctionObjective(lambda x: anp.sum(3 * x), np.zeros(2), bounds=bounds)
    point = objective.at(np.zeros(2))
    assert point.gradient_norm() == 0.5 and np.array_equal(point.g, [3, 3])  # x_1 is half a unit off


def test_the_best_finite_value_is_kept_through_limits():
    objective = FunctionObjective(lambda x: x[0], np.array([3.0]), jac=lambda x: np.ones(1))
    objective.begin(np.array([3.0]), maxfev=3)
    for x in (2.0, -np.inf, 5.0):
        objective.at(np.array([x])).f  # noqa: B018
    assert objective.best_f == 2.0 and objective.best_x[0] == 2.0
    with pytest.raises(Stop) as stop:
        objective.at(np.array([1.0])).f  # noqa: B018
    assert stop.value.status is Status.MAXFEV and objective.nfev == 3


def test_what_an_objective_does_not_have_it_says():
    class Bare(Objective):
        n, dtype = 2, np.dtype(float)

    point = Bare().at(np.zeros(2))
    for ask, words in [
        (lambda: point.residuals, "no residuals; give refopt.LeastSquares"),
        (lambda: point.gauss_newton, "not made of a model and a loss"),
        (lambda: point.taylor(X[:2], 2), "Bare has no Taylor series"),
        (lambda: point.tensors(2), "Bare has no derivative tensors"),
    ]:
        with pytest.raises(TypeError, match=words):
            ask()


def test_locked():
    a = np.arange(4.0)
    view = locked(a[:2])
    assert a.flags.writeable and not view.flags.writeable and view.base is None
