"""The method GGT, and the eigenbasis of its history."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from ..method import Method, option
from ..status import Status, Stop
from .subspace import SubspaceMethod

__all__ = ["GGT"]


class GGTState(NamedTuple):
    """`rows` and `gram` are overwritten in place, one row per step; `T` and `L` change with the basis."""

    t: int  # steps taken
    stored: int  # updates stored since the start
    rows: np.ndarray  # (R, n) a ring buffer: update number k is in row k mod R
    gram: np.ndarray  # (R, R) rows rows^T, zeros for rows not used yet
    T: np.ndarray  # (R, r) the basis as a combination of rows, Q = rows^T T
    L: np.ndarray  # (r,) eigenvalues, ascending
    basis: Any  # state of the basis optimizer, or ()
    inner: Any  # state of the inner methods, or ()


def eigenbasis(
    gram: np.ndarray, damping: float, eig_tol: float, truncate: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """``(T, L)`` of a history with Gram matrix (k, k): Q = rows^T T, eigenvalues L (r,) ascending."""
    A = gram.astype(np.float64)
    A[np.diag_indices_from(A)] += damping
    L, V = np.linalg.eigh(A)
    first = max(
        int(np.searchsorted(L, eig_tol * max(L[-1], 0), side="right")),
        0 if truncate is None else L.size - truncate,
    )
    L, V = L[first:], V[:, first:]
    return V / np.sqrt(L), L


@dataclasses.dataclass(frozen=True)
class GGT(Method):
    """Full-matrix AdaGrad on the last few updates, or a method run in the eigenbasis of these.

        M = the last h updates as columns (n, h)
        M^T M + damping I = V diag(L) V^T     eigenvalues L <= eig_tol max L dropped, at most `truncate` kept
        Q = M V L^(-1/2)                      the basis: left singular vectors of M, shortened by the damping

        output  Q diag(L + rdamping max L)^p Q^T u      p = matrix_power; u the output of `inner`, if any
                Q d                                     d = the update of basis_optimizer for q = Q^T u

    The basis is renewed every `update_freq` steps. The output has no component outside the span of M.

    Q is never formed. The history is a ring buffer of h + min(update_freq, h) rows, so no row is ever
    moved. G is the Gram matrix of the rows, and T holds the coefficients of the basis:

        Q = rows^T T                            the basis
        Q^T u = T^T (rows u)                    rows u is the new row of G
        C = Q_new^T Q_old = T_new^T G T_old     a change of basis

    The output is one combination of rows. The ring is long enough that the rows of the old basis are
    still there when the new basis replaces it.

    Parameters
    ----------
    history_size : int >= 1
        Number h of updates remembered.
    update_freq : int >= 1
        Steps between renewals of the basis.
    eig_tol : float in [0, 1)
        Eigenvalues up to this share of the largest are dropped.
    truncate : int >= 1 or None
        Largest number of eigenvalues kept.
    damping : float >= 0
        Added to the diagonal of M^T M.
    rdamping : float >= 0
        Added to the eigenvalues before the power is taken, as a share of the largest. Not with a
        basis optimizer.
    matrix_power : float
        Power of M M^T that multiplies the update. Not with a basis optimizer.
    basis_optimizer : SubspaceMethod or None
        A method that runs in the eigenbasis and replaces the power, for example `SubspaceCubicAdam`.
    inner : method, sequence of methods, or None
        Its output is preconditioned. The history still holds the incoming updates, so that the
        second moments are those of the gradients. In ``chain(inner, GGT())`` the history holds the
        outputs of `inner`, so the two differ.

    Raises
    ------
    TypeError, ValueError
        For a hyperparameter of another type or outside its range, or for `rdamping` or
        `matrix_power` together with a basis optimizer.
    Stop
        (Inside a run, ending it) when a product of two updates overflows or is not finite.

    Notes
    -----
    Source: N. Agarwal, B. Bullins, X. Chen, E. Hazan, K. Singh, C. Zhang, Y. Zhang, Efficient
    full-matrix adaptive regularization, ICML 2019, arXiv 1806.02958, algorithm 1; the options are
    those of `torchzero` 0.4.4, ``GGT``.

    Deviations: with a `matrix_power` other than -1/2 the original also scales the basis by that
    power, and so applies the power 3p + 1 of M M^T; here it is p.

    Cost per step: two passes over the history, O(n h), and one eigenproblem, O(h^3). Memory: the
    ring buffer.

    Examples
    --------
    >>> import refopt
    >>> method = [refopt.GGT(history_size=2), refopt.Backtracking()]
    >>> refopt.minimize(lambda x: (x[0] - 3) ** 2 + x[1] ** 2, [1.0, 1.0], method=method, tol=1e-5).success
    True
    """

    history_size: int = option(100, "whole >= 1")  # all as in torchzero 0.4.4
    update_freq: int = option(1, "whole >= 1")
    eig_tol: float = option(1e-7, "[0, 1)")
    truncate: int | None = option(None, ["whole >= 1"])
    damping: float = option(1e-4, "[0, inf)")
    rdamping: float = option(0.0, "[0, inf)")
    matrix_power: float = option(-0.5, "(-inf, inf)")
    basis_optimizer: SubspaceMethod | None = None
    inner: Any = None

    def __post_init__(self):
        super().__post_init__()
        if self.basis_optimizer is not None and not isinstance(self.basis_optimizer, SubspaceMethod):
            raise TypeError(
                "GGT: basis_optimizer must be a method that can follow a change of basis, such as "
                f"SubspaceCubicAdam() or SubspaceAdam(), or None; got {self.basis_optimizer!r}"
            )
        if self.basis_optimizer is not None and (self.rdamping != 0 or self.matrix_power != -0.5):
            raise ValueError(
                "GGT: rdamping and matrix_power shape the update only without a basis_optimizer; with one, "
                f"leave them at 0 and -0.5, got {self.rdamping:g} and {self.matrix_power:g}"
            )

    def init(self, x, shapes=None, rng=None):
        R = self.history_size + min(self.update_freq, self.history_size)
        empty = np.zeros(0, x.dtype)
        return GGTState(
            0,
            0,
            np.zeros((R, x.size), x.dtype),
            np.zeros((R, R), x.dtype),
            np.zeros((R, 0), x.dtype),
            empty,
            () if self.basis_optimizer is None else self.basis_optimizer.init(empty, None, rng),
            () if self.inner is None else self.inner.init(x, shapes, rng),
        )

    def step(self, point, update, state):
        out, inner = (update, ()) if self.inner is None else self.inner.step(point, update, state.inner)
        state = self.remember(update, state._replace(inner=inner))
        if state.t % self.update_freq == 0:
            state = self.renew(state)
        filled = min(state.stored, state.rows.shape[0])
        rows, T = state.rows[:filled], state.T[:filled]
        latest = self.inner is None and state.t % self.update_freq == 0  # then u is the row stored last
        products = state.gram[(state.stored - 1) % state.rows.shape[0], :filled] if latest else rows @ out
        q = T.T @ products
        if self.basis_optimizer is not None:
            d, basis = self.basis_optimizer.step(point, q, state.basis)
            state = state._replace(basis=basis)
        else:
            d = q * ((state.L + self.rdamping * state.L.max(initial=0)) ** self.matrix_power).astype(q.dtype)
        return (T @ d) @ rows, state._replace(t=state.t + 1)

    def remember(self, update: np.ndarray, state: GGTState) -> GGTState:
        """Store the update in place of the oldest, unless it would be dropped before the next renewal."""
        R = state.rows.shape[0]
        if -state.t % self.update_freq >= self.history_size:
            return state
        k, count = state.stored % R, state.stored + 1
        state.rows[k] = update
        with np.errstate(over="ignore", invalid="ignore"):
            row = state.rows[: min(count, R)] @ update
        if not np.all(np.isfinite(row)):
            raise Stop(
                Status.NONFINITE,
                reason=f"GGT: products of updates overflow or are not finite (|u|_inf = "
                f"{np.abs(update).max():.3g})",
            )
        state.gram[k, : row.size] = state.gram[: row.size, k] = row
        return state._replace(stored=count)

    def renew(self, state: GGTState) -> GGTState:
        """The basis of the last `history_size` updates."""
        R = state.rows.shape[0]
        used = np.arange(max(0, state.stored - self.history_size), state.stored) % R
        part, L = eigenbasis(state.gram[np.ix_(used, used)], self.damping, self.eig_tol, self.truncate)
        T = np.zeros((R, L.size), state.rows.dtype)
        T[used] = part
        if self.basis_optimizer is None:
            return state._replace(T=T, L=L.astype(T.dtype))
        C = T.T @ state.gram @ state.T
        return state._replace(T=T, L=L.astype(T.dtype), basis=self.basis_optimizer.reproject(C, state.basis))

    def figures(self, state):
        inside = [(self.inner, state.inner), (self.basis_optimizer, state.basis)]
        found = {k: v for method, own in inside if method is not None for k, v in method.figures(own).items()}
        return {**found, "rank": state.L.size, "eigenvalue": float(state.L.max(initial=0.0))}
