"""Derivative rules that autograd lacks or has wrong, for both modes: reverse and Taylor.

Like the rule of indexing in `reverse`, they hold for the whole process. Where autograd's own rule is right,
it stays. The rules here serve the calls that it refuses (`cbrt`, `median`, `sort` of arrays, `matrix_power`,
norms with ord=1, real FFTs of odd length, ...) and those that it gets wrong without a word: ``where=``,
``initial=`` and ``correction=`` in reductions, a zero factor in `prod`, ``ord=inf``, `tile` and `repeat`
along other axes than the first, `full_like`, `astype` to integers, ``norm=`` of the real FFTs, the exponent
of ``0**0``.

Most rules are a *definition*: the same function, written with primitives that have a rule. The value is
NumPy's own; the definition is traced for the derivative alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as onp
from autograd.core import VJPNode, defvjp_argnums, primitive_vjps
from autograd.extend import defvjp, register_notrace
from autograd.numpy import numpy_wrapper as wrapped
from autograd.numpy.numpy_vjps import unbroadcast_f
from autograd.tracer import getval
from autograd.util import subval

from .reverse import trace
from .taylor_mode import reductions, rules
from .taylor_mode.algebra import Algebra, Series, TaylorNode
from .taylor_mode.families import all_axes, with_ans

__all__ = ["complete", "only_with"]

Definition = Callable[..., Any]
Covered = Callable[[tuple[int, ...], Any, Any, Any], Any]


def complete(fun: Any, definition: Definition, covered: Covered = lambda *_call: True) -> None:
    """Differentiate `fun` by its definition wherever the rule that is there does not cover the call.

    Parameters
    ----------
    fun : primitive of autograd
    definition : callable
        ``definition(ans, *args, **kwargs)``, in `autograd.numpy`; of `ans` it uses the value alone.
    covered : callable
        ``covered(argnums, ans, args, kwargs)``: whether the rule that is there is right. Without a rule it is
        not asked.
    """
    reverse_rule, taylor_rule = primitive_vjps.get(fun), rules.RULES.get(fun)

    def maker(argnums: tuple[int, ...], ans: Any, args: Any, kwargs: Any) -> Any:
        if reverse_rule is not None and covered(argnums, ans, args, kwargs):
            return reverse_rule(argnums, ans, args, kwargs)
        backward = [
            trace(lambda z, n=n: definition(ans, *subval(args, n, z), **kwargs), args[n])[1] for n in argnums
        ]
        return lambda g: [back(g) for back in backward]

    def rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> Any:
        if taylor_rule is not None and covered(tuple(active), ans, args, kwargs):
            return taylor_rule(algebra, ans, args, kwargs, active)
        return algebra.trace(with_ans(definition, ans), args, active, kwargs)

    defvjp_argnums(fun, maker)
    if fun not in rules.REFUSED:
        rules.RULES[fun] = rule


def only_with(*names: str, most: int = 1) -> Covered:
    """Covered are calls with at most so many positional arguments and no other keywords than these."""
    allowed = frozenset(names)
    return lambda argnums, ans, args, kwargs: len(args) <= most and allowed.issuperset(kwargs)


def never(*_call: Any) -> bool:
    """Not covered."""
    return False


# ---------------------------------------------------------------------- elementwise

defvjp(anp.cbrt, lambda ans, x: lambda g: g / (3.0 * ans**2))
defvjp(anp.positive, lambda ans, x: lambda g: g)
complete(anp.float_power, lambda ans, x, y: anp.power(x, y))
complete(anp.fmod, lambda ans, x, y: x - anp.trunc(x / y) * y)
complete(anp.copysign, lambda ans, x, y: x * (onp.copysign(1.0, getval(x)) * onp.copysign(1.0, getval(y))))
complete(anp.unwrap, lambda ans, x, *_args, **_kwargs: x + (getval(ans) - getval(x)))


def power_rule(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Any:
    """autograd's rule, but for the exponent in ``0**0``: x^y falls from 1 to 0 there: its slope is no 0."""
    vjp = AUTOGRADS_POWER(argnums, ans, args, kwargs)
    jumps = (args[0] == 0) & (args[1] == 0) if 1 in argnums else False
    if not onp.any(jumps):
        return vjp
    fall = unbroadcast_f(args[1], lambda g: g * onp.where(jumps, -onp.inf, 0.0))
    return lambda g: tuple(
        part + fall(g) if argnum == 1 else part for argnum, part in zip(argnums, vjp(g), strict=True)
    )


AUTOGRADS_POWER = primitive_vjps[anp.power]
defvjp_argnums(anp.power, power_rule)


def sinc_slope(x: Any) -> Any:
    """The derivative of sinc: by its series near 0, where the closed form cancels."""
    u = math.pi * x
    near = anp.abs(u) < 1.0
    far = anp.where(near, 1.0, u)
    small, series = anp.where(near, u, 0.0), 0.0
    for k in range(10, 0, -1):
        series = series * -(small**2) + 2 * k / math.factorial(2 * k + 1)
    return math.pi * anp.where(near, -small * series, (anp.cos(far) * far - anp.sin(far)) / far**2)


defvjp(anp.sinc, lambda ans, x: lambda g: g * sinc_slope(x))
# autograd's rule does not sum over the axes along which x or y was broadcast
defvjp(
    anp._original_where,
    None,
    lambda ans, c, x=None, y=None: unbroadcast_f(x, lambda g: anp.where(c, g, 0.0)),
    lambda ans, c, x=None, y=None: unbroadcast_f(y, lambda g: anp.where(c, 0.0, g)),
)


def clip_definition(
    ans: Any,
    x: Any,
    a_min: Any = None,
    a_max: Any = None,
    out: Any = None,
    *,
    min: Any = None,
    max: Any = None,
) -> Any:
    """minimum(maximum(x, a_min), a_max), where the bounds may move too."""
    low, high = a_min if min is None else min, a_max if max is None else max
    x = x if low is None else anp.maximum(x, low)
    return x if high is None else anp.minimum(x, high)


complete(
    anp.clip,
    clip_definition,
    lambda argnums, ans, args, kwargs: argnums == (0,) and {"a_min", "a_max"}.issuperset(kwargs),
)
for fun in (anp.heaviside, anp.signbit, anp.digitize, anp.isrealobj):
    for kind in (VJPNode, TaylorNode):
        register_notrace(kind, fun)


# ---------------------------------------------------------------------- reductions


def counted(where: Any, x: Any, axis: Any) -> Any:
    """How many elements a mean with ``where=`` is over, with the reduced axes kept."""
    return onp.sum(onp.broadcast_to(where, anp.shape(x)), axis=axis, keepdims=True)


def shaped(total: Any, ans: Any) -> Any:
    """A result with its reduced axes kept, in the shape that was asked for."""
    return anp.reshape(total, onp.shape(getval(ans)))


def sum_definition(
    ans: Any,
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = 0.0,
    where: Any = True,
) -> Any:
    """The sum of the elements that count, and of the start value."""
    return shaped(anp.sum(anp.where(where, x, 0.0), axis=axis, keepdims=True), ans) + initial


def mean_definition(
    ans: Any,
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    *,
    where: Any = True,
) -> Any:
    """Sum by count."""
    total = anp.sum(anp.where(where, x, 0.0), axis=axis, keepdims=True)
    return shaped(total / counted(where, x, axis), ans)


def var_definition(
    ans: Any,
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """Mean of the squared distances from the mean, over the elements that count."""
    count = counted(where, x, axis)
    if mean is None:
        mean = anp.sum(anp.where(where, x, 0.0), axis=axis, keepdims=True) / count
    gap = x - mean
    square = anp.real(gap * anp.conj(gap)) if anp.iscomplexobj(x) else gap * gap
    total = anp.sum(anp.where(where, square, 0.0), axis=axis, keepdims=True)
    return shaped(total / (count - (ddof if correction is None else correction)), ans)


def prod_definition(
    ans: Any,
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = 1.0,
    where: Any = True,
) -> Any:
    """The product by pairs, so that zeros among the factors are no exception."""
    return reductions.prod_definition(ans, anp.where(where, x, 1.0), axis=axis) * initial


def extreme_definition(reduce: Any, choose: Any) -> Definition:
    """max or min with a start value."""

    def definition(
        ans: Any,
        x: Any,
        axis: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        x = x if where is True else anp.where(where, x, initial)
        extreme = shaped(reduce(x, axis=axis, keepdims=True), ans)
        return extreme if initial is None else choose(extreme, initial)

    return definition


def skipping_nan(definition: Definition, start: float | None = None) -> Definition:
    """The same reduction over the elements that are not nan."""

    def skipping(ans: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        good = ~onp.isnan(getval(x)) & kwargs.pop("where", True)
        if start is not None:
            kwargs["initial"] = start
        return definition(ans, anp.where(good, x, 0.0), *args, where=good, **kwargs)

    return skipping


def quantile_definition(
    ans: Any,
    x: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    **others: Any,
) -> Any:
    """Between the neighbours of place q (n - 1) in the sorted elements."""
    if method != "linear" or any(value is not None for value in others.values()):
        raise NotImplementedError("quantiles have a derivative with method='linear' and without weights only")
    axes = all_axes(axis, x)
    x = anp.moveaxis(x, axes, tuple(range(len(axes))))
    x = anp.sort(anp.reshape(x, (-1, *anp.shape(x)[len(axes) :])), axis=0)
    last = anp.shape(x)[0] - 1
    place = onp.asarray(q) * last
    low = onp.floor(place).astype(int)
    weight = (place - low).reshape(place.shape + (1,) * (anp.ndim(x) - 1))
    return shaped(x[low] * (1.0 - weight) + x[onp.minimum(low + 1, last)] * weight, ans)


def median_definition(
    ans: Any, x: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False
) -> Any:
    """The quantile 1/2."""
    return quantile_definition(ans, x, 0.5, axis)


complete(anp.sum, sum_definition, only_with("axis", "keepdims", "dtype", most=2))
complete(wrapped._primitive_mean, mean_definition, only_with("axis", "keepdims", "dtype", most=2))
complete(wrapped._primitive_var, var_definition, only_with("axis", "keepdims", "dtype", "ddof", most=2))
complete(
    wrapped._primitive_std,
    lambda ans, *args, **kwargs: anp.sqrt(var_definition(ans, *args, **kwargs)),
    only_with("axis", "keepdims", "dtype", "ddof", most=2),
)
reducing = only_with("axis", "keepdims", "dtype", most=2)
complete(
    anp.prod,
    prod_definition,
    lambda argnums, ans, args, kwargs: (
        reducing(argnums, ans, args, kwargs) and onp.all(onp.asarray(getval(args[0])) != 0)
    ),
)
for fun in (anp.max, anp.amax):
    complete(fun, extreme_definition(anp.max, anp.maximum), only_with("axis", "keepdims", most=2))
for fun in (anp.min, anp.amin):
    complete(fun, extreme_definition(anp.min, anp.minimum), only_with("axis", "keepdims", most=2))
complete(anp.nansum, skipping_nan(sum_definition))
complete(anp.nanprod, skipping_nan(prod_definition))
complete(anp.nanmean, skipping_nan(mean_definition))
complete(anp.nanvar, skipping_nan(var_definition))
complete(
    anp.nanstd, lambda ans, *args, **kwargs: anp.sqrt(skipping_nan(var_definition)(ans, *args, **kwargs))
)
complete(anp.nanmax, skipping_nan(extreme_definition(anp.max, anp.maximum), -math.inf))
complete(anp.nanmin, skipping_nan(extreme_definition(anp.min, anp.minimum), math.inf))
complete(
    anp.cumsum, lambda ans, x, axis=None, dtype=None, out=None: anp.cumsum(x, axis), only_with("axis", most=2)
)
complete(
    anp.cumprod,
    lambda ans, x, axis=None, dtype=None, out=None: reductions.cumprod_definition(ans, x, axis),
    only_with("axis", most=2),
)
complete(
    anp.ptp,
    lambda ans, x, axis=None, out=None, keepdims=False: reductions.ptp_definition(ans, x, axis, keepdims),
)
complete(
    anp.median,
    median_definition,
    lambda argnums, ans, args, kwargs: (
        len(args) == 1 and {"axis"}.issuperset(kwargs) and not isinstance(kwargs.get("axis"), tuple)
    ),
)
complete(anp.quantile, quantile_definition)
complete(
    anp.percentile,
    lambda ans, x, q, *args, **kwargs: quantile_definition(ans, x, onp.asarray(q) / 100, *args, **kwargs),
)
