"""Where a line search begins: a direction that descends, its slope, and the first step size."""

from __future__ import annotations

import numpy as np

from ..objective import Point
from ..rounding import flatter, rounding_error
from ..solvers.norm import nrm2
from ..views.face import inward

__all__ = ["descent", "first_bound", "first_size", "lengthened", "with_slope"]

UNCHANGED = 1e-6  # a slope that changes by a smaller share of itself
MUCH = 1e2  # a step is much too short if it should be longer by this factor
GROWTHS, LONGER = 8, 1e8  # a step that is much too short grows at most so often, each time by this factor


def descent(point: Point, update: np.ndarray) -> tuple[np.ndarray, float, bool]:
    """``(u, g^T u, fallback)``, where u is the update, or the gradient if the update does not descend.

    With bounds, the entries of u that would leave them at once are zero. Those that go uphill count in the
    test: without them a direction of negative curvature might still descend a little.
    """
    bounds = point.objective.bounds
    inside, slope = with_slope(point, inward(point.x, update, bounds))
    uphill = 0.0 if bounds is None else float(np.minimum(point.g * (update - inside), 0).sum())
    if slope + uphill > 0:
        return inside, slope, False
    return *steepest(point), True


def with_slope(point: Point, direction: np.ndarray) -> tuple[np.ndarray, float]:
    """``(u, g^T u)``: the direction, shortened if its slope leaves the range of the numbers."""
    with np.errstate(over="ignore", invalid="ignore"):
        slope = float(np.dot(point.g, direction))
    if abs(slope) < largest(point):
        return direction, slope
    size, length = nrm2(point.g), nrm2(direction)
    u = direction * point.x.dtype.type(min(1.0, largest(point) / size / length))
    return u, float(np.dot(point.g / point.x.dtype.type(size), u)) * size


def largest(point: Point) -> float:
    """A number that can still be multiplied by what occurs in a search."""
    return float(np.finfo(point.x.dtype).max) / 64


def steepest(point: Point) -> tuple[np.ndarray, float]:
    """The projected gradient and its slope; of another length where its square leaves the range."""
    g = inward(point.x, point.g, point.objective.bounds)
    size, least = nrm2(g), 16 * float(np.finfo(point.x.dtype).tiny) ** 0.5
    if not g.any() or least < size < largest(point) ** 0.5:
        return g, float(np.dot(g, g))
    return with_slope(point, g * point.x.dtype.type(first_size(point, size)))


def first_size(point: Point, size: float) -> float:
    """A step size for the gradient, of length `size`, that has the right units whatever those of x and f.

        |x| / |g|,  at x = 0  |f| / |g|^2

    Source: step I0 of CG_DESCENT, Hager, Zhang 2005, doi 10.1137/030601880, without its factor 0.01.
    """
    for length in (nrm2(point.x), abs(point.f) / size):
        a = length / size
        if 0 < a < np.inf:
            return float(a)
    return 1.0


def first_bound(point: Point, direction: np.ndarray) -> float:
    """The largest a for which ``x - a direction`` satisfies the bounds."""
    if point.objective.bounds is None:
        return np.inf
    lower, upper = point.objective.bounds
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        room = np.where(direction > 0, point.x - lower, upper - point.x) / np.abs(direction)
    return float(np.min(room, where=direction != 0, initial=np.inf))


def lengthened(point: Point, direction: np.ndarray, slope: float, longest: float) -> tuple[float, int]:
    """``(the step size at which a search begins, trials)``: 1, or much more if the slope hardly changes.

    A first step may be far too short in other units of f or x. The secant through the slopes gives its
    length, as long as f falls and the slope is above 0.9 of its value. What is of the same order is left to
    the search.
    """
    a, grown, error = 1.0, 0, rounding_error(point.f, point.x.dtype)
    while grown < GROWTHS:
        trial = point.after(direction * point.x.dtype.type(a))
        if not (trial.f <= point.f + error and trial.has_gradient()):
            break
        with np.errstate(over="ignore", invalid="ignore"):
            there = float(np.dot(trial.g, direction))
        unchanged = abs(there - slope) <= UNCHANGED * slope  # the step is too short to tell a curvature
        if flatter(slope, there) or not (there < slope or unchanged):
            break
        longer = LONGER if unchanged else min(slope / (slope - there), LONGER)
        if longer < MUCH or not a * longer * nrm2(direction) < largest(point):
            break
        a, grown = min(a * longer, longest), grown + 1
        if a == longest:
            break
    return a, grown
