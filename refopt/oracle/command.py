"""The command ``refopt compare CANDIDATE REFERENCE PROBLEM``, and ``refopt compare --table``."""

from __future__ import annotations

import argparse
import ast
import importlib
import sys
from pathlib import Path
from typing import Any

from .. import checks
from ..registry import find
from .comparison import compare
from .recording import record
from .torchzero.deviations import deviations
from .torchzero.parity import main as parity

__all__ = ["add_compare_command", "run_compare", "candidate_from", "reference_from", "output_file", "seed"]

PICTURES = (".png", ".pdf", ".svg", ".jpg", ".jpeg", ".webp", ".eps", ".ps", ".tif", ".tiff")  # of matplotlib

EPILOG = """
CANDIDATE  torch.optim.Adam:lr=0.01     an optimizer class of torch and its arguments
           mymodule:my_candidate        an object of a module: a factory, a step function, ...
           run.npz                      a recorded trace
REFERENCE  Adam:lr=0.01                 a method of refopt with its options and those of its recipe
PROBLEM    mgh/rosenbrock               a name that `refopt problems` lists

The exit status is 0 if the candidate agrees, 1 if it differs, 2 if the comparison could not be made.
"""


def add_compare_command(subparsers: Any) -> argparse.ArgumentParser:
    """Add ``compare`` to the subparsers of the command line; its default `command` is `run_compare`."""
    parser = subparsers.add_parser(
        "compare",
        help="is an optimizer right, and where does it first go wrong?",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("candidate", nargs="?", metavar="CANDIDATE")
    parser.add_argument("reference", nargs="?", metavar="REFERENCE")
    parser.add_argument("problem", nargs="?", metavar="PROBLEM")
    parser.add_argument("--steps", type=int, default=None, help="number of steps (50; for --table 100)")
    parser.add_argument("--mode", choices=("lockstep", "free"), default="lockstep")
    parser.add_argument("--dtype", choices=("float64", "float32"), default=None)
    parser.add_argument("--seed", type=seed, default=0, help="of the candidate's randomness")
    parser.add_argument(
        "--ignore-hyperparameters",
        action="store_true",
        help="compare even if the candidate's own hyperparameters differ from the reference's",
    )
    parser.add_argument("--plot", metavar="FILE", help="write a picture of the errors over the steps")
    parser.add_argument("--save", metavar="FILE", help="write the candidate's trace, .npz or .json")
    parser.add_argument(
        "--table", action="store_true", help="the parity table: every method against torchzero 0.4.4"
    )
    parser.add_argument(
        "--deviations", action="store_true", help="list the deliberate differences from torchzero"
    )
    parser.set_defaults(command=run_compare)
    return parser


def seed(text: str) -> int:
    """A seed from a word of the command line, for argparse's `type`."""
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be a whole number >= 0, got {text!r}")
    return value


def output_file(flag: str, file: str | None, endings: tuple[str, ...] = PICTURES) -> None:
    """Refuse, before a long run, a file that could not be written after it."""
    if file is None:
        return
    path = Path(file)
    if path.suffix.lower() not in endings:
        raise ValueError(f"{flag} must end in one of {', '.join(endings)}, got {file!r}")
    if not path.parent.is_dir():
        raise ValueError(f"{flag}: there is no folder {str(path.parent)!r} to write {path.name!r} into")
    if path.is_dir():
        raise ValueError(f"{flag}: {file!r} is a folder; give the name of a file")


def run_compare(options: argparse.Namespace) -> int:
    """Carry out the parsed command; the exit status."""
    if options.deviations:
        print(deviations())
        return 0
    if options.steps is not None and options.steps < 1:
        print(f"refopt compare: --steps must be 1 or more, got {options.steps}", file=sys.stderr)
        return 2
    if options.table:
        flags = ["--dtype", options.dtype] if options.dtype else []
        return parity([*flags, "--steps", str(100 if options.steps is None else options.steps)])
    missing = [name for name in ("candidate", "reference", "problem") if getattr(options, name) is None]
    if missing:
        print(
            f"refopt compare: give {' '.join(name.upper() for name in missing)}, for example: refopt compare "
            "torch.optim.Adam:lr=0.01 Adam:lr=0.01 mgh/rosenbrock",
            file=sys.stderr,
        )
        return 2
    steps = 50 if options.steps is None else options.steps
    try:
        output_file("--plot", options.plot)
        output_file("--save", options.save, (".npz", ".json"))
        candidate = candidate_from(options.candidate)
        if options.save:
            candidate = record(candidate, options.problem, steps, rng=options.seed, dtype=options.dtype)
            candidate.save(options.save)
        report = compare(
            candidate,
            reference_from(options.reference),
            options.problem,
            steps,
            options.mode,
            rng=options.seed,
            dtype=options.dtype,
            hyperparameters="ignore" if options.ignore_hyperparameters else "check",
        )
    except (ImportError, OSError, TypeError, ValueError) as error:
        print(f"refopt compare: {error}", file=sys.stderr)
        return 2
    print(report)
    if options.plot:
        report.plot(options.plot)
        print(f"picture: {options.plot}")
    return 0 if report.ok else 1


def arguments(text: str, what: str) -> dict[str, Any]:
    """``lr=0.01,betas=(0.9,0.99)`` as a dict of Python literals; words stay strings."""
    if not text:
        return {}
    try:
        call = ast.parse(f"f({text})", mode="eval").body
    except SyntaxError:
        raise ValueError(
            f"cannot read the arguments {text!r} of {what}; write name=value, name=value"
        ) from None
    if not isinstance(call, ast.Call) or call.args or any(k.arg is None for k in call.keywords):
        raise ValueError(f"cannot read the arguments {text!r} of {what}; write name=value, name=value")
    found: dict[str, Any] = {}
    for keyword in call.keywords:
        value = keyword.value
        try:
            found[str(keyword.arg)] = value.id if isinstance(value, ast.Name) else ast.literal_eval(value)
        except ValueError:
            raise ValueError(
                f"{what}: the value of {keyword.arg} must be a number, a word, a list or a tuple"
            ) from None
    return found


def candidate_from(text: str) -> Any:
    """The candidate that a word of the command line means.

    Examples
    --------
    >>> from refopt.oracle.command import candidate_from
    >>> candidate_from("Adam:lr=0.1")
    chain(Adam(beta1=0.9, beta2=0.999, eps=1e-08, debiased=True), LR(lr=0.1))
    """
    if Path(text).suffix in (".npz", ".json"):
        if not Path(text).exists():
            raise ValueError(f"there is no trace {text!r}")
        return text
    head, _, tail = text.partition(":")
    if "." in head and (not tail or "=" in tail):
        module, _, name = head.rpartition(".")
        cls = attribute(module, name, text)
        given = arguments(tail, head)
        if isinstance(cls, type):
            factory = lambda params: cls(params, **given)  # noqa: E731
            factory.__name__ = text
            return factory
        return cls
    if tail and "=" not in tail:
        sys.path.insert(0, "")  # a module beside the user, as `python -m` finds it
        try:
            return attribute(head, tail, text)
        finally:
            sys.path.pop(0)
    return reference_from(text)


def attribute(module: str, name: str, text: str) -> Any:
    """An object of a module; the error names what is missing."""
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"cannot import {module!r} of the candidate {text!r}: {error}") from error
    if not hasattr(found, name):
        raise checks.unknown(
            f"name in module {module}", name, [n for n in dir(found) if not n.startswith("_")][:200]
        )
    return getattr(found, name)


def reference_from(text: str) -> Any:
    """The complete method of ``Name`` or ``Name:option=value,...``."""
    name, _, tail = text.partition(":")
    entry = find(name)
    given = arguments(tail, entry.name)
    checks.known_options(entry.name, given, entry.option_names())
    return entry.complete(**given)
