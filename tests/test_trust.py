"""How runs of the methods that shrink their own steps end: unbounded, rounding or stalled, wrong `jac`."""

from __future__ import annotations

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
import scipy.optimize

import refopt
from refopt.status import Status
from refopt.trust import Rule, falls_for_ever, interpolated_sigma

FORMS = [
    refopt.HigherOrderNewton(order=order, trust_method=trust_method)
    for order in (1, 2, 3, 4)
    for trust_method in ("bounds", "proximal", "none", "regularized")
]
METHODS = ["HigherOrderNewton", "InfinityNormTrustRegion", "CurveBall"]


def name(method):
    return method if isinstance(method, str) else f"{method.trust_method}-{method.order}"


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


@pytest.mark.parametrize("method", [*METHODS, *FORMS], ids=name)
@pytest.mark.parametrize("fun", [lambda x: x[0], lambda x: -(x[0] ** 2)], ids=["linear", "concave"])
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
    assert falls_for_ever(-1.0, -2.0, 1e140, False, float)
    assert falls_for_ever(-1.0, -2.0, 1.0, True, float)
    assert not falls_for_ever(-1.0, -2.0, 1.0, False, float)
    assert not falls_for_ever(2.0, 1.0, 1e140, True, float)
    assert not falls_for_ever(-1.0, -1.0 - 1e-15, 1e140, True, float)


@pytest.mark.parametrize("method", [*METHODS, *FORMS], ids=name)
@pytest.mark.parametrize(
    "fun, x0",
    [
        (lambda x: anp.where(x[0] < 1, anp.nan, 1) * (x[0] - 0.5) ** 2, [3.0]),
        (lambda x: anp.abs(x[0] - 0.3) + anp.abs(x[0] + x[1]) + x[1] ** 2, [1.0, 2.0]),
    ],
    ids=["nan beyond 1", "kinks"],
)
def test_a_point_that_is_not_stationary_is_no_success(method, fun, x0):
    """Steps shrunk by refusals promise little; that is no sign of a minimum."""
    result = refopt.minimize(fun, x0, method=method)
    assert not result.success and result.status in (Status.STALLED.number, Status.MAXITER.number)
    if getattr(method, "trust_method", "") != "none":  # which takes every finite trial
        assert result.status == Status.STALLED.number and "predicted change up to" in result.message


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
        # forward differences have an error of 6e-6 at the minimum, so |g| cannot be smaller
        assert refopt.minimize(rosenbrock, x0, jac=jac, method=method, tol=1e-5).success


# ---------------------------------------------------------------- how a region answers


def rule(**changes):
    return Rule(
        **{
            **dict(kind="radius", first=1.0, eta=0.0, nplus=3.5, nminus=0.25, rho_good=0.99, rho_bad=1e-4),
            **changes,
        }
    )


def test_radius():
    assert rule().next_scale(1.0, 0.5, 1e-5, 0.0) == 0.125
    assert rule().next_scale(1.0, 0.5, -np.inf, 0.0) == 0.125
    assert rule().next_scale(1.0, 0.5, np.nan, 0.0) == 1.0  # nothing is known: nothing changes
    assert rule().next_scale(1.0, 0.5, 0.5, 0.0) == 1.0
    assert rule().next_scale(1.0, 0.5, 0.995, 0.0) == 1.75
    assert rule().next_scale(1.0, 0.1, 0.995, 0.0) == 1.0
    assert rule(boundary_tol=0.1).next_scale(1.0, 0.95, 0.995, 0.0) == pytest.approx(3.325)
    assert rule(boundary_tol=0.1).next_scale(1.0, 0.5, 0.995, 0.0) == 1.0


def test_proximal_radius_is_multiplied():
    assert [rule(kind="proximal").next_scale(2.0, 0.1, rho, 0.0) for rho in (-1.0, 0.5, 1.0)] == [
        0.5,
        2.0,
        7.0,
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_limits_of_the_scale(dtype):
    info = np.finfo(dtype)
    assert rule().beyond(1.0, dtype) == (False, False)
    assert rule().beyond(float(info.tiny), dtype) == (True, False)
    assert rule().beyond(float(info.max), dtype) == (False, True)
    assert rule(kind="sigma").beyond(1e200, dtype) == (True, False)  # a large sigma is a small region


def test_a_step_whose_power_underflows_moves_sigma_by_its_greatest_factor():
    assert interpolated_sigma(1.0, 4, 1e-100, 1e-3, True, False, 2.0, 0.5) == 16.0
    assert interpolated_sigma(1.0, 4, 1e-100, 0.0, False, True, 2.0, 0.5) == 1.0
