"""What a trust region in the infinity norm needs around its subproblem: box, radius, rounding."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..objective import Point

__all__ = ["box_around", "next_radius", "projected_gradient", "rounding_of_x", "usable"]


def next_radius(radius: float, rho: float, size: float, bad: float, good: float, nminus: float,
                nplus: float, boundary_tol: float | None) -> float:
    """The radius after a trial of length `size` = |d|_inf with ratio `rho`."""
    if not rho >= bad or np.isinf(rho):
        return size * nminus
    if rho > good and (boundary_tol is None or size >= (1 - boundary_tol) * radius):
        return max(radius, size * nplus)
    return radius


def usable(radius: float, dtype: np.dtype) -> bool:
    """Whether the radius is a normal number with room on both sides."""
    return 4 * np.finfo(dtype).tiny < radius < np.finfo(dtype).max / 4


def rounding_of_x(x: np.ndarray, H: Any) -> float:
    """The rise of the model when every x_i is off by its rounding error: f resolves no less (0 without H)."""
    if not isinstance(H, np.ndarray):
        return 0.0
    e = float(np.finfo(x.dtype).eps) * np.abs(x)
    return float(e @ (np.abs(H) @ e)) / 2


def projected_gradient(point: Point) -> float:
    """|g|_inf, with bounds that of x - clip(x - g)."""
    g = point.g
    if point.objective.bounds is not None:
        g = point.x - np.clip(point.x - g, *point.objective.bounds)
    return float(np.abs(g).max())


def box_around(point: Point, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """``(lower, upper)`` of d: the trust region within the bounds."""
    lower, upper = np.full(point.x.size, -float(radius)), np.full(point.x.size, float(radius))
    if point.objective.bounds is not None:
        low, high = point.objective.bounds
        lower, upper = np.maximum(lower, point.x - high), np.minimum(upper, point.x - low)
    return lower, upper
