"""The cube root, against 50 digits."""

import mpmath
import numpy as np
import pytest
from kernels.elementwise_cases import DTYPES

from refopt.kernels.cbrt import cbrt


@pytest.mark.parametrize("dtype", DTYPES)
def test_cbrt_is_within_one_ulp(dtype):
    rng = np.random.default_rng(11)
    f = np.finfo(dtype)
    x = np.concatenate([
        rng.uniform(1, 2, 1500) * 2.0 ** rng.integers(f.minexp - f.nmant, f.maxexp, 1500),
        rng.uniform(-8, 8, 500),
        2.0 ** np.arange(f.minexp, f.maxexp),
        np.linspace(0.999, 1.001, 101),
    ]).astype(dtype)  # fmt: skip
    x = np.concatenate([x, [f.max, -f.max, f.tiny, f.smallest_subnormal, np.nextafter(f.tiny, dtype(0))]])
    x = x[np.isfinite(x) & (x != 0)].astype(dtype)
    y = cbrt(x)
    worst = 0.0
    with mpmath.workprec(200):
        for a, b in zip(x, y, strict=True):
            root = mpmath.sign(a) * mpmath.cbrt(abs(mpmath.mpf(float(a))))
            worst = max(worst, abs(float((mpmath.mpf(float(b)) - root) / float(np.spacing(abs(b))))))
    assert worst < 0.51  # half an ulp is the rounding itself; the method adds about 0.003


@pytest.mark.parametrize("dtype", DTYPES)
def test_cbrt_of_cubes_and_of_no_numbers(dtype):
    k = np.arange(-40, 41).astype(dtype)
    assert np.array_equal(cbrt(k**3), k)
    odd = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], dtype)
    assert cbrt(odd)[:4].tobytes() == odd[:4].tobytes() and np.isnan(cbrt(odd)[4])
