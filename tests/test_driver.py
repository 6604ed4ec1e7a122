"""minimize and iterate: the same run, to its end or one iteration at a time; what an interrupt leaves."""

from __future__ import annotations

import numpy as np
import pytest

import refopt
from refopt import iterate, minimize

START = np.array([-1.2, 1.0])


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def test_iterate_is_minimize_one_step_at_a_time():
    run = iterate(rosenbrock, START, method="Newton")
    seen = []
    for record in run:
        seen.append(record.fun)
        assert run.result.nit == record.nit and run.result.message == "still running" or run.stop is not None
    whole = minimize(rosenbrock, START, method="Newton")
    assert seen[-1] == whole.fun and run.result.nfev == whole.nfev and run.result.success
    assert next(run, None) is None


@pytest.mark.parametrize("k", [1, 2, 7])
def test_interrupt_returns_the_best_point(k):
    calls, values = 0, []

    def fun(x):
        nonlocal calls
        calls += 1
        if calls == k:
            raise KeyboardInterrupt
        values.append(rosenbrock(x))
        return values[-1]

    def jac(x):
        return refopt.derivatives.gradient(rosenbrock, x)

    result = minimize(fun, START, method="LBFGS", jac=jac)
    assert result.status == 31 and "interrupted" in result.message and result.nfev == k
    assert np.isnan(result.fun) if k == 1 else result.fun == min(values) == rosenbrock(result.x)


def test_iterate_hands_an_interrupt_on():
    def fun(x):
        raise KeyboardInterrupt

    run = iterate(fun, START, method="LR", jac=lambda x: x)
    with pytest.raises(KeyboardInterrupt):
        next(run)
    assert run.result.status == 31
