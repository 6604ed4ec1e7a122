"""Definition of GradMin: phi and its gradient, by autograd of the formula."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from refopt import LR, GradMin
from refopt.function import FunctionObjective
from refopt.oracle import exact
from refopt.oracle.exact.precise import Arithmetic, plain

X = np.array([1.0, -0.5, 2.0])


def fun(x):
    return x[0] ** 4 + x[0] * x[1] + 2 * x[1] ** 2 + x[2] ** 2 + 3


def size(x):
    return anp.mean(autograd.grad(fun)(x) ** 2)


@pytest.mark.parametrize(
    ("options", "phi"),
    [
        ({}, lambda x: anp.mean(anp.abs(autograd.grad(fun)(x)))),
        ({"square": True}, size),
        ({"square": True, "mean": False}, lambda x: 3 * size(x)),
        ({"square": True, "loss_term": 0.7}, lambda x: 0.7 * fun(x) + size(x)),
        ({"square": True, "loss_term": 0.7, "maximize_grad": True}, lambda x: -0.7 * fun(x) - size(x)),
        (
            {"square": True, "loss_term": 0.7, "relative": "grad_to_loss"},
            lambda x: 0.7 * fun(x) + size(x) * fun(x),
        ),
        (
            {"square": True, "loss_term": 0.7, "relative": "loss_to_grad"},
            lambda x: 0.7 * fun(x) * size(x) + size(x),
        ),
    ],
    ids=str,
)
def test_the_inner_method_gets_the_gradient_of_phi(options, phi):
    method, point = GradMin(LR(1.0), **options), FunctionObjective(fun, X).at(X)
    out, state = exact.run(method, point, point.g, method.init(X), Arithmetic())
    assert float(state.value) == pytest.approx(phi(X), rel=1e-13)
    assert plain(out) == pytest.approx(autograd.grad(phi)(X), rel=1e-13)
