"""Truncated power series and the tracer node that carries them through `autograd`.

A *series* is a list ``[c_0, c_1, ..., c_p]``: the Taylor coefficients, in t, of one intermediate quantity of
``t -> fun(x + t s)``. ``c_0`` is the ordinary value; all directions share it, so it has no direction axis.
Each other coefficient has the shape of ``c_0`` (one direction), or that shape behind a leading axis of length
K (K directions at once), or is ``None``, which means exactly zero. Zeros are common: the input is linear in
t, and a polynomial of low degree has few coefficients. Their products are skipped.

Two facts carry the design (Griewank and Walther, *Evaluating Derivatives*, 2nd ed., 2008, chapter 13):

- A product is a convolution, ``(a b)_k = sum_{i+j=k} a_i b_j``, for every bilinear operation, not only ``*``.
- A function of one variable is its local series ``f(c_0 + h) = sum_j d_j h^j``, composed with
  ``h = c_1 t + c_2 t^2 + ...``. The ``d_j`` depend on the point alone, so they are computed once for all
  directions.

Arithmetic runs in plain NumPy. Under an outer differentiation (values or coefficients are boxes of autograd)
the same formulas run in `autograd.numpy`, and reverse mode differentiates through them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import autograd.numpy as anp
import numpy as onp
from autograd import grad
from autograd.core import primitive_jvps, primitive_vjps
from autograd.tracer import Node, getval, isbox, new_box
from autograd.util import subvals

from ..reverse import TraceError, foreign, fresh_trace
from .values import bends_otherwise

__all__ = ["Algebra", "LATE", "REFUSED", "RULES", "TaylorError", "TaylorNode"]

Series = list[Any]
Rule = Callable[..., Sequence[Any]]

#: primitive -> rule(algebra, ans, args, kwargs, active) -> [c_1, ..., c_p]; see `rules`.
RULES: dict[Any, Rule] = {}
#: primitive -> why there is no rule, and what to use instead.
REFUSED: dict[Any, str] = {}
#: package -> a function that loads the rules of its primitives; called when the package has been imported.
LATE: dict[str, Callable[[], None]] = {}


class TaylorError(TraceError):
    """The function cannot be expanded exactly; the message says where and what to do instead."""


# ---------------------------------------------------------------------- coefficients, None being zero


def series_of(algebra: Algebra, args: Any, active: dict[int, Series], argnum: int) -> Series:
    """The series of an argument, constant or not."""
    return active[argnum] if argnum in active else [args[argnum]] + [None] * algebra.order


def each(f: Callable[[Any], Any], coefficients: Iterable[Any]) -> list[Any]:
    """`f`, which maps zero to zero, of every coefficient."""
    return [None if c is None else f(c) for c in coefficients]


def plus(a: Any, b: Any) -> Any:
    """a + b."""
    return b if a is None else a if b is None else a + b


def minus(a: Any, b: Any) -> Any:
    """a - b."""
    return a if b is None else -b if a is None else a - b


class Algebra:
    """Arithmetic of series of one order, one number of directions and one namespace.

    Parameters
    ----------
    order : int
        p, the highest power of t that is kept.
    batch : int or None
        K, the length of the leading axis of every coefficient; None for a single direction without that axis.
    boxed : bool
        Compute with `autograd.numpy`, because an outer differentiation follows the arithmetic.
    """

    __slots__ = ("order", "batch", "np", "_boxed")

    def __init__(self, order: int, batch: int | None, boxed: bool = False) -> None:
        self.order, self.batch = order, batch
        self.np = anp if boxed else onp
        self._boxed: Algebra | None = self if boxed else None

    @property
    def boxed(self) -> Algebra:
        """The same algebra in `autograd.numpy`."""
        if self._boxed is None:
            self._boxed = Algebra(self.order, self.batch, boxed=True)
        return self._boxed

    # ------------------------------------------------------------------ shapes

    def shape(self, inner: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of a coefficient whose value has shape `inner`."""
        return inner if self.batch is None else (self.batch, *inner)

    def align(self, series: Series, ndim: int) -> Series:
        """The series with axes of length one behind the direction axis, to broadcast like `ndim` axes."""
        missing = ndim - onp.ndim(getval(series[0]))
        if self.batch is None or missing <= 0:
            return series
        ones = (self.batch,) + (1,) * missing
        reshape = self.np.reshape
        return [series[0]] + [c if c is None else reshape(c, ones + self.np.shape(c)[1:]) for c in series[1:]]

    def spread(self, series: Series, shape: tuple[int, ...]) -> list[Any]:
        """The coefficients c_1..c_p broadcast to values of shape `shape`."""
        target = self.shape(shape)
        return [
            c if c is None or self.np.shape(c) == target else c + onp.zeros(target, getval(c).dtype)
            for c in self.align(series, len(shape))[1:]
        ]

    def combined(
        self, f: Callable[[Any, Any], Any], ans: Any, args: Any, active: dict[int, Series]
    ) -> list[Any]:
        """f(a, b) of the coefficients of two arguments, broadcast like the value; `f` maps two zeros to
        zero.
        """
        shape = onp.shape(getval(ans))
        x, y = (self.spread(series_of(self, args, active, n), shape) for n in (0, 1))
        return [f(a, b) for a, b in zip(x, y, strict=True)]

    def zeros_like(self, value: Any) -> onp.ndarray:
        """A coefficient of zeros for a quantity of this value, where None will not do."""
        raw = onp.asarray(getval(value))
        return onp.zeros(self.shape(raw.shape), raw.dtype if raw.dtype.kind in "fc" else float)

    def dense(self, c: Any, value: Any) -> Any:
        """`c`, with None replaced by an array of zeros."""
        return self.zeros_like(value) if c is None else c

    def rows(self, f: Callable[..., Any], *coefficients: Any) -> Any:
        """`f` of the coefficients of each direction, stacked: exact for any `f`, one call per direction."""
        if self.batch is None:
            return f(*coefficients)
        parts = [f(*(c[i] for c in coefficients)) for i in range(self.batch)]
        if isinstance(getval(parts[0]), (tuple, list)):
            return [self.np.array([p[j] for p in parts]) for j in range(len(parts[0]))]
        return self.np.array(parts)

    # ------------------------------------------------------------------ arithmetic

    def accumulate(self, total: Any, term: Any) -> Any:
        """total + term; `total` must be an array that nobody else holds, because it may be overwritten."""
        if total is None:
            return term
        if self.np is onp and type(total) is onp.ndarray and total.dtype == term.dtype:
            total += term
            return total
        return total + term

    def convolve(self, times: Callable[[Any, bool, Any, bool], Any], a: Series, b: Series) -> list[Any]:
        """Coefficients 1..p of a bilinear product; `times(u, u_is_batched, v, v_is_batched)` is one term."""
        p, lead = self.order, self.batch is not None
        out: list[Any] = [None] * (p + 1)
        for i, u in enumerate(a):
            if u is None:
                continue
            for j in range(i == 0, p + 1 - i):
                v = b[j]
                if v is not None:
                    out[i + j] = self.accumulate(out[i + j], times(u, lead and i > 0, v, lead and j > 0))
        return out[1:]

    def multiply(self, a: Series, b: Series) -> list[Any]:
        """Coefficients 1..p of the elementwise product with broadcasting."""
        ndim = max(onp.ndim(getval(a[0])), onp.ndim(getval(b[0])))
        return self.convolve(lambda u, _u, v, _v: u * v, self.align(a, ndim), self.align(b, ndim))

    def divide(self, ans: Any, a: Series, b: Series) -> list[Any]:
        """Coefficients 1..p of q = a / b from q b = a: q_k = (a_k - sum_{j>=1} b_j q_{k-j}) / b_0."""
        ndim = onp.ndim(getval(ans))
        a, b = self.align(a, ndim), self.align(b, ndim)
        q = [ans]
        for k in range(1, self.order + 1):
            known = None
            for j in range(1, k + 1):
                if b[j] is not None and q[k - j] is not None:
                    known = self.accumulate(known, b[j] * q[k - j])
            top = a[k] if known is None else -known if a[k] is None else a[k] - known
            q.append(None if top is None else top / b[0])
        return self.spread(q, onp.shape(getval(ans)))

    def compose(self, d: Sequence[Any], a: Series) -> list[Any]:
        """Coefficients 1..p of f(a) from the local series f(a_0 + h) = f(a_0) + d[0] h + d[1] h^2 + ...

        `d` has the shape of a_0 and no direction axis; an entry None is zero, and `d` may stop early.
        """
        p = self.order
        last = max((j for j, dj in enumerate(d, 1) if dj is not None), default=0)
        out: list[Any] = [None] * (p + 1)
        power = a
        for j in range(1, last + 1):
            if d[j - 1] is not None:
                for k in range(j, p + 1):
                    if power[k] is not None:
                        out[k] = self.accumulate(out[k], d[j - 1] * power[k])
            if j < last:
                power = self._square(a) if j == 1 else self._times_h(power, j, a)
        return out[1:]

    def _square(self, h: Series) -> Series:
        """h^2 for a series without constant term (h[0] is ignored)."""
        out: Series = [None] * (self.order + 1)
        for k in range(2, self.order + 1):
            for i in range(1, (k + 1) // 2):
                if h[i] is not None and h[k - i] is not None:
                    out[k] = self.accumulate(out[k], h[i] * h[k - i])
            if out[k] is not None:
                out[k] = 2 * out[k]
            if k % 2 == 0 and h[k // 2] is not None:
                out[k] = self.accumulate(out[k], h[k // 2] * h[k // 2])
        return out

    def _times_h(self, power: Series, j: int, h: Series) -> Series:
        """h^(j+1) from power = h^j, whose coefficients start at order j."""
        out: Series = [None] * (self.order + 1)
        for k in range(j + 1, self.order + 1):
            for i in range(1, k - j + 1):
                if h[i] is not None and power[k - i] is not None:
                    out[k] = self.accumulate(out[k], h[i] * power[k - i])
        return out

    # ------------------------------------------------------------------ going through the tracer again

    def trace_all(
        self,
        definition: Callable[..., Any],
        args: Sequence[Any],
        active: dict[int, Series],
        kwargs: dict[str, Any],
    ) -> Series:
        """The series of `definition(*args)`, a formula in `autograd.numpy`."""
        with fresh_trace() as level:
            boxes = [
                (i, new_box(args[i], level, TaylorNode.of(self, series))) for i, series in active.items()
            ]
            out = definition(*subvals(args, boxes), **kwargs)
            if isbox(out) and out._trace == level:
                return out._node.series
        return [out] + [None] * self.order

    def trace(
        self,
        definition: Callable[..., Any],
        args: Sequence[Any],
        active: dict[int, Series],
        kwargs: dict[str, Any],
    ) -> list[Any]:
        """Coefficients 1..p of ``definition(*args)``, for a primitive that is written with others."""
        return self.trace_all(definition, args, active, kwargs)[1:]

    def along_derivative(
        self, fun: Any, ans: Any, args: tuple[Any, ...], kwargs: dict[str, Any], active: dict[int, Series]
    ) -> list[Any]:
        """The slow exact route: coefficient k+1 is [t^k] J_fun(a(t)) a'(t) / (k+1), with J from autograd.

        It works for every primitive whose derivative is written with differentiable primitives. The
        Jacobian-vector product is the primitive's jvp, or its vjp transposed by one more differentiation.
        """
        name = primitive_name(fun)
        if fun not in primitive_jvps and fun not in primitive_vjps:
            raise TaylorError(
                f"taylor: the primitive '{name}' has neither a Taylor rule nor an autograd derivative; "
                "write it with functions of autograd.numpy, or give it a vjp with autograd.extend.defvjp"
            )
        if not isinstance(getval(ans), (float, complex, onp.ndarray, onp.generic)):
            raise TaylorError(
                f"taylor: the primitive '{name}' returns a {type(getval(ans)).__name__} and has no "
                "Taylor rule; use functions of autograd.numpy that return arrays"
            )
        if onp.iscomplexobj(getval(ans)) or any(onp.iscomplexobj(getval(s[0])) for s in active.values()):
            raise TaylorError(
                f"taylor: the primitive '{name}' has no Taylor rule, and the slow route is for real "
                "arrays; compute with real and imaginary parts"
            )
        try:
            if self.batch is None:
                return self._along_one(fun, ans, args, kwargs, active)
            single = Algebra(self.order, None, self.np is anp)
            rows = []
            for i in range(self.batch):
                row = {n: [s[0]] + [c if c is None else c[i] for c in s[1:]] for n, s in active.items()}
                rows.append(single._along_one(fun, ans, args, kwargs, row))
            return [self.np.array([single.dense(row[k], ans) for row in rows]) for k in range(self.order)]
        except TaylorError:
            raise
        except (TypeError, ValueError, NotImplementedError, AttributeError, IndexError) as error:
            raise TaylorError(
                f"taylor: '{name}' has no Taylor rule, and its autograd derivative could not be "
                f"expanded either ({type(error).__name__}: {error}); write it in autograd.numpy"
            ) from error

    def _along_one(
        self, fun: Any, ans: Any, args: tuple[Any, ...], kwargs: dict[str, Any], active: dict[int, Series]
    ) -> list[Any]:
        argnums = tuple(active)
        known = [ans]
        for k in range(self.order):
            algebra = Algebra(k, None, self.np is anp)
            with fresh_trace() as level:

                def box(series: Series, level: int = level, algebra: Algebra = algebra) -> Any:
                    return new_box(series[0], level, TaylorNode.of(algebra, series[: algebra.order + 1]))

                points = subvals(args, [(n, box(s)) for n, s in active.items()])
                velocities = [
                    box([(j + 1) * self.dense(s[j + 1], s[0]) for j in range(k + 1)]) for s in active.values()
                ]
                slope = jacobian_vector(fun, argnums, velocities, box(known), points, kwargs)
                if isbox(slope) and slope._trace == level:
                    slope = slope._node.series[k]
                elif k > 0:
                    slope = None
            known.append(None if slope is None else self.np.reshape(slope, onp.shape(getval(ans))) / (k + 1))
        if self.order > 1 and foreign(getattr(fun, "fun", fun)):
            if bends_otherwise(fun, known, args, kwargs, active):
                raise TaylorError(
                    f"taylor: the derivative rule of '{primitive_name(fun)}' cannot be differentiated again: "
                    "the primitive's values bend otherwise; write the rule with functions of autograd.numpy"
                )
        return known[1:]


def jacobian_vector(
    fun: Any,
    argnums: tuple[int, ...],
    velocities: list[Any],
    ans: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """J v for one primitive, from its jvp or from its transposed vjp."""
    if fun in primitive_jvps:
        return primitive_jvps[fun](argnums, velocities, ans, args, kwargs)
    vjp = primitive_vjps[fun](argnums, ans, args, kwargs)

    def pairing(u: Any) -> Any:
        return sum(anp.sum(w * v) for w, v in zip(vjp(u), velocities, strict=True))

    return grad(pairing)(onp.zeros(onp.shape(getval(ans))))


class TaylorNode(Node):
    """The node that autograd's tracer builds for every operation on a quantity with a series."""

    __slots__ = ("algebra", "series")
    algebra: Algebra
    series: Series

    def __init__(
        self,
        value: Any,
        fun: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        parent_argnums: tuple[int, ...],
        parents: tuple[TaylorNode, ...],
    ) -> None:
        algebra = parents[0].algebra
        if algebra.np is onp and (isbox(value) or any(parent.algebra.np is anp for parent in parents)):
            algebra = algebra.boxed
        if kwargs:
            for name, kwarg in kwargs.items():
                if isbox(kwarg) and type(kwarg._node) is TaylorNode:
                    raise TaylorError(
                        f"taylor: '{primitive_name(fun)}' received a quantity that depends on x as the "
                        f"keyword {name}=; autograd traces positional arguments only, so pass it by "
                        "position"
                    )
        rule = RULES.get(fun) or late_rule(fun)
        active = {argnum: parent.series for argnum, parent in zip(parent_argnums, parents, strict=True)}
        if rule is not None:
            coefficients = rule(algebra, value, args, kwargs, active)
        elif fun in REFUSED:
            raise TaylorError(f"taylor: no Taylor rule for '{primitive_name(fun)}': {REFUSED[fun]}")
        else:
            coefficients = algebra.along_derivative(fun, value, args, kwargs, active)
        self.algebra = algebra
        self.series = [value, *coefficients]

    @classmethod
    def of(cls, algebra: Algebra, series: Series) -> TaylorNode:
        """The node of a quantity whose series is known."""
        return cls.new_root(algebra, series)

    def initialize_root(self, algebra: Algebra, series: Series) -> None:
        self.algebra, self.series = algebra, series


def late_rule(fun: Any) -> Rule | None:
    """The rule of a primitive, after loading the late tables of all packages that are in use."""
    for package, load in LATE.items():
        if package in sys.modules:
            load()
    return RULES.get(fun)


def primitive_name(fun: Any) -> str:
    """The name of a primitive, for messages."""
    return getattr(fun, "__name__", str(fun))


# ---------------------------------------------------------------------- the four operations


RULES[anp.add] = lambda algebra, ans, args, kwargs, active: algebra.combined(plus, ans, args, active)
RULES[anp.subtract] = lambda algebra, ans, args, kwargs, active: algebra.combined(minus, ans, args, active)
RULES[anp.multiply] = lambda algebra, ans, args, kwargs, active: algebra.multiply(
    series_of(algebra, args, active, 0), series_of(algebra, args, active, 1)
)
RULES[anp.divide] = lambda algebra, ans, args, kwargs, active: algebra.divide(
    ans, series_of(algebra, args, active, 0), series_of(algebra, args, active, 1)
)
