"""GaussNewton: Newton's direction with the curvature of the model's linearisation.

    f = sum_i r_i^2                  d = argmin |J d - r|           (gradient 2 J^T r, matrix 2 J^T J)
    f = l(y(x)), u another update    d = (J^T H_l J + reg I)^+ u    J the Jacobian of y, H_l the Hessian of l

The first form works on J itself, so the condition number of J^T J does not appear; both give the shortest
solution where the matrix is singular. With reg > 0 the first form solves the stacked problem |[J; sqrt(reg/2)
I] d - [r; 0]|.

Source: Nocedal, Wright, Numerical Optimization, 2006, section 10.3; Schraudolph, Neural Computation 14 (2002)
1723-1738 (J^T H_l J). Cost per step: min(m, n) passes through the model, O(m n^2) arithmetic.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import scipy.linalg

from ..method import Method
from ..models.curvature import has_residuals
from ..status import Status, Stop

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
    """Gauss-Newton's direction for `refopt.LeastSquares` and `refopt.ModelLoss`. Add a line search.

    Parameters
    ----------
    reg : float >= 0
        Added to the diagonal of the matrix.

    Raises
    ------
    Stop
        (Inside a run, ending it) when the Jacobian has entries that are not finite.

    Examples
    --------
    >>> import autograd.numpy as np, refopt
    >>> t, y = np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.6, 0.4])
    >>> decay = refopt.LeastSquares(lambda x: x[0] * np.exp(-x[1] * t) - y)
    >>> refopt.minimize(decay, [1.0, 1.0], method="GaussNewton").x.round(3)
    array([0.994, 0.474])
    """

    reg: float = 0.0

    needs: ClassVar[frozenset[str]] = frozenset({"gauss-newton"})

    def __post_init__(self):
        self.check(reg="[0, inf)")

    def step(self, point, update, state):
        if not np.all(np.isfinite(point.jacobian)):
            raise Stop(Status.NONFINITE, reason="the Jacobian has entries that are not finite where "
                                                f"f = {point.f:.6g}")
        if update is point.g and has_residuals(point):
            d = shortest_least_squares(point.jacobian, point.residuals, self.reg)
            return d.astype(update.dtype), state
        G = point.gauss_newton + self.reg * np.eye(update.size, dtype=update.dtype)
        return scipy.linalg.lstsq(G, update, check_finite=False)[0].astype(update.dtype), state
