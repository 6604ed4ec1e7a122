"""Definition of InfinityNormTrustRegion: the set of active variables is a choice; it is checked."""

from __future__ import annotations

import numpy as np

from ...solvers.box import quadratic_step
from .definitions import Violation, chosen_step, definition
from .precise import plain, solve
from .rules import LONG_SUMS, rounding_error

__all__: list[str] = []


def box_minimiser(p, H, u, radius):
    """The minimiser of d^T H d / 2 - u^T d over the box, for the active set of `quadratic_step`.

    The conditions of first order, which make it a minimiser, are checked.
    """
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
            raise Violation(f"the step does not minimise the model: {at}")
    return d


@definition("InfinityNormTrustRegion", ulps=1e5)
def infinity_norm_trust_region(h, p, u, s):
    answer = p.answer[1]
    if h.hess == "exact" and s.t % h.update_freq == 0:
        H = p.hess
    elif h.hess == "gauss-newton" and s.t % h.update_freq == 0:
        H = p.array(p.point.gauss_newton)
    else:
        H = p.array(np.asarray(answer.H @ np.eye(u.size)))  # a strategy's: learned from rounded gradients
    radius = s.scale or h.init_radius
    for attempt in range(1, answer.attempts + 1):
        last = attempt == answer.attempts
        if h.subproblem == "quadratic":
            d = box_minimiser(p, H, u, radius)
        elif last and answer.accepted:
            d = p.array(plain(chosen_step(p, "InfinityNormTrustRegion")))
        else:  # refused residual steps are not kept, so there is nothing to check
            return p.array(plain(chosen_step(p, "InfinityNormTrustRegion"))), answer._asdict()
        size = abs(d).max()
        predicted = np.dot(u, d) - np.dot(d, H @ d) / 2
        f = p.after(d).f
        rho = (p.f - f) / predicted if np.isfinite(float(f)) and predicted else p.number(1.0) * float("-inf")
        if last and abs(float(predicted)) <= 2 * LONG_SUMS * rounding_error(p, H):  # gradients decided
            rho = p.number(1.0) * float(answer.rho)
        if np.isnan(float(rho)):  # nothing is known of the radius, and the implementation has chosen
            continue
        if rho < h.rho_bad:
            radius = size * h.nminus
        elif rho > h.rho_good and (h.boundary_tol is None or size >= (1 - h.boundary_tol) * radius):
            radius = max(radius, size * h.nplus)
        if bool(rho > h.eta) != (last and answer.accepted):
            treated = f"a step with ratio {float(rho):.3g} was treated the other way"
            raise Violation(f"attempt {attempt}: {treated}")
    accepted = bool(answer.accepted)
    changes = dict(answer._asdict(), t=s.t + 1, rho=rho, accepted=accepted)
    if accepted:  # after a refusal the region may have been restarted
        changes.update(scale=radius)
    return d if accepted else 0 * d, changes
