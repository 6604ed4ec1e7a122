"""Every instance is also a custom minimizer of scipy.optimize.minimize."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest
from scipy.optimize import Bounds, minimize, rosen, rosen_der

import refopt
from refopt.registry import ENTRIES

METHOD = refopt.chain(refopt.LBFGS(), refopt.StrongWolfe())
START = [-1.2, 1.0]


def fun(x, a=100.0):
    return a * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def test_plain_call_uses_autograd():
    result = minimize(fun, START, method=METHOD)
    assert result.success and np.allclose(result.x, 1, atol=1e-4) and result.njev <= result.nfev
    assert "LBFGS" in result.method


def test_jac_function_args_and_options():
    result = minimize(rosen, START, method=METHOD, jac=rosen_der, options={"gtol": 1e-9, "return_all": True})
    assert result.success and np.abs(result.jac).max() <= 1e-9 and len(result.allvecs) == result.nit + 1
    assert minimize(fun, START, args=(10.0,), method=METHOD).success


def test_jac_true():
    result = minimize(lambda x: (rosen(x), rosen_der(x)), START, method=METHOD, jac=True)
    assert result.success and np.allclose(result.x, 1, atol=1e-4)


def test_finite_difference_names_arrive_as_none_and_mean_autograd():
    exact = minimize(fun, START, method=METHOD)
    named = minimize(fun, START, method=METHOD, jac="2-point")
    assert np.array_equal(exact.x, named.x) and exact.nfev == named.nfev
    assert "2-point" in refopt.Method.__call__.__doc__


def test_tol_is_gtol():
    result = minimize(fun, START, method=METHOD, tol=1e-3)
    assert result.options["gtol"] == 1e-3 and np.abs(result.jac).max() <= 1e-3


def test_both_callback_styles():
    points, records = [], []

    def by_record(intermediate_result):
        records.append(intermediate_result.fun)

    a = minimize(fun, START, method=METHOD, callback=lambda xk: points.append(xk))
    b = minimize(fun, START, method=METHOD, callback=by_record)
    assert len(points) == a.nit and len(records) == b.nit and records[-1] == b.fun


def test_stop_iteration():
    def callback(xk):
        raise StopIteration

    assert minimize(fun, START, method=METHOD, callback=callback).status == 30


def test_hess_reaches_newton():
    newton = refopt.chain(refopt.Newton(), refopt.Backtracking())
    from scipy.optimize import rosen_hess

    result = minimize(rosen, START, method=newton, jac=rosen_der, hess=rosen_hess)
    assert result.success and result.nhev > 0


@pytest.mark.parametrize("bounds", [[(0, 2), (0, 2)], Bounds(0, 2)])
def test_bounds_where_unsupported(bounds):
    with pytest.raises(ValueError, match="does not support bounds"):
        minimize(fun, START, method=METHOD, bounds=bounds)


def test_constraints_are_refused():
    with pytest.raises(ValueError, match="Chain does not support constraints.*trust-constr"):
        minimize(fun, START, method=METHOD, constraints={"type": "eq", "fun": lambda x: x[0]})


def test_unknown_option():
    with pytest.raises(ValueError, match="unknown option .* 'maxitr'; did you mean 'maxiter'"):
        minimize(fun, START, method=METHOD, options={"maxitr": 3})


SECOND_ORDER = [entry for entry in ENTRIES if {"hess", "hvp", "taylor"} & set(entry.needs)]


@pytest.mark.parametrize("entry", SECOND_ORDER, ids=[entry.name for entry in SECOND_ORDER])
def test_second_derivatives_with_jac_true(entry):
    """SciPy's wrapper for jac=True keeps values; the second derivatives must be those of the function all
    the same.
    """
    import autograd

    bowl = lambda x: anp.sum((x - 1) ** 2 + (x - 1) ** 4) + 0.1 * x[0] * x[1]  # noqa: E731
    pair = lambda x: (bowl(x), autograd.grad(bowl)(x))  # noqa: E731
    method = entry.complete()
    ours = refopt.minimize(pair, START, method=method, jac=True, rng=0, options={"maxiter": 40})
    theirs = minimize(pair, START, method=method, jac=True, options={"maxiter": 40, "rng": 0})
    assert np.array_equal(ours.x, theirs.x) and (ours.status, ours.nit) == (theirs.status, theirs.nit)
    assert theirs.fun < bowl(np.array(START))
