"""One thing to compare in one step, and how far the candidate is from the reference in it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from .exact.precise import plain
from .report import Difference

__all__ = ["Quantity", "difference", "relative_errors", "relative_to_largest"]


@dataclasses.dataclass
class Quantity:
    """One thing to compare in one step: the candidate's value, the exact one, and the bound between them."""

    name: str
    candidate: Any
    exact: Any  # precise numbers or a plain decision
    bound: np.ndarray | None  # None: a decision, equal or not


def difference(step: int, q: Quantity, dtype: np.dtype) -> Difference:
    """The worst coordinate of a quantity."""
    if q.bound is None:
        same = bool(q.candidate == q.exact)
        gap = 0.0 if same else np.inf
        return Difference(step, q.name, None, q.candidate, q.exact, gap, gap, gap, gap)
    theirs, right = np.atleast_1d(np.asarray(q.candidate, dtype=np.float64)), np.atleast_1d(plain(q.exact))
    if theirs.shape != right.shape:
        shapes = f"shape {theirs.shape}", f"shape {right.shape}"
        return Difference(step, q.name, None, *shapes, np.inf, np.inf, np.inf, np.inf)
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


def relative_to_largest(q: Quantity) -> float:
    """The largest error relative to the largest entry; infinite where it is no number."""
    with np.errstate(all="ignore"):
        error = np.abs(plain(np.asarray(q.candidate) - q.exact)).max(initial=0.0)
        scale = np.abs(plain(q.exact)).max(initial=0.0)
        relative = float(error / scale) if scale else (np.inf if error else 0.0)
    return relative if relative == relative else np.inf
