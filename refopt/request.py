"""The arguments of a run, checked before the first evaluation: method, options, bounds, callback, rng."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import HessianUpdateStrategy, OptimizeResult, OptimizeWarning

from . import checks
from .composite import LeastSquares, ModelLoss
from .derivatives.finite import SCHEMES
from .fit import objective_of
from .method import NEEDS, Method
from .objective import CountedObjective
from .registry import names_supporting_bounds, resolve

try:
    # what SciPy makes of fun for jac=True
    from scipy.optimize._optimize import MemoizeJac
except ImportError:
    MemoizeJac = None

__all__ = ["COMMON_OPTIONS", "Request", "default_method", "generator", "request"]

# The options common to all methods, and their defaults. gtol is that of SciPy's BFGS. ftol and xtol are off
# by default, because a small step proves nothing for methods that damp their steps. maxiter=None means
# max(1000, 200 n), at most 10^5.
COMMON_OPTIONS: dict[str, Any] = {
    "maxiter": None,
    "maxfev": None,
    "maxtime": None,
    "gtol": None,
    "ftol": None,
    "xtol": None,
    "disp": False,
    "return_all": False,
    "fallback": None,
    "noise": None,
    "finite_diff_rel_step": None,
    "x_scale": None,
}
OPTION_RULES: dict[str, Any] = {
    "maxiter": "limit >= 0",
    "maxfev": ["limit >= 1"],
    "maxtime": ["[0, inf]"],
    "gtol": ["[0, inf]"],
    "ftol": ["[0, inf]"],
    "xtol": ["[0, inf]"],
    "disp": "switch",
    "return_all": "switch",
    "fallback": [SCHEMES],
}
# What a method needs that is taken from `hess` or `hessp` where they were given.
SECOND_ORDER = frozenset({"hvp", "hess", "taylor"})


@dataclasses.dataclass
class Request:
    """Everything that a run needs, checked.

    Attributes
    ----------
    objective : the function, with its counts at zero
    x : (n,) the start, a copy
    method : the complete method
    method_name : its name for messages
    options : the options in effect
    callback : ``callback(record)``, or None
    rng : source of randomness, None for a method without randomness
    bare : whether the method was given by its name alone, so that its order may be lowered
    """

    objective: CountedObjective
    x: np.ndarray
    method: Method
    method_name: str
    options: dict[str, Any]
    callback: Callable[[Any], None] | None
    rng: np.random.Generator | None
    bare: bool = False


def request(
    fun: Any,
    x0: Any,
    args: Any,
    method: Any,
    jac: Any,
    hess: Any,
    hessp: Any,
    bounds: Any,
    constraints: Any,
    tol: Any,
    callback: Any,
    options: Any,
    shapes: Any,
    rng: Any,
) -> Request:
    """The checked arguments of `refopt.minimize`; raises an error for a wrong one."""
    fun, jac = plain_gradient(fun, jac)
    given = fun if isinstance(fun, CountedObjective) else None
    if given is not None:
        x = start_of(given, x0, args, jac, hess, hessp, shapes)
    else:
        x = checks.start_vector(x0, shapes)
    shapes = checks.shape_list(shapes, x.size)
    method = default_method(fun) if method is None else method
    complete, name, effective = prepare(method, tol, options, x.size)
    refuse_constraints(name, constraints)
    callback = adapt_callback(callback)
    needs = complete.all_needs()
    source = generator(rng, effective) if "rng" in needs else None
    box = box_bounds(bounds, x, complete)
    if box is not None:
        x = moved_inside(x, box)
    check_needs(complete, needs, fun)
    effective["x_scale"] = scale_of(effective["x_scale"], x, fun, hess)
    warn_of_unused(name, needs, hess, hessp)
    refuse_idle(effective, given, jac, hess)
    limits = {"maxfev": effective["maxfev"], "maxtime": effective["maxtime"]}
    if given is not None:
        objective = given
        objective.bounds, objective.shapes = box, objective.shapes if shapes is None else shapes
        objective.begin(x, **limits)
    else:
        how = {
            "fallback": scheme_in(effective),
            "noise": effective["noise"],
            "rel_step": effective["finite_diff_rel_step"],
        }
        objective = objective_of(fun, x, args, jac, hess, hessp, shapes=shapes, bounds=box, **limits, **how)
    objective.products_wanted = "hvp" in needs
    objective.tried = [] if effective["return_all"] else None
    bare = isinstance(method, str) and "order" not in (options or {})
    return Request(objective, x, complete, name, effective, callback, source, bare)


def default_method(fun: Any) -> str:
    """The name of the method that runs where none is given: for a fit, one that sees the residuals.

    Examples
    --------
    >>> from refopt import LeastSquares
    >>> default_method(LeastSquares(abs)), default_method(abs)
    ('LevenbergMarquardt', 'HigherOrderNewton')
    """
    return "LevenbergMarquardt" if isinstance(fun, LeastSquares) else "HigherOrderNewton"


def prepare(method: Any, tol: Any, options: Any, n: int) -> tuple[Method, str, dict[str, Any]]:
    """The complete method, its name, and the options in effect; raises an error for a wrong option."""
    if options is not None and not hasattr(options, "keys"):
        raise TypeError(f"options must be a dict, got {checks.describe(options)}")
    given = dict(options or {})
    # InfinityNormTrustRegion has a hyperparameter `fallback` too, which is True or False
    common = {k for k in COMMON_OPTIONS if not (k == "fallback" and isinstance(given.get(k), bool))}
    own = {k: v for k, v in given.items() if k not in common}
    complete, name = resolve(method, own, tuple(common))
    effective = {**COMMON_OPTIONS, **{k: v for k, v in given.items() if k in common}}
    if tol is not None:
        if given.get("gtol") is not None:
            raise ValueError(
                f"give tol or options['gtol'], not both (tol={tol}, gtol={given['gtol']}); "
                "they are the same option"
            )
        effective["gtol"] = tol
    if effective["maxiter"] is None:
        effective["maxiter"] = min(max(1000, 200 * n), 100_000)
    effective = checks.held("options", effective, OPTION_RULES)
    if effective["noise"] not in (None, "auto"):
        checks.in_interval("options", "noise", effective["noise"], "(0, 1)")
    effective.update(own)
    return complete, name, effective


def plain_gradient(fun: Any, jac: Any) -> tuple[Any, Any]:
    """``(fun, jac)`` as meant: ``jac=False`` is None, and SciPy's wrapper for ``jac=True`` is taken off.

    The values that the wrapper stores cannot be traced. It is known by its type: any other object may have
    an attribute `fun` of its own.
    """
    if isinstance(jac, (bool, np.bool_)) and not jac:
        jac = None
    wrapped = type(fun) is MemoizeJac and getattr(jac, "__self__", None) is fun
    return (fun.fun, True) if wrapped else (fun, jac)


def refuse_constraints(name: str, constraints: Any) -> None:
    """Raise an error for constraints other than bounds; None and empty ones, as SciPy has it, are none."""
    if constraints is None or (isinstance(constraints, dict) and not constraints):
        return
    if isinstance(constraints, dict) or np.size(constraints) > 0:
        raise ValueError(
            f"{name} does not support constraints; scipy.optimize.minimize(method='trust-constr') does"
        )


def scheme_in(options: dict[str, Any]) -> str | None:
    """The differences that `fallback` names; None if it is not given, or is a method's own, True or False."""
    return options["fallback"] if isinstance(options["fallback"], str) else None


def refuse_idle(options: dict[str, Any], given: CountedObjective | None, jac: Any, hess: Any) -> None:
    """Refuse options of finite differences where no differences are taken."""
    fallback = scheme_in(options)
    if fallback is not None and (given is not None or jac is not None):
        raise ValueError(
            f"options: fallback={fallback!r} has no effect where the gradient does not come from "
            "autograd; leave it out, or leave jac out"
        )
    differences = given is None and (
        jac is not None or isinstance(hess, str) or options["fallback"] is not None
    )
    for name in ("noise", "finite_diff_rel_step"):
        if options[name] is not None and not differences:
            raise ValueError(
                f"options: {name} has no effect without finite differences; give jac='3-point', or "
                "options={'fallback': '3-point'}, or leave it out"
            )


def warn_of_unused(name: str, needs: frozenset[str], hess: Any, hessp: Any) -> None:
    """A warning, in SciPy's words, for second derivatives that a method never asks for."""
    if needs & SECOND_ORDER:
        return
    for word, given, what in (
        ("hess", hess, "Hessian information"),
        ("hessp", hessp, "Hessian-vector product information"),
    ):
        if given is not None:
            checks.warn(
                f"Method {name} does not use {what} ({word}); leave it out, or choose a method whose needs "
                "in refopt.methods() include hess or hvp",
                RuntimeWarning,
            )


def start_of(
    objective: CountedObjective, x0: Any, args: Any, jac: Any, hess: Any, hessp: Any, shapes: Any
) -> np.ndarray:
    """The start of a run on an `Objective`, which has its own derivatives and its own dtype."""
    for name, value in (("args", args or None), ("jac", jac), ("hess", hess), ("hessp", hessp)):
        if value is not None:
            raise TypeError(
                f"minimize: {name} was given with {type(objective).__name__}, which brings its own "
                f"derivatives; leave {name} out"
            )
    x = checks.start_vector(objective.start() if x0 is None else x0, shapes)
    if x.size != objective.n:
        raise ValueError(
            f"x0 has {x.size} variables, but the objective has {objective.n}; they must be equal"
        )
    return x.astype(objective.dtype)


def check_needs(method: Method, needs: frozenset[str], fun: Any) -> None:
    """Refuse, before the first evaluation, a method whose needs the objective cannot meet."""
    for need in sorted(needs - NEEDS):
        raise checks.unknown(f"need of {method!r}", need, NEEDS)
    if isinstance(fun, CountedObjective):
        return  # it raises its own error when asked for something it lacks
    if "gauss-newton" in needs and not isinstance(fun, ModelLoss):
        raise TypeError(
            f"{method!r} needs the Gauss-Newton matrix, but fun is a plain scalar function; give "
            "refopt.LeastSquares(residuals) or refopt.ModelLoss(model, loss) as fun"
        )
    if "residuals" in needs and not isinstance(fun, LeastSquares):
        raise TypeError(
            f"{method!r} needs residuals, but fun is a plain scalar function; "
            "give refopt.LeastSquares(residuals) as fun"
        )


def scale_of(x_scale: Any, x: np.ndarray, fun: Any, hess: Any) -> Any:
    """The option `x_scale`: an array like x, "jac", "hess", "auto" or None; or an error."""
    if x_scale is None:
        return None
    if isinstance(x_scale, str):
        checks.one_of("options", "x_scale", x_scale, ("jac", "hess", "auto"))
        if x_scale == "jac" and not isinstance(fun, (ModelLoss, CountedObjective)):
            raise TypeError(
                "options: x_scale='jac' takes the Jacobian of residuals or of a model, but fun is a plain "
                "scalar function; give x_scale='hess', an array, or refopt.LeastSquares(residuals) as fun"
            )
        if x_scale != "jac" and isinstance(hess, HessianUpdateStrategy):
            if x_scale == "auto":
                return None
            raise ValueError(
                f"options: x_scale='hess' takes the Hessian at x0, which hess={type(hess).__name__}() does "
                "not know; give an array"
            )
        return x_scale
    try:
        s = np.asarray(x_scale)
        if s.dtype.kind not in "fiu":
            raise TypeError("not real numbers")
        s = np.broadcast_to(s.astype(x.dtype), x.shape).copy()
    except (TypeError, ValueError):
        raise ValueError(
            "options: x_scale must be 'jac', 'hess', 'auto', None, one positive number, or one for each of "
            f"the {x.size} variables, got {checks.describe(x_scale)}"
        ) from None
    with np.errstate(all="ignore"):
        bad = np.flatnonzero(~(np.isfinite(s) & (s > 0) & np.isfinite(x / s)))
    if bad.size:
        i = int(bad[0])
        raise ValueError(
            f"options: x_scale must be positive and finite, and x0 / x_scale too, but x_scale[{i}] = {s[i]} "
            f"and x0[{i}] = {x[i]}"
        )
    return s


def generator(rng: Any, options: dict[str, Any]) -> np.random.Generator:
    """The source of randomness; a seed is stored in the options, so that the run can be repeated."""
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None:
        rng = int(np.random.SeedSequence().generate_state(1)[0])
    elif isinstance(rng, bool) or not isinstance(rng, (int, np.integer)) or rng < 0:
        raise TypeError(
            "rng must be None, a non-negative integer or a numpy.random.Generator, got "
            f"{checks.describe(rng)}"
        )
    options["rng"] = int(rng)
    return np.random.default_rng(rng)


def box_bounds(bounds: Any, x: np.ndarray, method: Method) -> tuple[np.ndarray, np.ndarray] | None:
    """``(lower, upper)`` arrays from either form of SciPy's bounds, checked with the method."""
    if bounds is None:
        return None
    lower, upper = ends(bounds, x)
    if np.all(np.isneginf(lower)) and np.all(np.isposinf(upper)):
        return None
    if reason := method.without_bounds():
        raise ValueError(f"{reason}; by name these do: {', '.join(names_supporting_bounds())}")
    crossed = np.flatnonzero(~(lower <= upper))
    if crossed.size:
        i = int(crossed[0])
        raise ValueError(
            f"bounds cross at variable {i}: the lower bound {lower[i]} must not be above the upper bound "
            f"{upper[i]}"
        )
    return lower, upper


def ends(bounds: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lower and the upper ends of either form of SciPy's bounds, each an array like x."""
    if hasattr(bounds, "lb"):
        sides: list[Any] = [np.asarray(bounds.lb), np.asarray(bounds.ub)]
        for side, word in zip(sides, ("lower", "upper"), strict=True):
            if side.size not in (1, x.size) or side.ndim > 1:
                raise ValueError(
                    f"bounds has {side.size} {word} bounds, but x0 has {x.size} variables; give Bounds with "
                    "one number for each variable, or a single number for all"
                )
    else:
        try:
            pairs = [(lo, hi) for lo, hi in bounds]
        except (TypeError, ValueError):
            raise TypeError(
                "bounds must be scipy.optimize.Bounds or a sequence of (low, high) pairs, "
                f"got {checks.describe(bounds)}"
            ) from None
        if len(pairs) != x.size:
            raise ValueError(
                f"bounds has {len(pairs)} pairs, but x0 has {x.size} variables; they must be equal"
            )
        # numbers may come as arrays of one element
        sides = [
            [free if value is None else np.reshape(value, -1)[0] for value in side]
            for side, free in zip(zip(*pairs, strict=True), (-np.inf, np.inf), strict=True)
        ]
    try:
        if any(np.iscomplexobj(side) for side in sides):
            raise TypeError("some are complex")
        lower, upper = (np.broadcast_to(np.asarray(side, dtype=x.dtype), x.shape).copy() for side in sides)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"bounds must hold real numbers, or None for no bound, got {checks.describe(bounds)} ({error})"
        ) from None
    return lower, upper


def moved_inside(x: np.ndarray, box: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """The point of the box nearest to x, with SciPy's warning if it is not x."""
    outside = np.flatnonzero((x < box[0]) | (x > box[1]))
    if outside.size == 0:
        return x
    # without the numbers: the same text again, as from basinhopping, is shown only once
    checks.warn(
        f"Initial guess is not within the specified bounds at variable {int(outside[0])}; the run starts at "
        "the nearest point inside, np.clip(x0, lower, upper)",
        OptimizeWarning,
    )
    return np.clip(x, *box)


def adapt_callback(callback: Any) -> Callable[[Any], None] | None:
    """``callback(record)`` from either of SciPy's forms, with the parameter `intermediate_result` or x."""
    if callback is None:
        return None
    checks.function("minimize", "callback", callback)
    try:
        names = tuple(inspect.signature(callback).parameters)
    except (TypeError, ValueError):
        names = ()
    return Callback(callback, names == ("intermediate_result",))


@dataclasses.dataclass(frozen=True)
class Callback:
    """The user's callback as a function of a record, in the form that `by_name` says.

    A copy of a run shares the user's callback, as it shares the user's function.
    """

    callback: Callable
    by_name: bool

    def __call__(self, record: Any) -> None:
        if self.by_name:
            self.callback(intermediate_result=OptimizeResult(record.fields()))
        else:
            self.callback(record.x.copy())

    def __deepcopy__(self, memo: dict) -> Callback:
        return self
