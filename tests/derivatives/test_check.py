"""The test of derivatives: right ones pass, planted errors are named."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd.core import primitive_vjps
from autograd.tracer import getval
from functions import square_with_the_rule

from refopt.derivatives import TraceError, check_derivatives, gradient, hessian, reverse
from refopt.derivatives.taylor_mode.rules import RULES

X = np.array([1.0, 2.0, 0.5])


def target(x):
    return anp.sum(anp.exp(x) * x[0]) + anp.sin(x[1] * x[2])


JAC, HESS = (lambda x: gradient(target, x)), (lambda x: hessian(target, x))


def test_right_derivatives_pass():
    check = check_derivatives(target, X, jac=JAC, hess=HESS, hessp=lambda x, v: HESS(x) @ v)
    assert check.ok and bool(check) and check.wrong == []
    assert check.slopes["jac"] == pytest.approx(3, abs=0.2) and check.slopes["hess"] == pytest.approx(
        4, abs=0.2
    )
    assert "all derivatives agree" in str(check)


def test_taylor_coefficients_of_the_function_itself():
    check = check_derivatives(target, X, 4)
    assert check.ok
    for k in range(1, 5):
        assert check.slopes[f"Taylor coefficient {k}"] == pytest.approx(k + 1, abs=0.2)


def bump(shape, index, size):
    out = np.zeros(shape)
    out[index] = size
    return out


@pytest.mark.parametrize(("size", "seed"), [(1.0, 0), (1e-3, 1), (1e-6, 2)])
def test_planted_errors_are_named(size, seed):
    def wrong_jac(x):
        return JAC(x) + bump(3, seed % 3, size)

    symmetric = bump((3, 3), (0, 1), size) + bump((3, 3), (1, 0), size)
    check = check_derivatives(target, X, jac=wrong_jac, hess=HESS, seed=seed)
    assert check.wrong == ["jac"] and "WRONG" in str(check)  # the right hess is not blamed
    check = check_derivatives(target, X, jac=JAC, hess=lambda x: HESS(x) + symmetric, seed=seed)
    assert check.wrong == ["hess"]
    check = check_derivatives(target, X, jac=JAC, hessp=lambda x, v: (HESS(x) + symmetric) @ v, seed=seed)
    assert check.wrong == ["hessp"]


def test_asymmetry_is_seen():
    skew = bump((3, 3), (0, 1), 1e-3) - bump((3, 3), (1, 0), 1e-3)
    assert check_derivatives(target, X, hess=lambda x: HESS(x) + skew).wrong == ["hess symmetry"]
    assert check_derivatives(target, X, hessp=lambda x, v: (HESS(x) + skew) @ v).wrong == ["hessp symmetry"]


def test_functions_without_trace_and_exact_polynomials():
    def plain(x):
        return float(np.asarray(x, dtype=float)[0] ** 2 + 3 * np.asarray(x, dtype=float)[1])

    right = check_derivatives(
        plain, X, jac=lambda x: np.array([2 * x[0], 3.0, 0.0]), hess=lambda x: np.diag([2.0, 0, 0])
    )
    assert right.ok and right.slopes["jac"] == np.inf
    assert check_derivatives(plain, X, jac=lambda x: np.array([2 * x[0], 3.001, 0.0])).wrong == ["jac"]
    assert check_derivatives(plain, X, hess=lambda x: np.diag([2.001, 0, 0])).wrong == ["hess"]


def test_a_planted_wrong_taylor_rule_is_found(monkeypatch):
    right = RULES[anp.exp]

    def wrong(algebra, *args):
        out = list(right(algebra, *args))
        return [*out[:2], None if out[2] is None else 1.01 * out[2], *out[3:]] if len(out) > 2 else out

    monkeypatch.setitem(RULES, anp.exp, wrong)
    check = check_derivatives(target, X, 4)
    assert check.wrong[0] == "Taylor coefficient 3"


# ---------------------------------------------------------------- what a run uses


def test_the_derivatives_of_a_run_are_tested():
    check = check_derivatives(target, X)
    names = ["gradient", "hvp", "hvp symmetry", "Taylor coefficient 1", "Taylor coefficient 2"]
    assert [row.name for row in check.rows] == names and check.ok and check.untested == ()
    assert check.slopes["gradient"] == pytest.approx(3, abs=0.2)
    assert check.slopes["hvp"] == pytest.approx(4, abs=0.2)
    assert [row.name for row in check_derivatives(target, X, jac=JAC).rows] == ["jac", "hvp", "hvp symmetry"]
    assert [row.name for row in check_derivatives(target, X, hess=HESS).rows][0] == "gradient"
    assert "hvp" not in check_derivatives(target, X, 1).slopes


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e-6])
def test_a_planted_wrong_rule_of_reverse_mode_is_found(size, monkeypatch):
    """The Taylor rule is right, and does not hide that a run's gradient is wrong."""
    right = primitive_vjps[anp.sin]

    def wrong(argnums, ans, args, kwargs):
        vjp = right(argnums, ans, args, kwargs)
        return lambda g: tuple((1 + size) * part for part in vjp(g))

    monkeypatch.setitem(primitive_vjps, anp.sin, wrong)
    check = check_derivatives(target, X)
    assert {"gradient", "hvp"} <= set(check.wrong) and "Taylor coefficient 1" not in check.wrong
    assert "agree" not in str(check).splitlines()[-1]


def test_a_rule_that_cannot_be_differentiated_again_is_found():
    """The gradient is right; the product with the Hessian lacks the primitive's own second derivative."""
    with square_with_the_rule(lambda ans, x: lambda g: g * 2 * getval(x)) as square:
        check = check_derivatives(lambda x: anp.sum(square(x) * x[0]), X)
    assert check.wrong[0] == "hvp" and "gradient" not in check.wrong
    # the primitive has no Taylor rule, which a gradient method does not need
    assert len(check.untested) == 1 and check.untested[0].startswith("Taylor coefficients: ")


def test_what_is_not_tested_is_said():
    """Singular values have no Taylor rule; gradients of them need none."""
    fun = lambda x: anp.sum(anp.linalg.svd(anp.outer(x, x) + np.diag([1.0, 2.0, 4.0]))[1] ** 2)  # noqa: E731
    check = check_derivatives(fun, X)
    assert check.ok and "not tested: Taylor coefficients" in str(check)
    assert str(check).endswith("these derivatives agree with the function")


def plain(x):
    return float(np.sum(np.asarray(x, dtype=float) ** 2))


def test_a_function_that_is_not_traced_is_tested_as_far_as_it_goes():
    check = check_derivatives(plain, X, jac=lambda x: 2 * x)
    assert check.ok and [row.name for row in check.rows] == ["jac"] and check.untested[0].startswith("hvp: ")
    with pytest.raises(TraceError):
        check_derivatives(plain, X)


def test_a_term_that_the_tracer_does_not_see_is_found():
    def hidden(x):
        plain = x
        while hasattr(plain, "_value"):
            plain = plain._value
        return anp.sum(x**2) + 1e-3 * float(np.sin(plain[0]))

    check = check_derivatives(hidden, X)
    assert "gradient" in check.wrong


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_derivative_that_is_not_finite_is_wrong():
    """Given by the user; and autograd's, where neither mode has it."""
    for bad in (np.nan, np.inf):
        check = check_derivatives(target, X, jac=lambda x, bad=bad: JAC(x) * bad)
        assert check.wrong == ["jac"] and "wrong: jac" in str(check)
        assert check_derivatives(target, X, hess=lambda x, bad=bad: HESS(x) * bad).wrong[0] == "hess"
        hessp = check_derivatives(target, X, hessp=lambda x, v, bad=bad: HESS(x) @ v * bad)
        assert set(hessp.wrong) == {"hessp", "hessp symmetry"}
    check = check_derivatives(lambda x: anp.sum(anp.sqrt(anp.abs(x)) ** 4), np.array([0.0, 1.0]))
    assert "gradient" in check.wrong and "`sqrt` of 0" in str(check)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_branch_that_is_not_taken_does_no_harm(monkeypatch):
    """What a run uses is right: the derivative by Taylor mode. Without that it would be nan, and said so."""
    fun = lambda x: anp.sum(anp.where(x >= 0, x**3, anp.sqrt(-x)))  # noqa: E731
    check = check_derivatives(fun, X + 1)
    assert check.ok and {"gradient", "hvp"} <= set(check.slopes)
    monkeypatch.setattr("refopt.derivatives.check.gradient", reverse.gradient)
    monkeypatch.setattr("refopt.derivatives.check.hvp", reverse.hvp)
    assert set(check_derivatives(fun, X + 1).wrong) == {"gradient", "hvp", "hvp symmetry"}


def test_checker_input():
    with pytest.raises(ValueError, match="jac returned shape"):
        check_derivatives(target, X, jac=lambda x: 1.0)
    with pytest.raises(ValueError, match="not finite"):
        check_derivatives(lambda x: np.nan, X, jac=JAC)
    with pytest.raises(ValueError, match="one number"):
        check_derivatives(lambda x: x, X, jac=JAC)
    with pytest.raises(ValueError, match="directions must be"):
        check_derivatives(target, X, jac=JAC, directions=0)
