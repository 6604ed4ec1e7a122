"""The Euclidean norm where squares overflow or underflow."""

from __future__ import annotations

import numpy as np
import pytest

from refopt.solvers.norm import hessian_scale, nrm2


def test_norm_of_large_and_small_vectors():
    assert nrm2(np.array([3e200, 4e200])) == pytest.approx(5e200, rel=1e-15)
    assert nrm2(np.array([3e-200, 4e-200])) == pytest.approx(5e-200, rel=1e-15)
    assert nrm2(np.array([3e30, 4e30], dtype=np.float32)) == pytest.approx(5e30, rel=1e-6)


def test_the_scale_of_the_hessian_has_the_units_of_the_variables():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((4, 4))
    H, unit = A + A.T, np.array([1e-6, 1.0, 1e3, 1e9])
    H[2, 2] = 0.0  # its scale comes from the others
    assert hessian_scale(H * unit[:, None] * unit) == pytest.approx(hessian_scale(H) * unit, rel=1e-12)
    assert hessian_scale(np.zeros((2, 2))).tolist() == [1.0, 1.0]
    assert hessian_scale(np.diag([1e300, 1e-300])).tolist() == pytest.approx([1e150, 1e120])
