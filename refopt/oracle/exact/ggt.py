"""Definitions of GGT, with the basis from M itself, and of the methods in its basis, SubspaceCubicAdam and SubspaceAdam.

An eigenvector is known as well as the distance of its eigenvalue to the next, measured by the largest: with eigenvalues
down to 1e-7 of that seven digits are lost, and Adam in the basis gives all coordinates the same weight.
"""

from __future__ import annotations

import numpy as np

from .definitions import definition, step
from .elementwise import THIRDS
from .precise import eigh, sqrt

__all__ = ["cautious"]


def moments(h, q, s, powers):
    t = s.t + 1
    betas = (h.beta1, h.beta2, h.beta3)[:powers] if powers == 3 else (h.beta1, h.beta2)
    m = {f"m{k}": b * getattr(s, f"m{k}") + (1 - b) * q**k for k, b in enumerate(betas, 1)}
    return dict(t=t, **m), [m[f"m{k}"] / (1 - b**t) for k, b in enumerate(betas, 1)]


@definition("SubspaceCubicAdam", ulps=2e10)
def subspace_cubic_adam(h, p, u, s):
    changes, (C, second, third) = moments(h, u, s, 3)
    return cautious(h, cubic(THIRDS[h.mode](third), sqrt(second), C, h.eps), u), changes


def cubic(A, B, C, eps):
    """The local minimiser of ``A/3 d^3 + B/2 d^2 + C d``, its sign turned, or Adam's step."""
    discriminant = B**2 - 4 * A * C
    real = (discriminant >= 0) & (B > 0)
    below = np.where(real, B + sqrt(discriminant), B + eps)
    return np.where(C == 0, 0 * C, np.where(real, 2 * C, C) / np.where(below == 0, 1 + 0 * below, below))


@definition("SubspaceAdam", ulps=2e10)
def subspace_adam(h, p, u, s):
    changes, (first, second) = moments(h, u, s, 2)
    return cautious(h, first / (sqrt(second) + h.eps), u), changes


def cautious(h, d, q):
    return np.where(d * q > 0, d, 0 * d) if h.cautious else d


def reprojected(h, C, s):
    """The averages in the new basis."""
    changes = {}
    for k in (1, 2, 3):
        if hasattr(s, f"m{k}"):
            m = getattr(s, f"m{k}")
            if h.exact_reproject or k == 1:
                changes[f"m{k}"] = (C**k * m).sum(axis=1) if m.size else C.sum(axis=1) * 0
            else:
                new, shift = C[:, :1].sum(axis=1) * 0, len(C) - m.size
                for i in range(max(0, shift), len(C)):
                    new[i] = m[i - shift] * (1 if C[i, i - shift] >= 0 else (-1) ** k)
                changes[f"m{k}"] = new
    return s.changed(**changes)


@definition("GGT", ulps=1e6)
def ggt(h, p, u, s):
    out, inner = u, ()
    if h.inner is not None:
        out, inner = step(h.inner, p.inside(lambda state: state.inner), u, s.inner)
    R, count, rows = len(s.rows), s.stored, s.rows.copy()
    if -s.t % h.update_freq < h.history_size:
        rows[count % R] = u
        count += 1
    old = s.rows.T @ s.T if s.T.size else np.empty((u.size, 0), dtype=u.dtype)
    basis, Q, L = s.basis, old, s.L
    if s.t % h.update_freq == 0:
        M = rows[[k % R for k in range(max(0, count - h.history_size), count)]].T
        A = M.T @ M
        A[np.diag_indices(len(A))] = A[np.diag_indices(len(A))] + h.damping
        L, V = eigh(p.arithmetic.backward(A))
        order = np.argsort(L)
        L, V = L[order], V[:, order]
        first = sum(bool(value <= h.eig_tol * max(L[-1], 0 * L[-1])) for value in L)
        first = max(first, 0 if h.truncate is None else len(L) - h.truncate)
        L, V = L[first:], V[:, first:]
        Q = M @ V / sqrt(L) if len(L) else np.empty((u.size, 0), dtype=u.dtype)
        if p.answer is not None and len(L) == p.answer[1].L.size:  # the signs of eigenvectors are a choice
            theirs = p.answer[1].rows.T @ p.answer[1].T
            overlap = (theirs * Q).sum(axis=0)
            Q = np.where(overlap < 0, -Q, Q)
        if h.basis_optimizer is not None:
            C = np.array([[np.dot(a, b) for b in old.T] for a in Q.T], dtype=u.dtype)
            C = C.reshape(Q.shape[1], old.shape[1])
            basis = reprojected(h.basis_optimizer, C, s.basis)
    changes = dict(t=s.t + 1, stored=count, rows=rows, L=L, inner=inner, basis=basis)
    if not Q.shape[1]:
        return u * 0, changes
    q = Q.T @ out
    if h.basis_optimizer is None:
        d = q * (L + h.rdamping * max(L)) ** h.matrix_power
    else:
        d, changes["basis"] = step(h.basis_optimizer, p.inside(lambda state: state.basis), q, basis)
    return Q @ d, changes
