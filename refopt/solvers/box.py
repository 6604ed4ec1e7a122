"""A quadratic model over a box: the subproblem of the infinity-norm trust region.

    minimise  q(d) = d^T H d / 2 - g^T d   over  lower <= d <= upper,  lower <= 0 <= upper  (x moves to x - d)

H positive definite, H = L L^T: then q is |L^T d - L^-1 g|^2 / 2 plus a constant, which is a bounded least
    squares problem. `lsq_linear` (BVLS, an active-set method) begins. It stops on the relative change of the
    residual, which is tiny in a small box, so further active-set steps follow until a KKT point is verified.
H = A^T A with A given: the same without squaring the condition number (Gauss-Newton).
H indefinite, up to 6 variables: the global minimiser. It lies inside a face whose free block of H is positive
    definite (or the boundary of the face is as low), so all 3^n faces are searched.
H indefinite, more variables: the lowest of several local minimisers found by `face_descent`. Each is a KKT
    point, and neither the free variables nor one freed variable give a direction of descent. (Finding the
    global minimiser is NP-hard.)
H given by products only: see `box_cg`.

Bounds that are active in the answer are met exactly. A variable with lower = upper keeps this value.

Source: Stark, Parker, Bounded-variable least squares, Computational Statistics 10 (1995) 129-141 (BVLS);
Nocedal, Wright, Numerical Optimization, 2006, section 16.5 (active sets, inertia).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import scipy.linalg
import scipy.optimize

__all__ = ["box_around", "least_squares_step", "onto_bounds", "quadratic_step", "residual_step"]

GLOBAL_UP_TO = 6  # variables up to which an indefinite model is minimised globally: 3^6 = 729 faces, 2 ms
MANY_STARTS_UP_TO = 50  # variables up to which an indefinite model is minimised from every start


def box_around(
    x: np.ndarray, radius: float | np.ndarray, bounds: tuple[np.ndarray, np.ndarray] | None
) -> tuple[np.ndarray, np.ndarray]:
    """``(lower, upper)`` of d: the box of the trust region within the bounds of x - d.

    The radius is one number, or one for each variable, (n,).
    """
    upper = np.full(x.size, np.asarray(radius, dtype=float))
    lower = -upper
    if bounds is not None:
        low, high = bounds
        lower, upper = np.maximum(lower, x - high), np.minimum(upper, x - low)
    return lower, upper


def value(H: np.ndarray, g: np.ndarray, d: np.ndarray) -> float:
    """q(d)."""
    return float(d @ (H @ d)) / 2 - float(g @ d)


def on_free_variables(solve: Callable, lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, str]:
    """The answer of ``solve(free)`` for the variables that can move, 0 for the others."""
    free = lower < upper
    d = np.zeros(lower.size)
    how = "fixed"
    if free.any():
        d[free], how = solve(free)
    return d, how


def onto_bounds(
    d: np.ndarray,
    x: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray] | None,
    radius: float | np.ndarray = np.inf,
) -> np.ndarray:
    """`d` in the dtype of x, where ``x - d``, clipped, meets the bounds that d meets exactly.

    Rounding may leave x - d one unit inside; such a d goes one unit further. An edge of the box at `radius`
    is no bound.

    Examples
    --------
    >>> x, low = np.array([0.3]), np.array([0.1])
    >>> print(x - (x - low) - low, x - onto_bounds(x - low, x, -x, x - low, (low, 2 * x)) - low)
    [0.] [0.]
    """
    d = d.astype(x.dtype)
    if bounds is None:
        return d
    low, high = bounds
    far = d.dtype.type(np.inf)
    d = np.where((d >= upper) & (upper < radius) & (x - d > low), np.nextafter(d, far), d)
    return np.where((d <= lower) & (lower > -radius) & (x - d < high), np.nextafter(d, -far), d)


def quadratic_step(
    H: np.ndarray,
    g: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    tol: float = 1e-10,
    local: bool = False,
) -> tuple[np.ndarray, str]:
    """The minimiser of q over the box, and how it was found.

    Parameters
    ----------
    H : (n, n) symmetric array
    g, lower, upper : (n,) arrays with lower <= 0 <= upper, finite
    tol : tolerance of `lsq_linear`
    local : take the local minimiser that an active-set method finds from d = 0, if H is indefinite

    Returns
    -------
    d : (n,) array
    how : "interior", "bvls", "enumeration" or "active set" ("fixed" if no variable can move)

    Examples
    --------
    >>> import numpy as np
    >>> from refopt.solvers.box import quadratic_step
    >>> H, g, one = np.diag([1.0, -1.0]), np.array([0.5, 0.1]), np.ones(2)
    >>> quadratic_step(H, g, -one, one)
    (array([0.5, 1. ]), 'enumeration')
    """

    def solve(free):
        c = np.sqrt(np.abs(np.diag(H)[free]))
        c[c == 0] = 1.0
        S, b = H[np.ix_(free, free)] / c / c[:, None], g[free] / c
        low, high = lower[free] * c, upper[free] * c
        t, how = scaled_quadratic_step(S, b, low, high, tol, local)
        return unscaled(t, c, low, high, lower[free], upper[free]), how

    return on_free_variables(solve, lower, upper)


def unscaled(t, c, low, high, lower, upper):
    """``t / c``, where active bounds are met exactly."""
    return np.where(t <= low, lower, np.where(t >= high, upper, np.clip(t / c, lower, upper)))


def scaled_quadratic_step(S, b, low, high, tol, local=False):
    """The same as `quadratic_step`, for a matrix S with unit diagonal."""
    L = cholesky(S)
    if L is not None:
        rhs = scipy.linalg.solve_triangular(L, b, lower=True, check_finite=False)
        return bounded_least_squares(L.T, rhs, low, high, tol)
    if local:
        return face_descent(S, b, low, high, np.zeros(b.size)), "active set"
    if b.size <= GLOBAL_UP_TO:
        d = lowest_face(S, b, low, high)
        return face_descent(S, b, low, high, d), "enumeration"
    return lowest_of_starts(S, b, low, high, tol), "active set"


def cholesky(S: np.ndarray) -> np.ndarray | None:
    """The lower Cholesky factor, or None if S is not safely positive definite."""
    try:
        L = scipy.linalg.cholesky(S, lower=True, check_finite=False)
    except scipy.linalg.LinAlgError:
        return None
    pivots = np.diag(L)
    return L if (pivots.min() / pivots.max()) ** 2 > 10 * S.shape[0] * np.finfo(S.dtype).eps else None


# ---------------------------------------------------------------- least squares


def least_squares_step(
    A: np.ndarray, b: np.ndarray, lower: np.ndarray, upper: np.ndarray, tol: float = 1e-10
) -> tuple[np.ndarray, str]:
    """The minimiser of ``|A d - b|^2`` over the box: `quadratic_step` with H = A^T A and g = A^T b.

    Examples
    --------
    >>> import numpy as np
    >>> from refopt.solvers.box import least_squares_step
    >>> least_squares_step(np.diag([1.0, 2.0]), np.array([0.5, 4.0]), -np.ones(2), np.ones(2))
    (array([0.5, 1. ]), 'bvls')
    """

    def solve(free):
        B, rhs = A[:, free], b
        if B.shape[0] > B.shape[1]:
            Q, B = scipy.linalg.qr(B, mode="economic", check_finite=False)
            rhs = Q.T @ b
        c = np.linalg.norm(B, axis=0)
        c[c == 0] = 1.0
        low, high = lower[free] * c, upper[free] * c
        t, how = bounded_least_squares(B / c, rhs, low, high, tol)
        return unscaled(t, c, low, high, lower[free], upper[free]), how

    return on_free_variables(solve, lower, upper)


def bounded_least_squares(A, b, low, high, tol):
    """``(d, how)`` for a matrix A with columns of length 1 and a box with non-empty interior."""
    d = solve_least_squares(A, b)
    if np.all((low < d) & (d < high)):
        return d, "interior"
    d = scipy.optimize.lsq_linear(A, b, (low, high), method="bvls", tol=tol).x
    d = np.clip(d, low, high)
    active = np.where(d <= low, -1, np.where(d >= high, 1, 0))
    for _ in range(10 * d.size + 10):
        free = active == 0
        if free.any():
            p = solve_least_squares(A[:, free], b - A @ d)
            d, blocked = advance(d, free, p, 1.0, low, high)
            if blocked:
                active[d <= low], active[d >= high] = -1, 1
                continue
        i = wrong_multiplier(A.T @ (A @ d - b), active, np.abs(A).T @ (np.abs(A) @ np.abs(d) + np.abs(b)))
        if i is None:
            break
        active[i] = 0
    return d, "bvls"


def solve_least_squares(A, b):
    return scipy.linalg.lstsq(A, b, cond=max(A.shape) * np.finfo(float).eps, check_finite=False)[0]


def wrong_multiplier(slope: np.ndarray, active: np.ndarray, size: np.ndarray) -> int | None:
    """The active bound with the most negative multiplier, or None; `size`: magnitude of the slope's terms."""
    wish = np.where(active < 0, -slope, np.where(active > 0, slope, 0.0)) - 8 * np.finfo(float).eps * size
    i = int(np.argmax(wish))
    return i if wish[i] > 0 else None


def advance(d, free, p, longest, low, high):
    """``(d + t p on the free variables, whether a bound was reached)``; that bound is met exactly."""
    where = np.flatnonzero(free)
    goal = np.where(p < 0, low[where], high[where])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        t = np.where(p == 0, np.inf, (goal - d[where]) / p)
    first = int(np.argmin(t))
    new = d.copy()
    if t[first] >= longest:
        new[where] = np.clip(d[where] + longest * p, low[where], high[where])
        touched = (new[where] <= low[where]) | (new[where] >= high[where])
        return new, bool(touched.any())
    new[where] = np.clip(d[where] + t[first] * p, low[where], high[where])
    new[where[first]] = goal[first]
    return new, True


# ---------------------------------------------------------------- indefinite


def face_descent(
    H: np.ndarray, g: np.ndarray, low: np.ndarray, high: np.ndarray, d: np.ndarray
) -> np.ndarray:
    """A local minimiser of q over the box, by an active-set method from a feasible `d`; q never rises."""
    active = np.where(d <= low, -1, np.where(d >= high, 1, 0))
    size = np.abs(H) @ np.maximum(np.abs(low), np.abs(high)) + np.abs(g)
    for _ in range(20 * d.size + 20):
        free = active == 0
        slope = H @ d - g
        if free.any():
            p, longest = face_direction(H[np.ix_(free, free)], slope[free], size[free])
            d, blocked = advance(d, free, p, longest, low, high)
            if blocked:
                active[d <= low], active[d >= high] = -1, 1
                continue
            slope = H @ d - g
        i = wrong_multiplier(slope, active, size)
        if i is None:
            i = saddle_multiplier(H, slope, active, size)
        if i is None:
            break
        active[i] = 0
    return d


def face_direction(H: np.ndarray, slope: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, float]:
    """``(p, longest)``: Newton's step on a face (longest = 1), or a descent direction without end (inf)."""
    L = cholesky(H)
    if L is not None:
        return -scipy.linalg.cho_solve((L, True), slope, check_finite=False), 1.0
    k, V = scipy.linalg.eigh(H, check_finite=False)
    flat = 10 * k.size * np.finfo(H.dtype).eps * np.abs(k).max()
    if k[0] < -flat:
        w = V[:, 0]
        return (-w if slope @ w > 0 else w), np.inf
    along = V.T @ slope
    null = (np.abs(k) <= flat) & (np.abs(along) > 8 * np.finfo(H.dtype).eps * np.linalg.norm(size))
    if null.any():
        return -V[:, null] @ along[null], np.inf
    curved = k > flat
    return -V[:, curved] @ (along[curved] / k[curved]), 1.0


def saddle_multiplier(H, slope, active, size):
    """A bound with multiplier 0 whose release gives a direction of negative curvature inwards; or None."""
    zero = np.flatnonzero((active != 0) & (np.abs(slope) <= 8 * np.finfo(float).eps * size))
    for i in zero:
        free = np.flatnonzero(active == 0)
        block = np.append(free, i)
        k, V = scipy.linalg.eigh(H[np.ix_(block, block)], check_finite=False)
        if k[0] < -10 * block.size * np.finfo(float).eps * np.abs(k).max() and V[-1, 0] != 0:
            return int(i)
    return None


def lowest_face(H: np.ndarray, g: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The global minimiser of q over the box, from the stationary points of all faces."""
    n = g.size
    best, best_value = np.zeros(n), 0.0
    for count in range(n + 1):
        for chosen in itertools.combinations(range(n), count):
            free = np.zeros(n, dtype=bool)
            free[list(chosen)] = True
            ends = list(itertools.product(*zip(low[~free], high[~free], strict=True)))
            corners = np.array(ends).reshape(2 ** (n - count), n - count)
            D = np.zeros((len(corners), n))
            D[:, ~free] = corners
            if count:
                L = cholesky(H[np.ix_(free, free)])
                if L is None:
                    continue
                rhs = g[free, None] - H[np.ix_(free, ~free)] @ corners.T
                D[:, free] = scipy.linalg.cho_solve((L, True), rhs, check_finite=False).T
                D = D[np.all((D >= low) & (D <= high), axis=1)]
            values = np.einsum("ki,ki->k", D, D @ H) / 2 - D @ g
            if values.size and values.min() < best_value:
                best, best_value = D[int(values.argmin())], float(values.min())
    return best


def lowest_of_starts(H, g, low, high, tol):
    """The lowest of the local minimisers found from several starts.

    They are 0, the minimiser of a convex model (each eigenvalue replaced by its absolute value) and, up to 50
    variables, the corner along g and both ends of the lowest eigenvector.
    """
    k, V = scipy.linalg.eigh(H, check_finite=False)
    first = face_descent(H, g, low, high, np.zeros(g.size))
    small = 10 * k.size * np.finfo(float).eps * np.abs(k).max()
    if k[0] >= -small:
        return first
    size = np.maximum(np.abs(k), np.sqrt(np.finfo(float).eps) * np.abs(k).max())
    convex = bounded_least_squares(np.sqrt(size)[:, None] * V.T, (V.T @ g) / np.sqrt(size), low, high, tol)[0]
    starts = [convex]
    if g.size <= MANY_STARTS_UP_TO:
        starts.append(np.where(g > 0, high, low))
        for w in (V[:, 0], -V[:, 0]):
            with np.errstate(divide="ignore", invalid="ignore"):
                room = np.where(w > 0, high, -low) / np.abs(w)
            starts.append(np.clip(w * np.min(room[np.abs(w) > 0]), low, high))
    found = [first, *(face_descent(H, g, low, high, d) for d in starts)]
    return min(found, key=lambda d: value(H, g, d))


# ---------------------------------------------------------------- the residual


def residual_step(
    H, g: np.ndarray, lower: np.ndarray, upper: np.ndarray, tol: float = 1e-10
) -> tuple[np.ndarray, str]:
    """The minimiser of ``|H d - g|`` over the box; H an array, sparse matrix or LinearOperator.

    Examples
    --------
    >>> import numpy as np
    >>> from refopt.solvers.box import residual_step
    >>> residual_step(np.diag([1.0, -1.0]), np.array([0.5, 0.1]), -np.ones(2), np.ones(2))
    (array([ 0.5, -0.1]), 'interior')
    """
    if isinstance(H, np.ndarray):
        return least_squares_step(H, g, lower, upper, tol)
    fixed = lower == upper
    width = np.where(fixed, np.finfo(float).tiny * 4, 0.0)  # lsq_linear needs lower < upper; undone below
    answer = scipy.optimize.lsq_linear(H, g, (lower - width, upper + width), method="trf", tol=tol)
    d = np.where(answer.active_mask < 0, lower, np.where(answer.active_mask > 0, upper, answer.x))
    return np.where(fixed, lower, np.clip(d, lower, upper)), "trf"
