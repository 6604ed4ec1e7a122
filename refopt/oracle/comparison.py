"""Compare a candidate with a reference: what is checked before, the steps judged, a hint, the report."""

from __future__ import annotations

import dataclasses
from typing import Any

from .. import checks
from ..method import Method, walk
from .candidates import as_reference, kind_of
from .hints import explain
from .judge import Free, Judge, Lockstep
from .recording import record, replaying
from .report import Report
from .task import Task, as_task
from .trace import Trace

__all__ = ["assert_matches", "compare"]


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
    """Run a candidate and compare its steps with the reference's: do they agree, or where do they part first?

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
        For a candidate that differs, look for a common mistake that reproduces it when planted into the
        reference.
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
    name, method = repr(method), replaying(method, trace)
    report = Report(trace.candidate, name, task.name, mode, trace.dtype)
    judge = (Lockstep if mode == "lockstep" else Free)(trace, method, task, arithmetic, report)
    judge.follow(steps)
    finish(report, trace, judge)
    if hints and not report.ok and report.difference is not None:
        report.hint, report.deviation = explain(judge, report)
    return report


def assert_matches(
    candidate: Any, reference: Any, problem: Any, steps: int = 50, mode: str = "lockstep", **options: Any
) -> Report:
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
        raise ValueError(
            f"the trace has {trace.steps[0].x.size} variables, but the problem {task.name} has "
            f"{task.x0.size}; it was recorded on {trace.problem}"
        )


# The names that torch's param_groups and our methods have for the same thing.
HYPERPARAMETERS: dict[str, tuple[str, ...]] = {
    "lr": ("lr",),
    "betas": ("beta1", "beta2", "beta3"),
    "eps": ("eps",),
    "momentum": ("momentum",),
    "dampening": ("dampening",),
    "nesterov": ("nesterov",),
    "alpha": ("alpha",),
}


def check_hyperparameters(trace: Trace, method: Method) -> None:
    """Refuse a candidate that lists other hyperparameters than the reference has."""
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
        raise ValueError(
            "the hyperparameters differ: " + "; ".join(differ) + ". Make them equal, or pass "
            "hyperparameters='ignore' to compare anyway"
        )


def finish(report: Report, trace: Trace, judge: Judge) -> None:
    """Put the way the candidate's run ended into the report."""
    if judge.ended is not None:
        report.notes.append(f"the reference ended its run at step {judge.ended[0]}: {judge.ended[1]}")
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
