"""What the tests of projections share: a problem over several tensors, both paths on it, a method that
watches.
"""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest
from original import gap
from original import original as path_of_the_original
from original import ours as our_path

import refopt
from refopt import LR, Adam
from refopt.function import FunctionObjective

SHAPES = ((3, 4), (5,), (7, 2, 3), (1,), (8,))
N = sum(int(np.prod(s)) for s in SHAPES)
START = np.random.default_rng(20260102).standard_normal(N)
WEIGHTS = np.linspace(0.5, 3.0, N)
LINKS = np.random.default_rng(20260103).standard_normal((N, N)) / np.sqrt(N)

PARITY = 1e-9  # relative, after 100 steps

PLAIN = Adam(debiased=False)  # with debiasing the original adds eps elsewhere, see the deviation of Adam

TINY_EPS = Adam(eps=1e-30)  # here the place of eps does not matter

STEP = LR(0.03)


def problem(xp, x):
    """Smooth, bounded below, every variable coupled to every other."""
    constant = (lambda a: a) if xp is anp else (lambda a: xp.as_tensor(a, dtype=x.dtype))
    return (
        xp.sum(constant(WEIGHTS) * x**2) / 2
        + xp.sum(x**4) / 20
        + xp.sum(xp.tanh(constant(LINKS) @ x))
        + xp.sum(xp.sin(x))
    )


def steep(xp, x):
    """30 times the problem: no cubic terms so small that the original's root loses digits."""
    return 30 * problem(xp, x)


def fun(x):
    return problem(anp, x)


def ours(method, steps=100, shapes=SHAPES, x0=START, problem=problem):
    """(steps + 1, n): the iterates."""
    return our_path(method, problem, x0, steps, shapes)


def original(modules, steps=100, shapes=SHAPES, x0=START, problem=problem):
    """(steps + 1, n): torchzero's iterates with ``modules(torchzero.m, torchzero.m.experimental)``."""
    return path_of_the_original(modules, problem, x0, steps, shapes)


def follows_the_original(projection, theirs):
    """The path of the projection, Adam inside, against the original's ``theirs(ex, inner)``."""
    path = original(lambda tz, ex: [theirs(ex, [tz.Adam(debias=False)]), tz.LR(0.03)])
    assert gap(ours([projection(PLAIN), STEP]), path) < PARITY
    assert np.abs(path[-1] - path[0]).max() > 0.5, "the path must go somewhere"


def follows_the_original_debiased(projection, theirs):
    path = original(lambda tz, ex: [theirs(ex, [tz.Adam(eps=1e-30)]), tz.LR(0.03)])
    assert gap(ours([projection(TINY_EPS), STEP]), path) < PARITY


class Seen(refopt.Method):
    """Notes what it is given and returns the update as it is."""

    def __init__(self):
        object.__setattr__(self, "log", [])

    def init(self, x, shapes=None, rng=None):
        self.log.append(("init", x.copy(), shapes))
        return ()

    def step(self, point, update, state):
        self.log.append(("step", point, update.copy()))
        return update, state


def one_step(projection, update=None, before=None):
    """Take a step at START; the point, the incoming update and the output."""
    point = FunctionObjective(fun, START, shapes=SHAPES).at(START)
    state = projection.init(point.x, SHAPES, None)
    incoming = point.g if update is None else update
    out, _ = projection.step(point, incoming, state)
    return point, incoming, out


def fails(modules, **where):
    with pytest.raises((RuntimeError, AssertionError, AttributeError, ZeroDivisionError)):
        original(modules, 2, **where)


def spy(log, of):
    """A module of the original that notes ``of(objective)``."""
    import torchzero

    class Spy(torchzero.core.Module):
        def __init__(self):
            super().__init__({})

        def apply(self, objective):
            objective.get_updates()
            log.append([tuple(t.shape) for t in of(objective)])
            return objective

        def update(self, objective):
            pass

    return Spy()
