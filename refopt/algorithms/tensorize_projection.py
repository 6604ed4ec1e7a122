"""The method TensorizeProjection."""

from __future__ import annotations

import dataclasses

from ..method import option
from ..parts.projection import Projection, tensor_shapes
from ..views.linear_map import Padding

__all__ = ["TensorizeProjection"]


def cube(n: int, max_side: int) -> tuple[int, ...]:
    """The shape ``(s,) * d`` of the tensor for n numbers."""
    if n < max_side:
        return (n,)
    d = 1
    while max_side**d < n:
        d += 1
    s = round(n ** (1 / d))  # may be wrong by one; corrected below in integers
    while s**d < n:
        s += 1
    while (s - 1) ** d >= n:
        s -= 1
    return (s,) * d


@dataclasses.dataclass(frozen=True)
class TensorizeProjection(Projection):
    """Run inner methods on all variables, arranged as one tensor with equal sides.

        d = least integer with max_side^d >= n,   s = least integer with s^d >= n
        P x = (x_1 ... x_n, 0 ... 0)              length s^d, shape (s,)*d
        Q z = (z_1 ... z_n)                       removes the padding; P^T = Q
        n < max_side: P x = x, one-dimensional and without padding

    It is meant for inner methods that use the shapes of tensors.

    Parameters
    ----------
    inner : method or sequence of methods
        What runs on the tensor.
    max_side : int >= 2
        Largest side of the tensor. Required.
    project_update, project_params, project_grad : bools, by keyword
        What the inner methods receive: the projected update P u; the point P x and f(Q z), which
        they may evaluate; the projected gradient P g. See `refopt.parts.projection.Projection`.

    Raises
    ------
    TypeError, ValueError
        For missing inner methods, `max_side` below 2, or flags that do not give the inner methods
        what they need.

    Notes
    -----
    Source: `torchzero` 0.4.4, ``TensorizeProjection``.

    Deviations: the original computes d by a floating-point logarithm, which exceeds the integer at
    some exact powers (n = 125, max_side = 5 gives (4, 4, 4, 4)); here it is integer arithmetic.
    `refopt.parts.projection.Projection` lists those of all projections.

    Cost per step: copies of length s^d, and the inner methods.

    Examples
    --------
    >>> import refopt
    >>> refopt.TensorizeProjection(refopt.Adam(), max_side=5).space(125, None).shapes
    ((5, 5, 5),)
    """

    max_side: int = option(None, "whole >= 2")  # required: None raises an error

    def space(self, n, shapes):
        return Padding(tensor_shapes(shapes, n), (cube(n, self.max_side),), (n,))
