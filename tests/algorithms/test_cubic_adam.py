"""CubicAdam: the minimum of the cubic by hand and by search, its edges, and the original."""

from __future__ import annotations

import numpy as np
import pytest
from original import gap, original, ours
from steps import outputs

from refopt import LR, CubicAdam


def cubic(method, updates):
    """A, B, C of the last step from the docstring's averages, written as sums of weights."""
    updates = np.asarray(updates, dtype=float)
    t = len(updates)

    def mean(beta, power):
        weights = beta ** np.arange(t - 1, -1, -1) * (1 - beta)
        return weights @ updates**power / (1 - beta**t if method.debiased else 1)

    m3 = mean(method.beta3, 3)
    A = {"signed_cbrt": np.cbrt(m3), "unsigned_cbrt": np.abs(np.cbrt(m3)), "halve": m3 / 2}[method.mode]
    return A, np.sqrt(mean(method.beta2, 2)), mean(method.beta1, 1)


@pytest.mark.parametrize("mode", ["signed_cbrt", "unsigned_cbrt", "halve"])
@pytest.mark.parametrize("debiased", [True, False])
def test_the_output_is_the_stationary_point_of_the_cubic_near_zero(mode, debiased):
    """d = -output solves A d^2 + B d + C = 0 with positive curvature; else it is Adam's -C/(B + eps)."""
    updates = np.random.default_rng(8).standard_normal((7, 40))
    method = CubicAdam(mode=mode, debiased=debiased)
    d = -outputs(method, updates)[-1]
    A, B, C = cubic(method, updates)
    real = B**2 - 4 * A * C >= 0
    assert 3 <= real.sum() <= 37  # both cases occur
    assert np.abs(A * d**2 + B * d + C)[real].max() < 1e-13 and np.all((2 * A * d + B)[real] >= 0)
    np.testing.assert_allclose(d[~real], (-C / (B + method.eps))[~real], rtol=1e-12)


def test_a_zero_gradient_gives_zero_and_no_third_moment_gives_adam():
    assert outputs(CubicAdam(), [[0.0]])[0, 0] == 0.0
    out = outputs(CubicAdam(mode="halve", eps=0.0), [[1e-9]])[0, 0]
    assert out == pytest.approx(1.0, rel=1e-6)  # A = 5e-28 against B = 1e-9: Adam's C / B
    alternating = outputs(CubicAdam(beta1=0.0, beta2=0.0, beta3=0.0, eps=0.0), [[1.0], [-1.0]])
    assert alternating.ravel().tolist() == [1.0, -1.0]  # |A| = B = |C|: no stationary point


def test_one_sign_for_long_is_adam():
    """u constant: A = B = C up to sign, the discriminant is negative, the output is C / (B + eps)."""
    out = outputs(CubicAdam(), np.full((5, 2), [2.0, -3.0]))
    np.testing.assert_allclose(out, np.tile([1.0, -1.0], (5, 1)), rtol=1e-8)


def test_alpha_scales_the_output():
    updates = np.random.default_rng(9).standard_normal((4, 3))
    assert np.allclose(
        outputs(CubicAdam(alpha=-0.5), updates), -0.5 * outputs(CubicAdam(), updates), rtol=1e-15
    )


def fun(xp, x):
    return xp.sum(20 * (x - 1) ** 2 * (x + 2) ** 2) + xp.sum(xp.sin(9 * x))


@pytest.mark.parametrize("mode", ["signed_cbrt", "unsigned_cbrt", "halve"])
def test_path_of_the_original(mode):
    """1e-9: the discriminant magnifies rounding; gradients of size 10 keep A away from the original's clip."""
    x0 = np.random.default_rng(22).normal(size=8)
    path = original(lambda m, ex: [ex.CubicAdam(mode=mode), m.LR(0.05)], fun, x0, 50)
    assert gap(ours([CubicAdam(mode=mode), LR(0.05)], fun, x0, 50), path) < 1e-9
    assert np.abs(path[-1] - path[0]).max() > 0.3, "the path must go somewhere"
