"""The subproblem of a higher-order step: every solver, the global search, no answer higher than SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
import scipy
from functions import SMOOTH, model_of

from refopt.models.taylor import Penalised, TensorModel
from refopt.solvers.ball import quadratic_in_ball
from refopt.solvers.subproblem import BALL_SOLVERS, SOLVERS, freely, in_ball


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("order", [2, 4])
def test_free_answer_is_no_higher_than_trust_exact(name, order):
    model = model_of(name, 4, order, 7)
    penalised = Penalised(model, 2.0, order + 1)
    answer, theirs = freely(penalised, 1.0), freely(penalised, 1.0, solver="trust-exact")
    assert answer.bounded and answer.residual <= 1e-8 * answer.first
    assert answer.value <= theirs.value + 1e-9 * abs(theirs.value)


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_finds_the_minimiser_of_a_convex_model(solver):
    model = TensorModel([np.array(0.0), np.array([1.0, -2.0]), np.diag([2.0, 8.0])])
    assert freely(model, 1.0, solver=solver).s == pytest.approx([-0.5, 0.25], abs=1e-6)
    if solver in ("native", *BALL_SOLVERS):
        exact, _ = quadratic_in_ball(np.array([2.0, 8.0]), np.eye(2), np.array([1.0, -2.0]), 0.3)
        assert in_ball(model, 0.3, solver=solver).s == pytest.approx(exact, abs=1e-6)


def test_differential_evolution_finds_the_deeper_well_and_is_repeatable():
    # s^4 - 4 s^2 + 0.3 s at s = 1: descent goes to the near well, the global minimum is on the other side
    t = [np.array(0.0), np.array([-3.7]), np.array([[4.0]]), np.array([[[24.0]]]), np.array([[[[24.0]]]])]
    model = TensorModel(t)
    near = in_ball(model, 4.0)
    deep = [in_ball(model, 4.0, de_iters=20, rng=np.random.default_rng(5)) for _ in range(2)]
    assert deep[0].value < near.value - 0.5
    assert np.array_equal(deep[0].s, deep[1].s)
    best = scipy.optimize.minimize_scalar(lambda s: model.value(np.array([s])), bounds=(-4, 0))
    assert deep[0].value <= best.fun + 1e-9
