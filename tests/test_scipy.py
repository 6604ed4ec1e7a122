"""Every instance is also a custom minimizer of scipy.optimize.minimize."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest
import scipy.optimize
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
    with pytest.raises(ValueError, match="NewtonNewton does not support bounds"):
        minimize(fun, START, method=refopt.NewtonNewton(), bounds=bounds)


def test_constraints_are_refused():
    with pytest.raises(ValueError, match="Chain does not support constraints.*trust-constr"):
        minimize(fun, START, method=METHOD, constraints={"type": "eq", "fun": lambda x: x[0]})


def test_unknown_option():
    with pytest.raises(ValueError, match="unknown option .* 'maxitr'; did you mean 'maxiter'"):
        minimize(fun, START, method=METHOD, options={"maxitr": 3})


SECOND_ORDER = [
    entry
    for entry in ENTRIES
    if {"hess", "hvp", "taylor"} & set(entry.needs) and "gauss-newton" not in entry.needs
]


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


# ---------------------------------------------------------------- SciPy's callers of minimizers


BOX_METHOD = refopt.InfinityNormTrustRegion()


def egg_box(x):
    """Minima at about every 2.09 in each coordinate; the least one in [1, 5]^n is at 2.07."""
    return anp.sum(x**2) / 20 - anp.sum(anp.cos(3 * x))


def egg_box_slope(x):
    return x / 10 + 3 * np.sin(3 * x)


LEAST = scipy.optimize.minimize_scalar(
    lambda t: t**2 / 20 - np.cos(3 * t), bounds=(1.5, 2.5), method="bounded"
).x


class Problem:
    """A user's object: the value is its call, `fun` is something else, the gradient is a method."""

    def fun(self, x):
        return np.sum((x - 5) ** 2), 2 * (x - 5)

    def grad(self, x):
        return rosen_der(x)

    def __call__(self, x):
        return float(rosen(x))


class Plain(Problem):
    """The same with `fun` the plain value."""

    def fun(self, x):
        return float(rosen(x))


@pytest.mark.parametrize("problem", [Problem(), Plain()], ids=lambda problem: type(problem).__name__)
def test_an_attribute_fun_of_the_users_object_is_not_the_function(problem):
    result = minimize(problem, START, method=METHOD, jac=problem.grad)
    assert result.success and np.allclose(result.x, 1, atol=1e-4) and result.fun == rosen(result.x)


@pytest.mark.parametrize("pack", [tuple, list])
def test_jac_true_with_args_and_lists(pack):
    pair = lambda x, a: pack([a * rosen(x), a * rosen_der(x)])  # noqa: E731
    result = minimize(pair, START, args=(2.0,), method=METHOD, jac=True)
    assert result.success and np.allclose(result.x, 1, atol=1e-4)


@pytest.mark.parametrize("call", [{"bracket": (0, 1)}, {"bounds": (0, 1)}])
def test_minimize_scalar_gives_no_start(call):
    with pytest.raises(TypeError, match="minimize_scalar gives a method a bracket and no start; call"):
        scipy.optimize.minimize_scalar(lambda x: (x - 2) ** 2, method=METHOD, **call)


def test_basinhopping_with_bounds():
    """Hops leave the box; each run starts at the nearest point inside."""
    kwargs = {"method": BOX_METHOD, "bounds": [(1, 5)] * 2}
    with pytest.warns(scipy.optimize.OptimizeWarning, match="Initial guess is not within") as seen:
        result = scipy.optimize.basinhopping(
            egg_box, [4.3, 4.1], niter=40, stepsize=2.0, rng=3, minimizer_kwargs=kwargs
        )
    assert np.allclose(result.x, LEAST, atol=1e-5) and result.lowest_optimization_result.success
    # the texts name the coordinate and no numbers, so a user sees at most one for each coordinate
    assert len({str(warning.message) for warning in seen}) <= 2


@pytest.mark.parametrize("given", [{}, {"jac": egg_box_slope}])
def test_basinhopping(given):
    kwargs = {"method": METHOD, **given, "options": {"disp": 0}}
    result = scipy.optimize.basinhopping(
        egg_box, [4.3, 4.1], niter=60, stepsize=2.0, rng=3, minimizer_kwargs=kwargs
    )
    assert np.allclose(result.x, 0, atol=1e-5) and result.minimization_failures == 0


@pytest.mark.parametrize(
    "given", [{}, {"jac": egg_box_slope, "hess": lambda x: np.diag(0.1 + 9 * np.cos(3 * x))}]
)
def test_dual_annealing(given):
    kwargs = {"method": BOX_METHOD, "bounds": [(1, 5)] * 2, **given}
    result = scipy.optimize.dual_annealing(egg_box, [(1, 5)] * 2, maxiter=30, rng=5, minimizer_kwargs=kwargs)
    # the point is that of the local search: the annealing alone leaves errors of 1e-3
    assert np.allclose(result.x, LEAST, atol=1e-6)


def test_differential_evolution_polished():
    bounds = [(1, 5)] * 2
    rough = scipy.optimize.differential_evolution(egg_box, bounds, maxiter=8, rng=5, polish=False)
    assert not np.allclose(rough.x, LEAST, atol=1e-5)
    by_hand = minimize(egg_box, rough.x, method=BOX_METHOD, bounds=bounds)
    assert by_hand.success and np.allclose(by_hand.x, LEAST, atol=1e-5) and by_hand.fun < rough.fun


if "{bool, callable}" in scipy.optimize.differential_evolution.__doc__:

    @pytest.mark.parametrize("through", [minimize, refopt.minimize], ids=["scipy", "refopt"])
    def test_differential_evolution_with_its_own_polish(through):
        calls = []

        def polish(*args, **keywords):
            calls.append(through(*args, method=BOX_METHOD, **keywords))
            return calls[-1]

        bounds = [(1, 5)] * 2
        result = scipy.optimize.differential_evolution(egg_box, bounds, maxiter=8, rng=5, polish=polish)
        assert np.allclose(result.x, LEAST, atol=1e-5)
        assert len(calls) == 1 and calls[0].success and np.array_equal(calls[0].x, result.x)
