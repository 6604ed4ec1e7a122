"""ReduceOutwardLR's formula: which sign decides, and torchzero's path."""

import numpy as np
import pytest
from original import gap, original, ours
from steps import outputs

from refopt import LR, ReduceOutwardLR
from refopt.algorithms.reduce_outward_lr import reduce_outward
from refopt.kernels import compiled

# Both compute the same formula in float64, in another order: a few roundings a step, of numbers near 1.
ROUNDING = 1e-12


@pytest.mark.parametrize("function", [reduce_outward, compiled.reduce_outward], ids=["formula", "twin"])
def test_the_real_product_decides(function):
    x = np.array([1e-300, -1e-300, 1e-300, 0.0, 2.0, -2.0, np.nan, np.inf, -np.inf])
    c = np.array([-1e-300, 1e-300, 1e-300, -1.0, -1.0, -1.0, -1.0, 0.0, 5e-324])
    u = np.ones(9)
    assert list(function(u, x=x, c=c, mul=0.5, invert=False)) == [0.5, 0.5, 1, 1, 0.5, 1, 1, 1, 0.5]
    assert list(function(u, x=x, c=c, mul=0.5, invert=True)) == [1, 1, 0.5, 1, 1, 0.5, 1, 1, 1]


def test_a_product_that_underflows_selects_nothing_in_torchzero():
    """The declared deviation: the original multiplies in floating point."""
    path = original(lambda m, ex: ex.ReduceOutwardLR(mul=0.5), np.array([[-1e-200]]), [1e-200], 1)
    assert path[1, 0] == 2e-200
    u, x = np.array([-1e-200]), np.array([1e-200])
    assert (x - reduce_outward(u, x=x, c=u, mul=0.5, invert=False))[0] == 1.5e-200


# ---------------------------------------------------------------- the method, step by step

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
