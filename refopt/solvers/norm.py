"""The Euclidean norm without overflow, and the norm in which the units of the variables cancel."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.linalg.blas import dnrm2, snrm2

from ..models.taylor import Model, TensorModel

__all__ = ["StepNorm", "hessian_scale", "nrm2"]

LEAST = 1e-30  # least ratio of two D_i
FADE = 0.1  # D falls at most by this factor from step to step
EXTREME = 1e30  # where the unit of f is farther from 1, powers of D leave the range of the numbers


def nrm2(v: np.ndarray) -> float:
    """|v|_2 without overflow, underflow or warnings (BLAS nrm2).

    Examples
    --------
    >>> import numpy as np
    >>> round(nrm2(np.array([3e200, 4e200])) / 1e200, 9)
    5.0
    """
    return float(snrm2(v) if v.dtype == np.float32 else dnrm2(v))


def hessian_scale(H: np.ndarray) -> np.ndarray:
    """D (n,) > 0, so that the norm \\|D s\\|_2 of a step has the unit sqrt(f), whatever the units of x.

        D_i = sqrt|H_ii|               where that is 0:  max_j |H_ij| / D_j  over the others, else 1
        D_i >= 1e-30 max_j D_j         so that powers of D stay in the range of the numbers

    Source: the scaling of the variables of J. J. More, The Levenberg-Marquardt algorithm, Lecture Notes in
    Mathematics 630 (1978) 105-116, section 3, whose D_i are the norms of the columns of J.

    Examples
    --------
    >>> import numpy as np
    >>> hessian_scale(np.array([[4.0, 0.0, 6.0], [0.0, -9.0, 0.0], [6.0, 0.0, 0.0]]))
    array([2., 3., 3.])
    """
    D = np.sqrt(np.abs(np.diag(H)))
    known = D > 0
    if not known.all():
        rest = np.max(np.abs(H[:, known]) / D[known], axis=1, initial=0.0)
        D = np.where(known, D, rest)
    D = np.where((D > 0) & np.isfinite(D), D, 1.0)
    return np.maximum(D, LEAST * D.max())


class StepNorm(NamedTuple):
    r"""The norm of steps: \|D s\|_2, in which s has no units, or Euclid's, where D is None.

    D is that of `hessian_scale`, over `unit`, \|D^-1 g\| at the start.
    """

    D: Any = None  # (n,) scale of the norm "hessian"; None for the Euclidean norm
    unit: float = 1.0  # square root of the unit of f in that norm, from the gradient at the start

    @property
    def scale(self) -> np.ndarray:
        """z / scale is the step that is z in the units of this norm."""
        return np.ones(1) if self.D is None else self.D

    def at(self, model: Model, g: np.ndarray) -> StepNorm:
        """The norm at the point of a model, where the gradient is g.

        From one step to the next D falls at most by a factor of 10, and the unit stays. At the start D is
        None; it stays None while the unit is above 1e30 or below 1e-30, and without the tensor H.

        Examples
        --------
        >>> import numpy as np
        >>> g, H = np.array([6.0, 12.0]), np.diag([4.0, 9.0])
        >>> StepNorm().at(TensorModel([0.0, g, H]), g)
        StepNorm(D=array([0.4, 0.6]), unit=5.0)
        """
        if not isinstance(model, TensorModel) or model.order < 2:
            return self
        new = hessian_scale(model.tensors[2])
        if self.D is not None:
            return StepNorm(np.maximum(new / self.unit, FADE * self.D), self.unit)
        unit = nrm2(g / new) or 1.0
        return StepNorm(new / unit, unit) if 1 / EXTREME < unit < EXTREME else self

    def first_scale(self, trust_method: str, radius: float | None, g: np.ndarray, p: int) -> float:
        """The first radius, given or a natural one, or the sigma that gives a step about as long."""
        proximal = trust_method == "proximal"
        natural = 1.0 if not proximal else 0.1 if self.D is None else self.unit**-2
        radius = radius or natural
        if trust_method != "regularized":
            return radius
        return (nrm2(g if self.D is None else g / self.D) or 1.0) / radius**p

    def applied(self, model: Model, x: np.ndarray, bounds: Any) -> tuple[Model, Any]:
        """The model of z, and the bounds of z at x, if there are any."""
        D = self.scale
        model = model if self.D is None else model.rescaled(1 / D, 1.0)
        return model, bounds and (D * (bounds[0] - x), D * (bounds[1] - x))
