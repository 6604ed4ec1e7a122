"""Functions undefined on part of the space, guards and plateaus, branches that are not taken, bounds."""

from __future__ import annotations

import autograd.numpy as np
import numpy as onp
from autograd.scipy.special import gammaln

from .base import root, situation
from .values import bowl, rosenbrock

# ---------------------------------------------------------------- nan and inf


@situation([0.1], [[1.0]])
def nan_below_zero(x):
    return x[0] - np.log(x[0])


@situation([5.0, 0.2], [[1.0, 1.0]])
def inf_below_zero(x):
    inside = np.where(x > 0, x, 1.0)
    return np.sum(np.where(x > 0, inside - np.log(inside), np.inf))


# 2x / (1 - x^2) = 1
@situation([-0.9, 0.3], [[2**0.5 - 1, 0.0]])
def barrier_of_a_disk(x):
    return -np.log(1 - x[0] ** 2 - x[1] ** 2) - x[0]


SAMPLE = onp.array([0.8, 1.9, 2.2, 3.1, 4.5, 1.2, 0.6, 2.7])


def gamma_answer():
    import mpmath as mp

    mean = sum(map(mp.mpf, SAMPLE.tolist())) / SAMPLE.size
    logs = sum(mp.log(v) for v in SAMPLE.tolist()) / SAMPLE.size
    (shape,) = root(lambda k: mp.log(k) - mp.digamma(k) - mp.log(mean) + logs, [3.0])
    return [shape, float(mean) / shape]


@situation([1.0, 1.0], lambda: [gamma_answer()])
def gamma_likelihood(x):
    k, scale = x[0], x[1]
    return -np.sum((k - 1) * np.log(SAMPLE) - SAMPLE / scale) + SAMPLE.size * (gammaln(k) + k * np.log(scale))


# mean and standard deviation (with 1/m) of the sample
@situation([0.0, 10.0], [[SAMPLE.mean(), SAMPLE.std()], [SAMPLE.mean(), -SAMPLE.std()]])
def normal_likelihood(x):
    return np.sum((SAMPLE - x[0]) ** 2) / (2 * x[1] ** 2) + SAMPLE.size * np.log(np.abs(x[1]))


@situation([0.0, 10.0], [[SAMPLE.mean(), SAMPLE.std()]])
def normal_likelihood_nan(x):
    return np.sum((SAMPLE - x[0]) ** 2) / (2 * x[1] ** 2) + SAMPLE.size * np.log(x[1])


# x^x has its minimum at 1/e
@situation([3.0], [[onp.exp(-1.0)]])
def power_of_itself(x):
    return x[0] ** x[0]


# ---------------------------------------------------------------- plateaus that guards return


# the lowest value, 1, is taken at the edge x0 = 2 alone: no slope is zero there
@situation([0.0, 1.0], [[2.0, 0.0]])
def guard_1e25_at_the_minimum(x):
    return np.where(x[0] > 2, 1e25, (x[0] - 3) ** 2) + x[1] ** 2


@situation([0.0, 1.0], [[2.0, 0.0]])
def guard_1e10_at_the_minimum(x):
    return np.where(x[0] > 2, 1e10, (x[0] - 3) ** 2 + x[1] ** 2)


@situation([0.0, 1.0], [[2.0, 0.0]])
def guard_inf_at_the_minimum(x):
    return np.where(x[0] > 2, np.inf, (x[0] - 3) ** 2 + x[1] ** 2)


# Newton's method of sqrt(1 + x^2) goes from x to -x^3
@situation([1.5], [[0.0]])
def guard_that_newton_meets(x):
    return np.where(np.abs(x[0]) > 2, 1e10, np.sqrt(1 + x[0] ** 2))


@situation([1.5, 1.5], [[0.0, 0.0]])
def guard_inf_that_newton_meets(x):
    return np.sum(np.where(np.abs(x) > 2, np.inf, np.sqrt(1 + x**2)))


# lower values exist, but no derivative at the start tells where
@situation([-1.0, 0.5], [[1.0, 0.0]])
def start_on_a_plateau(x):
    return np.where(x[0] < 0, 1e10, (x[0] - 1) ** 2 + x[1] ** 2)


@situation([-1.0, 0.5], [[1.0, 0.0]])
def start_on_a_plateau_with_a_slope(x):
    return np.where(x[0] < 0, 1e10, (x[0] - 1) ** 2) + x[1] ** 2


# rounded to steps of 0.01: every slope is zero
@situation([0.3, 0.4], (), lowest=0.0)
def steps(x):
    return np.floor(100 * ((x[0] - 2) ** 2 + (x[1] + 1) ** 2)) / 100


# a penalty that saturates
@situation([30.0], [[0.0]])
def saturated_penalty(x):
    return 1 - np.exp(-(x[0] ** 2) / 2)


@situation([40.0, 1.0], [[0.0, 0.0]])
def saturated_tanh(x):
    return np.tanh(x[0]) ** 2 + x[1] ** 2


# ---------------------------------------------------------------- branches that are not taken


@situation([5.0], [[2.0]])
def inactive_root(x):
    return (np.where(x[0] >= 0, x[0], np.sqrt(-x[0])) - 2) ** 2


# x log x - x: minimum -1 at 1; 0 log 0 = 0
@situation([0.1, 3.0], [[1.0, 1.0]])
def entropy(x):
    return np.sum(np.where(x > 0, x * np.log(x) - x, 0.0))


@situation([1.0], [[0.0]])
def sinc(x):
    return np.where(np.abs(x[0]) > 1e-8, -np.sin(x[0]) / x[0], -1.0) + 0.1 * x[0] ** 2


# log(1 + exp x) written in two branches, of which one overflows; minimum at logit 0.3
@situation([800.0], [[onp.log(0.3 / 0.7)]])
def softplus_in_branches(x):
    return np.where(x[0] > 0, x[0] + np.log(1 + np.exp(-x[0])), np.log(1 + np.exp(x[0]))) - 0.3 * x[0]


# Huber's loss: the datum 50 pulls with 1.5, so x + (x - 1) = 1.5
@situation([30.0], [[1.25]])
def huber(x):
    r = np.array([0.0, 1.0, 50.0]) - x[0]
    return np.sum(np.where(np.abs(r) <= 1.5, 0.5 * r**2, 1.5 * (np.abs(r) - 0.75)))


# ---------------------------------------------------------------- bounds

BOX = [(0.0, 0.5), (-1.0, 3.0), (-2.0, 2.0)]


# the answer of a sum of squares in a box: the nearest point
@situation([0.25, 0.0, 0.0], [[0.5, -1.0, 0.5]], given={"bounds": BOX})
def active_bounds(x):
    return bowl(x)


# Rosenbrock with x0 <= 0.5: (0.5, 0.25)
@situation([-1.2, 1.0], [[0.5, 0.25]], given={"bounds": [(-2.0, 0.5), (-2.0, 2.0)]})
def active_bound_in_a_valley(x):
    return rosenbrock(x)


@situation([0.5, 0.25], [[0.5, 0.25]], given={"bounds": [(-2.0, 0.5), (-2.0, 2.0)]})
def start_at_the_answer_on_a_bound(x):
    return rosenbrock(x)


# unbounded below without the box: the answer is a corner
@situation([0.5, 0.5], [[1.0, 0.0]], given={"bounds": [(0.0, 1.0), (0.0, 1.0)]})
def linear_in_a_box(x):
    return -x[0] + 2 * x[1]


# a saddle at the start, in a box: the minima are the ends of one axis
@situation([0.0, 0.0], [[0.0, 1.0], [0.0, -1.0]], given={"bounds": [(-1.0, 1.0), (-1.0, 1.0)]})
def saddle_in_a_box(x):
    return x[0] ** 2 - x[1] ** 2
