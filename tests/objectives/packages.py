"""Objectives that call packages: SciPy, pandas, scikit-learn, numba, the standard library.

Those of a package that is not installed are left out.
"""

from __future__ import annotations

import copy
import ctypes
import decimal
import fractions
import importlib.util
import json
import math
import operator
import pickle
import statistics
from functools import partial, reduce

import numba
import numpy as np
import scipy.integrate
import scipy.interpolate
import scipy.linalg
import scipy.ndimage
import scipy.optimize
import scipy.signal
import scipy.sparse
import scipy.sparse.linalg
import scipy.special
import scipy.stats

from .base import case, plain

T = np.linspace(0.0, 2.0, 21)
DECAY = 3.0 * np.exp(-1.2 * T)
X1 = np.array([0.1, 0.4, 0.7, 1.1, 1.6, 2.0])
Y1 = np.array([0.2, 0.5, 0.9, 1.0, 1.7, 1.9])
COUNTS = np.array([0, 1, 1, 3, 4, 8])

# ---------------------------------------------------------------- scipy.integrate


@plain([0.5, 0.5], [1.0, 2.0], noise=1e-12)
def quad(x):
    value = scipy.integrate.quad(lambda t: (x[0] - 1 + (x[1] - 2) * t) ** 2, 0, 1)[0]
    return value


@plain([0.5], noise=1e-10)
def quad_infinite(x):
    return scipy.integrate.quad(
        lambda t: np.exp(-(t**2)) * (t - float(x[0])) ** 2 + 0.1 * float(x[0]), -np.inf, np.inf
    )[0]


@plain([0.5, 0.5], noise=1e-9)
def dblquad(x):
    return scipy.integrate.dblquad(lambda a, b: (a * x[0] + b * x[1] - 1) ** 2, 0, 1, 0, 1)[0]


@plain([1.0, 1.0], [3.0, 1.2], noise=1e-9)
def solve_ivp(x):
    answer = scipy.integrate.solve_ivp(
        lambda t, y: -x[1] * y, (0, 2), [x[0]], t_eval=T, rtol=1e-10, atol=1e-12
    )
    return np.sum((answer.y[0] - DECAY) ** 2)


@plain([1.0, 1.0], noise=3e-2)
def solve_ivp_default_tolerances(x):
    answer = scipy.integrate.solve_ivp(lambda t, y: -x[1] * y, (0, 2), [x[0]], t_eval=T)
    return np.sum((answer.y[0] - DECAY) ** 2)


@plain([1.0, 1.0], [3.0, 1.2], noise=1e-7)
def odeint(x):
    y = scipy.integrate.odeint(lambda y, t: -x[1] * y, x[0], T, rtol=1e-10, atol=1e-10)
    return np.sum((y[:, 0] - DECAY) ** 2)


@plain([0.8, 0.5], [1.0, 0.7], noise=1e-8)
def lotka_volterra(x):
    def rates(p, t, y):
        return [p[0] * y[0] - y[0] * y[1], p[1] * y[0] * y[1] - y[1]]

    times = np.linspace(0, 3, 7)

    def run(p):
        return scipy.integrate.solve_ivp(
            lambda t, y: rates(p, t, y),
            (0, 3),
            [1.0, 0.5],
            t_eval=times,
            method="DOP853",
            rtol=1e-11,
            atol=1e-12,
        ).y

    return float(np.sum((run(x) - run([1.0, 0.7])) ** 2))


@plain([0.5, 0.5])
def simpson_and_cumulative(x):
    y = scipy.integrate.cumulative_trapezoid((x[0] - T) ** 2, T, initial=0)
    return scipy.integrate.simpson(y, x=T) + (x[1] - 1) ** 2


# ---------------------------------------------------------------- scipy.interpolate, optimize, linalg, sparse


@plain([0.0, 0.0, 0.0, 0.0, 0.0], [1.0, 0.5, 0.0, 0.5, 1.0])
def cubic_spline(x):
    goal = scipy.interpolate.CubicSpline(np.arange(5.0), [1.0, 0.5, 0.0, 0.5, 1.0])(np.linspace(0, 4, 17))
    return np.sum((scipy.interpolate.CubicSpline(np.arange(5.0), x)(np.linspace(0, 4, 17)) - goal) ** 2)


@plain([0.3, 0.2])
def spline_lookup(x):
    table = scipy.interpolate.CubicSpline(X1, Y1)
    return (table(x[0] + 0.8) - 1.2) ** 2 + (x[1] - table(0.5)) ** 2


@plain([0.3, 0.2])
def pchip(x):
    return float((scipy.interpolate.PchipInterpolator(X1, Y1)(x[0] + 0.5) - 0.95) ** 2 + x[1] ** 2)


@plain([0.2, 0.3, 0.4], kinked=True)
def interp1d(x):
    return np.sum((scipy.interpolate.interp1d([0.0, 1.0, 2.0], [0.0, 1.0, 4.0])(np.abs(x)) - 0.5) ** 2)


@plain([0.5, 0.3])
def b_spline(x):
    spline = scipy.interpolate.BSpline(np.arange(8.0), np.concatenate([x, [1.0, 2.0, 1.0]]), 2)
    return np.sum((spline([2.5, 3.0, 3.5, 4.5]) - [0.6, 0.9, 1.3, 1.6]) ** 2)


@plain([0.5, 0.3])
def regular_grid(x):
    grid = np.linspace(-3, 3, 13)
    values = np.add.outer((grid - 1) ** 2, (grid + 1) ** 2)
    return float(scipy.interpolate.RegularGridInterpolator((grid, grid), values, method="cubic")(x)[0])


@plain([0.5, 0.3], [1.0, 2.0], noise=1e-12)
def root_inside(x):
    z = scipy.optimize.brentq(lambda z: z**3 + z - x[0] - x[1], -5, 5, xtol=1e-14)
    return (z - 1.2134116627622296) ** 2 + (x[0] - 1) ** 2 + (x[1] - 2) ** 2


@plain([0.5, 0.3], noise=1e-10)
def fsolve_inside(x):
    z = scipy.optimize.fsolve(lambda z: [z[0] ** 3 + z[0] - x[0], z[1] - x[1] * z[0]], [0.5, 0.1], xtol=1e-13)
    return (z[0] - 0.8) ** 2 + (z[1] - 0.3) ** 2


@plain([0.5], noise=1e-8)
def nested_minimisation(x):
    return (
        scipy.optimize.minimize_scalar(
            lambda z: (z - x[0]) ** 2 + 0.5 * (z - 1) ** 2,
            bounds=(-5, 5),
            method="bounded",
            options={"xatol": 1e-10},
        ).fun
        + (x[0] - 2) ** 2
    )


@plain([0.5, 0.3])
def matrix_exponential(x):
    E = scipy.linalg.expm(np.array([[-x[0], x[1]], [0.1, -0.2]]))
    return np.sum((E - [[0.5, 0.3], [0.05, 0.85]]) ** 2)


@plain([0.5, 0.3])
def cho_solve(x):
    S = np.diag([2.0, 3.0]) + np.exp(x[0]) * np.array([[1.0, 0.3], [0.3, 1.0]])
    c = scipy.linalg.cho_factor(S, lower=True)
    b = np.array([1.0, 2.0]) - x[1]
    return 2 * np.sum(np.log(np.diag(c[0]))) + 10 * b @ scipy.linalg.cho_solve(c, b) + 0.1 * (x[0] - 1) ** 2


@plain([0.5, 0.3])
def solve_banded(x):
    u = scipy.linalg.solve_banded(
        (1, 1), np.array([[0, -1, -1.0], [2 + x[0] ** 2, 2 + x[1] ** 2, 2.0], [-1, -1.0, 0]]), [1.0, 1.0, 1.0]
    )
    return np.sum((u - [0.8, 0.9, 0.9]) ** 2)


@plain([0.5, 0.3])
def sparse_solve(x):
    M = scipy.sparse.diags(
        [np.full(9, -1.0), np.full(10, 2 + np.exp(x[0])), np.full(9, -1.0)], [-1, 0, 1], format="csc"
    )
    u = scipy.sparse.linalg.spsolve(M, np.full(10, x[1]))
    return np.sum((u - 0.4) ** 2) + 0.1 * (x[0] - 1) ** 2


@plain([0.5, 0.3], [1.0, 1.0])
def sparse_product(x):
    M = scipy.sparse.csr_matrix([[1.0, 2.0], [0.0, 3.0]])
    return np.sum((M @ x - [3.0, 3.0]) ** 2)


@plain([0.5, 0.3])
def sparse_diagonal(x):
    return scipy.sparse.diags(1 + x**2).sum() - x.sum()


@plain([0.5, 0.3], noise=1e-9)
def conjugate_gradients(x):
    M = scipy.sparse.diags([np.full(4, -1.0), np.full(5, 3 + x[0] ** 2), np.full(4, -1.0)], [-1, 0, 1])
    u, _ = scipy.sparse.linalg.cg(M, np.full(5, x[1]), rtol=1e-13)
    return np.sum((u - 0.4) ** 2) + (x[0] - 1) ** 2


# ---------------------------------------------------------------- scipy.signal, ndimage, special, stats


@plain([0.5, 0.3])
def lfilter(x):
    return (
        np.sum(
            (
                scipy.signal.lfilter([1.0], [1, 0.5 * np.tanh(x[0])], DECAY)
                - scipy.signal.lfilter([1.0], [1, 0.2], DECAY)
            )
            ** 2
        )
        + x[1] ** 2
    )


@plain([0.5, 0.3], [1.0, -0.5])
def fftconvolve(x):
    return np.sum((scipy.signal.fftconvolve(DECAY, x) - scipy.signal.fftconvolve(DECAY, [1.0, -0.5])) ** 2)


@plain([0.5, 0.3])
def savgol(x):
    return np.sum((scipy.signal.savgol_filter(x[0] * T + x[1], 5, 2) - T) ** 2)


@plain([0.5, 0.3], [1.0, 2.0])
def gaussian_filter(x):
    return np.sum(
        (scipy.ndimage.gaussian_filter1d(x[0] * T + x[1], 2) - scipy.ndimage.gaussian_filter1d(T + 2, 2)) ** 2
    )


@plain([0.5, 0.3])
def zoom_image(x):
    image = np.outer(np.linspace(0, x[0], 4), np.linspace(0, x[1], 4))
    return np.sum((scipy.ndimage.zoom(image, 2) - 1) ** 2) + np.sum((x - 1) ** 2)


@plain([1.0, 1.0])
def gammaln_likelihood(x):
    a, b = np.exp(x)
    data = X1 + 0.2
    return -np.sum(a * np.log(b) - scipy.special.gammaln(a) + (a - 1) * np.log(data) - b * data)


@plain([0.5, 0.3])
def wright_bessel(x):
    return float((scipy.special.voigt_profile(x[0], 1.0, 0.5) - 0.2) ** 2 + scipy.special.exprel(x[1]) - x[1])


@plain([0.5, 0.3])
def normal_logpdf(x):
    return -np.sum(scipy.stats.norm.logpdf(Y1, loc=x[0], scale=np.exp(x[1])))


@plain([0.5, 0.3])
def gamma_nnlf(x):
    return -scipy.stats.gamma.logpdf(Y1, a=np.exp(x[0]), scale=np.exp(x[1])).sum()


@plain([0.5, 0.3])
def frozen_distribution(x):
    return -scipy.stats.norm(x[0], np.exp(x[1])).logpdf(Y1).sum()


@plain([0.5, 0.3], own=(ValueError,))
def multivariate_normal(x):
    cov = np.array([[np.exp(x[0]) + 0.2, 0.2], [0.2, np.exp(x[1]) + 0.2]])
    return -scipy.stats.multivariate_normal(np.zeros(2), cov).logpdf(np.column_stack([X1 - 1, Y1 - 1])).sum()


@plain([0.5, 0.3], kinked=True)
def wasserstein(x):
    return scipy.stats.wasserstein_distance(X1 * x[0] + x[1], Y1)


# ---------------------------------------------------------------- numba


@numba.njit
def compiled_sum(x):
    total = 0.0
    for i in range(x.size):
        total += (x[i] - i) ** 2
    return total


@plain([0.5, 0.3], [0.0, 1.0])
def numba_njit(x):
    return compiled_sum(x)


@case([0.5, 0.3], [0.0, 1.0])
def numba_njit_itself():
    return compiled_sum


@case([0.5, 0.3], [1.0, 1.0])
def numba_object_mode():
    @numba.jit(forceobj=True)
    def fun(x):
        return sum([(v - 1) ** 2 for v in x])

    return fun


@numba.njit
def compiled_walk(a, b):
    s, v = 1.0, 0.0
    for _ in range(100):
        v += 0.02 * (-a * s - b * v)
        s += 0.02 * v
    return s, v


@plain([1.0, 1.0])
def numba_simulator(x):
    s, v = compiled_walk(x[0], x[1])
    return (s - 0.1) ** 2 + (v + 0.5) ** 2 + 0.01 * (x[0] - 2) ** 2


@numba.vectorize
def compiled_huber(v):
    return 0.5 * v * v if abs(v) < 1 else abs(v) - 0.5


@plain([3.5, 0.3], [1.0, 1.0])
def numba_vectorize(x):
    return compiled_huber(x - 1).sum()


# ---------------------------------------------------------------- standard library


@plain([0.5, 0.3])
def math_module(x):
    return math.exp(x[0]) - x[0] + math.cosh(x[1] - 1)


@plain([0.5, 0.3])
def math_likelihood(x):
    return -sum(
        -math.exp(x[0] + x[1] * t) + k * (x[0] + x[1] * t) - math.lgamma(k + 1)
        for t, k in zip(X1, COUNTS, strict=True)
    )


@plain([0.5, 0.3], [1.0, 1.0])
def math_fsum(x):
    return math.fsum((v - 1) ** 2 for v in x)


@plain([0.5, 0.3], [1.0, 1.0])
def math_dist(x):
    return math.dist(x, [1.0, 1.0]) ** 2


@plain([0.5, 0.3], [1.0, 2.0])
def float_of_each(x):
    a, b = float(x[0]), float(x[1])
    return (a - 1) ** 2 + (b - 2) ** 2


@plain([0.5, 0.3], [1.0, 2.0])
def map_float(x):
    a, b = map(float, x)
    return (a - 1) ** 2 + (b - 2) ** 2


@plain([0.5, 0.3], [1.0, 2.0])
def tolist(x):
    a, b = x.tolist()
    return (a - 1) ** 2 + (b - 2) ** 2


@plain([0.5, 0.3], [1.0, 2.0])
def item(x):
    return (x.item(0) - 1) ** 2 + (x[1].item() - 2) ** 2


@plain([0.5, 0.3], [1.0, 1.0])
def statistics_mean(x):
    return statistics.mean([(v - 1) ** 2 for v in x])


@plain([0.5, 0.3, 0.2])
def statistics_variance(x):
    return statistics.pvariance(x) + (x[0] - 1) ** 2


@plain([0.5, 0.3], [1.0, 1.0])
def decimals(x):
    return float(sum((decimal.Decimal(v) - 1) ** 2 for v in x))


@plain([0.5, 0.3], [1.0, 1.0])
def exact_fractions(x):
    return float(sum((fractions.Fraction(v) - 1) ** 2 for v in x))


@plain([0.5, 0.3], [1.0, 1.0])
def reduce_operator(x):
    return reduce(operator.add, map(lambda v: (v - 1) ** 2, x))


@plain([0.5, 0.3], [1.0, 2.0])
def pickled(x):
    return np.sum((pickle.loads(pickle.dumps(x)) - [1.0, 2.0]) ** 2)


@plain([0.5, 0.3], [1.0, 2.0])
def deep_copied(x):
    return np.sum((copy.deepcopy(x) - [1.0, 2.0]) ** 2)


@plain([0.5, 0.3], [0.5, 1.5])
def partly_deep_copied(x):
    y = copy.deepcopy(x)
    return ((y - [1.0, 2.0]) ** 2).sum() + x.sum()


@plain([0.5, 0.3], [1.0, 2.0])
def shallow_copied(x):
    return ((copy.copy(x) - [1.0, 2.0]) ** 2).sum()


@plain([0.5, 0.3], [1.0, 2.0])
def by_json(x):
    a, b = json.loads(json.dumps(list(x)))
    return (a - 1) ** 2 + (b - 2) ** 2


@plain([0.5, 0.3], [1.0, 2.0])
def by_ctypes(x):
    numbers = (ctypes.c_double * 2)(*x)
    return (numbers[0] - 1) ** 2 + (numbers[1] - 2) ** 2


@plain([0.5, 0.3], [1.0, 2.0])
def by_pointer(x):
    pointer = x.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
    return (pointer[0] - 1) ** 2 + (pointer[1] - 2) ** 2


@plain([0.5, 0.3], noise=1e-9)
def by_text(x):
    a, b = (float(word) for word in f"{x[0]:.12f} {x[1]:.12f}".split())
    return (a - 1) ** 2 + (b - 2) ** 2


@plain([0.5, 0.3], noise=1e-9)
def by_repr(x):
    a, b = (float(word) for word in np.array2string(np.asarray(x), precision=14)[1:-1].split())
    return (a - 1) ** 2 + (b - 2) ** 2


@plain([0.5, 0.3], [1.0, 2.0])
def by_dictionary(x):
    p = dict(zip("ab", x, strict=True))
    return (p["a"] - 1) ** 2 + (p["b"] - 2) ** 2


def weighted(x, weight, goal=0.0):
    return weight * np.sum((x - goal) ** 2)


@case([0.5, 0.3], [2.0, 2.0])
def partial_function():
    return partial(weighted, weight=3.0, goal=2.0)


@case([0.5, 0.3], [2.0, 2.0], args=(3.0, 2.0))
def further_arguments():
    return weighted


# ---------------------------------------------------------------- pandas

if importlib.util.find_spec("pandas"):
    import pandas as pd

    FRAME = pd.DataFrame({"t": X1, "y": Y1, "group": list("aabbcc")})

    @plain([0.5, 0.3], [1.0, 2.0])
    def series_by_name(x):
        p = pd.Series(x, index=["a", "b"])
        return np.sum((p["a"] - 1) ** 2) + 3 * np.sum((p["b"] - 2) ** 2)

    @plain([0.5, 0.3], [1.0, 2.0])
    def series_arithmetic(x):
        return ((pd.Series(x) - [1.0, 2.0]) ** 2).sum()

    @plain([0.5, 0.3])
    def frame_column(x):
        frame = FRAME.copy()
        frame["r"] = x[0] + x[1] * frame["t"] - frame["y"]
        return (frame["r"] ** 2).sum()

    @plain([0.5, 0.3])
    def frame_groupby(x):
        frame = FRAME.assign(r=lambda d: (x[0] + x[1] * d["t"] - d["y"]) ** 2)
        return frame.groupby("group")["r"].mean().sum()

    @plain([0.5, 0.3])
    def frame_apply(x):
        return FRAME.apply(lambda row: (x[0] + x[1] * row["t"] - row["y"]) ** 2, axis=1).sum()

    @plain([0.5, 0.3])
    def exponentially_weighted(x):
        alpha = 1 / (1 + np.exp(-x[0]))
        return float(
            ((FRAME["y"].ewm(alpha=alpha, adjust=False).mean().shift() - FRAME["y"]) ** 2).sum()
            + x[1] ** 2
            + 0.1 * x[0] ** 2
        )

    @plain([0.5, 0.3])
    def rolling(x):
        return float(
            ((FRAME["y"] * x[0] + x[1]).rolling(3).mean().dropna() - 1).pow(2).sum() + 0.1 * np.sum(x**2)
        )

    @plain([0.5, 0.3])
    def iterrows(x):
        return sum((x[0] + x[1] * row.t - row.y) ** 2 for _, row in FRAME.iterrows())

    @plain([0.5, 0.3], [1.0, 2.0])
    def frame_of_parameters(x):
        frame = pd.DataFrame({"value": x, "goal": [1.0, 2.0]}, index=["a", "b"])
        return float(((frame["value"] - frame["goal"]) ** 2).sum())

    @plain([0.5, 0.3], [1.0, 2.0])
    def series_to_numeric(x):
        return float(((pd.to_numeric(pd.Series(x), errors="coerce").fillna(9.0) - [1.0, 2.0]) ** 2).sum())

    @plain([0.5, 0.3])
    def frame_in_place(x):
        frame = FRAME.copy()
        frame.loc[:, "y"] = frame["y"] - x[0] - x[1] * frame["t"]
        return float((frame["y"].to_numpy() ** 2).sum())

    @plain([0.5, 0.3])
    def frame_eval(x):
        a, b = x
        return float((FRAME.eval("(@a + @b * t - y) ** 2")).sum())


# ---------------------------------------------------------------- scikit-learn

if importlib.util.find_spec("sklearn"):
    import sklearn.gaussian_process as gp
    import sklearn.linear_model
    import sklearn.metrics
    import sklearn.preprocessing

    @plain([0.5, 0.3])
    def sklearn_mean_squared_error(x):
        return sklearn.metrics.mean_squared_error(Y1, x[0] + x[1] * X1)

    @plain([0.5, 0.3])
    def sklearn_log_loss(x):
        p = 1 / (1 + np.exp(-(x[0] + x[1] * X1)))
        return sklearn.metrics.log_loss([0, 1, 0, 1, 1, 0], p) + 0.01 * np.sum(x**2)

    @plain([0.5], noise=1e-10)
    def sklearn_ridge(x):
        model = sklearn.linear_model.Ridge(alpha=np.exp(x[0])).fit(X1[:4, None], Y1[:4])
        return sklearn.metrics.mean_squared_error(Y1[4:], model.predict(X1[4:, None])) + 0.01 * x[0] ** 2

    @plain([0.5, 0.3])
    def sklearn_gaussian_process(x):
        model = gp.GaussianProcessRegressor(gp.kernels.RBF() + gp.kernels.WhiteKernel(), optimizer=None).fit(
            X1[:, None], Y1
        )
        return -model.log_marginal_likelihood(x)

    @plain([0.5, 0.3])
    def sklearn_scaler(x):
        z = sklearn.preprocessing.StandardScaler().fit_transform(np.column_stack([X1, Y1]))
        return np.sum((z @ x - 1) ** 2)

    @plain([0.5, 0.3])
    def sklearn_scaled_parameters(x):
        return np.sum((sklearn.preprocessing.normalize(np.reshape(x, (1, 2))) - 0.6) ** 2) + np.sum(
            (x - 1) ** 2
        )
