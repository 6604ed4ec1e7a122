"""Precise definitions of CurveBall, InfinityNormTrustRegion and GaussNewton, as in `refopt.oracle.exact`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...solvers.box import quadratic_step
from . import definitions as exact
from .precise import PrecisePoint, eigh, norm, plain, solve

__all__ = ["EXACT_CURVATURE"]


def noise_of(p: PrecisePoint) -> float:
    """The rounding error of f that the methods assume."""
    return 4 * float(np.finfo(p.point.x.dtype).eps) * abs(float(p.f))


# ---------------------------------------------------------------- CurveBall


def best_of_span(u, D, z, KD, Kz):
    """``(beta, rho, branch)``: the published 2x2 system, and its branches."""
    if not D.any():
        return 0 * u[0], 1 + 0 * u[0], "rank one"
    if not z.any() or norm(z - np.dot(D, z) / np.dot(D, D) * D) <= 2.0**-26 * norm(z):
        k = np.dot(D, KD)
        return np.dot(u, D) / (abs(k) if k else np.dot(D, D)), 0 * u[0], "rank one" if k > 0 else "indefinite"
    a, b, c = np.dot(D, KD), np.dot(z, Kz), np.dot(D, Kz)
    if a > 0 and a * b > c * c:
        beta, minus = solve(np.array([[a, c], [c, b]]), np.array([np.dot(u, D), np.dot(u, z)]))
        return beta, -minus, "regular"
    e = D / norm(D)
    t = np.dot(e, z)
    w = norm(z - t * e)
    f = (z - t * e) / w
    Ke = KD / norm(D)
    Kf = (Kz - t * Ke) / w
    values, V = eigh(np.array([[np.dot(e, Ke), np.dot(e, Kf)], [np.dot(e, Kf), np.dot(f, Kf)]]))
    g = np.array([np.dot(e, u), np.dot(f, u)])
    first, second = -V @ ((V.T @ g) / abs(values))  # p = first e + second f
    rho = second / w
    return (rho * t - first) / norm(D), rho, "indefinite"


def curve_ball(h, p, u, s):
    product = lambda v: p.hvp(v, h.hvp_method, h.h)  # noqa: E731
    if h.curvature == "gauss-newton":
        product = lambda v: p.array(p.point.gauss_newton_product(plain(v, p.point.x.dtype)))  # noqa: E731
    nan = p.number(1.0) * float("nan")
    changes = dict(t=s.t + 1, ratio=nan, accepted=True)
    if not h.auto:
        z = h.momentum * s.z - h.precond_lr * (product(s.z) + h.reg * s.z + u)
        return -h.alpha * z, dict(changes, z=z, beta=h.precond_lr, rho=h.momentum)
    Kz = product(s.z) + s.lam * s.z if s.z.any() else 0 * s.z
    D = Kz + u
    beta, rho, branch = best_of_span(u, D, s.z, product(D) + s.lam * D, Kz)
    z = rho * s.z - beta * D
    step, slope = -h.alpha * z, np.dot(u, z)
    changes.update(beta=beta, rho=rho, branch=branch)
    if h.acceptance == "none":
        if changes["t"] % 5 == 0:
            ratio = (p.after(step).f - p.f) / (slope / 2)
            factor = p.number(0.999**5)
            lam = s.lam * factor if ratio > 1.5 else s.lam / factor if ratio < 0.5 else s.lam
            changes.update(ratio=ratio, lam=lam)
        return step, dict(changes, z=z)
    predicted = -(h.alpha - h.alpha**2 / 2 if h.alpha < 2 else 1) * slope
    ratio = (p.f - p.after(step).f) / predicted
    if abs(float(predicted)) <= noise_of(p):  # f is noise: the choice is the implementation's
        ratio = p.number(float(p.answer[1].ratio))
    if ratio > 1e-4:
        lam = s.lam * (4 if ratio < 0.25 else 0.5 if ratio > 0.75 else 1)
        return step, dict(changes, z=z, lam=lam, ratio=ratio, promise=p.number(0.0))
    promise = max(s.promise, predicted)
    return 0 * step, dict(changes, lam=4 * s.lam, ratio=ratio, accepted=False, promise=promise)


# ---------------------------------------------------------------- InfinityNormTrustRegion


def box_minimiser(p, H, u, radius):
    """The minimiser of d^T H d / 2 - u^T d over the box: the active set is a choice, its KKT conditions are
    checked."""
    lower, upper = np.full(u.size, -float(radius)), np.full(u.size, float(radius))
    if p.point.objective.bounds is not None:
        low, high = p.point.objective.bounds
        lower, upper = np.maximum(lower, p.point.x - high), np.minimum(upper, p.point.x - low)
    chosen, _ = quadratic_step(plain(H), plain(u), lower, upper)
    d = p.array(np.where(chosen <= lower, lower, np.where(chosen >= upper, upper, 0.0)))
    free = (lower < chosen) & (chosen < upper)
    if free.any():
        try:
            d[free] = solve(H[np.ix_(free, free)], u[free] - H[np.ix_(free, ~free)] @ d[~free])
        except ZeroDivisionError:  # a flat face: any of its points, if the slope vanishes there
            d[free] = p.array(chosen[free])
    slope = H @ d - u
    size = abs(H) @ abs(d) + abs(u)
    for i in range(u.size):
        wish = -slope[i] if d[i] <= lower[i] else slope[i] if d[i] >= upper[i] else abs(slope[i])
        if lower[i] < upper[i] and wish > 1e-10 * size[i]:
            at = f"slope {float(slope[i]):.3g} at variable {i}"
            raise exact.Violation(f"the step does not minimise the model: {at}")
    return d


def infinity_norm(h, p, u, s):
    answer = p.answer[1]
    if h.hess == "exact" and s.t % h.update_freq == 0:
        H = p.hess
    elif h.hess == "gauss-newton" and s.t % h.update_freq == 0:
        H = p.array(p.point.gauss_newton)
    else:
        H = p.array(np.asarray(answer.H @ np.eye(u.size)))  # a strategy's: learned from rounded gradients
    radius = s.radius
    for attempt in range(1, answer.attempts + 1):
        last = attempt == answer.attempts
        if h.subproblem == "quadratic":
            d = box_minimiser(p, H, u, radius)
        elif last and answer.accepted:
            d = p.answer[0]
        else:
            return p.answer  # rejected residual steps leave no trace to check
        size = abs(d).max()
        predicted = np.dot(u, d) - np.dot(d, H @ d) / 2
        f = p.after(d).f
        rho = (p.f - f) / predicted if np.isfinite(float(f)) and predicted else p.number(1.0) * float("-inf")
        if last and abs(float(predicted)) <= 2e3 * noise_of(p):  # f is noise: gradients decided
            rho = p.number(1.0) * float(answer.rho)
        if not rho >= h.rho_bad:
            radius = size * h.nminus
        elif rho > h.rho_good and (h.boundary_tol is None or size >= (1 - h.boundary_tol) * radius):
            radius = max(radius, size * h.nplus)
        if bool(rho > h.eta) != (last and answer.accepted):
            treated = f"a step with ratio {float(rho):.3g} was treated the other way"
            raise exact.Violation(f"attempt {attempt}: {treated}")
    accepted = bool(answer.accepted)
    changes = dict(
        t=s.t + 1,
        radius=radius,
        rho=rho,
        attempts=answer.attempts,
        accepted=accepted,
        H=answer.H,
        model=answer.model,
        active=answer.active,
        solver=answer.solver,
        promise=answer.promise,
        restarts=answer.restarts,
    )
    return d if accepted else 0 * d, changes


# ---------------------------------------------------------------- GaussNewton


def gauss_newton(h, p, u, s):
    try:
        H = 2 * p.jacobian.T @ p.jacobian
        u = 2 * p.jacobian.T @ p.residuals
    except TypeError:
        H = p.array(p.point.gauss_newton)
    return solve(H + h.reg * np.eye(u.size, dtype=np.int64), u), {}


# name: (definition, ulps that the float64 step may miss it by on the test problems)
EXACT_CURVATURE: dict[str, tuple[Callable, float]] = {
    "CurveBall": (curve_ball, 1e4),
    "InfinityNormTrustRegion": (infinity_norm, 1e5),
    "GaussNewton": (gauss_newton, 1e4),
}
