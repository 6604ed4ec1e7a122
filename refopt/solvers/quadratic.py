"""One quadratic over a ball, exactly: given by its matrix, or by the factor of a least-squares problem.

The quadratic problem is ``min g^T z + z^T H z / 2`` over ``|z| <= r``. By More and Sorensen 1983, theorem
2.1, z is a *global* minimiser exactly when, for some multiplier lam >= 0,

    (H + lam I) z = -g,    H + lam I positive semidefinite,    lam (r - |z|) = 0.

With H = V diag(w) V^T and c = V^T g this is one equation in lam, ``|c / (w + lam)| = r``. Newton's method on
``1/r - 1/|.|`` converges to its root monotonically. If c has no component in the lowest eigenspace (the *hard
case*), the solution at lam = -w_1 is extended along the lowest eigenvector to the boundary.

Source: J. J. More, D. C. Sorensen, SIAM J. Sci. Stat. Comput. 4 (1983) 553-572, doi:10.1137/0904038; Conn,
Gould, Toint, Trust-Region Methods, 2000, section 7.3.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

__all__ = ["least_squares_in_ball", "quadratic_in_ball"]

EPS, LEAST = float(np.finfo(float).eps), float(np.finfo(float).tiny)
SECULAR_TOL = 1e-14  # relative error of |z| = r; Newton on the secular equation reaches it in a few steps
SECULAR_STEPS = 60
HARD = 1e-14  # a component of g in the lowest eigenspace below this share of |g| is rounding


def quadratic_in_ball(w: np.ndarray, V: np.ndarray, g: np.ndarray, r: float) -> tuple[np.ndarray, float]:
    """The global minimiser z of ``g^T z + z^T V diag(w) V^T z / 2`` over ``|z| <= r``, and its multiplier.

    Parameters
    ----------
    w, V : (n,), (n, n)
        Eigenvalues in ascending order and eigenvectors, as `numpy.linalg.eigh` gives them.
    g : (n,)
    r : float > 0

    Examples
    --------
    >>> import numpy as np
    >>> w, V = np.linalg.eigh(np.diag([1.0, -2.0]))
    >>> z, lam = quadratic_in_ball(w, V, np.array([0.0, 0.0]), 3.0)   # the hard case
    >>> print(abs(z), lam)
    [0. 3.] 2.0
    """
    c = V.T @ g
    spread = max(abs(float(w[0])), abs(float(w[-1])))
    tiny = EPS * spread * w.size
    gaps = w - w[0]
    if w[0] > tiny:
        z = c / w
        if z @ z <= r * r:
            return -(V @ z), 0.0
    else:
        low = max(0.0, -float(w[0]))
        flat = gaps <= tiny  # the lowest eigenspace
        if np.all(np.abs(c[flat]) <= HARD * float(np.sqrt(c @ c))):
            z = np.where(flat, 0.0, c) / np.where(flat, 1.0, w + low)
            room = r * r - float(z @ z)
            if room >= 0:
                if low <= tiny:  # the lowest eigenspace is flat: no need to move along it
                    return -(V @ z), 0.0
                z[0] = np.copysign(np.sqrt(room), c[0])
                return -(V @ z), low
    t = secular_root(gaps, c, r, max(0.0, float(w[0])))
    return -(V @ (c / guarded(gaps + t))), max(0.0, t - float(w[0]))


def least_squares_in_ball(A: np.ndarray, b: np.ndarray, r: float) -> tuple[np.ndarray, float]:
    """The shortest minimiser z of ``|A z - b|`` over ``|z| <= r``, and the multiplier of the radius.

    It is `quadratic_in_ball` with the matrix A^T A and the gradient -A^T b, by the singular values of A
    itself: A^T A is never formed, so no digits are lost to the square of the condition number.

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
    >>> least_squares_in_ball(np.diag([1.0, 1e-9]), np.array([3.0, 0.0]), 1.0)
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


def guarded(d: np.ndarray) -> np.ndarray:
    """`d` with zeros replaced by the least positive number."""
    return np.maximum(d, LEAST)


def secular_root(gaps: np.ndarray, c: np.ndarray, r: float, low: float) -> float:
    """The t > low with ``|c / (gaps + t)| = r``, by Newton's method on ``1/r - 1/|.|``, kept in a bracket.

    The unknown is t = lam + w_1, not lam: close to the hard case lam and -w_1 agree in nearly all digits.
    """
    part = np.abs(c) / r
    # |c_i|/(gap_i + t) <= r, up to rounding
    lower = max(low, float(np.max(part - gaps - 4 * EPS * (part + gaps))))
    upper = max(lower, float(np.sqrt(c @ c)) / r)  # r <= |c|/t
    t = lower
    for _ in range(SECULAR_STEPS):
        d = guarded(gaps + t)
        z = c / d
        zz = float(z @ z)
        excess = np.sqrt(zz) / r - 1
        if abs(excess) <= SECULAR_TOL:
            break
        lower, upper = (t, upper) if excess > 0 else (lower, t)
        new = t + excess * zz / float(z @ (z / d))
        if not lower < new < upper:
            new = (lower + upper) / 2
        if new == t or upper - lower <= EPS * upper:
            break
        t = new
    return t
