"""Derivatives of an objective that are not finite in reverse mode, taken from Taylor mode where it has them.

See `refopt.derivatives.branches`. What neither mode has stays as it is: the run decides what becomes of it,
and `Objective.blame` names the operation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .derivatives.branches import DerivativeError, mended, slope_along
from .derivatives.refusal import TraceError
from .derivatives.tensors import hessian_by_taylor
from .objective import Point

__all__ = ["derivative", "finite_product", "jacobian", "matrix"]


def derivative(
    objective: Any,
    point: Point,
    name: str,
    D: np.ndarray,
    directions: Sequence[np.ndarray] = (),
    fun: Callable | None = None,
    x: np.ndarray | None = None,
) -> np.ndarray:
    """`D`, a derivative of the traced function by reverse mode, with what is not finite by Taylor mode.

    Parameters
    ----------
    objective : a `FunctionObjective` that is traced
    point : Point, where f is evaluated
    name : "g", "H", ..., the name in ``res.derivatives``
    D, directions : see `refopt.derivatives.branches.mended`
    fun, x : a function whose derivative it is, and where, if it is not f at the point
    """
    if np.all(np.isfinite(D)) or not np.isfinite(point.f):
        return D
    at = point.x if x is None else x
    tested = point.memo.setdefault("tested slopes", set()) if x is None and fun is None else None
    return attempt(objective, name, D, lambda: mended(fun or objective.as_traced, at, D, directions, tested))


def jacobian(objective: Any, point: Point, model: Callable, J: np.ndarray) -> np.ndarray:
    """The same for the Jacobian (m, n) of a model, by Taylor mode of the model."""
    if np.all(np.isfinite(J)):
        return J
    flat = lambda x: np.ravel(model(x)) if isinstance(x, np.ndarray) else model(x).ravel()  # noqa: E731
    return attempt(objective, "J", J, lambda: mended(flat, point.x, J.T).T)


def matrix(
    objective: Any, point: Point, name: str, M: np.ndarray, fixed: Sequence[np.ndarray] = ()
) -> np.ndarray:
    """The same for the matrix ``D^(m+2) f[fixed, ., .]``, the Hessian if no direction is fixed."""
    M = np.asarray(M, dtype=objective.dtype)
    if np.all(np.isfinite(M)) or not np.isfinite(point.f):
        return M
    fun = objective.as_traced
    for v in fixed:
        fun = slope_along(fun, v)
    return attempt(objective, name, M, lambda: hessian_by_taylor(fun, point.x))


def attempt(objective: Any, name: str, D: np.ndarray, compute: Callable[[], np.ndarray]) -> np.ndarray:
    """What `compute` returns, noted in ``derivatives``; `D` if it raises an error, noted as `blame`."""
    try:
        found = compute()
    except (DerivativeError, TraceError) as error:
        objective.blame = str(error)
        return D
    names = [*objective.used.get("Taylor mode", "").replace(",", "").split(), name]
    objective.used["Taylor mode"] = ", ".join(sorted(set(names)))
    return found.astype(D.dtype)


def finite_product(product: Callable, v: np.ndarray, matrix: Callable[[], Any]) -> np.ndarray:
    """``product(v)``; if that is not finite, ``matrix() @ v``."""
    w = product(v)
    return w if np.all(np.isfinite(w)) else np.reshape(matrix() @ np.ravel(v), np.shape(w))
