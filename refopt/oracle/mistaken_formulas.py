"""Formulas with one mistake each, for the table of `mistakes`: in the form of `exact`, or on an update."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .exact.elementwise import THIRDS
from .exact.ggt import cautious
from .exact.precise import plain, sqrt

__all__ = [
    "adam_like",
    "adam_no_memory",
    "adam_swapped_corrections",
    "clipped",
    "coordinate_momentum_other",
    "coordinate_momentum_zero",
    "coupled",
    "cubic_like",
    "cubic_root",
    "damped_after_the_first",
    "decoupled",
    "early",
    "ema_sum",
    "ema_with",
    "heavy_ball_averaged",
    "heavy_ball_old",
    "in_adam",
    "inverted",
    "late",
    "never",
    "plus",
    "reduce_outward_other",
    "right",
    "shortened",
    "shrinking",
    "single",
    "twice",
]

# ---------------------------------------------------------------- bias corrections of an average m


def right(m, beta, t):
    return m / (1 - beta**t)


def never(m, beta, t):
    return m


def twice(m, beta, t):
    return m / (1 - beta**t) ** 2


def inverted(m, beta, t):
    return m * (1 - beta**t)


def late(m, beta, t):
    return m / (1 - beta ** (t + 1))


def early(m, beta, t):
    return m / (1 - beta ** (t - 1)) if t > 1 else m / (0 * m[0] + 0)  # divides by zero at the first step


# ---------------------------------------------------------------- Adam


def adam_like(
    c: Callable, b: Callable, quotient: Callable, mean: Callable | None = None
) -> dict[str, Callable]:
    """Adam with other corrections: c(m1, beta1, t), b(m2, beta2, t), quotient(c, b, eps)."""

    def formula(h, p, u, s):
        t = s.t + 1
        m1 = h.beta1 * s.m1 + (1 - h.beta1) * u
        m2 = h.beta2 * s.m2 + (1 - h.beta2) * (mean(u, h, s, m1) if mean else u**2)
        return quotient(c(m1, h.beta1, t), b(m2, h.beta2, t), h.eps), dict(t=t, m1=m1, m2=m2)

    return in_adam(formula)


def in_adam(formula: Callable) -> dict[str, Callable]:
    """The formula for Adam and for its twin in an eigenbasis."""
    return {"Adam": formula, "SubspaceAdam": in_a_basis(formula)}


def in_a_basis(formula: Callable) -> Callable:
    """The formula of an elementwise method for its twin in an eigenbasis."""

    def subspace(h, p, u, s):
        out, changes = formula(h, p, u, s)
        return cautious(h, out, u), changes

    return subspace


def plus(c, b, eps):
    root = np.where(b < 0, float("nan") + 0 * b, sqrt(b))  # that of a negative number is NaN, as in float64
    return c / (root + eps)


def adam_swapped_corrections(h, p, u, s):
    t = s.t + 1
    m1, m2 = h.beta1 * s.m1 + (1 - h.beta1) * u, h.beta2 * s.m2 + (1 - h.beta2) * u**2
    return m1 / (1 - h.beta2**t) / (sqrt(m2 / (1 - h.beta1**t)) + h.eps), dict(t=t, m1=m1, m2=m2)


def adam_no_memory(h, p, u, s):
    t = s.t + 1
    m1, m2 = h.beta1 * s.m1 + (1 - h.beta1) * u, h.beta2 * s.m2 + (1 - h.beta2) * u**2
    return m1 / (1 - h.beta1**t) / (abs(u) + h.eps), dict(t=t, m1=m1, m2=m2)


# ---------------------------------------------------------------- CubicAdam


def cubic_like(**change: Callable) -> dict[str, Callable]:
    """CubicAdam with parts replaced: C, B2, A (corrected averages) and root(A, B, C, eps)."""

    def minimiser(A, B, C, eps):
        disc = B**2 - 4 * A * C
        root = B + sqrt(disc)
        real = (disc >= 0) & (root > 0)
        return -np.where(C == 0, 0 * C, np.where(real, 2 * C, C) / np.where(real, root, B + eps))

    C, B2, A = (change.get(k, right) for k in ("C", "B2", "A"))
    root, thirds = change.get("root", minimiser), change.get("third")

    def formula(h, p, u, s):
        t = s.t + 1
        m1 = h.beta1 * s.m1 + (1 - h.beta1) * u
        m2 = h.beta2 * s.m2 + (1 - h.beta2) * u**2
        m3 = h.beta3 * s.m3 + (1 - h.beta3) * change.get("cube", lambda u: u**3)(u)
        weight = thirds or THIRDS[h.mode]
        d = root(weight(A(m3, h.beta3, t)), sqrt(B2(m2, h.beta2, t)), C(m1, h.beta1, t), h.eps)
        return -getattr(h, "alpha", 1) * d, dict(t=t, m1=m1, m2=m2, m3=m3)

    return {"CubicAdam": formula, "SubspaceCubicAdam": in_a_basis(formula)}


def cubic_root(A, B, C, eps, sign=-1, four=4, two=2, branch=1):
    """The root of CubicAdam with one of its parts changed."""
    disc = B**2 + sign * four * A * C
    root = B + branch * sqrt(disc)
    real = (disc >= 0) & (root != 0)
    return -np.where(C == 0, 0 * C, np.where(real, two * C, C) / np.where(real, root, B + eps))


# ---------------------------------------------------------------- HeavyBall, EMA


def heavy_ball_averaged(h, p, u, s):
    v = h.momentum * s.v + (1 - h.momentum) * u
    return v, dict(v=v)


def heavy_ball_old(h, p, u, s):
    return s.v, dict(v=h.momentum * s.v + (1 - h.dampening) * u)


def damped_after_the_first(d: float) -> Callable:
    """As torch does it: the first gradient starts the average undamped."""

    def formula(h, p, u, s):
        weight = 1.0 - d if np.any(s.v != 0) else 1.0
        v = h.momentum * s.v + weight * u
        return (weight * u + h.momentum * v if h.nesterov else v), dict(v=v)

    return formula


def ema_sum(h, p, u, s):
    m = h.beta * s.m + u
    return (m / (1 - h.beta ** (s.t + 1)) if h.debiased else m), dict(t=s.t + 1, m=m)


def ema_with(correct: Callable) -> dict[str, Callable]:
    """EMA with another correction."""

    def formula(h, p, u, s):
        m = h.beta * s.m + (1 - h.beta) * u
        return correct(m, h.beta, s.t + 1), dict(t=s.t + 1, m=m)

    return {"EMA": formula}


# ---------------------------------------------------------------- ReduceOutwardLR, CoordinateMomentum


def reduce_outward_other(h, p, u, s):
    c = p.g if h.use_grad else u
    return np.where(p.x * c < 0, u, h.mul * u), {}


def coordinate_momentum_other(h, p, u, s):
    b = np.asarray(h.mask(s.t, u.size) if callable(h.mask) else h.mask[s.t], dtype=bool)
    v = np.where(b, s.v, u)
    return v, dict(t=s.t + 1, v=v)


def coordinate_momentum_zero(h, p, u, s):
    b = np.asarray(h.mask(s.t, u.size) if callable(h.mask) else h.mask[s.t], dtype=bool)
    v = np.where(b, u, 0 * u)
    return v, dict(t=s.t + 1, v=v)


# ---------------------------------------------------------------- on the incoming or outgoing update


def clipped(c: float) -> Callable:
    """Every coordinate clipped to [-c, c]."""
    return lambda u, context: np.where(u > c, c + 0 * u, np.where(u < -c, -c + 0 * u, u))


def shortened(c: float) -> Callable:
    """The vector scaled to length c where it is longer."""

    def before(u, context):
        length = sqrt(np.dot(u, u))
        return u * (c / length) if length > c else u

    return before


def coupled(wd: float) -> Callable:
    """Weight decay in the gradient."""
    return lambda u, c: u + wd * c.x


def decoupled(wd: float) -> Callable:
    """Weight decay beside the step, times the step size."""
    return lambda out, c: out + c.lr * wd * c.x


def shrinking(wd: float) -> Callable:
    """Weight decay beside the step, without the step size."""
    return lambda out, c: out + wd * c.x


def single(out: Any, context: Any) -> Any:
    """Rounded to float32."""
    return np.asarray(plain(out, np.float32), dtype=np.float64) + 0 * out
