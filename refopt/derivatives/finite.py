"""Hessian-vector products from differences of gradients.

With the step `h` along the unit vector of `v`, so that the accuracy does not depend on the length of `v`:

    fd_forward    H v ~ (g(x + h v/|v|) - g(x)) |v| / h                 error O(h)
    fd_central    H v ~ (g(x + h v/|v|) - g(x - h v/|v|)) |v| / (2 h)   error O(h^2)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["forward_product", "central_product"]


def forward_product(gradient: Callable, x: np.ndarray, g: np.ndarray, v: np.ndarray, h: float) -> np.ndarray:
    """``H(x) v`` from one further gradient; `g` is the gradient at `x`."""
    length = np.linalg.norm(v)
    if length == 0:
        return np.zeros_like(x)
    return (gradient(x + v * (h / length)) - g) * (length / h)


def central_product(gradient: Callable, x: np.ndarray, v: np.ndarray, h: float) -> np.ndarray:
    """``H(x) v`` from two further gradients."""
    length = np.linalg.norm(v)
    if length == 0:
        return np.zeros_like(x)
    step = v * (h / length)
    return (gradient(x + step) - gradient(x - step)) * (length / (2 * h))
