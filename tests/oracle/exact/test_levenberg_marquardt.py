"""Definition of LevenbergMarquardt: both models, the region, and decisions against it."""

import autograd.numpy as anp
import numpy as np
import pytest

from refopt import LeastSquares, LevenbergMarquardt
from refopt.fit import objective_of
from refopt.oracle import exact
from refopt.oracle.exact.levenberg_marquardt import minimiser
from refopt.oracle.exact.precise import Arithmetic, plain
from refopt.problems import get
from refopt.status import Stop


def worst_share(problem, x, method, steps):
    """``(largest relative error of an update along a run from x, the models used)``."""
    objective = objective_of(problem.fun, x)
    state, worst, used = method.init(x), 0.0, set()
    for _ in range(steps):
        point, before = objective.at(x.copy()), state
        try:
            update, state = method.step(point, point.g, state)
        except Stop:
            break
        used.add(before.model)
        right, after = exact.run(method, point, point.g, before, Arithmetic("mpmath"), (update, state))
        assert (after.model, after.wait, after.patience) == (state.model, state.wait, state.patience)
        assert float(after.scale) == pytest.approx(state.scale, rel=1e-6)
        worst = max(worst, float(np.abs(plain(right) - update).max() / np.abs(update).max()))
        x = x - update
    return worst, used


@pytest.mark.parametrize(
    "key, x, steps",
    [("mgh/brown_dennis", [-11.0, 13.0, -0.4, 0.2], 6), ("mgh/freudenstein_roth", [0.5, -2.0], 8)],
)
def test_steps_of_both_models(key, x, steps):
    """1e-8: the condition number of the Hessian of these problems is at most 1e7, and eps 2e-16."""
    worst, used = worst_share(get(key), np.array(x), LevenbergMarquardt(init_radius=0.1), steps)
    assert worst < 1e-8 and used == {"gauss-newton", "hessian"}


def test_a_trial_treated_the_other_way_is_a_violation():
    fun = LeastSquares(lambda x: anp.array([10 * (x[1] - x[0] ** 2), 1 - x[0]]))
    point = objective_of(fun, np.ones(2)).at(np.array([-1.2, 1.0]))
    method = LevenbergMarquardt()
    update, state = method.step(point, point.g, method.init(point.x))
    answer = update, state._replace(accepted=False)
    with pytest.raises(exact.Violation, match="a step with ratio .* was treated the other way"):
        exact.run(method, point, point.g, method.init(point.x), Arithmetic("mpmath"), answer)


@pytest.mark.parametrize("w", [[1.0, 4.0], [-3.0, 2.0]])
def test_the_minimiser_satisfies_the_conditions_of_more_and_sorensen(w):
    number = Arithmetic("mpmath").array
    S, c = np.diag(w), np.array([2.0, 1.0])
    z = plain(minimiser(number(S), number(c), number(np.array([0.5]))[0]))
    lam = float(z @ (c - S @ z)) / float(z @ z)
    assert np.linalg.norm(z) == pytest.approx(0.5, rel=1e-14) and lam > max(0.0, -min(w))
    assert (S + lam * np.eye(2)) @ z == pytest.approx(c, rel=1e-12)
