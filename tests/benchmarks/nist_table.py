"""NIST StRD nonlinear regression: correct digits of the default for fits and of a box region, against SciPy.

    python tests/benchmarks/nist_table.py [--out table.md] [--only Misra1a ...]

All 27 problems from both of their starts. Digits are the log relative error of the worst parameter against
the certified values (at most 11, 0 for a failure). Both sides are asked for all the accuracy there is: ours
with gtol = 0 (rounding ends the runs), SciPy's with ftol = xtol = gtol = 1e-15 and the same exact Jacobian,
up to 1000 Jacobians. "default" is refopt.minimize without a method, which is LevenbergMarquardt; "box" is
InfinityNormTrustRegion with the Gauss-Newton matrix and the first radius |x0|_inf; "lm" is MINPACK's with
x_scale="jac". Iterations are Jacobians for SciPy.
"""

from __future__ import annotations

import argparse
import sys
import warnings

import numpy as np
import scipy.optimize

import refopt
from refopt.fit import objective_of
from refopt.problems import get, names

MAXITER = 1000
ENOUGH = 6.0  # digits that count as solved
COLUMNS = ("default", "box", "lm", "trf", "dogbox")


def ours(problem, x0, method=None):
    """Digits and iterations of a method, of the default if none is given."""
    result = refopt.minimize(problem.fun, x0, method=method, options={"gtol": 0.0, "maxiter": MAXITER})
    return float(problem.digits(result.x).min()), result.nit


def scipys(problem, x0, method):
    """Digits and Jacobians of scipy.optimize.least_squares."""
    objective = objective_of(problem.fun, x0)
    try:
        result = scipy.optimize.least_squares(
            problem.residuals,
            x0,
            jac=lambda x: objective.at(x.copy()).jacobian.copy(),
            method=method,
            x_scale="jac" if method == "lm" else 1.0,
            ftol=1e-15,
            xtol=1e-15,
            gtol=1e-15,
            max_nfev=MAXITER,
        )
    except (ValueError, np.linalg.LinAlgError):  # residuals that are not finite end it with an exception
        return 0.0, 0
    return float(problem.digits(result.x).min()), result.njev


def row(name, start):
    """``{column: (digits, iterations)}`` of one problem from start 1 or 2."""
    problem = get(name)
    x0 = np.array(problem.starts[start - 1])
    box = refopt.InfinityNormTrustRegion(hess="gauss-newton", init_radius=float(np.abs(x0).max()))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # SciPy's on its way; overflow of trial points
        return {
            "default": ours(problem, x0),
            "box": ours(problem, x0, box),
            "lm": scipys(problem, x0, "lm"),
            "trf": scipys(problem, x0, "trf"),
            "dogbox": scipys(problem, x0, "dogbox"),
        }


def measure(which=None):
    """``{(problem, start): row}`` for all problems, or those whose names are given."""
    chosen = [name for name in names("nist/*") if which is None or name.split("/")[1] in which]
    return {(name, start): row(name, start) for name in chosen for start in (1, 2)}


def count(rows, column, start):
    """Problems with enough digits from that start."""
    return sum(r[column][0] >= ENOUGH for (_, s), r in rows.items() if s == start)


def markdown(rows):
    """The table as text."""
    lines = [
        "| problem | start | " + " | its | ".join(COLUMNS) + " | its |",
        "|---|---|" + "---|---|" * len(COLUMNS),
    ]
    for (name, start), r in rows.items():
        cells = " | ".join(f"{digits:.1f} | {its}" for digits, its in (r[c] for c in COLUMNS))
        lines.append(f"| {name.split('/')[1]} | {start} | {cells} |")
    for start in (1, 2):
        here = [r for (_, s), r in rows.items() if s == start]
        cells = " | ".join(f"**{count(rows, c, start)}** | {sum(r[c][1] for r in here)}" for c in COLUMNS)
        lines.append(f"| with {ENOUGH:.0f} digits | {start} | {cells} |")
    return "\n".join(lines) + "\n"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default=None, help="write the table to this file as well")
    parser.add_argument("--only", nargs="+", default=None, help="names of problems, such as Misra1a")
    options = parser.parse_args(argv)
    text = markdown(measure(options.only))
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            file.write(text)
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
