"""One run: why it ends, what its records say, what is kept when things go wrong."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest

import refopt
from refopt import iterate, minimize

START = np.array([-1.2, 1.0])


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def quadratic(x):
    return anp.sum(anp.array([1.0, 10.0]) * (x - 1) ** 2)


# ---------------------------------------------------------------- why it ends


def test_gradient_test_says_value_and_threshold():
    result = minimize(rosenbrock, START, method="Newton", tol=1e-6)
    assert result.success and result.status == 0
    size = np.abs(result.jac).max()
    assert result.message == f"gradient small: |g|_inf = {size:.3g} <= gtol = 1e-06" and size <= 1e-6


def test_ftol():
    result = minimize(
        quadratic, START, method=refopt.LR(0.01), options={"gtol": 0, "ftol": 1e-3, "return_all": True}
    )
    assert result.status == 1 and result.success and "<= ftol" in result.message
    values = [r.fun for r in result.history]
    scale = max(values[-1], values[-2], 1)
    assert values[-2] - values[-1] <= 1e-3 * scale
    # that alone was so before; on a quadratic f(x) - min f is what the gradient promises
    assert values[-1] <= 1e-3 * scale < values[-2]


def test_xtol():
    result = minimize(
        quadratic, START, method=refopt.LR(0.01), options={"gtol": 0, "xtol": 1e-3, "return_all": True}
    )
    assert result.status == 2 and result.success and "<= xtol" in result.message
    steps = [r.update_norm for r in result.history]
    assert steps[-1] <= 1e-3 * (1e-3 + np.linalg.norm(result.allvecs[-2])) and steps[-1] < steps[-2]
    assert np.linalg.norm(result.x - 1) <= 1e-3 * (1e-3 + np.linalg.norm(result.allvecs[-2]))


def test_maxiter():
    for maxiter in (0, 1, 7):
        result = minimize(quadratic, START, method=refopt.LR(1e-3), options={"maxiter": maxiter})
        assert (result.status, result.nit, result.success) == (10, maxiter, False)
        assert f"nit = {maxiter} reached maxiter = {maxiter}" in result.message


def test_maxiter_zero_still_evaluates_the_start():
    result = minimize(quadratic, START, method="Newton", options={"maxiter": 0})
    assert result.fun == quadratic(START) and result.nfev == 2 and np.array_equal(result.x, START)


def test_unbounded_below():
    result = minimize(lambda x: -anp.sum(x**2), START, method=refopt.LR(1.0), options={"maxiter": 5000})
    assert result.status == 22 and "unbounded below" in result.message


def test_stalled_line_search_says_so():
    with np.errstate(all="ignore"):
        result = minimize(rosenbrock, START, method="Backtracking", jac=lambda x: -np.ones(2) * 1e3)
    assert result.status == 13 and not result.success and "found no decrease" in result.message


def test_rounding_is_told_from_convergence():
    shifted = lambda x: 1e8 + quadratic(x) ** 2  # noqa: E731  f loses all digits of the quadratic near its minimum
    result = minimize(shifted, START, method="Newton", options={"gtol": 0})
    assert result.status == 3 and result.success and "converged to rounding error" in result.message


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


def test_records_cannot_be_used_to_disturb_the_run():
    for record in iterate(rosenbrock, START, method="Newton"):
        with pytest.raises(ValueError, match="read-only"):
            record.x[0] = 9.0
        with pytest.raises(ValueError, match="read-only"):
            record.jac[0] = 9.0


# ---------------------------------------------------------------- callbacks


@pytest.mark.parametrize("style", ["x", "intermediate_result"])
def test_stop_iteration_ends_cleanly(style):
    def by_x(xk):
        raise StopIteration

    def by_record(intermediate_result):
        raise StopIteration

    result = minimize(rosenbrock, START, method="Newton", callback=by_x if style == "x" else by_record)
    assert (
        result.status == 30
        and result.nit == 1
        and not result.success
        and "callback stopped" in result.message
    )


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
    # call 1 is the plain one; after an error in a traced call, one plain and one traced call tell whose it
    # is; call 9 is one for products, after which they are also asked for in another way
    assert (
        partial.nfev == calls == (1 if k == 1 else k + 2 if k < 9 else k + 4)
        and "ArithmeticError" in partial.message
        and not partial.success
    )
    assert np.isnan(partial.fun) if k == 1 else partial.fun <= rosenbrock(START)


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
    assert (
        result.status == 21
        and "iteration 1 of Broken gave a step whose coordinate 0 is nan" in result.message
    )


def test_the_best_point_is_returned_when_a_run_goes_astray():
    result = minimize(rosenbrock, START, method=refopt.LR(1e-2), options={"maxiter": 3})
    path = [r.fun for r in iterate(rosenbrock, START, method=refopt.LR(1e-2), options={"maxiter": 3})]
    assert result.fun == min([rosenbrock(START), *path]) == rosenbrock(result.x) and path[-1] > result.fun


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
    assert "converged: " in captured.out


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_start_without_a_value(value):
    result = minimize(lambda x: value, START, method="LR", jac=lambda x: x)
    assert result.status == 20 and not result.success and result.nit == 0
    assert f"f(x0) = {value}" in result.message and np.array_equal(result.x, START)


# ---------------------------------------------------------------- what the records tell about trials


@pytest.fixture(scope="module")
def runs():
    return {
        m: minimize(rosenbrock, START, method=m, options={"return_all": True, "maxiter": 60})
        for m in ("Newton", "LBFGS", "InfinityNormTrustRegion", "CubicAdam")
    }


def test_records_have_time_and_rejected_trials(runs):
    for name, res in runs.items():
        times = [r.time for r in res.history]
        assert times == sorted(times) and times[0] > 0, name
        known = {tuple(x) for x in res.allvecs}
        for record in res.history:
            trials = record.figures.get("attempts", record.figures.get("trials", 1))
            assert len(record.rejected) == trials - record.accepted, (name, record)
            assert all(tuple(t) not in known for t in record.rejected), name


def test_rejected_trials_are_kept_only_on_request():
    run = refopt.iterate(rosenbrock, [-1.2, 1.0], method="Newton")
    assert all(record.rejected == [] for record in run) and run.objective.tried is None
