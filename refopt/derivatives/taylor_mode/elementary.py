"""Taylor rules of arithmetic, powers and elementary functions.

The recurrences of the local series are in u = x + t.
"""

from __future__ import annotations

import math
from typing import Any

import autograd.numpy as anp
import numpy as onp
from autograd.tracer import getval

from .algebra import RULES, Algebra, Rule, Series, each, plus, series_of
from .families import by_partials, cycle, defined, elementwise, factorials, integral, linear, raw, two_term

# ---------------------------------------------------------------------- arithmetic


def abs_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """|x| as the sign for small t > 0 times x; of complex numbers sqrt(re^2 + im^2)."""
    series = active[0]
    if onp.iscomplexobj(getval(args[0])):
        return algebra.trace(lambda z: anp.hypot(anp.real(z), anp.imag(z)), args, active, {})
    sign = leading_sign(series)
    return each(lambda c: sign * c, series[1:])


def leading_sign(series: Series) -> Any:
    """Sign of the curve for small t > 0: that of the first nonzero coefficient."""
    sign = onp.sign(getval(series[0]))
    for c in series[1:]:
        if c is not None and onp.any(sign == 0):
            sign = onp.where(sign == 0, onp.sign(getval(c)), sign)
    return sign


def angle_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """angle(z) = arctan2(im, re); of real numbers it is piecewise constant."""
    if not onp.iscomplexobj(getval(args[0])):
        return [None] * algebra.order
    scale = 180 / math.pi if (args[1] if len(args) > 1 else kwargs.get("deg")) else 1.0
    return algebra.trace(lambda z: scale * anp.arctan2(anp.imag(z), anp.real(z)), args[:1], active, {})


defined(anp.remainder, lambda ans, x, y: x - anp.floor_divide(x, y) * y)
RULES[anp.positive] = lambda algebra, ans, args, kwargs, active: active[0][1:]
RULES[anp.abs] = RULES[anp.absolute] = RULES[anp.fabs] = abs_rule
RULES[anp.angle] = angle_rule
for fun in (
    anp.negative,
    anp.rad2deg,
    anp.degrees,
    anp.deg2rad,
    anp.radians,
    anp.real,
    anp.imag,
    anp.conj,
    anp.real_if_close,
):
    linear(fun, lambda np, c, ans, x, _fun=fun: raw(_fun, np)(c))
linear(
    anp.nan_to_num,
    lambda np, c, ans, x: np.where(onp.isfinite(getval(x)), c, onp.zeros(onp.shape(getval(c)))),
)


# ---------------------------------------------------------------------- powers


def integer_power_series(x: Any, n: int, p: int) -> list[Any]:
    """binom(n, j) x^(n-j) for an integer n >= 0, by multiplication, for any base including zero."""
    powers: list[Any] = [None]  # powers[i] = x^i for i >= 1
    top = max(n - 1, 0)
    if n > p:  # only the highest p exponents are needed
        lowest = n - p
        base = x**lowest
        powers = [base]
        for _ in range(p - 1):
            powers.append(powers[-1] * x)
        return [math.comb(n, j) * powers[p - j] for j in range(1, p + 1)]
    for i in range(1, top + 1):
        powers.append(x if i == 1 else powers[-1] * x)
    return [math.comb(n, j) * (powers[n - j] if n > j else 1.0) for j in range(1, n + 1)]


def real_power_series(np: Any, x: Any, r: Any, p: int) -> list[Any]:
    """binom(r, j) x^(r-j); nan where that derivative does not exist (x = 0 and j > r, r no integer)."""
    d, binom = [], 1.0
    value = onp.asarray(getval(x))
    at_zero = onp.any(value == 0)
    for j in range(1, p + 1):
        binom = binom * (r - (j - 1)) / j
        term = binom * np.power(x, r - j)
        if at_zero:
            vanishing = onp.asarray(getval(binom)) == 0
            missing = (value == 0) & ~vanishing & (onp.asarray(getval(r)) < j)
            term = np.where(
                vanishing + onp.zeros_like(missing),
                0.0 * term if np is onp else anp.zeros(onp.shape(getval(term))),
                term,
            )
            term = np.where(missing, onp.nan + onp.zeros(onp.shape(getval(term))), term)
        d.append(term)
    return d


def keep_still(algebra: Algebra, out: list[Any], series: Series) -> list[Any]:
    """The coefficients, with zeros for elements that are zero and do not move, whatever the derivative."""
    zero = onp.asarray(getval(series[0])) == 0
    if not onp.any(zero):
        return out
    still = zero
    for c in series[1:]:
        if c is not None:
            still = still & (onp.asarray(getval(c)) == 0)
    if not onp.any(still):
        return out
    return each(lambda c: algebra.np.where(still, onp.zeros(onp.shape(getval(c))), c), out)


def power_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """x ** r, r ** x and x ** y."""
    np, p, shape = algebra.np, algebra.order, onp.shape(getval(ans))
    moving = [n for n, s in active.items() if any(c is not None for c in s[1:])]
    base, exponent = args
    if moving == [0]:
        series = active[0]
        with onp.errstate(all="ignore"):
            if (
                onp.ndim(getval(exponent)) == 0
                and not hasattr(exponent, "_value")
                and exponent == int(onp.real(exponent))
                and exponent >= 0
            ):
                d = integer_power_series(base, int(onp.real(exponent)), p)
                return algebra.compose(d, series)
            series = algebra.align(series, len(shape))
            d = real_power_series(np, base, exponent, p)
            return keep_still(algebra, algebra.spread([ans, *algebra.compose(d, series)], shape), series)
    if moving == [1]:
        with onp.errstate(all="ignore"):
            value, log = onp.asarray(getval(base)), np.log(base)
            if onp.any(value == 0):  # 0 ** y is 0 for y > 0
                positive = (value == 0) & (onp.asarray(getval(exponent)) > 0)
                log = np.where(positive, onp.zeros(shape), log + onp.zeros(shape))
            d, power = [], ans
            for j in range(1, p + 1):
                power = power * log / j
                d.append(power)
            series = algebra.align(active[1], len(shape))
            return algebra.spread([ans, *algebra.compose(d, series)], shape)
    if not moving:
        return [None] * p
    with onp.errstate(all="ignore"):
        return algebra.trace(lambda x, y: anp.exp(y * anp.log(x)), args, active, {})


def sqrt_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """sqrt, by d_j = d_{j-1} (3/2 - j) / (j x)."""
    x, d = args[0], [ans]
    with onp.errstate(all="ignore"):
        for j in range(1, algebra.order + 1):
            d.append(d[-1] * ((1.5 - j) / j) / x)
        return keep_still(algebra, algebra.compose(d[1:], active[0]), active[0])


def cbrt_series(np: Any, p: int, ans: Any, x: Any) -> list[Any]:
    """binom(1/3, j) x^(1/3 - j)."""
    return [math.prod(1 / 3 - i for i in range(j)) / f * ans / x**j for j, f in enumerate(factorials(p), 1)]


RULES[anp.power] = power_rule
defined(anp.float_power, lambda ans, x, y: anp.power(x, y))
RULES[anp.sqrt] = sqrt_rule
elementwise(anp.cbrt, cbrt_series)
elementwise(anp.square, lambda np, p, y, x: [2.0 * x, 1.0])
elementwise(anp.reciprocal, lambda np, p, y, x: [(-1) ** j * y ** (j + 1) for j in range(1, p + 1)])


# ---------------------------------------------------------------------- exponential, trigonometric


def exp_series(np: Any, p: int, ans: Any, x: Any) -> list[Any]:
    """e^x / j!"""
    return [ans / f for f in factorials(p)]


def log_series(x: Any, p: int, scale: float = 1.0) -> list[Any]:
    """(-1)^(j-1) / (j x^j), times scale."""
    inverse = 1.0 / x
    power, d = scale * inverse, []
    for j in range(1, p + 1):
        d.append(power / j)
        power = -power * inverse
    return d


def tan_series(np: Any, p: int, y: Any, d1: Any, sign: float) -> list[Any]:
    """y' = 1 + sign y^2, with d_1 given in a form free of cancellation."""
    d = [y, d1]
    for k in range(1, p):
        square = sum(d[i] * d[k - i] for i in range(k + 1))
        d.append(sign * square / (k + 1))
    return d[1 : p + 1]


def arcsin_series(w0: Any, x: Any, p: int) -> list[Any]:
    """w = (1-u^2)^(-1/2), (1-u^2) w' = u w."""
    top = (1.0 - x) * (1.0 + x)
    return integral(two_term(w0, lambda k, w, v: (x * (2 * k + 1) * w + k * v) / (top * (k + 1)), p))


def arcsinh_series(w0: Any, x: Any, top: Any, p: int) -> list[Any]:
    """w = (u^2+-1)^(-1/2), top = x^2+-1, (u^2+-1) w' = -u w."""
    return integral(two_term(w0, lambda k, w, v: -(x * (2 * k + 1) * w + k * v) / (top * (k + 1)), p))


def arctan_series(x: Any, p: int, sign: float) -> list[Any]:
    """w = 1/(1 + sign u^2), (1 + sign u^2) w = 1."""
    w0 = 1.0 / (1.0 + x * x) if sign > 0 else 1.0 / ((1.0 - x) * (1.0 + x))
    return integral(two_term(w0, lambda k, w, v: -sign * (2 * x * w + v) * w0, p))


elementwise(anp.exp, exp_series)
elementwise(
    anp.exp2, lambda np, p, y, x: [y * (math.log(2.0) ** j / f) for j, f in enumerate(factorials(p), 1)]
)
elementwise(anp.expm1, lambda np, p, y, x: exp_series(np, p, np.exp(x), x))
elementwise(anp.log, lambda np, p, y, x: log_series(x, p))
elementwise(anp.log2, lambda np, p, y, x: log_series(x, p, 1 / math.log(2.0)))
elementwise(anp.log10, lambda np, p, y, x: log_series(x, p, 1 / math.log(10.0)))
elementwise(anp.log1p, lambda np, p, y, x: log_series(1.0 + x, p))
elementwise(anp.sin, lambda np, p, y, x: (lambda c: cycle([c, -y, -c, y], p))(np.cos(x)))
elementwise(anp.cos, lambda np, p, y, x: (lambda s: cycle([-s, -y, s, y], p))(np.sin(x)))
elementwise(anp.tan, lambda np, p, y, x: tan_series(np, p, y, 1.0 + y * y, 1.0))
elementwise(anp.arcsin, lambda np, p, y, x: arcsin_series(1 / np.sqrt((1.0 - x) * (1.0 + x)), x, p))
elementwise(anp.arccos, lambda np, p, y, x: arcsin_series(-1 / np.sqrt((1.0 - x) * (1.0 + x)), x, p))
elementwise(anp.arctan, lambda np, p, y, x: arctan_series(x, p, 1.0))
elementwise(anp.sinh, lambda np, p, y, x: cycle([np.cosh(x), y], p))
elementwise(anp.cosh, lambda np, p, y, x: cycle([np.sinh(x), y], p))
elementwise(anp.tanh, lambda np, p, y, x: tan_series(np, p, y, 1.0 / np.cosh(x) ** 2, -1.0))
elementwise(anp.arcsinh, lambda np, p, y, x: arcsinh_series(1 / np.sqrt(x * x + 1.0), x, x * x + 1.0, p))
elementwise(
    anp.arccosh,
    lambda np, p, y, x: (lambda top: arcsinh_series(1 / np.sqrt(top), x, top, p))((x - 1.0) * (x + 1.0)),
)
elementwise(anp.arctanh, lambda np, p, y, x: arctan_series(x, p, -1.0))
by_partials(anp.hypot, lambda ans, x, y: x / anp.hypot(x, y), lambda ans, x, y: y / anp.hypot(x, y))
by_partials(
    anp.arctan2,
    lambda ans, y, x: (lambda r: (x / r) / r)(anp.hypot(x, y)),
    lambda ans, y, x: (lambda r: -(y / r) / r)(anp.hypot(x, y)),
)


# ---------------------------------------------------------------------- logaddexp, sinc


def logistic(np: Any, x: Any) -> Any:
    """1 / (1 + e^-x) without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(onp.asarray(getval(x)) >= 0, 1.0 / (1.0 + e), e / (1.0 + e))


def logistic_series(np: Any, p: int, y: Any, x: Any) -> list[Any]:
    """y' = y (1 - y), with 1 - y = logistic(-x) free of cancellation."""
    other = logistic(np, -x)
    d = [y, y * other]
    for k in range(1, p):
        square = sum(d[i] * d[k - i] for i in range(1, k)) if k > 1 else 0.0
        d.append((d[k] * (other - y) - square) / (k + 1))
    return d[1 : p + 1]


def logaddexp_rule(scale: float) -> Rule:
    """log(e^x + e^y) = y + softplus(x - y), softplus' = logistic; in base e^scale."""

    def rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
        np, p, shape = algebra.np, algebra.order, onp.shape(getval(ans))
        with onp.errstate(all="ignore"):
            gap = algebra.trace_all(lambda x, y: x - y, args, active, {})
            w = logistic(np, scale * gap[0])
            d = integral([w, *logistic_series(np, p - 1, w, scale * gap[0])][:p])
            soft = algebra.spread(
                [ans, *algebra.compose([c * scale**j for j, c in enumerate(d)], gap)], shape
            )
        y = algebra.spread(series_of(algebra, args, active, 1), shape)
        return [plus(a, b) for a, b in zip(soft, y, strict=True)]

    return rule


def sinc_series(np: Any, p: int, ans: Any, x: Any) -> list[Any]:
    """u s(u) = sin(pi u)/pi, so s_k = (sin_k/pi - s_{k-1})/x; below |x| = 1 the power series of sinc."""
    pi, far = math.pi, onp.abs(getval(x)) >= 1
    big, small = np.where(far, x, 1.0 + 0.0 * x), np.where(far, 0.0 * x, x)
    sine, cosine = np.sin(pi * big), np.cos(pi * big)
    s, d = [ans], cycle([cosine, -sine, -cosine, sine], p)
    for k in range(1, p + 1):
        s.append((d[k - 1] * pi ** (k - 1) - s[-1]) / big)
    near = []
    for k in range(1, p + 1):
        total = 0.0 * small
        for m in range(30 + p, (k + 1) // 2 - 1, -1):  # Horner in x^2, highest term first
            total = total * small * small + math.comb(2 * m, k) * (-1.0) ** m * pi ** (
                2 * m
            ) / math.factorial(2 * m + 1)
        near.append(total * small if k % 2 else total)
    return [np.where(far, a, b) for a, b in zip(s[1:], near, strict=True)]


RULES[anp.logaddexp] = logaddexp_rule(1.0)
RULES[anp.logaddexp2] = logaddexp_rule(math.log(2.0))
elementwise(anp.sinc, sinc_series)
