"""A quadratic model over a box from Hessian-vector products alone.

    minimise  q(d) = d^T H d / 2 - g^T d   over  lower <= d <= upper,  lower <= 0 <= upper  (x moves to x - d)

Each round takes a projected gradient step, which finds the active bounds, and then conjugate gradient steps
on the variables strictly inside. A direction of negative curvature is followed to the far edge of the box.
Bounds that are active in the answer are met exactly.

Source: Moré, Toraldo, On the solution of large quadratic programming problems with bound constraints, SIAM J.
Optim. 1 (1991) 93-113; Nocedal, Wright, Numerical Optimization, 2006, section 16.7. Deviation: the start is
not 0, see below.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["conjugate_gradient_step"]

SEARCHES = 30  # trials of a projected search; 4^-30 of the box is negligible


def conjugate_gradient_step(
    product: Callable,
    g: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    tol: float = 1e-10,
    maxiter: int = 50,
) -> tuple[np.ndarray, str]:
    """A local minimiser of q over the box from products ``v -> H v`` alone; O(n) memory.

    It starts up to a thousandth of the box away from 0, in a fixed random direction. The Krylov space then
    contains every eigenvector, so a direction of negative curvature orthogonal to g is found too.

    Examples
    --------
    >>> import numpy as np
    >>> from refopt.solvers.box_cg import conjugate_gradient_step
    >>> k, one = np.array([2.0, -1.0]), np.ones(2)
    >>> abs(conjugate_gradient_step(lambda v: k * v, np.array([1.0, 0.0]), -one, one)[0]).round(9)
    array([0.5, 1. ])
    """
    noise = np.random.default_rng(0).uniform(-1e-3, 1e-3, g.size)
    d = np.where(noise > 0, upper, -lower) * noise
    slope = product(d) - g
    small = tol * float(np.linalg.norm(movable(g, lower, upper)))
    for _ in range(maxiter):
        free = ((d > lower) | (slope < 0)) & ((d < upper) | (slope > 0))  # descent stays inside the box
        down = np.where(free, -slope, 0.0)
        size = float(down @ down)
        if np.sqrt(size) <= small:
            break
        k = float(down @ product(down))
        longest = size / k if k > 0 else np.inf
        d, slope, moved = projected_search(product, g, d, slope, down, longest, lower, upper)
        inside = (lower < d) & (d < upper)
        if inside.any():
            enough = max(small, 1e-2 * tol * np.sqrt(size))
            p, longest = truncated_newton_direction(product, slope, inside, enough)
            d, slope, further = projected_search(product, g, d, slope, p, longest, lower, upper)
            moved = moved or further
        if not moved:
            break
    return (d if float(d @ (slope - g)) <= 0 else cauchy(product, g, lower, upper)), "conjugate gradients"


def cauchy(product: Callable, g: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """The least q along the projected gradient at 0, up to the first edge; 0 only at a stationary point."""
    p = movable(g, lower, upper)
    k, size = float(p @ product(p)), float(p @ p)
    if not p.any():
        return p
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        room = np.where(p == 0, np.inf, np.where(p > 0, upper, lower) / p)
    t = min(size / k if k > 0 else np.inf, float(room.min()))
    return np.clip(t * p, lower, upper)


def movable(g: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """g without the entries that an edge at 0 balances."""
    return np.where(((upper > 0) | (g < 0)) & ((lower < 0) | (g > 0)), g, 0)


def truncated_newton_direction(product, slope, free, small):
    """``(p, longest)``: conjugate gradients for H p = -slope on a face; longest is inf if curvature <= 0."""
    r = np.where(free, -slope, 0.0)
    p, s = np.zeros_like(r), r.copy()
    rr = float(r @ r)
    for _ in range(2 * int(free.sum()) + 10):
        if np.sqrt(rr) <= small:
            break
        Hs = np.where(free, product(s), 0.0)
        k = float(s @ Hs)
        if k <= np.finfo(r.dtype).eps * float(np.linalg.norm(s)) * float(np.linalg.norm(Hs)):
            return (s if float(s @ slope) <= 0 else -s), np.inf
        a = rr / k
        p, r = p + a * s, r - a * Hs
        new = float(r @ r)
        s, rr = r + (new / rr) * s, new
    return p, 1.0


def projected_search(product, g, d, slope, p, longest, lower, upper):
    """``(d, slope, moved)`` at the first decrease of q along the projected path of p, longest step first."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        room = np.where(p == 0, 0.0, (np.where(p > 0, upper, lower) - d) / p)
    breaks = room[np.isfinite(room) & (room > 0)]
    if not breaks.size:
        return d, slope, False
    now = float(d @ (slope - g)) / 2  # q = d^T H d / 2 - g^T d
    t, first = min(longest, float(breaks.max())), float(breaks.min())
    for _ in range(SEARCHES):
        trial = np.clip(d + t * p, lower, upper)
        trial = np.where(t >= room, np.where(p > 0, upper, np.where(p < 0, lower, trial)), trial)
        there = product(trial) - g
        if float(trial @ (there - g)) / 2 < now:
            return trial, there, True
        t = max(t / 4, first) if t > first else t / 4
    return d, slope, False
