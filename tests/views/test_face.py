"""The free variables of a point inside bounds."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest

from refopt.function import FunctionObjective
from refopt.views.face import MARGIN, Face, along_gradient, face_of, inward, reciprocal

LOWER, UPPER = np.array([0.0, 0.0, 0.0, 2.0]), np.array([1.0, 1.0, 1.0, 2.0])


def point_at(x, slope, bounds=(LOWER, UPPER)):
    """A point whose gradient is `slope`."""
    x, slope = np.asarray(x, dtype=float), np.asarray(slope, dtype=float)
    return FunctionObjective(lambda x: anp.dot(slope, x), x, bounds=bounds).at(x)


def test_without_bounds_nothing_changes():
    face = face_of(point_at([0.5] * 4, [1.0] * 4, None), lambda: 1 / 0)
    v, A = np.arange(4.0), np.eye(4)
    assert face.part(v) is v and face.whole(v) is v and face.direction(v) is v and face.block(A) is A


def test_a_variable_at_its_bound_is_bound_if_the_gradient_holds_it_there():
    #                         held      pulled in  inside     l = u
    face = face_of(point_at([0.0, 0.0, 0.5, 2.0], [1.0, -1.0, 1.0, 0.0]), lambda: 0.1)
    assert face.free.tolist() == [False, True, True, False]
    face = face_of(point_at([1.0, 1.0, 0.5, 2.0], [1.0, -1.0, 1.0, 0.0]), lambda: 0.1)
    assert face.free.tolist() == [True, False, True, False]


def test_the_margin_shrinks_with_the_distance_to_a_solution():
    near = [MARGIN / 2, 0.5, 0.5, 2.0]
    far = point_at(near, [1.0, 1.0, 0.0, 0.0])  # x_1 would move by 0.5
    assert face_of(far, lambda: 1.0).free.tolist() == [False, True, True, False]
    solved = point_at(near, [1e-8, 1e-8, 0.0, 0.0])
    assert face_of(solved, lambda: 1.0).free.tolist() == [True, True, True, False]
    # the units of f do not count: the method gives the scale
    assert face_of(point_at(near, [1e8, 1e8, 0.0, 0.0]), lambda: 1e-16).free.tolist() == [True] * 3 + [False]


def test_the_margin_is_a_share_of_a_narrow_box():
    bounds = (np.zeros(2), np.array([1e-6, 1.0]))
    point = point_at([5e-7, 0.5], [1.0, 1.0], bounds)  # in the middle of its box
    assert face_of(point, lambda: 1.0).free.all()


def test_parts_and_the_whole():
    face = Face(np.array([True, False, True]), np.array([0.0, 7.0, 0.0]))
    A = np.arange(9.0).reshape(3, 3)
    assert face.part(np.array([1.0, 2.0, 3.0])).tolist() == [1, 3]
    assert face.part(A).tolist() == [[0, 2], [3, 5], [6, 8]]
    assert face.block(A).tolist() == [[0, 2], [6, 8]]
    assert face.whole(np.array([1.0, 3.0])).tolist() == [1, 0, 3]
    assert face.direction(np.array([1.0, 3.0])).tolist() == [1, 7, 3]


def test_bound_variables_go_along_their_own_gradient():
    face = face_of(
        point_at([0.0, 0.5, 1.0, 2.0], [3.0, 1.0, -5.0, 2.0]), lambda: np.array([1.0, 9.0, 2.0, 1.0])
    )
    assert face.direction(np.array([0.25])).tolist() == [3.0, 0.25, -10.0, 2.0]


def test_inward_is_the_limit_of_the_projected_path():
    rng = np.random.default_rng(3)
    lower, upper = np.zeros(50), np.ones(50)
    x, v = np.clip(rng.normal(0.5, 1, 50), 0, 1), rng.normal(size=50)
    a = 1e-9  # inside variables are farther than this from their bounds
    path = (x - np.clip(x - a * v, lower, upper)) / a
    assert inward(x, v, (lower, upper)) == pytest.approx(path, abs=1e-6)
    assert inward(x, v, None) is v


def test_scales():
    assert reciprocal(np.array([2.0, -4.0, 0.0, np.inf, np.nan, 5e-324])).tolist() == [0.5, 0.25, 1, 1, 1, 1]
    x = np.array([0.0, 1.0])
    point = FunctionObjective(lambda x: x[0] + 4 * x[1] ** 2, x, bounds=(np.zeros(2), np.full(2, 9.0))).at(x)
    assert along_gradient(point, point.hvp) == pytest.approx(1 / 8)  # x_0 is held and does not count
    still = point_at([0.0, 0.0, 0.0, 2.0], [1.0] * 4)
    assert along_gradient(still, lambda v: 1 / 0) == 1.0
