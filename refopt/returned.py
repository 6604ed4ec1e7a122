"""What the user's functions returned, checked; the error says what came instead and what is expected."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import LinearOperator

from . import checks

__all__ = ["hessian_matrix", "one_number", "symmetrised", "vector_of"]


def one_number(value: Any) -> float:
    """The value that `fun` returned."""
    if value is None:
        raise TypeError("fun returned None; it must return one real number (is a `return` missing?)")
    if np.iscomplexobj(value):
        raise TypeError(
            f"fun returned a complex value, {checks.describe(value)}; it must return one real number"
        )
    if np.size(value) != 1:
        raise ValueError(
            f"fun must return one number, got {checks.describe(np.asarray(value))}; "
            "if these are residuals, wrap them: refopt.LeastSquares(residuals)"
        )
    try:
        return float(value) if np.ndim(value) == 0 else float(np.reshape(value, ()))
    except (TypeError, ValueError):
        raise TypeError(f"fun must return one real number, got {checks.describe(value)}") from None


def vector_of(who: str, n: int, dtype: np.dtype, value: Any) -> np.ndarray:
    """What `jac` or `hessp` returned, (n,) in `dtype`; for one variable also a number."""
    v = np.asarray(value)
    if n == v.size == 1:
        v = v.reshape(1)
    if v.shape != (n,):
        raise ValueError(f"{who} must return an array of shape ({n},), got {checks.describe(v)}")
    if np.iscomplexobj(v) or v.dtype == object:
        raise TypeError(f"{who} must return real numbers, got {checks.describe(v)}")
    return v.astype(dtype)


def hessian_matrix(H: Any, n: int, dtype: np.dtype) -> Any:
    """What `hess` returned, checked: an operator as it is, a matrix (n, n) symmetrised, in `dtype`."""
    sparse = scipy.sparse.issparse(H)
    if not (isinstance(H, LinearOperator) or sparse):
        H = np.asarray(H)
        if n == H.size == 1:
            H = H.reshape(1, 1)
    if H.shape != (n, n):
        raise ValueError(f"hess must return shape ({n}, {n}), got shape {H.shape}")
    if isinstance(H, LinearOperator):
        return H
    return symmetrised((H.tocsr() if sparse else H).astype(dtype), "hess")


def symmetrised(H: Any, who: str) -> Any:
    """``(H + H^T)/2``; an error if H is not symmetric to half the digits of its dtype."""
    gap = abs(H - H.T)
    size = abs(H).max() if H.shape[0] else 0.0
    worst = gap.max() if H.shape[0] else 0.0
    if np.isfinite(worst) and worst > np.sqrt(np.finfo(H.dtype).eps) * size:
        i, j = (int(k) for k in np.unravel_index(int(gap.argmax()), H.shape))
        raise ValueError(
            f"{who} must be symmetric, but entry [{i}, {j}] = {H[i, j]:.6g} and [{j}, {i}] = {H[j, i]:.6g}"
        )
    return (H + H.T) / 2
