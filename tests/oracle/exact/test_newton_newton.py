"""Definition of NewtonNewton: nested Jacobians, by autograd, at every order that it has."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from refopt import NewtonNewton
from refopt.function import FunctionObjective
from refopt.oracle import compare, exact
from refopt.oracle.exact.precise import Arithmetic, plain

REG, X = 0.1, np.array([1.2, 0.7])


def beale(x):
    return (
        (1.5 - x[0] * (1 - x[1])) ** 2
        + (2.25 - x[0] * (1 - x[1] ** 2)) ** 2
        + (2.625 - x[0] * (1 - x[1] ** 3)) ** 2
    )


def vector(k):
    """x_k as a function of x."""
    if k == 1:
        return autograd.grad(beale)
    before = vector(k - 1)
    return lambda x: anp.linalg.solve(autograd.jacobian(before)(x) + REG * np.eye(2), before(x))


@pytest.mark.parametrize("order", [2, 3, 4])
def test_the_step_is_the_last_vector(order):
    point = FunctionObjective(beale, X).at(X)
    method = NewtonNewton(reg=REG, order=order)
    out, _ = exact.run(method, point, point.g, method.init(X), Arithmetic())
    assert plain(out) == pytest.approx(vector(order)(X), rel=1e-10)


def test_above_order_four_there_is_no_definition():
    method = NewtonNewton(reg=REG, order=5)
    report = compare(method, method, (beale, X), 2)
    assert report.ok and report.notes == [
        "NewtonNewton has no precise definition above order 4, got 5; so the bound is measured in float64 "
        "alone"
    ]
