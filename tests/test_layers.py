"""The folder tree explains the program: imports go one way, optional packages are imported where they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import refopt

PACKAGE = Path(refopt.__file__).parent

# From the ground up; a module may import from its own layer and those before it.
LAYERS = [
    {"_version", "status", "checks"},
    {"kernels", "derivatives"},
    {"objective", "function", "composite"},
    {"method"},
    {"models", "views", "solvers", "trust", "parts", "algorithms"},
    {"registry"},
    {"request"},
    {"run"},
    {"driver"},
    {"problems", "oracle", "torch", "plot", "cli", "__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
CORE = {"numpy", "scipy", "autograd", "numba", "refopt"} | set(sys.stdlib_module_names)
# Where an optional package may be named, and nothing else may.
OPTIONAL = {"torch": {"torch", "oracle"}, "matplotlib": {"plot", "oracle"}, "sklearn": {"problems"}, "tqdm": {"run"},
            "torchzero": {"oracle"}, "mpmath": {"oracle"}, "pytest": {"oracle"}, "psutil": set(), "optax": {"oracle"}}
# The one look upwards: a method called by SciPy starts the driver (a function-level import, see Method.__call__);
# and the command line is made of pieces.
UPWARDS = set()
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if p.name != "__init__.py" or p.parent != PACKAGE)


def imports(path: Path) -> list[tuple[str, int]]:
    """Absolute dotted names of all imports in a file with their line numbers."""
    here = ("refopt", *path.relative_to(PACKAGE).parent.parts)
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[:len(here) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            found += [(f"{module}.{alias.name}", node.lineno) for alias in node.names]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    relative = path.relative_to(PACKAGE)
    own = relative.parts[0].removesuffix(".py")
    for name, line in imports(path):
        parts = name.split(".")
        if parts[0] == "refopt":
            target = parts[1] if len(parts) > 1 else ""
            if target not in LEVEL or (str(relative), target) in UPWARDS:
                continue
            assert LEVEL[target] <= LEVEL[own], f"{relative}:{line} imports {name} from a higher layer"
        elif parts[0] not in CORE:
            assert own in OPTIONAL.get(parts[0], set()), f"{relative}:{line} imports {parts[0]}, not one of its packages"


def test_the_check_sees_a_wrong_import(tmp_path):
    """A planted upward import is found."""
    bad = PACKAGE / "kernels" / "_planted_for_test.py"
    try:
        bad.write_text("from ..driver import minimize\n")
        with pytest.raises(AssertionError, match="imports refopt.driver.minimize from a higher layer"):
            test_imports_go_one_way(bad)
        bad.write_text("import torch\n")
        with pytest.raises(AssertionError, match="imports torch"):
            test_imports_go_one_way(bad)
    finally:
        bad.unlink()


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_import_is_light():
    """`import refopt` and a first small problem load none of the heavy packages."""
    heavy = run_python("""
import sys, refopt
refopt.minimize(lambda x: (x[0] - 1) ** 2, [0.0], method="CubicAdam", options={"maxiter": 2})
print(sorted({"numba", "torch", "matplotlib", "sklearn", "tqdm", "mpmath", "pandas", "torchzero", "pytest",
              "scipy.stats"} & set(sys.modules)))
""")
    assert heavy.strip() == "[]"


def test_core_works_without_the_extras():
    """With every optional package hidden, the core imports and minimises, and torch says what to install."""
    out = run_python("""
import sys
for name in ("torch", "matplotlib", "sklearn", "tqdm", "mpmath", "torchzero", "pytest", "optax", "hypothesis"):
    sys.modules[name] = None
import refopt
print(refopt.minimize(lambda x: (x[0] - 1) ** 2, [0.0], method="Newton", options={"disp": True}).success)
try:
    refopt.torch.Optimizer
except ImportError as error:
    print("pip install" in str(error) and "refopt[torch]" in str(error))
""")
    assert out.split()[-2:] == ["True", "True"]


def test_public_names_exist_and_have_docstrings():
    for name in refopt.__all__:
        if name in ("torch", "oracle", "plot", "problems", "derivatives", "__version__"):
            continue
        value = getattr(refopt, name)
        assert value.__doc__ and value.__doc__.strip(), name
    assert set(refopt.__all__) == set(dir(refopt))
