"""The More-Garbow-Hillstrom table: HigherOrderNewton of order 2, 3 and 4 beside three methods of SciPy.

    python tests/benchmarks/mgh_table.py [output.md]     writes tests/benchmarks/mgh_table.md, about a minute

Sizes as in `refopt.problems.get`, standard starts, stop at |g|_inf <= 1e-8, 1000 iterations at most, one
setting for all. A problem is solved when the final f agrees with a listed minimum to 1e-9 (1 + |f|) and the
method reports success, or, for SciPy's methods, which report failure where rounding ends a run, when f alone
agrees.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path

import numpy as np
import scipy.optimize

import refopt
from refopt import HigherOrderNewton, problems
from refopt.fit import objective_of
from refopt.problems import mgh

GTOL, MAXITER = 1e-8, 1000
OUTSIDE = (3, 4, 6, 10, 16)  # not in the yardstick of 30 problems
YARDSTICK = {"published third-order code": (505, 699), "published trust-exact": (609, 626)}

OURS = {
    "order 2": HigherOrderNewton(order=2, trust_method="regularized"),
    "order 3": HigherOrderNewton(order=3),
    "order 3, regularized": HigherOrderNewton(order=3, trust_method="regularized"),
    "order 4": HigherOrderNewton(order=4, trust_method="regularized"),
}
SCIPY = ("trust-exact", "trust-krylov", "BFGS")


def run_ours(problem, method):
    """Iterations, values of f, gradients, Hessians, products, Taylor propagations, seconds, f, success."""
    began = time.perf_counter()
    result = refopt.minimize(
        problem.fun, problem.x0, method=method, options={"gtol": GTOL, "maxiter": MAXITER, "return_all": True}
    )
    seconds = time.perf_counter() - began
    values = 1 + sum(record.figures["trials"] for record in result.history)
    return (
        result.nit,
        values,
        result.njev,
        result.nhev,
        result.nhvp,
        result.ntaylor,
        seconds,
        result.fun,
        result.success,
    )


def run_scipy(problem, name):
    """The same for a method of scipy.optimize, with exact derivatives."""
    objective = objective_of(problem.fun, problem.x0)
    asked = []

    def fun(x):
        asked.append(0)
        return objective.at(x).f

    more = {
        "trust-exact": {"hess": lambda x: np.array(objective.at(x).hess)},
        "trust-krylov": {"hessp": lambda x, v: objective.at(x).hvp(np.asarray(v))},
        "BFGS": {},
    }[name]
    began = time.perf_counter()
    try:
        more["jac"] = lambda x: np.array(objective.at(x).g)
        result = scipy.optimize.minimize(
            fun, problem.x0, method=name, **more, options={"gtol": GTOL, "maxiter": MAXITER}
        )
        nit, f = result.nit, result.fun
    except (ValueError, FloatingPointError, np.linalg.LinAlgError):  # trust-exact: a Hessian with nan
        nit, f = 0, np.nan
    seconds = time.perf_counter() - began
    return nit, len(asked), objective.njev, objective.nhev, objective.nhvp, 0, seconds, f, True


def solved(problem, row):
    f, success = row[-2:]
    return success and any(abs(f - known.f) <= 1e-9 * (1 + abs(known.f)) for known in problem.minima)


def measure():
    """``{column: {key: (row, solved)}}``; each column begins with an untimed problem."""
    table = {}
    runs = {
        **{name: (run_ours, method) for name, method in OURS.items()},
        **{name: (run_scipy, name) for name in SCIPY},
    }
    for column, (run, what) in runs.items():
        run(problems.get("mgh/beale"), what)
        table[column] = {}
        for key in mgh.facts():
            problem = problems.get(f"mgh/{key}")
            row = run(problem, what)
            table[column][key] = (row, solved(problem, row))
        print(column, sum(done for _, done in table[column].values()), "of 35 solved", flush=True)
    return table


ABOUT = f"""\
Made by `python tests/benchmarks/mgh_table.py`. Sizes as in `refopt.problems.get`, standard starts,
|g|_inf <= {GTOL:g}, one setting for all problems. A dash: not solved (f is no listed minimum, or the run
did not end in success). Order 3 is HigherOrderNewton(order=3) with its defaults (trust_method="bounds");
orders 2 and 4 and the column so named are trust_method="regularized", which the bare name stands for.
Values of f: points at which f was asked for; derivatives are taken at accepted points."""

FOOTNOTE = """\
A Taylor sweep evaluates the function in truncated polynomial arithmetic along a batch of directions; it
gives all tensors at a point. A Hessian costs n products."""


def total(column, i, keys):
    return sum(column[key][0][i] for key in keys)


def markdown(table):
    keys = list(mgh.facts())
    inside = [key for number, key in enumerate(keys, 1) if number not in OUTSIDE]
    lines = [
        "# More-Garbow-Hillstrom: iterations / values of f",
        "",
        ABOUT,
        "",
        "| | problem | n | " + " | ".join(table) + " |",
        "|---|---|---|" + "---|" * len(table),
    ]
    for number, key in enumerate(keys, 1):
        cells = [
            f"{row[0]} / {row[1]}" if done else f"- ({row[-2]:.4g})"
            for row, done in (column[key] for column in table.values())
        ]
        lines.append(f"| {number} | {key} | {problems.get(f'mgh/{key}').n} | " + " | ".join(cells) + " |")
    lines.append(
        "| | **solved of 35** | | "
        + " | ".join(str(sum(done for _, done in column.values())) for column in table.values())
        + " |"
    )
    lines.append(
        "| | **total, the 30 of the yardstick** | | "
        + " | ".join(
            f"**{total(column, 0, inside)} / {total(column, 1, inside)}**" for column in table.values()
        )
        + " |"
    )
    published = "; ".join(f"{name} {nit} / {nf}" for name, (nit, nf) in YARDSTICK.items())
    lines += [
        "",
        f"Yardstick on these 30 (all but 3, 4, 6, 10, 16): {published}.",
        "",
        "## Counts on the 30 problems",
        "",
        "| | iterations | values of f | gradients | Hessians | products | Taylor sweeps | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, column in table.items():
        counts = " | ".join(str(total(column, i, inside)) for i in range(6))
        lines.append(f"| {name} | {counts} | {total(column, 6, inside):.2f} |")
    return "\n".join([*lines, "", FOOTNOTE, ""])


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("mgh_table.md")
    text = markdown(measure())
    target.write_text(text, encoding="utf-8")
    print(text)
