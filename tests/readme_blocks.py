"""The parts of README.md and the pages beside it that a program writes, so that they cannot drift.

    python tests/readme_blocks.py     rewrites the blocks between `<!-- begin: NAME -->` and `<!-- end -->`

tests/test_readme.py fails when a block is out of date.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent
README, DEVIATIONS, LESSONS = ROOT / "README.md", ROOT / "DEVIATIONS.md", ROOT / "notebooks" / "README.md"
PAGES = (README, DEVIATIONS, LESSONS, ROOT / "CONTRIBUTING.md", ROOT / "tests" / "README.md")
FOURTEEN = (
    "HigherOrderNewton",
    "NewtonNewton",
    "ScipyNewtonCG",
    "NewtonSolver",
    "CurveBall",
    "InfinityNormTrustRegion",
    "CubicAdam",
    "SubspaceCubicAdam",
    "CoordinateMomentum",
    "ReduceOutwardLR",
    "GradMin",
    "BlockPartition",
    "TensorizeProjection",
    "FFTProjection",
)


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


def around() -> str:
    from refopt.registry import ENTRIES

    names = ", ".join(f"`{entry.name}`" for entry in ENTRIES if entry.name not in FOURTEEN)
    return textwrap.fill(
        f"Around them: {names}, and `refopt.chain(...)`, which applies methods one after another.",
        120,
        break_long_words=False,
        break_on_hyphens=False,
    )


def deviations() -> str:
    from refopt.oracle.torchzero.deviations import DEVIATIONS as TABLE

    rows = ["| method | name | `torchzero` 0.4.4 | `refopt` | why |", "| --- | --- | --- | --- | --- |"]
    clean = lambda text: " ".join(text.split()).replace("|", "\\|")  # noqa: E731
    for d in sorted(TABLE, key=lambda d: (d.method, d.name)):
        rows.append(f"| {d.method} | {d.name} | {clean(d.original)} | {clean(d.ours)} | {clean(d.why)} |")
    return "\n".join(rows)


def lessons() -> str:
    from notebooks.lessons import index

    return index()


BLOCKS = {
    "fit": (README, fit),
    "methods": (README, methods),
    "around": (README, around),
    "deviations": (DEVIATIONS, deviations),
    "lessons": (LESSONS, lessons),
}


def replaced(text: str, name: str, content: str) -> str:
    """`text` with the block `name` filled with `content`."""
    pattern = re.compile(rf"(<!-- begin: {name} -->\n)(?:.*?\n)??(<!-- end -->)", re.S)
    if not pattern.search(text):
        raise ValueError(f"{BLOCKS[name][0].name} has no block {name!r}")
    return pattern.sub(lambda m: m.group(1) + content + "\n" + m.group(2), text)


def block(text: str, name: str) -> str:
    """The content of the block `name`."""
    found = re.search(rf"<!-- begin: {name} -->\n(.*?)\n?<!-- end -->", text, re.S)
    if not found:
        raise ValueError(f"{BLOCKS[name][0].name} has no block {name!r}")
    return found.group(1)


if __name__ == "__main__":
    for name, (page, make) in BLOCKS.items():
        page.write_text(replaced(page.read_text(), name, make()))
        sys.stdout.write(f"wrote {name} of {page.relative_to(ROOT)}\n")
