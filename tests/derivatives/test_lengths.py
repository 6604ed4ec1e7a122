"""The lengths of directions: kept where they fit, found in all units, powers of two."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np

from refopt.derivatives.lengths import better_lengths
from refopt.derivatives.tensors import derivative_tensors


def smooth(x):
    return anp.exp(anp.sum(anp.sin(x) * x[0])) + anp.prod(x) + anp.sum(x[1:] ** 2 * x[:-1] ** 2)


def test_lengths_that_are_good_enough_are_kept():
    x = np.array([0.3, -0.7, 1.1])
    tensors = derivative_tensors(smooth, x, 4)
    assert better_lengths(tensors, np.ones(3)) is None
    again = better_lengths(tensors, np.array([1.0, 2.0**20, 1.0]))
    assert better_lengths(tensors, again) is None and np.all(np.log2(again) % 1 == 0)
    # a variable on which nothing depends keeps its length, and a constant has none that are better
    unused = derivative_tensors(lambda x: x[0] ** 2 + 1e12 * x[1] ** 2, x, 3)
    assert better_lengths(unused, np.array([1.0, 1.0, 5.0]))[2] == 5.0
    assert better_lengths([np.array(2.0), np.zeros(2), np.zeros((2, 2))], np.ones(2)) is None
    assert better_lengths([np.array(2.0), np.ones(2)], np.ones(2)) is None


def test_lengths_follow_the_units_of_x_and_not_those_of_f():
    x, s = np.array([0.7, -1.3, 0.9]), 2.0 ** np.array([30, -10, 3])
    plain = better_lengths(derivative_tensors(smooth, x, 3), np.array([1.0, 2.0**40, 1.0]))
    for factor, offset in ((1.0, 0.0), (2.0**40, 0.0), (2.0**-40, 0.0), (1.0, 64.0)):
        f = lambda z: factor * smooth(z / s) + offset  # noqa: B023, E731
        assert better_lengths(derivative_tensors(f, x * s, 3), np.ones(3)).tolist() == (plain * s).tolist()
