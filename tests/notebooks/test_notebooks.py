"""Every lesson runs from a clean kernel, keeps the rules of lessons.py, and fails when its method is broken.

About 5 s per lesson.
"""

from __future__ import annotations

import ast
import re

import numpy as np
import pytest
from nbclient.exceptions import CellExecutionError
from notebooks.changes import CHANGES
from notebooks.faults import FAULTS
from PIL import Image
from readme_blocks import FOURTEEN

from notebooks import lessons

LESSONS = lessons.names()
ALTERED = [(name, change) for name, changes in CHANGES.items() for change in changes]
GOOD = """
# %% [markdown]
# # A title
#
# One sentence.
#
# | symbol | meaning |
# | --- | --- |
# | $x$ | a number |

# %% tags=parameters
SIZE = 2

# %%
import matplotlib.pyplot as plt

import refopt

plt.plot([0, SIZE], [0, 1]);

# %%
print(refopt.LR(0.1))
assert SIZE < 3, "too many"
"""


def kinds(cell):
    """What a cell puts out, without the numbers: a reader must see in the file what running gives."""
    return sorted({o.name if o.output_type == "stream" else "+".join(sorted(o.data)) for o in cell.outputs})


def test_every_method_has_one_lesson():
    taught = sorted(name[3:] for name in lessons.method_lessons())
    words = r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"
    assert taught == sorted(re.sub(words, "_", name).lower() for name in FOURTEEN)


@pytest.mark.parametrize("name", LESSONS)
def test_committed_lesson_keeps_the_rules(name):
    notebook = lessons.read(name)
    assert lessons.faults_of_form(notebook) == []
    assert lessons.path_of(name).stat().st_size <= lessons.BYTES


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_runs_from_a_clean_kernel(name):
    committed = [kinds(cell) for cell in lessons.code_cells(lessons.read(name))]
    assert [kinds(cell) for cell in lessons.code_cells(lessons.execute(lessons.read(name)))] == committed


@pytest.mark.parametrize("name", LESSONS)
def test_picture_of_the_index_comes_from_the_notebook(name):
    kept = np.asarray(Image.open(lessons.IMAGES / f"{name}.png").convert("RGB"), dtype=float)
    made = np.asarray(lessons.picture(lessons.read(name)), dtype=float)
    assert kept.shape == made.shape
    off = np.abs(kept - made).mean()  # of 255; the resampling may differ a little between versions
    assert off < 2, "run tests/notebooks/build.py --refresh"


def test_every_method_lesson_has_a_fault():
    assert [name for name in lessons.method_lessons() if name not in FAULTS] == []
    assert [name for name in FAULTS if name not in LESSONS] == []


@pytest.mark.parametrize("name", [name for name in LESSONS if name in FAULTS])
def test_lesson_fails_when_its_method_is_broken(name):
    run = lessons.plain(name, fault=FAULTS[name])
    assert lessons.error_of(run) == "AssertionError", run.stderr[-2000:] or "the lesson did not notice"


def test_three_lessons_have_constants_to_change():
    with_constants = {name for name in LESSONS if lessons.constants(lessons.read(name))}
    assert len(with_constants) >= 3
    assert with_constants == set(CHANGES)


@pytest.mark.parametrize(("name", "change"), ALTERED)
def test_changed_constants_do_not_break_the_lesson(name, change):
    changed = {target.id for node in ast.parse(change).body for target in node.targets}
    assert changed <= lessons.constants(lessons.read(name))
    run = lessons.plain(name, change=change)
    assert run.returncode == 0, run.stderr[-2000:]


# ---------------------------------------------------------------- the checkers themselves


@pytest.fixture(scope="module")
def executed():
    return lessons.execute(lessons.from_script(GOOD))


def test_good_lesson_passes_and_survives_the_way_to_a_script_and_back(executed):
    assert lessons.faults_of_form(executed) == []
    again = lessons.from_script(lessons.to_script(executed))
    assert [c.source for c in again.cells] == [c.source for c in executed.cells]
    assert [c.metadata.get("tags") for c in again.cells] == [c.metadata.get("tags") for c in executed.cells]
    assert lessons.constants(executed) == {"SIZE"}
    assert lessons.title_and_sentence(executed) == ("A title", "One sentence.")


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ("# # A title", "# A title", "the first cell must be markdown"),
        ("| symbol |", "| sign |", "no legend"),
        ("One sentence.", "One sentence", "full stop"),
        ("print(refopt.LR(0.1))", "print(refopt.methods.__module__, '/tmp/x')", "absolute path"),
        ("import refopt\n", "import refopt\nfrom refopt.parts.lr import LR\n", "not public"),
        ("import refopt\n", "import refopt\nimport pandas\n", "no extra installs"),
        ("refopt.LR(0.1)", "refopt.nothing", "not public"),
        ("refopt.LR(0.1)", "refopt.LR(0.1)._x", "private"),
        ("assert SIZE", "SIZE", "assertion"),
    ],
)
def test_broken_rules_are_named(executed, right, wrong, problem):
    broken = lessons.from_script(GOOD.replace(right, wrong))
    for cell, ran in zip(lessons.code_cells(broken), lessons.code_cells(executed), strict=True):
        cell.outputs, cell.execution_count = ran.outputs, ran.execution_count
    problems = lessons.faults_of_form(broken)
    assert len(problems) == 1 and problem in problems[0], problems


def test_errors_missing_runs_and_warnings_are_named(executed):
    problems = lessons.faults_of_form(lessons.from_script(GOOD))
    assert sum("without having run" in p for p in problems) == 3 and "no figure" in problems
    with pytest.raises(CellExecutionError, match="too many"):
        lessons.execute(lessons.from_script(GOOD.replace("SIZE = 2", "SIZE = 4")))
    noise = "import sys\nprint(1, file=sys.stderr)\nSIZE = 2"
    noisy = lessons.execute(lessons.from_script(GOOD.replace("SIZE = 2", noise)))
    assert any("stderr" in p for p in lessons.faults_of_form(noisy))
