"""Derivative rules that autograd lacks or has wrong: elements moved, selected, copied, sorted; differences.

The second part of `missing_rules`, which says what the rules have in common.
"""

from __future__ import annotations

import math
from typing import Any

import autograd.numpy as anp
import numpy as onp
from autograd.core import VJPNode
from autograd.extend import defvjp
from autograd.numpy import linalg
from autograd.numpy import numpy_wrapper as wrapped
from autograd.tracer import getval, notrace_primitives

from .missing_rules import Definition, complete, only_with
from .taylor_mode import diagonals, differences, sorting
from .taylor_mode.creation import linspace_definition
from .taylor_mode.indexing import take_definition
from .taylor_mode.shapes import flip_definition

__all__ = ["selection"]

# ---------------------------------------------------------------------- elements moved or selected


def selection(fun: Any) -> Definition:
    """The definition of a function that moves, repeats, selects elements or fills with constants.

    The function itself, applied to the numbers 1, 2, ... of the elements, says where each element comes from;
    0 is a constant.
    """

    def definition(ans: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        shape = anp.shape(x)
        index = fun.fun(onp.arange(1, math.prod(shape) + 1).reshape(shape), *args, **kwargs)
        taken = anp.ravel(x)[index - 1]
        return taken if onp.all(index) else anp.where(index == 0, getval(ans), taken)

    return definition


def sorted_definition(arrange: Any) -> Definition:
    """sort and partition along one axis, by the indices that they put in order."""

    def definition(ans: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        order = arrange(onp.asarray(getval(x)), *args, **kwargs)
        axis = kwargs.get("axis", -1)
        if axis is None:
            return anp.ravel(x)[order]
        return sorting.take_along(anp, x, order, axis)

    return definition


def take_along_definition(ans: Any, x: Any, indices: Any, axis: Any = -1) -> Any:
    """take_along_axis."""
    return anp.ravel(x)[indices] if axis is None else sorting.take_along(anp, x, indices, axis)


def pad_definition(ans: Any, x: Any, width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """pad with constants, or with the array's own elements."""
    kwargs.pop("constant_values", None)
    if kwargs or mode not in ("constant", "edge", "reflect", "symmetric", "wrap"):
        raise NotImplementedError(f"pad with mode={mode!r} and these keywords has no derivative rule")
    return selection(anp.pad)(ans, x, width, mode)


def constant_padding(argnums: Any, ans: Any, args: Any, kwargs: Any) -> bool:
    """pad with zeros, where autograd's rule is right."""
    return args[2:] == ("constant",) and not kwargs or len(args) == 2 and kwargs == {"mode": "constant"}


def even_repeats(argnums: Any, ans: Any, args: Any, kwargs: Any) -> bool:
    """repeat by one number, along no axis or the first ones."""
    options = {**dict(zip(("repeats", "axis"), args[1:], strict=False)), **kwargs}
    axis = options.get("axis")
    return onp.ndim(options["repeats"]) == 0 and (axis is None or axis >= 0)


def compress_definition(ans: Any, condition: Any, x: Any, axis: Any = None, out: Any = None) -> Any:
    """compress by the places where the condition holds."""
    return take_definition(ans, x, onp.flatnonzero(condition), axis)


for fun in (anp.copy, anp.delete, anp.diagflat, anp.resize):
    complete(fun, selection(fun))
if hasattr(anp, "matrix_transpose"):
    for fun in (anp.matrix_transpose, linalg.matrix_transpose, linalg.diagonal):
        complete(fun, selection(fun))
complete(anp.compress, compress_definition)
complete(anp.extract, compress_definition)
complete(anp.take, selection(anp.take), only_with("axis", most=2))
complete(anp.take_along_axis, take_along_definition)
complete(anp.flip, lambda ans, x, axis=None: flip_definition(ans, x, axis))
complete(
    anp.tile,
    selection(anp.tile),
    lambda argnums, ans, args, kwargs: (
        anp.ndim(args[0]) == 1 and onp.ndim(args[1] if len(args) > 1 else kwargs["reps"]) == 0
    ),
)
complete(anp.repeat, selection(anp.repeat), even_repeats)
complete(anp.pad, pad_definition, constant_padding)
complete(
    anp.rot90, selection(anp.rot90), lambda argnums, ans, args, kwargs: len(args) < 3 and "axes" not in kwargs
)
complete(
    anp.roll, selection(anp.roll), lambda argnums, ans, args, kwargs: len(args) > 1 and onp.ndim(args[1]) == 0
)
complete(
    anp.rollaxis,
    selection(anp.rollaxis),
    lambda argnums, ans, args, kwargs: all(n >= 0 for n in (*args[1:], *kwargs.values())),
)
complete(
    anp.broadcast_to,
    lambda ans, x, *_args, **_kwargs: x + onp.zeros(anp.shape(ans)),
    lambda argnums, ans, args, kwargs: anp.ndim(args[0]) == anp.ndim(ans) and len(args) == 2 and not kwargs,
)
complete(
    anp.diag,
    diagonals.diag_definition,
    lambda argnums, ans, args, kwargs: (
        anp.ndim(args[0]) == 1 or len(set(anp.shape(args[0]))) == 1 and not args[1:] and not kwargs
    ),
)
complete(
    anp.diagonal,
    diagonals.diagonal_definition,
    lambda argnums, ans, args, kwargs: args[1:] == (0, -1, -2) and len(set(anp.shape(args[0])[-2:])) == 1,
)
complete(
    anp.trace,
    lambda ans, x, offset=0, axis1=0, axis2=1, dtype=None, out=None: diagonals.trace_definition(
        ans, x, offset, axis1, axis2
    ),
    lambda argnums, ans, args, kwargs: (
        anp.ndim(args[0]) == 2 and len(args) <= 2 and {"offset"}.issuperset(kwargs)
    ),
)
flat = lambda argnums, ans, args, kwargs: anp.ndim(args[0]) == 1  # noqa: E731
complete(anp.sort, sorted_definition(onp.argsort), flat)
complete(anp.partition, sorted_definition(onp.argpartition), flat)
complete(anp.linspace, linspace_definition, lambda argnums, ans, args, kwargs: len(args) == 3 and not kwargs)
complete(
    anp.logspace,
    lambda ans, start, stop, num=50, endpoint=True, base=10.0: (
        base ** linspace_definition(ans, start, stop, num, endpoint)
    ),
)
complete(
    anp.geomspace,
    lambda ans, start, stop, num=50, endpoint=True: anp.exp(
        linspace_definition(ans, anp.log(start), anp.log(stop), num, endpoint)
    ),
)
# autograd's rule of a cast to integers is that of a cast to floats
defvjp(
    wrapped._astype,
    lambda ans, x, dtype, **_kwargs: (
        lambda g: wrapped._astype(g, x.dtype) if ans.dtype.kind in "fc" else onp.zeros(anp.shape(x), x.dtype)
    ),
)
# autograd takes the fill value for a constant
notrace_primitives[VJPNode].discard(anp.full_like)
complete(anp.full_like, lambda ans, x, value, **_kwargs: value + onp.zeros(anp.shape(ans)))


def diff_definition(
    ans: Any, x: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None
) -> Any:
    """Differences of neighbours, with more elements before and after."""

    def one(part: Any) -> Any:
        shape = anp.shape(x)
        return part if anp.ndim(part) else part + onp.zeros((*shape[:axis], 1, *shape[axis:][1:]))

    parts = [x if part is x else one(part) for part in (prepend, x, append) if part is not None]
    return differences.diff_definition(ans, anp.concatenate(parts, axis=axis), n, axis)


complete(anp.diff, diff_definition, only_with("n", "axis", most=3))
complete(
    anp.gradient,
    differences.gradient_definition,
    lambda argnums, ans, args, kwargs: anp.ndim(args[0]) > 1 and kwargs.get("axis") is None,
)
