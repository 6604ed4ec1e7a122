"""A run in other units: an objective as a function of ``z = x / s``, and a method that runs in z.

    phi(z) = f(S z),  S = diag(s),  s > 0      phi' = S g      phi'' = S H S      D_k phi[d] = D_k f[S d]
    d_z, state <- method.step(point of phi, S u, state)
    output  S d_z

The run itself stays in x: its points, bounds, tests and results are those of f. Only what the method does
depends on the units: the ball of a trust region is the ellipsoid |s^-1 d| <= radius, the steepest descent is
S^2 g. Newton's step is the same in all units.

Source: A. R. Conn, N. I. M. Gould, Ph. L. Toint, Trust-Region Methods, 2000, section 6.7 (scaled variables
instead of a scaled norm); J. J. Moré, The Levenberg-Marquardt algorithm: implementation and theory, in
Lecture Notes in Mathematics 630, 1978, section 6 (the norms of the columns of J, here those at the start).
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import LinearOperator

from ..derivatives.refusal import TraceError
from ..method import Method
from ..objective import Point, locked
from .linear_map import LinearMap
from .projected import ProjectedObjective

__all__ = ["Scaled", "ScaledObjective", "Scaling", "in_units", "sizes"]

ORDINARY = 10  # sizes from 2^-10 to 2^10, a thousand, do not call for scaling
FEW = 100  # variables, for which a Hessian at the start costs little


@dataclasses.dataclass(frozen=True, eq=False)
class Scaling(LinearMap):
    """``P v = v / s`` and ``Q z = s z``.

    Attributes
    ----------
    s : (n,) array of positive numbers
    """

    s: np.ndarray

    def project(self, v):
        return v / self.s

    def unproject(self, z):
        return self.s * z

    project_adjoint, unproject_adjoint = project, unproject


class ScaledObjective(ProjectedObjective):
    """phi, for a whole run: each point of f has one point here, ``z = x / s``, so none is evaluated twice.

    Parameters
    ----------
    base : Point
        The first point of f.
    s : (n,) array of positive numbers, in the dtype of f
    """

    space: Scaling

    def __init__(self, base: Point, s: np.ndarray):
        shapes = base.objective.shapes
        super().__init__(base, Scaling(shapes or ((s.size,),), shapes or ((s.size,),), s))
        self.shapes = shapes
        if base.objective.bounds is not None:
            lower, upper = base.objective.bounds
            self.bounds = lower / s, upper / s

    def of(self, parent: Point) -> Point:
        """The point of phi that belongs to a point of f."""
        for point in self._recent:
            if point.memo.get("parent") is parent:
                return point
        point = Point(self, locked(self.space.project(parent.x)))
        point.memo["parent"] = parent
        return self.kept(point)

    def after(self, point, update):
        return self.of(self.parent(point).after(self.space.unproject(update)))

    def hessian(self, point):
        """``S H S``, of the kind that H has."""
        H, s = self.parent(point).hess, self.space.s
        if isinstance(H, LinearOperator):
            product = lambda v: s * (H @ (s * np.ravel(v)))  # noqa: E731
            return LinearOperator(H.shape, matvec=product, rmatvec=product, dtype=self.dtype)
        if scipy.sparse.issparse(H):
            S = scipy.sparse.diags(s)
            return (S @ H @ S).tocsr()
        return s[:, None] * H * s


class ScaledState(NamedTuple):
    """Both change at every step."""

    phi: ScaledObjective | None  # the objective of the method; None before the first step
    inner: Any  # state of the method


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Scaled(Method):
    """A method that runs in ``z = x / s``; made by `in_units`, printed as the method.

    Parameters
    ----------
    inner : Method
    s : (n,) array of positive numbers, in the dtype of the run
    """

    inner: Method
    s: np.ndarray

    def seen(self, point: Point) -> Point:
        """The point of a phi of its own, outside of a run."""
        return ScaledObjective(point, self.s).start

    def merit(self, point):
        return point.f if self.minimises_f() else self.inner.merit(self.seen(point))

    def init(self, x, shapes=None, rng=None):
        return ScaledState(None, self.inner.init(locked(x / self.s), shapes, rng))

    def step(self, point, update, state):
        phi = ScaledObjective(point, self.s) if state.phi is None else state.phi
        phi.base, here = point, phi.of(point)
        # methods know the gradient by identity
        update = here.g if update is point.g else self.s * update
        update, inner = self.inner.step(here, update, state.inner)
        return self.s * update, ScaledState(phi, inner)

    def figures(self, state):
        return self.inner.figures(state.inner)

    def __repr__(self) -> str:
        return repr(self.inner)


def in_units(method: Method, x_scale: Any, point: Point) -> tuple[Method, np.ndarray | None]:
    """`method` in the units that the option `x_scale` stands for, and these; None where "auto" sees none."""
    s = x_scale if isinstance(x_scale, np.ndarray) else sizes(x_scale, point)
    return (method, None) if s is None else (Scaled(method, s), s)


def sizes(x_scale: str, point: Point) -> np.ndarray | None:
    """The sizes of the variables that the derivatives at a point say, in the dtype of the run.

        s_i = sqrt(F) / d_i,    F = max_i (g_i / d_i)^2
        d_i = sqrt |H_ii|       "hess", "auto"
        d_i = |J e_i|_2         "jac", J the Jacobian of the residuals or of the model

    F, the same for all variables, is about twice the greatest decrease that a Newton step of one variable
    promises, so that a step of length 1 in z is neither far nor near in any units of f. Where d_i is 0 or
    not finite, s_i = 1. The s_i are rounded to powers of two, so that scaling adds no rounding errors.

    "auto": None where all s_i are within `ORDINARY`, where H is not exact, and above n = `FEW`.

    Examples
    --------
    >>> import numpy as np
    >>> from refopt.function import FunctionObjective
    >>> x = np.array([3.0, 0.0, 0.0])
    >>> sizes("hess", FunctionObjective(lambda x: 8 * x[0] ** 2 + 1e-12 * x[1] ** 2 + x[2], x).at(x))
    array([4.000000e+00, 8.388608e+06, 1.000000e+00])
    """
    if x_scale == "auto" and not quickly_known(point):
        return None
    with np.errstate(all="ignore"):
        try:
            d = column_norms(point) if x_scale == "jac" else root_curvatures(point)
        except TraceError:
            if x_scale == "auto":
                return None
            raise
        decreases = (point.g / d) ** 2
        F = np.max(decreases, where=np.isfinite(decreases), initial=0.0) or abs(point.f) or 1.0
        s = np.exp2(np.rint(np.log2(np.sqrt(F) / d))).astype(point.x.dtype)
        known = np.isfinite(s) & (s > 0) & np.isfinite(point.x / s) & np.isfinite(s * point.g)
    s = np.where(known, s, 1).astype(point.x.dtype)
    if x_scale == "auto" and np.all(np.abs(np.log2(s)) <= ORDINARY):
        return None
    return s


def quickly_known(point: Point) -> bool:
    """Whether the exact Hessian costs little."""
    exact = point.objective.product_error() <= float(np.finfo(point.x.dtype).eps)
    return exact and point.x.size <= FEW


def column_norms(point: Point) -> np.ndarray:
    return np.linalg.norm(point.jacobian.astype(float), axis=0)


def root_curvatures(point: Point) -> np.ndarray:
    H = point.hess
    diagonal = H.diagonal() if scipy.sparse.issparse(H) else np.diag(point.dense_hessian())
    return np.sqrt(np.abs(diagonal.astype(float)))
