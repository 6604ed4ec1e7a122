"""Every wrong call gets its own message, before the first evaluation of the objective."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import aslinearoperator

import refopt
from refopt import minimize


def never(x):
    raise AssertionError("evaluated although the input was wrong")


def sphere(x):
    return (x ** 2).sum()


START = [1.0, 2.0]


@pytest.mark.parametrize("x0, error, words", [
    ([], ValueError, "x0 is empty; give at least one variable"),
    ([1 + 1j, 2], TypeError, r"x0 is complex \(complex128\); give real numbers"),
    (np.array([1, "a"], dtype=object), TypeError, "x0 has dtype object; give real numbers"),
    ([1.0, np.nan], ValueError, r"x0 must be finite, but x0\[1\] = nan"),
    ([np.inf, 1.0], ValueError, r"x0 must be finite, but x0\[0\] = inf"),
    (np.ones((2, 2)), ValueError, r"x0 has shape \(2, 2\); give a flat vector"),
    ("ab", TypeError, "x0 has dtype <U2"),
    (None, TypeError, "x0 is None"),
    ([[1.0], [1.0, 2.0]], ValueError, "not a rectangular array"),
])
def test_bad_start(x0, error, words):
    with pytest.raises(error, match=words):
        minimize(never, x0, method="LR")


@pytest.mark.parametrize("shapes, error, words", [
    ([(3,)], ValueError, r"shapes \[\(3,\)\] hold 3 numbers, but x0 has 2"),
    (5, TypeError, "shapes must be a list of tensor shapes"),
    ([(-1, -2)], ValueError, "must not hold negative lengths"),
])
def test_bad_shapes(shapes, error, words):
    with pytest.raises(error, match=words):
        minimize(never, START, method="LR", shapes=shapes)


def test_a_matrix_start_is_welcome_with_its_shape():
    result = minimize(sphere, np.ones((2, 3)), method="Newton", shapes=[(2, 3)])
    assert result.success and result.x.shape == (6,)


@pytest.mark.parametrize("method, error, words", [
    ("CubicAdma", ValueError, "unknown method 'CubicAdma'; did you mean 'CubicAdam'"),
    ("zzz", ValueError, "unknown method 'zzz'; known: "),
    (refopt.LR, TypeError, r"LR is a class; give an instance, LR\(...\)"),
    (3, TypeError, "a method is an instance such as CubicAdam"),
    ([], ValueError, r"chain\(\) needs at least one method"),
])
def test_bad_method(method, error, words):
    with pytest.raises(error, match=words):
        minimize(never, START, method=method)


@pytest.mark.parametrize("name", ["cubicadam", "Cubic_Adam", "CUBIC-ADAM"])
def test_names_ignore_case_and_dashes(name):
    assert "CubicAdam" in minimize(sphere, START, method=name, options={"maxiter": 1}).method


@pytest.mark.parametrize("options, error, words", [
    ({"maxitr": 3}, ValueError, "unknown option for Newton 'maxitr'; did you mean 'maxiter'"),
    ({"delt": 0.1}, ValueError, "unknown option for Newton 'delt'; did you mean 'delta'"),
    ({"maxiter": -1}, ValueError, "maxiter must be a whole number >= 0, got -1"),
    ({"maxiter": 2.5}, ValueError, "maxiter must be a whole number >= 0, got 2.5"),
    ({"maxiter": "many"}, TypeError, "maxiter must be a whole number >= 0, got 'many'"),
    ({"maxfev": 0}, ValueError, "maxfev must be a whole number >= 1, got 0"),
    ({"gtol": -1e-3}, ValueError, r"gtol must be in \[0, inf\], got -0.001"),
    ({"ftol": np.nan}, ValueError, "ftol must be a real number, got nan"),
    ({"xtol": "small"}, TypeError, "xtol must be a real number, got 'small'"),
    ({"maxtime": -1}, ValueError, r"maxtime must be in \[0, inf\]"),
    ({"disp": 3}, TypeError, "disp must be True or False, got 3"),
    ({"return_all": "yes"}, TypeError, "return_all must be True or False"),
    (["maxiter"], TypeError, "options must be a dict"),
])
def test_bad_options(options, error, words):
    with pytest.raises(error, match=words):
        minimize(never, START, method="Newton", options=options)


def test_an_instance_takes_no_hyperparameters_as_options():
    with pytest.raises(ValueError, match="unknown option .* 'delta'"):
        minimize(never, START, method=refopt.Newton(), options={"delta": 0.1})


def test_tol_and_gtol_together():
    with pytest.raises(ValueError, match=r"give tol or options\['gtol'\], not both"):
        minimize(never, START, method="Newton", tol=1e-3, options={"gtol": 1e-4})


@pytest.mark.parametrize("make, words", [
    (lambda: refopt.CubicAdam(beta1=1.5), r"CubicAdam: beta1 must be in \[0, 1\), got 1.5"),
    (lambda: refopt.CubicAdam(eps=-1), r"CubicAdam: eps must be in \[0, inf\), got -1"),
    (lambda: refopt.CubicAdam(mode="halved"), "CubicAdam: mode must be one of .* got 'halved'; did you mean 'halve'"),
    (lambda: refopt.CoordinateMomentum(p=1.1), r"CoordinateMomentum: p must be in \[0, 1\], got 1.1"),
    (lambda: refopt.ReduceOutwardLR(mul=np.inf), r"ReduceOutwardLR: mul must be in \(-inf, inf\), got inf"),
    (lambda: refopt.Adam(beta2=1), r"Adam: beta2 must be in \[0, 1\), got 1"),
    (lambda: refopt.StrongWolfe(c1=0.9, c2=0.5), "StrongWolfe: c1 must be below c2"),
    (lambda: refopt.LBFGS(history_size=0), "LBFGS: history_size must be a whole number >= 1, got 0"),
    (lambda: refopt.Backtracking(shrink=1.0), r"Backtracking: shrink must be in \(0, 1\), got 1"),
    (lambda: refopt.Newton(delta=0), r"Newton: delta must be in \(0, 1\), got 0"),
    (lambda: refopt.HeavyBall(momentum=1.0), r"HeavyBall: momentum must be in \[0, 1\), got 1"),
])
def test_hyperparameters_out_of_range(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_hyperparameters_of_the_wrong_type():
    with pytest.raises(TypeError, match="CubicAdam: debiased must be True or False, got 1"):
        refopt.CubicAdam(debiased=1)
    with pytest.raises(TypeError, match="LR: lr must be a real number, got 'fast'"):
        refopt.LR("fast")
    with pytest.raises(TypeError, match="CoordinateMomentum: mask must be a function"):
        refopt.CoordinateMomentum(mask=3)


@pytest.mark.parametrize("mask, words", [
    (lambda t, n: np.ones(5, bool), r"mask of step 0 must have shape \(2,\), got \(5,\)"),
    ([np.ones(2, bool)], "step 1 needs a mask, but only 1 were given"),
])
def test_injected_masks(mask, words):
    with pytest.raises(ValueError, match=words):
        minimize(sphere, START, method=[refopt.CoordinateMomentum(mask=mask), refopt.LR(0.1)])


@pytest.mark.parametrize("answer, error, words", [
    (lambda x: x * 2, ValueError, r"fun must return one number, got an array of shape \(2,\).*LeastSquares"),
    (lambda x: None, TypeError, "fun returned None; it must return one real number"),
    (lambda x: complex(1, 2), TypeError, "fun returned a complex value"),
    (lambda x: "high", (TypeError, ValueError), "fun must return one real number, got 'high'"),
])
@pytest.mark.parametrize("derivatives", ["autograd", "jac"])
def test_fun_returning_something_else(answer, error, words, derivatives):
    jac = (lambda x: 2 * x) if derivatives == "jac" else None
    with pytest.raises(error, match=words):
        minimize(answer, START, method="LR", jac=jac)


def test_jac_true_without_a_gradient():
    with pytest.raises(TypeError, match=r"with jac=True fun must return \(value, gradient\), got .*5.0"):
        minimize(sphere, START, method="LR", jac=True)


@pytest.mark.parametrize("jac, error, words", [
    (lambda x: np.ones(3), ValueError, r"jac must return an array of shape \(2,\), got an array of shape \(3,\)"),
    (lambda x: np.ones(2) * 1j, TypeError, "jac must return real numbers"),
    ("2-point", ValueError, "jac='2-point' is not available: leave jac=None for exact derivatives"),
    (7, TypeError, "jac must be a function, True .* or None, got 7"),
])
def test_bad_jac(jac, error, words):
    with pytest.raises(error, match=words):
        minimize(sphere, START, method="LR", jac=jac)


@pytest.mark.parametrize("hess, error, words", [
    (lambda x: np.array([[2.0, 1.0], [0.0, 2.0]]), ValueError,
     r"hess must be symmetric, but entry \[0, 1\] = 1 and \[1, 0\] = 0"),
    (lambda x: scipy.sparse.csr_array(np.array([[2.0, 1.0], [0.0, 2.0]])), ValueError, "hess must be symmetric"),
    (lambda x: np.eye(3), ValueError, r"hess must return shape \(2, 2\), got shape \(3, 3\)"),
    (np.eye(2), TypeError, "hess must be a function or None"),
])
def test_bad_hess(hess, error, words):
    with pytest.raises(error, match=words):
        minimize(sphere, START, method="Newton", hess=hess)


@pytest.mark.parametrize("hess", [
    lambda x: 2 * np.eye(2), lambda x: scipy.sparse.csr_array(2 * np.eye(2)), lambda x: aslinearoperator(2 * np.eye(2)),
])
def test_every_form_of_hess_is_used(hess):
    result = minimize(sphere, START, method="Newton", jac=lambda x: 2 * x, hess=hess)
    assert result.success and result.nit == 1 and result.nhev == 1


def test_bad_hessp():
    with pytest.raises(ValueError, match=r"hessp must return an array of shape \(2,\)"):
        minimize(sphere, START, method="Newton", hessp=lambda x, v: np.ones(3))


def test_bad_fun_callback_and_rng():
    with pytest.raises(TypeError, match="fun must be callable, got 3"):
        minimize(3, START, method="LR")
    with pytest.raises(TypeError, match="callback must be callable, got 'x'"):
        minimize(never, START, method="LR", callback="x")
    for rng in ("seed", -1, True, 1.5):
        with pytest.raises(TypeError, match="rng must be None, a non-negative integer or a numpy.random.Generator"):
            minimize(never, START, method="CoordinateMomentum", rng=rng)


def test_bounds_where_unsupported():
    with pytest.raises(ValueError, match="does not support bounds; .*L-BFGS-B"):
        minimize(never, START, method="LBFGS", bounds=[(0, 1), (0, 3)])


def test_infinite_bounds_are_no_bounds():
    assert minimize(sphere, START, method="Newton", bounds=[(None, None), (-np.inf, np.inf)]).success


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_start_without_a_value(value):
    result = minimize(lambda x: value, START, method="LR", jac=lambda x: x)
    assert result.status == 20 and not result.success and result.nit == 0
    assert f"f(x0) = {value}" in result.message and np.array_equal(result.x, START)
