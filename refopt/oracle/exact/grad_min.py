"""Definition of GradMin."""

from __future__ import annotations

import numpy as np

from ...views.gradient_size import GradientSize, Terms
from .definitions import definition, step

__all__: list[str] = []


@definition("GradMin", ulps=16)
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
    seen = p.inside(lambda state: state.inner, True, below, x=p.x, f=phi if h.modify_loss else f, g=slope)
    out, inner = step(h.inner, seen, slope, s.inner)
    return out, dict(inner=inner, value=phi, size=S)
