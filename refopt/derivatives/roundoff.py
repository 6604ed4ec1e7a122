"""The rounding error of a computed value, from the sizes of all that it was computed from.

Let v_1, ..., v_N be the results of all operations on the way from x to f, and a_j = df/dv_j their adjoints,
which one backward pass gives. If operation j makes an error e_j, then to first order

    fl(f) - f  =  sum_j a_j e_j,        |fl(f) - f|  <=  sum_j |a_j| |e_j|                          (1)

    e_j = eps/2 |v_j|                     + - * / and the square root
    e_j = eps |v_j|                       elementary functions
    e_j = 0                               indexing, reshaping, choices: they copy
    e_j = sqrt(d) eps/2 sum |terms|       sums and products of arrays; d terms are added one after the other
    |a_j| |e_j| = eps |a_j v_j| + eps sum_i |a_j dv_j/du_i| |u_i|        any other operation, of arguments u_i

The last line holds for an operation that is exact for arguments off by eps, as special functions and
decompositions are meant to be; for the decompositions sizes of whole matrices take the place of elements. The
sum of the magnitudes sees cancellation: of ``1 - 4 + 3 = 0`` the error is that of its terms. x and the
numbers that `fun` computes without x are data, and have no error here.

Source: M. Iri, Simultaneous computation of functions, partial derivatives and estimates of rounding errors,
Japan J. Appl. Math. 1 (1984) 223-252 (the sum (1) in one backward pass); S. Linnainmaa, Taylor expansion of
the accumulated rounding error, BIT 16 (1976) 146-160; N. J. Higham, Accuracy and Stability of Numerical
Algorithms, 2002, sections 3.3 (running error analysis) and 4.2 (sums); N. J. Higham, T. Mary, A new approach
to probabilistic rounding error analysis, SIAM J. Sci. Comput. 41 (2019) A2815-A2835 (the square root of d).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..rounding import ULPS
from ..status import Stop
from .finite import noise_level
from .recording import Recorded, is_real_array, name_of_operation, record, sweep
from .reverse import foreign, scalar

__all__ = ["CALLS", "gradient_error", "value_error", "value_error_from_values"]

#: operations that copy numbers, or change signs
COPIES = frozenset(
    "absolute fabs negative positive sign copysign conjugate real imag real_if_close nan_to_num "
    "_array_from_scalar_or_array array_from_args concatenate_args make_diagonal broadcast_to reshape ravel "
    "squeeze expand_dims transpose matrix_transpose swapaxes moveaxis rollaxis roll rot90 flip fliplr flipud "
    "repeat tile resize pad truncate_pad fftshift ifftshift split array_split hsplit vsplit dsplit "
    "atleast_1d atleast_2d atleast_3d diag diagflat diagonal tril triu copy full full_like delete "
    "indexing take put untake take_along_axis compress extract sparse_add where select clip maximum minimum "
    "fmax fmin max min amax amin nanmax nanmin sort partition container_take container_untake make_sequence "
    "sequence_extend_left sequence_extend_right _make_dict".split()
)
#: correctly rounded
ROUNDED = frozenset("add subtract multiply divide true_divide sqrt square reciprocal".split())
#: off by about one unit in the last place
ELEMENTARY = frozenset(
    "exp exp2 exp10 expm1 log log2 log10 log1p power float_power cbrt sin cos tan arcsin arccos arctan "
    "arctan2 sinh cosh tanh arcsinh arccosh arctanh deg2rad degrees rad2deg radians hypot".split()
)
#: sums, and sums of products: the terms are what it makes of the magnitudes
SUMS = frozenset(
    "sum mean nansum nanmean trace cumsum dot matmul tensordot einsum inner outer kron vdot vecdot matvec "
    "vecmat convolve bincount".split()
)
#: the first order in the error of the mean vanishes
SPREADS = frozenset("var std nanvar nanstd".split())
BLOCK = 128  # NumPy adds up to so many numbers by eight running sums, and longer rows in halves
#: these have poles, or infinite slopes
STEEP = frozenset(
    "sqrt power float_power cbrt log log2 log10 log1p divide true_divide reciprocal arcsin arccos".split()
)
BESIDE = 3  # units in the last place
CONFIRMED = 30.0  # the sum of magnitudes is within this of the errors that values show
VALUES = 10  # values near x that show the noise of a function which is not traced
CALLS = 2 + VALUES  # of the function, at most
DEVIATIONS = 3.0  # the largest error in units of its standard deviation


def value_error(
    fun: Callable, x: Any, *args: Any, bounds: tuple[np.ndarray, np.ndarray] | None = None
) -> float:
    """The rounding error of the value of a scalar function at x, to first order: equation (1) above.

    It is the larger of two, that at x and that at x moved by a few units in the last place: where terms are
    exactly zero, as the residuals of a perfect fit, their errors show only beside x. Where an operation is so
    steep that the first order proves nothing, as the square root of a sum that has cancelled, ten plain
    values near x must confirm it.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args) -> scalar`` in ``autograd.numpy``; called twice, rarely twelve times.
    x : (n,) array
    bounds : (lower, upper), optional
        `fun` is called inside them alone.

    Returns
    -------
    float
        At least eps |f|; nan where f is not finite.

    Raises
    ------
    TraceError
        If autograd cannot follow `fun`.
    ValueError
        If `fun` does not return one number.

    Examples
    --------
    A value of 0 that is the sum of a hundred cancelled terms has the error of these terms.

    >>> import autograd.numpy as np
    >>> from refopt.derivatives import value_error
    >>> cancels = lambda x: np.sum(x**2 - 4 * x + 3)
    >>> float(cancels(np.ones(100))), 1e-14 < value_error(cancels, np.ones(100)) < 1e-12
    (0.0, True)
    """
    x, f = np.asarray(x), lambda x: fun(x, *args)
    here, sure, value = propagated(f, x)
    if not math.isfinite(value):
        return math.nan
    beside = nudged(propagated, f, x, BESIDE, bounds) or (here, sure, value)
    error = max((e for e in (here, beside[0]) if math.isfinite(e)), default=math.inf)
    if not (sure and beside[1] and math.isfinite(error)):
        noise = value_error_from_values(lambda x: float(np.reshape(f(x), ())), x, value, bounds)
        error = max(noise, min(error, CONFIRMED * noise))
    return max(error, epsilon(x) * abs(value))


def propagated(fun: Callable, x: np.ndarray) -> tuple[float, bool, float]:
    """``(sum (1), whether the first order is enough, f)`` from one recorded trace of `fun`."""
    value, end = record(fun, x)
    if not scalar(value):
        raise ValueError(f"value_error: fun must return one number, got an array of shape {np.shape(value)}")
    total, sure = 0.0, True
    if end is not None:
        with np.errstate(all="ignore"):
            for node, cotangent, handed in sweep(end, np.ones_like(value), zeros_stay=True):
                if node.fun is not None:
                    total += share(node, cotangent, handed)
                    sure = sure and not steep(node, cotangent, handed)
    return total, sure, float(np.reshape(value, ()))


def nudged(
    evaluate: Callable,
    fun: Callable,
    x: np.ndarray,
    k: int,
    bounds: tuple[np.ndarray, np.ndarray] | None,
) -> Any:
    """``evaluate(fun, x moved by k units in the last place)``; None if `fun` raises an error there."""
    end = (x + k * nudges(x, bounds)).astype(x.dtype)
    try:
        return evaluate(fun, end if bounds is None else np.clip(end, *bounds))
    except (Stop, MemoryError):
        raise
    except Exception:
        return None


def steep(node: Recorded, cotangent: Any, handed: tuple[Any, ...]) -> bool:
    """Whether an operation magnifies errors so much that more than half the digits of its result may go."""
    name = name_of_operation(node.fun)
    if name not in STEEP or not is_real_array(node.value):
        return False
    limit = float(np.abs(cotangent).max(initial=0.0)) / math.sqrt(epsilon(node.value))
    return any(is_real_array(part) and not float(np.abs(part).max(initial=0.0)) <= limit for part in handed)


def epsilon(value: Any) -> float:
    """The unit in the last place of 1 in the precision of a value."""
    kind = np.asarray(value).dtype
    return float(np.finfo(kind).eps) if kind.kind in "fc" else float(np.finfo(float).eps)


def share(node: Recorded, cotangent: Any, handed: tuple[Any, ...]) -> float:
    """``sum |a_j| |e_j|`` over the elements of the result of one operation."""
    name = name_of_operation(node.fun)
    known = not foreign(getattr(node.fun, "fun", node.fun))
    if known and name in COPIES or not known and name.startswith("_"):
        return 0.0
    if not is_real_array(node.value):
        return from_arguments(node, handed)
    eps = epsilon(node.value)
    if known and name in ROUNDED:
        return eps / 2 * size(cotangent, node.value)
    if known and name in ELEMENTARY:
        return eps * size(cotangent, node.value)
    if known and name in SPREADS:
        return ULPS * eps * size(cotangent, node.value)
    if known and name in SUMS:
        terms = node.fun(*map(magnitude, node.args), **node.kwargs)
        return eps / 2 * math.sqrt(depth(name, node)) * size(cotangent, terms)
    return eps * size(cotangent, node.value) + from_arguments(node, handed)


def size(a: Any, v: Any) -> float:
    """``sum |a| |v|``; an element that is 0 in either adds nothing, whatever it is in the other."""
    a, v = np.abs(a), np.abs(v)
    return float(np.sum(np.where((a == 0) | (v == 0), 0.0, a * v), dtype=float))


def magnitude(value: Any) -> Any:
    return np.abs(value) if is_real_array(value) else value


def depth(name: str, node: Recorded) -> float:
    """How many terms are added one after the other."""
    arrays = [np.asarray(v) for v in node.args if is_real_array(v)]
    product = math.prod(float(a.size) for a in arrays) / max(1, np.size(node.value))
    terms = product if len(arrays) < 2 else math.sqrt(product)
    if name in ("sum", "mean") and len(arrays) == 1:
        axis = node.kwargs.get("axis", node.args[1] if len(node.args) > 1 else None)
        if axis is None or axis in (-1, arrays[0].ndim - 1):
            terms = min(terms, BLOCK / 8 + max(0.0, math.log2(max(terms, 1.0) / BLOCK)))
    return max(1.0, terms)


def from_arguments(node: Recorded, handed: tuple[Any, ...]) -> float:
    """What arguments that are off by eps would change."""
    whole = "linalg" in (getattr(getattr(node.fun, "fun", node.fun), "__module__", None) or "")
    total = 0.0
    for position, part in zip(node.argnums, handed, strict=True):
        value = node.args[position]
        if not (is_real_array(value) and is_real_array(part)):
            continue
        if whole:
            lengths = float(np.linalg.norm(np.ravel(part))) * float(np.linalg.norm(np.ravel(value)))
            total += epsilon(value) * lengths
        else:
            total += epsilon(value) * size(part, value)
    return total


# ---------------------------------------------------------------- without a trace


def nudges(x: np.ndarray, bounds: tuple[np.ndarray, np.ndarray] | None = None) -> np.ndarray:
    """One unit in the last place of each variable, with signs that look random, (n,).

    A variable that stands on a bound moves inside.
    """
    signs = np.random.default_rng(x.size).choice([-1.0, 1.0], x.size)
    if bounds is not None:
        signs = np.where(x <= bounds[0], 1.0, np.where(x >= bounds[1], -1.0, signs))
    return (np.spacing(np.abs(x)) * signs).astype(x.dtype)


def value_error_from_values(
    fun: Callable, x: np.ndarray, f: float, bounds: tuple[np.ndarray, np.ndarray] | None = None
) -> float:
    """The same from ten plain values near x, for a function that is not traced: at least 4 eps |f|.

    High differences of values one unit of x apart hold nothing but errors, see `refopt.derivatives.finite`.

    Examples
    --------
    >>> import numpy as np
    >>> x, cancels = np.linspace(1, 2, 100), lambda x: np.sum(x**2 - 4 * x + 3)
    >>> 1e-14 < value_error_from_values(cancels, x, cancels(x)) < 1e-12
    True
    """
    call, values = (lambda fun, x: float(fun(x))), [f]
    for k in range(1, VALUES + 1):
        values.append(nudged(call, fun, x, k, bounds))
    finite = np.array([v for v in values if v is not None and math.isfinite(v)])
    least = ULPS * float(np.finfo(x.dtype).eps) * float(np.abs(finite).max(initial=0.0))
    if finite.size < len(values):
        return least
    return max(least, DEVIATIONS * (noise_level(finite) or 0.0))


def gradient_error(
    gradient: Callable, x: np.ndarray, g: np.ndarray, bounds: tuple[np.ndarray, np.ndarray] | None = None
) -> np.ndarray:
    """How far each element of the gradient moves when x moves by one unit in the last place, (n,).

    It holds the rounding error of g, and what no computation at this precision of x can resolve. Two further
    gradients, on both sides of x; at least eps |g|.

    Examples
    --------
    >>> import numpy as np
    >>> slope = lambda x: 2 * (x - 1)
    >>> x = np.array([1 + 1e-12, 5.0])
    >>> (gradient_error(slope, x, slope(x)) / slope(x)).round(5)
    array([0.00022, 0.     ])
    """
    move = nudges(x, bounds)
    error = float(np.finfo(x.dtype).eps) * np.abs(g)
    for sign in (1, -1):
        end = (x + sign * move).astype(x.dtype)
        other = gradient(end if bounds is None else np.clip(end, *bounds))
        error = np.fmax(error, np.abs(other - g))
    return error
