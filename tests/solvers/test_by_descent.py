"""Minimising a linear system by our methods and by SciPy: outcomes, and where each run begins."""

from __future__ import annotations

import numpy as np
import pytest

import refopt
from refopt.solvers.by_descent import SCIPY_METHODS, beginning, by_method, by_scipy
from refopt.status import Status, Stop
from refopt.views.linear_system import KINDS, LinearSystem

A = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 0.5], [0.0, 0.5, 2.0]])
U = np.array([1.0, -2.0, 0.5])
SOLUTION = np.linalg.solve(A, U)


def system(kind="residual", matrix=A):
    return LinearSystem(lambda v: matrix @ v, U, kind)


def run(method, kind="residual", d=None, maxiter=100, tol=None, matrix=A):
    d = np.zeros(3) if d is None else d
    return by_method(method, system(kind, matrix), d, method.init(d), maxiter, tol)


@pytest.mark.parametrize("kind", KINDS)
def test_newton_needs_one_iteration_of_either_form(kind):
    answer = run(refopt.Newton(), kind, maxiter=1)
    assert answer.iterations == 1 and np.allclose(answer.d, SOLUTION, rtol=1e-12)
    assert answer.outcome == "iterations"  # the limit came before the loss was looked at again


def test_outcomes_of_our_own_methods():
    descent = refopt.LR(0.05)
    assert run(descent, tol=1e-6).outcome == "converged"
    short = run(descent, maxiter=3, tol=1e-30)
    assert (short.outcome, short.iterations) == ("iterations", 3) and 0 < short.fall < 1
    wild = run(refopt.chain(refopt.LR(1e3)), maxiter=1000)
    assert wild.outcome == "diverged" and np.all(np.isfinite(wild.d))


class GivesUp(refopt.Method):
    """One step of descent, then the end of a run with this status."""

    def __init__(self, status):
        object.__setattr__(self, "status", status)

    def step(self, point, update, state):
        if state:
            raise Stop(self.status, reason="no more")
        return 0.05 * update, ("stepped",)


def test_a_solver_that_sees_no_progress_stops_and_a_limit_of_the_run_goes_on_to_the_driver():
    answer = run(GivesUp(Status.STALLED))
    assert (answer.outcome, answer.iterations) == ("stopped", 1) and answer.fall < 1
    with pytest.raises(Stop) as stop:
        run(GivesUp(Status.MAXFEV))
    assert stop.value.status is Status.MAXFEV


def test_the_state_of_a_method_is_handed_back():
    method = refopt.chain(refopt.HeavyBall(0.5), refopt.LR(0.1))
    answer = run(method, maxiter=2)
    assert np.any(answer.state.states[0].v != 0)


def test_a_start_whose_loss_is_not_finite_is_replaced_by_zero():
    point, loss = beginning(system(), np.full(3, 1e200))
    assert np.array_equal(point.x, np.zeros(3)) and loss == pytest.approx(U @ U / 3)
    point, loss = beginning(system(), SOLUTION)
    assert np.array_equal(point.x, SOLUTION) and loss < 1e-30


@pytest.mark.parametrize("name", SCIPY_METHODS)
def test_scipys_methods_reach_the_tolerance(name):
    answer = by_scipy(name, system("energy"), np.zeros(3), 2000, 1e-4)
    assert answer.outcome == "converged" and answer.fall <= 1e-4
    assert np.linalg.norm(A @ answer.d - U) <= 1.001e-2 * np.linalg.norm(U)


def test_scipy_works_in_variables_of_the_scale_of_the_right_side():
    """Twice the right side gives twice the answer, to the bit; a zero one nothing to do."""
    one = by_scipy("BFGS", system(), np.zeros(3), 5, None)
    two = by_scipy("BFGS", LinearSystem(lambda v: A @ v, 2 * U, "residual"), np.zeros(3), 5, None)
    assert np.array_equal(2 * one.d, two.d)
    assert not by_scipy("BFGS", LinearSystem(lambda v: A @ v, 0 * U, "residual"), U, 5, None).d.any()


def test_a_callable_must_return_a_vector_of_the_right_length():
    with pytest.raises(
        ValueError, match=r"must return an array of shape \(3,\) or an OptimizeResult .* got shape \(2,\)"
    ):
        by_scipy(lambda fun, x0, **rest: np.ones(2), system(), np.zeros(3), 5, None)
