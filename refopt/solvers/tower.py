"""The vectors x_1, x_2, ... of NewtonNewton at one point, and the matrices J_k between them.

    J_(k-1) D^V x_k = D^V x_(k-1) - sum over nonempty S in V of  D^(S + w) x_(k-1),   w = D^(V - S) x_k

See `refopt.algorithms.newton_newton` for the derivation.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
from scipy.sparse.linalg import LinearOperator, gmres

from ..status import Status, Stop

__all__ = ["Krylov", "Tower", "factorised"]


class Tower:
    """``x_1, x_2, ...`` at one point, their derivatives, and the matrices ``J_k`` between them.

    Parameters
    ----------
    g : (n,) gradient, x_1
    curvature : callable
        ``curvature(V)`` for a tuple V of vectors: the symmetric operator ``D^(|V|+2) f[V, ., .]``, array or
        LinearOperator; V empty is the Hessian.
    reg : float
    solve : callable
        ``solve(k, b)`` is ``J_k^-1 b``.
    weights : (n,) array or 1
        J_1 is ``H + reg diag(weights)``; the other J_k have no units, and reg I is added to them.
    """

    def __init__(self, g: np.ndarray, curvature: Callable, reg: float, solve: Callable, weights: Any = 1):
        self.x = [g]
        self.curvature, self.reg, self.solve, self.weights = curvature, reg, solve, weights
        self._vectors: dict[tuple, np.ndarray] = {}
        self._operators: dict[tuple, Any] = {}
        self._alive: list = []  # references to the vectors whose ids are keys, so that ids stay unique

    def derivative(self, k: int, V: tuple, B: np.ndarray) -> np.ndarray:
        """``D^(V + v) x_k`` for v = B (n,), or for every column v of B (n, r)."""
        if k == 1:
            return self.operator(V) @ B
        right = self.derivative(k - 1, V, B)
        for size in range(len(V) + 1):
            for S in itertools.combinations(range(len(V)), size):
                inside, outside = tuple(V[i] for i in S), tuple(V[i] for i in range(len(V)) if i not in S)
                if size:  # the subset S without v: v belongs to w
                    right = right - self.derivative(k - 1, inside, self.derivative(k, outside, B))
                right = right - self.derivative(k - 1, (*inside, self.vector(k, outside)), B)  # S with v
        return self.solve(k - 1, right)

    def vector(self, k: int, V: tuple) -> np.ndarray:
        """``D^V x_k``; x_k itself for V empty."""
        if not V:
            return self.x[k - 1]
        key = (k, *map(id, V))
        if key not in self._vectors:
            self._alive.append(V)
            self._vectors[key] = self.derivative(k, V[:-1], V[-1])
        return self._vectors[key]

    def operator(self, V: tuple) -> Any:
        key = tuple(sorted(map(id, V)))
        if key not in self._operators:
            self._alive.append(V)
            self._operators[key] = self.curvature(V)
        return self._operators[key]

    def J(self, k: int, B: np.ndarray) -> np.ndarray:
        """``J_k B``."""
        weighted = (B.T * self.weights).T if k == 1 else B
        return self.derivative(k, (), B) + self.reg * weighted


def factorised(J: np.ndarray) -> tuple[Callable, str]:
    """``(b -> J^-1 b, name)``: Cholesky if J is symmetric positive definite, then LU, then least squares.

    With a pivot below n eps times the largest, which is rounding, the matrix counts as singular.
    """
    rounding = J.shape[0] * np.finfo(J.dtype).eps
    if np.array_equal(J, J.T):
        try:
            c = scipy.linalg.cho_factor(J, check_finite=False)
            pivots = np.diag(c[0]) ** 2
            if pivots.min() > rounding * pivots.max():
                return lambda b: scipy.linalg.cho_solve(c, b, check_finite=False), "cholesky"
        except scipy.linalg.LinAlgError:
            pass
    lu, piv, info = scipy.linalg.lapack.get_lapack_funcs("getrf", (J,))(J)
    pivots = np.abs(np.diag(lu))
    if info == 0 and pivots.min() > rounding * pivots.max():
        return lambda b: scipy.linalg.lu_solve((lu, piv), b, check_finite=False), "lu"
    inverse = scipy.linalg.pinv(J, check_finite=False)
    return lambda b: inverse @ b, "least squares"


class Krylov:
    """``b -> J_k^-1 b`` by gmres, to the relative residual `rtol`; `name` says if that was not reached."""

    def __init__(self, tower: Tower, k: int, n: int, dtype: np.dtype, rtol: float):
        self.J = LinearOperator((n, n), matvec=lambda v: tower.J(k, v.reshape(-1)), dtype=dtype)
        self.k, self.rtol, self.name = k, rtol, "gmres"

    def __call__(self, b: np.ndarray) -> np.ndarray:
        x, info = gmres(self.J, b, rtol=self.rtol, atol=0.0, restart=min(b.size, 100), maxiter=10)
        if not np.all(np.isfinite(x)):
            raise Stop(Status.NONFINITE, reason=f"gmres on J_{self.k} of NewtonNewton broke down")
        if info:
            self.name = f"gmres, not to {self.rtol:g} in {info} iterations"
        return x
