"""tests/README.md: each test that it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS / "README.md"


def promises(text: str) -> list[tuple[str, list[str]]]:
    """``(promise, tests)`` of each row of the table."""
    rows = re.findall(r"^\| (.+?) \| (`.+?) \|$", text, re.M)
    return [(promise, re.findall(r"`([^`]+)`", tests)) for promise, tests in rows]


def fault(name: str) -> str:
    """What is wrong with ``folder/``, ``file`` or ``file::test``; "" if nothing."""
    file, _, test = name.partition("::")
    path = TESTS / file
    if not path.exists():
        return f"there is no tests/{file}"
    if not test:
        return ""
    defined = {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}
    return "" if test in defined else f"tests/{file} has no {test}"


@pytest.mark.parametrize(
    ("promise", "tests"), promises(PAGE.read_text()), ids=lambda v: v if isinstance(v, str) else ""
)
def test_every_promise_names_tests_that_exist(promise, tests):
    assert tests, f"name a test for: {promise}"
    wrong = [fault(test) for test in tests if fault(test)]
    assert not wrong, f"tests/README.md, {promise!r}: {'; '.join(wrong)}"


def test_the_table_is_read():
    assert len(promises(PAGE.read_text())) >= 25


def test_a_name_that_is_gone_is_noticed():
    assert fault("test_run.py::test_ftol") == "" == fault("oracle/")
    assert fault("test_run.py::test_gone") == "tests/test_run.py has no test_gone"
    assert fault("gone.py") == "there is no tests/gone.py"
