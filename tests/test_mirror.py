"""Tests mirror the package file by file: what refopt/a/b.py holds is tested in tests/a/test_b.py."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import refopt

PACKAGE, TESTS = Path(refopt.__file__).parent, Path(__file__).parent
FOLDERS = {"torch": "torch_adapter"}  # a folder torch on the path of the tests would hide the package
# Files with a test elsewhere, and where.
ELSEWHERE = {
    "__init__.py": "test_layers.py",
    "_version.py": "test_layers.py",
    "__main__.py": "test_cli.py",
}
# Tests of no single module.
OVER_ALL = {
    "contract/test_bounds.py": "every method of the registry inside bounds",
    "contract/test_contract.py": "every method of the registry",
    "notebooks/test_notebooks.py": "the lessons",
    "notebooks/test_fifteenth.py": "the method that a lesson writes",
    "objectives/test_objectives.py": "realistic objectives with every method",
    "situations/test_situations.py": "situations in which success is easily claimed, with every method",
    "scipy_suite/test_scipy_suite.py": "SciPy's own tests, run on methods of refopt",
    "test_benchmarks.py": "the programs that print tables",
    "test_copies.py": "all that a user can hold, copied and pickled",
    "test_docstrings.py": "help of every method",
    "test_layers.py": "what may import what",
    "test_mirror.py": "this",
    "test_packages.py": "packages that call a minimizer: statsmodels, scikit-learn, scipy.stats",
    "test_promises.py": "tests/README.md",
    "test_readme.py": "README.md and the pages beside it",
    "test_scipy.py": "instances as minimizers of SciPy",
}

MODULES = sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))
TEST_FILES = sorted(str(path.relative_to(TESTS)) for path in TESTS.rglob("test_*.py"))


def holds_code(path: Path) -> bool:
    """Whether the file defines a function or a class."""
    return any(isinstance(node, (ast.FunctionDef, ast.ClassDef)) for node in ast.parse(path.read_text()).body)


def home_of(module: str) -> str:
    """The test file of a file of the package, both relative to their roots; a/__init__.py has a/test_a.py."""
    if module in ELSEWHERE:
        return ELSEWHERE[module]
    *folders, name = Path(module).with_suffix("").parts
    folders = [FOLDERS.get(folder, folder) for folder in folders]
    return str(Path(*folders, f"test_{folders[-1] if name == '__init__' else name}.py"))


def missing(module: str) -> str | None:
    """What to add for this file of the package, or None."""
    if Path(module).name == "__init__.py" and not holds_code(PACKAGE / module):
        return None
    where = TESTS / home_of(module)
    if not where.exists():
        return (
            f"refopt/{module} has no test file: add tests/{home_of(module)}, a test of each thing in it, "
            "by hand "
            "calculation or by its defining property"
        )
    if not re.search(r"^(def )?test_", where.read_text(), re.M):
        return f"tests/{home_of(module)} holds no test: add one"
    return None


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_its_test_file(module):
    sentence = missing(module)
    assert not sentence, sentence


def test_every_test_file_has_its_module():
    known = {home_of(module) for module in MODULES} | set(OVER_ALL)
    stray = [file for file in TEST_FILES if file not in known]
    assert not stray, (
        f"tests of no module: {', '.join(stray)}; give them the name of the file that they test, or a line "
        "in OVER_ALL of tests/test_mirror.py"
    )
    gone = [file for file in OVER_ALL if file not in TEST_FILES]
    assert not gone, f"OVER_ALL of tests/test_mirror.py names files that are gone: {', '.join(gone)}"


def test_the_sentence_says_what_to_add():
    assert missing("parts/lion.py").startswith(
        "refopt/parts/lion.py has no test file: add tests/parts/test_lion.py"
    )
    assert "add tests/torch_adapter/test_other.py, a test" in missing("torch/other.py")
    assert home_of("problems/nist/__init__.py") == "problems/nist/test_nist.py"
    assert home_of("torch/__init__.py") == "torch_adapter/test_torch_adapter.py"
