"""What can be judged, each recorded as a `Trace`.

| candidate                                           | recognised by                                     |
| --------------------------------------------------- | ------------------------------------------------- |
| ``lambda params: torch.optim.Adam(params)``         | one parameter, or a subclass of torch's Optimizer |
| an optax-style pair ``(init, update)``              | a pair of functions, or attributes of these names |
| ``step(x, f, g)`` and with ``state``, see `Stepper` | a function of more than one parameter             |
| a `Trace`, or the path of its file                  | its type                                          |
| a refopt method                                     | its type                                          |

A candidate's step is ``x_new - x``, which is minus refopt's update.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .. import checks, problems
from ..function import FunctionObjective
from ..method import Method, as_method, copy_state, rebuild
from ..objective import Point, locked
from ..registry import find
from ..status import Stop
from .trace import Step, Trace

__all__ = ["Task", "Stepper", "as_task", "record", "with_tapes", "kind_of", "as_reference"]


# ---------------------------------------------------------------- the problem


@dataclasses.dataclass(frozen=True)
class Task:
    """A function to run on, in NumPy and, where the candidate should take torch's own gradient, in torch.

    Attributes
    ----------
    name : text for messages
    fun : ``fun(x) -> f`` in autograd.numpy
    x0 : (n,) array; its dtype is that of the run
    shapes : tensor shapes that x0 is the concatenation of, or None
    torch : ``torch(list of tensors) -> loss`` or None: then a torch candidate is given our gradient
    jac, hess, hessp : as for `minimize`
    """

    name: str
    fun: Callable
    x0: np.ndarray
    shapes: tuple[tuple[int, ...], ...] | None = None
    torch: Callable | None = None
    jac: Any = None
    hess: Any = None
    hessp: Any = None

    def objective(self) -> FunctionObjective:
        return FunctionObjective(self.fun, self.x0, (), self.jac, self.hess, self.hessp, shapes=self.shapes)

    def cast(self, dtype: Any) -> Task:
        return dataclasses.replace(self, x0=self.x0.astype(dtype))


def as_task(problem: Any, dtype: Any = None) -> Task:
    """A task from a name in `refopt.problems`, a Problem, a pair ``(fun, x0)`` or a Task."""
    if isinstance(problem, str):
        problem = problems.get(problem)
    if isinstance(problem, problems.Problem):
        problem = Task(problem.name, problem.fun, np.array(problem.x0),
                       checks.shape_list(problem.shapes, problem.n))
    elif isinstance(problem, tuple) and len(problem) == 2 and callable(problem[0]):
        fun = problem[0]
        problem = Task(getattr(fun, "__name__", "fun"), fun, checks.start_vector(problem[1]))
    elif not isinstance(problem, Task):
        raise TypeError(
            "compare: problem must be a name such as 'mgh/rosenbrock', a refopt Problem, a pair (fun, x0) "
            f"or an oracle.Task, got {checks.describe(problem)}"
        )
    return problem if dtype is None else problem.cast(dtype)


# ---------------------------------------------------------------- what kind of candidate


@dataclasses.dataclass(frozen=True)
class Stepper:
    """A plain step function.

    Parameters
    ----------
    step : callable
        Called with those of these that its parameters name: ``x, f, g, state, t`` (number of the step, from
        0), ``fun, hvp, hess, mask, rng``. ``state`` is a dict; it may be edited in place or returned: the
        answer is ``new_x`` or ``(new_x, state)``.
    state : dict, function of x, or None
        The state at the start. Fields that have the name of a field of the reference are compared and, in
        lockstep, handed to it.
    returns : "x" or "update"
        "update": the answer is the update, the new point is ``x - update``.
    name : text for messages

    Examples
    --------
    >>> from refopt import oracle, LR
    >>> oracle.compare(oracle.Stepper(lambda x, g: x - 0.1 * g), LR(0.1), "classic/beale").ok
    True
    """

    step: Callable
    state: Any = None
    returns: str = "x"
    name: str | None = None

    def __post_init__(self) -> None:
        checks.function("Stepper", "step", self.step)
        checks.one_of("Stepper", "returns", self.returns, ("x", "update"))
        if not (self.state is None or isinstance(self.state, dict) or callable(self.state)):
            raise TypeError(
                f"Stepper: state must be a dict, a function of x or None, got {checks.describe(self.state)}"
            )
        unknown = [n for n in parameters(self.step) if n not in OFFERED]
        if unknown:
            raise ValueError(
                f"a step function may ask for {', '.join(OFFERED)}; {name_of(self.step)} asks for "
                f"{unknown[0]!r} (give it a default, or wrap the function)"
            )


OFFERED = ("x", "f", "g", "state", "t", "fun", "hvp", "hess", "mask", "rng")


def parameters(function: Callable) -> list[str]:
    """Names of the parameters without defaults."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return []
    plain = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    )
    return [p.name for p in signature.parameters.values()
            if p.kind in plain and (p.default is p.empty or p.name in OFFERED)]


def name_of(candidate: Any) -> str:
    """A short name for messages."""
    if isinstance(candidate, Stepper):
        return candidate.name or name_of(candidate.step)
    if isinstance(candidate, Method):
        return repr(candidate)
    if isinstance(candidate, Trace):
        return candidate.candidate
    if isinstance(candidate, (str, Path)):
        return str(candidate)
    return getattr(candidate, "__name__", type(candidate).__name__)


def kind_of(candidate: Any) -> str:
    """"trace", "method", "step", "optax" or "torch"; a TypeError that lists them for anything else."""
    if isinstance(candidate, Trace) or (
        isinstance(candidate, (str, Path)) and Path(candidate).suffix in (".npz", ".json")
    ):
        return "trace"
    if isinstance(candidate, Method):
        return "method"
    if isinstance(candidate, Stepper):
        return "step"
    if isinstance(candidate, type):
        torch = sys.modules.get("torch")
        if torch is not None and issubclass(candidate, torch.optim.Optimizer):
            return "torch"
        if issubclass(candidate, Method):
            raise TypeError(f"{candidate.__name__} is a class; give an instance, {candidate.__name__}(...)")
    if (isinstance(candidate, tuple) and len(candidate) == 2 and all(map(callable, candidate))) or (
            callable(getattr(candidate, "init", None)) and callable(getattr(candidate, "update", None))):
        return "optax"
    if isinstance(candidate, (list, tuple)) and candidate and all(isinstance(c, Method) for c in candidate):
        return "method"
    if callable(candidate):
        names = parameters(candidate)
        return "step" if len(names) > 1 or names == ["x"] or names == ["g"] else "torch"
    raise TypeError(
        "a candidate is a torch optimizer factory `lambda params: torch.optim.Adam(params)`, an optax-style "
        "pair (init, update), a step function `step(x, f, g)`, a refopt method, a Trace or its file; got "
        f"{checks.describe(candidate)}"
    )


def as_reference(reference: Any) -> Method:
    """The complete method from an instance, a sequence, or a registry name (then its recipe)."""
    return find(reference).complete() if isinstance(reference, str) else as_method(reference)


# ---------------------------------------------------------------- recording


class Broken(Exception):
    """Ends a recording: the candidate did something that cannot be compared."""

    def __init__(self, kind: str, message: str):
        self.kind = kind
        super().__init__(message)


def record(candidate: Any, problem: Any, steps: int = 50, *, rng: int = 0, dtype: Any = None, tape: Any = None
           ) -> Trace:
    """Run a candidate and write down every step.

    Parameters
    ----------
    candidate : see the table at the top of `refopt.oracle.candidates`
    problem : name, Problem, ``(fun, x0)`` or `Task`
    steps : number of steps; fewer are recorded where the run breaks off (then ``trace.ended`` says why)
    rng : seed of a candidate's randomness
    dtype : float64 or float32; None keeps that of the problem's start
    tape : random masks, ``tape[t]`` boolean (n,), for a candidate that takes them; a function
        ``tape(trace)`` reads them off a candidate that draws its own; None: a refopt method's masks are
        drawn from `rng` and recorded

    Returns
    -------
    Trace
    """
    kind = kind_of(candidate)
    if kind == "trace":
        return candidate if isinstance(candidate, Trace) else Trace.load(candidate)
    steps = checks.whole_number("compare", "steps", steps, 1)
    task = as_task(problem, dtype)
    trace = Trace(name_of(candidate), task.name, str(task.x0.dtype), shapes=task.shapes)
    run = {"method": MethodRun, "step": StepRun, "optax": OptaxRun, "torch": TorchRun}[kind](
        candidate, task, trace, rng, None if callable(tape) else tape)
    x = np.array(task.x0)
    for k in range(steps):
        try:
            with np.errstate(all="ignore"):  # a candidate may overflow; its numbers tell
                step = run.step(x, k)
            check_update(step, task)
        except Broken as broken:
            trace.ended, trace.error = (broken.kind, str(broken)), broken.__cause__
            break
        except Stop as stop:
            trace.ended = ("stop", f"the candidate ended its run at step {k}: {stop.message}")
            break
        except Exception as error:
            trace.ended = ("exception", f"the candidate raised {type(error).__name__} at step {k}: {error}")
            trace.error = error
            break
        trace.steps.append(step)
        x = run.x if run.x is not None else x - step.update
        if not np.all(np.isfinite(x)):
            i = int(np.flatnonzero(~np.isfinite(x))[0])
            trace.ended = ("nonfinite", f"step {k} of the candidate made x[{i}] = {x[i]}")
            break
    if callable(tape):
        for step, mask in zip(trace.steps, tape(trace), strict=True):
            step.mask = np.asarray(mask, dtype=bool)
    return trace


def check_update(step: Step, task: Task) -> None:
    if step.update.shape != task.x0.shape:
        raise Broken(
            "shape",
            f"the candidate changed the number of variables from {task.x0.size} to {step.update.size}",
        )


class Run:
    """One candidate in progress: `step` records a step, `x` is the point reached (None: x - update)."""

    x: np.ndarray | None = None

    def __init__(self, candidate: Any, task: Task, trace: Trace, rng: int, tape: Any = None):
        self.candidate, self.task, self.trace, self.tape = candidate, task, trace, tape
        self.objective = task.objective()
        self.rng = np.random.default_rng(rng)

    def step(self, x: np.ndarray, k: int) -> Step:
        raise NotImplementedError

    def point(self, x: np.ndarray) -> Point:
        return self.objective.at(locked(np.array(x)))


class Tape:
    """What a source of randomness gave, step by step: it can be asked again, and read off."""

    def __init__(self, source: Callable[[int, int], Any], fixed: Any = None):
        self.source, self.fixed = source, fixed is not None
        self.drawn: list[np.ndarray] = [np.asarray(numbers) for numbers in fixed] if self.fixed else []

    def __call__(self, t: int, n: int) -> np.ndarray:
        if t >= len(self.drawn):
            if self.fixed:
                raise ValueError(f"the tape holds {len(self.drawn)} masks, but step {t} needs one")
            self.drawn.append(self.source(t, n))
        return self.drawn[t]


def with_tapes(method: Method, make: Callable[[Callable], Any], rng: np.random.Generator) -> Method:
    """`method` with every part that draws numbers from `rng` drawing from ``make(source)`` instead."""

    def change(part: Method) -> Method:
        source = part.randomness(rng)
        return part if source is None else part.replaying(make(source))

    return rebuild(method, change)


class MethodRun(Run):
    """A refopt method as candidate."""

    def __init__(self, candidate, task, trace, rng, tape=None):
        super().__init__(candidate, task, trace, rng, tape)
        self.tapes: list[Tape] = []

        def remembering(source: Callable) -> Tape:
            self.tapes.append(Tape(source, self.tape))
            return self.tapes[-1]

        self.method = with_tapes(as_method(candidate), remembering, self.rng)
        self.state = self.method.init(locked(np.array(task.x0)), task.shapes, self.rng)
        trace.moved_x = False

    def step(self, x, k):
        point = self.point(x)
        before = named(self.state)
        state = copy_state(self.state)
        update, self.state = self.method.step(point, point.g, state)
        mask = self.tapes[0].drawn[k] if self.tapes and len(self.tapes[0].drawn) > k else None
        after = {**self.method.figures(self.state), **named(self.state)}
        return Step(point.x, np.array(update), point.f, point.g, before, copy.deepcopy(after), mask=mask)


class StepRun(Run):
    """A plain step function."""

    def __init__(self, candidate, task, trace, rng, tape=None):
        super().__init__(
            candidate if isinstance(candidate, Stepper) else Stepper(candidate), task, trace, rng, tape
        )
        state = self.candidate.state
        self.state = state(np.array(task.x0)) if callable(state) else copy.deepcopy(state)
        trace.moved_x = self.candidate.returns == "x"
        self.names = parameters(self.candidate.step)

    def step(self, x, k):
        point = self.point(x)
        products: list[tuple[np.ndarray, np.ndarray]] = []

        def hvp(v: np.ndarray) -> np.ndarray:
            products.append((np.array(v), point.hvp(np.array(v, dtype=point.x.dtype))))
            return products[-1][1].copy()

        offers: dict[str, Callable[[], Any]] = {
            "x": lambda: np.array(x), "f": lambda: point.f, "g": lambda: np.array(point.g),
            "state": lambda: self.state, "t": lambda: k, "fun": lambda: self.task.fun, "hvp": lambda: hvp,
            "hess": lambda: np.array(point.dense_hessian()), "mask": lambda: self.mask(k),
            "rng": lambda: self.rng}
        before = copy.deepcopy(self.state) if self.state is not None else {}
        given = {name: offers[name]() for name in self.names}
        copies = {name: value.copy() for name, value in given.items() if isinstance(value, np.ndarray)}
        answer = self.candidate.step(**given)
        if isinstance(answer, tuple):
            if len(answer) != 2:
                raise Broken("shape", "a step function returns new_x or (new_x, state), "
                                      f"but at step {k} it returned {len(answer)} values")
            answer, self.state = answer
        if answer is None:
            raise Broken("shape", f"the step function returned None at step {k}; it must return the new x")
        new = np.array(answer, dtype=x.dtype)
        for name, value in copies.items():
            if not np.array_equal(value, given[name], equal_nan=True):
                raise Broken("input", f"the candidate modified its input {name} in place at step {k}; "
                                      "work on a copy, the caller still needs it")
        if new.shape != x.shape:
            raise Broken(
                "shape", f"the candidate changed the shape of x from {x.shape} to {new.shape} at step {k}"
            )
        self.x = new if self.candidate.returns == "x" else None
        update = x - new if self.candidate.returns == "x" else new
        after = copy.deepcopy(self.state) if self.state is not None else {}
        product = after.pop("product", None) if isinstance(after, dict) else None
        if isinstance(before, dict):
            before.pop("product", None)
        mask = self.mask(k) if "mask" in self.names else None
        return Step(point.x, update, point.f, point.g, before, after, product=product, mask=mask)

    def mask(self, k: int) -> np.ndarray:
        if self.tape is None or k >= len(self.tape):
            raise Broken(
                "input", f"the step function asks for a mask at step {k}; give one per step, tape=[...]"
            )
        return np.array(self.tape[k], dtype=bool)


class OptaxRun(Run):
    """A pair ``init(x) -> state``, ``update(g, state[, x]) -> (change, state)``; x_new = x + change."""

    def __init__(self, candidate, task, trace, rng, tape=None):
        super().__init__(candidate, task, trace, rng, tape)
        pair = isinstance(candidate, tuple) and not hasattr(candidate, "update")
        init, self.update = candidate if pair else (candidate.init, candidate.update)
        self.state = init(np.array(task.x0))
        self.with_x = len(parameters(self.update)) > 2 or not parameters(self.update)
        trace.moved_x = False

    def step(self, x, k):
        point = self.point(x)
        before, g = optax_fields(self.state), np.array(point.g)
        answer = self.update(g, self.state, np.array(x)) if self.with_x else self.update(g, self.state)
        if not (isinstance(answer, tuple) and len(answer) == 2):
            raise Broken("shape", f"update must return (change, state), but at step {k} it returned "
                                  f"{checks.describe(answer)}")
        change, self.state = answer
        if not np.array_equal(g, point.g):
            raise Broken(
                "input", f"the candidate modified the gradient it was given at step {k}; work on a copy"
            )
        update = -np.array(change, dtype=x.dtype)
        if update.shape != x.shape:
            raise Broken(
                "shape",
                f"the candidate changed the shape of x from {x.shape} to {update.shape} at step {k}",
            )
        return Step(point.x, update, point.f, point.g, before, optax_fields(self.state))


class TorchRun(Run):
    """A ``torch.optim.Optimizer`` made by a factory of parameters; torchzero's optimizers are such, too."""

    def __init__(self, candidate, task, trace, rng, tape=None):
        super().__init__(candidate, task, trace, rng, tape)
        try:
            import torch
        except ImportError as error:
            raise ImportError(
                "a torch optimizer as candidate needs torch: pip install 'refopt[torch]'"
            ) from error
        self.torch = torch
        torch.manual_seed(int(rng))
        shapes = task.shapes or ((task.x0.size,),)
        parts = np.split(np.array(task.x0), np.cumsum([int(np.prod(s)) for s in shapes])[:-1])
        self.params = [torch.tensor(p.reshape(s)).requires_grad_(True)
                       for p, s in zip(parts, shapes, strict=True)]
        self.optimizer = candidate(self.params)
        if not hasattr(self.optimizer, "step"):
            raise TypeError(
                "a candidate with one parameter must be a factory `lambda params: torch.optim.Adam(params)` "
                f"that returns an optimizer, but it returned {checks.describe(self.optimizer)}"
            )
        self.takes_closure = takes_argument(self.optimizer.step)
        trace.own_gradient = task.torch is not None
        groups = getattr(self.optimizer, "param_groups", [{}])
        trace.hyperparameters = {k: v for k, v in groups[0].items() if k != "params"
                                 and isinstance(v, (bool, int, float, tuple, str))} if groups else {}
        if type(self.optimizer).__module__.startswith("torch."):
            trace.candidate = f"torch.optim.{type(self.optimizer).__name__}"

    def flat(self, tensors) -> np.ndarray:
        return np.concatenate([t.detach().cpu().numpy().reshape(-1) for t in tensors])

    def closure(self, seen: list) -> Callable:
        def evaluate(backward: bool = True):
            if self.task.torch is not None:
                loss = self.task.torch(self.params)
                if backward:
                    for p in self.params:
                        p.grad = None
                    loss.backward()
                    g = np.concatenate([np.zeros(p.numel(), self.task.x0.dtype) if p.grad is None
                                        else p.grad.detach().cpu().numpy().reshape(-1) for p in self.params])
                    seen.append((self.flat(self.params).copy(), float(loss.detach()), g.copy()))
                return loss
            point = self.point(self.flat(self.params))
            if backward:
                start = 0
                for p in self.params:
                    p.grad = self.torch.tensor(point.g[start:start + p.numel()].reshape(tuple(p.shape)))
                    start += p.numel()
                seen.append((np.array(point.x), point.f, point.g))
            return self.torch.tensor(point.f, dtype=self.params[0].dtype)

        return evaluate

    def step(self, x, k):
        seen: list[tuple[np.ndarray, float, np.ndarray]] = []
        before = torch_fields(self.optimizer, self.params)
        grads = self.torch.enable_grad()
        closure = self.closure(seen)
        with grads:
            closure()  # fills p.grad for an optimizer that only reads it
            self.optimizer.step(closure) if self.takes_closure else self.optimizer.step()
        if sum(p.numel() for p in self.params) != x.size:
            raise Broken("shape", f"the candidate changed the number of variables at step {k}")
        self.x = self.flat(self.params)
        _, f, g = seen[0]
        if len(seen) > 1:  # the numbers that the optimizer itself was given, if its first evaluation was here
            near = 1e2 * np.finfo(x.dtype).eps * np.abs(x).max(initial=0.0)  # it may have transformed x and back
            if np.all(np.abs(seen[1][0] - x) <= near):
                _, f, g = seen[1]
        return Step(np.array(x), x - self.x, f, np.array(g), before, torch_fields(self.optimizer, self.params))


def takes_argument(function: Callable) -> bool:
    """Whether a function can be called with one positional argument; yes where it does not tell."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(None)
    except TypeError:
        return False
    return True


# ---------------------------------------------------------------- state fields by name


def named(state: Any, prefix: str = "") -> dict[str, Any]:
    """The fields of a state (nested records and chains flattened): the name alone where that is unique."""
    found = list(paths(state))
    names = [path[-1] for path, _ in found]
    result = {}
    for path, value in found:
        name = path[-1] if names.count(path[-1]) == 1 else ".".join(map(str, path))
        result[name] = copy_state(value)
    return result


def paths(state: Any, path: tuple = ()) -> list[tuple[tuple, Any]]:
    """``[(path, value)]`` of the leaves of a state."""
    if isinstance(state, tuple) and hasattr(state, "_fields"):
        if state._fields == ("states",):  # a chain's
            parts: tuple = getattr(state, "states")  # noqa: B009
            return [leaf for i, part in enumerate(parts) for leaf in paths(part, (*path, i))]
        return [leaf for name in state._fields for leaf in paths(getattr(state, name), (*path, name))]
    if not path or isinstance(state, np.random.Generator):
        return []
    if isinstance(path[-1], int):  # a chain's part without a record
        return []
    return [(path, state)]


# What other libraries call the fields of our states; the first of the names that the reference has is meant.
ALIASES: dict[str, tuple[str, ...]] = {
    "exp_avg": ("m1", "m", "v"), "exp_avg_sq": ("m2",), "exp_avg_cu": ("m3",), "momentum_buffer": ("v",),
    "velocity": ("v",), "mu": ("m1", "m"), "nu": ("m2",), "trace": ("v",), "ema": ("m",), "step": ("t",),
    "count": ("t",),
}


def torch_fields(optimizer: Any, params: list) -> dict[str, Any]:
    """State of a torch optimizer, one vector for all parameters; torchzero keeps it in its modules."""
    stores = [optimizer.state]
    counters = True
    if hasattr(optimizer, "modules") and not callable(optimizer.modules):
        stores, counters = [m.state for m in optimizer.modules], False  # its counters mean different things
    found: dict[str, Any] = {}
    for store in stores:
        rows = [store[p] if p in store else {} for p in params]
        for name in rows[0] if rows else ():
            values = [r.get(name) for r in rows]
            if all(hasattr(v, "numel") and v.numel() == p.numel() and tuple(v.shape) == tuple(p.shape)
                   for v, p in zip(values, params, strict=True)):
                found[name] = np.concatenate([v.detach().cpu().numpy().reshape(-1) for v in values])
            elif counters and np.ndim(values[0]) == 0 and isinstance(float(values[0]), float):
                found[name] = float(values[0])
    return found


def optax_fields(state: Any) -> dict[str, Any]:
    """Fields of an optax state: a dict, a NamedTuple, or a tuple of them."""
    if isinstance(state, dict):
        return {k: np.array(v) if np.ndim(v) else v for k, v in state.items()}
    if isinstance(state, tuple) and hasattr(state, "_fields"):
        found: dict[str, Any] = {}
        for name in state._fields:
            value = getattr(state, name)
            if isinstance(value, (dict, tuple)):
                found.update(optax_fields(value))
            else:
                found[name] = np.array(value) if np.ndim(value) else value
        return found
    if isinstance(state, tuple):
        return {k: v for part in state for k, v in optax_fields(part).items()}
    return {}
