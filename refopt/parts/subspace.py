"""Methods that can live in a moving basis: their base class, and SubspaceAdam."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from .. import kernels
from ..method import Method, option
from .adam import AdamState, adam

__all__ = ["SubspaceMethod", "SubspaceAdam"]


def carry(C: np.ndarray, m: np.ndarray, power: int) -> np.ndarray:
    """The average m (r_old,) of the `power`-th powers of the coordinates, in the new basis (r_new,)."""
    return C**power @ m


def inherit(C: np.ndarray, m: np.ndarray, power: int) -> np.ndarray:
    """The average by rank: the i-th largest eigenvalue keeps the i-th average; new ones begin at 0.

    Eigenvalues are in ascending order, so ranks are counted from the end.
    """
    out = np.zeros(C.shape[0], m.dtype)
    both = min(C.shape)
    if both:
        signs = np.where(np.diagonal(C[-both:, -both:]) < 0, -1, 1).astype(m.dtype)
        out[-both:] = m[-both:] * signs**power
    return out


def agree(out: np.ndarray, q: np.ndarray) -> np.ndarray:
    """`out` (r,) with zeros where its sign differs from that of q (r,)."""
    return np.where(out * q > 0, out, np.zeros((), out.dtype))


@dataclasses.dataclass(frozen=True)
class SubspaceMethod(Method):
    """Base of the methods whose state can follow a change of basis; on its own such a method runs in x.

    The host passes the coordinates of an update u in its basis Q, and maps the output d of the
    method back:

        q = Q^T u                                  Q (n, r), q (r,)
        output  Q d

    When the basis changes, the averages are transformed by C = Q_new^T Q_old, (r_new, r_old), with
    powers taken elementwise:

        carry(C, m, 1) = C m
        carry(C, m, 2) = (C*C) m
        carry(C, m, 3) = (C*C*C) m

    This is the average of q^k for a vector with independent coordinates. `inherit` is the cheap rule
    of methods such as SOAP (Vyas et al. 2024, arXiv 2409.11321): the basis vector with the i-th
    largest eigenvalue takes the higher moments of the old one of the same rank, for odd powers with
    the sign of their overlap.
    """

    abstract: ClassVar[bool] = True

    def reproject(self, C: np.ndarray, state: Any) -> Any:
        """The state in the basis ``Q_new``, from that in ``Q_old``; C (r_new, r_old) is ``Q_new^T Q_old``."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class SubspaceAdam(SubspaceMethod):
    """Adam in a low-rank basis that changes: the baseline for SubspaceCubicAdam.

        q = Q^T u                                  coordinates in the host's basis Q (n, r)
        d = Adam's update for q                    with the averages m1 and m2, now (r,), see `Adam`
        d_i <- 0  where d_i q_i <= 0               cautious=True
        output  Q d

    When the host changes its basis, with C = Q_new^T Q_old and C*C elementwise:

        m1 <- C m1
        m2 <- (C*C) m2                             exact_reproject=True
        m2 by rank                                 exact_reproject=False: the i-th largest eigenvalue
                                                   takes m2 from the old i-th largest

    The host is `GGT`: ``GGT(basis_optimizer=SubspaceAdam())``. The bare name in `minimize` stands
    for this. On its own the method runs in the coordinates of x, where it is Adam.

    Parameters
    ----------
    beta1, beta2 : floats in [0, 1)
        Decay of the averages of q and of q^2.
    eps : float >= 0
        Added to the square root of the second average, after debiasing.
    cautious : bool
        Set the coordinates of d to zero whose sign differs from that of q.
    exact_reproject : bool
        How m2 is transformed when the basis changes.

    Raises
    ------
    TypeError, ValueError
        For a hyperparameter of another type or outside its range.

    Notes
    -----
    Source: `torchzero` 0.4.4, ``Adam`` of its optimizers for low-rank eigenbases; the formula is
    algorithm 1 of Kingma, Ba 2015, arXiv 1412.6980.

    Deviations: the original adds eps before debiasing, and its exact_reproject changes only
    rounding errors.

    Cost per step: O(r) here, O(n h) in the host. O(r_new r_old) when the basis changes.

    Examples
    --------
    >>> import refopt
    >>> host = refopt.GGT(history_size=2, basis_optimizer=refopt.SubspaceAdam())
    >>> fun = lambda x: (x[0] - 3) ** 2 + x[1] ** 2
    >>> refopt.minimize(fun, [1.0, 1.0], method=[host, refopt.LR(0.05)], tol=1e-5).success
    True
    """

    beta1: float = option(0.9, "[0, 1)")  # all as in torchzero 0.4.4
    beta2: float = option(0.95, "[0, 1)")
    eps: float = option(1e-8, "[0, inf)")
    cautious: bool = option(False, bool)
    exact_reproject: bool = option(True, bool)

    def init(self, x, shapes=None, rng=None):
        return AdamState(0, np.zeros_like(x), np.zeros_like(x))

    def step(self, point, update, state):
        t = state.t + 1
        d = kernels.fastest(adam, update.size)(
            update,
            m1=state.m1,
            m2=state.m2,
            t=t,
            beta1=self.beta1,
            beta2=self.beta2,
            eps=self.eps,
            debiased=True,
        )
        return agree(d, update) if self.cautious else d, AdamState(t, state.m1, state.m2)

    def reproject(self, C, state):
        higher = carry if self.exact_reproject else inherit
        return AdamState(state.t, carry(C, state.m1, 1), higher(C, state.m2, 2))
