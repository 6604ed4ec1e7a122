"""SubspaceCubicAdam: CubicAdam in a low-rank eigenbasis.

    q = Q^T u                                  coordinates in the host's basis Q (n, r)
    d = CubicAdam's update for q               with averages m1, m2, m3 (r,), see `refopt.algorithms.cubic_adam`
    cautious:  d_i = 0 where d_i q_i <= 0
    output  Q d

When the host changes its basis, with C = Q_new^T Q_old (powers elementwise):

    m1 <- C m1        m2 <- (C*C) m2        m3 <- (C*C*C) m3

With exact_reproject=False only m1 is carried so; m2 and m3 are inherited by place, the i-th largest
eigenvalue from the i-th largest, m3 with the sign of the overlap (what SOAP does with second moments, arXiv
2409.11321).

The host is `GGT`: ``GGT(basis_optimizer=SubspaceCubicAdam())``, which the bare name in `minimize` sets up.
On its own the method runs in the coordinates of x, where it is CubicAdam.

Eigenvectors have arbitrary signs. They cancel in "signed_cbrt" and "halve", where d is an odd function of
q. In "unsigned_cbrt" it is not, and the path depends on the signs that the eigensolver happens to choose.

Source: `torchzero` 0.4.4, ``SubspaceCubicAdam``. Deviations: CubicAdam's (the root without cancellation);
there `cautious` is ignored, and `exact_reproject` changes nothing but rounding.

Cost per step: O(r) here, O(n h) in the host.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from .. import kernels
from ..parts.subspace import SubspaceMethod, agree, carry, inherit
from .cubic_adam import MODES

__all__ = ["SubspaceCubicAdam"]


class SubspaceCubicAdamState(NamedTuple):
    """Changes at every step, and with the basis; the arrays are overwritten in place."""

    t: int  # steps taken
    m1: np.ndarray  # (r,) average of q
    m2: np.ndarray  # (r,) average of q^2
    m3: np.ndarray  # (r,) average of q^3


@dataclasses.dataclass(frozen=True)
class SubspaceCubicAdam(SubspaceMethod):
    """CubicAdam for a moving basis; give it to a host, ``GGT(basis_optimizer=SubspaceCubicAdam())``.

    Parameters
    ----------
    beta1, beta2, beta3 : floats in [0, 1)
        Decay of the averages of q, q^2, q^3.
    eps : float >= 0
        Added to the root of the second moment where the step is Adam's.
    mode : {"signed_cbrt", "unsigned_cbrt", "halve"}
        What the third moment becomes, as in `CubicAdam`.
    cautious : bool
        Zero the coordinates of the direction whose sign disagrees with q.
    exact_reproject : bool
        Carry m2 and m3 over a change of basis by the powers of C; else they are inherited by place.

    Raises
    ------
    ValueError
        For a hyperparameter outside its range.

    Examples
    --------
    >>> import refopt
    >>> res = refopt.minimize(lambda x: (x[0] - 3) ** 2 + x[1] ** 2, [1.0, 1.0], method="SubspaceCubicAdam",
    ...                       options={"lr": 0.05, "history_size": 2})
    >>> res.x.round(4) + 0.0  # the minimiser; steps of a fixed size do not settle to gtol
    array([3., 0.])
    """

    beta1: float = 0.9
    beta2: float = 0.95
    beta3: float = 0.95
    eps: float = 1e-8
    mode: str = "signed_cbrt"
    cautious: bool = False
    exact_reproject: bool = True

    def __post_init__(self):
        self.check(
            beta1="[0, 1)",
            beta2="[0, 1)",
            beta3="[0, 1)",
            eps="[0, inf)",
            mode=MODES,
            cautious=bool,
            exact_reproject=bool,
        )

    def init(self, x, shapes=None, rng=None):
        return SubspaceCubicAdamState(0, np.zeros_like(x), np.zeros_like(x), np.zeros_like(x))

    def step(self, point, update, state):
        t = state.t + 1
        out = kernels.get("cubic_adam", update.size)(
            update,
            state.m1,
            state.m2,
            state.m3,
            t,
            self.beta1,
            self.beta2,
            self.beta3,
            self.eps,
            True,
            1.0,
            self.mode,
            np.empty_like(update),
        )
        return agree(out, update) if self.cautious else out, state._replace(t=t)

    def reproject(self, C, state):
        higher = carry if self.exact_reproject else inherit
        return SubspaceCubicAdamState(
            state.t, carry(C, state.m1, 1), higher(C, state.m2, 2), higher(C, state.m3, 3)
        )
