"""Fifteen functions that autograd cannot follow, with eleven methods: jac="3-point", or jac alone.

    python tests/benchmarks/black_boxes.py [--derivatives 3-point jac] [--only sir] [--method Newton]

Each function is written as users write simulators, fits and likelihoods: loops that assign into arrays,
`solve_ivp`, `quad`, splines, numba, the math module, sparse solves. "3-point" gives ``jac="3-point"`` and
nothing else; "jac" gives the exact gradient and nothing else. Methods are called by their bare names with
their default options. A cell holds the calls of fun (+ of jac) where the answer was reached, |f - f*| <=
1e-6 (1 + |f*|) and |x - x*|_inf <= 1e-4 (1 + |x*|_inf), else what happened. The answer (x*, f*) is SciPy's:
BFGS with the exact gradient, polished by trust-exact.

The eleven methods are those that solve a smooth problem to gradient accuracy in some hundred iterations:
all of the Newton type that take a scalar function, LBFGS, GradMin, and steepest descent with two step-size
rules (ReduceOutwardLR, which tunes each coordinate, and StrongWolfe). Left out: methods with a fixed step
size (Adam, LR, HeavyBall and so on), which do not reach 1e-4 by their defaults, the projections, whose
defaults hold Adam, and Backtracking, whose row is that of StrongWolfe with less. The problems are scaled as
a user would scale them: the variables are of the size of 1, the condition number at the answer is at most
300.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import math
import sys
import time
import warnings
from collections.abc import Callable

import numba
import numpy as np
import scipy.integrate
import scipy.interpolate
import scipy.linalg
import scipy.optimize
import scipy.signal
import scipy.sparse
import scipy.sparse.linalg

import refopt

METHODS = (
    "HigherOrderNewton",
    "Newton",
    "NewtonNewton",
    "NewtonSolver",
    "ScipyNewtonCG",
    "CurveBall",
    "InfinityNormTrustRegion",
    "LBFGS",
    "GradMin",
    "ReduceOutwardLR",
    "StrongWolfe",
)
DERIVATIVES = ("3-point", "jac")
BARS = {"3-point": 160, "jac": 150}
MAX_CONDITION = 300.0
F_CLOSE, X_CLOSE = 1e-6, 1e-4


@dataclasses.dataclass(frozen=True)
class BlackBox:
    """One problem: ``fun`` for plain arrays of floats only, its exact gradient, and the start."""

    name: str
    fun: Callable
    jac: Callable
    x0: np.ndarray

    @functools.cached_property
    def answer(self) -> tuple[np.ndarray, float]:
        """SciPy's x* and f*."""
        first = scipy.optimize.minimize(
            self.fun, self.x0, jac=self.jac, method="BFGS", options={"gtol": 1e-8}
        )
        last = scipy.optimize.minimize(
            self.fun,
            first.x,
            jac=self.jac,
            hess=self.hess,
            method="trust-exact",
            options={"gtol": 1e-10, "maxiter": 20},
        )
        best = min((first, last), key=lambda result: float(np.abs(self.jac(result.x)).max()))
        return best.x, float(best.fun)

    def hess(self, x: np.ndarray) -> np.ndarray:
        """The Hessian by central differences of the exact gradient, for the answer and its condition."""
        h = 1e-5
        H = np.array([(self.jac(x + h * e) - self.jac(x - h * e)) / (2 * h) for e in np.eye(x.size)])
        return (H + H.T) / 2

    def condition(self) -> float:
        """Of the Hessian at the answer; infinite if it is not positive definite."""
        values = np.linalg.eigvalsh(self.hess(self.answer[0]))
        return float(values[-1] / values[0]) if values[0] > 0 else math.inf


BOXES: dict[str, BlackBox] = {}


def complex_step(core: Callable) -> Callable:
    """The gradient of `core`, which also takes complex numbers: exact to rounding."""

    def jac(x):
        return np.array([np.imag(core(x + 1e-30j * e)) / 1e-30 for e in np.eye(x.size)])

    return jac


def box(x0, jac=None):
    """Put a plain function into the table; without `jac` its gradient is taken by the complex step."""

    def register(core):
        def fun(x):
            # a black box takes and gives plain floats
            return float(np.real(core(np.array(x, dtype=float))))

        fun.__name__ = core.__name__
        BOXES[core.__name__] = BlackBox(
            core.__name__, fun, jac or complex_step(core), np.array(x0, dtype=float)
        )
        return core

    return register


# ---------------------------------------------------------------- simulators in loops


def oscillate(stiffness, damping, kick):
    """Position of a damped oscillator, by Runge and Kutta's rule of order 4."""
    dtype = np.result_type(stiffness, damping, kick, float)
    path, y, h = np.zeros(41, dtype), np.zeros(2, dtype), 0.1
    y[1] = kick

    def rates(y):
        r = np.zeros(2, dtype)
        r[0] = y[1]
        r[1] = -stiffness * y[0] - damping * y[1] - 0.1 * y[0] ** 3
        return r

    for i in range(40):
        a = rates(y)
        b = rates(y + h / 2 * a)
        c = rates(y + h / 2 * b)
        d = rates(y + h * c)
        y[:] = y + h / 6 * (a + 2 * b + 2 * c + d)
        path[i + 1] = y[0]
    return path


OSCILLATION = oscillate(1.5, 0.3, 2.0) + 0.02 * np.sin(7 * np.arange(41))


@box([1.0, 0.5, 1.5])
def oscillator(x):
    return np.sum((oscillate(*x) - OSCILLATION) ** 2)


def epidemic(contact, recovery):
    dtype = np.result_type(contact, recovery, float)
    state = np.zeros((61, 3), dtype)
    state[0] = 0.99, 0.01, 0.0
    for day in range(60):
        s, i, _ = state[day]
        state[day + 1] = state[day]
        state[day + 1, 0] -= 0.25 * contact * s * i
        state[day + 1, 1] += 0.25 * (contact * s * i - recovery * i)
        state[day + 1, 2] += 0.25 * recovery * i
    return state[:, 1]


CASES = epidemic(1.6, 0.7) * (1 + 0.05 * np.cos(3 * np.arange(61)))


@box([0.3, -0.5])
def sir(x):
    return 10 * np.sum((epidemic(np.exp(x[0]), np.exp(x[1])) - CASES) ** 2)


# ---------------------------------------------------------------- differential equations, integrals


def prey(growth, born, death):
    y0 = np.array([1.0, 0.5], dtype=np.result_type(growth, born, death, float))
    return scipy.integrate.solve_ivp(
        lambda t, y: np.array([growth * y[0] - 0.8 * y[0] * y[1], born * y[0] * y[1] - death * y[1]]),
        (0, 4),
        y0,
        t_eval=np.linspace(0, 4, 17),
        method="DOP853",
        rtol=1e-10,
        atol=1e-11,
    ).y


HUNT = prey(1.0, 0.7, 0.9) * (1 + 0.03 * np.cos(5 * np.arange(17)))


@box([-0.3, 0.0, -0.3])
def lotka_volterra(x):
    return np.sum((prey(*np.exp(x)) - HUNT) ** 2) / 10


GROWTH_TIMES = np.linspace(0, 5, 11)
GROWTH = 2.0 / (1 + 3 * np.exp(-1.3 * GROWTH_TIMES)) + 0.02 * np.cos(5 * GROWTH_TIMES)


@box([0.7, 1.5])
def logistic_growth(x):
    y = scipy.integrate.solve_ivp(
        lambda t, y: x[0] * y * (1 - y / x[1]),
        (0, 5),
        np.array([0.5], dtype=np.result_type(x, float)),
        t_eval=GROWTH_TIMES,
        method="DOP853",
        rtol=1e-10,
        atol=1e-11,
    ).y[0]
    return np.sum((y - GROWTH) ** 2)


@box([0.5, 1.0])
def integral(x):
    """Distance in L2 of a Gaussian bump from a sine."""
    return scipy.integrate.quad(
        lambda t: (np.exp(-np.exp(x[0]) * (t - x[1]) ** 2) - np.sin(t)) ** 2,
        0,
        np.pi,
        complex_func=np.iscomplexobj(x),
        epsabs=1e-12,
        epsrel=1e-12,
    )[0]


# ---------------------------------------------------------------- splines, filters, compiled code

KNOTS, FINE = np.arange(6.0), np.linspace(0, 5, 31)
SPLINE_MATRIX = scipy.interpolate.CubicSpline(KNOTS, np.eye(6))(FINE)
WAVE = np.sin(FINE) + 0.05 * np.cos(9 * FINE)


def spline_slope(x):
    s = SPLINE_MATRIX @ x
    return SPLINE_MATRIX.T @ (2 * (s - WAVE) + 0.4 * (s - WAVE) ** 3)


@box(np.zeros(6), jac=spline_slope)
def spline(x):
    r = scipy.interpolate.CubicSpline(KNOTS, x)(FINE) - WAVE
    return np.sum(r**2 + 0.1 * r**4)


SHOCKS = np.sin(1.7 * np.arange(60)) + np.cos(0.3 * np.arange(60) ** 1.3)
SERIES = scipy.signal.lfilter([1.0, 0.4], [1.0, -0.6], SHOCKS)


@box([0.1, 0.2])
def filtered(x):
    out = scipy.signal.lfilter([1.0, x[0]], [1.0, -np.tanh(x[1])], SHOCKS.astype(np.result_type(x, float)))
    return np.mean((out - SERIES) ** 2)


@numba.njit
def heat(a, b):
    u = np.zeros(21) + 0 * a
    for _ in range(200):
        v = u.copy()
        for i in range(1, 20):
            u[i] = v[i] + 0.2 * a * (v[i - 1] - 2 * v[i] + v[i + 1]) + 0.05 * b
        u[0] = u[1]
        u[20] = 1.0
    return u


BAR = heat(0.8, 0.15)


@box([0.2, 1.0])
def heat_numba(x):
    return np.sum((heat(np.exp(x[0]), x[1] / 10) - BAR) ** 2) / 5


@numba.njit
def chained(x):
    total = 0 * x[0]
    for i in range(x.size - 1):
        total += 2 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return total


@box([-0.5, 0.5, -0.5, 0.5])
def rosenbrock_numba(x):
    return chained(x)


# ---------------------------------------------------------------- likelihoods by the math module

AGES, COUNTS = np.linspace(-1, 1, 12), [0, 1, 0, 2, 1, 3, 2, 4, 6, 5, 9, 8]


def poisson_slope(x):
    mean = np.exp(x[0] + x[1] * AGES + x[2] * AGES**2)
    r = mean - np.array(COUNTS)
    return np.array([r.sum(), (r * AGES).sum(), (r * AGES**2).sum()]) / 10


@box([0.0, 0.0, 0.0], jac=poisson_slope)
def poisson(x):
    total = 0.0
    for age, count in zip(AGES.tolist(), COUNTS, strict=True):
        eta = float(x[0]) + float(x[1]) * age + float(x[2]) * age**2
        total += math.exp(eta) - count * eta + math.lgamma(count + 1)
    return total / 10


def flight_slope(x):
    return np.array([-2 * math.cos(2 * x[0]) + 0.4 * math.sinh(x[0] - 0.2)])


@box([0.2], jac=flight_slope)
def best_angle(x):
    angle = float(x[0])
    return -math.sin(2 * angle) + 0.4 * math.cosh(angle - 0.2)


# ---------------------------------------------------------------- linear algebra, roots, energies


@box([0.5, 0.5, 0.5])
def conductivity(x):
    """Temperatures of a rod of three materials, by a sparse solve."""
    k = np.exp(np.repeat(x, 4))
    M = scipy.sparse.diags([-k[1:], k + np.append(k[1:], 1.0), -k[1:]], [-1, 0, 1], format="csc")
    u = scipy.sparse.linalg.spsolve(M, np.full(12, 0.1, dtype=M.dtype))
    return np.sum((u - 0.5) ** 2) + 0.05 * np.sum(x**2)


def equilibrium(a, b):
    return scipy.optimize.brentq(lambda z: z**3 + math.exp(a) * z - b, -10, 10, xtol=1e-15, rtol=1e-14)


def equilibrium_slope(x):
    a, b = x
    z = equilibrium(a, b)
    steepness = 3 * z**2 + math.exp(a)
    return np.array(
        [
            2 * (z - 1) * -math.exp(a) * z / steepness + 0.6 * (a - 0.5),
            2 * (z - 1) / steepness + 0.2 * (b - 1),
        ]
    )


@box([0.0, 0.2], jac=equilibrium_slope)
def implicit_equilibrium(x):
    return (equilibrium(float(x[0]), float(x[1])) - 1) ** 2 + 0.3 * (x[0] - 0.5) ** 2 + 0.1 * (x[1] - 1) ** 2


PLACES = np.linspace(0, 5, 12)
HEIGHTS = np.sin(PLACES) + 0.1 * np.cos(9 * PLACES)
SQUARES = np.subtract.outer(PLACES, PLACES) ** 2


def process_slope(x):
    amplitude, length, noise = np.exp(x)
    E = amplitude * np.exp(-SQUARES / (2 * length**2))
    K = E + (noise + 1e-4) * np.eye(12)
    W = np.linalg.inv(K)
    a = W @ HEIGHTS
    M = (W - np.outer(a, a)) / 2
    return np.array([np.sum(M * E), np.sum(M * E * SQUARES) / length**2, noise * np.trace(M)]) / 5 + 0.02 * x


@box([0.0, 0.0, -2.0], jac=process_slope)
def gaussian_process(x):
    amplitude, length, noise = np.exp(x)
    K = amplitude * np.exp(-SQUARES / (2 * length**2))
    K[np.diag_indices(12)] += noise + 1e-4
    factor = scipy.linalg.cho_factor(K, lower=True)
    fit = HEIGHTS @ scipy.linalg.cho_solve(factor, HEIGHTS) / 2
    return (fit + np.log(np.diag(factor[0])).sum()) / 5 + 0.01 * x @ x


def chain_slope(x):
    y = np.concatenate([[0.0], x, [0.5]])
    s = np.diff(y)
    force = s / np.sqrt(0.1 + s**2) * 2 + 0.4 * s**3
    return force[:-1] - force[1:] + 0.3 * np.ones(x.size)


@box(np.linspace(0.4, -0.4, 8), jac=chain_slope)
def hanging_chain(x):
    heights, energy = [0.0, *x.tolist(), 0.5], 0.0
    for low, high in zip(heights, heights[1:], strict=False):
        energy += 2 * math.sqrt(0.1 + (high - low) ** 2) + 0.1 * (high - low) ** 4
    return energy + 0.3 * sum(heights)


# ---------------------------------------------------------------- the measurement


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Whether the answer was reached; the calls, or what happened instead; whether the run lied."""

    reached: bool
    text: str
    success: bool


def attempt(problem: BlackBox, method: str, derivatives: str) -> Outcome:
    """One run by the bare name of the method."""
    given = {"jac": problem.jac if derivatives == "jac" else derivatives}
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = refopt.minimize(problem.fun, problem.x0, method=method, rng=0, **given)
    except Exception as error:
        return Outcome(False, f"{type(error).__name__}: {' '.join(str(error).split())[:150]}", False)
    x, f = problem.answer
    off_f, off_x = abs(result.fun - f), float(np.abs(result.x - x).max())
    reached = bool(off_f <= F_CLOSE * (1 + abs(f)) and off_x <= X_CLOSE * (1 + float(np.abs(x).max())))
    if reached:
        calls = f"{result.nfev}" + (f"+{result.njev}" if derivatives == "jac" else "")
        return Outcome(True, calls, bool(result.success))
    return Outcome(
        False,
        f"f - f* = {result.fun - f:.1e}, |x - x*| = {off_x:.1e}, "
        f"|g| = {np.abs(problem.jac(result.x)).max():.1e}, "
        f"nit = {result.nit}, success = {result.success}: {str(result.message)[:100]}",
        bool(result.success),
    )


def measure(derivatives, boxes=None, methods=METHODS):
    """``{(name, method): Outcome}``."""
    return {
        (name, method): attempt(BOXES[name], method, derivatives)
        for name in boxes or BOXES
        for method in methods
    }


def reached(outcomes):
    """How many runs reached SciPy's answer."""
    return sum(outcome.reached for outcome in outcomes.values())


def shown(outcome):
    """A cell of the table; empty for a pair that was not run."""
    if outcome is None:
        return ""
    return outcome.text + ("" if outcome.success else " *") if outcome.reached else "-"


def text(outcomes, derivatives):
    """The table of one kind of derivatives, what happened in the empty cells, and the total."""
    names, methods = (list(dict.fromkeys(keys)) for keys in zip(*outcomes, strict=True))
    lines = [f"| {derivatives} | n | " + " | ".join(methods) + " |", "|---|---|" + "---|" * len(methods)]
    for name in names:
        cells = [shown(outcomes.get((name, method))) for method in methods]
        lines.append(f"| {name} | {BOXES[name].x0.size} | " + " | ".join(cells) + " |")
    counts = [sum(cell.reached for (_, m), cell in outcomes.items() if m == method) for method in methods]
    lines.append(f"| reached, of {len(names)} | | " + " | ".join(map(str, counts)) + " |")
    lines += ["", "A star: the answer was reached, but the run reports no success.", ""]
    lines += [
        f"- {name}, {method}: {cell.text}" for (name, method), cell in outcomes.items() if not cell.reached
    ]
    lines.append(f"{derivatives}: {reached(outcomes)} of {len(outcomes)} reached SciPy's answer")
    return "\n".join(lines) + "\n"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--derivatives", nargs="+", choices=DERIVATIVES, default=DERIVATIVES)
    parser.add_argument("--only", nargs="+", choices=BOXES, default=list(BOXES), help="names of black boxes")
    parser.add_argument("--method", nargs="+", choices=METHODS, default=METHODS)
    options = parser.parse_args(argv)
    for derivatives in options.derivatives:
        began = time.perf_counter()
        outcomes = measure(derivatives, options.only, options.method)
        print(text(outcomes, derivatives), f"({time.perf_counter() - began:.0f} s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
