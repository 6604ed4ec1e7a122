"""A pytest plugin that puts methods of refopt behind the names of SciPy's methods, and notes what came of it.

``python -m pytest -p reroute --pyargs scipy.optimize.tests.test_optimize`` runs SciPy's own tests on refopt;
the file named in the environment variable OUTCOMES gets, for each test, its outcome, whether it reached
refopt, and the last line of its error.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import numpy as np
import pytest
import scipy.optimize

import refopt

ORIGINAL = scipy.optimize.minimize
# The method of refopt in the place of each of SciPy's that uses derivatives. The others stay SciPy's own:
# Nelder-Mead, Powell, COBYLA and COBYQA take no gradient, and refopt has nothing of that kind.
PLACES: dict[str, Any] = {
    "bfgs": "LBFGS",
    "cg": "LBFGS",
    "l-bfgs-b": "LBFGS",
    "slsqp": "LBFGS",
    "tnc": "LBFGS",
    "trust-constr": "LBFGS",
    "newton-cg": "ScipyNewtonCG",
    "trust-ncg": "ScipyNewtonCG",
    "trust-krylov": "ScipyNewtonCG",
    "dogleg": "Newton",
    "trust-exact": "Newton",
}
# in a box, with the gradient alone
IN_BOX = refopt.InfinityNormTrustRegion(hess=scipy.optimize.BFGS())
# Options of one solver that have no meaning for another, which tests give by the way.
PRIVATE = frozenset(
    "c1 c2 eps eta finite_diff_rel_step hess_inv0 inexact initial_trust_radius iprint max_trust_radius "
    "maxCGit maxcor maxls norm rescale stepmx subproblem_maxiter workers xrtol xtol".split()
)
RENAMED = {"maxfun": "maxfev"}

reached = 0


def rerouted(
    fun, x0, args=(), method=None, jac=None, hess=None, hessp=None, bounds=None, constraints=(), tol=None,
    callback=None, options=None,
):  # fmt: skip
    """`scipy.optimize.minimize` with a method of refopt in the place of SciPy's."""
    global reached
    if method is None:
        method = "SLSQP" if constraints else "BFGS" if bounds is None else "L-BFGS-B"
    place = None if callable(method) else PLACES.get(method.lower())
    # constraints are refused, which tests/test_request.py shows once
    if place is None or np.any(constraints):
        return ORIGINAL(fun, x0, args, method, jac, hess, hessp, bounds, constraints, tol, callback, options)
    reached += 1
    options = {RENAMED.get(k, k): v for k, v in (options or {}).items() if k not in PRIVATE}
    if jac in (None, False):
        # SciPy takes differences there
        options.setdefault("fallback", "3-point")
    if tol is None:
        # SciPy's default; ours has no units, which tests/test_convergence.py shows
        options.setdefault("gtol", 1e-5)
    method = place if bounds is None else IN_BOX
    return refopt.minimize(
        fun, x0, args, method, jac, hess, hessp, bounds, constraints, tol, callback, options
    )


def pytest_configure():
    """Put `rerouted` in the place of SciPy's function; not on import, which collecting doctests does too."""
    for module in [m for name, m in sys.modules.items() if name.startswith("scipy.optimize")]:
        if getattr(module, "minimize", None) is ORIGINAL:
            module.minimize = rerouted  # type: ignore[attr-defined]


outcomes: dict[str, dict[str, Any]] = {}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "setup":
        item.reached_before = reached
    name = f"{item.module.__name__.split('.')[-1]}{item.nodeid[item.nodeid.index('::') :]}"
    known = outcomes.setdefault(name, {"outcome": "passed", "error": "", "reached": 0})
    known["reached"] = reached - getattr(item, "reached_before", reached)
    if report.outcome != "passed" and known["outcome"] == "passed":
        known["outcome"] = report.outcome
        if call.excinfo is not None:
            known["error"] = f"{call.excinfo.typename}: {call.excinfo.value}"[:400]


def pytest_sessionfinish():
    with open(os.environ["OUTCOMES"], "w") as file:
        json.dump(outcomes, file)
