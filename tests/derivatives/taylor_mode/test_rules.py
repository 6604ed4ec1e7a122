"""The table of rules: complete, loaded in time, and tested with a judge that notices a wrong one."""

import subprocess
import sys
from pathlib import Path

import autograd.numpy as anp
import pytest
from autograd.core import primitive_vjps
from derivatives.taylor_mode.cases import NAMES, NP
from derivatives.taylor_mode.judge import ORDER, judged, point
from derivatives.taylor_mode.reference import reference

import refopt.derivatives.taylor_mode
from refopt.derivatives import taylor
from refopt.derivatives.taylor_mode.rules import REFUSED, RULES, load_scipy

load_scipy()

# ---------------------------------------------------------------------- none is forgotten

# Pieces of reverse mode over containers: refused, and `derivative_tensors` then takes the univariate route.
SLOW_ROUTE = {"container_untake", "sequence_extend_right", "sequence_extend_left", "_make_dict"}


def status(fun):
    return "rule" if fun in RULES else "refused" if fun in REFUSED else "slow route"


def test_every_differentiable_primitive_is_accounted_for():
    table = {}
    for fun in primitive_vjps:
        if getattr(fun, "__name__", "").endswith("_of_tests"):
            continue
        table.setdefault(status(fun), set()).add(getattr(fun, "__name__", str(fun)))
    assert table["slow route"] <= SLOW_ROUTE, table["slow route"] - SLOW_ROUTE
    assert table["refused"] == {"eig", "svd", "solve_banded", "odeint", "entropy"}
    assert len(table["rule"]) > 170


def test_every_module_of_rules_has_its_cases_and_its_tests():
    package = Path(refopt.derivatives.taylor_mode.__file__).parent
    # `reverse` and `values` have tests of their own
    machinery = {"__init__", "algebra", "expand", "families", "rules", "reverse", "values"}
    assert set(NAMES) == {path.stem for path in package.glob("*.py")} - machinery
    for module, names in NAMES.items():
        assert names, module
        assert f'rule_tests("{module}")' in Path(__file__).with_name(f"test_{module}.py").read_text()


def test_rules_of_scipy_are_loaded_when_a_function_uses_it():
    code = """
import sys
import numpy as np
from refopt.derivatives import taylor

def fun(x):
    import autograd.scipy.special as special
    return special.gammaln(x[0])

print("autograd.scipy" in sys.modules)
c = taylor(fun, np.array([2.5]), np.ones(1), 2)
print("refopt.derivatives.taylor_mode.special" in sys.modules, c.shape)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split("\n")[:2] == ["False", "True (3,)"]


# ---------------------------------------------------------------------- the judge is judged


@pytest.mark.parametrize("order", range(1, ORDER + 1))
def test_a_wrong_rule_is_caught(order, monkeypatch):
    """A relative error of 1e-11 in one coefficient of one rule fails the comparison above."""
    fun, x, s, _ = point("exp")
    right = RULES[anp.exp]

    def wrong(algebra, *args):
        out = list(right(algebra, *args))
        out[order - 1] = out[order - 1] * (1 + 1e-11)
        return out

    monkeypatch.setitem(RULES, anp.exp, wrong)
    with pytest.raises(AssertionError, match="order"):
        judged(taylor(lambda z: fun(NP, z), x, s, ORDER), reference(fun, x, s, ORDER), "planted")
