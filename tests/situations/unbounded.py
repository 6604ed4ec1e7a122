"""Functions without a minimum: success is never right. f falls without end, or ever less and less."""

from __future__ import annotations

import autograd.numpy as np
import numpy as onp
from autograd.scipy.special import gammaln

from .base import root, situation

# ---------------------------------------------------------------- without end


@situation([1.0])
def line(x):
    return -x[0]


@situation([0.0, 0.0, 0.0])
def plane(x):
    return x[0] - 2 * x[1] + 3 * x[2]


# along the ridge x = y nothing but the slope counts
@situation([1.0, -1.0])
def ridge(x):
    return 100 * (x[0] - x[1]) ** 2 - x[0] - x[1]


@situation([1.0, 0.5])
def parabola_upside_down(x):
    return x[0] ** 2 - x[1] ** 2


@situation([1.0, 1.0])
def cubic(x):
    return x[0] ** 3 + x[1] ** 2


# the inflection: gradient 0, Hessian diag(0, 2)
@situation([0.0, 1.0])
def cubic_from_its_inflection(x):
    return x[0] ** 3 + x[1] ** 2


@situation([0.0])
def exponential_upside_down(x):
    return -np.exp(x[0])


@situation([1.0])
def minus_log(x):
    return -np.log(x[0])


@situation([2.0])
def log_of_a_square(x):
    return np.log(x[0] ** 2)


# falls to -inf at 0 from below
@situation([1.0])
def one_over_x(x):
    return 1 / x[0]


@situation([1.0, 2.0, 3.0])
def waves_on_a_slope(x):
    return 100 * np.sin(0.01 * x[0]) + 50 * np.cos(2 * x[1] - x[0]) - x[2]


@situation([1.0, 2.0, 3.0])
def slope_of_1e_minus_6(x):
    return np.sum((x - 1) ** 2) - 1e-6 * x[2] - (x[2] - 1) ** 2


# a normal distribution of one datum: the variance goes to 0
@situation([0.0, 0.0])
def variance_of_one_datum(x):
    return x[1] + (1.3 - x[0]) ** 2 * np.exp(-2 * x[1]) / 2


VALUES = onp.array([-1.2, -0.4, 0.3, 0.9, 1.7])


def collapsing_terms(s, exp):
    """Densities of half a standard normal and half a normal of deviation exp(s) about the third datum."""
    return [exp(-(v**2) / 2) + exp(-s - (v - VALUES[2]) ** 2 * exp(-2 * s) / 2) for v in VALUES]


def proper_minimum():
    import mpmath as mp

    nll = lambda s: -sum(mp.log(term) for term in collapsing_terms(s, mp.exp))  # noqa: E731
    return [root(lambda s: mp.diff(nll, s), [-0.1])]


# the local minimum at a deviation of about 1 is a right answer; the start leads to deviation 0
@situation([-3.0], proper_minimum, lowest=-np.inf)
def collapsing_mixture(x):
    terms = np.array(collapsing_terms(x[0], np.exp))
    return -np.sum(np.log(terms))


# ---------------------------------------------------------------- less and less


@situation([0.0])
def falling_exponential(x):
    return np.exp(-x[0])


@situation([0.0])
def falling_exponential_above_one(x):
    return 1 + np.exp(-x[0])


@situation([0.0, 3.0])
def exponential_beside_a_bowl(x):
    return np.exp(-x[0]) + (x[1] - 1) ** 2


@situation([1.0])
def one_over_square(x):
    return 1 / x[0] ** 2


@situation([1.0])
def witch_of_agnesi(x):
    return 1 / (1 + x[0] ** 2)


@situation([0.5])
def arc_tangent(x):
    return -np.arctan(x[0])


@situation([0.0, 0.0])
def softplus(x):
    return np.sum(np.logaddexp(0, -x))


@situation([0.1])
def saturating_growth(x):
    return -x[0] / (1 + x[0])


HOURS = onp.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0])
FAILED = onp.array([1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0])


# all who learned longer than 2.25 hours passed
@situation([0.0, 0.0])
def separated_data(x):
    z = x[0] + x[1] * HOURS
    return np.sum(np.logaddexp(0, z) - FAILED * z)


FEATURES = onp.column_stack([onp.ones(6), [0.0, 1.0, 0.5, 3.0, 4.0, 2.5], [1.0, -1.0, 0.3, 0.2, -0.7, 1.1]])
CLASSES = onp.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])


@situation([0.0, 0.0, 0.0])
def separated_data_of_two_features(x):
    z = np.dot(FEATURES, x)
    return np.sum(np.logaddexp(0, z) - CLASSES * z)


# one value of a factor has no event: its effect goes to -infinity, the others are well determined
COUNTS, GROUPS = onp.array([3.0, 5.0, 0.0, 0.0]), onp.array([[1.0, 0], [1, 0], [1, 1], [1, 1]])


@situation([0.0, 0.0])
def group_without_an_event(x):
    eta = np.dot(GROUPS, x)
    return np.sum(np.exp(eta) - COUNTS * eta)


LIGHT = onp.linspace(-1.7, 1.7, 15)


# Student's t for data with lighter tails than the normal's: the degrees of freedom go to infinity
@situation([1.0, 0.0])
def degrees_of_freedom(x):
    nu, scale = np.exp(x[0]), np.exp(x[1])
    constant = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(nu * np.pi) - x[1]
    return np.sum((nu + 1) / 2 * np.log(1 + (LIGHT / scale) ** 2 / nu) - constant)


TIMES = onp.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
BENT = onp.array([1.0, 2.1, 3.15, 4.3, 5.4, 6.6])


def saturation_residuals(x):
    return x[0] * (1 - np.exp(-x[1] * TIMES)) - BENT


# data that bend upwards: the saturation goes to infinity and the rate to 0, or b < 0 bends with them
@situation([5.0, 0.5], lambda: [upward_answer()], residuals=saturation_residuals)
def saturation_of_data_that_bend_upwards(x):
    return np.sum(saturation_residuals(x) ** 2)


def upward_answer():
    import mpmath as mp

    pairs = [(mp.mpf(float(t)), mp.mpf(float(y))) for t, y in zip(TIMES, BENT, strict=True)]
    r = lambda a, b, t, y: a * (1 - mp.exp(-b * t)) - y  # noqa: E731
    return root(
        lambda a, b: [
            sum(r(a, b, t, y) * (1 - mp.exp(-b * t)) for t, y in pairs),
            sum(r(a, b, t, y) * a * t * mp.exp(-b * t) for t, y in pairs),
        ],
        [-37.3, -0.0271],
    )


def positive_residuals(x):
    return np.exp(x[0]) * (1 - np.exp(-np.exp(x[1]) * TIMES)) - BENT


# with both positive there is none
@situation([1.0, -1.0], residuals=positive_residuals)
def saturation_that_must_be_positive(x):
    return np.sum(positive_residuals(x) ** 2)


# a ratio of two parameters alone is in the model, and one of them has a price that falls without end
@situation([1.0, 1.0])
def ratio(x):
    return (x[0] / x[1] - 2) ** 2 + 1 / (1 + x[1] ** 2)
