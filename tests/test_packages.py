"""Packages that let their users choose a minimizer, with methods of refopt in that place."""

from __future__ import annotations

import numpy as np
import pytest

import refopt

LBFGS = refopt.chain(refopt.LBFGS(), refopt.StrongWolfe())
NEWTON = refopt.chain(refopt.Newton(), refopt.Backtracking())

# ---------------------------------------------------------------- statsmodels


def regressors(n=200, seed=7):
    rng = np.random.default_rng(seed)
    return rng, np.column_stack([np.ones(n), rng.normal(size=(n, 2))])


def logit():
    sm = pytest.importorskip("statsmodels.api")
    rng, X = regressors()
    return sm.Logit((rng.random(len(X)) < 1 / (1 + np.exp(-X @ [0.5, -1.0, 2.0]))).astype(float), X)


def poisson():
    sm = pytest.importorskip("statsmodels.api")
    rng, X = regressors()
    return sm.Poisson(rng.poisson(np.exp(X @ [0.5, 0.3, -0.4])), X)


def probit_of_a_frame():
    sm, pd = pytest.importorskip("statsmodels.api"), pytest.importorskip("pandas")
    rng, X = regressors()
    frame = pd.DataFrame({"a": X[:, 1], "b": X[:, 2], "y": (X[:, 1] + rng.normal(size=len(X)) > 0) * 1.0})
    return sm.Probit.from_formula("y ~ a + b", frame)


@pytest.mark.parametrize("make", [logit, poisson, probit_of_a_frame])
@pytest.mark.parametrize("shown", [0, False, 1])
def test_statsmodels_fit_with_newton(make, shown, capsys):
    model = make()
    # what statsmodels does not know is an option of the method
    ours = model.fit(method="minimize", min_method=NEWTON, disp=shown, gtol=1e-10)
    theirs = model.fit(method="newton", disp=0)
    assert ours.mle_retvals["converged"]
    # its own Newton stops at steps of 1e-8
    assert np.allclose(ours.params, theirs.params, rtol=1e-6)
    assert np.allclose(ours.bse, theirs.bse, rtol=1e-6)
    assert ours.llf >= theirs.llf - 1e-10 * abs(theirs.llf)
    assert bool(capsys.readouterr().out) == bool(shown)


def test_statsmodels_fit_with_a_method_that_ignores_its_hessian():
    model = logit()
    with pytest.warns(RuntimeWarning, match=r"does not use Hessian information \(hess\)"):
        ours = model.fit(method="minimize", min_method=LBFGS, disp=0, maxiter=200)
    assert np.allclose(ours.params, model.fit(disp=0).params, rtol=1e-3)


# ---------------------------------------------------------------- scikit-learn


def by(method, **keywords):
    """An optimizer for scikit-learn's Gaussian processes."""

    def optimizer(obj_func, initial_theta, bounds):
        result = refopt.minimize(obj_func, initial_theta, method=method, jac=True, **keywords)
        # inside the bounds of the kernel, so they need not be given
        assert result.success and np.all(result.x >= bounds[:, 0]) and np.all(result.x <= bounds[:, 1])
        return result.x, result.fun

    return optimizer


def test_gaussian_process_regressor():
    gp = pytest.importorskip("sklearn.gaussian_process")
    kernel = gp.kernels.ConstantKernel(1.0) * gp.kernels.RBF(1.0) + gp.kernels.WhiteKernel(0.1)
    rng = np.random.default_rng(3)
    X = rng.uniform(0, 6, size=(40, 1))
    y = np.sin(X[:, 0]) + 0.1 * rng.normal(size=40)
    ours = gp.GaussianProcessRegressor(kernel, optimizer=by(LBFGS)).fit(X, y)
    theirs = gp.GaussianProcessRegressor(kernel).fit(X, y)
    assert ours.log_marginal_likelihood_value_ >= theirs.log_marginal_likelihood_value_ - 1e-6
    assert np.allclose(ours.kernel_.theta, theirs.kernel_.theta, atol=1e-3)
    assert np.allclose(ours.predict(X), theirs.predict(X), atol=1e-4)


# ---------------------------------------------------------------- scipy.stats


def fit_by(method, results):
    """An optimizer for ``scipy.stats`` distributions, which pass `disp` and expect the point alone."""
    from scipy.optimize import approx_fprime

    def optimizer(func, x0, args=(), disp=0):
        jac = lambda x, *rest: approx_fprime(x, func, 1e-7, *rest)  # noqa: E731
        result = refopt.minimize(func, x0, args, method=method, jac=jac, options={"disp": disp, "gtol": 1e-3})
        results.append(result)
        return result.x

    return optimizer


@pytest.mark.parametrize(
    "name, shapes, fixed",
    [
        ("weibull_min", (1.5,), {"floc": 0}),
        ("t", (4.0,), {}),
        ("cauchy", (), {}),
        ("fisk", (3.0,), {"floc": 0}),
    ],
)
def test_distributions_are_fitted(name, shapes, fixed):
    from scipy import stats

    family = getattr(stats, name)
    data = family.rvs(*shapes, loc=0, scale=2, size=300, random_state=np.random.default_rng(11))
    results = []
    ours, theirs = family.fit(data, optimizer=fit_by(LBFGS, results), **fixed), family.fit(data, **fixed)
    assert len(results) == 1 and results[0].success
    assert family.nnlf(ours, data) <= family.nnlf(theirs, data) + 1e-6
    # scipy.stats stops where its simplex is 1e-4 wide
    assert np.allclose(ours, theirs, rtol=1e-3, atol=1e-3)
