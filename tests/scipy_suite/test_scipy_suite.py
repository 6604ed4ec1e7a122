"""SciPy's own tests of `minimize`, run on methods of refopt; `expected` lists the failures, with reasons."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import scipy
from scipy_suite.expected import GROUPS, Group

import refopt

# The list is that of this version; an older one has other tests.
SINCE = (1, 17)
VERSION = tuple(int(part) for part in scipy.__version__.split(".")[:2])
TESTS = "scipy.optimize.tests."
MODULES = (
    "test_optimize test_lbfgsb_hessinv test_trustregion test_trustregion_exact test_trustregion_krylov "
    "test_minimize_constrained test_slsqp test_tnc test__basinhopping test__dual_annealing test_regression"
).split()
# Slow ones: those that never reach a method of refopt, and global searches like others that stay.
LEFT_OUT = (
    "Brute or COBYLA or COBYQA or fmin or Nelder or neldermead or Powell or powell or too_many_open_files or "
    "threadsafe or IterativeSubproblem or all_nograd_minimizers or high_dim or reproduce or rand_gen or "
    "from_docstring or pass_simple_takestep or 2d_nograd"
)


def pattern(text: str) -> re.Pattern[str]:
    """A name of tests, in which ``*`` stands for any text and ``{a,b}`` for a or b."""
    signs = {"*": ".*", "{": "(?:", "}": ")", ",": "|"}
    return re.compile("".join(signs.get(sign) or re.escape(sign) for sign in text))


def faults(outcomes: dict[str, dict], groups: list[Group]) -> list[str]:
    """What does not agree between the outcomes of tests and the list of expected failures."""
    reached = {name: known for name, known in outcomes.items() if known["reached"]}
    failed = {name: known["error"] for name, known in reached.items() if known["outcome"] == "failed"}
    found = []
    for name, error in failed.items():
        listed = [g for g in groups if any(pattern(test).fullmatch(name) for test in g.tests)]
        if not listed:
            found.append(f"{name} fails and is not listed: {error}")
        elif not any(re.search(g.error, error) for g in listed):
            reasons = "; ".join(g.reason for g in listed)
            found.append(f"{name} fails for another reason than listed ({reasons}): {error}")
    for group in groups:
        for test in group.tests:
            names = [name for name in reached if pattern(test).fullmatch(name)]
            passed = [name for name in names if reached[name]["outcome"] == "passed"]
            if passed:
                others = f" and {len(passed) - 1} more like it" if len(passed) > 1 else ""
                found.append(f"{passed[0]}{others} passes: take it out of the list ({group.reason})")
            if not names:
                found.append(f"{test} is listed ({group.reason}) and reaches refopt no more")
    return found


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    if VERSION < SINCE:
        pytest.skip(f"the list of failures is for SciPy {SINCE[0]}.{SINCE[1]} or later")
    if importlib.util.find_spec(TESTS + MODULES[0]) is None:
        pytest.skip("this SciPy was installed without its tests")
    folder = tmp_path_factory.mktemp("scipy")
    (folder / "pytest.ini").write_text("[pytest]\n")
    here, root = Path(__file__).parent, Path(refopt.__file__).parents[1]
    environment = {
        **os.environ,
        "OUTCOMES": str(folder / "outcomes.json"),
        "PYTHONPATH": os.pathsep.join([str(here), str(root), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-m", "pytest", "-p", "reroute", "-p", "no:cacheprovider", "-q", "--tb=no"]
    command += ["-c", "pytest.ini", "--rootdir=.", "-k", f"not ({LEFT_OUT})", "--pyargs"]
    run = subprocess.run(
        [*command, *(TESTS + module for module in MODULES)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    file = folder / "outcomes.json"
    assert file.exists(), f"SciPy's tests did not run:\n{run.stdout[-3000:]}\n{run.stderr[-3000:]}"
    return json.loads(file.read_text())


def test_many_of_scipys_tests_reach_refopt(outcomes):
    reached = [known["outcome"] for known in outcomes.values() if known["reached"]]
    # 405 and 221 with SciPy 1.17.1; a module that is not found or not rerouted leaves far fewer
    assert len(reached) > 350 and reached.count("passed") > 200


def test_scipys_tests_fail_where_and_why_the_list_says(outcomes):
    found = faults(outcomes, GROUPS)
    assert not found, "\n".join(found)


def test_patterns_of_names():
    assert pattern("m::test_a[*-x]").fullmatch("m::test_a[b-c-x]")
    assert pattern("m::test_{a,b}[1.5]").fullmatch("m::test_b[1.5]")
    assert not pattern("m::test_{a,b}[1.5]").fullmatch("m::test_b[1x5]")


def test_the_comparison_catches_planted_errors():
    failed = {"outcome": "failed", "error": "ValueError: no\nway", "reached": 1}
    passed = {"outcome": "passed", "error": "", "reached": 1}
    group = [Group("because", "no\\nway", ("m::test_a[*]",))]
    assert not faults({"m::test_a[x]": failed, "m::test_b": passed}, group)
    # elsewhere SciPy's own method was tested
    assert not faults({"m::test_a[x]": failed, "m::test_a[y]": {**passed, "reached": 0}}, group)
    for outcomes, words in [
        ({"m::test_a[x]": failed, "m::test_b": failed}, "m::test_b fails and is not listed: ValueError: no"),
        (
            {"m::test_a[x]": {**failed, "error": "TypeError"}},
            "for another reason than listed .because.: TypeError",
        ),
        ({"m::test_a[x]": failed, "m::test_a[y]": passed}, r"m::test_a\[y\] passes: take it out .* .because"),
        ({"m::test_b": passed}, r"m::test_a\[\*\] is listed .because. and reaches refopt no more"),
    ]:
        found = faults(outcomes, group)
        assert len(found) == 1 and re.search(words, found[0]), found


def test_every_reason_is_a_sentence_of_its_own():
    reasons = [group.reason for group in GROUPS]
    assert len(set(reasons)) == len(reasons) and all(len(reason.split()) > 2 for reason in reasons)
