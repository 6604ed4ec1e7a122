"""The oracle examined: planted faults, which it must find, and correct rewritings, which it must accept.

A `Subject` is a correct candidate as source text. A `Fault` replaces a piece of that text with a wrong one
and names the step and the quantity where the difference must appear first; a variant replaces it with another
correct one. `examine` runs them all.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import scipy.linalg

from ..method import Method, copy_state
from .candidates import Stepper
from .comparison import compare
from .report import Report

__all__ = ["Fault", "Subject", "Finding", "plant", "examine"]


@dataclasses.dataclass(frozen=True)
class Fault:
    """A piece of text, what it is replaced with, and what the oracle should find.

    Attributes
    ----------
    old, new : text; `old` must occur exactly once in the subject's source
    quantity : name of the quantity that differs first
    step : number of the first wrong step
    hint : part of the hint it should give, or "" where any (or none) will do
    """

    old: str
    new: str
    quantity: str = "update"
    step: int = 0
    hint: str = ""


@dataclasses.dataclass(frozen=True)
class Subject:
    """A correct candidate, its reference, and what to plant.

    Attributes
    ----------
    method : registry name
    reference : the complete method
    source : text that defines ``step(...)`` in the form of `Stepper`; it may use ``np``, ``linalg``
        (scipy.linalg), ``copy_state``, and `names`
    state : the state at the start, as for `Stepper`
    names : constants that the source uses
    faults : list of `Fault`
    variants : list of (old, new): correct rewritings; ("", "") is the source as it is
    problem, steps, tape : as for `compare`
    """

    method: str
    reference: Method
    source: str
    state: Any = None
    names: dict[str, Any] = dataclasses.field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    variants: tuple[tuple[str, str], ...] = ()
    problem: Any = "mgh/rosenbrock"
    steps: int = 12
    tape: Any = None


@dataclasses.dataclass(frozen=True)
class Finding:
    """The oracle's report on one planted text."""

    subject: Subject
    fault: Fault | None  # None: a correct variant
    text: tuple[str, str]
    report: Report

    @property
    def caught(self) -> bool:
        return not self.report.ok

    @property
    def named(self) -> bool:
        """Found in the right quantity of the right step."""
        return (
            self.fault is not None
            and self.caught
            and self.report.quantity == self.fault.quantity
            and self.report.step == self.fault.step
        )

    def __str__(self) -> str:
        old, new = self.text
        said = (
            f"step {self.report.step}, {self.report.quantity}, {self.report.factor:.2g} bounds"
            if self.caught
            else "agrees"
        )
        wanted = "" if self.fault is None else f"; wanted step {self.fault.step}, {self.fault.quantity}"
        return f"{self.subject.method}: {old!r} -> {new!r}: {said}{wanted}; hint: {self.report.hint or '-'}"


def plant(subject: Subject, old: str, new: str) -> Stepper:
    """The subject's candidate with one piece of its text replaced."""
    if old and subject.source.count(old) != 1:
        raise ValueError(
            f"{subject.method}: the text {old!r} occurs {subject.source.count(old)} times in the source; "
            "it must occur once"
        )
    text = subject.source.replace(old, new) if old else subject.source
    space: dict[str, Any] = {"np": np, "linalg": scipy.linalg, "copy_state": copy_state, **subject.names}
    exec(compile(text, f"<{subject.method}: {new}>", "exec"), space)
    return Stepper(space["step"], subject.state, name=f"{subject.method} with {new!r}")


def examine(subject: Subject) -> list[Finding]:
    """All faults and variants of a subject, judged."""
    findings = []
    jobs = [*((f, (f.old, f.new)) for f in subject.faults), *((None, v) for v in subject.variants)]
    for fault, text in jobs:
        with np.errstate(all="ignore"):
            report = compare(
                plant(subject, *text), subject.reference, subject.problem, subject.steps, tape=subject.tape
            )
        findings.append(Finding(subject, fault, text, report))
    return findings
