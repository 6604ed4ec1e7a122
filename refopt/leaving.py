"""A step away from a stationary point that is no minimiser, where the method has none of its own.

    kappa < 0     along an eigenvector v of the least eigenvalue: x + a v, where a is reduced until
                  f(x + a v) <= f(x) - 0.1 |v^T H v| a^2 / 2
    kappa = 0     along directions v without curvature, up to three: x + a v if f is lower there by more than
                  rounding and by a share of its fall so far (x^4 - y^4, a monkey saddle, a plateau's edge)

with both signs. The first a v is as long as x, or as its way from the start. Afterwards the method starts
anew.

Source: J. J. More, D. C. Sorensen, Math. Programming 16 (1979) 1-20, eq. (2.3) (a curvature of v in the place
of a slope); D. Goldfarb, Math. Programming 18 (1980) 31-40.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .convergence import BETTER, Leave
from .decrement import curvature_along, reach
from .objective import Point
from .rounding import rounding_error

__all__ = ["Departure", "departure"]

SHARE = 0.1  # of the decrease that the curvature predicts
SHRINK = 0.25
TRIALS = 20
LITTLE = 1e-6  # a fall by a smaller share of f is none
LENGTHS = (2.0, 1.0, 1e-1, 1e-2)  # tried along a direction without curvature, in units of the way of x
NEAR = 0.1  # f must change within this length, or x is on a plateau


class Departure(NamedTuple):
    """What values of f around a point say.

    Attributes
    ----------
    update : (n,) or None, a step that leads down; the new point is ``x - update``
    changed : whether f changes nearby along the directions
    falls : (n,) or None, a direction without curvature in which f falls, though by too little to matter, or
        in which x has come and f does not rise
    """

    update: np.ndarray | None
    changed: bool = True
    falls: np.ndarray | None = None


def departure(leave: Leave, some: float = 0.0) -> Departure:
    """The step away from a point, if there is one.

    Without curvature a fall of at most `some` is not worth the step: beside a degenerate minimum there is
    always one.
    """
    if leave.negative:
        return Departure(downhill(leave.point, leave.directions[0], leave.size))
    found = [around(leave, v, some) for v in leave.directions]
    falls = next((f.falls for f in found if f.falls is not None), None)
    update = next((f.update for f in found if f.update is not None), None)
    return Departure(update, any(f.changed for f in found), falls)


def downhill(point: Point, v: np.ndarray, size: np.ndarray) -> np.ndarray | None:
    """The update along a direction of negative curvature; None if f does not fall as it says."""
    curvature = abs(curvature_along(point, v))
    error = BETTER * rounding_error(point.f, point.x.dtype)
    for a in reach(size, v) * SHRINK ** np.arange(TRIALS):
        for sign in first_signs(point.g, v):
            update = (sign * a * v).astype(point.x.dtype)
            if probed(point.after(update)) < point.f - max(SHARE * curvature * a * a / 2, error):
                return update
    return None


def around(leave: Leave, v: np.ndarray, some: float) -> Departure:
    """What f does along a direction without curvature, on both sides of x."""
    point, longest = leave.point, reach(leave.size, v)
    error = BETTER * rounding_error(point.f, point.x.dtype)
    onward = np.sign(float(v @ leave.way))  # the side to which x has come
    changed, falls, ahead, behind = False, None, -np.inf, -np.inf
    for a in LENGTHS:
        for sign in first_signs(point.g, v):
            update = (sign * a * longest * v).astype(point.x.dtype)
            new = point.after(update)
            if not np.array_equal(new.x, point.x - update):  # bounds are in the way
                continue
            rise = probed(new) - point.f
            if rise < -max(error, some):
                return Departure(update)
            changed = changed or a <= NEAR and abs(rise) > error
            if sign == -onward:
                ahead = max(ahead, rise)
            else:
                behind = max(behind, rise)
            if falls is None and a >= 1 and rise < -max(error, LITTLE * abs(point.f)):
                falls = -update
    seen = 0.0
    if onward and -np.inf < ahead <= error < behind:  # f rises where x has come from alone
        falls, seen = onward * v, behind
    elif falls is not None:
        seen = point.f - point.after(-falls).f
    beyond = falls is not None and seen > BETTER * point.objective.value_error(point)
    return Departure(None, changed, falls if beyond else None)


def probed(point: Point) -> float:
    """f at a point that the run has not come near; that it overflows there is an answer, no fault."""
    with np.errstate(over="ignore"):
        return point.f


def first_signs(g: np.ndarray, v: np.ndarray) -> tuple[float, float]:
    """The signs of v in ``x - sign v``; first the one that the gradient prefers."""
    return (1.0, -1.0) if float(g @ v) >= 0 else (-1.0, 1.0)
