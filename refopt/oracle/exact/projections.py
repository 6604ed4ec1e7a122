"""Precise definitions of the projections and of the methods in an eigenbasis, as in `refopt.oracle.exact`.

The transforms are matrices of sines and cosines written out, the basis comes from M itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from ...views.linear_map import Restriction, size_of
from ...views.projected import BlockObjective, ProjectedObjective
from . import definitions as exact
from .precise import PrecisePoint, cbrt, eigh, sqrt

__all__ = ["EXACT_PROJECTIONS"]


# ---------------------------------------------------------------- matrices of the maps


def waves(p: PrecisePoint, fractions: list) -> tuple[np.ndarray, np.ndarray]:
    """cos and sin of 2 pi times ``a / b``, given as pairs."""
    if p.arithmetic.kind == "mpmath":
        mp = p.arithmetic.mp
        turns = [[2 * mp.pi * (a % b) / b for a, b in row] for row in fractions]
        return (
            np.array([[mp.cos(v) for v in row] for row in turns], dtype=object),
            np.array([[mp.sin(v) for v in row] for row in turns], dtype=object),
        )
    pi = 4 * np.arctan(np.longdouble(1))
    angle = np.array([[2 * pi * np.longdouble(a % b) / b for a, b in row] for row in fractions])
    return np.cos(angle), np.sin(angle)


def places(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    return list(itertools.product(*map(range, shape)))


def fourier(p: PrecisePoint, shape: tuple[int, ...], norm: str | None) -> tuple[np.ndarray, np.ndarray]:
    """``(P, Q)`` of one tensor: rows of P are Re, Im of each frequency of the half spectrum in turn."""
    n, half = size_of(shape), (*shape[:-1], shape[-1] // 2 + 1)
    whole = int(np.lcm.reduce(shape))
    turns = [
        [
            (sum(j * k * (whole // a) for j, k, a in zip(js, ks, shape, strict=True)), whole)
            for js in places(shape)
        ]
        for ks in places(half)
    ]
    cos, sin = waves(p, turns)
    P = np.stack([cos, -sin], axis=1).reshape(-1, n)
    count = np.array([1 if ks[-1] == 0 or 2 * ks[-1] == shape[-1] else 2 for ks in places(half)]).repeat(2)
    one = p.number(1.0)
    ortho = one / sqrt(np.array([one * n]))[0]
    c, back = {"forward": (one / n, one), "ortho": (ortho, ortho)}.get(str(norm), (one, one / n))
    return P * c, (P * count[:, None]).T * back


def cosines(p: PrecisePoint, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """``(P, P^T)`` of one tensor: the orthonormal cosine transform of type II."""
    P = np.array([[p.number(1.0)]])
    for n in shape:
        cos, _ = waves(p, [[((2 * j + 1) * k, 4 * n) for j in range(n)] for k in range(n)])
        one = p.number(1.0)
        scale = sqrt(np.array([one / n] + [2 * one / n] * (n - 1)))
        P = np.kron(P, cos * scale[:, None])
    return P, P.T


def stacked(p: PrecisePoint, pairs: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Block-diagonal matrices of the tensors' own."""
    zero = p.number(0.0)
    P = np.full((sum(len(a) for a, _ in pairs), sum(len(b) for _, b in pairs)), zero)
    Q = P.T.copy()
    i = j = 0
    for a, b in pairs:
        P[i : i + len(a), j : j + len(b)] = a
        Q[j : j + len(b), i : i + len(a)] = b
        i, j = i + len(a), j + len(b)
    return P, Q


def by_tensor(one: Callable) -> Callable:
    """The matrices of a transform of each tensor, or with `one_d` of the whole vector."""

    def matrices(h: Any, p: PrecisePoint, space: Any) -> tuple[np.ndarray, np.ndarray]:
        shapes = [(space.n,)] if h.one_d else space.parent_shapes
        unit = np.array([[p.number(1.0)]])
        return stacked(
            p,
            [one(h, p, shape) if size_of(shape) > 1 else (unit, unit) for shape in shapes if size_of(shape)],
        )

    return matrices


def padding(h: Any, p: PrecisePoint, space: Any) -> tuple[np.ndarray, np.ndarray]:
    """Unit matrices with zero rows: the whole vector in a cube, or the chunks of each tensor in a matrix."""
    groups = [space.n] if hasattr(h, "max_side") else [size_of(s) for s in space.parent_shapes if size_of(s)]
    if hasattr(h, "max_side"):
        n, d, side = space.n, 1, 1
        while h.max_side**d < n:
            d += 1
        while side**d < n:
            side += 1
        rows = [n if n < h.max_side else side**d]
    elif h.batched:
        rows = [-(-n // h.max_size) * -(-n // -(-n // h.max_size)) if n > h.max_size else n for n in groups]
    else:
        rows = groups
    pairs = []
    for n, m in zip(groups, rows, strict=True):
        P = np.full((m, n), p.number(0.0))
        P[np.arange(n), np.arange(n)] = p.number(1.0)
        pairs.append((P, P.T))
    return stacked(p, pairs)


# ---------------------------------------------------------------- projections


def projected(matrices: Callable) -> Callable:
    """The step ``Q inner(P u)``, with the projected point where it is shown."""

    def definition(h, p, u, s):
        if isinstance(s, exact.Record) and hasattr(s, "blocks"):
            return in_blocks(h, p, u, s)
        answer = None if p.answer is None else (None, p.answer[1].inner)
        if not (h.project_update or h.project_params or h.project_grad):
            here = PrecisePoint(p.point, p.arithmetic, answer)
            out, inner = exact.step(h.inner, here, u, s.inner)
            return out, dict(inner=inner)
        P, Q = matrices(h, p, s.space)
        G = Q.T if getattr(h, "gradient", "chain-rule") == "chain-rule" else P
        seen = PrecisePoint(p.point, p.arithmetic, answer)
        if h.project_params:
            seen = PrecisePoint(ProjectedObjective(p.point, s.space, G is not P).start, p.arithmetic, answer)
            seen.__dict__.update(x=P @ p.x, f=p.f, g=G @ p.g)
        elif h.project_grad:
            seen.__dict__.update(g=G @ p.g)
        out, inner = exact.step(h.inner, seen, G @ u if h.project_update else G @ p.g, s.inner)
        return Q @ out, dict(inner=inner)

    return definition


def in_blocks(h, p, u, s):
    out, states = u * 0, []
    for k, (block, own) in enumerate(zip(s.blocks, s.inner, strict=True)):
        part = slice(block.start, block.stop)
        answer = None if p.answer is None else (None, p.answer[1].inner[k])
        seen = PrecisePoint(p.point, p.arithmetic, answer)
        if h.project_params:
            seen = PrecisePoint(
                BlockObjective(
                    p.point, Restriction(block.parent_shapes, block.shapes, block.start, block.stop)
                ).start,
                p.arithmetic,
                answer,
            )
            seen.__dict__.update(x=p.x[part], f=p.f)
        if h.project_params or h.project_grad:
            seen.__dict__.update(g=p.g[part])
        out[part], own = exact.step(h.inner, seen, u[part] if h.project_update else p.g[part], own)
        states.append(own)
    return out, dict(inner=tuple(states))


# ---------------------------------------------------------------- the eigenbasis


def moments(h, q, s, powers):
    t = s.t + 1
    betas = (h.beta1, h.beta2, h.beta3)[:powers] if powers == 3 else (h.beta1, h.beta2)
    m = {f"m{k}": b * getattr(s, f"m{k}") + (1 - b) * q**k for k, b in enumerate(betas, 1)}
    return dict(t=t, **m), [m[f"m{k}"] / (1 - b**t) for k, b in enumerate(betas, 1)]


def subspace_cubic_adam(h, p, u, s):
    changes, (C, second, third) = moments(h, u, s, 3)
    A = {"signed_cbrt": cbrt, "unsigned_cbrt": lambda m: cbrt(abs(m)), "halve": lambda m: m / 2}[h.mode](
        third
    )
    return cautious(h, cubic(A, sqrt(second), C, h.eps), u), changes


def cubic(A, B, C, eps):
    """The local minimiser of ``A/3 d^3 + B/2 d^2 + C d``, its sign turned, or Adam's step."""
    discriminant = B**2 - 4 * A * C
    real = (discriminant >= 0) & (B > 0)
    below = np.where(real, B + sqrt(discriminant), B + eps)
    return np.where(C == 0, 0 * C, np.where(real, 2 * C, C) / np.where(below == 0, 1 + 0 * below, below))


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


def ggt(h, p, u, s):
    out, inner = u, ()
    if h.inner is not None:
        answer = None if p.answer is None else (None, p.answer[1].inner)
        here = PrecisePoint(p.point, p.arithmetic, answer)
        out, inner = exact.step(h.inner, here, u, s.inner)
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
        if (
            p.answer is not None and len(L) == p.answer[1].L.size
        ):  # the signs of eigenvectors are anyone's choice
            theirs = p.answer[1].rows.T @ p.answer[1].T
            overlap = (theirs * Q).sum(axis=0)
            Q = np.where(overlap < 0, -Q, Q)
        if h.basis_optimizer is not None:
            C = np.array([[np.dot(a, b) for b in old.T] for a in Q.T], dtype=u.dtype).reshape(
                Q.shape[1], old.shape[1]
            )
            basis = reprojected(h.basis_optimizer, C, s.basis)
    changes = dict(t=s.t + 1, stored=count, rows=rows, L=L, inner=inner, basis=basis)
    if not Q.shape[1]:
        return u * 0, changes
    q = Q.T @ out
    if h.basis_optimizer is None:
        d = q * (L + h.rdamping * max(L)) ** h.matrix_power
    else:
        d, changes["basis"] = exact.step(h.basis_optimizer, p, q, basis)
    return Q @ d, changes


# Definition, and by how many ulps a step may miss it. The transforms lose a few beyond the inner methods
# (Newton: its condition number). An eigenvector is known as well as its eigenvalue's distance to the next,
# measured by the largest: with eigenvalues down to 1e-7 of that seven digits are lost, and Adam in the basis
# gives all coordinates the same weight.
EXACT_PROJECTIONS: dict[str, tuple[Callable, float]] = {
    "BlockPartition": (projected(padding), 1000),
    "TensorizeProjection": (projected(padding), 1000),
    "FFTProjection": (projected(by_tensor(lambda h, p, shape: fourier(p, shape, h.norm))), 256),
    "DCTProjection": (projected(by_tensor(lambda h, p, shape: cosines(p, shape))), 256),
    "GGT": (ggt, 1e6),
    "SubspaceCubicAdam": (subspace_cubic_adam, 2e10),
    "SubspaceAdam": (subspace_adam, 2e10),
}
