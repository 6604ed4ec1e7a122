"""A linear least-squares problem in a ball: the subproblem of Levenberg and Marquardt.

    min |A z - b|   over  |z| <= r

With A = U diag(s) V^T and c = U^T b the solution is V z with ``z_i = s_i c_i / (s_i^2 + lam)``. Here lam = 0
if that lies in the ball, else the root of one equation, ``|z| = r``, see `refopt.solvers.ball`.

Source: G. H. Golub, C. F. Van Loan, Matrix Computations, 4th edition, 2013, section 6.2.1.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from .ball import EPS, guarded, secular_root

__all__ = ["least_squares_in_ball"]


def least_squares_in_ball(A: np.ndarray, b: np.ndarray, r: float) -> tuple[np.ndarray, float]:
    """The shortest minimiser z of ``|A z - b|`` over ``|z| <= r``, and the multiplier of the radius.

    It is `refopt.solvers.ball.quadratic_in_ball` with the matrix A^T A and the gradient -A^T b, by the
    singular values of A itself: A^T A is never formed, so its condition number costs no digits.

    Parameters
    ----------
    A : (m, n) array
    b : (m,)
    r : float > 0

    Examples
    --------
    >>> import numpy as np
    >>> least_squares_in_ball(np.diag([1.0, 1e-9]), np.array([3.0, 1e-9]), 10.0)
    (array([3., 1.]), 0.0)
    >>> z, lam = least_squares_in_ball(np.diag([1.0, 1e-9]), np.array([3.0, 0.0]), 1.0)
    >>> z, round(lam, 9)
    (array([1., 0.]), 2.0)
    """
    if A.shape[0] > A.shape[1]:
        Q, A = scipy.linalg.qr(A, mode="economic", check_finite=False)
        b = Q.T @ b
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    kept = s > max(A.shape) * EPS * s[0]
    if not kept.any():
        return np.zeros(A.shape[1]), 0.0
    s, Vt, c = s[kept], Vt[kept], U.T[kept] @ b
    z = c / s
    if z @ z <= r * r:
        return Vt.T @ z, 0.0
    least = float(s[-1]) ** 2
    gaps = s * s - least
    t = secular_root(gaps, s * c, r, least)
    return Vt.T @ (s * c / guarded(gaps + t)), t - least
