"""An objective seen through a linear map, for the inner methods of a projection.

    phi(z) = f(Q z)       phi' = Q^T g       phi'' = Q^T H Q       D_k phi[s] = D_k f[Q s]

P and Q are those of a `LinearMap`. `ProjectedObjective` computes everything from the points of f, so nothing
is computed twice. With ``exact=False`` the gradient is P g, which is the derivative of phi only if P = Q^T.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..objective import Contraction, Objective, Point, locked
from .linear_map import LinearMap, Restriction

__all__ = ["ProjectedObjective", "BlockObjective", "UpdateOnly"]


class ProjectedObjective(Objective):
    """``z -> f(Q z)``, answered from points of f.

    Parameters
    ----------
    base : Point
        The current point of the outer method; the projected point ``P base.x`` is `start`.
    space : LinearMap
    exact : bool
        True: the gradient is ``Q^T g``. False: ``P g``.
    """

    def __init__(self, base: Point, space: LinearMap, exact: bool = True):
        super().__init__()
        self.base, self.space = base, space
        self.n, self.dtype, self.shapes = space.m, base.x.dtype, space.shapes
        self.covector = space.unproject_adjoint if exact else space.project
        self.start = self.at(locked(np.array(space.project(base.x))))
        self.start.memo["parent"] = base

    def outside(self, z: np.ndarray) -> np.ndarray:
        """The variables of f at z, a new array."""
        return np.array(self.space.unproject(z))

    def lift(self, z: np.ndarray) -> Point:
        """The point of f at z."""
        return self.base.objective.at(locked(self.outside(z)))

    def parent(self, point: Point) -> Point:
        """The point of f behind `point`."""
        if "parent" not in point.memo:
            point.memo["parent"] = self.lift(point.x)
        return point.memo["parent"]

    def after(self, point: Point, update: np.ndarray) -> Point:
        child = super().after(point, update)
        if "parent" not in child.memo:  # exactly x - Q u, the point the driver moves to
            child.memo["parent"] = self.parent(point).after(self.space.unproject(update))
        return child

    def value(self, point):
        return self.parent(point).f

    def value_error(self, point):
        parent = self.parent(point)
        return parent.objective.value_error(parent)

    def gradient(self, point):
        return np.array(self.covector(self.parent(point).g))

    def gradient_at(self, x):
        return locked(np.array(self.covector(self.base.objective.gradient_at(self.outside(x)))))

    def product(self, point, v):
        return np.array(self.space.unproject_adjoint(self.parent(point).hvp(self.space.unproject(v))))

    def hessian(self, point):
        return self.congruence(self.parent(point).dense_hessian())

    def congruence(self, A: np.ndarray) -> np.ndarray:
        """``Q^T A Q`` for a symmetric A (n, n)."""
        half = self.space.unproject_adjoint(A)
        full = self.space.unproject_adjoint(np.ascontiguousarray(half.T))
        return (full + full.T) / 2

    def third(self, point, w):
        parent = self.parent(point)
        Hw, product = parent.objective.third(parent, self.space.unproject(w))
        adjoint, up = self.space.unproject_adjoint, self.space.unproject
        return np.array(adjoint(Hw)), lambda v: np.array(adjoint(product(up(v))))

    def contraction(self, point, fixed):
        parent = self.parent(point)
        inner = parent.objective.contraction(parent, tuple(self.space.unproject(v) for v in fixed))
        adjoint, up = self.space.unproject_adjoint, self.space.unproject
        batched = None if inner.batched is None else lambda: self.congruence(inner.matrix())
        return Contraction(point, lambda v: np.array(adjoint(inner(up(v)))), batched)

    def residuals(self, point):
        return self.parent(point).residuals.copy()

    def jacobian(self, point):
        return np.array(self.space.unproject_adjoint(self.parent(point).jacobian))

    def factor(self, point):
        parent = self.parent(point)
        A, b = parent.objective.factor(parent)
        return np.array(self.space.unproject_adjoint(A)), b.copy()

    def gauss_newton(self, point):
        return self.congruence(self.parent(point).gauss_newton)

    def gauss_newton_product(self, point, v):
        return np.array(
            self.space.unproject_adjoint(self.parent(point).gauss_newton_product(self.space.unproject(v)))
        )

    def taylor(self, point, direction, order):
        return self.parent(point).taylor(self.space.unproject(direction), order)

    def tensors(self, point, order):
        def pulled(T: np.ndarray) -> np.ndarray:
            for axis in range(T.ndim):
                T = np.moveaxis(
                    self.space.unproject_adjoint(np.ascontiguousarray(np.moveaxis(T, axis, -1))), -1, axis
                )
            return T

        return [pulled(T) for T in self.parent(point).tensors(order)]

    def model(self, point, s, order):
        value, gradient, product = self.parent(point).model(self.space.unproject(s), order)
        adjoint, up = self.space.unproject_adjoint, self.space.unproject
        return value, np.array(adjoint(gradient)), lambda v: np.array(adjoint(product(up(v))))


class BlockObjective(ProjectedObjective):
    """f as a function of one block of its variables; the others keep their values at `base`."""

    space: Restriction

    def outside(self, z):
        x = self.base.x.copy()
        x[self.space.start : self.space.stop] = z
        return x

    def hessian(self, point):
        """The block of H: from the dense Hessian if that is small, else column by column."""
        parent, part = self.parent(point), slice(self.space.start, self.space.stop)
        if parent.x.size <= SMALL:
            return parent.dense_hessian()[part, part].copy()
        H = np.stack([self.product(point, e) for e in np.eye(self.n, dtype=self.dtype)])
        return (H + H.T) / 2


SMALL = 1000  # up to so many variables all blocks share one dense Hessian (8 MB)


class UpdateOnly(Point):
    """The point that inner methods see without `project_params`: at most the gradient, no x and no values."""

    __slots__ = ("who", "gradient")

    def __init__(self, who: str, gradient: Callable[[], np.ndarray] | None):  # no super: there is no x
        self.who, self.gradient, self.memo = who, gradient, {}
        self._g = None

    def _refuse(self, *ignored: Any, **also: Any) -> Any:
        raise TypeError(
            f"{self.who}: the inner methods receive only the projected update, but one of them asks for "
            "the point or a value there; set project_params=True"
        )

    @property
    def g(self):
        if self._g is None:
            self._g = locked(np.array(self._refuse() if self.gradient is None else self.gradient()))
        return self._g

    x = objective = property(_refuse)
    f = hess = residuals = jacobian = gauss_newton = property(_refuse)
    hvp = taylor = tensors = model = dense_hessian = after = gauss_newton_product = _refuse
