"""Definitions of elementwise methods: first steps that can be worked out by hand."""

import numpy as np
import pytest

from refopt import EMA, LR, Adam, CoordinateMomentum, CubicAdam, HeavyBall, ReduceOutwardLR
from refopt.function import FunctionObjective
from refopt.oracle import exact
from refopt.oracle.exact.precise import Arithmetic, plain

G = np.array([2.0, -4.0])


@pytest.mark.parametrize(
    ("method", "first"),
    [
        (LR(0.5), G / 2),
        (ReduceOutwardLR(mul=0.25), [2.0, -1.0]),  # x is (1, 3): the second goes outward, x g < 0
        (ReduceOutwardLR(mul=0.25, invert=True), [0.5, -4.0]),
        (CoordinateMomentum(mask=[[False, True]]), [0.0, -4.0]),
        (CubicAdam(), [2 / (2 + 1e-8), -4 / (4 + 1e-8)]),  # B^2 < 4AC: Adam's step
        (CubicAdam(mode="unsigned_cbrt"), [2 / (2 + 1e-8), -8 / (4 + np.sqrt(16 + 64))]),
        (Adam(eps=0.0), [1.0, -1.0]),
        (Adam(eps=2.0), [0.5, -4 / 6]),
        (HeavyBall(0.9), G),
        (HeavyBall(0.5, dampening=0.5, nesterov=True), 1.25 * G),
        (EMA(0.9), G),
        (EMA(0.75, debiased=False), G / 4),
    ],
)
def test_first_steps(method, first):
    point = FunctionObjective(lambda x: 2 * x[0] - 4 * x[1], np.array([1.0, 3.0])).at(np.array([1.0, 3.0]))
    out, _ = exact.run(method, point, point.g, method.init(point.x), Arithmetic("mpmath"))
    assert plain(out) == pytest.approx(first, rel=1e-14)
