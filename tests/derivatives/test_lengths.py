"""The lengths of directions: kept where they fit, found in all units, powers of two."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np

from refopt.derivatives.lengths import better_lengths, kept_in_range
from refopt.derivatives.tensors import derivative_tensors, fitted_tensors


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


def test_no_size_of_f_or_x_takes_a_term_out_of_the_range_of_the_numbers():
    """At a minimum, where f = 0, no decrease is promised; far from 1 no two terms alike are numbers."""
    x, units = np.array([1.0, 1.0]), 2.0 ** np.array([0, 30])
    valley = lambda z: 100 * (z[1] / units[1] - z[0] ** 2) ** 2 + (1 - z[0]) ** 2  # noqa: E731
    for size in (1e-310, 1e-300, 1e-200, 1.0, 1e200, 1e300):
        for at in (x * units, (x + 2.0**-40) * units, np.array([-1.2, 1.0]) * units):
            with np.errstate(all="raise", under="ignore"):
                tensors, w = fitted_tensors(lambda z: size * valley(z), at, 4)  # noqa: B023
            assert np.all(np.isfinite(w)) and all(np.all(np.isfinite(T)) for T in tensors)
            if 1e-250 < size < 1e250:
                assert 2.0**24 < w[1] / w[0] < 2.0**36, size
            x0, u = at[0], units[1]
            exact = [[1200 * x0**2 - 400 * at[1] / u + 2, -400 * x0 / u], [-400 * x0 / u, 200 / u**2]]
            assert np.allclose(tensors[2], size * np.array(exact), rtol=1e-3, atol=0), size


def test_lengths_whose_product_leaves_the_range_of_the_numbers_are_moved():
    w = kept_in_range(np.array([2.0**-1000, 1.0, 3.0, 2.0**500]), 4)
    assert w.tolist() == [2.0**-224, 1.0, 3.0, 2.0**224]
    # those kept from an expansion of a lower order may be outside the range of a higher one
    tensors, _ = fitted_tensors(lambda x: x[0] ** 2 * x[1] ** 2, np.ones(2), 4, np.full(2, 2.0**300))
    assert tensors[4][0, 0, 1, 1] == 4.0 and tensors[4][0, 0, 0, 1] == 0.0
