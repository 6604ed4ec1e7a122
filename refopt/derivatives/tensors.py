"""Derivative tensors and contractions from univariate Taylor series, and a test of the user's own
derivatives.

A symmetric tensor of order p is fixed by the values ``D_p[s]`` of its polynomial on the lattice directions
s = j with nonnegative integers ``|j| = p`` (Griewank, Utke, Walther 2000, eq. 3.3): every partial
derivative of order k <= p is an exact rational combination of the k-th Taylor coefficients along them,

    d^i f = sum_j gamma_ij c_k(j),
    gamma_ij = sum_{0 < m <= i} (-1)^|i-m| binom(i, m) binom(p m/|m|, j) (|m|/p)^k        (|i| = k),

where only directions j inside the support of i take part. Applied to the gradient, one order less is needed
and n times fewer directions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, wraps
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.core import vspace

from .reverse import TraceError, gradient, hessian_by_rows, product_function
from .taylor_mode.algebra import TaylorError
from .taylor_mode.expand import as_real, taylor

__all__ = [
    "DerivativeCheck",
    "check_derivatives",
    "derivative_tensors",
    "directional",
    "hessian",
    "tensor_product",
    "tensor_vector",
    "tensors_memory",
]

MEMORY_LIMIT = 2 * 2**30
#: bytes of coefficients per chunk of directions; about the size of a second-level cache
CHUNK = 2**20
#: columns of a dense Hessian propagated together: most of the gain is there, and memory stays that of 128 vectors
COLUMNS = 128
#: below this many variables n products cost less than the overhead of a propagation
FEW = 5


# ---------------------------------------------------------------------- contractions


def hessian(fun: Callable, x: Any, *args: Any) -> Any:
    """Dense Hessian, shape (n, n), symmetrised: Taylor mode of order 1 over the gradient, many columns at once.

    A chunk of `COLUMNS` columns costs one call of `fun`. For a few variables, and where a primitive's derivative cannot be
    expanded, n products by reverse mode take its place.

    Examples
    --------
    >>> import numpy as np
    >>> from refopt.derivatives import hessian
    >>> print(hessian(lambda x: x[0] ** 2 * x[1], np.array([3.0, 2.0])))
    [[4. 6.]
     [6. 0.]]
    """
    f = (lambda x: fun(x, *args)) if args else fun
    if len(x) < FEW:
        return hessian_by_rows(f, x)
    basis = np.eye(len(x), dtype=vspace(x).dtype)
    try:
        H = anp.concatenate([taylor(lambda z: gradient(f, z), x, basis[i:i + COLUMNS], 1)[1]
                             for i in range(0, len(basis), COLUMNS)])
    except (TaylorError, NotImplementedError):
        return hessian_by_rows(f, x)
    return (H + H.T) / 2


def directional(fun: Callable, x: Any, s: Any, order: int) -> Any:
    """``D_k[s] = sum T_{i1...ik} s_i1 ... s_ik`` for k = 0..order: the coefficients of `taylor` times k!.

    Parameters
    ----------
    fun : callable
        Scalar or array function written with `autograd.numpy`.
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
    """``v -> D_order[s, ..., s, v, .]``: for order 3 the product ``T[s] v``, for order 2 ``H v``; O(n)
    memory.

    One trace serves all v. It is the Hessian in s of the Taylor coefficient ``c_order(s)``, by reverse mode
    twice.

    Parameters
    ----------
    fun : callable
        Scalar function written with `autograd.numpy`.
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
        Scalar function written with `autograd.numpy`.
    x : array of shape (n,)
    order : int
        Highest order, at least 0.
    route : {None, "univariate", "gradient"}
        Expand `fun` along all lattice directions of order p, or its gradient along those of order p-1. None
        takes the cheaper one, and the first where reverse mode cannot be expanded.
    memory_limit : float
        Bytes; 2 GiB by default.

    Returns
    -------
    list of order+1 arrays

    Raises
    ------
    MemoryError
        The estimate of `tensors_memory` exceeds the limit; nothing has been allocated then.
    TaylorError
        See `taylor`.

    Notes
    -----
    At a kink (abs at 0, equal arguments of a maximum) directional derivatives are not polynomials in the
    direction and tensors do not exist; use `directional` there.

    Examples
    --------
    >>> import autograd.numpy as anp
    >>> f, g, H = derivative_tensors(lambda x: x[0]**2 * x[1], np.array([3.0, 2.0]), 2)
    >>> float(f), g.tolist(), H.tolist()
    (18.0, [12.0, 9.0], [[4.0, 6.0], [6.0, 0.0]])
    """
    if isinstance(order, bool) or not isinstance(order, (int, np.integer)) or order < 0:
        raise ValueError(f"derivative_tensors: order must be an integer >= 0, got {order!r}")
    x = as_real(x, "x")
    if x.ndim != 1 or x.size == 0:
        raise ValueError(
            f"derivative_tensors: x must be a vector with at least one element, got shape {x.shape}"
        )
    n, p = x.size, int(order)
    if route is None:
        route = "gradient" if prefers_gradient(n, p) else "univariate"
        fallback = True
    elif route in ("univariate", "gradient"):
        fallback = False
    else:
        raise ValueError(f"derivative_tensors: route must be 'univariate', 'gradient' or None, got {route!r}")
    need = tensors_memory(n, p)
    if need > memory_limit:
        raise MemoryError(
            f"derivative_tensors: all derivatives of {n} variables up to order {p} need about "
            f"{need / 2**30:.3g} GiB, more than memory_limit = {memory_limit / 2**30:.3g} GiB; use "
            "contractions (directional, tensor_vector, model_value_and_gradient: memory proportional to n), "
            "a lower order, or a larger memory_limit"
        )
    if p == 0:
        return [taylor(fun, x, np.zeros_like(x), 0)[0]]
    if route == "gradient":
        try:
            return gradient_tensors(fun, x, p)
        except (TraceError, NotImplementedError):
            if not fallback:
                raise
    return univariate_tensors(fun, x, p)


def prefers_gradient(n: int, p: int) -> bool:
    """Whether the gradient along C(n+p-2, p-1) directions is cheaper than the function along C(n+p-1, p).

    Per direction the gradient costs about 2.5 times as much (measured on Rosenbrock's function) at one
    order less, and its trace costs about as much as 20,000 elements of arithmetic.
    """
    return p >= 1 and n * math.comb(n + p - 1, p) > 2.5 * n * math.comb(n + p - 2, p - 1) + 20_000


def tensors_memory(n: int, order: int) -> int:
    """Bytes that `derivative_tensors` needs at its peak for n variables, estimated from above."""
    if order == 0:
        return 16 * CHUNK
    elements = sum(n**k for k in range(order + 1)) + 3 * n**order  # the tensors; where each element is found
    along = math.comb(n + order - 1, order) * (4 * order + 4)  # directions and coefficients
    if order > 1:
        along += math.comb(n + order - 2, order - 1) * n * 2 * (order + 1)  # the same for the gradient
    return 8 * (elements + along + 2 * gathered(n, order)) + 16 * CHUNK


def gathered(n: int, p: int) -> int:
    """Number of coefficients that the interpolation of order p combines."""
    return sum(
        math.comb(n, m) * math.comb(p - 1, m - 1) * math.comb(m + p - 1, p) for m in range(1, min(n, p) + 1)
    )


def univariate_tensors(fun: Callable, x: np.ndarray, p: int) -> list[Any]:
    """[f, g, ..., T_p] from the Taylor coefficients of `fun` along the lattice directions of order p."""
    n = x.size
    c = along(fun, x, p, p)
    if c.ndim != 2:
        raise ValueError(f"derivative_tensors: fun must return one number, got shape {c.shape[2:]}")
    return [c[0, 0], *(symmetric(interpolate(c[k], n, p, k), n, k) for k in range(1, p + 1))]


def gradient_tensors(fun: Callable, x: np.ndarray, p: int) -> list[Any]:
    """[f, g, ..., T_p] from the Taylor coefficients of the gradient along the lattice of order p-1."""
    n, q = x.size, p - 1
    tensors = [taylor(fun, x, x, 0)[0]]
    if q == 0:
        return [*tensors, gradient(fun, x)]
    c = along(lambda z: gradient(fun, z), x, q, q)
    tensors.append(c[0, 0])
    for k in range(1, p):
        rows = interpolate(c[k], n, q, k)  # a derivative of order k of each element of the gradient
        tuples = multisets(n, k + 1)
        tensors.append(symmetric(rows[rank(list(tuples.T[:k]), n), tuples[:, k]], n, k + 1))
    return tensors


def along(fun: Callable, x: np.ndarray, p: int, order: int) -> np.ndarray:
    """`taylor` along the lattice of order p, a chunk at a time: shape (order+1, C(n+p-1, p), ...)."""
    tuples, rows = multisets(x.size, p), max(1, CHUNK // (8 * x.size))
    parts = [
        taylor(fun, x, lattice(tuples[i : i + rows], x.size), order) for i in range(0, len(tuples), rows)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def lattice(tuples: np.ndarray, n: int) -> np.ndarray:
    """Multisets of variables as vectors of multiplicities."""
    directions = np.zeros((len(tuples), n))
    for column in tuples.T:
        directions[np.arange(len(tuples)), column] += 1.0
    return directions


def cached(size: Callable[..., int], limit: int = 10**6) -> Callable[[Callable], Callable]:
    """Remember the last results of a function of integers, but none with more than `limit` elements."""

    def decorate(function: Callable) -> Callable:
        remembered = lru_cache(maxsize=16)(function)

        @wraps(function)
        def call(*args: int) -> Any:
            return (remembered if size(*args) <= limit else function)(*args)

        return call

    return decorate


@cached(lambda n, p: p * math.comb(n + p - 1, p))
def multisets(n: int, p: int) -> np.ndarray:
    """All nondecreasing p-tuples of variables, shape (C(n+p-1, p), p), ordered by their `rank`."""
    tuples = np.zeros((1, 0), dtype=np.int64)
    for _ in range(p):  # the last member varies slowest: append every v to the tuples that end at most in v
        counts = [math.comb(v + tuples.shape[1], tuples.shape[1]) for v in range(n)]
        tuples = np.concatenate([np.column_stack([tuples[:c], np.full(c, v)]) for v, c in enumerate(counts)])
    return tuples


def rank(members: list[np.ndarray], n: int) -> np.ndarray:
    """Number of a nondecreasing tuple: sum_l C(i_l + l - 1, l), l = 1..p."""
    total: Any = 0
    for l, i in enumerate(members, 1):
        total = total + np.array([math.comb(v + l - 1, l) for v in range(n)])[i]
    return total


@lru_cache(maxsize=64)
def gamma(i: tuple[int, ...], p: int) -> tuple[tuple[tuple[int, ...], ...], np.ndarray]:
    """The directions j with |j| = p on the support of i and their exact coefficients gamma_ij, as floats."""
    k = sum(i)
    js = [j for j in itertools.product(range(p + 1), repeat=len(i)) if sum(j) == p]
    coefficients = []
    for j in js:
        total = Fraction(0)
        for m in itertools.product(*(range(a + 1) for a in i)):
            size = sum(m)
            if size == 0:
                continue
            term = Fraction(size, p) ** k * (-1) ** (k - size)
            for a, b, c in zip(i, m, j, strict=True):
                term *= math.comb(a, b) * binomial(Fraction(p * b, size), c)
            total += term
        coefficients.append(float(total))
    return tuple(js), np.array(coefficients)


def binomial(z: Fraction, j: int) -> Fraction:
    """Generalised binomial coefficient of a rational number."""
    value = Fraction(1)
    for l in range(j):
        value *= (z - l) / (l + 1)
    return value


@cached(lambda n, p, k: gathered(n, p))
def plan(n: int, p: int, k: int) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]:
    """For each pattern of multiplicities: (ranks of those derivatives, the directions used, gamma)."""
    steps = []
    for m in range(1, min(k, n) + 1):
        support = np.array(list(itertools.combinations(range(n), m)), dtype=np.int64)
        for i in itertools.product(range(1, k + 1), repeat=m):
            if sum(i) != k:
                continue
            js, weights = gamma(i, p)
            used = np.stack([rank([support[:, a] for a in spelled(j)], n) for j in js], axis=1)
            steps.append((rank([support[:, a] for a in spelled(i)], n), used, weights))
    return tuple(steps)


def spelled(i: tuple[int, ...]) -> list[int]:
    """(2, 0, 1) -> [0, 0, 2]."""
    return [a for a, times in enumerate(i) for _ in range(times)]


def interpolate(c: np.ndarray, n: int, p: int, k: int) -> np.ndarray:
    """Derivatives of order k by rank, (C(n+k-1, k), ...), from the k-th coefficients along the lattice."""
    out = np.empty((math.comb(n + k - 1, k), *c.shape[1:]), dtype=c.dtype)
    for ranks, used, weights in plan(n, p, k):
        out[ranks] = np.tensordot(c[used], weights, axes=((1,), (0,)))
    return out


@cached(lambda n, k: n**k)
def positions(n: int, k: int) -> np.ndarray:
    """Rank of every element of a symmetric tensor, shape (n,)*k."""
    members = np.sort(np.indices((n,) * k).reshape(k, -1), axis=0)
    return rank(list(members), n).reshape((n,) * k)


def symmetric(unique: np.ndarray, n: int, k: int) -> np.ndarray:
    """The full symmetric tensor from its different elements."""
    return unique[positions(n, k)]


# ---------------------------------------------------------------------- checking a user's derivatives


@dataclass(frozen=True)
class DerivativeCheck:
    """What `check_derivatives` found. `rows` holds (name, order, slope, expected, ok, note) per test."""

    rows: tuple[tuple[str, int, float, float, bool, str], ...]

    @property
    def ok(self) -> bool:
        """Whether every test passed."""
        return all(row[4] for row in self.rows)

    @property
    def slopes(self) -> dict[str, float]:
        """Measured slope of each test: the smallest over the directions; inf where only rounding was left."""
        return {row[0]: row[2] for row in self.rows}

    @property
    def wrong(self) -> list[str]:
        """Names of the tests that failed."""
        return [row[0] for row in self.rows if not row[4]]

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        lines = [f"{'tested':<22} {'order':>5} {'slope':>7} {'expected':>9}  verdict"]
        for name, order, slope, expected, ok, note in self.rows:
            verdict = ("ok" if ok else "WRONG") + (f" ({note})" if note else "")
            lines.append(f"{name:<22} {order:>5} {slope:>7.2f} {expected:>9.0f}  {verdict}")
        lines.append(
            "all derivatives agree with the function" if self.ok else "wrong: " + ", ".join(self.wrong)
        )
        return "\n".join(lines)


def check_derivatives(
    fun: Callable,
    x: Any,
    order: int = 2,
    *,
    jac: Callable | None = None,
    hess: Callable | None = None,
    hessp: Callable | None = None,
    directions: int = 3,
    step: float = 0.1,
    seed: int = 0,
) -> DerivativeCheck:
    """Test at which order derivatives of `fun` are wrong, from values of `fun` alone (Taylor-remainder
    slopes).

    Along random directions s the remainder of a right k-th derivative shrinks one (here, by symmetric
    differences, two) powers of h faster than that of a wrong one:

        |f(x+hs) - f(x-hs) - 2h jac.s|          = O(h^3), O(h) if jac is wrong;
        |f(x+hs) + f(x-hs) - 2f(x) - h^2 s.H s|  = O(h^4), O(h^2) if H is wrong.

    The two do not influence each other, so a wrong `jac` does not make a right `hess` look wrong. Symmetry
    of `hess` and `hessp`, which no value of `fun` can see, is tested beside. Without `jac`, `hess`, `hessp`
    the Taylor coefficients of `fun` itself are tested: ``f(x+hs) - sum_{j<=k} c_j h^j = O(h^(k+1))`` for k
    = 1..order.

    Parameters
    ----------
    fun : callable
        ``fun(x) -> scalar``; need not be traceable when it comes with the derivatives to be tested.
    x : array of shape (n,)
        A point where `fun` is smooth.
    order : int
        Highest order of `fun`'s own Taylor coefficients to test.
    jac, hess, hessp : callable, optional
        ``jac(x)`` of shape (n,), ``hess(x)`` of shape (n, n), ``hessp(x, v)`` of shape (n,).
    directions : int
        Number of random directions.
    step : float
        Largest step h, relative to the size of x (at least 1). Choose it smaller for functions that vary
        fast.
    seed : int
        Of the directions.

    Returns
    -------
    DerivativeCheck
        ``.ok``, ``.wrong``, ``.slopes``, and a table as ``str()``.

    Examples
    --------
    >>> import autograd.numpy as anp
    >>> f = lambda x: anp.sum(anp.exp(x) * x[0])
    >>> bad = check_derivatives(f, np.array([1.0, 2.0]), jac=lambda x: 1.01 * gradient(f, x))
    >>> bad.ok, bad.wrong
    (False, ['jac'])
    """
    x = np.array(x, dtype=float)
    if x.ndim != 1 or x.size == 0:
        raise ValueError(
            f"check_derivatives: x must be a vector with at least one element, got shape {x.shape}"
        )
    if directions < 1 or not step > 0:
        raise ValueError(
            f"check_derivatives: directions must be >= 1 and step > 0, got {directions!r} and {step!r}"
        )
    rng = np.random.default_rng(seed)
    ss = rng.standard_normal((directions, x.size))
    ss *= step * max(1.0, float(np.linalg.norm(x))) / np.linalg.norm(ss, axis=1, keepdims=True)
    hs = 2.0 ** -np.arange(0, 25)

    def value(z: np.ndarray) -> float:
        result = np.asarray(fun(z))
        if result.size != 1:
            raise ValueError(f"check_derivatives: fun must return one number, got shape {result.shape}")
        return float(result.reshape(()))

    f0 = value(x)
    right = np.array([[value(x + h * s) for h in hs] for s in ss])
    left = np.array([[value(x - h * s) for h in hs] for s in ss])
    if not (np.isfinite(right).all() and np.isfinite(left).all() and np.isfinite(f0)):
        raise ValueError(
            "check_derivatives: fun is not finite near x; choose another point or a smaller step"
        )
    # rounding of f itself, and of forming x + h s: the change of f over one unit in the last place of x
    floor = 2.0**-52 * (
        abs(f0)
        + np.abs(right - f0).max(axis=1, keepdims=True)
        + np.abs((right - left)[:, -1:] / (2 * hs[-1]))
        * (np.linalg.norm(x) / np.linalg.norm(ss, axis=1))[:, None]
    )
    odd, even = right - left, (right - f0) + (left - f0)
    rows: list[tuple[str, int, float, float, bool, str]] = []

    def judge(name: str, k: int, remainder: np.ndarray, expected: float, note: str = "") -> None:
        slope = min(slope_of(hs, r, float(e[0])) for r, e in zip(np.abs(remainder), floor, strict=True))
        rows.append((name, k, slope, expected, bool(slope > expected - 0.75), note))

    if jac is not None:
        g = shaped(jac(x), (x.size,), "jac")
        judge("jac", 1, odd - 2 * hs * (ss @ g)[:, None], 3)
    if hess is not None:
        H = shaped(hess(x), (x.size, x.size), "hess")
        judge("hess", 2, even - hs**2 * np.einsum("ki,ij,kj->k", ss, H, ss)[:, None], 4)
        gap = float(np.abs(H - H.T).max())
        rows.append(
            (
                "hess symmetry",
                2,
                np.inf,
                0,
                gap <= 1e-8 * max(float(np.abs(H).max()), 1e-300),
                f"largest difference H - H^T: {gap:.2g}",
            )
        )
    if hessp is not None:
        Hs = np.array([shaped(hessp(x, s), (x.size,), "hessp") for s in ss])
        judge("hessp", 2, even - hs**2 * np.sum(ss * Hs, axis=1)[:, None], 4)
        u = rng.standard_normal(x.size)
        cross = np.array(
            [u @ Hs[i] - ss[i] @ shaped(hessp(x, u), (x.size,), "hessp") for i in range(directions)]
        )
        scale = float(np.linalg.norm(u) * np.linalg.norm(Hs, axis=1).max())
        rows.append(
            (
                "hessp symmetry",
                2,
                np.inf,
                0,
                bool(np.abs(cross).max() <= 1e-8 * max(scale, 1e-300)),
                f"largest u.Hs - s.Hu: {np.abs(cross).max():.2g}",
            )
        )
    if jac is None and hess is None and hessp is None:
        c = taylor(fun, x, ss, order)
        total = np.zeros_like(right)
        for k in range(order + 1):
            total = total + c[k][:, None] * hs**k
            if k > 0:
                judge(f"Taylor coefficient {k}", k, right - total, k + 1)
    return DerivativeCheck(tuple(rows))


def shaped(value: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """`value` as an array of this shape, or the error that says what came."""
    array = np.asarray(value, dtype=float)
    if array.shape != shape:
        raise ValueError(f"check_derivatives: {name} returned shape {array.shape}, expected {shape}")
    return array


def slope_of(hs: np.ndarray, remainder: np.ndarray, floor: float) -> float:
    """Slope of log remainder against log h, over the three smallest steps clear of rounding; inf if none."""
    clear = np.flatnonzero(remainder > 200 * floor)
    if clear.size == 0:
        return np.inf
    stop = clear.max() + 1
    if stop < 3:  # the remainder falls into the noise at once: judge by the fall itself
        return float(np.log2(remainder[0] / max(200 * floor, remainder[min(stop, len(hs) - 1)])) / stop) + 1.0
    window = slice(stop - 3, stop)
    return float(np.polyfit(np.log(hs[window]), np.log(np.maximum(remainder[window], 1e-300)), 1)[0])
