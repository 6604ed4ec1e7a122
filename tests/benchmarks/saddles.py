"""Two functions with many stationary points from 11 x 11 starts each: where does a run end?

    python tests/benchmarks/saddles.py [--method Newton LBFGS ...] [--show]

Himmelblau's function has 4 minima, 4 saddles and a maximum; the six-hump camel of Dixon and Szego has 6
minima, 7 saddles and 2 maxima. The starts are grids over the usual domains, [-5, 5]^2 and [-3, 3] x [-2, 2].
One start of the camel, (0, 0), is a saddle. Methods: LBFGS, and all of the registry that use curvature of a
scalar function. A run that ends within 1e-3 of a stationary point of the list ends there; one that ends
elsewhere has not converged. Bar: of 242 starts at most 1 ends at a saddle or a maximum, and no run says
success there or elsewhere. A run has 300 iterations. GradMin minimises |g|^2, to which a saddle is as good as
a minimum: it is held to the second alone.

The stationary points are the real roots of the gradient, by Newton's iteration from a fine grid; their
numbers are those of the literature, and obey minima + maxima - saddles = 1, as they must for functions that
grow in all directions (the sum of the indices of a gradient field).
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import functools
import itertools
import sys
import time
import warnings
from collections.abc import Callable, Iterable

import autograd
import autograd.numpy as np

import refopt

CURVATURE = {"hvp", "hess", "taylor"}
# LeastSquares alone: Gauss-Newton
RESIDUALS = {"residuals", "gauss-newton"}
METHODS = [
    row.name
    for row in refopt.methods()
    if row.name == "LBFGS" or (CURVATURE & set(row.needs) and not RESIDUALS & set(row.needs))
]
MINIMUM, SADDLE, MAXIMUM, ELSEWHERE = PLACES = ("minimum", "saddle", "maximum", "elsewhere")
BAR, NEAR, MAXITER = 1, 1e-3, 300


@dataclasses.dataclass(frozen=True)
class Landscape:
    """A function of two variables, its domain, and how many minima, saddles and maxima it has."""

    fun: Callable
    domain: tuple[float, float]
    counts: tuple[int, int, int]

    @property
    def starts(self) -> list[tuple[float, float]]:
        a, b = self.domain
        # rounded: 0 is 0
        grids = (np.linspace(-size, size, 11).round(12).tolist() for size in (a, b))
        return list(itertools.product(*grids))


def himmelblau(x):
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


def camel(x):
    a, b = x[0] ** 2, x[1] ** 2
    return (4 - 2.1 * a + a**2 / 3) * a + x[0] * x[1] + (4 * b - 4) * b


LANDSCAPES = {
    "himmelblau": Landscape(himmelblau, (5.0, 5.0), (4, 4, 1)),
    "camel": Landscape(camel, (3.0, 2.0), (6, 7, 2)),
}


@functools.cache
def stationary(name: str) -> list[tuple[np.ndarray, str]]:
    """Every stationary point and its kind: Newton's iteration from all points of a grid at once."""
    landscape = LANDSCAPES[name]
    # the sum over columns of x has their gradients as its columns
    slope = autograd.grad(lambda x: np.sum(landscape.fun(x)))
    rows = [autograd.grad(lambda x, i=i: np.sum(slope(x)[i])) for i in (0, 1)]
    x = np.array(list(itertools.product(*(np.linspace(-1.1 * a, 1.1 * a, 24) for a in landscape.domain)))).T
    with np.errstate(all="ignore"):
        for _ in range(60):
            (a, b), (_, c), g = rows[0](x), rows[1](x), slope(x)
            x = x - np.array([c * g[0] - b * g[1], a * g[1] - b * g[0]]) / (a * c - b * b)
        small = np.all(np.abs(x) < 10, axis=0) & (np.abs(slope(x)).max(axis=0) < 1e-9)
    (a, b), (_, c) = rows[0](x), rows[1](x)
    found: list[tuple[np.ndarray, str]] = []
    for i in np.flatnonzero(small):
        if all(far(x[:, i], y) > 1e-6 for y, _ in found):
            kind = SADDLE if a[i] * c[i] < b[i] ** 2 else MINIMUM if a[i] > 0 else MAXIMUM
            found.append((x[:, i], kind))
    return found


def far(x, y) -> float:
    return float(np.abs(x - y).max())


@dataclasses.dataclass(frozen=True)
class End:
    """Where a run ended, and whether it said success."""

    place: str
    success: bool
    text: str
    seconds: float = 0.0


def place(name: str, x: np.ndarray) -> str:
    distance, kind = min(((far(x, y), kind) for y, kind in stationary(name)), key=lambda pair: pair[0])
    return kind if distance <= NEAR else ELSEWHERE


def attempt(name: str, start: tuple[float, float], method: str) -> End:
    """One run by the bare name of the method."""
    began = time.process_time()
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = refopt.minimize(LANDSCAPES[name].fun, start, method=method, options={"maxiter": MAXITER})
    except Exception as error:
        return End(ELSEWHERE, False, f"{type(error).__name__}: {' '.join(str(error).split())[:150]}")
    where = f"x = {np.round(result.x, 4).tolist()}, f = {result.fun:.6g}, nit = {result.nit}"
    seconds = time.process_time() - began
    return End(place(name, result.x), bool(result.success), f"{where}: {result.message[:110]}", seconds)


def measure(
    methods: Iterable[str] = METHODS, starts: Iterable[tuple[str, tuple[float, float]]] | None = None
) -> dict[tuple[str, str, tuple[float, float]], End]:
    """``{(method, function, start): End}``; all 242 starts without `starts`."""
    pairs = list(starts) if starts is not None else everywhere()
    return {
        (method, name, start): attempt(name, start, method) for method in methods for name, start in pairs
    }


def everywhere() -> list[tuple[str, tuple[float, float]]]:
    return [(name, start) for name, landscape in LANDSCAPES.items() for start in landscape.starts]


def counted(ends: Iterable[End]) -> dict[str, int]:
    """Ends at each place, and successes where there is no minimum."""
    ends = list(ends)
    seen = collections.Counter(end.place for end in ends)
    return {
        **{where: seen[where] for where in PLACES},
        "modest": sum(end.place == MINIMUM and not end.success for end in ends),
        "false": sum(end.success and end.place != MINIMUM for end in ends),
    }


def faults(ends: dict[tuple[str, str, tuple[float, float]], End], bar: int = BAR) -> list[str]:
    """What must not be."""
    lines = []
    for method in dict.fromkeys(m for m, _, _ in ends):
        seen = counted(end for (m, _, _), end in ends.items() if m == method)
        if seen[SADDLE] + seen[MAXIMUM] > bar and method != "GradMin":
            lines.append(
                f"{method}: {seen[SADDLE] + seen[MAXIMUM]} ends at a saddle or maximum, the bar is {bar}"
            )
        if seen["false"]:
            lines.append(f"{method}: {seen['false']} successes away from a minimum")
    return lines


def text(ends: dict[tuple[str, str, tuple[float, float]], End], show: bool = False) -> str:
    """The table; with `show` a line for each end that is no success at a minimum."""
    lines = [
        "| method | " + " | ".join(PLACES) + " | minimum, no success | success, no minimum | s |",
        "|---" * (len(PLACES) + 4) + "|",
    ]
    for method in dict.fromkeys(m for m, _, _ in ends):
        mine = [end for (m, _, _), end in ends.items() if m == method]
        cells = [*counted(mine).values(), f"{sum(end.seconds for end in mine):.0f}"]
        lines.append(f"| {method} | " + " | ".join(map(str, cells)) + " |")
    if show:
        lines += [""] + [
            f"- {method}, {name} from {start}: {end.place}, success {end.success}: {end.text}"
            for (method, name, start), end in ends.items()
            if end.place != MINIMUM or not end.success
        ]
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", nargs="+", choices=METHODS, default=METHODS, metavar="NAME")
    parser.add_argument(
        "--show", action="store_true", help="a line for each end that is no success at a minimum"
    )
    options = parser.parse_args(argv)
    began = time.perf_counter()
    ends: dict = {}
    for method in options.method:
        mine = measure([method])
        print(text(mine, options.show), flush=True)
        ends |= mine
    print(text(ends), f"({time.perf_counter() - began:.0f} s)", flush=True)
    lines = faults(ends)
    print("\n".join(["below what it must show:", *lines] if lines else ["all as it must be"]))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
