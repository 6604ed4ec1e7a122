"""What every method of the registry must keep, enumerated: none can join without being run through it."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import pkgutil

import autograd.numpy as anp
import numpy as np
import pytest
import scipy.optimize
from contract.options import OPTIONS, Probe

import refopt
from refopt.fit import objective_of
from refopt.method import Chain, Method, copy_state, walk
from refopt.objective import Objective
from refopt.oracle.recording import Tape, with_tapes
from refopt.registry import ENTRIES, Entry

NAMES = [entry.name for entry in ENTRIES]
each_method = pytest.mark.parametrize("entry", ENTRIES, ids=NAMES)
SHAPES = [(2,), (2,)]
SEED = 20260101


def rosenbrock_residuals(x):
    return anp.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]])


rosenbrock = refopt.LeastSquares(rosenbrock_residuals)
START = np.array([-1.2, 1.0, 0.8, 0.7])


def saddle(x):
    return x[0] ** 2 - x[1] ** 2 + x[1] ** 4 / 20 + anp.sum(x[2:] ** 2) + 1.8 * x[0] * x[2]


def zigzag(x):
    return anp.sum(anp.abs(x) ** 1.5) + anp.sum(anp.sin(40 * x)) / 4


TIMES = np.linspace(0, 3, 13)


def decay_residuals(x):
    data = 3 * np.exp(-TIMES) + 2 * np.exp(-3 * TIMES)
    return x[0] * anp.exp(-x[1] * TIMES) + x[2] * anp.exp(x[3] * TIMES) - data


decay = refopt.LeastSquares(decay_residuals)
PROBLEMS = {"rosenbrock": rosenbrock, "saddle": saddle, "zigzag": zigzag, "decay": decay}


@pytest.fixture(autouse=True)
def quiet_overflow():
    """Trial points may overflow the test function; what the methods make of it is what is tested."""
    with np.errstate(over="ignore", invalid="ignore"):
        yield


def path(method, fun=rosenbrock, x0=START, steps=6, **keywords):
    """Records of the first iterations, and the result."""
    keywords = {"shapes": SHAPES, "rng": SEED, **keywords}
    run = refopt.iterate(fun, x0, method=method, options={"maxiter": steps, "gtol": 0}, **keywords)
    return list(run), run.result


def same(a, b):
    """Equal to the bit, through records."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b, equal_nan=True)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(same(p, q) for p, q in zip(a, b, strict=True))
    if isinstance(a, np.random.Generator):
        return a.bit_generator.state == b.bit_generator.state
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if hasattr(a, "copy_state"):
        return same(vars(a), vars(b))
    return a is b or a == b or (a != a and b != b)


# ---------------------------------------------------------------- the registry itself


def test_registry_holds_every_method_there_is():
    found = {}
    for package in ("refopt.algorithms", "refopt.parts"):
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
            for value in vars(importlib.import_module(module.name)).values():
                if isinstance(value, type) and issubclass(value, Method) and value not in (Method, Chain):
                    if (
                        not value.__name__.startswith("_")
                        and value.__module__ == module.name
                        and not getattr(value, "abstract", False)
                    ):
                        found[value.__name__] = value.__module__.replace(".", "/") + ".py"
    unlisted = {name: file for name, file in found.items() if name not in NAMES}
    assert not unlisted, "; ".join(
        f"{name} of {file} has no row in the table of methods: import it in refopt/registry.py and add "
        f"Entry({name}, ...) to ENTRIES there, or mark a base class with `abstract = True`"
        for name, file in unlisted.items()
    )
    assert set(NAMES) == set(found), "ENTRIES of refopt/registry.py lists a method that no file defines"


@each_method
def test_public_name(entry):
    add = f"import {entry.name} in refopt/__init__.py and add its name to __all__ there"
    assert getattr(refopt, entry.name, None) is entry.cls and entry.name in refopt.__all__, add
    assert entry.name in str(refopt.methods())


@each_method
def test_hyperparameters_are_frozen_and_printed(entry):
    method = entry.make()
    for field in dataclasses.fields(method):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(method, field.name, None)
        assert field.name + "=" in repr(method)


# ---------------------------------------------------------------- arrays


@each_method
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_and_dtype_are_kept(entry, dtype):
    method = entry.complete()
    objective = objective_of(rosenbrock, START.astype(dtype), shapes=tuple(SHAPES))
    point = objective.at(START.astype(dtype))
    state = method.init(point.x, objective.shapes, np.random.default_rng(SEED))
    for _ in range(4):
        try:
            update, state = method.step(point, point.g, state)
        except refopt.status.Stop:  # a method of high order is at the minimum by then
            break
        assert update.dtype == dtype and update.shape == START.shape
        point = point.after(update)
        assert point.x.dtype == dtype and point.g.dtype == dtype
    _, result = path(method, x0=START.astype(dtype))
    assert result.x.dtype == dtype and result.jac.dtype == dtype and result.x.shape == START.shape


@each_method
def test_inputs_are_never_modified(entry):
    method = entry.complete()
    x0 = START.copy()
    path(method, x0=x0)
    assert np.array_equal(x0, START)
    objective = objective_of(rosenbrock, START, shapes=tuple(SHAPES))
    point = objective.at(START)
    assert not point.x.flags.writeable and not point.g.flags.writeable  # writing would raise
    incoming = point.g * 1.0
    kept = incoming.copy()
    state = method.init(point.x, objective.shapes, np.random.default_rng(SEED))
    update, _ = method.step(point, incoming, state)
    assert np.array_equal(incoming, kept), "step wrote into the incoming update"
    assert np.array_equal(point.x, START)


@each_method
def test_a_result_shares_no_memory_with_the_run(entry):
    records, result = path(entry.complete())
    result.x[:] = 0
    again, second = path(entry.complete())
    assert same([r.fun for r in records], [r.fun for r in again])


# ---------------------------------------------------------------- repeatability


@each_method
def test_same_seed_same_path(entry):
    first, a = path(entry.complete())
    second, b = path(entry.complete())
    for r, s in zip(first, second, strict=True):
        assert np.array_equal(r.x, s.x) and r.fun == s.fun and same(r.figures, s.figures)
    assert a.nfev == b.nfev and a.nhvp == b.nhvp


@each_method
def test_a_copied_state_replays_the_step(entry):
    method = entry.complete()
    objective = objective_of(rosenbrock, START, shapes=tuple(SHAPES))
    point = objective.at(START)
    state = method.init(point.x, objective.shapes, np.random.default_rng(SEED))
    for _ in range(3):
        kept = copy_state(state)
        update, state = method.step(point, point.g, state)
        again, state_again = method.step(point, point.g, copy_state(kept))
        assert np.array_equal(update, again), f"seed {SEED}"
        assert same(state, state_again)
        point = point.after(update)


def drawing_parts(method):
    """The methods in the tree whose own step draws: the rest declares "rng" for what it holds or for an
    option.
    """
    return [part for part in walk(method) if "rng" in type(part).needs]


@each_method
def test_what_a_step_draws_can_be_replayed(entry):
    method = entry.complete()
    for part in drawing_parts(method):
        kept = [
            getattr(type(part), name) is not getattr(Method, name) for name in ("randomness", "replaying")
        ]
        assert all(kept), (
            f"{type(part).__name__} draws from rng: give it randomness and replaying, as "
            "refopt/algorithms/coordinate_momentum.py does, so that the oracle can replay a run"
        )
    tapes: list[Tape] = []

    def remembering(source):
        tapes.append(Tape(source))
        return tapes[-1]

    def iterates(method, seed):
        return tuple(record.x for record in path(method, rng=seed)[0])

    recorded = iterates(with_tapes(method, remembering, np.random.default_rng(SEED)), 1)
    served = iter(tapes)
    again = iterates(
        with_tapes(method, lambda source: Tape(None, next(served).steps()), np.random.default_rng(2)), 3
    )
    assert same(recorded, again), (
        f"{entry.name} must draw from the source that `replaying` gives it, and only there"
    )
    if len(tapes) == 1:  # several share one generator, in an order of their own
        assert same(iterates(method, SEED), recorded), (
            f"`randomness` of {entry.name} is not what its step draws"
        )


def test_a_method_that_cannot_be_replayed_is_named():
    class Shaken(refopt.LR):
        needs = frozenset({"rng"})

    with pytest.raises(AssertionError, match="Shaken draws from rng: give it randomness and replaying, as "):
        test_what_a_step_draws_can_be_replayed(Entry(Shaken, "support"))


# ---------------------------------------------------------------- counting


class Counting:
    """The test function and its derivatives, counting their calls."""

    def __init__(self):
        self.calls = dict.fromkeys(("fun", "jac", "hess", "hessp"), 0)

    def fun(self, x):
        self.calls["fun"] += 1
        return rosenbrock(x)

    def jac(self, x):
        self.calls["jac"] += 1
        return refopt.derivatives.gradient(rosenbrock, x)

    def hess(self, x):
        self.calls["hess"] += 1
        return refopt.derivatives.hessian(rosenbrock, x)

    def hessp(self, x, v):
        self.calls["hessp"] += 1
        return refopt.derivatives.hvp(rosenbrock, x, v)


def needs_parts(method):
    """Whether it needs a function made of a model and a loss, such as `LeastSquares`."""
    return bool({"residuals", "gauss-newton"} & method.all_needs())


class CountingResiduals(refopt.LeastSquares):
    def __init__(self, counting):
        def residuals(x):
            counting.calls["fun"] += 1
            return rosenbrock_residuals(x)

        super().__init__(residuals)


@each_method
def test_counters_equal_those_of_a_counting_function(entry):
    method = entry.complete()
    counting = Counting()
    fun = CountingResiduals(counting) if needs_parts(method) else counting.fun
    _, result = path(method, fun)
    assert result.nfev == counting.calls["fun"]
    assert 1 <= result.njev <= result.nfev


@each_method
def test_counters_equal_those_of_counting_derivatives(entry):
    method = entry.complete()
    if needs_parts(method) or "taylor" in method.all_needs():
        counting = Counting()  # these take their derivatives from fun itself
        fun = CountingResiduals(counting) if needs_parts(method) else counting.fun
        _, result = path(method, fun)
        assert result.nfev == counting.calls["fun"] and result.nhev == result.nhvp * 0 + result.nhev
        return
    counting = Counting()
    unused = not method.all_needs() & {"hvp", "hess"}
    with pytest.warns(RuntimeWarning, match="does not use Hessian") if unused else contextlib.nullcontext():
        _, result = path(method, counting.fun, jac=counting.jac, hess=counting.hess, hessp=counting.hessp)
    assert (result.nfev, result.njev, result.nhev, result.nhvp) == tuple(counting.calls.values())


# ---------------------------------------------------------------- needs


class Watching(Objective):
    """Answers from another objective and notes what was asked."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.asked = inner, set()
        self.n, self.dtype, self.shapes = inner.n, inner.dtype, inner.shapes

    def _ask(self, what, name, point, *rest):
        self.asked.add(what)
        return getattr(self.inner, name)(self.inner.at(point.x), *rest)

    def value(self, point):
        return self._ask("f", "value", point)

    def gradient(self, point):
        self.asked.add("g")
        return self.inner.at(point.x).g.copy()

    def product(self, point, v):
        return self._ask("hvp", "product", point, v)

    def hessian(self, point):
        self.asked.add("hess")
        return np.array(self.inner.at(point.x).hess)

    def taylor(self, point, direction, order):
        return self._ask("taylor", "taylor", point, direction, order)

    def tensors(self, point, order):
        return self._ask("taylor", "tensors", point, order)

    def model(self, point, s, order):
        return self._ask("taylor", "model", point, s, order)

    def residuals(self, point):
        self.asked.add(self.parts)
        return np.array(self.inner.at(point.x).residuals)

    def jacobian(self, point):
        self.asked.add(self.parts)
        return np.array(self.inner.at(point.x).jacobian)

    def gauss_newton(self, point):
        self.asked.add("gauss-newton")
        return np.array(self.inner.at(point.x).gauss_newton)

    def gauss_newton_product(self, point, v):
        return self._ask("gauss-newton", "gauss_newton_product", point, v)

    def __getattr__(self, name):  # what a method asks of an objective beyond the base class
        if name.startswith("__") or name in ("inner", "asked"):
            raise AttributeError(name)
        return getattr(self.inner, name)


@each_method
def test_needs_are_honest(entry):
    method = entry.complete()
    inner = objective_of(rosenbrock, START, shapes=tuple(SHAPES))
    watching = Watching(inner)
    # who declares the Gauss-Newton matrix may read it off the residuals and their Jacobian
    watching.parts = "gauss-newton" if "gauss-newton" in method.all_needs() else "residuals"
    point = watching.at(START)
    state = method.init(point.x, watching.shapes, np.random.default_rng(SEED))
    for _ in range(10):
        incoming = inner.at(point.x).g
        try:
            update, state = method.step(point, incoming, state)
        except refopt.status.Stop:
            break
        point = watching.at(point.x - update)
    undeclared = watching.asked - method.all_needs()
    assert not undeclared, f"{entry.name} asks for {undeclared}, which its `needs` do not declare: add them"
    unused = method.all_needs() - watching.asked - {"rng"}
    assert not unused, f"{entry.name} declares {unused} in `needs` and never asks for it: leave it out"


# ---------------------------------------------------------------- options


@each_method
def test_every_option_is_probed(entry):
    declared = {field.name for field in dataclasses.fields(entry.cls)}
    probed = set(OPTIONS.get(entry.name, {}))
    assert declared <= probed, (
        f"add to OPTIONS[{entry.name!r}] in tests/contract/options.py a Probe, with another value than "
        "the default, "
        f"for {', '.join(sorted(declared - probed))}"
    )
    assert probed <= declared, (
        f"OPTIONS[{entry.name!r}] names what is no field: {', '.join(sorted(probed - declared))}"
    )


CASES = [(entry, option) for entry in ENTRIES for option in OPTIONS.get(entry.name, {})]


@pytest.mark.parametrize("entry, option", CASES, ids=[f"{e.name}-{o}" for e, o in CASES])
def test_each_option_changes_something_observable(entry, option):
    probe: Probe = OPTIONS[entry.name][option]
    fun = PROBLEMS[probe.problem]

    def told(**hyperparameters):
        try:
            method = entry.complete(**{**entry.example, **probe.also, **hyperparameters})
            if probe.before:
                method = refopt.chain(*probe.before, method)
            records, result = path(method, fun, steps=probe.steps)
        except Exception as error:  # an option may show by refusing
            return [str(error)]
        return [
            (r.x, r.accepted, tuple(sorted(r.figures.items(), key=lambda kv: kv[0])), r.nfev, r.nhvp)
            for r in records
        ] + [result.message]

    base = {} if probe.base is ... else {option: probe.base}
    default, other = told(**base), told(**{option: probe.value})
    assert not (len(default) == len(other) and all(map(same, default, other))), (
        f"{entry.name}({option}={probe.value!r}) does what the default does: the option is ignored, or "
        "its Probe "
        "in tests/contract/options.py needs another value or problem, more steps, or more settings in `also`"
    )


# ---------------------------------------------------------------- ends


@each_method
def test_start_at_the_optimum_ends_at_once(entry):
    result = refopt.minimize(rosenbrock, np.ones(4), method=entry.complete(), shapes=SHAPES, rng=SEED)
    # one plain call at x0, and four that see whether f is flat where the gradient is exactly zero
    assert result.success and result.nit == 0 and result.status == 4 and result.nfev <= 8


@each_method
def test_one_variable(entry):
    fun = refopt.LeastSquares(lambda x: (x - 2) * (1 + x**2 / 10))
    records, result = path(entry.complete(), fun, x0=[1.0], steps=3, shapes=None)
    assert result.x.shape == (1,) and np.isfinite(result.fun) and result.fun <= fun(np.array([1.0])) + 1e-12


@each_method
def test_scipy_calls_it_and_gets_the_same(entry):
    method = entry.complete()
    ours = refopt.minimize(rosenbrock, START, method=method, shapes=SHAPES, rng=SEED, options={"maxiter": 5})
    theirs = scipy.optimize.minimize(
        rosenbrock, START, method=method, options={"maxiter": 5, "shapes": SHAPES, "rng": SEED}
    )
    assert np.array_equal(ours.x, theirs.x) and ours.nfev == theirs.nfev and ours.message == theirs.message


@each_method
def test_nan_after_the_start_loses_nothing(entry):
    calls = 0

    def spoiled(x):
        nonlocal calls
        calls += 1
        return rosenbrock_residuals(x) * (np.nan if calls > 5 else 1.0)

    result = refopt.minimize(
        refopt.LeastSquares(spoiled),
        START,
        method=entry.complete(),
        shapes=SHAPES,
        rng=SEED,
        options={"maxiter": 30},
    )
    assert np.isfinite(result.fun) and result.fun <= rosenbrock(START) and np.all(np.isfinite(result.x))
    assert not result.success


@each_method
def test_an_exception_carries_what_was_computed(entry):
    calls = 0

    def fails(x):
        nonlocal calls
        calls += 1
        if calls > 6:
            raise RuntimeError("the simulation crashed")
        return rosenbrock_residuals(x)

    with pytest.raises(RuntimeError, match="the simulation crashed") as caught:
        refopt.minimize(
            refopt.LeastSquares(fails),
            START,
            method=entry.complete(),
            shapes=SHAPES,
            rng=SEED,
            options={"maxiter": 300, "gtol": 0},
        )
    partial = caught.value.partial_result
    assert partial.nfev == calls and partial.status == 23 and partial.fun <= rosenbrock(START)
