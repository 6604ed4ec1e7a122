"""A trace that keeps what happened: every operation with its arguments, its result and its cotangents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from autograd.core import VJPNode, add_outgrads
from autograd.tracer import notrace_primitives, toposort

from .reverse import open_trace

__all__ = ["Recorded", "name_of_operation", "record", "sweep"]


class Recorded(VJPNode):
    """A node of reverse mode with the operation behind it.

    Attributes
    ----------
    fun : the primitive, with the raw function as ``fun.fun``; None at the root
    value : what it returned
    args, kwargs : what it was called with
    argnums : the positions in `args` that belong to the parents, in their order
    """

    __slots__ = ["fun", "value", "args", "kwargs", "argnums"]

    def __init__(self, value: Any, fun: Any, args: Any, kwargs: Any, argnums: Any, parents: Any):
        super().__init__(value, fun, args, kwargs, argnums, parents)
        self.fun, self.value, self.args, self.kwargs, self.argnums = fun, value, args, kwargs, argnums

    def initialize_root(self) -> None:
        super().initialize_root()
        self.fun, self.value, self.args, self.kwargs, self.argnums = None, None, (), {}, ()


# what reverse mode does not trace, it does not trace here
notrace_primitives[Recorded] = notrace_primitives[VJPNode]


def record(fun: Callable, x: Any) -> tuple[Any, Recorded | None]:
    """``(fun(x), last node)`` of a recorded trace; the node is None if x has no influence."""
    return open_trace(Recorded.new_root(), fun, x)


def sweep(end: Recorded, w: Any, zeros_stay: bool = False) -> Iterator[tuple[Recorded, Any, tuple[Any, ...]]]:
    """The backward pass from the cotangent `w` of the last node, one node after the other.

    Each comes with its cotangent and with what it hands to its parents, as autograd's rules give it. With
    `zeros_stay` a cotangent of 0 hands on 0 also where the slope is not finite. For magnitudes that is good
    enough; for derivatives it is not: ``sqrt(x)**2`` at 0 would have the slope 0.
    """
    cotangents = {end: (w, False)}
    for node in toposort(end):
        cotangent = cotangents.pop(node)[0]
        handed = tuple(node.vjp(cotangent))
        if zeros_stay:
            handed = tuple(without_zeros_times_infinity(part, cotangent) for part in handed)
        yield node, cotangent, handed
        for parent, part in zip(node.parents, handed, strict=True):
            cotangents[parent] = add_outgrads(cotangents.get(parent), part)


def without_zeros_times_infinity(part: Any, cotangent: Any) -> Any:
    """What a node hands on, with 0 for what is not finite because of a cotangent of 0."""
    if not (is_real_array(part) and is_real_array(cotangent)) or np.all(np.isfinite(part)):
        return part
    if np.shape(cotangent) == np.shape(part):
        return np.where(np.asarray(cotangent) == 0, np.zeros_like(part), part)
    return part if np.any(cotangent) else np.zeros_like(part)


def name_of_operation(fun: Any) -> str:
    """The name of a primitive: that of the NumPy function behind it."""
    raw = getattr(fun, "fun", fun)
    name = getattr(raw, "__name__", type(raw).__name__)
    return "indexing" if name == "__getitem__" else str(name)


def is_real_array(value: Any) -> bool:
    """Whether a value is a real or complex floating number or array, which has rounding errors."""
    return (
        isinstance(value, (float, complex, np.ndarray, np.generic)) and np.asarray(value).dtype.kind in "fc"
    )
