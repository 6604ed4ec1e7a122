"""Derivatives where a branch that is not taken has none: 0 times infinity in reverse mode.

Of ``where(x >= 0, x, sqrt(-x))`` at 4 reverse mode hands the cotangent 0 to the branch that is not taken, and
multiplies it with a slope that is nan: the whole derivative is nan. Taylor mode chooses between coefficients
and multiplies nothing, so it has the right one. Here

    D_i not finite by reverse mode    ->   the Taylor coefficient c_1 along e_i, one direction for each such i
    it counts if it is finite, and the function has that slope, on each side of x where it is finite:
        |F(x +- t d) - F(x) -+ t D d| / t   falls to less than half from t to t/8, or to rounding

The second line keeps a true infinity from becoming a number: of ``where(x > 0, x * log(x), 0)`` at 0 Taylor
mode sees the branch that is taken alone, and has the slope 0. A product ``H v`` is the gradient of
``z -> g(z)^T v``, which is itself a Taylor coefficient, and so on for higher orders.

Cost: one call of the function for `COLUMNS` entries that are not finite, and five for the test of the slope;
nothing where all entries are finite. If more than `LIMIT` are not finite, they come from one backward pass
in which a cotangent of 0 stays 0 whatever it is multiplied with; `COLUMNS` of them must agree with Taylor
mode.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.tracer import isbox

from . import reverse
from .recording import is_real_array, name_of_operation, record, sweep
from .refusal import name_of
from .taylor_mode.expand import taylor

__all__ = [
    "DerivativeError",
    "gradient",
    "has_slope",
    "hvp",
    "mended",
    "slope_along",
    "sloped",
    "value_and_gradient",
]

#: directions that are propagated together
COLUMNS = 128
#: entries of one derivative that are taken from Taylor mode one by one
LIMIT = 512
#: relative difference of the two ways that is rounding
AGREED = 1e-6
#: distance at which a slope is tested, relative to x; and the shorter one
FAR, NEAR = 1e-4, 1e-4 / 8
#: the share to which a remainder must fall from the one to the other; that of a smooth function is 1/8
FALLEN = 0.5
#: units of rounding of the values that a remainder may have
SLACK = 100


class DerivativeError(ArithmeticError):
    """A derivative that is not finite in either mode; the message names the operation."""


# ---------------------------------------------------------------- public: gradients and products


def value_and_gradient(fun: Callable, x: Any, *args: Any) -> tuple[Any, Any]:
    """Value and gradient of a scalar function, from one trace.

    Entries that are not finite in reverse mode, because of a branch that is not taken, come from Taylor mode.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args) -> scalar`` in ``autograd.numpy``.
    x : (n,) array

    Returns
    -------
    f : scalar
    g : (n,) array
        An infinite entry is a true one: where `fun` has a slope that is infinite.

    Raises
    ------
    TraceError
        If autograd cannot follow `fun`.
    ValueError
        If `fun` does not return one number.
    DerivativeError
        If an entry is nan in both modes, though f is finite; the message names the operation.

    Examples
    --------
    >>> import numpy as np
    >>> from refopt.derivatives import value_and_gradient
    >>> f, g = value_and_gradient(lambda x: x[0] ** 2 * x[1], np.array([3.0, 2.0]))
    >>> print(f, g)
    18.0 [12.  9.]
    """
    f, g = reverse.value_and_gradient(fun, x, *args)
    if isbox(g) or isbox(f) or all_finite(g) or not all_finite(f):
        return f, g
    return f, settled(lambda x: fun(x, *args), x, g)


def gradient(fun: Callable, x: Any, *args: Any) -> Any:
    """Gradient of a scalar function, shape (n,); see `value_and_gradient`.

    Examples
    --------
    >>> import autograd.numpy as np
    >>> from refopt.derivatives import gradient
    >>> print(gradient(lambda x: x[0] ** 2 * x[1], np.array([3.0, 2.0])))
    [12.  9.]

    The branch that is not taken has no slope, and does not matter:

    >>> with np.errstate(invalid="ignore"):
    ...     print(gradient(lambda x: np.sum(np.where(x >= 0, x, np.sqrt(-x))), np.array([4.0])))
    [1.]
    """
    return value_and_gradient(fun, x, *args)[1]


def hvp(fun: Callable, x: Any, v: Any, *args: Any) -> Any:
    """Hessian-vector product ``H(x) v`` without the Hessian, shape (n,).

    Entries that are not finite come from Taylor mode, or raise an error, see `value_and_gradient`.

    Examples
    --------
    >>> import numpy as np
    >>> from refopt.derivatives import hvp
    >>> print(hvp(lambda x: x[0] ** 2 * x[1], np.array([3.0, 2.0]), np.array([1.0, 0.0])))
    [4. 6.]
    """
    Hv = reverse.hvp(fun, x, v, *args)
    if isbox(Hv) or isbox(x) or isbox(v) or all_finite(Hv):
        return Hv
    f = lambda x: fun(x, *args)  # noqa: E731
    return settled(f, x, Hv, (np.asarray(v),)) if all_finite(f(x)) else Hv


def settled(fun: Callable, x: Any, D: Any, directions: Sequence[np.ndarray] = ()) -> Any:
    """`D` by both modes; if that fails, the `DerivativeError`, unless all that is not finite is infinite."""
    try:
        return mended(fun, x, D, directions)
    except DerivativeError:
        if np.any(np.isnan(D)):
            raise
        return D


# ---------------------------------------------------------------- both modes


def mended(
    fun: Callable,
    x: Any,
    D: Any,
    directions: Sequence[np.ndarray] = (),
    tested: set[int] | None = None,
) -> np.ndarray:
    """`D`, a derivative by reverse mode, with the rows that are not finite by Taylor mode.

    Parameters
    ----------
    fun : callable
    x : array
    D : array of shape (*x.shape, *out.shape)
        The derivative of `fun`, contracted with each of `directions`, by every element of x.
    directions : sequence of arrays with the shape of x
    tested : set of int, optional
        The orders whose slopes have been tested at this x already; this one is added.

    Raises
    ------
    DerivativeError
        If Taylor mode has no finite derivative either, or one that the values of `fun` contradict.
    """
    x, D = np.asarray(x), np.array(D)
    if not all(map(all_finite, directions)):
        return D
    rows = D.reshape(x.size, -1)
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if bad.size == 0:
        return D
    order, F = len(directions) + 1, fun
    for v in directions:
        F = slope_along(F, v)
    with np.errstate(all="ignore"):
        try:
            many = bad.size > LIMIT and rows.shape[1] == 1
            found = zeros_stay(F, x, bad) if many else one_by_one(F, x, bad, rows.shape[1])
        except (TypeError, NotImplementedError) as error:  # TaylorError is a TypeError
            raise refused(fun, x, directions, f"Taylor mode has none: {error}") from error
        if not np.all(np.isfinite(found)):
            raise refused(fun, x, directions, "nor in Taylor mode")
        if tested is None or order not in tested:
            lengths = np.where(x.ravel()[bad] == 0, 1.0, np.abs(x.ravel()[bad]))
            lengths *= 1 + 0.3 * np.cos(np.arange(bad.size))  # so that slopes do not cancel
            d = np.zeros_like(x)
            d.ravel()[bad] = lengths
            shape = D.shape[x.ndim :]
            slope, terms = (lengths @ found).reshape(shape), (lengths @ np.abs(found)).reshape(shape)
            if not has_slope(F, x, d, slope, terms):
                raise refused(fun, x, directions, "and the values nearby contradict the branch that is taken")
    if tested is not None:
        tested.add(order)
    rows[bad] = found
    return rows.reshape(D.shape)


def one_by_one(F: Callable, x: np.ndarray, bad: np.ndarray, width: int) -> np.ndarray:
    """The derivatives by the elements `bad` of x, Taylor coefficients along them, (len(bad), width)."""
    parts = []
    for i in range(0, bad.size, COLUMNS):
        some = bad[i : i + COLUMNS]
        basis = np.zeros((some.size, x.size), dtype=x.dtype)
        basis[np.arange(some.size), some] = 1
        parts.append(np.reshape(taylor(F, x, basis.reshape(-1, *x.shape), 1)[1], (-1, width)))
    return np.concatenate(parts)


def zeros_stay(F: Callable, x: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """The same for one number and many elements, by one backward pass; nan if Taylor mode differs."""
    value, end = record(F, x)
    steps = [] if end is None else sweep(end, np.ones_like(value), zeros_stay=True)
    last = functools.reduce(lambda _, step: step[1], steps, np.zeros(x.shape))
    found = np.reshape(last, (-1, 1))[bad]
    some = np.unique(np.linspace(0, bad.size - 1, COLUMNS).astype(int))
    gap = np.abs(found[some] - one_by_one(F, x, bad[some], 1))
    return found if np.all(gap <= AGREED * np.abs(found).max()) else np.full_like(found, np.nan)


def slope_along(fun: Callable, v: Any) -> Callable:
    """``z -> D fun(z)[v]`` by Taylor mode."""
    return lambda z: taylor(fun, z, v, 1)[1]


def has_slope(fun: Callable, x: np.ndarray, d: np.ndarray, slope: Any, terms: Any) -> bool:
    """Whether `fun` has this slope along d, on both sides of x, or on the one where it is finite.

    `terms` is ``sum |D_i d_i|``, the size of what the slope is the sum of.
    """
    here = np.asarray(fun(x), dtype=float)
    eps, sides = float(np.finfo(x.dtype).eps), 0
    for sign in (1, -1):
        far, near = (np.asarray(fun(x + sign * t * d), dtype=float) for t in (FAR, NEAR))
        if not (all_finite(far) and all_finite(near)):
            continue
        sides += 1
        # the rounding of the values, and that of the ends, which are off by eps x
        noise = SLACK * eps * (np.abs(here) + np.abs(near) + terms) / NEAR
        before, after = (
            np.abs((there - here) / t - sign * np.asarray(slope)) for there, t in ((far, FAR), (near, NEAR))
        )
        if not np.all(after <= np.maximum(FALLEN * before, noise)):
            return False
    return sides > 0


def all_finite(value: Any) -> bool:
    return bool(np.all(np.isfinite(value)))


# ---------------------------------------------------------------- who is to blame


def refused(fun: Callable, x: np.ndarray, directions: Sequence[np.ndarray], why: str) -> DerivativeError:
    """The error that names the operation at which a derivative ceases to be finite."""
    name = {0: "gradient", 1: "Hessian"}.get(len(directions), f"derivative of order {len(directions) + 1}")
    place = culprit(fun, x, directions)
    at = f" at {place}" if place else ""
    return DerivativeError(f"the {name} of {name_of(fun)} is not finite in reverse mode{at}: {why}")


def culprit(fun: Callable, x: np.ndarray, directions: Sequence[np.ndarray] = ()) -> str:
    """The first operation, from the end, whose cotangent is finite and what it hands on is not.

    Examples
    --------
    >>> import autograd.numpy as np
    >>> with np.errstate(divide="ignore"):
    ...     print(culprit(lambda x: np.sum(np.sqrt(x) ** 2), np.array([4.0, 0.0])))
    `sqrt` of 0
    """
    F = fun
    for v in directions:
        F = sloped(F, v)
    with np.errstate(all="ignore"):
        try:
            value, end = record(F, x)
            for node, cotangent, handed in sweep(end, np.ones_like(value)) if end is not None else ():
                for position, part in zip(node.argnums, handed, strict=True):
                    if sound(cotangent) and not sound(part):
                        return f"`{name_of_operation(node.fun)}`{argument(node.args[position], part)}"
        except (TypeError, ValueError, NotImplementedError):
            pass
    return ""


def sloped(fun: Callable, v: np.ndarray) -> Callable:
    """``z -> g(z)^T v`` by reverse mode."""
    return lambda z: anp.dot(v, reverse.gradient(fun, z))


def sound(value: Any) -> bool:
    return not is_real_array(value) or all_finite(value)


def argument(value: Any, part: Any) -> str:
    """ " of 0" for the argument at the first element where `part` is not finite; empty if it is not clear."""
    value, part = np.asarray(value), np.asarray(part)
    if value.shape != part.shape or value.dtype.kind not in "fiu":
        return ""
    return f" of {value.ravel()[np.flatnonzero(~np.isfinite(part.ravel()))[0]]:.6g}"
