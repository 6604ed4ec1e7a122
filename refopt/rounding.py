"""Rounding in f: when a change of f is only noise, what decides then, and when that ends a run.

Let p be the decrease of f that was predicted for a step, and a = f(x) - f(x + step) the actual decrease.

    e = 4 eps |f(x)| + e_x^T |H| e_x / 2    the rounding error of f;  e_x = eps |x|, H the Hessian if known
    values decide   if  max(p, |a|) > 1000 e  or  min(p, a) > e
    slopes decide   otherwise: a step is good if the slope falls to 0.9 of its value and f rises by at most e
    converged       if no step is good, the largest change predicted at x is at most 1000 e, and so is the
                    Newton decrement, g^T H^-1 g / 2

The first term of e is the error of a well-computed f: two roundings for the sum and two for its terms. Long
sums and cancellation inside f lose up to 1000 times that. The second term is the rise of f if every x_i is
wrong by its own rounding error. The Newton decrement is what the gradient itself promises: a method may
predict little because its step is poor, because a box is small, or because its model has a tie where f has a
slope.

Source: W. W. Hager, H. Zhang, SIAM J. Optim. 16 (2005) 170-192, doi:10.1137/030601880, section 4 (slopes
instead of values near a minimiser, and the factor 0.9); A. R. Conn, N. I. M. Gould, Ph. L. Toint,
Trust-Region Methods, 2000, section 17.4.2 (rounding in the ratio of actual to predicted decrease).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from .objective import Point
from .status import Status, Stop

__all__ = ["flatter", "newton_decrement", "nothing_left", "proven", "rounding_error", "values_decide"]

ULPS = 4.0  # rounding error of one value of f, in units of eps |f|
LONG_SUMS = 1e3  # error from long sums and cancellation inside f, in units of its rounding error
FLATTER = 0.9  # factor by which a slope must fall
DENSE = 200  # up to this n the decrement comes from the eigenvalues of H, above from conjugate gradients
NEGATIVE = 1e-8  # an eigenvalue below -1e-8 times the largest is negative beyond rounding
PRODUCTS = 50  # of these; fewer make the decrement too small, never too large


def rounding_error(f: float, dtype: Any, x: np.ndarray | None = None, H: Any = None) -> float:
    """The rounding error of a value `f` in `dtype`; a smaller change of f means nothing.

    Parameters
    ----------
    f : float
    dtype : float64 or float32
    x : (n,) array, optional
        The point; used together with `H`.
    H : (n, n) array, optional
        The Hessian at x. If it is not an array, the second term is left out.

    Examples
    --------
    >>> print(rounding_error(2.0, float))
    1.7763568394002505e-15
    """
    eps = float(np.finfo(dtype).eps)
    error = ULPS * eps * abs(f)
    if x is None or not isinstance(H, np.ndarray):
        return error
    e = eps * np.abs(x)
    return error + float(e @ (np.abs(H) @ e)) / 2


def values_decide(promised: float, actual: float, error: float) -> bool:
    """Whether the values of f can judge a step, given its predicted and its actual decrease.

    Examples
    --------
    >>> [values_decide(p, a, 1e-16) for p, a in [(1.0, -1e-15), (1e-14, -1e-15), (1e-14, 2e-16)]]
    [True, False, True]
    """
    return max(promised, abs(actual)) > LONG_SUMS * error or min(promised, actual) > error


def flatter(before: float, after: float) -> bool:
    """Whether the slope has fallen as after a good step near a minimiser; used where values cannot decide."""
    return after <= FLATTER * before


def nothing_left(tried: str, promised: float, error: float) -> Stop:
    """The end of a run without a good step: ROUNDING if all predicted changes were small, else STALLED.

    Parameters
    ----------
    tried : str
        What was tried without success, for the message.
    promised : float
        Largest change of f predicted at this x; a rise that a model predicts counts as much as a fall.
    error : float
        Rounding error of f.

    Examples
    --------
    >>> nothing_left("no step", 1e-14, 1e-16).status.name, nothing_left("no step", 0.1, 1e-16).status.name
    ('ROUNDING', 'STALLED')
    """
    if promised <= LONG_SUMS * error:
        return Stop(Status.ROUNDING, promised, error)
    reason = (
        f"{tried} (predicted change up to {promised:.3g}); f may be noisy, non-smooth or not finite "
        "nearby, or "
        "its gradient may be wrong"
    )
    return Stop(Status.STALLED, reason=reason)


def newton_decrement(point: Point) -> float:
    """The decrease of f that its gradient and Hessian promise, ``g^T H^-1 g / 2``, over the free variables.

    H is scaled by its diagonal first, so that the units of the variables do not matter. Its eigenvalues count
    as at least n eps times the largest. Negative curvature beyond rounding promises an infinite decrease.
    Above n = 200 conjugate gradients give a lower bound with at most 50 products.

    Source: S. Boyd, L. Vandenberghe, Convex Optimization, 2004, section 9.5.1, eq. (9.30).

    Examples
    --------
    >>> import numpy as np
    >>> from refopt.function import FunctionObjective
    >>> point = FunctionObjective(lambda x: x[0] ** 2 + 1e8 * x[1] ** 2, np.ones(2)).at(np.array([3.0, 0.0]))
    >>> round(newton_decrement(point), 9)
    9.0
    """
    g, x = point.g.astype(float), point.x
    free = np.ones(x.size, dtype=bool)
    if point.objective.bounds is not None:
        lower, upper = point.objective.bounds
        free = ((x > lower) | (g < 0)) & ((x < upper) | (g > 0))
    g = np.where(free, g, 0)
    if not g.any():
        return 0.0
    if x.size > DENSE:
        return by_conjugate_gradients(lambda v: point.hvp(np.where(free, v, 0).astype(x.dtype)), g)
    H = point.dense_hessian().astype(float)[np.ix_(free, free)]
    diagonal = np.sqrt(np.abs(np.diag(H)))
    D = np.where(diagonal > 0, diagonal, 1)
    w, V = scipy.linalg.eigh(H / D[:, None] / D)
    if w[0] < -NEGATIVE * np.abs(w).max():
        return np.inf
    size = np.maximum(np.abs(w), x.size * float(np.finfo(x.dtype).eps) * np.abs(w).max())
    y = V.T @ (g[free] / D)
    with np.errstate(divide="ignore", over="ignore"):
        return float(np.sum(np.divide(y * y, 2 * size, out=np.zeros_like(y), where=y != 0)))


def by_conjugate_gradients(product: Any, g: np.ndarray) -> float:
    """A lower bound on ``g^T H^-1 g / 2``; infinite where the curvature is negative or zero."""
    d, r, total = g.copy(), g.copy(), 0.0
    for _ in range(PRODUCTS):
        Hd, rr = np.asarray(product(d), dtype=float), float(r @ r)
        curvature = float(d @ Hd)
        if not curvature > 0:
            return np.inf
        total += rr * rr / curvature / 2
        r = r - (rr / curvature) * Hd
        if not float(r @ r) > 1e-20 * float(g @ g):
            break
        d = r + (float(r @ r) / rr) * d
    return total


def proven(stop: Stop, point: Point) -> Stop:
    """The end of a run that claims rounding: as it is if the gradient promises no more, else STALLED."""
    if stop.status is not Status.ROUNDING:
        return stop
    try:
        promised = newton_decrement(point)
        H = point.dense_hessian() if point.x.size <= DENSE else None
    except Stop as limit:
        return limit
    except (TypeError, ValueError, NotImplementedError, scipy.linalg.LinAlgError) as error:
        return Stop(Status.STALLED, reason=f"rounding could not be proven, H is not available ({error})")
    error = rounding_error(point.f, point.x.dtype, point.x, H)
    if promised <= LONG_SUMS * error:
        return stop
    return Stop(
        Status.STALLED,
        reason=f"the last steps promised no decrease beyond rounding, but the gradient does, |g|_inf = "
        f"{point.gradient_norm():.3g}: the Newton decrement is {promised:.3g}, the rounding error of f "
        f"{error:.3g}. The step was poor, or f has a kink or a tie here",
    )
