"""The method ReduceOutwardLR."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from .. import kernels
from ..method import Method, option

__all__ = ["ReduceOutwardLR"]


@np.errstate(all="ignore")
def reduce_outward(u, *, x, c, mul, invert):
    """The update `u` (n,), multiplied by `mul` where the step goes outward; x and c have shape (n,).

    The sign of ``x c`` is right even if the floating-point product would underflow. A NaN in `x` or
    `c` selects nothing.

    Examples
    --------
    >>> u = np.array([1.0, 1.0, 1.0])
    >>> reduce_outward(u, x=np.array([-2.0, 0.0, 2.0]), c=u, mul=0.5, invert=False)
    array([0.5, 1. , 1. ])
    """
    product = np.sign(x) * np.sign(c)
    selected = product > 0 if invert else product < 0
    return np.where(selected, u * float(mul), u)


@dataclasses.dataclass(frozen=True)
class ReduceOutwardLR(Method):
    """Smaller steps for the variables that move away from zero.

        c = u,  or g with use_grad
        o_i = mul u_i   where x_i c_i < 0        (with invert: x_i c_i > 0)
        o_i = u_i       elsewhere
        output  o

    The step is x - o, so x_i c_i < 0 means that |x_i| is about to grow. A step size follows as
    `LR`.

    Do not expect an advantage. Outward steps are shorter, so a minimiser far from zero is reached
    more slowly, by up to the factor mul, and elsewhere there is no gain at the same step size. A
    problem that takes 1375 steps takes 2757 after it is moved away from the origin
    (notebooks/20_reduce_outward_lr.ipynb).

    Parameters
    ----------
    mul : float
        Factor of the outward coordinates.
    use_grad : bool
        Use the sign of the gradient instead of that of the incoming update.
    invert : bool
        Select the coordinates that move towards zero instead.

    Raises
    ------
    TypeError, ValueError
        For a hyperparameter of another type, or a `mul` that is not finite.

    Notes
    -----
    Source: `torchzero` 0.4.4, ``ReduceOutwardLR``, whose own documentation says that it does not
    help.

    Deviations: only if a product x_i c_i underflows to zero. Then the original does not select the
    coordinate; here its sign counts.

    Cost per step: one pass over the vector, no evaluations. There is no state.

    Examples
    --------
    >>> import refopt
    >>> res = refopt.minimize(lambda x: (x[0] - 3) ** 2, [1.0], method="ReduceOutwardLR")
    >>> res.success, res.x.round(4)
    (True, array([3.]))
    """

    mul: float = option(0.5, "(-inf, inf)")  # all as in torchzero 0.4.4
    use_grad: bool = option(False, bool)
    invert: bool = option(False, bool)

    elementwise: ClassVar[bool] = True

    def all_needs(self):
        return frozenset({"g"}) if self.use_grad else frozenset()

    def step(self, point, update, state):
        c = point.g if self.use_grad else update
        formula = kernels.fastest(reduce_outward, update.size)
        return formula(update, x=point.x, c=c, mul=self.mul, invert=self.invert), state
