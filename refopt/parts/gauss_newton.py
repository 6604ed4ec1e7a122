"""The method GaussNewton, and its least-squares solve."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import scipy.linalg

from ..method import Method, option
from ..models.curvature import has_residuals
from ..status import Status, Stop
from ..views.face import face_of, reciprocal

__all__ = ["GaussNewton"]


def shortest_least_squares(J: np.ndarray, r: np.ndarray, reg: float) -> np.ndarray:
    """The shortest minimiser d (n,) of ``|J d - r|^2 + reg |d|^2 / 2``."""
    if reg:
        n = J.shape[1]
        J = np.vstack((J, np.sqrt(reg / 2) * np.eye(n, dtype=J.dtype)))
        r = np.concatenate((r, np.zeros(n, dtype=r.dtype)))
    return scipy.linalg.lstsq(J, r, check_finite=False)[0]


@dataclasses.dataclass(frozen=True)
class GaussNewton(Method):
    """Newton's direction with the Hessian of the linearised model. Follow it with a line search.

        f = sum_i r_i^2, u = g           output  argmin_d |J d - r|^2 + reg |d|^2 / 2
                                         g = 2 J^T r, matrix 2 J^T J + reg I
        f = l(y(x)), or another u        output  (J^T H_l J + reg I)^+ u
                                         J the Jacobian of y, H_l the Hessian of l

    Both give the shortest solution where the matrix is singular. The first form uses J itself, so
    the condition number is that of J, not that of J^T J. With reg > 0 it solves the stacked problem
    argmin_d |[J; sqrt(reg/2) I] d - [r; 0]|. `fun` must be `refopt.LeastSquares` or
    `refopt.ModelLoss`. With bounds all this is done for the free variables alone
    (`refopt.views.face`), and the bound ones go g_i divided by their diagonal entry of the matrix.

    Far from a solution this direction can be poor, and a line search gets stuck. So with reg = 0 the bare
    name "GaussNewton" in `minimize` is ``LevenbergMarquardt(curvature="gauss-newton")``, the same step in a
    trust region; with reg > 0, which damps it already, it is the direction with `Backtracking`.

    Parameters
    ----------
    reg : float >= 0
        Added to the diagonal of the matrix.

    Raises
    ------
    TypeError, ValueError
        For a `reg` outside its range.
    Stop
        (Inside a run, ending it) if the Jacobian has entries that are not finite.

    Notes
    -----
    Source: J. Nocedal, S. J. Wright, Numerical Optimization, 2006, section 10.3, eq. (10.23); N. N.
    Schraudolph, Fast curvature matrix-vector products for second-order gradient descent, Neural
    Computation 14 (2002) 1723-1738, for J^T H_l J; with bounds D. P. Bertsekas 1982, doi
    10.1137/0320018, eq. (32) to (37).

    Deviations: `torchzero` 0.4.4 solves (J^T J + reg I) d = J^T r with reg = 1e-8, which squares
    the condition number of J; here r comes from `refopt.LeastSquares` and reg is 0.

    Cost per step: min(m, n) passes through the model for m residuals, O(m n^2) arithmetic.

    Examples
    --------
    >>> import autograd.numpy as np, refopt
    >>> t, y = np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.6, 0.4])
    >>> decay = refopt.LeastSquares(lambda x: x[0] * np.exp(-x[1] * t) - y)
    >>> refopt.minimize(decay, [1.0, 1.0], method="GaussNewton").x.round(3)
    array([0.994, 0.474])
    """

    reg: float = option(0.0, "[0, inf)")  # the method of the book

    needs: ClassVar[frozenset[str]] = frozenset({"gauss-newton"})
    in_bounds: ClassVar[str] = "direction"

    def step(self, point, update, state):
        if not np.all(np.isfinite(point.jacobian)):
            raise Stop(
                Status.NONFINITE,
                reason=f"the Jacobian has entries that are not finite where f = {point.f:.6g}",
            )
        if update is point.g and has_residuals(point):
            J, r = point.objective.factor(point)
            face = face_of(point, lambda: reciprocal(2 * (J**2).sum(axis=0) + self.reg))
            d = shortest_least_squares(face.part(J), r, self.reg)
            return face.direction(d.astype(update.dtype)), state
        G = point.gauss_newton + self.reg * np.eye(update.size, dtype=update.dtype)
        face = face_of(point, lambda: reciprocal(np.diag(G)))
        d = scipy.linalg.lstsq(face.block(G), face.part(update), check_finite=False)[0]
        return face.direction(d.astype(update.dtype)), state
