"""The two ways to compare a candidate's steps with a reference's; the bounds are measured, not guessed.

    exact    the reference's step in more digits (see `exact`), from the candidate's point and state
    own      |reference - exact|, the error that float arithmetic makes
    moved    max over a few runs of |exact(inputs changed by one ulp) - exact|, the conditioning
    bound    4 (own + moved) + 2 ulps           factor = |candidate - exact| / bound

*Lockstep* puts the reference at the candidate's point, with the candidate's gradient and the candidate's
state where the two share fields, before every step: one wrong step counts as one. *Free* lets both run; there
the bound is what twins of the reference, disturbed by one ulp at every step, differ by.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from ..derivatives import reverse
from ..method import Method, copy_state
from ..objective import Objective, Point, locked
from ..status import Status, Stop
from . import exact
from .exact.precise import Arithmetic, plain
from .quantities import Quantity, difference, relative_errors, relative_to_largest
from .report import Difference, Report
from .state_fields import ALIASES, comparable, is_decision, leaf, left_open, like, names_of, paths, with_leaf
from .task import Task
from .trace import Step, Trace

__all__ = ["Free", "Judge", "Lockstep"]

# bound / (own error + largest movement of a few random disturbances): two for errors that add up, two because
# a few random signs do not find the worst
SAFETY = 4.0
TWINS = 3  # disturbed runs
FLOOR = 2.0  # ulps that every quantity may differ by: one rounding on each side


class Judge:
    """A reference that follows a trace; yields each step's quantities in the order of cause and effect."""

    def __init__(self, trace: Trace, method: Method, task: Task, kind: str | None, report: Report):
        self.trace, self.method, self.task, self.kind, self.report = trace, method, task, kind, report
        self.objective: Objective = task.objective()
        self.dtype = task.x0.dtype
        self.eps = float(np.finfo(self.dtype).eps)
        self.start = self.first_state(method)
        self.fields = names_of(self.start)
        self.found: dict[int, Difference] = {}  # the first difference of every wrong step
        self.errors: dict[int, np.ndarray] = {}  # its relative errors, with their signs, at all coordinates
        self.bounds: list[dict[str, Any]] = []  # of every quantity, step by step
        self.answers: list[Any] = []  # (update, state) of the reference at every step
        self.ended: tuple[int, str] | None = None

    def first_state(self, method: Method) -> Any:
        """The state of `method` at the start of the problem."""
        return method.init(locked(np.array(self.task.x0)), self.task.shapes, np.random.default_rng(0))

    def theirs(self, fields: dict[str, Any]) -> dict[tuple, Any]:
        """The candidate's state fields, by path in the reference's state."""
        known = set(self.fields.values())
        given: dict[str, Any] = {}
        for name, value in (fields or {}).items():
            if name in known:
                given[name] = value
            else:
                alias = next((alias for alias in ALIASES.get(name, ()) if alias in known), None)
                if alias is not None:
                    given.setdefault(alias, value)
        return {path: given[name] for path, name in self.fields.items() if name in given}

    def follow(self, steps: int) -> None:
        """Judge every step; fills the report."""
        report, count = self.report, min(len(self.trace), steps)
        first: Difference | None = None
        nearest: Difference | None = None
        shared: dict[str, None] = {}  # in the order of their first appearance
        factors: dict[str, np.ndarray] = {}
        for k in range(count):
            try:
                with np.errstate(all="ignore"):
                    quantities = list(self.quantities(k, self.trace.steps[k]))
            except Stop as stop:
                self.ended = (k, stop.message)
                break
            report.steps = k + 1
            self.bounds.append({q.name: q.bound for q in quantities})
            for q in quantities:
                d = difference(k, q, self.dtype)
                factors.setdefault(q.name, np.full(count, np.nan))[k] = d.factor
                if q.name in self.fields.values():
                    shared[q.name] = None
                if q.name == "update":
                    report.worst = max(report.worst, relative_to_largest(q))
                    report.worst_ulps = max(report.worst_ulps, d.ulps)
                if not d.ok:
                    first = first or d
                    if k not in self.found:
                        self.found[k], self.errors[k] = d, relative_errors(q)
                elif nearest is None or d.factor > nearest.factor:
                    nearest = d
        report.difference, report.ok = first or nearest, first is None
        report.wrong, report.shared = tuple(self.found), tuple(shared)
        report.factors = {name: values[: report.steps] for name, values in factors.items()}

    def quantities(self, k: int, step: Step) -> Iterator[Quantity]:
        raise NotImplementedError

    # ------------------------------------------------------------ the candidate's own value and gradient

    def evaluations(self, step: Step) -> Iterator[Quantity]:
        """Value and gradient of a candidate that computes them itself."""
        if not self.trace.own_gradient or step.g is None:
            return
        x = step.x
        here = self.task.objective().at(locked(np.array(x)))
        f, g = here.f, here.g
        better = long_gradient(self.task, x)
        f1, g1 = better if better is not None else (f, g)
        f1, g1 = np.asarray(f1), np.asarray(g1)
        rng = np.random.default_rng(0)
        scale = np.where(x == 0, np.abs(x).max(initial=0.0) or 1.0, np.abs(x))
        moved_f, moved_g = 0.0, np.zeros(x.size)
        for _ in range(TWINS):
            sign = rng.choice([-1.0, 1.0], x.size)
            near = self.task.objective().at(locked((x + sign * self.eps * scale).astype(self.dtype)))
            moved_f = max(moved_f, abs(near.f - f))
            moved_g = np.maximum(moved_g, np.abs(near.g.astype(np.float64) - g))
        own_f, own_g = abs(float(f - f1)), np.abs(plain(g - g1))
        size = np.abs(g.astype(np.float64))
        bound_f = SAFETY * 2 * (own_f + moved_f) + 16 * self.eps * abs(f)
        yield Quantity("value", step.f, f1, np.asarray(bound_f))
        bound_g = SAFETY * 2 * (np.maximum(own_g, own_g.max(initial=0.0)) + moved_g)
        yield Quantity("gradient", step.g, g1, bound_g + 16 * self.eps * (size + size.max(initial=0.0)))

    def product(self, step: Step, point: Point) -> Iterator[Quantity]:
        """The Hessian-vector product that a candidate shows."""
        if step.product is None:
            return
        v, Hv = (np.asarray(a, dtype=self.dtype) for a in step.product)
        ours = point.hvp(v)
        near = self.task.objective().at(locked((point.x * (1 + self.eps)).astype(self.dtype))).hvp(v)
        size = np.abs(ours).max(initial=0.0)
        bound = SAFETY * np.abs(near - ours) + 64 * self.eps * (np.abs(ours) + size)
        yield Quantity("product", Hv, ours, bound)


# ---------------------------------------------------------------- the two modes


class Lockstep(Judge):
    """The reference stands where the candidate stands, before every step."""

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.state = self.start

    def point(self, step: Step) -> Point:
        """The reference's point at the candidate's x, with the candidate's value and gradient."""
        point = Point(self.objective, locked(np.array(step.x, dtype=self.dtype)))
        if step.f is not None:
            point._f = float(step.f)
        if step.g is not None:
            if step.f is None:
                point.f  # noqa: B018
            point._g = locked(np.array(step.g, dtype=self.dtype))
        return point

    def before(self, step: Step, state: Any = None) -> Any:
        """A state (None: the reference's) with the fields that the candidate shows taken from it."""
        state = self.state if state is None else state
        for path, value in self.theirs(step.before).items():
            own = leaf(state, path)
            if comparable(own):
                state = with_leaf(state, path, like(value, own))
        return state

    def quantities(self, k, step):
        point = self.point(step)
        yield from self.evaluations(step)
        yield from self.product(step, point)
        if k == 0:
            yield from self.starts(step)
        before = self.before(step)
        g = point.g
        answer = self.method.step(point, g, copy_state(before))
        self.answers.append(answer)
        try:
            right, twins = self.exact(point, g, before, answer)
        except (exact.Undefined, ZeroDivisionError) as missing:
            singular = isinstance(missing, ZeroDivisionError)
            why = "the reference solves a singular system" if singular else str(missing)
            right, twins = self.measured(point, g, before, answer, why)
        bound_of = self.bound_by(right, twins, answer)
        fields = {path: (value, leaf(answer[1], path)) for path, value in self.theirs(step.after).items()}
        figures = {
            name: own
            for name, own in self.method.figures(answer[1]).items()
            if name in step.after and name not in self.fields.values()
        }
        for path, (value, own) in fields.items():
            if comparable(own) and not is_decision(own) and not left_open(right[1], answer[1], before, path):
                pick = partial(state_entry, path)
                yield Quantity(self.fields[path], value, pick(right), bound_of(pick))
        for name, own in figures.items():
            if isinstance(own, float):
                pick = partial(self.figure, name)
                yield Quantity(name, step.after[name], pick(right), bound_of(pick))
        for path, (value, own) in fields.items():
            if is_decision(own):
                yield Quantity(self.fields[path], value, leaf(right[1], path), None)
        for name, own in figures.items():
            if is_decision(own):
                yield Quantity(name, step.after[name], own, None)
        bound = bound_of(update_of)
        if self.trace.moved_x:
            bound = bound + self.eps * (np.abs(step.x) + np.abs(step.x - step.update)).astype(np.float64)
        yield Quantity("update", step.update, right[0], bound)
        self.state = copy_state(answer[1])

    def starts(self, step: Step) -> Iterator[Quantity]:
        """The state before the first step."""
        for path, value in self.theirs(step.before).items():
            own = leaf(self.start, path)
            if comparable(own) and not is_decision(own):
                value = np.asarray(value, dtype=np.float64)
                if not value.ndim:
                    value = np.broadcast_to(value, np.shape(own))
                yield Quantity(self.fields[path], value, own, np.asarray(FLOOR * self.eps * np.abs(own)))

    def exact(self, point: Point, g: np.ndarray, before: Any, answer: Any) -> tuple[Any, list]:
        """The exact (update, state), and those of disturbed twins."""
        run = partial(exact.run, self.method, point, g, before)
        right, twins = run(Arithmetic(self.kind), answer), []
        for seed in range(TWINS):
            # disturbed, a condition met with nothing to spare breaks, and a matrix may become singular
            with contextlib.suppress(exact.Violation, ZeroDivisionError):
                twins.append(run(Arithmetic(self.kind, seed, self.eps), answer))
        return right, twins or [right]

    def figure(self, name: str, result: Any) -> Any:
        """A figure of a result, from a plain or precise state."""
        return self.method.figures(result[1])[name]

    def measured(self, point: Point, g: np.ndarray, before: Any, answer: Any, why: str) -> tuple[Any, list]:
        """Without a precise definition: the reference's own step, and those of twins with disturbed input."""
        twins = []
        for seed in range(TWINS):
            rng = np.random.default_rng(seed)

            def disturb(a: np.ndarray, rng: np.random.Generator = rng) -> np.ndarray:
                return (a * (1 + self.eps * rng.choice([-1.0, 1.0], np.shape(a)))).astype(self.dtype)

            near = Point(self.objective, locked(disturb(point.x)))
            near._f, near._g = point.f, locked(disturb(g))
            state = copy_state(before)
            for path, value in paths(before):
                if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                    state = with_leaf(state, path, disturb(value))
            with contextlib.suppress(Stop):  # a twin may stand at a minimum
                twins.append(self.method.step(near, near.g, state))
        note = f"{why}; so the bound is measured in {self.dtype} alone"
        if note not in self.report.notes:
            self.report.notes.append(note)
        return answer, twins or [answer]

    def bound_by(self, right: Any, twins: list, answer: Any) -> Callable:
        """The function that gives the rounding bound of what `pick` takes from a result (update, state)."""

        def bound_of(pick: Callable) -> np.ndarray:
            exactly = np.asarray(pick(right))
            with np.errstate(all="ignore"):
                own = np.abs(plain(np.asarray(pick(answer)) - exactly))
                near = [np.asarray(pick(twin)) for twin in twins]
                near = [a for a in near if a.shape == exactly.shape]  # a twin may have decided otherwise
                gaps = [np.abs(plain(a - exactly)) for a in near]
                moved = np.max(gaps, axis=0) if gaps else np.inf
                own, moved = (np.nan_to_num(a, nan=0.0, posinf=np.inf) for a in (own, moved))
                floor = FLOOR * self.eps * np.abs(plain(exactly)) + tiny(self.dtype)
                return SAFETY * (own + moved) + floor

        return bound_of


def update_of(result: Any) -> Any:
    """The update of a result (update, state)."""
    return result[0]


def state_entry(path: tuple, result: Any) -> Any:
    """An entry of the state of a result (update, state)."""
    return leaf(result[1], path)


class Free(Judge):
    """Both run alone; disturbed twins of the reference show how far two correct runs may drift apart."""

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.runs = [FreeRun(self.method, self.task, seed, self.eps) for seed in (None, *range(1, TWINS + 1))]

    def quantities(self, k, step):
        main, twins = self.runs[0].step(), []
        for run in tuple(self.runs[1:]):
            try:
                twins.append(run.step())
            except Stop:  # a twin may reach a minimum a step earlier
                self.runs.remove(run)
        if not twins:
            raise Stop(Status.STALLED, reason="all disturbed twins of the reference have ended their runs")
        x, g, update, state = main

        def bound(pick):
            right = np.asarray(pick(main), dtype=np.float64)
            near = [np.asarray(pick(t), dtype=np.float64) for t in twins]
            near = [a for a in near if a.shape == right.shape]
            with np.errstate(all="ignore"):
                moved = np.max([np.abs(a - right) for a in near], axis=0) if near else np.inf
            return 2 * SAFETY * moved + 8 * FLOOR * self.eps * np.abs(right) + tiny(self.dtype)

        yield Quantity("x", step.x, x, bound(lambda r: r[0]) + 8 * self.eps * np.abs(x).max(initial=0.0))
        if step.g is not None:
            floor = 64 * self.eps * np.abs(g).max(initial=0.0)
            yield Quantity("gradient", step.g, g, bound(lambda r: r[1]) + floor)
        for path, value in self.theirs(step.after).items():
            own = leaf(state, path)
            if is_decision(own):
                yield Quantity(self.fields[path], value, own, None)
            elif comparable(own):
                yield Quantity(self.fields[path], value, own, bound(lambda r, path=path: leaf(r[3], path)))
        extra = self.eps * (np.abs(x) + np.abs(x - update)) * 2 if self.trace.moved_x else 0.0
        yield Quantity("update", step.update, update, bound(lambda r: r[2]) + extra)


class FreeRun:
    """A free run of the reference, disturbed by one ulp at every step where a seed is given."""

    def __init__(self, method: Method, task: Task, seed: int | None, ulp: float):
        self.method, self.objective, self.ulp = method, task.objective(), ulp
        self.rng = None if seed is None else np.random.default_rng(seed)
        self.x = self.disturbed(np.array(task.x0))
        self.state = method.init(locked(self.x.copy()), task.shapes, np.random.default_rng(0))

    def disturbed(self, a: np.ndarray) -> np.ndarray:
        if self.rng is None:
            return a
        return (a * (1 + self.ulp * self.rng.choice([-1.0, 1.0], a.shape))).astype(a.dtype)

    def step(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, Any]:
        point = self.objective.at(locked(self.x.copy()))
        g = point.g
        if self.rng is not None:
            g = locked(self.disturbed(np.array(g)))
            f, point = point.f, Point(self.objective, point.x)
            point._f, point._g = f, g
        update, self.state = self.method.step(point, g, self.state)
        state = copy_state(self.state)
        x, self.x = point.x, self.disturbed(point.x - update)  # the rounding of x - update is an ulp of x
        return x, g, np.array(update), state


def tiny(dtype: Any) -> float:
    """Below this everything is underflow."""
    return float(np.finfo(dtype).tiny)


def long_gradient(task: Task, x: np.ndarray) -> tuple[Any, Any] | None:
    """Value and gradient in long double where the function allows it (no LAPACK, no casts inside)."""
    if task.jac is not None or np.finfo(np.longdouble).eps >= np.finfo(np.float64).eps:
        return None
    try:
        with np.errstate(all="ignore"):
            f, g = reverse.value_and_gradient(task.fun, x.astype(np.longdouble))
    except Exception:  # a user's function need not take long doubles
        return None
    return (f, g) if np.asarray(g).dtype == np.longdouble and np.all(np.isfinite(g)) else None
