"""Minimise a `LinearSystem` by one of refopt's methods, or by `scipy.optimize.minimize`.

Both stop when the loss |A d - u|^2 / n has fallen to `tol` times its value at the start, or after `maxiter`
iterations. A method of refopt stops after the iteration that begins at such a loss, SciPy at the first
evaluation of one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize

from ..method import Method
from ..objective import Point
from ..status import Status, Stop
from ..views.linear_system import LinearSystem
from .krylov import Breakdown, all_finite

__all__ = ["SCIPY_METHODS", "Descent", "by_method", "by_scipy"]

GONE = 1e16  # an inner run whose loss has grown by this factor has diverged

# The derivatives that each method of scipy.optimize.minimize is given.
SCIPY_METHODS: dict[str, tuple[str, ...]] = {
    "Nelder-Mead": (),
    "Powell": (),
    "COBYLA": (),
    "COBYQA": (),
    "CG": ("jac",),
    "BFGS": ("jac",),
    "L-BFGS-B": ("jac",),
    "TNC": ("jac",),
    "SLSQP": ("jac",),
    "Newton-CG": ("jac", "hessp"),
    "trust-ncg": ("jac", "hessp"),
    "trust-krylov": ("jac", "hessp"),
    "trust-constr": ("jac", "hessp"),
    "dogleg": ("jac", "hess"),
    "trust-exact": ("jac", "hess"),
}


class Descent(NamedTuple):
    """The result of one minimisation."""

    d: np.ndarray  # (n,)
    state: Any  # of the method, for the next system; () for SciPy
    outcome: str  # "converged"; "iterations": limit reached; "stopped": the solver gave up; "diverged"
    iterations: int  # for SciPy: values computed
    fall: float  # last loss computed (for SciPy the least), as a share of the first


def by_method(
    method: Method, system: LinearSystem, d: np.ndarray, state: Any, maxiter: int, tol: float | None
) -> Descent:
    """Run `method` on `system` from d (n,) and its state; returns the last d, or the best if it diverges."""
    point, first = beginning(system, d)
    loss = first
    best, best_loss, outcome, k = point.x, first, "iterations", 0
    try:
        with np.errstate(all="ignore"):  # the outcome reports an inner run that diverges
            while k < maxiter and loss > 0:
                update, state = method.step(point, point.g, state)
                trial = point.after(update)
                if not all_finite(trial.x):
                    raise Breakdown
                point, k = trial, k + 1
                if tol is not None and loss <= tol * first:
                    outcome = "converged"
                    break
                if k == maxiter:
                    break
                loss = system.loss(point)
                if not loss <= GONE * first:
                    raise Breakdown
                if loss < best_loss:
                    best, best_loss = point.x, loss
    except Breakdown:
        return Descent(best, state, "diverged", k, best_loss / first)
    except Stop as stop:
        if stop.status not in (Status.ROUNDING, Status.STALLED):
            raise
        outcome = "stopped"
    return Descent(point.x, state, "converged" if loss == 0 else outcome, k, loss / first if first else 0.0)


def beginning(system: LinearSystem, d: np.ndarray) -> tuple[Point, float]:
    """The point to start from and its loss: d, or 0 if the loss at d is not finite."""
    point = system.at(d)
    try:
        with np.errstate(all="ignore"):
            loss = system.loss(point)
    except Breakdown:
        loss = np.inf
    if not np.isfinite(loss):
        point = system.at(np.zeros_like(d))
        loss = system.loss(point)
    return point, loss


class Enough(Exception):
    """The loss is small enough."""


def by_scipy(
    solver: str | Callable, system: LinearSystem, d: np.ndarray, maxiter: int, tol: float | None
) -> Descent:
    """Run `scipy.optimize.minimize` on `system` from d (n,), with the right side scaled to length 1."""
    size = float(np.linalg.norm(system.u))
    if size == 0:
        return Descent(np.zeros_like(d), (), "converged", 0, 0.0)
    unit = LinearSystem(system.A, system.u / system.dtype.type(size), system.kind)
    (start, first), trials = beginning(unit, d / system.dtype.type(size)), 0
    best, least = start, first

    def at(y: np.ndarray) -> Any:
        return unit.at(np.array(y, dtype=system.dtype))

    def value(y: np.ndarray) -> float:
        nonlocal best, least, trials
        point, trials = at(y), trials + 1
        loss = unit.loss(point)
        if loss < least:
            best, least = point, loss
        if least == 0 or (tol is not None and least <= tol * first):
            raise Enough
        return float(point.f)

    supply: dict[str, Callable] = {
        "jac": lambda y: at(y).g.astype(float),
        "hess": lambda y: at(y).dense_hessian().astype(float),
        "hessp": lambda y, v: unit.product(at(y), np.array(v, dtype=system.dtype)).astype(float),
    }
    given: dict[str, Any] = {"options": {"maxfun" if solver == "TNC" else "maxiter": maxiter}}
    if callable(solver):
        given.update(supply)
    else:
        given.update({name: supply[name] for name in SCIPY_METHODS[solver]})
        given["tol"] = float(np.finfo(system.dtype).eps)  # so that our `tol` decides, not SciPy's
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # SciPy warns when it stops early; the outcome reports this
            result = scipy.optimize.minimize(value, start.x.astype(float), method=solver, **given)
        y = np.asarray(getattr(result, "x", result), dtype=system.dtype)
        if y.shape != d.shape:
            raise ValueError(
                f"NewtonSolver: the solver must return an array of shape {d.shape} or an "
                f"OptimizeResult with one as x, got shape {y.shape}"
            )
        count = getattr(result, "nit", None)
        outcome = "iterations" if (trials if count is None else count) >= maxiter else "stopped"
        if not all_finite(y):
            y, outcome = best.x, "diverged"
    except Enough:
        y, outcome = best.x, "converged"
    except (Breakdown, np.linalg.LinAlgError):
        y, outcome = best.x, "diverged"
    return Descent(y * system.dtype.type(size), (), outcome, trials, least / first if first else 0.0)
