"""Definitions of the projections: the transforms are matrices of sines and cosines written out."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from ...views.linear_map import Restriction, size_of
from ...views.projected import BlockObjective, ProjectedObjective
from .definitions import definition, step
from .precise import PrecisePoint, sqrt

__all__: list[str] = []


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

    def formula(h, p, u, s):
        if hasattr(s, "blocks"):
            return in_blocks(h, p, u, s)
        if not (h.project_update or h.project_params or h.project_grad):
            out, inner = step(h.inner, p.inside(own), u, s.inner)
            return out, dict(inner=inner)
        P, Q = matrices(h, p, s.space)
        G = Q.T if getattr(h, "gradient", "chain-rule") == "chain-rule" else P
        if h.project_params:
            below = ProjectedObjective(p.point, s.space, G is not P).start
            seen = p.inside(own, point=below, x=P @ p.x, f=p.f, g=G @ p.g)
        else:
            seen = p.inside(own, **({"g": G @ p.g} if h.project_grad else {}))
        out, inner = step(h.inner, seen, G @ u if h.project_update else G @ p.g, s.inner)
        return Q @ out, dict(inner=inner)

    return formula


def own(state: Any) -> Any:
    """The state of the inner methods in that of a projection."""
    return state.inner


def in_blocks(h, p, u, s):
    out, states = u * 0, []
    for k, (block, inner) in enumerate(zip(s.blocks, s.inner, strict=True)):
        part = slice(block.start, block.stop)
        below, known = None, {}
        if h.project_params:
            place = Restriction(block.parent_shapes, block.shapes, block.start, block.stop)
            below, known = BlockObjective(p.point, place).start, {"x": p.x[part], "f": p.f}
        if h.project_params or h.project_grad:
            known["g"] = p.g[part]
        seen = p.inside(lambda state, k=k: state.inner[k], point=below, **known)
        out[part], inner = step(h.inner, seen, u[part] if h.project_update else p.g[part], inner)
        states.append(inner)
    return out, dict(inner=tuple(states))


# The transforms lose a few ulps beyond the inner methods; Newton inside loses the digits of its condition number.
definition("BlockPartition", ulps=1000)(projected(padding))
definition("TensorizeProjection", ulps=1000)(projected(padding))
definition("FFTProjection", ulps=256)(projected(by_tensor(lambda h, p, shape: fourier(p, shape, h.norm))))
definition("DCTProjection", ulps=256)(projected(by_tensor(lambda h, p, shape: cosines(p, shape))))
