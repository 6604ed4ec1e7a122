"""The runs to draw, from the forms a caller may give: results, runs, lists of records, arrays of points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import checks
from ..run import Record, Run

__all__ = ["Recorded", "recorded"]

LONGEST_LABEL = 36


class Recorded(NamedTuple):
    """One run, in the form that all plots use."""

    label: str
    method: str  # as in the result, "" if unknown
    start: np.ndarray | None  # (n,), if known
    history: list[Record]  # empty if only points were given
    points: np.ndarray  # (k, n), the start first if it is known


def is_one(given: Any) -> bool:
    """Whether `given` is one run and not a sequence of runs."""
    return (
        isinstance(given, (Run, np.ndarray))
        or hasattr(given, "history")
        or hasattr(given, "nit")
        or isinstance(given, Sequence)
        and len(given) > 0
        and isinstance(given[0], Record)
    )


def recorded(who: str, given: Any, labels: Any = None, need_history: bool = False) -> list[Recorded]:
    """The runs in `given`, each with its label.

    Parameters
    ----------
    who : str
        The caller, for messages.
    given : OptimizeResult with a history, Run, list of Record, (k, n) array of points, or a sequence of these
    labels : sequence of str or None
    need_history : bool
        Raise an error for arrays of points.
    """
    many = [given] if is_one(given) else given
    if isinstance(many, (str, dict)) or not isinstance(many, Sequence) or len(many) == 0:
        raise TypeError(
            f"{who}: give a result of refopt.minimize, a Run, a list of records, or a non-empty "
            f"list of these, got {checks.describe(given)}"
        )
    if isinstance(labels, str):
        labels = [labels]
    if labels is not None and len(labels) != len(many):
        raise ValueError(f"{who}: labels has {len(labels)} names for {len(many)} runs; they must be equal")
    runs = [one(who, item, need_history) for item in many]
    if labels is None:
        labels = [short(run.method) or f"run {i}" for i, run in enumerate(runs, 1)]
        labels = [
            name if labels.count(name) == 1 else f"{name} ({labels[:i].count(name) + 1})"
            for i, name in enumerate(labels)
        ]
    return [run._replace(label=str(name)) for run, name in zip(runs, labels, strict=True)]


def one(who: str, item: Any, need_history: bool) -> Recorded:
    """One run, without its label."""
    if isinstance(item, np.ndarray):
        if need_history:
            raise TypeError(
                f"{who}: an array of points has no history; give results of refopt.minimize with "
                "options={'return_all': True}"
            )
        if item.ndim != 2 or item.dtype.kind not in "fiu":
            raise ValueError(
                f"{who}: an array of points must be real and of shape (k, n), got {checks.describe(item)}"
            )
        return Recorded("", "", None, [], item.astype(np.float64))
    if isinstance(item, Run):
        history, start, method = item.history, item.start, repr(item.method)
        kept = item.options["return_all"]
    elif hasattr(item, "nit") or hasattr(item, "history"):
        history, method = list(item.get("history", [])), str(item.get("method", ""))
        kept, start = "history" in item, item.get("allvecs", [None])[0]
    elif isinstance(item, Sequence) and len(item) and all(isinstance(r, Record) for r in item):
        history, start, method, kept = list(item), None, "", True
    else:
        raise TypeError(
            f"{who}: each run must be a result of refopt.minimize, a Run, a list of records or "
            f"an array of points, got {checks.describe(item)}"
        )
    if not kept:
        raise ValueError(f"{who}: this run kept no history; record it with options={{'return_all': True}}")
    points = [r.x for r in history] if start is None else [start, *(r.x for r in history)]
    return Recorded("", method, start, history, np.array(points, dtype=np.float64))


def short(method: str) -> str:
    """The class names in a method's repr, "Newton + Backtracking" for a chain; long names are cut."""
    if method.startswith("chain("):
        depth, names, word = 0, [], ""
        for c in method[6:-1]:
            if depth == 0 and (c.isalnum() or c == "_"):
                word += c
            elif c == "(":
                if depth == 0 and word:
                    names.append(word)
                depth, word = depth + 1, ""
            elif c == ")":
                depth -= 1
        text = " + ".join(names)
    else:
        text = method.partition("(")[0]
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"
