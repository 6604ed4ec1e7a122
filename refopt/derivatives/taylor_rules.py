"""One Taylor rule per primitive: the table behind `taylor`.

Most primitives belong to one of five families, and a rule is then one line:

- ``elementwise``: a function of one variable, by its local series d_1..d_p at the point (computed once, without the
  direction axis) and `Algebra.compose`;
- ``linear``: the primitive applied to each coefficient, with its axis arguments moved behind the direction axis;
- ``bilinear``: a convolution of the primitive over the two series;
- ``defined``: a formula in other primitives;
- ``selecting``: maximum, sort, clip, ...: which element is taken is decided at t = 0+, see below.

Points where a function has no Taylor series:

- *Ties and kinks* (``abs`` at 0, equal arguments of ``maximum``, equal elements in ``max``, ``sort``): the coefficients
  are those of the curve for small t > 0, decided by the first coefficients that differ. They are the exact one-sided
  series of ``t -> fun(x + t s)``, so ``abs(x)**2`` is right at 0, and they are not linear in s.
- *Coefficients that do not exist* are nan: ``sqrt`` and non-integer powers r at 0 beyond order r. An element that does
  not move at all keeps zeros.
- *Branches* written by the user (``where``, ``if``) are taken at the point, as in every automatic differentiation.
- Piecewise constant functions (``sign``, ``floor``, comparisons) have zero coefficients, jumps included.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import autograd.numpy as anp
import numpy as onp
from autograd.core import sparse_add
from autograd.extend import register_notrace
from autograd.numpy import numpy_wrapper as wrapped
from autograd.numpy.numpy_boxes import ArrayBox
from autograd.numpy.numpy_vjps import dot_adjoint_0, dot_adjoint_1, nograd_functions
from autograd.tracer import getval
from autograd.util import subval

from .series import RULES, Algebra, Rule, Series, TaylorNode, is_basic, put, take

# ---------------------------------------------------------------------- the families


def raw(fun: Any, np: Any) -> Any:
    """The plain NumPy function behind a primitive where no box is about, which saves the wrapper's time."""
    return fun.fun if np is onp else fun


def elementwise(fun: Any, local: Callable[..., Sequence[Any]], argnum: int = 0) -> None:
    """`local(np, p, ans, *args, **kwargs)` gives [d_1, ..., d_p] of f(x + h) = f(x) + sum_j d_j h^j."""
    def rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
        only(fun, active, argnum)
        with onp.errstate(all="ignore"):
            d = local(algebra.np, algebra.order, ans, *args, **kwargs)
            series = algebra.align(active[argnum], onp.ndim(getval(ans)))
            return algebra.spread([ans, *algebra.compose(d, series)], onp.shape(getval(ans)))

    RULES[fun] = rule


def linear(fun: Any, batched: Callable[..., Any] | None, argnum: int = 0) -> None:
    """`batched(np, c, ans, *args, **kwargs)` maps a coefficient with its leading axis; None: row by row."""
    def rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
        only(fun, active, argnum)
        f = raw(fun, algebra.np)
        single = lambda c: f(*subval(args, argnum, c), **kwargs)
        series = active[argnum][1:]
        if algebra.batch is None:
            return [None if c is None else single(c) for c in series]
        if batched is None:
            return [None if c is None else algebra.rows(single, c) for c in series]
        return [None if c is None else batched(algebra.np, c, ans, *args, **kwargs) for c in series]

    RULES[fun] = rule


def bilinear(fun: Any, batched: Callable[..., Any] | None, argnums: tuple[int, int] = (0, 1)) -> None:
    """`batched(np, u, u_is_batched, v, v_is_batched, args, kwargs)` is the product of two coefficients."""
    first, second = argnums

    def rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
        np, f = algebra.np, raw(fun, algebra.np)
        single = lambda u, v: f(*subval(subval(args, first, u), second, v), **kwargs)
        if algebra.batch is None:
            times = lambda u, _u, v, _v: single(u, v)
        elif batched is None:
            times = lambda u, bu, v, bv: np.array(
                [single(u[i] if bu else u, v[i] if bv else v) for i in range(algebra.batch)])
        else:
            times = lambda u, bu, v, bv: batched(np, u, bu, v, bv, args, kwargs)
        none = [None] * algebra.order
        return algebra.convolve(times, active.get(first) or [args[first], *none],
                                active.get(second) or [args[second], *none])

    RULES[fun] = rule


def defined(fun: Any, definition: Callable[..., Any]) -> None:
    """`definition(ans, *args, **kwargs)` is the primitive written with others that have rules."""
    def rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
        return algebra.trace(lambda *a, **k: definition(ans, *a, **k), args, active, kwargs)

    RULES[fun] = rule


def only(fun: Any, active: dict[int, Series], argnum: int) -> None:
    """Refuse a dependence on x in an argument the rule treats as a constant."""
    from .series import TaylorError, primitive_name

    for other in active:
        if other != argnum:
            raise TaylorError(f"taylor: '{primitive_name(fun)}' can be expanded in argument {argnum} only, but "
                              f"argument {other} depends on x too")


# ---------------------------------------------------------------------- axes behind the direction axis


def inner(axis: Any, x: Any) -> Any:
    """`axis` counted from the end, so that a leading direction axis does not matter; None means all axes of x."""
    ndim = onp.ndim(getval(x))
    if axis is None:
        return tuple(range(-ndim, 0))
    if isinstance(axis, (tuple, list)):
        return tuple(int(a) if a < 0 else int(a) - ndim for a in axis)
    return int(axis) if axis < 0 else int(axis) - ndim


def outer_axis(axis: int, x: Any) -> int:
    """The same axis counted from the front, behind the direction axis."""
    return int(axis) + 1 if axis >= 0 else int(axis) + 1 + onp.ndim(getval(x))


def pick(np: Any, c: Any, index: Any) -> Any:
    """c[index], in the version that reverse mode differentiates fast."""
    return c[index] if np is onp else take(c, index)


def reshaped(np: Any, c: Any, ans: Any, *_args: Any, **_kwargs: Any) -> Any:
    """For primitives that only change the shape, in C order."""
    return np.reshape(c, (np.shape(c)[0], *onp.shape(getval(ans))))


def transposed(np: Any, c: Any, axes: Sequence[int]) -> Any:
    """Permute the axes behind the direction axis."""
    return np.transpose(c, (0, *(int(a) + 1 for a in axes)))


# ---------------------------------------------------------------------- local series of elementary functions


def factorials(p: int) -> list[int]:
    """1!, ..., p!"""
    return [math.factorial(j) for j in range(1, p + 1)]


def cycle(values: Sequence[Any], p: int) -> list[Any]:
    """Derivatives that repeat with period len(values), divided by j!."""
    return [values[(j - 1) % len(values)] / f for j, f in enumerate(factorials(p), 1)]


def integral(w: Sequence[Any]) -> list[Any]:
    """d_j = w_{j-1} / j from the local series w_0, w_1, ... of the derivative."""
    return [c / j for j, c in enumerate(w, 1)]


def two_term(w0: Any, step: Callable[[int, Any, Any], Any], p: int) -> list[Any]:
    """w_0..w_{p-1} from w_{k+1} = step(k, w_k, w_{k-1}), w_{-1} = 0."""
    w, before = [w0], 0.0
    for k in range(p - 1):
        w.append(step(k, w[k], before))
        before = w[k]
    return w


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
    return d[1:p + 1]


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


def integer_power_series(x: Any, n: int, p: int) -> list[Any]:
    """binom(n, j) x^(n-j) for an integer n >= 0, by multiplication: any base, zero included."""
    powers: list[Any] = [None]  # powers[i] = x^(i) for i >= 1; x^0 is left out of the product
    top = max(n - 1, 0)
    if n > p:  # only the highest p exponents are needed
        lowest = n - p
        base = x ** lowest
        powers = [base]
        for _ in range(p - 1):
            powers.append(powers[-1] * x)
        return [math.comb(n, j) * powers[p - j] for j in range(1, p + 1)]
    for i in range(1, top + 1):
        powers.append(x if i == 1 else powers[-1] * x)
    return [math.comb(n, j) * (powers[n - j] if n > j else 1.0) for j in range(1, n + 1)]


def real_power_series(np: Any, x: Any, r: Any, p: int) -> list[Any]:
    """binom(r, j) x^(r-j); nan where that derivative does not exist (x = 0, j > r not an integer)."""
    d, binom = [], 1.0
    value = onp.asarray(getval(x))
    at_zero = onp.any(value == 0)
    for j in range(1, p + 1):
        binom = binom * (r - (j - 1)) / j
        term = binom * np.power(x, r - j)
        if at_zero:
            vanishing = onp.asarray(getval(binom)) == 0
            missing = (value == 0) & ~vanishing & (onp.asarray(getval(r)) < j)
            term = np.where(vanishing + onp.zeros_like(missing), 0.0 * term if np is onp else anp.zeros(
                onp.shape(getval(term))), term)
            term = np.where(missing, onp.nan + onp.zeros(onp.shape(getval(term))), term)
        d.append(term)
    return d


def keep_still(algebra: Algebra, out: list[Any], series: Series) -> list[Any]:
    """Zero coefficients for elements that are zero and do not move, whatever the derivative there."""
    zero = onp.asarray(getval(series[0])) == 0
    if not onp.any(zero):
        return out
    still = zero
    for c in series[1:]:
        if c is not None:
            still = still & (onp.asarray(getval(c)) == 0)
    if not onp.any(still):
        return out
    return [c if c is None else algebra.np.where(still, onp.zeros(onp.shape(getval(c))), c) for c in out]


def power_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """x ** r, r ** x and x ** y."""
    np, p, shape = algebra.np, algebra.order, onp.shape(getval(ans))
    moving = [n for n, s in active.items() if any(c is not None for c in s[1:])]
    base, exponent = args
    if moving == [0]:
        series = active[0]
        with onp.errstate(all="ignore"):
            if onp.ndim(getval(exponent)) == 0 and not hasattr(exponent, "_value") and exponent == int(
                    onp.real(exponent)) and exponent >= 0:
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


RULES[anp.power] = power_rule


def sqrt_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """sqrt, by d_j = d_{j-1} (3/2 - j) / (j x)."""
    x, d = args[0], [ans]
    with onp.errstate(all="ignore"):
        for j in range(1, algebra.order + 1):
            d.append(d[-1] * ((1.5 - j) / j) / x)
        return keep_still(algebra, algebra.compose(d[1:], active[0]), active[0])


RULES[anp.sqrt] = sqrt_rule


def exp_series(np: Any, p: int, ans: Any, x: Any) -> list[Any]:
    """e^x / j!"""
    return [ans / f for f in factorials(p)]


elementwise(anp.exp, exp_series)
elementwise(anp.exp2, lambda np, p, y, x: [y * (math.log(2.0) ** j / f) for j, f in enumerate(factorials(p), 1)])
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
elementwise(anp.arccosh, lambda np, p, y, x: (
    lambda top: arcsinh_series(1 / np.sqrt(top), x, top, p))((x - 1.0) * (x + 1.0)))
elementwise(anp.arctanh, lambda np, p, y, x: arctan_series(x, p, -1.0))
elementwise(anp.square, lambda np, p, y, x: [2.0 * x, 1.0])
elementwise(anp.reciprocal, lambda np, p, y, x: [(-1) ** j * y ** (j + 1) for j in range(1, p + 1)])


# ---------------------------------------------------------------------- arithmetic


def series_of(algebra: Algebra, args: Any, active: dict[int, Series], argnum: int) -> Series:
    """The series of an argument, constant or not."""
    return active[argnum] if argnum in active else [args[argnum]] + [None] * algebra.order


def add_rule(sign: int) -> Rule:
    """x + y or x - y."""
    def rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
        shape = onp.shape(getval(ans))
        x, y = (algebra.spread(active[n], shape) if n in active else [None] * algebra.order for n in (0, 1))
        if sign > 0:
            return [b if a is None else a if b is None else a + b for a, b in zip(x, y, strict=True)]
        return [(None if b is None else -b) if a is None else a if b is None else a - b
                for a, b in zip(x, y, strict=True)]

    return rule


RULES[anp.add] = add_rule(1)
RULES[anp.subtract] = add_rule(-1)
RULES[anp.multiply] = lambda algebra, ans, args, kwargs, active: algebra.multiply(
    series_of(algebra, args, active, 0), series_of(algebra, args, active, 1))
RULES[anp.divide] = lambda algebra, ans, args, kwargs, active: algebra.divide(
    ans, series_of(algebra, args, active, 0), series_of(algebra, args, active, 1))

for fun in (anp.negative, anp.rad2deg, anp.degrees, anp.deg2rad, anp.radians, anp.positive, anp.real, anp.imag,
            anp.conj, anp.real_if_close):
    linear(fun, lambda np, c, ans, x, _fun=fun: raw(_fun, np)(c))
linear(anp.nan_to_num, lambda np, c, ans, x: np.where(onp.isfinite(getval(x)), c, onp.zeros(onp.shape(getval(c)))))


# ---------------------------------------------------------------------- choosing between values


def select(algebra: Algebra, ans: Any, mask: Any, x: Series, y: Series) -> list[Any]:
    """where(mask, x, y), coefficient by coefficient; `mask` may have a direction axis."""
    shape, np = onp.shape(getval(ans)), algebra.np
    out: list[Any] = []
    for a, b in zip(algebra.spread(x, shape), algebra.spread(y, shape), strict=True):
        if a is None and b is None:
            out.append(None)
        else:
            out.append(np.where(mask, algebra.dense(a, ans), algebra.dense(b, ans)))
    return out


def where_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """where(condition, x, y)."""
    if len(args) == 1:
        return [None] * algebra.order
    mask = onp.asarray(getval(args[0])).astype(bool)
    return select(algebra, ans, mask, series_of(algebra, args, active, 1), series_of(algebra, args, active, 2))


def leading_sign(algebra: Algebra, series: Series) -> Any:
    """Sign of the curve for small t > 0: that of the first nonzero coefficient."""
    sign = onp.sign(getval(series[0]))
    for c in series[1:]:
        if c is not None and onp.any(sign == 0):
            sign = onp.where(sign == 0, onp.sign(getval(c)), sign)
    return sign


def abs_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """|x| as the sign at 0+ times x; complex: sqrt(re^2 + im^2)."""
    series = active[0]
    if onp.iscomplexobj(getval(args[0])):
        return algebra.trace(lambda z: anp.hypot(anp.real(z), anp.imag(z)), args, active, {})
    sign = leading_sign(algebra, series)
    return [None if c is None else sign * c for c in series[1:]]


def extreme_rule(sign: int, skip_nan: bool) -> Rule:
    """maximum (sign 1) and minimum (sign -1) of two arguments, ties decided at 0+."""
    def rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
        shape = onp.shape(getval(ans))
        x, y = series_of(algebra, args, active, 0), series_of(algebra, args, active, 1)
        a, b = onp.asarray(getval(x[0])), onp.asarray(getval(y[0]))
        mask, tie = (sign * a > sign * b), a == b
        mask = mask | (onp.isnan(b) if skip_nan else onp.isnan(a))
        for c, d in zip(algebra.spread(x, shape), algebra.spread(y, shape), strict=True):
            if not onp.any(tie):
                break
            if c is not None or d is not None:
                gap = sign * onp.asarray(getval(algebra.dense(c, ans)) - getval(algebra.dense(d, ans)))
                mask = onp.where(tie, gap > 0, mask)
                tie = tie & (gap == 0)
        return select(algebra, ans, mask, x, y)

    return rule


RULES[anp._original_where] = where_rule
RULES[anp.abs] = RULES[anp.absolute] = RULES[anp.fabs] = abs_rule
RULES[anp.maximum], RULES[anp.minimum] = extreme_rule(1, False), extreme_rule(-1, False)
RULES[anp.fmax], RULES[anp.fmin] = extreme_rule(1, True), extreme_rule(-1, True)


def clip_definition(ans: Any, x: Any, a_min: Any = None, a_max: Any = None) -> Any:
    """minimum(maximum(x, a_min), a_max)."""
    if a_min is not None:
        x = anp.maximum(x, a_min)
    return x if a_max is None else anp.minimum(x, a_max)


defined(anp.clip, clip_definition)


def take_along(np: Any, c: Any, order: onp.ndarray, axis: int) -> Any:
    """take_along_axis in a form that reverse mode knows."""
    axis = axis % order.ndim
    if np is onp:
        return onp.take_along_axis(c, order, axis)
    grid = list(onp.ogrid[tuple(slice(n) for n in order.shape)])
    grid[axis] = order
    return take(c, tuple(grid))


def sorted_order(algebra: Algebra, series: Series, axis: int, sign: int = 1) -> onp.ndarray:
    """The order in which the curves are sorted for small t > 0, with a direction axis where ties need one."""
    value = sign * onp.asarray(getval(series[0]))
    axis = axis - value.ndim if axis >= 0 else axis
    plain = onp.argsort(value, axis=axis, kind="stable")
    ranked = onp.take_along_axis(value, plain, axis)
    if not onp.any(onp.diff(ranked, axis=axis) == 0):
        return plain
    keys = [sign * onp.asarray(getval(c)) for c in series[:0:-1] if c is not None]
    shape = algebra.shape(value.shape)
    return onp.lexsort([onp.broadcast_to(key, shape) for key in (*keys, value)], axis=axis)


def reorder(algebra: Algebra, series: Series, order: onp.ndarray, axis: int) -> list[Any]:
    """Every coefficient taken along `axis` in this order."""
    ndim = onp.ndim(getval(series[0]))
    axis = axis - ndim if axis >= 0 else axis
    out: list[Any] = []
    for c in series[1:]:
        full = order
        if c is not None and algebra.batch is not None and order.ndim == ndim:
            shape = (algebra.batch, *order.shape)
            full = onp.broadcast_to(order, shape)
        out.append(None if c is None else take_along(algebra.np, c, full, axis))
    return out


def sort_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """sort(x, axis)."""
    axis = args[1] if len(args) > 1 else kwargs.get("axis", -1)
    series = active[0]
    if axis is None:
        return algebra.trace(lambda x: anp.sort(anp.ravel(x)), args[:1], active, {})
    return reorder(algebra, series, sorted_order(algebra, series, axis), axis)


RULES[anp.sort] = sort_rule


def max_rule(sign: int) -> Rule:
    """max (sign 1) and min (sign -1) over axes: the element that leads for small t > 0."""
    def rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
        np = algebra.np
        names = ("axis", "out", "keepdims")
        options = {**dict(zip(names, args[1:], strict=False)), **kwargs}
        axes = inner(options.get("axis"), args[0])
        axes = axes if isinstance(axes, tuple) else (axes,)
        series, value = active[0], sign * onp.asarray(getval(args[0]))
        leader = value == value.max(axis=axes, keepdims=True)
        if onp.any(leader.sum(axis=axes) > 1):
            for c in series[1:]:
                if c is not None:
                    key = onp.where(leader, sign * onp.asarray(getval(c)), -onp.inf)
                    leader = leader & (key == key.max(axis=axes, keepdims=True))
            leader = first_of(leader, axes)
        keep = bool(options.get("keepdims", False))
        zero = onp.zeros(())
        return [None if c is None else np.sum(np.where(leader, c, zero + onp.zeros(onp.shape(getval(c)))), axis=axes,
                                              keepdims=keep) for c in series[1:]]

    return rule


def first_of(mask: onp.ndarray, axes: tuple[int, ...]) -> onp.ndarray:
    """Keep one True per slice."""
    moved = onp.moveaxis(mask, axes, range(-len(axes), 0))
    flat = moved.reshape(*moved.shape[:moved.ndim - len(axes)], -1)
    first = flat & (onp.cumsum(flat, axis=-1) == 1)
    return onp.moveaxis(first.reshape(moved.shape), range(-len(axes), 0), axes)


for fun in (anp.max, anp.amax):
    RULES[fun] = max_rule(1)
for fun in (anp.min, anp.amin):
    RULES[fun] = max_rule(-1)


# ---------------------------------------------------------------------- sums and shapes


linear(anp.sum, lambda np, c, ans, x, axis=None, keepdims=False, dtype=None: np.sum(
    c, axis=inner(axis, x), keepdims=keepdims))
linear(wrapped._primitive_mean, lambda np, c, ans, x, axis=None, keepdims=False, dtype=None: np.mean(
    c, axis=inner(axis, x), keepdims=keepdims))
linear(anp.cumsum, lambda np, c, ans, x, axis=None: np.cumsum(
    np.reshape(c, (np.shape(c)[0], -1)) if axis is None else c, 1 if axis is None else outer_axis(axis, x)))

for fun in (anp.expand_dims, anp.squeeze, anp.atleast_1d, anp.atleast_2d, anp.atleast_3d):
    linear(fun, reshaped)
linear(anp.reshape, lambda np, c, ans, x, shape=None, order="C", **_k: np.reshape(
    c, (np.shape(c)[0], *onp.shape(getval(ans))), order=order))
linear(anp.ravel, lambda np, c, ans, x, order="C": np.reshape(c, (np.shape(c)[0], -1), order=order))
linear(anp.transpose, lambda np, c, ans, x, axes=None: transposed(
    np, c, range(x.ndim)[::-1] if axes is None else [a % x.ndim for a in axes]))
linear(anp.swapaxes, lambda np, c, ans, x, a, b: np.swapaxes(c, inner(a, x), inner(b, x)))
linear(anp.moveaxis, lambda np, c, ans, x, source, destination: np.moveaxis(
    c, inner(source, x), inner(destination, x)))
linear(anp.flipud, lambda np, c, ans, x: pick(np, c, (slice(None), slice(None, None, -1))))
linear(anp.fliplr, lambda np, c, ans, x: pick(np, c, (slice(None), slice(None), slice(None, None, -1))))
linear(anp.triu, lambda np, c, ans, x, k=0: c * onp.triu(onp.ones(x.shape[-2:]), k))
linear(anp.tril, lambda np, c, ans, x, k=0: c * onp.tril(onp.ones(x.shape[-2:]), k))
linear(anp.broadcast_to, lambda np, c, ans, x, shape, **_k: np.reshape(
    c, (np.shape(c)[0],) + (1,) * (len(ans.shape) - onp.ndim(getval(x))) + np.shape(c)[1:])
    + onp.zeros((np.shape(c)[0], *ans.shape)))


def index_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """array[index] for any NumPy index."""
    _, index = args
    np = algebra.np
    if algebra.batch is None:
        return [None if c is None else pick(np, c, index) for c in active[0][1:]]
    batched, axis = batched_index(index)
    out = [None if c is None else pick(np, c, batched) for c in active[0][1:]]
    return out if axis == 0 else [None if c is None else np.moveaxis(c, axis, 0) for c in out]


def batched_index(index: Any) -> tuple[tuple[Any, ...], int]:
    """The index behind a leading direction axis, and where NumPy puts that axis in the result.

    Index arrays separated by slices make NumPy move their axes to the front; the direction axis then follows them.
    """
    parts = index if isinstance(index, tuple) else (index,)
    batched = (slice(None), *parts)
    if is_basic(index):
        return batched, 0
    advanced = [i for i, part in enumerate(parts) if not (part is None or part is Ellipsis or isinstance(part, slice))]
    between = parts[advanced[0]:advanced[-1] + 1]
    if all(not (part is None or part is Ellipsis or isinstance(part, slice)) for part in between):
        return batched, 0
    shapes = [(1,) if onp.asarray(parts[i]).dtype == bool else onp.shape(parts[i]) for i in advanced]
    return batched, max(len(shape) for shape in shapes)


RULES[ArrayBox.__getitem__] = RULES[take] = index_rule


def concatenate_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """concatenate_args(axis, *arrays)."""
    np, axis, arrays = algebra.np, args[0], args[1:]
    if axis is None:
        arrays = [onp.ravel(getval(a)) for a in arrays]
        active = {n: [onp.ravel(getval(s[0])), *(None if c is None else np.reshape(
            c, algebra.shape((-1,))) for c in s[1:])] for n, s in active.items()}
        axis = 0
    axis = inner(axis, ans)
    out: list[Any] = []
    for k in range(1, algebra.order + 1):
        parts = [active[n][k] if n in active else None for n in range(1, len(args))]
        if all(part is None for part in parts):
            out.append(None)
        else:
            out.append(np.concatenate([algebra.dense(part, a) for part, a in zip(parts, arrays, strict=True)],
                                      axis=axis))
    return out


RULES[anp.concatenate_args] = concatenate_rule


def array_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """array_from_args(array_args, array_kwargs, *parts): a new first axis."""
    np, parts, out = algebra.np, args[2:], []
    inner_shape = onp.shape(getval(ans))
    for k in range(1, algebra.order + 1):
        row = [active[n][k] if n in active else None for n in range(2, len(args))]
        if all(c is None for c in row):
            out.append(None)
            continue
        stacked = np.array([algebra.dense(c, part) for c, part in zip(row, parts, strict=True)])
        if algebra.batch is not None:
            stacked = np.swapaxes(stacked, 0, 1)
        out.append(np.reshape(stacked, algebra.shape(inner_shape)))
    return out


RULES[anp.array_from_args] = array_rule
linear(wrapped._array_from_scalar_or_array, lambda np, c, ans, array_args, array_kwargs, x: reshaped(np, c, ans), argnum=2)


# ---------------------------------------------------------------------- products of arrays


def contract(np: Any, u: Any, bu: bool, v: Any, bv: bool, axes_u: Sequence[int], axes_v: Sequence[int]) -> Any:
    """tensordot of two coefficients over axes counted without the direction axis, by one matrix product."""
    su, sv = onp.shape(getval(u))[bu:], onp.shape(getval(v))[bv:]
    axes_u, axes_v = [a % len(su) for a in axes_u], [a % len(sv) for a in axes_v]
    free_u = [i for i in range(len(su)) if i not in axes_u]
    free_v = [i for i in range(len(sv)) if i not in axes_v]
    shape = tuple(su[i] for i in free_u) + tuple(sv[i] for i in free_v)
    rows, columns = math.prod(su[i] for i in free_u), math.prod(sv[i] for i in free_v)
    inside = math.prod(su[i] for i in axes_u)

    def matrix(w: Any, batched: bool, order: list[int], m: int, n: int) -> Any:
        if order != sorted(order):
            w = transposed(np, w, order) if batched else np.transpose(w, order)
        return np.reshape(w, (onp.shape(getval(w))[0], m, n) if batched else (m, n))

    if bu and bv:
        if rows == columns == 1:
            one = matrix(u, True, free_u + axes_u, 1, inside) * matrix(v, True, free_v + axes_v, 1, inside)
            return np.reshape(np.sum(one, axis=(1, 2)), (onp.shape(getval(u))[0], *shape))
        out = np.matmul(matrix(u, True, free_u + axes_u, rows, inside), matrix(v, True, axes_v + free_v, inside, columns))
        return np.reshape(out, (onp.shape(getval(u))[0], *shape))
    if bu:
        k = onp.shape(getval(u))[0]
        left = np.reshape(matrix(u, True, free_u + axes_u, rows, inside), (k * rows, inside))
        return np.reshape(np.matmul(left, matrix(v, False, axes_v + free_v, inside, columns)), (k, *shape))
    k = onp.shape(getval(v))[0]
    left = np.reshape(matrix(v, True, free_v + axes_v, columns, inside), (k * columns, inside))
    out = np.reshape(np.matmul(left, matrix(u, False, axes_u + free_u, inside, rows)), (k, columns, rows))
    if rows > 1 and columns > 1:
        out = np.swapaxes(out, 1, 2)
    return np.reshape(out, (k, *shape))


def contraction(axes: Callable[..., tuple[Sequence[int], Sequence[int]]]) -> Callable[..., Any]:
    """A batched product from the axes it sums over, `axes(ndim_u, ndim_v, *further arguments)`."""
    def batched(np: Any, u: Any, bu: bool, v: Any, bv: bool, args: Any, kwargs: Any) -> Any:
        au, av = axes(onp.ndim(getval(args[0])), onp.ndim(getval(args[1])), *args[2:], **kwargs)
        return contract(np, u, bu, v, bv, au, av)

    return batched


def dot_axes(nu: int, nv: int) -> tuple[list[int], list[int]]:
    """Last axis with last but one; nothing to sum for a scalar."""
    return ([], []) if nu == 0 or nv == 0 else ([nu - 1], [max(nv - 2, 0)])


def tensordot_axes(nu: int, nv: int, axes: Any = 2) -> tuple[list[int], list[int]]:
    """NumPy's three ways to give axes."""
    if isinstance(axes, (int, onp.integer)):
        return list(range(nu - axes, nu)), list(range(axes))
    first, second = ([a] if isinstance(a, (int, onp.integer)) else list(a) for a in axes)
    return first, second


def batched_outer(np: Any, u: Any, bu: bool, v: Any, bv: bool, args: Any, kwargs: Any) -> Any:
    """outer flattens its arguments."""
    u = np.reshape(u, (onp.shape(getval(u))[0], -1) if bu else (-1,))
    v = np.reshape(v, (onp.shape(getval(v))[0], -1) if bv else (-1,))
    return contract(np, u, bu, v, bv, [], [])


def batched_matmul(np: Any, u: Any, bu: bool, v: Any, bv: bool, args: Any, kwargs: Any) -> Any:
    """matmul: vectors get an axis, stacks broadcast; two matrices or less go through one big product."""
    nu, nv = onp.ndim(getval(args[0])), onp.ndim(getval(args[1]))
    if nu <= 2 and nv <= 2:
        return contract(np, u, bu, v, bv, *dot_axes(nu, nv))
    shape_u, shape_v = onp.shape(getval(u)), onp.shape(getval(v))
    if nu == 1:
        u = np.reshape(u, (*shape_u[:-1], 1, shape_u[-1]))
    if nv == 1:
        v = np.reshape(v, (*shape_v, 1))
    ndim = max(nu, nv)
    if bu and max(nu, 2) < ndim:
        u = np.reshape(u, (u.shape[0],) + (1,) * (ndim - max(nu, 2)) + u.shape[1:])
    if bv and max(nv, 2) < ndim:
        v = np.reshape(v, (v.shape[0],) + (1,) * (ndim - max(nv, 2)) + v.shape[1:])
    out = np.matmul(u, v)
    if nu == 1:
        out = np.reshape(out, (*out.shape[:-2], out.shape[-1]))
    return np.reshape(out, out.shape[:-1]) if nv == 1 else out


bilinear(anp.dot, contraction(dot_axes))
bilinear(anp.inner, contraction(lambda nu, nv: ([], []) if nu == 0 or nv == 0 else ([nu - 1], [nv - 1])))
bilinear(anp.tensordot, contraction(tensordot_axes))
bilinear(anp.outer, batched_outer)
bilinear(anp.matmul, batched_matmul)


# ---------------------------------------------------------------------- piecewise constant functions

for fun in nograd_functions:
    if fun is not anp.full_like:  # its fill value counts
        register_notrace(TaylorNode, fun)
