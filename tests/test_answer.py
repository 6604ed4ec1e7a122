"""The answer of a run can be asked for more, and neither the run nor its counts notice."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import autograd.numpy as anp
import numpy as np
import pytest
import torch
from autograd.tracer import getval

import refopt
from refopt.answer import COUNTS
from refopt.function import FunctionObjective

START = np.array([-1.2, 1.0])


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def hessian(x):
    return np.array([[1200 * x[0] ** 2 - 400 * x[1] + 2, -400 * x[0]], [-400 * x[0], 200]])


def line(x):
    t = anp.arange(6.0)
    return x[0] + x[1] * t - anp.array([1.1, 2.9, 5.2, 6.8, 9.1, 11.0])


def counts(res):
    return {name: res[name] for name in COUNTS}


class Counting:
    """A function that counts its calls."""

    def __init__(self, fun):
        self.fun_of_test, self.calls = fun, 0

    def __call__(self, *args):
        self.calls += 1
        return self.fun_of_test(*args)


def test_later_evaluations_are_counted_apart():
    fun = Counting(rosenbrock)
    res = refopt.minimize(fun, START, method="LBFGS", options={"maxiter": 9})  # no end that looks at H
    before = counts(res)
    assert res.nfev == fun.calls and not any(res.after_run.values())
    np.testing.assert_allclose(res.hess, hessian(res.x), rtol=1e-12)
    assert counts(res) == before and res.after_run["nhev"] == 1
    assert res.nfev + res.after_run["nfev"] == fun.calls
    calls = fun.calls
    res.hess, res.hess_inv  # noqa: B018
    with pytest.warns(refopt.CovarianceWarning, match="the run ended too early"):
        res.covariance("likelihood")
    assert fun.calls == calls


def test_what_the_run_knew_costs_nothing():
    residuals = Counting(line)
    method = refopt.InfinityNormTrustRegion(hess="gauss-newton")
    res = refopt.minimize(refopt.LeastSquares(residuals), [0.0, 0.0], method=method, tol=0)
    calls = residuals.calls
    res.standard_errors()
    assert residuals.calls == calls and not any(res.after_run.values())
    res = refopt.minimize(refopt.LeastSquares(residuals), [0.0, 0.0], method="LBFGS", tol=1e-9)
    calls = residuals.calls
    res.standard_errors()
    assert residuals.calls == calls + 1 == calls + res.after_run["nfev"] and res.after_run["nhev"] == 1


@pytest.mark.parametrize("limit", [{"maxfev": 5}, {"maxtime": 0.0}, {"maxiter": 0}])
def test_limits_are_those_of_the_run(limit):
    res = refopt.minimize(rosenbrock, START, method="LBFGS", options=limit)
    if np.isfinite(res.fun):
        np.testing.assert_allclose(res.hess, hessian(res.x), rtol=1e-12)
    else:
        assert limit == {"maxtime": 0.0} and not hasattr(res, "hess")


@pytest.mark.parametrize("method", ["LBFGS", "Newton", "HigherOrderNewton", "ScipyNewtonCG"])
def test_a_run_in_progress_is_not_disturbed(method):
    def path(ask):
        run = refopt.iterate(rosenbrock, START, method=method, options={"maxfev": 200})
        found = []
        for record in run:
            if ask:
                np.testing.assert_allclose(run.result.hess, hessian(run.result.x), rtol=1e-10)
                run.result.covariance("likelihood") if np.all(np.linalg.eigvalsh(run.result.hess) > 0) else ()
            found.append((record.x.tolist(), record.fun, record.nfev, record.njev, record.nhev, record.nhvp))
        return found, run.result.message, counts(run.result)

    with pytest.warns(refopt.CovarianceWarning, match="standard errors away"):
        asked = path(ask=True)
    assert asked == path(ask=False)


class Watched(FunctionObjective):
    """It notes the bounds that hold when a Hessian is computed, and something of its own."""

    seen: list = []

    def __init__(self, *args):
        super().__init__(*args)
        self.notes: dict[str, str] = {}

    def hessian(self, point):
        self.seen.append(self.bounds)
        self.notes["H"] = "Watched"
        return super().hessian(point)


def test_the_objective_is_as_before():
    objective = Watched(rosenbrock, START)
    run = refopt.iterate(
        objective, START, method="InfinityNormTrustRegion", bounds=[(-2.0, 2.0), (-2.0, 2.0)]
    )
    next(run)
    recent, box = list(objective._recent), objective.bounds
    res = run.result
    objective.bounds, objective.best_f = None, -1.0
    objective.seen.clear()
    objective.notes.clear()
    state = dict(vars(objective))
    assert recent and res.hess is not None and len(objective.seen) == 1 and objective.seen[0] is box
    assert vars(objective).keys() == state.keys()
    assert not objective.notes
    assert all(vars(objective)[name] is value for name, value in state.items())
    assert all(a is b for a, b in zip(objective._recent, recent, strict=True))


def test_the_result_can_be_taken_twice_after_the_end():
    def fails_later(x):
        if x[0] > 0.5:
            raise ZeroDivisionError
        return rosenbrock(x)

    run = refopt.iterate(fails_later, START, method="LBFGS")
    with pytest.raises(ZeroDivisionError):
        for _ in run:
            pass
    first, second = run.result, run.result
    assert str(first) == str(second) and first.keys() == second.keys()
    for point in run.objective._recent:
        assert np.isfinite(point.g).all()


def test_a_result_keeps_no_traces():
    """A result lives long; what a run has traced may be large, and is freed with the run."""

    alive = []

    def residuals(x):
        e = anp.exp(0.1 * line(x))  # held by its own derivative
        alive.append(weakref.ref(getval(e)))
        return e - 1

    method = refopt.InfinityNormTrustRegion(hess="gauss-newton")
    res = refopt.minimize(refopt.LeastSquares(residuals), [0.0, 0.0], method=method)
    gc.collect()
    assert len(alive) > 1 and not any(ref() is not None for ref in alive)
    assert np.all(res.standard_errors() > 0)


# ---------------------------------------------------------------- copies and pickles


def test_copies_can_do_what_the_result_can():
    res = refopt.minimize(refopt.LeastSquares(line), [0.0, 0.0], method="LBFGS", tol=1e-9)
    shallow, deep = copy.copy(res), copy.deepcopy(res)
    for other in (shallow, deep):
        assert type(other) is refopt.OptimizeResult and str(other) == str(res)
        assert np.array_equal(other.covariance(), res.covariance())
        np.testing.assert_allclose(other.hess, [[12, 30], [30, 110]], rtol=1e-12)
    deep.x[:] = 0
    assert np.array_equal(shallow.x, res.x) and res.x[0] != 0
    deep = copy.deepcopy(res)
    assert deep._answer.after == res._answer.after is not deep._answer.after
    deep.hess[:] = 0
    assert res.hess[0, 0] != 0
    res = refopt.minimize(rosenbrock, START, method="LBFGS", options={"maxiter": 20})
    copy.deepcopy(res).hess_inv  # noqa: B018
    assert not any(res.after_run.values()) and not res._answer.known


def test_pickles_keep_numbers_and_not_the_function():
    offset = 1.0
    res = refopt.minimize(
        refopt.LeastSquares(lambda x: offset * line(x)), [0.0, 0.0], method="LBFGS", options={"maxiter": 2}
    )
    early = pickle.loads(pickle.dumps(res))
    assert type(early) is refopt.OptimizeResult and str(early) == str(res)
    with pytest.raises(RuntimeError, match="pickled, .* before its residuals and jacobian at x were known"):
        early.covariance()
    with pytest.raises(RuntimeError, match="before its residuals at x were known"):
        early.residual_standard_deviation()
    with pytest.raises(AttributeError, match="no hess: this result was pickled"):
        early.hess  # noqa: B018
    assert not hasattr(early, "hess_inv")
    with pytest.warns(refopt.CovarianceWarning, match="the run ended too early"):
        errors, cost = res.standard_errors(), res.after_run
    late = pickle.loads(pickle.dumps(res))
    with pytest.warns(refopt.CovarianceWarning, match="the run ended too early"):
        assert np.array_equal(late.standard_errors(), errors)
    assert late.after_run == cost
    res.hess  # noqa: B018
    assert np.array_equal(pickle.loads(pickle.dumps(res)).hess_inv, res.hess_inv)


def test_a_hessian_of_the_users_own_kind_does_not_break_pickling():
    from scipy.sparse.linalg import LinearOperator

    operator = lambda x: LinearOperator((2, 2), matvec=lambda v: hessian(x) @ v, dtype=float)  # noqa: E731
    res = refopt.minimize(rosenbrock, START, method="Newton", hess=operator)
    assert isinstance(res.hess, LinearOperator)
    np.testing.assert_allclose(res.hess_inv, np.linalg.inv(hessian(res.x)), rtol=1e-8)
    again = pickle.loads(pickle.dumps(res))
    assert np.array_equal(again.hess_inv, res.hess_inv) and not hasattr(again, "hess")


# ---------------------------------------------------------------- what has changed since


def test_a_function_that_has_changed_is_refused():
    data = np.array([1.0, 2.0, 4.0])
    res = refopt.minimize(refopt.LeastSquares(lambda x: x[0] - data), [0.0])
    later = refopt.minimize(
        lambda x: anp.sum((x[0] - data) ** 4), [0.0], method="LBFGS", options={"maxiter": 4}
    )
    data[0] = 3.0
    with pytest.raises(ValueError, match="fun gives .* at x now, and gave .* in the run"):
        res.covariance()
    with pytest.raises(AttributeError, match="no hess: fun gives .* at x now"):
        later.hess  # noqa: B018


def test_an_x_that_was_changed_is_refused():
    res = refopt.minimize(refopt.LeastSquares(line), [0.0, 0.0])
    res.x[0] += 1
    for ask in (res.covariance, res.standard_errors, res.residual_standard_deviation):
        with pytest.raises(ValueError, match="res.x is not the x that the run found any more"):
            ask()


def test_bounds_are_those_of_the_run():
    """An objective that is used again has the bounds of its last run; a result has its own."""
    w = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
    objective = refopt.torch.objective(lambda: (w * w).sum(), [w])
    bounded = refopt.minimize(
        objective, [2.0], method="InfinityNormTrustRegion", bounds=[(1.0, 3.0)], options={"gtol": 1e-9}
    )
    refopt.minimize(objective, [2.0], method="Newton")
    with pytest.warns(refopt.CovarianceWarning, match=r"on a bound: x\[0\]"):
        np.testing.assert_allclose(bounded.covariance("likelihood"), [[0.5]], rtol=1e-14)
    assert objective.bounds is None


# ---------------------------------------------------------------- torch


def test_asking_leaves_the_parameters_of_torch_as_they_are():
    w = torch.tensor(START.tolist(), dtype=torch.float64, requires_grad=True)
    objective = refopt.torch.objective(lambda: rosenbrock(w), [w])
    run = refopt.iterate(objective, method="LBFGS")
    for _ in range(4):
        next(run)
    early = run.result
    for _ in range(8):
        next(run)
    res = run.result
    with torch.no_grad():
        w.copy_(torch.tensor([5.0, 6.0], dtype=torch.float64))
    np.testing.assert_allclose(early.hess, hessian(early.x), rtol=1e-12)
    np.testing.assert_allclose(res.hess, hessian(res.x), rtol=1e-12)
    assert w.tolist() == [5.0, 6.0]
    assert objective.nfev == res.nfev and res.after_run["nfev"] == 1
    assert "torch.autograd" in repr(res)


def test_a_fit_with_torch():
    t = torch.arange(6.0, dtype=torch.float64)
    y = torch.tensor([1.1, 2.9, 5.2, 6.8, 9.1, 11.0], dtype=torch.float64)
    w = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    fit = refopt.torch.objective(lambda: (w[0] + w[1] * t - y, refopt.torch.squares), [w])
    ours = refopt.minimize(refopt.LeastSquares(line), [0.0, 0.0], tol=1e-9)
    theirs = refopt.minimize(fit, method="Newton", tol=1e-9)
    np.testing.assert_allclose(theirs.covariance(), ours.covariance(), rtol=1e-12)
    with pytest.raises(TypeError, match="twice a negative log-likelihood"):
        theirs.covariance("likelihood")
    plain = refopt.minimize(refopt.torch.objective(lambda: ((w - 1) ** 2).sum(), [w]), method="Newton")
    with pytest.raises(TypeError, match="is not a refopt.LeastSquares"):
        plain.covariance()
    np.testing.assert_allclose(plain.covariance("likelihood"), np.eye(2) / 2)
