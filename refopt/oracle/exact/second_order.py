"""Definitions of LBFGS, Newton and GaussNewton. A solve loses as many digits as its condition number has."""

from __future__ import annotations

import numpy as np

from .definitions import definition
from .precise import cholesky, eigh, norm, solve, sqrt

__all__ = ["newton"]


@definition("LBFGS", ulps=16)
def lbfgs(h, p, u, s):
    pairs = s.pairs
    if s.x is not None:
        d, y = p.x - s.x, p.g - s.g
        if np.dot(d, y) > 1e-10 * norm(d) * norm(y):
            pairs = (*pairs, (d, y, 1 / np.dot(d, y)))[-h.history_size :]
    changes = dict(x=p.x, g=p.g, pairs=pairs)
    if not pairs:
        size = abs(u).sum()
        return (u / size if size > 1 else u), changes
    d, y, _ = pairs[-1]
    gamma = np.dot(d, y) / np.dot(y, y)

    def H(q, k):  # the inverse matrix of the first k pairs: H_k = V^T H_(k-1) V + rho s s^T (eq. 7.16)
        if k == 0:
            return gamma * q
        d, y, rho = pairs[k - 1]
        a = rho * np.dot(d, q)
        r = H(q - a * y, k - 1)
        return r - rho * np.dot(y, r) * d + a * d

    return H(u, len(pairs)), changes


@definition("Newton", ulps=1000)
def newton(h, p, u, s):
    H = p.arithmetic.backward(p.hess)
    size = sqrt(abs(np.diag(H)))
    D = np.where(size > 0, size, 1)
    S = H / D[:, None] / D
    if cholesky(S) is not None:
        return solve(H, u), dict(solver="cholesky")
    values, V = eigh(S)
    values = abs(values)
    values = np.maximum(values, h.delta * values.max())
    if not values.any():
        return u, dict(solver="modified")
    return (V @ ((V.T @ (u / D)) / values)) / D, dict(solver="modified")


@definition("GaussNewton", ulps=1e4)
def gauss_newton(h, p, u, s):
    try:
        J, r = p.jacobian, p.residuals
    except TypeError:  # a ModelLoss, which has no residuals
        H = p.array(p.point.gauss_newton)
    else:
        H, u = 2 * J.T @ J, 2 * J.T @ r if u is p.g else u
    return solve(H + h.reg * np.eye(u.size, dtype=np.int64), u), {}
