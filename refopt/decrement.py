"""What the gradient and the Hessian promise at a point, and whether it proves a claim of rounding.

A method may predict little because its step is poor, because a box is small, or because its model has a tie
where f has a slope. So its own prediction is no proof that only rounding is left. The Newton decrement is:
it is made from the gradient that ends the run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from .models.curvature import NEGATIVE
from .objective import Point
from .rounding import LONG_SUMS, rounding_error
from .status import Status, Stop
from .views.face import inward

__all__ = ["newton_decrement", "proven"]

DENSE = 200  # up to this n the decrement comes from the eigenvalues of H, above from conjugate gradients
PRODUCTS = 50  # of these; fewer make the decrement too small, never too large


def newton_decrement(point: Point) -> float:
    """The decrease of f that its gradient and Hessian promise, ``g^T H^-1 g / 2``, over the free variables.

    H is scaled by its diagonal first, so that the units of the variables do not matter. Its eigenvalues count
    as at least n eps times the largest. Negative curvature beyond rounding promises an infinite decrease.
    Above n = 200 conjugate gradients give a lower bound with at most 50 products.

    Source: S. Boyd, L. Vandenberghe, Convex Optimization, 2004, section 9.5.1, eq. (9.30).

    Examples
    --------
    >>> import numpy as np
    >>> from refopt.function import FunctionObjective
    >>> point = FunctionObjective(lambda x: x[0] ** 2 + 1e8 * x[1] ** 2, np.ones(2)).at(np.array([3.0, 0.0]))
    >>> round(newton_decrement(point), 9)
    9.0
    """
    x = point.x
    g = inward(x, point.g, point.objective.bounds).astype(float)
    free = (g != 0) | (point.g == 0)
    if not g.any():
        return 0.0
    if x.size > DENSE:
        return by_conjugate_gradients(lambda v: point.hvp(np.where(free, v, 0).astype(x.dtype)), g)
    H = point.dense_hessian().astype(float)[np.ix_(free, free)]
    diagonal = np.sqrt(np.abs(np.diag(H)))
    D = np.where(diagonal > 0, diagonal, 1)
    w, V = scipy.linalg.eigh(H / D[:, None] / D)
    if w[0] < -NEGATIVE * np.abs(w).max():
        return np.inf
    size = np.maximum(np.abs(w), x.size * float(np.finfo(x.dtype).eps) * np.abs(w).max())
    y = V.T @ (g[free] / D)
    with np.errstate(divide="ignore", over="ignore"):
        return float(np.sum(np.divide(y * y, 2 * size, out=np.zeros_like(y), where=y != 0)))


def by_conjugate_gradients(product: Any, g: np.ndarray) -> float:
    """A lower bound on ``g^T H^-1 g / 2``; infinite where the curvature is negative or zero."""
    d, r, total = g.copy(), g.copy(), 0.0
    for _ in range(PRODUCTS):
        Hd, rr = np.asarray(product(d), dtype=float), float(r @ r)
        curvature = float(d @ Hd)
        if not curvature > 0:
            return np.inf
        total += rr * rr / curvature / 2
        r = r - (rr / curvature) * Hd
        if not float(r @ r) > 1e-20 * float(g @ g):
            break
        d = r + (float(r @ r) / rr) * d
    return total


def proven(stop: Stop, point: Point) -> Stop:
    """The end of a run that claims rounding: as it is if the gradient promises no more, else STALLED."""
    if stop.status is not Status.ROUNDING:
        return stop
    try:
        promised = newton_decrement(point)
        H = point.dense_hessian() if point.x.size <= DENSE else None
    except Stop as limit:
        return limit
    except (TypeError, ValueError, NotImplementedError, scipy.linalg.LinAlgError) as error:
        return Stop(Status.STALLED, reason=f"rounding could not be proven, H is not available ({error})")
    noise = rounding_error(point.f, point.x.dtype, point.x, H)
    if promised <= LONG_SUMS * noise:
        return stop
    return Stop(
        Status.STALLED,
        reason=f"the last steps promised no decrease beyond rounding, but the gradient does, |g|_inf = "
        f"{point.gradient_norm():.3g}: the Newton decrement is {promised:.3g}, the rounding error of f "
        f"{noise:.3g}. The step was poor, or f has a kink or a tie here",
    )
