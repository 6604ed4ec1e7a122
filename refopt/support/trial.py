"""What to make of a trial step of a higher-order method: refuse it unevaluated, accept it, the next sigma.

Source: Cartis, Hauser, Liu, Welzel, Zhu, arXiv 2501.00404 (transient minimisers); Gould, Porcelli, Toint
2012, doi:10.1007/s10589-011-9446-7 (interpolation of sigma); Hager, Zhang 2005, doi:10.1137/030601880
(judging by the gradient where f is rounding).
"""

from __future__ import annotations

import numpy as np

from ..objective import Point
from ..status import Status, Stop
from .line_search import FLAT, LONG_SUMS, rounding_error

__all__ = ["interpolated_sigma", "judge", "transient"]


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
    L = q * error / length**q if np.isfinite(error) else np.inf
    if bad:
        return float(np.clip(L, sigma / nminus, sigma / nminus**q))
    return float(np.clip(L, sigma / nplus**q, sigma)) if good else sigma


def judge(point: Point, trial: Point, decrease: float, eta: float) -> tuple[bool, float]:
    """``(accepted, rho)``; by the gradient where the predicted decrease is below the rounding error of f.

    Raises `Stop` where nothing more can be gained.
    """
    noise = LONG_SUMS * rounding_error(point.f, point.x.dtype)
    moved = decrease > 0 and not np.array_equal(trial.x, point.x)
    if not moved or decrease <= noise and abs(trial.f - point.f) <= noise:
        if moved and np.abs(trial.g).max() <= FLAT * np.abs(point.g).max():
            return True, np.nan
        if not moved and decrease > noise:
            reason = f"a step that promises to lower f = {point.f:.6g} by {decrease:.3g} does not change x"
            raise Stop(Status.STALLED, reason=f"{reason}; f may be non-smooth")
        raise Stop(Status.ROUNDING, decrease, noise)
    rho = (point.f - trial.f) / decrease if np.isfinite(trial.f) else -np.inf
    return rho > eta, rho
