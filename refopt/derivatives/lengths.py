"""The lengths of the directions along which a function is expanded for its derivative tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["better_lengths"]

#: where the lengths of two variables fit worse by this factor, mixed elements lose its digits once an order
UNEVEN = 64


def better_lengths(tensors: list[Any], w: np.ndarray) -> np.ndarray | None:
    """The lengths at which the terms of all variables are alike, powers of two; None if w is good enough.

        w_i = min_k (F / |c_ki|)^(1/k),    F = max_i c_1i^2 / (4 |c_2i|)

    c_ki is the k-th Taylor coefficient along variable i, which is accurate in all units; F is the greatest
    decrease that Newton's step of one variable promises. A variable with c_ki = 0 for all k keeps its length.

    Parameters
    ----------
    tensors : list of arrays
        ``[f, g, H, ...]``, as `derivative_tensors` returns them.
    w : array of shape (n,)
        The lengths with which they were computed.

    Examples
    --------
    >>> from refopt.derivatives import derivative_tensors
    >>> f = lambda x: (1 - x[0]) ** 2 + (1e6 * x[1] - x[0]) ** 2
    >>> print(better_lengths(derivative_tensors(f, np.array([3.0, 0.0]), 2), np.ones(2)))
    [1.00000000e+00 1.90734863e-06]
    """
    if len(tensors) < 3:  # nothing is mixed
        return None
    n = np.size(tensors[1])
    c = [np.abs(T[(np.arange(n),) * k]).astype(float) / math.factorial(k) for k, T in enumerate(tensors) if k]
    with np.errstate(all="ignore"):
        F = np.max(c[0] ** 2 / (4 * c[1]), where=c[1] > 0, initial=0.0)
        F = F if np.isfinite(F) and F > 0 else abs(float(tensors[0])) or 1.0
        reach = np.exp2(
            np.rint(np.log2(np.min([(F / row) ** (1 / k) for k, row in enumerate(c, 1)], axis=0)))
        )
        known = np.isfinite(reach) & (reach > 0)
        ratio = (reach / w)[known]
    if ratio.size < 2 or not ratio.max() > UNEVEN * ratio.min():
        return None
    return np.where(known, reach, w)
