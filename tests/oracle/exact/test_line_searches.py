"""Definitions of the line searches: step sizes that break a condition are violations."""

import numpy as np
import pytest

from refopt import Backtracking, StrongWolfe
from refopt.function import FunctionObjective
from refopt.oracle import exact
from refopt.oracle.exact.precise import Arithmetic, plain


def run(method, fun, x, step_size=None, update=None):
    point = FunctionObjective(fun, np.array(x)).at(np.array(x))
    state = method.init(point.x)
    answer = method.step(point, point.g, state)
    if step_size is not None:
        answer = answer[0], answer[1]._replace(step_size=step_size)
    return exact.run(
        method, point, point.g if update is None else update, method.init(point.x), Arithmetic(), answer
    )


def parabola(x):
    return 2 * x[0] ** 2  # from 1 the minimiser is at step size 1/4


def test_backtracking_takes_the_first_step_size_that_satisfies_armijo():
    out, state = run(Backtracking(), parabola, [1.0])
    assert float(state.step_size) == 0.25 and state.trials == 3 and plain(out) == pytest.approx([1.0])
    _, state = run(Backtracking(init_step=0.3), parabola, [1.0])
    assert float(state.step_size) == pytest.approx(0.3) and state.trials == 1


def test_an_update_that_goes_uphill_gives_way_to_the_gradient():
    out, state = run(Backtracking(), parabola, [1.0], update=np.array([-3.0]))
    assert state.fallback and plain(out) == pytest.approx([1.0])


def test_strong_wolfe_checks_both_conditions():
    assert plain(run(StrongWolfe(), parabola, [1.0])[0]) == pytest.approx([1.0])
    with pytest.raises(exact.Violation, match="step size 0.6 does not decrease f enough"):
        run(StrongWolfe(), parabola, [1.0], 0.6)
    with pytest.raises(exact.Violation, match="step size 0.011 leaves the slope above c2 times the first"):
        run(StrongWolfe(), parabola, [1.0], 0.011)
    with pytest.raises(exact.Violation, match="leaves the slope"):
        run(StrongWolfe(c2=0.1), parabola, [1.0], 0.2)


def test_no_step_size_at_all_is_a_violation():
    point = FunctionObjective(lambda x: -x[0], np.array([1.0]), (), lambda x: np.array([1.0])).at(
        np.array([1.0])
    )
    with pytest.raises(exact.Violation, match="no step size satisfies Armijo's rule"):
        exact.run(Backtracking(maxiter=5), point, point.g, Backtracking().init(point.x), Arithmetic())
