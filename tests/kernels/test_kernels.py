"""The choice between a formula and its twin."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
from kernels.elementwise_cases import FORMULAS

import refopt
from refopt import kernels
from refopt.kernels import compiled

PACKAGE = Path(refopt.__file__).parent


def test_the_choice_depends_on_the_length(monkeypatch):
    small, large = kernels.COMPILED_FROM - 1, kernels.COMPILED_FROM
    for name, formula in FORMULAS.items():
        asked = []
        monkeypatch.setattr(compiled, name, lambda u, asked=asked, **settings: asked.append(settings) or u)
        assert kernels.fastest(formula, small) is formula
        u = np.ones(large)
        assert kernels.fastest(formula, large)(u, m=3) is u and asked == [{"m": 3}], name


def test_every_formula_that_a_method_asks_for_is_compared_with_its_twin():
    """The calls ``kernels.fastest(NAME, ...)`` of the package name the formulas of elementwise_cases.py
    alone.
    """
    asked = {
        node.args[0].id
        for path in [*PACKAGE.glob("algorithms/*.py"), *PACKAGE.glob("parts/*.py")]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "kernels.fastest"
    }
    assert asked == set(FORMULAS)


def test_a_small_problem_does_not_import_numba():
    code = """
import sys, numpy as np, refopt
from types import SimpleNamespace
def step(n):
    x, method = np.ones(n), refopt.CubicAdam()
    method.step(SimpleNamespace(x=x, g=x), x, method.init(x))
step(4); assert 'numba' not in sys.modules
step(10**5); assert 'numba' in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
