"""Indexing as a primitive of autograd, with an adjoint that adds slices as slices.

autograd's own rule for ``x[...]`` adds element by element (``np.add.at``), also where the index is a slice.
Importing this module replaces it, for the whole process: the numbers are the same to the bit, and a gradient
or a Hessian-vector product of a function that slices `x` takes half the time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from autograd.core import SparseObject, vspace
from autograd.extend import defjvp, defvjp, primitive
from autograd.numpy.numpy_boxes import ArrayBox

__all__ = ["is_basic", "put", "take"]


def is_basic(index: Any) -> bool:
    """Whether `index` consists of slices and integers alone, so that it takes each element at most once."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        part is None
        or part is Ellipsis
        or isinstance(part, (slice, int, np.integer))
        and not isinstance(part, bool)
        for part in parts
    )


@primitive
def take(array: Any, index: Any) -> Any:
    """``array[index]``."""
    return array[index]


@primitive
def put(values: Any, index: Any, space: Any) -> SparseObject:
    """The adjoint of `take`: `values` added at `index` of an array of zeros."""

    def mut_add(array: Any) -> Any:
        if is_basic(index):
            array[index] += values
        else:
            np.add.at(array, index, values)
        return array

    return SparseObject(space, mut_add)


for fun in (take, ArrayBox.__getitem__):
    defvjp(fun, lambda ans, array, index: lambda g: put(g, index, vspace(array)))
defvjp(put, lambda ans, values, index, space: lambda g: take(g, index))
defjvp(take, "same")
defjvp(put, "same")
