"""NewtonSolver: the two objectives, every solver and option, trouble, and the original."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest
import scipy.optimize
from original import gap, original, ours

import refopt
from refopt.algorithms.newton_solver import NewtonSolver
from refopt.derivatives import gradient, hessian
from refopt.solvers.by_descent import SCIPY_METHODS

START = np.array([-1.2, 1.0, 0.7, 0.3])
SEARCHED = refopt.chain(refopt.LBFGS(), refopt.StrongWolfe())
SEED = 20240611


def bowl_of(xp, x):
    return xp.sum((x - 1) ** 4) + xp.sum(x**2) + 0.1 * xp.sum(x[1:] * x[:-1])


def bowl(x):
    return bowl_of(anp, x)


def saddle(x):
    return x[0] ** 2 - x[1] ** 2 + x[1] ** 4 + (x[0] * x[1]) / 3


def newton(x0=START, fun=bowl, reg=0.0):
    return np.linalg.solve(hessian(fun, x0) + reg * np.eye(x0.size), gradient(fun, x0))


def first(method, fun=bowl, x0=START, **keywords):
    """Record and update of the first iteration."""
    record = next(refopt.iterate(fun, x0, method=method, options={"gtol": 0, "maxiter": 1}, **keywords))
    return record, x0 - record.x


# ---------------------------------------------------------------- solvers


OWN = [
    refopt.Newton(),
    refopt.ScipyNewtonCG("minres"),
    SEARCHED,
    refopt.NewtonNewton(reg=0.0),
    refopt.InfinityNormTrustRegion(),
    refopt.HigherOrderNewton(order=2),
]


@pytest.mark.parametrize("kind", ["residual", "energy"])
@pytest.mark.parametrize("solver", OWN, ids=lambda s: type(s).__name__)
def test_our_methods_solve_the_system(solver, kind):
    record, d = first(NewtonSolver(solver, maxiter=200, tol=1e-18, objective=kind))
    # the residual has fallen by 1e-9; the condition number of H is 20
    assert np.abs(d - newton()).max() <= 1e-7 * np.abs(newton()).max()
    assert record.figures["outcome"] in ("converged", "stopped") and record.nhvp == record.figures["products"]


@pytest.mark.parametrize("kind", ["residual", "energy"])
@pytest.mark.parametrize("name", SCIPY_METHODS)
def test_scipy_methods_solve_the_system(name, kind):
    limit = {"COBYLA": 2000, "Nelder-Mead": 3000}.get(name, 300)
    tol = 1e-4 if name == "COBYLA" else 1e-8
    record, d = first(NewtonSolver(name, maxiter=limit, tol=tol, objective=kind))
    g = gradient(bowl, START)
    assert np.linalg.norm(hessian(bowl, START) @ d - g) <= 1.001 * np.sqrt(tol) * np.linalg.norm(g)
    assert record.figures["outcome"] == "converged" and record.figures["fall"] <= tol


def test_scipy_names_are_found_whatever_their_case():
    assert NewtonSolver("lbfgsb").solver == "L-BFGS-B" and NewtonSolver("TRUST_NCG").solver == "trust-ncg"


def test_a_callable_with_the_protocol_of_scipy():
    def descent(fun, x0, args=(), jac=None, hessp=None, maxiter=None, **rest):
        d = x0
        for _ in range(maxiter):
            g = jac(d)
            fun(d)
            d = d - g * (g @ g) / (g @ hessp(d, g))
        return d

    record, d = first(NewtonSolver(descent, maxiter=400, tol=1e-12, objective="energy"))
    assert np.allclose(d, newton(), rtol=1e-4)
    as_result = lambda *a, **k: scipy.optimize.OptimizeResult(x=descent(*a, **k), nit=3)  # noqa: E731
    record, _ = first(NewtonSolver(as_result, maxiter=3))
    assert record.figures["outcome"] == "iterations"
    with pytest.raises(ValueError, match=r"must return an array of shape \(4,\)"):
        first(NewtonSolver(lambda fun, x0, **rest: np.ones(3)))


def test_the_named_recipe_minimises():
    for kind in ("residual", "energy"):
        result = refopt.minimize(bowl, START, method="NewtonSolver", options={"objective": kind})
        assert result.success, result.message


# ---------------------------------------------------------------- options


def test_reg_is_honoured():
    for solver in (SEARCHED, "Newton-CG"):
        for kind in ("residual", "energy"):
            _, d = first(NewtonSolver(solver, maxiter=100, tol=1e-20, reg=5.0, objective=kind))
            assert np.allclose(d, newton(reg=5.0), rtol=1e-6) and not np.allclose(d, newton(), rtol=1e-2)


def test_maxiter_and_maxiter1():
    method = NewtonSolver(maxiter=2, maxiter1=5, tol=None)
    records = list(refopt.iterate(bowl, START, method=method, options={"maxiter": 3}))
    assert [r.figures["iterations"] for r in records] == [5, 2, 2]
    assert {r.figures["outcome"] for r in records} == {"iterations"}
    records = list(refopt.iterate(bowl, START, method=NewtonSolver(tol=None), options={"maxiter": 2}))
    assert [r.figures["iterations"] for r in records] == [4, 4]  # n


def test_tol_ends_a_solve():
    counts = [
        first(NewtonSolver(SEARCHED, maxiter=100, tol=tol))[0].figures["iterations"]
        for tol in (0.5, 1e-6, 1e-12)
    ]
    assert counts[0] < counts[1] < counts[2] < 100


def test_warm_start_begins_at_the_last_solution():
    def second(warm):
        run = refopt.iterate(bowl, START, method=NewtonSolver(refopt.LR(0.0), maxiter=1, warm_start=warm))
        return next(run), next(run)

    class Jump(refopt.Method):
        """d becomes d + 1: shows where the solve began."""

        def step(self, point, update, state):
            return -np.ones_like(update), state

    run = refopt.iterate(bowl, START, method=NewtonSolver(Jump(), maxiter=1))
    x = [START, next(run).x, next(run).x]
    assert np.allclose(x[0] - x[1], 1) and np.allclose(x[1] - x[2], 2)
    run = refopt.iterate(bowl, START, method=NewtonSolver(Jump(), maxiter=1, warm_start=False))
    x = [START, next(run).x, next(run).x]
    assert np.allclose(x[0] - x[1], 1) and np.allclose(x[1] - x[2], 1)


@pytest.mark.parametrize("reset, expected", [(False, [1, 2, 3]), (True, [1, 1, 1])])
def test_reset_solver(reset, expected):
    class Counter(refopt.Method):
        def init(self, x, shapes=None, rng=None):
            return 0

        def step(self, point, update, state):
            return -(state + 1) * np.ones_like(update), state + 1

    method = NewtonSolver(Counter(), maxiter=1, warm_start=False, reset_solver=reset)
    xs = [START, *(r.x for r in refopt.iterate(bowl, START, method=method, options={"maxiter": 3}))]
    assert [round(float((a - b)[0])) for a, b in zip(xs, xs[1:], strict=False)] == expected


@pytest.mark.parametrize("reset", [False, True])
def test_a_solver_that_draws_gets_a_generator(reset):
    method = NewtonSolver([refopt.CoordinateMomentum(0.5), refopt.LR(1e-4)], reset_solver=reset)
    assert "rng" in method.all_needs() and "rng" not in NewtonSolver().all_needs()
    paths = [
        [r.x for r in refopt.iterate(bowl, START, method=method, options={"maxiter": 4}, rng=seed)]
        for seed in (1, 1, 2)
    ]
    assert np.array_equal(paths[0], paths[1]) and not np.array_equal(paths[0], paths[2])


@pytest.mark.parametrize("hvp, error", [("fd_forward", 1e-2), ("fd_central", 1e-5)])
def test_products_by_differences(hvp, error):
    def solve(h):
        return first(NewtonSolver("Newton-CG", maxiter=100, tol=1e-12, hvp_method=hvp, h=h))

    record, d = solve(1e-3)
    assert 1e-9 < np.abs(d - newton()).max() < error and record.nhvp == 0
    assert np.abs(solve(1e-1)[1] - newton()).max() > np.abs(d - newton()).max()


def test_inner_is_applied_first():
    _, whole = first(NewtonSolver(refopt.Newton(), tol=None))
    _, half = first(NewtonSolver(refopt.Newton(), tol=None, inner=refopt.LR(0.5)))
    assert np.allclose(half, whole / 2, rtol=1e-10)


def test_energy_needs_fewer_products_on_a_convex_function():
    def stretched(x):
        return anp.sum(scales * x**2) / 2 + anp.sum(x) + anp.sum(x**4) / 10

    scales = np.logspace(0, 3, 60)

    def products(kind):
        method = NewtonSolver(SEARCHED, maxiter=3000, tol=1e-8, objective=kind)
        return first(method, stretched, np.ones(60))[0].figures["products"]

    counts = {kind: products(kind) for kind in ("residual", "energy")}
    assert counts["energy"] < counts["residual"] / 4  # square root of the condition number


# ---------------------------------------------------------------- trouble


def test_indefinite_hessian():
    x0 = np.array([0.05, 0.3])
    _, d = first(NewtonSolver(SEARCHED, maxiter=100, tol=1e-20), saddle, x0)
    assert np.allclose(d, newton(x0, saddle), rtol=1e-6)  # the residual leads there all the same
    record, d = first(NewtonSolver(refopt.LR(1.0), maxiter=2000, objective="energy"), saddle, x0)
    assert record.figures["outcome"] == "diverged" and np.all(np.isfinite(d))
    for kind in ("residual", "energy"):
        result = refopt.minimize(
            saddle, [1.0, 1e-3], method=[NewtonSolver(SEARCHED, objective=kind), refopt.Backtracking()]
        )
        assert result.success


@pytest.mark.parametrize("solver", [refopt.LBFGS(), SEARCHED, "BFGS", "Nelder-Mead"], ids=str)
@pytest.mark.parametrize("kind", ["residual", "energy"])
def test_zero_hessian_gives_a_finite_step(solver, kind):
    record, d = first(NewtonSolver(solver, objective=kind), lambda x: anp.sum(x) + 3 * x[0])
    assert np.all(np.isfinite(d)) and d.any()
    if kind == "residual":
        assert np.allclose(d, [4.0, 1.0, 1.0, 1.0], rtol=1e-14) and record.figures["outcome"] == "stopped"


def test_a_diverging_solver_gives_its_best_or_the_update():
    record, d = first(NewtonSolver(refopt.LR(10.0), maxiter=500, tol=None))
    assert record.figures["outcome"] == "diverged"
    assert np.allclose(d, gradient(bowl, START), rtol=1e-14)  # nothing was better than 0: the update


@pytest.mark.parametrize("solver", [refopt.LBFGS(), "BFGS"], ids=str)
def test_nan_inside_the_solve_ends_the_run_and_says_where(solver):
    def hessp(x, v):
        return np.array([1.0, np.nan, 1.0, 1.0]) * v

    result = refopt.minimize(
        bowl, START, method=NewtonSolver(solver), jac=lambda x: gradient(bowl, x), hessp=hessp
    )
    assert result.status == refopt.Status.NONFINITE.number
    assert "NewtonSolver: coordinate 1 of Hessian-vector product 1 is nan" in result.message


def test_limits_of_the_run_hold_inside_the_solve():
    for solver in (refopt.LBFGS(), "BFGS"):
        result = refopt.minimize(
            bowl, START, method=NewtonSolver(solver, hvp_method="fd_central"), options={"maxfev": 6}
        )
        assert result.status == refopt.Status.MAXFEV.number and result.nfev == 6


def test_at_a_zero_update_nothing_is_solved():
    record, d = first(NewtonSolver("BFGS", inner=refopt.LR(0.0)))
    assert not d.any() and record.nhvp == 0


@pytest.mark.parametrize(
    "keywords, message",
    [
        ({"solver": "BGFS"}, "did you mean 'BFGS'"),
        ({"solver": 3}, "solver must be callable"),
        ({"solver": refopt.LBFGS}, "LBFGS is a class"),
        ({"maxiter": 0}, "maxiter must be a whole number >= 1"),
        ({"maxiter1": 1.5}, "maxiter1 must be"),
        ({"tol": -1}, "tol must be in"),
        ({"reg": -1}, "reg must be in"),
        ({"warm_start": None}, "warm_start must be True or False"),
        ({"objective": "loss"}, "objective must be one of"),
        ({"solver": "BFGS", "reset_solver": True}, "has no state"),
        ({"hvp_method": "fd"}, "hvp_method must be"),
        ({"inner": "Adam"}, "a method is"),
        (
            {"solver": refopt.CurveBall(auto=True, curvature="gauss-newton"), "objective": "energy"},
            "needs residuals",
        ),
    ],
)
def test_bad_input_is_refused_with_a_reason(keywords, message):
    with pytest.raises((ValueError, TypeError), match=message):
        NewtonSolver(**keywords)


# ---------------------------------------------------------------- the original


OPTIONS = [
    {},
    {"maxiter": 6},
    {"maxiter": 3, "maxiter1": 8},
    {"tol": 0.1, "maxiter": 30},
    {"tol": None},
    {"warm_start": False},
    {"warm_start": False, "tol": 0.3},
    {"reset_solver": True},
    {"reset_solver": True, "maxiter": 9},
]


@pytest.mark.parametrize("solver", ["L-BFGS", "gradient descent", "heavy ball"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_trajectory_of_the_original(options, solver):
    torchzero = pytest.importorskip("torchzero")
    m = torchzero.m
    theirs, mine = {
        "L-BFGS": ({}, {}),
        "gradient descent": (
            {"solver": lambda p: torchzero.Optimizer(p, m.LR(4e-4))},
            {"solver": refopt.LR(4e-4)},
        ),
        "heavy ball": (
            {"solver": lambda p: torchzero.Optimizer(p, m.HeavyBall(0.5, ema_init="zeros"), m.LR(2e-4))},
            {"solver": [refopt.HeavyBall(0.5), refopt.LR(2e-4)]},
        ),
    }[solver]
    path = original(lambda m, ex: ex.NewtonSolver(**theirs, **options), bowl_of, START, 3)
    # steps of L-BFGS from pairs of nearly parallel gradients amplify rounding; the others do not
    assert gap(ours(NewtonSolver(**mine, **options), bowl_of, START, 3), path) <= (
        1e-6 if solver == "L-BFGS" else 1e-11
    )


@pytest.mark.parametrize("hvp", ["fd_forward", "fd_central"])
def test_differences_of_the_original_agree_in_order(hvp):
    torchzero = pytest.importorskip("torchzero")
    descent = lambda p: torchzero.Optimizer(p, torchzero.m.LR(4e-4))  # noqa: E731
    a = original(lambda m, ex: ex.NewtonSolver(descent, hvp_method=hvp), bowl_of, START, 1)
    b = ours(NewtonSolver(refopt.LR(4e-4), hvp_method=hvp), bowl_of, START, 1)
    assert np.abs(a - b).max() <= {"fd_forward": 3e-2, "fd_central": 1e-4}[hvp]  # of the order h and h^2


def test_original_ignores_reg():
    a, b = (
        original(lambda m, ex, reg=reg: ex.NewtonSolver(reg=reg), bowl_of, START, 2) for reg in (0, 100.0)
    )
    assert np.array_equal(a, b)


def test_a_warm_start_that_has_diverged_is_forgotten():
    """Steps of 1 multiply d by a large number each; the next solve must not begin there."""
    method = NewtonSolver(refopt.LR(1.0), maxiter=100, tol=None)
    with np.errstate(over="ignore"):
        records = list(
            refopt.iterate(bowl, START, method=[method, refopt.Backtracking()], options={"maxiter": 4})
        )
    assert {r.figures["outcome"] for r in records} == {"diverged"}
    assert len(records) == 4 and all(np.all(np.isfinite(r.x)) for r in records)
