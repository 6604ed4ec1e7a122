"""Powers of two that move numbers away from the ends of the exponent range, without a change of digits."""

from __future__ import annotations

import numpy as np
import pytest

from refopt.kernels.scales import SCALES


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_of_scaled_numbers_stay_in_range(dtype):
    up, down = SCALES[np.dtype(dtype)]
    assert up.dtype == down.dtype == dtype and up * down == 1
    x = dtype(1.1)
    assert (x * up) * down == x == (x * down) * up  # a power of two costs no digit
    info = np.finfo(dtype)
    small, large = np.sqrt(info.tiny, dtype=dtype) / 4, np.sqrt(info.max, dtype=dtype) * 4
    assert 0 < (small * up) ** 2 and np.isfinite((large * down) ** 2)
    assert (small * up) ** 2 > info.tiny
