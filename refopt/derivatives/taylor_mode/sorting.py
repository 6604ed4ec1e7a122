"""Taylor rules of `sort` and `partition`.

Equal elements are put in the order that their curves have for small t > 0.
"""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import numpy as onp
from autograd.tracer import getval

from ..reverse import take
from .algebra import RULES, Algebra, Series, TaylorError, each
from .families import inner


def sorted_order(algebra: Algebra, series: Series, axis: int) -> onp.ndarray:
    """The indices that sort the curves along `axis`, with a direction axis where equal elements need one."""
    value = onp.asarray(getval(series[0]))
    axis = inner(axis, value)
    plain = onp.argsort(value, axis=axis, kind="stable")
    ranked = onp.take_along_axis(value, plain, axis)
    if not onp.any(onp.diff(ranked, axis=axis) == 0):
        return plain
    keys = [onp.asarray(getval(c)) for c in series[:0:-1] if c is not None]
    shape = algebra.shape(value.shape)
    return onp.lexsort([onp.broadcast_to(key, shape) for key in (*keys, value)], axis=axis)


def reorder(algebra: Algebra, series: Series, order: onp.ndarray, axis: int) -> list[Any]:
    """Every coefficient taken along `axis` in this order."""
    ndim = onp.ndim(getval(series[0]))
    axis = inner(axis, series[0])
    if algebra.batch is not None and order.ndim == ndim:
        order = onp.broadcast_to(order, (algebra.batch, *order.shape))
    return each(lambda c: take_along(algebra.np, c, order, axis), series[1:])


def take_along(np: Any, c: Any, order: onp.ndarray, axis: int) -> Any:
    """take_along_axis in a form that reverse mode can follow."""
    axis = axis % order.ndim
    if np is onp:
        return onp.take_along_axis(c, order, axis)
    grid = list(onp.ogrid[tuple(slice(n) for n in order.shape)])
    grid[axis] = order
    return take(c, tuple(grid))


def sort_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """sort(x, axis)."""
    axis = args[1] if len(args) > 1 else kwargs.get("axis", -1)
    series = active[0]
    if axis is None:
        return algebra.trace(lambda x: anp.sort(anp.ravel(x)), args[:1], active, {})
    return reorder(algebra, series, sorted_order(algebra, series, axis), axis)


def partition_rule(
    algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]
) -> list[Any]:
    """partition(x, kth, axis): the elements in the order that NumPy chose."""
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


RULES[anp.sort] = sort_rule
RULES[anp.partition] = partition_rule
