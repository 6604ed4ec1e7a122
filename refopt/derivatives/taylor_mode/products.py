"""Taylor rules of products of arrays: `dot`, `matmul`, `tensordot`, `kron`, `cross`, `einsum`, ..."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import autograd.numpy as anp
import numpy as onp
from autograd.numpy import numpy_wrapper as wrapped
from autograd.tracer import getval

from .algebra import RULES, Algebra, Series, TaylorError, series_of
from .families import bilinear, defined, flattened, stretched, transposed

# ---------------------------------------------------------------------- contractions


def contract(
    np: Any, u: Any, bu: bool, v: Any, bv: bool, axes_u: Sequence[int], axes_v: Sequence[int]
) -> Any:
    """tensordot of two coefficients as one matrix product; axes are counted without the direction axis."""
    su, sv = onp.shape(getval(u))[bu:], onp.shape(getval(v))[bv:]
    axes_u, axes_v = [a % len(su) for a in axes_u], [a % len(sv) for a in axes_v]
    free_u = [i for i in range(len(su)) if i not in axes_u]
    free_v = [i for i in range(len(sv)) if i not in axes_v]
    shape = tuple(su[i] for i in free_u) + tuple(sv[i] for i in free_v)
    rows, columns = math.prod(su[i] for i in free_u), math.prod(sv[i] for i in free_v)
    inside = math.prod(su[i] for i in axes_u)

    def matrix(w: Any, batched: bool, order: list[int], m: int, n: int) -> Any:
        if order != sorted(order):
            w = transposed(np, w, order) if batched else np.transpose(w, order)
        return np.reshape(w, (onp.shape(getval(w))[0], m, n) if batched else (m, n))

    if bu and bv:
        if rows == columns == 1:
            one = matrix(u, True, free_u + axes_u, 1, inside) * matrix(v, True, free_v + axes_v, 1, inside)
            return np.reshape(np.sum(one, axis=(1, 2)), (onp.shape(getval(u))[0], *shape))
        out = np.matmul(
            matrix(u, True, free_u + axes_u, rows, inside), matrix(v, True, axes_v + free_v, inside, columns)
        )
        return np.reshape(out, (onp.shape(getval(u))[0], *shape))
    if bu:
        k = onp.shape(getval(u))[0]
        left = np.reshape(matrix(u, True, free_u + axes_u, rows, inside), (k * rows, inside))
        return np.reshape(np.matmul(left, matrix(v, False, axes_v + free_v, inside, columns)), (k, *shape))
    k = onp.shape(getval(v))[0]
    left = np.reshape(matrix(v, True, free_v + axes_v, columns, inside), (k * columns, inside))
    out = np.reshape(np.matmul(left, matrix(u, False, axes_u + free_u, inside, rows)), (k, columns, rows))
    if rows > 1 and columns > 1:
        out = np.swapaxes(out, 1, 2)
    return np.reshape(out, (k, *shape))


def contraction(axes: Callable[..., tuple[Sequence[int], Sequence[int]]]) -> Callable[..., Any]:
    """A batched product from the axes it sums over, `axes(ndim_u, ndim_v, *further arguments)`."""

    def batched(np: Any, u: Any, bu: bool, v: Any, bv: bool, args: Any, kwargs: Any) -> Any:
        au, av = axes(onp.ndim(getval(args[0])), onp.ndim(getval(args[1])), *args[2:], **kwargs)
        return contract(np, u, bu, v, bv, au, av)

    return batched


def dot_axes(nu: int, nv: int) -> tuple[list[int], list[int]]:
    """The last axis with the last but one; none for a scalar."""
    return ([], []) if nu == 0 or nv == 0 else ([nu - 1], [max(nv - 2, 0)])


def tensordot_axes(nu: int, nv: int, axes: Any = 2) -> tuple[list[int], list[int]]:
    """The axes in NumPy's three notations: a number, two axes, two lists."""
    if isinstance(axes, (int, onp.integer)):
        return list(range(nu - axes, nu)), list(range(axes))
    first, second = ([int(i) for i in onp.atleast_1d(a)] for a in axes)
    return first, second


def batched_outer(np: Any, u: Any, bu: bool, v: Any, bv: bool, args: Any, kwargs: Any) -> Any:
    """outer of the flattened arguments."""
    u = flattened(np, u) if bu else np.reshape(u, (-1,))
    v = flattened(np, v) if bv else np.reshape(v, (-1,))
    return contract(np, u, bu, v, bv, [], [])


def batched_matmul(np: Any, u: Any, bu: bool, v: Any, bv: bool, args: Any, kwargs: Any) -> Any:
    """matmul: vectors get an axis, stacks broadcast; with at most two axes each it is one large product."""
    nu, nv = onp.ndim(getval(args[0])), onp.ndim(getval(args[1]))
    if nu <= 2 and nv <= 2:
        return contract(np, u, bu, v, bv, *dot_axes(nu, nv))
    shape_u, shape_v = onp.shape(getval(u)), onp.shape(getval(v))
    if nu == 1:
        u = np.reshape(u, (*shape_u[:-1], 1, shape_u[-1]))
    if nv == 1:
        v = np.reshape(v, (*shape_v, 1))
    ndim = max(nu, nv)
    if bu and max(nu, 2) < ndim:
        u = stretched(np, u, ndim - max(nu, 2))
    if bv and max(nv, 2) < ndim:
        v = stretched(np, v, ndim - max(nv, 2))
    out = np.matmul(u, v)
    if nu == 1:
        out = np.reshape(out, (*out.shape[:-2], out.shape[-1]))
    return np.reshape(out, out.shape[:-1]) if nv == 1 else out


bilinear(anp.dot, contraction(dot_axes))
bilinear(anp.inner, contraction(lambda nu, nv: ([], []) if nu == 0 or nv == 0 else ([nu - 1], [nv - 1])))
bilinear(anp.tensordot, contraction(tensordot_axes))
bilinear(anp.outer, batched_outer)
bilinear(anp.matmul, batched_matmul)
defined(anp.vdot, lambda ans, a, b: anp.dot(anp.ravel(anp.conj(a)), anp.ravel(b)))


# ---------------------------------------------------------------------- Kronecker and cross product


def kron_definition(ans: Any, a: Any, b: Any) -> Any:
    """kron as an outer product with interleaved axes."""
    ndim = max(anp.ndim(a), anp.ndim(b))
    if ndim == 0:
        return a * b
    shape_a = (1,) * (ndim - anp.ndim(a)) + anp.shape(a)
    shape_b = (1,) * (ndim - anp.ndim(b)) + anp.shape(b)
    split_a = tuple(size for n in shape_a for size in (n, 1))
    split_b = tuple(size for n in shape_b for size in (1, n))
    product = anp.reshape(a, split_a) * anp.reshape(b, split_b)
    return anp.reshape(product, tuple(m * n for m, n in zip(shape_a, shape_b, strict=True)))


def cross_definition(
    ans: Any, a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """Cross product of two vectors of length 3, or of two of length 2."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = anp.moveaxis(a, axisa, -1), anp.moveaxis(b, axisb, -1)
    if anp.shape(a)[-1] == anp.shape(b)[-1] == 2:
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    if not anp.shape(a)[-1] == anp.shape(b)[-1] == 3:
        raise TaylorError("taylor: 'cross' needs two vectors of length 3, or two of length 2")
    parts = [a[..., i] * b[..., j] - a[..., j] * b[..., i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return anp.moveaxis(anp.stack(parts, axis=-1), -1, axisc)


defined(anp.kron, kron_definition)
defined(anp.cross, cross_definition)


# ---------------------------------------------------------------------- einsum


def einsum_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """einsum: the product of the series of all operands; the direction axis is one more letter."""
    np, p, k = algebra.np, algebra.order, algebra.batch
    if isinstance(args[0], str):
        positions = list(range(1, len(args)))
    else:
        positions = list(range(0, len(args) - len(args) % 2, 2))
    inputs, output, _ = wrapped.parse_einsum_input(*args)
    letters = inputs.split(",")
    if any(len(set(name)) < len(name) for name in letters):
        return algebra.trace(einsum_definition, (ans, *args), {n + 1: s for n, s in active.items()}, {})
    free = next(c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkjihgfedcba" if c not in inputs + output)
    series = [series_of(algebra, args, active, n) for n in positions]
    out: list[Any] = [None] * (p + 1)

    def visit(index: int, total: int, chosen: list[Any], orders: list[int]) -> None:
        if index == len(series):
            if total == 0:
                return
            names = [
                (free if k is not None and o > 0 else "") + name
                for o, name in zip(orders, letters, strict=True)
            ]
            formula = ",".join(names) + "->" + (free if k is not None else "") + output
            out[total] = algebra.accumulate(out[total], np.einsum(formula, *chosen))
            return
        for order in range(p + 1 - total):
            if series[index][order] is not None:
                visit(index + 1, total + order, [*chosen, series[index][order]], [*orders, order])

    visit(0, 0, [], [])
    return out[1:]


def einsum_definition(ans: Any, *args: Any, **_kwargs: Any) -> Any:
    """einsum where no operand has a letter twice, which is all that reverse mode has a rule for."""
    inputs, output, _ = wrapped.parse_einsum_input(*args)
    operands = args[1:] if isinstance(args[0], str) else args[: len(args) - len(args) % 2 : 2]
    pairs = [distinct_axes(x, name) for x, name in zip(operands, inputs.split(","), strict=True)]
    return anp.einsum(",".join(name for _, name in pairs) + "->" + output, *(x for x, _ in pairs))


def distinct_axes(x: Any, letters: str) -> tuple[Any, str]:
    """The operand without repeated letters: of each pair of equal letters the diagonal is taken."""
    while len(set(letters)) < len(letters):
        a = next(i for i, letter in enumerate(letters) if letters.count(letter) > 1)
        b = letters.index(letters[a], a + 1)
        i = onp.arange(anp.shape(x)[a])
        x = anp.moveaxis(x, (a, b), (-2, -1))[..., i, i]
        letters = "".join(c for n, c in enumerate(letters) if n not in (a, b)) + letters[a]
    return x, letters


RULES[anp.einsum] = einsum_rule
