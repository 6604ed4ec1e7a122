"""Precise definitions of ScipyNewtonCG, NewtonSolver and GradMin, as in `refopt.oracle.exact`.

The first two leave open how the linear system is solved: the solution is read from the answer. One that
satisfies the system to rounding is held against the solution itself, any other to the tolerance asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...views.gradient_size import GradientSize, Terms
from . import definitions as exact
from .precise import PrecisePoint, norm, solve, sqrt

__all__ = ["EXACT_PRODUCTS"]

SOLVED = 1e-14  # relative residual of a solution to rounding; times the condition number its error
OWN_NORM = ("minres", "tfqmr", "lsqr", "lsmr")  # whose tolerances are not on |H d - u| / |u|


def held(A: np.ndarray, u: np.ndarray, chosen: Any, limit: float | None) -> np.ndarray:
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
        raise exact.Violation(f"|A d - u| / |u| = {error:.3g} is above {limit:.3g}")
    return chosen


def scipy_newton_cg(h, p, u, s):
    told = None if p.answer is None else p.answer[1]
    gnorm, eta = norm(p.g), s.eta
    limit: float | None = 1e-5
    if h.forcing is not None:
        if np.isfinite(float(s.gnorm)):
            eta = min(exact_eta(s.eta, gnorm, s.gnorm), p.number(0.9))
        limit = float(eta)
    elif h.kwargs:
        limit = float(h.kwargs.get("rtol", limit))
    if h.solver in OWN_NORM or h.M is not None or h.hvp_method != "autograd" or "atol" in (h.kwargs or {}):
        limit = None
    if told is not None and told.outcome != "converged":
        limit = 1.0  # never worse than d = 0; the update itself where there is nothing better
    chosen = None if told is None else p.array(told.d)
    if told is not None and told.outcome in ("breakdown", "curvature") and not (chosen - u).any():
        d = u
    else:
        d = held(p.hess, u, chosen, None if limit is None else limit * (1 + 1e-6))
    out, said = d, "kept"
    slope = np.dot(p.g, d)
    if h.direction != "keep" and not slope > 0:
        out, said = (-d, "negated") if h.direction == "negate" and slope < 0 else (p.g, "gradient")
    elif told is not None and told.outcome == "curvature":
        said = "truncated"
    changes = dict(d=d, eta=eta, gnorm=gnorm, direction=said)
    if told is not None:
        changes.update(outcome=told.outcome, exit_code=told.exit_code, products=told.products)
    return out, changes


def exact_eta(eta, gnorm, before):
    new, held_back = (gnorm / before) ** 2 * 9 / 10, eta**2 * 9 / 10
    return max(new, held_back) if held_back > 0.1 else new


def newton_solver(h, p, u, s):
    told = None if p.answer is None else p.answer[1]
    A = p.hess + h.reg * np.eye(u.size, dtype=np.int64)
    chosen = None if told is None else p.array(told.d)
    limit = None
    if told is not None and told.outcome == "converged" and h.tol and h.hvp_method == "autograd":
        d0 = s.d if s.d is not None and h.warm_start else 0 * u
        limit = 2 * float(sqrt(h.tol) * norm(A @ d0 - u) / norm(u))  # the last iteration is not judged: twice
    if told is not None and not (chosen - u).any() and told.outcome in ("stopped", "diverged"):
        d = u
    else:
        d = held(A, u, chosen, limit)
    changes = dict(d=d)
    if told is not None:
        changes.update(solver=told.solver, outcome=told.outcome, iterations=told.iterations,
                       products=told.products, fall=told.fall, rng=told.rng)
    return d, changes


# ---------------------------------------------------------------- GradMin


def grad_min(h, p, u, s):
    """phi = t L + G in the order of its docstring, scales of grafts constant."""
    n, f, g = p.g.size, p.f, p.g
    k = p.number(1.0) / n if h.mean else p.number(1.0)
    sign = np.where(g > 0, 1, np.where(g < 0, -1, 0))
    S, w = (k * np.dot(g, g), 2 * k * g) if h.square else (k * abs(g).sum(), k * sign)
    dS, t = p.hvp(w), h.loss_term or 0
    G, dG, L, dL = S, dS, f, g
    if h.graft == "grad_to_loss":
        G, dG = f / S * G, f / S * dG
    if h.relative == "grad_to_loss":
        G, dG = G * f, G * g + f * dG
    if t and h.graft == "loss_to_grad":
        L, dL = G / f * L, G / f * dL
    if h.relative == "loss_to_grad":
        plain_G, plain_dG = G, dG
        L, dL = L * plain_G, L * plain_dG + plain_G * dL
    phi, slope = (t * L + G, t * dL + dG) if t else (G, dG)
    if h.maximize_grad:
        phi, slope = -phi, -slope
    terms = Terms(float(t), h.relative, h.graft, h.square, h.mean, h.maximize_grad, h.modify_loss, False)
    below = GradientSize(p.point.objective, terms).at(p.point.x)
    answer = None if p.answer is None else (p.answer[0], p.answer[1].inner)
    seen = PrecisePoint(below, p.arithmetic, answer)
    seen.__dict__.update(x=p.x, f=phi if h.modify_loss else f, g=slope)
    out, inner = exact.step(h.inner, seen, slope, s.inner)
    return out, dict(inner=inner, value=phi, size=S)


EXACT_PRODUCTS: dict[str, tuple[Callable, float]] = {
    "ScipyNewtonCG": (scipy_newton_cg, 1000),  # a residual of 1e-14 is 45 ulps, times the condition number
    "NewtonSolver": (newton_solver, 1000),
    "GradMin": (grad_min, 16),
}
