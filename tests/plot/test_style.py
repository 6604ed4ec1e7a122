"""The look of pictures: overlaps are seen, colours are told apart, axes of the caller, no matplotlib."""

from __future__ import annotations

import subprocess
import sys

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from plot.pictures import INF, overlaps, rosenbrock

from refopt import plot
from refopt.plot import style


def test_the_overlap_check_sees_overlaps():
    """Planted: labels on top of each other, a legend on a line, a label beyond the page."""
    _, ax = plt.subplots()
    ax.plot([0, 1], [0, 1], label="a line that is named")
    ax.legend(loc="center")
    assert ("legend", "a line that is named") in overlaps(ax)
    ax.set_xticks([0.5, 0.501], ["left one", "right one"])
    assert ("x tick 0.5", "x tick 0.501") in overlaps(ax)
    ax.set_ylabel("far away", labelpad=200)
    assert ("ylabel", "page") in overlaps(ax)


# Three problems. Best costs: 10, 10, 40. Ratios A: 1, 2, inf; B: 3, 1, 1; C never solves anything.
TABLE = {"A": [10, 20, INF], "B": [30, 10, 40], "C": [INF, INF, INF]}


def test_axes_of_the_caller(tmp_path, runs):
    res = runs["Newton"]
    for draw in (
        lambda ax: plot.trajectory(rosenbrock, res, grid=11, ax=ax),
        lambda ax: plot.convergence(res, ax=ax),
        lambda ax: plot.model(rosenbrock, [0.0, 0.0], 2, grid=11, ax=ax),
        lambda ax: plot.profile(TABLE, ax=ax),
        lambda ax: plot.animation(res, rosenbrock, tmp_path / "x.gif", grid=11, frames=2, ax=ax),
    ):
        _, ax = plt.subplots()
        assert draw(ax) is ax and len(plt.get_fignums()) == 1
        plt.close("all")
        with pytest.raises(TypeError, match=r"ax must be matplotlib axes or None, got int; plt.subplots\(\)"):
            draw(3)
        assert not plt.get_fignums()


def test_without_matplotlib():
    """The package imports, the curves are computed, a picture says what to install."""
    out = subprocess.run(
        [
            sys.executable,
            "-c",
            """
import sys
sys.modules["matplotlib"] = None
import numpy as np, refopt
print(refopt.plot.performance_profile({"A": [1.0]})["A"][1].tolist())
for call in (lambda: refopt.plot.profile({"A": [1.0]}),
             lambda: refopt.plot.trajectory(lambda x: 0.0, np.ones((2, 2))),
             lambda: refopt.plot.model(lambda x: 0.0 * x[0], [0.0], 1),
             lambda: refopt.plot.animation(np.ones((2, 2)), lambda x: 0.0, "x.gif")):
    try:
        call()
    except ImportError as error:
        print("pip install 'refopt[plot]'" in str(error))
""",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert out.split() == ["[1.0]", "True", "True", "True", "True"]


# Protanopia, deuteranopia, tritanopia as projections in cone space (Viénot, Brettel, Mollon 1999).
CONES = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])

LOST = (
    [[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]],
    [[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]],
    [[1, 0, 0], [0, 1, 0], [-0.395913, 0.801109, 0]],
)


def smallest_gap(colours):
    """The least distance of two colours in RGB, over the three deficiencies."""
    rgb = np.array([matplotlib.colors.to_rgb(c) for c in colours])
    views = [rgb @ (np.linalg.solve(CONES, np.array(lost) @ CONES)).T for lost in LOST]
    return min(np.linalg.norm(a - b) for seen in views for i, a in enumerate(seen) for b in seen[:i])


def test_colours_are_distinct_for_the_colour_blind():
    """Measured 0.166 of the RGB cube's side; matplotlib's own first seven colours come as close as 0.038."""
    ours, default = smallest_gap([c for c, *_ in style.CYCLE]), smallest_gap([f"C{i}" for i in range(7)])
    assert ours > 0.15 > 3 * default, (ours, default)
