"""The estimate of the rounding error of f, against the error itself, which mpmath knows."""

from __future__ import annotations

import functools

import autograd.numpy as anp
import mpmath
import numpy as np
import pytest

from refopt.derivatives import TraceError, gradient, roundoff
from refopt.derivatives.roundoff import gradient_error, value_error, value_error_from_values

EPS = float(np.finfo(float).eps)
# The estimate is a bound to first order, with a statistical factor for sums; the error may exceed it by this.
ABOVE = 2.0
# Errors of random signs partly cancel, those of a hundred equal terms to a tenth; their magnitudes do not. So
# the estimate may exceed the largest error seen by the first number in most functions, by the second in any
# family of them.
BELOW, FAR_BELOW = 30.0, 100.0
POINTS = 12  # points a few units apart at which the error is measured


class Exact:
    """The same functions in 50 digits, on arrays of mpmath numbers."""

    def __getattr__(self, name):
        one = getattr(mpmath, {"arctan": "atan", "abs": "fabs"}.get(name, name))
        return lambda x: np.frompyfunc(one, 1, 1)(x)

    sum = staticmethod(np.sum)
    mean = staticmethod(np.mean)
    dot = staticmethod(np.dot)

    @staticmethod
    def norm(x):
        return mpmath.sqrt(np.sum(x * x))

    @staticmethod
    def log1p(x):
        return np.frompyfunc(mpmath.log1p, 1, 1)(x)

    @staticmethod
    def lse(x):
        return mpmath.log(np.sum(np.frompyfunc(mpmath.exp, 1, 1)(x)))

    @staticmethod
    def solve(A, b):
        return np.array([mpmath.mpf(v) for v in mpmath.lu_solve(mpmath.matrix(A.tolist()), b.tolist())])

    @staticmethod
    def eye(n):
        return np.array([[mpmath.mpf(i == j) for j in range(n)] for i in range(n)])


class Traced:
    """The functions of autograd, and those that it has elsewhere."""

    def __getattr__(self, name):
        return getattr(anp, name)

    norm = staticmethod(anp.linalg.norm)
    solve = staticmethod(anp.linalg.solve)

    @staticmethod
    def lse(x):
        top = anp.max(x)
        return top + anp.log(anp.sum(anp.exp(x - top)))


def pick(rng, *shape):
    """Data of about ten to the power -1 to 1."""
    return rng.standard_normal(shape) * 10 ** rng.uniform(-1, 1, shape)


def families():
    """``name -> rng -> (f(N, x), x)``: the same function for N = `Traced` and N = `Exact`."""

    def family(function):
        table[function.__name__] = function
        return function

    table: dict = {}

    @family
    def sum_of_squares(rng):
        c = pick(rng, n := int(rng.integers(1, 200)))
        return lambda N, x: N.sum((x - c) ** 2), pick(rng, n)

    @family
    def arwhead(rng):
        x = np.append(np.ones(n := int(rng.integers(2, 200))), 0.0) + 1e-4 * rng.standard_normal(n + 1)
        return lambda N, x: N.sum((x[:-1] ** 2 + x[-1] ** 2) ** 2 - 4 * x[:-1] + 3), x

    @family
    def expanded_square(rng):
        c = pick(rng, n := int(rng.integers(1, 20)))
        return lambda N, x: N.sum(x**2 - 2 * c * x + c**2), c * (1 + 1e-7 * rng.standard_normal(n))

    @family
    def offset(rng):
        big = 10 ** rng.uniform(6, 9)
        return lambda N, x: big + N.sum((x - 1) ** 2), pick(rng, int(rng.integers(1, 30)))

    @family
    def offset_taken_away(rng):
        big = 10 ** rng.uniform(6, 9)
        return lambda N, x: (big + N.sum((x - 1) ** 2)) - big, pick(rng, int(rng.integers(1, 30)))

    @family
    def products(rng):
        def f(N, x):
            out = x[0]
            for v in x[1:]:
                out = out * v
            return out + x[0] * x[-1]

        return f, pick(rng, int(rng.integers(2, 40)))

    @family
    def exponentials(rng):
        t, y = np.linspace(0, 2, m := int(rng.integers(3, 100))), pick(rng, m)
        return lambda N, x: N.sum((x[0] * N.exp(-x[1] * t) + x[2] - y) ** 2), pick(rng, 3)

    @family
    def logarithms(rng):
        a = rng.uniform(0.5, 2, n := int(rng.integers(1, 50)))
        return lambda N, x: N.sum(a * N.log(N.abs(x)) - x * x / a), pick(rng, n)

    @family
    def log_near_one(rng):
        return lambda N, x: N.sum(N.log(1 + x)), 1e-6 * pick(rng, int(rng.integers(1, 20)))

    @family
    def trigonometry(rng):
        a = pick(rng, n := int(rng.integers(1, 60)))
        return lambda N, x: N.sum(N.sin(a * x) * N.cos(x) + N.arctan(x) + N.tanh(a - x)), pick(rng, n)

    @family
    def least_squares_by_matrix(rng):
        A, x = pick(rng, m := int(rng.integers(2, 60)), n := int(rng.integers(1, 20))), pick(rng, n)
        y = A @ x + 1e-6 * rng.standard_normal(m)
        return lambda N, x: N.sum((N.dot(A, x) - y) ** 2), x

    @family
    def quadratic_form(rng):
        A = pick(rng, n := int(rng.integers(2, 30)), n)
        return lambda N, x: N.dot(x, N.dot(A, x)) / 2 - N.sum(x), pick(rng, n)

    @family
    def distance(rng):
        c = pick(rng, n := int(rng.integers(1, 40)))
        return lambda N, x: N.norm(x * x - c * c), c + 10 ** rng.uniform(-9, 0) * rng.standard_normal(n)

    @family
    def long_sum(rng):
        c = pick(rng, n := int(rng.integers(1000, 4000)))
        return lambda N, x: N.sum(c * x), pick(rng, n)

    @family
    def running_sum(rng):
        c = pick(rng, n := int(rng.integers(10, 300)))

        def f(N, x):
            total = 0.0
            for i in range(n):
                total = total + c[i] * x[i]
            return total

        return f, pick(rng, n)

    @family
    def sum_of_columns(rng):
        A = pick(rng, m := int(rng.integers(10, 200)), n := int(rng.integers(2, 10)))
        return lambda N, x: N.sum((N.sum(A * x, axis=0) - m) ** 2), pick(rng, n)

    @family
    def likelihood(rng):
        t = pick(rng, int(rng.integers(2, 60)))
        return lambda N, x: N.sum((t - x[0]) ** 2 / N.exp(2 * x[1])) + t.size * x[1], pick(rng, 2)

    @family
    def log_sum_exp(rng):
        A = pick(rng, int(rng.integers(2, 40)), n := int(rng.integers(1, 5)))
        return lambda N, x: N.lse(N.dot(A, x)), pick(rng, n)

    @family
    def rational(rng):
        t = rng.uniform(0, 3, int(rng.integers(3, 40)))
        return lambda N, x: N.sum((x[0] * t / (x[1] ** 2 + t) - 1) ** 2), pick(rng, 2)

    @family
    def linear_system(rng):
        A = pick(rng, n := int(rng.integers(2, 7)), n)
        return lambda N, x: N.sum(N.solve(A + N.eye(n) * x[0], x * x)), pick(rng, n)

    return table


FAMILIES = families()
SEEDS = {np.float64: 10, np.float32: 5}


def largest_error(f, x):
    """The largest |fl(f) - f| at x and at points a few units apart."""
    rng, worst = np.random.default_rng(0), 0.0
    with mpmath.workdps(50):
        for k in range(POINTS):
            z = (x + (k > 0) * rng.integers(-3, 4, x.size) * np.spacing(np.abs(x))).astype(x.dtype)
            exact = f(Exact(), np.array([mpmath.mpf(float(v)) for v in z]))
            worst = max(worst, abs(float(mpmath.mpf(float(f(Traced(), z))) - exact)))
    return worst


@functools.cache
def ratios(name, dtype):
    """``[(estimate / largest error, seed)]`` of one family."""
    found = []
    for seed in range(SEEDS[dtype]):
        f, x = FAMILIES[name](np.random.default_rng(seed))
        if dtype is np.float32:
            f, x = in_single_precision(f), x.astype(dtype)
        error = largest_error(f, x)
        estimate = value_error(lambda x, f=f: f(Traced(), x), x)
        if error > 0:
            found.append((estimate / error, seed))
    return found


def in_single_precision(f):
    """`f` with its data rounded to float32, so that nothing is computed in float64."""
    for cell in f.__closure__ or ():
        if isinstance(cell.cell_contents, np.ndarray):
            cell.cell_contents = cell.cell_contents.astype(np.float32)
        elif isinstance(cell.cell_contents, float):
            cell.cell_contents = float(np.float32(cell.cell_contents))
    return f


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", FAMILIES)
def test_the_error_is_below_twice_the_estimate_and_not_far_below(name, dtype):
    found = ratios(name, dtype)
    print(name, " ".join(f"{ratio:.3g}" for ratio, _ in found))
    low = min(found)
    assert low[0] >= 1 / ABOVE, f"seed {low[1]}: the error is {1 / low[0]:.3g} times the estimate"
    assert np.median([ratio for ratio, _ in found]) <= FAR_BELOW, found


def test_most_estimates_are_near_the_error():
    """Over all families: 200 functions in float64."""
    every = [ratio for name in FAMILIES for ratio, _ in ratios(name, np.float64)]
    print("estimate / error:", np.quantile(every, [0, 0.1, 0.5, 0.9, 1]).round(2), len(every), "functions")
    assert len(every) == 200
    assert np.mean(np.array(every) <= BELOW) >= 0.75 and np.median(every) <= BELOW / 2


def test_the_judge_sees_an_estimate_that_is_too_small(monkeypatch):
    """Planted: sums without their own rounding error, and 4 eps |f| in place of the terms."""
    f, x = FAMILIES["expanded_square"](np.random.default_rng(0))
    error = largest_error(f, x)
    assert 4 * EPS * abs(f(Traced(), x)) < error / ABOVE
    monkeypatch.setattr(roundoff, "ROUNDED", frozenset())
    monkeypatch.setattr(roundoff, "COPIES", roundoff.COPIES | {"subtract", "add", "multiply", "power"})
    assert value_error(lambda x: f(Traced(), x), x) < error / ABOVE


def estimate(f, x):
    return value_error(f, np.asarray(x, dtype=float))


def test_each_operation_by_hand():
    """eps/2 of its result for an operation that rounds correctly, times its adjoint; nothing for a copy."""
    x = np.array([3.0, 5.0])
    assert estimate(lambda x: x[0], x) == EPS * 3  # the least: one unit of f
    by_hand = EPS / 2 * (3e3 * 5 + (3e3 * 5 - 1e4))
    # x1 times 1e3 exactly, then a product and a difference
    moved = lambda x: anp.where(x[0] > 0, x[0], 0.0) * 1e3 * x[1] - 1e4  # noqa: E731
    assert estimate(moved, x) == pytest.approx(by_hand + EPS / 2 * 3e3 * 5, rel=1e-12)
    assert estimate(lambda x: anp.exp(x[0]) - anp.exp(x[0]), x) == pytest.approx(
        2 * EPS * np.exp(3), rel=1e-12
    )


def test_branches_not_taken_do_not_count():
    x = np.array([4.0])
    with np.errstate(invalid="ignore"):
        got = estimate(lambda x: anp.sum(anp.where(x >= 0, x * 1.1, anp.sqrt(-2 * x))), x)
    assert got == pytest.approx(estimate(lambda x: anp.sum(x * 1.1), x), rel=1e-12)


def test_terms_that_are_zero_are_seen_beside_x():
    """At x the adjoint of abs, of a square and of a norm is 0, but the difference inside is not exact."""
    c = np.array([1.1, 2.3, 0.7])
    for f in (
        lambda x: anp.sum(anp.abs(x * x - c * c)),
        lambda x: anp.linalg.norm(x * x - c * c),
        lambda x: anp.max(anp.abs(x * x - c * c)),
    ):
        assert f(c) == 0 and 0.1 < estimate(f, c) / (EPS * np.sum(c * c)) < 30
    assert estimate(lambda x: anp.sum((x * x - c * c) ** 2), c) > EPS**2


def test_a_steep_operation_is_confirmed_by_values():
    """sqrt(s) of a sum s that has cancelled to a rounding error has the error sqrt(eps), not infinity."""
    c = np.array([1.1, 2.3, 0.7])
    f = lambda x: anp.sqrt(anp.abs(anp.sum(x * x - 2 * c * x + c * c)))  # noqa: E731
    for x in (c, c * (1 + EPS), c * (1 + 1e-9)):
        error = max(float(f(x + k * np.spacing(x))) for k in range(-5, 6))  # the true value is below 1e-8
        assert estimate(f, x) <= 100 * error and estimate(f, x) >= error / 10


def test_values_show_the_noise_of_what_is_not_traced():
    """Rounded to six places the noise is 5e-7 at most; without noise it is 4 eps |f|."""
    x = np.array([1.3, 2.1])
    rough = lambda x: float(np.round(1e6 * np.sum(np.cos(1e10 * x)), 0) / 1e6)  # noqa: E731
    assert 1e-7 < value_error_from_values(rough, x, rough(x)) < 1e-5
    assert value_error_from_values(lambda x: 2.0, x, 2.0) == 4 * EPS * 2
    assert value_error_from_values(lambda x: np.inf, x, 2.0) == 4 * EPS * 2

    def raises(x):
        raise ValueError("outside")

    assert value_error_from_values(raises, x, 2.0) == 4 * EPS * 2


def test_bounds_are_kept():
    x, seen = np.array([1.0, 2.0, 3.0]), []

    def f(x):
        seen.append(np.array(getattr(x, "_value", x)))
        return anp.sum(anp.sqrt(anp.abs(x - 1.0)))

    value_error(f, x, bounds=(x, x + 1))
    value_error_from_values(f, x, 0.0, (x - 1, x))
    assert all(np.all((z >= x) | (z <= x)) for z in seen)
    assert all(np.all(z >= x) for z in seen[:2]) and all(np.all(z <= x) for z in seen[-10:])


def test_errors_are_handed_on():
    with pytest.raises(ValueError, match="one number"):
        value_error(lambda x: 2 * x, np.ones(2))
    with pytest.raises(TraceError):
        value_error(lambda x: float(x[0]), np.ones(2))
    assert value_error(lambda x: 3.0, np.ones(2)) == 3 * EPS
    with np.errstate(all="ignore"):
        for f in (lambda x: anp.log(x[0]), lambda x: 1 / (x[0] + 1)):
            assert np.isnan(value_error(f, -np.ones(2)))


def test_the_error_of_the_gradient_is_what_one_unit_of_x_changes():
    """Of ``(k u)^2 + (v - 1)^2`` it is ``2 k^2 eps u`` in u, and 2 eps in v: small beside the slope."""
    k = 1e9
    slope = lambda x: gradient(lambda x: (k * x[0]) ** 2 + (x[1] - 1) ** 2, x)  # noqa: E731
    x = np.array([1.5, 1 + EPS])
    error = gradient_error(slope, x, slope(x))
    assert np.allclose(error, [2 * k**2 * 1.5 * EPS, 2 * EPS], rtol=0.5)
    # a gradient that cancels: the error is that of its terms, seen beside x
    slope = lambda x: 1e8 * np.sin(x) - 1e8 * np.sin(x)[::-1]  # noqa: E731
    x = np.full(2, 0.7)
    assert np.all(slope(x) == 0) and np.all(gradient_error(slope, x, slope(x)) > 1e8 * EPS / 2)
