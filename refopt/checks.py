"""One wording for input errors: what was given, what is allowed, what to do."""

from __future__ import annotations

import dataclasses
import difflib
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.optimize

__all__ = [
    "closest",
    "unknown",
    "start_vector",
    "shape_list",
    "real_number",
    "whole_number",
    "in_interval",
    "one_of",
    "boolean",
    "switch",
    "limit",
    "optional",
    "function",
    "warn",
]

# Folders whose frames are passed over, so that a warning names the line of the user's own call.
INSIDE = tuple(str(Path(file).parent) for file in (__file__, scipy.optimize.__file__))


def describe(value: Any) -> str:
    """A short text for `value`, fit for an error message."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def closest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names most like `name`, best first; '-', '_' and case are ignored."""
    plain = {simplify(k): k for k in known}
    return [plain[k] for k in difflib.get_close_matches(simplify(name), plain, n=count, cutoff=0.5)]


def simplify(name: str) -> str:
    """`name` in lower case without '-' and '_', the form in which names are compared."""
    return name.lower().replace("-", "").replace("_", "")


def unknown(what: str, name: str, known: Iterable[str]) -> ValueError:
    """The error for a name that does not exist; it suggests the closest known names."""
    known = list(known)
    near = closest(name, known)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known: {', '.join(sorted(known))}"
    return ValueError(f"unknown {what} {name!r}; {hint}")


def start_vector(x0: Any, shapes: Any = None) -> np.ndarray:
    """A flat float64 or float32 copy of `x0`; an error says why it cannot be a start."""
    if x0 is None:
        raise TypeError("x0 is None; give a one-dimensional array of numbers, the point to start from")
    try:
        x = np.asarray(x0)
    except ValueError as error:
        raise ValueError(f"x0 is not a rectangular array of numbers ({error}); give a flat vector") from None
    if x.dtype == object or x.dtype.kind in "USVMm":
        raise TypeError(f"x0 has dtype {x.dtype}; give real numbers (float64, float32 or integers)")
    if np.iscomplexobj(x):
        raise TypeError(
            f"x0 is complex ({x.dtype}); give real numbers, for example the stacked real and imaginary "
            "parts np.concatenate([z.real, z.imag])"
        )
    if x.ndim == 0:
        x = x.reshape(1)
    if x.size == 0:
        raise ValueError("x0 is empty; give at least one variable")
    if x.ndim > 1 and shapes is None:
        raise ValueError(
            f"x0 has shape {x.shape}; give a flat vector, np.ravel(x0), and its tensor shape as "
            f"shapes=[{x.shape}] where a method needs it"
        )
    dtype = x.dtype if x.dtype in (np.float32, np.float64) else np.float64
    x = np.array(x, dtype=dtype, order="C", copy=True).reshape(-1)
    if not np.all(np.isfinite(x)):
        bad = int(np.flatnonzero(~np.isfinite(x))[0])
        raise ValueError(f"x0 must be finite, but x0[{bad}] = {x[bad]}")
    return x


def shape_list(shapes: Any, n: int) -> tuple[tuple[int, ...], ...] | None:
    """`shapes` as a tuple of tuples whose sizes add up to `n` (None stays None: one flat tensor)."""
    if shapes is None:
        return None
    try:
        result = tuple(
            (int(s),) if isinstance(s, (int, np.integer)) else tuple(int(k) for k in s) for s in shapes
        )
    except (TypeError, ValueError):
        raise TypeError(
            f"shapes must be a list of tensor shapes such as [(3, 2), (3,)], got {describe(shapes)}"
        ) from None
    if any(k < 0 for shape in result for k in shape):
        raise ValueError(f"shapes must not hold negative lengths, got {list(result)}")
    total = sum(int(np.prod(s, dtype=np.int64)) for s in result)
    if total != n:
        raise ValueError(f"shapes {list(result)} hold {total} numbers, but x0 has {n}; they must be equal")
    return result


def real_number(who: str, name: str, value: Any) -> float:
    """`value` as a float; nan and anything that is not a real number are refused."""
    if (
        isinstance(value, (bool, str))
        or not np.isscalar(value)
        or isinstance(value, (complex, np.complexfloating))
    ):
        raise TypeError(f"{who}: {name} must be a real number, got {describe(value)}")
    number = float(value)
    if np.isnan(number):
        raise ValueError(f"{who}: {name} must be a real number, got nan")
    return number


def in_interval(who: str, name: str, value: Any, interval: str) -> float:
    """`value` as a float inside `interval`, written as in mathematics: "[0, 1)", "(0, inf)"."""
    number = real_number(who, name, value)
    low, high = (float(part) for part in interval[1:-1].split(","))
    above = number >= low if interval[0] == "[" else number > low
    below = number <= high if interval[-1] == "]" else number < high
    if not (above and below):
        raise ValueError(f"{who}: {name} must be in {interval}, got {number:g}")
    return number


def whole_number(who: str, name: str, value: Any, least: int = 0) -> int:
    """`value` as an int of at least `least`."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float, np.integer, np.floating))
        or value != value
    ):
        raise TypeError(f"{who}: {name} must be a whole number >= {least}, got {describe(value)}")
    if value in (np.inf, -np.inf) or int(value) != value or value < least:
        raise ValueError(f"{who}: {name} must be a whole number >= {least}, got {value:g}")
    return int(value)


def increasing(who: str, **values: float) -> None:
    """Each value must be below the next."""
    names = list(values)
    for low, high in zip(names, names[1:], strict=False):
        if not values[low] < values[high]:
            raise ValueError(
                f"{who}: {low} must be below {high}, got {low}={values[low]:g}, {high}={values[high]:g}"
            )


def at_defaults(who: str, record: Any, names: Iterable[str], given: str, other: str) -> None:
    """The fields of a dataclass that have no effect with `given` must be at their defaults."""
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if field.name in names and value != field.default:
            what = f"{who}: {field.name} has no effect with {given}, got {value!r}"
            raise ValueError(f"{what}; leave it out, or set {other}")


def boolean(who: str, name: str, value: Any) -> bool:
    """`value` if it is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{who}: {name} must be True or False, got {describe(value)}")
    return bool(value)


def switch(who: str, name: str, value: Any) -> bool:
    """True or False from what SciPy takes for it: a truth value, None (off), or a number as in ``disp=1``."""
    if value is None:
        return False
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if not isinstance(value, (int, np.integer)) or value < 0:
        raise TypeError(
            f"{who}: {name} must be True, False or a whole number >= 0 (0 is off), got {describe(value)}"
        )
    return bool(value)


def limit(who: str, name: str, value: Any, least: int = 0) -> float:
    """`value`, at least `least`, as the int that counting stops at; inf, for no limit, stays inf."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{who}: {name} must be a number >= {least}, or inf, got {describe(value)}")
    # nan compares false
    if not value >= least:
        raise ValueError(f"{who}: {name} must be a number >= {least}, or inf, got {value:g}")
    return np.inf if np.isinf(value) else int(value)


def one_of(who: str, name: str, value: Any, allowed: Iterable[Any]) -> Any:
    """`value` if it is among `allowed`."""
    allowed = tuple(allowed)
    if not any(value is a or (isinstance(value, str) and value == a) for a in allowed):
        options = ", ".join(map(repr, allowed))
        near = closest(value, [a for a in allowed if isinstance(a, str)], 1) if isinstance(value, str) else []
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{who}: {name} must be one of {options}, got {describe(value)}{hint}")
    return value


def optional(check: Callable[..., Any], who: str, name: str, value: Any, *rest: Any) -> Any:
    """None if `value` is None, else the result of ``check(who, name, value, *rest)``."""
    return None if value is None else check(who, name, value, *rest)


def function(who: str, name: str, value: Any) -> Any:
    """`value` if it can be called."""
    if not callable(value):
        raise TypeError(f"{who}: {name} must be callable, got {describe(value)}")
    return value


def known_options(who: str, given: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """A copy of `given`; an unknown key is an error that names the closest known one."""
    known = tuple(known)
    for key in given:
        if not isinstance(key, str):
            raise TypeError(f"{who}: the names of options are strings, got {describe(key)}")
        if key not in known:
            raise unknown(f"option for {who}", key, known)
    return dict(given)


def held(who: str, values: Mapping[str, Any], rules: Mapping[str, Any]) -> dict[str, Any]:
    """`values`, each checked against its rule; the first that breaks its rule raises an error.

    A rule is an interval, ``"[0, 1)"``; ``"whole >= 1"``; ``"limit >= 1"``, a number or inf, see `limit`;
    ``"switch"``, see `switch`; a tuple of choices; ``bool``; or ``callable``. A rule in a list,
    ``["(0, inf)"]``, also allows None. An array of no dimension counts as the number in it. Whole numbers,
    limits and switches are returned as int or bool, all else unchanged.

    Examples
    --------
    >>> held("Box", {"size": 3.0, "name": None}, {"size": "whole >= 1", "name": [("a", "b")]})
    {'size': 3, 'name': None}
    """
    answer = dict(values)
    for name, rule in rules.items():
        value = values[name]
        if isinstance(value, np.ndarray) and value.ndim == 0:
            answer[name] = value = value[()]
        if isinstance(rule, list):
            if value is None:
                continue
            rule = rule[0]
        if rule is bool:
            boolean(who, name, value)
        elif rule is callable:
            function(who, name, value)
        elif isinstance(rule, tuple):
            one_of(who, name, value, rule)
        elif rule == "switch":
            answer[name] = switch(who, name, value)
        elif rule.startswith("limit >= "):
            answer[name] = limit(who, name, value, int(rule[9:]))
        elif rule.startswith("whole >= "):
            answer[name] = whole_number(who, name, value, int(rule[9:]))
        else:
            in_interval(who, name, value, rule)
    return answer


def warn(text: str, category: type[Warning]) -> None:
    """A warning at the line of the user's call, outside this package and SciPy's optimizers."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(INSIDE):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)
