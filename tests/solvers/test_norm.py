"""The Euclidean norm where squares overflow or underflow."""

from __future__ import annotations

import numpy as np
import pytest

from refopt.solvers.norm import nrm2


def test_norm_of_large_and_small_vectors():
    assert nrm2(np.array([3e200, 4e200])) == pytest.approx(5e200, rel=1e-15)
    assert nrm2(np.array([3e-200, 4e-200])) == pytest.approx(5e-200, rel=1e-15)
    assert nrm2(np.array([3e30, 4e30], dtype=np.float32)) == pytest.approx(5e30, rel=1e-6)
