"""Every method of the registry inside bounds: it keeps them and solves, or it refuses in one line."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest
import scipy.optimize
from contract.bounded import BOUNDED, log_barrier, shifted, skew, solution
from functions import never

import refopt
from refopt import minimize
from refopt.parts import newton
from refopt.registry import ENTRIES, names_supporting_bounds

ABLE = names_supporting_bounds()
QUADRATIC_FREE = {"order": 2, "derivatives": "matrix-free"}
# Methods that reach every solution to gtol = 1e-5
NEWTON_TYPE = {
    "Newton": "Newton",
    "LBFGS": "LBFGS",
    "LBFGS with Backtracking": [refopt.LBFGS(), refopt.Backtracking()],
    "ScipyNewtonCG": "ScipyNewtonCG",
    "ScipyNewtonCG, minres, warm": [
        refopt.ScipyNewtonCG("minres", warm_start=True, forcing="eisenstat-walker"),
        refopt.StrongWolfe(),
    ],
    "InfinityNormTrustRegion": "InfinityNormTrustRegion",
    "HigherOrderNewton": "HigherOrderNewton",
    "bounds, order 4": refopt.HigherOrderNewton(),
    "bounds, order 2": refopt.HigherOrderNewton(order=2),
    "bounds, order 2, matrix-free": refopt.HigherOrderNewton(**QUADRATIC_FREE),
    "regularized, order 3": refopt.HigherOrderNewton(order=3, trust_method="regularized"),
    "regularized, order 3, matrix-free": refopt.HigherOrderNewton(
        order=3, trust_method="regularized", derivatives="matrix-free"
    ),
    "proximal, order 3": refopt.HigherOrderNewton(order=3, trust_method="proximal"),
    "none, order 2": refopt.HigherOrderNewton(order=2, trust_method="none"),
}
# These take the way to the saddle: they do not see its negative curvature, inside bounds as without
TO_THE_SADDLE = ("ScipyNewtonCG", "ScipyNewtonCG, minres, warm")
# Methods of first order: fewer problems, more iterations
SLOW = {
    "Backtracking": "Backtracking",
    "StrongWolfe": "StrongWolfe",
    "ReduceOutwardLR": "ReduceOutwardLR",
    "NewtonSolver": "NewtonSolver",
    "LR": refopt.LR(0.02),
    "Adam": [refopt.Adam(), refopt.LR(0.02)],
    "CubicAdam": "CubicAdam",
    "HeavyBall": [refopt.HeavyBall(0.5), refopt.LR(0.02)],
    "EMA": [refopt.EMA(0.5), refopt.LR(0.02)],
    "CoordinateMomentum": [refopt.CoordinateMomentum(), refopt.LR(0.02)],
}
EASY = ("a start on a bound", "a start in a corner", "a fixed variable", "one side", "one variable, active")


def kept(fun, x0, method, lower, upper, **options):
    """The result of a run whose every iterate lies inside the bounds, exactly."""
    run = refopt.iterate(
        fun, x0, method=method, bounds=scipy.optimize.Bounds(lower, upper), rng=1, options=options
    )
    low, high = (
        np.broadcast_to(np.asarray(b, dtype=run.start.dtype), run.start.shape) for b in (lower, upper)
    )
    for record in run:
        assert np.all(record.x >= low) and np.all(record.x <= high)
    return run.result


def left(result, lower, upper):
    """|x - P(x - g)|_inf."""
    return np.abs(result.x - np.clip(result.x - result.jac, lower, upper)).max()


@pytest.mark.parametrize("name", BOUNDED)
@pytest.mark.parametrize("method", NEWTON_TYPE)
def test_solved_as_by_scipy(method, name):
    fun, x0, lower, upper = BOUNDED[name]
    result = kept(fun, x0, NEWTON_TYPE[method], lower, upper, gtol=1e-5)
    assert result.success, result.message
    assert left(result, np.array(lower), np.array(upper)) <= 1e-5
    if name == "a saddle" and method in TO_THE_SADDLE:
        return
    f, x = solution(name)
    # |g|_inf <= 1e-5 is met; the least curvature of these problems is 1e-4, so f is this close
    assert result.fun <= f + 1e-6 * max(1.0, abs(f))
    active = (x == lower) | (x == upper)
    assert np.array_equal(result.x[active], x[active]) or name == "a multiplier of zero"


@pytest.mark.parametrize("name", EASY)
@pytest.mark.parametrize("method", SLOW)
def test_solved_with_patience(method, name):
    fun, x0, lower, upper = BOUNDED[name]
    result = kept(fun, x0, SLOW[method], lower, upper, gtol=1e-3, maxiter=20_000)
    assert result.success, result.message
    f, x = solution(name)
    # the Hessians of these problems are at least 1, so f is within |g|^2 / 2
    assert result.fun <= f + 1e-5
    active = (x == lower) | (x == upper)
    assert np.array_equal(result.x[active], x[active])


def test_every_name_that_supports_bounds_is_tried():
    tried = {m if isinstance(m, str) else type(m).__name__ for m in [*NEWTON_TYPE.values(), *SLOW.values()]}
    assert set(ABLE) <= tried | set(SLOW) | {"GaussNewton", "LevenbergMarquardt"}


def test_gauss_newton():
    t = np.array([0.0, 1.0, 2.0, 3.0])
    y = np.array([1.0, 0.6, 0.4, 0.2])
    fit = refopt.LeastSquares(lambda x: x[0] * anp.exp(-x[1] * t) + x[2] - y)
    lower, upper = [0.0, 0.6, -1.0], [0.8, 2.0, 1.0]
    theirs = scipy.optimize.least_squares(
        lambda x: x[0] * np.exp(-x[1] * t) + x[2] - y, [0.5, 1.0, 0.0], bounds=(lower, upper), gtol=1e-12
    )
    line_search = [refopt.GaussNewton(reg=1e-6), refopt.StrongWolfe()]
    for method in (None, "GaussNewton", "LevenbergMarquardt", line_search):
        result = kept(fit, [0.5, 1.0, 0.0], method, lower, upper)
        assert result.success and result.x == pytest.approx(theirs.x, abs=1e-4)
        assert result.x[0] == 0.8


@pytest.mark.parametrize("method", [*NEWTON_TYPE, *SLOW])
def test_float32_stays_inside_and_float32(method):
    methods = {**NEWTON_TYPE, **SLOW}
    start = np.array([0.9, 0.25, 0.8], dtype=np.float32)
    lower, upper = np.float32([0.1, 0.1, 0.3]), np.float32([1, 0.7, 2])
    result = kept(shifted, start, methods[method], lower, upper, gtol=1e-3, maxiter=5000)
    assert result.x.dtype == np.float32
    assert result.success, result.message
    exact = scipy.optimize.minimize(
        shifted, start.astype(float), bounds=list(zip(lower, upper, strict=True)), tol=1e-12
    )
    assert result.x == pytest.approx(exact.x, abs=1e-3)


@pytest.mark.parametrize("entry", ENTRIES, ids=[e.name for e in ENTRIES])
def test_a_method_keeps_bounds_or_refuses_in_one_line(entry):
    method = entry.complete()
    if entry.name in ABLE:
        assert method.keeps_bounds()
        return
    with pytest.raises(
        ValueError, match="^[A-Za-z]+ does not support bounds; by name these do: Red"
    ) as error:
        minimize(never, [1.0, 1.0], method=method, bounds=[(0, 1), (0, 2)])
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (refopt.Newton(), "Newton without a line search"),
        ([refopt.Newton(), refopt.LR(0.5)], "Newton, LR without a line search"),
        (refopt.HigherOrderNewton(order=2, solver="SLSQP"), "HigherOrderNewton with solver='SLSQP'"),
        (refopt.HigherOrderNewton(de_iters=2), "HigherOrderNewton with de_iters=2"),
        (refopt.ScipyNewtonCG(inner=[refopt.GGT(), refopt.LR(0.1)]), "GGT does"),
        ([refopt.BlockPartition(refopt.Adam(), 2), refopt.Backtracking()], "BlockPartition does"),
        ([refopt.GGT(), refopt.InfinityNormTrustRegion()], "GGT does"),
    ],
    ids=str,
)
def test_the_part_that_cannot_is_named(method, words):
    with pytest.raises(ValueError, match=words):
        minimize(never, [1.0, 1.0], method=method, bounds=[(0, 1), (0, 2)])


@pytest.mark.parametrize("name", ["Newton", "LBFGS", "ScipyNewtonCG", "HigherOrderNewton", "CubicAdam"])
def test_infinite_bounds_change_no_bit(name):
    fun, x0, *_ = BOUNDED["none active"]
    plain = refopt.iterate(fun, x0, method=name, options={"maxiter": 30})
    free = refopt.iterate(
        fun, x0, method=name, options={"maxiter": 30}, bounds=scipy.optimize.Bounds(-np.inf, np.inf)
    )
    assert [r.x.tobytes() for r in plain] == [r.x.tobytes() for r in free]


@pytest.mark.parametrize("method", ["Newton", "LBFGS", "ScipyNewtonCG", "HigherOrderNewton"])
def test_fun_is_never_called_outside(method):
    def strict(x):
        assert np.all(getattr(x, "_value", x) >= 0)
        return log_barrier(x)

    assert minimize(strict, [1.0, 2.0], method=method, bounds=[(0, None)] * 2).success


def test_few_evaluations_on_an_ill_conditioned_quadratic():
    # the condition is 1e6; Newton needs as many steps as the active set changes
    fun, n = skew(condition=1e6), 20
    for method, most in (("Newton", 40), ("HigherOrderNewton", 40), ("LBFGS", 120), ("ScipyNewtonCG", 40)):
        result = kept(fun, np.zeros(n), method, [-0.5] * n, [0.5] * n)
        assert result.success and result.nfev <= most, (method, result.nfev)


def test_the_test_sees_a_direction_from_all_variables(monkeypatch):
    # Newton's direction of all variables, clipped afterwards, is no descent: the planted error must show
    def clipped(point, scale):
        return newton_face()

    newton_face = type(newton.face_of(refopt.iterate(shifted, [0.0] * 3, method="LR").point, float))
    right = kept(skew(), np.zeros(20), "Newton", [-0.5] * 20, [0.5] * 20)
    monkeypatch.setattr(newton, "face_of", clipped)
    wrong = kept(skew(), np.zeros(20), "Newton", [-0.5] * 20, [0.5] * 20, maxiter=right.nit + 5)
    assert not wrong.success
