"""Definitions of the elementwise methods: LR, ReduceOutwardLR, CoordinateMomentum, CubicAdam, Adam, HeavyBall, EMA.

An elementwise formula loses a few ulps; the factor ``1 - beta^t`` of Adam's beta2 = 0.999 is known to 1000 only.
"""

from __future__ import annotations

import numpy as np

from ...method import copy_state
from .definitions import definition
from .precise import cbrt, sqrt

__all__ = ["THIRDS", "heavy_ball"]


@definition("LR", ulps=2)
def lr(h, p, u, s):
    return h.lr * u, {}


@definition("ReduceOutwardLR", ulps=4)
def reduce_outward_lr(h, p, u, s):
    c = p.g if h.use_grad else u
    selected = p.x * c > 0 if h.invert else p.x * c < 0
    return np.where(selected, h.mul * u, u), {}


@definition("CoordinateMomentum", ulps=2)
def coordinate_momentum(h, p, u, s):
    if h.mask is None:
        b = copy_state(s.rng).random(u.size) < h.p
    else:
        b = np.asarray(h.mask(s.t, u.size) if callable(h.mask) else h.mask[s.t], dtype=bool)
    v = np.where(b, u, s.v)
    return v, dict(t=s.t + 1, v=v)


def debias(m, beta, t, debiased=True):
    return m / (1 - beta**t) if debiased else m


THIRDS = {"signed_cbrt": cbrt, "unsigned_cbrt": lambda m: cbrt(abs(m)), "halve": lambda m: m / 2}  # A, by mode


@definition("CubicAdam", ulps=32)
def cubic_adam(h, p, u, s):
    t = s.t + 1
    m1 = h.beta1 * s.m1 + (1 - h.beta1) * u
    m2 = h.beta2 * s.m2 + (1 - h.beta2) * u**2
    m3 = h.beta3 * s.m3 + (1 - h.beta3) * u**3
    C = debias(m1, h.beta1, t, h.debiased)
    B = sqrt(debias(m2, h.beta2, t, h.debiased))
    M = debias(m3, h.beta3, t, h.debiased)
    A = THIRDS[h.mode](M)
    discriminant = B**2 - 4 * A * C
    root = B + sqrt(discriminant)
    real = (discriminant >= 0) & (root > 0)
    below = np.where(real, root, B + h.eps)
    d = np.where(C == 0, 0 * C, -np.where(real, 2 * C, C) / np.where(below == 0, 1 + 0 * below, below))
    return -h.alpha * d, dict(t=t, m1=m1, m2=m2, m3=m3)


@definition("Adam", ulps=256)
def adam(h, p, u, s):
    t = s.t + 1
    m1 = h.beta1 * s.m1 + (1 - h.beta1) * u
    m2 = h.beta2 * s.m2 + (1 - h.beta2) * u**2
    out = debias(m1, h.beta1, t, h.debiased) / (sqrt(debias(m2, h.beta2, t, h.debiased)) + h.eps)
    return out, dict(t=t, m1=m1, m2=m2)


@definition("HeavyBall", ulps=4)
def heavy_ball(h, p, u, s):
    v = h.momentum * s.v + (1 - h.dampening) * u
    return u + h.momentum * v if h.nesterov else v, dict(v=v)


@definition("EMA", ulps=8)
def ema(h, p, u, s):
    t = s.t + 1
    m = h.beta * s.m + (1 - h.beta) * u
    return debias(m, h.beta, t, h.debiased), dict(t=t, m=m)
