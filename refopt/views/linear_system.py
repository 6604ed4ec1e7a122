"""A symmetric linear system as an objective, so that any optimizer can solve it.

    A d = u        A = H + reg I, known by its products

    residual   q(d) = |A d - u|^2 / n             grad = 2/n A (A d - u)     hess = 2/n A^2
    energy     q(d) = d^T A d / 2 - u^T d         grad = A d - u             hess = A

The energy has a minimiser only if A is positive definite. Its condition number is then the square root of
that of the residual, and its gradient costs one product instead of two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..objective import Objective, Point

__all__ = ["LinearSystem", "KINDS"]

KINDS = ("residual", "energy")


class LinearSystem(Objective):
    """The objective q(d) for ``A d = u``, of a kind in `KINDS`.

    Parameters
    ----------
    product : callable
        ``v -> A v``, A symmetric (n, n).
    u : (n,) array
    kind : {"residual", "energy"}
    """

    def __init__(self, product: Callable, u: np.ndarray, kind: str):
        super().__init__()
        self.A, self.u, self.kind = product, u, kind
        self.n, self.dtype = u.size, u.dtype

    def defect(self, point: Point) -> np.ndarray:
        """``A d - u``, shape (n,)."""
        if "defect" not in point.memo:
            point.memo["defect"] = self.A(point.x) - self.u if point.x.any() else -self.u
        return point.memo["defect"]

    def loss(self, point: Point) -> float:
        """``|A d - u|^2 / n``, for both kinds."""
        r = self.defect(point)
        return float(np.dot(r, r)) / self.n

    def value(self, point):
        if self.kind == "residual":
            return self.loss(point)
        return float(np.dot(point.x, self.defect(point) - self.u)) / 2

    def gradient(self, point):
        r = self.defect(point)
        return self.A(r) * self.dtype.type(2 / self.n) if self.kind == "residual" else r.copy()

    def product(self, point, v):
        return self.A(self.A(v)) * self.dtype.type(2 / self.n) if self.kind == "residual" else self.A(v)

    def matrix(self) -> np.ndarray:
        """A itself, shape (n, n): n products."""
        return np.stack([self.A(e) for e in np.eye(self.n, dtype=self.dtype)], axis=1)

    def hessian(self, point) -> Any:
        A = self.matrix()
        return (A.T @ A) * self.dtype.type(2 / self.n) if self.kind == "residual" else (A + A.T) / 2

    def residuals(self, point):
        if self.kind == "energy":
            return super().residuals(point)
        return self.defect(point) / self.dtype.type(np.sqrt(self.n))

    def jacobian(self, point):
        return super().jacobian(point) if self.kind == "energy" else self.matrix() / np.sqrt(self.n)

    def gauss_newton(self, point):
        return super().gauss_newton(point) if self.kind == "energy" else self.hessian(point)

    def gauss_newton_product(self, point, v):
        return super().gauss_newton_product(point, v) if self.kind == "energy" else self.product(point, v)

    def taylor(self, point, direction, order):
        """Exact: q is quadratic."""
        S = np.atleast_2d(direction)
        rows = [np.full(len(S), point.f), S @ point.g, [np.dot(s, self.product(point, s)) / 2 for s in S]]
        out = np.zeros((order + 1, len(S)), dtype=self.dtype)
        for k, row in enumerate(rows[: order + 1]):
            out[k] = row
        return out[:, 0] if np.ndim(direction) == 1 else out

    def tensors(self, point, order):
        parts = [np.asarray(point.f, dtype=self.dtype), point.g, point.dense_hessian()]
        return [parts[k] if k < 3 else np.zeros((self.n,) * k, dtype=self.dtype) for k in range(order + 1)]

    def model(self, point, s, order):
        Hs = self.product(point, s) if order >= 2 else np.zeros_like(s)
        value = point.f + float(np.dot(point.g, s)) + float(np.dot(s, Hs)) / 2
        return value, point.g + Hs, lambda v: self.product(point, v) if order >= 2 else np.zeros_like(v)
