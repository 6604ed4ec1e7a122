"""Reverse mode on autograd's tracer: gradients, Hessian-vector products, dense Hessians.

Every trace of a user's function is opened by `open_trace`. Compared with ``autograd.make_vjp``, three things
are different, because an optimizer needs them: a function that raises leaves the tracer as it was; a function
that does not depend on `x` has a zero gradient, without a warning; a function that autograd cannot follow is
refused, with the line that is the likely cause (`refusal`).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.core import SparseObject, VJPNode, backward_pass, primitive_vjps, vspace
from autograd.extend import defjvp, defvjp, primitive
from autograd.numpy.numpy_boxes import ArrayBox
from autograd.tracer import isbox, new_box, toposort, trace_stack

from ..checks import describe
from ..status import Stop
from .refusal import (
    ADVICE,
    CallError,
    TraceError,
    broken_rule,
    checked_constant,
    hides_argument,
    lost,
    name_of,
    own_error,
    refused,
    stored,
)

__all__ = ["TraceError", "gradient", "value_and_gradient", "hvp", "hessian_by_rows", "trace", "open_trace"]


class fresh_trace:
    """A new level of autograd's trace stack; unlike autograd's own, it is left also when the body raises."""

    def __enter__(self) -> int:
        self.below = trace_stack.top
        trace_stack.top += 1
        return trace_stack.top

    def __exit__(self, *exc: Any) -> None:
        trace_stack.top = self.below


def trace(fun: Callable, x: Any) -> tuple[Any, Callable]:
    """Value of ``fun(x)`` and the map from an output cotangent to the input gradient.

    Parameters
    ----------
    fun : callable
        Maps an array to an array or a scalar, written in ``autograd.numpy``.
    x : (n,) array

    Returns
    -------
    value : array or scalar
    backward : callable
        ``backward(w)`` is ``J(x)^T w``; it may be called many times.
    """
    start = VJPNode.new_root()
    value, end = open_trace(start, fun, x)
    return value, Backward(fun, x, end)


class Backward:
    """``w -> J(x)^T w`` from the end node of a trace; it is None where x has no influence."""

    __slots__ = ("fun", "x", "end")

    def __init__(self, fun: Callable, x: Any, end: Any):
        self.fun, self.x, self.end = fun, x, end

    def __call__(self, w: Any) -> Any:
        return vspace(self.x).zeros() if self.end is None else backwards(w, self.end, self.fun)


def backwards(w: Any, end: Any, fun: Callable) -> Any:
    """autograd's backward pass; an error in one of its rules becomes a `TraceError`."""
    try:
        return backward_pass(w, end)
    except (Stop, TraceError, MemoryError):
        raise
    except Exception as error:
        raise broken_rule(error, fun) from error


def open_trace(start: Any, fun: Callable, x: Any) -> tuple[Any, Any]:
    """``(value, end_node)`` of `fun`, traced from the node `start`; no influence of x gives the node None.

    Whose fault an exception or a missing influence is, is found out by plain calls, see `refusal`.
    """

    def call() -> tuple[Any, int]:
        with fresh_trace() as level:
            return gathered(fun(new_box(x, level, start))), level

    try:
        end, level = call()
    except CallError as error:
        raise refused(error, fun) from error
    except (Stop, TraceError):
        raise
    except Exception as error:
        if isinstance(error, MemoryError) or own_error(error, fun, x, call):
            raise
        raise refused(error, fun) from error
    if isbox(end) and end._trace == level:
        if type(end._node) is not type(start):
            raise stored(fun)
        return end._value, end._node
    if isinstance(end, np.ndarray) and end.dtype == object:
        raise TraceError(
            f"{name_of(fun)} returned an array of Python objects: a plain `numpy` call on the traced "
            f"variables hid them from autograd. {ADVICE}"
        )
    if not isbox(end):
        checked_constant(fun, x, end, call)
    return end, None


def gathered(result: Any) -> Any:
    """`result` with one traced array in place of an array of traced numbers, as ``np.array([x[0], 1.0])`` is.

    ``np.array`` and ``np.asarray`` cannot be followed; they make arrays of Python objects, here of autograd's
    boxes. Also inside lists and tuples.
    """
    if type(result) is np.ndarray and result.dtype == object and any(map(isbox, result.flat)):
        return anp.reshape(anp.array(list(result.flat)), result.shape)
    if type(result) in (list, tuple) and any(type(part) in (list, tuple, np.ndarray) for part in result):
        return type(result)(gathered(part) for part in result)
    return result


def trace_twice(fun: Callable, x: Any) -> tuple[Any, Callable]:
    """``(f, derivatives)`` from one call of a scalar `fun`; ``derivatives()`` is ``(g, v -> H v)``.

    The call is traced on two levels at once. A backward pass over the inner level is the gradient, and is
    itself recorded on the outer level; a backward pass over that is a product.
    """
    with fresh_trace() as level:
        outer = new_box(x, level, VJPNode.new_root())
        value, end = open_trace(VJPNode.new_root(), fun, outer)

    def derivatives() -> tuple[Any, Callable]:
        if end is None:
            return vspace(x).zeros(), lambda v: vspace(x).zeros()
        g = backwards(vspace(value).ones(), end, fun)
        if not isbox(g):
            return g, constant_gradient(fun, x, g)
        return g._value, lambda v: backwards(v, g._node, fun)

    derivatives.end = end  # type: ignore[attr-defined]
    return (value._value if isbox(value) else value), derivatives


def has_foreign_rules(backward: Any) -> bool:
    """Whether a trace, of `trace` or `trace_twice`, has used a derivative rule of the user's own."""
    if backward.end is None or not process_has_foreign_rules(len(primitive_vjps)):
        return False
    return any(foreign(part) for node in toposort(backward.end) for part in parts_of(node.vjp))


@functools.cache
def process_has_foreign_rules(_count: int) -> bool:
    """Whether there are primitives beyond autograd's own and ours; asked anew when their number changes."""
    return any(foreign(getattr(fun, "fun", fun)) for fun in primitive_vjps)


def parts_of(rule: Any, depth: int = 3) -> Any:
    """A rule and the functions that it closes over."""
    yield rule
    for cell in getattr(rule, "__closure__", None) or ():
        with contextlib.suppress(ValueError):  # an empty cell
            if depth and callable(cell.cell_contents):
                yield from parts_of(cell.cell_contents, depth - 1)


def foreign(fun: Any) -> bool:
    """Whether a function belongs to none of the packages whose rules are known."""
    module = getattr(fun, "__module__", None) or "numpy"
    return module.split(".")[0] not in (
        "autograd",
        "numpy",
        "scipy",
        "refopt",
        "builtins",
        "functools",
        "operator",
    )


def constant_gradient(fun: Callable, x: Any, g: Any) -> Callable:
    """The product with a Hessian of zero, once it has been seen that the gradient does not change near x."""
    looked: list[bool] = []

    def product(v: Any) -> Any:
        if not looked:
            looked.append(hides_argument(lambda z: gradient(fun, z), x, g))
        if looked[0]:
            raise lost(fun)
        return vspace(x).zeros()

    return product


def scalar(value: Any) -> bool:
    """Whether `value` has exactly one entry."""
    return np.size(value) == 1 if not isbox(value) else vspace(value).size == 1


def value_and_gradient(fun: Callable, x: Any, *args: Any) -> tuple[Any, Any]:
    """Value and gradient of a scalar function from one trace.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args) -> scalar`` in ``autograd.numpy``.
    x : (n,) array

    Returns
    -------
    f : scalar
    g : (n,) array

    Raises
    ------
    TraceError
        If autograd cannot follow `fun`.
    ValueError
        If `fun` does not return one number.

    Examples
    --------
    >>> import numpy as np
    >>> from refopt.derivatives import value_and_gradient
    >>> f, g = value_and_gradient(lambda x: x[0] ** 2 * x[1], np.array([3.0, 2.0]))
    >>> print(f, g)
    18.0 [12.  9.]
    """
    value, backward = trace(lambda x: fun(x, *args), x)
    if not scalar(value):
        raise ValueError(f"fun must return one number, got {describe(value)}")
    return value, backward(vspace(value).ones())


def gradient(fun: Callable, x: Any, *args: Any) -> Any:
    """Gradient of a scalar function, shape (n,); see `value_and_gradient`.

    Examples
    --------
    >>> import numpy as np
    >>> from refopt.derivatives import gradient
    >>> print(gradient(lambda x: x[0] ** 2 * x[1], np.array([3.0, 2.0])))
    [12.  9.]
    """
    return value_and_gradient(fun, x, *args)[1]


def product_function(fun: Callable, x: Any) -> Callable:
    """``v -> H(x) v`` from one trace of the gradient, which serves any number of products.

    The Hessian is symmetric, so reverse mode over the gradient gives ``H^T v = H v``
    (Pearlmutter 1994, doi 10.1162/neco.1994.6.1.147, derives the same product).
    """
    _, backward = trace(lambda x: gradient(fun, x), x)
    return backward


def hvp(fun: Callable, x: Any, v: Any, *args: Any) -> Any:
    """Hessian-vector product ``H(x) v`` without the Hessian, shape (n,).

    Examples
    --------
    >>> import numpy as np
    >>> from refopt.derivatives import hvp
    >>> print(hvp(lambda x: x[0] ** 2 * x[1], np.array([3.0, 2.0]), np.array([1.0, 0.0])))
    [4. 6.]
    """
    return product_function(lambda x: fun(x, *args), x)(v)


def hessian_by_rows(fun: Callable, x: Any) -> Any:
    """Dense Hessian (n, n), symmetrised, by n products from one trace: always possible, rarely fastest."""
    product = product_function(fun, x)
    H = anp.stack([product(e) for e in np.eye(len(x), dtype=vspace(x).dtype)])
    return (H + H.T) / 2


# ---------------------------------------------------------------------- indexing

# autograd's own rule for ``x[...]`` adds element by element (``np.add.at``), also where the index is a slice.
# The rule below replaces it, for the whole process: the numbers are the same to the bit, and a gradient or a
# Hessian-vector product of a function that slices `x` takes half the time.


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
