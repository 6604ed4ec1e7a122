"""Which mistake, or which declared deviation, explains a candidate? One that reproduces it, or none is named.

`explain` runs the reference with each mistake of the table beside the candidate, in precise numbers. A
mistake is the hint if it takes all the candidate's steps up to a few after the first difference, each to
within rounding, and if at most a tenth of that difference is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..method import Chain, Method, copy_state, walk
from . import exact
from .exact.precise import Arithmetic, PrecisePoint, plain
from .judge import Judge, Lockstep
from .mistakes import MISTAKES, Context, Mistake
from .report import Report
from .state_fields import comparable, is_decision, leaf, left_open, like, with_leaf
from .torchzero.deviations import deviations

__all__ = ["explain"]

SINGLE = (1e-10, 5e-7)  # relative errors that rounding to float32 leaves at the worst coordinate
LOOK = 4  # steps after the first difference that a mistake must reproduce, too
ULPS = 1e3  # by which a step with a mistake may miss the candidate's, where rounding does not allow more
LEFT = 0.1  # share of the difference that a mistake may leave
NONE = Mistake("")


def explain(judge: Judge, report: Report) -> tuple[str, str]:
    """``(hint, deviation)``: the mistake and the declared deviation that reproduce the candidate, or ""."""
    step = report.step
    if step is None or not isinstance(judge, Lockstep) or not defined(judge.method):
        return "", ""
    search = Search(judge, step)
    names = {type(part).__name__ for part in walk(judge.method)}
    deviation = next(
        (
            d.name
            for d in deviations()
            if d.variant is not None
            and d.method in names
            and search.finds(Mistake("", table={d.method: d.variant}))
        ),
        "",
    )
    if report.quantity in ("gradient", "value"):
        return gradient_hint(judge, step), deviation
    hint = next((mistake.says for mistake in MISTAKES if search.finds(mistake)), "")
    if not hint and report.quantity == "update":
        hint = constant_factor(judge, step, search.last)
    if not hint and single_precision(judge, report):
        hint = "float32 rounding: all errors are of the size of single precision"
    return hint, deviation


def defined(method: Method) -> bool:
    """Whether the method and all that it holds have precise definitions."""
    return all(isinstance(part, Chain) or type(part).__name__ in exact.DEFINITIONS for part in walk(method))


# ---------------------------------------------------------------- a mistake that reproduces the candidate


class Search:
    """The candidate's steps up to a few after the first difference, against the reference with a mistake.

    Attributes
    ----------
    step, last : numbers of the first step that differs, and of the last one that a mistake must reproduce
    difference : the largest difference at `step` without any mistake, in units of what is allowed
    """

    def __init__(self, judge: Lockstep, step: int):
        self.judge, self.step, self.last = judge, step, min(step + LOOK, len(judge.answers) - 1)
        self.difference = 0.0
        try:
            for k, gap in self.gaps(NONE, judge.method):
                if k == step:
                    self.difference = gap
                    break
        except Exception:  # without the right step there is nothing to explain
            return

    def finds(self, mistake: Mistake) -> bool:
        """Whether the mistake reproduces the candidate."""
        if not self.difference > 0 or not mistake.applies(self.judge.method):
            return False
        return any(self.reproduces(mistake, method) for method in mistake.references(self.judge.method))

    def reproduces(self, mistake: Mistake, method: Method) -> bool:
        try:
            for k, gap in self.gaps(mistake, method):
                if not gap <= (min(1.0, LEFT * self.difference) if k == self.step else 1.0):
                    return False
        except Exception:  # a mistake may lead to nonsense; then it is not this one
            return False
        return True

    def gaps(self, mistake: Mistake, method: Method) -> Iterator[tuple[int, float]]:
        """``(k, gap)`` of each step: the distance of the method with the mistake from the candidate."""
        judge, arithmetic, context = self.judge, Arithmetic(), Context(self.judge.method)
        own = judge.first_state(method)
        state = arithmetic.value(own)
        for k in range(self.last + 1):
            step = judge.trace.steps[k]
            point, before = judge.point(step), judge.before(step, own)
            state = handed_over(judge, step, own, state, arithmetic)
            with np.errstate(all="ignore"):
                if mistake.method is None:
                    answer = judge.answers[k]
                else:  # what the definition leaves open is chosen by the changed method
                    answer = method.step(point, point.g, copy_state(before))
                p = PrecisePoint(point, arithmetic, answer, mistake.table)
                context.k, context.x = k, p.x
                u = p.g if mistake.before is None else mistake.before(p.g, context)
                out, state = exact.step(method, p, u, state)
                if mistake.after is not None:
                    out = mistake.after(out, context)
            context.previous, own = p.g, answer[1]
            yield k, self.gap(k, out, state, before, answer[1])

    def gap(self, k: int, out: Any, state: Any, before: Any, answer: Any) -> float:
        """The largest distance of an update and a state from the candidate's, in units of what is allowed."""
        judge, step = self.judge, self.judge.trace.steps[k]
        moved = 0.0
        if judge.trace.moved_x:
            moved = 2 * judge.eps * (np.abs(step.x) + np.abs(step.x - step.update))
        largest = apart(step.update, out, ULPS * judge.eps, judge.bounds[k].get("update"), moved)
        for path, value in judge.theirs(step.after).items():
            if isinstance(leaf(answer, path), np.ndarray) and not left_open(state, answer, before, path):
                bound = judge.bounds[k].get(judge.fields[path])
                largest = max(largest, apart(value, leaf(state, path), ULPS * judge.eps, bound))
        return largest


def handed_over(judge: Lockstep, step: Any, own: Any, state: Any, arithmetic: Arithmetic) -> Any:
    """The precise state with the numbers that the candidate shows; `own` is the same state in floats."""
    for path, value in judge.theirs(step.before).items():
        mine = leaf(own, path)
        if comparable(mine) and not is_decision(mine):
            theirs = like(value, mine)
            if theirs is not mine:
                state = with_leaf(state, path, arithmetic.value(theirs))
    return state


def apart(theirs: Any, ours: Any, tolerance: float, bound: Any, moved: Any = 0.0) -> float:
    """The largest distance of two arrays in units of what is allowed; infinite for another shape."""
    a, b = np.asarray(theirs, dtype=np.float64), plain(ours)
    if a.shape != b.shape:
        return np.inf
    with np.errstate(all="ignore"):
        allowed = tolerance * np.abs(b) + moved
        if bound is not None and np.shape(bound) in ((), a.shape):
            allowed = np.maximum(allowed, np.where(np.isfinite(bound), bound, 0.0))
        gap = np.abs(a - b)
        units = np.where(gap == 0, 0.0, gap / allowed)
        same = (np.isnan(a) & np.isnan(b)) | (a == b)
        return float(np.where(same, 0.0, np.where(np.isnan(units), np.inf, units)).max(initial=0.0))


def near(theirs: Any, ours: Any, tolerance: float) -> bool:
    """Equal but for rounding, coordinate by coordinate."""
    return apart(theirs, ours, tolerance, None) <= 1


# ---------------------------------------------------------------- other explanations


def single_precision(judge: Lockstep, report: Report) -> bool:
    """Whether all errors have the size of float32 rounding and vary as it does."""
    return (
        bool(report.wrong)
        and judge.eps < 1e-10
        and all(SINGLE[0] < judge.found[k].relative < SINGLE[1] for k in report.wrong)
        and scattered(np.concatenate([judge.errors[k] for k in report.wrong]))
    )


def scattered(errors: np.ndarray) -> bool:
    """Whether relative errors vary in sign and size as those of rounding do."""
    errors = errors[np.isfinite(errors) & (errors != 0)]
    sizes = np.abs(errors)
    return errors.size > 1 and errors.min() < 0 < errors.max() and sizes.max() > 2 * sizes.min()


def constant_factor(judge: Lockstep, step: int, last: int) -> str:
    """The sentence of the hint where steps ``step..last`` are one constant times the reference's, else ""."""
    ks = range(step, last + 1)
    steps = [judge.trace.steps[k] for k in ks]
    ours = np.concatenate([np.asarray(judge.answers[k][0], dtype=np.float64) for k in ks])
    theirs = np.concatenate([np.asarray(s.update, dtype=np.float64) for s in steps])
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()) or np.count_nonzero(ours) < 2:
        return ""
    rounding = np.zeros_like(ours)
    if judge.trace.moved_x:
        rounding += judge.eps * np.concatenate([np.abs(s.x) + np.abs(s.x - s.update) for s in steps])
    allowed = 1e2 * judge.eps * np.maximum(np.abs(ours), np.abs(theirs)) + 2 * rounding
    if np.count_nonzero(np.abs(ours) > 1e2 * allowed) < 2:  # one number is always a constant times another
        return ""
    weight = 1 / np.where(allowed > 0, allowed, np.inf)
    c = float(np.sum(weight**2 * ours * theirs) / np.sum((weight * ours) ** 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        left, gap = (np.nanmax(np.abs(theirs - a * ours) / allowed) for a in (c, 1.0))
    if not (left <= 1 < gap and left <= LEFT * gap):
        return ""
    if c == 0:
        return "the step is zero"
    size = f"{c:.6g}" if abs(c - 1) > 1e-3 else f"1 {'+' if c > 1 else '-'} {abs(c - 1):.3g}"
    return f"the step is {size} times the reference's (step size?)"


def gradient_hint(judge: Lockstep, step: int) -> str:
    """What the candidate's own gradient is, compared with the right one."""
    mine = judge.task.objective().at(np.array(judge.trace.steps[step].x)).g
    theirs = judge.trace.steps[step].g
    if theirs is None:
        return ""
    if near(theirs, -mine, ULPS * judge.eps):
        return "the gradient has the wrong sign"
    for factor, says in (
        (2.0, "twice too large"),
        (0.5, "half of what it should be"),
        (1 / mine.size, "divided by the number of variables"),
    ):
        if near(theirs, factor * mine, ULPS * judge.eps):
            return f"the gradient is {says}"
    if step > 0:
        before = judge.task.objective().at(np.array(judge.trace.steps[step - 1].x)).g
        if near(theirs, before, ULPS * judge.eps):
            return "a stale gradient is used, that of the step before"
    if not np.any(theirs):
        return "the gradient is zero: was backward() called, and not zero_grad() after it?"
    return ""
