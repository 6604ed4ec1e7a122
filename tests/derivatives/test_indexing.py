"""The adjoint of indexing: sums of what is taken more than once, and the same bits as autograd's own."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd.core import vspace
from autograd.numpy.numpy_vjps import untake

from refopt.derivatives import gradient, hessian
from refopt.derivatives.indexing import is_basic, put, take

INDEXES = [
    slice(None, None, 2),
    slice(3, 0, -1),
    2,
    (slice(1, 4), None),
    [0, 2, 2, 4],
    np.array([1, 1, 0]),
    np.array([True, False, True, False, True]),
    (Ellipsis, 1),
    slice(2, 2),
]


@pytest.mark.parametrize("index", INDEXES, ids=str)
def test_gradient_of_indexing_adds_up_what_is_taken_twice(index):
    x, weights = np.arange(1.0, 6.0), np.arange(5.0)[index] + 2.0
    taken = np.zeros(5)
    np.add.at(taken, index, weights * 2 * x[index])
    fun = lambda x: anp.sum(weights * x[index] ** 2)  # noqa: E731
    assert np.array_equal(gradient(fun, x), taken)
    second = np.zeros(5)
    np.add.at(second, index, weights * 2)
    assert np.array_equal(hessian(fun, x), np.diag(second))


@pytest.mark.parametrize("index", INDEXES, ids=str)
def test_the_adjoint_has_the_bits_of_autograds_own(index):
    x = np.random.default_rng(0).standard_normal(5)
    values = 0.1 + np.random.default_rng(1).standard_normal(np.shape(x[index]))
    ours, autograds = (f(values, index, vspace(x)).mut_add(np.zeros(5)) for f in (put, untake))
    assert np.array_equal(ours, autograds)
    assert np.array_equal(take(x, index), x[index])


def test_basic_indexes():
    assert all(map(is_basic, [0, slice(2), (Ellipsis, 1), (None, np.int64(3)), ()]))
    assert not any(map(is_basic, [[0], True, (0, [1]), np.array([1]), (slice(2), np.array([True]))]))
