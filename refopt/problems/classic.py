"""Classic test functions: small, of well-known shape, most of them for any n.

Each `def name(<options>)` returns the problem `classic/name`; its docstring has the formula.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import autograd.numpy as np

from ..checks import boolean, in_interval, known_options, simplify, unknown, whole_number
from . import mgh
from .base import Problem

GLOBAL = "global"


def quadratic(n: int = 10, cond: float = 100.0, seed: int = 0, rotated: bool = True) -> Problem:
    """f(x) = (x - a)^T A (x - a) / 2, A symmetric with log-spaced eigenvalues from 1/cond to 1.

    The start is 0, and every a_j is 1 or -1 (drawn with `seed`). With `rotated` the eigenvectors are a random
    orthogonal matrix drawn with `seed`. Otherwise they are the coordinate axes; then A is not formed, and n
    may be large.
    """
    who = "classic/quadratic"
    n, seed = whole_number(who, "n", n, 1), whole_number(who, "seed", seed)
    cond, rotated = in_interval(who, "cond", cond, "[1, inf)"), boolean(who, "rotated", rotated)
    rng = np.random.default_rng(seed)
    eigenvalues = cond ** -np.linspace(1.0, 0.0, n) if n > 1 else np.ones(1)
    a = rng.choice([-1.0, 1.0], size=n)
    if rotated:
        q, triangle = np.linalg.qr(rng.standard_normal((n, n)))
        q = q * np.sign(np.diag(triangle))
        matrix = (q * eigenvalues) @ q.T
        matrix = (matrix + matrix.T) / 2.0

    def fun(x):
        d = x - a
        return 0.5 * np.sum(d * (np.dot(matrix, d) if rotated else eigenvalues * d))

    return Problem.build(
        f"{who}",
        fun=fun,
        starts=[np.zeros(n)],
        minima=[(0.0, a, GLOBAL)],
        source=f"textbook; condition number {cond:g}, seed {seed}",
    )


def beale() -> Problem:
    """The sum of squares of y_i - x_1 (1 - x_2^i), i = 1, 2, 3, from (1, 1)."""
    return Problem.build(
        "classic/beale",
        residuals=mgh.beale(2, 3),
        starts=[[1.0, 1.0]],
        minima=[(0.0, [3.0, 0.5], "global (f >= 0)")],
        source="E. M. L. Beale (1958); problem 5 of More, Garbow and Hillstrom (1981)",
    )


def himmelblau() -> Problem:
    """f(x) = (x_1^2 + x_2 - 11)^2 + (x_1 + x_2^2 - 7)^2: four minima with f = 0."""

    def residuals(x):
        x1, x2 = mgh.parts(x)
        return np.concatenate((x1**2 + x2 - 11.0, x1 + x2**2 - 7.0))

    zeros = [
        (3.0, 2.0),
        (-2.805118086952745, 3.131312518250573),
        (-3.779310253377747, -3.283185991286170),
        (3.584428340330492, -1.848126526964404),
    ]
    return Problem.build(
        "classic/himmelblau",
        residuals=residuals,
        starts=[[0.0, 0.0], [-4.0, 0.0], [0.0, -4.0]],
        minima=[(0.0, x, "global (f >= 0)") for x in zeros],
        source="D. M. Himmelblau, Applied Nonlinear Programming (1972)",
    )


def rastrigin(n: int = 2) -> Problem:
    """f(x) = 10 n + sum_j (x_j^2 - 10 cos(2 pi x_j)): a local minimum near every integer point.

    It is computed as x^2 + 20 sin^2(pi x), which has no cancellation near the minimum at 0.
    """
    n = whole_number("classic/rastrigin", "n", n, 1)

    def fun(x):
        return np.sum(x**2 + 20.0 * np.sin(np.pi * x) ** 2)

    return Problem.build(
        "classic/rastrigin",
        fun=fun,
        starts=[np.full(n, 2.2), np.full(n, 0.3)],
        minima=[(0.0, np.zeros(n), "global (f >= 0)")],
        source="L. A. Rastrigin, Systems of extremal control (1974)",
    )


def rosenbrock(n: int = 2) -> Problem:
    """The chained form, f(x) = sum_{j=1..n-1} 100 (x_{j+1} - x_j^2)^2 + (1 - x_j)^2."""
    n = whole_number("classic/rosenbrock", "n", n, 2)

    def residuals(x):
        a = x[:-1]
        return np.concatenate((10.0 * (x[1:] - a**2), 1.0 - a))

    return Problem.build(
        "classic/rosenbrock",
        residuals=residuals,
        starts=[np.resize([-1.2, 1.0], n), np.zeros(n)],
        minima=[(0.0, np.ones(n), "global (f >= 0)")],
        notes=("From n = 4 there is a second, local minimum near (-1, 1, ..., 1).",) if n > 3 else (),
        source="H. H. Rosenbrock, The Computer Journal 3 (1960) 175-184, chained",
    )


def saddle() -> Problem:
    """f(x) = x_1^2 - x_2^2 + x_2^4: a saddle at 0 between minima f = -1/4 at (0, +-1/sqrt(2)).

    The second start is on the ridge x_2 = 0, where the gradient leads straight to the saddle.
    """

    def fun(x):
        x1, x2 = x[0], x[1]
        return x1**2 - x2**2 + x2**4

    low = math.sqrt(0.5)
    return Problem.build(
        "classic/saddle",
        fun=fun,
        starts=[[1.0, 0.1], [1.0, 0.0]],
        minima=[(-0.25, (0.0, low), GLOBAL), (-0.25, (0.0, -low), GLOBAL), (0.0, (0.0, 0.0), "saddle point")],
        source="a normal form: the least polynomial with a saddle and two minima",
    )


def separable_quartic(n: int = 4) -> Problem:
    """f(x) = sum_j (x_j - 1)^2 / 2 + j (x_j - 1)^4 / (4 n): convex and separable.

    A polynomial of degree 4, so it equals its Taylor polynomial of order 4. The start is 1 + 2 (-1)^j.
    """
    n = whole_number("classic/separable_quartic", "n", n, 1)
    j = mgh.counting(n)
    weights = j / (4.0 * n)

    def fun(x):
        square = (x - 1.0) ** 2
        return np.sum(0.5 * square + weights * square**2)

    return Problem.build(
        "classic/separable_quartic",
        fun=fun,
        starts=[1.0 + 2.0 * (-1.0) ** j],
        minima=[(0.0, np.ones(n), "global (f >= 0)")],
        source="textbook; every coordinate a convex quartic",
    )


BUILDERS: dict[str, Callable[..., Problem]] = {
    f.__name__: f for f in (quadratic, beale, himmelblau, rastrigin, rosenbrock, saddle, separable_quartic)
}

KEYS = tuple(BUILDERS)


def build_from(
    family: str, builders: dict[str, Callable[..., Problem]], key: str, options: dict[str, Any]
) -> Problem:
    """`builders[key](**options)`; a key or an option that does not exist raises an error."""
    plain = {simplify(k): k for k in builders}
    if simplify(key) not in plain:
        raise unknown("problem", f"{family}/{key}", [f"{family}/{k}" for k in builders])
    key = plain[simplify(key)]
    allowed = tuple(inspect.signature(builders[key]).parameters)
    if options and not allowed:
        raise ValueError(f"{family}/{key}: unknown option {next(iter(options))!r}; it takes no options")
    return builders[key](**known_options(f"{family}/{key}", options, allowed))


def build(key: str, **options: Any) -> Problem:
    """The problem with that key."""
    return build_from("classic", BUILDERS, key, options)
