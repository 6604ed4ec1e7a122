"""Taylor coefficients of ``t -> fun(x + t s)``, and the Taylor model that is their sum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as onp
from autograd.tracer import getval, isbox

from ...checks import describe
from ..reverse import name_of, open_trace, product_function, trace
from . import rules  # noqa: F401  (fills the table of rules)
from .algebra import Algebra, TaylorError, TaylorNode

__all__ = ["model_hvp", "model_product", "model_value", "model_value_and_gradient", "taylor"]


def taylor(fun: Callable[[Any], Any], x: Any, direction: Any, order: int) -> Any:
    """Taylor coefficients c_0, ..., c_order of ``t -> fun(x + t direction)``.

    ``c_k = D_k[s]/k!``, the k-th derivative contracted k times with the direction s. The function is
    evaluated once, in truncated polynomial arithmetic. That costs at most as much as ``order^2/2``
    evaluations; no tensor is formed.

    Parameters
    ----------
    fun : callable
        Written with `autograd.numpy`; returns a number or an array.
    x : array
        The point, of any shape (a vector of shape (n,) for an objective).
    direction : array
        One direction with the shape of `x`, or K of them, shape (K, *x.shape), propagated together.
    order : int
        Highest order, at least 0.

    Returns
    -------
    array
        Shape (order+1, *out.shape), or (order+1, K, *out.shape) for K directions.

    Raises
    ------
    TaylorError
        The function hides `x` from the tracer, or uses a primitive that cannot be expanded.

    Notes
    -----
    `taylor` can be nested, and a function of its result can be differentiated by ``autograd.grad``:
    with respect to `x`, to `direction`, and to what `fun` closes over.

    At a kink the coefficients are those of the curve for small t > 0, and coefficients that do not exist are
    nan; see ``help(refopt.derivatives.taylor_mode)``.

    References
    ----------
    Griewank, Utke, Walther (2000), Evaluating higher derivative tensors by forward propagation of
    univariate Taylor series, Math. Comp. 69; Bettencourt, Johnson, Duvenaud (2019), Taylor-mode automatic
    differentiation for higher-order derivatives in JAX.

    Examples
    --------
    >>> import autograd.numpy as np
    >>> taylor(lambda x: np.exp(x[0]) * x[1], np.array([0.0, 2.0]), np.array([1.0, 0.0]), 3)
    array([2.        , 2.        , 1.        , 0.33333333])
    """
    order = as_order(order, "taylor")
    x, direction = as_real(x, "x"), as_real(direction, "direction")
    shape, given = onp.shape(getval(x)), onp.shape(getval(direction))
    if given == shape:
        batch = None
    elif given[1:] == shape and len(given) == len(shape) + 1:
        batch = given[0]
        if batch == 0:
            raise ValueError("taylor: no directions given (the first axis of direction is empty)")
    else:
        raise ValueError(
            f"taylor: direction has shape {given}; give {shape}, one direction like x, or "
            f"{('K', *shape)}, K of them".replace("'", "")
        )
    algebra = Algebra(order, batch, isbox(x) or isbox(direction))
    value, series = expand(fun, x, [x] + [direction, *[None] * (order - 1)][:order], algebra)
    np = anp if isbox(value) or any(isbox(c) for c in series[1:]) else onp
    full = algebra.shape(onp.shape(getval(value)))
    first = value + onp.zeros(full) if batch is not None else value
    return np.array([first, *(onp.zeros(full) if c is None else c for c in series[1:])])


def expand(fun: Callable[[Any], Any], x: Any, series: list[Any], algebra: Algebra) -> tuple[Any, list[Any]]:
    """Value and series of `fun` at the series of its argument, or the error that says why it has none."""

    def collected(z: Any) -> Any:
        result = fun(z)
        return anp.array(result) if isinstance(result, (list, tuple)) else result

    collected.__name__ = name_of(fun)
    out, node = open_trace(TaylorNode.of(algebra, series), collected, x)
    if node is not None:
        if not isinstance(getval(out), (float, complex, onp.ndarray, onp.generic)):
            raise TaylorError(
                f"taylor: {name_of(fun)} returned a {type(getval(out)).__name__}; it must return a number "
                "or an array"
            )
        return out, node.series
    if not isbox(out):
        if not isinstance(out, (int, float, complex, onp.ndarray, onp.generic)):
            raise TaylorError(
                f"taylor: {name_of(fun)} returned {describe(out)}; it must return a number or an array"
            )
        out = onp.asarray(out)
        out = out if out.dtype.kind in "fc" else out.astype(float)
    return out, [out] + [None] * algebra.order


# ---------------------------------------------------------------------- the Taylor model of an objective


def model_value(fun: Callable[[Any], Any], x: Any, s: Any, order: int) -> Any:
    """m(s) = sum_k D_k[s]/k! for k = 0..order: the sum of the Taylor coefficients, in O(n) memory.

    Examples
    --------
    >>> import autograd.numpy as np
    >>> float(model_value(lambda x: np.sum(x**3), np.ones(2), np.ones(2), 3))
    16.0
    """
    return anp.sum(taylor(fun, x, s, order), axis=0)


def model_value_and_gradient(
    fun: Callable[[Any], Any], x: Any, s: Any, order: int
) -> tuple[float, onp.ndarray]:
    """m(s) and its gradient, by reverse mode through the Taylor arithmetic: O(n) memory for any order.

    Parameters
    ----------
    fun : callable
        Scalar function written with `autograd.numpy`.
    x, s : array of shape (n,)
        Expansion point and step.
    order : int
        p >= 1.

    Returns
    -------
    (float, array of shape (n,))

    Examples
    --------
    >>> import autograd.numpy as np
    >>> m, g = model_value_and_gradient(lambda x: np.sum(x**3), np.ones(2), np.array([1.0, 0.0]), 2)
    >>> float(m), g.tolist()
    (8.0, [9.0, 3.0])
    """
    value, backward = trace(lambda d: model_value(fun, x, d, order), as_real(s, "s"))
    if onp.size(value) != 1:
        raise ValueError(
            f"model_value_and_gradient: fun must return one number, got shape {onp.shape(value)}"
        )
    return float(value), backward(onp.ones(onp.shape(value)))


def model_product(fun: Callable[[Any], Any], x: Any, s: Any, order: int) -> Callable[[Any], onp.ndarray]:
    """``v -> (Hessian of m at s) v``: one trace, then as many products as wanted, O(n) memory.

    Examples
    --------
    >>> import autograd.numpy as np
    >>> product = model_product(lambda x: np.sum(x**3), np.ones(2), np.array([1.0, 0.0]), 3)
    >>> product(np.array([1.0, 0.0])).tolist(), product(np.array([0.0, 1.0])).tolist()
    ([12.0, 0.0], [0.0, 6.0])
    """
    product = product_function(lambda d: model_value(fun, x, d, order), as_real(s, "s"))
    return lambda v: product(as_real(v, "v"))


def model_hvp(fun: Callable[[Any], Any], x: Any, s: Any, v: Any, order: int) -> onp.ndarray:
    """Hessian of the model at s times v, shape (n,): reverse mode twice through the Taylor arithmetic.

    Examples
    --------
    >>> import autograd.numpy as np
    >>> model_hvp(lambda x: np.sum(x**3), np.ones(2), np.array([1.0, 0.0]), np.ones(2), 3).tolist()
    [12.0, 6.0]
    """
    return model_product(fun, x, s, order)(v)


# ---------------------------------------------------------------------- arguments


def as_order(order: Any, who: str) -> int:
    """An order as an integer >= 0."""
    if isinstance(order, bool) or not isinstance(order, (int, onp.integer)) or order < 0:
        raise ValueError(f"{who}: order must be an integer >= 0, got {order!r}")
    return int(order)


def as_real(value: Any, name: str, who: str = "taylor") -> Any:
    """A floating array, or the box of one."""
    if isbox(value):
        return value
    array = onp.asarray(value)
    if array.dtype == object:
        raise TypeError(f"{who}: {name} is an object array; give real numbers")
    if array.dtype.kind == "c":
        raise TypeError(f"{who}: {name} is complex; give real numbers")
    return array if array.dtype.kind == "f" else array.astype(float)


def as_vector(x: Any, who: str) -> Any:
    """A floating vector with at least one element."""
    x = as_real(x, "x", who)
    if x.ndim != 1 or x.size == 0:
        raise ValueError(f"{who}: x must be a vector with at least one element, got shape {x.shape}")
    return x
