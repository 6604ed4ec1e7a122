"""Definition of CurveBall."""

from __future__ import annotations

import numpy as np

from .definitions import definition
from .precise import eigh, norm, plain, solve
from .rules import rounding_error

__all__: list[str] = []


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


@definition("CurveBall", ulps=1e4)
def curve_ball(h, p, u, s):
    product = lambda v: p.hvp(v, h.hvp_method, h.h)  # noqa: E731
    if h.curvature == "gauss-newton":
        product = lambda v: p.array(p.point.gauss_newton_product(plain(v, p.point.x.dtype)))  # noqa: E731
    nan = p.number(1.0) * float("nan")
    changes = dict(t=s.t + 1, ratio=nan, accepted=True)
    if not h.auto:
        z = h.momentum * s.z - h.precond_lr * (product(s.z) + h.reg * s.z + u)
        return -h.alpha * z, dict(changes, z=z, beta=h.precond_lr, rho=h.momentum)
    lam = s.lam
    if h.damping == "relative" and s.t == 0:
        lam = s.lam * abs(np.dot(u, product(u))) / np.dot(u, u)
        changes.update(lam=lam, first=lam)
    Kz = product(s.z) + lam * s.z if s.z.any() else 0 * s.z
    D = Kz + u
    beta, rho, branch = best_of_span(u, D, s.z, product(D) + lam * D, Kz)
    z = rho * s.z - beta * D
    step, slope = -h.alpha * z, np.dot(u, z)
    changes.update(beta=beta, rho=rho, branch=branch)
    if h.acceptance == "none":
        if changes["t"] % 5 == 0:
            ratio = (p.after(step).f - p.f) / (slope / 2)
            factor = p.number(0.999**5)
            lam = lam * factor if ratio > 1.5 else lam / factor if ratio < 0.5 else lam
            changes.update(ratio=ratio, lam=lam)
        return step, dict(changes, z=z)
    predicted = -(h.alpha - h.alpha**2 / 2 if h.alpha < 2 else 1) * slope
    ratio = (p.f - p.after(step).f) / predicted
    if abs(float(predicted)) <= rounding_error(p):  # f is only rounding: the choice is the implementation's
        ratio = p.number(float(p.answer[1].ratio))
    if ratio > 1e-4:
        lam = lam * (4 if ratio < 0.25 else 0.5 if ratio > 0.75 else 1)
        return step, dict(changes, z=z, lam=lam, ratio=ratio, promise=p.number(0.0))
    promise = max(s.promise, predicted)
    return 0 * step, dict(changes, lam=4 * lam, ratio=ratio, accepted=False, promise=promise)
