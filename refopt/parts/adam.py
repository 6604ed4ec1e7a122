"""The method Adam, and its formula, which SubspaceAdam shares."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import numpy as np

from .. import kernels
from ..kernels.averages import average, unbias
from ..method import Method, option

__all__ = ["Adam"]


class AdamState(NamedTuple):
    """Changes at every step; the arrays, of the dtype of x, are overwritten in place."""

    t: int  # steps taken
    m1: np.ndarray  # (n,) average of u
    m2: np.ndarray  # (n,) average of u^2


@np.errstate(all="ignore")
def adam(u, *, m1, m2, t, beta1, beta2, eps, debiased):
    """Adam's direction (n,) for the update `u` (n,), step number `t` from 1; m1 and m2 (n,) change in place.

    Examples
    --------
    >>> u, (m1, m2) = np.array([3.0, -4.0]), np.zeros((2, 2))
    >>> adam(u, m1=m1, m2=m2, t=1, beta1=0.9, beta2=0.999, eps=0.0, debiased=True)
    array([ 1., -1.])
    """
    average(m1, beta1, u)
    average(m2, beta2, u * u)
    C = m1 * unbias(beta1, t, debiased)
    B = np.sqrt(m2 * unbias(beta2, t, debiased))
    return C / (B + float(eps))


@dataclasses.dataclass(frozen=True)
class Adam(Method):
    """The averaged update, divided by its root mean square in every coordinate.

        m1 <- beta1 m1 + (1 - beta1) u      C = m1 / (1 - beta1^t)
        m2 <- beta2 m2 + (1 - beta2) u^2    B = sqrt(m2 / (1 - beta2^t))
        output  C / (B + eps)

    t = 1, 2, ... is the number of the step, m1 = m2 = 0 at the start. A step size follows as `LR`.

    Parameters
    ----------
    beta1, beta2 : floats in [0, 1)
        Decay of the averages of u and of u^2.
    eps : float >= 0
        Added to B, after the division by 1 - beta2^t.
    debiased : bool
        False: C = m1 and B = sqrt(m2).

    Raises
    ------
    TypeError, ValueError
        For a hyperparameter of another type or outside its range.

    Notes
    -----
    Source: D. P. Kingma, J. Ba, Adam: a method for stochastic optimization, ICLR 2015, arXiv
    1412.6980, algorithm 1.

    Deviations: none from the paper. `torchzero` 0.4.4 adds eps before the division by 1 - beta2^t.

    Cost per step: one pass over four vectors, no evaluations. Memory 2 n.

    Examples
    --------
    >>> import refopt
    >>> method = refopt.chain(refopt.Adam(), refopt.LR(0.05))
    >>> refopt.minimize(lambda x: (x[0] - 3) ** 2, [1.0], method=method).success
    True
    """

    beta1: float = option(0.9, "[0, 1)")  # these three are those of the paper's algorithm 1
    beta2: float = option(0.999, "[0, 1)")
    eps: float = option(1e-8, "[0, inf)")
    debiased: bool = option(True, bool)

    elementwise: ClassVar[bool] = True

    def init(self, x, shapes=None, rng=None):
        return AdamState(0, np.zeros_like(x), np.zeros_like(x))

    def step(self, point, update, state):
        t = state.t + 1
        out = kernels.fastest(adam, update.size)(
            update,
            m1=state.m1,
            m2=state.m2,
            t=t,
            beta1=self.beta1,
            beta2=self.beta2,
            eps=self.eps,
            debiased=self.debiased,
        )
        return out, AdamState(t, state.m1, state.m2)
