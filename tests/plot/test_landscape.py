"""The function under the pictures: boxes, values on a grid, levels."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from plot.pictures import INF

from refopt import plot
from refopt.plot import landscape


def test_function_that_is_not_finite_everywhere():
    def log_barrier(x):
        return x[0] + x[1] - np.log(x[0]) - np.log(x[1]) if x[0] != 0.5 else INF

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = plot.trajectory(log_barrier, np.array([[3.0, 0.2], [1.0, 1.0]]), bounds=((-1, 4), (-1, 4)))
        ax.figure.canvas.draw()
        plot.trajectory(lambda x: 1.0, np.array([[0.0, 0.0]])).figure.canvas.draw()  # constant, one point
        plot.trajectory(lambda x: np.nan, np.array([[0.0, 0.0], [1.0, 0.0]])).figure.canvas.draw()


def test_levels_are_even_in_the_logarithm_of_the_height():
    values = 5.0 + np.geomspace(1e-3, 1e3, 10_000)
    levels = landscape.levels_of(values, 5.0, 7)
    ratios = np.diff(np.log(levels - 5.0))
    assert np.allclose(ratios, ratios[0], rtol=1e-9)  # 5 + h - 5 loses up to 1e-12 of the smallest h
    assert levels[-1] == values.max() and levels[0] - 5 < 2e-3


def test_a_box_around_points_is_never_thin():
    left, right, bottom, top = landscape.around(np.array([[0.0, 0.0], [4.0, 0.0], [np.nan, 7.0]]))
    assert (left, right) == pytest.approx((-0.6, 4.6)) and (bottom, top) == pytest.approx((-1.6, 1.6))
    assert landscape.around(np.zeros((1, 2))) == pytest.approx((-0.4, 0.4, -0.4, 0.4))


def test_values_on_a_grid_run_along_x_first():
    x, y, values = landscape.values_on(lambda p: p[0] + 10 * p[1], (0, 2, 0, 1), 3)
    assert x.tolist() == [0, 1, 2] and y.tolist() == [0, 0.5, 1] and values[1].tolist() == [5, 6, 7]
    assert np.isnan(landscape.values_on(lambda p: np.inf, (0, 1, 0, 1), 2)[2]).all()


def test_equal_scales_where_the_box_allows_it():
    assert landscape.is_square((0, 3, 0, 1)) and not landscape.is_square((0, 3.1, 0, 1))
    assert landscape.page((0, 1, 0, 1)) == (6.8, 4.6) and landscape.page((0, 3, 0, 1)) == (6.8, 2.8)


@pytest.mark.parametrize(
    "bounds, error, words",
    [
        (((0, 1), (0, 1), (0, 1)), TypeError, r"X: bounds must be \(\(left, right\), \(bottom, top\)\)"),
        (((1, 0), (0, 1)), ValueError, "X: bounds must be finite with left < right"),
        (((0, np.inf), (0, 1)), ValueError, "X: bounds must be finite"),
    ],
)
def test_frames(bounds, error, words):
    assert landscape.frame("X", [[0, 1], [2, 3]]) == (0.0, 1.0, 2.0, 3.0)
    with pytest.raises(error, match=words):
        landscape.frame("X", bounds)
