"""Definition of HigherOrderNewton: which local minimiser of the model it takes is a choice; it is checked.

A polynomial of degree 3 or more has many local minimisers, and an inner tolerance leaves each of them open,
so the step is read from the answer. Checked in precise numbers, from the derivative tensors: the conditions
of first order for the radius or sigma that the answer names, the descent of the model, the ratio rho, whether
the trial was to be accepted, and the next radius or sigma.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .definitions import Violation, chosen_step, definition
from .precise import norm, plain

__all__: list[str] = []

KKT = 1e-3  # residual allowed, relative to the gradients; the solver stops at 1e-10, without tensors 1e-4


def model(p: Any, order: int, d: np.ndarray) -> tuple[Any, np.ndarray]:
    """``m(d)`` and its gradient: every tensor contracted k and k-1 times."""
    value, slope = p.number(0.0), 0 * d
    for k, T in enumerate(p.point.tensors(int(order))):
        T = p.array(T)
        for _ in range(k - 1):
            T = T @ d
        if k > 0:
            slope = slope + T / math.factorial(k - 1)
            value = value + np.dot(T, d) / math.factorial(k)
    return value, slope


def next_scale(h: Any, tried: Any, size: Any, rho: Any, error: Any) -> Any:
    """The radius or sigma after a trial."""
    if h.trust_method == "regularized":
        q = int(h.order) + 1
        L = q * error / size**q
        if rho < h.rho_bad:
            return min(max(L, tried / h.nminus), tried / h.nminus**q)
        return min(max(L, tried / h.nplus**q), tried) if rho > 0.9 else tried
    if h.trust_method == "proximal":
        return tried * (h.nminus if rho < h.rho_bad else h.nplus if rho > h.rho_good else 1)
    if rho < h.rho_bad:
        return size * h.nminus
    near = h.boundary_tol is None or size >= (1 - h.boundary_tol) * tried
    return max(tried, size * h.nplus) if rho > h.rho_good and near else tried


@definition("HigherOrderNewton", ulps=1)  # the step is read from the answer
def higher_order_newton(h, p, u, s):
    update, answer = chosen_step(p, "HigherOrderNewton"), p.answer[1]
    changes = {name: getattr(answer, name) for name in type(answer)._fields}
    if not answer.accepted:
        return 0 * u, changes  # what the refused trials were is not kept
    d, tried = -p.array(plain(update)), p.number(float(answer.tried))
    value, slope = model(p, h.order, d)
    D = 1 if answer.norm.D is None else p.array(answer.norm.D)
    d, slope = D * d, slope / D  # from here on in the units of the norm
    size = norm(d)
    # and what rounding leaves of a gradient that vanishes
    scale = norm(p.g / D) + norm(slope) + 1e-9 * norm(D * p.x)
    if h.trust_method == "bounds" or answer.unbounded and h.trust_method == "none":
        if size > tried * (1 + 1e-6):
            raise Violation(f"a step of length {float(size):.6g} leaves the radius {float(tried):.6g}")
        if size > tried * (1 - 1e-6):
            slope = slope + max(p.number(0.0), -np.dot(slope, d) / size**2) * d
    elif h.trust_method == "proximal":
        slope = slope + d / tried
    elif h.trust_method == "regularized":
        slope = slope + tried * size ** (int(h.order) - 1) * d
    loose = h.theta if h.trust_method == "regularized" else 0
    if norm(slope) > (KKT + loose) * scale and h.solver == "native":
        raise Violation(
            "the step does not minimise the model: its gradient is "
            f"{float(norm(slope)):.3g} beside {float(scale):.3g}"
        )
    d = d / D
    if not value < 0:
        raise Violation(f"the step does not lower the model: m = {float(value):.3g}")
    f = p.after(-d).f
    rho = (f - p.f) / value
    if math.isnan(float(answer.rho)):  # f is only rounding: gradients decided
        return -d, changes
    if abs(float(rho) - float(answer.rho)) > 1e-6 * (1 + abs(float(p.f) / float(value)) * 1e-6):
        raise Violation(f"rho is {float(rho):.9g}, not {float(answer.rho):.9g}")
    if h.trust_method != "none" and not rho > h.eta:
        raise Violation(f"a step with ratio {float(rho):.3g} was accepted")
    changes.update(rho=rho, decrease=-value, scale=next_scale(h, tried, size, rho, abs(f - p.f - value)))
    return -d, changes
