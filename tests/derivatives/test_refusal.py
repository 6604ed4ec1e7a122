"""Whose fault an exception in a traced call is, and what a function hides from the tracer."""

from __future__ import annotations

import functools

import autograd.numpy as anp
import numpy as np
import pytest
from autograd.tracer import getval
from functions import square_with_the_rule

from refopt.derivatives import TraceError, gradient, hvp, refusal, taylor
from refopt.derivatives.refusal import (
    blamed,
    cause_of,
    distance,
    hides_argument,
    own_error,
    plain,
    suspicious,
    swallowed,
)
from refopt.derivatives.reverse import trace

X = np.array([0.5, -1.5])


def in_place(x):
    r = np.zeros(2)
    r[0] = x[0] * 2
    return r @ r


# ---------------------------------------------------------------- an exception in a traced call


def test_a_plain_call_that_works_makes_it_a_trace_error_with_the_line():
    with pytest.raises(TraceError) as caught:
        gradient(in_place, X)
    text = str(caught.value)
    assert "a call with a plain array works" in text and "r[0] = x[0] * 2" in text and "jac='3-point'" in text
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize(
    "error", [ValueError, TypeError, ZeroDivisionError, RuntimeError, AttributeError, KeyError]
)
def test_the_users_own_exception_is_left_as_it_is(error):
    mine = error("autograd ArrayBox setting an array element with a sequence")

    def fun(x):
        raise mine

    with pytest.raises(error) as caught:
        gradient(fun, X)
    assert caught.value is mine


def test_an_exception_that_only_traced_calls_raise_is_not_the_users_own_whatever_its_class():
    class Refused(RuntimeError):
        pass

    def fun(x):
        if not isinstance(x, np.ndarray):
            raise Refused("plain arrays only")
        return float(x @ x)

    with pytest.raises(TraceError, match="it raises Refused.*plain arrays only"):
        gradient(fun, X)


def test_an_exception_of_one_call_alone_is_the_users_own():
    """A simulation that fails now and then: the traced call works when it is repeated."""
    calls = []

    def fun(x):
        calls.append(0)
        if len(calls) == 1:
            raise OSError("the licence server did not answer")
        return anp.sum(x**2)

    with pytest.raises(OSError, match="licence"):
        gradient(fun, X)
    assert len(calls) == 3  # the failing one, a plain one, a traced one


def test_own_error_by_hand():
    def always(x):
        raise ValueError

    assert own_error(ValueError(), always, X, lambda: None)
    assert own_error(ValueError(), lambda x: 1.0, X, lambda: None)
    assert not own_error(ValueError(), lambda x: 1.0, X, lambda: always(X))


def test_a_rule_that_fails_backwards_is_named():
    with square_with_the_rule(lambda ans, x: lambda g: [] @ g) as square:
        with pytest.raises(TraceError, match="the rule for the derivative of one of its calls raised"):
            gradient(lambda x: anp.sum(square(x)), X)


# ---------------------------------------------------------------- values that hide x


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: float(np.sum(getval(x) ** 2)),
        functools.partial(lambda x, a: a * float(getval(x)[0]), a=2.0),
        lambda x: np.exp(getval(x)[1]),
    ],
)
def test_a_lost_dependence_is_never_a_zero_gradient(fun):
    with pytest.raises(TraceError, match="depends on x, but the tracer did not see how"):
        gradient(fun, X)
    with pytest.raises(TraceError, match="depends on x"):
        taylor(fun, X, np.ones(2), 2)


def test_a_lost_second_derivative_is_never_a_zero_hessian():
    """The first derivative is right, but cut off from the tracer."""
    with square_with_the_rule(lambda ans, x: lambda g: g * 2 * np.array(plain(x))) as square:
        fun = lambda x: anp.sum(square(x))  # noqa: E731
        assert np.array_equal(gradient(fun, X), 2 * X)
        with pytest.raises(TraceError):
            hvp(fun, X, np.ones(2))
        with pytest.raises(TraceError, match="cannot be differentiated again"):
            taylor(fun, X, np.ones(2), 2)


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: 3.0,
        lambda x: anp.sum(anp.floor(x)),
        lambda x: anp.sum(anp.sign(x)),
        lambda x: 1.0 if x[0] > 0 else 2.0,
    ],
)
@pytest.mark.parametrize("x", [X, np.zeros(2), np.array([1.0, 2.0])])
def test_constants_and_steps_have_a_zero_gradient(fun, x):
    assert np.array_equal(gradient(fun, x), np.zeros(2))


@pytest.mark.parametrize("x", [X, np.zeros(2)])
def test_a_linear_or_piecewise_linear_function_has_a_zero_hessian(x):
    for fun in (lambda x: anp.sum(3 * x), lambda x: anp.sum(anp.abs(x)), lambda x: anp.max(x)):
        assert np.array_equal(hvp(fun, x, np.ones(2)), np.zeros(2))


def test_hides_argument_tells_a_slope_from_a_jump():
    assert hides_argument(lambda x: np.sum(x**2), X, np.sum(X**2))
    assert not hides_argument(lambda x: np.sum(np.sign(x)), np.zeros(2), 0.0)
    assert not hides_argument(lambda x: 1.0, X, 1.0)
    assert not hides_argument(lambda x: np.nan, X, 1.0)  # nothing is known there


def test_distance_by_hand():
    assert distance(lambda x: x[0], np.array([3.0]), np.array(1.0)) == 2.0
    assert np.isnan(distance(lambda x: 1 / 0, X, np.array(1.0)))
    assert np.isnan(distance(lambda x: np.ones(3), X, np.array(1.0)))


# ---------------------------------------------------------------- what a message says


def guarded(x):
    try:
        return in_place(x)
    except Exception:
        return 1e10


def test_the_swallowed_exception_is_found():
    found = swallowed(lambda: trace(guarded, X))
    assert "raises ValueError" in found and __file__ in found and "catches it" in found
    assert swallowed(lambda: trace(lambda x: anp.sum(x), X)) == ""


def test_a_suspicious_line_is_quoted():
    def by_type(x):
        return sum(v for v in x if isinstance(v, float))

    assert "isinstance(v, float)" in suspicious(by_type)
    assert suspicious(len) == ""


@pytest.mark.parametrize(
    "line, words",
    [
        ("y = math.exp(x)", "write `np.exp`"),
        ("y = float(x[0])", "leave the value as it is"),
        ("r[0] = x", "assignment into an array"),
        ("y = np.foo(x)", "`np.foo` is not differentiable here"),
        ("y = x", ""),
    ],
)
def test_cause_of_a_line(line, words):
    assert words in cause_of(line) and (words or not cause_of(line))


def test_the_blamed_frame_is_the_users():
    class Frame:
        def __init__(self, filename):
            self.filename = filename

    user, pandas = Frame("/home/me/fit.py"), Frame("/x/site-packages/pandas/core.py")
    ours = Frame(refusal.__file__)
    assert blamed([ours, user, pandas]) is user
    assert blamed([ours, pandas]) is pandas
    assert blamed([ours]) is None


def test_messages_name_the_ways_out():
    for error in (
        refusal.lost(guarded),
        refusal.changed(guarded, 1.0, 2.0, lambda: None),
        refusal.broken_rule(ValueError("v"), guarded),
        refusal.stored(guarded),
    ):
        assert "guarded" in str(error) and "jac=" in str(error)
