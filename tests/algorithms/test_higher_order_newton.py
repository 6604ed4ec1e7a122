"""HigherOrderNewton: the yardstick, exact polynomials, trust methods, torchzero as a black box, bad input."""

import importlib
import warnings

import autograd.numpy as anp
import numpy as np
import pytest
from original import original

import refopt
from refopt import HigherOrderNewton, Status, problems
from refopt.derivatives import TraceError
from refopt.function import FunctionObjective
from refopt.models.taylor import taylor_model, transient
from refopt.problems import mgh
from refopt.solvers.subproblem import in_ball
from refopt.trust import interpolated_sigma

TRUST_METHODS = ("bounds", "proximal", "none", "regularized")
YARDSTICK = [key for number, key in enumerate(mgh.facts(), 1) if number not in (3, 4, 6, 10, 16)]


def rosenbrock(x):
    return anp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def powell(x):
    return (x[0] + 10 * x[1]) ** 2 + 5 * (x[2] - x[3]) ** 2 + (x[1] - 2 * x[2]) ** 4 + 10 * (x[0] - x[3]) ** 4


def first_step(fun, x0, method):
    """The record of the first iteration."""
    return next(refopt.iterate(fun, x0, method=method, options={"gtol": 0}))


def solve(key, **hyperparameters):
    """Result of one More-Garbow-Hillstrom problem and the number of values of f asked for."""
    problem = problems.get(f"mgh/{key}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # trial points overflow; they are refused
        result = refopt.minimize(
            problem.fun,
            problem.x0,
            method=HigherOrderNewton(**hyperparameters),
            options={"gtol": 1e-8, "return_all": True},
        )
    return problem, result, 1 + sum(record.figures["trials"] for record in result.history)


def solved(problem, result):
    """Whether the run ended in success at a listed minimum; 1e-9 is what |g| <= 1e-8 leaves of f on these."""
    return result.success and any(
        abs(result.fun - known.f) <= 1e-9 * (1 + abs(known.f)) for known in problem.minima
    )


# ---------------------------------------------------------------- the yardstick


@pytest.fixture(scope="module")
def yardstick():
    return {key: solve(key, order=3) for key in mgh.facts()}


def test_all_35_problems_are_solved_with_order_3(yardstick):
    assert len(yardstick) == 35
    assert [key for key, (problem, result, _) in yardstick.items() if not solved(problem, result)] == []


def test_fewer_iterations_and_evaluations_than_the_published_codes(yardstick):
    # third-order code 505 iterations, trust-exact 626 evaluations on these 30 (see METHODS)
    assert len(YARDSTICK) == 30
    assert sum(yardstick[key][1].nit for key in YARDSTICK) < 505
    assert sum(yardstick[key][2] for key in YARDSTICK) < 626


def test_meyer_says_that_rounding_ended_it(yardstick):
    _, result, _ = yardstick["meyer"]
    assert result.status == Status.ROUNDING.number
    assert result.fun == pytest.approx(87.94585517, rel=1e-9)


def test_biggs_leaves_the_saddle_for_zero(yardstick):
    assert yardstick["biggs_exp6"][1].fun < 1e-9


def test_checker_of_the_yardstick_sees_a_wrong_value(yardstick):
    problem, result, _ = yardstick["beale"]
    result = type(result)(result)
    result.fun = 1e-6
    assert not solved(problem, result)
    result.fun, result.success = 0.0, False
    assert not solved(problem, result)


@pytest.mark.parametrize(
    "key",
    [
        "rosenbrock",
        "osborne1",
        "osborne2",
        "biggs_exp6",
        "powell_badly_scaled",
        "jennrich_sampson",
        "brown_badly_scaled",
    ],
)
@pytest.mark.parametrize("order", [3, 4])
def test_the_bare_names_form_solves_the_hard_ones(key, order):
    problem, result, _ = solve(key, order=order, trust_method="regularized")
    assert solved(problem, result), result.message


# ---------------------------------------------------------------- exact polynomials


def quadratic(x):
    return (x[0] - 1) ** 2 + 3 * (x[1] + 2) ** 2 + x[0] * x[1]


def cubic(x):  # minimum at (1, 2)
    return (x[0] - 1) ** 3 + 3 * (x[0] - 1) ** 2 + 2 * (x[1] - 2) ** 2


def quartic(x):  # minimum at (1, 1, 1)
    return anp.sum((x - 1) ** 4) + anp.sum((x - 1) ** 2) + (x[0] - x[1]) ** 2 * (x[1] - x[2]) ** 2


@pytest.mark.parametrize(
    ("fun", "degree", "x0", "minimiser"),
    [
        (quadratic, 2, [5.0, 5.0], [24 / 11, -26 / 11]),
        (cubic, 3, [1.5, 0.0], [1.0, 2.0]),
        (quartic, 4, [2.0, 0.5, -1.0], [1.0, 1.0, 1.0]),
    ],
)
@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize(
    "how",
    [
        {"trust_method": "none"},
        {"trust_method": "bounds", "init_radius": 50.0},
        {"trust_method": "none", "derivatives": "matrix-free"},
    ],
)
def test_one_step_lands_on_the_minimiser_of_a_polynomial(fun, degree, x0, minimiser, extra, how):
    if fun is cubic and how["trust_method"] == "bounds":
        how = {"trust_method": "bounds", "init_radius": 3.0}  # farther out the cubic falls below its minimum
    record = first_step(fun, x0, HigherOrderNewton(order=degree + extra, **how))
    assert record.accepted
    # the native solver stops at 1e-10 of |g|, without tensors at 1e-4
    assert record.x == pytest.approx(minimiser, abs=1e-3 if "derivatives" in how else 1e-7)


def test_powell_singular_is_one_step_for_order_4():
    method = HigherOrderNewton(trust_method="none")
    result = refopt.minimize(powell, [3.0, -1.0, 0.0, 1.0], method=method, tol=1e-5)
    assert result.nit == 1 and result.fun < 1e-8


# ---------------------------------------------------------------- trust methods


@pytest.mark.parametrize("trust_method", TRUST_METHODS)
@pytest.mark.parametrize("order", [2, 3, 4, 5])
@pytest.mark.parametrize("derivatives", ["tensors", "matrix-free"])
def test_every_form_reaches_the_minimum(trust_method, order, derivatives):
    method = HigherOrderNewton(order=order, trust_method=trust_method, derivatives=derivatives)
    result = refopt.minimize(rosenbrock, [0.6, 0.5, 0.5], method=method, options={"gtol": 1e-8})
    assert result.success and result.x == pytest.approx(np.ones(3), abs=1e-6), result.message


@pytest.mark.parametrize("trust_method", ["bounds", "regularized", "proximal"])
def test_order_1_is_steepest_descent(trust_method):
    method = HigherOrderNewton(order=1, trust_method=trust_method, init_radius=0.01)
    record = first_step(quadratic, [5.0, 5.0], method)
    g = np.array([13.0, 47.0])
    assert (np.array([5.0, 5.0]) - record.x) / record.update_norm == pytest.approx(g / np.linalg.norm(g))
    assert refopt.minimize(quadratic, [5.0, 5.0], method=method).success


def test_record_carries_the_certificate():
    for record in refopt.iterate(rosenbrock, [-1.2, 1.0], method=HigherOrderNewton()):
        figures = record.figures
        assert figures["residual"] >= 0 and figures["multiplier"] >= 0 and figures["decrease"] > 0
        assert 1 <= figures["trials"] <= figures["attempts"] <= 10
        assert record.update_norm <= max(1.0, 3.5 * figures["radius"]) and not figures["unbounded"]
    assert {"rho", "curvature", "quadratics"} <= set(figures)


def test_radius_follows_the_documented_rules():
    easy = first_step(quadratic, [500.0, 5.0], HigherOrderNewton(order=2))  # exact, to the boundary
    assert easy.figures["radius"] == pytest.approx(3.5) and easy.figures["rho"] == pytest.approx(1.0)
    hard = first_step(rosenbrock, [-1.2, 1.0], HigherOrderNewton(order=2, init_radius=1.0))
    assert hard.figures["attempts"] >= 1 and hard.accepted


def test_a_step_without_success_is_zero_and_keeps_the_smaller_radius():
    fun = lambda x: anp.sum(anp.where(x > 0.999, x, 1e6 - x))  # noqa: E731  a jump that no model foresees
    record = first_step(fun, [1.0], HigherOrderNewton(order=2, max_attempts=2))
    assert not record.accepted and record.update_norm == 0 and record.x == [1.0]
    assert record.figures["radius"] == pytest.approx(1 / 16) and record.figures["trials"] == 2


def test_nonfinite_trials_shrink_the_radius():
    fun = lambda x: -anp.log(x[0]) + x[0]  # noqa: E731  nan beyond 0
    with np.errstate(invalid="ignore", divide="ignore"):
        result = refopt.minimize(fun, [3.0], method=HigherOrderNewton(order=3, init_radius=10.0))
    assert result.success and result.x == pytest.approx([1.0], abs=1e-5)  # gtol over f''


@pytest.mark.parametrize("trust_method", ["none", "proximal"])
def test_unbounded_models_are_reported_and_the_run_goes_on(trust_method):
    fun = lambda x: anp.cosh(x[0]) + x[0] + anp.exp(-3 * x[0])  # noqa: E731
    radius = None if trust_method == "none" else 10.0
    method = HigherOrderNewton(order=3, trust_method=trust_method, init_radius=radius)
    records = list(refopt.iterate(fun, [-1.0], method=method, options={"gtol": 1e-8}))
    assert records[0].figures["unbounded"]
    assert records[-1].gnorm <= 1e-8


def test_regularized_refuses_transient_minimisers_unevaluated():
    # m(t s) = -t + 3 t^2 - 2.1 t^3: downhill, uphill, and downhill again to t = 1
    assert transient(np.array([-1.0, 3.0, -2.1]))
    assert not transient(np.array([-1.0, 0.4, 0.1]))
    assert transient(np.array([-1.0, 0.4, 3.0]))  # past the minimiser along s
    records = list(
        refopt.iterate(rosenbrock, [-1.2, 1.0], method=HigherOrderNewton(order=3, trust_method="regularized"))
    )
    assert any(r.figures["trials"] < r.figures["attempts"] for r in records)
    assert records[-1].gnorm <= 1e-5


def test_theta_loosens_the_inner_rule():
    methods = [HigherOrderNewton(trust_method="regularized", theta=theta) for theta in (0.0, 1.0)]
    work = [first_step(rosenbrock, np.linspace(-1, 1, 6), method).figures["quadratics"] for method in methods]
    assert work[1] < work[0]


# ---------------------------------------------------------------- saddles, degenerate and constant functions


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("trust_method", ["bounds", "regularized"])
def test_a_saddle_is_left_even_when_the_run_starts_there(order, trust_method):
    saddle = lambda x: x[0] ** 2 - x[1] ** 2 + x[1] ** 4 / 4  # noqa: E731
    method = HigherOrderNewton(order=order, trust_method=trust_method)
    result = refopt.minimize(saddle, [0.0, 0.0], method=method)
    assert result.fun == pytest.approx(-1.0, abs=1e-9) and result.success


def test_singular_hessian_and_flat_directions():
    fun = lambda x: (x[0] + x[1] - 1) ** 2 + 0 * x[2]  # noqa: E731
    for trust_method in TRUST_METHODS:
        result = refopt.minimize(fun, np.zeros(3), method=HigherOrderNewton(trust_method=trust_method))
        assert result.success and result.fun < 1e-9
        assert result.x[2] == 0
    quartic_valley = refopt.minimize(
        lambda x: anp.sum(x**4), np.ones(3), method=HigherOrderNewton(order=3), options={"gtol": 1e-9}
    )
    assert quartic_valley.success


def test_one_variable_and_float32():
    result = refopt.minimize(lambda x: (x[0] - 3) ** 4, [0.0], method=HigherOrderNewton())
    assert result.x == pytest.approx([3.0], abs=1e-3)
    start = np.array([-1.2, 1.0], dtype=np.float32)
    result = refopt.minimize(rosenbrock, start, method=HigherOrderNewton(order=3))
    assert result.x.dtype == np.float32 and result.x == pytest.approx([1.0, 1.0], abs=1e-2)


def test_rounding_ends_a_run_that_gtol_cannot():
    fun = lambda x: 1e6 + anp.sum((x - 0.1) ** 2 * (1 + x**2))  # noqa: E731
    result = refopt.minimize(fun, [1.0, 2.0], method=HigherOrderNewton(order=3), options={"gtol": 1e-300})
    assert result.status in (Status.ROUNDING.number, Status.GTOL.number)
    assert result.x == pytest.approx([0.1, 0.1], abs=1e-9)


# ---------------------------------------------------------------- representations, solvers, user derivatives


def test_large_problems_are_solved_without_tensors():
    n = 2000
    fun = lambda x: anp.sum(100 * (x[1::2] - x[::2] ** 2) ** 2 + (1 - x[::2]) ** 2)  # noqa: E731
    result = refopt.minimize(fun, np.tile([-1.2, 1.0], n // 2), method="HigherOrderNewton")
    assert result.success and result.x == pytest.approx(np.ones(n), abs=1e-4)
    assert result.nit < 40 and result.nhev == 0


def test_tensors_beyond_memory_are_refused_with_the_estimate():
    with pytest.raises(MemoryError, match="GiB"):
        refopt.minimize(rosenbrock, np.zeros(99), method=HigherOrderNewton(derivatives="tensors", order=5))


@pytest.mark.parametrize("solver", ["trust-constr", "SLSQP"])
def test_scipys_solvers_take_the_same_steps(solver):
    ours = first_step(rosenbrock, [-1.2, 1.0], HigherOrderNewton(order=2))
    theirs = first_step(rosenbrock, [-1.2, 1.0], HigherOrderNewton(order=2, solver=solver))
    assert theirs.x == pytest.approx(ours.x, abs=1e-4)
    assert theirs.figures["decrease"] <= ours.figures["decrease"] * (1 + 1e-9)


def test_de_iters_is_repeatable_and_needs_a_generator():
    method = HigherOrderNewton(order=3, de_iters=5)
    assert "rng" in method.all_needs() and "rng" not in HigherOrderNewton().all_needs()
    runs = [first_step_with(method, seed) for seed in (1, 1)]
    assert np.array_equal(runs[0].x, runs[1].x)
    plain = first_step(rosenbrock, [-1.2, 1.0], HigherOrderNewton(order=3))
    assert runs[0].figures["decrease"] > 0 and plain.figures["decrease"] > 0


def first_step_with(method, seed):
    return next(refopt.iterate(rosenbrock, [-1.2, 1.0], method=method, rng=seed))


def test_order_2_uses_the_users_derivatives_and_needs_no_tracing():
    def plain(x):
        return float(np.sum(x**2))

    result = refopt.minimize(
        plain,
        [1.0, 2.0],
        method=HigherOrderNewton(order=2),
        jac=lambda x: 2 * x,
        hess=lambda x: 2 * np.eye(2),
    )
    assert result.success and result.ntaylor == 0


def test_counters_equal_the_calls_of_the_function():
    calls = []

    def counted(x):
        calls.append(0)
        return rosenbrock(x)

    result = refopt.minimize(counted, [-1.2, 1.0], method="HigherOrderNewton")
    assert result.nfev == len(calls) and result.ntaylor > 0


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"order": 0}, "order must be a whole number >= 1, got 0"),
        ({"order": 2.5}, "whole number"),
        ({"trust_method": "ball"}, "trust_method must be one of"),
        ({"eta": -1.0}, "eta"),
        ({"nplus": 0.5}, r"nplus must be in \[1, inf\)"),
        ({"nminus": 1.0}, r"nminus must be in \(0, 1\)"),
        ({"init_radius": 0.0}, "init_radius"),
        ({"de_iters": 0}, "de_iters"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"boundary_tol": 1.0}, "boundary_tol"),
        ({"derivatives": "nested"}, "derivatives"),
        ({"solver": "BFGS"}, "'bounds': solver must be one of 'native'"),
        ({"solver": "magic"}, "solver must be one of"),
        ({"theta": -1.0}, "theta"),
        ({"rho_bad": 0.9, "rho_good": 0.5}, "rho_bad must be below rho_good"),
    ],
)
def test_bad_hyperparameters_are_refused(wrong, words):
    with pytest.raises((ValueError, TypeError), match=words):
        HigherOrderNewton(**wrong)


def test_functions_that_cannot_be_traced_are_refused_by_name():
    import math

    with pytest.raises(TraceError, match="math.exp"):
        refopt.minimize(lambda x: math.exp(x[0]) + x[0] ** 2, [1.0], method="HigherOrderNewton")


# ---------------------------------------------------------------- torchzero as a black box


TORCHZERO_CASES = {
    "rosenbrock": lambda xp, x: xp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2),
    "waves": lambda xp, x: xp.sum(xp.sin(x) * xp.cos(xp.roll(x, 1))) + 0.1 * xp.sum(x**2),
    "exponentials": lambda xp, x: xp.sum(xp.exp(0.5 * x) - x) + xp.sum(x[1:] * x[:-1]),
}


def torchzero_step(fun, x, **hyperparameters):
    """s of one step of the original from x."""
    module = importlib.import_module("torchzero.modules.experimental.higher_order_newton")
    path = original(lambda m, ex: module.HigherOrderNewton(**hyperparameters), fun, x, 1)
    return path[1] - path[0]


# An order-4 step of the original at n = 8 takes 0.3 s: one function is enough.
COMPARED = [
    (name, order, n)
    for name in TORCHZERO_CASES
    for order in (2, 3, 4)
    for n in (2, 4, 8)
    if name == "rosenbrock" or (order, n) != (4, 8)
]


@pytest.mark.parametrize("name, order, n", COMPARED)
def test_no_model_value_of_the_original_is_lower(name, order, n):
    fun = TORCHZERO_CASES[name]
    for seed in range(3 if n < 8 else 1):
        x = np.random.default_rng(100 * n + seed).normal(size=n)
        s = torchzero_step(fun, x, order=order, init=(1.0, 0.3, 3.0)[seed])
        r = float(np.linalg.norm(s))
        if r == 0:
            continue
        model = taylor_model(FunctionObjective(lambda z: fun(anp, z), x).at(x), order)
        answer, value = in_ball(model, r), model.value(s)
        assert answer.value <= value + 1e-9 * abs(value), f"n={n}, seed={100 * n + seed}: {answer}"


def test_the_original_refuses_order_1_with_proximal():
    with pytest.raises(RuntimeError, match="1st order"):
        torchzero_step(TORCHZERO_CASES["rosenbrock"], np.zeros(2), order=1, trust_method="proximal")


def test_sigma_is_interpolated_within_its_bounds():
    # q = 4, |s| = 1/2: error 1/8 is L = 8
    assert interpolated_sigma(1.0, 4, 0.5, 0.125, True, False, 3.5, 0.25) == 8.0
    assert interpolated_sigma(4.0, 4, 0.5, 0.125, True, False, 3.5, 0.25) == 16.0  # at least 4 times
    assert interpolated_sigma(1.0, 4, 0.5, np.inf, True, False, 3.5, 0.25) == 256.0  # at most 4^4 times
    assert interpolated_sigma(100.0, 4, 0.5, 0.125, False, True, 3.5, 0.25) == 8.0
    assert interpolated_sigma(8.0, 4, 0.5, 0.0, False, True, 2.0, 0.25) == 0.5  # at most 2^4 times
    assert interpolated_sigma(8.0, 4, 0.5, 1.0, False, False, 2.0, 0.25) == 8.0


# ---------------------------------------------------------------- inside bounds


@pytest.mark.parametrize("trust_method", TRUST_METHODS)
@pytest.mark.parametrize("derivatives", ["tensors", "matrix-free"])
def test_a_saddle_on_a_bound_is_left(trust_method, derivatives):
    # at the start the projected gradient is zero, and f falls along the second variable, both ways
    fun = lambda x: x[0] + x[0] ** 2 - x[1] ** 2 + x[1] ** 4 / 4  # noqa: E731
    method = HigherOrderNewton(order=4, trust_method=trust_method, derivatives=derivatives)
    result = refopt.minimize(fun, [0.0, 1e-9], method=method, bounds=[(0, 1), (-3, 1)])
    assert result.success and result.fun <= -0.75 + 1e-9  # at x_1 = 1, or in the corner's well at -2^(1/2)


def test_the_radius_is_that_of_the_infinity_norm():
    method = HigherOrderNewton(order=2, init_radius=0.5)
    run = refopt.iterate(
        lambda x: 100 - 50 * anp.sum(x), [0.0] * 3, method=method, bounds=[(0, 9)] * 2 + [(0, 0.1)]
    )
    assert next(run).x.tolist() == [0.5, 0.5, 0.1]
    free = next(refopt.iterate(lambda x: 100 - 50 * anp.sum(x), [0.0] * 3, method=method))
    assert np.linalg.norm(free.x) == pytest.approx(0.5)


# ---------------------------------------------------------------- units


def valley(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def path(fun, x0, method, bounds=None, steps=8):
    run = refopt.iterate(fun, x0, method=method, bounds=bounds, options={"maxiter": steps, "gtol": 0})
    return [record.x for record in run]


@pytest.mark.parametrize("bounds", [None, [(-2.0, 2.0), (-1.0, 0.9)]], ids=["free", "bounds"])
@pytest.mark.parametrize("trust_method", ["regularized", "bounds", "proximal"])
@pytest.mark.parametrize("order", [2, 3, 4])
def test_in_the_norm_of_the_hessian_units_do_not_matter(order, trust_method, bounds):
    """Powers of two change no digit: the same path in other units of f, 2^40, and of x, 2^5 and 2^-4."""
    method = refopt.HigherOrderNewton(order=order, trust_method=trust_method, norm="hessian")
    unit = np.array([2.0**5, 2.0**-4])
    plain = path(valley, [-1.2, 0.5], method, bounds)
    inside = (
        None if bounds is None else [(low * u, high * u) for (low, high), u in zip(bounds, unit, strict=True)]
    )
    other = path(lambda x: 2.0**40 * valley(x / unit), np.array([-1.2, 0.5]) * unit, method, inside)
    steps = min(len(plain), len(other))
    assert steps > 2 and abs(len(plain) - len(other)) <= 1  # rounding may end one a step earlier
    # the tensors are interpolated along other directions, which loses a few digits of them
    assert np.allclose(plain[:steps], [x / unit for x in other[:steps]], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("size", [1e-300, 1e-100, 1e-12, 1e12, 1e100, 1e300])
@pytest.mark.parametrize("name", ["HigherOrderNewton", *(refopt.HigherOrderNewton(order=k) for k in (2, 3))])
def test_any_size_of_f_is_minimised(name, size):
    """|g|^2 is infinite or zero for some of them."""
    result = refopt.minimize(lambda x: size * valley(x), [-1.2, 1.0], method=name, options={"gtol": 0})
    assert result.x == pytest.approx([1.0, 1.0], abs=1e-6), size


def test_the_start_may_have_a_gradient_whose_square_overflows():
    fun = lambda x: anp.exp(x[0] ** 2) + x[1] ** 2  # noqa: E731
    result = refopt.minimize(fun, [19.5, 1.0], method=refopt.HigherOrderNewton(order=3))
    assert result.success and result.fun == pytest.approx(1.0, abs=1e-8)
