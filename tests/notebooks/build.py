"""Make the lessons: from percent scripts, or again from the committed notebooks; lessons.py has the rules.

python tests/notebooks/build.py SCRIPT.py ...                 notebooks/SCRIPT.ipynb and its picture
python tests/notebooks/build.py --refresh notebooks/*.ipynb   execute again, in place
python tests/notebooks/build.py --script NOTEBOOK.ipynb       print the percent script of a notebook
python tests/notebooks/build.py --plain NAME | --fault NAME   run as a program, as it is or broken
python tests/notebooks/build.py --figures NAME FOLDER         write its figures as PNG files
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import nbformat

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[2])]  # tests, and this checkout of refopt
from notebooks.faults import FAULTS  # noqa: E402

from notebooks import lessons  # noqa: E402  (its folder is on the path only now)


def make(source: Path, refresh: bool) -> list[str]:
    """Execute one lesson and save it with its picture; returns what is wrong with it."""
    name = source.stem
    notebook = nbformat.read(source, as_version=4) if refresh else lessons.from_script(source.read_text())
    started = time.perf_counter()
    lessons.execute(notebook)
    seconds = time.perf_counter() - started
    lessons.FOLDER.mkdir(exist_ok=True)
    lessons.IMAGES.mkdir(exist_ok=True)
    nbformat.validate(notebook)
    nbformat.write(notebook, lessons.path_of(name))
    wrong = lessons.faults_of_form(notebook)
    if lessons.figures(notebook):
        lessons.picture(notebook).save(lessons.IMAGES / f"{name}.png", optimize=True)
    size = lessons.path_of(name).stat().st_size
    if size > lessons.BYTES:
        wrong.append(f"{size} bytes, more than {lessons.BYTES}")
    if seconds > lessons.SECONDS:
        wrong.append(f"{seconds:.1f} s, more than {lessons.SECONDS} (is the machine busy?)")
    count = len(lessons.figures(notebook))
    sys.stdout.write(f"{name}: {seconds:.1f} s, {size // 1000} kB, {count} figures\n")
    return [f"{name}: {problem}" for problem in wrong]


def run(name: str, fault: str) -> int:
    done = lessons.plain(name, fault=fault)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+")
    what = parser.add_mutually_exclusive_group()
    for option in ("refresh", "script", "plain", "fault", "figures"):
        what.add_argument(f"--{option}", action="store_true")
    arguments = parser.parse_args()
    first = Path(arguments.files[0]).stem
    if arguments.script:
        sys.stdout.write(lessons.to_script(lessons.read(first)))
        return 0
    if arguments.plain or arguments.fault:
        return run(first, FAULTS[first] if arguments.fault else "")
    if arguments.figures:
        for i, (_, png) in enumerate(lessons.figures(lessons.read(first))):
            target = Path(arguments.files[1]) / f"{first}-{i}.png"
            target.write_bytes(png)
            sys.stdout.write(f"{target}\n")
        return 0
    wrong = [problem for file in arguments.files for problem in make(Path(file), arguments.refresh)]
    sys.stderr.write("".join(f"{problem}\n" for problem in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
