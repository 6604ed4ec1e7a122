"""Reverse mode: values, gradients and products; what autograd cannot follow is refused, with the cause."""

from __future__ import annotations

import math

import autograd.numpy as anp
import numpy as np
import pytest
import scipy.special
from autograd.core import vspace
from autograd.numpy.numpy_vjps import untake
from autograd.tracer import getval, trace_stack

import refopt
from refopt.derivatives import TraceError, gradient, hessian, hvp, reverse, value_and_gradient
from refopt.derivatives.reverse import is_basic, put, take


def by_math(x):
    return math.exp(x[0]) + x[1] ** 2


def by_float(x):
    return float(x[0]) ** 2


def by_assignment(x):
    y = np.zeros(2)
    y[0] = x[0]
    return y.sum()


def by_assignment_into_x(x):
    x[0] = 3.0
    return x.sum()


def by_plain_scipy(x):
    return scipy.special.erfcx(x).sum()


def by_plain_qr(x):
    return np.sum(np.linalg.qr(np.outer(x, x)).R)


@pytest.mark.parametrize(
    "fun, line, cause",
    [
        (by_math, "math.exp", "write `np.exp` from autograd.numpy"),
        (by_float, "float", "asks for a plain number"),
        (by_assignment, r"y\[0\] = x\[0\]", "assignment into an array cannot be differentiated"),
        (by_assignment_into_x, r"x\[0\] = 3.0", "assignment into an array cannot be differentiated"),
        (by_plain_scipy, "scipy.special.erfcx", "`scipy.special.erfcx` has no derivative rule"),
        (by_plain_qr, "np.linalg.qr", "`np.linalg.qr` has no derivative rule"),
    ],
)
def test_the_likely_cause_is_named(fun, line, cause):
    message = f"cannot differentiate {fun.__name__}.*test_reverse.py: .*{line}.*{cause}.*jac="
    with pytest.raises(TraceError, match=message):
        refopt.minimize(fun, [1.0, 2.0], method="LBFGS")


@pytest.mark.parametrize("fun", [by_math, by_assignment, by_plain_scipy])
def test_the_advice_works(fun):
    result = refopt.minimize(
        fun,
        [0.5, 0.5],
        method="LBFGS",
        options={"maxiter": 3},
        jac=lambda x: scipy.optimize.approx_fprime(x, fun),
    )
    assert np.isfinite(result.fun)


def test_an_error_of_the_function_itself_is_handed_on_unchanged():
    def fun(x):
        raise ValueError("negative concentration")

    with pytest.raises(ValueError, match="^negative concentration$") as caught:
        refopt.minimize(fun, [1.0], method="LBFGS")
    assert type(caught.value) is ValueError


def test_the_tracer_is_left_as_it_was():
    level = trace_stack.top
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            gradient(lambda x: 1 / 0, np.ones(2))
    assert trace_stack.top == level


def test_a_vector_is_no_scalar():
    with pytest.raises(ValueError, match="fun must return one number"):
        value_and_gradient(lambda x: 2 * x, np.ones(2))


def test_derivatives_nest():
    """The Hessian of a function that is itself a gradient component, against the hand calculation."""
    inner = lambda x: gradient(lambda y: anp.sum(y**4), x)[0]  # noqa: E731   4 x0^3
    x = np.array([2.0, 5.0])
    assert np.array_equal(gradient(inner, x), [48, 0])
    assert np.array_equal(hessian(inner, x), [[48, 0], [0, 0]])
    assert np.array_equal(hvp(inner, x, np.array([2.0, 1.0])), [96, 0])


# ---------------------------------------------------------------- value, gradient and products from one call


def test_trace_twice_gives_what_two_traces_give():
    calls = []

    def fun(x):
        calls.append(0)
        return anp.sum(anp.sin(x) * x[::-1] ** 2) + anp.dot(x, x) ** 2

    x, v = np.array([0.3, -1.2, 0.8]), np.array([1.0, 2.0, -0.5])
    value, derivatives = reverse.trace_twice(fun, x)
    g, product = derivatives()
    assert len(calls) == 1
    assert value == fun(x) and np.allclose(g, reverse.gradient(fun, x), rtol=1e-14)
    assert np.allclose(product(v), reverse.hvp(fun, x, v), rtol=1e-13)
    assert not np.allclose(product(v), reverse.hvp(fun, x, 1.001 * v), rtol=1e-13)


def test_trace_twice_of_linear_and_constant_functions():
    x = np.array([1.0, 2.0])
    for fun, slope in ((lambda x: 3 * x[0] - x[1], [3.0, -1.0]), (lambda x: 5.0, [0.0, 0.0])):
        value, derivatives = reverse.trace_twice(fun, x)
        g, product = derivatives()
        assert value == 5.0 if not any(slope) else value == 1.0
        assert np.array_equal(g, slope) and np.array_equal(product(x), [0.0, 0.0])


def test_trace_twice_leaves_the_tracer_as_it_was_when_fun_raises():
    def fails(x):
        raise RuntimeError("inside")

    before = trace_stack.top
    for _ in range(2):
        try:
            reverse.trace_twice(fails, np.ones(2))
        except RuntimeError:
            pass
        assert trace_stack.top == before


class Caching:
    """A function that returns what it has stored for the last x."""

    def __init__(self):
        self.x, self.f = None, None

    def __call__(self, x):
        plain = np.array(getval(x))
        if self.x is None or not np.array_equal(plain, self.x):
            self.x, self.f = plain, anp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
        return self.f


@pytest.mark.parametrize("method", ["Newton", "HigherOrderNewton", "NewtonNewton"])
def test_a_function_that_caches_is_refused_where_it_hides_x(method):
    with pytest.raises(TraceError, match="returned a stored value|depends on x, but the tracer .* a cache"):
        refopt.minimize(Caching(), [-1.2, 1.0], method=method)


@pytest.mark.parametrize("value", [1, True, 2.5])
@pytest.mark.parametrize("method", ["LBFGS", "Newton", "HigherOrderNewton"])
def test_a_constant_ends_at_once(method, value):
    """Without success: nothing shows that a plateau is a minimum. With a `tol` it is what was asked for."""
    result = refopt.minimize(lambda x: value, [3.0], method=method)
    assert result.status == refopt.Status.FLAT.number and result.nit == 0 and result.fun == value


@pytest.mark.parametrize("method", ["LBFGS", "Newton", "HigherOrderNewton", "NewtonNewton"])
def test_a_value_of_shape_one_is_a_number(method):
    assert refopt.minimize(lambda x: (x - 1) ** 2, [3.0], method=method).success


# ---------------------------------------------------------------- indexing


INDEXES = [
    slice(None, None, 2),
    slice(3, 0, -1),
    2,
    (slice(1, 4), None),
    [0, 2, 2, 4],
    np.array([1, 1, 0]),
    np.array([True, False, True, False, True]),
    (Ellipsis, 1),
    slice(2, 2),
]


@pytest.mark.parametrize("index", INDEXES, ids=str)
def test_gradient_of_indexing_adds_up_what_is_taken_twice(index):
    x, weights = np.arange(1.0, 6.0), np.arange(5.0)[index] + 2.0
    taken = np.zeros(5)
    np.add.at(taken, index, weights * 2 * x[index])
    fun = lambda x: anp.sum(weights * x[index] ** 2)  # noqa: E731
    assert np.array_equal(gradient(fun, x), taken)
    second = np.zeros(5)
    np.add.at(second, index, weights * 2)
    assert np.array_equal(hessian(fun, x), np.diag(second))


@pytest.mark.parametrize("index", INDEXES, ids=str)
def test_the_adjoint_has_the_bits_of_autograds_own(index):
    x = np.random.default_rng(0).standard_normal(5)
    values = 0.1 + np.random.default_rng(1).standard_normal(np.shape(x[index]))
    ours, autograds = (f(values, index, vspace(x)).mut_add(np.zeros(5)) for f in (put, untake))
    assert np.array_equal(ours, autograds)
    assert np.array_equal(take(x, index), x[index])


def test_basic_indexes():
    assert all(map(is_basic, [0, slice(2), (Ellipsis, 1), (None, np.int64(3)), ()]))
    assert not any(map(is_basic, [[0], True, (0, [1]), np.array([1]), (slice(2), np.array([True]))]))
