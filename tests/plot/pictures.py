"""What the tests of pictures share: names and lines of a picture, what overlaps in it, records by hand."""

from __future__ import annotations

import numpy as np

from refopt.plot import style
from refopt.run import Record

KEEP = {"return_all": True}

INF = np.inf


def rosenbrock(x):
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def labels_of(ax):
    return [t.get_text() for t in ax.get_legend().get_texts()]


def line(ax, label):
    return next(entry for entry in ax.lines if entry.get_label() == label)


def texts_of(ax):
    """Boxes of everything that can be read: title, axis labels, shown tick labels, legend."""
    ax.figure.canvas.draw()
    legend = ax.get_legend()
    boxes = {
        "xlabel": ax.xaxis.label,
        "ylabel": ax.yaxis.label,
        "title": ax.title,
        "left title": ax._left_title,
        "legend": legend,
    }
    for name, axis in (("x", ax.xaxis), ("y", ax.yaxis)):
        low, high = sorted(axis.get_view_interval())
        boxes |= {
            f"{name} tick {tick.get_loc():g}": tick.label1
            for tick in axis.get_major_ticks()
            if low <= tick.get_loc() <= high
        }
    return {
        name: artist.get_window_extent()
        for name, artist in boxes.items()
        if artist is not None and (artist is legend or artist.get_text())
    }


def overlaps(ax):
    """Pairs of texts that touch, texts cut by the page, and lines under the legend."""
    boxes = texts_of(ax)
    found = [(a, b) for a in boxes for b in boxes if a < b and boxes[a].overlaps(boxes[b])]
    page = ax.figure.bbox.padded(1)
    found += [
        (name, "page")
        for name, box in boxes.items()
        if not (page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1)
    ]
    if "legend" in boxes:
        found += [
            ("legend", entry.get_label())
            for entry in ax.lines
            if len(entry.get_xdata())
            and style.drawn_path(entry).intersects_bbox(boxes["legend"], filled=False)
        ]
    return found


def record(**fields):
    r = Record()
    values = {
        "nit": 1,
        "x": np.zeros(2),
        "fun": 1.0,
        "jac": np.zeros(2),
        "gnorm": 1.0,
        "update_norm": 1.0,
        "accepted": True,
        "nfev": 1,
        "njev": 1,
        "nhev": 0,
        "nhvp": 0,
        "ntaylor": 0,
        "time": 0.1,
        "figures": {},
        "rejected": [],
    }
    for name, value in {**values, **fields}.items():
        setattr(r, name, value)
    return r
