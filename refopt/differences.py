"""Derivatives of the user's function by finite differences: which differences, of what, with which steps.

    g     jac="2-point", "3-point", "cs"           differences of values of fun
    H     hess="2-point", "3-point", "cs"          differences of the gradient, whoever gives it
          g itself is "2-point" or "3-point"       second differences of values: it has only half the digits
    H v   above n = 32, where no H is at hand      differences of the gradient along v

The steps follow from the relative error of what is differenced (`refopt.derivatives.finite`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import HessianUpdateStrategy

from .derivatives import finite
from .objective import Point
from .returned import one_number

__all__ = ["DENSE", "error_of", "first", "gradient", "hessian", "product", "scheme_or", "started_strategy"]

DENSE = 32  # up to this n one difference Hessian serves all products at a point


def scheme_or(value: Any, name: str, others: str) -> tuple[str | None, Any]:
    """``(scheme, None)`` for the name of a difference scheme, else ``(None, value)``."""
    if not isinstance(value, str):
        return None, value
    if value not in finite.SCHEMES:
        raise ValueError(
            f"minimize: {name}={value!r} is not available: give {others}, "
            f"{', '.join(map(repr, finite.SCHEMES))} for finite differences, or leave {name}=None for exact "
            "derivatives by autograd"
        )
    return value, None


def noise_of(objective: Any) -> float | None:
    """The relative error of values that the user stated or had estimated; None for rounding."""
    noise = objective.noise
    return None if noise is None or noise == "auto" else max(float(noise), rounding(objective))


def rounding(objective: Any) -> float:
    return float(np.finfo(objective.dtype).eps)


def error_of(objective: Any) -> float:
    """The relative error of the gradient."""
    noise = noise_of(objective) or rounding(objective)
    return noise if objective.scheme is None else finite.relative_error(objective.scheme, noise)


def source_of(objective: Any) -> str:
    """What a difference Hessian is made of, in words."""
    if objective.jac is not None or objective.pair:
        return "differences of jac"
    if objective.scheme is None:
        return "differences of autograd's gradient"
    by_values = objective.half_the_digits() or objective.scheme == "cs"
    return f"differences of {'fun' if by_values else 'residuals'}"


# ---------------------------------------------------------------- first derivatives


def gradient(objective: Any, point: Point) -> np.ndarray:
    """The gradient by differences of values."""

    def value(x: np.ndarray) -> Any:
        answer = objective.plain(x)
        complex_step = np.iscomplexobj(x) and np.size(answer) == 1
        return np.reshape(answer, ()) if complex_step else one_number(answer)

    return first(objective, value, point, point.f)


def first(objective: Any, fun: Callable, point: Point, f: Any) -> np.ndarray:
    """First differences of `fun`, a function of x alone with the value f at the point."""
    scheme, noise, step = objective.scheme or "3-point", noise_of(objective), objective.rel_step
    try:
        D = finite.first(fun, point.x, f, scheme, noise, step, objective.bounds)
    except np.exceptions.ComplexWarning:
        raise ValueError(
            "jac='cs' calls fun with complex numbers, but fun discards the imaginary part (an assignment "
            "into a real array, a conversion), so the derivative would be lost; use jac='3-point'"
        ) from None
    return D.astype(objective.dtype)


# ---------------------------------------------------------------- second derivatives


def hessian(objective: Any, point: Point) -> np.ndarray:
    """The Hessian by differences of the gradient, or of values if the gradient has only half the digits."""
    scheme, bounds = objective.hess_scheme or "3-point", objective.bounds
    if scheme == "cs":
        if objective.jac is None:
            raise ValueError("hess='cs' needs jac, a function that also takes complex x; use hess='3-point'")
        given = lambda x: np.asarray(objective.jac(x, *objective.args))  # noqa: E731
        H = finite.first(given, point.x, point.g, scheme)
    elif objective.half_the_digits():
        value = lambda x: one_number(objective.plain(x))  # noqa: E731
        H = finite.second(value, point.x, point.f, scheme, noise_of(objective), bounds)
    else:
        error = error_of(objective)
        H = finite.first(objective.gradient_at, point.x, point.g, scheme, error, None, bounds)
    return ((H + H.T) / 2).astype(objective.dtype)


def product(objective: Any, point: Point, v: np.ndarray) -> np.ndarray:
    """The product ``H v`` by differences of the gradient along v; no variable moves far beside its size."""
    length = float(np.linalg.norm(v)) or 1.0
    with np.errstate(divide="ignore"):
        room = float((np.maximum(1, np.abs(point.x)) / (np.abs(v) / length)).min())
    h = float(np.cbrt(error_of(objective))) * room
    Hv = finite.bounded_product(objective.gradient_at, point.x, v, h, objective.bounds)
    return Hv.astype(objective.dtype)


# ---------------------------------------------------------------- quasi-Newton


def started_strategy(strategy: Any, n: int) -> HessianUpdateStrategy | None:
    """A copy of a quasi-Newton strategy, initialized for n variables; None for anything else."""
    if isinstance(strategy, type) and issubclass(strategy, HessianUpdateStrategy):
        name = strategy.__name__
        raise TypeError(f"minimize: hess={name} is a class; give an instance, {name}()")
    if not isinstance(strategy, HessianUpdateStrategy):
        return None
    fresh = copy.deepcopy(strategy)
    try:
        fresh.initialize(n, "hess")
    except (ValueError, NotImplementedError):
        raise ValueError(
            f"minimize: hess={type(strategy).__name__}() holds only the inverse of the Hessian; give "
            "scipy.optimize.BFGS() or SR1()"
        ) from None
    return fresh
