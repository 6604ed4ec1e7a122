"""Definitions of Backtracking and StrongWolfe."""

from __future__ import annotations

import math

import numpy as np

from .definitions import Violation, definition
from .rules import FLATTER, rounding_error

__all__: list[str] = []


def descent(p, u):
    """``(direction, slope, fallback)``: the update, or the gradient where the update does not descend."""
    slope = np.dot(p.g, u)
    return (u, slope, False) if slope > 0 else (p.g, np.dot(p.g, p.g), True)


def armijo(p, d, slope, a, c1):
    """The decrease that the definition asks for, or (near rounding) its substitute by slopes."""
    trial = p.after(a * d)
    noise = rounding_error(p)
    if a * slope > noise and trial.f <= p.f - c1 * a * slope:
        return True
    return a * slope * c1 <= noise and trial.f <= p.f + noise and abs(np.dot(trial.g, d)) <= FLATTER * slope


@definition("Backtracking", ulps=2)
def backtracking(h, p, u, s):
    d, slope, fallback = descent(p, u)
    a = h.init_step if h.growth is None or s.trials == 0 else s.step_size * h.growth
    for trials in range(1, h.maxiter + 1):
        if armijo(p, d, slope, a, h.c1):
            return a * d, dict(step_size=a, trials=trials, fallback=fallback)
        a = a * h.shrink
    raise Violation("no step size satisfies Armijo's rule")


@definition("StrongWolfe", ulps=2)
def strong_wolfe(h, p, u, s):
    """The step size is any that satisfies the conditions; it is read from the answer."""
    d, slope, fallback = descent(p, u)
    chosen = p.answer[1]
    a = p.number(chosen.step_size)
    trial = p.after(a * d)
    if trial.f > p.f - h.c1 * a * slope + 2 * rounding_error(p):
        raise Violation(f"step size {float(a):.6g} does not decrease f enough")
    # where SciPy's search fails the answer is Backtracking's, which satisfies Armijo's rule alone
    shrunk = chosen.step_size <= 1 and math.frexp(chosen.step_size)[0] == 0.5  # a power of 1/2
    if abs(np.dot(trial.g, d)) > h.c2 * slope * (1 + 1e-12) and not shrunk:
        raise Violation(f"step size {float(a):.6g} leaves the slope above c2 times the first")
    return a * d, dict(step_size=a, trials=chosen.trials, fallback=fallback)
