"""Stationary points that are no minimum, kinks, flat minima, singular Hessians, valleys."""

from __future__ import annotations

import autograd.numpy as np
import numpy as onp

from .base import root, situation
from .values import rosenbrock

# ---------------------------------------------------------------- saddles


def simple_saddle(x):
    return x[0] ** 2 - x[1] ** 2 + x[1] ** 4


PAIR = [[0.0, 0.5**0.5], [0.0, -(0.5**0.5)]]


@situation([0.0, 0.0], PAIR)
def saddle_at_the_start(x):
    return simple_saddle(x)


# the gradient never leaves the axis that leads to the saddle
@situation([1.0, 0.0], PAIR)
def saddle_on_the_way(x):
    return simple_saddle(x)


# almost on it: 1e-9 of escape
@situation([1.0, 1e-9], PAIR)
def saddle_almost_on_the_way(x):
    return simple_saddle(x)


# 200 variables, one with negative curvature, from the saddle's stable manifold
@situation([1.0] * 39 + [0.0], [[0.0] * 39 + [0.5**0.5], [0.0] * 39 + [-(0.5**0.5)]])
def saddle_in_many_dimensions(x):
    return np.sum(x[:-1] ** 2 * onp.arange(1, 40)) - x[-1] ** 2 + x[-1] ** 4


# weak: curvature -1e-4 beside 1e4
@situation([1.0, 0.0], [[0.0, 0.5**0.5], [0.0, -(0.5**0.5)]], lowest=-0.25e-4, unit=1e-4)
def weak_saddle(x):
    return 1e4 * x[0] ** 2 + 1e-4 * (x[1] ** 4 - x[1] ** 2)


# r^3 cos(3 phi) + r^4: minimum -27/256 at r = 3/4, phi = 60, 180, 300 degrees
MONKEY = [[0.75 * onp.cos(a), 0.75 * onp.sin(a)] for a in onp.pi / 3 * onp.array([1, 3, 5])]


def monkey(x):
    r = x[0] ** 2 + x[1] ** 2
    return x[0] ** 3 - 3 * x[0] * x[1] ** 2 + r**2


@situation([0.0, 0.0], MONKEY)
def monkey_saddle_at_the_start(x):
    return monkey(x)


@situation([1.0, 0.0], MONKEY)
def monkey_saddle_on_the_way(x):
    return monkey(x)


# x^4 - y^4 + y^6: minimum -4/27 at y^2 = 2/3; no second derivative tells it at (0, 0)
DEGENERATE = [[0.0, (2 / 3) ** 0.5], [0.0, -((2 / 3) ** 0.5)]]


@situation([0.0, 0.0], DEGENERATE)
def degenerate_saddle_at_the_start(x):
    return x[0] ** 4 - x[1] ** 4 + x[1] ** 6


@situation([1.0, 0.0], DEGENERATE)
def degenerate_saddle_on_the_way(x):
    return x[0] ** 4 - x[1] ** 4 + x[1] ** 6


# x^2 - y^4 + y^6: the Hessian diag(2, 0) has no negative curvature
@situation([1.0, 0.0], DEGENERATE)
def half_degenerate_saddle(x):
    return x[0] ** 2 - x[1] ** 4 + x[1] ** 6


@situation([0.0, 0.0], [], lowest=0.0)
def product_of_two(x):
    return (x[0] * x[1] - 1) ** 2


# a deep linear network from zero weights: gradient and Hessian are zero
@situation([0.0, 0.0, 0.0], [], lowest=0.0)
def product_of_three(x):
    return (x[0] * x[1] * x[2] - 1) ** 2


INPUTS = onp.linspace(-2, 2, 9)
TARGETS = onp.tanh(3 * INPUTS) + onp.tanh(0.2 * INPUTS)


# two neurons alike: their difference is never in the gradient, and the best of those is a saddle
@situation([1.0, 1.0], [[3.0, 0.2], [0.2, 3.0]])
def neurons_alike(x):
    return np.sum((np.tanh(x[0] * INPUTS) + np.tanh(x[1] * INPUTS) - TARGETS) ** 2)


CLUSTERS = onp.array([-2.3, -2.0, -1.8, -1.6, 1.5, 1.9, 2.1, 2.4, 2.2])


def mixture_answer():
    import mpmath as mp

    data = [mp.mpf(float(v)) for v in CLUSTERS]
    weight = lambda a, b, y: 1 / (1 + mp.exp(((y - a) ** 2 - (y - b) ** 2) / 2))  # noqa: E731
    a, b = root(
        lambda a, b: [
            sum(weight(a, b, y) * (y - a) for y in data),
            sum((1 - weight(a, b, y)) * (y - b) for y in data),
        ],
        [-1.9, 2.0],
    )
    return [[a, b], [b, a]]


def mixture(x):
    a, b = -0.5 * (CLUSTERS - x[0]) ** 2, -0.5 * (CLUSTERS - x[1]) ** 2
    return -np.sum(np.logaddexp(a, b))


# two components with the same mean: a saddle of the likelihood
@situation([0.0, 0.0], mixture_answer)
def mixture_with_equal_means(x):
    return mixture(x)


HIMMELBLAU = [
    [3.0, 2.0],
    [-2.805118086952745, 3.131312518250573],
    [-3.779310253377747, -3.283185991286170],
    [3.584428340330492, -1.848126526964404],
]


def himmelblau(x):
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


@situation([-5.0, -1.0], HIMMELBLAU)
def himmelblau_beside_a_saddle(x):
    return himmelblau(x)


# its maximum, to the last digit that a gradient can tell
@situation([-0.270844590667, -0.923038559290], HIMMELBLAU)
def himmelblau_at_the_maximum(x):
    return himmelblau(x)


# ---------------------------------------------------------------- maxima


@situation([0.0], [], lowest=-1.0)
def cosine_at_its_maximum(x):
    return np.cos(x[0])


# the minima are a circle, r^2 = 1/2
@situation([0.0, 0.0, 0.0], [], lowest=-0.25)
def hat_at_its_maximum(x):
    r = np.sum(x**2)
    return r**2 - r


@situation([1.0, 1.0, 0.0], [], lowest=-0.25)
def hat(x):
    r = np.sum(x**2)
    return r**2 - r


# - exp(-x^2 / 2) upside down: the start is the maximum; lower without end on both sides
@situation([0.0])
def bell_at_its_maximum(x):
    return np.exp(-(x[0] ** 2) / 2)


# ---------------------------------------------------------------- the start is the answer


@situation([1.0, -2.0], [[1.0, -2.0]])
def start_at_the_minimum(x):
    return (x[0] - 1) ** 2 + 3 * (x[1] + 2) ** 2


@situation([1.0, 1.0], [[1.0, 1.0]])
def start_at_the_minimum_of_rosenbrock(x):
    return rosenbrock(x)


@situation([1.0, -2.0], [[1.0, -2.0]], core=lambda x: (x[0] - 1) ** 2 + 3 * (x[1] + 2) ** 2, rounding=1e8)
def start_at_the_minimum_with_an_offset(x):
    return (x[0] - 1) ** 2 + 3 * (x[1] + 2) ** 2 + 1e8


# the mean: rounding is left in the gradient
DATA = onp.array([0.1, 0.7, 0.3, 1.9, 0.25])


@situation([DATA.mean()], [[DATA.mean()]])
def start_at_the_mean(x):
    return np.sum((DATA - x[0]) ** 2)


@situation([0.0, 0.0], [[0.0, 0.0]])
def start_at_the_minimum_of_quartics(x):
    return np.sum(x**4)


@situation([0.0, 1.0], [[0.0, 0.0]])
def one_variable_already_right(x):
    return 1e8 * x[0] ** 2 + x[1] ** 2


# ---------------------------------------------------------------- singular Hessians


@situation([1.0], [[0.0]])
def quartic(x):
    return x[0] ** 4


@situation([3.0, -1.0, 0.1, 2.0], [[1.0] * 4])
def quartics(x):
    return np.sum((x - 1) ** 4)


@situation([3.0, -1.0, 0.0, 1.0], [[0.0] * 4])
def powell_singular(x):
    return (x[0] + 10 * x[1]) ** 2 + 5 * (x[2] - x[3]) ** 2 + (x[1] - 2 * x[2]) ** 4 + 10 * (x[0] - x[3]) ** 4


@situation([2.0], [[1.0]])
def eighth_power(x):
    return (x[0] - 1) ** 8 + 3


@situation([2.0, 2.0], [[0.0, 0.0]])
def quadratic_and_quartic(x):
    return x[0] ** 2 + x[1] ** 4 + 1


# a line of minima
@situation([3.0, 1.0], [], lowest=0.0)
def line_of_minima(x):
    return (x[0] + x[1] - 1) ** 2


@situation([3.0, 1.0], [], lowest=0.0)
def circle_of_minima(x):
    return (x[0] ** 2 + x[1] ** 2 - 1) ** 2


A = onp.array([[1.0, 2.0, 0.0, -1.0, 0.5], [0.0, 1.0, -1.0, 2.0, 1.0], [3.0, 0.0, 1.0, 1.0, -2.0]])


def underdetermined_residuals(x):
    return np.dot(A, x) - np.array([1.0, 2.0, 3.0])


@situation([0.0] * 5, [], lowest=0.0, residuals=underdetermined_residuals)
def underdetermined(x):
    return np.sum(underdetermined_residuals(x) ** 2)


# one variable is not in f
@situation([3.0, 1.0], [], lowest=2.0)
def variable_without_effect(x):
    return (x[0] - 1) ** 2 + 0 * x[1] + 2


# ---------------------------------------------------------------- flat minima


MARGIN_X = onp.array([[2.0, 1.0], [1.0, 2.0], [-1.0, -1.5], [-2.0, -0.5]])
MARGIN_Y = onp.array([1.0, 1.0, -1.0, -1.0])


# separable: any w with all margins above 1 has f = 0
@situation([0.0, 0.0], [], lowest=0.0)
def hinge(x):
    return np.sum(np.maximum(0, 1 - MARGIN_Y * np.dot(MARGIN_X, x)))


@situation([0.0, 0.0], [], lowest=0.0)
def squared_hinge(x):
    return np.sum(np.maximum(0, 1 - MARGIN_Y * np.dot(MARGIN_X, x)) ** 2)


@situation([4.0, -3.0], [], lowest=0.0)
def flat_bottom(x):
    return np.sum(np.maximum(0, np.abs(x) - 1) ** 2)


# ---------------------------------------------------------------- kinks


@situation([0.0, 0.0, 0.0], [[3.0, 3.0, 3.0]])
def kink_at_the_start(x):
    return np.max((x - 3) ** 2)


@situation([0.0, 0.0, 0.0], [[1.0, 1.0, 1.0]])
def sum_of_sizes(x):
    return np.sum(np.abs(x - 1))


@situation([3.0, 4.0], [[0.0, 0.0]])
def norm(x):
    return np.sqrt(np.sum(x**2))


@situation([0.0], [[2.0]])
def kink_and_bowl(x):
    return np.abs(x[0]) + 0.5 * (x[0] - 3) ** 2


# the kink at the start points down on both sides: abs has the slope 0 at 0, says every package
@situation([0.0], [[0.5], [-0.5]])
def concave_kink_at_the_start(x):
    return x[0] ** 2 - np.abs(x[0])


@situation([0.0], [[0.0]])
def start_at_the_minimum_on_a_kink(x):
    return np.abs(x[0]) + x[0] ** 2


# lasso: the second weight is exactly 0. (1 - 0.5/2, 0)
@situation([0.3, 0.4], [[0.75, 0.0]])
def lasso(x):
    return (x[0] - 1) ** 2 + (x[1] - 0.1) ** 2 + 0.5 * np.sum(np.abs(x))


# a dead neuron: relu is flat at the start, and f = 1 there
@situation([-1.0, 1.0], [], lowest=0.0)
def dead_relu(x):
    return (np.maximum(0, x[0]) * x[1] - 1) ** 2


# ---------------------------------------------------------------- valleys, scales, sizes


@situation([-1.2, 1.0], [[1.0, 1.0]], unit=1e4)
def rosenbrock_1e4(x):
    return 1e4 * rosenbrock(x)


@situation([-1.2, 1.0], [[1.0, 1.0]])
def rosenbrock_narrow(x):
    return 1e6 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


@situation([-1.2e-6, 1e6], [[1e-6, 1e6]])
def rosenbrock_in_units(x):
    a, b = 1e6 * x[0], 1e-6 * x[1]
    return 100 * (b - a**2) ** 2 + (1 - a) ** 2


@situation([1.0, 1.0], [[1e6, 2e-6]])
def brown_badly_scaled(x):
    return (x[0] - 1e6) ** 2 + (x[1] - 2e-6) ** 2 + (x[0] * x[1] - 2) ** 2


# p0 / (1 + p0)-like saturation: rates of 1e-3, the sum of squares is 1e-5 at the start
RATE_S = onp.array([3.5, 1.75, 0.9, 0.45, 0.22, 0.11])
RATE_V = onp.array([47.2, 44.2, 37.2, 27.3, 17.6, 10.8]) * 1e-4


def rate_residuals(x):
    return x[0] * RATE_S / (x[1] + RATE_S) - RATE_V


def rate_answer(near=(5.3e-3, 0.44)):
    import mpmath as mp

    pairs = [(mp.mpf(float(s)), mp.mpf(float(v))) for s, v in zip(RATE_S, RATE_V, strict=True)]
    r = lambda a, k, s, v: a * s / (k + s) - v  # noqa: E731
    return root(
        lambda a, k: [
            sum(r(a, k, s, v) * s / (k + s) for s, v in pairs) * 1e6,
            sum(r(a, k, s, v) * s / (k + s) ** 2 for s, v in pairs) * 1e6,
        ],
        list(near),
    )


# a negative constant Km, beyond the pole, is a local minimum too
@situation(
    [1.0, 1.0], lambda: [rate_answer(), rate_answer([8.94e-4, -0.3495])], residuals=rate_residuals, unit=1e-8
)
def kinetics(x):
    return np.sum(rate_residuals(x) ** 2)


# the variables are of 1e9: (1e9, 1e9 + 1)
@situation([0.0, 0.0], [[1e9, 1e9 + 1]])
def large_answer(x):
    return (x[0] - 1e9) ** 2 + (x[1] - x[0] - 1) ** 2


@situation([1.0, 1.0], [[1e-9, 2e-9]], unit=1e-18)
def small_answer(x):
    return (x[0] - 1e-9) ** 2 + (x[1] - 2e-9) ** 2


@situation([7.0], [[1.0]])
def one_variable(x):
    return np.exp(x[0]) - np.e * x[0]


SIZES = onp.linspace(1, 100, 300)


@situation([1.0] * 300, [onp.linspace(-1, 1, 300)])
def bowl_of_300(x):
    return np.sum(SIZES * (x - onp.linspace(-1, 1, 300)) ** 2)


# a chain of springs to 1: all ones
@situation([0.0] * 300, [[1.0] * 300])
def chain_of_300(x):
    return np.sum((x[1:] - x[:-1]) ** 2) + (x[0] - 1) ** 2 + 0.1 * np.sum((x - 1) ** 2)


@situation([-1.2, 1.0] * 10, [[1.0] * 20])
def rosenbrock_of_20(x):
    return np.sum(100 * (x[1::2] - x[::2] ** 2) ** 2 + (1 - x[::2]) ** 2)
