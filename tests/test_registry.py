"""The table of methods: names, recipes, what a bare name stands for."""

from __future__ import annotations

import numpy as np
import pytest
from functions import never, sphere

import refopt
from refopt import checks, minimize
from refopt.registry import ENTRIES, Entry, find, names_supporting_bounds, resolve

START = [1.0, 2.0]


@pytest.mark.parametrize(
    "method, error, words",
    [
        ("CubicAdma", ValueError, "unknown method 'CubicAdma'; did you mean 'CubicAdam'"),
        ("zzz", ValueError, "unknown method 'zzz'; known: "),
        (refopt.LR, TypeError, r"LR is a class; give an instance, LR\(...\)"),
        (3, TypeError, "a method is an instance such as CubicAdam"),
        ([], ValueError, r"chain\(\) needs at least one method"),
    ],
)
def test_bad_method(method, error, words):
    with pytest.raises(error, match=words):
        minimize(never, START, method=method)


@pytest.mark.parametrize("name", ["cubicadam", "Cubic_Adam", "CUBIC-ADAM"])
def test_names_ignore_case_and_dashes(name):
    assert "CubicAdam" in minimize(sphere, START, method=name, options={"maxiter": 1}).method


def test_an_instance_takes_no_hyperparameters_as_options():
    with pytest.raises(ValueError, match="unknown option .* 'delta'"):
        minimize(never, START, method=refopt.Newton(), options={"delta": 0.1})


def test_a_recipe_takes_hyperparameters_and_settings_of_its_own():
    """CubicAdam's recipe is the method and a step size: beta1 goes to the one, lr to the other."""
    method, name = resolve("cubic_adam", {"lr": 0.5, "beta1": 0.2}, ())
    assert name == "CubicAdam" and method == refopt.chain(refopt.CubicAdam(beta1=0.2), refopt.LR(0.5))
    assert find("CubicAdam").option_names()[-1] == "lr" and find("CubicAdam").defaults["lr"] == 0.01


def test_an_instance_runs_as_it_is():
    method = refopt.CubicAdam()
    assert resolve(method, {}, ()) == (method, "CubicAdam")
    assert resolve([method, refopt.LR(0.1)], {}, ()) == (refopt.chain(method, refopt.LR(0.1)), "chain")


def test_names_are_distinct_whatever_their_spelling():
    names = [checks.simplify(entry.name) for entry in ENTRIES]
    assert len(set(names)) == len(names)


def test_needs_are_those_of_the_class_with_what_it_holds():
    assert find("Newton").needs == ("hess",) and find("GradMin").needs == ("f", "g", "hvp")
    assert find("LR").needs == ()


def test_the_table_prints_one_aligned_line_for_each_method():
    lines = str(refopt.methods()).splitlines()
    assert len(lines) == len(ENTRIES) + 1
    column = lines[0].index("kind")
    assert all(line[column - 1] == " " and line[column] != " " for line in lines)
    assert repr(refopt.methods()) == str(refopt.methods())


def test_methods_that_keep_bounds_are_those_that_minimize_accepts_them_for():
    able = names_supporting_bounds()
    assert "InfinityNormTrustRegion" in able and "HigherOrderNewton" in able
    residuals = refopt.LeastSquares(lambda x: x)
    for name in able:
        fun = residuals if "gauss-newton" in find(name).needs else sphere
        result = minimize(fun, START, method=name, bounds=[(0.5, 3), (1.5, 3)], options={"maxiter": 50})
        assert np.all(result.x >= [0.5, 1.5])


def test_kind_is_one_of_the_headings():
    with pytest.raises(
        ValueError, match="the row of LR in the registry: kind must be one of .* got 'suport'; did you mean"
    ):
        Entry(refopt.LR, "suport")


def test_the_name_scipy_newton_cg_leaves_saddles_and_keeps_what_the_user_sets():
    """A solver or a tolerance of the user's own takes the place of the recipe's."""
    parts = lambda **given: next(iter(find("ScipyNewtonCG").complete(**given).methods))  # noqa: E731
    plain, own = parts(), parts(solver="lsqr")
    assert (plain.solver, plain.direction, plain.forcing) == ("cg", "truncated", "eisenstat-walker")
    assert (own.solver, own.direction, own.forcing) == ("lsqr", "keep", None)
    assert parts(kwargs={"rtol": 1e-3}).forcing is None and parts(direction="negate").direction == "negate"
