"""CurveBall: the published yardstick, acceptance, options, and the original in lockstep."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest
from original import original, ours

import refopt
from refopt.status import Status

rosenbrock = refopt.LeastSquares(lambda x: anp.concatenate((10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1])))
START = np.array([-0.25, -0.25])
THREE = np.array([-0.25, -0.25, 0.3])


def rosenbrock_of(xp, x):
    return xp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


# ---------------------------------------------------------------- the yardstick


@pytest.mark.parametrize(
    "curvature, alpha, expected",
    [("gauss-newton", 0.5, 12), ("hessian", 0.5, 25), ("gauss-newton", 1.0, 5), ("hessian", 1.0, 10)],
)
def test_published_iteration_counts(curvature, alpha, expected):
    """Iterations to f < 1e-4 for f = sum r^2 (with 1/2 sum r^2 alpha=1 takes 6 with Gauss-Newton, not 5)."""
    method = refopt.CurveBall(auto=True, curvature=curvature, lam=0.1, alpha=alpha)
    for record in refopt.iterate(rosenbrock, START, method=method, tol=0.0):
        if record.fun < 1e-4:
            break
    assert record.nit == expected


@pytest.mark.parametrize("alpha, first", [(0.15, 0.1), (1.0, 1e4)])
def test_path_equals_a_direct_transcription(alpha, first):
    """20 steps against the published formulas, 2x2 system solved as written; 1e-9: the system's condition
    number."""
    x, z, lam = START.copy(), np.zeros(2), first
    method = refopt.CurveBall(auto=True, lam=first, alpha=alpha)
    seen = []
    for record in refopt.iterate(rosenbrock, START, method=method, tol=0.0, options={"maxiter": 20}):
        f, g = refopt.derivatives.value_and_gradient(rosenbrock, x)
        C = refopt.derivatives.hessian(rosenbrock, x)
        K = C + lam * np.eye(2)
        D = K @ z + g
        if z.any():
            beta, minus = np.linalg.solve([[D @ K @ D, D @ K @ z], [z @ K @ D, z @ K @ z]], [g @ D, g @ z])
        else:
            beta, minus = (g @ D) / (D @ K @ D), 0.0
        z = -minus * z - beta * D
        x_new = x + alpha * z
        if record.nit % 5 == 0:
            ratio = (rosenbrock(x_new) - f) / ((g @ z) / 2)  # beta g^T D - rho g^T z = -g^T z_new
            lam = lam * 0.999**5 if ratio > 1.5 else lam / 0.999**5 if ratio < 0.5 else lam
        x = x_new
        seen.append(lam)
        np.testing.assert_allclose(record.x, x, rtol=1e-9)
        np.testing.assert_allclose(record.figures["lam"], lam, rtol=1e-12)
    assert len(set(seen)) > 1, "lam was never adapted, so its rule was not tested"


# ---------------------------------------------------------------- acceptance


def test_the_name_refuses_steps_and_converges():
    result = refopt.minimize(rosenbrock, [-1.2, 1.0], method="CurveBall", options={"return_all": True})
    assert result.success and np.abs(result.x - 1).max() < 1e-4
    assert not all(record.accepted for record in result.history)
    assert all(b.fun <= a.fun for a, b in zip(result.history, result.history[1:], strict=False))


def test_without_acceptance_f_may_rise():
    method = refopt.CurveBall(auto=True, lam=1e-3)
    records = list(refopt.iterate(rosenbrock, [-1.2, 1.0], method=method, options={"maxiter": 10}))
    assert any(b.fun > a.fun for a, b in zip(records, records[1:], strict=False))
    assert all(record.accepted for record in records)


def test_a_trial_where_f_is_nan_is_refused():
    fun = lambda x: anp.sum(anp.where(x > 0.5, x - anp.log(anp.where(x > 0.5, x, 1.0)), anp.nan))  # noqa: E731
    result = refopt.minimize(fun, [30.0], method="CurveBall")
    assert result.success and result.x == pytest.approx(1.0, abs=1e-4)


def test_rounding_ends_the_run_honestly():
    fun = lambda x: 1e6 + anp.sum((x - 1 / 3) ** 2 * anp.array([1.0, 3.0]))  # noqa: E731
    result = refopt.minimize(fun, [3.0, 4.0], method="CurveBall", options={"gtol": 0.0})
    assert result.status in (Status.GTOL.number, Status.ROUNDING.number)
    assert np.abs(result.x - 1 / 3).max() < 1e-4  # f resolves sqrt(4 eps 1e6) = 3e-5


@pytest.mark.parametrize("acceptance", ["none", "ratio"])
def test_products_that_are_not_finite(acceptance):
    result = refopt.minimize(
        rosenbrock,
        [-1.2, 1.0],
        method=refopt.CurveBall(auto=True, acceptance=acceptance),
        hessp=lambda x, v: np.full(2, np.nan),
    )
    assert result.status == Status.NONFINITE.number and "product" in result.message


def test_a_wrong_gradient_is_called_no_progress():
    result = refopt.minimize(
        lambda x: float(x @ x), [1.0, 2.0], jac=lambda x: -2 * x, hessp=lambda x, v: 2 * v, method="CurveBall"
    )
    assert result.status == Status.STALLED.number and "gradient" in result.message


def test_the_model_and_loss_pair():
    """Of a linear model the Gauss-Newton matrix is the Hessian, so both forms take the same path (to
    rounding)."""
    rng = np.random.default_rng(4)
    T, y = rng.standard_normal((30, 4)), rng.integers(0, 2, 30)
    logistic = refopt.ModelLoss(lambda x: T @ x, lambda z: anp.sum(anp.logaddexp(0, z) - y * z))
    a = refopt.minimize(logistic, np.zeros(4), method="CurveBall")
    b = refopt.minimize(logistic, np.zeros(4), method="CurveBall", options={"curvature": "gauss-newton"})
    assert a.success and a.nit == b.nit and a.nhvp == b.nhvp
    np.testing.assert_allclose(a.x, b.x, rtol=1e-9)


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    "options, message",
    [
        ({"auto": True, "reg": 2.0}, "reg has no effect with auto=True"),
        ({"lam": 2.0}, "lam has no effect with auto=False"),
        ({"acceptance": "ratio"}, "acceptance has no effect"),
        ({"curvature": "gauss-newton", "hvp_method": "fd_central"}, "hvp_method must be one of 'autograd'"),
        ({"curvature": "fisher"}, "curvature must be one of"),
        ({"alpha": 0.0}, "alpha must be in"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        refopt.CurveBall(**options)


def test_gauss_newton_needs_parts():
    with pytest.raises(TypeError, match="ModelLoss"):
        refopt.minimize(lambda x: x @ x, [1.0], method=refopt.CurveBall(curvature="gauss-newton"))


@pytest.mark.parametrize("hvp_method", ["fd_forward", "fd_central"])
def test_finite_differences(hvp_method):
    """On a quadratic both differences are exact to rounding over the step, 1e-12."""
    fun = lambda x: anp.sum(anp.arange(1, 4) * x**2) + x[0] * x[1]  # noqa: E731
    paths = [
        refopt.minimize(
            fun, [1.0, 2.0, 3.0], method=refopt.CurveBall(hvp_method=m), options={"maxiter": 20}
        ).x
        for m in ("autograd", hvp_method)
    ]
    np.testing.assert_allclose(*paths, rtol=1e-9)


# ---------------------------------------------------------------- the original


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"precond_lr": 2e-4, "momentum": 0.5},
        {"reg": 5.0},
        {"hvp_method": "fd_forward"},
        {"hvp_method": "fd_central", "h": 1e-2},
    ],
)
@pytest.mark.parametrize("inner", [None, 0.5])
def test_fixed_form_equals_the_original(options, inner):
    """50 steps; 1e-9 (1e-6 with differences): rounding of the products, amplified by 50 steps."""
    within = lambda lr: None if inner is None else lr(inner)  # noqa: E731
    theirs = original(lambda m, ex: ex.CurveBall(inner=within(m.LR), **options), rosenbrock_of, THREE, 50)
    mine = ours(refopt.CurveBall(**options, inner=within(refopt.LR)), rosenbrock, THREE, 50)
    rtol = 1e-9 if options.get("hvp_method", "autograd") == "autograd" else 1e-6
    np.testing.assert_allclose(mine, theirs, rtol=rtol)


def test_the_original_has_no_automatic_form():
    with pytest.raises(TypeError, match="auto"):
        original(lambda m, ex: ex.CurveBall(auto=True), rosenbrock_of, THREE, 1)


def test_the_original_comparison_sees_a_planted_difference():
    theirs = original(lambda m, ex: ex.CurveBall(), rosenbrock_of, THREE, 5)
    mine = ours(refopt.CurveBall(momentum=0.9 + 1e-7), rosenbrock, THREE, 5)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9)


@pytest.mark.parametrize("size", [2.0**-40, 2.0**40])
def test_relative_damping_does_not_depend_on_the_units_of_f(size):
    """Powers of two change no digit."""
    fun = lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2  # noqa: E731
    options = {"maxiter": 15, "gtol": 0, "return_all": True}
    plain = refopt.minimize(fun, [-1.2, 1.0], method="CurveBall", options=options)
    other = refopt.minimize(lambda x: size * fun(x), [-1.2, 1.0], method="CurveBall", options=options)
    assert np.array_equal(plain.allvecs, other.allvecs)
    with pytest.raises(ValueError, match="damping has no effect with auto=False"):
        refopt.CurveBall(damping="relative")
