"""The Euclidean norm without overflow, and the norm in which the units of the variables cancel."""

from __future__ import annotations

import numpy as np
from scipy.linalg.blas import dnrm2, snrm2

__all__ = ["hessian_norm", "hessian_scale", "nrm2"]

LEAST = 1e-30  # least ratio of two D_i
FADE = 0.1  # D falls at most by this factor from step to step
EXTREME = 1e30  # where the unit of f is farther from 1, powers of D leave the range of the numbers


def nrm2(v: np.ndarray) -> float:
    """|v|_2 without overflow, underflow or warnings (BLAS nrm2).

    Examples
    --------
    >>> import numpy as np
    >>> round(nrm2(np.array([3e200, 4e200])) / 1e200, 9)
    5.0
    """
    return float(snrm2(v) if v.dtype == np.float32 else dnrm2(v))


def hessian_scale(H: np.ndarray) -> np.ndarray:
    """D (n,) > 0, so that the norm \\|D s\\|_2 of a step has the unit sqrt(f), whatever the units of x.

        D_i = sqrt|H_ii|               where that is 0:  max_j |H_ij| / D_j  over the others, else 1
        D_i >= 1e-30 max_j D_j         so that powers of D stay in the range of the numbers

    Source: the scaling of the variables of J. J. More, The Levenberg-Marquardt algorithm, Lecture Notes in
    Mathematics 630 (1978) 105-116, section 3, whose D_i are the norms of the columns of J.

    Examples
    --------
    >>> import numpy as np
    >>> hessian_scale(np.array([[4.0, 0.0, 6.0], [0.0, -9.0, 0.0], [6.0, 0.0, 0.0]]))
    array([2., 3., 3.])
    """
    D = np.sqrt(np.abs(np.diag(H)))
    known = D > 0
    if not known.all():
        rest = np.max(np.abs(H[:, known]) / D[known], axis=1, initial=0.0)
        D = np.where(known, D, rest)
    D = np.where((D > 0) & np.isfinite(D), D, 1.0)
    return np.maximum(D, LEAST * D.max())


def hessian_norm(
    H: np.ndarray, g: np.ndarray, D: np.ndarray | None = None, unit: float = 1.0
) -> tuple[np.ndarray | None, float]:
    """``(D, unit)`` so that \\|D s\\| has no units: D of `hessian_scale`, over \\|D^-1 g\\| at the start.

    From one step to the next D falls at most by a factor of 10, and the unit stays. At the start D is None;
    it stays None while the unit is above 1e30 or below 1e-30.

    Examples
    --------
    >>> import numpy as np
    >>> D, unit = hessian_norm(np.diag([4.0, 9.0]), np.array([6.0, 12.0]))
    >>> D, unit
    (array([0.4, 0.6]), 5.0)
    """
    new = hessian_scale(H)
    if D is not None:
        return np.maximum(new / unit, FADE * D), unit
    unit = nrm2(g / new) or 1.0
    return (new / unit, unit) if 1 / EXTREME < unit < EXTREME else (None, 1.0)
