"""The inverse of ``J^T J`` and of a symmetric matrix, which says what a singular matrix leaves open.

Both scale the variables first, so that the units in which they are measured do not matter, and never form
``J^T J``, which would double the number of digits lost.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["Inverse", "gram_inverse", "symmetric_inverse"]


class Inverse(NamedTuple):
    """The inverse of a symmetric matrix A, as far as A determines it.

    Attributes
    ----------
    matrix : (n, n) float64 array; infinite on the diagonal and nan beside it where `open` is True
    open : (n,) array of bool, the variables that take part in a null vector of A
    lowest : least eigenvalue of A with its variables scaled to a unit diagonal, relative to the largest
    negative : whether A has an eigenvalue that is negative by more than rounding
    condition : condition number of what was factorised, scaled: J, or A itself
    """

    matrix: np.ndarray
    open: np.ndarray
    lowest: float
    negative: bool
    condition: float


def gram_inverse(J: np.ndarray, eps: float) -> Inverse:
    """``(J^T J)^-1`` from the singular value decomposition of J with columns of unit length.

    Parameters
    ----------
    J : (m, n) array, m >= n
        Finite numbers.
    eps : float
        Relative error of the entries of J.

    Returns
    -------
    Inverse

    Notes
    -----
    Source: Å. Björck, Numerical Methods for Least Squares Problems, SIAM 1996, chapter 2 (covariance matrices
    from a factor of J instead of J^T J; column scaling).

    Examples
    --------
    >>> import numpy as np
    >>> J = np.array([[1.0, 0.0], [1.0, 1e9], [1.0, 2e9]])
    >>> np.sqrt(np.diag(gram_inverse(J, 1e-16).matrix)) * [1, 1e9]
    array([0.91287093, 0.70710678])
    """
    J = np.asarray(J, dtype=np.float64)
    scale = unit(np.linalg.norm(J, axis=0))
    _, s, Vt = np.linalg.svd(J / scale, full_matrices=False)
    kept = s > max(J.shape) * eps * s[0]
    lowest = float(s[-1] / s[0]) if s[0] > 0 else 0.0
    return assembled(Vt.T, 1 / s[kept] ** 2, kept, scale, eps, lowest**2, False)._replace(
        condition=1 / lowest if lowest > 0 else np.inf
    )


def symmetric_inverse(H: np.ndarray, eps: float) -> Inverse:
    """``H^-1`` of a symmetric matrix, from the eigenvalues of H with its variables scaled.

    Parameters
    ----------
    H : (n, n) array
        Finite and symmetric.
    eps : float
        Relative error of the entries of H.

    Returns
    -------
    Inverse

    Examples
    --------
    >>> import numpy as np
    >>> symmetric_inverse(np.array([[2.0, 0.0], [0.0, 1e-20]]), 1e-16).matrix.round(6)
    array([[5.e-01, 0.e+00],
           [0.e+00, 1.e+20]])
    >>> symmetric_inverse(np.array([[1.0, 1.0], [1.0, 1.0]]), 1e-16).open
    array([ True,  True])
    """
    H = np.asarray(H, dtype=np.float64)
    diagonal = np.abs(np.diag(H))
    # only an indefinite matrix has a zero on its diagonal and something beside it
    scale = unit(np.sqrt(np.where(diagonal > 0, diagonal, np.abs(H).max(axis=0))))
    w, V = np.linalg.eigh(H / scale / scale[:, None])
    size = float(np.abs(w).max())
    kept = np.abs(w) > len(H) * eps * size
    smallest = float(np.abs(w).min())
    lowest = float(w[0] / size) if size > 0 else 0.0
    return assembled(V, 1 / w[kept], kept, scale, eps, lowest, bool(np.any(w[kept] < 0)))._replace(
        condition=size / smallest if smallest > 0 else np.inf
    )


def unit(size: np.ndarray) -> np.ndarray:
    """`size` as a scale: 1 in place of 0."""
    return np.where(size > 0, size, 1.0)


def assembled(
    V: np.ndarray,
    weights: np.ndarray,
    kept: np.ndarray,
    scale: np.ndarray,
    eps: float,
    lowest: float,
    negative: bool,
) -> Inverse:
    """``D^-1 V W V^T D^-1`` over the eigenvectors kept; `open` where the others have a component.

    A variable without a component in the null space is determined, and its variance is that of the
    pseudo-inverse, whatever is added along the null space.
    """
    W = V[:, kept] / scale[:, None]
    matrix = (W * weights) @ W.T
    matrix = (matrix + matrix.T) / 2
    null: Any = np.linalg.norm(V[:, ~kept], axis=1)
    # half the digits: a null vector is known to eps over the gap to the next eigenvalue
    left = null > np.sqrt(eps)
    matrix[left, :] = matrix[:, left] = np.nan
    matrix[left, left] = np.inf
    return Inverse(matrix, left, lowest, negative, np.nan)
