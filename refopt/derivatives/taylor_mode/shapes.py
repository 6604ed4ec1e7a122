"""Taylor rules of choices (maximum, sort, ...), reductions, shapes, indexing and products of arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import autograd.numpy as anp
import numpy as onp
from autograd.extend import register_notrace
from autograd.numpy import numpy_wrapper as wrapped
from autograd.numpy.numpy_boxes import ArrayBox
from autograd.numpy.numpy_vjps import (
    nograd_functions,
)
from autograd.tracer import getval

from .algebra import RULES, Algebra, Rule, Series, TaylorError, TaylorNode, is_basic, take
from .families import (
    all_axes,
    bilinear,
    defined,
    elementwise,
    inner,
    linear,
    only,
    outer_axis,
    pick,
    reshaped,
    series_of,
    transposed,
)

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
    return select(
        algebra, ans, mask, series_of(algebra, args, active, 1), series_of(algebra, args, active, 2)
    )


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
        return [
            None
            if c is None
            else np.sum(np.where(leader, c, zero + onp.zeros(onp.shape(getval(c)))), axis=axes, keepdims=keep)
            for c in series[1:]
        ]

    return rule


def first_of(mask: onp.ndarray, axes: tuple[int, ...]) -> onp.ndarray:
    """Keep one True per slice."""
    moved = onp.moveaxis(mask, axes, range(-len(axes), 0))
    flat = moved.reshape(*moved.shape[: moved.ndim - len(axes)], -1)
    first = flat & (onp.cumsum(flat, axis=-1) == 1)
    return onp.moveaxis(first.reshape(moved.shape), range(-len(axes), 0), axes)


for fun in (anp.max, anp.amax):
    RULES[fun] = max_rule(1)
for fun in (anp.min, anp.amin):
    RULES[fun] = max_rule(-1)


# ---------------------------------------------------------------------- reductions


def count(axis: Any, x: Any) -> int:
    """How many elements are reduced to one."""
    return math.prod(anp.shape(x)[a] for a in all_axes(axis, x))


def prod_definition(ans: Any, x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """prod by pairs, so that zeros among the factors are no exception."""
    axes = all_axes(axis, x)
    x = anp.moveaxis(x, axes, tuple(range(-len(axes), 0)))
    x = anp.reshape(x, (*anp.shape(x)[: anp.ndim(x) - len(axes)], -1))
    while anp.shape(x)[-1] > 1:
        size = anp.shape(x)[-1]
        half = size // 2
        product = x[..., :half] * x[..., half : 2 * half]
        x = anp.concatenate([product, x[..., 2 * half :]], axis=-1) if size % 2 else product
    return anp.reshape(x, anp.shape(ans))


def cumprod_definition(ans: Any, x: Any, axis: Any = None) -> Any:
    """cumprod, one product after the other."""
    x, axis = (anp.ravel(x), 0) if axis is None else (x, axis)
    parts = [x[i] for i in range(anp.shape(x)[0])] if axis == 0 else [p for p in anp.moveaxis(x, axis, 0)]
    for i in range(1, len(parts)):
        parts[i] = parts[i - 1] * parts[i]
    return anp.moveaxis(anp.stack(parts), 0, axis)


def var_definition(
    ans: Any, x: Any, axis: Any = None, dtype: Any = None, ddof: int = 0, keepdims: bool = False
) -> Any:
    """mean of the squared distances from the mean."""
    gap = x - anp.mean(x, axis=axis, keepdims=True)
    square = anp.real(gap * anp.conj(gap)) if anp.iscomplexobj(x) else gap * gap
    return anp.sum(square, axis=axis, keepdims=keepdims) / (count(axis, x) - ddof)


def median_definition(ans: Any, x: Any, axis: Any = None) -> Any:
    """Middle of the sorted elements."""
    x, axis = (anp.ravel(x), 0) if axis is None else (x, axis)
    x = anp.moveaxis(anp.sort(x, axis=axis), axis, 0)
    n = anp.shape(x)[0]
    return (x[(n - 1) // 2] + x[n // 2]) / 2


def partition_rule(
    algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]
) -> list[Any]:
    """partition: the elements of x as NumPy returned them, equal ones in the order of t = 0+."""
    axis = args[2] if len(args) > 2 else kwargs.get("axis", -1)
    if axis is None:
        raise TaylorError("taylor: 'partition' with axis=None has no Taylor rule; ravel the array first")
    series, result = active[0], onp.asarray(getval(ans))
    axis = inner(axis, ans)
    order = sorted_order(algebra, series, axis)
    rank = onp.argsort(onp.argsort(result, axis=axis, kind="stable"), axis=axis, kind="stable")
    if order.ndim > rank.ndim:
        rank = onp.broadcast_to(rank, order.shape)
    return reorder(algebra, series, onp.take_along_axis(order, rank, axis), axis)


defined(anp.prod, prod_definition)
defined(anp.cumprod, cumprod_definition)
defined(wrapped._primitive_var, var_definition)
defined(wrapped._primitive_std, lambda ans, x, *args, **kwargs: anp.sqrt(anp.var(x, *args, **kwargs)))
defined(
    anp.ptp,
    lambda ans, x, axis=None, keepdims=False: (
        anp.max(x, axis=axis, keepdims=keepdims) - anp.min(x, axis=axis, keepdims=keepdims)
    ),
)
defined(anp.median, median_definition)
defined(anp.vdot, lambda ans, a, b: anp.dot(anp.ravel(anp.conj(a)), anp.ravel(b)))
defined(anp.float_power, lambda ans, x, y: anp.power(x, y))
elementwise(
    anp.cbrt,
    lambda np, p, y, x: [
        math.prod(1 / 3 - i for i in range(j)) / math.factorial(j) * y / x**j for j in range(1, p + 1)
    ],
)
RULES[anp.partition] = partition_rule


# ---------------------------------------------------------------------- sums and shapes


linear(
    anp.sum,
    lambda np, c, ans, x, axis=None, keepdims=False, dtype=None: np.sum(
        c, axis=inner(axis, x), keepdims=keepdims
    ),
)
linear(
    wrapped._primitive_mean,
    lambda np, c, ans, x, axis=None, keepdims=False, dtype=None: np.mean(
        c, axis=inner(axis, x), keepdims=keepdims
    ),
)
linear(
    anp.cumsum,
    lambda np, c, ans, x, axis=None: np.cumsum(
        np.reshape(c, (np.shape(c)[0], -1)) if axis is None else c, 1 if axis is None else outer_axis(axis, x)
    ),
)

for fun in (anp.expand_dims, anp.squeeze, anp.atleast_1d, anp.atleast_2d, anp.atleast_3d):
    linear(fun, reshaped)
linear(
    anp.reshape,
    lambda np, c, ans, x, shape=None, order="C", **_k: np.reshape(
        c, (np.shape(c)[0], *onp.shape(getval(ans))), order=order
    ),
)
linear(anp.ravel, lambda np, c, ans, x, order="C": np.reshape(c, (np.shape(c)[0], -1), order=order))
linear(
    anp.transpose,
    lambda np, c, ans, x, axes=None: transposed(
        np, c, range(x.ndim)[::-1] if axes is None else [a % x.ndim for a in axes]
    ),
)
linear(anp.swapaxes, lambda np, c, ans, x, a, b: np.swapaxes(c, inner(a, x), inner(b, x)))
linear(
    anp.moveaxis,
    lambda np, c, ans, x, source, destination: np.moveaxis(c, inner(source, x), inner(destination, x)),
)
linear(anp.flipud, lambda np, c, ans, x: pick(np, c, (slice(None), slice(None, None, -1))))
linear(anp.fliplr, lambda np, c, ans, x: pick(np, c, (slice(None), slice(None), slice(None, None, -1))))
linear(anp.triu, lambda np, c, ans, x, k=0: c * onp.triu(onp.ones(x.shape[-2:]), k))
linear(anp.tril, lambda np, c, ans, x, k=0: c * onp.tril(onp.ones(x.shape[-2:]), k))
linear(
    anp.broadcast_to,
    lambda np, c, ans, x, shape, **_k: (
        np.reshape(c, (np.shape(c)[0],) + (1,) * (len(ans.shape) - onp.ndim(getval(x))) + np.shape(c)[1:])
        + onp.zeros((np.shape(c)[0], *ans.shape))
    ),
)


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

    Index arrays separated by slices make NumPy move their axes to the front; the direction axis then
    follows them.
    """
    parts = index if isinstance(index, tuple) else (index,)
    batched = (slice(None), *parts)
    if is_basic(index):
        return batched, 0
    advanced = [
        i for i, part in enumerate(parts) if not (part is None or part is Ellipsis or isinstance(part, slice))
    ]
    between = parts[advanced[0] : advanced[-1] + 1]
    if all(not (part is None or part is Ellipsis or isinstance(part, slice)) for part in between):
        return batched, 0
    shapes = [(1,) if onp.asarray(parts[i]).dtype == bool else onp.shape(parts[i]) for i in advanced]
    return batched, max(len(shape) for shape in shapes)


RULES[ArrayBox.__getitem__] = RULES[take] = index_rule


def concatenate_rule(
    algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]
) -> list[Any]:
    """concatenate_args(axis, *arrays)."""
    np, axis, arrays = algebra.np, args[0], args[1:]
    if axis is None:
        arrays = [onp.ravel(getval(a)) for a in arrays]
        active = {
            n: [
                onp.ravel(getval(s[0])),
                *(None if c is None else np.reshape(c, algebra.shape((-1,))) for c in s[1:]),
            ]
            for n, s in active.items()
        }
        axis = 0
    axis = inner(axis, ans)
    out: list[Any] = []
    for k in range(1, algebra.order + 1):
        parts = [active[n][k] if n in active else None for n in range(1, len(args))]
        if all(part is None for part in parts):
            out.append(None)
        else:
            out.append(
                np.concatenate(
                    [algebra.dense(part, a) for part, a in zip(parts, arrays, strict=True)], axis=axis
                )
            )
    return out


RULES[anp.concatenate_args] = concatenate_rule


def array_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """array_from_args(array_args, array_kwargs, *parts): a new first axis."""
    np, parts = algebra.np, args[2:]
    out: list[Any] = []
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
linear(
    wrapped._array_from_scalar_or_array,
    lambda np, c, ans, array_args, array_kwargs, x: reshaped(np, c, ans),
    argnum=2,
)


# ---------------------------------------------------------------------- more shapes


def whole_shift(np: Any, c: Any, ans: Any, x: Any, shift: Any, axis: Any = None) -> Any:
    """roll; without an axis it acts on the flattened array."""
    if axis is not None:
        return np.roll(c, shift, inner(axis, x))
    return np.reshape(np.roll(np.reshape(c, (np.shape(c)[0], -1)), shift, -1), np.shape(c))


def batched_pad(np: Any, c: Any, ans: Any, x: Any, width: Any, mode: str = "constant", **kwargs: Any) -> Any:
    """pad with constants: zeros around the coefficients."""
    if mode != "constant":
        raise TaylorError(f"taylor: 'pad' is expanded for mode='constant' only, got {mode!r}")
    pairs = onp.broadcast_to(onp.asarray(width), (onp.ndim(getval(x)), 2)).tolist()
    return np.pad(c, ((0, 0), *map(tuple, pairs)), "constant")


def pad_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """pad: mode constant, whose constants do not move."""
    only(anp.pad, active, 0)
    mode = args[2] if len(args) > 2 else kwargs.get("mode", "constant")

    def single(c):
        return batched_pad(algebra.np, c[None], ans, args[0], args[1], mode)[0]

    if algebra.batch is None:
        return [None if c is None else single(c) for c in active[0][1:]]
    return [
        None if c is None else batched_pad(algebra.np, c, ans, args[0], args[1], mode) for c in active[0][1:]
    ]


def batched_repeat(np: Any, c: Any, ans: Any, x: Any, repeats: Any, axis: Any = None) -> Any:
    """repeat; without an axis it acts on the flattened array."""
    if axis is None:
        return np.repeat(np.reshape(c, (np.shape(c)[0], -1)), repeats, 1)
    return np.repeat(c, repeats, outer_axis(axis, x))


def batched_tile(np: Any, c: Any, ans: Any, x: Any, reps: Any) -> Any:
    """tile by concatenation along each axis."""
    reps = (reps,) if onp.ndim(reps) == 0 else tuple(reps)
    ndim = max(len(reps), onp.ndim(getval(x)))
    reps = (1,) * (ndim - len(reps)) + reps
    c = np.reshape(c, (np.shape(c)[0],) + (1,) * (ndim - onp.ndim(getval(x))) + np.shape(c)[1:])
    for axis, times in enumerate(reps, 1):
        if times != 1:
            c = np.concatenate([c] * times, axis=axis) if times else c[(slice(None),) * axis + (slice(0, 0),)]
    return c


def roll_axes(np: Any, c: Any, ans: Any, x: Any, axis: int, start: int = 0) -> Any:
    """rollaxis as a permutation."""
    ndim = onp.ndim(getval(x))
    axis, start = axis % ndim, start + ndim if start < 0 else start
    order = [i for i in range(ndim) if i != axis]
    order.insert(start - (start > axis), axis)
    return transposed(np, c, order)


def flip_definition(ans: Any, x: Any, axis: Any = None) -> Any:
    """flip by indexing."""
    axes = {a % anp.ndim(x) for a in all_axes(axis, x)}
    return x[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(anp.ndim(x)))]


def rot90_definition(ans: Any, x: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """Quarter turns as flips and a transposition."""
    a, b = (axis % anp.ndim(x) for axis in axes)
    if k % 4 == 0:
        return x
    if k % 4 == 2:
        return flip_definition(ans, x, (a, b))
    return (
        anp.swapaxes(flip_definition(ans, x, b), a, b)
        if k % 4 == 1
        else flip_definition(ans, anp.swapaxes(x, a, b), b)
    )


def diagonal_definition(ans: Any, x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal by index arrays."""
    x = anp.moveaxis(x, (axis1, axis2), (-2, -1))
    i = onp.arange(anp.shape(ans)[-1])
    return x[..., i - min(offset, 0), i + max(offset, 0)]


def diag_definition(ans: Any, x: Any, k: int = 0) -> Any:
    """diag: of a matrix its diagonal, of a vector the matrix."""
    if anp.ndim(x) == 2:
        return diagonal_definition(ans, x, k)
    n, m = anp.shape(x)[0], anp.shape(ans)[0]
    i = onp.arange(n)
    place = onp.zeros((m, m), dtype=int)
    inside = onp.zeros((m, m))
    place[i - min(k, 0), i + max(k, 0)], inside[i - min(k, 0), i + max(k, 0)] = i, 1.0
    return x[place] * inside if n else anp.zeros((m, m))


def trace_definition(ans: Any, x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Sum of the diagonal."""
    shape = anp.shape(x)
    rows, columns = shape[axis1], shape[axis2]
    n = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    return anp.sum(diagonal_definition(onp.zeros(n), x, offset, axis1, axis2), axis=-1)


def diff_definition(ans: Any, x: Any, n: int = 1, axis: int = -1) -> Any:
    """Differences of neighbours, n times."""
    before = (slice(None),) * (axis % anp.ndim(x))
    for _ in range(n):
        x = x[(*before, slice(1, None))] - x[(*before, slice(None, -1))]
    return x


def gradient_definition(ans: Any, x: Any, *spacing: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """numpy.gradient along one axis, as the constant matrix it is."""
    axes = [a % anp.ndim(x) for a in all_axes(axis, x)]
    if len(axes) != 1:
        raise TaylorError("taylor: 'gradient' along several axes has no Taylor rule; call it once per axis=")
    n = anp.shape(x)[axes[0]]
    difference: Any = onp.gradient
    matrix = difference(onp.eye(n), *spacing, axis=0, edge_order=edge_order)
    return anp.moveaxis(anp.tensordot(matrix, x, axes=((1,), (axes[0],))), 0, axes[0])


def linspace_definition(ans: Any, start: Any, stop: Any, num: int = 50, endpoint: bool = True) -> Any:
    """start (1 - w) + stop w."""
    w = onp.linspace(0.0, 1.0, num, endpoint=endpoint)
    w = onp.reshape(w, (num,) + (1,) * (onp.ndim(getval(ans)) - 1))
    return start * (1.0 - w) + stop * w


def splitter(fun: Any) -> Rule:
    """The rule of one member of the split family."""

    def rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
        x = onp.asarray(getval(args[0]))
        pieces = fun.fun(onp.arange(x.size).reshape(x.shape), *args[1:], **kwargs)
        out: list[Any] = []
        for c in active[0][1:]:
            flat = None if c is None else algebra.np.reshape(c, algebra.shape((-1,)))
            out.append(
                None
                if c is None
                else [
                    pick(algebra.np, flat, piece if algebra.batch is None else (slice(None), piece))
                    for piece in pieces
                ]
            )
        return out

    return rule


for fun in (anp.split, anp.array_split, anp.vsplit, anp.hsplit, anp.dsplit):
    RULES[fun] = splitter(fun)
linear(anp.roll, whole_shift)
RULES[anp.pad] = pad_rule
linear(anp.repeat, batched_repeat)
linear(anp.tile, batched_tile)
linear(anp.rollaxis, roll_axes)
defined(anp.flip, flip_definition)
defined(anp.rot90, rot90_definition)
defined(anp.diagonal, diagonal_definition)
defined(anp.diag, diag_definition)
defined(anp.trace, trace_definition)
defined(anp.diff, diff_definition)
defined(anp.gradient, gradient_definition)
defined(anp.linspace, linspace_definition)
defined(
    anp.take,
    lambda ans, x, indices, axis=None: (
        anp.ravel(x)[indices] if axis is None else x[(slice(None),) * (axis % anp.ndim(x)) + (indices,)]
    ),
)
defined(anp.full, lambda ans, shape, value, dtype=None: value + onp.zeros(anp.shape(ans)))
defined(anp.full_like, lambda ans, x, value, **_k: value + onp.zeros(anp.shape(ans)))
defined(wrapped._astype, lambda ans, x, *args, **kwargs: x if ans.dtype.kind in "fc" else anp.floor(x) * 0.0)


def angle_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """angle(z) = arctan2(im, re); of real numbers it is piecewise constant."""
    if not onp.iscomplexobj(getval(args[0])):
        return [None] * algebra.order
    scale = 180 / math.pi if (args[1] if len(args) > 1 else kwargs.get("deg")) else 1.0
    return algebra.trace(lambda z: scale * anp.arctan2(anp.imag(z), anp.real(z)), args[:1], active, {})


RULES[anp.angle] = angle_rule


# ---------------------------------------------------------------------- products of arrays


def contract(
    np: Any, u: Any, bu: bool, v: Any, bv: bool, axes_u: Sequence[int], axes_v: Sequence[int]
) -> Any:
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
        out = np.matmul(
            matrix(u, True, free_u + axes_u, rows, inside), matrix(v, True, axes_v + free_v, inside, columns)
        )
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
    first, second = ([int(i) for i in onp.atleast_1d(a)] for a in axes)
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


def kron_definition(ans: Any, a: Any, b: Any) -> Any:
    """kron as an outer product with interleaved axes."""
    ndim = max(anp.ndim(a), anp.ndim(b))
    if ndim == 0:
        return a * b
    shape_a = (1,) * (ndim - anp.ndim(a)) + anp.shape(a)
    shape_b = (1,) * (ndim - anp.ndim(b)) + anp.shape(b)
    split_a = tuple(size for n in shape_a for size in (n, 1))
    split_b = tuple(size for n in shape_b for size in (1, n))
    product = anp.reshape(a, split_a) * anp.reshape(b, split_b)
    return anp.reshape(product, tuple(m * n for m, n in zip(shape_a, shape_b, strict=True)))


defined(anp.kron, kron_definition)


def cross_definition(
    ans: Any, a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """cross product of vectors of length 3 (or 2 against 2)."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = anp.moveaxis(a, axisa, -1), anp.moveaxis(b, axisb, -1)
    if anp.shape(a)[-1] == anp.shape(b)[-1] == 2:
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    if not anp.shape(a)[-1] == anp.shape(b)[-1] == 3:
        raise TaylorError("taylor: 'cross' needs two vectors of length 3, or two of length 2")
    parts = [a[..., i] * b[..., j] - a[..., j] * b[..., i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return anp.moveaxis(anp.stack(parts, axis=-1), -1, axisc)


defined(anp.cross, cross_definition)


def distinct_axes(x: Any, letters: str) -> tuple[Any, str]:
    """Diagonals taken where a letter is repeated."""
    while len(set(letters)) < len(letters):
        a = next(i for i, letter in enumerate(letters) if letters.count(letter) > 1)
        b = letters.index(letters[a], a + 1)
        i = onp.arange(anp.shape(x)[a])
        x = anp.moveaxis(x, (a, b), (-2, -1))[..., i, i]
        letters = "".join(c for n, c in enumerate(letters) if n not in (a, b)) + letters[a]
    return x, letters


def einsum_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """einsum of any number of operands: their series multiplied, the direction axis one more letter."""
    np, p, k = algebra.np, algebra.order, algebra.batch
    if isinstance(args[0], str):
        positions = list(range(1, len(args)))
    else:
        positions = list(range(0, len(args) - len(args) % 2, 2))
    operands = [args[n] for n in positions]
    if isinstance(args[0], str):
        inputs, output, _ = wrapped.parse_einsum_input(args[0], *operands)
    else:
        inputs, output, _ = wrapped.parse_einsum_input(*args)
    letters = inputs.split(",")
    if any(len(set(name)) < len(name) for name in letters):  # reverse mode has no rule for repeated letters

        def without_repeats(*given: Any) -> Any:
            pairs = [distinct_axes(given[n], name) for n, name in zip(positions, letters, strict=True)]
            return anp.einsum(",".join(name for _, name in pairs) + "->" + output, *(x for x, _ in pairs))

        return algebra.trace(without_repeats, args, active, {})
    free = next(c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkjihgfedcba" if c not in inputs + output)
    series = [active.get(n) or [args[n]] + [None] * p for n in positions]
    out: list[Any] = [None] * (p + 1)

    def visit(index: int, total: int, chosen: list[Any], orders: list[int]) -> None:
        if index == len(series):
            if total == 0:
                return
            names = [
                (free if k is not None and o > 0 else "") + name
                for o, name in zip(orders, letters, strict=True)
            ]
            formula = ",".join(names) + "->" + (free if k is not None else "") + output
            out[total] = algebra.accumulate(out[total], np.einsum(formula, *chosen))
            return
        for order in range(p + 1 - total):
            if series[index][order] is not None:
                visit(index + 1, total + order, [*chosen, series[index][order]], [*orders, order])

    visit(0, 0, [], [])
    return out[1:]


RULES[anp.einsum] = einsum_rule


# ---------------------------------------------------------------------- piecewise constant functions

for fun in nograd_functions:
    if fun is not anp.full_like:  # its fill value counts
        register_notrace(TaylorNode, fun)
