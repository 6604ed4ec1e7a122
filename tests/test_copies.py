"""Everything that a user can hold can be copied, deep-copied and pickled, and the copy does what the original
does.
"""

from __future__ import annotations

import copy
import importlib
import io
import pickle
import pkgutil
import time
from functools import partial

import autograd.numpy as anp
import numpy as np
import pytest
import scipy.optimize
import torch
from scipy.sparse.linalg import LinearOperator

import refopt
from refopt import oracle, problems
from refopt.oracle.recording import Broken
from refopt.plot.inputs import recorded
from refopt.progress import Progress
from refopt.registry import ENTRIES
from refopt.status import Status, Stop

START = np.array([-1.2, 1.0, 0.8, 0.7])
SHAPES = [(2,), (2,)]
SEED = 20260109


def pickled(given):
    return pickle.loads(pickle.dumps(given))


def saved(given):
    """By torch.save and torch.load."""
    file = io.BytesIO()
    torch.save(given, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


each_way = pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled], ids=lambda f: f.__name__)
each_deep_way = pytest.mark.parametrize("copied", [copy.deepcopy, pickled], ids=lambda f: f.__name__)
each_method = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


def residuals(x):
    return anp.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]])


rosenbrock = refopt.LeastSquares(residuals)


def quartic(x):
    return anp.sum((x - 1) ** 4)


def slope(x):
    return 4 * (x - 1) ** 3


def curvature(x):
    return np.diag(12 * (x - 1) ** 2)


def product(x, v):
    return 12 * (x - 1) ** 2 * v


def operator(x):
    return LinearOperator((x.size, x.size), matvec=partial(product, x), dtype=float)


def pair(x):
    return float(quartic(x)), slope(x)


def ignored(x):
    pass


def failing(x):
    if x[0] != 3.0:
        raise RuntimeError("only at the start")
    return float(np.sum(x**2))


def started(fun=quartic, x0=(3.0, 2.0), steps=2, **keywords):
    """A run after some iterations."""
    run = refopt.iterate(fun, x0, **keywords)
    for _ in range(steps):
        next(run, None)
    return run


# ---------------------------------------------------------------- runs


@each_method
@each_way
@pytest.mark.filterwarnings("ignore:.*overflow:RuntimeWarning")
def test_a_copied_run_goes_on_as_the_original(entry, copied):
    run = started(
        rosenbrock,
        START,
        steps=3,
        method=entry.complete(**{k: v for k, v in entry.quick.items() if k != "order"}),
        shapes=SHAPES,
        rng=SEED,
        options={"maxiter": 7, "return_all": True},
    )
    twin = copied(run)
    before = run.objective.nfev
    theirs = list(twin)
    assert run.objective.nfev == before and run.nit <= 3  # nothing is shared that changes
    ours = list(run)
    assert len(theirs) == len(ours)
    for a, b in zip(theirs, ours, strict=True):
        assert a.x.tobytes() == b.x.tobytes() and a.fun == b.fun and a.jac.tobytes() == b.jac.tobytes()
        assert abs(a.nfev - b.nfev) <= 1  # a trace that the original still has
    assert len(twin.history) == len(run.history) and twin.result.message == run.result.message


WAYS = {
    "jac": {"jac": slope},
    "hess": {"jac": slope, "hess": curvature},
    "operator": {"jac": slope, "hess": operator, "method": "ScipyNewtonCG"},
    "hessp": {"jac": slope, "hessp": product},
    "pair": {"fun": pair, "jac": True},
    "3-point": {"jac": "3-point"},
    "BFGS": {"hess": scipy.optimize.BFGS()},
    "difference Hessian": {"hess": "3-point"},
    "fallback": {"options": {"fallback": "3-point"}},
    "bounds": {"bounds": [(2.0, 4.0), (0.0, 3.0)], "method": "InfinityNormTrustRegion"},
    "callback": {"callback": ignored},
    "line search": {"method": "LBFGS"},
}


@pytest.mark.parametrize("way", WAYS)
@each_deep_way
def test_runs_with_derivatives_of_every_source(way, copied):
    run = started(**{"method": "Newton", **WAYS[way]})
    twin = copied(run)
    theirs, ours = list(twin), list(run)
    assert [r.x.tolist() for r in theirs] == [r.x.tolist() for r in ours] and len(ours) > 0
    assert twin.result.derivatives == run.result.derivatives


@each_way
def test_a_finished_run_a_stopped_one_and_one_not_begun(copied):
    done = started(steps=1000)
    assert copied(done).result.message == done.result.message and done.result.success
    assert list(copied(done)) == []
    limited = started(method="LBFGS", options={"maxfev": 4})
    with pytest.raises(StopIteration):
        next(limited)
    assert str(copied(limited).stop) == str(limited.stop) and copied(limited).stop.value == 4
    fresh = refopt.iterate(quartic, [3.0, 2.0])
    assert len(list(copied(fresh))) == len(list(fresh))


@each_way
def test_the_arrays_of_a_copy_cannot_be_written(copied):
    point = copied(started(method="Newton")).point
    for a in (point.x, point.g, point.hess):
        with pytest.raises(ValueError, match="read-only"):
            a[...] = 0


def test_a_point_whose_gradient_is_not_known_yet_computes_it_after_copying():
    """A trial point of a line search has a value and a trace; the copy has the value alone."""
    for fun, jac in ((quartic, None), (pair, True), (rosenbrock, None), (quartic, "3-point")):
        run = refopt.iterate(fun, [3.0, 2.0], jac=jac, method="LBFGS")
        point = run.objective.at(np.array([2.0, 3.0]))
        point.f  # noqa: B018
        twin = copy.deepcopy(point)
        assert twin.f == point.f and twin.g.tolist() == point.g.tolist()


def test_what_the_user_gave_is_shared_by_a_deep_copy():
    class Function:
        def __init__(self):
            self.calls, self.open_file = 0, open(__file__)  # cannot be copied

        def __call__(self, x, data):
            self.calls += 1
            return anp.sum((x - data) ** 4)

        def seen(self, x):
            self.last = x

    fun, data = Function(), np.zeros(2)
    run = started(fun, args=(data,), callback=fun.seen, method="Newton")
    twin = copy.deepcopy(run)
    assert twin.objective.fun is fun and twin.objective.args[0] is data
    calls = fun.calls
    next(twin)
    assert fun.calls > calls and fun.last.tolist() == twin.point.x.tolist()
    fun.open_file.close()


def test_a_function_that_cannot_be_pickled_is_named():
    with pytest.raises((AttributeError, pickle.PicklingError), match="<lambda>"):
        pickled(started(lambda x: anp.sum(x**4), method="Newton"))


@each_deep_way
def test_the_clock_of_a_copy_goes_on(copied, monkeypatch):
    """An hour passes between the pickle and its use: a limit of a minute has not passed for the run."""
    run = started(method="Newton", options={"maxtime": 60.0, "disp": True})
    clock = time.perf_counter
    made = copied(run) if copied is copy.deepcopy else pickle.dumps(run)
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + 3600)
    if copied is copy.deepcopy:
        monkeypatch.undo()
        assert next(made).time < 60
    else:
        twin = pickle.loads(made)
        assert next(twin).time < 60 and clock() + 3600 - twin.progress.began < 60


def test_a_progress_bar_is_not_copied():
    progress = Progress({"disp": True, "maxiter": 3})
    progress.bar = open(__file__)  # as tqdm's, it cannot be copied
    assert copy.deepcopy(progress).bar is None and pickled(progress).bar is None
    progress.bar.close()


# ---------------------------------------------------------------- exceptions

EXAMPLES = {
    Stop: lambda: Stop(Status.STALLED, 1.0, 2.0, "the reason"),
    Broken: lambda: Broken("shape", "what happened"),
}


def own_exceptions():
    found = set()
    for module in pkgutil.walk_packages(refopt.__path__, "refopt."):
        if module.name.endswith("__main__"):
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, BaseException):
                if value.__module__.startswith("refopt"):
                    found.add(value)
    return sorted(found, key=lambda cls: cls.__name__)


@pytest.mark.parametrize("cls", own_exceptions(), ids=lambda cls: cls.__name__)
@each_way
def test_every_exception_of_ours_is_rebuilt(cls, copied):
    error = EXAMPLES.get(cls, lambda: cls("what happened"))()
    error.partial_result = refopt.minimize(quartic, [3.0])
    again = copied(error)
    assert type(again) is cls and str(again) == str(error) and again.args == error.args
    assert vars(again).keys() == vars(error).keys()
    assert again.partial_result.message == error.partial_result.message
    if cls is Stop:
        assert (again.status, again.value, again.threshold, again.reason) == (
            Status.STALLED,
            1.0,
            2.0,
            "the reason",
        )


def test_there_are_exceptions_to_test():
    assert {"Stop", "Broken", "TraceError", "CallError"} <= {cls.__name__ for cls in own_exceptions()}


@each_way
def test_errors_that_carry_a_result(copied):
    with pytest.raises(RuntimeError, match="only at the start") as raised:
        refopt.minimize(failing, [3.0], jac=lambda x: 2 * x, method="CurveBall")
    again = copied(raised.value)
    assert str(again) == str(raised.value) and again.partial_result.x.tolist() == [3.0]
    with pytest.raises(refopt.derivatives.TraceError) as raised:
        refopt.minimize(lambda x: float(x[0]) ** 2, [3.0])
    assert str(copied(raised.value)) == str(raised.value)
    assert copied(raised.value).partial_result.status == 23


# ---------------------------------------------------------------- what does not run


@each_way
def test_results_records_and_what_plots_take(copied):
    run = started(method="Newton", options={"return_all": True}, steps=1000)
    result = run.result
    result.hess  # noqa: B018  a pickled result has no function to compute it
    again = copied(result)
    assert again.keys() == result.keys() and again.hess.tolist() == result.hess.tolist()
    assert repr(copied(run.history[0])) == repr(run.history[0])
    assert copied(run.history[0]).fields().keys() == run.history[0].fields().keys()
    for drawn in (recorded("test", result)[0], recorded("test", run)[0]):
        assert np.array_equal(copied(drawn).points, drawn.points) and copied(drawn).label == drawn.label
    # a copied run is drawn as the original
    assert np.array_equal(recorded("test", copied(run))[0].points, drawn.points)


@each_method
@each_way
def test_methods_and_their_rows_in_the_table(entry, copied):
    for method in (entry.make(), entry.complete()):
        assert copied(method) == method and repr(copied(method)) == repr(method)
    again = copied(entry)
    assert again.name == entry.name and again.complete() == entry.complete()


@each_way
def test_the_table_of_methods_and_the_exits(copied):
    assert str(copied(refopt.methods())) == str(refopt.methods())
    assert all(copied(status) is status for status in Status)


@each_way
def test_functions_made_of_parts(copied):
    for fun in (rosenbrock, refopt.ModelLoss(residuals, quartic)):
        assert copied(fun)(START) == fun(START) and repr(copied(fun)) == repr(fun)


@each_way
def test_problems_stay_read_only(copied):
    for name, options in (("nist/Misra1a", {}), ("mgh/watson", {"n": 9}), ("classic/beale", {})):
        p = problems.get(name, **options)
        q = copied(p)
        assert q.name == p.name and q.fun(p.x0) == p.fun(p.x0) and q.x0.tolist() == p.x0.tolist()
        with pytest.raises(ValueError, match="read-only"):
            q.x0[0] = 0


def test_a_changed_problem_is_not_pickled_as_the_one_it_was_made_from():
    import dataclasses

    p = dataclasses.replace(problems.get("mgh/rosenbrock"), notes=("changed",), fun=quartic, residuals=None)
    assert pickled(p).notes == ("changed",)


@each_way
def test_what_the_oracle_gives(copied):
    adam = refopt.chain(refopt.Adam(), refopt.LR(0.1))
    report = oracle.compare(adam, adam, "classic/beale", steps=3)
    assert str(copied(report)) == str(report) and copied(report.difference) == report.difference
    trace = oracle.record(refopt.chain(refopt.CoordinateMomentum(), refopt.LR(0.1)), "classic/beale", steps=3)
    again = copied(trace)
    assert len(again) == 3 and np.array_equal(again.masks, trace.masks)
    assert np.array_equal(again.steps[2].update, trace.steps[2].update)
    broken = oracle.record(lambda x, g: 1 / 0, "classic/beale", steps=3)
    assert copied(broken).ended == broken.ended and type(copied(broken).error) is ZeroDivisionError
    for deviation in oracle.deviations():
        assert copied(deviation) == deviation


# ---------------------------------------------------------------- torch


def closure_for(method, w):
    if {"residuals", "gauss-newton"} & method.all_needs():
        return lambda: (w - torch.arange(6.0), refopt.torch.squares)

    def closure(backward=True):
        loss = ((w - 1) ** 4).sum()
        if backward:
            w.grad = None
            loss.backward()
        return loss

    return closure


@each_method
@pytest.mark.parametrize("copied", [copy.deepcopy, pickled, saved], ids=lambda f: f.__name__)
def test_torch_optimizers_in_the_midst_and_after_a_stop(entry, copied):
    torch.manual_seed(SEED)
    w = torch.full((6,), 2.0, dtype=torch.float64, requires_grad=True)
    optimizer = refopt.torch.Optimizer([w], entry.complete())
    for _ in range(3):
        optimizer.step(closure_for(optimizer.method, w))
    for stop in (None, Stop(Status.STALLED, reason="as a line search does")):
        optimizer.stop = stop
        twin, v = copied([optimizer, w])
        assert str(twin.stop) == str(stop)
        optimizer.step(closure_for(optimizer.method, w))
        twin.step(closure_for(twin.method, v))
        assert v.tolist() == w.tolist()


def test_an_optimizer_that_stopped_by_itself():
    w = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimizer = refopt.torch.Optimizer([w], "Newton")
    for _ in range(100):
        optimizer.step(lambda: ((w - 3) ** 2).sum() + torch.cos(w).sum() + 1e3)
        if optimizer.stop:
            break
    assert optimizer.stop is not None
    for copied in (copy.deepcopy, pickled, saved):
        assert str(copied(optimizer).stop) == str(optimizer.stop)


@each_way
def test_a_run_on_tensors_refuses_to_be_copied(copied):
    """The closure of the copy would compute with the tensors of the original."""
    w = torch.full((2,), 3.0, dtype=torch.float64, requires_grad=True)
    run = refopt.iterate(refopt.torch.objective(closure_for(refopt.Newton(), w), [w]), method="Newton")
    next(run)
    with pytest.raises(TypeError, match="cannot be copied or pickled, nor can a run on it"):
        copied(run)
    result = copied(run.result)
    assert result.x.tolist() == run.result.x.tolist()
