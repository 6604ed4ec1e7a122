"""Definition of LevenbergMarquardt: the region's multiplier by bisection, J^T J formed in many digits."""

from __future__ import annotations

import numpy as np

from .definitions import Violation, definition
from .precise import eigh, norm, sqrt
from .rules import LONG_SUMS, rounding_error

__all__: list[str] = []

HALVINGS = 400  # of the bracket of the multiplier; ended when it no longer changes


def minimiser(S, c, r):
    """The least ``z^T S z / 2 - c^T z`` over ``|z| <= r``, S without the hard case: (S + lam I) z = c."""
    w, V = eigh(S)
    c = V.T @ c
    tiny = abs(w).max() * float(np.finfo(float).eps) ** 2 * len(w)
    kept = w > tiny  # directions without curvature and slope stay out of the shortest step
    if not (w < -tiny).any() and not (abs(c[~kept]) > abs(c).max() * 1e-13).any():
        z = c * 0
        z[kept] = c[kept] / w[kept]
        if norm(z) <= r:
            return V @ z
    low, high = max(0 * w[0], -min(w)), norm(c) / r + max(0 * w[0], -min(w))
    for _ in range(HALVINGS):
        lam = (low + high) / 2
        if lam in (low, high):
            break
        low, high = (lam, high) if norm(c / (w + lam)) > r else (low, lam)
    return V @ (c / (w + high))


def region_scales(p, u, s):
    """``(lengths, unit, D)``: greatest column lengths, ``|D x0|``, and the scales of the region."""
    try:
        lengths = sqrt((p.jacobian * p.jacobian).sum(axis=0))
    except TypeError:  # no parts
        lengths = sqrt(abs(np.diag(p.array(p.point.gauss_newton))) / 2)
    if s.lengths is None:
        unit = norm(lengths * p.x)
        unit = unit if unit > 0 else sqrt(abs(p.f))
        unit = unit if unit > 0 else p.number(1.0)
    else:
        lengths, unit = np.maximum(s.lengths, lengths), s.unit
    size = np.where(p.x == 0, p.number(1.0), abs(p.x))
    return lengths, unit, np.where(lengths > 0, lengths / unit, 1 / size)


@definition("LevenbergMarquardt", ulps=500)
def levenberg_marquardt(h, p, u, s):
    answer = p.answer[1]
    lengths, unit, D = region_scales(p, u, s)
    matrices = {"gauss-newton": lambda: 2 * p.jacobian.T @ p.jacobian, "hessian": lambda: p.hess}
    predicted = lambda model, d: np.dot(u, d) - np.dot(d, matrices[model]() @ d) / 2  # noqa: E731
    radius, model, wait, patience = s.scale or h.init_radius, s.model, s.wait, s.patience
    for attempt in range(1, answer.attempts + 1):
        last, used = attempt == answer.attempts, model
        M = matrices[used]()
        z = minimiser(M / D / D[:, None], u / D, radius)
        d, size, promised = z / D, norm(z), predicted(used, z / D)
        f = p.after(d).f
        actual = p.f - f
        finite = np.isfinite(float(f))
        rho = actual / promised if finite and promised > 0 else p.number(1.0) * float("-inf")
        noise = LONG_SUMS * rounding_error(p, M)
        if last and max(abs(float(promised)), abs(float(actual))) <= 2 * noise:  # gradients decided
            return d if answer.accepted else 0 * d, dict(answer._asdict(), lengths=lengths, unit=unit)
        if rho < h.rho_bad:
            radius = size * h.nminus
        elif rho > h.rho_good:
            radius = max(radius, size * h.nplus)
        error = abs(promised - actual)
        if h.curvature == "adaptive" and finite and used == "hessian":
            if 1.5 * abs(predicted("gauss-newton", d) - actual) < error:
                model = "gauss-newton"
        elif h.curvature == "adaptive" and finite and error > abs(promised) / 4:
            if patience:
                patience -= 1
            else:
                other = predicted("hessian", d)
                miss = abs(other - actual)
                if 1.5 * miss < error and miss <= abs(other) / 4:
                    model, wait = "hessian", 0
                else:
                    wait = patience = 2 * wait + 1
        if bool(rho > h.eta) != (last and answer.accepted):
            raise Violation(
                f"attempt {attempt}: a step with ratio {float(rho):.3g} was treated the other way"
            )
    accepted = bool(answer.accepted)
    changes = dict(
        answer._asdict(),
        lengths=lengths,
        unit=unit,
        rho=rho,
        model=model,
        wait=wait,
        patience=patience,
        accepted=accepted,
    )
    if accepted:  # after a refusal the region may have been restarted
        changes.update(scale=radius)
    return d if accepted else 0 * d, changes
