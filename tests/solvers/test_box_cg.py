"""A quadratic over a box from products alone: against the exact answer, never above the start."""

from __future__ import annotations

import numpy as np
import pytest

from refopt.solvers.box import quadratic_step, value
from refopt.solvers.box_cg import cauchy, conjugate_gradient_step, movable


@pytest.mark.parametrize("seed", range(20))
def test_products_reach_the_definite_answer(seed):
    """To 1e-6 of the depth: conjugate gradients stop at a relative slope of 1e-10 on condition numbers up to
    1e4."""
    rng = np.random.default_rng(seed)
    n = 15
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    H = (Q * np.logspace(-2, 2, n)) @ Q.T
    g, one = rng.standard_normal(n), 10 ** rng.uniform(-2, 1) * np.ones(n)
    d, _ = conjugate_gradient_step(lambda v: H @ v, g, -one, one)
    exact, _ = quadratic_step((H + H.T) / 2, g, -one, one)
    assert np.all(np.abs(d) <= one)
    assert value(H, g, d) <= value(H, g, exact) * (1 - 1e-6), f"seed {seed}"


@pytest.mark.parametrize("seed", range(20))
def test_products_never_end_above_the_start(seed):
    rng = np.random.default_rng(seed)
    M = rng.standard_normal((7, 7))
    H, g = M + M.T, rng.standard_normal(7)
    lower, upper = -rng.uniform(0, 1, 7) * (rng.random(7) > 0.3), rng.uniform(0, 1, 7)
    d, _ = conjugate_gradient_step(lambda v: H @ v, g, lower, upper)
    assert value(H, g, d) <= 0 and np.all(lower <= d) and np.all(d <= upper), f"seed {seed}"


def test_directions_without_curvature_are_followed_to_the_edge():
    """A saddle with a zero gradient is left, and a linear model ends in a corner."""
    one = np.ones(3)
    H = np.diag([1.0, 1.0, -1.0])
    assert abs(conjugate_gradient_step(lambda v: H @ v, np.full(3, 1e-300), -one, one)[0][2]) == 1.0
    d, how = conjugate_gradient_step(lambda v: 0 * v, np.array([1.0, -2.0, 0.5]), -one, 2 * one)
    assert np.array_equal(d, [2.0, -1.0, 2.0]) and how == "conjugate gradients"


def test_products_are_all_it_asks_for_and_few():
    """n = 200 of condition number 100: a small multiple of the 60 products that conjugate gradients need."""
    k, count = np.linspace(1, 100, 200), []
    d, _ = conjugate_gradient_step(
        lambda v: count.append(0) or k * v, np.ones(200), -10 * np.ones(200), 10 * np.ones(200)
    )
    np.testing.assert_allclose(d, 1 / k, rtol=1e-7)
    assert len(count) <= 250


def test_what_the_edges_balance_does_not_loosen_the_tolerance():
    # x_0 is held at its edge by a gradient 1e6 times that of the others
    H, g = np.diag([1.0, 1.0, 4.0]), np.array([-1e6, 1.0, 1.0])
    d, _ = conjugate_gradient_step(lambda v: H @ v, g, np.array([0.0, -9, -9]), np.full(3, 9.0), tol=1e-3)
    assert d == pytest.approx([0.0, 1.0, 0.25], abs=1e-2)
    assert movable(g, np.array([0.0, -1, -1]), np.array([1.0, 1, 0])).tolist() == [0.0, 1.0, 0.0]


def test_the_cauchy_point_is_the_least_along_the_gradient_up_to_an_edge():
    H, g = np.diag([2.0, 8.0]), np.array([1.0, 1.0])
    wide, narrow = np.full(2, 9.0), np.array([0.1, 9.0])
    assert cauchy(lambda v: H @ v, g, -wide, wide) == pytest.approx([0.2, 0.2])  # g^T g / g^T H g
    assert cauchy(lambda v: H @ v, g, -wide, narrow) == pytest.approx([0.1, 0.1])
    assert cauchy(lambda v: -H @ v, g, -wide, wide) == pytest.approx([9.0, 9.0])
    assert not cauchy(lambda v: H @ v, g, -wide, np.zeros(2)).any()
