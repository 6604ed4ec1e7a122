"""CubicAdam: Adam with a third moment, minimising a cubic in every coordinate.

    m1 <- beta1 m1 + (1 - beta1) u      C = m1 / (1 - beta1^t)
    m2 <- beta2 m2 + (1 - beta2) u^2    B = sqrt(m2 / (1 - beta2^t))
    m3 <- beta3 m3 + (1 - beta3) u^3    A = cbrt(m3 / (1 - beta3^t))        (see `mode`)

    d = argmin_local  A/3 d^3 + B/2 d^2 + C d  =  -2 C / (B + sqrt(B^2 - 4 A C))
    d = -C / (B + eps)                            where B^2 < 4 A C: no stationary point, the Adam step
    output  -alpha d                              (the driver subtracts it)

Source: `torchzero` 0.4.4, ``CubicAdam``. Deviation: the original takes the textbook root ``(-B +- sqrt)/(2A)``
with A clipped away from zero, which is NaN at A = 0 and wrong by orders of magnitude for tiny A. The root above
is the local minimiser without a division by A and without cancellation; A -> 0 gives Adam's -C/B, C = 0 gives 0.

With one sign of gradient for long, u constant, A = B = C up to sign: the discriminant B^2 - 4AC is negative and the
method *is* Adam; the cubic acts only where gradients change sign. Expect Adam's behaviour, not a better one.

Cost per step: one pass over five vectors; no evaluations; memory 3 n.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import numpy as np

from .. import kernels
from ..method import Method

__all__ = ["CubicAdam"]

MODES = ("signed_cbrt", "unsigned_cbrt", "halve")


class CubicAdamState(NamedTuple):
    """Changes at every step; the arrays are overwritten in place."""

    t: int  # steps taken
    m1: np.ndarray  # (n,) average of u
    m2: np.ndarray  # (n,) average of u^2
    m3: np.ndarray  # (n,) average of u^3


@dataclasses.dataclass(frozen=True)
class CubicAdam(Method):
    """Adam with a third moment, minimising a cubic in every coordinate.

    Parameters
    ----------
    beta1, beta2, beta3 : floats in [0, 1)
        Decay of the averages of u, u^2, u^3.
    eps : float >= 0
        Added to the root of the second moment where the step is Adam's.
    debiased : bool
        Divide the averages by 1 - beta^t.
    alpha : float
        Scale of the output.
    mode : {"signed_cbrt", "unsigned_cbrt", "halve"}
        What the third moment becomes: ``sign(m3) |m3|^(1/3)``, ``|m3|^(1/3)`` or ``m3 / 2``.

    Raises
    ------
    ValueError
        For a hyperparameter outside its range.

    Examples
    --------
    >>> import refopt
    >>> res = refopt.minimize(lambda x: (x[0] - 3) ** 2, [1.0], method="CubicAdam", options={"lr": 0.05})
    >>> res.success, res.x.round(4)
    (True, array([3.]))
    """

    beta1: float = 0.9
    beta2: float = 0.99
    beta3: float = 0.99
    eps: float = 1e-8
    debiased: bool = True
    alpha: float = 1.0
    mode: str = "signed_cbrt"

    elementwise: ClassVar[bool] = True

    def __post_init__(self):
        self.check(beta1="[0, 1)", beta2="[0, 1)", beta3="[0, 1)", eps="[0, inf)", debiased=bool,
                   alpha="(-inf, inf)", mode=MODES)

    def init(self, x, shapes=None, rng=None):
        return CubicAdamState(0, np.zeros_like(x), np.zeros_like(x), np.zeros_like(x))

    def step(self, point, update, state):
        t = state.t + 1
        out = kernels.get("cubic_adam", update.size)(
            update, state.m1, state.m2, state.m3, t, self.beta1, self.beta2, self.beta3, self.eps, self.debiased,
            self.alpha, self.mode, np.empty_like(update))
        return out, CubicAdamState(t, state.m1, state.m2, state.m3)
