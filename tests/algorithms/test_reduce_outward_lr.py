"""ReduceOutwardLR: which coordinates are damped, and the original."""

from __future__ import annotations

import numpy as np
import pytest
from original import gap, original, ours
from steps import outputs

from refopt import LR, ReduceOutwardLR

X = np.array([2.0, 2.0, -2.0, -2.0, 0.0])
U = np.array([[1.0, -1.0, 1.0, -1.0, 1.0]])  # x - u moves away from zero where x u < 0: the second and third


def test_outward_coordinates_are_multiplied():
    assert outputs(ReduceOutwardLR(0.25), U, X)[0].tolist() == [1.0, -0.25, 0.25, -1.0, 1.0]
    assert outputs(ReduceOutwardLR(0.25, invert=True), U, X)[0].tolist() == [0.25, -1.0, 1.0, -0.25, 1.0]


def test_use_grad_lets_the_gradient_decide():
    """The gradient 2 x points outward nowhere: nothing is damped; inverted, all but the zero is."""
    method = ReduceOutwardLR(0.25, use_grad=True)
    assert np.array_equal(outputs(method, U, X), U)
    assert outputs(ReduceOutwardLR(0.25, use_grad=True, invert=True), U, X)[0].tolist() == [
        0.25,
        -0.25,
        0.25,
        -0.25,
        1.0,
    ]
    assert method.all_needs() == {"g"} and not ReduceOutwardLR().all_needs()


def fun(xp, x):
    return xp.sum((x - 1) ** 2 * (x + 2) ** 2) / 4 + xp.sum(x[1:] * x[:-1])


@pytest.mark.parametrize("invert", [False, True])
def test_path_of_the_original(invert):
    x0 = np.random.default_rng(22).normal(size=6)
    path = original(lambda m, ex: [ex.ReduceOutwardLR(0.3, invert=invert), m.LR(0.02)], fun, x0, 60)
    assert gap(ours([ReduceOutwardLR(0.3, invert=invert), LR(0.02)], fun, x0, 60), path) < 1e-12
    assert gap(ours(LR(0.02), fun, x0, 60), path) > 1e-3, "the factor must matter"
