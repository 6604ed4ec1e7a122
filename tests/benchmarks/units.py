"""75 fits, three models in 25 systems of units: a verdict of success that hangs on the units is found here.

    python tests/benchmarks/units.py [--method default Newton ...] [--part units plain changes] [--show]

*units*: enzyme kinetics, decay and logistic growth, with the data and the independent variable each in units
of 1e-6 to 1e6, from a start that is given in the same units. This is one problem in 25 disguises.
*plain*: the same systems from the start (1, 1, ...) in whatever units, where `lm` (below) finds the answer
from there. *changes*: the three models, and two functions that are no fits, with f multiplied by 1e12 and
1e-12, x by 1e6 and 1e-6 per coordinate, and 1e3 and 1e8 added to f; the verdict must not change. What
ScipyNewtonCG, CurveBall and LBFGS reach depends on the units of x: they may fail, but say so.

The answer is that of `scipy.optimize.least_squares(method="lm", x_scale="jac")` from several starts, and
tests/test_benchmarks.py holds it to a Newton iteration in 50 digits. A run is

    right    success, and the answer
    modest   the answer, but no success
    failed   no success, elsewhere
    other    success at another minimum: true, but not the answer
    WRONG    success, elsewhere
    error    an exception

where the answer is missed if a parameter is wrong by more than 1e-4 of itself and f is above the minimum by
more than 1e-8 of its value and 40 eps |f|. Another minimum is one by the Hessian of autograd, with the
variables in units of themselves: positive definite, and Newton's step promises less than 1e-12 of f.

All methods run by their bare names with the options that a user gets, but with 300 iterations: a fit of three
parameters that needs more is not solved. "default (r)" and "GaussNewton (r)" are given the residuals, as
`refopt.LeastSquares`.
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
from typing import Any

import autograd
import autograd.numpy as np
import scipy.optimize

import refopt

# column -> (name of the method, whether it is given the residuals)
METHODS: dict[str, tuple[str | None, bool]] = {
    "default": (None, False),
    "InfinityNormTrustRegion": ("InfinityNormTrustRegion", False),
    "NewtonNewton": ("NewtonNewton", False),
    "Newton": ("Newton", False),
    "ScipyNewtonCG": ("ScipyNewtonCG", False),
    "CurveBall": ("CurveBall", False),
    "LBFGS": ("LBFGS", False),
    "default (r)": (None, True),
    "GaussNewton (r)": ("GaussNewton", True),
}
# fits that must be right, of 75; none may be WRONG. Newton and CurveBall have no bar for the first.
BARS = {
    "default": 75,
    "InfinityNormTrustRegion": 75,
    "NewtonNewton": 72,
    "ScipyNewtonCG": 65,
    "LBFGS": 65,
    "default (r)": 75,
    "GaussNewton (r)": 75,
}
# conjugate gradients and L-BFGS: what they reach depends on the units of x
BY_UNITS = ("ScipyNewtonCG", "CurveBall", "LBFGS")
MAXITER = 300
UNITS = (1e-6, 1e-3, 1.0, 1e3, 1e6)
X_CLOSE, F_CLOSE = 1e-4, 1e-8
RIGHT, MODEST, FAILED, OTHER, WRONG, ERROR = KINDS = ("right", "modest", "failed", "other", "WRONG", "error")


@dataclasses.dataclass(frozen=True)
class Model:
    """A model of the data, in units of 1.

    Attributes
    ----------
    curve : ``curve(p, t, exp)``; `exp` is that of autograd or of mpmath
    t, y : (m,) the independent variable, and the data with their noise
    start : (n,)
    powers : for each parameter the powers of the units of y and of t in its own unit
    """

    curve: Callable
    t: np.ndarray
    y: np.ndarray
    start: tuple[float, ...]
    powers: tuple[tuple[int, int], ...]


MODELS = {
    # Michaelis and Menten; the data of shared/cases/success_01_michaelis_menten.py
    "kinetics": Model(
        lambda p, t, exp: p[0] * t / (p[1] + t),
        np.array([3.5, 1.75, 0.9, 0.45, 0.22, 0.11] * 3 + [0.0]),
        np.array(
            [4.41, 4.19, 3.55, 2.58, 1.66, 1.06, 4.84, 4.67, 3.9, 2.86, 1.75, 1.06]
            + [4.91, 4.52, 3.75, 2.76, 1.86, 1.12, 0.0]
        ),
        (1.0, 1.0),
        ((1, 0), (0, 1)),
    ),
    "decay": Model(
        lambda p, t, exp: p[0] * exp(-p[1] * t),
        np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0]),
        np.array([3.0, 2.243, 1.661, 1.234, 0.936, 0.472, 0.26, 0.123, 0.08, 0.045]),
        (1.0, 0.5),
        ((1, 0), (0, -1)),
    ),
    "growth": Model(
        lambda p, t, exp: p[0] / (1 + exp(-p[1] * (t - p[2]))),
        np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0]),
        np.array([0.054, 0.135, 0.161, 0.483, 0.876, 1.675, 2.535, 3.434, 4.086, 4.787, 4.971, 4.974]),
        (4.0, 1.0, 2.0),
        ((1, 0), (0, -1), (0, 1)),
    ),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Fit:
    """One problem: residuals (None for a function that is no fit), f, the start, and the answer."""

    name: str
    residuals: Callable | None
    fun: Callable
    x0: np.ndarray
    x: np.ndarray
    f: float
    rounding: float = 0.0

    def verdict(self, x: np.ndarray, success: bool) -> str:
        error = np.abs(x - self.x) / np.abs(self.x)
        # not `>`: nan is no answer
        above = self.fun(x) - self.f
        close = bool(error.max() <= X_CLOSE) or bool(above <= F_CLOSE * abs(self.f) + self.rounding)
        if close:
            return RIGHT if success else MODEST
        return (OTHER if self.has_minimum(x) else WRONG) if success else FAILED

    def has_minimum(self, x: np.ndarray) -> bool:
        """Whether f has a minimum at x, the answer or another."""
        s = np.abs(x)
        with np.errstate(all="ignore"):
            g, H = s * autograd.grad(self.fun)(x), s[:, None] * autograd.hessian(self.fun)(x) * s
            if not (np.all(np.isfinite(g)) and np.all(np.isfinite(H)) and np.linalg.eigvalsh(H)[0] > 0):
                return False
            return bool(g @ np.linalg.solve(H, g) <= 2e-12 * abs(self.fun(x)))


def fit_in_units(name: str, data: float, variable: float) -> Fit:
    """The model `name` with y in units of `data` and t in units of `variable`, from its own start."""
    model = MODELS[name]
    t, y = model.t * variable, model.y * data
    units = np.array([data**a * variable**b for a, b in model.powers])
    residuals = lambda p: model.curve(p, t, np.exp) - y  # noqa: E731
    x = answer(name, data, variable)
    f = float(np.sum(residuals(x) ** 2))
    return Fit(
        f"{name}, y {data:g}, t {variable:g}",
        residuals,
        lambda p: np.sum(residuals(p) ** 2),
        np.array(model.start) * units,
        x,
        f,
        40 * np.finfo(float).eps * f,
    )


def lm(residuals: Callable, start: np.ndarray) -> Any:
    """MINPACK's lm with its own scaling and the tightest tolerances."""
    tight = dict.fromkeys(("xtol", "ftol", "gtol"), 1e-15)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        jac = autograd.jacobian(residuals)
        return scipy.optimize.least_squares(residuals, start, jac, method="lm", x_scale="jac", **tight)


@functools.cache
def answer(name: str, data: float, variable: float) -> np.ndarray:
    """The lowest of what lm finds from four starts."""
    model = MODELS[name]
    units = np.array([data**a * variable**b for a, b in model.powers])
    residuals = lambda p: model.curve(p, model.t * variable, np.exp) - model.y * data  # noqa: E731
    factors = np.array([[1, 1, 1], [2, 2, 2], [2, 1, 1], [1, 2, 2]])[:, : units.size]
    starts = np.array(model.start) * units * factors
    return min((lm(residuals, start) for start in starts), key=lambda r: r.cost).x


def digits_50(name: str) -> tuple[list, Any]:
    """(p, f) of the model in units of 1 by Newton's iteration with 50 digits, derivatives by differences."""
    import mpmath

    model = MODELS[name]
    with mpmath.workdps(110):
        t, y = ([mpmath.mpf(float(v)) for v in values] for values in (model.t, model.y))
        f = lambda *p: sum((model.curve(p, s, mpmath.exp) - v) ** 2 for s, v in zip(t, y, strict=True))  # noqa: E731
        p = mpmath.matrix([mpmath.mpf(float(v)) for v in answer(name, 1.0, 1.0)])
        n = len(p)
        e = [[int(i == j) for j in range(n)] for i in range(n)]
        add = lambda *orders: tuple(map(sum, zip(*orders, strict=True)))  # noqa: E731
        for _ in range(8):
            g = mpmath.matrix([mpmath.diff(f, tuple(p), tuple(e[i])) for i in range(n)])
            H = mpmath.matrix(n, n)
            for i, j in itertools.product(range(n), repeat=2):
                H[i, j] = mpmath.diff(f, tuple(p), add(e[i], e[j]))
            step = mpmath.lu_solve(H, g)
            p = p - step
            if mpmath.norm(step, mpmath.inf) < mpmath.mpf(10) ** -50 * mpmath.norm(p, mpmath.inf):
                return list(p), f(*p)
    raise ArithmeticError(f"no answer in 50 digits for {name}")


def systems() -> list[tuple[str, float, float]]:
    return list(itertools.product(MODELS, UNITS, UNITS))


def in_units() -> list[Fit]:
    """The 75 fits."""
    return [fit_in_units(*system) for system in systems()]


def in_plain() -> list[Fit]:
    """Those of them that lm solves from (1, 1, ...), from there."""
    fits = []
    for fit in in_units():
        assert fit.residuals is not None
        plain = dataclasses.replace(fit, name=f"{fit.name}, from 1", x0=np.ones(fit.x.size))
        if plain.verdict(lm(fit.residuals, plain.x0).x, True) == RIGHT:
            fits.append(plain)
    return fits


# ---------------------------------------------------------------- one problem, changed


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2 + 0.5


AGES, COUNTS = np.linspace(-1, 1, 12), np.array([0, 1, 0, 2, 1, 3, 2, 4, 6, 5, 9, 8.0])
# what Newton's iteration with 50 digits gives, held by a test
POISSON = np.array([0.8429135974758154, 1.4535247877181559])


def poisson(x):
    eta = x[0] + x[1] * AGES
    return np.sum(np.exp(eta) - COUNTS * eta)


def base() -> dict[str, Fit]:
    """Well-posed problems, as they are given first."""
    problems = {name: dataclasses.replace(fit_in_units(name, 1.0, 1.0), name=name) for name in MODELS}
    x = np.ones(2)
    problems["rosenbrock"] = Fit("rosenbrock", None, rosenbrock, np.array([-1.2, 1.0]), x, 0.5)
    problems["poisson"] = Fit(
        "poisson", None, poisson, np.array([0.0, 0.0]), POISSON, float(poisson(POISSON))
    )
    return problems


def scaled_f(fit: Fit, factor: float) -> Fit:
    r, root = fit.residuals, factor**0.5
    residuals = None if r is None else lambda p: root * r(p)
    return dataclasses.replace(
        fit,
        name=f"{fit.name}, f {factor:g}",
        residuals=residuals,
        fun=lambda p: factor * fit.fun(p),
        f=factor * fit.f,
        rounding=factor * fit.rounding,
    )


def scaled_x(fit: Fit, factor: float) -> Fit:
    """Coordinate i in units of `factor` or 1 / `factor`, by turns."""
    s = np.array([factor, 1 / factor, factor])[: fit.x.size]
    r = fit.residuals
    residuals = None if r is None else lambda p: r(p / s)
    return dataclasses.replace(
        fit,
        name=f"{fit.name}, x {factor:g}",
        residuals=residuals,
        fun=lambda p: fit.fun(p / s),
        x0=fit.x0 * s,
        x=fit.x * s,
    )


def raised(fit: Fit, constant: float) -> Fit:
    """f + constant; the judge sees f, and what the constant leaves of its digits."""
    r = fit.residuals
    residuals = None if r is None else lambda p: np.concatenate([r(p), np.array([constant**0.5])])
    return Raised(
        f"{fit.name}, f + {constant:g}",
        residuals,
        lambda p: fit.fun(p) + constant,
        fit.x0,
        fit.x,
        fit.f,
        40 * np.finfo(float).eps * (constant + abs(fit.f)),
        below=fit,
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Raised(Fit):
    """A fit with a constant added to f."""

    below: Fit = None  # type: ignore[assignment]

    def verdict(self, x: np.ndarray, success: bool) -> str:
        return dataclasses.replace(self.below, rounding=self.rounding).verdict(x, success)


CHANGES: dict[str, Callable[[Fit], Fit]] = {
    "as it is": lambda fit: fit,
    "f 1e12": lambda fit: scaled_f(fit, 1e12),
    "f 1e-12": lambda fit: scaled_f(fit, 1e-12),
    "x 1e6, 1e-6": lambda fit: scaled_x(fit, 1e6),
    "x 1e-6, 1e6": lambda fit: scaled_x(fit, 1e-6),
    "f + 1e3": lambda fit: raised(fit, 1e3),
    "f + 1e8": lambda fit: raised(fit, 1e8),
}


# ---------------------------------------------------------------- the measurement


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one run, how much it cost, and what it said."""

    kind: str
    text: str
    calls: int = 0
    seconds: float = 0.0


def attempt(fit: Fit, method: str) -> Outcome:
    """One run of a column of `METHODS`."""
    name, with_residuals = METHODS[method]
    fun = refopt.LeastSquares(fit.residuals) if with_residuals else fit.fun
    given: dict[str, Any] = {} if name is None else {"method": name}
    began = time.process_time()
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = refopt.minimize(fun, fit.x0, options={"maxiter": MAXITER}, **given)
            kind = fit.verdict(result.x, bool(result.success))
    except Exception as error:
        return Outcome(ERROR, f"{type(error).__name__}: {' '.join(str(error).split())[:150]}")
    relative = float(np.max(np.abs(result.x / fit.x - 1)))
    text = (
        f"x off by {relative:.1e} of itself, f = {result.fun:.6g}, nit = {result.nit}: {result.message[:110]}"
    )
    return Outcome(kind, text, int(result.nfev), time.process_time() - began)


def measure(fits: Iterable[Fit], methods: Iterable[str]) -> dict[tuple[str, str], Outcome]:
    """``{(fit, method): Outcome}``, without the pairs of residuals and a function that has none."""
    return {
        (fit.name, method): attempt(fit, method)
        for method in methods
        for fit in fits
        if fit.residuals is not None or not METHODS[method][1]
    }


def counts(outcomes: dict[tuple[str, str], Outcome], method: str) -> collections.Counter:
    return collections.Counter(outcome.kind for (_, m), outcome in outcomes.items() if m == method)


def below_bars(outcomes: dict[tuple[str, str], Outcome]) -> list[str]:
    """What the 75 fits must show and do not."""
    faults = []
    for method in dict.fromkeys(m for _, m in outcomes):
        seen = counts(outcomes, method)
        if seen[WRONG]:
            faults.append(f"{method}: {seen[WRONG]} wrong successes")
        if seen[RIGHT] < BARS.get(method, 0):
            faults.append(f"{method}: {seen[RIGHT]} right, the bar is {BARS[method]}")
    return faults


def text(outcomes: dict[tuple[str, str], Outcome], part: str, show: Iterable[str] = (WRONG, ERROR)) -> str:
    """The table of one part; each run of a kind in `show` has its line."""
    lines = [f"| {part} | {' | '.join(KINDS)} | bar | median nfev | s |", "|---" * (len(KINDS) + 4) + "|"]
    for method in dict.fromkeys(m for _, m in outcomes):
        mine = [outcome for (_, m), outcome in outcomes.items() if m == method]
        seen = counts(outcomes, method)
        bar = BARS.get(method, "") if part == "units" else ""
        calls = int(np.median([outcome.calls for outcome in mine]))
        seconds = sum(outcome.seconds for outcome in mine)
        cells = [*(seen[kind] for kind in KINDS), bar, calls, f"{seconds:.0f}"]
        lines.append(f"| {method} | " + " | ".join(map(str, cells)) + " |")
    lines += [""] + [
        f"- {outcome.kind}: {method}, {name}: {outcome.text}"
        for (name, method), outcome in outcomes.items()
        if outcome.kind in show
    ]
    return "\n".join(lines) + "\n"


def changed(
    methods: Iterable[str], problems: Iterable[str] | None = None
) -> dict[tuple[str, str], list[str]]:
    """``{(problem, method): the verdict under each of CHANGES}``."""
    first = base()
    verdicts: dict[tuple[str, str], list[str]] = collections.defaultdict(list)
    for name, change in itertools.product(problems or first, CHANGES):
        outcomes = measure([dataclasses.replace(CHANGES[change](first[name]), name=name)], methods)
        for key, outcome in outcomes.items():
            verdicts[key].append(outcome.kind)
    return dict(verdicts)


def same(method: str, kinds: list[str]) -> bool:
    """Whether the verdict is the same under all changes, as far as it must be."""
    return len(set(kinds) - ({FAILED, MODEST} if method in BY_UNITS else set())) <= 1 and WRONG not in kinds


def text_of_changes(verdicts: dict[tuple[str, str], list[str]]) -> str:
    lines = ["| changes | " + " | ".join(CHANGES) + " | same |", "|---" * (len(CHANGES) + 2) + "|"]
    for (name, method), kinds in verdicts.items():
        lines.append(f"| {name}, {method} | {' | '.join(kinds)} | {'yes' if same(method, kinds) else 'NO'} |")
    moved = sum(not same(method, kinds) for (_, method), kinds in verdicts.items())
    wrong = sum(kind == WRONG for kinds in verdicts.values() for kind in kinds)
    lines += ["", f"the verdict changed in {moved} of {len(verdicts)} rows; wrong successes: {wrong}"]
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    parts = {"units": in_units, "plain": in_plain}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", nargs="+", choices=METHODS, default=list(METHODS), metavar="NAME")
    parser.add_argument("--part", nargs="+", choices=[*parts, "changes"], default=[*parts, "changes"])
    parser.add_argument(
        "--show", nargs="+", choices=KINDS, default=[OTHER, WRONG, ERROR], help="runs with a line each"
    )
    options = parser.parse_args(argv)
    faults = []
    for part in options.part:
        began = time.perf_counter()
        if part == "changes":
            verdicts = changed(options.method)
            print(text_of_changes(verdicts))
            faults += [f"{n}, {m}: {' '.join(k)}" for (n, m), k in verdicts.items() if not same(m, k)]
        else:
            fits, outcomes = parts[part](), {}
            for method in options.method:
                mine = measure(fits, [method])
                print(text(mine, part, options.show), flush=True)
                outcomes |= mine
            print(text(outcomes, part, ()), flush=True)
            bars = below_bars(outcomes)
            faults += bars if part == "units" else [line for line in bars if "wrong" in line]
        print(f"({part}: {time.perf_counter() - began:.0f} s)\n", flush=True)
    print("\n".join(["below what it must show:", *faults] if faults else ["all as it must be"]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
