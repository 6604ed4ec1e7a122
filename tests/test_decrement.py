"""What the gradient and the Hessian promise: the Newton decrement, the Newton step, the least curvature."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest

from refopt import decrement
from refopt.decrement import by_conjugate_gradients, by_lanczos, newton_decrement, promise_of, scale_of
from refopt.function import FunctionObjective


def at(fun, x, **given):
    x = np.asarray(x, dtype=float)
    return FunctionObjective(fun, x, **given).at(x)


def test_it_is_the_fall_to_the_minimum_of_a_quadratic():
    """f(x) - min f, and the step to the minimiser, whatever the units of the variables."""
    A = np.array([[2.0, 1.0], [1.0, 3.0]])
    for scale in (1.0, 1e6):
        D = np.array([1.0, scale])
        point = at(lambda x, D=D: 5.0 + (D * x) @ A @ (D * x) / 2, [1.0, -2.0 / scale])
        promise = promise_of(point)
        assert promise.decrement == promise.lower == pytest.approx(point.f - 5.0, rel=1e-12)
        np.testing.assert_allclose(promise.step, point.x, rtol=1e-10)
        assert newton_decrement(point) == promise.decrement
        # the eigenvalues of A scaled by its diagonal are 1 -+ 1/sqrt(6)
        root = np.sqrt(1 / 6)
        assert promise.least == pytest.approx((1 - root) / (1 + root), rel=1e-10)


def test_bounds_take_variables_out():
    point = at(lambda x: x[0] ** 2 + 4 * x[1] + x[1] ** 2, [3.0, 0.0], bounds=(np.zeros(2), np.full(2, 9.0)))
    assert newton_decrement(point) == pytest.approx(9.0)
    point = at(lambda x: x[0] + x[1], [0.0, 0.0], bounds=(np.zeros(2), np.ones(2)))
    assert newton_decrement(point) == 0.0
    # a maximum in a variable that its slope holds at a bound is no saddle
    dome = lambda x: x[0] ** 2 - x[1] ** 2 + 3 * x[1]  # noqa: E731
    bounds = (np.array([-1.0, 0.0]), np.array([1.0, 2.0]))
    assert not promise_of(at(dome, [0.0, 0.0], bounds=bounds)).negative
    assert promise_of(at(dome, [0.0, 1.5], bounds=bounds)).negative
    assert not promise_of(at(dome, [0.5, 0.5], bounds=(np.full(2, 0.5), np.full(2, 0.5)))).negative


def test_negative_curvature_promises_everything_and_none_nothing():
    saddle = promise_of(at(lambda x: x[0] ** 2 - x[1] ** 2, [1.0, 1.0]))
    assert saddle.decrement == np.inf and saddle.negative and saddle.least == -1.0
    assert abs(saddle.direction[1]) > 1e6 * abs(saddle.direction[0])
    assert saddle.lower == pytest.approx(2.0)  # as if both curvatures were positive
    flat = promise_of(at(lambda x: anp.sum(x**2), [0.0, 0.0]))
    assert flat.decrement == 0.0 and not flat.negative and flat.flat is None
    slope = promise_of(at(lambda x: x[0] + 0 * x[1], [1.0, 1.0]))  # a slope without curvature
    assert slope.decrement == np.inf and slope.zero and not slope.negative


def test_directions_without_curvature_are_named():
    promise = promise_of(at(lambda x: (x[0] + x[1] - 1) ** 2 + x[2] ** 2, [0.5, 0.5, 0.0]))
    assert promise.decrement == 0 and promise.flat.shape == (1, 3)
    u = promise.flat[0] / np.linalg.norm(promise.flat[0])
    np.testing.assert_allclose(np.abs(u), [np.sqrt(0.5), np.sqrt(0.5), 0], atol=1e-8)
    everywhere = promise_of(at(lambda x: anp.sum(x**4), np.zeros(5)))
    assert everywhere.zero and everywhere.decrement == 0 and len(everywhere.flat) == decrement.FLATTEST


def test_a_zero_on_the_diagonal_does_not_hide_a_saddle():
    """x y + 1e10 y^2 has negative curvature of 1e-10 of the largest entry, but not beside its own scale."""
    H = np.array([[0.0, 1.0], [1.0, 2e10]])
    D = scale_of(H)
    assert np.linalg.eigvalsh(H / D[:, None] / D)[0] < -0.1
    assert promise_of(at(lambda x: x[0] * x[1] + 1e10 * x[1] ** 2, [0.0, 0.0])).negative
    assert np.array_equal(scale_of(np.zeros((2, 2))), [1, 1])


def test_conjugate_gradients_bound_it_from_below():
    rng = np.random.default_rng(3)
    for condition in (1e1, 1e6):
        n = 40
        Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
        H = (Q * np.logspace(0, -np.log10(condition), n)) @ Q.T
        g = rng.standard_normal(n)
        exact = g @ np.linalg.solve(H, g) / 2
        bound, step, done = by_conjugate_gradients(lambda v, H=H: H @ v, g)
        # convergence is inferred from the last steps, which may pause where the condition is bad
        assert 0.4 * exact < bound <= exact * (1 + 1e-6) and done
        assert condition > 10 or np.linalg.norm(H @ step - g) < 0.1 * np.linalg.norm(g)
        early, _, done = by_conjugate_gradients(lambda v, H=H: H @ v, g, enough=exact / 100)
        assert exact / 100 < early < exact and not done
        few, _, done = by_conjugate_gradients(lambda v, H=H: H @ v, g, products=2)
        assert few < bound and not done
    assert by_conjugate_gradients(lambda v: -v, np.ones(3))[0] == np.inf
    assert by_conjugate_gradients(lambda v: v, np.zeros(3))[0] == 0.0


@pytest.mark.parametrize("size", [1e-170, 1e170])
def test_squares_of_the_gradient_neither_vanish_nor_overflow(size):
    """P = g^2 / (2 h) with h as large as g."""
    bound, _, done = by_conjugate_gradients(lambda v: size * v, size * np.ones(4))
    assert done and bound == pytest.approx(2 * size, rel=1e-12)


def test_lanczos_finds_the_sign_of_the_least_eigenvalue():
    rng = np.random.default_rng(5)
    n = 300
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    free = np.ones(n, dtype=bool)
    for least in (-0.05, 0.05):
        w = np.concatenate([[least], np.linspace(0.5, 1, n - 1)])
        kappa, v = by_lanczos(lambda v, w=w: Q @ (w * (Q.T @ v)), free, 60)
        assert kappa == pytest.approx(least, rel=1e-6)
        assert abs(v @ Q[:, 0]) == pytest.approx(1, rel=1e-6)
    assert np.isnan(by_lanczos(lambda v: np.full(n, np.nan), free, 60)[0])


def test_the_two_ways_agree(monkeypatch):
    fun = lambda x: anp.sum(anp.exp(0.1 * x) + (x - anp.arange(30.0)) ** 2)  # noqa: E731
    dense = promise_of(at(fun, np.ones(30)))
    monkeypatch.setattr(decrement, "DENSE", 2)
    monkeypatch.setattr(decrement, "SMALL", 2)
    products = promise_of(at(fun, np.ones(30)))
    assert products.decrement == pytest.approx(dense.decrement, rel=1e-6)
    np.testing.assert_allclose(products.step, dense.step, rtol=1e-3)
    # Lanczos' method does not scale by the diagonal; here that is almost constant
    assert products.least == pytest.approx(dense.least, rel=0.2)


def test_a_promise_that_is_too_large_costs_few_products():
    fun = lambda x: anp.sum((x - anp.arange(100.0)) ** 4)  # noqa: E731
    point = at(fun, np.zeros(100))
    promise = promise_of(point, enough=1.0)
    assert promise.lower > 1.0 and promise.decrement == np.inf and point.objective.nhvp == 1
    assert promise_of(point, enough=1.0) is promise and point.objective.nhvp == 1  # kept
    assert np.isfinite(promise_of(point).decrement)  # asked for more, it is found out
