"""No success where there is no minimum, under any method. All of it: ``python -m situations``."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest
import scipy.optimize

import refopt
from situations import __main__ as command
from situations.base import Situation
from situations.judge import (
    CHAINS,
    ERROR,
    FALSE,
    MODEST,
    NO_MINIMUM,
    NOT_REACHED,
    REFUSED,
    RIGHT,
    SITUATIONS,
    WORSE,
    at_minimum,
    judge,
    judged_error,
    method_names,
    quiet,
    run,
    slack,
)

# A run of the suite tries another part of the table; a failure names the seed.
SEED = int(os.environ.get("SITUATIONS_SEED", random.randrange(10**6)))
SOME = 40
# the minimum is at an edge, or a plateau is in between: Nelder-Mead from the minimizer may leave it
UNFIT = {name for name, case in SITUATIONS.items() if "bounds" in case.given}


# False successes that are left; the command finds them all.
KNOWN: set[tuple[str, str]] = {
    # the terms of the sum cancel to rounding of the size of f itself
    ("saturation_that_must_be_positive", "LBFGS"),
    ("slope_of_1e_minus_6", "ReduceOutwardLR"),
    ("slope_of_1e_minus_6", "CurveBall"),
    ("slope_of_1e_minus_6", "NewtonNewton"),
    ("degrees_of_freedom", "NewtonNewton"),
}


def source(*what):
    return random.Random(f"{SEED} {what}")


def test_there_are_enough_of_them():
    assert len(SITUATIONS) >= 60
    assert {row.name for row in refopt.methods()} <= {
        name for case in SITUATIONS.values() for name in method_names(case)
    }


@pytest.mark.parametrize("name", sorted(set(SITUATIONS) - UNFIT))
def test_what_is_right_is_right(name):
    """Nothing is lower around a minimizer; where there is none, SciPy goes on falling, or finds no end."""
    case = SITUATIONS[name]
    drawn = np.random.default_rng(SEED)
    with quiet():
        for x in case.points:
            assert at_minimum(case, x)
            size = np.maximum(np.abs(x), 1e-3 * np.abs(case.x0 - x))
            lower = case.value(x) - slack(case, x)
            for distance in (1e-1, 1e-2, 1e-3, 1e-5):
                around = x + distance * size * drawn.standard_normal((20, x.size))
                # nan is not lower
                assert not any(case.value(y) < lower for y in around), f"SITUATIONS_SEED={SEED}"
        # a set of minimizers, given by the value alone: SciPy reaches it from some start, and nothing lower
        if case.floor is not None and not case.points:
            found = min(nelder_mead(case, case.x0 + shift) for shift in (0.1, 1.3, -0.7))
            assert abs(found - case.floor) <= 1e-6 * (1 + abs(case.floor)), found


def nelder_mead(case, start):
    # an own simplex: SciPy's is tiny in a variable that is 0
    simplex = np.vstack([start, start + 0.5 * np.eye(start.size)])
    options = {"xatol": 1e-10, "fatol": 1e-14, "maxiter": 4000, "maxfev": 4000, "initial_simplex": simplex}
    return float(scipy.optimize.minimize(case.value, start, method="Nelder-Mead", options=options).fun)


def test_success_is_true():
    """Drawn situations, and for each a drawn method.

    What is "worse than seen" is left to the command: it counts points of differences and probes beside the
    answer, which are no candidates.
    """
    faults = {}
    for name in source("situations").sample(sorted(SITUATIONS), SOME):
        method = source(name).choice(method_names(SITUATIONS[name]))
        verdict = run(SITUATIONS[name], method)
        if verdict.kind == FALSE and (name, method) not in KNOWN:
            faults[name, method] = f"{verdict.kind}: {verdict.reason}"
    assert not faults, f"SITUATIONS_SEED={SEED}"


def test_success_of_the_default_is_true():
    faults = {}
    for name in source("default").sample(sorted(SITUATIONS), SOME):
        verdict = run(SITUATIONS[name], "HigherOrderNewton")
        if verdict.kind == FALSE and (name, "HigherOrderNewton") not in KNOWN:
            faults[name] = f"{verdict.kind}: {verdict.reason}"
    assert not faults, f"SITUATIONS_SEED={SEED}"


# ---------------------------------------------------------------- the judge can say each of its words


def result_at(x, fun, success):
    return scipy.optimize.OptimizeResult(
        x=np.array(x, float), fun=fun, success=success, nit=0, message="planted"
    )


@pytest.mark.parametrize(
    ("name", "x", "f", "success", "seen", "kind"),
    [
        ("saddle_at_the_start", [0, 0], 0.0, True, [0.0], FALSE),
        ("saddle_at_the_start", [0, 0], 0.0, False, [0.0], NOT_REACHED),
        ("saddle_at_the_start", [0, 0], 0.0, False, [0.0, -0.1], WORSE),
        ("saddle_at_the_start", [0, 0.5**0.5], -0.25, True, [-0.25], RIGHT),
        ("saddle_at_the_start", [0, 0.5**0.5], -0.25, False, [-0.25], MODEST),
        ("falling_exponential", [40], np.exp(-40.0), True, [1.0], FALSE),
        ("falling_exponential", [40], np.exp(-40.0), False, [1.0], NO_MINIMUM),
        ("guard_1e25_at_the_minimum", [3, 0], 1e25, True, [10.0], FALSE),
        ("guard_1e25_at_the_minimum", [3, 0], 1e25, False, [10.0], WORSE),
        ("tiny_bowl", [1.1, -2], 1e-300, True, [], FALSE),
        ("tiny_bowl", [1.00001, -2], 1e-308, True, [], RIGHT),
        ("offset_1e12", [1.001, -2], 1e12, True, [], RIGHT),
        ("offset_1e12", [2, -2], 1e12, True, [], FALSE),
        ("quartics", [1.01] * 4, 4e-8, True, [], FALSE),
        ("collapsing_mixture", [-30], -28.0, True, [], FALSE),
        ("norm", [np.nan, 0], np.nan, True, [5.0], FALSE),
    ],
)
def test_the_judge_sees_planted_errors(name, x, f, success, seen, kind):
    assert judge(SITUATIONS[name], result_at(x, f, success), seen).kind == kind


def test_a_success_by_gradient_alone_is_seen():
    """With SciPy's gtol the start of a tiny function is a success: this suite can fail."""
    tiny = SITUATIONS["tiny_bowl"]
    with_gtol = Situation(
        "tiny", tiny.fun, tiny.start, tiny.minima, unit=tiny.unit, given={"options": {"gtol": 1e-5}}
    )
    assert run(with_gtol, "LBFGS").kind == FALSE


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("NewtonNewton does not support bounds"), REFUSED),
        (ZeroDivisionError("float division by zero"), ERROR),
        (ValueError("operands could not be broadcast together"), ERROR),
    ],
)
def test_a_refusal_names_what_is_refused(error, kind):
    assert judged_error(error).kind == kind


def test_values_at_points_that_the_run_tried_are_kept():
    case = Situation("away", lambda x: x[0] ** 2, [3.0], [[0.0]])
    assert run(case, "Newton").kind == RIGHT
    assert judge(case, result_at([3.0], 9.0, False), [9.0, 1.0]).kind == WORSE


def test_chains_are_complete_methods():
    for make in CHAINS.values():
        assert isinstance(make(), refopt.method.Method)


def test_the_command(capsys):
    assert (
        command.main(["--situation", "ordinary_fit", "--method", "Newton", "GaussNewton", "--all", "--slow"])
        == 0
    )
    shown = capsys.readouterr().out
    assert "| Newton | 1 |" in shown and "1 situations, 2 runs" in shown and "longest: " in shown
