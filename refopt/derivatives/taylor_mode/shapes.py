"""Taylor rules that only move elements: `reshape`, `transpose`, `flip`, `concatenate`, `split`, `pad`, ..."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import numpy as onp
from autograd.tracer import getval

from .algebra import RULES, Algebra, Rule, Series, TaylorError, each
from .families import (
    all_axes,
    defined,
    flattened,
    inner,
    linear,
    only,
    outer_axis,
    reshaped,
    stretched,
    transposed,
)
from .indexing import pick

# ---------------------------------------------------------------------- shapes and axes


def batched_rollaxis(np: Any, c: Any, ans: Any, x: Any, axis: int, start: int = 0) -> Any:
    """rollaxis as a permutation."""
    ndim = onp.ndim(getval(x))
    axis, start = axis % ndim, start + ndim if start < 0 else start
    order = [i for i in range(ndim) if i != axis]
    order.insert(start - (start > axis), axis)
    return transposed(np, c, order)


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
linear(anp.rollaxis, batched_rollaxis)
linear(
    anp.broadcast_to,
    lambda np, c, ans, x, shape, **_k: (
        stretched(np, c, ans.ndim - onp.ndim(getval(x))) + onp.zeros((np.shape(c)[0], *ans.shape))
    ),
)


# ---------------------------------------------------------------------- elements in another order


def batched_roll(np: Any, c: Any, ans: Any, x: Any, shift: Any, axis: Any = None) -> Any:
    """roll; without an axis it acts on the flattened array."""
    if axis is not None:
        return np.roll(c, shift, inner(axis, x))
    return np.reshape(np.roll(flattened(np, c), shift, -1), np.shape(c))


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


linear(anp.roll, batched_roll)
defined(anp.flip, flip_definition)
linear(anp.flipud, lambda np, c, ans, x: pick(np, c, (slice(None), slice(None, None, -1))))
linear(anp.fliplr, lambda np, c, ans, x: pick(np, c, (slice(None), slice(None), slice(None, None, -1))))
defined(anp.rot90, rot90_definition)


# ---------------------------------------------------------------------- joining, splitting, padding


def concatenate_rule(
    algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]
) -> list[Any]:
    """concatenate_args(axis, *arrays)."""
    np, axis, arrays = algebra.np, args[0], args[1:]
    series = [active[n][1:] if n in active else [None] * algebra.order for n in range(1, len(args))]
    if axis is None:
        axis, arrays = 0, [onp.ravel(getval(a)) for a in arrays]
        series = [each(lambda c: np.reshape(c, algebra.shape((-1,))), s) for s in series]
    axis = inner(axis, ans)
    out: list[Any] = []
    for parts in zip(*series, strict=True):
        if all(part is None for part in parts):
            out.append(None)
        else:
            dense = [algebra.dense(part, a) for part, a in zip(parts, arrays, strict=True)]
            out.append(np.concatenate(dense, axis=axis))
    return out


def split_rule(fun: Any) -> Rule:
    """The rule of one member of the split family; the pieces are found by splitting the indices of x."""

    def rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
        x = onp.asarray(getval(args[0]))
        pieces = fun.fun(onp.arange(x.size).reshape(x.shape), *args[1:], **kwargs)
        places = pieces if algebra.batch is None else [(slice(None), piece) for piece in pieces]

        def split(c: Any) -> list[Any]:
            flat = algebra.np.reshape(c, algebra.shape((-1,)))
            return [pick(algebra.np, flat, place) for place in places]

        return each(split, active[0][1:])

    return rule


def batched_repeat(np: Any, c: Any, ans: Any, x: Any, repeats: Any, axis: Any = None) -> Any:
    """repeat; without an axis it acts on the flattened array."""
    if axis is None:
        return np.repeat(flattened(np, c), repeats, 1)
    return np.repeat(c, repeats, outer_axis(axis, x))


def batched_tile(np: Any, c: Any, ans: Any, x: Any, reps: Any) -> Any:
    """tile by concatenation along each axis."""
    reps = (reps,) if onp.ndim(reps) == 0 else tuple(reps)
    ndim = max(len(reps), onp.ndim(getval(x)))
    reps = (1,) * (ndim - len(reps)) + reps
    c = stretched(np, c, ndim - onp.ndim(getval(x)))
    for axis, times in enumerate(reps, 1):
        if times != 1:
            c = np.concatenate([c] * times, axis=axis) if times else c[(slice(None),) * axis + (slice(0, 0),)]
    return c


def pad_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """pad with constants: zeros around the coefficients."""
    only(anp.pad, active, 0)
    mode = args[2] if len(args) > 2 else kwargs.get("mode", "constant")
    width = onp.broadcast_to(onp.asarray(args[1]), (onp.ndim(getval(args[0])), 2))
    pairs = tuple(map(tuple, width.tolist()))

    def padded(c: Any) -> Any:
        if mode != "constant":
            raise TaylorError(f"taylor: 'pad' is expanded for mode='constant' only, got {mode!r}")
        return algebra.np.pad(c, pairs if algebra.batch is None else ((0, 0), *pairs), "constant")

    return each(padded, active[0][1:])


RULES[anp.concatenate_args] = concatenate_rule
for fun in (anp.split, anp.array_split, anp.vsplit, anp.hsplit, anp.dsplit):
    RULES[fun] = split_rule(fun)
linear(anp.repeat, batched_repeat)
linear(anp.tile, batched_tile)
RULES[anp.pad] = pad_rule
