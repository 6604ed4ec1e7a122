"""Problems inside bounds, with their solutions found by other programs."""

from __future__ import annotations

import functools

import autograd.numpy as anp
import numpy as np
import scipy.optimize

import refopt

INF = np.inf


def rosenbrock(x):
    return anp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def shifted(x):
    """Convex, coupled, not quadratic; without bounds its minimiser is near (0.4, -0.3, 0.2)."""
    c = np.array([0.4, -0.3, 0.2])
    d = x - c
    return anp.sum(np.array([1.0, 2.0, 3.0]) * d**2) + d[0] * d[1] + anp.sum(d**4) + 0.5 * anp.sum(d) ** 2


def degenerate(x):
    """At the solution (0, 1) the multiplier of x_0 >= 0 is zero."""
    return x[0] ** 2 + (x[0] + x[1] - 1) ** 2 + (x[1] - 1) ** 4


def saddle(x):
    """Without bounds not bounded below; the minimisers are in corners."""
    return x[0] ** 2 - x[1] ** 2 + 0.3 * x[0] * x[1] + 0.1 * x[1]


def log_barrier(x):
    """Defined inside the bounds alone."""
    return anp.sum(x - anp.log(x + 0.1)) + (x[0] - x[1]) ** 2


def skew(n=20, condition=1e4, seed=7):
    """A strictly convex quadratic, its axes not those of the variables; about half the bounds are active."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    A = (Q * np.geomspace(1 / condition, 1, n)) @ Q.T
    c = rng.normal(size=n)
    return lambda x: 0.5 * anp.dot(x - c, anp.dot(A, x - c))


def power(x):
    return (x[0] - 1) ** 4 + x[0]


# name: (function, start, lower, upper)
BOUNDED = {
    "active at the solution": (rosenbrock, [-1.2, 1.0], [-2, -2], [0.5, 2]),
    "none active": (rosenbrock, [-1.2, 1.0], [-3, -3], [3, 3]),
    "a start on a bound": (shifted, [1.0, 1.0, 2.0], [0, 0, -1], [1, 2, 3]),
    "a start in a corner": (shifted, [0.0, 0.0, 0.5], [0, 0, 0.5], [1, 1, 1]),
    "a start in the solution": (shifted, [1.0, 1.0, 1.0], [1, 1, 1], [2, 2, 2]),
    "a multiplier of zero": (degenerate, [0.7, -0.5], [0, -1], [2, 2]),
    "a fixed variable": (shifted, [0.9, 0.25, 0.8], [-1, 0.25, -1], [1, 0.25, 1]),
    "all variables fixed": (shifted, [0.5, 0.5, 0.5], [0.5] * 3, [0.5] * 3),
    "one side": (shifted, [2.0, 2.0, 2.0], [-INF, 0.1, 0.7], [INF, INF, INF]),
    "the other side": (rosenbrock, [-1.2, 0.2], [-INF, -INF], [INF, 0.3]),
    "one variable, active": (power, [3.0], [0.9], [4]),
    "one variable, inside": (power, [3.0], [-4], [4]),
    "a saddle": (saddle, [0.5, 0.0], [-1, -1], [1, 1]),
    "a domain": (log_barrier, [1.0, 2.0], [0, 0], [INF, INF]),
    "a narrow box": (rosenbrock, [1e-3, 1e-3], [0, 0], [2e-3, 1e-3]),
    "ten variables": (rosenbrock, [0.3] * 10, [-2] * 10, [0.8] * 5 + [2] * 5),
    "ill-conditioned": (skew(), [0.0] * 20, [-0.5] * 20, [0.5] * 20),
}


@functools.cache
def solution(name):
    """``(f, x)``: the lowest answer of SciPy's methods for bounds, from the start and from random points."""
    fun, x0, lower, upper = BOUNDED[name]
    low, high = np.array(lower, dtype=float), np.array(upper, dtype=float)
    if np.all(low == high):
        return float(fun(low)), low
    gradient = lambda x: refopt.derivatives.gradient(fun, x)  # noqa: E731
    answers = []
    starts = [np.array(x0, dtype=float)]
    if name == "a saddle":
        rng = np.random.default_rng(1)
        starts += [rng.uniform(low, high) for _ in range(10)]
    for start in starts:
        r = scipy.optimize.minimize(
            fun,
            start,
            jac=gradient,
            method="L-BFGS-B",
            bounds=list(zip(low, high, strict=True)),
            options={"ftol": 1e-16, "gtol": 1e-10, "maxiter": 5000, "maxfun": 50000},
        )
        answers.append((float(r.fun), r.x))
    return min(answers, key=lambda pair: pair[0])
