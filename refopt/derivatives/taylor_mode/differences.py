"""Taylor rules of differences of neighbours: `diff` and NumPy's `gradient`."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import numpy as onp

from .algebra import TaylorError
from .families import all_axes, defined


def diff_definition(ans: Any, x: Any, n: int = 1, axis: int = -1) -> Any:
    """Differences of neighbours, n times."""
    before = (slice(None),) * (axis % anp.ndim(x))
    for _ in range(n):
        x = x[(*before, slice(1, None))] - x[(*before, slice(None, -1))]
    return x


def gradient_definition(ans: Any, x: Any, *spacing: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """numpy.gradient along one axis, as a product with the constant matrix that it is."""
    axes = [a % anp.ndim(x) for a in all_axes(axis, x)]
    if len(axes) != 1:
        raise TaylorError("taylor: 'gradient' along several axes has no Taylor rule; call it once per axis=")
    n = anp.shape(x)[axes[0]]
    difference: Any = onp.gradient
    matrix = difference(onp.eye(n), *spacing, axis=0, edge_order=edge_order)
    return anp.moveaxis(anp.tensordot(matrix, x, axes=((1,), (axes[0],))), 0, axes[0])


defined(anp.diff, diff_definition)
defined(anp.gradient, gradient_definition)
