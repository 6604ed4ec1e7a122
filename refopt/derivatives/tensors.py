"""Derivative tensors and their contractions, from univariate Taylor series.

A symmetric tensor of order p is fixed by the values ``D_p[s]`` of its polynomial at the lattice directions
``s = j``, the vectors of nonnegative integers with ``|j| = p`` (Griewank, Utke, Walther 2000, eq. 3.3).
Every partial derivative of order k <= p is an exact rational combination of the k-th Taylor coefficients
along these directions,

    d^i f = sum_j gamma_ij c_k(j),
    gamma_ij = sum_{0 < m <= i} (-1)^|i-m| binom(i, m) binom(p m/|m|, j) (|m|/p)^k        (|i| = k),

where only directions j inside the support of i count. The coefficients along j = p e_i alone give the pure
derivatives; all others are mixed, and where the units of the variables differ, the largest hide the smallest.
So the directions may have lengths w: ``s = w j``, and d^i f is divided by w^i. The gradient in place of the
function needs one order less, so its lattice has about n times fewer directions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.core import vspace
from autograd.tracer import isbox

from .branches import DerivativeError, all_finite, has_slope, refused, slope_along
from .interpolation import gathered, interpolate, lattice, multisets, rank, symmetric
from .lengths import better_lengths, kept_in_range
from .reverse import TraceError, gradient, hessian_by_rows, product_function
from .taylor_mode.algebra import TaylorError
from .taylor_mode.expand import as_order, as_real, as_vector, taylor

__all__ = [
    "derivative_tensors",
    "directional",
    "fitted_tensors",
    "hessian",
    "tensor_product",
    "tensor_vector",
    "tensors_memory",
]

MEMORY_LIMIT = 2 * 2**30
#: bytes of coefficients that are propagated together; about the size of a second-level cache
CHUNK = 2**20
#: columns of a dense Hessian that are propagated together: more of them gain little time and need more memory
COLUMNS = 128
#: directions in place of a gradient that is not finite
ALONG = 2**14
#: below this many variables, n products cost less than the overhead of one propagation
FEW = 5


# ---------------------------------------------------------------------- Hessian and contractions


def hessian(fun: Callable, x: Any, *args: Any) -> Any:
    """Dense Hessian, shape (n, n), symmetrised: Taylor mode of order 1 over the gradient.

    Each `COLUMNS` columns cost one call of `fun`. For fewer than `FEW` variables, and where the gradient
    cannot be expanded, the Hessian comes from n products by reverse mode. If it is not finite, because of a
    branch that is not taken, it comes from Taylor mode over `fun`, see `branches`.

    Raises
    ------
    DerivativeError
        If there are nan entries in both modes, though f is finite; the message names the operation.

    Examples
    --------
    >>> import numpy as np
    >>> from refopt.derivatives import hessian
    >>> print(hessian(lambda x: x[0] ** 2 * x[1], np.array([3.0, 2.0])))
    [[4. 6.]
     [6. 0.]]
    """
    f = (lambda x: fun(x, *args)) if args else fun
    H = hessian_over_reverse(f, x)
    if isbox(x) or isbox(H) or all_finite(H) or not all_finite(f(x)):
        return H
    try:
        return hessian_by_taylor(f, x)
    except DerivativeError:
        if np.any(np.isnan(H)):
            raise
        return H


def hessian_by_taylor(f: Callable, x: Any) -> Any:
    """The Hessian where reverse mode has none; the error that names the operation if Taylor mode has none."""
    tensors = tensors_by_taylor(f, x, 2, np.ones(x.size))
    if tensors is None:
        raise refused(f, x, (np.ones_like(x),), "nor has Taylor mode one that is finite and fits the values")
    return tensors[2]


def hessian_over_reverse(f: Callable, x: Any) -> Any:
    """The Hessian by differentiation of the gradient of reverse mode."""
    if len(x) < FEW:
        return hessian_by_rows(f, x)
    basis = np.eye(len(x), dtype=vspace(x).dtype)
    try:
        H = anp.concatenate(
            [
                taylor(lambda z: gradient(f, z), x, basis[i : i + COLUMNS], 1)[1]
                for i in range(0, len(basis), COLUMNS)
            ]
        )
    except (TaylorError, NotImplementedError):
        return hessian_by_rows(f, x)
    return (H + H.T) / 2


def directional(fun: Callable, x: Any, s: Any, order: int) -> Any:
    """``D_k[s] = sum T_{i1...ik} s_i1 ... s_ik`` for k = 0..order: the coefficients of `taylor` times k!.

    Parameters
    ----------
    fun : callable
        Scalar or array function, written with `autograd.numpy`.
    x : array of shape (n,)
    s : array of shape (n,) or (K, n)
    order : int

    Returns
    -------
    array of shape (order+1,) or (order+1, K), followed by the shape of the output of `fun`

    Examples
    --------
    >>> import autograd.numpy as anp
    >>> directional(lambda x: anp.sum(x**3), np.ones(2), np.array([1.0, 0.0]), 4).tolist()
    [2.0, 3.0, 6.0, 6.0, 0.0]
    """
    c = taylor(fun, x, s, order)
    factorial = np.array([math.factorial(k) for k in range(order + 1)], dtype=float)
    return c * factorial.reshape((-1,) + (1,) * (c.ndim - 1))


def tensor_product(fun: Callable, x: Any, s: Any, order: int = 3) -> Callable[[np.ndarray], np.ndarray]:
    """``v -> D_order[s, ..., s, v, .]``: for order 3 the product ``T[s] v``, for order 2 ``H v``.

    It is the Hessian in s of the Taylor coefficient ``c_order(s)``, times v, by reverse mode twice. One trace
    serves all v, in O(n) memory.

    Parameters
    ----------
    fun : callable
        Scalar function, written with `autograd.numpy`.
    x, s : array of shape (n,)
    order : int
        At least 2.

    Returns
    -------
    callable
        Maps an array of shape (n,) to an array of shape (n,).
    """
    if order < 2:
        raise ValueError(f"tensor_product: order must be at least 2, got {order!r}")
    factor = float(math.factorial(order - 2))
    product = product_function(lambda d: taylor(fun, x, d, order)[order] * factor, as_real(s, "s"))
    return lambda v: product(np.asarray(v, dtype=float))


def tensor_vector(fun: Callable, x: Any, s: Any, v: Any, order: int = 3) -> np.ndarray:
    """``D_order[s, ..., s, v, .]``, shape (n,): for order 3 the vector ``T[s] v``; see `tensor_product`.

    Examples
    --------
    >>> import autograd.numpy as anp
    >>> s, v = np.array([1.0, 2.0]), np.array([3.0, 1.0])
    >>> tensor_vector(lambda x: anp.sum(x**3), np.ones(2), s, v).tolist()
    [18.0, 12.0]
    """
    return tensor_product(fun, x, s, order)(v)


# ---------------------------------------------------------------------- full tensors


def derivative_tensors(
    fun: Callable, x: Any, order: int, *, route: str | None = None, memory_limit: float = MEMORY_LIMIT
) -> list[Any]:
    """All derivatives of a scalar function: ``[f, g, H, T, ...]``, full symmetric arrays of shape (n,)*k.

    Parameters
    ----------
    fun : callable
        Scalar function, written with `autograd.numpy`.
    x : array of shape (n,)
    order : int
        Highest order, at least 0.
    route : {None, "univariate", "gradient"}
        Expand `fun` along all lattice directions of order p, or its gradient along those of order p-1. None
        takes the cheaper of the two, and "univariate" where the gradient cannot be expanded.
    memory_limit : float
        Bytes; 2 GiB by default.

    Returns
    -------
    list of order+1 arrays

    Raises
    ------
    MemoryError
        The estimate of `tensors_memory` exceeds the limit. Nothing has been allocated yet.
    TaylorError
        See `taylor`.

    Notes
    -----
    Where the units of the variables differ by orders of magnitude, the expansion is made twice, the second
    time along directions of `better_lengths`.

    At a kink (abs at 0, equal arguments of a maximum) the directional derivatives are not polynomials in the
    direction, and tensors do not exist; use `directional` there.

    Examples
    --------
    >>> import autograd.numpy as anp
    >>> f, g, H = derivative_tensors(lambda x: x[0]**2 * x[1], np.array([3.0, 2.0]), 2)
    >>> float(f), g.tolist(), H.tolist()
    (18.0, [12.0, 9.0], [[4.0, 6.0], [6.0, 0.0]])
    """
    return fitted_tensors(fun, x, order, None, route, memory_limit)[0]


def fitted_tensors(
    fun: Callable,
    x: Any,
    order: int,
    w: np.ndarray | None = None,
    route: str | None = None,
    memory_limit: float = MEMORY_LIMIT,
) -> tuple[list[Any], np.ndarray]:
    """``(tensors, lengths)``: `derivative_tensors` from directions of the lengths w, or of better ones."""
    p, x = as_order(order, "derivative_tensors"), as_vector(x, "derivative_tensors")
    n, fallback = x.size, route is None
    if route is None:
        route = "gradient" if prefers_gradient(n, p) else "univariate"
    elif route not in ("univariate", "gradient"):
        raise ValueError(f"derivative_tensors: route must be 'univariate', 'gradient' or None, got {route!r}")
    need = tensors_memory(n, p)
    if need > memory_limit:
        raise MemoryError(
            f"derivative_tensors: all derivatives of {n} variables up to order {p} need about "
            f"{need / 2**30:.3g} GiB, more than memory_limit = {memory_limit / 2**30:.3g} GiB; use "
            "contractions (directional, tensor_vector, model_value_and_gradient: memory proportional to n), "
            "a lower order, or a larger memory_limit"
        )
    w = np.ones(n) if w is None else w
    if p == 0:
        return [taylor(fun, x, np.zeros_like(x), 0)[0]], w
    w = kept_in_range(w, p)
    tensors = expanded(fun, x, p, route, fallback, w)
    better = better_lengths(tensors, w)
    if better is None:
        return tensors, w
    del tensors  # they may be large
    return expanded(fun, x, p, route, fallback, better), better


def expanded(fun: Callable, x: np.ndarray, p: int, route: str, fallback: bool, w: np.ndarray) -> list[Any]:
    """The tensors by one of the two routes, or by the other where the gradient cannot be expanded."""
    if route == "gradient":
        try:
            tensors = gradient_tensors(fun, x, p, w)
        except (TraceError, NotImplementedError):
            if not fallback:
                raise
        else:
            if all(np.all(np.isfinite(T)) for T in tensors) or not np.isfinite(tensors[0]):
                return tensors
            return tensors_by_taylor(fun, x, p, w) or tensors  # a branch that is not taken
    return univariate_tensors(fun, x, p, w)


def tensors_by_taylor(fun: Callable, x: Any, p: int, w: np.ndarray) -> list[Any] | None:
    """All derivatives by Taylor mode of `fun`, if they are finite and `fun` has the slopes that they say.

    None too where that takes more than `ALONG` directions.
    """
    if math.comb(x.size + p - 1, p) > ALONG:
        return None
    lengths = np.where(x == 0, 1.0, np.abs(x)) * (1 + 0.3 * np.cos(np.arange(x.size)))
    d, slope_of = lengths.astype(x.dtype), fun
    with np.errstate(all="ignore"):
        try:
            tensors = univariate_tensors(fun, x, p, w)
        except (TraceError, NotImplementedError):
            return None
        if not all(map(all_finite, tensors)):
            return None
        for T in tensors[1:]:
            slope, terms = T, np.abs(T)
            while np.ndim(slope):
                slope, terms = slope @ d, terms @ np.abs(d)
            if not has_slope(slope_of, x, d, slope, terms):
                return None
            slope_of = slope_along(slope_of, d)
    return tensors


def prefers_gradient(n: int, p: int) -> bool:
    """Whether the gradient along C(n+p-2, p-1) directions is cheaper than the function along C(n+p-1, p).

    Per direction the gradient costs about 2.5 times as much (measured on Rosenbrock's function) at one
    order less, and its trace costs about as much as 20,000 elements of arithmetic.
    """
    return p >= 1 and n * math.comb(n + p - 1, p) > 2.5 * n * math.comb(n + p - 2, p - 1) + 20_000


def tensors_memory(n: int, order: int) -> int:
    """Bytes that `derivative_tensors` needs at its peak for n variables; an upper bound."""
    if order == 0:
        return 16 * CHUNK
    elements = sum(n**k for k in range(order + 1)) + 3 * n**order  # the tensors; their `positions`
    along = math.comb(n + order - 1, order) * (4 * order + 4)  # directions and coefficients
    if order > 1:
        along += math.comb(n + order - 2, order - 1) * n * 2 * (order + 1)  # the same for the gradient
    return 8 * (elements + along + 2 * gathered(n, order)) + 16 * CHUNK


def univariate_tensors(fun: Callable, x: np.ndarray, p: int, w: np.ndarray) -> list[Any]:
    """[f, g, ..., T_p] from the Taylor coefficients of `fun` along the lattice directions of order p."""
    n = x.size
    c = along(fun, x, p, p, w)
    if c.ndim != 2:
        raise ValueError(f"derivative_tensors: fun must return one number, got shape {c.shape[2:]}")
    return [c[0, 0], *(symmetric(interpolate(c[k], n, p, k, w), n, k) for k in range(1, p + 1))]


def gradient_tensors(fun: Callable, x: np.ndarray, p: int, w: np.ndarray) -> list[Any]:
    """[f, g, ..., T_p] from the Taylor coefficients of the gradient along the lattice of order p-1."""
    n, q = x.size, p - 1
    tensors = [taylor(fun, x, x, 0)[0]]
    if q == 0:
        return [*tensors, gradient(fun, x)]
    c = along(lambda z: gradient(fun, z), x, q, q, w)
    tensors.append(c[0, 0])
    for k in range(1, p):
        rows = interpolate(c[k], n, q, k, w)  # a derivative of order k of each element of the gradient
        tuples = multisets(n, k + 1)
        tensors.append(symmetric(rows[rank(list(tuples.T[:k]), n), tuples[:, k]], n, k + 1))
    return tensors


def along(fun: Callable, x: np.ndarray, p: int, order: int, w: np.ndarray) -> np.ndarray:
    """`taylor` along the lattice of order p, a chunk at a time: shape (order+1, C(n+p-1, p), ...)."""
    tuples, rows = multisets(x.size, p), max(1, CHUNK // (8 * x.size))
    parts = [
        taylor(fun, x, w * lattice(tuples[i : i + rows], x.size), order) for i in range(0, len(tuples), rows)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
