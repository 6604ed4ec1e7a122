"""How runs of the methods that shrink their own steps end: unbounded, rounding or stalled, wrong `jac`."""

from __future__ import annotations

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
import scipy.optimize

import refopt
from refopt.function import FunctionObjective
from refopt.parts.line_search import nothing_left
from refopt.status import Status
from refopt.trust import fell_for_ever

FORMS = [refopt.HigherOrderNewton(order=order, trust_method=trust_method) for order in (1, 2, 3, 4)
         for trust_method in ("bounds", "proximal", "none", "regularized")]
METHODS = ["HigherOrderNewton", "InfinityNormTrustRegion", "CurveBall"]


def name(method):
    return method if isinstance(method, str) else f"{method.trust_method}-{method.order}"


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


@pytest.mark.parametrize("method", [*METHODS, *FORMS], ids=name)
@pytest.mark.parametrize("fun", [lambda x: x[0], lambda x: -x[0] ** 2], ids=["linear", "concave"])
def test_an_unbounded_function_is_no_success(method, fun):
    """Warnings are errors here, so norms that overflow would show."""
    result = refopt.minimize(fun, [3.0], method=method)
    assert result.status == Status.UNBOUNDED.number and result.fun < -1e30


@pytest.mark.parametrize("method", FORMS, ids=name)
def test_unbounded_in_float32(method):
    result = refopt.minimize(lambda x: x[0], np.array([3.0], dtype=np.float32), method=method)
    assert result.status == Status.UNBOUNDED.number and result.fun < -1e16


def test_long_steps_alone_are_not_unbounded():
    """f that stays positive, and a fall of f that is no more than its rounding error."""
    def point(f):
        answer = FunctionObjective(lambda x: x[0], np.array([f])).at(np.array([f]))
        assert answer.f == f
        return answer

    assert fell_for_ever(point(-1.0), point(-2.0), 1e140, False)
    assert fell_for_ever(point(-1.0), point(-2.0), 1.0, True)
    assert not fell_for_ever(point(-1.0), point(-2.0), 1.0, False)
    assert not fell_for_ever(point(2.0), point(1.0), 1e140, True)
    assert not fell_for_ever(point(-1.0), point(-1.0 - 1e-15), 1e140, True)


@pytest.mark.parametrize("method", [*METHODS, *FORMS], ids=name)
@pytest.mark.parametrize("fun, x0", [
    (lambda x: anp.where(x[0] < 1, anp.nan, 1) * (x[0] - 0.5) ** 2, [3.0]),
    (lambda x: anp.abs(x[0] - 0.3) + anp.abs(x[0] + x[1]) + x[1] ** 2, [1.0, 2.0]),
], ids=["nan beyond 1", "kinks"])
def test_a_point_that_is_not_stationary_is_no_success(method, fun, x0):
    """Steps shrunk by refusals promise little; that is no sign of a minimum."""
    result = refopt.minimize(fun, x0, method=method)
    assert not result.success and result.status in (Status.STALLED.number, Status.MAXITER.number)
    if getattr(method, "trust_method", "") != "none":  # which takes every finite trial
        assert result.status == Status.STALLED.number and "promise" in result.message


def test_the_promise_decides():
    assert nothing_left("", 1e-14, 1e-16).status is Status.ROUNDING
    assert nothing_left("", 1e-12, 1e-16).status is Status.STALLED


@pytest.mark.parametrize("order", [3, 4])
def test_a_jac_that_is_not_the_derivative_is_refused(order):
    right, method = autograd.grad(rosenbrock), refopt.HigherOrderNewton(order=order)
    for wrong in (lambda x: -right(x), lambda x: right(x) * [1 + 1e-5, 1]):
        with pytest.raises(ValueError, match="jac disagrees .* coordinate 0: .*check_derivatives"):
            refopt.minimize(rosenbrock, [-1.2, 1.0], jac=wrong, method=method)
        with pytest.raises(ValueError, match="jac disagrees"):
            refopt.minimize(lambda x, g=wrong: (rosenbrock(x), g(x)), [-1.2, 1.0], jac=True, method=method)


@pytest.mark.parametrize("x0", [[-1.2, 1.0], [1.0, 1 + 1e-9]])
def test_a_jac_by_finite_differences_is_accepted(x0):
    method = refopt.HigherOrderNewton(order=3)
    by_differences = lambda x: scipy.optimize.approx_fprime(x, rosenbrock)  # noqa: E731
    for jac in (autograd.grad(rosenbrock), by_differences):
        assert refopt.minimize(rosenbrock, x0, jac=jac, method=method, tol=1e-6).success
