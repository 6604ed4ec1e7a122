"""ScipyNewtonCG: every solver and option, trouble inside the solver, inexact Newton, and the original."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
import scipy.sparse.linalg
from original import original, ours

import refopt
from refopt.algorithms.scipy_newton_cg import ScipyNewtonCG, descending
from refopt.derivatives import gradient, hessian
from refopt.solvers import krylov
from refopt.solvers.forcing import ETA_MAX

NAMES = list(krylov.SOLVERS)
each_solver = pytest.mark.parametrize("name", NAMES)
START = np.array([-1.2, 1.0, 0.7, 0.3])


def bowl_of(xp, x):
    return xp.sum((x - 1) ** 4) + xp.sum(x**2) + 0.1 * xp.sum(x[1:] * x[:-1])


def bowl(x):
    return bowl_of(anp, x)


def rosenbrock(x):
    return anp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def saddle(x):
    return x[0] ** 2 - x[1] ** 2 + x[1] ** 4 + (x[0] * x[1]) / 3


def first(method, fun=bowl, x0=START, **keywords):
    """Record and update of the first iteration."""
    run = refopt.iterate(fun, x0, method=method, options={"gtol": 0, "maxiter": 1}, **keywords)
    record = next(run)
    return record, x0 - record.x


def tight(name):
    """Keywords for an answer to rounding."""
    if name in krylov.LEAST_SQUARES:
        return {"atol": 1e-15, "btol": 1e-15, "iter_lim" if name == "lsqr" else "maxiter": 100}
    return {"rtol": 1e-14}


# ---------------------------------------------------------------- solvers


@each_solver
def test_each_solver_gives_newtons_direction(name):
    record, d = first(ScipyNewtonCG(name, kwargs=tight(name)))
    newton = np.linalg.solve(hessian(bowl, START), gradient(bowl, START))
    # cgs and tfqmr square the residual polynomial and lose some digits of 16
    assert np.abs(d - newton).max() <= 1e-10 * np.abs(newton).max()
    assert record.figures["direction"] == "kept" and record.figures["products"] >= 4


@each_solver
def test_each_solver_by_function_and_by_name_minimises(name):
    by_function = ScipyNewtonCG(getattr(scipy.sparse.linalg, name))
    assert by_function == ScipyNewtonCG(name) and f"solver='{name}'" in repr(by_function)
    result = refopt.minimize(
        rosenbrock, START, method=[by_function, refopt.Backtracking()], options={"return_all": True}
    )
    assert result.success and np.abs(result.jac).max() <= 1e-5
    assert result.nhvp == sum(r.figures["products"] for r in result.history)


def test_a_planted_wrong_product_is_seen():
    _, d = first(
        ScipyNewtonCG("cg", kwargs={"rtol": 1e-14}),
        hessp=lambda x, v: 1.001 * hessian(bowl, x) @ v,
        jac=lambda x: gradient(bowl, x),
    )
    newton = np.linalg.solve(hessian(bowl, START), gradient(bowl, START))
    assert not np.abs(d - newton).max() <= 1e-10 * np.abs(newton).max()


@pytest.mark.parametrize("method, error", [("fd_forward", 1e-2), ("fd_central", 1e-5)])
def test_products_by_differences(method, error):
    newton = np.linalg.solve(hessian(bowl, START), gradient(bowl, START))
    record, d = first(ScipyNewtonCG("cg", hvp_method=method))  # errors O(h) and O(h^2) with h = 1e-3
    assert 1e-9 < np.abs(d - newton).max() < error
    assert record.nhvp == 0 and record.njev >= 5
    _, finer = first(ScipyNewtonCG("cg", hvp_method=method, h=1e-5, kwargs={"rtol": 1e-10}))
    assert np.abs(finer - newton).max() < np.abs(d - newton).max()


CYCLING = list(krylov.CYCLES)
DIFFERENCES = ["fd_forward", "fd_central"]


def most_products(solver, method, n):
    """A bound on the products of a solve to the default tolerance, with differences of h = 1e-3."""
    falls = 3 if method == "fd_forward" else 5  # rtol 1e-3 or 1e-5, by a factor of 10 each
    if solver in CYCLING:
        return falls * (n + 2) + 1  # n + 1 in a cycle, one for its residual
    if solver in krylov.UNWATCHED:
        return 10 * n + 3  # their own limits; one for the start, one to judge the answer
    return falls * (4 * (n + 1) + 3)


def with_differences(solver, method, x0, **options):
    """A run on Rosenbrock's function with products by differences, and the most products of any step."""
    options = {"solver": solver, "hvp_method": method, "return_all": True, **options}
    result = refopt.minimize(
        scipy.optimize.rosen, x0, jac=scipy.optimize.rosen_der, method="ScipyNewtonCG", options=options
    )
    return result, max(r.figures["products"] for r in result.history)


@pytest.mark.parametrize("solver", CYCLING)
@pytest.mark.parametrize("method", DIFFERENCES)
def test_default_solver_with_differences_minimises(solver, method):
    """Where the residual cannot be reduced the best iterate is the step, not the gradient."""
    result, most = with_differences(solver, method, [-1.2, 1.0])
    assert result.success and result.nit <= 30  # 21 with exact products
    assert most <= 15  # more than 2000 where the solver goes on


@pytest.mark.parametrize("start", [[-1.2, 1.0], [-1.2, 1.0, 0.7, 0.3]], ids=["n=2", "n=4"])
@pytest.mark.parametrize("solver", CYCLING)
@pytest.mark.parametrize("method", DIFFERENCES)
def test_products_with_differences_are_bounded_from_any_start(solver, method, start):
    """What a solver does once its residual is all error depends on the last bits: 50 starts try it."""
    limit = most_products(solver, method, len(start))
    for seed in range(50):
        rng = np.random.default_rng(seed)
        x0 = start + 10 ** rng.uniform(-12, -1) * rng.standard_normal(len(start))
        result, most = with_differences(solver, method, x0)
        assert result.success and result.nit <= 30, (seed, result)
        assert most <= limit, f"{most} products, seed {seed}"


# The least-squares solvers show no iterate to truncate at.
OF_EACH = [
    (name, options)
    for name in NAMES
    for options in ({}, {"warm_start": True}, {"forcing": "eisenstat-walker"}, {"direction": "truncated"})
    if name not in krylov.LEAST_SQUARES or "direction" not in options
]


@pytest.mark.parametrize("name, options", OF_EACH, ids=str)
@pytest.mark.parametrize("method", DIFFERENCES)
def test_products_with_differences_are_bounded_for_each_solver(name, method, options):
    limit = most_products(name, method, 10)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x0 = np.tile(START, 3)[:10] + 10 ** rng.uniform(-12, -1) * rng.standard_normal(10)
        result, most = with_differences(name, method, x0, maxiter=30, **options)
        assert result.fun < scipy.optimize.rosen(x0)
        assert most <= limit, f"{most} products, seed {seed}"


def test_tolerance_is_not_below_the_error_of_differences():
    def used(**options):
        return ScipyNewtonCG(**options).tolerance(1e-8, np.dtype(float))

    assert used() == (None, {}) and used(hvp_method="fd_central") == (None, {})  # h^2 is below SciPy's 1e-5
    assert used(hvp_method="fd_forward") == (None, {"rtol": 1e-3})
    assert used(hvp_method="fd_forward", h=1e-2, kwargs={"rtol": 1e-9}) == (None, {"rtol": 1e-9})
    assert used(hvp_method="fd_forward", forcing="eisenstat-walker") == (1e-3, {})
    assert used(forcing="eisenstat-walker") == (1e-8, {})
    assert used(hvp_method="fd_forward", solver="lsqr") == (None, {})


def test_user_hessp_is_used():
    calls = []

    def hessp(x, v):
        calls.append(v)
        return hessian(bowl, x) @ v

    record, d = first(ScipyNewtonCG("cg"), jac=lambda x: gradient(bowl, x), hessp=hessp)
    assert len(calls) == record.figures["products"] == record.nhvp


def test_float32_stays_float32():
    for name in NAMES:
        keywords = {"maxiter": 100} if name == "lsmr" else None  # its own limit, n, is short of float32
        record, d = first(ScipyNewtonCG(name, kwargs=keywords), x0=START.astype(np.float32))
        assert record.x.dtype == np.float32
        newton = np.linalg.solve(hessian(bowl, START), gradient(bowl, START))
        assert np.abs(d - newton).max() < 1e-3 * np.abs(newton).max()  # rtol 1e-5, condition number 20


# ---------------------------------------------------------------- options


def test_warm_start_begins_at_the_last_solution(monkeypatch):
    starts = []
    cg = krylov.SOLVERS["cg"]
    spy = lambda A, b, x0=None, **rest: starts.append(x0) or cg(A, b, x0=x0, **rest)  # noqa: E731
    monkeypatch.setitem(krylov.SOLVERS, "cg", spy)
    run = refopt.iterate(bowl, START, method=ScipyNewtonCG("cg", warm_start=True))
    steps = [START - next(run).x]
    before = START - steps[0]
    steps.append(before - next(run).x)
    assert starts[0] is None and np.allclose(starts[1], steps[0], rtol=1e-14)  # one subtraction's rounding
    starts.clear()
    list(refopt.iterate(bowl, START, method=ScipyNewtonCG("cg"), options={"maxiter": 3}))
    assert starts == [None] * 3


def test_keywords_reach_the_solver():
    loose, _ = first(ScipyNewtonCG("cg", kwargs={"rtol": 0.5}))
    limited, _ = first(ScipyNewtonCG("cg", kwargs={"maxiter": 1}))
    assert loose.figures["products"] < 4 and loose.figures["outcome"] == "converged"
    assert limited.figures["products"] == 2  # one, and one to judge the answer
    assert limited.figures["outcome"] == "iterations"
    assert limited.figures["exit_code"] == 1


def test_inner_is_applied_first():
    _, whole = first(ScipyNewtonCG("cg", kwargs={"rtol": 1e-14}))
    _, half = first(ScipyNewtonCG("cg", kwargs={"rtol": 1e-14}, inner=refopt.LR(0.5)))
    assert np.allclose(half, whole / 2, rtol=1e-12)


@pytest.mark.parametrize("kind", ["array", "sparse", "operator", "function"])
@pytest.mark.parametrize("name", [n for n in NAMES if n not in krylov.LEAST_SQUARES])
def test_preconditioner(name, kind):
    def quadratic(x):
        return anp.sum(scales * x**2) / 2 + anp.sum(x) + anp.sum(x[1:] * x[:-1]) / 10

    n = 40
    scales = np.logspace(0, 5, n)
    jacobi = np.diag(1 / scales)
    M = {
        "array": jacobi,
        "sparse": scipy.sparse.csr_array(jacobi),
        "operator": scipy.sparse.linalg.LinearOperator((n, n), matvec=lambda v: v / scales),
        "function": lambda point: np.diag(1 / np.diag(point.dense_hessian())),
    }[kind]
    plain, _ = first(ScipyNewtonCG(name, kwargs={"rtol": 1e-9}), quadratic, np.ones(n))
    helped, d = first(ScipyNewtonCG(name, M=M, kwargs={"rtol": 1e-9}), quadratic, np.ones(n))
    assert helped.figures["products"] < plain.figures["products"] / 2
    newton = np.linalg.solve(hessian(quadratic, np.ones(n)), gradient(quadratic, np.ones(n)))
    # rtol 1e-9 times the condition number 1e5; tfqmr measures the preconditioned residual
    assert np.abs(d - newton).max() < (0.1 if name == "tfqmr" else 1e-3) * np.abs(newton).max()


def test_forcing_solves_loosely_far_from_the_solution():
    def spread(x):
        return anp.sum(scales * (x - 1) ** 2) + anp.sum((x - 1) ** 4)

    scales, x0 = np.logspace(-1, 2, 100), np.linspace(-3, 4, 100)
    method = [ScipyNewtonCG("cg", forcing="eisenstat-walker"), refopt.Backtracking()]
    result = refopt.minimize(spread, x0, method=method, options={"return_all": True, "maxiter": 100})
    exact = refopt.minimize(
        spread, x0, method=[ScipyNewtonCG("cg"), refopt.Backtracking()], options={"maxiter": 100}
    )
    assert result.success and exact.success
    assert result.nhvp < 0.8 * exact.nhvp
    etas = [r.figures["eta"] for r in result.history]
    assert etas[0] == 0.5 and max(etas) <= ETA_MAX and etas[-1] < 0.1


@pytest.mark.parametrize("name", NAMES)
def test_the_forcing_tolerance_is_kept(name):
    """|H d - u| <= eta |u|, also by minres whose own test is another."""
    x0 = np.tile(START, 10)
    _, d = first(ScipyNewtonCG(name, forcing="eisenstat-walker"), rosenbrock, x0)
    g = gradient(rosenbrock, x0)
    assert np.linalg.norm(hessian(rosenbrock, x0) @ d - g) <= 0.5 * np.linalg.norm(g) * (1 + 1e-10)


# ---------------------------------------------------------------- directions that do not descend


SIDE = np.array([0.05, 0.3])  # there H is indefinite and Newton's direction ascends


def test_newton_ascends_at_the_place_of_these_tests():
    assert gradient(saddle, SIDE) @ np.linalg.solve(hessian(saddle, SIDE), gradient(saddle, SIDE)) < 0


@pytest.mark.parametrize(
    "policy, said",
    [("keep", "kept"), ("negate", "negated"), ("gradient", "gradient"), ("truncated", "truncated")],
)
def test_policies(policy, said):
    g = gradient(saddle, SIDE)
    newton = np.linalg.solve(hessian(saddle, SIDE), g)
    record, d = first(ScipyNewtonCG("cg", direction=policy, kwargs={"rtol": 1e-14}), saddle, SIDE)
    assert record.figures["direction"] == said
    if policy in ("keep", "negate"):
        assert np.allclose(d, newton if policy == "keep" else -newton, rtol=1e-10)
    elif policy == "gradient":
        assert np.allclose(d, g, rtol=1e-14)
    else:
        assert g @ d > 0 and record.figures["outcome"] == "curvature"


def test_truncated_before_the_first_iterate_is_the_update():
    record, d = first(ScipyNewtonCG("cg", direction="truncated"), lambda x: -anp.sum(x**2) + x[0], START)
    assert np.allclose(d, gradient(lambda x: -anp.sum(x**2) + x[0], START), rtol=1e-14)
    assert record.figures["products"] == 1


def left_from(result):
    """The saddle that the run had to leave, as the method did not; None if it left none."""
    steps = [k for k, record in enumerate(result.history) if "left_saddle" in record.figures]
    return result.history[steps[0] - 1].x if steps else None


def test_truncated_cg_leaves_the_saddle_that_newton_goes_to():
    start = np.array([1.0, 1e-3])
    kept = {"return_all": True}
    newton = refopt.minimize(saddle, start, method=ScipyNewtonCG("cg"), options=kept)
    assert left_from(newton) == pytest.approx([0.0, 0.0], abs=1e-6)  # by the run, and then Newton's minimum
    assert newton.success and newton.fun < -0.2
    for name in ("cg", "minres", "gcrotmk", "gmres"):
        method = [ScipyNewtonCG(name, direction="truncated"), refopt.Backtracking()]
        result = refopt.minimize(saddle, start, method=method, options=kept)
        assert result.success and result.fun < -0.2 and left_from(result) is None, name


def test_slope_exactly_zero_gives_the_gradient():
    g = np.array([1.0, 0.0])
    d, said = descending(np.array([0.0, 1.0]), g, "negate")
    assert d is g and said == "gradient"


# ---------------------------------------------------------------- trouble


@each_solver
def test_zero_hessian_gives_the_update(name):
    record, d = first(ScipyNewtonCG(name), lambda x: anp.sum(x) + 3 * x[0])
    assert np.array_equal(d, [4.0, 1.0, 1.0, 1.0]) and record.figures["outcome"] == "breakdown"
    assert record.figures["products"] <= 2


@each_solver
def test_singular_hessian_never_gives_a_step_that_is_not_finite(name):
    def singular(x):
        return (x[0] + x[1] - 1) ** 2 + x[2]

    record, d = first(
        ScipyNewtonCG(name, kwargs={"iter_lim" if name == "lsqr" else "maxiter": 50}),
        singular,
        np.array([1.0, 0.5, 2.0]),
    )
    assert np.all(np.isfinite(d)) and d.any()
    assert record.figures["outcome"] in ("breakdown", "iterations") or name in ("minres", "lsqr", "lsmr")


@each_solver
def test_nan_inside_the_solver_ends_the_run_and_says_where(name):
    calls = 0

    def hessp(x, v):
        nonlocal calls
        calls += 1
        Hv = hessian(bowl, x) @ v
        return Hv * np.where(np.arange(4) == 2, np.nan, 1.0) if calls > 2 else Hv

    result = refopt.minimize(
        bowl, START, method=ScipyNewtonCG(name), jac=lambda x: gradient(bowl, x), hessp=hessp
    )
    assert result.status == refopt.Status.NONFINITE.number
    assert f"ScipyNewtonCG ({name}): coordinate 2 of Hessian-vector product 3 is nan" in result.message
    assert np.array_equal(result.x, START)


def test_a_solver_that_does_not_converge_is_used_and_named():
    method = [ScipyNewtonCG("cg", kwargs={"maxiter": 2}), refopt.Backtracking()]
    result = refopt.minimize(bowl, START, method=method, options={"return_all": True})
    assert result.success
    for record in result.history[:3]:
        assert record.figures["outcome"] == "iterations" and record.figures["exit_code"] == 2


def test_an_answer_worse_than_none_is_discarded():
    product = krylov.Product(lambda v: v * [1.0, -1.0 + 1e-9], "test")  # cg all but breaks down on b = (1, 1)
    answer = krylov.solve("cg", product, np.ones(2), keywords={"maxiter": 1})
    assert answer.outcome == "breakdown" and np.array_equal(answer.x, np.ones(2))


def test_a_runaway_vector_is_the_solvers_fault():
    product = krylov.Product(lambda v: v * np.inf, "test")
    with pytest.raises(krylov.Breakdown):
        product(np.array([1e200, 1.0]))
    with pytest.raises(refopt.status.Stop, match="product 2 is"):
        product(np.ones(2))


def test_zero_update_gives_zero():
    for name in NAMES:
        product = krylov.Product(lambda v: 2 * v, "test")
        answer = krylov.solve(name, product, np.zeros(3))
        assert not answer.x.any() and answer.outcome == "converged", name


def test_limits_of_the_run_hold_inside_the_solver():
    result = refopt.minimize(
        rosenbrock,
        START,
        method=[ScipyNewtonCG("cg", hvp_method="fd_central"), refopt.Backtracking()],
        options={"maxfev": 6},
    )
    assert result.status == refopt.Status.MAXFEV.number and result.nfev == 6


# ---------------------------------------------------------------- input


@pytest.mark.parametrize(
    "keywords, message",
    [
        ({"solver": "cgg"}, "did you mean 'cg'"),
        ({"solver": "spsolve"}, "unknown solver"),
        ({"solver": np.linalg.solve}, "must be one of cg, minres"),
        ({"solver": "lsqr", "kwargs": {"rtol": 1e-3}}, "lsqr takes no 'rtol'; it takes damp, atol, btol"),
        ({"solver": "minres", "kwargs": {"atol": 1e-3}}, "minres takes no 'atol'"),
        ({"kwargs": {"x0": np.ones(4)}}, "warm_start=True"),
        ({"kwargs": {"M": np.eye(4)}}, "give M= to the method"),
        ({"kwargs": [1]}, "kwargs must be a dict"),
        ({"solver": "lsmr", "M": np.eye(4)}, "takes no preconditioner"),
        ({"solver": "lsqr", "direction": "truncated"}, "gives its iterates"),
        ({"forcing": "eisenstat-walker", "kwargs": {"rtol": 1e-3}}, "sets the tolerance"),
        (
            {"direction": "truncated", "solver": "gmres", "kwargs": {"callback_type": "x"}},
            "needs the iterates",
        ),
        ({"hvp_method": "forward"}, "hvp_method must be one of"),
        ({"h": 0}, "h must be in"),
        ({"forcing": "kelley"}, "forcing must be one of"),
        ({"direction": "flip"}, "direction must be one of"),
        ({"warm_start": 1}, "warm_start must be True or False"),
        ({"inner": "Adam"}, "a method is"),
    ],
)
def test_bad_input_is_refused_with_a_reason(keywords, message):
    with pytest.raises((ValueError, TypeError), match=message):
        ScipyNewtonCG(**keywords)


def test_a_preconditioner_of_the_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"M must have shape \(4, 4\), got shape \(3, 3\)"):
        first(ScipyNewtonCG("cg", M=np.eye(3)))


def test_a_callback_of_the_user_is_called_under_truncation_too():
    seen = []
    first(ScipyNewtonCG("cg", direction="truncated", kwargs={"callback": lambda x: seen.append(x.copy())}))
    assert len(seen) >= 2


# ---------------------------------------------------------------- the original


@each_solver
@pytest.mark.parametrize("options", [{}, {"warm_start": True}, {"inner": 0.5}], ids=lambda o: str(o))
def test_trajectory_of_the_original(name, options):
    solver = getattr(scipy.sparse.linalg, name)

    def given(lr):
        return {"kwargs": tight(name), **options, **({"inner": lr(0.5)} if "inner" in options else {})}

    theirs = original(lambda m, ex: ex.ScipyNewtonCG(solver, **given(m.LR)), bowl_of, START, 4)
    mine = ours(ScipyNewtonCG(solver, **given(refopt.LR)), bowl_of, START, 4)
    # condition of H: 20. cgs, bicgstab and tfqmr amplify rounding at the level where they stop
    assert np.abs(mine - theirs).max() <= 1e-11


def test_central_differences_of_the_original_agree():
    cg = scipy.sparse.linalg.cg
    theirs = original(lambda m, ex: ex.ScipyNewtonCG(cg, hvp_method="central"), bowl_of, START, 2)
    mine = ours(ScipyNewtonCG("cg", hvp_method="fd_central"), bowl_of, START, 2)
    # the original steps by h along v/|v| as well or by another rule of the same order: h^2 = 1e-6 either way
    assert np.abs(mine - theirs).max() <= 1e-4


@pytest.mark.parametrize("name", ["fd_forward", "fd_central"])
def test_original_refuses_the_documented_names(name):
    with pytest.raises(ValueError, match=name):
        original(lambda m, ex: ex.ScipyNewtonCG(hvp_method=name), bowl_of, START, 1)


def test_original_returns_nan_for_forward_differences():
    path = original(lambda m, ex: ex.ScipyNewtonCG(hvp_method="forward"), bowl_of, START, 1)
    assert np.isnan(path[1]).all()


def test_original_returns_nan_where_the_solver_breaks_down():
    path = original(
        lambda m, ex: ex.ScipyNewtonCG(scipy.sparse.linalg.cg),
        lambda torch, x: x.sum() + 0 * (x**2).sum(),
        START,
        1,
    )
    assert np.isnan(path[1]).all()


def test_an_update_that_is_not_finite_ends_the_run():
    with np.errstate(over="ignore"):
        result = refopt.minimize(bowl, START, method=ScipyNewtonCG(inner=refopt.LR(1e308)))
    assert result.status == refopt.Status.NONFINITE.number
    assert "the incoming update is not finite" in result.message
