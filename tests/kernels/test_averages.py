"""Exponential averages: in place, and unbiased from the first step on."""

from __future__ import annotations

import numpy as np
import pytest

from refopt.kernels.averages import average, unbias


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_array_is_updated_in_place_and_keeps_its_dtype(dtype):
    m, value = np.array([4.0, -2.0], dtype), np.array([8.0, 2.0], dtype)
    view = m[:]
    assert average(m, np.float64(0.75), value) is None
    assert view.tolist() == [5.0, -1.0] and m.dtype == dtype and value.tolist() == [8.0, 2.0]


def test_a_constant_is_its_own_unbiased_average():
    """m = c (1 - beta^t) after t steps from zero."""
    m = np.zeros(1)
    for t in range(1, 8):
        average(m, 0.9, np.array([3.0]))
        assert m[0] * unbias(0.9, t, True) == pytest.approx(3.0, rel=1e-14)
        assert unbias(0.9, t, False) == 1.0
