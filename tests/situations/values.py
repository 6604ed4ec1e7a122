"""Values that mislead: noise, huge and tiny ones, offsets, sums that cancel, overflow, float32."""

from __future__ import annotations

import autograd.numpy as np
import numpy as onp

from .base import root, situation

GOAL = onp.array([1.0, -2.0, 0.5])
WEIGHTS = onp.array([1.0, 4.0, 9.0])
T = onp.linspace(0.0, 2.0, 9)


def hashed(x, size=1e-8):
    """Reproducible noise of the given size, without any slope that means something."""
    x = onp.asarray(x, dtype=float)
    phase = onp.sin(x @ onp.array([12.9898, 78.233, 37.719])[: x.size]) * 43758.5453
    return size * (2 * (phase - onp.floor(phase)) - 1)


def bowl(x):
    return np.sum(WEIGHTS[: x.size] * (x - GOAL[: x.size]) ** 2)


def bowl_slope(x):
    return 2 * WEIGHTS[: x.size] * (x - GOAL[: x.size])


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosenbrock_slope(x):
    return onp.array([-400 * x[0] * (x[1] - x[0] ** 2) - 2 * (1 - x[0]), 200 * (x[1] - x[0] ** 2)])


def rosenbrock_hessian(x):
    return onp.array([[1200 * x[0] ** 2 - 400 * x[1] + 2, -400 * x[0]], [-400 * x[0], 200.0]])


# ---------------------------------------------------------------- noise of 1e-8


@situation(
    [0.0, 0.0, 0.0],
    [GOAL],
    noise=1e-8,
    core=bowl,
    given={"jac": bowl_slope, "hess": lambda x: onp.diag(2 * WEIGHTS)},
)
def noisy_bowl_exact_slope(x):
    return float(bowl(x) + hashed(x))


# differences of values with noise e are wrong by some e^(2/3) in the gradient, so f by its square and noise
@situation(
    [0.0, 0.0, 0.0], [GOAL], noise=1e-7, core=bowl, given={"jac": "3-point", "options": {"noise": 1e-8}}
)
def noisy_bowl_differences(x):
    return float(bowl(x) + hashed(x))


@situation(
    [-1.2, 1.0],
    [[1.0, 1.0]],
    noise=1e-8,
    core=rosenbrock,
    given={"jac": rosenbrock_slope, "hess": rosenbrock_hessian},
)
def noisy_rosenbrock_exact_slope(x):
    return float(rosenbrock(x) + hashed(x))


# without hess: differences of the gradient, which has noise too
@situation(
    [0.0, 0.0, 0.0],
    [GOAL],
    noise=1e-8,
    core=bowl,
    given={"jac": lambda x: bowl_slope(x) * (1 + hashed(x))},
)
def noisy_slope(x):
    return float(bowl(x) + hashed(x))


# ---------------------------------------------------------------- f of 1e300 and of 1e-300


@situation([4.0, 3.0], [GOAL[:2]], unit=1e298)
def huge_bowl(x):
    return 1e298 * bowl(x)


@situation([4.0, 3.0], [GOAL[:2]], unit=1e-298)
def tiny_bowl(x):
    return 1e-298 * bowl(x)


@situation([-1.2, 1.0], [[1.0, 1.0]], unit=1e150)
def huge_rosenbrock(x):
    return 1e150 * rosenbrock(x)


@situation([-1.2, 1.0], [[1.0, 1.0]], unit=1e-150)
def tiny_rosenbrock(x):
    return 1e-150 * rosenbrock(x)


# f itself is a denormal number: 1e-310 / 5e-324 leaves 13 digits
@situation([3.0], [[1.0]], unit=1e-310)
def denormal(x):
    return 1e-310 * (x[0] - 1) ** 2


DECAY = 3 * onp.exp(-1.2 * T) + 0.02 * onp.cos(9 * T)


def decay_answer():
    import mpmath as mp

    r = lambda a, k, t, y: a * mp.exp(-k * t) - y  # noqa: E731
    pairs = [(mp.mpf(float(t)), mp.mpf(float(y))) for t, y in zip(T, DECAY, strict=True)]
    return root(
        lambda a, k: [
            sum(r(a, k, t, y) * mp.exp(-k * t) for t, y in pairs),
            sum(r(a, k, t, y) * t * mp.exp(-k * t) for t, y in pairs),
        ],
        [3.0, 1.2],
    )


def decay_residuals(x):
    return x[0] * np.exp(-x[1] * T) - DECAY


def tiny_residuals(x):
    return 1e-100 * decay_residuals(x)


# lengths in metres of molecules: squares of 1e-100
@situation([1.0, 1.0], lambda: [decay_answer()], unit=1e-200, residuals=tiny_residuals)
def tiny_squares(x):
    return np.sum(tiny_residuals(x) ** 2)


@situation([1.0, 1.0], lambda: [decay_answer()], residuals=decay_residuals)
def ordinary_fit(x):
    return np.sum(decay_residuals(x) ** 2)


# ---------------------------------------------------------------- offsets


@situation([-1.2, 1.0], [[1.0, 1.0]], core=rosenbrock, rounding=1e8)
def offset_1e8(x):
    return rosenbrock(x) + 1e8


@situation([-1.2, 1.0], [[1.0, 1.0]], core=rosenbrock, rounding=1e8)
def offset_minus_1e8(x):
    return rosenbrock(x) - 1e8


@situation([4.0, 3.0], [GOAL[:2]], core=bowl, rounding=1e12)
def offset_1e12(x):
    return bowl(x) + 1e12


# all digits of f are lost: no run can know a minimum, and f(x0) is as low as any value seen
@situation([-1.2, 1.0], [[1.0, 1.0]], core=rosenbrock)
def offset_1e20(x):
    return rosenbrock(x) + 1e20


RATES = onp.array([0.5, 1.0, 2.0, 4.0])


# sum of (x - log x) r has its minimum at 1; the constant of a likelihood that is usually kept
@situation([3.0] * 4, [[1.0] * 4], core=lambda x: np.sum(RATES * (x - np.log(x))), rounding=1e6)
def constant_of_a_likelihood(x):
    return np.sum(RATES * (x - np.log(x))) + 1e6


# ---------------------------------------------------------------- sums that cancel


# ARWHEAD of CUTEst: (1, ..., 1, 0), where 99 * (1 - 4 + 3) = 0
@situation([1.0] * 100, [[1.0] * 99 + [0.0]], rounding=99 * 8)
def arwhead(x):
    return np.sum((x[:-1] ** 2 + x[-1] ** 2) ** 2 - 4 * x[:-1] + 3)


@situation([1.5, -1.0], [[0.0, 0.0]], rounding=4)
def cosh_minus_its_minimum(x):
    return np.sum(np.exp(x) + np.exp(-x) - 2)


@situation([2.0, -3.0], [[0.0, 0.0]], rounding=2e6, unit=1e6)
def root_minus_one(x):
    return 1e6 * np.sum(np.sqrt(1 + x**2) - 1)


# the variance as the mean of squares minus the square of the mean
@situation([1.0, -0.5], [[0.0, 0.0]], rounding=1e6)
def variance_by_squares(x):
    y = 1e3 + np.array([1.0, -1.0, 2.0]) * x[0] + np.array([1.0, 1.0, -1.0]) * x[1]
    return np.mean(y**2) - np.mean(y) ** 2


# the log-likelihood ratio: 0 at the minimum, from two sums of -20
COUNTS = onp.array([3.0, 7.0, 5.0])


@situation([0.0, 0.0, 0.0], [onp.log(COUNTS)], rounding=30)
def deviance(x):
    return 2 * np.sum(COUNTS * np.log(COUNTS) - COUNTS - COUNTS * x + np.exp(x))


# ---------------------------------------------------------------- overflow


@situation([19.5, 1.0], [[0.0, 0.0]])
def overflowing_slope(x):
    return np.exp(x[0] ** 2) + x[1] ** 2


@situation([700.0], [[0.0]])
def cosh_from_far(x):
    return np.exp(x[0]) + np.exp(-x[0])


# x - 2 sqrt(x) is finite at 0, its slope is not; nan beyond. Minimum -1 at 1
@situation([4.0], [[1.0]])
def root_at_the_edge(x):
    return x[0] - 2 * np.sqrt(x[0])


# log(1 + exp x) - 0.3 x: minimum at logit 0.3; exp(x) is infinite at 710
@situation([600.0], [[onp.log(0.3 / 0.7)]])
def softplus_by_hand(x):
    return np.log(1 + np.exp(x[0])) - 0.3 * x[0]


# Newton's step from -20 is 1e9 long. Minimum at log 3
@situation([-20.0], [[onp.log(3.0)]])
def poisson_from_far(x):
    return np.exp(x[0]) - 3 * x[0]


# 1/x^2 + x^2 from 1e-100: f = 1e200, slope -2e300, curvature infinite. Minimum 2 at 1 and -1
@situation([1e-100], [[1.0], [-1.0]])
def pole_at_the_start(x):
    return x[0] ** -2 + x[0] ** 2


# ---------------------------------------------------------------- float32

SMALL = onp.float32([1.0, -2.0, 0.5])


@situation([0.0, 0.0, 0.0], [GOAL], dtype=onp.float32)
def float32_bowl(x):
    return np.sum((x - SMALL) ** 2)


@situation([-1.2, 1.0], [[1.0, 1.0]], dtype=onp.float32, noise=1e-6)
def float32_rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


# 1e4 is resolved to 1e-3 in float32
@situation([0.0, 0.0, 0.0], [GOAL], dtype=onp.float32, core=bowl, rounding=1e4)
def float32_offset(x):
    return np.sum((x - SMALL) ** 2 * onp.float32(WEIGHTS)) + onp.float32(1e4)


T32, DECAY32 = T.astype(onp.float32), DECAY.astype(onp.float32)


@situation([1.0, 1.0], lambda: [decay_answer()], dtype=onp.float32, noise=1e-6)
def float32_fit(x):
    return np.sum((x[0] * np.exp(-x[1] * T32) - DECAY32) ** 2)
