"""The background of the pictures: f on a grid, drawn as light contours at log-spaced levels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Box", "around", "draw", "frame", "levels_of", "page", "values_on"]

Box = tuple[float, float, float, float]  # left, right, bottom, top
MARGIN = 0.15  # of the longer side, around what must be visible
LONGEST = 2.0  # longer side over shorter side, at most
DEEPEST = 1e-6  # lowest level, in units of the range of f on the grid


def around(points: np.ndarray) -> Box:
    """A box that contains the `points` (k, 2) with a margin; its sides differ by at most LONGEST times."""
    points = points[np.all(np.isfinite(points), axis=1)]
    low, high = points.min(axis=0), points.max(axis=0)
    size = float(max(high - low)) or 1.0
    middle, half = (low + high) / 2, np.maximum((high - low) / 2, size / (2 * LONGEST)) + MARGIN * size
    (left, bottom), (right, top) = (middle - half).tolist(), (middle + half).tolist()
    return left, right, bottom, top


def values_on(fun: Callable, box: Box, grid: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates (grid,), (grid,) and values (grid, grid) of `fun`; infinite values become NaN."""
    x, y = np.linspace(box[0], box[1], grid), np.linspace(box[2], box[3], grid)
    with np.errstate(all="ignore"):
        values = np.array([[float(fun(np.array([a, b]))) for a in x] for b in y])
    return x, y, np.where(np.isfinite(values), values, np.nan)


def levels_of(values: np.ndarray, low: float, count: int) -> np.ndarray:
    """`count` levels of f, evenly spaced in log(f - low), from the smallest heights to the greatest."""
    heights = values[np.isfinite(values)] - low
    heights = heights[heights > 0]
    if heights.size == 0:
        return np.empty(0)
    top = float(heights.max())
    bottom = float(np.clip(np.quantile(heights, 0.002), DEEPEST * top, 0.5 * top))
    return low + np.geomspace(bottom, top, count)


def draw(
    ax: Any, fun: Callable, box: Box, grid: int, count: int, known: tuple[float, ...] = ()
) -> tuple[float, np.ndarray]:
    """Draw grey contours of `fun` on `box`, white where it is lowest; returns the lowest value and levels.

    `known` are further values of f, which also count for the lowest one.
    """
    from matplotlib.colors import LinearSegmentedColormap

    x, y, values = values_on(fun, box, grid)
    finite = values[np.isfinite(values)]
    lows = [float(finite.min())] if finite.size else []
    low = min([*lows, *(f for f in known if np.isfinite(f))], default=0.0)
    levels = levels_of(values, low, count)
    if levels.size:
        shades = LinearSegmentedColormap.from_list("fog", ["#FFFFFF", "#D2D2D2"], N=256)
        colours = [shades(k / (count - 1)) for k in range(count - 1)]
        ax.contourf(x, y, values, levels=levels, colors=colours, zorder=0)
        ax.contour(x, y, values, levels=levels, colors="0.62", linewidths=0.6, linestyles="solid", zorder=0.5)
    ax.set_xlim(box[:2])
    ax.set_ylim(box[2:])
    ax.locator_params(nbins=5, steps=[1, 2, 5, 10])
    if is_square(box):
        ax.set_aspect("equal", adjustable="box")
    return low, levels


def is_square(box: Box) -> bool:
    """Whether the box can be shown with equal scales, so that circles look like circles."""
    return 1 / 3 <= (box[1] - box[0]) / (box[3] - box[2]) <= 3


def page(box: Box) -> tuple[float, float]:
    """Width and height in inches of a figure for this box, with a legend to the right of it."""
    ratio = (box[3] - box[2]) / (box[1] - box[0]) if is_square(box) else 1.0
    return 6.8, float(np.clip(4.1 * ratio + 0.75, 2.8, 4.6))


def frame(who: str, bounds: Any) -> Box:
    """The box of `bounds`, which must be ((left, right), (bottom, top))."""
    try:
        (left, right), (bottom, top) = ((float(a), float(b)) for a, b in bounds)
    except (TypeError, ValueError):
        raise TypeError(f"{who}: bounds must be ((left, right), (bottom, top)), got {bounds!r}") from None
    if not (np.all(np.isfinite([left, right, bottom, top])) and left < right and bottom < top):
        raise ValueError(f"{who}: bounds must be finite with left < right and bottom < top, got {bounds!r}")
    return left, right, bottom, top
