"""Plain NumPy on a traced x: the table of expressions, every function that has a rule, refusals by name."""

from __future__ import annotations

import re

import autograd.numpy as anp
import numpy as np
import pytest
import scipy.special
from autograd.core import primitive_vjps
from derivatives.expressions import EXPRESSIONS, SIX
from derivatives.plain_judge import check, check_twin, expression_tests, function

import refopt
from refopt.derivatives import TraceError, gradient, hvp, numpy_calls, taylor
from refopt.derivatives.numpy_calls import PRIMITIVES, name_of
from refopt.derivatives.reverse import trace

test_plain_numpy, test_twin = expression_tests("numpy_calls")

ALL = [text for table in EXPRESSIONS.values() for text, _ in table]

# ---------------------------------------------------------------------- none is forgotten

# Complex numbers inside, several results, or two names of one function.
NO_EXPRESSION = {"eig", "svdvals", "row_stack", "astype", "msort", "trapz", "amax", "amin"}


def public_functions():
    """``name -> function`` of NumPy's and scipy.special's functions with a derivative rule."""
    found = {}
    for home, module in (
        ("np", np),
        ("np.linalg", np.linalg),
        ("np.fft", np.fft),
        ("special", scipy.special),
    ):
        for name, value in vars(module).items():
            dispatches = hasattr(value, "_implementation") or isinstance(value, np.ufunc)
            if dispatches and numpy_calls.primitive_of(value) in primitive_vjps and not name.startswith("_"):
                found[f"{home}.{name}"] = value
    return found


def test_every_function_with_a_rule_is_in_the_table():
    found = public_functions()
    assert len(found) > 200
    words = {word for text in ALL for word in re.findall(r"\b(?:np|special)(?:\.\w+)+", text)}
    missing = [
        name
        for name, value in found.items()
        if name not in words
        and name.split(".")[-1] not in NO_EXPRESSION
        and not any(found.get(word) is value for word in words)
    ]
    assert not missing, f"give these an expression in tests/derivatives/expressions.py: {missing}"


def test_functions_with_a_rule_do_not_go_number_by_number(monkeypatch):
    """Arrays of boxes are the last resort: slow, and their sums have another order."""

    def refuse(function, *_arguments):
        raise AssertionError(f"{name_of(function)} went number by number")

    monkeypatch.setattr(numpy_calls, "on_objects", refuse)
    for module in ("numpy_calls", "missing_rules", "missing_shape_rules", "missing_linear_rules"):
        for text, x in EXPRESSIONS[module]:
            gradient(lambda x, text=text: anp.sum(function(text)(x)), x)


# ---------------------------------------------------------------------- the judge is judged


def test_a_wrong_entry_is_caught(monkeypatch):
    monkeypatch.setitem(PRIMITIVES, np.sin, anp.cos)
    with pytest.raises(AssertionError, match=re.escape("np.sin(x)")):
        check("np.sin(x)", SIX)
    with pytest.raises(AssertionError, match="value of"):
        check_twin("np.sin(x)", SIX)


def test_a_lost_argument_is_caught(monkeypatch):
    arranged = numpy_calls.arranged

    def forgetful(*call):
        positional, keywords = arranged(*call)
        return positional, {key: value for key, value in keywords.items() if key != "ddof"}

    monkeypatch.setattr(numpy_calls, "arranged", forgetful)
    with pytest.raises(AssertionError, match="ddof"):
        check("np.var(x, ddof=1)", SIX)


def test_a_rule_that_is_wrong_in_one_element_is_caught(monkeypatch):
    right = primitive_vjps[anp.cumsum]

    def wrong(*call):
        vjp = right(*call)
        return lambda g: [part * np.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0 + 1e-4]) for part in vjp(g)]

    monkeypatch.setitem(primitive_vjps, anp.cumsum, wrong)
    with pytest.raises(AssertionError, match="gradient of"):
        check("np.cumsum(x)", SIX)


# ---------------------------------------------------------------------- refusals


def assign_add(x):
    y = np.ones(2)
    y += x
    return y.sum()


def at(x):
    y = np.ones(2)
    np.add.at(y, [0], x[0])
    return y.sum()


@pytest.mark.parametrize(
    "fun, words",
    [
        (assign_add, r"y \+= x`. Likely cause: `np.add` with out= .*assigns in place"),
        (lambda x: np.exp(x, out=np.ones(2)).sum(), r"`np.exp` with out= .*assigns in place"),
        (lambda x: np.sum(x, out=np.ones(())), r"`np.sum` with out= .*assigns in place"),
        (lambda x: np.concatenate([x, x], out=np.ones(4)).sum(), "`np.concatenate` with out="),
        (lambda x: np.argmax(x, out=np.ones((), dtype=int)), "`np.argmax` with out="),
        (at, r"np.add.at\(y, .*`np.add.at` assigns in place"),
        (lambda x: np.copyto(np.ones(2), x), "`np.copyto` assigns in place"),
        (lambda x: np.fill_diagonal(np.ones((2, 2)), x), "`np.fill_diagonal` assigns in place"),
        (lambda x: np.add.reduceat(x, [0, 1]).sum(), "`np.add.reduceat` has no derivative rule"),
        (lambda x: np.exp(x, where=[True, False]).sum(), r"`np.exp` with these keywords \(where\)"),
        (lambda x: np.linalg.qr(np.outer(x, x)).R.sum(), "`np.linalg.qr` has no derivative rule"),
        (lambda x: np.histogram_bin_edges(x, 3).sum(), "`np.histogram_bin_edges` has no derivative rule"),
        (lambda x: np.spacing(x).sum(), "spacing.* (has no derivative rule|neither a Taylor rule)"),
        (lambda x: scipy.special.erfcx(x).sum(), "`scipy.special.erfcx` has no derivative rule"),
        (lambda x: np.sum(np.ones(2), initial=x[0]), "setting an array element|traced numbers"),
        (lambda x: np.pad(x, 1, "linear_ramp").sum(), r"`np.pad` has no derivative rule for these arguments"),
        (lambda x: np.quantile(x, 0.3, method="hazen"), "`np.quantile` has no derivative rule for these"),
        (lambda x: np.exp(np.array([x[0], 1.0])).sum(), r"write np.stack\(\[...\]\)"),
        (lambda x: np.array(x, dtype=float).sum(), "`np.array` makes plain numbers here"),
        (lambda x: np.float64(x[0]), "`np.float64` makes plain numbers here"),
        (lambda x: anp.multiply(x, [x[0], 1.0]).sum(), "traced numbers in a list or by keyword"),
        (lambda x: anp.diff(x, prepend=x[0]).sum(), "traced numbers in a list or by keyword|by position"),
    ],
)
def test_what_cannot_be_followed_is_named(fun, words):
    for derivative in (gradient, lambda f, x: hvp(f, x, x), lambda f, x: taylor(f, x, x, 2)):
        with pytest.raises(TraceError, match=words):
            derivative(fun, np.array([0.5, 0.7]))


def test_the_users_own_mistakes_are_handed_on():
    x = np.array([0.5, 0.7])
    with pytest.raises(ValueError, match="shapes"):
        gradient(lambda x: np.sum(np.dot(x, np.ones(3))), x)
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        gradient(lambda x: np.sum(np.linalg.solve(np.outer(x, x) * 0, x)), x)
    with pytest.raises(TypeError, match="unexpected keyword argument 'axes'"):
        gradient(lambda x: np.sum(x, axes=0), x)
    with pytest.raises(np.exceptions.AxisError if hasattr(np, "exceptions") else np.AxisError):
        gradient(lambda x: np.sum(x, axis=3), x)


def test_another_package_may_know_better():
    """Objects of a package with protocols of its own are asked after the box has passed."""

    class Other:
        __array_ufunc__ = lambda self, *call, **kwargs: "asked"  # noqa: E731
        __array_function__ = lambda self, *call: "asked"  # noqa: E731

    def fun(x):
        assert np.concatenate([x, Other()]) == "asked"
        assert np.ldexp(x, Other()) == "asked"
        return x[0]

    np.testing.assert_array_equal(gradient(fun, np.ones(2)), [1.0, 0.0])


# ---------------------------------------------------------------------- levels and places


def test_levels_nest():
    """A gradient inside a function whose gradient is taken, in plain NumPy; by hand: f = sum(x^3) x0."""

    def fun(x):
        return np.sum(gradient(lambda y: np.sum(y**3) / 3 * 1.0, x)) * np.max(np.stack([x[0], -5.0]))

    x = np.array([2.0, 3.0])
    np.testing.assert_array_equal(gradient(fun, x), [13 + 2 * 2 * 2, 2 * 3 * 2])
    np.testing.assert_array_equal(hvp(fun, x, np.array([1.0, 0.0])), [2 * 2 + 2 * 2 + 2 * 2, 2 * 3])


def test_a_plain_array_of_the_outer_level_is_a_constant():
    value, backward = trace(lambda x: np.sum(np.multiply(np.ones(2), x)) + np.sum(np.ones(3)), np.ones(2))
    assert value == 5.0
    np.testing.assert_array_equal(backward(1.0), [1.0, 1.0])


# ---------------------------------------------------------------------- every method

METHODS = [row.name for row in refopt.methods() if "gauss-newton" not in row.needs]


def quadratic(np):
    return lambda x: np.sum((x - 1) ** 2) + np.mean(np.where(x > 0, x, 2.0 * x)) ** 4


@pytest.mark.parametrize("method", METHODS)
def test_every_method_minimises_a_plain_function(method):
    plain, twin = (
        refopt.minimize(quadratic(namespace), [0.5, 0.7, 2.0], method=method, options={"maxiter": 3}, rng=7)
        for namespace in (np, anp)
    )
    np.testing.assert_array_equal(plain.x, twin.x)
    assert plain.fun == twin.fun


def test_least_squares_of_plain_numpy():
    """Residuals as a literal array of traced numbers: Rosenbrock's."""
    fun = refopt.LeastSquares(lambda x: np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]]))
    result = refopt.minimize(fun, [-1.2, 1.0], method="GaussNewton")
    np.testing.assert_allclose(result.x, [1.0, 1.0], rtol=1e-8)
