"""Performance and data profiles, against a hand calculation and their definition."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from plot.pictures import INF, labels_of, line, overlaps

from refopt import plot

# Three problems. Best costs: 10, 10, 40. Ratios A: 1, 2, inf; B: 3, 1, 1; C never solves anything.
TABLE = {"A": [10, 20, INF], "B": [30, 10, 40], "C": [INF, INF, INF]}

BY_HAND = {"A": ([1, 2], [1 / 3, 2 / 3]), "B": ([1, 3], [2 / 3, 1]), "C": ([1], [0])}

# n = 4, 1, 3: simplex gradients of 5, 2, 4 evaluations.
DATA_BY_HAND = {
    "A": ([0, 2, 10], [0, 1 / 3, 2 / 3]),
    "B": ([0, 5, 6, 10], [0, 1 / 3, 2 / 3, 1]),
    "C": ([0], [0]),
}


def test_curves_equal_the_hand_calculation():
    for curves, expected in (
        (plot.performance_profile(TABLE), BY_HAND),
        (plot.data_profile(TABLE, [4, 1, 3]), DATA_BY_HAND),
    ):
        for name, (x, share) in expected.items():
            assert np.array_equal(curves[name][0], x) and np.array_equal(curves[name][1], share), name


def test_problem_that_nobody_solves_counts():
    curves = plot.performance_profile({"A": [1.0, INF], "B": [2.0, INF]})
    assert curves["A"][1].tolist() == [0.5] and curves["B"][1].tolist() == [0.0, 0.5]


def test_curves_equal_the_definition():
    rng = np.random.default_rng(11)
    table = {name: np.where(rng.random(30) < 0.2, INF, rng.integers(1, 50, 30)) for name in "ABC"}
    n = rng.integers(1, 9, 30)
    best = np.min(list(table.values()), axis=0)
    performance, data = plot.performance_profile(table), plot.data_profile(table, n)
    for name, c in table.items():
        for t in rng.uniform(1, 20, 50):
            for (x, share), solved in ((performance[name], c <= t * best), (data[name], c <= t * (n + 1))):
                solved = solved & np.isfinite(c)
                assert share[np.searchsorted(x, t, side="right") - 1] == solved.mean(), (name, t, "seed 11")


@pytest.mark.parametrize("kind, n", [("performance", None), ("data", [4, 1, 3])])
def test_profile_draws_the_curves(kind, n):
    ax = plot.profile(TABLE, kind=kind, n=n)
    curves = plot.performance_profile(TABLE) if n is None else plot.data_profile(TABLE, n)
    for name, (x, share) in curves.items():
        drawn = line(ax, name)
        assert np.array_equal(drawn.get_xdata()[:-1], x) and np.array_equal(drawn.get_ydata()[:-1], share)
        assert drawn.get_drawstyle() == "steps-post" and drawn.get_xdata()[-1] >= ax.get_xlim()[1]
    assert ax.get_xlim()[0] == (1 if n is None else 0) and labels_of(ax) == ["A", "B", "C"]
    assert not overlaps(ax)
    assert plot.profile(TABLE, kind=kind, n=n, limit=2.5).get_xlim()[1] == 2.5


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda r: plot.profile({}), TypeError, r"table must be a dict \{solver: costs\}.*got \{\}"),
        (lambda r: plot.profile({"A": [1, 2], "B": [1]}), ValueError, r"'A' has 2, 'B' has shape \(1,\)"),
        (
            lambda r: plot.profile({"A": [1, np.nan]}),
            ValueError,
            "costs must be positive.*problem 1 costs 'A' nan",
        ),
        (lambda r: plot.profile({"A": ["x"]}), TypeError, "costs must be numbers, inf for a failure"),
        (lambda r: plot.profile(TABLE, kind="perf"), ValueError, "kind must be one of 'performance', 'data'"),
        (lambda r: plot.profile(TABLE, kind="data"), ValueError, "kind='data' needs n"),
        (lambda r: plot.profile(TABLE, n=3), ValueError, "n is used by kind='data' only"),
        (
            lambda r: plot.profile(TABLE, kind="data", n=[1, 2]),
            ValueError,
            "one whole number >= 1 for each of the 3 problems",
        ),
        (lambda r: plot.profile(TABLE, limit=1.0), ValueError, r"limit must be in \(1, inf\), got 1"),
    ],
)
def test_wrong_input(runs, call, error, message):
    with pytest.raises(error, match=message):
        call(runs["Newton"])
    assert not plt.get_fignums()
