"""Definitions of the projections: matrices of sines and cosines, and of zeros."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.fft

from refopt.function import FunctionObjective
from refopt.oracle.exact.precise import Arithmetic, PrecisePoint, plain
from refopt.oracle.exact.projections import cosines, fourier, padding, stacked

POINT = FunctionObjective(lambda x: x[0], np.ones(2)).at(np.ones(2))


@pytest.fixture(params=["longdouble", "mpmath"])
def p(request):
    return PrecisePoint(POINT, Arithmetic(request.param))


@pytest.mark.parametrize("shape", [(1,), (4,), (5,), (2, 3), (3, 4)])
@pytest.mark.parametrize("norm", [None, "backward", "forward", "ortho"])
def test_fourier_is_the_real_transform(p, shape, norm):
    P, Q = fourier(p, shape, norm)
    x = np.random.default_rng(0).standard_normal(shape)
    right = np.fft.rfftn(x, norm=norm or "backward").reshape(-1)
    assert plain(P @ x.reshape(-1)) == pytest.approx(
        np.stack([right.real, right.imag], axis=1).reshape(-1), abs=1e-13
    )
    assert plain(Q @ P) == pytest.approx(np.eye(x.size), abs=1e-15)


@pytest.mark.parametrize("shape", [(1,), (4,), (2, 3)])
def test_cosines_are_orthonormal(p, shape):
    P, Q = cosines(p, shape)
    x = np.random.default_rng(0).standard_normal(shape)
    assert plain(P @ x.reshape(-1)) == pytest.approx(scipy.fft.dctn(x, norm="ortho").reshape(-1), abs=1e-13)
    assert plain(Q @ P) == pytest.approx(np.eye(x.size), abs=1e-15)


def test_tensors_are_transformed_one_by_one(p):
    P, Q = stacked(p, [(np.ones((1, 2)), np.ones((2, 1))), (np.full((2, 1), 3.0), np.full((1, 2), 5.0))])
    assert plain(P).tolist() == [[1, 1, 0], [0, 0, 3], [0, 0, 3]]
    assert plain(Q).tolist() == [[1, 0, 0], [1, 0, 0], [0, 5, 5]]


@pytest.mark.parametrize(
    ("options", "n", "rows"),
    [
        ({"max_side": 5}, 3, 3),  # fits into one side
        ({"max_side": 5}, 125, 125),
        ({"max_side": 3}, 10, 27),  # three axes are needed, each of 3
        ({"max_size": 3, "batched": True}, 7, 9),
        ({"max_size": 3, "batched": False}, 7, 7),
    ],
)
def test_padding_adds_zero_rows(p, options, n, rows):
    P, Q = padding(SimpleNamespace(**options), p, SimpleNamespace(n=n, parent_shapes=((n,),)))
    assert P.shape == (rows, n) and plain(Q @ P).tolist() == np.eye(n).tolist()
