"""The method SubspaceCubicAdam."""

from __future__ import annotations

import dataclasses

import numpy as np

from .. import kernels
from ..method import option
from ..parts.subspace import SubspaceMethod, agree, carry, inherit
from .cubic_adam import MODES, CubicAdamState, cubic_adam

__all__ = ["SubspaceCubicAdam"]


@dataclasses.dataclass(frozen=True)
class SubspaceCubicAdam(SubspaceMethod):
    """CubicAdam in a low-rank basis that changes.

        q = Q^T u                                  coordinates in the host's basis Q (n, r)
        d = CubicAdam's update for q               with the averages m1, m2, m3, now (r,), see `CubicAdam`
        d_i <- 0  where d_i q_i <= 0               cautious=True
        output  Q d

    When the host changes its basis, with C = Q_new^T Q_old and powers taken elementwise:

        m1 <- C m1
        m2 <- (C*C) m2        m3 <- (C*C*C) m3     exact_reproject=True
        m2 and m3 by rank                          exact_reproject=False: from the old i-th largest eigenvalue
                                                   to the new one, m3 with the sign of the overlap

    The host is `GGT`: ``GGT(basis_optimizer=SubspaceCubicAdam())``. The bare name in `minimize`
    stands for this. On its own the method runs in the coordinates of x, where it is CubicAdam.

    Eigenvectors have arbitrary signs. They cancel in the modes "signed_cbrt" and "halve", where d
    is an odd function of q. In "unsigned_cbrt" d is not odd, so the path depends on the signs that
    the eigensolver chooses.

    Parameters
    ----------
    beta1, beta2, beta3 : floats in [0, 1)
        Decay of the averages of q, q^2 and q^3.
    eps : float >= 0
        Added to the square root of the second average where the step is Adam's.
    mode : {"signed_cbrt", "unsigned_cbrt", "halve"}
        How A is computed from the third average, as in `CubicAdam`.
    cautious : bool
        Set the coordinates of d to zero whose sign differs from that of q.
    exact_reproject : bool
        How m2 and m3 are transformed when the basis changes.

    Raises
    ------
    TypeError, ValueError
        For a hyperparameter of another type or outside its range.

    Notes
    -----
    Source: `torchzero` 0.4.4, ``SubspaceCubicAdam``. SOAP transforms second moments by rank, Vyas et
    al. 2024, arXiv 2409.11321.

    Deviations: that of `CubicAdam`, the root without cancellation. The original ignores `cautious`,
    and its `exact_reproject` changes only rounding errors.

    Cost per step: O(r) here, O(n h) in the host. O(r_new r_old) when the basis changes.

    Examples
    --------
    >>> import refopt
    >>> res = refopt.minimize(lambda x: (x[0] - 3) ** 2 + x[1] ** 2, [1.0, 1.0], method="SubspaceCubicAdam",
    ...                       options={"lr": 0.05, "history_size": 2})
    >>> res.x.round(4) + 0.0  # the minimiser; with a fixed step size gtol may not be reached
    array([3., 0.])
    """

    beta1: float = option(0.9, "[0, 1)")  # all as in torchzero 0.4.4
    beta2: float = option(0.95, "[0, 1)")
    beta3: float = option(0.95, "[0, 1)")
    eps: float = option(1e-8, "[0, inf)")
    mode: str = option("signed_cbrt", MODES)
    cautious: bool = option(False, bool)
    exact_reproject: bool = option(True, bool)

    def init(self, x, shapes=None, rng=None):
        return CubicAdamState(0, np.zeros_like(x), np.zeros_like(x), np.zeros_like(x))

    def step(self, point, update, state):
        t = state.t + 1
        d = kernels.fastest(cubic_adam, update.size)(
            update,
            m1=state.m1,
            m2=state.m2,
            m3=state.m3,
            t=t,
            beta1=self.beta1,
            beta2=self.beta2,
            beta3=self.beta3,
            eps=self.eps,
            debiased=True,
            alpha=1.0,
            mode=self.mode,
        )
        return agree(d, update) if self.cautious else d, CubicAdamState(t, state.m1, state.m2, state.m3)

    def reproject(self, C, state):
        higher = carry if self.exact_reproject else inherit
        return CubicAdamState(state.t, carry(C, state.m1, 1), higher(C, state.m2, 2), higher(C, state.m3, 3))
