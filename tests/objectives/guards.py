"""Objectives with guards, states and odd types: failures caught, caches, dtype tests, what is returned."""

from __future__ import annotations

import functools
import logging
import random
import time
import warnings

import numpy as np
from autograd.tracer import getval

from .base import case, plain

T = np.linspace(0.0, 2.0, 21)
DECAY = 3.0 * np.exp(-1.2 * T)
GOAL = np.array([3.0, -1.0])
START, ANSWER = [0.0, 0.0], [3.0, -1.0]


def simulate(x):
    """A simulation that only plain numbers run."""
    y = np.zeros(2)
    y[0] = x[0] - 3
    y[1] = 2 * (x[1] + 1)
    return float(y @ y)


# ---------------------------------------------------------------- failures are caught


@plain(START, ANSWER)
def guard_large_value(x):
    try:
        return simulate(x)
    except Exception:
        return 1e10


@plain(START, ANSWER)
def guard_infinity(x):
    try:
        return simulate(x)
    except Exception:
        return np.inf


@plain(START, ANSWER)
def guard_nan(x):
    try:
        return simulate(x)
    except Exception:
        return float("nan")


@plain(START, ANSWER)
def guard_type_error(x):
    try:
        return simulate(x)
    except (TypeError, ValueError):
        return 1e6


@plain(START, ANSWER)
def guard_bare(x):
    try:
        value = simulate(x)
    except:  # noqa: E722
        value = 1e10
    return value


@plain(START, ANSWER)
def guard_suppress(x):
    value = 100.0
    with __import__("contextlib").suppress(Exception):
        value = simulate(x)
    return value


@plain(START, ANSWER)
def guard_penalty_depends_on_x(x):
    try:
        return simulate(x)
    except Exception:
        return 1e3 + np.sum(x**2)


@plain(START, ANSWER)
def guard_finally(x):
    value = 50.0
    try:
        value = simulate(x)
    finally:
        return value  # noqa: B012


@plain(START, ANSWER)
def guard_logs(x):
    try:
        return simulate(x)
    except Exception as error:
        logging.getLogger("simulation").debug("failed: %s", error)
        return 1e8


@plain(START, ANSWER)
def guard_own_error(x):
    try:
        return simulate(x)
    except Exception as error:
        raise RuntimeError("the simulation failed") from error


@plain(START, ANSWER)
def guard_retries(x):
    for _ in range(3):
        try:
            return simulate(x)
        except TypeError:
            continue
    return 1e5


@plain(START, ANSWER)
def guard_two_models(x):
    try:
        return simulate(x)
    except Exception:
        return np.sum((x - [2.0, 2.0]) ** 2)


@plain([1.0, 1.0], ANSWER, own=(ValueError,))
def guard_by_bounds_raises(x):
    if x[0] > 50:
        raise ValueError("x[0] is out of range")
    return ((x - GOAL) ** 2).sum()


@plain([1.0, 1.0], [2.0, 0.5])
def guard_by_bounds(x):
    if x[0] < 0 or x[1] < 0:
        return 1e10
    return ((x - [2.0, 0.5]) ** 2).sum()


@plain([1.0, 1.0], [2.0, 0.5])
def guard_by_bounds_in_place(x):
    if x[0] < 0 or x[1] < 0:
        return 1e10
    r = np.zeros(2)
    r[:] = x - [2.0, 0.5]
    return r @ r


@plain([1.0, 1.0], [0.5, 0.25])
def guard_by_infinity(x):
    if np.any(x <= 0):
        return np.inf
    return np.sum(x - np.array([0.5, 0.25]) * np.log(x))


@plain([1.0, 1.0], [0.5, 0.25])
def guard_by_isfinite(x):
    with np.errstate(all="ignore"):
        value = np.sum(x - np.array([0.5, 0.25]) * np.log(x))
    return value if np.isfinite(value) else 1e10


@plain([1.0, 1.0], ANSWER)
def guard_by_nan_to_num(x):
    return np.nan_to_num(np.sum((x - GOAL) ** 2), nan=1e10)


@plain([1.0, 1.0])
def guard_by_warning(x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return float(np.sum(np.exp(x) - 2 * x))
        except (RuntimeWarning, TypeError):
            return 1e12


@plain([1.0, 1.0], ANSWER)
def assertions(x):
    assert len(x) == 2
    assert isinstance(x, np.ndarray), "x must be an array"
    return np.sum((x - GOAL) ** 2)


# ---------------------------------------------------------------- dtype tests and other looks at x


@plain(START, ANSWER)
def isinstance_float(x):
    return sum((v - g) ** 2 for v, g in zip(x, GOAL, strict=True) if isinstance(v, float))


@plain(START, ANSWER)
def isinstance_floating(x):
    return sum((v - g) ** 2 if isinstance(v, np.floating) else 9.0 for v, g in zip(x, GOAL, strict=True))


@plain(START, ANSWER)
def dtype_test(x):
    return ((x - GOAL) ** 2).sum() if np.asarray(x).dtype == float else 9.0


@plain(START, ANSWER)
def isscalar_test(x):
    return sum((v - g) ** 2 if np.isscalar(v) else 4.0 for v, g in zip(x, GOAL, strict=True))


@plain(START, ANSWER)
def isinstance_ndarray(x):
    if not isinstance(x, np.ndarray):
        x = np.zeros(2)
    return np.sum((x - GOAL) ** 2)


@plain(START, ANSWER)
def type_is(x):
    return np.sum((x - GOAL) ** 2) if type(x) is np.ndarray else 7.0


@plain(START, ANSWER)
def as_float_array(x):
    x = np.asarray(x, dtype=float)
    return np.sum((x - GOAL) ** 2)


@plain(START, ANSWER)
def as_array(x):
    x = np.asarray(x)
    return np.sum((x - GOAL) ** 2)


@plain(START, ANSWER)
def atleast_1d_ravel(x):
    x = np.atleast_1d(x).ravel()
    return np.sum((x - GOAL) ** 2)


@plain(START, ANSWER)
def ascontiguous(x):
    x = np.ascontiguousarray(x, dtype=np.float64)
    return (x[0] - 3) ** 2 + (x[1] + 1) ** 2


@plain(START, ANSWER)
def hasattr_test(x):
    return np.sum((x - GOAL) ** 2) if hasattr(x, "tobytes") else 3.0


@plain(START, ANSWER)
def getval_everywhere(x):
    return np.sum((getval(x) - GOAL) ** 2)


@plain(START, ANSWER)
def getval_one_coordinate(x):
    return (x[0] - 3) ** 2 + (getval(x[1]) + 1) ** 2


@plain([0.0, 1.0], ANSWER)
def getattr_value(x):
    raw = getattr(x, "_value", x)
    return (x[0] - 3) ** 2 + (raw[1] + 1) ** 2 * (1 + x[0] ** 2)


@plain([0.0, 1.0], [3.0, 0.5])
def isinstance_one_coordinate(x):
    scale = x[1] if isinstance(x[1], float) else 1.0
    return (x[0] - 3) ** 2 + (scale - 0.5) ** 2


@plain([0.0, 1.0], [3.0, 0.5])
def float_one_coordinate(x):
    try:
        scale = float(x[1])
    except TypeError:
        scale = 1.0
    return (x[0] - 3) ** 2 + (scale - 0.5) ** 2


@plain([0.0, 0.2], [3.0, -1.0])
def lost_away_from_the_start(x):
    if x[0] > 1.5:
        raw = getval(x)
        return (raw[0] - 3) ** 2 + (raw[1] + 1) ** 2
    return (x[0] - 3) ** 2 + (x[1] + 1) ** 2


@plain([0.0, 0.2], [3.0, -1.0])
def one_coordinate_lost_away_from_the_start(x):
    b = getval(x[1]) if x[0] > 1.5 else x[1]
    return (x[0] - 3) ** 2 + (b + 1) ** 2


@plain([0.0, 0.2], [3.0, -1.0])
def guard_fails_away_from_the_start(x):
    if x[0] > 1.5:
        try:
            return simulate(x)
        except Exception:
            return 1e10
    return (x[0] - 3) ** 2 + 4 * (x[1] + 1) ** 2


@plain([0.0, 0.2], [3.0, -1.0])
def simulator_away_from_the_start(x):
    if x[0] > 1.5:
        return simulate(x)
    return (x[0] - 3) ** 2 + 4 * (x[1] + 1) ** 2


@plain(START, ANSWER)
def second_order_lost(x):
    r = x - GOAL
    return np.sum(r * getval(r)) + np.sum(r**2)


@plain([1.0], [0.0])
def unpacks_one(x):
    (a,) = x
    return a**2 + a**4


@plain([0.5, 0.3], [1.0, 2.0])
def unpacks(x):
    a, b = x
    return (a - 1) ** 2 + (b - 2) ** 2


@plain([0.5, 0.3, 0.1], [1.0, 2.0, 2.0])
def unpacks_star(x):
    a, *rest = x
    return (a - 1) ** 2 + sum((b - 2) ** 2 for b in rest)


@plain([0.5, 0.3], [1.0, 2.0])
def matches_pattern(x):
    match list(x):
        case [a, b]:
            return (a - 1) ** 2 + (b - 2) ** 2
    return 10.0


@plain([0.5, 0.3], [1.0, 2.0])
def comprehension(x):
    return sum([(v - (i + 1)) ** 2 for i, v in enumerate(x)])


@plain([0.5, 0.3], [1.0, 2.0])
def formats_x(x):
    text = f"{x[0]:.3f}, {x[1]:.3f}"
    assert "," in text
    return (x[0] - 1) ** 2 + (x[1] - 2) ** 2


@plain([0.5, 0.3], [1.0, 2.0])
def percent_formats_x(x):
    "a = %.3f" % x[0]  # noqa: UP031
    return (x[0] - 1) ** 2 + (x[1] - 2) ** 2


@plain([0.5, 0.3], [1.0, 2.0])
def string_of_x(x):
    str(x), repr(x)
    return (x[0] - 1) ** 2 + (x[1] - 2) ** 2


@plain([0.5, 0.3], [1.0, 2.0])
def timed(x):
    time.perf_counter()
    return (x[0] - 1) ** 2 + (x[1] - 2) ** 2


# ---------------------------------------------------------------- states


@case([0.5, 0.3], [1.0, 2.0])
def counter_global():
    calls = 0

    def fun(x):
        nonlocal calls
        calls += 1
        return (x[0] - 1) ** 2 + (x[1] - 2) ** 2

    return fun


@case([0.5, 0.3], [1.0, 2.0])
def history_of_values():
    seen = []

    def fun(x):
        value = (x[0] - 1) ** 2 + (x[1] - 2) ** 2
        seen.append((x.copy(), float(value)))
        return value

    return fun


@case([0.5, 0.3], [1.0, 2.0])
def history_of_points():
    seen = []

    def fun(x):
        seen.append(np.array(x, dtype=float))
        return (x[0] - 1) ** 2 + (x[1] - 2) ** 2

    return fun


@case([0.5, 0.3], [1.0, 2.0])
def remembers_the_best():
    best = {"f": np.inf, "x": None}

    def fun(x):
        value = (x[0] - 1) ** 2 + (x[1] - 2) ** 2
        if value < best["f"]:
            best["f"], best["x"] = value, x
        return value

    return fun


@case([0.5, 0.3], [1.0, 2.0])
def prints_every_tenth_call():
    calls = []

    def fun(x):
        calls.append(0)
        value = np.sum((x - [1.0, 2.0]) ** 2)
        if len(calls) % 10 == 0:
            print("call", len(calls), "f =", round(float(value), 6), flush=True)
        return value

    return fun


@case([0.5, 0.3], [1.0, 2.0])
def lru_cache_of_a_tuple():
    @functools.cache
    def inner(p):
        return (p[0] - 1) ** 2 + (p[1] - 2) ** 2

    return lambda x: inner(tuple(x))


@case([0.5, 0.3], [1.0, 2.0])
def lru_cache_of_floats():
    @functools.lru_cache(maxsize=100)
    def inner(a, b):
        return (a - 1) ** 2 + (b - 2) ** 2

    return lambda x: inner(*map(float, x))


@case([0.5, 0.3], [1.0, 2.0])
def cache_by_bytes():
    stored = {}

    def fun(x):
        key = x.tobytes()
        if key not in stored:
            stored[key] = float(np.sum((x - [1.0, 2.0]) ** 2))
        return stored[key]

    return fun


@case([0.5, 0.3], [1.0, 2.0])
def cache_by_getval_bytes():
    stored = {}

    def fun(x):
        key = getval(x).tobytes()
        if key not in stored:
            stored[key] = (x[0] - 1) ** 2 + (x[1] - 2) ** 2
        return stored[key]

    return fun


@case([0.5, 0.3], [1.0, 2.0])
def cache_of_the_last_x():
    last = {"x": None, "f": None}

    def fun(x):
        if last["x"] is None or not np.array_equal(x, last["x"]):
            last["x"], last["f"] = np.copy(x), np.sum((x - [1.0, 2.0]) ** 2)
        return last["f"]

    return fun


@case([0.5, 0.3], [1.0, 2.0])
def cache_of_the_last_x_by_all():
    last = {"x": np.full(2, np.nan), "f": None}

    def fun(x):
        if not (x == last["x"]).all():
            last["x"], last["f"] = x, (x[0] - 1) ** 2 + (x[1] - 2) ** 2
        return last["f"]

    return fun


@case([0.5, 0.3], kinked=True)
def cache_by_rounded_key():
    stored = {}

    def fun(x):
        key = str(np.round(x, 4))
        if key not in stored:
            stored[key] = (x[0] - 1) ** 2 + (x[1] - 2) ** 2
        return stored[key]

    return fun


class Problem:
    """An objective object with data, a method, and an attribute `fun`."""

    def __init__(self, goal):
        self.goal, self.calls = np.asarray(goal), 0

    def fun(self, x):
        self.calls += 1
        return ((x - self.goal) ** 2).sum()

    def filled(self, x):
        self.r = np.zeros(2)
        self.r[:] = x - self.goal
        return self.r @ self.r

    __call__ = fun


@case([0.5, 0.3], [1.0, 2.0])
def callable_object():
    return Problem([1.0, 2.0])


@case([0.5, 0.3], [1.0, 2.0])
def bound_method():
    return Problem([1.0, 2.0]).fun


@case([0.5, 0.3], [1.0, 2.0])
def bound_method_in_place():
    return Problem([1.0, 2.0]).filled


@case([0.5, 0.3], [1.0, 2.0])
def attributes_set_by_x():
    class Model:
        def __init__(self):
            self.theta = np.zeros(2)

        def loss(self):
            return ((self.theta - [1.0, 2.0]) ** 2).sum()

    model = Model()

    def fun(x):
        model.theta[:] = x
        return model.loss()

    return fun


@case([0.5, 0.3], [1.0, 2.0])
def attribute_replaced_by_x():
    class Model:
        theta = np.zeros(2)

    def fun(x):
        Model.theta = x
        return ((Model.theta - [1.0, 2.0]) ** 2).sum()

    return fun


@case([0.5, 0.3], [1.0, 2.0])
def warm_start():
    memory = {"z": 0.0}

    def fun(x):
        z = memory["z"]
        for _ in range(60):
            z = z - (z**3 + z - float(x[0]) - float(x[1])) / (3 * z**2 + 1)
        memory["z"] = z
        return (z - 1.2134116627622296) ** 2 + (x[0] - 1) ** 2 + (x[1] - 2) ** 2

    return fun


@plain([0.5, 0.3])
def fixed_seed(x):
    noise = np.random.default_rng(3).normal(size=50)
    return np.mean((x[0] + np.exp(x[1]) * noise - 1) ** 2) - x[1] + 0.1 * x[1] ** 2


@plain([0.5, 0.3])
def fixed_seed_random_module(x):
    source = random.Random(3)
    return (
        sum((x[0] - source.gauss(1, 0.1)) ** 2 + (x[1] - source.gauss(2, 0.1)) ** 2 for _ in range(20)) / 20
    )


@plain([0.5, 0.3])
def monte_carlo(x):
    rng = np.random.default_rng(5)
    paths = np.exp(x[0] + np.log1p(np.exp(x[1])) * rng.normal(size=200))
    return (paths.mean() - 2) ** 2 + (np.median(paths) - 1.5) ** 2


@plain([0.5, 0.3], noise=1e-3, kinked=True)
def scale_passed_to_the_generator(x):
    rng = np.random.default_rng(5)
    return np.mean((rng.normal(x[0], abs(x[1]) + 0.1, size=50) - 1) ** 2)


@case([0.5, 0.3], steady=False, noise=1.0)
def minibatches():
    rng = np.random.default_rng(5)
    data = rng.normal(1.0, 0.1, size=(100, 2))

    def fun(x):
        batch = data[rng.integers(0, 100, size=10)]
        return np.mean((batch - x) ** 2)

    return fun


@case([0.5, 0.3], steady=False, noise=1.0)
def growing_penalty():
    weight = [1.0]

    def fun(x):
        weight[0] *= 1.001
        return (x[0] - 1) ** 2 + (x[1] - 2) ** 2 + weight[0] * (x[0] + x[1] - 2) ** 2

    return fun


@case([0.5, 0.3], steady=False, noise=1.0)
def first_call_differs():
    calls = []

    def fun(x):
        calls.append(0)
        return (x[0] - 1) ** 2 + (x[1] - 2) ** 2 + (5.0 if len(calls) == 1 else 0.0)

    return fun


# ---------------------------------------------------------------- what is returned


@plain([0.5, 0.3], [1.0, 2.0])
def returns_shape_one(x):
    return np.array([np.sum((x - [1.0, 2.0]) ** 2)])


@plain([0.5, 0.3], [1.0, 2.0])
def returns_zero_d(x):
    return np.array((x[0] - 1) ** 2 + (x[1] - 2) ** 2)


@plain([0.5, 0.3], [1.0, 2.0])
def returns_one_by_one(x):
    r = np.reshape(x - [1.0, 2.0], (2, 1))
    return r.T @ r


@plain([0.5, 0.3], [1.0, 2.0])
def returns_list(x):
    return [(x[0] - 1) ** 2 + (x[1] - 2) ** 2]


@plain([0.5, 0.3], [1.0, 2.0], noise=1e-7)
def returns_float32(x):
    return np.float32(np.sum((x - [1.0, 2.0]) ** 2))


@plain([0.5, 0.3], [1.0, 2.0], noise=1e-7)
def float32_inside(x):
    y = x.astype(np.float32)
    return ((y - np.array([1.0, 2.0], dtype=np.float32)) ** 2).sum()


@plain([0.5, 0.3], [1.0, 2.0], dtype=np.float32, noise=1e-6)
def float32_start(x):
    return ((x - np.array([1.0, 2.0], dtype=np.float32)) ** 2).sum()


@plain([0.5, 0.3], [1.0, 2.0], dtype=np.float32, noise=1e-6)
def float32_start_in_place(x):
    r = np.zeros(2, dtype=np.float32)
    r[0], r[1] = x[0] - 1, x[1] - 2
    return r @ r


@plain([0.5, 0.3], [1.0, 2.0])
def longdouble_inside(x):
    y = np.asarray(x, dtype=np.longdouble)
    return np.sum((y - [1.0, 2.0]) ** 2)


@plain([0.5, 0.3], kinked=True)
def returns_int(x):
    return int(np.sum(np.abs(x - [1.0, 2.0])) * 3)


@plain([0.5, 0.3], kinked=True)
def returns_bool(x):
    return bool(x[0] + x[1] > 3)


@plain([0.5, 0.3], kinked=True)
def returns_count(x):
    return np.count_nonzero(x > 0.4)


@plain([0.5, 0.3], kinked=True)
def constant(x):
    return 3.0


@plain([5.0, 5.0], kinked=True)
def plateau(x):
    return np.sum(np.minimum(x**2, 4.0))


@case([0.5, 0.3], [1.0, 2.0])
def returns_the_same_buffer():
    buffer = np.zeros(())

    def fun(x):
        buffer[...] = np.sum((x - [1.0, 2.0]) ** 2)
        return buffer

    return fun


@plain([0.5, 0.3], [1.0, 2.0])
def returns_object_scalar(x):
    return np.sum(np.array([(v - g) ** 2 for v, g in zip(x, [1.0, 2.0], strict=True)], dtype=object))


@plain([0.5, 0.3], [1.0, 2.0])
def negated_numpy_scalar(x):
    return -np.float64(-np.sum((x - [1.0, 2.0]) ** 2))
