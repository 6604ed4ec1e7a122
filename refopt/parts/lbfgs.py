"""The method LBFGS."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import numpy as np

from ..method import Method, option
from ..solvers.norm import nrm2
from ..views.face import face_of

__all__ = ["LBFGS"]

CURVATURE = 1e-10  # least cosine between s and y; a pair with a smaller one would make H nearly singular

LEAST = 1e-307  # a smaller s^T y has no reciprocal


class LBFGSState(NamedTuple):
    """Changes at every step."""

    x: np.ndarray | None  # (n,) point of the previous step; None before the first step
    g: np.ndarray | None  # (n,) gradient there
    pairs: tuple[tuple[np.ndarray, np.ndarray, float], ...]  # (s, y, 1 / s^T y), oldest first


def with_pair(pairs: tuple, s: np.ndarray, y: np.ndarray) -> tuple:
    """`pairs` and (s, y), if its curvature is positive."""
    sy, lengths = float(np.dot(s, y)), (nrm2(s), nrm2(y))
    if sy > LEAST and float(np.dot(s / lengths[0], y / lengths[1])) > CURVATURE:
        return (*pairs, (s, y, 1 / sy))
    return pairs


def on_free(pairs: tuple, part: Callable) -> tuple:
    """The pairs in the free variables alone; those without positive curvature there are left out."""
    kept: tuple = ()
    for s, y, _ in pairs:
        kept = with_pair(kept, part(s), part(y))
    return kept


def inverse_scale(pairs: tuple, u: np.ndarray) -> float:
    """gamma, the scale of the first H: of the newest pair, or without pairs the one for the first step."""
    if pairs:
        _, y, rho = pairs[-1]
        size = nrm2(y)  # its square may leave the range of the numbers
        return 1 / (rho * size) / size
    size = float(np.abs(u).sum())
    return min(1.0, 1 / size) if size > 0 else 1.0


def two_loop(u: np.ndarray, pairs: tuple) -> np.ndarray:
    """``H u`` (Nocedal, Wright, algorithm 7.4)."""
    q, kept = u.copy(), []
    for s, y, rho in reversed(pairs):
        a = rho * np.dot(s, q)
        q -= a * y
        kept.append(a)
    q *= inverse_scale(pairs, u)
    for (s, y, rho), a in zip(pairs, reversed(kept), strict=True):
        q += (a - rho * np.dot(y, q)) * s
    return q


@dataclasses.dataclass(frozen=True)
class LBFGS(Method):
    """The limited-memory BFGS direction. Follow it with a line search.

        s_j = x_(j+1) - x_j     y_j = g_(j+1) - g_j     rho_j = 1 / s_j^T y_j      for the last m pairs

        H <- gamma I,  gamma = s^T y / y^T y of the newest pair
        H <- (I - rho_j s_j y_j^T) H (I - rho_j y_j s_j^T) + rho_j s_j s_j^T        oldest pair first
        output  H u                                                      by the two-loop recursion, without H

        a pair with  s^T y <= 1e-10 |s| |y|  is not stored: its curvature is not positive
        before the first pair  output  u min(1, 1 / |u|_1), so |output|_1 <= 1

    With bounds all this is done for the free variables alone (`refopt.views.face`), with the parts of s and y
    that belong to them, and the bound variables go gamma g_i.

    Parameters
    ----------
    history_size : int >= 1
        Number m of pairs kept.

    Raises
    ------
    TypeError, ValueError
        If `history_size` is not a whole number of at least 1.

    Notes
    -----
    Source: J. Nocedal, S. J. Wright, Numerical Optimization, 2006, algorithm 7.4, eq. (7.16) to
    (7.20). The length of the first step is that of ``torch.optim.LBFGS``. With bounds D. P.
    Bertsekas 1982, doi 10.1137/0320018, eq. (32) to (37).

    Deviations: none; the book leaves open which pairs to store and how long the first step is.

    Cost per step: 4 m n multiplications, no evaluations. Memory 2 m n.

    Examples
    --------
    >>> import refopt
    >>> res = refopt.minimize(lambda x: (x[0] - 3) ** 4 + x[1] ** 2, [1.0, 1.0], method="LBFGS")
    >>> res.success
    True
    """

    history_size: int = option(10, "whole >= 1")  # as in torchzero 0.4.4 and SciPy's L-BFGS-B

    needs: ClassVar[frozenset[str]] = frozenset({"g"})
    in_bounds: ClassVar[str] = "direction"

    def init(self, x, shapes=None, rng=None):
        return LBFGSState(None, None, ())

    def step(self, point, update, state):
        pairs = state.pairs
        if state.x is not None:
            pairs = with_pair(pairs, point.x - state.x, point.g - state.g)[-self.history_size :]
        face = face_of(point, lambda: inverse_scale(pairs, update))
        free, u = pairs if face.free is None else on_free(pairs, face.part), face.part(update)
        d = two_loop(u, free) if free else u * u.dtype.type(inverse_scale(free, u))
        return face.direction(d), LBFGSState(point.x, point.g, pairs)

    def figures(self, state):
        return {"pairs": len(state.pairs)}
