"""Taylor rules of indexing: ``x[...]`` and `take`."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import numpy as onp
from autograd.numpy.numpy_boxes import ArrayBox

from ..reverse import is_basic, take
from .algebra import RULES, Algebra, Series, each
from .families import defined


def pick(np: Any, c: Any, index: Any) -> Any:
    """``c[index]``, in the form that reverse mode differentiates fast."""
    return c[index] if np is onp else take(c, index)


def index_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """array[index] for any NumPy index."""
    _, index = args
    np = algebra.np
    if algebra.batch is None:
        return [None if c is None else pick(np, c, index) for c in active[0][1:]]
    batched, axis = batched_index(index)
    out = [None if c is None else pick(np, c, batched) for c in active[0][1:]]
    return out if axis == 0 else each(lambda c: np.moveaxis(c, axis, 0), out)


def batched_index(index: Any) -> tuple[tuple[Any, ...], int]:
    """The index behind a leading direction axis, and where NumPy puts that axis in the result.

    Where slices stand between index arrays, NumPy moves the axes of the arrays to the front, and the
    direction axis comes after them.
    """
    parts = index if isinstance(index, tuple) else (index,)
    batched = (slice(None), *parts)
    if is_basic(index):
        return batched, 0
    advanced = [i for i, part in enumerate(parts) if not is_slice(part)]
    if not any(is_slice(part) for part in parts[advanced[0] : advanced[-1] + 1]):
        return batched, 0
    shapes = [(1,) if onp.asarray(parts[i]).dtype == bool else onp.shape(parts[i]) for i in advanced]
    return batched, max(len(shape) for shape in shapes)


def is_slice(part: Any) -> bool:
    """Whether this part of an index keeps or adds an axis."""
    return part is None or part is Ellipsis or isinstance(part, slice)


def take_definition(ans: Any, x: Any, indices: Any, axis: Any = None) -> Any:
    """take by indexing."""
    return anp.ravel(x)[indices] if axis is None else x[(slice(None),) * (axis % anp.ndim(x)) + (indices,)]


RULES[ArrayBox.__getitem__] = RULES[take] = index_rule
defined(anp.take, take_definition)
