"""Momentum: the methods HeavyBall and EMA."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import numpy as np

from .. import kernels
from ..kernels.averages import average, unbias
from ..method import Method, option

__all__ = ["HeavyBall", "EMA"]


class HeavyBallState(NamedTuple):
    """Changes at every step, in place."""

    v: np.ndarray  # (n,) of the dtype of x, the velocity


class EMAState(NamedTuple):
    """Changes at every step; the array is overwritten in place."""

    t: int  # steps taken
    m: np.ndarray  # (n,) of the dtype of x, the average


@np.errstate(all="ignore")
def heavy_ball(u, *, v, momentum, dampening, nesterov):
    """The output (n,) for the update `u` (n,); the velocity `v` (n,) changes in place.

    Examples
    --------
    >>> v = np.array([1.0])
    >>> heavy_ball(np.array([2.0]), v=v, momentum=0.5, dampening=0.0, nesterov=False)
    array([2.5])
    """
    v *= float(momentum)
    v += (1 - float(dampening)) * u
    return u + float(momentum) * v if nesterov else v.copy()


@np.errstate(all="ignore")
def ema(u, *, m, t, beta, debiased):
    """The average (n,) of the updates up to `u` (n,), step number `t` from 1; m (n,) changes in place.

    Examples
    --------
    >>> ema(np.array([2.0]), m=np.zeros(1), t=1, beta=0.75, debiased=True)
    array([2.])
    """
    average(m, beta, u)
    return m * unbias(beta, t, debiased)


@dataclasses.dataclass(frozen=True)
class HeavyBall(Method):
    """Momentum: the sum of all updates, with decaying weights for older ones.

        v <- momentum v + (1 - dampening) u           v = 0 at the start
        output  v                                     nesterov=False
                u + momentum v                        nesterov=True

    Parameters
    ----------
    momentum : float in [0, 1)
        Share of the velocity that is kept.
    dampening : float in [0, 1]
        The weight of the update is 1 - dampening.
    nesterov : bool
        Look ahead along the new velocity.

    Raises
    ------
    TypeError, ValueError
        For a hyperparameter of another type or outside its range.

    Notes
    -----
    Source: B. T. Polyak, Some methods of speeding up the convergence of iteration methods, 1964,
    doi 10.1016/0041-5553(64)90137-5; with ``nesterov=True`` I. Sutskever, J. Martens, G. Dahl, G.
    Hinton, On the importance of initialization and momentum in deep learning, ICML 2013, eq. (3)
    and (4), in the variable at which the gradient is taken. The option `dampening` is that of
    ``torch.optim.SGD``.

    Deviations: with dampening above 0, ``torch.optim.SGD`` gives the first update the weight 1; here
    every update has the weight 1 - dampening. `torchzero` 0.4.4 starts with v = the first update,
    and then adds that update once more.

    Cost per step: one pass over three vectors, no evaluations. Memory n.

    Examples
    --------
    >>> import refopt
    >>> method = refopt.chain(refopt.HeavyBall(0.9), refopt.LR(0.01))
    >>> refopt.minimize(lambda x: (x[0] - 3) ** 2, [1.0], method=method).success
    True
    """

    momentum: float = option(0.9, "[0, 1)")  # as in torchzero 0.4.4
    dampening: float = option(0.0, "[0, 1]")  # this and the next give Polyak's method
    nesterov: bool = option(False, bool)

    elementwise: ClassVar[bool] = True

    def init(self, x, shapes=None, rng=None):
        return HeavyBallState(np.zeros_like(x))

    def step(self, point, update, state):
        formula = kernels.fastest(heavy_ball, update.size)
        return formula(
            update, v=state.v, momentum=self.momentum, dampening=self.dampening, nesterov=self.nesterov
        ), state


@dataclasses.dataclass(frozen=True)
class EMA(Method):
    """The exponential moving average of the updates.

        m <- beta m + (1 - beta) u                    m = 0 at the start
        output  m / (1 - beta^t)                      debiased=True, t = 1, 2, ... the number of the step
                m                                     debiased=False

    Parameters
    ----------
    beta : float in [0, 1)
        Share of the average that is kept.
    debiased : bool
        Divide by 1 - beta^t, the sum of the weights so far.

    Raises
    ------
    TypeError, ValueError
        For a hyperparameter of another type or outside its range.

    Notes
    -----
    Source: the first average of D. P. Kingma, J. Ba, Adam: a method for stochastic optimization,
    ICLR 2015, arXiv 1412.6980, algorithm 1; its section 3 derives the divisor.

    Deviations: none from the paper. `torchzero` 0.4.4 divides only with ``debias=True``.

    Cost per step: one pass over three vectors, no evaluations. Memory n.

    Examples
    --------
    >>> import refopt
    >>> refopt.minimize(lambda x: (x[0] - 3) ** 2, [1.0], method=[refopt.EMA(0.5), refopt.LR(0.1)]).success
    True
    """

    beta: float = option(0.9, "[0, 1)")  # the paper's beta1
    debiased: bool = option(True, bool)

    elementwise: ClassVar[bool] = True

    def init(self, x, shapes=None, rng=None):
        return EMAState(0, np.zeros_like(x))

    def step(self, point, update, state):
        t = state.t + 1
        formula = kernels.fastest(ema, update.size)
        out = formula(update, m=state.m, t=t, beta=self.beta, debiased=self.debiased)
        return out, EMAState(t, state.m)
