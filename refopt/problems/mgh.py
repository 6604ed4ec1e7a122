"""The 35 functions of Moré, Garbow and Hillstrom, "Testing Unconstrained Optimization Software" (1981).

Every function is a sum of squares `f(x) = sum_{i=1..m} r_i(x)^2`. Below, each `def name(n, m)` computes the
data of problem `name` and returns its residual function `r(x)`, written with whole vectors; `x1, x2, ... =
parts(x)` are slices of length one, so that `concatenate` can join residuals. Starts, published minima, data
tables and the values that the tests use are in `data/mgh.json` (its entry `about` names the sources).

Source: J. J. Moré, B. S. Garbow, K. E. Hillstrom, ACM Transactions on Mathematical Software 7 (1981) 17-41,
doi:10.1145/355934.355936; the numbers in the docstrings are those of its section 3.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from importlib import resources
from typing import Any, NamedTuple

import autograd.numpy as np

from ..checks import known_options, simplify, unknown, whole_number
from .base import Problem

Residuals = Callable[[Any], Any]

PAPER = "J. J. More, B. S. Garbow, K. E. Hillstrom, ACM TOMS 7 (1981) 17-41, doi:10.1145/355934.355936"


def parts(x: Any) -> list[Any]:
    """The slices `x[0:1], x[1:2], ...` of length one."""
    return [x[j : j + 1] for j in range(x.shape[0])]


def counting(m: int) -> Any:
    """The vector (1, 2, ..., m)."""
    return np.arange(1.0, m + 1.0)


@functools.lru_cache(maxsize=1)
def facts() -> dict[str, dict[str, Any]]:
    """The contents of `data/mgh.json` by problem, read on first use. Do not change what it returns."""
    text = resources.files("refopt.problems").joinpath("data/mgh.json").read_text(encoding="utf-8")
    return {p["key"]: p for p in json.loads(text)["problems"]}


def data(key: str, symbol: str) -> Any:
    """A data table of problem `key` as a vector."""
    return np.array([float(digits) for digits in facts()[key]["data"][symbol]])


# --- the functions --------------------------------------------------------------------------------


def extended_rosenbrock(n: int, m: int) -> Residuals:
    """(1), (21): a valley x_{2k} = x_{2k-1}^2 in each pair of variables."""

    def r(x):
        pairs = x.reshape((-1, 2))
        a, b = pairs[:, :1], pairs[:, 1:]
        return np.concatenate((10.0 * (b - a**2), 1.0 - a), axis=1).reshape((-1,))

    return r


def freudenstein_roth(n: int, m: int) -> Residuals:
    """(2)"""

    def r(x):
        x1, x2 = parts(x)
        return np.concatenate(
            (-13.0 + x1 + ((5.0 - x2) * x2 - 2.0) * x2, -29.0 + x1 + ((x2 + 1.0) * x2 - 14.0) * x2)
        )

    return r


def powell_badly_scaled(n: int, m: int) -> Residuals:
    """(3)"""

    def r(x):
        x1, x2 = parts(x)
        return np.concatenate((1e4 * x1 * x2 - 1.0, np.exp(-x1) + np.exp(-x2) - 1.0001))

    return r


def brown_badly_scaled(n: int, m: int) -> Residuals:
    """(4)"""

    def r(x):
        x1, x2 = parts(x)
        return np.concatenate((x1 - 1e6, x2 - 2e-6, x1 * x2 - 2.0))

    return r


def beale(n: int, m: int) -> Residuals:
    """(5)"""
    i, y = counting(3), data("beale", "y")

    def r(x):
        x1, x2 = parts(x)
        return y - x1 * (1.0 - x2**i)

    return r


def jennrich_sampson(n: int, m: int) -> Residuals:
    """(6)"""
    i = counting(m)

    def r(x):
        x1, x2 = parts(x)
        return 2.0 + 2.0 * i - (np.exp(i * x1) + np.exp(i * x2))

    return r


def helical_valley(n: int, m: int) -> Residuals:
    """(7): a valley along a helix.

    The angle theta, in turns, runs from -1/4 to 3/4: arctan(b/a)/(2 pi), plus 1/2 where a < 0, with its limit
    sign(b)/4 at a = 0. Where |b| > |a| it is written with the reciprocal quotient, arctan(q) = +-pi/2 -
    arctan(1/q), so nothing is divided by a small a, and value and derivatives of every order are right on the
    line a = 0, b > 0 and at the start (-1, 0, 0), where the angle of `arctan2` has its cut. Sign and offset
    are constant where theta is smooth; at the origin, where it is not defined, it is 0.
    """

    def theta(a, b):
        steep = (b > a) != (b < -a)  # |b| > |a|
        origin = np.where(a == 0, np.where(b == 0, 1.0, 0.0), 0.0)
        quarter = np.where(b < 0, np.where(a < 0, 0.75, -0.25), 0.25)
        offset = np.where(steep, quarter, np.where(a < 0, 0.5, 0.0))
        sign = np.where(steep, -1.0, 1.0)
        quotient = np.where(steep, a, b) / (np.where(steep, b, a) + origin)
        return sign * np.arctan(quotient) / (2.0 * np.pi) + offset

    def r(x):
        x1, x2, x3 = parts(x)
        return np.concatenate((10.0 * (x3 - 10.0 * theta(x1, x2)), 10.0 * (np.sqrt(x1**2 + x2**2) - 1.0), x3))

    return r


def bard(n: int, m: int) -> Residuals:
    """(8)"""
    y, u = data("bard", "y"), counting(15)
    v = 16.0 - u
    w = np.minimum(u, v)

    def r(x):
        x1, x2, x3 = parts(x)
        return y - (x1 + u / (v * x2 + w * x3))

    return r


def gaussian(n: int, m: int) -> Residuals:
    """(9)"""
    y, t = data("gaussian", "y"), (8.0 - counting(15)) / 2.0

    def r(x):
        x1, x2, x3 = parts(x)
        return x1 * np.exp(-x2 * (t - x3) ** 2 / 2.0) - y

    return r


def meyer(n: int, m: int) -> Residuals:
    """(10)"""
    y, t = data("meyer", "y"), 45.0 + 5.0 * counting(16)

    def r(x):
        x1, x2, x3 = parts(x)
        return x1 * np.exp(x2 / (t + x3)) - y

    return r


def gulf(n: int, m: int) -> Residuals:
    """(11): |y_i - x_2|^{x_3}, with the absolute value as a product with a locally constant sign."""
    t = counting(m) / 100.0
    y = 25.0 + (-50.0 * np.log(t)) ** (2.0 / 3.0)

    def r(x):
        x1, x2, x3 = parts(x)
        distance = y - x2
        return np.exp(-((distance * np.sign(distance)) ** x3) / x1) - t

    return r


def box3d(n: int, m: int) -> Residuals:
    """(12)"""
    t = counting(m) / 10.0
    c = np.exp(-t) - np.exp(-10.0 * t)

    def r(x):
        x1, x2, x3 = parts(x)
        return np.exp(-t * x1) - np.exp(-t * x2) - x3 * c

    return r


def extended_powell_singular(n: int, m: int) -> Residuals:
    """(13), (22): the Hessian has rank 2 at the solution, in each group of four variables."""

    def r(x):
        fours = x.reshape((-1, 4))
        a, b, c, d = (fours[:, j : j + 1] for j in range(4))
        return np.concatenate(
            (a + 10.0 * b, math.sqrt(5.0) * (c - d), (b - 2.0 * c) ** 2, math.sqrt(10.0) * (a - d) ** 2),
            axis=1,
        ).reshape((-1,))

    return r


def wood(n: int, m: int) -> Residuals:
    """(14)"""

    def r(x):
        x1, x2, x3, x4 = parts(x)
        return np.concatenate(
            (
                10.0 * (x2 - x1**2),
                1.0 - x1,
                math.sqrt(90.0) * (x4 - x3**2),
                1.0 - x3,
                math.sqrt(10.0) * (x2 + x4 - 2.0),
                (x2 - x4) / math.sqrt(10.0),
            )
        )

    return r


def kowalik_osborne(n: int, m: int) -> Residuals:
    """(15)"""
    y, u = data("kowalik_osborne", "y"), data("kowalik_osborne", "u")

    def r(x):
        x1, x2, x3, x4 = parts(x)
        return y - x1 * (u**2 + u * x2) / (u**2 + u * x3 + x4)

    return r


def brown_dennis(n: int, m: int) -> Residuals:
    """(16)"""
    t = counting(m) / 5.0
    exp_t, sin_t, cos_t = np.exp(t), np.sin(t), np.cos(t)

    def r(x):
        x1, x2, x3, x4 = parts(x)
        return (x1 + t * x2 - exp_t) ** 2 + (x3 + x4 * sin_t - cos_t) ** 2

    return r


def osborne1(n: int, m: int) -> Residuals:
    """(17)"""
    y, t = data("osborne1", "y"), 10.0 * (counting(33) - 1.0)

    def r(x):
        x1, x2, x3, x4, x5 = parts(x)
        return y - (x1 + x2 * np.exp(-t * x4) + x3 * np.exp(-t * x5))

    return r


def biggs_exp6(n: int, m: int) -> Residuals:
    """(18)"""
    t = counting(m) / 10.0
    y = np.exp(-t) - 5.0 * np.exp(-10.0 * t) + 3.0 * np.exp(-4.0 * t)

    def r(x):
        x1, x2, x3, x4, x5, x6 = parts(x)
        return x3 * np.exp(-t * x1) - x4 * np.exp(-t * x2) + x6 * np.exp(-t * x5) - y

    return r


def osborne2(n: int, m: int) -> Residuals:
    """(19): a decay and three bells; row k of `bells` has centre x_{9+k} and sharpness x_{6+k}."""
    y, t = data("osborne2", "y"), (counting(65) - 1.0) / 10.0

    def r(x):
        heights, sharpness, centres = x[1:4], x[5:8].reshape((3, 1)), x[8:11].reshape((3, 1))
        bells = np.exp(-((t - centres) ** 2) * sharpness)
        return y - (x[0:1] * np.exp(-t * x[4:5]) + np.dot(heights, bells))

    return r


def watson(n: int, m: int) -> Residuals:
    """(20): with p(t) = sum_j x_j t^{j-1}, the residuals p'(t) - p(t)^2 - 1 at t = i/29, and two at t = 0."""
    t, j = counting(29)[:, None] / 29.0, np.arange(0.0, n)
    value = t**j
    slope = np.concatenate((np.zeros((29, 1)), j[1:] * t ** (j[1:] - 1.0)), axis=1)

    def r(x):
        x1, x2 = x[0:1], x[1:2]
        return np.concatenate((np.dot(slope, x) - np.dot(value, x) ** 2 - 1.0, x1, x2 - x1**2 - 1.0))

    return r


def penalty1(n: int, m: int) -> Residuals:
    """(23)"""

    def r(x):
        return np.concatenate((math.sqrt(1e-5) * (x - 1.0), np.sum(x**2, keepdims=True) - 0.25))

    return r


def penalty2(n: int, m: int) -> Residuals:
    """(24)"""
    i, a = counting(n), math.sqrt(1e-5)
    y = np.exp(i[1:] / 10.0) + np.exp((i[1:] - 1.0) / 10.0)
    weights, c = n - i + 1.0, math.exp(-0.1)

    def r(x):
        e = np.exp(x / 10.0)
        return np.concatenate(
            (
                x[0:1] - 0.2,
                a * (e[1:] + e[:-1] - y),
                a * (e[1:] - c),
                np.sum(weights * x**2, keepdims=True) - 1.0,
            )
        )

    return r


def variably_dimensioned(n: int, m: int) -> Residuals:
    """(25)"""
    j = counting(n)

    def r(x):
        d = x - 1.0
        s = np.sum(j * d, keepdims=True)
        return np.concatenate((d, s, s**2))

    return r


def trigonometric(n: int, m: int) -> Residuals:
    """(26), with 1 - cos x written 2 sin^2(x/2): the same function, without cancellation near x = 0."""
    i = counting(n)

    def r(x):
        v = 2.0 * np.sin(x / 2.0) ** 2
        return np.sum(v) + i * v - np.sin(x)

    return r


def brown_almost_linear(n: int, m: int) -> Residuals:
    """(27). The product is formed by halving: the derivative rule of `np.prod` divides by the factors."""

    def product(y):
        while y.shape[0] > 1:
            half = y.shape[0] // 2
            folded = y[:half] * y[half : 2 * half]
            y = folded if y.shape[0] == 2 * half else np.concatenate((folded, y[2 * half :]))
        return y

    def r(x):
        return np.concatenate((x[:-1] + np.sum(x) - (n + 1.0), product(x) - 1.0))

    return r


def discrete_boundary_value(n: int, m: int) -> Residuals:
    """(28)"""
    h, edge = 1.0 / (n + 1), np.zeros(1)
    t = counting(n) * h

    def r(x):
        y = np.concatenate((edge, x, edge))
        return 2.0 * x - y[:-2] - y[2:] + h**2 / 2.0 * (x + (t + 1.0)) ** 3

    return r


def discrete_integral_equation(n: int, m: int) -> Residuals:
    """(29)"""
    h = 1.0 / (n + 1)
    t = counting(n) * h
    row, column = t[:, None], t[None, :]
    kernel = h / 2.0 * np.where(column <= row, (1.0 - row) * column, row * (1.0 - column))

    def r(x):
        return x + np.dot(kernel, (x + (t + 1.0)) ** 3)

    return r


def broyden_tridiagonal(n: int, m: int) -> Residuals:
    """(30)"""
    edge = np.zeros(1)

    def r(x):
        y = np.concatenate((edge, x, edge))
        return (3.0 - 2.0 * x) * x - y[:-2] - 2.0 * y[2:] + 1.0

    return r


def broyden_banded(n: int, m: int) -> Residuals:
    """(31). The sum over J_i (five to the left, one to the right) is one matrix product while n is small,
    and a sum of shifted vectors, in O(n), beyond."""
    i = np.arange(n)
    left, right = np.zeros(5), np.zeros(1)

    def by_matrix(y):
        return np.dot(band, y)

    def by_shifts(y):
        padded = np.concatenate((left, y, right))
        return sum(padded[s : s + n] for s in (0, 1, 2, 3, 4, 6))

    if n <= 100:
        offset = i[None, :] - i[:, None]
        band = ((offset >= -5) & (offset <= 1) & (offset != 0)).astype(float)
    neighbours = by_matrix if n <= 100 else by_shifts

    def r(x):
        return x * (2.0 + 5.0 * x**2) + 1.0 - neighbours(x * (1.0 + x))

    return r


def linear_full_rank(n: int, m: int) -> Residuals:
    """(32)"""
    padding = np.zeros(m - n)

    def r(x):
        return np.concatenate((x, padding)) - (2.0 / m * np.sum(x) + 1.0)

    return r


def linear_rank1(n: int, m: int) -> Residuals:
    """(33)"""
    i, j = counting(m), counting(n)

    def r(x):
        return i * np.sum(j * x) - 1.0

    return r


def linear_rank1_zero(n: int, m: int) -> Residuals:
    """(34)"""
    i, j = counting(m) - 1.0, counting(n)
    i[-1] = j[0] = j[-1] = 0.0

    def r(x):
        return i * np.sum(j * x) - 1.0

    return r


def chebyquad(n: int, m: int) -> Residuals:
    """(35). Rows T_0 .. T_k become T_0 .. T_2k by T_{k+j} = 2 T_k T_j - T_{k-j}: log2(m) array steps."""
    i = counting(m)
    integral = np.where(i % 2 == 0, -1.0 / np.where(i % 2 == 0, i**2 - 1.0, 1.0), 0.0)
    ones = np.ones((1, n))

    def r(x):
        rows = np.concatenate((ones, (2.0 * x - 1.0).reshape((1, n))))
        k = 1
        while k < m:
            new = min(k, m - k)
            higher = 2.0 * rows[k : k + 1] * rows[1 : new + 1] - rows[k - new : k][::-1]
            rows, k = np.concatenate((rows, higher)), k + new
        return np.sum(rows[1:], axis=1) / n - integral

    return r


# --- sizes ----------------------------------------------------------------------------------------


class Sizes(NamedTuple):
    """The standard size of a problem, and what may be chosen (in words; empty: nothing)."""

    n: int
    m: int | Callable[[int], int]
    any_n: str = ""
    any_m: str = ""
    least: int = 1
    most: int | None = None
    multiple: int = 1
    m_most: int | None = None


def as_n(n: int) -> int:
    """m = n"""
    return n


ANY = "any n"

# key -> (factory, sizes); m is a number or a function of n
FUNCTIONS: dict[str, tuple[Callable[[int, int], Residuals], Sizes]] = {
    "rosenbrock": (extended_rosenbrock, Sizes(2, 2)),
    "freudenstein_roth": (freudenstein_roth, Sizes(2, 2)),
    "powell_badly_scaled": (powell_badly_scaled, Sizes(2, 2)),
    "brown_badly_scaled": (brown_badly_scaled, Sizes(2, 3)),
    "beale": (beale, Sizes(2, 3)),
    "jennrich_sampson": (jennrich_sampson, Sizes(2, 10, any_m="m >= n")),
    "helical_valley": (helical_valley, Sizes(3, 3)),
    "bard": (bard, Sizes(3, 15)),
    "gaussian": (gaussian, Sizes(3, 15)),
    "meyer": (meyer, Sizes(3, 16)),
    "gulf": (gulf, Sizes(3, 99, any_m="n <= m <= 100", m_most=100)),
    "box3d": (box3d, Sizes(3, 10, any_m="m >= n")),
    "powell_singular": (extended_powell_singular, Sizes(4, 4)),
    "wood": (wood, Sizes(4, 6)),
    "kowalik_osborne": (kowalik_osborne, Sizes(4, 11)),
    "brown_dennis": (brown_dennis, Sizes(4, 20, any_m="m >= n")),
    "osborne1": (osborne1, Sizes(5, 33)),
    "biggs_exp6": (biggs_exp6, Sizes(6, 13, any_m="m >= n")),
    "osborne2": (osborne2, Sizes(11, 65)),
    "watson": (watson, Sizes(6, 31, any_n="2 <= n <= 31", least=2, most=31)),
    "extended_rosenbrock": (extended_rosenbrock, Sizes(10, as_n, any_n="even n", least=2, multiple=2)),
    "extended_powell_singular": (
        extended_powell_singular,
        Sizes(12, as_n, any_n="multiples of 4", least=4, multiple=4),
    ),
    "penalty1": (penalty1, Sizes(4, lambda n: n + 1, ANY)),
    "penalty2": (penalty2, Sizes(4, lambda n: 2 * n, ANY)),
    "variably_dimensioned": (variably_dimensioned, Sizes(10, lambda n: n + 2, ANY)),
    "trigonometric": (trigonometric, Sizes(10, as_n, ANY)),
    "brown_almost_linear": (brown_almost_linear, Sizes(40, as_n, ANY)),
    "discrete_boundary_value": (discrete_boundary_value, Sizes(10, as_n, ANY)),
    "discrete_integral_equation": (discrete_integral_equation, Sizes(10, as_n, ANY)),
    "broyden_tridiagonal": (broyden_tridiagonal, Sizes(10, as_n, ANY)),
    "broyden_banded": (broyden_banded, Sizes(10, as_n, ANY)),
    "linear_full_rank": (linear_full_rank, Sizes(10, as_n, ANY, "m >= n")),
    "linear_rank1": (linear_rank1, Sizes(10, as_n, ANY, "m >= n")),
    "linear_rank1_zero": (linear_rank1_zero, Sizes(10, as_n, any_n="n >= 3", any_m="m >= n", least=3)),
    "chebyquad": (chebyquad, Sizes(8, as_n, ANY, "m >= n")),
}

KEYS = tuple(FUNCTIONS)


def _check_sizes(key: str, options: dict[str, Any]) -> tuple[int, int]:
    """The sizes (n, m) that `options` ask for, or the error that says which are allowed."""
    size, who = FUNCTIONS[key][1], f"mgh/{key}"
    allowed = [o for o in ("n", "m") if getattr(size, f"any_{o}")]
    if options and not allowed:
        raise ValueError(
            f"{who}: unknown option {next(iter(options))!r}; the size is fixed, it takes no options"
        )
    options = known_options(who, options, allowed)
    n = whole_number(who, "n", options.get("n", size.n), size.least)
    if n % size.multiple or (size.most is not None and n > size.most):
        raise ValueError(f"{who}: n must satisfy: {size.any_n}, got {n}")
    m = whole_number(who, "m", options.get("m", size.m(n) if callable(size.m) else size.m), 1)
    if m < n or (size.m_most is not None and m > size.m_most):
        raise ValueError(f"{who}: m must satisfy: {size.any_m}, got m = {m} with n = {n}")
    return n, m


# --- starts and minima ----------------------------------------------------------------------------


def standard_start(key: str, n: int) -> Any:
    """The published start x0 of a problem in `n` variables."""
    j = counting(n)
    rules: dict[str, Callable[[], Any]] = {
        "watson": lambda: np.zeros(n),
        "extended_rosenbrock": lambda: np.tile([-1.2, 1.0], n // 2),
        "extended_powell_singular": lambda: np.tile([3.0, -1.0, 0.0, 1.0], n // 4),
        "penalty1": lambda: j,
        "penalty2": lambda: np.full(n, 0.5),
        "variably_dimensioned": lambda: 1.0 - j / n,
        "trigonometric": lambda: np.full(n, 1.0 / n),
        "brown_almost_linear": lambda: np.full(n, 0.5),
        "discrete_boundary_value": lambda: j / (n + 1) * (j / (n + 1) - 1.0),
        "discrete_integral_equation": lambda: j / (n + 1) * (j / (n + 1) - 1.0),
        "broyden_tridiagonal": lambda: np.full(n, -1.0),
        "broyden_banded": lambda: np.full(n, -1.0),
        "linear_full_rank": lambda: np.ones(n),
        "linear_rank1": lambda: np.ones(n),
        "linear_rank1_zero": lambda: np.ones(n),
        "chebyquad": lambda: j / (n + 1),
    }
    if key in rules:
        return rules[key]()
    return np.array(facts()[key]["instances"][0]["x0"])


def closed_form_minima(key: str, n: int, m: int) -> list[tuple[float, Any, str]]:
    """Minima that have a formula for every size."""
    zero, linear = "global (f >= 0)", "global (linear least squares)"
    j = counting(n)
    inner = np.where((j == 1) | (j == n), 0.0, j)
    points: dict[str, Any] = {
        "gulf": [50.0, 25.0, 1.5],
        "box3d": [1.0, 10.0, 1.0],
        "biggs_exp6": [1.0, 10.0, 1.0, 5.0, 4.0, 3.0],
        "extended_rosenbrock": np.ones(n),
        "extended_powell_singular": np.zeros(n),
        "variably_dimensioned": np.ones(n),
        "trigonometric": np.zeros(n),
        "brown_almost_linear": np.ones(n),
        "discrete_boundary_value": None,
        "discrete_integral_equation": None,
        "broyden_tridiagonal": None,
        "broyden_banded": None,
    }
    if key == "brown_almost_linear" and n >= 3:
        trap = np.concatenate((np.zeros(n - 1), [n + 1.0]))
        return [(0.0, points[key], zero), (1.0, trap, "degenerate stationary point (published as a minimum)")]
    if key in points:
        return [(0.0, points[key], zero)]
    if key == "linear_full_rank":
        return [(m - n, -np.ones(n), linear)]
    if key == "linear_rank1":  # the minimiser of least norm
        return [(m * (m - 1) / (2 * (2 * m + 1)), 3.0 / (2 * m + 1) * j / np.sum(j**2), linear)]
    if key == "linear_rank1_zero":
        f = (m**2 + 3 * m - 6) / (2 * (2 * m - 3))
        return [(f, 3.0 / (2 * m - 3) * inner / np.sum(inner**2), linear)]
    return []


# Computed here by Newton's method in 50-digit arithmetic from where least squares (lm) from x0 stops.
FURTHER_MINIMA: dict[tuple[str, int], list[tuple[float, Any, str]]] = {
    ("trigonometric", 10): [
        (
            2.7950561218794563e-05,
            [0.05515090398069129, 0.05684061679473856, 0.058764001762695084, 0.06099060865676081,
             0.06362621369585451, 0.06684317945275879, 0.20816151856988116, 0.16436309588564774,
             0.08500689568850744, 0.09143145071470794],
            "local; solvers started at x0 stop here",
        )
    ],
}  # fmt: skip


def known_minima(key: str, n: int, m: int) -> list[tuple[float, Any, str]]:
    """The listed minima of a problem of that size, or else those that have a formula."""
    for instance in facts()[key]["instances"]:
        if (instance["n"], instance["m"]) == (n, m):
            listed = [(known["f"], known.get("x"), known["kind"]) for known in instance["minima"]]
            return listed + FURTHER_MINIMA.get((key, n), [])
    return closed_form_minima(key, n, m)


def build(key: str, **options: Any) -> Problem:
    """The problem with that key (or number, 1 to 35), of size `n` and `m` where they may be chosen."""
    plain = {simplify(k): k for k in KEYS} | {str(i): k for i, k in enumerate(KEYS, 1)}
    if simplify(key) not in plain:
        raise unknown("problem", f"mgh/{key}", [f"mgh/{k}" for k in KEYS])
    key = plain[simplify(key)]
    n, m = _check_sizes(key, options)
    fact = facts()[key]
    x0 = standard_start(key, n)
    far = [10.0 * x0, 100.0 * x0] if np.any(x0) else [np.full(n, 10.0), np.full(n, 100.0)]
    notes = [*fact.get("notes", []), *(i["note"] for i in fact["instances"] if "note" in i and i["n"] == n)]
    return Problem.build(
        f"mgh/{key}",
        residuals=FUNCTIONS[key][0](n, m),
        starts=[x0, *far],
        minima=known_minima(key, n, m),
        notes=tuple(notes),
        source=f"{PAPER}, problem {fact['id']}",
    )
