"""Hessian, covariance and standard errors of a result: NIST's values, hand calculations, refusals."""

from __future__ import annotations

import functools

import autograd.numpy as anp
import mpmath
import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
import torch
from autograd.scipy.special import gammaln

import refopt
from refopt import problems
from refopt.function import FunctionObjective
from refopt.problems import nist

T = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
Y = np.array([1.1, 2.9, 5.2, 6.8, 9.1, 11.0])


def line(x):
    return x[0] + x[1] * T - Y


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def fit(residuals, x0, **more):
    more.setdefault("tol", 1e-10)
    return refopt.minimize(refopt.LeastSquares(residuals), x0, **more)


def at(fun, x, **more):
    """The result of a run that stays at x."""
    return refopt.minimize(fun, x, method="LBFGS", options={"maxiter": 0}, **more)


def digits(ours, certified):
    """The least number of right digits, as NIST counts them; it certifies 11."""
    with np.errstate(divide="ignore"):
        return float(np.min(np.clip(-np.log10(np.abs(ours / certified - 1)), 0, 11)))


# ---------------------------------------------------------------- NIST


@functools.cache
def nist_fit(key):
    p = problems.get(f"nist/{key}")
    start = p.starts[1]
    method = refopt.InfinityNormTrustRegion(hess="gauss-newton", init_radius=float(np.linalg.norm(start)))
    with np.errstate(all="ignore"):
        return p, refopt.minimize(p.fun, start, method=method, tol=0)


# Digits of the standard deviations at the x that the fit has found from NIST's second start; 10 where nothing
# is said. They are those of x: no standard deviation can be better than the x at which it is taken, and at
# the certified x both below have 10.
AT_THE_FIT = {"Lanczos1": 3, "Lanczos3": 7.5, "Roszman1": 8.5}
# Digits at the certified x, 9 where nothing is said: x is printed to 11 digits, and s.d. depends on it with
# the curvature of the model. Lanczos1, with residuals of 1e-13, needs more than 11 digits of x.
AT_THE_CERTIFIED_X = {"Lanczos1": 0}


@pytest.mark.parametrize("key", nist.KEYS)
def test_certified_standard_deviations_of_a_fit(key):
    p, res = nist_fit(key)
    if key == "Lanczos1":
        with pytest.warns(refopt.CovarianceWarning, match="hardly more than the rounding errors"):
            errors = res.standard_errors()
    else:
        errors = res.standard_errors()
    assert digits(errors, p.certified_sd) >= AT_THE_FIT.get(key, 10)
    assert digits(res.residual_standard_deviation(), p.certified_residual_sd) >= min(
        AT_THE_FIT.get(key, 10), 10
    )


@pytest.mark.parametrize("key", nist.KEYS)
def test_certified_standard_deviations_at_the_certified_parameters(key):
    p = problems.get(f"nist/{key}")
    with np.errstate(all="ignore"):
        res = at(p.fun, p.certified)
    if key == "Lanczos1":
        with pytest.warns(refopt.CovarianceWarning, match="standard errors away"):
            errors = res.standard_errors()
    else:
        errors = res.standard_errors()
    assert digits(errors, p.certified_sd) >= AT_THE_CERTIFIED_X.get(key, 9)


def test_what_limits_lanczos1():
    """Its residuals are 1e-13 of the response, 400 times the rounding error of one residual: s has 3 digits.

    With 40 digits instead of 16 all are reached; and in 16 digits only s is affected, not the matrix.
    """
    p, res = nist_fit("Lanczos1")
    with pytest.warns(refopt.CovarianceWarning, match="rounding"):
        errors = res.standard_errors()
    shape = errors / res.residual_standard_deviation()
    assert digits(shape, p.certified_sd / p.certified_residual_sd) >= 9
    y, t = nist.read("Lanczos1").columns
    with mpmath.workdps(40):
        data = [(mpmath.mpf(repr(a)), mpmath.mpf(repr(b))) for a, b in zip(t, y, strict=True)]
        b = [mpmath.mpf(float(v)) for v in res.x]
        for _ in range(4):  # Gauss-Newton
            J = mpmath.matrix(
                [
                    [f for k in (0, 2, 4) for e in [mpmath.exp(-b[k + 1] * a)] for f in (e, -b[k] * a * e)]
                    for a, _ in data
                ]
            )
            r = mpmath.matrix([c - sum(b[k] * mpmath.exp(-b[k + 1] * a) for k in (0, 2, 4)) for a, c in data])
            A = J.T * J
            step = mpmath.lu_solve(A, J.T * r)
            b = [u + v for u, v in zip(b, step, strict=True)]
        s2 = (r.T * r)[0] / (len(data) - 6)
        C = A**-1
        precise = np.array([float(mpmath.sqrt(s2 * C[j, j])) for j in range(6)])
    assert digits(precise, p.certified_sd) >= 9.5
    assert digits(np.array([float(v) for v in b]), p.certified) >= 10


def test_the_digits_are_lost_without_scaling_and_with_the_normal_matrix():
    """What the careful way is good for: the textbook formula on the worst conditioned of the 27."""
    p, res = nist_fit("Bennett5")
    J, r = res._answer.ask("jacobian", "residuals")
    careless = np.sqrt(np.diag(np.linalg.inv(J.T @ J)) * (r @ r) / (len(r) - 3))
    assert digits(careless, p.certified_sd) < 8 < digits(res.standard_errors(), p.certified_sd)


# ---------------------------------------------------------------- least squares


def test_a_line_by_hand():
    res = fit(line, [0.0, 0.0])
    tm = T.mean()
    slope = (T - tm) @ (Y - Y.mean()) / ((T - tm) @ (T - tm))
    r = Y - Y.mean() - slope * (T - tm)
    s2 = r @ r / 4
    S = (T - tm) @ (T - tm)
    by_hand = s2 * np.array([[1 / 6 + tm**2 / S, -tm / S], [-tm / S, 1 / S]])
    np.testing.assert_allclose(res.covariance(), by_hand, rtol=1e-12)
    np.testing.assert_allclose(res.standard_errors("least-squares"), np.sqrt(np.diag(by_hand)), rtol=1e-12)
    assert res.residual_standard_deviation() == pytest.approx(np.sqrt(s2), rel=1e-12)
    np.testing.assert_allclose(res.covariance(variance=0.25), 0.25 * by_hand / s2, rtol=1e-12)
    assert res.covariance().dtype == np.float64 and np.array_equal(res.covariance(), res.covariance().T)


@pytest.mark.parametrize("absolute", [False, True])
def test_scipy_curve_fit_says_the_same(absolute):
    rng = np.random.default_rng(3)
    t = np.linspace(0, 4, 30)
    sigma = 0.02 + 0.03 * t
    y = 2.5 * np.exp(-1.3 * t) + 0.5 + sigma * rng.standard_normal(30)
    model = lambda t, a, b, c: a * anp.exp(-b * t) + c  # noqa: E731
    _, theirs = scipy.optimize.curve_fit(
        model, t, y, [2, 1, 0.4], sigma, absolute_sigma=absolute, xtol=1e-14, ftol=1e-14
    )
    res = fit(lambda x: (model(t, *x) - y) / sigma, [2, 1, 0.4])
    ours = res.covariance(variance=1.0 if absolute else None)
    # curve_fit has its Jacobian from differences of size 1.5e-8
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_float32_fits_have_the_digits_of_float32():
    x0 = np.zeros(2, np.float32)
    t, y = T.astype(np.float32), Y.astype(np.float32)
    res = fit(lambda x: x[0] + x[1] * t - y, x0, tol=1e-4)
    assert res.x.dtype == np.float32 and res.covariance().dtype == np.float64
    exact = fit(line, [0.0, 0.0]).covariance()
    error = np.abs(res.covariance() / exact - 1).max()
    # rounding of y and x (6e-8 of about 10) in residuals of about 0.1
    assert 1e-12 < error < 1e-4


def test_args_reach_the_residuals():
    res = refopt.minimize(
        refopt.LeastSquares(lambda x, t, y: x[0] + x[1] * t - y), [0.0, 0.0], args=(T, Y), tol=1e-10
    )
    np.testing.assert_allclose(res.covariance(), fit(line, [0.0, 0.0]).covariance(), rtol=1e-12)


def test_too_few_residuals_are_refused():
    two = lambda x: x[0] + x[1] * T[:2] - Y[:2]  # noqa: E731
    res = fit(two, [0.0, 0.0])
    for ask in (res.covariance, res.standard_errors, res.residual_standard_deviation):
        with pytest.raises(
            ValueError, match="m = 2 residuals and n = 2 parameters leave no degree of freedom"
        ):
            ask()
    exact = two(np.array([Y[0], Y[1] - Y[0]]))
    assert not exact.any()
    np.testing.assert_allclose(res.covariance(variance=1.0), [[1, -1], [-1, 2]], rtol=1e-12)
    res = fit(lambda x: anp.array([x[0] + x[1]]), [1.0, 0.0])
    with pytest.raises(ValueError, match="1 residuals cannot determine 2 parameters"):
        res.covariance(variance=1.0)


def test_a_singular_fit_warns_and_names_the_parameters():
    res = fit(lambda x: (x[0] + x[2]) + x[1] * (T - 2.5) - Y, [0.0, 0.0, 0.0], method="LBFGS", tol=1e-8)
    with pytest.warns(
        refopt.CovarianceWarning, match=r"singular: .* x\[0\], x\[2\] are part of a combination"
    ):
        errors = res.standard_errors()
    S = np.sum((T - 2.5) ** 2)
    assert np.isinf(errors[[0, 2]]).all()
    assert errors[1] == pytest.approx(res.residual_standard_deviation() / np.sqrt(S), rel=1e-12)


def test_a_nearly_singular_fit_warns():
    near = T + 1e-13 * np.array([1, -1, 1, 1, -1, 1])
    res = fit(lambda x: x[0] * T + x[1] * near - Y, [1.0, 1.0], method="LBFGS", tol=1e-7)
    with pytest.warns(
        refopt.CovarianceWarning, match=r"singular to working precision .condition number 6.31e\+13, scaled"
    ):
        assert np.all(res.standard_errors() > 1e10)


def test_an_exact_fit_warns():
    for truth in ([1.0, 2.0], [0.0, 0.0]):
        y = truth[0] + truth[1] * T
        res = at(refopt.LeastSquares(lambda x, y: x[0] + x[1] * T - y), truth, args=(y,))
        with pytest.warns(refopt.CovarianceWarning, match="hardly more than the rounding errors"):
            assert not res.covariance().any()
    res = at(refopt.LeastSquares(lambda x: x[0] + x[1] - 3.0 + 0 * T), [1.0, 2.0])
    with pytest.warns(refopt.CovarianceWarning, match="singular|hardly more"):
        assert np.isinf(res.standard_errors()).all()


def test_a_run_that_ended_too_early_warns_whatever_it_says_of_itself():
    res = fit(lambda x: 1e-6 * line(x), [0.0, 0.0], tol=1e-5, method="LBFGS")
    assert res.success
    with pytest.warns(refopt.CovarianceWarning, match=r"x is about .* standard errors away"):
        res.covariance()


def test_a_saddle_of_the_sum_of_squares_warns_where_the_hessian_is_known():
    # r = (x^2 - 1, 2): stationary at x = 0, a maximum; J = 0 there
    res = at(refopt.LeastSquares(lambda x: anp.array([x[0] ** 2 - 1.0, x[0] - 1.0, x[0] + 1.0])), [0.0])
    assert res.hess[0, 0] == 0.0
    res = at(refopt.LeastSquares(lambda x: anp.array([2 * x[0] ** 2 - 1.0, x[0] - 1.0, x[0] + 1.0])), [0.0])
    assert res.hess[0, 0] == -4.0
    with pytest.warns(refopt.CovarianceWarning, match="x is no minimum of the sum of squares"):
        res.covariance()


def test_an_active_bound_warns():
    res = fit(line, [2.0, 1.0], method="InfinityNormTrustRegion", bounds=[(1.5, None), (None, None)])
    assert res.x[0] == 1.5
    with pytest.warns(
        refopt.CovarianceWarning, match=r"on a bound: x\[0\]\. The covariance is that of the fit"
    ):
        res.covariance()
    inactive = fit(line, [2.0, 1.0], method="InfinityNormTrustRegion", bounds=[(0.5, 3.0), (None, None)])
    np.testing.assert_allclose(inactive.covariance(), fit(line, [0.0, 0.0]).covariance(), rtol=1e-9)


# ---------------------------------------------------------------- likelihoods


def test_normal_likelihood_by_hand():
    def nll(x):
        return len(Y) * anp.log(x[1]) + anp.sum((Y - x[0]) ** 2) / (2 * x[1] ** 2)

    res = refopt.minimize(nll, [5.0, 3.0], tol=1e-10)
    s2 = Y.var()
    np.testing.assert_allclose(res.x, [Y.mean(), np.sqrt(s2)], rtol=1e-9)
    by_hand = np.diag([s2 / 6, s2 / 12])
    np.testing.assert_allclose(res.covariance("likelihood"), by_hand, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(res.hess_inv, by_hand, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(res.standard_errors(kind="likelihood"), np.sqrt(np.diag(by_hand)), rtol=1e-8)


def test_poisson_likelihood_by_hand():
    counts = np.array([3.0, 7.0, 4.0, 2.0, 4.0])
    res = refopt.minimize(
        lambda x: anp.sum(x[0] - counts * anp.log(x[0]) + gammaln(counts + 1)), [2.0], tol=1e-10
    )
    # the information of n counts with mean m is n / m
    np.testing.assert_allclose(res.covariance("likelihood"), [[4.0 / 5]], rtol=1e-9)


def logistic_data():
    rng = np.random.default_rng(11)
    X = np.stack([np.ones(40), rng.standard_normal(40), 100 * rng.standard_normal(40)], axis=1)
    y = (rng.uniform(size=40) < 1 / (1 + np.exp(-X @ [0.3, 1.0, -0.01]))).astype(float)
    return X, y


@pytest.mark.parametrize("method", ["HigherOrderNewton", "Newton", "LBFGS", "model and loss"])
def test_logistic_regression_in_50_digits(method):
    X, y = logistic_data()
    with mpmath.workdps(50):
        A, b = mpmath.matrix(X.tolist()), mpmath.matrix([0, 0, 0])
        for _ in range(12):  # Newton
            p = [1 / (1 + mpmath.exp(-z)) for z in A * b]
            W = mpmath.diag([q * (1 - q) for q in p])
            information = A.T * W * A
            b += mpmath.lu_solve(information, A.T * mpmath.matrix([v - q for v, q in zip(y, p, strict=True)]))
        expected = np.array((information**-1).tolist(), dtype=float)
    loss = lambda z: anp.sum(anp.logaddexp(0, z) - y * z)  # noqa: E731
    if method == "model and loss":
        res = refopt.minimize(refopt.ModelLoss(lambda x: X @ x, loss), np.zeros(3), tol=1e-9)
    else:
        res = refopt.minimize(lambda x: loss(X @ x), np.zeros(3), method=method, tol=1e-9)
    ours = res.covariance("likelihood")
    scale = np.sqrt(np.diag(expected))
    assert np.abs((ours - expected) / scale / scale[:, None]).max() < 1e-8


def test_an_indefinite_hessian_has_no_covariance():
    res = at(lambda x: x[0] ** 2 - x[1] ** 2, [0.0, 0.0])
    with pytest.warns(refopt.CovarianceWarning, match="the Hessian at x is indefinite .* the answer is nan"):
        assert np.isnan(res.covariance("likelihood")).all()
    np.testing.assert_allclose(res.hess_inv, [[0.5, 0], [0, -0.5]])


def test_a_singular_hessian_warns():
    res = at(lambda x: (x[0] + x[1]) ** 2 + 2 * x[2] ** 2, [0.0, 0.0, 0.0])
    with pytest.warns(
        refopt.CovarianceWarning, match=r"the Hessian at x is singular: .* x\[0\], x\[1\] are part"
    ):
        np.testing.assert_allclose(res.standard_errors("likelihood"), [np.inf, np.inf, 0.5])
    with pytest.raises(
        AttributeError, match=r"no hess_inv: the Hessian is singular; x\[0\], x\[1\] are part"
    ):
        res.hess_inv  # noqa: B018


def test_a_likelihood_that_is_not_at_its_minimum_warns():
    res = refopt.minimize(
        lambda x: anp.sum(anp.cosh(x - 1)), [0.0, 0.0], method="LBFGS", options={"maxiter": 1}
    )
    with pytest.warns(refopt.CovarianceWarning, match="standard errors away"):
        res.covariance("likelihood")


def test_a_bound_of_a_likelihood_warns():
    res = refopt.minimize(
        lambda x: (x[0] + 1) ** 2 + x[1] ** 2,
        [2.0, 1.0],
        method="InfinityNormTrustRegion",
        bounds=[(0, 9), (-9, 9)],
    )
    with pytest.warns(refopt.CovarianceWarning, match=r"on a bound: x\[0\]\."):
        res.covariance("likelihood")


# ---------------------------------------------------------------- refusals


def test_what_is_not_said_to_be_a_fit_is_none():
    for fun in (rosenbrock, refopt.ModelLoss(lambda x: x, lambda y: anp.sum(y**2))):
        res = refopt.minimize(fun, [0.5, 0.5], method="Newton")
        for ask in (res.covariance, res.standard_errors):
            with pytest.raises(
                TypeError, match=r"ask for covariance\(kind='likelihood'\); if it is a sum of sq"
            ):
                ask()
            with pytest.raises(TypeError, match=r"fun is not a refopt.LeastSquares"):
                ask("least-squares")
        with pytest.raises(TypeError, match="residual_standard_deviation: fun is not a refopt.LeastSquares"):
            res.residual_standard_deviation()
        assert not any(res.after_run.values())


def test_wrong_arguments():
    res = fit(line, [0.0, 0.0])
    with pytest.raises(
        ValueError, match="covariance: kind must be one of 'least-squares', 'likelihood', got 'lik"
    ):
        res.covariance("likelyhood")
    with pytest.raises(TypeError, match="twice a negative log-likelihood of residuals with variance 1"):
        res.covariance("likelihood")
    for wrong in (0.0, -1.0, np.inf):
        with pytest.raises(ValueError, match="covariance: variance must be in"):
            res.covariance(variance=wrong)
    plain = refopt.minimize(rosenbrock, [0.5, 0.5], method="Newton")
    with pytest.raises(TypeError, match="variance belongs to kind='least-squares'"):
        plain.covariance("likelihood", variance=1.0)


def test_values_that_are_not_finite_are_refused():
    with np.errstate(all="ignore"):
        res = at(refopt.LeastSquares(lambda x: anp.log(x[0]) - Y), [-1.0])
        with pytest.raises(ValueError, match="fun is nan at x"):
            res.covariance()
        res = at(refopt.LeastSquares(lambda x: anp.sqrt(x[0]) - Y), [0.0])
        with pytest.raises(ValueError, match="residuals or their Jacobian at x are not finite"):
            res.covariance()
        res = at(lambda x: x[0] ** 1.5, [0.0])
        with pytest.raises(ValueError, match="the Hessian at x is not finite"):
            res.covariance("likelihood")


def test_a_result_without_a_run():
    empty = refopt.OptimizeResult(x=np.zeros(2), fun=1.0)
    with pytest.raises(TypeError, match="not made by a run of refopt"):
        empty.covariance()
    with pytest.raises(AttributeError, match="^hess$"):
        empty.hess  # noqa: B018
    assert not any(empty.after_run.values())


def test_an_approximate_hessian_is_no_likelihood():
    """`derivatives` says where H comes from: updates are refused, differences cost digits."""

    def covariance(**derivatives):
        kind = type("Said", (FunctionObjective,), {"derivatives": derivatives})
        objective = kind(lambda x: (x[0] + x[1]) ** 2 + 1e-9 * x[0] ** 2, np.zeros(2))
        return refopt.minimize(objective, [0.0, 0.0], method="LBFGS").covariance("likelihood")

    for exact in ("autograd", "hess", "hessp"):
        np.testing.assert_allclose(covariance(H=exact), 5e8 * np.array([[1, -1], [-1, 1]]), rtol=1e-6)
    with pytest.raises(TypeError, match=r"approximation by updates \(BFGS\)"):
        covariance(H="BFGS")
    with pytest.warns(refopt.CovarianceWarning, match="singular"):
        assert np.isinf(np.diag(covariance(H="differences of jac"))).all()


# ---------------------------------------------------------------- hess, hess_inv, and SciPy's look


@pytest.mark.parametrize("method", ["HigherOrderNewton", "Newton", "LBFGS", "Adam", "ScipyNewtonCG"])
def test_every_method_has_a_hessian_at_its_answer(method):
    res = refopt.minimize(rosenbrock, [-1.2, 1.0], method=method, options={"maxiter": 30})
    x = res.x
    exact = np.array([[1200 * x[0] ** 2 - 400 * x[1] + 2, -400 * x[0]], [-400 * x[0], 200]])
    np.testing.assert_allclose(res.hess, exact, rtol=1e-11)
    np.testing.assert_allclose(res.hess_inv @ exact, np.eye(2), rtol=0, atol=1e-9)
    assert res["hess"] is res.hess and res["hess_inv"] is res.hess_inv
    res.hess[:] = 0
    assert res._answer.known["hess"].any()


def test_the_kind_of_hessian_that_the_user_gave():
    H = scipy.sparse.diags_array([2.0, 8.0]).tocsr()
    fun, jac = (lambda x: x[0] ** 2 + 4 * x[1] ** 2), (lambda x: np.array([2 * x[0], 8 * x[1]]))
    res = refopt.minimize(fun, [1.0, 1.0], method="Newton", jac=jac, hess=lambda x: H)
    assert scipy.sparse.issparse(res.hess) and np.array_equal(res.hess.toarray(), H.toarray())
    np.testing.assert_allclose(res.hess_inv, np.diag([0.5, 0.125]))
    np.testing.assert_allclose(res.covariance("likelihood"), np.diag([0.5, 0.125]))


def test_no_hessian_says_why():
    w = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)

    def closure():
        loss = ((w - 1) ** 2).sum()
        loss.backward()  # frees what second derivatives need
        return loss

    res = refopt.minimize(refopt.torch.objective(closure, [w]), method="LBFGS")
    assert res.success and not hasattr(res, "hess") and not hasattr(res, "hess_inv")
    with pytest.raises(AttributeError, match="this result has no hess: second derivatives need the graph"):
        res.hess  # noqa: B018
    with pytest.raises(AttributeError, match="nothing"):
        res.nothing  # noqa: B018


def test_it_prints_as_scipys():
    res = refopt.minimize(rosenbrock, [-1.2, 1.0], method="LBFGS")
    plain = scipy.optimize.OptimizeResult(res)
    assert isinstance(res, scipy.optimize.OptimizeResult) and repr(res) == repr(plain)
    assert "hess_inv" not in res and "optimality:" in repr(res)
    res.hess  # noqa: B018
    assert "hess: [[" in repr(res)
    assert repr(refopt.OptimizeResult()) == "OptimizeResult()"
    assert {"x", "fun", "hess", "hess_inv", "covariance", "standard_errors", "after_run"} <= set(dir(res))


def test_scipys_minimize_returns_it():
    res = scipy.optimize.minimize(
        refopt.LeastSquares(line), [0.0, 0.0], method=refopt.HigherOrderNewton(), tol=1e-10
    )
    assert type(res) is refopt.OptimizeResult
    np.testing.assert_allclose(res.covariance(), fit(line, [0.0, 0.0]).covariance(), rtol=1e-12)
