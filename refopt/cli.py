"""The command ``refopt``: methods | problems | run | bench | compare.

The exit code is 0 on success, 1 when a run did not converge or a comparison failed, 2 for wrong arguments. An
error is one line on stderr.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["main"]

RUN_GTOL = 1e-8  # the command's default; the published digits of the problems need more than SciPy's 1e-5


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code.

    Examples
    --------
    >>> from refopt.cli import main
    >>> main(["run", "mgh/beale", "--method", "Newton"])        # doctest: +ELLIPSIS
    mgh/beale: n = 2...
    0
    """
    parser = build_parser()
    arguments = parser.parse_args(argv)
    try:
        return arguments.command(arguments)
    except KeyboardInterrupt:
        print("refopt: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `refopt methods | head`
        sys.stderr.close()
        return 0
    except (ValueError, TypeError, KeyError, ImportError, MemoryError, OSError) as error:
        text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
        print(f"refopt: {' '.join(text.split())}", file=sys.stderr)
        return 2


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command line, with one subparser per command."""
    from . import __version__
    from .oracle.command import add_compare_command, seed

    parser = OneLineParser(
        prog="refopt", description="Reference implementations of experimental optimization methods."
    )
    parser.add_argument("--version", action="version", version=f"refopt {__version__}")
    commands = parser.add_subparsers(
        required=True, metavar="methods | problems | run | bench | compare", parser_class=OneLineParser
    )

    p = commands.add_parser("methods", help="list the methods, what they need and their defaults")
    p.set_defaults(command=show_methods)

    p = commands.add_parser("problems", help="list the problems")
    p.add_argument("pattern", nargs="?", help="part of a name, or a shell pattern such as 'nist/*'")
    p.set_defaults(command=show_problems)

    p = commands.add_parser("run", help="minimise a problem")
    p.add_argument("problem", help="name, such as nist/Misra1a (refopt problems lists them)")
    add_run_options(p, seed)
    p.add_argument("--plot", metavar="FILE", help="write a picture of the convergence (.png, .pdf, .svg)")
    p.set_defaults(command=run)

    p = commands.add_parser("bench", help="run several methods on several problems and print a table")
    p.add_argument("problems", nargs="+", help="names or shell patterns")
    p.add_argument(
        "--methods", default="Newton,LBFGS", help="names, separated by commas (default: %(default)s)"
    )
    p.add_argument(
        "--maxiter",
        type=int,
        default=None,
        help="limit on the iterations of each run (default: that of refopt.minimize)",
    )
    p.set_defaults(command=bench)

    add_compare_command(commands)
    return parser


class OneLineParser(argparse.ArgumentParser):
    """A parser that reports an error in one line."""

    def error(self, message: str) -> Any:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def add_run_options(p: argparse.ArgumentParser, seed: Any) -> None:
    p.add_argument("--method", default=None, help="name of a method (default: that of refopt.minimize)")
    p.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the driver or a hyperparameter; may be given several times "
        f"(gtol is {RUN_GTOL:g} here unless given, not the 1e-5 of refopt.minimize)",
    )
    p.add_argument("--start", type=int, default=1, help="which of the problem's official starts (default: 1)")
    p.add_argument("--seed", type=seed, default=None, help="seed of random methods, >= 0")
    p.add_argument("--disp", action="store_true", help="show progress")


def parse_options(pairs: Sequence[str]) -> dict[str, Any]:
    """``["lr=0.1", "mode=halve"]`` as a dict; values are Python literals, anything else is text."""
    options: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise ValueError(f"--option must be KEY=VALUE, for example maxiter=100, got {pair!r}")
        try:
            options[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            options[key] = text
    return options


# ---------------------------------------------------------------- commands


def show_methods(arguments: argparse.Namespace) -> int:
    from . import methods

    print(methods())
    return 0


def show_problems(arguments: argparse.Namespace) -> int:
    from . import problems

    found = problems.names(arguments.pattern)
    if not found:
        raise ValueError(f"no problem matches {arguments.pattern!r}; `refopt problems` lists all")
    print("\n".join(found))
    return 0


def run(arguments: argparse.Namespace) -> int:
    from . import iterate, problems

    problem = problems.get(arguments.problem)
    if not 1 <= arguments.start <= len(problem.starts):
        raise ValueError(
            f"{problem.name} has starts 1 to {len(problem.starts)}, got --start {arguments.start}"
        )
    options = {"gtol": RUN_GTOL, **parse_options(arguments.option)}
    if arguments.plot is not None:
        from . import plot
        from .oracle.command import output_file

        output_file("--plot", arguments.plot)
        options["return_all"] = True
    if arguments.disp:
        options["disp"] = True
    chosen = {} if arguments.method is None else {"method": arguments.method}
    x0 = problem.starts[arguments.start - 1]
    with np.errstate(
        over="ignore", invalid="ignore", divide="ignore"
    ):  # trial points may overflow; methods handle it
        steps = iterate(problem.fun, x0, options=options, shapes=problem.shapes, rng=arguments.seed, **chosen)
        with contextlib.suppress(KeyboardInterrupt):  # the result so far is printed, with the reason
            for _ in steps:
                pass
    result = steps.result
    print(f"{problem.name}: n = {x0.size}, start {arguments.start}, {brief(steps.method)}")
    print(
        f"{'stopped' if result.success else 'NOT CONVERGED'} after {result.nit} iterations: {result.message}"
    )
    print(
        f"f = {result.fun:.11g}, evaluations: {result.nfev} f, {result.njev} gradient, {result.nhev} "
        "Hessian, "
        f"{result.nhvp} Hessian-vector, {result.ntaylor} Taylor"
    )
    if problem.certified is not None:
        print(certified_table(problem, result.x, result.fun))
    elif problem.f_opt is not None:
        print(f"best known f = {problem.f_opt:.11g}")
    if arguments.plot is not None:
        figure = plot.convergence([result], labels=[problem.name]).figure
        figure.savefig(arguments.plot, dpi=150, bbox_inches="tight")
        print(f"wrote {arguments.plot}")
    return 0 if result.success else 1


def brief(method: Any) -> str:
    """A short text for a method: its name and the hyperparameters that differ from their defaults."""
    from .method import Chain, Method

    if isinstance(method, Chain):
        return " + ".join(map(brief, method.parts()))
    changed = [
        f"{f.name}={brief(v) if isinstance(v, Method) else repr(v)}"
        for f in dataclasses.fields(method)
        if repr(v := getattr(method, f.name)) != repr(f.default)
    ]
    return f"{type(method).__name__}({', '.join(changed)})" if changed else type(method).__name__


def certified_table(problem: Any, x: np.ndarray, f: float) -> str:
    """The fitted parameters beside NIST's, with the number of correct digits."""
    lines = ["", "parameter            fitted         certified   digits"]
    for i, (value, truth, digits) in enumerate(zip(x, problem.certified, problem.digits(x), strict=True), 1):
        lines.append(f"b{i:<8d} {value:17.10e} {truth:17.10e} {digits:8.1f}")
    lines.append(f"{'RSS':9s} {f:17.10e} {problem.certified_rss:17.10e}")
    return "\n".join(lines)


def bench(arguments: argparse.Namespace) -> int:
    from . import minimize, problems
    from .registry import find

    chosen = [find(name.strip()).name for name in arguments.methods.split(",")]  # checked before any run
    names = [name for pattern in arguments.problems for name in problems.names(pattern)]
    if not names:
        raise ValueError(f"no problem matches {' '.join(arguments.problems)!r}; `refopt problems` lists all")
    options: dict[str, Any] = {"gtol": RUN_GTOL}
    if arguments.maxiter is not None:
        options["maxiter"] = arguments.maxiter
    print(
        f"{'problem':32s} {'method':22s} {'ok':3s} {'f':>14s} {'nit':>6s} {'nfev':>6s} {'njev':>6s} "
        f"{'nhvp':>6s}"
    )
    failed = 0
    for name in names:
        problem = problems.get(name)
        for method in chosen:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                result = minimize(
                    problem.fun, problem.x0, method=method, options=options, shapes=problem.shapes, rng=0
                )
            failed += not result.success
            print(
                f"{name:32s} {method:22s} {'yes' if result.success else 'no':3s} {result.fun:14.7g} "
                f"{result.nit:6d} "
                f"{result.nfev:6d} {result.njev:6d} {result.nhvp:6d}",
                flush=True,
            )
    return 0 if failed == 0 else 1
