"""The test of derivatives: right ones pass, planted errors are named."""

import autograd.numpy as anp
import numpy as np
import pytest

from refopt.derivatives import check_derivatives, gradient, hessian
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


def test_checker_input():
    with pytest.raises(ValueError, match="jac returned shape"):
        check_derivatives(target, X, jac=lambda x: 1.0)
    with pytest.raises(ValueError, match="not finite"):
        check_derivatives(lambda x: np.nan, X, jac=JAC)
    with pytest.raises(ValueError, match="one number"):
        check_derivatives(lambda x: x, X, jac=JAC)
    with pytest.raises(ValueError, match="directions must be"):
        check_derivatives(target, X, jac=JAC, directions=0)
