"""Methods that can live in a moving basis: what a basis optimizer is to its host, and SubspaceAdam.

The host gives the coordinates ``q = Q^T u`` of an update in a basis Q (n, r) and maps the method's output
back by Q. When the basis changes, ``C = Q_new^T Q_old`` carries averages over:

    carry(C, m, 1) = C m     carry(C, m, 2) = (C*C) m     carry(C, m, 3) = (C*C*C) m     (elementwise powers)

the average of q^k for a vector whose coordinates are independent. `inherit` is the cheap rule of methods
such as SOAP (Vyas et al. 2024, arXiv 2409.11321), which leave the higher moments where they are: the basis
vector with the i-th largest eigenvalue takes them from its predecessor, with the sign of their overlap for
odd powers.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .. import kernels
from ..method import Method

__all__ = ["SubspaceMethod", "SubspaceAdam"]


def carry(C: np.ndarray, m: np.ndarray, power: int) -> np.ndarray:
    """The average m (r_old,) of the `power`-th powers of coordinates in the new basis, (r_new,)."""
    return C**power @ m


def inherit(C: np.ndarray, m: np.ndarray, power: int) -> np.ndarray:
    """The average by place: eigenvalues ascend, so places are counted from the end; new places begin at 0."""
    out = np.zeros(C.shape[0], m.dtype)
    both = min(C.shape)
    if both:
        signs = np.where(np.diagonal(C[-both:, -both:]) < 0, -1, 1).astype(m.dtype)
        out[-both:] = m[-both:] * signs**power
    return out


def agree(out: np.ndarray, q: np.ndarray) -> np.ndarray:
    """`out` with zeros where its sign is not that of q."""
    return np.where(out * q > 0, out, np.zeros((), out.dtype))


@dataclasses.dataclass(frozen=True)
class SubspaceMethod(Method):
    """A method whose state can follow a change of basis. By itself it runs in the coordinates of x."""

    abstract: ClassVar[bool] = True

    def reproject(self, C: np.ndarray, state: Any) -> Any:
        """The state in the basis ``Q_new``, from that in ``Q_old``; C (r_new, r_old) is ``Q_new^T Q_old``."""
        raise NotImplementedError


class SubspaceAdamState(NamedTuple):
    """Changes at every step, and with the basis; the arrays are overwritten in place."""

    t: int  # steps taken
    m1: np.ndarray  # (r,) average of q
    m2: np.ndarray  # (r,) average of q^2


@dataclasses.dataclass(frozen=True)
class SubspaceAdam(SubspaceMethod):
    """Adam for a moving basis: the yardstick for `SubspaceCubicAdam`.

    Parameters
    ----------
    beta1, beta2 : floats in [0, 1)
        Decay of the averages of q and q^2.
    eps : float >= 0
    cautious : bool
        Zero the coordinates of the direction whose sign disagrees with q.
    exact_reproject : bool
        Carry the second moment over a change of basis by C*C; else it is inherited by place.

    Examples
    --------
    >>> import refopt
    >>> host = refopt.GGT(history_size=2, basis_optimizer=refopt.SubspaceAdam())
    >>> fun = lambda x: (x[0] - 3) ** 2 + x[1] ** 2
    >>> refopt.minimize(fun, [1.0, 1.0], method=[host, refopt.LR(0.05)]).success
    True
    """

    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    cautious: bool = False
    exact_reproject: bool = True

    def __post_init__(self):
        self.check(beta1="[0, 1)", beta2="[0, 1)", eps="[0, inf)", cautious=bool, exact_reproject=bool)

    def init(self, x, shapes=None, rng=None):
        return SubspaceAdamState(0, np.zeros_like(x), np.zeros_like(x))

    def step(self, point, update, state):
        t = state.t + 1
        out = kernels.get("adam", update.size)(
            update, state.m1, state.m2, t, self.beta1, self.beta2, self.eps, True, np.empty_like(update)
        )
        return agree(out, update) if self.cautious else out, SubspaceAdamState(t, state.m1, state.m2)

    def reproject(self, C, state):
        higher = carry if self.exact_reproject else inherit
        return SubspaceAdamState(state.t, carry(C, state.m1, 1), higher(C, state.m2, 2))
