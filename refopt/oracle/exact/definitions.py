"""Every method's step written once more, straight from the formula of its docstring, for `precise` numbers.

One function per method, independent of the NumPy code it judges:

    definition(h, p, u, s) -> (output, changes of the state)

    h  hyperparameters, ``h.beta1`` (floats are precise numbers, all else as in the method)
    p  the point: ``p.x, p.f, p.g, p.hess, p.hvp(v), p.after(update)`` in precise numbers; the objective
       itself stays the float function it is. ``p.answer`` is the (update, state) of the implementation that
       is judged: a definition that leaves a choice open (a step size that has to satisfy conditions) reads
       the choice there and checks it. A matrix that is about to be factored goes through
       ``p.arithmetic.backward(A)``
    u  the incoming update
    s  the state before the step, ``s.m1``; the changes have the names of the state's fields

`EXACT` maps class names to definitions; a method without an entry fails the test that walks the registry.
A method that holds others calls ``step(h.inner, p, u, s.inner)``. Fields of the state that a definition does
not give are not compared.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...method import Chain, copy_state, unfolded
from .precise import Arithmetic, PrecisePoint, Record, cbrt, cholesky, eigh, norm, solve, sqrt

__all__ = ["EXACT", "ULPS", "step", "run", "Violation", "Undefined"]


class Violation(AssertionError):
    """An answer breaks a condition of its definition."""


class Undefined(KeyError):
    """A method has no precise definition."""


def step(method: Any, p: PrecisePoint, u: np.ndarray, s: Any, table: Mapping[str, Callable] | None = None
         ) -> tuple[np.ndarray, Any]:
    """One step of `method`, precisely: the update and the next state (a `Record`).

    `table` overrides definitions by class name; a name without a definition is `Undefined`.
    """
    method = unfolded(method)  # an inner method that comes first makes a chain
    if isinstance(method, Chain):
        states, answer = [], p.answer
        for k, (part, own) in enumerate(zip(method.methods, s.states, strict=True)):
            given = None if answer is None else (answer[0], answer[1].states[k])
            inner = PrecisePoint(p.point, p.arithmetic, given)
            inner.__dict__.update({n: v for n, v in p.__dict__.items() if n in ("x", "f", "g", "hess")})
            u, own = step(part, inner, u, own, table)
            states.append(own)
        return u, s.changed(states=tuple(states))
    name = type(method).__name__
    definition = (table or {}).get(name) or EXACT.get(name)
    if definition is None:
        raise Undefined(f"{name} has no precise definition; add one to refopt.oracle.exact.EXACT")
    h = Record(**{f.name: p.arithmetic.value(getattr(method, f.name)) for f in dataclasses.fields(method)})
    with np.errstate(all="ignore"):
        out, changes = definition(h, p, u, s)
    return out, s.changed(**changes) if changes else s


def run(method: Any, point: Any, update: np.ndarray, state: Any, arithmetic: Arithmetic, answer: Any = None,
        table: Mapping[str, Callable] | None = None) -> tuple[np.ndarray, Any]:
    """`step` from a plain point, update and state.

    Examples
    --------
    >>> import numpy as np, refopt
    >>> from refopt.function import FunctionObjective
    >>> from refopt.oracle import exact
    >>> from refopt.oracle.exact import precise
    >>> method, x = refopt.EMA(beta=0.9, debiased=False), np.array([1.0])
    >>> point = FunctionObjective(lambda x: (x ** 2).sum(), x).at(x)
    >>> out, state = exact.run(method, point, point.g, method.init(x), precise.Arithmetic("mpmath"))
    >>> str(out[0])[:24]                        # 1 - 0.9 is not 0.1 where 0.9 is the nearest float64
    '0.1999999999999999555910'
    """
    p = PrecisePoint(point, arithmetic, answer)
    u = p.g if update is point.g else arithmetic.array(update)
    return step(method, p, u, arithmetic.value(copy_state(state)), table)


# ---------------------------------------------------------------- elementwise


def reduce_outward_lr(h, p, u, s):
    c = p.g if h.use_grad else u
    selected = p.x * c > 0 if h.invert else p.x * c < 0
    return np.where(selected, h.mul * u, u), {}


def coordinate_momentum(h, p, u, s):
    if h.mask is None:
        b = copy_state(s.rng).random(u.size) < h.p
    else:
        b = np.asarray(h.mask(s.t, u.size) if callable(h.mask) else h.mask[s.t], dtype=bool)
    v = np.where(b, u, s.v)
    return v, dict(t=s.t + 1, v=v)


def debias(m, beta, t, debiased=True):
    return m / (1 - beta**t) if debiased else m


def cubic_adam(h, p, u, s):
    t = s.t + 1
    m1 = h.beta1 * s.m1 + (1 - h.beta1) * u
    m2 = h.beta2 * s.m2 + (1 - h.beta2) * u**2
    m3 = h.beta3 * s.m3 + (1 - h.beta3) * u**3
    C = debias(m1, h.beta1, t, h.debiased)
    B = sqrt(debias(m2, h.beta2, t, h.debiased))
    M = debias(m3, h.beta3, t, h.debiased)
    A = {"signed_cbrt": cbrt, "unsigned_cbrt": lambda m: cbrt(abs(m)), "halve": lambda m: m / 2}[h.mode](M)
    discriminant = B**2 - 4 * A * C
    root = B + sqrt(discriminant)
    real = (discriminant >= 0) & (root > 0)
    below = np.where(real, root, B + h.eps)
    d = np.where(C == 0, 0 * C, -np.where(real, 2 * C, C) / np.where(below == 0, 1 + 0 * below, below))
    return -h.alpha * d, dict(t=t, m1=m1, m2=m2, m3=m3)


def adam(h, p, u, s):
    t = s.t + 1
    m1 = h.beta1 * s.m1 + (1 - h.beta1) * u
    m2 = h.beta2 * s.m2 + (1 - h.beta2) * u**2
    out = debias(m1, h.beta1, t, h.debiased) / (sqrt(debias(m2, h.beta2, t, h.debiased)) + h.eps)
    return out, dict(t=t, m1=m1, m2=m2)


def heavy_ball(h, p, u, s):
    v = h.momentum * s.v + (1 - h.dampening) * u
    return u + h.momentum * v if h.nesterov else v, dict(v=v)


def ema(h, p, u, s):
    t = s.t + 1
    m = h.beta * s.m + (1 - h.beta) * u
    return debias(m, h.beta, t, h.debiased), dict(t=t, m=m)


def lr(h, p, u, s):
    return h.lr * u, {}


# ---------------------------------------------------------------- line searches


def descent(p, u):
    slope = np.dot(p.g, u)
    return (u, slope, False) if slope > 0 else (p.g, np.dot(p.g, p.g), True)


def armijo(p, d, slope, a, c1):
    """The decrease that the definition asks for, or (near rounding) its substitute by slopes."""
    trial = p.after(a * d)
    noise = 4 * float(np.finfo(p.point.x.dtype).eps) * abs(p.f)
    if a * slope > noise and trial.f <= p.f - c1 * a * slope:
        return True
    return a * slope * c1 <= noise and trial.f <= p.f + noise and abs(np.dot(trial.g, d)) <= 0.9 * slope


def backtracking(h, p, u, s):
    d, slope, fallback = descent(p, u)
    a = h.init_step if h.growth is None or s.trials == 0 else s.step_size * h.growth
    for trials in range(1, h.maxiter + 1):
        if armijo(p, d, slope, a, h.c1):
            return a * d, dict(step_size=a, trials=trials, fallback=fallback)
        a = a * h.shrink
    raise Violation("no step size satisfies Armijo's rule")


def strong_wolfe(h, p, u, s):
    """The step size is any that satisfies the conditions; it is read from the answer."""
    d, slope, fallback = descent(p, u)
    chosen = p.answer[1]
    a = p.number(chosen.step_size)
    trial = p.after(a * d)
    noise = 8 * float(np.finfo(p.point.x.dtype).eps) * abs(p.f)
    if trial.f > p.f - h.c1 * a * slope + noise:
        raise Violation(f"step size {float(a):.6g} does not decrease f enough")
    # where SciPy's search fails the answer is Backtracking's, which knows only Armijo's rule
    shrunk = chosen.step_size in {0.5**k for k in range(60)}
    if abs(np.dot(trial.g, d)) > h.c2 * slope * (1 + 1e-12) and not shrunk:
        raise Violation(f"step size {float(a):.6g} leaves the slope above c2 times the first")
    return a * d, dict(step_size=a, trials=chosen.trials, fallback=fallback)


# ---------------------------------------------------------------- second order


def lbfgs(h, p, u, s):
    pairs = s.pairs
    if s.x is not None:
        d, y = p.x - s.x, p.g - s.g
        if np.dot(d, y) > 1e-10 * norm(d) * norm(y):
            pairs = (*pairs, (d, y, 1 / np.dot(d, y)))[-h.history_size:]
    changes = dict(x=p.x, g=p.g, pairs=pairs)
    if not pairs:
        size = abs(u).sum()
        return (u / size if size > 1 else u), changes
    d, y, _ = pairs[-1]
    gamma = np.dot(d, y) / np.dot(y, y)

    def H(q, k):  # the inverse matrix of the first k pairs: H_k = V^T H_(k-1) V + rho s s^T (eq. 7.16)
        if k == 0:
            return gamma * q
        d, y, rho = pairs[k - 1]
        a = rho * np.dot(d, q)
        r = H(q - a * y, k - 1)
        return r - rho * np.dot(y, r) * d + a * d

    return H(u, len(pairs)), changes


def newton(h, p, u, s):
    H = p.arithmetic.backward(p.hess)
    size = sqrt(abs(np.diag(H)))
    D = np.where(size > 0, size, 1)
    S = H / D[:, None] / D
    if cholesky(S) is not None:
        return solve(H, u), dict(solver="cholesky")
    values, V = eigh(S)
    values = abs(values)
    values = np.maximum(values, h.delta * values.max())
    if not values.any():
        return u, dict(solver="modified")
    return (V @ ((V.T @ (u / D)) / values)) / D, dict(solver="modified")


EXACT: dict[str, Callable] = {
    "ReduceOutwardLR": reduce_outward_lr,
    "CoordinateMomentum": coordinate_momentum,
    "CubicAdam": cubic_adam,
    "Adam": adam,
    "HeavyBall": heavy_ball,
    "EMA": ema,
    "LR": lr,
    "Backtracking": backtracking,
    "StrongWolfe": strong_wolfe,
    "LBFGS": lbfgs,
    "Newton": newton,
}

# By how many ulps (of the largest entry of the update) one step in float64 may miss its definition, with room
# for a factor of about three over the worst seen. An elementwise formula loses a few; the debiasing factor
# 1 - beta^t of Adam's beta2 = 0.999 is known to 1000 ulps only, a solve to the condition of its matrix.
ULPS: dict[str, float] = {
    "ReduceOutwardLR": 4,
    "CoordinateMomentum": 2,
    "CubicAdam": 32,
    "Adam": 256,
    "HeavyBall": 4,
    "EMA": 8,
    "LR": 2,
    "Backtracking": 2,
    "StrongWolfe": 2,
    "LBFGS": 16,
    "Newton": 1000,
}

from .curvature import EXACT_CURVATURE  # noqa: E402  their definitions call `step` above
from .higher_order import EXACT_HIGHER_ORDER  # noqa: E402
from .products import EXACT_PRODUCTS  # noqa: E402
from .projections import EXACT_PROJECTIONS  # noqa: E402

for table in (EXACT_PROJECTIONS, EXACT_CURVATURE, EXACT_PRODUCTS, EXACT_HIGHER_ORDER):
    EXACT.update({name: definition for name, (definition, _) in table.items()})
    ULPS.update({name: ulps for name, (_, ulps) in table.items()})

from .newton_newton import EXACT_NEWTON_NEWTON  # noqa: E402

EXACT.update({name: definition for name, (definition, _) in EXACT_NEWTON_NEWTON.items()})
ULPS.update({name: ulps for name, (_, ulps) in EXACT_NEWTON_NEWTON.items()})
