"""Definition of NewtonNewton, from derivative tensors: the formulas of orders 2, 3 and 4 written out.

    J_1 = H + reg I (damping="relative": reg D^2)     x_2 = J_1^-1 g
    X_2 = J_1^-1 (H - T[x_2])                        J_2 = X_2 + reg I        x_3 = J_2^-1 x_2
    X_3 = J_2^-1 (X_2 - J_1^-1 (T[x_3] - T[X_2 x_3] - T[x_3] X_2 - Q[x_3, x_2]))        J_3 = X_3 + reg I

with X_k the Jacobian of x_k, T and Q the third and fourth derivatives of f.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...derivatives import derivative_tensors
from ...solvers.norm import hessian_scale
from .definitions import Undefined, definition
from .precise import Record, plain, solve
from .second_order import newton

__all__ = ["columns", "matrices"]

DELTA, SHARE = 1e-8, 0.1  # smallest modified eigenvalue; share of Newton's promise that a step has to bring


def columns(J: np.ndarray, B: np.ndarray) -> np.ndarray:
    """``J^-1 B`` for a matrix B."""
    return np.stack([solve(J, b) for b in B.T], axis=1)


def matrices(h: Any, p: Any) -> list[np.ndarray]:
    """J_1 .. J_(order-1)."""
    if h.order > 4:
        raise Undefined(f"NewtonNewton has no precise definition above order 4, got {h.order}")
    eye = np.eye(p.x.size, dtype=np.int64)
    tensors = [p.array(t) for t in derivative_tensors(p.point.objective.fun, p.point.x, h.order)]
    g, H = p.g, p.hess
    weights = p.array(hessian_scale(plain(H)) ** 2) if h.damping == "relative" else 1
    J = [H + h.reg * weights * eye]
    if h.order == 2:
        return J
    T = tensors[3]
    x2 = solve(J[0], g)
    X2 = columns(J[0], H - T @ x2)
    J.append(X2 + h.reg * eye)
    if h.order == 3:
        return J
    x3 = solve(J[1], x2)
    inside = T @ x3 - T @ (X2 @ x3) - (T @ x3) @ X2 - tensors[4] @ x2 @ x3
    J.append(columns(J[1], X2 - columns(J[0], inside)) + h.reg * eye)
    return J


@definition("NewtonNewton", ulps=1e5)  # condition numbers multiply
def newton_newton(h, p, u, s):
    if s.t % h.update_freq == 0:
        J = matrices(h, p)
    else:  # those of an earlier point, as the method kept them
        J = [p.array(matrix) for matrix in s.J]
    d = u
    for matrix in J:
        d = solve(matrix, d)
    changes = dict(t=s.t + 1, direction="kept")
    if h.direction == "newton":
        ordinary = newton(Record(delta=DELTA), p, u, s)[0]
        if not p.f - p.after(d).f >= SHARE * np.dot(u, ordinary) / 2:
            d, changes["direction"] = ordinary, "newton"
    if h.update_freq > 1 and s.t % h.update_freq == 0:
        changes.update(x=p.x, J=tuple(J))
    if p.answer is not None:  # the factorisation is free to choose
        changes.update(solvers=p.answer[1].solvers)
    return d, changes
