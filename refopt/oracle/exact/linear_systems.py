"""Definitions of ScipyNewtonCG and NewtonSolver, which leave open how the linear system is solved.

The solution is read from the answer. If it satisfies the system to rounding it is compared with the solution
itself, else its residual must be within the tolerance asked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .definitions import Violation, definition
from .precise import norm, solve, sqrt

__all__: list[str] = []

SOLVED = 1e-14  # relative residual of a solution to rounding; times the condition number its error
OWN_NORM = ("minres", "tfqmr", "lsqr", "lsmr")  # whose tolerances are not on |H d - u| / |u|


def checked_solution(A: np.ndarray, u: np.ndarray, chosen: Any, limit: float | None) -> np.ndarray:
    """The solution of ``A d = u``, or the chosen one if its relative residual is at most `limit`."""
    if chosen is None:
        return solve(A, u)
    size = norm(u)
    error = float(norm(A @ chosen - u) / size) if size > 0 else 0.0
    if error <= SOLVED:
        try:
            return solve(A, u)
        except ZeroDivisionError:
            return chosen
    if limit is not None and not error <= limit:
        raise Violation(f"|A d - u| / |u| = {error:.3g} is above {limit:.3g}")
    return chosen


@definition("ScipyNewtonCG", ulps=1000)  # a residual of 1e-14 is 45 ulps; the condition number multiplies it
def scipy_newton_cg(h, p, u, s):
    answer = None if p.answer is None else p.answer[1]
    gnorm, eta = norm(p.g), s.eta
    limit: float | None = 1e-5
    if h.forcing is not None:
        if np.isfinite(float(s.gnorm)):
            eta = min(next_eta(s.eta, gnorm, s.gnorm), p.number(0.9))
        limit = float(eta)
    elif h.kwargs:
        limit = float(h.kwargs.get("rtol", limit))
    if h.solver in OWN_NORM or h.M is not None or h.hvp_method != "autograd" or "atol" in (h.kwargs or {}):
        limit = None
    if answer is not None and answer.outcome != "converged":
        limit = 1.0  # never worse than d = 0; the update itself where there is nothing better
    chosen = None if answer is None else p.array(answer.d)
    if answer is not None and answer.outcome in ("breakdown", "curvature") and not (chosen - u).any():
        d = u
    else:
        d = checked_solution(p.hess, u, chosen, None if limit is None else limit * (1 + 1e-6))
    out, direction = d, "kept"
    slope = np.dot(p.g, d)
    if h.direction != "keep" and not slope > 0:
        out, direction = (-d, "negated") if h.direction == "negate" and slope < 0 else (p.g, "gradient")
    elif answer is not None and answer.outcome == "curvature":
        direction = "truncated"
    changes = dict(d=d, eta=eta, gnorm=gnorm, direction=direction)
    if answer is not None:
        changes.update(outcome=answer.outcome, exit_code=answer.exit_code, products=answer.products)
    return out, changes


def next_eta(eta, gnorm, before):
    new, held_back = (gnorm / before) ** 2 * 9 / 10, eta**2 * 9 / 10
    return max(new, held_back) if held_back > 0.1 else new


@definition("NewtonSolver", ulps=1000)
def newton_solver(h, p, u, s):
    answer = None if p.answer is None else p.answer[1]
    A = p.hess + h.reg * np.eye(u.size, dtype=np.int64)
    chosen = None if answer is None else p.array(answer.d)
    limit = None
    if answer is not None and answer.outcome == "converged" and h.tol and h.hvp_method == "autograd":
        d0 = s.d if s.d is not None and h.warm_start else 0 * u
        limit = 2 * float(sqrt(h.tol) * norm(A @ d0 - u) / norm(u))  # the last iteration is not judged: twice
    if answer is not None and not (chosen - u).any() and answer.outcome in ("stopped", "diverged"):
        d = u
    else:
        d = checked_solution(A, u, chosen, limit)
    changes = dict(d=d)
    if answer is not None:
        changes.update(
            solver=answer.solver,
            outcome=answer.outcome,
            iterations=answer.iterations,
            products=answer.products,
            fall=answer.fall,
            rng=answer.rng,
        )
    return d, changes
