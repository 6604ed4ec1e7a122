"""``help(refopt.X)`` shows for every method its formulas, parameters, source, deviations, cost and an
example.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys

import pytest

import refopt
from refopt.registry import ENTRIES

NOTES = {
    "Source": "where the method comes from, with equation numbers",
    "Deviations": "what differs from the source, or 'none'",
    "Cost per step": "evaluations, arithmetic and memory",
}


def sections(doc: str) -> dict[str, list[str]]:
    """The lines under each numpydoc heading; those before the first heading under ""."""
    found: dict[str, list[str]] = {"": []}
    name = ""
    lines = doc.splitlines() or [""]
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if line and below == "-" * len(line):
            name = line
            found[name] = []
        elif not re.fullmatch(r"-{3,}", line):
            found[name].append(line)
    return found


def documented(lines: list[str]) -> dict[str, bool]:
    """``{name: whether a description follows}`` of a section; "a, b : floats" counts for a and for b."""
    found = {}
    for i, line in enumerate(lines):
        head = re.fullmatch(r"(\w+(?:, \w+)*) : \S.*", line)
        if head:
            described = i + 1 < len(lines) and lines[i + 1].startswith("    ")
            found.update(dict.fromkeys(head[1].split(", "), described))
    return found


def missing(name: str, doc: str | None, module_doc: str | None, fields: list[str]) -> list[str]:
    """What the documentation of a method lacks, one sentence each."""
    said = []
    if not module_doc or "\n" in module_doc.strip():
        said.append("its module docstring must be one line; the formulas belong into that of the class")
    doc = inspect.cleandoc(doc or "")
    summary, _, rest = doc.partition("\n")
    if not summary.endswith(".") or rest[:1] not in ("", "\n"):
        said.append("its docstring must begin with one line, a sentence, and an empty line after it")
    parts = sections(doc)
    if not any(re.match(r" {4}.*(=|<-|output)", line) for line in parts[""]):
        said.append("its docstring has no formulas: an indented block between the first line and Parameters")
    told = documented(parts.get("Parameters", []))
    for field in fields:
        if field not in told:
            said.append(f"its Parameters do not document the field {field!r}")
        elif not told[field]:
            said.append(f"its Parameters do not say what {field!r} means: an indented text below it")
    said += [f"its Parameters document {other!r}, which is no field" for other in told if other not in fields]
    if "Raises" not in parts:
        said.append("its docstring has no section Raises")
    notes = "\n".join(parts.get("Notes", []))
    said += [
        f"its Notes have no paragraph '{label}: ...' ({what})"
        for label, what in NOTES.items()
        if not re.search(rf"(^|\n\n){label}: \S", notes)
    ]
    if not any(line.startswith(">>> ") for line in parts.get("Examples", [])):
        said.append("its docstring has no section Examples with a line '>>> ...'")
    return [f"{name}: {sentence}." for sentence in said]


def of(cls: type) -> tuple[str, str | None, str | None, list[str]]:
    names = [field.name for field in dataclasses.fields(cls)]
    return cls.__name__, cls.__doc__, sys.modules[cls.__module__].__doc__, names


@pytest.mark.parametrize("cls", [entry.cls for entry in ENTRIES], ids=lambda cls: cls.__name__)
def test_help_is_complete(cls):
    said = missing(*of(cls))
    assert not said, "\n" + "\n".join(said)


FAULTS = [
    ("beta1, beta2, beta3 : floats", "beta1, beta2 : floats", "do not document the field 'beta3'"),
    ("    eps : float >= 0", "    epsilon : float >= 0", "document 'epsilon', which is no field"),
    ("    eps : float >= 0", "    epsilon : float >= 0", "do not document the field 'eps'"),
    ("        Factor of the output.\n", "", "do not say what 'alpha' means"),
    ("Adam with a third moment", "Adam\n    with a third moment", "must begin with one line"),
    ("Source:", "From", "no paragraph 'Source: ...'"),
    ("Deviations:", "Changes:", "no paragraph 'Deviations: ...'"),
    ("Cost per step:", "Time:", "no paragraph 'Cost per step: ...'"),
    (">>> ", "", "no section Examples"),
    ("    Raises\n    ------\n", "", "no section Raises"),
]


@pytest.mark.parametrize(("right", "wrong", "sentence"), FAULTS, ids=[fault[2] for fault in FAULTS])
def test_a_planted_fault_is_named(right, wrong, sentence):
    name, doc, module_doc, fields = of(refopt.CubicAdam)
    assert right in doc
    said = missing(name, doc.replace(right, wrong), module_doc, fields)
    assert any(line.startswith("CubicAdam: ") and sentence in line for line in said), said


def test_formulas_in_the_module_or_nowhere_are_named():
    name, doc, module_doc, fields = of(refopt.CubicAdam)
    longer = module_doc + "\n\n    d = -C/B\n"
    assert any("module docstring" in line for line in missing(name, doc, longer, fields))
    without = "\n".join(line for line in doc.splitlines() if not re.match(r" {8}(m\d|d|output) ", line))
    assert missing(name, without, module_doc, fields) == [
        "CubicAdam: its docstring has no formulas: an indented block between the first line and Parameters."
    ]
    assert len(missing(name, None, None, fields)) == 4 + len(fields) + len(NOTES) + 1
