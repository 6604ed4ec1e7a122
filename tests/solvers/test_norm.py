"""The Euclidean norm where squares overflow or underflow."""

from __future__ import annotations

import numpy as np
import pytest

from refopt.models.taylor import TensorModel
from refopt.solvers.norm import StepNorm, hessian_scale, nrm2


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


def test_the_norm_of_steps_has_no_units():
    """In other units of x and f, D s stays the same; D falls slowly, and extreme units of f leave it."""
    rng = np.random.default_rng(1)
    g, s, unit = rng.standard_normal(3), rng.standard_normal(3), 2.0 ** np.array([0, 20, -30])
    H = np.diag([1.0, 4.0, 9.0]) + 0.1
    plain = StepNorm().at(TensorModel([0.0, g, H]), g)
    other = StepNorm().at(TensorModel([0.0, 8 * g / unit, 8 * H / unit / unit[:, None]]), 8 * g / unit)
    assert plain.scale * s == pytest.approx(other.scale * (unit * s), rel=1e-12)
    assert nrm2(g / plain.scale) == pytest.approx(plain.unit**2) and other.unit**2 == pytest.approx(
        8 * plain.unit**2
    )
    flat = plain.at(TensorModel([0.0, g, 1e-12 * H]), g)
    assert flat.scale == pytest.approx(0.1 * plain.scale) and flat.unit == plain.unit
    assert StepNorm().at(TensorModel([0.0, 1e-80 * g, 1e-80 * H]), 1e-80 * g) == StepNorm()
    assert StepNorm().at(TensorModel([0.0, g]), g) == StepNorm()  # no Hessian


def test_a_norm_measures_the_model_the_bounds_and_the_first_step():
    g, x = np.array([6.0, 12.0]), np.array([1.0, 2.0])
    model = TensorModel([0.0, g, np.diag([4.0, 9.0])])
    norm, z = StepNorm().at(model, g), np.array([0.3, -0.2])
    of_z, box = norm.applied(model, x, (np.zeros(2), np.full(2, 5.0)))
    assert of_z.value(z) == pytest.approx(model.value(z / norm.scale))
    assert box[0] / norm.scale == pytest.approx(-x) and box[1] / norm.scale == pytest.approx(5 - x)
    assert StepNorm().applied(model, x, None) == (model, None)
    assert norm.first_scale("bounds", None, g, 2) == 1.0 and norm.first_scale("bounds", 3.0, g, 2) == 3.0
    assert StepNorm().first_scale("proximal", None, g, 2) == 0.1
    assert norm.first_scale("proximal", None, g, 2) == pytest.approx(1 / norm.unit**2)
    # the minimiser of -|g| r + sigma r^(p+1) / (p+1) is r = (|g| / sigma)^(1/p)
    sigma = StepNorm().first_scale("regularized", 0.5, g, 3)
    assert (nrm2(g) / sigma) ** (1 / 3) == pytest.approx(0.5)
