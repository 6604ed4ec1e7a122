"""What the families share: axes behind the direction axis, zero coefficients, refused arguments."""

import itertools

import autograd.scipy.special as special
import numpy as np
import pytest

from refopt.derivatives import TaylorError, taylor
from refopt.derivatives.taylor_mode.algebra import each, minus, plus
from refopt.derivatives.taylor_mode.families import (
    all_axes,
    flattened,
    inner,
    outer_axis,
    stretched,
    transposed,
)

X = np.arange(24.0).reshape(2, 3, 4)
BATCH = np.stack([X, -X, X**2, 1 + X, X])


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3, None, (0, 1), (-1, 0), [2]])
def test_axes_count_behind_the_direction_axis(axis):
    one_by_one = np.array([np.sum(x, axis=tuple(axis) if isinstance(axis, list) else axis) for x in BATCH])
    assert np.array_equal(np.sum(BATCH, axis=inner(axis, X)), one_by_one)
    assert np.array_equal(np.sum(BATCH, axis=all_axes(axis, X)), one_by_one)
    if isinstance(axis, int):
        assert np.array_equal(np.sum(BATCH, axis=outer_axis(axis, X)), one_by_one)


def test_shapes_behind_the_direction_axis():
    for axes in itertools.permutations(range(3)):
        assert np.array_equal(transposed(np, BATCH, axes), np.array([x.transpose(axes) for x in BATCH]))
    assert np.array_equal(flattened(np, BATCH), np.array([x.ravel() for x in BATCH]))
    assert stretched(np, BATCH, 2).shape == (5, 1, 1, 2, 3, 4)


def test_none_is_zero():
    assert each(lambda c: 2 * c, [None, 1.0, None]) == [None, 2.0, None]
    assert (plus(None, None), plus(1.0, None), plus(None, 2.0), plus(1.0, 2.0)) == (None, 1.0, 2.0, 3.0)
    assert (minus(None, None), minus(1.0, None), minus(None, 2.0), minus(1.0, 2.0)) == (None, 1.0, -2.0, -1.0)


def test_arguments_that_must_be_constants():
    with pytest.raises(
        TaylorError, match="gammainc' can be expanded in argument 1 only, but argument 0 depends"
    ):
        taylor(lambda x: special.gammainc(x[0], x[1]), np.array([1.5, 0.7]), np.ones(2), 2)
