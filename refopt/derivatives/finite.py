"""Derivatives from finite differences of values, of gradients and of residuals.

Products, with the step `h` along the unit vector of `v`, so that the accuracy does not depend on its length:

    fd_forward    H v ~ (g(x + h v/|v|) - g(x)) |v| / h                 error O(h)
    fd_central    H v ~ (g(x + h v/|v|) - g(x - h v/|v|)) |v| / (2 h)   error O(h^2)

First derivatives are SciPy's, ``scipy.optimize._numdiff.approx_derivative``, with its steps. If the values
have a relative error `noise` above rounding, eps is replaced by it in the rule for the step:

    "2-point"   h = eps^(1/2) max(1, |x_i|)    error about eps^(1/2)
    "3-point"   h = eps^(1/3) max(1, |x_i|)    error about eps^(2/3)
    "cs"        h = eps^(1/2) max(1, |x_i|)    error about eps: f(x + i h e_i) has no cancellation

Second derivatives of values, with h = eps^(1/4) max(1, |x_i|) and an error of about eps^(1/2):

    H_ii ~ (f(x + h_i) - 2 f(x) + f(x - h_i)) / h_i^2
    H_ij ~ (f(x + h_i + h_j) - f(x + h_i - h_j) - f(x - h_i + h_j) + f(x - h_i - h_j)) / (4 h_i h_j)

Bounds are respected: no point outside them is evaluated.

Source: W. Squire, G. Trapp, SIAM Rev. 40 (1998) 110-112, doi:10.1137/S003614459631241X ("cs"); J. Nocedal,
S. J. Wright, Numerical Optimization, 2006, section 8.1 (steps, and the errors of gradients and Hessians); J.
J. Moré, S. M. Wild, Estimating computational noise, SIAM J. Sci. Comput. 33 (2011) 1292-1314,
doi:10.1137/100786125 (`estimated_noise`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize._numdiff import approx_derivative

__all__ = [
    "SCHEMES",
    "bounded_product",
    "central_product",
    "estimated_noise",
    "first",
    "forward_product",
    "relative_error",
    "second",
]

SCHEMES = ("2-point", "3-point", "cs")
STEP_POWER = {"2-point": 1 / 2, "3-point": 1 / 3, "cs": 1 / 2}
ERROR_POWER = {"2-point": 1 / 2, "3-point": 2 / 3, "cs": 1.0}
NOISE_POINTS = 9  # values of f for an estimate of its noise
NOISE_LEVELS = 4.0  # factor within which estimates from three successive differences must agree


# ---------------------------------------------------------------- products


def forward_product(gradient: Callable, x: np.ndarray, g: np.ndarray, v: np.ndarray, h: float) -> np.ndarray:
    """``H(x) v`` from one further gradient; `g` is the gradient at `x`."""
    length = np.linalg.norm(v)
    if length == 0:
        return np.zeros_like(x)
    return (gradient(x + v * (h / length)) - g) * (length / h)


def central_product(gradient: Callable, x: np.ndarray, v: np.ndarray, h: float) -> np.ndarray:
    """``H(x) v`` from two further gradients."""
    length = np.linalg.norm(v)
    if length == 0:
        return np.zeros_like(x)
    step = v * (h / length)
    return (gradient(x + step) - gradient(x - step)) * (length / (2 * h))


def bounded_product(
    gradient: Callable, x: np.ndarray, v: np.ndarray, h: float, bounds: tuple[np.ndarray, np.ndarray] | None
) -> np.ndarray:
    """``H(x) v`` by central differences; where a bound is in the way, by one-sided ones inside it.

    The variables that have more room along v and those that have more room against it move by turns, so that
    every point is inside the bounds. A fixed variable does not move: its column of H counts as zero.
    """
    length = float(np.linalg.norm(v))
    if bounds is None or length == 0:
        return central_product(gradient, x, v, h)
    unit = v / length
    ahead, behind = room(x, unit, bounds), room(x, -unit, bounds)
    if min(ahead.min(), behind.min()) >= h:
        return central_product(gradient, x, v, h)
    most = np.maximum(ahead, behind)
    if not np.any(most > 0):
        return np.zeros_like(x)
    h = min(h, float(most[most > 0].min()))
    g, total = gradient(x), np.zeros_like(x)
    for part, sign in (((most > 0) & (ahead >= behind), 1), ((most > 0) & (ahead < behind), -1)):
        if part.any():
            end = np.clip(x + np.where(part, unit, 0) * (sign * h), *bounds)
            total = total + (gradient(end) - g) * (sign * length / h)
    return total


def room(x: np.ndarray, direction: np.ndarray, bounds: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """How far each variable can move along `direction` before it meets its bound, (n,)."""
    wall = np.where(direction > 0, bounds[1], bounds[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(direction == 0, np.inf, (wall - x) / direction)


# ---------------------------------------------------------------- first derivatives


def first(
    fun: Callable,
    x: np.ndarray,
    f: Any,
    scheme: str,
    noise: float | None = None,
    rel_step: Any = None,
    bounds: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """The derivative of `fun` at x, (n,) for a number and (m, n) for a vector (m,).

    Parameters
    ----------
    fun : callable
        ``fun(x)``; with "cs" also for complex x.
    x : (n,) array
    f : number or (m,) array
        ``fun(x)``.
    scheme : {"2-point", "3-point", "cs"}
    noise : float or None
        Relative error of the values; None: rounding.
    rel_step : float, (n,) array or None
        Step relative to \\|x_i\\|, as SciPy's ``finite_diff_rel_step``; None: by the rule above.
    bounds : (lower, upper) or None
        A variable with equal bounds is not moved; its derivative counts as zero.

    Examples
    --------
    >>> import numpy as np
    >>> first(lambda x: x[0] ** 3, np.array([2.0]), 8.0, "3-point").round(6)
    array([12.])
    """
    power, free = STEP_POWER[scheme], np.ones(x.size, dtype=bool)
    steps: dict[str, Any] = {"rel_step": rel_step}
    if rel_step is None and noise is not None:
        steps = {"abs_step": noise**power * np.where(x < 0, -1, 1) * np.maximum(1, np.abs(x))}
    if bounds is not None:  # a fixed variable does not move: its column is zero
        free = bounds[0] < bounds[1]
        steps = {name: step[free] if np.ndim(step) else step for name, step in steps.items()}
        steps["bounds"] = (bounds[0][free], bounds[1][free])

    def of_free(z: np.ndarray) -> Any:
        whole = x.astype(z.dtype)
        whole[free] = z
        return fun(whole)

    D = np.zeros((np.size(f), x.size), dtype=x.dtype)
    if free.any():
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)  # a cast would lose the derivative
            moving = fun if free.all() else of_free
            D[:, free] = np.reshape(
                approx_derivative(moving, x[free], method=scheme, f0=f, **steps), (np.size(f), -1)
            )
    return D[0] if np.ndim(f) == 0 else D


def relative_error(scheme: str, noise: float) -> float:
    """The relative error that a first derivative has if the values have the relative error `noise`."""
    return noise ** ERROR_POWER[scheme]


# ---------------------------------------------------------------- second derivatives of values


def second(
    fun: Callable,
    x: np.ndarray,
    f: float,
    scheme: str = "3-point",
    noise: float | None = None,
    bounds: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """The Hessian (n, n) of a scalar function from its values.

    "3-point" takes n (n + 1) values, with the mean of the mixed difference forwards and that backwards;
    "2-point" takes n (n + 3)/2 values, all of them forwards, and has an error of about eps^(1/3). Where a
    bound is nearer than a step, the middle of the stencil is moved inside. A fixed variable has a zero row.

    Examples
    --------
    >>> import numpy as np
    >>> second(lambda x: x[0] ** 2 * x[1], np.array([3.0, 2.0]), 18.0).round(4)
    array([[4., 6.],
           [6., 0.]])
    """
    central = scheme == "3-point"
    eps = float(np.finfo(x.dtype).eps) if noise is None else noise
    h = eps ** (1 / 4 if central else 1 / 3) * np.maximum(1, np.abs(x))
    middle = x.copy()
    if bounds is not None:
        lower, upper = bounds
        h = np.minimum(h, (upper - lower) / 2)
        middle = np.clip(x, lower + h, upper - h)
        f = f if np.array_equal(middle, x) else fun(middle)
    h = (middle + h) - middle  # a step that x + h has exactly

    def at(*moves: tuple[int, int]) -> float:
        z = middle.copy()
        for i, sign in moves:
            z[i] += sign * h[i]
        return float(fun(z))

    n = x.size
    H, free = np.zeros((n, n)), [int(i) for i in np.flatnonzero(h > 0)]
    ahead = {i: at((i, 1)) - f for i in free}
    behind = {i: at((i, -1)) - f for i in free} if central else {}
    for a, i in enumerate(free):
        if central:
            H[i, i] = (ahead[i] + behind[i]) / h[i] ** 2
        else:
            H[i, i] = (at((i, 1), (i, 1)) - f - 2 * ahead[i]) / h[i] ** 2
        for j in free[:a]:
            mixed = at((i, 1), (j, 1)) - f - ahead[i] - ahead[j]
            if central:
                mixed = (mixed + at((i, -1), (j, -1)) - f - behind[i] - behind[j]) / 2
            H[i, j] = H[j, i] = mixed / (h[i] * h[j])
    return H.astype(x.dtype)


# ---------------------------------------------------------------- noise


def estimated_noise(
    fun: Callable, x: np.ndarray, bounds: tuple[np.ndarray, np.ndarray] | None = None
) -> float:
    """The relative error of the values of `fun` near x, at least eps, from 9 to 36 values on a line.

    High differences of the values on a short line hold nothing but their errors. The k-th differences of
    independent errors of variance s^2 have the variance (2k)!/(k!)^2 s^2. An estimate counts if those from
    three successive k agree to a factor of 4; if most values are equal the line is too short.

    Examples
    --------
    >>> import numpy as np
    >>> rough = lambda x: float(np.round(np.sum(np.cos(x)), 6))
    >>> 1e-7 < estimated_noise(rough, np.array([1.0, 2.0])) < 1e-5
    True
    """
    eps = float(np.finfo(x.dtype).eps)
    size = np.maximum(1, np.abs(x)) * (1 + 0.1 * np.cos(np.arange(x.size)))
    if bounds is not None:
        upper = room(x, size, bounds)
        size = np.where(upper >= room(x, -size, bounds), size, -size)
    for power in (0.625, 0.5, 0.375, 0.25):
        h = eps**power
        line = [x + k * h * size for k in range(NOISE_POINTS)]
        values = np.array([fun(z if bounds is None else np.clip(z, *bounds)) for z in line], dtype=float)
        if not np.all(np.isfinite(values)):
            continue
        if np.unique(values).size <= NOISE_POINTS // 2:
            continue
        if (level := noise_level(values)) is not None:
            return max(eps, level / max(float(np.abs(values).max()), np.finfo(float).tiny))
    return eps


def noise_level(values: np.ndarray) -> float | None:
    """The standard deviation of the errors of equally spaced values; None if no differences show it."""
    levels = []
    differences = values
    changes = []
    for k in range(1, values.size):
        differences = np.diff(differences)
        share = math.factorial(k) ** 2 / math.factorial(2 * k)
        levels.append(math.sqrt(share * float(np.mean(differences**2))))
        changes.append(bool(np.any(differences > 0) and np.any(differences < 0)))
    for k in range(len(levels) - 2):
        three = levels[k : k + 3]
        if 0 < max(three) <= NOISE_LEVELS * min(three) and changes[k]:
            return levels[k]
    return None
