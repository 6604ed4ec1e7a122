"""Taylor rules of reductions: `sum`, `mean`, `var`, `std`, `prod`, `max`, `min`, `ptp`, `median`.

The running ones, `cumsum` and `cumprod`, stand beside them.
"""

from __future__ import annotations

import math
from typing import Any

import autograd.numpy as anp
import numpy as onp
from autograd.numpy import numpy_wrapper as wrapped
from autograd.tracer import getval

from .algebra import RULES, Algebra, Rule, Series, each
from .families import all_axes, defined, flattened, inner, linear, outer_axis

# ---------------------------------------------------------------------- sums


def count(axis: Any, x: Any) -> int:
    """How many elements are reduced to one."""
    return math.prod(anp.shape(x)[a] for a in all_axes(axis, x))


def var_definition(
    ans: Any, x: Any, axis: Any = None, dtype: Any = None, ddof: int = 0, keepdims: bool = False
) -> Any:
    """Mean of the squared distances from the mean."""
    gap = x - anp.mean(x, axis=axis, keepdims=True)
    square = anp.real(gap * anp.conj(gap)) if anp.iscomplexobj(x) else gap * gap
    return anp.sum(square, axis=axis, keepdims=keepdims) / (count(axis, x) - ddof)


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
    lambda np, c, ans, x, axis=None: (
        np.cumsum(flattened(np, c), 1) if axis is None else np.cumsum(c, outer_axis(axis, x))
    ),
)
defined(wrapped._primitive_var, var_definition)
defined(wrapped._primitive_std, lambda ans, x, *args, **kwargs: anp.sqrt(anp.var(x, *args, **kwargs)))


# ---------------------------------------------------------------------- products


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


defined(anp.prod, prod_definition)
defined(anp.cumprod, cumprod_definition)


# ---------------------------------------------------------------------- extremes and the middle


def max_rule(sign: int) -> Rule:
    """max (sign 1) and min (sign -1) over axes: the element that is the extreme one for small t > 0."""

    def rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
        np = algebra.np
        options = {**dict(zip(("axis", "out", "keepdims"), args[1:], strict=False)), **kwargs}
        axes, keep = all_axes(options.get("axis"), args[0]), bool(options.get("keepdims", False))
        series, value = active[0], sign * onp.asarray(getval(args[0]))
        leader = value == value.max(axis=axes, keepdims=True)
        if onp.any(leader.sum(axis=axes) > 1):
            for c in series[1:]:
                if c is not None:
                    key = onp.where(leader, sign * onp.asarray(getval(c)), -onp.inf)
                    leader = leader & (key == key.max(axis=axes, keepdims=True))
            leader = first_of(leader, axes)

        def taken(c: Any) -> Any:
            return np.sum(np.where(leader, c, onp.zeros(onp.shape(getval(c)))), axis=axes, keepdims=keep)

        return each(taken, series[1:])

    return rule


def first_of(mask: onp.ndarray, axes: tuple[int, ...]) -> onp.ndarray:
    """The mask with the first True of each slice along `axes` only."""
    moved = onp.moveaxis(mask, axes, range(-len(axes), 0))
    flat = moved.reshape(*moved.shape[: moved.ndim - len(axes)], -1)
    first = flat & (onp.cumsum(flat, axis=-1) == 1)
    return onp.moveaxis(first.reshape(moved.shape), range(-len(axes), 0), axes)


def ptp_definition(ans: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """max - min."""
    return anp.max(x, axis=axis, keepdims=keepdims) - anp.min(x, axis=axis, keepdims=keepdims)


def median_definition(ans: Any, x: Any, axis: Any = None) -> Any:
    """Middle of the sorted elements."""
    x, axis = (anp.ravel(x), 0) if axis is None else (x, axis)
    x = anp.moveaxis(anp.sort(x, axis=axis), axis, 0)
    n = anp.shape(x)[0]
    return (x[(n - 1) // 2] + x[n // 2]) / 2


RULES[anp.max] = RULES[anp.amax] = max_rule(1)
RULES[anp.min] = RULES[anp.amin] = max_rule(-1)
defined(anp.ptp, ptp_definition)
defined(anp.median, median_definition)
