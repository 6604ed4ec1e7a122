"""Models over a box: certificates against brute force, and the same answer without tensors."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
from functions import SMOOTH, model_of

from refopt.models.taylor import Penalised, TensorModel
from refopt.solvers.ball import minimise_freely, minimise_in
from refopt.solvers.box_model import Box
from refopt.solvers.subproblem import region_of, subproblem


def box_of(seed, n, size):
    """Bounds around 0: wide, narrow, at 0, fixed, infinite."""
    rng = np.random.default_rng(seed)
    low, high = -rng.uniform(0.05, 1, n), rng.uniform(0.05, 1, n)
    low[0], high[-1] = 0.0, np.inf
    if n > 2:
        low[1], high[1] = 0.0, 0.0
    return Box(low, high, size)


def defect(model, box, s):
    """The largest violation of the first order conditions, each edge by its own definition."""
    low, high = box.edges()
    g = model.expand(s).gradient
    free = (low < s) & (s < high)
    worst = [0.0, *np.abs(g[free]), *-g[(s == low) & (low < high)], *g[(s == high) & (low < high)]]
    return max(worst)


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [0.1, 1.0, 5.0])
def test_answer_is_certified_and_lower_than_the_start(name, order, size):
    n, seed = 4, order
    model, box = model_of(name, n, order, seed), box_of(seed, n, size)
    answer = minimise_in(model, box, np.zeros(n))
    low, high = box.edges()
    assert np.all(low <= answer.s) and np.all(answer.s <= high)
    assert answer.value == pytest.approx(model.value(answer.s), rel=1e-9, abs=1e-12)
    assert answer.value <= 0
    scale = max(answer.first, np.linalg.norm(model.expand(answer.s).gradient))
    assert defect(model, box, answer.s) <= 1e-6 * scale, f"seed {seed}"
    # no lower point near it: the second order condition, tried
    rng = np.random.default_rng(seed)
    for _ in range(200):
        near = np.clip(answer.s + 1e-3 * size * rng.normal(size=n), low, high)
        assert model.value(near) >= answer.value - 1e-9 * abs(answer.value), f"seed {seed}"


@pytest.mark.parametrize("seed", range(5))
def test_convex_quadratic_has_the_answer_of_scipy(seed):
    rng = np.random.default_rng(seed)
    n = 8
    A = rng.normal(size=(n, n))
    model = TensorModel([np.array(0.0), rng.normal(size=n) * 5, A @ A.T + 0.1 * np.eye(n)])
    box = box_of(seed, n, 0.7)
    theirs = scipy.optimize.minimize(
        lambda s: model.expand(s)[:2],
        np.zeros(n),
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(*box.edges(), strict=True)),
        options={"ftol": 1e-16, "gtol": 1e-12},
    )
    assert minimise_in(model, box, np.zeros(n)).value == pytest.approx(theirs.fun, rel=1e-8), f"seed {seed}"


def test_the_check_sees_planted_errors():
    model = TensorModel([np.array(0.0), np.array([1.0, -2.0]), np.diag([2.0, 8.0])])
    box = Box(np.array([-0.2, -1.0]), np.array([1.0, 1.0]), 9.0)
    answer = minimise_in(model, box, np.zeros(2))
    assert answer.s == pytest.approx([-0.2, 0.25]) and defect(model, box, answer.s) <= 1e-12
    for wrong in ([0.0, 0.25], [-0.2, 0.2], [1.0, 0.25], [-0.2, 1.0]):
        assert defect(model, box, np.array(wrong)) > 0.1


def test_a_saddle_at_an_edge_is_left():
    # s_0^2 - s_1^2 at 0, where the gradient is zero; s_1 can only grow
    model = TensorModel([np.array(0.0), np.zeros(2), np.diag([2.0, -2.0])])
    answer = minimise_in(model, Box(np.array([-1.0, 0.0]), np.ones(2), 0.5), np.zeros(2))
    assert answer.s == pytest.approx([0.0, 0.5]) and answer.multiplier > 0
    stuck = minimise_in(model, Box(np.array([-1.0, 0.0]), np.array([1.0, 0.0]), 0.5), np.zeros(2))
    assert not stuck.s.any()


@pytest.mark.parametrize("order", [1, 2, 3])
def test_without_tensors_the_answer_is_the_same(order):
    n = 5
    for size in (0.2, 1.0):
        box = box_of(order, n, size)
        dense = minimise_in(model_of("exponentials", n, order, 3), box, np.zeros(n))
        free = minimise_in(model_of("exponentials", n, order, 3, "matrix-free"), box, np.zeros(n), tol=1e-9)
        assert free.value == pytest.approx(dense.value, rel=1e-7)


def test_free_minimiser_is_found_beyond_the_first_box_and_bounds_hold():
    model = TensorModel([np.array(0.0), np.array([-40.0, -40.0]), np.eye(2)])
    low, high = np.full(2, -np.inf), np.array([7.0, np.inf])
    answer = minimise_freely(model, 1.0, region=region_of((low, high)))
    assert answer.bounded and answer.s == pytest.approx([7.0, 40.0]) and answer.multiplier == 0.0
    line = TensorModel([np.array(0.0), np.array([-1.0, -1.0])])
    assert not minimise_freely(line, 1.0, region=region_of((low, high))).bounded
    penalised = Penalised(line, 1.0, 4)
    answer = minimise_freely(penalised, 0.01, region=region_of((low, np.array([0.1, np.inf]))))
    assert answer.bounded and answer.s[0] == 0.1
    # s_1 |s|^2 = 1
    assert answer.s[1] * (answer.s @ answer.s) == pytest.approx(1.0, rel=1e-6)


def test_the_force_of_the_region_is_told_from_the_bounds():
    box = Box(np.array([-0.1, -9.0]), np.array([9.0, 9.0]), 1.0)
    s, g = np.array([-0.1, 1.0]), np.array([5.0, -3.0])
    lam, rest = box.certificate(s, g)
    assert lam * np.linalg.norm(s) == pytest.approx(3.0) and not rest.any()
    assert box.gradient(s, g).tolist() == [0.0, -3.0]


@pytest.mark.parametrize("how", ["bounds", "proximal", "regularized", "none"])
def test_every_trust_method_keeps_the_bounds(how):
    model = model_of("waves", 3, 3, 11)
    low, high = np.array([0.0, -0.01, -1.0]), np.array([0.02, 0.01, 1.0])
    answer = subproblem(model, how, 0.5, 3, 1e-2, True, (low, high))
    assert np.all(low <= answer.s) and np.all(answer.s <= high) and answer.value < 0
