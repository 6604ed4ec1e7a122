"""The model that a method minimises together with the true function: along a line, or as contours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .. import checks
from ..derivatives import derivative_tensors, taylor
from . import landscape
from .style import MODELS, ROLE, START, axes, finish, pyplot

__all__ = ["model"]

SAMPLES = 401  # number of points along a line
SHARED = 6  # number of levels of f, every second one from the highest, also used for the models


def model(
    fun: Callable,
    x: Any,
    models: Any,
    direction: Any = None,
    span: float = 1.0,
    steps: Any = None,
    radius: float | None = None,
    region: str = "ball",
    levels: int = 20,
    grid: int = 121,
    ax: Any = None,
) -> Any:
    """Draw f and models m(s) of it around x.

    With a `direction`, or for one variable: curves along the line ``t -> x + t direction``. For two
    variables: contours, those of f in grey.

    Parameters
    ----------
    fun : callable
        ``fun(x) -> float``, x of shape (n,).
    x : (n,) array_like
        The point where the models are made.
    models : callable, int, or dict of str to these
        ``m(s) -> float`` of the displacement s (n,) from x, or the order of a Taylor polynomial (then `fun`
        must be written in autograd.numpy).
    direction : (n,) array_like or None
    span : float > 0
        Half the width of the picture, in t or in each coordinate.
    steps : (n,) array_like or dict of str to these, optional
        The step s that each model leads to (minus the update of a method), marked on it. The keys are those
        of `models`.
    radius : float > 0 or None
        Radius of a trust region |s| <= radius to be shown.
    region : {"ball", "box"}
        The norm of the trust region: Euclidean or infinity.
    levels, grid : int
        Contours of f, and grid points along each axis, in the plane.
    ax : matplotlib axes or None

    Returns
    -------
    matplotlib axes

    Raises
    ------
    TypeError, ValueError
        For wrong shapes, more than two variables without a direction, or unknown keys of `steps`.
    ImportError
        If matplotlib is missing.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import autograd.numpy as np, refopt
    >>> ax = refopt.plot.model(lambda x: np.sum(np.cos(x)), [2.0], {"quadratic": 2, "cubic": 3}, span=2.0)
    >>> [line.get_label() for line in ax.lines][:3]
    ['$f$', 'quadratic', 'cubic']
    >>> matplotlib.pyplot.close(ax.figure)
    """
    who = "plot.model"
    checks.function(who, "fun", fun)
    x = checks.start_vector(x)
    span = checks.in_interval(who, "span", span, "(0, inf)")
    checks.one_of(who, "region", region, ("ball", "box"))
    radius = checks.optional(checks.in_interval, who, "radius", radius, "(0, inf)")
    named, steps = named_models(who, models), named_steps(who, steps, models, x.size)
    if direction is None and x.size == 1:
        direction = [1.0]
    pyplot()
    if direction is not None:
        d = np.asarray(direction, dtype=float)
        if d.shape != x.shape or not np.any(d) or not np.all(np.isfinite(d)):
            raise ValueError(
                f"{who}: direction must be finite, not zero, and of shape {x.shape}, got {direction!r}"
            )
        ax = axes(who, ax)
        draw_slice(ax, fun, x, d, span, named, steps, radius, region)
        return ax
    if x.size != 2:
        raise ValueError(
            f"{who}: a function of {x.size} variables needs a direction to be drawn along; "
            "without one, functions of 1 or 2 variables can be drawn"
        )
    levels, grid = checks.whole_number(who, "levels", levels, 2), checks.whole_number(who, "grid", grid, 5)
    ax = axes(who, ax, landscape.page((0.0, 1.0, 0.0, 1.0)), "compressed")
    draw_plane(ax, fun, x, span, named, steps, radius, region, levels, grid)
    return ax


# ---------------------------------------------------------------- inputs


def named_models(who: str, models: Any) -> dict[str, Any]:
    """The models by label; each is a callable or an order."""
    named = dict(models) if isinstance(models, Mapping) else {label_of(models): models}
    if not 1 <= len(named) <= len(MODELS):
        raise ValueError(f"{who}: give 1 to {len(MODELS)} models, got {len(named)}")
    for label, m in named.items():
        if not callable(m):
            if isinstance(m, str):
                raise TypeError(
                    f"{who}: model {label!r} must be a function of s or the order of a Taylor "
                    f"polynomial, got {m!r}"
                )
            checks.whole_number(who, f"the order of model {label!r}", m)
    return named


def label_of(m: Any) -> str:
    return "model" if callable(m) else f"Taylor, order {m}"


def named_steps(who: str, steps: Any, models: Any, n: int) -> dict[str, np.ndarray]:
    """The steps by the label of their model."""
    if steps is None:
        return {}
    if isinstance(models, Mapping) != isinstance(steps, Mapping):
        raise TypeError(f"{who}: steps must be a dict if models is one, and one vector if not")
    given = dict(steps) if isinstance(steps, Mapping) else {label_of(models): steps}
    known = list(models) if isinstance(models, Mapping) else list(given)
    for label, s in given.items():
        if label not in known:
            raise checks.unknown(f"key of steps in {who}:", str(label), [str(k) for k in known])
        if np.shape(s) != (n,):
            raise ValueError(
                f"{who}: a step must have shape ({n},), got {np.shape(s)}; it is the "
                "displacement from x, minus the update of a method"
            )
    return {label: np.asarray(s, dtype=float) for label, s in given.items()}


def step_label(label: str, steps: dict[str, np.ndarray]) -> str:
    return "step" if len(steps) == 1 else f"step, {label}"


def polynomial(fun: Callable, x: np.ndarray, order: int) -> Callable[[np.ndarray], float]:
    """The Taylor polynomial ``sum_k D_k[s, ..., s] / k!``."""
    tensors = derivative_tensors(fun, x, order)

    def value(s: np.ndarray) -> float:
        total, factorial = float(tensors[0]), 1.0
        for k in range(1, order + 1):
            factorial *= k
            term = tensors[k]
            for _ in range(k):
                term = term @ s
            total += float(term) / factorial
        return total

    return value


def along(fun: Callable, x: np.ndarray, d: np.ndarray, m: Any, t: np.ndarray) -> np.ndarray:
    """Values of a model at x + t d."""
    if callable(m):
        return np.array([float(m(k * d)) for k in t])
    return np.polynomial.polynomial.polyval(t, np.asarray(taylor(fun, x, d, m), dtype=float))


# ---------------------------------------------------------------- one variable


def draw_slice(
    ax: Any,
    fun: Callable,
    x: np.ndarray,
    d: np.ndarray,
    span: float,
    named: dict[str, Any],
    steps: dict[str, np.ndarray],
    radius: float | None,
    region: str,
) -> None:
    t = np.linspace(-span, span, SAMPLES)
    origin = float(x[0]) if x.size == 1 and d[0] == 1.0 else 0.0  # one variable is drawn in its own units
    with np.errstate(all="ignore"):
        f = np.array([float(fun(x + k * d)) for k in t])
        f0 = float(fun(x.copy()))
    if radius is not None:
        reach = radius / float(np.linalg.norm(d, 2 if region == "ball" else np.inf))
        ax.axvspan(
            origin - reach,
            origin + reach,
            color=ROLE["region"],
            alpha=0.15,
            linewidth=0,
            label="trust region",
        )
        for edge in (-reach, reach):
            ax.axvline(origin + edge, color=ROLE["region"], linewidth=1.0, label="_edge")
    ax.plot(origin + t, f, color=ROLE["function"], linewidth=2.2, label="$f$", zorder=3)
    seen = [f[np.isfinite(f)], [f0]]
    for (label, m), (colour, dashes) in zip(named.items(), MODELS, strict=False):
        with np.errstate(all="ignore"):
            values = along(fun, x, d, m, t)
        ax.plot(origin + t, values, color=colour, linestyle=dashes, linewidth=2.0, label=label, zorder=4)
        if label in steps:
            at = float(steps[label] @ d) / float(d @ d)
            height = float(along(fun, x, d, m, np.array([at]))[0])
            ax.plot(
                [origin + at],
                [height],
                "v",
                color=colour,
                markeredgecolor="black",
                markersize=9,
                zorder=6,
                label=step_label(label, steps),
            )
            seen.append([height])
    ax.plot([origin], [f0], label="$x$", zorder=5, **START)
    values = np.concatenate(seen)
    low, high = float(values.min()), float(values.max())
    room = (high - low) or 1.0
    ax.set_ylim(low - 0.25 * room, high + 0.15 * room)
    ax.set_xlim(origin - span, origin + span)
    finish(
        ax,
        "$x$" if x.size == 1 and d[0] == 1.0 else "$t$, along the direction",
        "$f$ and its models" if len(named) > 1 else "$f$ and its model",
    )


# ---------------------------------------------------------------- two variables


def draw_plane(
    ax: Any,
    fun: Callable,
    x: np.ndarray,
    span: float,
    named: dict[str, Any],
    steps: dict[str, np.ndarray],
    radius: float | None,
    region: str,
    levels: int,
    grid: int,
) -> None:
    from .contours import region_label, region_patch

    box = (x[0] - span, x[0] + span, x[1] - span, x[1] + span)
    low, shown = landscape.draw(ax, fun, box, grid, levels)
    heights = shown[::-2][:SHARED] - low  # the models' levels, and mirrored below the lowest f
    common = low + np.concatenate([-heights, heights[::-1]])
    for (label, m), (colour, dashes) in zip(named.items(), MODELS, strict=False):
        m = m if callable(m) else polynomial(fun, x, m)
        a, b, values = landscape.values_on(lambda z, m=m: m(z - x), box, grid)
        within = common[(common > np.nanmin(values)) & (common < np.nanmax(values))]
        if within.size:
            ax.contour(
                a, b, values, levels=within, colors=colour, linewidths=1.3, linestyles=[dashes], zorder=2
            )
        ax.plot([], [], color=colour, linestyle=dashes, linewidth=1.6, label=label)
        if label in steps:
            end = x + steps[label]
            ax.plot(*np.array([x, end]).T, color=colour, linewidth=2.0, zorder=4, label="_way")
            ax.plot(
                [end[0]],
                [end[1]],
                "v",
                color=colour,
                markeredgecolor="black",
                markersize=9,
                zorder=5,
                label=step_label(label, steps),
            )
    if radius is not None:
        ax.add_patch(region_patch(region, x, radius, ROLE["region"], region_label(region), width=1.8))
    ax.plot([x[0]], [x[1]], label="$x$", zorder=5, **START)
    ax.plot([], [], color="0.62", linewidth=0.8, label="$f$")
    finish(ax, "$x_1$", "$x_2$", outside=True, grid=False)
