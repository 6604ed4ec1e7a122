"""Definitions of ScipyNewtonCG and NewtonSolver: a solution outside its tolerance is a violation."""

import numpy as np
import pytest

from refopt import LR, NewtonSolver, ScipyNewtonCG
from refopt.function import FunctionObjective
from refopt.oracle import exact
from refopt.oracle.exact.linear_systems import checked_solution, next_eta
from refopt.oracle.exact.precise import Arithmetic, plain
from refopt.solvers.forcing import eisenstat_walker

A = np.array([[2.0, 0.5], [0.5, 1.0]])


def run(method, error):
    point = FunctionObjective(lambda x: 0.5 * x @ A @ x, np.ones(2)).at(np.array([1.0, -2.0]))
    update, state = method.step(point, point.g, method.init(point.x))
    answer = update, state._replace(d=state.d * (1 + error))
    return exact.run(method, point, point.g, method.init(point.x), Arithmetic(), answer)[0]


@pytest.mark.parametrize(
    "method", [ScipyNewtonCG("cg", kwargs={"rtol": 1e-3}), NewtonSolver(LR(0.1), tol=1e-6, maxiter=500)]
)
def test_within_the_tolerance_the_solution_is_the_methods_own(method):
    assert plain(run(method, 1e-5)) == pytest.approx([1.0, -2.0], rel=2e-3)
    with pytest.raises(exact.Violation, match=r"\|A d - u\| / \|u\| = .* is above"):
        run(method, 0.1)


def test_a_solution_to_rounding_is_held_against_the_exact_one():
    A_, u = Arithmetic().array(A), Arithmetic().array(np.array([1.0, -2.0]))
    right = checked_solution(A_, u, None, None)
    near = right * (1 + np.longdouble(1e-16))
    assert list(checked_solution(A_, u, near, 1e-9)) == list(right)
    loose = right * (1 + np.longdouble(1e-12))
    assert checked_solution(A_, u, loose, 1e-9) is loose


def test_the_forcing_term_is_that_of_the_paper():
    for eta, now, before in ((0.5, 0.1, 1.0), (0.5, 1.0, 1.0), (0.1, 0.5, 1.0)):
        assert min(next_eta(eta, now, before), 0.9) == pytest.approx(
            eisenstat_walker(eta, now, before), rel=1e-15
        )
