"""Taylor rules of linear algebra: `solve`, `inv`, `det`, `cholesky`, `eigh`, `pinv`, `norm`, `matrix_power`.

Each matrix rule solves the equation that defines the result, order by order: ``A X = B``, ``A X = 1``,
``L L^T = A``, ``A Q = Q Lambda``. Every order costs a few matrix products.
"""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import autograd.numpy.linalg as linalg
import numpy as onp
from autograd.tracer import getval

from .algebra import REFUSED, RULES, Algebra, Series, TaylorError, each, minus, plus, series_of
from .families import all_axes, defined, factorials

# ---------------------------------------------------------------------- products of matrix series


def times(algebra: Algebra, u: Any, v: Any) -> Any:
    """Product of two matrices, each with or without a direction axis."""
    return algebra.np.matmul(u, v)


def convolved(algebra: Algebra, a: list[Any], b: list[Any], k: int, first: int, last: int) -> Any:
    """sum_{j=first..last} a_j b_{k-j}, None when empty."""
    total = None
    for j in range(first, last + 1):
        if a[j] is not None and b[k - j] is not None:
            total = algebra.accumulate(total, times(algebra, a[j], b[k - j]))
    return total


def transpose(algebra: Algebra, a: Any) -> Any:
    """Last two axes swapped."""
    return None if a is None else algebra.np.swapaxes(a, -1, -2)


# ---------------------------------------------------------------------- systems, inverses, determinants


def inverse_series(algebra: Algebra, inverse: Any, a: list[Any], top: int) -> list[Any]:
    """X_0..X_top of A X = 1: X_k = -X_0 sum_{j>=1} A_j X_{k-j}."""
    x = [inverse]
    for k in range(1, top + 1):
        rest = convolved(algebra, a, x, k, 1, k)
        x.append(None if rest is None else -times(algebra, inverse, rest))
    return x


def solve_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """A x = b: A_0 x_k = b_k - sum_{j>=1} A_j x_{k-j}.

    One inverse serves all orders; one step of iterative refinement corrects each solution.
    """
    np = algebra.np
    a, b = series_of(algebra, args, active, 0), series_of(algebra, args, active, 1)
    vector = onp.ndim(getval(args[1])) == 1
    ndim = max(onp.ndim(getval(args[0])), onp.ndim(getval(ans)) + vector)
    column = (lambda c: None if c is None else np.reshape(c, (*np.shape(c), 1))) if vector else (lambda c: c)
    a = algebra.align(a, ndim)
    b = algebra.align([column(c) for c in b], ndim)
    a0 = a[0]
    inverse = np.linalg.inv(a0)
    x = [column(ans)]
    for k in range(1, algebra.order + 1):
        rest = minus(b[k], convolved(algebra, a, x, k, 1, k))
        if rest is None:
            x.append(None)
            continue
        solution = times(algebra, inverse, rest)
        x.append(solution + times(algebra, inverse, rest - times(algebra, a0, solution)))
    shape = algebra.shape(onp.shape(getval(ans)))
    return each(lambda c: np.reshape(c, shape), x[1:])


def inv_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """inv(A)."""
    return inverse_series(algebra, ans, active[0], algebra.order)[1:]


def slogdet_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """log|det A|: k l_k = sum_{j=1..k} j tr(A_j X_{k-j}), X = A^-1; the sign does not move."""
    if onp.iscomplexobj(getval(args[0])):
        raise TaylorError(
            "taylor: 'slogdet' of a complex matrix has no Taylor rule; use the real 2n x 2n form"
        )
    return each(lambda c: (None, c), log_determinant(algebra, args[0], active[0]))


def log_determinant(algebra: Algebra, value: Any, a: Series) -> list[Any]:
    """Coefficients 1..p of log|det A|."""
    np, p = algebra.np, algebra.order
    x = inverse_series(algebra, np.linalg.inv(value), a, max(p - 1, 0))
    out: list[Any] = []
    for k in range(1, p + 1):
        total = None
        for j in range(1, k + 1):
            if a[j] is not None and x[k - j] is not None:
                trace = np.sum(a[j] * np.swapaxes(x[k - j], -1, -2), axis=(-2, -1))
                total = plus(total, trace * (j / k))
        out.append(total)
    return out


def det_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """det A_0 exp(log det A - log det A_0); Faddeev and Le Verrier's recursion where A_0 is singular."""
    value = onp.asarray(getval(args[0]))
    n = value.shape[-1]
    size = onp.prod(onp.linalg.norm(value, axis=-1), axis=-1)
    if onp.any(onp.abs(getval(ans)) <= 1e-12 * size) or onp.iscomplexobj(value):

        def faddeev(a: Any) -> Any:
            m, c = onp.eye(n) + 0 * getval(a), None
            for k in range(1, n + 1):
                product = anp.matmul(a, m)
                c = -anp.sum(product * onp.eye(n), axis=(-2, -1)) / k
                m = product + anp.reshape(c, (*anp.shape(c), 1, 1)) * onp.eye(n)
            return (-1) ** n * c

        return algebra.trace(faddeev, args, active, {})
    log = [0.0 * ans, *log_determinant(algebra, args[0], active[0])]
    return each(lambda c: ans * c, algebra.compose([1.0 / f for f in factorials(algebra.order)], log))


# ---------------------------------------------------------------------- factorisations


def cholesky_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """L L^T = A: L_k = L_0 Phi(L_0^-1 (A_k - sum_{0<j<k} L_j L_{k-j}^T) L_0^-T).

    Phi takes the lower triangle and halves the diagonal. As in NumPy, only the lower triangle of A is read.
    """
    if onp.iscomplexobj(getval(ans)):
        raise TaylorError("taylor: 'cholesky' of a complex matrix has no Taylor rule")
    np = algebra.np
    n = onp.shape(getval(ans))[-1]
    lower, half = onp.tril(onp.ones((n, n)), -1), onp.tril(onp.ones((n, n))) - 0.5 * onp.eye(n)
    inverse = np.linalg.inv(ans)
    factors = [ans]
    for k in range(1, algebra.order + 1):
        a = active[0][k]
        if a is not None:
            a = a * (lower + onp.eye(n)) + transpose(algebra, a * lower)
        total = None
        for j in range(1, k):
            if factors[j] is not None and factors[k - j] is not None:
                total = algebra.accumulate(
                    total, times(algebra, factors[j], transpose(algebra, factors[k - j]))
                )
        rest = minus(a, total)
        if rest is None:
            factors.append(None)
            continue
        middle = times(algebra, times(algebra, inverse, rest), transpose(algebra, inverse))
        factors.append(times(algebra, ans, half * middle))
    return factors[1:]


def eigh_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """A Q = Q Lambda, with Q = Q_0 U and B = Q_0^T A Q_0.

        R_k = sum_{j>=1} B_j U_{k-j} - sum_{0<j<k} U_{k-j} Lambda_j
        Lambda_k = diag R_k
        (U_k)_ij = (R_k)_ij / (lambda_j - lambda_i)          for i != j
        diag U_k = -1/2 sum_{0<j<k} diag U_j^T U_{k-j}

    Only for real matrices with distinct eigenvalues. As in NumPy, only one triangle of A is read.
    """
    np, p = algebra.np, algebra.order
    w0, q0 = ans
    values = onp.asarray(getval(w0))
    n = values.shape[-1]
    if onp.iscomplexobj(getval(q0)):
        raise TaylorError("taylor: 'eigh' of a complex matrix has no Taylor rule; use the real 2n x 2n form")
    gap = onp.diff(values, axis=-1)
    if gap.size and gap.min() <= 1e-10 * max(float(onp.abs(values).max()), 1e-300):
        raise TaylorError(
            "taylor: 'eigh' cannot be expanded where eigenvalues coincide (they are not smooth there); "
            "use a symmetric function of them (trace, det, slogdet, norm) or move the point"
        )
    uplo = args[1] if len(args) > 1 else kwargs.get("UPLO", "L")
    strict = onp.tril(onp.ones((n, n)), -1) if uplo.upper() == "L" else onp.triu(onp.ones((n, n)), 1)
    b: list[Any] = [None]
    for c in active[0][1:]:
        if c is not None:
            c = c * (strict + onp.eye(n)) + transpose(algebra, c * strict)
            c = times(algebra, times(algebra, transpose(algebra, q0), c), q0)
        b.append(c)
    off = onp.ones((n, n)) - onp.eye(n)
    columns, rows = np.reshape(w0, (*values.shape[:-1], 1, n)), np.reshape(w0, (*values.shape, 1))
    inverse_gap = off / (columns - rows + onp.eye(n))
    u: list[Any] = [onp.zeros(values.shape[:-1] + (n, n)) + onp.eye(n)]
    lam: list[Any] = [None]
    for k in range(1, p + 1):
        r = convolved(algebra, b, u, k, 1, k)
        for j in range(1, k):
            if lam[j] is not None and u[k - j] is not None:
                r = minus(r, u[k - j] * np.reshape(lam[j], (*np.shape(lam[j])[:-1], 1, n)))
        if r is None:
            lam.append(None)
            u.append(None)
            continue
        lam.append(np.sum(r * onp.eye(n), axis=-1))
        step = r * inverse_gap
        norm = None
        for j in range(1, k):
            if u[j] is not None and u[k - j] is not None:
                term = np.sum(u[j] * u[k - j], axis=-2)
                norm = plus(norm, term)
        if norm is not None:
            step = step - 0.5 * onp.eye(n) * np.reshape(norm, (*np.shape(norm)[:-1], 1, n))
        u.append(step)
    q = each(lambda c: times(algebra, q0, c), u[1:])
    return [None if c is None and v is None else (c, v) for c, v in zip(lam[1:], q, strict=True)]


def pinv_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """Pseudo-inverse at full rank: (A^T A) P = A^T, (A^T A)^-1 = P_0 P_0^T (transposed for wide matrices)."""
    value = onp.asarray(getval(args[0]))
    m, n = value.shape[-2:]
    if onp.iscomplexobj(value) or onp.any(onp.linalg.matrix_rank(value) < min(m, n)):
        raise TaylorError(
            "taylor: 'pinv' is expanded for real matrices of full rank only (elsewhere it is not "
            "continuous); use lstsq's normal equations with a damping term"
        )
    if m < n:
        flipped = [transpose(algebra, c) for c in active[0]]
        return [transpose(algebra, c) for c in tall_pinv(algebra, transpose(algebra, ans), flipped)]
    return tall_pinv(algebra, ans, active[0])


def tall_pinv(algebra: Algebra, ans: Any, a: Series) -> list[Any]:
    """Pseudo-inverse of a matrix of full column rank."""
    at = [transpose(algebra, c) for c in a]
    gram = [None, *(convolved(algebra, at, a, k, 0, k) for k in range(1, algebra.order + 1))]
    inverse = times(algebra, ans, transpose(algebra, ans))
    p = [ans]
    for k in range(1, algebra.order + 1):
        rest = minus(at[k], convolved(algebra, gram, p, k, 1, k))
        p.append(None if rest is None else times(algebra, inverse, rest))
    return p[1:]


# ---------------------------------------------------------------------- norms, powers


def norm_definition(ans: Any, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Vector norms of any order, and the matrix norms fro, 1, -1, inf, -inf."""
    if axis is None and ord is None:
        x, axis = anp.ravel(x), 0
    axes = all_axes(axis, x)
    size = anp.abs(x)
    shape = anp.shape(ans)
    if len(axes) == 1:
        if ord in (None, 2):
            return anp.reshape(euclidean(x, axes), shape)
        if ord in (onp.inf, -onp.inf):
            return anp.reshape((anp.max if ord > 0 else anp.min)(size, axis=axes), shape)
        if ord == 1:
            return anp.reshape(anp.sum(size, axis=axes), shape)
        if ord == 0:
            raise TaylorError("taylor: 'norm' with ord=0 counts elements and has no derivative")
        scale = onp.max(onp.abs(onp.asarray(getval(x))), axis=axes, keepdims=True)
        scale = onp.where(scale == 0, 1.0, scale)
        return anp.reshape((anp.sum((size / scale) ** ord, axis=axes)) ** (1.0 / ord), shape) * anp.reshape(
            scale, shape
        )
    if ord in (None, "fro"):
        return anp.reshape(euclidean(x, axes), shape)
    if ord in (1, -1, onp.inf, -onp.inf):
        rows, columns = axes if abs(ord) != 1 else axes[::-1]
        total = anp.sum(size, axis=columns, keepdims=True)
        return anp.reshape((anp.max if ord > 0 else anp.min)(total, axis=(rows, columns)), shape)
    raise TaylorError(
        f"taylor: 'norm' of a matrix with ord={ord!r} has no Taylor rule; use ord='fro', 1 or inf, or "
        "eigenvalues by eigh of A^T A"
    )


def euclidean(x: Any, axes: tuple[int, ...]) -> Any:
    """sqrt(sum |x|^2), scaled by the largest element against overflow."""
    size = onp.abs(onp.asarray(getval(x)))
    scale = onp.where(size.max(axis=axes, keepdims=True) == 0, 1.0, size.max(axis=axes, keepdims=True))
    y = x / scale
    square = anp.real(y * anp.conj(y)) if anp.iscomplexobj(x) else y * y
    return anp.sqrt(anp.sum(square, axis=axes, keepdims=True)) * scale


def power_definition(ans: Any, a: Any, n: int) -> Any:
    """matrix_power by squaring."""
    if n < 0:
        return power_definition(ans, anp.linalg.inv(a), -n)
    result = onp.zeros(anp.shape(a)) + onp.eye(anp.shape(a)[-1])
    while n:
        if n % 2:
            result = anp.matmul(result, a)
        a, n = anp.matmul(a, a), n // 2
    return result


RULES[linalg.solve] = solve_rule
RULES[linalg.inv] = inv_rule
RULES[linalg.slogdet] = slogdet_rule
RULES[linalg.det] = det_rule
RULES[linalg.cholesky] = cholesky_rule
RULES[linalg.eigh] = eigh_rule
RULES[linalg.pinv] = pinv_rule
defined(linalg._primitive_norm, norm_definition)
defined(linalg.matrix_power, power_definition)
REFUSED[linalg.eig] = (
    "the phase of its eigenvectors is arbitrary and autograd's own derivative is wrong in real "
    "arithmetic; use eigh for symmetric matrices, det or slogdet otherwise"
)
REFUSED[linalg.svd] = (
    "its factors are not smooth where singular values coincide; use eigh of A^T A, norm, pinv or det"
)
