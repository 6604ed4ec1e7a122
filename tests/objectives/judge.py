"""One run of one objective, judged on the plain function: right, refused clearly, or wrong.

A run is *right* if it reports success at a point that is stationary for the plain function, with its value
there. It has *no success* if it says so, with the true value of the point that it returns. It is *refused
clearly* if the error names tracing and the ways out, or is the user's own. Everything else is *wrong*.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize._numdiff import approx_derivative

import refopt
from refopt.derivatives.reverse import TraceError

from . import arrays, guards, packages, residuals  # noqa: F401  they fill CASES
from .base import CASES, Case

__all__ = ["CASES", "MODES", "Verdict", "judge", "method_names", "run"]

# What the user gives beside the function; "jac": a function, here SciPy's differences.
MODES: dict[str, dict[str, Any]] = {
    "autograd": {},
    "fallback": {"options": {"fallback": "3-point"}},
    "3-point": {"jac": "3-point"},
    "2-point": {"jac": "2-point"},
    "jac": {},
}
GTOL, MAXITER = 1e-5, 40
SLACK = 10.0  # the gradient that ended the run has an error of its own, as have our differences
NEAR = 1e-6  # |f - lowest| <= NEAR (1 + |lowest|) is the answer, whatever the slope there

RIGHT, UNFINISHED, REFUSED, WRONG = "right", "no success", "refused clearly", "wrong"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of one run.

    Attributes
    ----------
    kind : RIGHT, UNFINISHED (no success, and the value is true), REFUSED or WRONG
    reason : what was seen, one line
    reached : whether the lowest known value was reached
    seconds : of the run
    """

    kind: str
    reason: str
    reached: bool = False
    seconds: float = 0.0


def method_names(case: Case | None = None) -> list[str]:
    """The methods that minimise a scalar function by their bare name, and those of Gauss-Newton for a fit."""
    parts = (
        {"residuals", "gauss-newton"}
        if case is None or not isinstance(case.make(), refopt.ModelLoss)
        else set()
    )
    return [row.name for row in refopt.methods() if not parts & set(row.needs)]


def slope_of(case: Case) -> Callable:
    """A `jac` as users write it around SciPy."""
    fun = case.make()
    return lambda x, *args: approx_derivative(lambda z: float(np.reshape(fun(z, *args), ())), x)


def run(case: Case, method: str, mode: str) -> Verdict:
    """Minimise `case` with a bare method name, and judge the answer."""
    given = {"jac": slope_of(case)} if mode == "jac" else dict(MODES[mode])
    options = {"maxiter": MAXITER, "gtol": GTOL, **given.pop("options", {})}
    began = time.perf_counter()
    try:
        with quiet():
            result = refopt.minimize(
                case.make(), case.x0, case.args, method=method, rng=0, options=options, **given
            )
    except Exception as error:
        return dataclasses.replace(judged_error(case, error), seconds=time.perf_counter() - began)
    return dataclasses.replace(judge(case, result), seconds=time.perf_counter() - began)


@contextlib.contextmanager
def quiet():
    """Without the warnings and the prints of the objectives."""
    with warnings.catch_warnings(), np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def judged_error(case: Case, error: Exception) -> Verdict:
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"
    # jac by differences is not the derivative where values are rough, and at a kink
    rough = case.kinked or case.noise > 1e-8
    if isinstance(error, case.own) or (rough and "jac disagrees with the derivative" in text):
        return Verdict(REFUSED, text)
    if "residuals must return an array of shape (m,)" in text:
        return Verdict(REFUSED, text)
    # a clear refusal says that autograd follows fun, and names both ways out
    if isinstance(error, TraceError) and "autograd" in text and "jac" in text:
        return Verdict(REFUSED, text)
    return Verdict(WRONG, f"unclear error: {text[:160]}")


def judge(case: Case, result: refopt.driver.OptimizeResult) -> Verdict:
    """The verdict on a result, from values of the plain function alone."""
    with quiet():
        x, f = np.array(result.x), float(result.fun)
        true = case.value(x)
        lowest = case.lowest
        rounding = max(case.noise, 8 * np.finfo(case.dtype).eps)
        noise = rounding * (1 + abs(true))
        reached = bool(true - lowest <= max(NEAR * (1 + abs(lowest)), 4 * noise))
        if case.steady and not (abs(f - true) <= 4 * noise or (not np.isfinite(true) and not np.isfinite(f))):
            return Verdict(
                WRONG, f"res.fun = {f:.8g}, but fun(res.x) = {true:.8g}; {ending(result)}", reached
            )
        if not result.success:
            return Verdict(UNFINISHED, ending(result), reached)
        if reached:
            return Verdict(RIGHT, ending(result), True)
        slope, error = central_differences(case, x, noise)
        if slope <= SLACK * GTOL + error:
            return Verdict(RIGHT, f"stationary, f = {true:.6g}, lowest {lowest:.6g}; {ending(result)}", False)
    return Verdict(
        WRONG,
        f"success at x = {x.round(6).tolist()}, |g| = {slope:.3g} by differences, f = {true:.8g}, lowest "
        f"known {lowest:.8g}; {ending(result)}",
        reached,
    )


def ending(result) -> str:
    return f"success={result.success}, nit={result.nit}: {str(result.message)[:110]}"


def central_differences(case: Case, x: np.ndarray, noise: float) -> tuple[float, float]:
    """|g|_inf by central differences of the plain function, and the error that its noise makes.

    The step grows with the noise, and is one that float32 resolves.
    """
    # at a kink other steps would see another slope than the run saw
    error = 0.0 if case.kinked else case.noise
    relative = float(np.cbrt(max(error, np.finfo(case.dtype).eps)))
    h = relative * np.maximum(1, np.abs(x.astype(float)))
    fun = case.make()
    value = lambda z: float(np.reshape(fun(z.astype(case.dtype), *case.args), ()))  # noqa: E731
    g = [(value(x + e) - value(x - e)) / (2 * e.sum()) for e in np.diag(h)]
    return float(np.abs(g).max()), 2 * noise / float(h.min())
