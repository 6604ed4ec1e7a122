"""Run a candidate and write down every step as a `Trace`; one class per kind of candidate.

A candidate's step is ``x_new - x``, which is minus refopt's update.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import checks
from ..method import Method, as_method, copy_state, rebuild
from ..objective import Point, locked
from ..status import Stop
from .candidates import Stepper, kind_of, name_of, parameters
from .state_fields import named, optax_fields, torch_fields
from .task import Task, as_task
from .trace import Step, Trace

__all__ = ["Tape", "record", "replaying", "with_tapes"]


class Broken(Exception):
    """Ends a recording: the candidate did something that cannot be compared."""

    def __init__(self, kind: str, message: str):
        self.kind, self.message = kind, message
        # all arguments, of which a copy is made
        super().__init__(kind, message)

    def __str__(self) -> str:
        return self.message


def record(
    candidate: Any, problem: Any, steps: int = 50, *, rng: int = 0, dtype: Any = None, tape: Any = None
) -> Trace:
    """Run a candidate and write down every step.

    Parameters
    ----------
    candidate : see the table at the top of `refopt.oracle.candidates`
    problem : name, Problem, ``(fun, x0)`` or `Task`
    steps : number of steps; fewer are recorded where the run breaks off (``trace.ended`` has the reason)
    rng : seed of a candidate's randomness
    dtype : float64 or float32; None keeps that of the problem's start
    tape : random masks, ``tape[t]`` boolean (n,), for a candidate that takes them; a function
        ``tape(trace)`` reads them off a candidate that draws its own. A step that draws nothing has None.
        Without a tape a refopt method's masks are drawn from `rng` and recorded

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
        candidate, task, trace, rng, None if callable(tape) else tape
    )
    x = np.array(task.x0)
    for k in range(steps):
        try:
            with np.errstate(all="ignore"):  # a candidate may overflow; its numbers show it
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
    trace.draws = run.draws()
    if callable(tape):
        for step, mask in zip(trace.steps, tape(trace), strict=True):
            step.mask = None if mask is None else np.asarray(mask, dtype=bool)
    return trace


def check_update(step: Step, task: Task) -> None:
    """Refuse an update of another size than the problem."""
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

    def draws(self) -> tuple[tuple[np.ndarray | None, ...], ...]:
        """What each part that draws random numbers drew in every step, where that is known."""
        return ()

    def point(self, x: np.ndarray) -> Point:
        return self.objective.at(locked(np.array(x)))


class Tape:
    """What a source of randomness gave, step by step, to be given again and to be written down.

    A method need not draw in every step: `drawn` has the steps that did, `fixed` None for the others.
    """

    def __init__(self, source: Callable[[int, int], Any] | None, fixed: Any = None):
        self.source = source if fixed is None else None
        given = enumerate(() if fixed is None else fixed)
        self.drawn: dict[int, np.ndarray] = {t: np.asarray(mask) for t, mask in given if mask is not None}

    def __call__(self, t: int, n: int) -> np.ndarray:
        if t not in self.drawn:
            if self.source is None:
                raise ValueError(f"the tape holds {len(self.drawn)} masks, but step {t} needs one")
            self.drawn[t] = self.source(t, n)
        return self.drawn[t]

    def steps(self) -> tuple[np.ndarray | None, ...]:
        """What each step drew, the first step first; None where one drew nothing."""
        return tuple(self.drawn.get(t) for t in range(max(self.drawn, default=-1) + 1))


def with_tapes(method: Method, make: Callable[[Callable], Any], rng: np.random.Generator) -> Method:
    """`method` with every part that draws numbers from `rng` drawing from ``make(source)`` instead."""

    def change(part: Method) -> Method:
        source = part.randomness(rng)
        return part if source is None else part.replaying(make(source))

    return rebuild(method, change)


def replaying(method: Method, trace: Trace) -> Method:
    """`method` with the random numbers of a recorded run in the place of its own.

    One recorded sequence serves every part of the method that draws; several serve one part each, in their
    order.
    """
    masks = [step.mask for step in trace.steps]
    sequences = trace.draws or ([] if all(mask is None for mask in masks) else [masks])
    if not sequences:
        return method
    served: list[Any] = []

    def make(source: Callable) -> Any:
        served.append(source)
        return Tape(None, sequences[min(len(served), len(sequences)) - 1])

    replayed = with_tapes(method, make, np.random.default_rng(0))
    if len(sequences) > 1 and len(served) != len(sequences):
        raise ValueError(
            f"compare: {len(sequences)} parts of the candidate draw random numbers, but "
            f"{len(served)} of the reference do; give a tape of masks that both use"
        )
    return replayed


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
        mask = self.tapes[0].drawn.get(k) if self.tapes else None
        after = {**self.method.figures(self.state), **named(self.state)}
        return Step(point.x, np.array(update), point.f, point.g, before, copy.deepcopy(after), mask=mask)

    def draws(self):
        return tuple(tape.steps() for tape in self.tapes)


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
            "x": lambda: np.array(x),
            "f": lambda: point.f,
            "g": lambda: np.array(point.g),
            "state": lambda: self.state,
            "t": lambda: k,
            "fun": lambda: self.task.fun,
            "hvp": lambda: hvp,
            "hess": lambda: np.array(point.dense_hessian()),
            "mask": lambda: self.mask(k),
            "rng": lambda: self.rng,
        }
        before = copy.deepcopy(self.state) if self.state is not None else {}
        given = {name: offers[name]() for name in self.names}
        copies = {name: value.copy() for name, value in given.items() if isinstance(value, np.ndarray)}
        answer = self.candidate.step(**given)
        if isinstance(answer, tuple):
            if len(answer) != 2:
                raise Broken(
                    "shape",
                    "a step function returns new_x or (new_x, state), "
                    f"but at step {k} it returned {len(answer)} values",
                )
            answer, self.state = answer
        if answer is None:
            raise Broken("shape", f"the step function returned None at step {k}; it must return the new x")
        new = np.array(answer, dtype=x.dtype)
        for name, value in copies.items():
            if not np.array_equal(value, given[name], equal_nan=True):
                raise Broken(
                    "input",
                    f"the candidate modified its input {name} in place at step {k}; "
                    "work on a copy, the caller still needs it",
                )
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

    def mask(self, k: int) -> np.ndarray | None:
        if self.tape is None or k >= len(self.tape):
            raise Broken(
                "input", f"the step function asks for a mask at step {k}; give one per step, tape=[...]"
            )
        return None if self.tape[k] is None else np.array(self.tape[k], dtype=bool)


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
            raise Broken(
                "shape",
                f"update must return (change, state), but at step {k} it returned {checks.describe(answer)}",
            )
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
        self.params = [
            torch.tensor(p.reshape(s)).requires_grad_(True) for p, s in zip(parts, shapes, strict=True)
        ]
        self.optimizer = candidate(self.params)
        if not hasattr(self.optimizer, "step"):
            raise TypeError(
                "a candidate with one parameter must be a factory `lambda params: torch.optim.Adam(params)` "
                f"that returns an optimizer, but it returned {checks.describe(self.optimizer)}"
            )
        self.takes_closure = takes_argument(self.optimizer.step)
        trace.own_gradient = task.torch is not None
        groups = getattr(self.optimizer, "param_groups", [{}])
        trace.hyperparameters = (
            {
                k: v
                for k, v in groups[0].items()
                if k != "params" and isinstance(v, (bool, int, float, tuple, str))
            }
            if groups
            else {}
        )
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
                    g = np.concatenate(
                        [
                            np.zeros(p.numel(), self.task.x0.dtype)
                            if p.grad is None
                            else p.grad.detach().cpu().numpy().reshape(-1)
                            for p in self.params
                        ]
                    )
                    seen.append((self.flat(self.params).copy(), float(loss.detach()), g.copy()))
                return loss
            point = self.point(self.flat(self.params))
            if backward:
                start = 0
                for p in self.params:
                    p.grad = self.torch.tensor(point.g[start : start + p.numel()].reshape(tuple(p.shape)))
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
            # it may have transformed x there and back
            near = 1e2 * np.finfo(x.dtype).eps * np.abs(x).max(initial=0.0)
            if np.all(np.abs(seen[1][0] - x) <= near):
                _, f, g = seen[1]
        return Step(
            np.array(x), x - self.x, f, np.array(g), before, torch_fields(self.optimizer, self.params)
        )


def takes_argument(function: Callable) -> bool:
    """Whether a function can be called with one positional argument; yes where its signature is hidden."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(None)
    except TypeError:
        return False
    return True
