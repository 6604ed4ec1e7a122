"""May the user's function be followed by autograd? What is compared, and when.

    at the start      the traced value with that of one plain call ``fun(x0)``                `check_start`
    `jac` given       before second derivatives come from a trace: its value and gradient
                      with those of the plain calls                                          `refusal_of`
    a primitive of    before the first second derivative from a trace: a product with
    the user's own    differences of the gradient                                            `check_products`
    Taylor mode       its value with that of the point                                       `checked_tensors`
    "cs"              the complex step with the change of f over a small step                 `check_complex`
    before success    the traced value with that of one plain call, and the gradient with f on
                      both sides of x, along one direction in which all variables move;
                      for differences along those that are exactly zero                       `check_success`

The rest is done wherever a trace is opened, see `refopt.derivatives.refusal`.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from . import checks
from .derivatives import finite, refusal, reverse
from .derivatives.refusal import TraceError
from .objective import Point
from .returned import one_number
from .status import Status, Stop

__all__ = ["check_complex", "check_products", "check_start", "check_success", "checked_tensors", "refusal_of"]

# The traced value may differ from the plain one by this many units of rounding, of f and of x: a library may
# fuse or reorder operations on arrays of different layout.
SLACK = 100
AGREED = 16  # jac and autograd's gradient may differ by this times half the digits, as differences do
ONE_SIDED = 1e-5  # a central difference above this share of 1 + |f| shows that a forward one of zero was luck
DECIDED = 0.1  # values decide between two slopes if one fits better by this factor
STEP = 1e-4  # relative length of the longer step of `check_success`
FLAT = 0.5  # a slope that stays above this share of itself at an eighth of the distance is not zero


def check_start(objective: Any, point: Point) -> None:
    """Raise `TraceError` if the traced value at the start is not that of a plain call."""
    if not objective.traced:  # the fallback has taken its place
        return
    expected = objective.evaluated(point.x)
    if expected.ndim == 0 and not np.isfinite(expected):
        point._f = float(expected)  # the run cannot begin here: nothing is traced
        return
    if expected.ndim == 0:
        objective._keep_best(point.x, float(expected))
    got = np.asarray(objective.traced_value(point))
    objective.first_f = point.f
    if not same(got, expected, 0.0) and not same(got, expected, slack(point, expected)):
        if not same(objective.evaluated(point.x), expected, 0.0):
            warnings.warn(
                "fun gave two different values at x0, so it could not be checked that autograd's tracing "
                "leaves it unchanged",
                RuntimeWarning,
                stacklevel=2,
            )
        else:
            if expected.ndim == 0:  # what the error carries is a value of fun
                point._f = objective.best_f = float(expected)
                objective.best_x = point.x
            raise changed(objective, point, expected, got)


def changed(objective: Any, point: Point, expected: Any, got: Any) -> TraceError:
    """The error for a value that is another one for the tracer."""

    def show(value: Any) -> str:
        if isinstance(value, str):
            return value
        return checks.describe(float(value) if np.size(value) == 1 else np.asarray(value))

    traced = lambda: reverse.trace(objective.as_traced, point.x)  # noqa: E731
    return refusal.changed(objective.as_traced, show(expected), show(got), traced)


def slack(point: Point, value: Any) -> Any:
    """How far a traced value, or each of an array of values, may be from the plain one."""
    eps = float(np.finfo(point.x.dtype).eps)
    size = np.abs(np.asarray(value, dtype=float))
    if size.ndim == 0:
        return SLACK * eps * (size + float(np.abs(point.g) @ np.abs(point.x)))
    return SLACK * eps * (size + np.max(size, initial=0.0))


def refusal_of(objective: Any, point: Point) -> TraceError | None:
    """Why second derivatives cannot come from a trace of `fun`; None if they can. For a run with `jac`.

    `fun` must be followed, and give the value and the gradient of the plain calls. If the gradient differs
    from `jac`, values of `fun` on both sides of x, along the difference of the two, decide which is right.

    Raises
    ------
    ValueError
        If `jac` is not the derivative of `fun`.
    """
    try:
        value, derivatives = reverse.trace_twice(objective.as_traced, point.x)
        f = one_number(value)
        g, product = derivatives()
        Hx = product(np.abs(point.x))
        objective.foreign = reverse.has_foreign_rules(derivatives)
    except TraceError as error:
        return error
    except (TypeError, ValueError):  # not one number for the tracer
        return changed(objective, point, point.f, "something else")
    if not same(f, point.f, slack(point, point.f)):
        return changed(objective, point, point.f, f)
    gap = np.asarray(point.g - g, dtype=float)
    eps, size = float(np.finfo(point.x.dtype).eps), float(np.abs(point.x).max())
    # rounding of x, and the errors of differences in jac, are proportional to H x
    scale = max(float(np.abs(v).max()) for v in (point.g, g, Hx)) + abs(point.f) / max(1.0, size)
    if not np.all(np.isfinite(gap)) or float(np.abs(gap).max()) <= AGREED * np.sqrt(eps) * scale:
        point.memo["product"] = product
        return None
    d = gap / float(np.linalg.norm(gap))
    h = np.cbrt(eps) * max(1.0, size)
    ends = [(point.x + sign * h * d).astype(point.x.dtype) for sign in (1, -1)]
    if objective.bounds is not None:
        ends = [np.clip(end, *objective.bounds) for end in ends]
    rise = float(objective.evaluated(ends[0])) - float(objective.evaluated(ends[1]))
    move = (ends[0] - ends[1]).astype(float)
    of_jac, of_trace = abs(rise - float(point.g @ move)), abs(rise - float(g @ move))
    if of_jac < DECIDED * of_trace:
        return refusal.lost(objective.as_traced)
    if not of_trace < DECIDED * of_jac:
        return TraceError(
            f"jac and autograd's gradient differ by {np.abs(gap).max():.2g}, and the values of fun nearby "
            "fit neither better: fun has a kink here, or is noisy"
        )
    i = int(np.argmax(np.abs(gap)))
    raise ValueError(
        f"jac disagrees with the derivative of fun, coordinate {i}: jac gives {point.g[i]:.10g}, the "
        f"derivative is {g[i]:.10g}; see refopt.derivatives.check_derivatives"
    )


def check_products(objective: Any, point: Point) -> None:
    """Raise `TraceError` if a product with the traced Hessian is not the change of the gradient.

    A rule that the user wrote for a primitive of his own may give a gradient that cannot be traced again.
    """
    eps = float(np.finfo(point.x.dtype).eps)
    lengths = np.maximum(1, np.abs(point.x)) * (1 + 0.3 * np.cos(np.arange(point.x.size)))
    v = lengths.astype(point.x.dtype)
    h = float(np.cbrt(eps) * np.linalg.norm(v))
    expected = finite.bounded_product(objective.gradient_at, point.x, v, h, objective.bounds)
    got = np.asarray(reverse.hvp(objective.as_traced, point.x, v))
    gap, scale = np.abs(got - expected).max(), max(np.abs(got).max(), np.abs(expected).max())
    noise = eps * (np.abs(point.g).max() + abs(point.f)) / np.cbrt(eps)
    if np.isfinite(gap) and gap > 1e-3 * scale + SLACK * noise:
        raise refusal.lost(objective.as_traced, "the gradient")


def checked_tensors(objective: Any, point: Point, tensors: list[np.ndarray]) -> list[np.ndarray]:
    """The derivatives by Taylor mode, once their value and gradient are those of the point.

    At a kink, such as the maximum of equal elements, Taylor mode and reverse mode may choose different
    slopes. The gradient of the point is the one that ends a run, so the model takes it.

    Raises
    ------
    TraceError
        If the value is another one.
    """
    if not same(tensors[0], point.f, slack(point, point.f)):
        raise changed(objective, point, point.f, tensors[0])
    if len(tensors) > 1:
        bend = np.abs(tensors[2]) @ np.abs(point.x) if len(tensors) > 2 else 0.0
        size = max(float(np.max(np.abs(v), initial=0)) for v in (tensors[1], point.g, bend))
        gap = float(np.max(np.abs(tensors[1] - point.g), initial=0))
        if gap > AGREED * np.sqrt(np.finfo(point.x.dtype).eps) * (size + abs(point.f)):
            tensors[1] = point.g
    return tensors


def check_complex(objective: Any, point: Point) -> None:
    """Raise an error if the complex step does not give the slope of `fun`, because `fun` is not analytic."""
    if not np.isfinite(point.f):
        return
    eps = float(np.finfo(point.x.dtype).eps)
    # lengths that differ from variable to variable, so that the slopes do not cancel
    lengths = np.maximum(1, np.abs(point.x)) * (1 + 0.3 * np.cos(np.arange(point.x.size)))
    move = (np.sqrt(eps) * lengths).astype(point.x.dtype)
    if objective.bounds is not None:
        move = np.where(point.x + move <= objective.bounds[1], move, -move)
    end = point.x + move
    rise = one_number(objective.plain(end)) - point.f
    slope = float(point.g @ (end - point.x))
    noise = SLACK * eps * (abs(point.f) + float(np.abs(point.g) @ np.abs(point.x)))
    if abs(rise - slope) > 0.01 * (float(np.abs(point.g) @ np.abs(move)) + abs(rise)) + noise:
        raise ValueError(
            "jac='cs' needs a fun that is analytic, but the complex step and the values of fun disagree "
            f"at x0 (change of f {rise:.3g}, by the derivative {slope:.3g}); abs, max, comparisons and real "
            "parts are not analytic: use jac='3-point'"
        )


def check_success(objective: Any, point: Point, free: np.ndarray) -> None:
    """Raise `TraceError`, or `Stop` for differences, if f has another slope than its gradient says.

    The difference of the two slopes is measured along one direction, at two distances, first at the shorter:
    that of a smooth function shrinks with the distance, that of a derivative which is not true does not. If f
    rises more than its gradient says on both sides, this is its curvature, or a kink; if it falls more on
    both, it is no minimum.

    Parameters
    ----------
    objective : a `FunctionObjective` that is traced, or takes differences
    point : Point
    free : (n,) array of bool, the variables that bounds do not fix
    """
    moving = free
    if objective.traced:
        check_value(objective, point)
    else:
        moving = free & (point.g == 0)  # differences that are exactly zero may have been too short
    if not moving.any():
        return
    near, noise, sag, lower = extra_slope(objective, point, moving, 0.125)
    matters = np.finfo(point.x.dtype).eps ** (2 / 3) * abs(objective.first_f - point.f)
    if sag > matters and sag > SLACK * objective.value_error(point):
        objective._keep_best(*lower)
        raise Stop(
            Status.STALLED,
            reason=f"the gradient is small, but f is lower on both sides of x, by {sag:.3g} at a distance of "
            f"{STEP / 8:.0e}: f has a kink there, which is no minimum",
        )
    lost = near > noise and near > FLAT * extra_slope(objective, point, moving, 1.0)[0]
    if lost and near / 8 > SLACK * objective.value_error(point):  # f may be a small rest of large terms
        if objective.traced:
            raise refusal.lost(objective.as_traced)
        raise coarse(f"over steps of {STEP / 8:.0e} f changes by {near / 8:.3g}")
    if objective.scheme == "2-point":
        value = lambda x: one_number(objective.plain(x))  # noqa: E731
        g = finite.first(value, point.x, point.f, "3-point", None, None, objective.bounds)
        slope = float(np.abs(g[moving]).max())
        if slope > ONE_SIDED * (1 + abs(point.f)):
            raise coarse(f"central ones are not: {slope:.3g}")


def check_value(objective: Any, point: Point) -> None:
    """Raise `TraceError` if the traced value is not that of a plain call, to the rounding of f here or at x0.

    A function that gives different values when it is called twice is left alone: the start has warned of it.
    """
    f = np.asarray(one_number(objective.plain(point.x)))
    here = slack(point, f) + SLACK * float(np.finfo(point.x.dtype).eps) * abs(objective.first_f)
    if not same(point.f, f, here) and same(one_number(objective.plain(point.x)), f, here):
        raise changed(objective, point, f, point.f)


def extra_slope(objective: Any, point: Point, moving: np.ndarray, share: float) -> tuple[Any, ...]:
    """``(|slope of f minus that of g|, its error, fall of f on both sides, (x, f) of the lower)``."""
    eps, x, g = float(np.finfo(point.x.dtype).eps), point.x, point.g.astype(float)
    lengths = np.maximum(1, np.abs(x)) * (1 + 0.3 * np.cos(np.arange(x.size)))
    step = (STEP * share * lengths * moving).astype(x.dtype)
    ends = [x + step, x - step]
    if objective.bounds is not None:
        ends = [np.clip(end, *objective.bounds) for end in ends]
    f = np.array([point.f, *(one_number(objective.plain(end)) for end in ends)])
    rise = f[1] - f[0] - float(g @ (ends[0] - x))
    fall = f[0] - f[2] - float(g @ (x - ends[1]))
    lower = min(zip(ends, map(float, f[1:]), strict=True), key=lambda end: end[1])
    # the rounding of f, and of the ends, which makes the two steps differ in length
    noise = SLACK * eps * (np.abs(f).max() + np.ptp(f) / (STEP * share)) / share
    if not np.all(np.isfinite(f)) or not np.sign(rise) * np.sign(fall) > 0:
        both = min(-rise, fall)
        return 0.0, np.inf, float(both) if np.isfinite(both) else 0.0, lower
    return min(abs(rise), abs(fall)) / share, noise, 0.0, lower


def coarse(found: str) -> Stop:
    """The end of a run whose differences are zero where f is not flat."""
    return Stop(
        Status.STALLED,
        reason=f"differences of fun are exactly zero here, but {found}. fun has a kink, or computes with "
        "fewer digits than its result has: use jac='3-point', or options={'noise': 'auto'}",
    )


def same(a: Any, b: Any, slack: Any) -> bool:
    """Whether two values or arrays have the same shape and differ by no more than `slack`; nan equals nan."""
    a, b = np.asarray(a), np.asarray(b)
    if a.size != b.size:
        return False
    try:
        a, b = a.reshape(-1).astype(float), b.reshape(-1).astype(float)
    except (TypeError, ValueError):
        return False
    with np.errstate(invalid="ignore"):
        return bool(np.all((a == b) | (np.abs(a - b) <= np.ravel(slack)) | (np.isnan(a) & np.isnan(b))))
