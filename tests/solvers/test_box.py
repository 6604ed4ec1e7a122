"""The box subproblem against brute force over all faces, sampling, and KKT conditions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from refopt.solvers.box import (
    box_around,
    face_descent,
    least_squares_step,
    lowest_of_starts,
    onto_bounds,
    quadratic_step,
    residual_step,
    value,
)
from refopt.solvers.box_cg import conjugate_gradient_step


def brute_force(H, g, lower, upper):
    """The lowest q over the stationary points of all 3^n faces, each solved by itself."""
    n, best = g.size, 0.0
    for pattern in itertools.product((-1, 0, 1), repeat=n):
        pattern = np.array(pattern)
        d, free = np.where(pattern < 0, lower, upper), pattern == 0
        if free.any():
            block = H[np.ix_(free, free)]
            if np.linalg.cond(block) > 1e14:
                continue  # flat: its boundary is as low
            d[free] = np.linalg.solve(block, g[free] - H[np.ix_(free, ~free)] @ d[~free])
            if np.any(d < lower) or np.any(d > upper):
                continue
        best = min(best, value(H, g, d))
    return best


def model(seed, definite):
    """A random model of 1 to 6 variables, every third one badly scaled, every fourth with 0 on an edge of
    the box."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 7))
    M = rng.standard_normal((n, n))
    H = M @ M.T if definite else M + M.T
    g = rng.standard_normal(n) * 10 ** rng.uniform(-2, 2)
    radius = 10 ** rng.uniform(-3, 1)
    lower, upper = -radius * np.ones(n), radius * np.ones(n)
    if seed % 3 == 0:
        scale = 10.0 ** rng.uniform(-3, 3, n)
        H, g, lower, upper = H * scale * scale[:, None], g * scale, lower / scale, upper / scale
    if seed % 4 == 0:
        lower = lower * rng.uniform(0, 1, n) * (rng.random(n) > 0.4)
        upper = upper * rng.uniform(0, 1, n)
    return H, g, lower, upper


def agrees(H, g, lower, upper, d):
    """Whether `d` is in the box and as low as brute force, to 1e-10 of its depth (rounding of q)."""
    best = brute_force(H, g, lower, upper)
    inside = bool(np.all(lower <= d) and np.all(d <= upper))
    return inside and abs(value(H, g, d) - best) <= 1e-10 * abs(best)


@pytest.mark.parametrize("definite", [True, False])
@pytest.mark.parametrize("seed", range(40))
def test_equals_brute_force(seed, definite):
    H, g, lower, upper = model(seed, definite)
    d, how = quadratic_step(H, g, lower, upper)
    assert agrees(H, g, lower, upper, d), f"seed {seed}: {how}, q = {value(H, g, d)}"


def test_the_check_sees_a_wrong_step():
    H, g, lower, upper = model(7, True)
    d, _ = quadratic_step(H, g, lower, upper)
    assert agrees(H, g, lower, upper, d)
    assert not agrees(H, g, lower, upper, 0.999 * d)
    assert not agrees(H, g, lower, upper, d + 1e-9 * (upper - lower) * np.sign(d))


def test_brute_force_is_below_samples():
    """The judge itself: no sampled point of the box is lower than what brute force calls lowest."""
    for seed in range(10):
        H, g, lower, upper = model(seed, False)
        samples = np.random.default_rng(seed).uniform(lower, upper, (2000, g.size))
        lowest = min(value(H, g, d) for d in samples)
        assert lowest >= brute_force(H, g, lower, upper) - 1e-12 * abs(lowest), f"seed {seed}"


def kkt_error(H, g, lower, upper, d):
    """Length of the projected slope relative to the terms it is made of."""
    slope = H @ d - g
    size = np.abs(H) @ np.abs(d) + np.abs(g)
    wish = np.where(d <= lower, np.minimum(slope, 0), np.where(d >= upper, np.maximum(slope, 0), slope))
    return float(np.max(np.abs(wish) / size))


@pytest.mark.parametrize("n", [12, 40])
@pytest.mark.parametrize("radius", [1e-8, 1e-3, 1.0, 100.0])
def test_definite_models_of_more_variables_end_at_kkt_points(n, radius):
    """1e-11: backward-stable solves of blocks of condition number below 1e6 on random data."""
    rng = np.random.default_rng(n)
    M = rng.standard_normal((n, n))
    H, g, one = M @ M.T + 0.01 * np.eye(n), rng.standard_normal(n), radius * np.ones(n)
    d, how = quadratic_step(H, g, -one, one)
    assert kkt_error(H, g, -one, one, d) < 1e-11
    active = np.abs(d) >= radius
    assert np.all(np.abs(d[active]) == radius)  # exactly
    assert how == ("interior" if not active.any() else "bvls")


@pytest.mark.parametrize("seed", range(8))
def test_indefinite_models_of_more_variables(seed):
    """A KKT point, nine tenths as deep at least as the best that 200 random starts find."""
    rng = np.random.default_rng(seed)
    n = 10
    M = rng.standard_normal((n, n))
    H, g, one = M + M.T, rng.standard_normal(n), np.ones(n)
    d, how = quadratic_step(H, g, -one, one)
    assert how == "active set" and kkt_error(H, g, -one, one, d) < 1e-11
    found = min(value(H, g, face_descent(H, g, -one, one, x)) for x in rng.uniform(-1, 1, (200, n)))
    assert value(H, g, d) <= 0.9 * found, f"seed {seed}"


@pytest.mark.parametrize("n", [3, 9])
def test_leaves_a_saddle_point_with_zero_gradient(n):
    """At g = 0 the slope says nothing; the curvature does."""
    H, one = np.diag([1.0] * (n - 1) + [-1.0]), np.ones(n)
    for d in (
        quadratic_step(H, np.zeros(n), -one, one)[0],
        conjugate_gradient_step(lambda v: H @ v, np.full(n, 1e-300), -one, one)[0],
    ):
        assert abs(d[-1]) == 1.0


def test_a_zero_multiplier_is_no_excuse_to_stay():
    """At the corner d = 0 the slope of the second variable vanishes, but its curvature leads down."""
    H, g = np.diag([1.0, -1.0, 1.0, 1.0, 1.0, 1.0, 1.0]), np.zeros(7)
    d, _ = quadratic_step(H, g, np.zeros(7), np.ones(7))
    assert d[1] == 1.0


def test_no_curvature_gives_the_corner():
    g = np.array([1.0, -2.0, 0.5])
    d, _ = quadratic_step(np.zeros((3, 3)), g, -np.ones(3), 2 * np.ones(3))
    assert np.array_equal(d, [2.0, -1.0, 2.0])
    g = np.resize(g, 9)
    d, _ = quadratic_step(np.zeros((9, 9)), g, -np.ones(9), 2 * np.ones(9))
    assert np.array_equal(d, np.resize([2.0, -1.0, 2.0], 9))
    d, _ = conjugate_gradient_step(lambda v: 0 * v, g, -np.ones(9), 2 * np.ones(9))
    assert np.array_equal(d, np.resize([2.0, -1.0, 2.0], 9))


def test_singular_models():
    """Rank one, with g in its range: any minimiser has the same value; with g outside: a bound is reached."""
    a, one = np.arange(1.0, 9.0), np.ones(8)
    d, _ = quadratic_step(np.outer(a, a), a, -one, one)
    assert value(np.outer(a, a), a, d) == pytest.approx(-0.5, rel=1e-12)
    d, _ = quadratic_step(np.outer(a, a), a + np.eye(8)[0], -one, one)
    assert np.any(np.abs(d) == 1.0)


def test_fixed_variables_stay():
    H, g = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([1.0, 1.0])
    d = quadratic_step(H, g, np.array([-1.0, 0.0]), np.array([1.0, 0.0]))[0]
    assert d[0] == pytest.approx(0.5, rel=1e-15) and d[1] == 0.0
    d, how = quadratic_step(H, g, np.zeros(2), np.zeros(2))
    assert d.tolist() == [0.0, 0.0] and how == "fixed"
    operator = aslinearoperator(H)
    assert residual_step(operator, g, np.array([-1.0, 0.0]), np.array([1.0, 0.0]))[0][1] == 0.0


# ---------------------------------------------------------------- least squares


@pytest.mark.parametrize("seed", range(10))
def test_least_squares_form_equals_the_quadratic_form(seed):
    rng = np.random.default_rng(seed)
    A, b = rng.standard_normal((9, 4)), rng.standard_normal(9)
    one = 10 ** rng.uniform(-2, 0) * np.ones(4)
    a, _ = least_squares_step(A, b, -one, one)
    q, _ = quadratic_step(A.T @ A, A.T @ b, -one, one)
    np.testing.assert_allclose(a, q, rtol=1e-9, err_msg=f"seed {seed}")  # condition numbers below 1e3


def test_least_squares_does_not_square_the_condition_number():
    """Columns that differ by 1e-9: A^T A is singular in float64, A is not."""
    A = np.array([[1.0, 1.0], [1e-9, 0.0], [0.0, 1e-9]])
    d, _ = least_squares_step(A, A @ np.array([0.25, 0.5]), -np.ones(2), np.ones(2))
    np.testing.assert_allclose(d, [0.25, 0.5], rtol=1e-6)


def test_fewer_equations_than_variables():
    """The shortest solution where it fits into the box."""
    d, how = least_squares_step(np.array([[1.0, 1.0, 0.0]]), np.array([1.0]), -np.ones(3), np.ones(3))
    np.testing.assert_allclose(d, [0.5, 0.5, 0.0], atol=1e-15)
    assert how == "interior"


# ---------------------------------------------------------------- products and residuals


@pytest.mark.parametrize("form", [scipy.sparse.csr_array, aslinearoperator])
def test_residual_of_operators_equals_that_of_arrays(form):
    """lsq_linear's interior method stops at `tol`: 1e-4 of the box; bounds it calls active are exact."""
    rng = np.random.default_rng(3)
    M = rng.standard_normal((6, 6))
    H, g, one = M + M.T, rng.standard_normal(6), 0.2 * np.ones(6)
    exact, _ = residual_step(H, g, -one, one)
    d, how = residual_step(form(H), g, -one, one, 1e-12)
    assert how == "trf" and np.all(np.abs(d) <= 0.2)
    assert np.linalg.norm(H @ d - g) == pytest.approx(np.linalg.norm(H @ exact - g), rel=1e-4)
    assert isinstance(form(H), (LinearOperator, scipy.sparse.csr_array))


def test_many_starts_beat_one():
    """Why several starts: on these models the descent from 0 alone is not always the lowest."""
    better = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        M = rng.standard_normal((8, 8))
        H, g, one = M + M.T, rng.standard_normal(8), np.ones(8)
        alone = value(H, g, face_descent(H, g, -one, one, np.zeros(8)))
        best = value(H, g, lowest_of_starts(H, g, -one, one, 1e-10))
        assert best <= alone
        better += best < alone
    assert better >= 1


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_steps_onto_bounds_meet_them_exactly(dtype):
    rng = np.random.default_rng(5)
    x, low, high = rng.uniform(-1, 1, 500), rng.uniform(-3, -1, 500), rng.uniform(1, 3, 500)
    x, low, high = (v.astype(dtype) for v in (x, low, high))
    lower, upper = box_around(x, 1e9, (low, high))
    for d, bound in ((upper, low), (lower, high)):
        step = onto_bounds(d, x, lower, upper, (low, high))
        assert step.dtype == dtype and np.array_equal(np.clip(x - step, low, high), bound)
    inside = onto_bounds((lower + upper) / 2, x, lower, upper, (low, high))
    assert np.array_equal(inside, ((lower + upper) / 2).astype(dtype))


def test_the_local_answer_is_the_one_that_descent_from_0_reaches():
    # two wells: descent goes to the near one, where the slope leads; the other is deeper
    H, g, lower, upper = np.array([[-1.0]]), np.array([0.1]), np.array([-9.0]), np.array([1.0])
    assert quadratic_step(H, g, lower, upper)[0] == -9.0
    assert quadratic_step(H, g, lower, upper, local=True) == (1.0, "active set")
