"""The style of the pictures: one colour per role, large fonts, legends that do not cover lines.

The colours are those of Okabe and Ito (2008), which can be told apart with all common forms of colour
blindness. Lines also differ by dash and marker, so that a grey print can be read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["CYCLE", "ROLE", "axes", "finish", "pyplot", "style_of"]

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"  # the eighth, yellow, is too faint on white

# Each role has the same colour in every picture.
ROLE = {
    "path": BLUE,
    "rejected": VERMILLION,
    "region": ORANGE,
    "minimiser": GREEN,
    "function": BLACK,
    "start": "#FFFFFF",
    "end": BLACK,
}
MARKED = 40  # lines of up to this many points get a marker at each
# Runs and solvers, in the order they are given: (colour, dashes, marker).
CYCLE = [
    (BLUE, "-", "o"),
    (VERMILLION, (0, (5, 1.5)), "s"),
    (GREEN, (0, (3, 1.2, 1, 1.2)), "^"),
    (PURPLE, (0, (1.2, 1.2)), "D"),
    (ORANGE, (0, (7, 1.5, 2, 1.5)), "v"),
    (SKY, "-", "P"),
    (BLACK, (0, (4, 2)), "X"),
]
MODELS = [
    (PURPLE, (0, (5, 1.5))),
    (GREEN, (0, (3, 1.2, 1, 1.2))),
    (SKY, (0, (1.2, 1.2))),
    (BLUE, (0, (7, 1.5, 2, 1.5))),
]
START = {
    "marker": "o",
    "linestyle": "none",
    "color": ROLE["start"],
    "markeredgecolor": "black",
    "markeredgewidth": 1.6,
    "markersize": 8.5,
}

LABEL, TICK, SMALL = 12.0, 11.0, 10.5  # font sizes, in points
CORNERS = ("upper right", "lower left", "upper left", "lower right", "center right", "center left")
CLEAR = 4  # least distance of a legend from the lines, in pixels


def pyplot() -> Any:
    """matplotlib.pyplot; an error with the command to install it if it is missing."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f"refopt.plot needs matplotlib ({error}); pip install 'refopt[plot]'") from error
    return plt


def axes(who: str, ax: Any, size: tuple[float, float] = (5.6, 3.9), layout: str = "constrained") -> Any:
    """`ax`, checked, or the axes of a new figure; contours with equal scales need the layout "compressed"."""
    plt = pyplot()
    if ax is None:
        ax = plt.subplots(figsize=size, layout=layout)[1]
    elif not hasattr(ax, "plot") or not hasattr(ax, "figure"):
        raise TypeError(
            f"{who}: ax must be matplotlib axes or None, got {type(ax).__name__}; plt.subplots() "
            "gives a figure and axes"
        )
    return ax


def style_of(i: int, count: int) -> dict[str, Any]:
    """The style of the line of the i-th run or solver, with `count` points; styles repeat after seven."""
    colour, dashes, marker = CYCLE[i % len(CYCLE)]
    return {"color": colour, "linestyle": dashes, "marker": marker if count <= MARKED else None}


def finish(ax: Any, xlabel: str, ylabel: str, outside: bool = False, grid: bool = True) -> None:
    """Set labels and sizes, and put a legend where it covers no line, or beside the axes."""
    ax.set_xlabel(xlabel, fontsize=LABEL)
    ax.set_ylabel(ylabel, fontsize=LABEL)
    ax.tick_params(labelsize=TICK, pad=5.5)  # labels of the two axes do not meet in the corner
    ax.title.set_fontsize(LABEL)
    if grid:
        ax.grid(True, color="0.88", linewidth=0.6)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
    if not ax.get_legend_handles_labels()[0]:
        return
    if not outside:
        ax.figure.canvas.figure.draw_without_rendering()  # so that the lines have their final places
        lines = [drawn_path(line) for line in ax.lines if line.get_visible() and len(line.get_xdata())]
        for corner in CORNERS:
            box = ax.legend(loc=corner, fontsize=SMALL, framealpha=1.0).get_window_extent().padded(CLEAR)
            if not any(path.intersects_bbox(box, filled=False) for path in lines if len(path.vertices)):
                return
    ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), borderaxespad=0.0, fontsize=SMALL, frameon=False)


def drawn_path(line: Any) -> Any:
    """The path of a line in the figure, in pixels."""
    from matplotlib.cbook import STEP_LOOKUP_MAP
    from matplotlib.path import Path

    x, y = line.get_data()
    xy = STEP_LOOKUP_MAP[line.get_drawstyle()](np.asarray(x, dtype=float), np.asarray(y, dtype=float))
    with np.errstate(divide="ignore", invalid="ignore"):
        path = line.get_transform().transform_path(Path(np.column_stack(xy)))
    return path.cleaned(remove_nans=True)
