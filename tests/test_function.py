"""The user's function: where its derivatives come from, what it may do and return, how calls are counted."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import aslinearoperator

import refopt
from refopt import minimize
from refopt.function import FunctionObjective

X = np.array([0.3, -0.7, 1.1])
V = np.array([1.0, -2.0, 0.5])


def fun(x):
    return anp.sum(anp.exp(x[:-1] * x[1:])) + anp.sin(x[0]) * x[2] ** 3


def exact(x):
    """Gradient and Hessian by hand."""
    a, b, c = x
    p, q = np.exp(a * b), np.exp(b * c)
    g = np.array([b * p + np.cos(a) * c**3, a * p + c * q, b * q + 3 * np.sin(a) * c**2])
    H = np.array(
        [
            [b * b * p - np.sin(a) * c**3, p + a * b * p, 3 * np.cos(a) * c**2],
            [p + a * b * p, a * a * p + c * c * q, q + b * c * q],
            [3 * np.cos(a) * c**2, q + b * c * q, b * b * q + 6 * np.sin(a) * c],
        ]
    )
    return g, H


def at(x=X, **given):
    return FunctionObjective(fun, x, **given).at(x)


def test_derivatives_agree_with_the_hand_calculation():
    g, H = exact(X)
    point = at()
    eps = np.finfo(float).eps
    assert np.allclose(point.g, g, rtol=8 * eps, atol=0)  # a handful of operations each
    assert np.allclose(point.hess, H, rtol=16 * eps, atol=4 * eps)
    assert np.allclose(point.hvp(V), H @ V, rtol=32 * eps, atol=0)


@pytest.mark.parametrize("method, h, error", [("fd_forward", 1e-6, 1e-4), ("fd_central", 1e-4, 1e-6)])
def test_finite_difference_products(method, h, error):
    H = exact(X)[1]
    assert np.allclose(at().hvp(V, method, h), H @ V, rtol=error)  # O(h), O(h^2) plus rounding eps/h
    assert not np.any(at().hvp(np.zeros(3), method, h))
    # The step does not scale with v
    assert np.allclose(at().hvp(1e6 * V, method, h), 1e6 * H @ V, rtol=error)


def test_the_order_of_the_differences():
    H = exact(X)[1]
    for method, order in [("fd_forward", 1), ("fd_central", 2)]:
        errors = [np.linalg.norm(at().hvp(V, method, h) - H @ V) for h in (1e-2, 1e-3)]
        assert abs(np.log10(errors[0] / errors[1]) - order) < 0.1


def test_unknown_product_method():
    with pytest.raises(
        ValueError, match="hvp method must be one of 'autograd', 'fd_forward', 'fd_central', got 'fd'"
    ):
        at().hvp(V, "fd")


def test_products_share_one_trace():
    point = at()
    for _ in range(5):
        point.hvp(V)
    assert (point.objective.nfev, point.objective.nhvp) == (1, 5)


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array, aslinearoperator])
def test_the_users_hessian_serves_products(form):
    H = exact(X)[1]
    point = at(hess=lambda x: form(exact(x)[1]))
    assert np.allclose(point.hvp(V), H @ V) and np.allclose(point.dense_hessian(), H)
    assert (point.objective.nfev, point.objective.nhev, point.objective.nhvp) == (0, 1, 0)


def test_the_users_hessp_is_used_and_counted():
    point = at(hessp=lambda x, v: exact(x)[1] @ v)
    assert np.allclose(point.hvp(V), exact(X)[1] @ V) and point.objective.nhvp == 1
    assert np.allclose(point.hess, exact(X)[1]) and point.objective.nhvp == 4 and point.objective.nhev == 0


def test_float32_stays_float32():
    point = at(X.astype(np.float32))
    assert point.g.dtype == point.hess.dtype == point.hvp(V.astype(np.float32)).dtype == np.float32


def test_a_function_that_ignores_x_has_zero_derivatives():
    point = FunctionObjective(lambda x: 3.0, X).at(X)
    assert point.f == 3.0 and not point.g.any() and not point.hess.any()


def test_a_linear_function_has_a_zero_hessian():
    point = FunctionObjective(lambda x: anp.sum(2 * x), X).at(X)
    assert np.array_equal(point.g, [2, 2, 2]) and not point.hess.any() and not point.hvp(V).any()


def test_one_element_results_are_numbers():
    point = FunctionObjective(lambda x: anp.sum(x**2).reshape(1), X).at(X)
    assert isinstance(point.f, float) and np.allclose(point.g, 2 * X)


# ---------------------------------------------------------------- what the user's functions may do and return

START = np.array([-1.2, 1.0])


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def quadratic(x):
    return anp.sum(anp.array([1.0, 10.0]) * (x - 1) ** 2)


def test_the_function_may_scribble_on_its_argument():
    def fun(x):
        value = rosenbrock(x)
        x[:] = 77
        return value

    def jac(x):
        g = refopt.derivatives.gradient(rosenbrock, x)
        x[:] = 77
        return g

    clean = minimize(
        rosenbrock, START, method="LBFGS", jac=lambda x: refopt.derivatives.gradient(rosenbrock, x)
    )
    result = minimize(fun, START, method="LBFGS", jac=jac)
    assert result.success and np.array_equal(result.x, clean.x)


def test_a_gradient_that_is_the_users_own_array_is_left_alone():
    c = np.array([3.0, 4.0])
    buffer = np.zeros(2)

    def jac(x):
        buffer[:] = 2 * x  # the same array every time
        return buffer

    result = minimize(
        lambda x: anp.dot(c, x) + anp.dot(x, x), START, method=refopt.LR(0.1), options={"maxiter": 3}
    )
    assert result.nit == 3
    c[0] = 5.0  # still writable
    result = minimize(lambda x: np.dot(x, x), START, method="LBFGS", jac=jac)
    assert result.success
    buffer[0] = 1.0


def test_args_reach_every_function():
    seen = set()

    def note(name, value):
        seen.add(name)
        return value

    a = 3.0
    result = minimize(
        lambda x, a: note("fun", np.sum((x - a) ** 2)),
        START,
        args=(a,),
        method="Newton",
        jac=lambda x, a: note("jac", 2 * (x - a)),
        hess=lambda x, a: note("hess", 2 * np.eye(2)),
    )
    assert result.success and np.allclose(result.x, a) and seen == {"fun", "jac", "hess"}
    assert minimize(lambda x, a: anp.sum((x - a) ** 2), START, args=a, method="Newton").success


def sphere(x):
    return (x**2).sum()


@pytest.mark.parametrize(
    "answer, error, words",
    [
        (
            lambda x: x * 2,
            ValueError,
            r"fun must return one number, got an array of shape \(2,\).*LeastSquares",
        ),
        (lambda x: None, TypeError, "fun returned None; it must return one real number"),
        (lambda x: complex(1, 2), TypeError, "fun returned a complex value"),
        (lambda x: "high", (TypeError, ValueError), "fun must return one real number, got 'high'"),
    ],
)
@pytest.mark.parametrize("derivatives", ["autograd", "jac"])
def test_fun_returning_something_else(answer, error, words, derivatives):
    jac = (lambda x: 2 * x) if derivatives == "jac" else None
    with pytest.raises(error, match=words):
        minimize(answer, START, method="LR", jac=jac)


def test_jac_true_without_a_gradient():
    with pytest.raises(TypeError, match=r"with jac=True fun must return \(value, gradient\), got .*5.0"):
        minimize(sphere, [1.0, 2.0], method="LR", jac=True)


@pytest.mark.parametrize(
    "jac, error, words",
    [
        (
            lambda x: np.ones(3),
            ValueError,
            r"jac must return an array of shape \(2,\), got an array of shape \(3,\)",
        ),
        (lambda x: np.ones(2) * 1j, TypeError, "jac must return real numbers"),
        (
            "4-point",
            ValueError,
            "jac='4-point' is not available: give .*, '2-point', '3-point', 'cs' for finite",
        ),
        (7, TypeError, "jac must be a function, True .* or None, got 7"),
    ],
)
def test_bad_jac(jac, error, words):
    with pytest.raises(error, match=words):
        minimize(sphere, START, method="LR", jac=jac)


@pytest.mark.parametrize(
    "hess, error, words",
    [
        (
            lambda x: np.array([[2.0, 1.0], [0.0, 2.0]]),
            ValueError,
            r"hess must be symmetric, but entry \[0, 1\] = 1 and \[1, 0\] = 0",
        ),
        (
            lambda x: scipy.sparse.csr_array(np.array([[2.0, 1.0], [0.0, 2.0]])),
            ValueError,
            "hess must be symmetric",
        ),
        (lambda x: np.eye(3), ValueError, r"hess must return shape \(2, 2\), got shape \(3, 3\)"),
        (np.eye(2), TypeError, "hess must be a function or None"),
    ],
)
def test_bad_hess(hess, error, words):
    with pytest.raises(error, match=words):
        minimize(sphere, START, method="Newton", hess=hess)


@pytest.mark.parametrize(
    "hess",
    [
        lambda x: 2 * np.eye(2),
        lambda x: scipy.sparse.csr_array(2 * np.eye(2)),
        lambda x: aslinearoperator(2 * np.eye(2)),
    ],
)
def test_every_form_of_hess_is_used(hess):
    result = minimize(sphere, START, method="Newton", jac=lambda x: 2 * x, hess=hess)
    assert result.success and result.nit == 1 and result.nhev == 2  # at the start, and where the run ends


def test_bad_hessp():
    with pytest.raises(ValueError, match=r"hessp must return an array of shape \(2,\)"):
        minimize(sphere, START, method="Newton", hessp=lambda x, v: np.ones(3))


# ---------------------------------------------------------------- counting by hand


def test_one_trace_serves_value_and_gradient():
    result = minimize(quadratic, START, method=refopt.LR(0.01), options={"maxiter": 5})
    assert (result.nfev, result.njev, result.nhev, result.nhvp) == (7, 6, 0, 0)  # one plain call at x0


def test_tensors_in_bad_units_are_computed_twice_once():
    """The lengths of directions that fit are kept for the next points."""
    s = np.array([1e6, 1e-6, 1.0])
    bad = FunctionObjective(lambda z: fun(z / s), X * s)
    well = FunctionObjective(fun, X)
    for k, calls in ((0, 2), (1, 1), (2, 1)):
        before = bad.nfev, bad.ntaylor
        ours = bad.at((X + 0.1 * k) * s)
        ours.f, ours.g  # noqa: B018
        first = bad.nfev - before[0]
        tensors = ours.tensors(3)
        expected = well.at(X + 0.1 * k).tensors(3)
        assert bad.ntaylor - before[1] == bad.nfev - before[0] - first == calls * per_tensors(well)
        T = tensors[3] * s * s[:, None] * s[:, None, None]
        np.testing.assert_allclose(T, expected[3], rtol=1e-9, atol=1e-10 * np.abs(expected[3]).max())


def per_tensors(objective):
    """Calls of the function for all derivatives at one point in good units."""
    before = objective.ntaylor
    objective.at(np.random.default_rng(before).standard_normal(3)).tensors(3)
    return objective.ntaylor - before


def test_newton_counts():
    result = minimize(quadratic, [-1.2, 3.0], method="Newton")
    # Two points, a Hessian trace at each, one plain call at x0, three that see why the gradient is exactly 0
    assert (result.nit, result.nfev, result.njev, result.nhev) == (1, 8, 2, 2)


def test_jac_true_costs_one_call_a_point():
    result = minimize(
        lambda x: (np.sum(x**2), 2 * x), START, method=refopt.LR(0.1), jac=True, options={"maxiter": 4}
    )
    assert (result.nfev, result.njev) == (5, 5)
