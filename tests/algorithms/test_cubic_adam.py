"""CubicAdam's formula, against the schoolbook root with 400 digits, at the edges, and against torchzero."""

import mpmath
import numpy as np
import pytest
from original import gap, original, ours
from steps import outputs

from refopt import LR, CubicAdam
from refopt.algorithms.cubic_adam import MODES, cubic_adam

KEEP = {"beta1": 1.0, "beta2": 1.0, "beta3": 1.0}  # the averages stay what they are


def minimiser(m1, m2, m3, eps, mode):
    """CubicAdam's step by the schoolbook formula, with digits for what that cancels; and (B^2 - 4AC)/B^2."""
    with mpmath.workdps(400):
        C, B = mpmath.mpf(m1), mpmath.sqrt(mpmath.mpf(m2))
        A = mpmath.mpf(m3) / 2 if mode == "halve" else mpmath.cbrt(abs(mpmath.mpf(m3)))
        if mode == "signed_cbrt" and m3 < 0:
            A = -A
        D = B * B - 4 * A * C
        if D < 0:
            return float(-C / (B + mpmath.mpf(eps))), float(D / (B * B))
        if A == 0:
            return float(-C / B), 1.0
        roots = [(-B + s * mpmath.sqrt(D)) / (2 * A) for s in (1, -1)]
        d = max(roots, key=lambda r: 2 * A * r + B)  # the second derivative is 2 A d + B
        return float(d), float(D / (B * B))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("dtype", "scale"),
    [(np.float64, s) for s in (1.0, 1e-40, 1e40, 1e90, 1e-90)]
    + [(np.float32, s) for s in (1.0, 1e-8, 1e8, 3e10)],
)
def test_cubic_adam_is_the_local_minimiser(dtype, scale, mode):
    rng = np.random.default_rng(12)
    m1, m2, m3 = rng.normal(size=(3, 400)) * np.array([[scale], [scale**2], [scale**3]])
    m1, m2 = m1 * 10.0 ** rng.integers(-6, 2, 400), abs(m2)
    m3 = m3 * 10.0 ** rng.integers(-12, 1, 400)
    m3[:20] = 0
    m1, m2, m3 = (v.astype(dtype) for v in (m1, m2, m3))
    u, eps = np.zeros(400, dtype), dtype(1e-8)
    out = cubic_adam(
        u,
        m1=m1.copy(),
        m2=m2.copy(),
        m3=m3.copy(),
        t=1,
        **KEEP,
        eps=float(eps),
        debiased=False,
        alpha=1.0,
        mode=mode,
    )
    rooted = 0
    for i in range(400):
        d, D = minimiser(float(m1[i]), float(m2[i]), float(m3[i]), float(eps), mode)
        if abs(D) < 100 * np.finfo(dtype).eps:
            continue  # rounding decides on which side of the square root this coordinate is
        rooted += D > 0
        # the discriminant carries a few roundings, magnified by 1/D in the root; its square root halves it
        bound = 16 * float(np.finfo(dtype).eps) * max(1.0, 1 / abs(D))
        assert out[i] == pytest.approx(-d, rel=bound, abs=0), (i, m1[i], m2[i], m3[i], D)
    assert rooted > 100


def test_cubic_adam_edges():
    def step(u, m1=0.0, m2=0.0, m3=0.0, dtype=np.float64, **changes):
        u, m1, m2, m3 = (np.array([v], dtype) for v in (u, m1, m2, m3))
        hyper = {
            "beta1": 0.9,
            "beta2": 0.99,
            "beta3": 0.99,
            "eps": 1e-8,
            "debiased": False,
            "alpha": 1.0,
            "mode": "signed_cbrt",
            **changes,
        }
        return cubic_adam(u, m1=m1, m2=m2, m3=m3, t=1, **hyper)[0]

    assert step(0.0) == 0 and step(0.0, eps=0.0) == 0
    assert step(0.0, m1=0.0, m2=4.0, m3=8.0, **KEEP) == 0
    assert step(0.0, m1=0.0, m2=4.0, m3=np.inf, **KEEP) == 0
    assert step(0.0, m1=3.0, m2=4.0, m3=0.0, **KEEP) == 1.5  # A = 0: Adam without eps
    assert step(0.0, m1=3.0, m2=4.0, m3=8.0, **KEEP, eps=1.0) == 1.0  # no root: Adam with eps
    assert step(0.0, m1=-2.0, m2=0.0, m3=8.0, **KEEP) == -1.0  # B = 0: d^2 = -C/A
    assert step(0.0, m1=2.0, m2=0.0, m3=8.0, **KEEP, eps=0.5) == 4.0  # B = 0, no root
    assert step(0.0, m1=2.0, m2=0.0, m3=8.0, **KEEP, eps=0.0) == 0.0  # nothing to divide by
    # u^2 underflows: Adam's step from what is left
    assert step(1e-170, debiased=True) == pytest.approx(1e-162, rel=1e-14)
    assert step(1e-30, debiased=True, dtype=np.float32) == pytest.approx(1e-22, rel=1e-5)
    # u^3 overflows, then u^2
    for u in (1e110, -1e110):
        assert step(u, debiased=True) == np.sign(u)
        assert step(u, debiased=True, mode="unsigned_cbrt") == (1.0 if u > 0 else 0.0)
        assert step(100 * u * abs(u) ** 0.5) == 0
    # 4 A C overflows, the step does not: sqrt(C/A) to the leading order
    assert step(0.0, m1=-1e154, m2=1e100, m3=2e300, **KEEP, mode="halve") == pytest.approx(
        -(1e-146**0.5), rel=1e-12
    )
    for bad in (np.nan, np.inf, -np.inf):
        assert np.isnan(step(bad))


# ---------------------------------------------------------------- the method, step by step


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
    """1e-9: the discriminant magnifies rounding; gradients of size 10 keep A away from the original's
    clip.
    """
    x0 = np.random.default_rng(22).normal(size=8)
    path = original(lambda m, ex: [ex.CubicAdam(mode=mode), m.LR(0.05)], fun, x0, 50)
    assert gap(ours([CubicAdam(mode=mode), LR(0.05)], fun, x0, 50), path) < 1e-9
    assert np.abs(path[-1] - path[0]).max() > 0.3, "the path must go somewhere"
