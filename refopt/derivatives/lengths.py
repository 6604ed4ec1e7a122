"""The lengths of the directions along which a function is expanded for its derivative tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["better_lengths", "kept_in_range"]

#: where the lengths of two variables fit worse by this factor, mixed elements lose its digits once an order
UNEVEN = 64
#: greatest power of two of a term, and of a product of p lengths; beyond it digits or all are lost
TERM, PRODUCT = 960, 896


def better_lengths(tensors: list[Any], w: np.ndarray) -> np.ndarray | None:
    """The lengths at which the terms of all variables are alike, powers of two; None if w is good enough.

        w_i = min_k (F / |c_ki|)^(1/k),    F = max_i c_1i^2 / (4 |c_2i|)

    c_ki is the k-th Taylor coefficient along variable i, which is accurate in all units. F is the greatest
    decrease that Newton's step of one variable promises; where that is outside 2^-960 ... 2^960, so that
    terms alike might not be in the range of the numbers, |f|, then the largest term at w, and w is good
    enough if all are outside. A variable with c_ki = 0 for all k keeps its length.

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
    n, p = np.size(tensors[1]), len(tensors) - 1
    orders = np.arange(1, p + 1)[:, None]
    c = [np.abs(T[(np.arange(n),) * k]).astype(float) / math.factorial(k) for k, T in enumerate(tensors) if k]
    with np.errstate(
        divide="ignore", invalid="ignore"
    ):  # logarithms of zero; no unit of f leaves their range
        terms, value = np.log2(c), np.log2(abs(float(tensors[0])))
        newton = np.max(2 * terms[0] - terms[1] - 2, where=c[1] > 0, initial=-np.inf)
        largest = np.max(terms + orders * np.log2(w))
        F = next((e for e in (newton, value, largest) if abs(e) <= TERM), None)
        if F is None:
            return None
        reach = np.rint(np.min((F - terms) / orders, axis=0))
    known = np.isfinite(reach)
    better = kept_in_range(np.where(known, np.exp2(np.clip(reach, -PRODUCT, PRODUCT)), w), p)
    ratio = (better / w)[known]
    return better if ratio.size > 1 and ratio.max() > UNEVEN * ratio.min() else None


def kept_in_range(w: np.ndarray, p: int) -> np.ndarray:
    """The lengths, those at which a product of p of them might overflow or underflow moved to 2^(+-896/p).

    Examples
    --------
    >>> print(kept_in_range(np.array([1.0, 2.0**500]), 2) == [1.0, 2.0**448])
    [ True  True]
    """
    return np.clip(w, 2.0 ** (-PRODUCT // p), 2.0 ** (PRODUCT // p))
