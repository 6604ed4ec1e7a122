"""convergence: what is drawn equals what was recorded."""

from __future__ import annotations

import copy

import matplotlib.pyplot as plt
import numpy as np
import pytest
from plot.pictures import KEEP, labels_of, line, overlaps, record, rosenbrock

import refopt
from refopt import plot


@pytest.mark.parametrize("against, field", [("iterations", "nit"), ("evaluations", "nfev"), ("time", "time")])
@pytest.mark.parametrize("quantity, value", [("f", "fun"), ("gradient", "gnorm"), ("gap", "fun")])
def test_convergence_draws_the_history(runs, against, field, quantity, value):
    f_opt = -1.0 if quantity == "gap" else None
    histories = {name: [copy.copy(r) for r in res.history] for name, res in runs.items()}
    for r in (r for history in histories.values() for r in history):
        r.time = 1e-3 * r.nfev**0.9  # the same picture in every run of this test
    ax = plot.convergence(list(histories.values()), list(runs), against, quantity, f_opt)
    for name, history in histories.items():
        drawn = line(ax, name)
        assert np.array_equal(drawn.get_xdata(), [getattr(r, field) for r in history])
        expected = [getattr(r, value) + (quantity == "gap") for r in history]
        assert np.array_equal(drawn.get_ydata(), expected)
    assert ax.get_yscale() == "log" and labels_of(ax) == list(runs)
    assert ax.get_xlabel() and ax.get_ylabel() and not overlaps(ax)


def test_scale_of_f():
    def scale(values):
        return plot.convergence([record(nit=k, fun=v) for k, v in enumerate(values, 1)]).get_yscale()

    assert scale([1e4, 1.0]) == "log" and scale([2.0, 1.0]) == "linear" and scale([1e4, -1.0]) == "linear"
    assert scale([1e4, 1.0, 0.0]) == "log"


def test_reaching_the_optimum_is_marked():
    history = [record(nit=k, fun=v) for k, v in enumerate([3.0, 2.0, 1.0, 1.0], 1)]
    ax = plot.convergence(history, labels=["a"], quantity="gap", f_opt=1.0)
    assert np.array_equal(line(ax, "a").get_ydata(), [2.0, 1.0, np.nan, np.nan], equal_nan=True)
    assert list(line(ax, "_reached").get_xdata()) == [3]
    ax.figure.canvas.draw()


def test_run_without_iterations():
    res = refopt.minimize(rosenbrock, [1.0, 1.0], method="Newton", options=KEEP)
    assert res.nit == 0
    ax = plot.convergence(res, quantity="gradient")
    ax.figure.canvas.draw()
    assert labels_of(ax) == ["Newton + Backtracking (no iteration)"]
    plot.trajectory(rosenbrock, res).figure.canvas.draw()


@pytest.mark.parametrize(
    "call, error, message",
    [
        (
            lambda r: plot.convergence(np.zeros((2, 2))),
            TypeError,
            "an array of points has no history.*return_all",
        ),
        (
            lambda r: plot.convergence(r, against="steps"),
            ValueError,
            "against must be one of 'iterations'.*got 'steps'",
        ),
        (
            lambda r: plot.convergence(r, quantity="x"),
            ValueError,
            "quantity must be one of 'f', 'gradient', 'gap'",
        ),
        (lambda r: plot.convergence(r, quantity="gap"), ValueError, "quantity='gap' needs f_opt"),
        (lambda r: plot.convergence(r, f_opt=0.0), ValueError, "f_opt is used by quantity='gap' only"),
    ],
)
def test_wrong_input(runs, call, error, message):
    with pytest.raises(error, match=message):
        call(runs["Newton"])
    assert not plt.get_fignums()
