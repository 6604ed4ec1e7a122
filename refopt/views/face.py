"""A point inside bounds, seen by methods that compute a direction: its free variables, and the others' step.

    minimise f over  l <= x <= u,    P(y) = clip(y, l, u),    M > 0 diagonal, a guess of the inverse curvature

    w = |x - P(x - M g)|_inf                      an estimate of the distance to a solution
    e_i = min(w, 1e-3 (u_i - l_i), 1e-3)          the margin
    i is bound    if  x_i - l_i <= e_i and g_i > 0,  or  u_i - x_i <= e_i and g_i < 0,  or  l_i = u_i
    p_i = M_i g_i for the bound variables; for the free ones p = what the method computes from them alone
    x(a) = P(x - a p)                             the arc that a line search follows

Without the margin e the arc would bend at once where a variable stands just off its bound, and the method
would jam. If the direction of the free variables were computed from all variables, as for Newton's direction
clipped afterwards, f could rise along the arc, however short the step.

Source: D. P. Bertsekas, Projected Newton methods for optimization problems with simple constraints, SIAM J.
Control Optim. 20 (1982) 221-246, doi 10.1137/0320018, eq. (32) to (37). Deviations: M is not the identity but
given by the method, so that the margin does not depend on the units of f; the margin is also at most a share
of the width of the box.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ..objective import Point

__all__ = ["Face", "along_gradient", "face_of", "inward", "reciprocal"]

MARGIN = 1e-3  # the greatest e_i, in units of x and of the width of the box; the paper's constant epsilon


@dataclasses.dataclass(frozen=True)
class Face:
    """The free variables of a point, and the step of the others. Without bounds all variables are free.

    Attributes
    ----------
    free : (n,) array of bool, or None if all are free
    rest : (n,) array, the step of the bound variables, 0 for the free ones; None if all are free
    """

    free: np.ndarray | None = None
    rest: np.ndarray | None = None

    def part(self, v: np.ndarray) -> np.ndarray:
        """The entries of the free variables along the last axis of `v`: (..., n) -> (..., m)."""
        return v if self.free is None else v[..., self.free]

    def block(self, A: np.ndarray) -> np.ndarray:
        """The rows and columns of the free variables of a matrix A (n, n)."""
        return A if self.free is None else A[np.ix_(self.free, self.free)]

    def operator(self, A: LinearOperator) -> LinearOperator:
        """The rows and columns of the free variables of a symmetric operator A (n, n)."""
        if self.free is None:
            return A
        m = int(np.count_nonzero(self.free))
        product = lambda v: self.part(A @ self.whole(np.ravel(v)))  # noqa: E731
        return LinearOperator((m, m), matvec=product, rmatvec=product, dtype=A.dtype)

    def whole(self, v: np.ndarray) -> np.ndarray:
        """`v` (m,) with zeros for the bound variables, shape (n,)."""
        if self.free is None:
            return v
        out = np.zeros(self.free.size, dtype=v.dtype)
        out[self.free] = v
        return out

    def direction(self, d: np.ndarray) -> np.ndarray:
        """The direction (n,) that is `d` (m,) for the free variables, and `rest` for the others."""
        return d if self.rest is None else self.whole(d) + self.rest


def face_of(point: Point, scale: Callable[[], np.ndarray | float]) -> Face:
    """The free variables of `point`.

    Parameters
    ----------
    point : Point
    scale : callable
        ``scale()`` is the diagonal of M, (n,) or one number; called only where there are bounds.

    Examples
    --------
    >>> import numpy as np
    >>> from refopt.function import FunctionObjective
    >>> x = np.array([0.0, 0.0, 2.0])
    >>> f = FunctionObjective(lambda x: x[0] - x[1] + x[2] ** 2, x, bounds=(np.zeros(3), np.full(3, 5.0)))
    >>> face_of(f.at(x), lambda: 0.5).free
    array([False,  True,  True])
    """
    if point.objective.bounds is None:
        return Face()
    lower, upper = point.objective.bounds
    x, g = point.x, point.g
    with np.errstate(over="ignore", invalid="ignore"):
        step = np.asarray(scale(), dtype=x.dtype) * g
        w = np.abs(x - np.clip(x - step, lower, upper)).max()
        margin = np.minimum(w, MARGIN * np.minimum(upper - lower, 1))
        bound = ((x - lower <= margin) & (g > 0)) | ((upper - x <= margin) & (g < 0)) | (lower == upper)
    return Face(~bound, np.where(bound, step, 0))


def inward(x: np.ndarray, v: np.ndarray, bounds: tuple[np.ndarray, np.ndarray] | None) -> np.ndarray:
    """`v` (n,) without the entries that would take ``x - a v`` across a bound at which x stands.

    Of the gradient it is the projected gradient, which is zero at a constrained stationary point.

    Examples
    --------
    >>> inward(np.array([0.0, 0.0, 1.0]), np.array([2.0, -2.0, 2.0]), (np.zeros(3), np.ones(3)))
    array([ 0., -2.,  2.])
    """
    if bounds is None:
        return v
    lower, upper = bounds
    return np.where(((x <= lower) & (v > 0)) | ((x >= upper) & (v < 0)), 0, v)


def reciprocal(curvature: np.ndarray) -> np.ndarray:
    """``1 / |curvature|``, and 1 where that is not a positive number.

    Examples
    --------
    >>> reciprocal(np.array([4.0, -0.5, 0.0]))
    array([0.25, 2.  , 1.  ])
    """
    with np.errstate(divide="ignore", over="ignore"):
        scale = 1 / np.abs(curvature)
    return np.where(np.isfinite(scale) & (scale > 0), scale, 1)


def along_gradient(point: Point, product: Callable[[np.ndarray], np.ndarray]) -> float:
    """The inverse curvature ``q^T q / |q^T H q|`` along the projected gradient q, by one product with H."""
    q = inward(point.x, point.g, point.objective.bounds)
    square = float(np.dot(q, q))
    return float(reciprocal(np.asarray(np.dot(q, product(q)) / square))) if square > 0 else 1.0
