"""Exponential averages: the update in place, and the factor that makes the first ones unbiased."""

from __future__ import annotations

import numpy as np


def average(m: np.ndarray, beta: float, value: np.ndarray) -> None:
    """Update ``m <- beta m + (1 - beta) value`` in place; both arrays have shape (n,).

    Examples
    --------
    >>> m = np.array([4.0])
    >>> average(m, 0.75, np.array([8.0]))
    >>> m
    array([5.])
    """
    m *= float(beta)
    m += (1 - float(beta)) * value


def unbias(beta: float, t: int, debiased: bool) -> float:
    """The factor ``1 / (1 - beta^t)`` that an average of t terms lacks; 1 if `debiased` is False.

    A product with it costs less than a division in every coordinate, which would dominate long
    vectors.

    Examples
    --------
    >>> unbias(0.5, 1, True), unbias(0.5, 1, False)
    (2.0, 1.0)
    """
    return 1 / (1 - float(beta) ** int(t)) if debiased else 1.0
