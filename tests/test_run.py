"""The driver: why runs end, what callbacks see, what is kept when things go wrong."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest

import refopt
from refopt import Status, iterate, minimize

START = np.array([-1.2, 1.0])


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def quadratic(x):
    return anp.sum(anp.array([1.0, 10.0]) * (x - 1) ** 2)


# ---------------------------------------------------------------- the table of exits


def test_statuses_have_distinct_numbers():
    numbers = [status.number for status in Status]
    assert len(set(numbers)) == len(numbers)
    assert {s.number for s in Status if s.success} == {0, 1, 2, 3}


def test_gradient_test_says_value_and_threshold():
    result = minimize(rosenbrock, START, method="Newton", tol=1e-6)
    assert result.success and result.status == 0
    size = np.abs(result.jac).max()
    assert result.message == f"gradient small: |g|_inf = {size:.3g} <= gtol = 1e-06" and size <= 1e-6


def test_ftol():
    result = minimize(quadratic, START, method=refopt.LR(0.01), options={"gtol": 0, "ftol": 1e-3, "return_all": True})
    assert result.status == 1 and result.success and "<= ftol" in result.message
    values = [r.fun for r in result.history]
    scale = max(values[-1], values[-2], 1)
    assert values[-2] - values[-1] <= 1e-3 * scale < values[-3] - values[-2]


def test_xtol():
    result = minimize(quadratic, START, method=refopt.LR(0.01), options={"gtol": 0, "xtol": 1e-3, "return_all": True})
    assert result.status == 2 and result.success and "<= xtol" in result.message
    steps = [r.update_norm for r in result.history]
    assert steps[-1] <= 1e-3 * (1e-3 + np.linalg.norm(result.allvecs[-2])) and steps[-1] < steps[-2]


def test_maxiter():
    for maxiter in (0, 1, 7):
        result = minimize(quadratic, START, method=refopt.LR(1e-3), options={"maxiter": maxiter})
        assert (result.status, result.nit, result.success) == (10, maxiter, False)
        assert f"nit = {maxiter} reached maxiter = {maxiter}" in result.message


def test_maxiter_zero_still_evaluates_the_start():
    result = minimize(quadratic, START, method="Newton", options={"maxiter": 0})
    assert result.fun == quadratic(START) and result.nfev == 1 and np.array_equal(result.x, START)


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
    result = minimize(quadratic, START, method=refopt.LR(1e-6), options={"maxtime": 0.05, "gtol": 0, "maxiter": 10**9})
    assert result.status == 12 and "maxtime = 0.05" in result.message and result.nit > 0


def test_unbounded_below():
    result = minimize(lambda x: -anp.sum(x ** 2), START, method=refopt.LR(1.0), options={"maxiter": 5000})
    assert result.status == 22 and "unbounded below" in result.message


def test_stalled_line_search_says_so():
    with np.errstate(all="ignore"):
        result = minimize(rosenbrock, START, method="Backtracking", jac=lambda x: -np.ones(2) * 1e3)
    assert result.status == 13 and not result.success and "found no decrease" in result.message


def test_rounding_is_told_from_convergence():
    shifted = lambda x: 1e8 + quadratic(x) ** 2  # noqa: E731  f loses all digits of the quadratic near its minimum
    result = minimize(shifted, START, method="Newton", options={"gtol": 0})
    assert result.status == 3 and result.success and "rounding, not a tolerance" in result.message


# ---------------------------------------------------------------- records


def test_history_and_allvecs_on_request():
    plain = minimize(rosenbrock, START, method="Newton")
    assert "history" not in plain and "allvecs" not in plain
    result = minimize(rosenbrock, START, method="Newton", options={"return_all": True})
    assert len(result.history) == result.nit and len(result.allvecs) == result.nit + 1
    assert np.array_equal(result.allvecs[0], START) and np.array_equal(result.allvecs[-1], result.x)
    for before, record, after in zip(result.allvecs[:-1], result.history, result.allvecs[1:], strict=True):
        assert record.fun == rosenbrock(after) and record.gnorm == np.abs(record.jac).max()
        assert np.isclose(record.update_norm, np.linalg.norm(after - before), rtol=1e-12)
        assert record.accepted is True and record.figures["step_size"] > 0
    assert [r.nit for r in result.history] == list(range(1, result.nit + 1))
    assert all(a.nfev < b.nfev for a, b in zip(result.history, result.history[1:], strict=False))
    assert "step_size" in repr(result.history[0])


def test_iterate_is_minimize_one_step_at_a_time():
    run = iterate(rosenbrock, START, method="Newton")
    seen = []
    for record in run:
        seen.append(record.fun)
        assert run.result.nit == record.nit and run.result.message == "still running" or run.stop is not None
    whole = minimize(rosenbrock, START, method="Newton")
    assert seen[-1] == whole.fun and run.result.nfev == whole.nfev and run.result.success
    assert next(run, None) is None


def test_records_cannot_be_used_to_disturb_the_run():
    for record in iterate(rosenbrock, START, method="Newton"):
        with pytest.raises(ValueError, match="read-only"):
            record.x[0] = 9.0
        with pytest.raises(ValueError, match="read-only"):
            record.jac[0] = 9.0


# ---------------------------------------------------------------- callbacks


def test_callback_of_x():
    seen = []
    result = minimize(rosenbrock, START, method="Newton", callback=lambda xk: seen.append(xk))
    assert len(seen) == result.nit and np.array_equal(seen[-1], result.x)
    seen[0][:] = 0  # a copy: nothing happens


def test_callback_of_the_intermediate_result():
    seen = []

    def callback(intermediate_result):
        seen.append(intermediate_result)
        intermediate_result.x[:] = 99  # a copy: nothing happens

    result = minimize(rosenbrock, START, method="Newton", callback=callback)
    assert [r.nit for r in seen] == list(range(1, result.nit + 1))
    assert seen[-1].fun == result.fun and seen[-1].figures["step_size"] == 1.0 and result.success


@pytest.mark.parametrize("style", ["x", "intermediate_result"])
def test_stop_iteration_ends_cleanly(style):
    def by_x(xk):
        raise StopIteration

    def by_record(intermediate_result):
        raise StopIteration

    result = minimize(rosenbrock, START, method="Newton", callback=by_x if style == "x" else by_record)
    assert result.status == 30 and result.nit == 1 and not result.success and "callback stopped" in result.message


def test_callback_raising_carries_the_partial_result():
    def callback(xk):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as caught:
        minimize(rosenbrock, START, method="Newton", callback=callback)
    assert caught.value.partial_result.nit == 1 and caught.value.partial_result.status == 23


# ---------------------------------------------------------------- trouble


@pytest.mark.parametrize("k", [1, 2, 4, 9])
def test_fun_raising_at_call_k(k):
    calls = 0

    def fun(x):
        nonlocal calls
        calls += 1
        if calls == k:
            raise ArithmeticError(f"call {k}")
        return rosenbrock(x)

    with pytest.raises(ArithmeticError, match=f"call {k}") as caught:
        minimize(fun, START, method="LBFGS")
    partial = caught.value.partial_result
    assert partial.nfev == k and "ArithmeticError" in partial.message and not partial.success
    assert np.isnan(partial.fun) if k == 1 else partial.fun <= rosenbrock(START)


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


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nonfinite_values_later_keep_the_best_point(bad):
    def fun(x):
        return rosenbrock(x) if x[0] > -1.25 else bad

    result = minimize(fun, START, method=refopt.LR(-1e-3), jac=lambda x: np.array([200.0, 0]))
    assert np.isfinite(result.fun) and not result.success
    result = minimize(fun, START, method=refopt.LR(1e-3), jac=lambda x: np.array([200.0, 0]))
    assert result.status == 21 and np.array_equal(result.x, START) and f"f = {bad}" in result.message


def test_line_search_walks_around_nan():
    def fun(x):
        return anp.where(x[0] > 0.5, anp.nan, anp.sum((x - 0.4) ** 2))

    result = minimize(fun, np.array([-1.2, 1.0]), method=[refopt.LR(3.0), refopt.Backtracking()])
    assert result.success and np.allclose(result.x, 0.4, atol=1e-4)


def test_gradient_that_is_not_finite():
    result = minimize(quadratic, START, method="LR", jac=lambda x: np.array([np.nan, 1.0]))
    assert result.status == 21 and "g[0] = nan" in result.message and result.fun == quadratic(START)


def test_step_that_is_not_finite():
    class Broken(refopt.Method):
        def step(self, point, update, state):
            return update * np.nan, state

    result = minimize(quadratic, START, method=Broken())
    assert result.status == 21 and "iteration 1 of Broken gave a step whose coordinate 0 is nan" in result.message


def test_the_best_point_is_returned_when_a_run_goes_astray():
    result = minimize(rosenbrock, START, method=refopt.LR(1e-2), options={"maxiter": 3})
    path = [r.fun for r in iterate(rosenbrock, START, method=refopt.LR(1e-2), options={"maxiter": 3})]
    assert result.fun == min([rosenbrock(START), *path]) == rosenbrock(result.x) and path[-1] > result.fun


# ---------------------------------------------------------------- copies


def test_the_function_may_scribble_on_its_argument():
    def fun(x):
        value = rosenbrock(x)
        x[:] = 77
        return value

    def jac(x):
        g = refopt.derivatives.gradient(rosenbrock, x)
        x[:] = 77
        return g

    clean = minimize(rosenbrock, START, method="LBFGS", jac=lambda x: refopt.derivatives.gradient(rosenbrock, x))
    result = minimize(fun, START, method="LBFGS", jac=jac)
    assert result.success and np.array_equal(result.x, clean.x)


def test_a_gradient_that_is_the_users_own_array_is_left_alone():
    c = np.array([3.0, 4.0])
    buffer = np.zeros(2)

    def jac(x):
        buffer[:] = 2 * x  # the same array every time
        return buffer

    result = minimize(lambda x: anp.dot(c, x) + anp.dot(x, x), START, method=refopt.LR(0.1), options={"maxiter": 3})
    assert result.nit == 3
    c[0] = 5.0  # still writable
    result = minimize(lambda x: np.dot(x, x), START, method="LBFGS", jac=jac)
    assert result.success
    buffer[0] = 1.0


def test_args_reach_every_function():
    seen = set()

    def note(name, value):
        seen.add(name)
        return value

    a = 3.0
    result = minimize(lambda x, a: note("fun", np.sum((x - a) ** 2)), START, args=(a,), method="Newton",
                      jac=lambda x, a: note("jac", 2 * (x - a)), hess=lambda x, a: note("hess", 2 * np.eye(2)))
    assert result.success and np.allclose(result.x, a) and seen == {"fun", "jac", "hess"}
    assert minimize(lambda x, a: anp.sum((x - a) ** 2), START, args=a, method="Newton").success


# ---------------------------------------------------------------- counting by hand


def test_one_trace_serves_value_and_gradient():
    result = minimize(quadratic, START, method=refopt.LR(0.01), options={"maxiter": 5})
    assert (result.nfev, result.njev, result.nhev, result.nhvp) == (6, 6, 0, 0)


def test_newton_counts():
    result = minimize(quadratic, START, method="Newton")
    assert (result.nit, result.nfev, result.njev, result.nhev) == (1, 3, 2, 1)  # two points, one Hessian trace


def test_jac_true_costs_one_call_a_point():
    result = minimize(lambda x: (np.sum(x ** 2), 2 * x), START, method=refopt.LR(0.1), jac=True, options={"maxiter": 4})
    assert (result.nfev, result.njev) == (5, 5)


# ---------------------------------------------------------------- randomness


def test_seed_is_reported_and_repeats_the_run():
    options = {"maxiter": 20}
    first = minimize(quadratic, START, method="CoordinateMomentum", options=options)
    again = minimize(quadratic, START, method="CoordinateMomentum", options=options, rng=first.options["rng"])
    assert np.array_equal(first.x, again.x)
    assert "rng" not in minimize(quadratic, START, method="Newton").options


# ---------------------------------------------------------------- progress


def test_disp_prints_plain_lines_away_from_a_terminal(capsys):
    minimize(rosenbrock, START, method=refopt.LR(1e-4), options={"maxiter": 25, "disp": True})
    lines = capsys.readouterr().out.splitlines()
    assert [int(line.split()[0]) for line in lines[1:-1]] == [*range(1, 11), 20]
    assert "iteration limit" in lines[-1] and "|g|_inf" in lines[0]


def test_disp_on_a_terminal_uses_tqdm(monkeypatch, capsys):
    import sys
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    minimize(rosenbrock, START, method="Newton", options={"disp": True})
    captured = capsys.readouterr()
    assert "it/s" in captured.err or "it [" in captured.err or "|" in captured.err
    assert "gradient small" in captured.out
