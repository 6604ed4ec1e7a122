"""Functions that tests of several modules share. The problems that users may run are in `refopt.problems`."""

from __future__ import annotations

import contextlib

import autograd.numpy as anp
import numpy as np
from autograd.core import primitive_vjps
from autograd.extend import defvjp, primitive

from refopt.function import FunctionObjective
from refopt.models.taylor import taylor_model


def never(x):
    """For calls that must be refused before the first evaluation."""
    raise AssertionError("evaluated although the input was wrong")


@contextlib.contextmanager
def square_with_the_rule(rule):
    """A primitive of our own, x^2, with this derivative rule, which is forgotten afterwards."""
    before = set(primitive_vjps)
    square = primitive(lambda x: x**2)
    defvjp(square, rule)
    try:
        yield square
    finally:
        for fun in set(primitive_vjps) - before:
            del primitive_vjps[fun]


def sphere(x):
    return (x**2).sum()


def bowl(x):
    """Strictly convex, not quadratic."""
    return (
        x[0] ** 2
        + 2 * x[1] ** 2
        + 3 * x[2] ** 2
        + x[0] * x[1]
        + 0.1 * (x[0] - x[2]) ** 4
        + 0.05 * (x[1] + x[2]) ** 4
    )


BOWL = (bowl, [2.0, -1.0, 1.5])


def mixed(xp, x):
    """Two parts of different growth, in `xp`, a namespace such as autograd.numpy."""
    return xp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2) + 2 + xp.sum(x**3 * xp.sin(x))


# Functions with derivatives of every order.
SMOOTH = {
    "rosenbrock": lambda x: anp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2),
    "waves": lambda x: anp.sum(anp.sin(x) * anp.cos(anp.roll(x, 1))) + 0.1 * anp.sum(x**2),
    "exponentials": lambda x: anp.sum(anp.exp(0.5 * x) - x) + anp.sum(x[1:] * x[:-1]),
}


def model_of(name, n, order, seed, derivatives="tensors"):
    """The Taylor model of ``SMOOTH[name]`` at a random point."""
    x = np.random.default_rng(seed).normal(size=n)
    return taylor_model(FunctionObjective(SMOOTH[name], x).at(x), order, derivatives)
