"""Rounding in f: when a change of f is only noise, what decides then, and when that ends a run.

Let p be the decrease of f that was predicted for a step, and a = f(x) - f(x + step) the actual decrease.

    e = 4 eps |f(x)| + e_x^T |H| e_x / 2    the rounding error of f;  e_x = eps |x|, H the Hessian if known
    values decide   if  max(p, |a|) > 1000 e  or  min(p, a) > e
    slopes decide   otherwise: a step is good if the slope falls to 0.9 of its value and f rises by at most e
    converged       if no step is good, the largest change predicted at x is at most 1000 e, and so is what
                    the gradient promises, see `refopt.decrement`

The first term of e is the error of a well-computed f: two roundings for the sum and two for its terms. Long
sums and cancellation inside f lose up to 1000 times that. The second term is the rise of f if every x_i is
wrong by its own rounding error.

Source: W. W. Hager, H. Zhang, SIAM J. Optim. 16 (2005) 170-192, doi:10.1137/030601880, section 4 (slopes
instead of values near a minimiser, and the factor 0.9); A. R. Conn, N. I. M. Gould, Ph. L. Toint,
Trust-Region Methods, 2000, section 17.4.2 (rounding in the ratio of actual to predicted decrease).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .status import Status, Stop

__all__ = ["flatter", "nothing_left", "rounding_error", "values_decide"]

ULPS = 4.0  # rounding error of one value of f, in units of eps |f|
LONG_SUMS = 1e3  # error from long sums and cancellation inside f, in units of its rounding error
FLATTER = 0.9  # factor by which a slope must fall


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
