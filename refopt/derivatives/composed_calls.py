"""NumPy's functions of lists of arrays, and those that are other names, for `numpy_calls`.

autograd traces arguments, not lists of arguments: here `concatenate`, `stack`, `block`, ... are written with
what it traces, as autograd.numpy does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.tracer import getval

from .missing_linear_rules import least_squares
from .numpy_calls import COMPOSED, as_box, as_value, cast, no_output, primitive_of, unstack
from .reverse import TraceError

__all__: list[str] = []

# ---------------------------------------------------------------------- functions of several arrays


def concatenate(
    arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = None
) -> Any:
    """np.concatenate."""
    no_output("np.concatenate", out)
    parts = [as_box(part) for part in arrays]
    if axis is None:
        parts, axis = [anp.ravel(part) for part in parts], 0
    return cast(anp.concatenate(parts, axis), dtype)


def stack(arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: Any = None) -> Any:
    """np.stack."""
    no_output("np.stack", out)
    return cast(anp.stack([as_box(part) for part in arrays], axis), dtype)


def of_list(function: Callable) -> Callable:
    """vstack and its like."""

    def joined(tup: Any, *, dtype: Any = None, casting: Any = None) -> Any:
        return cast(function([as_box(part) for part in tup]), dtype)

    return joined


def dstack(parts: Any) -> Any:
    """dstack as a concatenation."""
    return anp.concatenate([anp.atleast_3d(part) for part in parts], 2)


def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """np.append."""
    return concatenate((arr, values) if axis is not None else (np.ravel(arr), np.ravel(values)), axis or 0)


def block(arrays: Any) -> Any:
    """Nested lists: the innermost joined along the last axis, each outer one along the axis before."""

    def depth(part: Any) -> int:
        return 1 + depth(part[0]) if isinstance(part, list) else 0

    def most(part: Any) -> int:
        return max(map(most, part)) if isinstance(part, list) else anp.ndim(getval(part))

    levels = depth(arrays)
    ndim = max(levels, most(arrays))

    def joined(part: Any, level: int) -> Any:
        if isinstance(part, list):
            return anp.concatenate([joined(p, level - 1) for p in part], -level)
        return anp.reshape(part, (1,) * (ndim - anp.ndim(part)) + anp.shape(part))

    return joined(arrays, levels)


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """np.select by np.where."""
    answer = default
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        answer = anp.where(as_value(condition), as_box(choice), answer)
    return answer


def split(cut: Any, axis: Any) -> Callable:
    """hsplit and its like, along the axis that they stand for."""
    return lambda ary, sections: cut(ary, sections, axis=axis(anp.ndim(ary)))


def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    """np.linalg.multi_dot from left to right."""
    no_output("np.linalg.multi_dot", out)
    return functools.reduce(anp.dot, map(as_box, arrays))


def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    """np.broadcast_arrays."""
    shape = np.broadcast_shapes(*(anp.shape(as_value(a)) for a in args))
    return tuple(anp.broadcast_to(as_box(a), shape) for a in args)


def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Any, Any, int, Any]:
    """np.linalg.lstsq of a matrix of full rank: solution, sum of squares, rank, singular values.

    In Taylor mode the singular values, which few ask for and which have no rule, are None.
    """
    a, b = as_box(a), as_box(b)
    x = least_squares(a, b, rcond)
    rows, columns = a.shape
    rest = anp.atleast_1d(anp.sum((b - anp.dot(a, x)) ** 2, axis=0)) if rows > columns else np.empty(0)
    try:
        s = anp.linalg.svd(a, compute_uv=False)
    except TraceError:
        s = None
    return x, rest, min(rows, columns), s


def composed(home: ModuleType, **functions: Callable) -> None:
    """Enter those of these functions that this NumPy has."""
    COMPOSED.update({getattr(home, name): f for name, f in functions.items() if hasattr(home, name)})


composed(
    np,
    concatenate=concatenate,
    concat=concatenate,
    stack=stack,
    vstack=of_list(anp.vstack),
    hstack=of_list(anp.hstack),
    row_stack=of_list(anp.vstack),
    dstack=of_list(dstack),
    column_stack=of_list(anp.column_stack),
    append=append,
    block=block,
    select=select,
    hsplit=split(anp.split, lambda ndim: 0 if ndim == 1 else 1),
    broadcast_arrays=broadcast_arrays,
    unstack=unstack,
)
composed(
    np.linalg,
    lstsq=lstsq,
    multi_dot=multi_dot,
    trace=lambda x, /, *, offset=0, dtype=None: np.trace(x, offset, -2, -1),
    cross=lambda x1, x2, /, *, axis=-1: np.cross(x1, x2, axis=axis),
    outer=lambda x1, x2, /: np.outer(x1, x2),
    tensordot=lambda x1, x2, /, *, axes=2: np.tensordot(x1, x2, axes=axes),
    matmul=lambda x1, x2, /: anp.matmul(as_box(x1), as_box(x2)),
    vecdot=lambda x1, x2, /, *, axis=-1: primitive_of(np.vecdot)(as_box(x1), as_box(x2), axis=axis),
)
