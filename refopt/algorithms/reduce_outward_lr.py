"""ReduceOutwardLR: smaller steps for variables that move away from zero.

    c = u,  or g with use_grad
    o_i = mul * u_i   where x_i c_i < 0        (with invert: x_i c_i > 0)
    o_i = u_i         elsewhere

The step is ``x - o``, so ``x_i c_i < 0`` means that \\|x_i\\| is about to grow.

Source: `torchzero` 0.4.4, ``ReduceOutwardLR``, whose own documentation says that it does not help. It does not:
damping every outward step biases the iterates towards the origin, so convergence to a minimiser far from zero is
slower by up to the factor `mul`, and at the same step size nothing is gained elsewhere (1375 steps for a problem
become 2757 when the problem is moved away from the origin; notebooks/20_reduce_outward_lr.ipynb).

Cost per step: one pass over the vector; no evaluations.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from .. import kernels
from ..method import Method

__all__ = ["ReduceOutwardLR"]


@dataclasses.dataclass(frozen=True)
class ReduceOutwardLR(Method):
    """Multiply the update of the coordinates that move away from zero by `mul`.

    Parameters
    ----------
    mul : float
        Factor for outward coordinates; 0.5 as in the original.
    use_grad : bool
        Let the gradient's sign decide instead of the incoming update's.
    invert : bool
        Select the coordinates that move towards zero instead.

    Raises
    ------
    ValueError
        If `mul` is not finite.

    Examples
    --------
    >>> import refopt
    >>> res = refopt.minimize(lambda x: (x[0] - 3) ** 2, [1.0], method="ReduceOutwardLR")
    >>> res.success, res.x.round(4)
    (True, array([3.]))
    """

    mul: float = 0.5
    use_grad: bool = False
    invert: bool = False

    elementwise: ClassVar[bool] = True

    def __post_init__(self):
        self.check(mul="(-inf, inf)", use_grad=bool, invert=bool)

    def all_needs(self):
        return frozenset({"g"}) if self.use_grad else frozenset()

    def step(self, point, update, state):
        decides = point.g if self.use_grad else update
        kernel = kernels.get("reduce_outward", update.size)
        return kernel(update, point.x, decides, self.mul, self.invert, np.empty_like(update)), state
