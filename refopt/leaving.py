"""A step away from a stationary point that is no minimiser, where the method has none of its own.

    kappa < 0     along an eigenvector v of the least eigenvalue: x + a v, where a is reduced until
                  f(x + a v) <= f(x) - 0.1 |v^T H v| a^2 / 2
    kappa = 0     along directions v without curvature, up to three: x + a v if f is lower there by more than
                  rounding (x^4 - y^4, a monkey saddle, a plateau)

with both signs. The first a is as long as x, or as its way from the start. Afterwards the method starts anew.

Source: J. J. More, D. C. Sorensen, Math. Programming 16 (1979) 1-20, eq. (2.3) (a curvature of v in the place
of a slope); D. Goldfarb, Math. Programming 18 (1980) 31-40.
"""

from __future__ import annotations

import numpy as np

from .convergence import BETTER, Leave
from .rounding import rounding_error

__all__ = ["departure"]

SHARE = 0.1  # of the decrease that the curvature predicts
SHRINK = 0.25
TRIALS = 20
FLAT_LENGTHS = (2.0, 1e-1, 1e-2)
NEAR = 0.1  # f must change within this share of the first length, or x is on a plateau


def departure(leave: Leave, x0: np.ndarray, some: float = 0.0) -> tuple[np.ndarray | None, bool]:
    """``(update, whether f changes along the directions)``; the update leads down, or is None.

    The new point is ``x - update``. Without curvature a fall of at most `some` is not worth the step: beside
    a degenerate minimum there is always one.
    """
    point, changed = leave.point, False
    error = BETTER * rounding_error(point.f, point.x.dtype)
    if not leave.negative:
        error = max(error, some)
    for v in leave.directions:
        longest = reach(point.x, x0, v)
        if leave.negative:
            curvature = abs(float(v @ point.hvp(v.astype(point.x.dtype))))
            lengths = longest * SHRINK ** np.arange(TRIALS)
        else:
            curvature, lengths = 0.0, longest * np.array(FLAT_LENGTHS)
        for a in lengths:
            wanted = max(SHARE * curvature * a * a / 2, error)
            for sign in first_signs(point.g, v):
                update = (sign * a * v).astype(point.x.dtype)
                rise = point.after(update).f - point.f
                if rise < -wanted:
                    return update, True
                changed |= a <= NEAR * longest and abs(rise) > BETTER * rounding_error(point.f, point.x.dtype)
    return None, changed


def first_signs(g: np.ndarray, v: np.ndarray) -> tuple[float, float]:
    """The signs of v in ``x - sign v``; first the one that the gradient prefers."""
    return (1.0, -1.0) if float(g @ v) >= 0 else (-1.0, 1.0)


def reach(x: np.ndarray, x0: np.ndarray, v: np.ndarray) -> float:
    """The a for which ``a v`` is as long as x, or as its way from x0, in the first coordinate to be so."""
    size = np.maximum(np.abs(x), np.abs(x - x0)).astype(float)
    known = (size > 0) & (np.abs(v) > 0)
    if not known.any():
        return 1.0 / float(np.abs(v).max())
    return float((size[known] / np.abs(v[known])).min())
