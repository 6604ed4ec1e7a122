"""Compare a candidate with a reference, step by step, with a tolerance that is measured and not guessed.

    exact    the reference's step in more digits (see `exact`), from the candidate's point and state
    own      |reference - exact|, the error that float arithmetic makes
    moved    max over a few runs of |exact(inputs changed by one ulp) - exact|, the conditioning
    bound    4 (own + moved) + 2 ulps           factor = |candidate - exact| / bound

*Lockstep* puts the reference at the candidate's point, with the candidate's gradient and the candidate's
state where the two share fields, before every step: one wrong step is seen as one wrong step. *Free* lets
both run; there the bound is what twins of the reference, disturbed by one ulp at every step, differ by.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from .. import checks
from ..derivatives import reverse
from ..method import Method, copy_state, walk
from ..objective import Objective, Point, locked
from ..status import Status, Stop
from .candidates import ALIASES, Task, as_reference, as_task, kind_of, paths, record, with_tapes
from .exact import definitions as exact
from .exact.precise import Arithmetic, plain
from .report import Difference, Report
from .trace import Step, Trace

__all__ = ["compare", "assert_matches", "Judge", "Lockstep", "Free", "Quantity", "SAFETY"]

# bound / (own error + largest movement of a few random disturbances): two for errors that add up, two because
# a few random signs do not find the worst
SAFETY = 4.0
TWINS = 3  # disturbed runs
FLOOR = 2.0  # ulps that every quantity may differ by: one rounding on each side


def compare(
    candidate: Any,
    reference: Any,
    problem: Any,
    steps: int = 50,
    mode: str = "lockstep",
    *,
    tape: Any = None,
    rng: int = 0,
    dtype: Any = None,
    arithmetic: str | None = None,
    hints: bool = True,
    hyperparameters: str = "check",
) -> Report:
    """Run a candidate and say whether its steps are the reference's, and if not, where they part first.

    Parameters
    ----------
    candidate : torch optimizer factory, optax-style pair, step function, refopt method, `Trace` or its file
        See `refopt.oracle.candidates`.
    reference : refopt method, sequence of methods, or name
        The complete method: ``chain(Adam(), LR(1e-3))``. A name stands for its recipe.
    problem : name, Problem, ``(fun, x0)`` or `Task`
    steps : int
        Number of steps.
    mode : "lockstep" or "free"
    tape : sequence of masks, or function of the trace
        Randomness to replay on both sides; see `record`.
    rng : int
        Seed of a candidate's own randomness.
    dtype : float64, float32 or None
        None keeps that of the problem's start.
    arithmetic : "longdouble", "mpmath" or None
        In which the reference's step is repeated; None: the first that has more digits than float64.
    hints : bool
        Plant common mistakes into the reference and tell which one reproduces a candidate that differs.
    hyperparameters : "check" or "ignore"
        Whether a candidate whose own hyperparameters (torch: ``param_groups``) differ from the reference's
        is refused.

    Returns
    -------
    Report

    Raises
    ------
    TypeError, ValueError
        For something that is no candidate, reference or problem, and for hyperparameters that differ.

    Examples
    --------
    >>> import refopt
    >>> from refopt import oracle
    >>> reference = refopt.chain(refopt.HeavyBall(0.9), refopt.LR(0.01))
    >>> def step(g, x, state):
    ...     state["v"] = 0.9 * state["v"] + 0.1 * g      # forgot that heavy ball does not average
    ...     return x - 0.01 * state["v"]
    >>> report = oracle.compare(oracle.Stepper(step, {"v": 0.0}), reference, "classic/beale", steps=5)
    >>> report.ok, report.step, report.quantity
    (False, 0, 'v')
    >>> print(report.hint)
    the update enters with weight 1 - momentum, as in an average
    """
    checks.one_of("compare", "mode", mode, ("lockstep", "free"))
    checks.one_of("compare", "hyperparameters", hyperparameters, ("check", "ignore"))
    kind_of(candidate)
    method = as_reference(reference)
    task = as_task(problem, dtype)
    trace = record(candidate, task, steps, rng=rng, tape=tape)
    if isinstance(candidate, Trace) or trace.problem != task.name:
        check_trace(trace, task)
    if hyperparameters == "check":
        check_hyperparameters(trace, method)
    masks = trace.masks
    if masks is not None:
        method = with_tapes(method, lambda source: list(masks), np.random.default_rng(0))
    report = Report(
        trace.candidate,
        repr(method) if masks is None else type(method).__name__,
        task.name,
        mode,
        trace.dtype,
    )
    judge = Lockstep if mode == "lockstep" else Free
    run = judge(trace, method, task, arithmetic, report)
    run.all(steps)
    finish(report, trace, run)
    if hints and not report.ok and report.difference is not None:
        from .hints import explain

        report.hint, report.deviation = explain(run, report)
    return report


def assert_matches(candidate: Any, reference: Any, problem: Any, steps: int = 50, mode: str = "lockstep",
                   **options: Any) -> Report:
    """`compare`, raising AssertionError with the printed report when the candidate differs.

    Examples
    --------
    >>> import refopt
    >>> from refopt import oracle
    >>> method = refopt.chain(refopt.Adam(), refopt.LR(0.01))
    >>> oracle.assert_matches(method, method, "classic/beale").steps
    50
    """
    report = compare(candidate, reference, problem, steps, mode, **options)
    if not report.ok:
        raise AssertionError(f"the candidate does not match the reference\n{report}") from report.error
    return report


# ---------------------------------------------------------------- checks before


def check_trace(trace: Trace, task: Task) -> None:
    """A recorded trace must belong to the problem it is judged on."""
    if trace.steps and trace.steps[0].x.shape != task.x0.shape:
        raise ValueError(f"the trace has {trace.steps[0].x.size} variables, but the problem {task.name} has "
                         f"{task.x0.size}; it was recorded on {trace.problem}")


# The names that torch's param_groups and our methods have for the same thing.
HYPERPARAMETERS: dict[str, tuple[str, ...]] = {
    "lr": ("lr",), "betas": ("beta1", "beta2", "beta3"), "eps": ("eps",), "momentum": ("momentum",),
    "dampening": ("dampening",), "nesterov": ("nesterov",), "alpha": ("alpha",),
}


def check_hyperparameters(trace: Trace, method: Method) -> None:
    """Refuse a candidate that says of itself that it has other hyperparameters than the reference."""
    ours: dict[str, Any] = {}

    for part in walk(method):
        for field in dataclasses.fields(part):
            ours.setdefault(field.name, getattr(part, field.name))
    differ = []
    for theirs, names in HYPERPARAMETERS.items():
        if theirs not in trace.hyperparameters:
            continue
        given = trace.hyperparameters[theirs]
        values = given if isinstance(given, tuple) else (given,)
        for name, value in zip(names, values, strict=False):
            if name in ours and isinstance(value, (bool, int, float)) and ours[name] != value:
                differ.append(f"{name}: candidate {value!r}, reference {ours[name]!r}")
    for name in ("weight_decay", "amsgrad", "maximize"):
        if trace.hyperparameters.get(name) and name not in ours:
            differ.append(f"{name}: candidate {trace.hyperparameters[name]!r}, reference has none")
    if differ:
        raise ValueError("the hyperparameters differ: " + "; ".join(differ) + ". Make them equal, or pass "
                         "hyperparameters='ignore' to compare anyway")


# ---------------------------------------------------------------- quantities


@dataclasses.dataclass
class Quantity:
    """One thing to compare in one step: the candidate's value, the exact one, and the bound between them."""

    name: str
    candidate: Any
    exact: Any  # precise numbers or a plain decision
    bound: np.ndarray | None  # None: a decision, equal or not
    shown: Any = None  # the reference's own value, for messages


def difference(step: int, q: Quantity, dtype: np.dtype) -> Difference:
    """The worst coordinate of a quantity."""
    if q.bound is None:
        same = bool(q.candidate == q.exact)
        gap = 0.0 if same else np.inf
        return Difference(step, q.name, None, q.candidate, q.exact, gap, gap, gap, gap)
    theirs, right = np.atleast_1d(np.asarray(q.candidate, dtype=np.float64)), np.atleast_1d(plain(q.exact))
    if theirs.shape != right.shape:
        return Difference(
            step,
            q.name,
            None,
            f"shape {theirs.shape}",
            f"shape {right.shape}",
            np.inf,
            np.inf,
            np.inf,
            np.inf,
        )
    if not theirs.size:
        return Difference(step, q.name, None, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    with np.errstate(all="ignore"):
        error = np.abs(plain(np.atleast_1d(np.asarray(q.candidate)) - np.atleast_1d(q.exact)))
        bound = np.broadcast_to(q.bound, error.shape)
        factor = np.where(error == 0, 0.0, error / bound)
        both = (np.isnan(theirs) & np.isnan(right)) | (np.isinf(theirs) & (theirs == right))
        factor = np.where(both, 0.0, np.where(np.isnan(factor), np.inf, factor))
        theirs, right, error, factor = (a.reshape(-1) for a in (theirs, right, error, factor))
        i = int(np.argmax(factor))
        ulp = float(np.spacing(np.abs(right[i]).astype(dtype))) if np.isfinite(right[i]) else np.nan
        scale = abs(right[i])
        return Difference(
            step,
            q.name,
            i if np.ndim(q.candidate) else None,
            float(theirs[i]),
            float(right[i]),
            float(error[i]),
            float(error[i] / scale) if scale else (np.inf if error[i] else 0.0),
            float(error[i] / ulp) if ulp == ulp else np.inf,
            float(factor[i]),
        )


def relative_errors(q: Quantity) -> np.ndarray:
    """(candidate - exact) / exact at every coordinate; empty where the two cannot be subtracted."""
    if q.bound is None or np.size(q.candidate) != np.size(q.exact):
        return np.zeros(0)
    with np.errstate(all="ignore"):
        exactly = np.reshape(q.exact, -1)
        gap = plain(np.reshape(np.asarray(q.candidate), -1) - exactly)
        return np.asarray(gap / plain(exactly), dtype=np.float64)


def is_decision(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_, str))


def comparable(value: Any) -> bool:
    """Numbers, float arrays and decisions; not pairs of vectors, generators or missing values."""
    if is_decision(value) or isinstance(value, (int, float, np.integer, np.floating)):
        return True
    return isinstance(value, np.ndarray) and (value.dtype.kind == "f" or value.dtype == object)


def leaf(state: Any, path: tuple) -> Any:
    """The entry of a state (plain or precise) at a path of `paths`."""
    for key in path:
        if isinstance(key, int):
            state = state.states[key]
        else:
            state = getattr(state, key)
    return state


def with_leaf(state: Any, path: tuple, value: Any) -> Any:
    """The state with one entry replaced."""
    if not path:
        return value
    key = path[0]
    if isinstance(key, int):
        parts = list(state.states)
        parts[key] = with_leaf(parts[key], path[1:], value)
        return state._replace(states=tuple(parts))
    return state._replace(**{key: with_leaf(getattr(state, key), path[1:], value)})


# ---------------------------------------------------------------- the two modes


class Judge:
    """A reference that follows a trace; yields each step's quantities in the order of cause and effect."""

    def __init__(self, trace: Trace, method: Method, task: Task, kind: str | None, report: Report):
        self.trace, self.method, self.task, self.kind, self.report = trace, method, task, kind, report
        self.objective: Objective = task.objective()
        self.dtype = task.x0.dtype
        self.eps = float(np.finfo(self.dtype).eps)
        self.start = method.init(locked(np.array(task.x0)), task.shapes, np.random.default_rng(0))
        self.fields = {path: self.key(path) for path, _ in paths(self.start)}
        self.found: dict[int, Difference] = {}  # the first difference of every wrong step
        self.errors: dict[int, np.ndarray] = {}  # its relative errors, with their signs, at all coordinates
        self.answers: list[Any] = []  # (update, state) of the reference at every step
        self.ended: tuple[int, str] | None = None

    def key(self, path: tuple) -> str:
        names = [p[-1] for p, _ in paths(self.start)]
        return path[-1] if names.count(path[-1]) == 1 else ".".join(map(str, path))

    def theirs(self, fields: dict[str, Any]) -> dict[tuple, Any]:
        """The candidate's state fields, by path in the reference's state."""
        known = set(self.fields.values())
        given: dict[str, Any] = {}
        for name, value in (fields or {}).items():
            if name in known:
                given[name] = value
            else:
                for alias in ALIASES.get(name, ()):
                    if alias in known:
                        given.setdefault(alias, value)
                        break
        return {path: given[name] for path, name in self.fields.items() if name in given}

    def all(self, steps: int) -> None:
        """Judge every step; fills the report's figures."""
        count = min(len(self.trace), steps)
        shared: dict[str, None] = {}
        first: Difference | None = None
        nearest: Difference | None = None
        wrong = []
        worst = worst_ulps = 0.0
        factors: dict[str, np.ndarray] = {}
        for k in range(count):
            step = self.trace.steps[k]
            try:
                with np.errstate(all="ignore"):
                    quantities = list(self.quantities(k, step))
            except Stop as stop:
                self.ended = (k, stop.message)
                count = k
                break
            bad = False
            for q in quantities:
                d = difference(k, q, self.dtype)
                if q.name in self.fields.values():
                    shared[q.name] = None
                factors.setdefault(q.name, np.full(min(len(self.trace), steps), np.nan))[k] = d.factor
                if q.name == "update":
                    with np.errstate(all="ignore"):
                        right = plain(q.exact)
                        error = np.abs(plain(np.asarray(q.candidate) - q.exact)).max(initial=0.0)
                        scale = np.abs(right).max(initial=0.0)
                        relative = float(error / scale) if scale else (np.inf if error else 0.0)
                        worst = max(worst, relative if relative == relative else np.inf)
                        worst_ulps = max(worst_ulps, d.ulps)
                if not d.ok:
                    bad = True
                    first = first or d
                    if k not in self.found:
                        self.found[k], self.errors[k] = d, relative_errors(q)
                elif nearest is None or d.factor > nearest.factor:
                    nearest = d
            if bad:
                wrong.append(k)
        r = self.report
        r.steps, r.difference, r.wrong = count, first or nearest, tuple(wrong)
        r.ok, r.shared = first is None, tuple(shared)
        r.factors = {name: values[:count] for name, values in factors.items()}
        r.worst, r.worst_ulps = worst, worst_ulps

    def quantities(self, k: int, step: Step) -> Iterator[Quantity]:
        raise NotImplementedError

    # ------------------------------------------------------------ the candidate's own value and gradient

    def evaluations(self, step: Step) -> Iterator[Quantity]:
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
        yield Quantity(
            "value", step.f, f1, np.asarray(SAFETY * 2 * (own_f + moved_f) + 16 * self.eps * abs(f)), f
        )
        bound = SAFETY * 2 * (np.maximum(own_g, own_g.max(initial=0.0)) + moved_g) + 16 * self.eps * (
            size + size.max(initial=0.0))
        yield Quantity("gradient", step.g, g1, bound, g)

    def product(self, step: Step, point: Point) -> Iterator[Quantity]:
        if step.product is None:
            return
        v, Hv = (np.asarray(a, dtype=self.dtype) for a in step.product)
        ours = point.hvp(v)
        near = self.task.objective().at(locked((point.x * (1 + self.eps)).astype(self.dtype))).hvp(v)
        size = np.abs(ours).max(initial=0.0)
        yield Quantity(
            "product", Hv, ours, SAFETY * np.abs(near - ours) + 64 * self.eps * (np.abs(ours) + size), ours
        )


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

    def before(self, step: Step) -> Any:
        """The reference's state, with the fields that the candidate shows taken from it."""
        state = self.state
        for path, value in self.theirs(step.before).items():
            own = leaf(state, path)
            if not comparable(own):
                continue
            state = with_leaf(state, path, like(value, own))
        return state

    def quantities(self, k, step):
        yield from self.evaluations(step)
        point = self.point(step)
        yield from self.product(step, point)
        if k == 0:
            for path, value in self.theirs(step.before).items():
                own = leaf(self.start, path)
                if comparable(own) and not is_decision(own):
                    yield Quantity(self.fields[path], np.zeros_like(own, dtype=np.float64) + value, own,
                                   np.asarray(FLOOR * self.eps * np.abs(own)), own)
        before = self.before(step)
        g = point.g
        answer = self.method.step(point, g, copy_state(before))
        self.answers.append(answer)
        try:
            right, twins = self.exact(point, g, before, answer)
        except exact.Undefined:
            right, twins = self.measured(point, g, before, answer)
        bound_of = self.bounds(right, twins, answer)
        shown = self.theirs(step.after)
        for path, value in shown.items():
            own = leaf(answer[1], path)
            if not comparable(own) or is_decision(own) or left_open(right[1], answer[1], before, path):
                continue
            pick = partial(state_entry, path)
            yield Quantity(self.fields[path], value, pick(right), bound_of(pick), own)
        figures = {name: own for name, own in self.method.figures(answer[1]).items()
                   if name in step.after and name not in self.fields.values()}
        for name, own in figures.items():
            if isinstance(own, float):
                pick = partial(self.figure, name)
                yield Quantity(name, step.after[name], pick(right), bound_of(pick), own)
        for path, value in shown.items():
            if is_decision(leaf(answer[1], path)):
                yield Quantity(self.fields[path], value, leaf(right[1], path), None)
        for name, own in figures.items():
            if is_decision(own):
                yield Quantity(name, step.after[name], own, None)
        out, bound = right[0], bound_of(first)
        if self.trace.moved_x:
            new = np.abs(step.x) + np.abs(step.x - step.update)
            bound = bound + self.eps * new.astype(np.float64)
        yield Quantity("update", step.update, out, bound, answer[0])
        self.state = copy_state(answer[1])

    def exact(self, point: Point, g: np.ndarray, before: Any, answer: Any) -> tuple[Any, list]:
        """The exact (update, state), and those of disturbed twins."""
        run = partial(exact.run, self.method, point, g, before)
        right, twins = run(Arithmetic(self.kind), answer), []
        for seed in range(TWINS):
            # a condition that is met with nothing to spare breaks when disturbed
            with contextlib.suppress(exact.Violation):
                twins.append(run(Arithmetic(self.kind, seed, self.eps), answer))
        return right, twins or [right]

    def figure(self, name: str, result: Any) -> Any:
        """A figure of a result, from a plain or precise state."""
        return self.method.figures(result[1])[name]

    def measured(self, point: Point, g: np.ndarray, before: Any, answer: Any) -> tuple[Any, list]:
        """Without a precise definition the reference itself is the measure, disturbed twins the bound."""
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
            twins.append(self.method.step(near, near.g, state))
        note = f"{self.method!r} has no precise definition; the bound is measured in {self.dtype} alone"
        if note not in self.report.notes:
            self.report.notes.append(note)
        return answer, twins

    def bounds(self, right: Any, twins: list, answer: Any) -> Callable:
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


def first(result: Any) -> Any:
    """The update of a result (update, state)."""
    return result[0]


def state_entry(path: tuple, result: Any) -> Any:
    """An entry of the state of a result (update, state)."""
    return leaf(result[1], path)


def left_open(after: Any, answer: Any, before: Any, path: tuple) -> bool:
    """Whether the definition says nothing about a field that the step changed."""
    here, was, new = leaf(answer, path), leaf(before, path), leaf(after, path)
    if np.shape(new) != np.shape(here):
        return True
    if not isinstance(here, np.ndarray) or not here.size or not isinstance(was, np.ndarray):
        return False
    kept = np.shape(was) == np.shape(new) and np.array_equal(plain(new), was)
    return kept and not np.array_equal(here, was)


class Free(Judge):
    """Both run alone; disturbed twins of the reference say how far two correct runs may drift apart."""

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.runs = [_Run(self.method, self.task, None if i == 0 else i, self.eps) for i in range(TWINS + 1)]

    def quantities(self, k, step):
        main, twins = self.runs[0].step(), []
        for run in tuple(self.runs[1:]):
            try:
                twins.append(run.step())
            except Stop:  # a twin may find itself at a minimum a step earlier
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

        yield Quantity("x", step.x, x, bound(lambda r: r[0]) + 8 * self.eps * np.abs(x).max(initial=0.0), x)
        if step.g is not None:
            yield Quantity(
                "gradient", step.g, g, bound(lambda r: r[1]) + 64 * self.eps * np.abs(g).max(initial=0.0), g
            )
        for path, value in self.theirs(step.after).items():
            own = leaf(state, path)
            if comparable(own):
                if is_decision(own):
                    yield Quantity(self.fields[path], value, own, None)
                else:
                    yield Quantity(
                        self.fields[path], value, own, bound(lambda r, path=path: leaf(r[3], path)), own
                    )
        extra = self.eps * (np.abs(x) + np.abs(x - update)) * 2 if self.trace.moved_x else 0.0
        yield Quantity("update", step.update, update, bound(lambda r: r[2]) + extra, update)


class _Run:
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


def like(value: Any, own: Any) -> Any:
    """`value` in the type of the reference's own field."""
    if isinstance(own, np.ndarray):
        a = np.asarray(value, dtype=own.dtype)
        return np.array(np.broadcast_to(a, own.shape))
    if isinstance(own, (bool, np.bool_)):
        return bool(value)
    if isinstance(own, (int, np.integer)):
        return int(value)
    if isinstance(own, (float, np.floating)):
        return float(value)
    return value


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
    except Exception:  # whatever a user's function says to long doubles: then without
        return None
    return (f, g) if np.asarray(g).dtype == np.longdouble and np.all(np.isfinite(g)) else None


def finish(report: Report, trace: Trace, run: Judge) -> None:
    """Put the way the candidate's run ended into the report."""
    if run.ended is not None:
        report.notes.append(f"the reference ended its run at step {run.ended[0]}: {run.ended[1]}")
    if trace.ended is None:
        return
    kind, message = trace.ended
    if kind in ("nonfinite", "stop"):
        report.notes.append(message)
        if kind == "nonfinite" and report.ok and report.steps:
            report.notes.append("the reference does the same")
        return
    report.broken, report.error = (len(trace), kind, message), trace.error
    report.ok = False
