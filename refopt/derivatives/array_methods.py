"""The methods and attributes of arrays that autograd's boxes lack, or have with other arguments.

With `numpy_calls`, which says why, ``x.dot(y)``, ``x.clip(min=0)``, ``x.copy()``, ``x.reshape(2, -1)`` of a
traced x do what they do for an array. Methods that write into the array raise a `CallError`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.builtins import SequenceBox
from autograd.core import primitive_vjps
from autograd.numpy.numpy_boxes import ArrayBox
from autograd.numpy.numpy_wrapper import _astype
from autograd.tracer import getval

from .numpy_calls import CONTAINERS, apply_function, as_box, primitive_of
from .reverse import CallError

__all__: list[str] = []

# ---------------------------------------------------------------------- the same as functions

SAME = (
    "all any argmax argmin argpartition argsort cumprod cumsum diagonal dot max mean min nonzero prod ravel "
    "repeat round searchsorted squeeze std sum swapaxes take trace var"
).split()


def method_of(function: Any) -> Callable:
    """The method that does what the function does; the short call is as fast as autograd's own."""
    primitive = primitive_of(function)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not args and not kwargs:
            return primitive(self)
        return apply_function(function, (self, *args), kwargs)

    method.__name__ = function.__name__
    method.__doc__ = f"As the method `{function.__name__}` of an array."
    return method


# ---------------------------------------------------------------------- those with other arguments


def reshape(self: Any, *shape: Any, order: str = "C", copy: Any = None) -> Any:
    """``x.reshape(2, 3)`` or ``x.reshape((2, 3))``."""
    target = shape[0] if len(shape) == 1 else shape
    return anp.reshape(self, target) if order == "C" else anp.reshape(self, target, order=order)


def transpose(self: Any, *axes: Any) -> Any:
    """``x.transpose(1, 0)`` or ``x.transpose((1, 0))``."""
    if not axes or axes == (None,):
        return anp.transpose(self)
    return anp.transpose(self, axes[0] if isinstance(axes[0], (tuple, list)) else axes)


def clip(self: Any, min: Any = None, max: Any = None, out: Any = None) -> Any:
    """clip; a bound that is left out does not bind."""
    return apply_function(np.clip, (self, min, max, out), {})


def compress(self: Any, condition: Any, axis: Any = None, out: Any = None) -> Any:
    """compress, which as a function has the condition first."""
    return apply_function(np.compress, (condition, self, axis, out), {})


def astype(
    self: Any, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
) -> Any:
    """A cast; to integers or bool it is constant almost everywhere."""
    kind = np.dtype(dtype).kind
    if kind in "fc":
        return _astype(self, np.dtype(dtype))
    if kind in "biu":
        return np.asarray(getval(self)).astype(dtype)
    raise CallError(f"`x.astype({dtype!r})` cannot be differentiated")


def item(self: Any, *index: Any) -> Any:
    """The only element, or that of this index; it stays traced."""
    if index:
        return anp.ravel(self)[index[0]] if len(index) == 1 and np.ndim(index[0]) == 0 else self[index]
    if self.size != 1:
        raise ValueError("can only convert an array of size 1 to a Python scalar")
    return anp.reshape(self, ())


def tolist(self: Any) -> Any:
    """Nested lists of traced numbers."""
    return self if self.ndim == 0 else [tolist(part) for part in self]


def in_place(name: str) -> Callable:
    """A method that writes into the array."""

    def method(self: Any, *_args: Any, **_kwargs: Any) -> Any:
        raise CallError(
            f"`x.{name}(...)` assigns in place, which cannot be differentiated; build a new array, for "
            "example with np.where or np.sort"
        )

    return method


def no_bytes(self: Any, *_args: Any) -> Any:
    """Pickling."""
    raise CallError("a traced number cannot be pickled: what comes back would not be traced")


def same(self: Any, *_args: Any, **_kwargs: Any) -> Any:
    """The box itself, which nothing can write into."""
    return self


# ---------------------------------------------------------------------- operators


def operator_of(primitive: Any, reflected: bool = False) -> Callable:
    """An operator; the other operand may be a list or an array of boxes, as ``np.array([x[0], 1.0])`` is."""

    def forward(self: Any, other: Any) -> Any:
        return primitive(self, as_box(other) if type(other) in CONTAINERS else other)

    def backward(self: Any, other: Any) -> Any:
        return primitive(as_box(other) if type(other) in CONTAINERS else other, self)

    return backward if reflected else forward


OPERATORS = {
    "add": anp.add,
    "sub": anp.subtract,
    "mul": anp.multiply,
    "truediv": anp.true_divide,
    "floordiv": anp.floor_divide,
    "mod": anp.mod,
    "pow": anp.power,
    "matmul": anp.matmul,
}

METHODS: dict[str, Any] = {
    **{f"__{name}__": operator_of(primitive) for name, primitive in OPERATORS.items()},
    **{f"__r{name}__": operator_of(primitive, True) for name, primitive in OPERATORS.items()},
    **{name: method_of(getattr(np, name)) for name in SAME},
    **{name: in_place(name) for name in ("fill", "itemset", "partition", "put", "resize", "sort")},
    "astype": astype,
    "choose": method_of(np.choose),
    "clip": clip,
    "compress": compress,
    "conj": lambda self: anp.conj(self),
    "conjugate": lambda self: anp.conj(self),
    "copy": same,
    "flat": property(lambda self: anp.ravel(self)),
    "flatten": method_of(np.ravel),
    "imag": property(lambda self: anp.imag(self)),
    "item": item,
    "itemsize": property(lambda self: self.dtype.itemsize),
    "mT": property(lambda self: anp.swapaxes(self, -1, -2)),
    "nbytes": property(lambda self: self.size * self.dtype.itemsize),
    "real": property(lambda self: anp.real(self)),
    "reshape": reshape,
    "tolist": tolist,
    "transpose": transpose,
    "view": same,
    "__copy__": same,
    # a deep copy would also copy the trace, and the gradient would end at the copy of x
    "__deepcopy__": same,
    "__reduce_ex__": no_bytes,
    "__pos__": lambda self: anp.positive(self),
    "__divmod__": lambda self, other: (anp.floor_divide(self, other), anp.mod(self, other)),
    "__rdivmod__": lambda self, other: (anp.floor_divide(other, self), anp.mod(other, self)),
    # text is no number that could come back
    "__format__": lambda self, spec: format(getval(self), spec) if spec else str(self),
    # math.floor: constant almost everywhere
    "__floor__": lambda self: math.floor(getval(self)),
    "__ceil__": lambda self: math.ceil(getval(self)),
}


def field(self: Any, name: str) -> Any:
    """``slogdet(A).logabsdet``: the named results of `numpy.linalg`."""
    fields = getattr(type(getval(self)), "_fields", ())
    if name not in fields:
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
    return self[fields.index(name)]


for name, value in METHODS.items():
    setattr(ArrayBox, name, value)
SequenceBox.__getattr__ = field
# NumPy computes np.exp of an array of Python objects with the method `exp` of each
for name, function in vars(np).items():
    if (
        isinstance(function, np.ufunc)
        and not hasattr(ArrayBox, name)
        and primitive_of(function) in primitive_vjps
    ):
        setattr(ArrayBox, name, primitive_of(function))
