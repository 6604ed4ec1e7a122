"""The Newton decrement, and claims of rounding that it proves or does not prove."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest

import refopt
from refopt import decrement
from refopt.decrement import by_conjugate_gradients, newton_decrement, proven
from refopt.function import FunctionObjective
from refopt.status import Status, Stop


def at(fun, x, **given):
    x = np.asarray(x, dtype=float)
    return FunctionObjective(fun, x, **given).at(x)


def test_it_is_the_fall_to_the_minimum_of_a_quadratic():
    """f(x) - min f, whatever the units of the variables."""
    A = np.array([[2.0, 1.0], [1.0, 3.0]])
    for scale in (1.0, 1e6):
        D = np.array([1.0, scale])
        point = at(lambda x, D=D: 5.0 + (D * x) @ A @ (D * x) / 2, [1.0, -2.0 / scale])
        assert newton_decrement(point) == pytest.approx(point.f - 5.0, rel=1e-12)


def test_bounds_take_variables_out():
    point = at(lambda x: x[0] ** 2 + 4 * x[1] + x[1] ** 2, [3.0, 0.0], bounds=(np.zeros(2), np.full(2, 9.0)))
    assert newton_decrement(point) == pytest.approx(9.0)
    point = at(lambda x: x[0] + x[1], [0.0, 0.0], bounds=(np.zeros(2), np.ones(2)))
    assert newton_decrement(point) == 0.0


def test_negative_curvature_promises_everything_and_none_nothing():
    assert newton_decrement(at(lambda x: x[0] ** 2 - x[1] ** 2, [1.0, 1.0])) == np.inf
    assert newton_decrement(at(lambda x: anp.sum(x**2), [0.0, 0.0])) == 0.0
    assert newton_decrement(at(lambda x: x[0] + 0 * x[1], [1.0, 1.0])) == np.inf  # a slope without curvature


def test_conjugate_gradients_bound_it_from_below():
    rng = np.random.default_rng(3)
    for condition in (1e1, 1e6):
        n = 40
        Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
        H = (Q * np.logspace(0, -np.log10(condition), n)) @ Q.T
        g = rng.standard_normal(n)
        exact = g @ np.linalg.solve(H, g) / 2
        bound = by_conjugate_gradients(lambda v, H=H: H @ v, g)
        assert 0.01 * exact < bound <= exact * (1 + 1e-6)
        assert condition > 10 or bound == pytest.approx(exact, rel=1e-8)
    assert by_conjugate_gradients(lambda v: -v, np.ones(3)) == np.inf


def test_the_two_ways_agree(monkeypatch):
    fun = lambda x: anp.sum(anp.exp(0.1 * x) + (x - anp.arange(6.0)) ** 2)  # noqa: E731
    dense = newton_decrement(at(fun, np.ones(6)))
    monkeypatch.setattr(decrement, "DENSE", 2)
    assert newton_decrement(at(fun, np.ones(6))) == pytest.approx(dense, rel=1e-8)


def test_a_claim_stands_only_with_its_proof():
    claim = Stop(Status.ROUNDING, 1e-20, 1e-16)
    flat = at(lambda x: 1.0 + anp.sum(x**2), [1e-9, 1e-9])
    steep = at(lambda x: 1.0 + anp.sum(x**2), [1e-3, 0.0])
    assert proven(claim, flat) is claim
    stop = proven(claim, steep)
    assert stop.status is Status.STALLED and "the Newton decrement is 1e-06" in stop.message
    other = Stop(Status.MAXITER, 3, 3)
    assert proven(other, steep) is other


def test_without_a_hessian_there_is_no_proof():
    fun = lambda x: float(np.sum(np.asarray(x) ** 2))  # noqa: E731
    point = at(fun, [1.0, 2.0], jac=lambda x: 2 * x, hess=lambda x: np.ones((3, 3)))
    stop = proven(Stop(Status.ROUNDING, 0.0, 0.0), point)
    assert stop.status is Status.STALLED and "could not be proven" in stop.message


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize(
    "fun",
    [
        lambda x: anp.max((x - 3) ** 2),
        lambda x: -anp.min(-((x - 3) ** 2)),
        lambda x: anp.maximum((x[0] - 3) ** 2, (x[1] - 3) ** 2),
        lambda x: anp.sort((x - 3) ** 2)[-1],
        lambda x: anp.sum(anp.where(x > 0, x, -x)) + anp.sum((x - 1) ** 2),
    ],
)
def test_no_success_at_a_kink_with_a_slope(fun, order):
    """Where elements tie, the model of higher order may have a gradient of zero; f has not."""
    result = refopt.minimize(fun, np.zeros(3), options={"order": order, "maxiter": 200})
    assert not result.success or np.abs(result.jac).max() <= 1e-5


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # fixed steps diverge here
@pytest.mark.parametrize("k", [1e3, 1e6, 1e9])
@pytest.mark.parametrize("name", [row.name for row in refopt.methods() if "gauss-newton" not in row.needs])
def test_units_that_hide_a_variable_are_no_success(name, k):
    """1 + (k u)^2 + (v - 1)^2 from (1, 0): a step that serves u alone promises nothing for v."""
    fun = lambda x: 1 + (k * x[0]) ** 2 + (x[1] - 1) ** 2  # noqa: E731
    result = refopt.minimize(fun, [1.0, 0.0], method=name, rng=1, options={"maxiter": 100})
    assert not result.success or abs(result.x[1] - 1) < 1e-3
