"""Taylor rules of diagonals and triangles: `diag`, `diagonal`, `trace`, `triu`, `tril`."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import numpy as onp

from .families import defined, linear


def diagonal_definition(ans: Any, x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal by index arrays; of `ans` only the length of the last axis is used."""
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


defined(anp.diagonal, diagonal_definition)
defined(anp.diag, diag_definition)
defined(anp.trace, trace_definition)
linear(anp.triu, lambda np, c, ans, x, k=0: c * onp.triu(onp.ones(x.shape[-2:]), k))
linear(anp.tril, lambda np, c, ans, x, k=0: c * onp.tril(onp.ones(x.shape[-2:]), k))
