"""Sums of squares: a scalar function that remembers the residuals it is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd.numpy as np

from .checks import function

__all__ = ["LeastSquares"]


class LeastSquares:
    """The scalar function `f(x) = sum_i r_i(x)^2` of a residual function (no factor 1/2).

    A method that needs the residuals themselves (Gauss-Newton) finds them in the attribute `residuals`.

    Parameters
    ----------
    residuals : callable
        `residuals(x, *args) -> r`, from shape (n,) to shape (m,), written in `autograd.numpy` where
        derivatives are wanted.

    Raises
    ------
    TypeError
        If `residuals` is not callable.

    Notes
    -----
    The convention (no 1/2) is that of Moré, Garbow and Hillstrom, ACM TOMS 7 (1981), eq. (1.1), and of the
    residual sum of squares that NIST certifies. The gradient is `2 J^T r`, the Gauss-Newton Hessian is
    `2 J^T J`.

    Examples
    --------
    >>> import numpy as np
    >>> from refopt.least_squares import LeastSquares
    >>> line = LeastSquares(lambda x, t, y: x[0] + x[1] * t - y)
    >>> t, y = np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.5])
    >>> float(line(np.array([1.0, 2.0]), t, y))
    0.25
    >>> line.residuals(np.array([1.0, 2.0]), t, y)
    array([ 0. ,  0. , -0.5])
    """

    def __init__(self, residuals: Callable[..., Any]) -> None:
        self.residuals = function("LeastSquares", "residuals", residuals)

    def __call__(self, x: Any, *args: Any) -> Any:
        r = self.residuals(x, *args)
        return np.sum(r * r)

    def __repr__(self) -> str:
        return f"LeastSquares({getattr(self.residuals, '__qualname__', repr(self.residuals))})"
