"""The tables of tests/benchmarks/nist_table.py and black_boxes.py, held to what they must show."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import random
import sys

import numpy as np
import pytest

import refopt
from refopt.derivatives.reverse import TraceError


def program(name):
    """The program tests/benchmarks/name.py as a module."""
    file = pathlib.Path(__file__).parent / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, file)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


table = program("nist_table")
black = program("black_boxes")


@pytest.fixture(scope="module")
def rows():
    return table.measure()


def test_all_problems_from_both_starts(rows):
    assert len(rows) == 54


def test_six_digits_of_all_by_the_default(rows):
    bad = [key for key, r in rows.items() if r["default"][0] < table.ENOUGH]
    assert not bad


def test_no_more_iterations_than_minpack(rows):
    """On the problems that both solve, in all. MINPACK's lm is left with Jacobians of its own choice."""
    both = [r for r in rows.values() if min(r["default"][0], r["lm"][0]) >= table.ENOUGH]
    assert len(both) >= 50
    assert sum(r["default"][1] for r in both) <= sum(r["lm"][1] for r in both)


@pytest.mark.parametrize("start", [1, 2])
@pytest.mark.parametrize("peer", ["lm", "trf", "dogbox"])
def test_as_many_as_scipy_in_the_same_run(rows, peer, start):
    bad = [name for (name, s), r in rows.items() if s == start and r["box"][0] < table.ENOUGH]
    assert table.count(rows, "box", start) >= table.count(rows, peer, start), f"below 6 digits: {bad}"


def test_count_and_text_on_a_small_table():
    small = {
        ("nist/A", 1): dict.fromkeys(table.COLUMNS, (5.9, 3)),
        ("nist/B", 1): dict.fromkeys(table.COLUMNS, (6.0, 4)),
        ("nist/B", 2): dict.fromkeys(table.COLUMNS, (11.0, 4)),
    }
    assert table.count(small, "trf", 1) == 1 and table.count(small, "trf", 2) == 1
    text = table.markdown(small)
    assert "| A | 1 | 5.9 | 3 |" in text and text.count("\n") == 7


def test_the_command(tmp_path, capsys):
    out = tmp_path / "table.md"
    assert table.main(["--only", "Misra1a", "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8") == capsys.readouterr().out
    assert "| Misra1a | 2 |" in out.read_text(encoding="utf-8")


# ---------------------------------------------------------------- black boxes

SEED = int(os.environ.get("BLACK_BOXES_SEED", random.randrange(10**6)))
# a call of these takes milliseconds: the program alone runs them
SLOW = ("lotka_volterra", "logistic_growth")
QUICK = [name for name in black.BOXES if name not in SLOW]


def test_there_are_fifteen_times_eleven():
    assert len(black.BOXES) == 15 and len(set(black.METHODS)) == 11
    assert {row.name for row in refopt.methods()} >= set(black.METHODS)


@pytest.mark.parametrize("name", black.BOXES)
def test_black_boxes_are_what_the_page_says(name):
    """No tracing gets through, the gradient is the derivative, the answer is a minimum, well scaled."""
    box = black.BOXES[name]
    with pytest.raises(TraceError):
        refopt.minimize(box.fun, box.x0, method="LBFGS")
    h = np.cbrt(np.finfo(float).eps)
    differences = [(box.fun(box.x0 + h * e) - box.fun(box.x0 - h * e)) / (2 * h) for e in np.eye(box.x0.size)]
    np.testing.assert_allclose(box.jac(box.x0), differences, rtol=1e-6, atol=1e-6)
    x, f = box.answer
    assert np.abs(box.jac(x)).max() <= 1e-7 and f == box.fun(x) and f < box.fun(box.x0)
    assert 1 <= x.size <= 8 and np.abs(x).max() <= 5 and box.condition() <= black.MAX_CONDITION


@pytest.mark.parametrize("derivatives", black.DERIVATIVES)
def test_black_boxes_are_solved(derivatives):
    """A drawn part of the table: one method for each problem, each method at least once."""
    drawn = random.Random(f"{SEED} {derivatives}")
    methods = drawn.sample(black.METHODS, 11) + drawn.sample(black.METHODS, len(QUICK) - 11)
    outcomes = {
        (name, method): black.attempt(black.BOXES[name], method, derivatives)
        for name, method in zip(QUICK, methods, strict=True)
    }
    share = black.BARS[derivatives] / 165
    # of 13 draws from a table that meets its bar, one may be an empty cell
    assert black.reached(outcomes) >= int(share * len(outcomes)), (
        f"BLACK_BOXES_SEED={SEED}\n{black.text(outcomes, derivatives)}"
    )


def test_the_text_of_black_boxes():
    outcomes = {
        ("sir", "Newton"): black.Outcome(True, "12+3", True),
        ("sir", "LBFGS"): black.Outcome(True, "20+9", False),
        ("spline", "Newton"): black.Outcome(False, "TypeError: no", False),
        ("spline", "LBFGS"): black.Outcome(True, "20+9", True),
    }
    text = black.text(outcomes, "jac")
    assert "| sir | 2 | 12+3 | 20+9 * |" in text and "- spline, Newton: TypeError: no" in text
    assert "| reached, of 2 | | 1 | 2 |" in text and "jac: 3 of 4 reached" in text


def test_a_run_that_stops_early_has_not_reached_the_answer():
    early = black.BlackBox("early", lambda x: float(x @ x) + 1, lambda x: 1e-9 * x, np.array([0.3, 0.4]))
    early.__dict__["answer"] = (np.zeros(2), 1.0)
    outcome = black.attempt(early, "LBFGS", "jac")
    assert outcome.success and not outcome.reached and "f - f* = 2.5e-01" in outcome.text


def test_the_command_of_black_boxes(capsys):
    assert black.main(["--derivatives", "jac", "--only", "sir", "--method", "LBFGS"]) == 0
    assert "jac: 1 of 1 reached SciPy's answer" in capsys.readouterr().out
