"""HeavyBall and EMA: momentum.

    HeavyBall   v <- momentum v + (1 - dampening) u       output v,  or  u + momentum v  with nesterov
    EMA         m <- beta m + (1 - beta) u                output m / (1 - beta^t),  or  m  without debiasing

Source: Polyak 1964, doi 10.1016/0041-5553(64)90137-5; the Nesterov form is that of Sutskever et al. 2013.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import numpy as np

from .. import kernels
from ..method import Method

__all__ = ["HeavyBall", "EMA"]


class HeavyBallState(NamedTuple):
    """Changes at every step, in place."""

    v: np.ndarray  # (n,) velocity


class EMAState(NamedTuple):
    """Changes at every step, in place."""

    t: int  # steps taken
    m: np.ndarray  # (n,) average


@dataclasses.dataclass(frozen=True)
class HeavyBall(Method):
    """Accumulate updates with decay (Polyak 1964).

    Parameters
    ----------
    momentum : float in [0, 1)
    dampening : float in [0, 1]
        The update enters with weight 1 - dampening.
    nesterov : bool
        Output u + momentum v instead of v.

    Examples
    --------
    >>> import refopt
    >>> method = refopt.chain(refopt.HeavyBall(0.9), refopt.LR(0.01))
    >>> refopt.minimize(lambda x: (x[0] - 3) ** 2, [1.0], method=method).success
    True
    """

    momentum: float = 0.9
    dampening: float = 0.0
    nesterov: bool = False

    elementwise: ClassVar[bool] = True

    def __post_init__(self):
        self.check(momentum="[0, 1)", dampening="[0, 1]", nesterov=bool)

    def init(self, x, shapes=None, rng=None):
        return HeavyBallState(np.zeros_like(x))

    def step(self, point, update, state):
        kernel = kernels.get("heavy_ball", update.size)
        out = kernel(state.v, update, self.momentum, self.dampening, self.nesterov, np.empty_like(update))
        return out, state


@dataclasses.dataclass(frozen=True)
class EMA(Method):
    """Exponential moving average of the updates.

    Parameters
    ----------
    beta : float in [0, 1)
    debiased : bool
        Divide by 1 - beta^t.

    Examples
    --------
    >>> import refopt
    >>> refopt.minimize(lambda x: (x[0] - 3) ** 2, [1.0], method=[refopt.EMA(0.5), refopt.LR(0.1)]).success
    True
    """

    beta: float = 0.9
    debiased: bool = True

    elementwise: ClassVar[bool] = True

    def __post_init__(self):
        self.check(beta="[0, 1)", debiased=bool)

    def init(self, x, shapes=None, rng=None):
        return EMAState(0, np.zeros_like(x))

    def step(self, point, update, state):
        t = state.t + 1
        out = kernels.get("ema", update.size)(state.m, update, t, self.beta, self.debiased, np.empty_like(update))
        return out, EMAState(t, state.m)
