"""The method LBFGS."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import numpy as np

from ..method import Method, option

__all__ = ["LBFGS"]

CURVATURE = 1e-10  # least cosine between s and y; a pair with a smaller one would make H nearly singular


class LBFGSState(NamedTuple):
    """Changes at every step."""

    x: np.ndarray | None  # (n,) point of the previous step; None before the first step
    g: np.ndarray | None  # (n,) gradient there
    pairs: tuple[tuple[np.ndarray, np.ndarray, float], ...]  # (s, y, 1 / s^T y), oldest first


def two_loop(u: np.ndarray, pairs: tuple) -> np.ndarray:
    """``H u`` (Nocedal, Wright, algorithm 7.4)."""
    q, kept = u.copy(), []
    for s, y, rho in reversed(pairs):
        a = rho * np.dot(s, q)
        q -= a * y
        kept.append(a)
    s, y, rho = pairs[-1]
    q *= 1 / (rho * np.dot(y, y))
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
    (7.20). The length of the first step is that of ``torch.optim.LBFGS``.

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

    def init(self, x, shapes=None, rng=None):
        return LBFGSState(None, None, ())

    def step(self, point, update, state):
        pairs = state.pairs
        if state.x is not None:
            s, y = point.x - state.x, point.g - state.g
            sy = float(np.dot(s, y))
            if sy > CURVATURE * np.linalg.norm(s) * np.linalg.norm(y):
                pairs = (*pairs, (s, y, 1 / sy))[-self.history_size :]
        if pairs:
            out = two_loop(update, pairs)
        else:
            size = float(np.abs(update).sum())
            out = update * update.dtype.type(min(1.0, 1 / size) if size > 0 else 1.0)
        return out, LBFGSState(point.x, point.g, pairs)

    def figures(self, state):
        return {"pairs": len(state.pairs)}
