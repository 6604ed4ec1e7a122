"""Plain NumPy on the tracer's boxes: ``np.sum(x)`` does what ``autograd.numpy.sum(x)`` does.

autograd traces calls of its own namespace. Most people write ``import numpy as np``; then ``np.sum(x)`` of a
traced x failed for reasons that had nothing to do with them. Here autograd's `ArrayBox` is given NumPy's two
protocols, ``__array_function__`` (NEP 18) and ``__array_ufunc__`` (NEP 13). Like the rule of indexing in
`reverse`, this holds for the whole process and only makes work what raised before.

A call is brought into the form that autograd's rules understand (arguments by position, defaults and
``out=None`` left out, lists of boxes made arrays), and handed to autograd's primitive. So the numbers are
those of autograd.numpy, to the bit. Where there is no rule, NumPy's own implementation is tried on arrays
of boxes; where that fails too, and where a call assigns in place, a `CallError` names the function.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.core import primitive_vjps
from autograd.extend import Box
from autograd.numpy import fft, linalg, numpy_wrapper
from autograd.numpy.numpy_boxes import ArrayBox
from autograd.numpy.numpy_vjps import nograd_functions
from autograd.tracer import getval, isbox

from .reverse import CallError, TraceError, gathered

__all__ = ["apply_function", "apply_ufunc", "primitive_of"]

# ---------------------------------------------------------------------- which primitive

#: NumPy's function or ufunc -> autograd's primitive
PRIMITIVES: dict[Any, Any] = {}
#: Functions of values: constant almost everywhere, or about shape and dtype.
OF_VALUES: set[Any] = set()
#: NumPy's function -> the same in terms of others, for those that take lists of arrays or are other names.
COMPOSED: dict[Any, Callable] = {}
#: Functions that write into an array.
IN_PLACE = {"copyto", "put", "place", "putmask", "fill_diagonal", "put_along_axis"}


def scan(*modules: ModuleType) -> None:
    """Enter the primitives of these modules of autograd; of two for the same function the one with a rule."""
    for module in modules:
        for candidate in vars(module).values():
            raw = getattr(candidate, "fun", None)
            if raw is not None and (raw not in PRIMITIVES or PRIMITIVES[raw] not in primitive_vjps):
                PRIMITIVES[raw] = candidate


def primitive_of(function: Any) -> Any:
    """autograd's primitive of a NumPy or SciPy function, or None."""
    if function not in PRIMITIVES and isinstance(function, np.ufunc) and "scipy.special" in sys.modules:
        import autograd.scipy.special

        scan(autograd.scipy.special)
    return PRIMITIVES.get(function)


def name_of(function: Any) -> str:
    """``np.linalg.solve``."""
    if isinstance(function, np.ufunc):
        home = "np" if getattr(np, function.__name__, None) is function else "scipy.special"
        if home != "np" and getattr(sys.modules.get(home), function.__name__, None) is not function:
            return function.__name__
    else:
        home = getattr(function, "__module__", "np").replace("numpy", "np")
    return f"{home}.{function.__name__}"


# ---------------------------------------------------------------------- arguments


#: may hold boxes
CONTAINERS = (list, tuple, np.ndarray)


def held(value: Any) -> bool:
    """Whether this argument is no box but may hold some."""
    return type(value) in (list, tuple) or type(value) is np.ndarray and value.dtype.hasobject


def traced(value: Any) -> bool:
    """Whether this argument is a box or holds some."""
    if type(value) in (list, tuple):
        return any(map(traced, value))
    if type(value) is np.ndarray:
        return value.dtype.hasobject and any(map(isbox, value.flat))
    return isbox(value)


def as_box(value: Any) -> Any:
    """An argument that is an array: lists and arrays of boxes as one box."""
    if type(value) in (list, tuple):
        return anp.array([as_box(part) for part in value]) if traced(value) else value
    return gathered(value)


def as_value(value: Any) -> Any:
    """The plain value of an argument."""
    if type(value) in (list, tuple):
        return type(value)(map(as_value, value))
    if traced(value) and not isbox(value):
        return np.array([getval(part) for part in value.flat]).reshape(value.shape)
    return getval(value)


@functools.cache
def in_order(function: Any) -> range:
    """The numbers of arguments, all given by position, for which there is nothing to arrange."""
    signature = parameters(function)
    table = list(signature.parameters.values()) if signature else []
    least = sum(
        p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in table
    )
    return range(least, max(least, sum(p.kind is p.POSITIONAL_ONLY for p in table)) + 1)


@functools.cache
def parameters(function: Any) -> inspect.Signature | None:
    """The signature, if the function tells it."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def no_output(name: str, out: Any) -> None:
    """Refuse ``out=``."""
    if any(part is not None for part in (out if isinstance(out, tuple) else (out,))):
        raise CallError(
            f"`{name}` with out= (also `+=` and the like on a plain array) assigns in place, which cannot be "
            "differentiated; use the value that it returns"
        )


def by_position(p: inspect.Parameter, given: dict[str, Any]) -> bool:
    """Whether this argument must stand by position: required, traced, or never by keyword."""
    return (
        p.default is p.empty or traced(given.get(p.name)) or p.kind is p.POSITIONAL_ONLY and p.name in given
    )


def arranged(function: Any, args: Any, kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
    """The arguments as autograd's rules expect them.

    By position up to the last one that is required or traced, then by keyword those that differ from their
    defaults.
    """
    name, signature = name_of(function), parameters(function)
    if signature is None:
        no_output(name, kwargs.get("out"))
        return [as_box(a) for a in args], {key: value for key, value in kwargs.items() if key != "out"}
    bound = signature.bind(*args, **kwargs)
    given = bound.arguments
    no_output(name, given.pop("out", None))
    table = [p for p in signature.parameters.values() if p.name != "out"]
    more = {p.kind: p.name for p in table if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    keywords = dict(given.pop(more.get(inspect.Parameter.VAR_KEYWORD, ""), {}))
    if inspect.Parameter.VAR_POSITIONAL in more:
        positional = list(bound.args)
        last = -1
        table = [p for p in table if p.kind is p.KEYWORD_ONLY]
    else:
        positional = []
        table = [p for p in table if p.kind is not p.VAR_KEYWORD]
        last = max((i for i, p in enumerate(table) if by_position(p, given)), default=-1)
    for i, p in enumerate(table):
        value = given.get(p.name, p.default)
        if i <= last and p.kind is not p.KEYWORD_ONLY:
            positional.append(None if value is np._NoValue else value)
        elif value is not p.default:
            keywords[p.name] = value
    for key, value in keywords.items():
        if traced(value):
            raise CallError(f"`{name}` cannot be differentiated in the keyword {key}=")
    return [as_box(a) for a in positional], keywords


# ---------------------------------------------------------------------- functions


def apply_function(function: Any, args: Any, kwargs: Any) -> Any:
    """What ``function(*args, **kwargs)`` is where some arguments are boxes.

    Raises
    ------
    CallError
        The function has no derivative rule, or assigns in place.
    """
    if function in COMPOSED:
        return COMPOSED[function](*args, **kwargs)
    if function in OF_VALUES:
        no_output(name_of(function), kwargs.get("out"))
        return function(*map(as_value, args), **{key: as_value(value) for key, value in kwargs.items()})
    if function.__name__ in IN_PLACE:
        raise CallError(
            f"`{name_of(function)}` assigns in place, which cannot be differentiated; build a new array, for "
            "example with np.where, and write `value * np.ones_like(a)` for np.full_like(a, value)"
        )
    primitive = primitive_of(function)
    if primitive not in primitive_vjps:
        return on_objects(function, args, kwargs)
    if not kwargs and len(args) in in_order(function) and not any(map(held, args)):
        positional, keywords = args, kwargs
    else:
        positional, keywords = arranged(function, args, kwargs)
    if not any(map(isbox, positional)):
        return on_objects(function, args, kwargs)
    try:
        return primitive(*positional, **keywords)
    except (NotImplementedError, TypeError, AssertionError) as error:
        return on_objects(function, args, kwargs, error)


def on_objects(function: Any, args: Any, kwargs: Any, reason: Exception | None = None) -> Any:
    """NumPy's own implementation, which may work on arrays of boxes, number by number."""
    implementation = getattr(function, "_implementation", None)
    try:
        if implementation is None:
            raise reason or NotImplementedError("no rule")
        arrays = [as_objects(value) for value in args]
        return gathered(implementation(*arrays, **{key: as_objects(value) for key, value in kwargs.items()}))
    except (TypeError, AttributeError, NotImplementedError, AssertionError, ValueError) as error:
        if isinstance(error, ValueError) and "sequence" not in str(error):
            # the user's own mistake
            raise
        if isinstance(reason, TraceError):
            raise reason from error
        because = f" for these arguments ({reason})" if reason is not None else ""
        raise CallError(f"`{name_of(function)}` has no derivative rule{because}") from error


scan(anp, numpy_wrapper, linalg, fft)
# what the method `clip` of an array calls
PRIMITIVES[(np._core if hasattr(np, "_core") else np.core).umath.clip] = numpy_wrapper.clip
OF_VALUES.update(primitive.fun for primitive in nograd_functions if hasattr(primitive, "fun"))
OF_VALUES.discard(np.full_like)
OF_VALUES.update(
    getattr(np, name)
    for name in (
        "shape ndim size iscomplexobj isrealobj result_type can_cast common_type min_scalar_type array_repr "
        "array_str array2string may_share_memory shares_memory digitize lexsort nanargmax nanargmin "
        "einsum_path diag_indices_from tril_indices_from triu_indices_from savetxt save"
    ).split()
)


def cast(box: Any, dtype: Any) -> Any:
    """astype, where a dtype is asked for that the box does not have."""
    return box if dtype is None or box.dtype == dtype else box.astype(dtype)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """np.unstack."""
    return tuple(anp.moveaxis(x, axis, 0)[i] for i in range(x.shape[axis]))


def array_function(self: Any, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """NEP 18: a NumPy function was called with a box among its arguments."""
    if not all(issubclass(kind, (Box, np.ndarray)) for kind in types):
        return NotImplemented
    return apply_function(function, args, kwargs)


# ---------------------------------------------------------------------- ufuncs

#: tells autograd's primitive not to ask NumPy's dispatch again, where it does
DISPATCHED = {"called_by_autograd_dispatcher": True} if hasattr(ArrayBox, "__array_ufunc__") else {}
REDUCTIONS: dict[Any, Callable] = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
    np.logical_and: np.all,
    np.logical_or: np.any,
}
ACCUMULATIONS: dict[Any, Callable] = {np.add: np.cumsum, np.multiply: np.cumprod}


def apply_ufunc(ufunc: Any, method: str, inputs: Any, kwargs: Any) -> Any:
    """NEP 13: what a ufunc or a method of it is where some inputs are boxes.

    Raises
    ------
    CallError
        The ufunc has no derivative rule, or the call assigns in place.
    """
    name = name_of(ufunc) if method == "__call__" else f"{name_of(ufunc)}.{method}"
    no_output(name, kwargs.pop("out", None))
    if method == "__call__":
        if dtype := kwargs.pop("dtype", None):
            inputs = [
                cast(value, dtype) if isbox(value) else np.asarray(value, dtype)
                for value in map(as_box, inputs)
            ]
        if kwargs.pop("axis", -1) != -1 or any(kwargs[key] is not True for key in kwargs if key == "where"):
            raise CallError(f"`{name}` with these keywords ({', '.join(kwargs)}) has no derivative rule")
        return called(ufunc, inputs)
    if method == "reduce":
        return reduced(ufunc, *inputs, **kwargs)
    if method == "accumulate":
        return accumulated(ufunc, *inputs, **kwargs)
    if method == "outer" and not kwargs:
        a, b = map(as_box, inputs)
        return called(ufunc, (anp.reshape(a, anp.shape(a) + (1,) * anp.ndim(b)), b))
    raise CallError(
        f"`{name}` assigns in place, which cannot be differentiated; build a new array"
        if method == "at"
        else f"`{name}` has no derivative rule"
    )


def called(ufunc: Any, inputs: Any) -> Any:
    """A plain call of a ufunc."""
    if any(map(held, inputs)):
        inputs = [as_box(value) for value in inputs]
    primitive = PRIMITIVES.get(ufunc) or primitive_of(ufunc)
    if primitive is None:
        cause = NotImplementedError(f"no rule for {ufunc}")
        if ufunc.types and set("".join(ufunc.types)) <= set("O->"):
            # made by np.frompyfunc
            return gathered(ufunc(*map(as_objects, inputs)))
    else:
        try:
            return primitive(*inputs, **DISPATCHED)
        except NotImplementedError as error:
            cause = error
    if any(overrides(value) for value in inputs):
        return NotImplemented
    raise CallError(f"`{name_of(ufunc)}` has no derivative rule") from cause


def overrides(value: Any) -> bool:
    """Whether another package may know what to do."""
    return not isbox(value) and getattr(type(value), "__array_ufunc__", None) not in (
        None,
        np.ndarray.__array_ufunc__,
    )


def as_objects(value: Any) -> Any:
    """A box as an array of the boxes of its elements."""
    if not isbox(value):
        return value
    objects = np.empty(value.shape, dtype=object)
    for index in np.ndindex(value.shape):
        objects[index] = value[index]
    return objects


def reduced(
    ufunc: Any, x: Any, axis: Any = 0, dtype: Any = None, keepdims: bool = False, **kwargs: Any
) -> Any:
    """``ufunc.reduce``: the reduction of that name, else one element after the other."""
    x = as_box(x)
    if ufunc in REDUCTIONS:
        if kwargs.get("initial", np._NoValue) is np._NoValue:
            kwargs.pop("initial", None)
        if kwargs.get("where") is True:
            del kwargs["where"]
        x = x if dtype is None else cast(x, dtype)
        return REDUCTIONS[ufunc](x, axis=axis, keepdims=keepdims, **kwargs)
    if not isinstance(axis, int) or keepdims or dtype is not None or kwargs.get("where", True) is not True:
        raise CallError(f"`{name_of(ufunc)}.reduce` with these arguments has no derivative rule")
    return functools.reduce(lambda a, b: called(ufunc, (a, b)), unstack(x, axis=axis))


def accumulated(ufunc: Any, x: Any, axis: int = 0, dtype: Any = None) -> Any:
    """``ufunc.accumulate``."""
    x = as_box(x) if dtype is None else cast(as_box(x), dtype)
    if ufunc in ACCUMULATIONS:
        return ACCUMULATIONS[ufunc](x, axis=axis)
    parts = [*unstack(x, axis=axis)]
    for i in range(1, len(parts)):
        parts[i] = called(ufunc, (parts[i - 1], parts[i]))
    return anp.stack(parts, axis)


def array_ufunc(self: Any, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """NEP 13: a ufunc was called with a box among its inputs."""
    if method == "__call__" and not kwargs:
        return called(ufunc, inputs)
    return apply_ufunc(ufunc, method, inputs, kwargs)


# ---------------------------------------------------------------------- the protocols


def checked_box(value: Any, level: int, node: Any) -> ArrayBox:
    """A box around a box of an outer level; one of its own level is a value that autograd has lost sight of.

    It arises where traced numbers stand in a list or in a keyword of a function of autograd.numpy.
    """
    if value._trace >= level:
        raise CallError(
            "a function of autograd.numpy was given traced numbers in a list or by keyword, which hides them "
            "from autograd; give arrays, by position, or call the function of plain numpy"
        )
    return ArrayBox(value, level, node)


Box.type_mappings[ArrayBox] = checked_box
for name, protocol in (("__array_function__", array_function), ("__array_ufunc__", array_ufunc)):
    setattr(ArrayBox, name, protocol)
