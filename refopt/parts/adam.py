"""Adam: the update divided by its root mean square.

    m1 <- beta1 m1 + (1 - beta1) u      m2 <- beta2 m2 + (1 - beta2) u^2
    output  m1/(1 - beta1^t) / (sqrt(m2/(1 - beta2^t)) + eps)

Source: Kingma, Ba 2015, arXiv 1412.6980, algorithm 1. A step size follows as `LR`.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import numpy as np

from .. import kernels
from ..method import Method

__all__ = ["Adam"]


class AdamState(NamedTuple):
    """Changes at every step; the arrays are overwritten in place."""

    t: int  # steps taken
    m1: np.ndarray  # (n,) average of u
    m2: np.ndarray  # (n,) average of u^2


@dataclasses.dataclass(frozen=True)
class Adam(Method):
    """The update divided by its root mean square (Kingma, Ba 2015, arXiv 1412.6980, algorithm 1).

    Parameters
    ----------
    beta1, beta2 : floats in [0, 1)
        Decay of the averages of u and u^2.
    eps : float >= 0
        Added to the root of the second moment, after debiasing.
    debiased : bool
        Divide the averages by 1 - beta^t.

    Examples
    --------
    >>> import refopt
    >>> method = refopt.chain(refopt.Adam(), refopt.LR(0.05))
    >>> refopt.minimize(lambda x: (x[0] - 3) ** 2, [1.0], method=method).success
    True
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    debiased: bool = True

    elementwise: ClassVar[bool] = True

    def __post_init__(self):
        self.check(beta1="[0, 1)", beta2="[0, 1)", eps="[0, inf)", debiased=bool)

    def init(self, x, shapes=None, rng=None):
        return AdamState(0, np.zeros_like(x), np.zeros_like(x))

    def step(self, point, update, state):
        t = state.t + 1
        out = kernels.get("adam", update.size)(
            update, state.m1, state.m2, t, self.beta1, self.beta2, self.eps, self.debiased, np.empty_like(update))
        return out, AdamState(t, state.m1, state.m2)
