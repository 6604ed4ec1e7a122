"""What to make of a trial step of a higher-order method: refuse it unevaluated, accept it, the next sigma.

Source: Cartis, Hauser, Liu, Welzel, Zhu, arXiv 2501.00404 (transient minimisers); Gould, Porcelli, Toint
2012, doi:10.1007/s10589-011-9446-7 (interpolation of sigma); Hager, Zhang 2005, doi:10.1137/030601880
(judging by the gradient where f is rounding).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .models.taylor import Model
from .objective import Point
from .parts.line_search import FLAT, LONG_SUMS, nothing_left, rounding_error

__all__ = ["check_gradient", "fell_for_ever", "interpolated_sigma", "judge", "restart", "transient",
           "within_range"]

TINY = 1e-150  # least radius and sigma; 1e150 is the greatest
DIFFERENCES = 16  # factor that leaves room for a `jac` by finite differences


def transient(line: np.ndarray) -> bool:
    """Whether s with ``line[k-1] = D_k[s]/k!`` is off the branch of minimisers from s = 0 at sigma = inf.

    Along t s a minimiser for sigma(t) has ``-m'(t) = sigma(t) |s|^(p+1) t^p``; on the branch sigma(t) falls
    with t.
    """
    p = line.size
    k = np.arange(1, p + 1)
    slope = np.polynomial.Polynomial(k * (p + 1 - k) * line)
    if slope(1.0) >= 0:
        return True
    roots = slope.roots()
    real = roots[np.abs(roots.imag) <= 1e-12 * (1 + np.abs(roots))].real
    return bool(np.any((real > 0) & (real < 1))) and line[0] < 0


def interpolated_sigma(sigma: float, q: int, length: float, error: float, bad: bool, good: bool, nplus: float,
                       nminus: float) -> float:
    """The sigma whose penalty ``sigma/q |s|^q`` equals the model's error, within bounds.

    Parameters
    ----------
    sigma : float
        Of the trial.
    q : int
        Order of the model plus 1.
    length, error : float
        \\|s\\| and \\|f(x+s) - f(x) - m(s)\\|; a value of f that is not finite counts as an infinite error.
    bad, good : bool
        Whether sigma is to rise, between 1/nminus and 1/nminus^q times, or to fall, at most nplus^q times.

    Examples
    --------
    >>> interpolated_sigma(1.0, 4, 0.5, 0.125, True, False, 3.5, 0.25)
    8.0
    """
    with np.errstate(over="ignore", divide="ignore"):
        L = q * error / float(np.float_power(length, q)) if np.isfinite(error) and length > 0 else np.inf
    if bad:
        return float(np.clip(L, sigma / nminus, sigma / nminus**q))
    return float(np.clip(L, sigma / nplus**q, sigma)) if good else sigma


def judge(point: Point, trial: Point, decrease: float, eta: float) -> tuple[bool, float]:
    """``(accepted, rho)``; by the gradient where the predicted decrease is below the rounding error of f.

    rho is nan where f says nothing: an accepted step whose gradient falls, or a refused one after which no
    shorter step can do better.
    """
    noise = LONG_SUMS * rounding_error(point.f, point.x.dtype)
    moved = decrease > 0 and not np.array_equal(trial.x, point.x)
    if not moved:
        return False, np.nan
    if decrease <= noise and abs(trial.f - point.f) <= noise:
        return bool(np.abs(trial.g).max() <= FLAT * np.abs(point.g).max()), np.nan
    rho = (point.f - trial.f) / decrease if np.isfinite(trial.f) else -np.inf
    return rho > eta, rho


def fell_for_ever(point: Point, trial: Point, length: float, largest: bool) -> bool:
    """Whether an accepted step says that f has no lower bound: f negative and falling while steps are as long as can be.

    `largest` says that the radius or sigma wants to leave its range; |s| or |f| above the 0.45th power of the
    largest number (1e138, 2e17 in float32) counts as much: its square still has room.
    """
    far = max(length, -trial.f) > float(np.finfo(point.x.dtype).max) ** 0.45
    fall = point.f - trial.f
    return (largest or far) and trial.f < 0 and fall > LONG_SUMS * rounding_error(trial.f, point.x.dtype)


def within_range(scale: float, is_sigma: bool) -> tuple[float, bool, bool]:
    """A radius or sigma kept in [1e-150, 1e150], and whether steps would become too small, too large for it."""
    ends = scale <= TINY, scale >= 1 / TINY
    small, large = ends[::-1] if is_sigma else ends
    return min(max(scale, TINY), 1 / TINY), small, large


def restart(point: Point, first: float, scale: float, is_sigma: bool, state: Any) -> float:
    """The first radius or sigma once more where refusals have shrunk the step; else the end of the run.

    What a shrunk step promises says nothing about x: only the first one's promise tells rounding from failure.
    `state` has the largest `promise` since x moved and whether the scale was `restarted` since then.
    """
    if state.restarted or (scale <= first if is_sigma else scale >= first):
        raise nothing_left(f"no step, however short, lowers f = {point.f:.6g} as its model promises",
                           state.promise, rounding_error(point.f, point.x.dtype))
    return first


def check_gradient(point: Point, model: Model) -> None:
    """Refuse a user's `jac` that is not the gradient of `fun`: they must agree to half their digits.

    The rounding error of x, and of finite differences in `jac`, is proportional to H x, so that counts as well.

    Parameters
    ----------
    point : Point
        Its g comes from `jac`, if the user gave one.
    model : Model
        Taylor's polynomial, from `fun`.

    Raises
    ------
    ValueError
        Naming the worst coordinate.
    """
    if getattr(point.objective, "jac", None) is None and not getattr(point.objective, "pair", False):
        return
    here = model.expand(np.zeros(model.n))
    gradient, product = here.gradient, here.product(np.abs(point.x))
    size = float(np.abs(point.x).max())
    scale = max(float(np.abs(v).max()) for v in (point.g, gradient, product))
    error = np.abs(point.g - gradient)
    i = int(np.argmax(error))
    if error[i] > DIFFERENCES * np.sqrt(np.finfo(point.x.dtype).eps) * (scale + abs(point.f) / max(1.0, size)):
        raise ValueError(f"jac disagrees with the derivative of fun at x0, coordinate {i}: jac gives {point.g[i]:.6g}, "
                         f"the derivative is {gradient[i]:.6g}; see refopt.derivatives.check_derivatives")
