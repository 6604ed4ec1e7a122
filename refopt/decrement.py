"""What the gradient and the Hessian promise at a point: the Newton decrement, and the least curvature.

    P = g^T H^-1 g / 2        the decrease of f to the minimiser of the quadratic model
    d = H^-1 g                the step to it is -d
    kappa                     the least eigenvalue of H relative to the largest

over the free variables, with H scaled by its diagonal: P, the sign of kappa, and d up to the units of x do
not depend on the units of x and f. A method may predict little because its step is poor, because a box is
small, or because its model has a tie where f has a slope. These are made from the gradient and the Hessian at
the point itself.

Source: S. Boyd, L. Vandenberghe, Convex Optimization, 2004, section 9.5.1, eq. (9.30).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg

from .models.curvature import NEGATIVE
from .objective import Point
from .views.face import inward

__all__ = ["Promise", "newton_decrement", "optimality", "promise_of", "reach"]

DENSE = 200  # up to this n everything comes from the eigenvalues of H, above from products
SMALL = 20  # up to this n H is computed without trying a few products first
PRODUCTS = 100  # of conjugate gradients and of Lanczos' method, each
DIFFERENCES = 10  # the same where a product costs gradients
LAST = 5  # conjugate gradients have converged when this many steps add little:
ADDS = 0.1  # this share of the sum
NOISE = 10.0  # a slope may be rounding up to n times this multiple of eps
FLAT = 1e-8  # an eigenvalue below this share of the largest may be zero; f itself must then be asked


class Promise(NamedTuple):
    """What H and g at a point promise.

    Attributes
    ----------
    decrement : P, infinite where the curvature is negative or could not be found out
    lower : a lower bound on it for a convex model
    step : (n,) d, nan where it could not be found out
    least : kappa, nan if unknown
    direction : (n,) a direction of that curvature, in the units of x, or None
    flat : (k, n) directions in which H has no curvature beyond rounding, at most `FLATTEST`
    zero : whether H is zero
    """

    decrement: float
    lower: float
    step: np.ndarray
    least: float = np.nan
    direction: np.ndarray | None = None
    flat: np.ndarray | None = None
    zero: bool = False

    @property
    def negative(self) -> bool:
        """Whether there is negative curvature beyond rounding, along `direction`."""
        return self.decrement == np.inf and self.direction is not None and self.least < 0


FLATTEST = 3


def newton_decrement(point: Point) -> float:
    """The decrease of f that its gradient and Hessian promise, ``g^T H^-1 g / 2``, over the free variables.

    Negative curvature beyond rounding promises an infinite decrease. Eigenvalues count as at least n eps
    times the largest.

    Examples
    --------
    >>> import numpy as np
    >>> from refopt.function import FunctionObjective
    >>> point = FunctionObjective(lambda x: x[0] ** 2 + 1e8 * x[1] ** 2, np.ones(2)).at(np.array([3.0, 0.0]))
    >>> round(newton_decrement(point), 9)
    9.0
    """
    return promise_of(point).decrement


def promise_of(point: Point, enough: float = np.inf) -> Promise:
    """The promise at `point`; made with few products, and a lower bound alone, if P is above `enough`."""
    x = point.x
    g = inward(x, point.g, point.objective.bounds).astype(float)
    free = (g != 0) | (point.g == 0)
    if point.objective.bounds is not None:
        free &= point.objective.bounds[0] < point.objective.bounds[1]
    known = point.memo.get("promise")
    if known is not None and (known.lower > enough or not np.isnan(known.least)):
        return known
    n = int(np.count_nonzero(free))
    if n == 0:
        promise = Promise(0.0, 0.0, np.zeros(x.size), 0.0)
    else:
        promise = found(point, g, free, enough)
    point.memo["promise"] = promise
    return promise


def found(point: Point, g: np.ndarray, free: np.ndarray, enough: float) -> Promise:
    x, n = point.x, point.x.size
    exact = point.objective.product_error() <= 4 * float(np.finfo(x.dtype).eps)
    budget = PRODUCTS if exact else DIFFERENCES

    def product(v: np.ndarray) -> np.ndarray:
        Hv = point.hvp(np.where(free, v, 0).astype(x.dtype))
        return np.where(free, np.asarray(Hv, dtype=float), 0)

    dense = n <= SMALL or n <= DENSE and isinstance(point._hess, np.ndarray)
    if not dense:
        lower, step, done = by_conjugate_gradients(product, g, 3 if n <= DENSE and exact else budget, enough)
        if lower > enough:
            return Promise(np.inf, lower, np.full(n, np.nan))
        dense = n <= DENSE and exact
    if dense:
        H = point.dense_hessian().astype(float)
        return by_eigenvalues(H, g, free, point.objective.product_error(), x.astype(float), point.f)
    least, direction = by_lanczos(product, free, budget)
    negative = least < -max(NEGATIVE, 10 * point.objective.product_error())
    P = lower if done and not negative else np.inf
    return Promise(P, lower, step if done else np.full(n, np.nan), least, direction)


def by_eigenvalues(
    H: np.ndarray,
    g: np.ndarray,
    free: np.ndarray,
    error: float,
    x: np.ndarray,
    f: float,
) -> Promise:
    """The promise by the eigenvalues of a dense H, scaled by its diagonal.

    A slope along a direction in which H is zero promises everything, unless the rounding of x and of the
    terms of f, as far as their sizes tell, explains it.
    """
    n, eps = g.size, float(np.finfo(float).eps)
    unknown = np.full(n, np.nan)
    H = H[np.ix_(free, free)]
    if not np.all(np.isfinite(H)):
        return Promise(np.inf, 0.0, unknown)
    if not H.any():
        steep = bool(g[free].any())
        whole = np.eye(n)[free][:FLATTEST]
        return Promise(
            np.inf if steep else 0.0, 0.0, unknown if steep else np.zeros(n), 0.0, None, whole, True
        )
    D = scale_of(H)
    H = H / D[:, None] / D
    w, V = scipy.linalg.eigh(H)
    top = float(np.abs(w).max())
    floor = max(n * eps, error) * top
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        y = V.T @ (g[free] / D)
        sizes = np.abs(H) @ np.abs(D * x[free]) + np.sqrt(np.abs(np.diag(H) * f))
        noise = NOISE * n * max(eps, error) * (np.abs(V).T @ sizes)
        y = np.where((np.abs(w) <= floor) & (np.abs(y) <= noise), 0.0, y)
        size = np.where((np.abs(w) <= floor) & (y != 0), 0.0, np.maximum(np.abs(w), floor))
        d = V @ np.divide(y, size, out=np.zeros_like(y), where=y != 0) / D
        P = float(np.sum(np.divide(y * y, 2 * size, out=np.zeros_like(y), where=y != 0)))
    least = float(w[0]) / top
    back = np.zeros((n, V.shape[1]))
    back[free] = V / D[:, None]
    step = np.zeros(n)
    step[free] = d
    flat = back[:, np.abs(w) <= max(FLAT, error) * top].T[:FLATTEST]
    if least < -max(NEGATIVE, 10 * error):
        return Promise(np.inf, P, step, least, back[:, 0])
    return Promise(P, P, step, least, back[:, 0], flat if flat.size else None)


def scale_of(H: np.ndarray) -> np.ndarray:
    """Square roots of the diagonal; where that is zero, of the size of the row beside the others' scales."""
    D = np.sqrt(np.abs(np.diag(H)))
    size = np.where(D > 0, D, 1)
    D = np.where(D > 0, D, (np.abs(H) / size).max(axis=1))
    return np.where(D > 0, D, 1)


def by_conjugate_gradients(
    product: Callable, g: np.ndarray, products: int = PRODUCTS, enough: float = np.inf
) -> tuple[float, np.ndarray, bool]:
    """``(lower bound on g^T H^-1 g / 2, H^-1 g, whether both have converged)``.

    The bound is infinite where the curvature along a direction of the iteration is negative or zero. The
    iteration ends early if the bound is above `enough`.

    Source: M. R. Hestenes, E. Stiefel, J. Res. Natl. Bur. Stand. 49 (1952) 409-436, theorem 6:1; Z. Strakos,
    P. Tichy, ETNA 13 (2002) 56-80 (the sum of the last steps as an estimate of what is missing).
    """
    size = float(np.abs(g).max())
    if size == 0:
        return 0.0, np.zeros_like(g), True
    r = g / size  # in units in which squares neither overflow nor vanish
    d, s, parts = r.copy(), np.zeros_like(r), []
    first = float(r @ r)
    for _ in range(products):
        Hd, rr = np.asarray(product(d), dtype=float), float(r @ r)
        curvature = float(d @ Hd)
        if not curvature > 0:
            return np.inf, s * size, False
        a = rr / curvature
        parts.append(a * rr / 2)
        s = s + a * d
        r = r - a * Hd
        if sum(parts) * size * size > enough:
            break
        if float(r @ r) <= 1e-16 * first:
            return sum(parts) * size * size, s * size, True
        if len(parts) > 2 * LAST and sum(parts[-LAST:]) <= ADDS * sum(parts):
            return sum(parts) * size * size, s * size, True
        d = r + (float(r @ r) / rr) * d
    return sum(parts) * size * size, s * size, False


def by_lanczos(product: Callable, free: np.ndarray, products: int) -> tuple[float, np.ndarray | None]:
    """``(least eigenvalue relative to the largest found, its vector)`` by Lanczos' method, random start.

    The eigenvalue is never below the least one of H; it is nan if a product is not finite. (ARPACK, as SciPy
    has it, gives no answer at all if its budget of products ends before it has converged.)
    """
    index = np.flatnonzero(free)

    def inner(v: np.ndarray) -> np.ndarray:
        full = np.zeros(free.size)
        full[index] = np.ravel(v)
        return product(full)[index]

    start = np.random.default_rng(0).standard_normal(index.size)
    Q, alpha, beta = [start / np.linalg.norm(start)], [], []
    for k in range(min(products, index.size)):
        w = inner(Q[-1])
        if not np.all(np.isfinite(w)):
            return np.nan, None
        alpha.append(float(Q[-1] @ w))
        basis = np.array(Q)
        for _ in range(2):  # full orthogonalisation, as the basis is short; once is not enough
            w = w - basis.T @ (basis @ w)
        b = float(np.linalg.norm(w))
        if b <= 1e-12 * max(map(abs, alpha)) or k + 1 == min(products, index.size):
            break
        beta.append(b)
        Q.append(w / b)
    theta, S = scipy.linalg.eigh_tridiagonal(np.array(alpha), np.array(beta[: len(alpha) - 1]))
    top = float(np.abs(theta).max())
    if top == 0:
        return 0.0, None
    full = np.zeros(free.size)
    full[index] = np.array(Q[: len(alpha)]).T @ S[:, 0]
    return float(theta[0]) / top, full


def reach(size: np.ndarray, v: np.ndarray) -> float:
    """The a for which ``a v`` is as long as `size`, on the average over the coordinates of v.

    Examples
    --------
    >>> reach(np.array([4.0, 1.0]), np.array([1.0, 1.0]))
    2.5
    """
    u = v / np.abs(v).max()
    a = float(np.abs(u) @ size) / float(u @ u) / float(np.abs(v).max())
    return a if a > 0 else 1.0 / float(np.abs(v).max())


def optimality(point: Point, promise: Promise | None, x0: np.ndarray, f0: float) -> dict[str, float]:
    """How near `point` is to a minimiser, in numbers; nan for what is not known.

    Returns
    -------
    dict
        "gradient": |g|_inf, with bounds that of the projected gradient. "scaled_gradient": the greatest
        |g_i| s_i / s, where s_i is the greater of |x_i| and |x_i - x0_i|, and s that of |f| and |f(x0) - f|.
        "decrement": g^T H^-1 g / 2. "newton_step": the greatest |d_i| / s_i. "least_curvature": the least
        eigenvalue of H, scaled by its diagonal, relative to the largest. "decrease": f(x0) - f(x).
    """
    nan = np.full(point.x.size, np.nan)
    promise = promise or Promise(np.nan, np.nan, nan)
    way = np.abs((point.x - x0).astype(float))
    scale = np.maximum(np.abs(point.x.astype(float)), way)
    size = max(abs(point.f), abs(f0 - point.f))
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        scaled = np.max(np.abs(point.g) * scale) / size if size else 0.0
        step = np.where(promise.step == 0, 0.0, np.abs(promise.step) / scale)
    return {
        "gradient": point.gradient_norm(),
        "scaled_gradient": float(scaled),
        "decrement": float(promise.decrement),
        "newton_step": float(np.max(step)),
        "least_curvature": float(promise.least),
        "decrease": float(f0 - point.f),
    }
