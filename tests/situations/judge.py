"""One run of one situation, judged: was success right, was it missing, is the answer the best point seen.

    right            success at a minimum
    no minimum       no success, and there is no minimum: also right
    modest           no success, though the run ended at a minimum: a false failure
    not reached      no success, elsewhere
    refused          an error in one line that names what is not supported: bounds, derivatives
    error            any other exception
    FALSE SUCCESS    success, elsewhere
    WORSE THAN SEEN  f was clearly lower at a point that the run evaluated

A run ended at a minimum if f is above it by no more than 1e-8 of the size of f (`Situation.unit`), ten times
its noise and 40 rounding errors; or if each variable is right to 1e-4 of itself, or, where it is 0 at the
minimum, to 1e-6 of the way from the start. "Clearly lower": by a thousandth of what was gained, and by a
millionth of what is left.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import time
import warnings
from typing import Any

import numpy as np
from autograd.tracer import getval

import refopt
from refopt.derivatives.reverse import TraceError

from . import curvature, domains, unbounded, values  # noqa: F401  they fill SITUATIONS
from .base import SITUATIONS, Situation

__all__ = ["CHAINS", "SITUATIONS", "Verdict", "judge", "method_names", "run"]

RIGHT, NO_MINIMUM, MODEST, NOT_REACHED, REFUSED, ERROR, FALSE, WORSE = KINDS = (
    "right",
    "no minimum",
    "modest",
    "not reached",
    "refused",
    "error",
    "FALSE SUCCESS",
    "WORSE THAN SEEN",
)
F_CLOSE, X_CLOSE, ZERO_CLOSE = 1e-8, 1e-4, 1e-6
CLEARLY, A_MILLIONTH = 1e-3, 1e-6
# Iterations of the methods with curvature and LBFGS, and of the others, which go on for thousands.
LIMITS = (200, 100)

# What a bare name does not make.
CHAINS: dict[str, Any] = {
    "Adam, LR(1e-17), StrongWolfe": lambda: refopt.chain(
        refopt.Adam(), refopt.LR(1e-17), refopt.StrongWolfe()
    ),
    "HeavyBall, LR(1e-3), xtol": lambda: refopt.chain(refopt.HeavyBall(0.95), refopt.LR(1e-3)),
    "HigherOrderNewton(order 3, no region)": lambda: refopt.HigherOrderNewton(order=3, trust_method="none"),
    "ScipyNewtonCG(truncated cg)": lambda: refopt.chain(
        refopt.ScipyNewtonCG(direction="truncated", solver="cg"), refopt.Backtracking()
    ),
    "GradMin(Newton)": lambda: refopt.GradMin(inner=refopt.chain(refopt.Newton(), refopt.Backtracking())),
    "BlockPartition(Newton)": lambda: refopt.BlockPartition(
        inner=refopt.chain(refopt.Newton(), refopt.Backtracking()), max_size=1, project_params=True
    ),
}
OPTIONS: dict[str, dict[str, Any]] = {"HeavyBall, LR(1e-3), xtol": {"xtol": 1e-3}}
RESIDUALS = "HigherOrderNewton (r)"
CURVED = {"hvp", "hess", "taylor", "gauss-newton", "residuals"}


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of one run."""

    kind: str
    reason: str
    seconds: float = 0.0


def method_names(case: Situation) -> list[str]:
    """Every name of the registry and every chain; those of residuals where f has them."""
    names = [row.name for row in refopt.methods() if "gauss-newton" not in row.needs or case.residuals]
    return names + list(CHAINS) + ([RESIDUALS] if case.residuals else [])


def limit_of(method: str) -> int:
    """How many iterations a method is given."""
    needs = {row.name: set(row.needs) for row in refopt.methods()}.get(method, CURVED)
    return LIMITS[0] if needs & CURVED or method == "LBFGS" else LIMITS[1]


def run(case: Situation, method: str, maxiter: int | None = None) -> Verdict:
    """Minimise the function of `case`, and judge the answer."""
    seen: list[float] = []
    residuals = method in ("GaussNewton", "LevenbergMarquardt", RESIDUALS)
    given = dict(case.given)
    options = {"maxiter": maxiter or limit_of(method), **OPTIONS.get(method, {})}
    options |= given.pop("options", {})
    fun: Any = watched(case.residuals if residuals else case.fun, seen, squared=residuals)
    fun = refopt.LeastSquares(fun) if residuals else fun
    chosen = CHAINS[method]() if method in CHAINS else "HigherOrderNewton" if method == RESIDUALS else method
    began = time.process_time()
    try:
        with quiet():
            result = refopt.minimize(fun, case.x0, method=chosen, rng=0, options=options, **given)
            verdict = judge(case, result, seen)
    except Exception as error:
        verdict = judged_error(error)
    return dataclasses.replace(verdict, seconds=time.process_time() - began)


def watched(fun: Any, seen: list[float], squared: bool) -> Any:
    """`fun`, which keeps the values that it had."""

    def watching(x):
        value = fun(x)
        plain = value
        while plain is not getval(plain):
            plain = getval(plain)
        # numbers of Taylor mode have no value of their own here
        if isinstance(plain, (float, np.ndarray, np.number)):
            number = float(np.sum(plain**2)) if squared else float(np.reshape(plain, ()))
            if np.isfinite(number):
                seen.append(number)
        return value

    return watching


@contextlib.contextmanager
def quiet():
    """Without warnings and prints."""
    with warnings.catch_warnings(), np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def judged_error(error: Exception) -> Verdict:
    text = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    refusal = isinstance(error, TraceError) or (
        isinstance(error, (ValueError, TypeError)) and ("bounds" in text or "derivative" in text)
    )
    return Verdict(REFUSED if refusal else ERROR, text)


def slack(case: Situation, x: np.ndarray) -> float:
    """How far above the minimum `core` may be."""
    with quiet():
        size = max(case.rounding, abs(case.value(x)), 0.0 if case.floor is None else abs(case.floor))
    rounding = 40 * float(np.finfo(case.dtype).eps) * (size if np.isfinite(size) else 0.0)
    return F_CLOSE * case.unit + 10 * case.noise + rounding


def at_minimum(case: Situation, x: np.ndarray) -> bool:
    """Whether success at x is right."""
    with quiet():
        if case.floor is not None and case.value(x) - case.floor <= slack(case, x):
            return True
    for point in case.points:
        way = np.where(point != 0, X_CLOSE * np.abs(point), ZERO_CLOSE * np.abs(case.x0 - point))
        if bool(np.all(np.abs(x - point) <= way)):
            return True
    return False


def judge(case: Situation, result: Any, seen: list[float]) -> Verdict:
    """The verdict on a result, from values of the plain function alone."""
    x = np.array(result.x, dtype=float)
    said = (
        f"x = {np.array2string(x[:4], precision=6)}, f = {float(result.fun):.8g}, nit = {result.nit}: "
        f"{str(result.message)[:120]}"
    )
    right = at_minimum(case, x)
    if result.success:
        return Verdict(RIGHT if right else FALSE, said)
    if right:
        return Verdict(MODEST, said)
    lowest, f = min(seen, default=np.inf), float(result.fun)
    with quiet():
        f0 = float(np.reshape(case.fun(case.x0), ()))
        left = abs(f) if case.floor is None else f - case.floor
        worse = f - lowest > CLEARLY * (f0 - lowest) + A_MILLIONTH * left + slack(case, x)
    if bool(worse) or (not np.isfinite(f) and np.isfinite(lowest)):
        return Verdict(WORSE, f"f = {lowest:.8g} was evaluated; {said}")
    return Verdict(NOT_REACHED if case.exists else NO_MINIMUM, said)
