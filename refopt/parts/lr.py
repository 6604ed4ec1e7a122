"""The method LR, a constant step size."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from ..method import Method, option

__all__ = ["LR"]


@dataclasses.dataclass(frozen=True)
class LR(Method):
    """Multiply the update by a constant step size; alone, it is gradient descent.

        output  lr u

    Parameters
    ----------
    lr : float
        Step size (learning rate).

    Raises
    ------
    TypeError, ValueError
        If `lr` is not a finite number.

    Notes
    -----
    Source: A. Cauchy, Méthode générale pour la résolution des systèmes d'équations simultanées,
    Comptes rendus 25 (1847) 536-538, for gradient descent.

    Deviations: none.

    Cost per step: one product for each variable, no evaluations. There is no state.

    Examples
    --------
    >>> import refopt
    >>> refopt.minimize(lambda x: (x[0] - 3) ** 2, [1.0], method=refopt.LR(0.1)).success
    True
    """

    lr: float = option(1e-3, "(-inf, inf)")  # customary with Adam and torch.optim.SGD

    elementwise: ClassVar[bool] = True

    def step(self, point, update, state):
        return update * self.lr, state
