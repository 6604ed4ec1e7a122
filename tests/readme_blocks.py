"""The parts of README.md that a program writes, so that they cannot drift from what the package does.

    python tests/readme_blocks.py          rewrites the blocks between `<!-- begin: NAME -->` and `<!-- end -->`

tests/test_readme.py fails when a block is out of date.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
FOURTEEN = ("HigherOrderNewton", "NewtonNewton", "ScipyNewtonCG", "NewtonSolver", "CurveBall", "InfinityNormTrustRegion",
            "CubicAdam", "SubspaceCubicAdam", "CoordinateMomentum", "ReduceOutwardLR", "GradMin", "BlockPartition",
            "TensorizeProjection", "FFTProjection")


def command_output(arguments: list[str]) -> str:
    """What the command prints."""
    from refopt.cli import main
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        main(arguments)
    return out.getvalue().rstrip()


def fit() -> str:
    return "```text\n" + command_output(["run", "nist/Thurber", "--start", "2"]) + "\n```"


def one_line(name: str) -> str:
    """The first line of the docstring of the method, which is a sentence, without its full stop."""
    from refopt.registry import find
    return (find(name).cls.__doc__ or "").strip().splitlines()[0].rstrip(".")


def methods() -> str:
    from refopt.registry import find
    rows = ["| method | what it does | kind | needs |", "| --- | --- | --- | --- |"]
    for name in FOURTEEN:
        entry = find(name)
        needs = entry.needs
        rows.append(f"| {name} | {one_line(name)} | {entry.kind} | {', '.join(needs) or 'gradient'} |")
    return "\n".join(rows)


def deviations() -> str:
    from refopt.oracle.torchzero.deviations import DEVIATIONS
    rows = ["| method | name | `torchzero` 0.4.4 | `refopt` | why |", "| --- | --- | --- | --- | --- |"]
    clean = lambda text: " ".join(text.split()).replace("|", "\\|")  # noqa: E731
    for d in sorted(DEVIATIONS, key=lambda d: (d.method, d.name)):
        rows.append(f"| {d.method} | {d.name} | {clean(d.original)} | {clean(d.ours)} | {clean(d.why)} |")
    return "\n".join(rows)


def lessons() -> str:
    from notebooks.lessons import index
    return index()


BLOCKS = {"fit": fit, "methods": methods, "deviations": deviations, "lessons": lessons}


def replaced(text: str, name: str, content: str) -> str:
    """`text` with the block `name` filled with `content`."""
    pattern = re.compile(rf"(<!-- begin: {name} -->\n)(?:.*?\n)??(<!-- end -->)", re.S)
    if not pattern.search(text):
        raise ValueError(f"README.md has no block {name!r}")
    return pattern.sub(lambda m: m.group(1) + content + "\n" + m.group(2), text)


def block(text: str, name: str) -> str:
    """The content of the block `name`."""
    found = re.search(rf"<!-- begin: {name} -->\n(.*?)\n?<!-- end -->", text, re.S)
    if not found:
        raise ValueError(f"README.md has no block {name!r}")
    return found.group(1)


if __name__ == "__main__":
    text = README.read_text()
    for name, make in BLOCKS.items():
        text = replaced(text, name, make())
    README.write_text(text)
    sys.stdout.write(f"wrote {len(BLOCKS)} blocks of {README}\n")
