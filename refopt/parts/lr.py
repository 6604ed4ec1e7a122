"""LR: a constant step size.

    output  lr * u
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from ..method import Method

__all__ = ["LR"]


@dataclasses.dataclass(frozen=True)
class LR(Method):
    """Multiply the update by a constant step size; alone, it is gradient descent.

    Parameters
    ----------
    lr : float
        Step size; 1e-3, as customary.

    Examples
    --------
    >>> import refopt
    >>> refopt.minimize(lambda x: (x[0] - 3) ** 2, [1.0], method=refopt.LR(0.1)).success
    True
    """

    lr: float = 1e-3

    elementwise: ClassVar[bool] = True

    def __post_init__(self):
        self.check(lr="(-inf, inf)")

    def step(self, point, update, state):
        return update * self.lr, state
