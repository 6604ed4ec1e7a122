"""Residual functions as users write them, as `refopt.LeastSquares`; models with a loss, as `ModelLoss`."""

from __future__ import annotations

import importlib.util
import math

import autograd.numpy as anp
import numba
import numpy as np
import scipy.integrate
import scipy.interpolate
import scipy.signal
import scipy.sparse
from autograd.tracer import getval

import refopt

from .base import case

T = np.linspace(0.0, 2.0, 21)
DECAY = 3.0 * np.exp(-1.2 * T)
START, ANSWER = [1.0, 1.0], [3.0, 1.2]


def residuals(start, x=None, **facts):
    """Put a residual function into `CASES`, as a `LeastSquares`; its name begins with fit_."""

    def register(fun):
        def make():
            return refopt.LeastSquares(fun)

        make.__name__ = f"fit_{fun.__name__}"
        case(start, x, **facts)(make)
        return fun

    return register


@residuals(START, ANSWER)
def of_plain_numpy(x):
    return x[0] * np.exp(-x[1] * T) - DECAY


@residuals(START, ANSWER)
def of_autograd_numpy(x):
    return x[0] * anp.exp(-x[1] * T) - DECAY


@residuals(START, ANSWER)
def in_place(x):
    r = np.zeros(T.size)
    r[:] = x[0] * np.exp(-x[1] * T)
    r -= DECAY
    return r


@residuals(START, ANSWER)
def in_a_loop(x):
    r = np.empty(T.size)
    for i, t in enumerate(T):
        r[i] = x[0] * math.exp(-x[1] * t) - DECAY[i]
    return r


@residuals(START, ANSWER)
def as_an_array_of_a_list(x):
    return np.array([x[0] * np.exp(-x[1] * t) - d for t, d in zip(T, DECAY, strict=True)])


@residuals(START, ANSWER)
def as_a_matrix(x):
    return np.reshape(x[0] * np.exp(-x[1] * T) - DECAY, (3, 7))


@residuals(START, ANSWER)
def as_a_column(x):
    return (x[0] * np.exp(-x[1] * T) - DECAY)[:, None]


@residuals(START, ANSWER, noise=1e-9)
def of_solve_ivp(x):
    answer = scipy.integrate.solve_ivp(
        lambda t, y: -x[1] * y, (0, 2), [x[0]], t_eval=T, rtol=1e-10, atol=1e-12
    )
    return answer.y[0] - DECAY


@residuals(START, ANSWER)
def guarded(x):
    r = np.zeros(T.size)
    try:
        for i, t in enumerate(T):
            r[i] = x[0] * math.exp(-float(x[1]) * t) - DECAY[i]
    except Exception:
        return np.full(T.size, 1e3)
    return r


@residuals(START, ANSWER)
def guarded_by_nan(x):
    try:
        return np.array([float(x[0]) * math.exp(-float(x[1]) * t) for t in T]) - DECAY
    except TypeError:
        return np.full(T.size, np.nan)


@residuals(START, ANSWER)
def of_one_coordinate_lost(x):
    return x[0] * np.exp(-getval(x[1]) * T) - DECAY


@residuals(START, ANSWER)
def of_a_row_lost(x):
    r = x[0] * anp.exp(-x[1] * T) - DECAY
    return anp.concatenate([r[:10], getval(r)[10:]])


@residuals(START, ANSWER)
def of_all_lost(x):
    return getval(x)[0] * np.exp(-getval(x)[1] * T) - DECAY


@residuals(START, ANSWER)
def by_isinstance(x):
    rate = x[1] if isinstance(x[1], float) else 1.0
    return x[0] * np.exp(-rate * T) - DECAY


@residuals([1.0, 1.0], [3.0, 1.2])
def with_columns_of_constants(x):
    return np.concatenate([x[0] * np.exp(-x[1] * T) - DECAY, np.zeros(3)])


@residuals([0.5, 0.5], [1.0, -0.5])
def of_a_filter(x):
    return scipy.signal.lfilter(x, [1.0], DECAY) - scipy.signal.lfilter([1.0, -0.5], [1.0], DECAY)


@residuals([0.0, 0.0, 0.0], [1.0, 0.0, 1.0])
def of_a_spline(x):
    fine = np.linspace(0, 2, 9)
    return scipy.interpolate.CubicSpline(np.arange(3.0), x)(fine) - (fine - 1) ** 2


@residuals([0.5, 0.5], [1.0, 2.0])
def of_a_sparse_matrix(x):
    return scipy.sparse.csr_matrix([[1.0, 2.0], [0.0, 3.0], [1.0, 0.0]]) @ x - [5.0, 6.0, 1.0]


@numba.njit
def compiled_decay(x, t):
    return x[0] * np.exp(-x[1] * t)


@residuals(START, ANSWER)
def of_numba(x):
    return compiled_decay(x, T) - DECAY


@residuals(START, ANSWER)
def away_from_the_start_in_place(x):
    if x[0] > 2:
        r = np.zeros(T.size)
        r[:] = x[0] * np.exp(-x[1] * T) - DECAY
        return r
    return x[0] * np.exp(-x[1] * T) - DECAY


@case(START, ANSWER)
def model_in_place_with_a_loss():
    def model(x):
        y = np.zeros(T.size)
        y[:] = x[0] * np.exp(-x[1] * T)
        return y

    return refopt.ModelLoss(model, lambda y: anp.sum(anp.sqrt(1 + (y - DECAY) ** 2) - 1))


@case(START, ANSWER)
def model_with_a_plain_loss():
    return refopt.ModelLoss(
        lambda x: x[0] * anp.exp(-x[1] * T), lambda y: np.sum((y - DECAY) ** 2 + (y - DECAY) ** 4)
    )


@case(START, ANSWER)
def model_with_a_loss_in_place():
    def loss(y):
        r = np.zeros(T.size)
        r[:] = y - DECAY
        return r @ r

    return refopt.ModelLoss(lambda x: x[0] * anp.exp(-x[1] * T), loss)


if importlib.util.find_spec("pandas"):
    import pandas as pd

    @residuals(START, ANSWER)
    def of_a_series(x):
        p = pd.Series(x, index=["level", "rate"])
        return p["level"] * np.exp(-p["rate"] * T) - DECAY

    @residuals(START, ANSWER)
    def as_a_series(x):
        return pd.Series(x[0] * np.exp(-x[1] * T)) - DECAY
