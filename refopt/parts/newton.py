"""The method Newton, and its modified solve."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import numpy as np
import scipy.linalg

from ..method import Method, option
from ..status import Status, Stop
from ..views.face import face_of, reciprocal

__all__ = ["Newton"]


class NewtonState(NamedTuple):
    """Changes at every step."""

    # "cholesky"; "modified" if H was not positive definite; "fixed": no free variable; "none": no step yet
    solver: str


def descent_solve(H: np.ndarray, u: np.ndarray, delta: float) -> tuple[np.ndarray, str]:
    """``(d, solver)``: H^-1 u, or the modified direction if H is not safely positive definite."""
    if not u.size:
        return u.copy(), "fixed"
    diagonal = np.sqrt(np.abs(np.diag(H)))
    D = np.where(diagonal > 0, diagonal, 1)
    S = H / D[:, None] / D
    try:
        factor = scipy.linalg.cho_factor(S, lower=True, check_finite=False)
        return scipy.linalg.cho_solve(factor, u / D, check_finite=False) / D, "cholesky"
    except scipy.linalg.LinAlgError:
        size, V = scipy.linalg.eigh(S, check_finite=False)
        size = np.abs(size)
        size = np.maximum(size, delta * size.max(initial=0.0))
        if not size.any():  # H = 0: there is no curvature to scale by
            return u.copy(), "modified"
        return (V @ ((V.T @ (u / D)) / size)) / D, "modified"


@dataclasses.dataclass(frozen=True)
class Newton(Method):
    """Newton's direction, modified where the Hessian is indefinite to descend. Follow it with a line search.

        S = D^-1 H D^-1,   D = diag(sqrt|H_ii|)              1 where H_ii = 0
        output  H^-1 u                                       where S is positive definite, by Cholesky
                D^-1 V |L|^-1 V^T D^-1 u,   S = V L V^T      otherwise; |l_i| is at least delta max_j |l_j|
                u                                            where H = 0

    H is the user's `hess`, or computed by n Hessian-vector products. With bounds all this is done for the
    free variables alone (`refopt.views.face`), and the bound ones go g_i / |H_ii|.

    Parameters
    ----------
    delta : float in (0, 1)
        Smallest modified eigenvalue as a share of the largest.

    Raises
    ------
    TypeError, ValueError
        For a `delta` outside its range.
    Stop
        (Inside a run, ending it) if the Hessian has entries that are not finite.

    Notes
    -----
    Source: J. Nocedal, S. J. Wright, Numerical Optimization, 2006, section 3.4, eigenvalue
    modification; with bounds D. P. Bertsekas 1982, doi 10.1137/0320018, eq. (32) to (37).

    Deviations: the book modifies the eigenvalues of H, here those of S are modified, so that the
    result does not depend on the units of the variables. `torchzero` 0.4.4 solves H d = u also
    where H is indefinite, so its step may go uphill.

    Cost per step: one dense Hessian, O(n^3) arithmetic, O(n^2) memory; too much for n above a few
    thousand.

    Examples
    --------
    >>> import refopt
    >>> refopt.minimize(lambda x: (x[0] - 3) ** 4 + x[1] ** 2, [1.0, 1.0], method="Newton").success
    True
    """

    delta: float = option(1e-8, "(0, 1)")  # ours: half the digits of float64

    needs: ClassVar[frozenset[str]] = frozenset({"hess"})
    shown: ClassVar[tuple[str, ...]] = ("solver",)
    in_bounds: ClassVar[str] = "direction"

    def init(self, x, shapes=None, rng=None):
        return NewtonState("none")

    def step(self, point, update, state):
        H = point.dense_hessian()
        if not np.all(np.isfinite(H)):
            raise Stop(
                Status.NONFINITE,
                reason=f"the Hessian has entries that are not finite where f = {point.f:.6g}",
            )
        face = face_of(point, lambda: reciprocal(np.diag(H)))
        d, solver = descent_solve(face.block(H), face.part(update), self.delta)
        return face.direction(d), NewtonState(solver)
