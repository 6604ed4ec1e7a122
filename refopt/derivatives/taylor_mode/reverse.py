"""Taylor rules of the primitives in autograd's backward pass, so that a gradient has a series too."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import numpy as onp
from autograd.builtins import container_take, make_sequence
from autograd.core import VSpace, sparse_add, vspace
from autograd.numpy.numpy_vjps import (
    dot_adjoint_0,
    dot_adjoint_1,
    tensordot_adjoint_0,
    tensordot_adjoint_1,
    untake,
)
from autograd.tracer import getval

from ..reverse import put
from .algebra import RULES, Algebra, Series, TaylorError, each, series_of
from .families import bilinear, linear, raw
from .indexing import batched_index
from .products import contract

# ---------------------------------------------------------------------- cotangents and their adjoints


def batched_space(algebra: Algebra, value: Any) -> Any:
    """autograd's vector space of a coefficient."""
    shape = onp.shape(value) if not hasattr(value, "shape") else value.shape
    return vspace(
        onp.broadcast_to(onp.zeros((), getattr(value, "dtype", float)), algebra.shape(tuple(shape)))
    )


def add_cotangents(
    algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]
) -> list[Any]:
    """VSpace.add and VSpace.mut_add of arrays; the result is a new array, which autograd may overwrite."""
    if isinstance(getval(ans), (tuple, list, dict)):
        raise TaylorError(
            "taylor: reverse mode over a primitive with several outputs cannot be expanded; use a "
            "route without reverse mode (taylor of the function itself)"
        )
    x, y = (series_of(algebra, args, active, n)[1:] for n in (1, 2))
    zero = onp.zeros(algebra.shape(onp.shape(getval(ans))), getval(ans).dtype)
    return [
        None if a is None and b is None else (zero if a is None else a) + (zero if b is None else b)
        for a, b in zip(x, y, strict=True)
    ]


def sparse_add_rule(
    algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]
) -> list[Any]:
    """sparse_add(space, dense or None, sparse)."""
    space = batched_space(algebra, getval(ans))
    x, y = (series_of(algebra, args, active, n)[1:] for n in (1, 2))
    return [a if b is None else sparse_add(space, a, b) for a, b in zip(x, y, strict=True)]


def put_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """put, and autograd's own untake: values into an array of zeros."""
    _, index, space = args
    space = batched_space(algebra, space)
    if isinstance(index, list) and not (index and isinstance(index[0], slice)):
        index = onp.array(index, dtype=int)
    if algebra.batch is None:
        return each(lambda c: put(c, index, space), active[0][1:])
    batched, axis = batched_index(index)
    return each(
        lambda c: put(c if axis == 0 else algebra.np.moveaxis(c, 0, axis), batched, space), active[0][1:]
    )


RULES[VSpace.add] = RULES[VSpace.mut_add] = add_cotangents
RULES[sparse_add] = sparse_add_rule
RULES[untake] = RULES[put] = put_rule


def dot_back_0(np: Any, u: Any, bu: bool, v: Any, bv: bool, args: Any, kwargs: Any) -> Any:
    """dot_adjoint_0(B, G, ...): the product of G and B, summed over the axes that come from B."""
    na, nb = args[2][1], args[3][1]
    ng = onp.ndim(getval(args[1]))
    if na == 0:
        axes = list(range(ng))
        return contract(np, v, bv, u, bu, axes, axes)
    if nb <= 1:
        return contract(np, v, bv, u, bu, [], [])
    return contract(np, v, bv, u, bu, list(range(ng - nb + 1, ng)), [*range(nb - 2), nb - 1])


def dot_back_1(np: Any, u: Any, bu: bool, v: Any, bv: bool, args: Any, kwargs: Any) -> Any:
    """dot_adjoint_1(A, G, ...): the product of A and G, summed over the axes that come from A."""
    na, nb = args[2][1], args[3][1]
    if na == 0:
        return contract(np, u, bu, v, bv, [], [])
    if nb == 0:
        axes = list(range(na))
        return contract(np, u, bu, v, bv, axes, axes)
    out = contract(np, u, bu, v, bv, list(range(na - 1)), list(range(na - 1)))
    return out if nb <= 2 else np.moveaxis(out, 1, nb - 1)


bilinear(dot_adjoint_0, dot_back_0)
bilinear(dot_adjoint_1, dot_back_1)
bilinear(tensordot_adjoint_0, None)
bilinear(tensordot_adjoint_1, None)
bilinear(VSpace.scalar_mul, None, argnums=(1, 2))
bilinear(VSpace.inner_prod, None, argnums=(1, 2))
linear(VSpace.covector, None, argnum=1)
linear(anp.make_diagonal, lambda np, c, ans, x, *a, **k: raw(anp.make_diagonal, np)(c, *a, **k))


# ---------------------------------------------------------------------- several outputs


def take_item(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """container_take(sequence, index), where the coefficient of a sequence is that of each item."""
    return each(lambda c: c[args[1]], active[0][1:])


def make_sequence_rule(
    algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]
) -> list[Any]:
    """make_sequence(type, *items)."""
    return [
        tuple(active[n][k] if n in active else None for n in range(1, len(args)))
        for k in range(1, algebra.order + 1)
    ]


RULES[container_take] = take_item
RULES[make_sequence] = make_sequence_rule
