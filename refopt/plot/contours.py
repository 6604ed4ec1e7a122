"""Paths over the contours of a function of two variables: pictures and animations."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import checks
from . import landscape
from .inputs import Recorded, recorded
from .style import ROLE, SMALL, START, axes, finish, pyplot, style_of

__all__ = ["animation", "trajectory"]

BUTTONS = {
    "fast-backward": "⏮",
    "step-backward": "◂❙",
    "play fa-flip-horizontal": "◀",
    "pause": "❙❙",
    "play": "▶",
    "step-forward": "❙▸",
    "fast-forward": "⏭",
    "minus": "−",
    "plus": "+",
}
REGIONS = ("auto", "ball", "box", "none")


def trajectory(
    fun: Callable,
    runs: Any,
    labels: Any = None,
    minimisers: Any = None,
    region: str = "auto",
    rejected: bool = True,
    bounds: Any = None,
    levels: int = 20,
    grid: int = 121,
    ax: Any = None,
) -> Any:
    """Draw the paths of runs over the contours of a function of two variables.

    Contours are evenly spaced in the logarithm of the height above the lowest value found; white is low.

    Parameters
    ----------
    fun : callable
        ``fun(x) -> float``, x of shape (2,).
    runs : OptimizeResult, Run, list of Record, (k, 2) array of points, or a sequence of these
        Recorded with ``options={"return_all": True}``.
    labels : sequence of str or None
        Names in the legend; None: the names of the methods.
    minimisers : (2,) or (m, 2) array_like, optional
        Known minimisers, marked with stars.
    region : {"auto", "ball", "box", "none"}
        Trust regions |x - x_k|_2 <= radius or |x - x_k|_inf <= radius around every x_k. The radius is the one
        recorded at x_k, with which step k + 1 begins. "auto": the region of the run's method, if there is
        only one run and its method is known; else none.
    rejected : bool
        Mark the trial points that were evaluated and not taken, with a line to the point they were tried
        from.
    bounds : ((left, right), (bottom, top)) or None
        The part of the plane that is shown. None: the paths and minimisers, with a margin.
    levels, grid : int
        Number of contours, and of grid points along each axis (fun is called grid**2 times).
    ax : matplotlib axes or None

    Returns
    -------
    matplotlib axes

    Raises
    ------
    TypeError, ValueError
        For runs without points, of another number of variables, or without the radii that `region` needs.
    ImportError
        If matplotlib is missing.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import refopt
    >>> fun = lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    >>> keep = {"return_all": True}
    >>> res = refopt.minimize(fun, [-1.2, 1.0], method="InfinityNormTrustRegion", options=keep)
    >>> ax = refopt.plot.trajectory(fun, res, minimisers=[1, 1])
    >>> len(ax.lines[0].get_xdata()) == 1 + res.nit
    True
    >>> matplotlib.pyplot.close(ax.figure)
    """
    who = "plot.trajectory"
    paths = planar(who, recorded(who, runs, labels))
    region = which_region(who, region, paths)
    checks.boolean(who, "rejected", rejected)
    stars = planar_points(who, "minimisers", minimisers)
    ax = scenery(who, ax, fun, paths, stars, bounds, levels, grid)
    several = len(paths) > 1
    for i, path in enumerate(paths):
        style = style_of(i, len(path.points))
        ax.plot(*path.points.T, label=path.label, linewidth=1.8, markersize=4.0, zorder=3, **style)
        if region != "none":
            draw_regions(ax, path, region, style["color"] if several else ROLE["region"], several)
        if rejected:
            draw_rejected(ax, path, style["color"] if several else ROLE["rejected"], several)
    if rejected and several and any(r.rejected for path in paths for r in path.history):
        ax.plot([], [], "x", color="0.35", markersize=6.5, markeredgewidth=1.7, label="rejected trials")
    draw_ends(ax, paths)
    draw_stars(ax, stars)
    finish(ax, "$x_1$", "$x_2$", outside=True, grid=False)
    return ax


def animation(
    run: Any,
    fun: Callable,
    file: str | os.PathLike = "run.gif",
    minimisers: Any = None,
    region: str = "auto",
    bounds: Any = None,
    levels: int = 20,
    grid: int = 121,
    fps: int = 4,
    frames: int = 60,
    ax: Any = None,
) -> Any:
    """Write an animation of a run: the growing path, with the trials and the trust region of each step.

    Parameters
    ----------
    run : OptimizeResult, Run, list of Record or (k, 2) array of points
        Recorded with ``options={"return_all": True}``.
    fun : callable
        ``fun(x) -> float``, x of shape (2,).
    file : str or path
        Ends in ``.gif`` (written by pillow) or ``.html`` (a page with buttons that needs no network).
    minimisers, region, bounds, levels, grid
        As for `trajectory`.
    fps : int >= 1
        Frames per second.
    frames : int >= 2
        Limit on the frames. Of longer runs evenly spaced iterations are shown, always with the last one.
    ax : matplotlib axes or None

    Returns
    -------
    matplotlib axes
        Showing the last frame.

    Raises
    ------
    TypeError, ValueError
        As for `trajectory`, and for a file with another ending.
    ImportError
        If matplotlib is missing.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import pathlib, tempfile, refopt
    >>> fun = lambda x: x[0] ** 2 + 3 * (x[1] - x[0] ** 2) ** 2
    >>> res = refopt.minimize(fun, [1.0, 0.0], method="Newton", options={"return_all": True})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "run.gif")
    ...     ax = refopt.plot.animation(res, fun, file, grid=21)
    ...     file.read_bytes()[:3]
    b'GIF'
    >>> matplotlib.pyplot.close(ax.figure)
    """
    who = "plot.animation"
    ending = os.path.splitext(os.fspath(file))[1].lower()
    checks.one_of(who, "the ending of file", ending, (".gif", ".html"))
    fps = checks.whole_number(who, "fps", fps, 1)
    frames = checks.whole_number(who, "frames", frames, 2)
    paths = planar(who, recorded(who, run))
    if len(paths) != 1:
        raise ValueError(f"{who}: give one run, got {len(paths)}; plot.trajectory draws several")
    path, region = paths[0], which_region(who, region, paths)
    stars = planar_points(who, "minimisers", minimisers)
    pyplot()
    from matplotlib.animation import FuncAnimation, PillowWriter

    ax = scenery(who, ax, fun, paths, stars, bounds, levels, grid)
    look = style_of(0, len(path.points))
    (line,) = ax.plot([], [], label="path", linewidth=1.8, markersize=4.0, zorder=3, **look)
    (now,) = ax.plot([], [], "o", label="current point", color=ROLE["end"], markersize=8, zorder=5)
    trials = None
    if any(r.rejected for r in path.history):
        (trials,) = ax.plot(
            [],
            [],
            "x",
            label="rejected trials",
            color=ROLE["rejected"],
            markersize=7,
            markeredgewidth=1.8,
            zorder=4,
        )
    patch = None
    if region != "none":
        patch = region_patch(region, path.points[0], 0.0, ROLE["region"], label=region_label(region))
        ax.add_patch(patch)
    draw_stars(ax, stars)
    width = len(str(len(path.points) - 1))
    title = ax.set_title("iteration 0", loc="left")
    finish(ax, "$x_1$", "$x_2$", outside=True, grid=False)
    title.set_fontsize(SMALL)
    offset = len(path.points) - len(path.history) if path.history else 1  # index of the point of record 0

    def show(k: int) -> None:
        x = path.points[k]
        line.set_data(*path.points[: k + 1].T)
        now.set_data([x[0]], [x[1]])
        record = path.history[k - offset] if path.history and k >= offset else None
        with np.errstate(all="ignore"):
            f = record.fun if record is not None else float(fun(x.copy()))
        title.set_text(f"iteration {record.nit if record is not None else k:{width}d}    f = {f:.6g}")
        if trials is not None:
            trials.set_data(*np.reshape([] if record is None else record.rejected, (-1, 2)).T)
        if patch is not None:
            radius = None if record is None else radius_of(record)
            patch.set_visible(radius is not None)
            if radius is not None:
                move_patch(patch, region, x, radius)

    last = len(path.points) - 1
    chosen = np.unique(np.linspace(0, last, min(frames, last + 1)).round().astype(int))
    show(int(chosen[-1]))
    figure = ax.figure.canvas.figure
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # the frames must not move
    film = FuncAnimation(figure, show, frames=[int(k) for k in chosen], init_func=lambda: None, blit=False)
    if ending == ".gif":
        film.save(os.fspath(file), writer=PillowWriter(fps=fps), dpi=100)
    else:
        with open(file, "w", encoding="utf-8") as page:
            page.write(self_contained(film.to_jshtml(fps=fps, default_mode="once")))
    return ax


def self_contained(page: str) -> str:
    """The page of `to_jshtml` with characters on its buttons instead of icons from a website."""
    page = re.sub(r"<link[^>]*>", "", page)
    return re.sub(r'<i class="fa fa-([a-z -]+)"></i>', lambda found: BUTTONS[found[1]], page)


# ---------------------------------------------------------------- inputs


def planar(who: str, paths: list[Recorded]) -> list[Recorded]:
    """`paths`, checked: each must have a point and two variables."""
    for path in paths:
        if path.points.ndim != 2 or len(path.points) == 0 or path.points.shape[1] != 2:
            raise ValueError(
                f"{who}: paths are drawn in the plane, for functions of 2 variables, but the "
                f"points of {path.label!r} have shape {path.points.shape}"
            )
    return paths


def planar_points(who: str, name: str, given: Any) -> np.ndarray:
    """Points as an array (m, 2); None gives an empty array."""
    points = np.empty((0, 2)) if given is None else np.atleast_2d(np.asarray(given, dtype=float))
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"{who}: {name} must have shape (2,) or (m, 2), got {np.shape(given)}")
    return points


def radius_of(record: Any) -> float | None:
    """The trust radius of a record, if it has one."""
    radius = record.figures.get("radius")
    return float(radius) if isinstance(radius, (float, int, np.floating)) and np.isfinite(radius) else None


def which_region(who: str, region: str, paths: list[Recorded]) -> str:
    """The shape of region to draw; "auto" is decided by the name of the run's method."""
    checks.one_of(who, "region", region, REGIONS)
    if region == "auto":
        method = paths[0].method if len(paths) == 1 else ""
        if not any(radius_of(r) is not None for r in paths[0].history):
            return "none"
        if "InfinityNormTrustRegion" in method:
            return "box"
        return "ball" if "HigherOrderNewton" in method and "trust_method='bounds'" in method else "none"
    if region != "none" and not any(radius_of(r) is not None for path in paths for r in path.history):
        raise ValueError(
            f"{who}: region={region!r} needs records with a radius in their figures, and none "
            "has one; region='none' draws the path alone"
        )
    return region


# ---------------------------------------------------------------- pieces of the picture


def scenery(
    who: str,
    ax: Any,
    fun: Callable,
    paths: list[Recorded],
    stars: np.ndarray,
    bounds: Any,
    levels: int,
    grid: int,
) -> Any:
    """The axes with the contours, which are below everything else."""
    checks.function(who, "fun", fun)
    levels, grid = checks.whole_number(who, "levels", levels, 2), checks.whole_number(who, "grid", grid, 5)
    everything = np.concatenate([stars, *(path.points for path in paths)])
    box = landscape.around(everything) if bounds is None else landscape.frame(who, bounds)
    with np.errstate(all="ignore"):
        known = [float(fun(x.copy())) for x in [*stars, *(path.points[-1] for path in paths)]]
    ax = axes(who, ax, landscape.page(box), "compressed")
    landscape.draw(ax, fun, box, grid, levels, tuple(known))
    return ax


def region_label(region: str) -> str:
    return "trust region" if region == "ball" else "trust region (box)"


def region_patch(
    region: str, x: np.ndarray, radius: float, colour: str, label: str, width: float = 1.6
) -> Any:
    """A circle or a square around x."""
    from matplotlib.patches import Circle, Rectangle

    look: dict[str, Any] = {"fill": False, "ec": colour, "linewidth": width, "zorder": 2, "label": label}
    if region == "ball":
        return Circle((x[0], x[1]), radius, **look)
    return Rectangle((x[0] - radius, x[1] - radius), 2 * radius, 2 * radius, **look)


def move_patch(patch: Any, region: str, x: np.ndarray, radius: float) -> None:
    if region == "ball":
        patch.set(center=(x[0], x[1]), radius=radius)
    else:
        patch.set(xy=(x[0] - radius, x[1] - radius), width=2 * radius, height=2 * radius)


def draw_regions(ax: Any, path: Recorded, region: str, colour: str, several: bool) -> None:
    """The region around each point except the last, where no step began."""
    label = "_region" if several else region_label(region)
    for record in path.history[:-1]:
        radius = radius_of(record)
        if radius is not None:
            ax.add_patch(region_patch(region, record.x, radius, colour, label, width=0.9))
            label = "_region"


def draw_rejected(ax: Any, path: Recorded, colour: str, several: bool) -> None:
    """Crosses at the trial points that were not taken, with thin lines to the points they were tried from."""
    offset = len(path.points) - len(path.history)
    links, trials = [], []
    for k, record in enumerate(path.history, offset):
        for trial in record.rejected:
            trials.append(trial)
            if k > 0:
                links += [path.points[k - 1], trial, [np.nan, np.nan]]
    if not trials:
        return
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    inside = [left <= x <= right and bottom <= y <= top for x, y in trials]
    label = "rejected trials" if all(inside) else f"rejected trials\n({inside.count(False)} beyond the frame)"
    if links:
        ax.plot(
            *np.array(links, dtype=float).T,
            color=colour,
            linewidth=0.8,
            linestyle=":",
            zorder=2.5,
            label="_links",
        )
    ax.plot(
        *np.array(trials, dtype=float).T,
        "x",
        color=colour,
        markersize=6.5,
        markeredgewidth=1.7,
        zorder=3.5,
        label="_rejected" if several else label,
    )


def draw_ends(ax: Any, paths: list[Recorded]) -> None:
    starts = np.array([path.points[0] for path in paths])
    ends = np.array([path.points[-1] for path in paths])
    ax.plot(*starts.T, label="start", zorder=4, **START)
    ax.plot(
        *ends.T,
        "s",
        color="none",
        markeredgecolor=ROLE["end"],
        markeredgewidth=1.6,
        markersize=12,
        zorder=4,
        label="end",
    )


def draw_stars(ax: Any, stars: np.ndarray) -> None:
    if len(stars):
        ax.plot(
            *stars.T,
            "*",
            color=ROLE["minimiser"],
            markeredgecolor="white",
            markeredgewidth=0.8,
            markersize=13,
            zorder=4.5,
            label="minimiser" if len(stars) == 1 else "minimisers",
        )
