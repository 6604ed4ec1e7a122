"""The families that most Taylor rules belong to; with them a rule is one line of a table.

- ``elementwise``: a function of one variable, by its local series d_1..d_p at the point (computed once,
  without the direction axis) and `Algebra.compose`;
- ``by_partials``: an elementwise function of several arguments, by its partial derivatives;
- ``linear``: the primitive applied to each coefficient, with its axis arguments moved behind the direction
  axis;
- ``bilinear``: a convolution of the primitive over the two series;
- ``defined``: a formula in other primitives.

A rule is ``rule(algebra, ans, args, kwargs, active) -> [c_1, ..., c_p]``, where `active` maps the position of
each argument that depends on x to its series.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import autograd.numpy as anp
import numpy as onp
from autograd.tracer import getval
from autograd.util import subval

from .algebra import RULES, Algebra, Series, TaylorError, each, primitive_name, series_of

# ---------------------------------------------------------------------- the families


def elementwise(fun: Any, local: Callable[..., Sequence[Any]], argnum: int = 0) -> None:
    """`local(np, p, ans, *args, **kwargs)` gives [d_1, ..., d_p] of f(x + h) = f(x) + sum_j d_j h^j."""

    def rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
        only(fun, active, argnum)
        with onp.errstate(all="ignore"):
            d = local(algebra.np, algebra.order, ans, *args, **kwargs)
            series = algebra.align(active[argnum], onp.ndim(getval(ans)))
            return algebra.spread([ans, *algebra.compose(d, series)], onp.shape(getval(ans)))

    RULES[fun] = rule


def by_partials(fun: Any, *partials: Callable[..., Any] | None) -> None:
    """An elementwise function of several arguments by its partial derivatives `partials[i](ans, *args)`.

    c_k = (1/k) sum_i sum_j j a^i_j (d_i f)_{k-j}, where the tracer expands the partials to order p-1. None
    marks an argument that must not depend on x.
    """

    def rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
        shape, p = onp.shape(getval(ans)), algebra.order
        total: list[Any] = [None] * p
        lower = Algebra(max(p - 1, 0), algebra.batch, algebra.np is anp)
        for argnum, series in active.items():
            partial = partials[argnum] if argnum < len(partials) else None
            if partial is None:
                raise TaylorError(f"taylor: '{primitive_name(fun)}' cannot be expanded in argument {argnum}")
            velocity = [
                None if c is None else j * c for j, c in enumerate(algebra.align(series, len(shape))[1:], 1)
            ]
            if p == 0 or all(c is None for c in velocity):
                continue
            with onp.errstate(all="ignore"):
                factor = lower.trace_all(
                    with_ans(partial, ans), args, {n: s[:p] for n, s in active.items()}, kwargs
                )
            for i, f in enumerate(algebra.align(factor, len(shape))):
                for j, c in enumerate(velocity[: p - i]):
                    if f is not None and c is not None:
                        total[i + j] = algebra.accumulate(total[i + j], f * c)
        return algebra.spread([ans, *(None if c is None else c / k for k, c in enumerate(total, 1))], shape)

    RULES[fun] = rule


def linear(fun: Any, batched: Callable[..., Any] | None, argnum: int = 0) -> None:
    """`batched(np, c, ans, *args, **kwargs)` maps a coefficient with its leading axis; None: row by row."""

    def rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
        only(fun, active, argnum)
        f = raw(fun, algebra.np)

        def single(c: Any) -> Any:
            return f(*subval(args, argnum, c), **kwargs)

        series = active[argnum][1:]
        if algebra.batch is None:
            return each(single, series)
        if batched is None:
            return each(lambda c: algebra.rows(single, c), series)
        return each(lambda c: batched(algebra.np, c, ans, *args, **kwargs), series)

    RULES[fun] = rule


def bilinear(fun: Any, batched: Callable[..., Any] | None, argnums: tuple[int, int] = (0, 1)) -> None:
    """`batched(np, u, u_is_batched, v, v_is_batched, args, kwargs)` is the product of two coefficients."""
    first, second = argnums

    def rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
        np, f = algebra.np, raw(fun, algebra.np)

        def single(u: Any, v: Any) -> Any:
            return f(*subval(subval(args, first, u), second, v), **kwargs)

        def times(u: Any, bu: bool, v: Any, bv: bool) -> Any:
            if algebra.batch is None:
                return single(u, v)
            if batched is None:
                return np.array([single(u[i] if bu else u, v[i] if bv else v) for i in range(algebra.batch)])
            return batched(np, u, bu, v, bv, args, kwargs)

        return algebra.convolve(
            times, series_of(algebra, args, active, first), series_of(algebra, args, active, second)
        )

    RULES[fun] = rule


def defined(fun: Any, definition: Callable[..., Any]) -> None:
    """`definition(ans, *args, **kwargs)` is the primitive, written with others that have rules."""

    def rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
        return algebra.trace(with_ans(definition, ans), args, active, kwargs)

    RULES[fun] = rule


# ---------------------------------------------------------------------- primitives and their arguments


def raw(fun: Any, np: Any) -> Any:
    """The plain NumPy function of a primitive, which is faster, where no outer differentiation follows it."""
    return fun.fun if np is onp else fun


def with_ans(function: Callable[..., Any], ans: Any) -> Callable[..., Any]:
    """The function without its first argument, which is `ans`."""
    return lambda *args, **kwargs: function(ans, *args, **kwargs)


def only(fun: Any, active: dict[int, Series], argnum: int) -> None:
    """Refuse a dependence on x in an argument that the rule takes as a constant."""
    for other in active:
        if other != argnum:
            raise TaylorError(
                f"taylor: '{primitive_name(fun)}' can be expanded in argument {argnum} only, but "
                f"argument {other} depends on x too"
            )


# ---------------------------------------------------------------------- local series


def factorials(p: int) -> list[int]:
    """1!, ..., p!"""
    return [math.factorial(j) for j in range(1, p + 1)]


def cycle(values: Sequence[Any], p: int) -> list[Any]:
    """d_j = f^(j) / j! of a function whose derivatives repeat with period len(values)."""
    return [values[(j - 1) % len(values)] / f for j, f in enumerate(factorials(p), 1)]


def integral(w: Sequence[Any]) -> list[Any]:
    """d_j = w_{j-1} / j from the local series w_0, w_1, ... of the derivative."""
    return [c / j for j, c in enumerate(w, 1)]


def two_term(w0: Any, step: Callable[[int, Any, Any], Any], p: int) -> list[Any]:
    """w_0, ..., w_{p-1} by the recurrence w_{k+1} = step(k, w_k, w_{k-1}) with w_{-1} = 0."""
    w, before = [w0], 0.0
    for k in range(p - 1):
        w.append(step(k, w[k], before))
        before = w[k]
    return w


# ---------------------------------------------------------------------- axes behind the direction axis


def inner(axis: Any, x: Any) -> Any:
    """`axis` counted from the end, where a leading direction axis does not matter; None means all axes."""
    ndim = onp.ndim(getval(x))
    if axis is None:
        return tuple(range(-ndim, 0))
    if isinstance(axis, (tuple, list)):
        return tuple(int(a) if a < 0 else int(a) - ndim for a in axis)
    return int(axis) if axis < 0 else int(axis) - ndim


def all_axes(axis: Any, x: Any) -> tuple[int, ...]:
    """The axes as a tuple counted from the end; None means all axes."""
    axes = inner(axis, x)
    return axes if isinstance(axes, tuple) else (axes,)


def outer_axis(axis: int, x: Any) -> int:
    """The same axis counted from the front, behind the direction axis."""
    return int(axis) + 1 if axis >= 0 else int(axis) + 1 + onp.ndim(getval(x))


def reshaped(np: Any, c: Any, ans: Any, *_args: Any, **_kwargs: Any) -> Any:
    """A coefficient of a primitive that only changes the shape, in C order."""
    return np.reshape(c, (np.shape(c)[0], *onp.shape(getval(ans))))


def transposed(np: Any, c: Any, axes: Sequence[int]) -> Any:
    """A coefficient with the axes behind the direction axis permuted."""
    return np.transpose(c, (0, *(int(a) + 1 for a in axes)))


def flattened(np: Any, c: Any) -> Any:
    """A coefficient with one axis behind the direction axis."""
    return np.reshape(c, (np.shape(c)[0], -1))


def stretched(np: Any, c: Any, extra: int) -> Any:
    """A coefficient with this many axes of length one more, directly behind the direction axis."""
    return np.reshape(c, (np.shape(c)[0],) + (1,) * extra + np.shape(c)[1:])
