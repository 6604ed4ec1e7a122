"""The folder tree explains the program: imports go one way, optional packages are imported where they are
used.
"""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import types
from pathlib import Path

import pytest

import refopt

PACKAGE = Path(refopt.__file__).parent

# From the ground up: each folder and each file at the top is a layer, and imports only what stands before it.
ORDER = [
    "_version",
    "status",
    "rounding",
    "checks",
    "kernels",
    "derivatives",
    "composite",
    "objective",
    "returned",
    "differences",
    "noise",
    "mending",
    "following",
    "function",
    "fit",
    "method",
    "models",
    "views",
    "decrement",
    "convergence",
    "leaving",
    "solvers",
    "trust",
    "parts",
    "algorithms",
    "registry",
    "request",
    "answer",
    "result",
    "progress",
    "run",
    "driver",
    "problems",
    "plot",
    "oracle",
    "torch",
    "cli",
    "__main__",
]
LEVEL = {name: level for level, name in enumerate(ORDER)}
CORE = {"numpy", "scipy", "autograd", "numba", "refopt"} | set(sys.stdlib_module_names)
# Where an optional package may be named, and nothing else may.
OPTIONAL = {
    "torch": {"torch", "oracle"},
    "matplotlib": {"plot", "oracle"},
    "sklearn": {"problems"},
    "tqdm": {"progress"},
    "torchzero": {"oracle"},
    "mpmath": {"oracle"},
    "pytest": {"oracle"},
    "optax": {"oracle"},
}
FILES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def dotted(path: Path) -> str:
    """``refopt.oracle.exact`` for a file or a package's __init__."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(("refopt", *(parts[:-1] if parts[-1] == "__init__" else parts)))


MODULES = {dotted(path) for path in FILES}


def imports(path: Path, text: str | None = None) -> list[tuple[str, int]]:
    """The modules that a file imports, at its top or inside functions, with line numbers."""
    here = ("refopt", *path.relative_to(PACKAGE).parent.parts)
    found = []
    for node in ast.walk(ast.parse(path.read_text() if text is None else text)):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{module}.{alias.name}"
                found.append((whole if whole in MODULES else module, node.lineno))
    return found


def check_one_way(path: Path, text: str | None = None) -> None:
    """Every import of the file is from its own layer or one before it, or an optional package in its
    place.
    """
    relative = path.relative_to(PACKAGE)
    own = relative.parts[0].removesuffix(".py")
    assert own in LEVEL, (
        f"{relative}: {own} has no place in ORDER of tests/test_layers.py; put it after all it imports"
    )
    for name, line in imports(path, text):
        parts = name.split(".")
        if parts[0] == "refopt":
            if len(parts) > 1:
                assert LEVEL[parts[1]] <= LEVEL[own], f"{relative}:{line} imports {name} from a higher layer"
        elif parts[0] not in CORE:
            assert own in OPTIONAL.get(parts[0], set()), (
                f"{relative}:{line} imports {parts[0]}, not one of its packages"
            )


def circle(edges: dict[str, set[str]]) -> list[str]:
    """Modules that import one another in a circle, or nothing."""
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name not in done:
            for other in sorted(edges.get(name, ())):
                if found := visit(other, [*way, name]):
                    return found
            done.add(name)
        return []

    for name in sorted(edges):
        if found := visit(name, []):
            return found
    return []


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    check_one_way(path)


def test_no_circle_of_files():
    edges = {
        dotted(path): {name for name, _ in imports(path) if name in MODULES} - {dotted(path)}
        for path in FILES
    }
    assert not circle(edges), " -> ".join(circle(edges))


def test_the_checks_see_what_is_planted():
    kernel = PACKAGE / "kernels" / "planted.py"
    with pytest.raises(AssertionError, match="planted.py:1 imports refopt.driver from a higher layer"):
        check_one_way(kernel, "from ..driver import minimize")
    with pytest.raises(AssertionError, match="imports torch"):
        check_one_way(kernel, "def late():\n    import torch")
    with pytest.raises(AssertionError, match="planted has no place in ORDER"):
        check_one_way(PACKAGE / "planted.py", "")
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
    assert circle({"a": {"b", "c"}, "b": {"c"}}) == []


def test_no_module_is_named_like_a_public_function_of_its_parent():
    """So that ``import refopt.algorithms.cubic_adam as m`` gives the module."""
    for name in sorted(MODULES):
        parent, own = name.rsplit(".", 1)
        value = getattr(importlib.import_module(parent), own, None)
        assert value is None or isinstance(value, types.ModuleType), (
            f"{name} is hidden by a public {type(value).__name__}"
        )


def test_files_are_short_enough_to_be_read():
    """Rule tables, kernels and the 35 problems apart."""
    long = {"problems/mgh.py", "kernels/compiled.py", "oracle/torchzero/rows.py"}
    for path in FILES:
        name, lines = str(path.relative_to(PACKAGE)), len(path.read_text().splitlines())
        limit = 220 if name.startswith("algorithms/") else 450
        assert lines <= limit or name in long, (
            f"{name} has {lines} lines, more than {limit}: what in it belongs elsewhere?"
        )


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
for name in "torch matplotlib sklearn tqdm mpmath torchzero pytest optax hypothesis".split():
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


def test_a_point_passes_few_files():
    """Calls from one file into another while `minimize` takes one iteration of HigherOrderNewton at n = 2.

    Half of them are the tracer following the function's own operations. The operators of traced numbers and
    the rule of `power` are left out: they stand in the place of autograd's own. There were 200 when each
    piece of the way had a file of its own; what makes the number grow makes the program harder to follow. The
    comparison of values and of the two gradients with each other takes fifteen, the tests of convergence and
    the scale of the variables thirty.
    """

    def rosenbrock(x):
        return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2

    def run():
        refopt.minimize(rosenbrock, [-1.2, 1.0], method="HigherOrderNewton", options={"maxiter": 1})

    def counted(file):
        in_place = ("array_methods.py", "missing_rules.py")
        return file.startswith(str(PACKAGE)) and not file.endswith(in_place)

    moves = 0

    def count(frame, event, _):
        nonlocal moves
        own = frame.f_code.co_filename
        if event == "call" and counted(own):
            caller = frame.f_back
            while caller is not None and not counted(caller.f_code.co_filename):
                caller = caller.f_back
            moves += caller is not None and caller.f_code.co_filename != own

    run()  # interpolation plans are made once
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(before)
    assert 50 < moves <= 205
