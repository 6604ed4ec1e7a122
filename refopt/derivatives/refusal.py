"""Functions that autograd cannot follow: how that is found out, and the error that says why.

The rule does not look at words in error texts, but at what happens. The function is called with a plain array
at the same x:

    the plain call works, the traced call raises, and raises again      the tracer is the cause: `TraceError`
    the plain call raises too, or the second traced call works          the user's own error, left as it is
    the plain call gives another value than the traced call             `TraceError`
    the traced value does not depend on x, plain values near x do       `TraceError`

A traced call that does not fail when it is repeated is no proof where the error speaks of the tracer's boxes:
then the function fails now and then, and the tracer is the cause.
"""

from __future__ import annotations

import inspect
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import autograd
import numpy as np
import scipy
from autograd.tracer import getval, isbox

from ..checks import describe
from ..status import Stop

__all__ = [
    "ADVICE",
    "CallError",
    "TraceError",
    "broken_rule",
    "changed",
    "checked_constant",
    "hides_argument",
    "lost",
    "name_of",
    "not_traced",
    "own_error",
    "refused",
    "stored",
]


ROUNDED = 1e-12  # relative difference of two values that may come from rounding


class TraceError(TypeError):
    """The function cannot be followed by autograd's tracer; the message names the likely cause."""


class CallError(TraceError):
    """The same, raised at the call that is the cause; on its way to the user the line is added."""


ADVICE = (
    "Use `import autograd.numpy as np` in fun and build new arrays instead of assigning into old ones; "
    "or take finite differences, jac='3-point' (options={'fallback': '3-point'}: only where needed); or "
    "give jac= (and hess= or hessp= where the method needs them), then fun is called with plain arrays"
)

# Files whose lines are no likely cause; and those that the user did not write.
INNER = tuple(
    str(place) for place in (Path(__file__).parents[1], *(m.__path__[0] for m in (autograd, np, scipy)))
)
INSTALLED = re.compile(r"[/\\](site-packages|dist-packages|lib[/\\]python\d)|^<")

BOXES = ("ArrayBox", "SequenceBox", "DictBox", "FloatBox")

CAUSES = (
    (re.compile(r"\b(math\.\w+)\("), "`{0}` takes plain numbers only; write `np.{1}` from autograd.numpy"),
    (
        re.compile(r"\b(float|int|bool|complex)\("),
        "`{0}(...)` asks for a plain number; leave the value as it is",
    ),
    (
        re.compile(r"[\w\])]\s*\[[^=]*\]\s*(?:[-+*/@]|\*\*|//)?=(?!=)"),
        "assignment into an array cannot be differentiated; build the array with np.array([...]), np.stack, "
        "np.concatenate or np.where",
    ),
    (
        re.compile(r"\b((?:np|numpy)\.(?:array|as\w*array|fromiter|float\d*))\("),
        "`{0}` makes plain numbers here; leave it or its dtype out, or write np.stack([...])",
    ),
    (
        re.compile(r"\b((?:np|numpy|scipy|sp|special|linalg)(?:\.\w+)+)\("),
        "`{0}` is not differentiable here: it has no rule, is SciPy's (use autograd.scipy), or was "
        "given a list or np.array([...]) of traced numbers (write np.stack([...]))",
    ),
)
# What makes a function do something else for the tracer's variables than for plain arrays.
DIFFERENCES = re.compile(
    r"isinstance|\btype\(|dtype|isscalar|except|pd\.|pandas|asarray|tolist|getattr|hash|id\("
)


# ---------------------------------------------------------------- what happened


def plain(x: Any) -> Any:
    """The plain array inside a traced variable, through all levels of tracing."""
    while isbox(x):
        x = getval(x)
    return x


def own_error(error: Exception, fun: Callable, x: Any, traced_again: Callable[[], Any]) -> bool:
    """Whether the `error` that a traced call at x raised is the user's own, and not the tracer's doing.

    Where a limit on evaluations leaves no room to find out, it is taken for the user's own.
    """
    try:
        fun(np.array(plain(x)))
    except Exception:
        return True
    if any(box in str(error) for box in BOXES):
        return False
    try:
        traced_again()
    except Stop:
        return True
    except Exception:
        return False
    return True


def checked_constant(fun: Callable, x: Any, out: Any, traced: Callable[[], Any]) -> None:
    """Raise `TraceError` if a result that the tracer takes for a constant is another one by a plain call, or
    changes with x.
    """
    expected = numbers(out)
    if expected is None:
        return
    gap = distance(fun, np.array(plain(x)), expected)
    if gap > ROUNDED * float(np.abs(expected).max(initial=0.0)) and np.all(np.isfinite(expected)):
        raise changed(fun, describe(plain(fun(np.array(plain(x))))), describe(plain(out)), traced)
    if hides_argument(fun, x, out):
        raise lost(fun)


def hides_argument(fun: Callable, x: Any, out: Any) -> bool:
    """Whether a result that the tracer takes for a constant changes with x.

    The values at a distance t and at t/8 tell a hidden dependence, whose change shrinks with t, from a jump,
    such as the sign of 0, where a derivative of zero is all that there is.
    """
    x = np.array(plain(x))
    if x.size == 0 or x.dtype.kind not in "fc":
        return False
    shift = 1e-4 * (1.0 + np.abs(x)) * np.cos(np.arange(x.size)).reshape(x.shape).astype(x.dtype)
    out = numbers(out)
    if out is None:
        return False
    far = distance(fun, x + shift, out)
    if not far > 0:
        return False
    near = distance(fun, x + shift / 8, out)
    return bool(far > 2 * near) if near > 0 else distance(fun, x - shift, out) > 0


def distance(fun: Callable, x: np.ndarray, out: np.ndarray) -> float:
    """How far ``fun(x)`` is from `out`; nan if it raises an error or has another shape."""
    try:
        with np.errstate(all="ignore"):
            value = numbers(fun(x))
            if value is None or value.shape != out.shape:
                return np.nan
            gap = np.abs(value - out)
    except Stop:
        raise
    except Exception:
        return np.nan
    return float(gap.max()) if gap.size else 0.0


def numbers(value: Any) -> np.ndarray | None:
    """A result as an array of plain numbers, or None."""
    try:
        array = np.asarray(plain(value))
    except Exception:
        return None
    return array if array.dtype.kind in "fiubc" else None


# ---------------------------------------------------------------- the errors


def refused(error: Exception, fun: Callable) -> TraceError:
    """The error for a function whose traced call raised `error`, while its plain call works."""
    text = str(error) or type(error).__name__
    named = isinstance(error, CallError)
    frame = blamed(traceback.extract_tb(error.__traceback__))
    line = (frame.line or "").strip() if frame else ""
    cause = text if named else cause_of(line) or f"{type(error).__name__}: {text}"
    if "has no callable" in text:
        cause = "np.array([...]) of traced numbers is an array of Python objects; write np.stack([...])"
    raised = f", with autograd's traced variables it raises {type(error).__name__}"
    happened = "" if named else f": a call with a plain array works{raised}"
    place = f" Line {frame.lineno} of {frame.filename}: `{line}`." if frame else ""
    return TraceError(
        f"autograd cannot differentiate {name_of(fun)}{happened}.{place} Likely cause: {cause}. {ADVICE}."
    )


def broken_rule(error: Exception, fun: Callable) -> TraceError:
    """The error for a function with a call whose derivative rule in autograd fails."""
    return TraceError(
        f"autograd cannot differentiate {name_of(fun)}: the rule for the derivative of one of its calls "
        f"raised {type(error).__name__}: {error}. {ADVICE}."
    )


def changed(fun: Callable, expected: Any, got: Any, traced: Callable[[], Any]) -> TraceError:
    """The error for a function that gives another value with traced variables than with a plain array."""
    cause = swallowed(traced) or suspicious(fun) or "it tests the type of x or catches the tracer's errors"
    return TraceError(
        f"{name_of(fun)} is not the same function for autograd: with a plain array it gives {expected}, with "
        f"autograd's traced variables {got}. Likely cause: {cause}. {ADVICE}."
    )


def lost(fun: Callable, what: str = "the result") -> TraceError:
    """The error for a result, or a gradient, that depends on x in a way that the tracer did not see."""
    where = suspicious(fun)
    return TraceError(
        f"{what} of {name_of(fun)} depends on x, but the tracer did not see how: its derivative would be "
        "wrong. It leaves autograd on the way (numpy.asarray, float(), x._value, a cache)"
        + (f". Likely cause: {where}" if where else "")
        + f". {ADVICE}."
    )


def stored(fun: Callable) -> TraceError:
    """The error for a function that returns what it computed in an earlier trace."""
    return TraceError(
        f"{name_of(fun)} returned a stored value instead of a new one: it seems to cache its results, which "
        "hides x from autograd. Remove the cache (refopt keeps the values at each point itself), or give "
        "jac= and hess= or hessp=, or take finite differences, jac='3-point'"
    )


def not_traced(order: int, scheme: str | None, cause: TraceError | None) -> TraceError:
    """The error for derivatives of a high order of a function that is not traced."""
    why = "autograd cannot follow fun" if cause else f"jac={scheme!r} was asked for"
    return TraceError(
        f"derivatives of order {order} come from a Taylor expansion of fun, which needs autograd, but "
        f"{why}; use order=2 (or a method with second derivatives at most), which takes jac, hess and "
        "differences" + (f". {cause}" if cause else "")
    )


def blamed(frames: Any) -> Any:
    """The frame that the user can change: the last one outside installed packages, else outside of ours."""
    outer = [f for f in frames if not f.filename.startswith(INNER)]
    own = [f for f in outer if not INSTALLED.search(f.filename)]
    return (own or outer or [None])[-1]


def cause_of(line: str) -> str:
    """What is likely to be wrong with a line of code; empty if nothing is known."""
    for pattern, sentence in CAUSES:
        if found := pattern.search(line):
            name = found.group(1) if found.groups() else ""
            return sentence.format(name, name.split(".")[-1])
    return ""


def swallowed(call: Callable[[], Any]) -> str:
    """Where `call` raises an exception inside the user's code and catches it again; empty if it does not."""
    seen: list[str] = []

    def watch(frame: Any, event: str, value: Any) -> Any:
        name = frame.f_code.co_filename
        inner = name.startswith(INNER) or INSTALLED.search(name)
        if event == "exception" and not seen and not inner:
            if not issubclass(value[0], (StopIteration, GeneratorExit)):
                seen.append(
                    f"line {frame.f_lineno} of {name} raises {value[0].__name__} ({value[1]}) with traced "
                    "variables, and the function catches it"
                )
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        call()
    except Exception:
        pass
    finally:
        sys.settrace(before)
    return seen[0] if seen else ""


def suspicious(fun: Callable) -> str:
    """The first line of the source of `fun` that may treat traced variables differently; empty if none."""
    try:
        lines, first = inspect.getsourcelines(inspect.unwrap(user_function(fun)))
        name = inspect.getsourcefile(inspect.unwrap(user_function(fun)))
    except (TypeError, OSError):
        return ""
    for number, line in enumerate(lines, first):
        if DIFFERENCES.search(line):
            return f"line {number} of {name}: `{line.strip()}`"
    return ""


def user_function(fun: Callable) -> Callable:
    """The user's function behind an objective's bound method; other functions as they are."""
    inner = getattr(getattr(fun, "__self__", None), "fun", fun)
    return getattr(inner, "residuals", getattr(inner, "model", inner))


def name_of(fun: Callable) -> str:
    """A function's name for a message; an objective's bound method stands for the user's function."""
    fun = user_function(fun)
    return getattr(fun, "__name__", type(fun).__name__).replace("<lambda>", "fun")
