"""The minimiser of a quadratic over the span of two directions."""

from __future__ import annotations

import numpy as np

from .norm import nrm2

__all__ = ["minimise_over_span"]


def minimise_over_span(
    u: np.ndarray, D: np.ndarray, z: np.ndarray, KD: np.ndarray, Kz: np.ndarray
) -> tuple[float, float, str]:
    """``(beta, rho, branch)`` such that p = rho z - beta D minimises u^T p + p^T K p / 2 over span{D, z}.

    `KD` and `Kz` are the products of K with D and z, all of shape (n,). Where K is indefinite on the span,
    its eigenvalues are replaced by their absolute values.
    """
    eps = float(np.finfo(D.dtype).eps)
    length = nrm2(D)
    if length == 0:
        return 0.0, 1.0, "rank one"  # D = 0: z already solves K z = -u
    e1, Ke1 = D / length, KD / length
    share = float(np.dot(e1, z))
    rest = z - share * e1
    height = nrm2(rest)
    if height <= np.sqrt(eps) * nrm2(z):
        k = float(np.dot(e1, Ke1))
        slope = float(np.dot(e1, u))
        return slope / (length * (abs(k) or 1.0)), 0.0, "rank one" if k > 0 else "indefinite"
    e2, Ke2 = rest / height, (Kz - share * Ke1) / height
    cross = (float(np.dot(e1, Ke2)) + float(np.dot(e2, Ke1))) / 2
    values, V = np.linalg.eigh([[float(np.dot(e1, Ke1)), cross], [cross, float(np.dot(e2, Ke2))]])
    size = np.maximum(np.abs(values), eps * np.abs(values).max()) if values.any() else np.ones(2)
    a, b = -V @ ((V.T @ [float(np.dot(e1, u)), float(np.dot(e2, u))]) / size)  # p = a e1 + b e2
    rho = b / height
    return float(rho * share - a) / length, float(rho), "regular" if values[0] > 0 else "indefinite"
