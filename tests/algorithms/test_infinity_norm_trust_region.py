"""InfinityNormTrustRegion: published problems, bounds, saddle points, Hessian models, trouble, and the
original."""

from __future__ import annotations

import warnings

import autograd.numpy as anp
import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
from original import original
from scipy.optimize import BFGS, SR1
from scipy.sparse.linalg import aslinearoperator

import refopt
from refopt.algorithms.infinity_norm_trust_region import InfinityNormTrustRegion
from refopt.derivatives import gradient, hessian
from refopt.problems import get
from refopt.status import Status

rosenbrock = refopt.LeastSquares(lambda x: anp.concatenate((10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1])))


@pytest.fixture(autouse=True)
def quiet_overflow():
    """Trial points may overflow the test functions; what the method makes of it is what is tested."""
    with np.errstate(all="ignore"):
        yield


# ---------------------------------------------------------------- published problems


def solved(number, x, f):
    """|g|_inf <= 1e-8; Meyer's function (10) by its value, because its gradient is noise of 1e-3 at the
    minimiser."""
    if number == 10:
        return abs(f / 87.94585517 - 1) < 1e-9
    return float(np.abs(gradient(get(f"mgh/{number}").fun, x)).max()) <= 1e-8


@pytest.fixture(scope="module")
def mgh():
    with np.errstate(all="ignore"):
        return {
            k: refopt.minimize(
                get(f"mgh/{k}").fun, get(f"mgh/{k}").x0, method="InfinityNormTrustRegion", tol=1e-8
            )
            for k in range(1, 36)
        }


def test_more_garbow_hillstrom(mgh):
    """Default settings, exact Hessian: all 35 here, and never fewer than SciPy's trust-exact in the same
    run."""
    ours = {k for k, result in mgh.items() if solved(k, result.x, result.fun)}
    theirs = set()
    for k in range(1, 36):
        p = get(f"mgh/{k}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # trust-exact warns on its way
            result = scipy.optimize.minimize(
                lambda x, p=p: float(p.fun(x)),
                p.x0,
                jac=lambda x, p=p: gradient(p.fun, x),
                hess=lambda x, p=p: hessian(p.fun, x),
                method="trust-exact",
                options={"gtol": 1e-8, "maxiter": 2000},
            )
        if solved(k, result.x, result.fun):
            theirs.add(k)
    assert len(ours) >= 33 and len(ours) >= len(theirs), f"not solved: {set(range(1, 36)) - ours}"


def test_solved_is_a_test_that_can_fail():
    p = get("mgh/rosenbrock")
    assert not solved(1, p.x0, 24.2) and not solved(10, None, 87.95)


def test_every_end_says_what_happened(mgh):
    """Success everywhere; only Meyer's, whose gradient is noise, is ended by rounding."""
    assert all(result.success for result in mgh.values())
    assert [k for k, result in mgh.items() if result.status != Status.GTOL.number] == [10]
    assert mgh[10].status == Status.ROUNDING.number


def test_an_evaluation_bound(mgh):
    """Two trials of f and one Hessian trace an iteration on average is what this method needs, not more."""
    assert sum(r.nit for r in mgh.values()) <= 1200
    assert sum(r.nfev for r in mgh.values()) <= 3 * sum(r.nit for r in mgh.values()) + 35


@pytest.mark.parametrize("key", ["rosenbrock", "wood", "helical_valley", "osborne2", "brown_almost_linear"])
def test_products_alone_solve_them_too(key):
    p = get(f"mgh/{key}")
    result = refopt.minimize(p.fun, p.x0, method=InfinityNormTrustRegion(prefer_dense=False), tol=1e-8)
    assert result.success and result.nhev <= 1  # where the run ends, its curvature is looked at
    assert result.fun <= p.f_opt + 1e-9


# ---------------------------------------------------------------- bounds

BOUNDED = [
    ("rosenbrock", [(-2, 0.5), (-1, 2)]),
    ("rosenbrock", [(-2, -1), (0.5, 2)]),
    ("beale", [(0, 2), (0.6, 3)]),
    ("helical_valley", [(-2, 0.8), (-0.2, 2), (-2, 2)]),
    ("brown_dennis", [(-20, 25), (-5, 14), (-5, 5), (-1, -0.05)]),
    ("extended_rosenbrock", [(-2, 0.9)] * 10),
    ("chebyquad", [(0.1, 0.9)] * 8),
    ("broyden_banded", [(-1, -0.45)] * 10),
]


@pytest.mark.parametrize("key, bounds", BOUNDED)
@pytest.mark.parametrize(
    "settings",
    [{}, {"prefer_dense": False}, {"hess": BFGS()}, {"hess": "gauss-newton"}],
    ids=["exact", "products", "BFGS", "gauss-newton"],
)
def test_bounded_variants_agree_with_scipy(key, bounds, settings):
    p = get(f"mgh/{key}")
    lower, upper = np.array(bounds, dtype=float).T
    x0 = np.clip(p.x0, lower, upper)
    ours = refopt.minimize(p.fun, x0, method=InfinityNormTrustRegion(**settings), bounds=bounds, tol=1e-8)
    fun, jac = lambda x: float(p.fun(x)), lambda x: gradient(p.fun, x)
    theirs = scipy.optimize.minimize(
        fun,
        x0,
        jac=jac,
        method="L-BFGS-B",
        bounds=bounds,
        options={"ftol": 1e-15, "gtol": 1e-8, "maxiter": 5000},
    )
    assert ours.success
    assert np.all(lower <= ours.x) and np.all(ours.x <= upper)
    np.testing.assert_allclose(ours.fun, theirs.fun, rtol=1e-8)
    near = np.minimum(np.abs(theirs.x - lower), np.abs(theirs.x - upper)) < 1e-9
    assert near.any() and np.all((ours.x == lower) | (ours.x == upper) | ~near)  # active bounds exactly
    if settings == {}:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            interior = scipy.optimize.minimize(
                fun,
                x0,
                jac=jac,
                hess=lambda x: hessian(p.fun, x),
                method="trust-constr",
                bounds=bounds,
                options={"gtol": 1e-8, "xtol": 1e-10, "maxiter": 1000},
            )
        np.testing.assert_allclose(ours.x, interior.x, atol=1e-3)  # an interior method stays off the bounds


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_active_bounds_hold_exactly_whatever_their_digits(seed, dtype):
    """x - (x - l) is not always l in floating point; the iterate must be l all the same."""
    rng = np.random.default_rng(seed)
    n = 5
    lower = (rng.standard_normal(n) * 10.0 ** rng.integers(-8, 3, n)).astype(dtype)
    x0 = (lower + rng.uniform(0.1, 50, n)).astype(dtype)
    result = refopt.minimize(
        lambda x: anp.sum((x - lower + 1) ** 2),
        x0,
        method="InfinityNormTrustRegion",
        bounds=scipy.optimize.Bounds(lower, np.inf),
    )
    assert result.success and result.x.dtype == dtype
    assert np.array_equal(result.x, lower), f"seed {seed}: off by {result.x - lower}"


def test_every_iterate_stays_inside():
    bounds = [(-1.2, 0.3), (0.1, 1.5)]
    for record in refopt.iterate(rosenbrock, [-1.2, 1.0], method="InfinityNormTrustRegion", bounds=bounds):
        assert all(low <= v <= high for v, (low, high) in zip(record.x, bounds, strict=True))
    assert record.figures["active"] >= 1


def test_equal_bounds_fix_a_variable():
    result = refopt.minimize(
        rosenbrock, [-1.2, 1.0], method="InfinityNormTrustRegion", bounds=[(-1.2, -1.2), (0, 2)]
    )
    assert result.success and result.x[0] == -1.2 and result.x[1] == pytest.approx(1.44, rel=1e-7)


def test_linear_functions_end_in_a_corner():
    result = refopt.minimize(
        lambda x: x[0] - 2 * x[1], [0.5, 0.5], method="InfinityNormTrustRegion", bounds=[(0, 3), (-1, 7)]
    )
    assert result.success and result.x.tolist() == [0.0, 7.0]


@pytest.mark.parametrize(
    "bounds, message",
    [
        ([(1, 0), (0, 1)], "bounds cross"),
        ([(0, 1)], "1 pairs"),
        (7, "bounds must be"),
    ],
)
def test_bad_bounds(bounds, message):
    with pytest.raises((ValueError, TypeError), match=message):
        refopt.minimize(rosenbrock, [0.5, 0.5], method="InfinityNormTrustRegion", bounds=bounds)


# ---------------------------------------------------------------- saddle points


def saddle(x):
    return x[0] ** 2 - x[1] ** 2 + x[1] ** 4


@pytest.mark.parametrize("start", [[1.0, 0.0], [1.0, 0.01]])
@pytest.mark.parametrize("prefer_dense", [True, False])
def test_leaves_the_saddle(start, prefer_dense):
    """From [1, 0] every gradient on the way points at the saddle (0, 0); f there is 0, the minimum -1/4."""
    result = refopt.minimize(
        saddle, start, method=InfinityNormTrustRegion(prefer_dense=prefer_dense), tol=1e-8
    )
    assert result.success and result.fun == pytest.approx(-0.25, rel=1e-12)


@pytest.mark.parametrize("start", [[1.0, 0.0], [1.0, 0.01]])
def test_the_residual_subproblem_does_not(start):
    """It is drawn to the saddle, which the run leaves; steps that raise the model are refused."""
    method = InfinityNormTrustRegion(subproblem="residual")
    result = refopt.minimize(saddle, start, method=method, tol=1e-8, options={"return_all": True})
    left = [k for k, record in enumerate(result.history) if "left_saddle" in record.figures]
    own, after = result.history[: left[0]], result.history[left[0] + 1 :]
    assert len(left) == 1 and np.abs(own[0].x).max() < 1e-4 and np.abs(own[-1].x).max() < 1e-4
    assert after and not any(record.accepted for record in after)
    assert not result.success and "predicted change up to" in result.message


def test_residual_subproblem_is_fine_on_convex_functions():
    fun = lambda x: anp.sum(anp.exp(x) - 2 * x) + x[0] * x[1] / 4  # noqa: E731
    a = refopt.minimize(fun, np.zeros(3), method=InfinityNormTrustRegion(subproblem="residual"), tol=1e-10)
    b = refopt.minimize(fun, np.zeros(3), method=InfinityNormTrustRegion(), tol=1e-10)
    assert a.success and b.success
    np.testing.assert_allclose(a.x, b.x, rtol=1e-9)


# ---------------------------------------------------------------- models of the Hessian

STRATEGIES = {
    "BFGS": BFGS(),
    "BFGS damped": BFGS(exception_strategy="damp_update"),
    "SR1": SR1(),
    "DFP": refopt.DFP(),
    "DFP damped": refopt.DFP(exception_strategy="damp_update"),
    "PSB": refopt.PSB(),
    "Broyden 1/2": refopt.BroydenClass(0.5),
}


@pytest.mark.parametrize(
    "key",
    [
        "classic/rosenbrock",
        "classic/beale",
        "classic/himmelblau",
        "classic/quadratic",
        "classic/separable_quartic",
        "mgh/wood",
        "mgh/powell_singular",
        "mgh/helical_valley",
    ],
)
@pytest.mark.parametrize("name", STRATEGIES)
def test_strategies_converge_on_the_classics(key, name):
    p = get(key)
    result = refopt.minimize(p.fun, p.x0, method=InfinityNormTrustRegion(hess=STRATEGIES[name]), tol=1e-5)
    assert result.success and result.nhev <= 1 and result.nit <= 600
    assert result.fun <= p.f_opt + 1e-6


def test_plain_dfp_is_as_slow_as_its_docstring_says():
    """Self-scaling is why DFP is usable: 45 iterations against more than 1000 on Rosenbrock's function."""
    p = get("classic/rosenbrock")
    scaled, plain = (
        refopt.minimize(p.fun, p.x0, method=InfinityNormTrustRegion(hess=refopt.DFP(self_scaling=s)))
        for s in (True, False)
    )
    assert scaled.success and scaled.nit < 100 and not plain.success


def test_the_strategy_given_is_never_changed():
    strategy = refopt.DFP()
    method = InfinityNormTrustRegion(hess=strategy)
    a, b = (refopt.minimize(rosenbrock, [-1.2, 1.0], method=method) for _ in range(2))
    assert strategy.B is None and np.array_equal(a.x, b.x) and a.nfev == b.nfev


def test_a_strategy_with_only_the_inverse():
    inverse = BFGS()
    inverse.initialize(2, "inv_hess")
    with pytest.raises(ValueError, match="only the inverse.*fallback=True"):
        refopt.minimize(rosenbrock, [-1.2, 1.0], method=InfinityNormTrustRegion(hess=inverse))
    result = refopt.minimize(
        rosenbrock, [-1.2, 1.0], method=InfinityNormTrustRegion(hess=inverse, fallback=True)
    )
    direct = refopt.minimize(rosenbrock, [-1.2, 1.0], method=InfinityNormTrustRegion(hess=BFGS()))
    assert result.success and abs(result.nit - direct.nit) <= 5


def forms(H):
    return {"array": H, "sparse": scipy.sparse.csr_array(H), "operator": aslinearoperator(H)}


@pytest.mark.parametrize("form", ["array", "sparse", "operator"])
@pytest.mark.parametrize("prefer_dense", [True, False])
@pytest.mark.parametrize("where", ["minimize", "method"])
def test_the_users_hessian_in_every_form(form, prefer_dense, where):
    p = get("mgh/wood")
    hess = lambda x: forms(hessian(p.fun, x))[form]  # noqa: E731
    if where == "minimize":
        result = refopt.minimize(
            p.fun, p.x0, method=InfinityNormTrustRegion(prefer_dense=prefer_dense), hess=hess
        )
    else:
        result = refopt.minimize(
            p.fun, p.x0, method=InfinityNormTrustRegion(hess=hess, prefer_dense=prefer_dense)
        )
    assert result.success and result.fun < 1e-9


def test_a_constant_operator():
    H = np.array([[4.0, 1.0], [1.0, 3.0]])
    for prefer_dense in (True, False):
        method = InfinityNormTrustRegion(hess=aslinearoperator(H), prefer_dense=prefer_dense)
        result = refopt.minimize(lambda x: x @ H @ x / 2 - x[0], [5.0, -7.0], method=method)
        assert result.success
        np.testing.assert_allclose(H @ result.x, [1.0, 0.0], atol=1e-5)


@pytest.mark.parametrize(
    "H, message",
    [
        (np.eye(3), r"shape \(2, 2\), got shape \(3, 3\)"),
        (np.ones(2), "got shape"),
        (np.array([[1.0, 2.0], [0.0, 1.0]]), "symmetric"),
        (scipy.sparse.eye_array(3).tocsr(), "got shape"),
    ],
)
@pytest.mark.parametrize("where", ["minimize", "method"])
def test_a_hessian_of_the_wrong_shape(H, message, where):
    with pytest.raises(ValueError, match=message):
        if where == "minimize":
            refopt.minimize(rosenbrock, [-1.2, 1.0], method="InfinityNormTrustRegion", hess=lambda x: H)
        else:
            refopt.minimize(rosenbrock, [-1.2, 1.0], method=InfinityNormTrustRegion(hess=lambda x: H))


def test_gauss_newton_of_a_model_and_a_loss():
    rng = np.random.default_rng(4)
    T, y = rng.standard_normal((30, 4)), rng.integers(0, 2, 30)
    logistic = refopt.ModelLoss(lambda x: T @ x, lambda z: anp.sum(anp.logaddexp(0, z) - y * z))
    exact = refopt.minimize(logistic, np.zeros(4), method=InfinityNormTrustRegion())
    for prefer_dense in (True, False):
        method = InfinityNormTrustRegion(hess="gauss-newton", prefer_dense=prefer_dense)
        result = refopt.minimize(logistic, np.zeros(4), method=method)
        assert result.success and abs(result.nit - exact.nit) <= 1
        np.testing.assert_allclose(result.x, exact.x, rtol=1e-5)


# ---------------------------------------------------------------- radius


def test_radius_restarts_after_underflow_once():
    """f is nan wherever one goes: the radius underflows, restarts, underflows again, and the run says so."""
    x0 = np.array([1.0, 2.0])
    fun = lambda x: anp.sum(x**2) if np.array_equal(getattr(x, "_value", x), x0) else anp.sum(x) * anp.nan  # noqa: E731
    run = refopt.iterate(fun, x0, method=InfinityNormTrustRegion(hess=lambda x: np.eye(2)))
    radii = [record.figures["radius"] for record in run]
    assert min(radii) < 1e-12 and any(b > 1e6 * a for a, b in zip(radii, radii[1:], strict=False))
    assert run.result.status == Status.STALLED.number and np.array_equal(run.result.x, x0)


def test_radius_overflow_says_unbounded():
    """A straight slope so small that f stays finite while the radius does not (float32)."""
    fun = lambda x: 1e-30 * x[0]  # noqa: E731
    run = refopt.iterate(
        fun,
        np.array([1.0], dtype=np.float32),
        method=InfinityNormTrustRegion(),
        options={"gtol": 0.0, "maxiter": 300},
    )
    radii = [record.figures["radius"] for record in run]
    assert max(radii) > 1e15 and run.result.status == Status.UNBOUNDED.number


def test_max_attempts_then_a_zero_step():
    fun = lambda x: anp.where(x[0] > 0.99, x[0], anp.nan)  # noqa: E731
    run = refopt.iterate(fun, [1.0], method=InfinityNormTrustRegion(max_attempts=2), options={"maxiter": 2})
    records = list(run)
    assert [r.accepted for r in records] == [False, False] and records[0].figures["attempts"] == 2
    assert records[1].figures["radius"] == 0.25**4 and records[1].x.tolist() == [1.0]


def test_update_freq_reuses_the_matrix():
    every, third = (
        refopt.minimize(
            rosenbrock,
            [-1.2, 1.0],
            method=InfinityNormTrustRegion(update_freq=k),
            options={"return_all": True},
        )
        for k in (1, 3)
    )
    assert every.success and third.success
    # the run's own tests add one where it ends, and where the gradient is small and the method has none
    assert every.nhev == every.nit + 1
    far = [record for record in third.history if record.nit <= 30]
    assert all(record.gnorm > 0.1 for record in far)
    assert [record.nhev for record in far] == [-(-record.nit // 3) for record in far]


def test_inner_replaces_the_gradient():
    """The model of half the gradient asks for half of Newton's step."""
    fun = lambda x: anp.sum((x - 1) ** 2)  # noqa: E731
    method = InfinityNormTrustRegion(inner=refopt.LR(0.5), init_radius=10.0)
    first = next(refopt.iterate(fun, [3.0, 3.0], method=method))
    np.testing.assert_allclose(first.x, [2.0, 2.0], rtol=1e-15)


# ---------------------------------------------------------------- trouble


def test_no_curvature_and_no_bounds():
    """H = 0: steps to the corners of the box, until f says it is unbounded."""
    result = refopt.minimize(lambda x: x[0] - x[1], [0.0, 0.0], method="InfinityNormTrustRegion")
    assert result.status == Status.UNBOUNDED.number


def test_products_that_are_not_finite():
    result = refopt.minimize(
        rosenbrock,
        [-1.2, 1.0],
        method=InfinityNormTrustRegion(prefer_dense=False),
        hessp=lambda x, v: np.full(2, np.nan),
    )
    assert result.status == Status.NONFINITE.number and "matrix" in result.message


def test_a_matrix_that_is_not_finite():
    result = refopt.minimize(
        rosenbrock, [-1.2, 1.0], method="InfinityNormTrustRegion", hess=lambda x: np.full((2, 2), np.nan)
    )
    assert result.status == Status.NONFINITE.number and "matrix" in result.message


def test_a_wrong_gradient_is_called_no_progress():
    result = refopt.minimize(
        lambda x: float(x @ x),
        [1.0, 2.0],
        jac=lambda x: -2 * x,
        hess=lambda x: 2 * np.eye(2),
        method="InfinityNormTrustRegion",
    )
    assert result.status == Status.STALLED.number and "gradient may be wrong" in result.message


def test_rounding_is_success_only_where_f_is_flat():
    """1e6 + |x - 1/3|^2 resolves 3e-5 in x by its values, more by its gradient, which decides there."""
    fun = lambda x: 1e6 + anp.sum((x - 1 / 3) ** 2)  # noqa: E731
    result = refopt.minimize(fun, [3.0, 4.0], method="InfinityNormTrustRegion", tol=0.0)
    assert result.success and np.abs(result.x - 1 / 3).max() < 1e-9


def test_residuals_and_scalars_confused():
    with pytest.raises(ValueError, match="LeastSquares"):
        refopt.minimize(lambda x: anp.array([x[0], x[1]]), [1.0, 2.0], method="InfinityNormTrustRegion")
    with pytest.raises(TypeError, match="LeastSquares"):
        refopt.minimize(lambda x: x @ x, [1.0, 2.0], method=InfinityNormTrustRegion(hess="gauss-newton"))
    with pytest.raises(ValueError, match="without refopt.LeastSquares"):
        refopt.minimize(refopt.LeastSquares(lambda x: x @ x), [1.0, 2.0], method="InfinityNormTrustRegion")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"hess": "newton"}, "hess must be one of"),
        ({"hess": 3}, "hess must be one of"),
        ({"hess": BFGS}, r"give an instance, BFGS\(\)"),
        ({"nminus": 1.0}, "nminus must be in"),
        ({"nplus": 0.5}, "nplus must be in"),
        ({"rho_bad": 0.999}, "rho_bad must be below rho_good"),
        ({"init_radius": 0.0}, "init_radius must be in"),
        ({"max_attempts": 0}, "whole number >= 1"),
        ({"subproblem": "cubic"}, "subproblem must be one of"),
        ({"boundary_tol": 1.0}, "boundary_tol must be in"),
        ({"prefer_dense": 1}, "prefer_dense must be True or False"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        InfinityNormTrustRegion(**options)


# ---------------------------------------------------------------- the original


@pytest.mark.parametrize("module", ["Newton", "BFGS", "SR1"])
def test_the_original_has_never_run(module):
    """torchzero 0.4.4 ends with a KeyError before its first step; when it no longer does, compare with it."""
    with pytest.raises(KeyError, match="bounds"):
        original(
            lambda m, ex: ex.InfinityNormTrustRegion(getattr(m, module)()),
            lambda torch, x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2,
            [-1.2, 1.0],
            1,
        )
