"""Rounding in f: what it hides, what may decide in its place, and when a run has ended because of it.

With p the decrease of f that a step promises and a = f(x) - f(x + step) the decrease that it brings:

    e = 4 eps |f(x)| + e_x^T |H| e_x / 2        the rounding error of f;  e_x = eps |x|, H the Hessian where it is known
    values decide   where  max(p, |a|) > 1000 e  or  min(p, a) > e
    slopes decide   elsewhere: the step is good if the slope falls to 0.9 of what it was and f rises by no more than e
    rounding ended  the run where no step is good and no change above 1000 e was predicted at x

The first term of e is a well-computed f: two roundings for the sum and two for its terms. Long sums and cancellation
inside f lose up to 1000 times that. The second term is the rise of f when every x_i is off by its own rounding.

Source: W. W. Hager, H. Zhang, SIAM J. Optim. 16 (2005) 170-192, doi:10.1137/030601880, section 4 (slopes in the place
of values near a minimiser, and their factor 0.9); A. R. Conn, N. I. M. Gould, Ph. L. Toint, Trust-Region Methods, 2000,
section 17.4.2 (rounding in the ratio of actual to predicted decrease).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .status import Status, Stop

__all__ = ["flatter", "nothing_left", "rounding_error", "values_decide"]

ULPS = 4.0  # rounding error of one value of f, in units of eps |f|
LONG_SUMS = 1e3  # what long sums and cancellation inside f lose, in units of its rounding error
FLATTER = 0.9  # factor by which a slope must fall


def rounding_error(f: float, dtype: Any, x: np.ndarray | None = None, H: Any = None) -> float:
    """The change of f that means nothing in `dtype`.

    Parameters
    ----------
    f : float
    dtype : float64 or float32
    x : (n,) array, optional
        The point, with `H`.
    H : (n, n) array, optional
        The Hessian there; anything but an array adds nothing.

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
    """Whether the values of f can judge a step that promised one decrease and brought another.

    Examples
    --------
    >>> values_decide(1.0, -1e-15, 1e-16), values_decide(1e-14, -1e-15, 1e-16), values_decide(1e-14, 2e-16, 1e-16)
    (True, False, True)
    """
    return max(promised, abs(actual)) > LONG_SUMS * error or min(promised, actual) > error


def flatter(before: float, after: float) -> bool:
    """Whether the slope has fallen as a step near a minimiser makes it fall; the judge where values cannot decide."""
    return after <= FLATTER * before


def nothing_left(tried: str, promised: float, error: float) -> Stop:
    """Why no step is left: rounding, where even the best that was promised is below it, else the steps failed.

    Parameters
    ----------
    tried : str
        What was tried in vain.
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
        f"{tried} (a change of up to {promised:.3g} was predicted); f may be noisy, non-smooth, not finite nearby, or its "
        "gradient wrong"
    )
    return Stop(Status.STALLED, reason=reason)
