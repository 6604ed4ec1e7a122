"""The method that lesson 01 writes keeps the whole contract that the package's own methods are held to."""

from __future__ import annotations

import inspect
import sys
import types

import numpy as np
import pytest
from contract import test_contract

from notebooks import lessons
from refopt.registry import Entry

# These are about the registry and its public names, which a reader's method has no part in.
REGISTRY = (
    "test_public_name",
    "test_every_option_is_probed",
    "test_each_option_changes_something_observable",
)


def arguments(check):
    return set(inspect.signature(check).parameters)


def checks():
    """The contract's tests that take a method and nothing else, or a method and a dtype."""
    named = {
        name: check
        for name, check in vars(test_contract).items()
        if name.startswith("test_") and name not in REGISTRY and "entry" in arguments(check)
    }
    return [
        pytest.param(check, {"dtype": dtype} if dtype else {}, id=f"{name}-{dtype}")
        for name, check in named.items()
        for dtype in ((np.float32, np.float64) if "dtype" in arguments(check) else (None,))
        if arguments(check) <= {"entry", "dtype"}
    ]


@pytest.fixture
def entry(monkeypatch):
    """The cells of the lesson up to the class, run; the class as a row of the registry."""
    module = types.ModuleType("lesson_of_the_fifteenth")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # where dataclasses look up annotations
    for cell in lessons.code_cells(lessons.read("01_write_your_own_method")):
        exec(cell.source, vars(module))
        if "class BarzilaiBorwein" in cell.source:
            return Entry(module.BarzilaiBorwein, "support")
    raise AssertionError("the lesson defines no BarzilaiBorwein")


@pytest.mark.parametrize(("check", "more"), checks())
def test_the_method_of_the_lesson_keeps_the_contract(check, more, entry):
    with np.errstate(over="ignore", invalid="ignore"):
        check(entry=entry, **more)


def test_most_of_the_contract_is_run():
    assert len(checks()) >= 14
