"""The README says what the package does: its blocks are current, its Python runs, its commands are the tested ones."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
from readme_blocks import BLOCKS, FOURTEEN, README, block, replaced

TEXT = README.read_text(encoding="utf-8")
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]?\d+)?")


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_are_current(name):
    """Text must be equal; numbers to 1e-7, which is what another BLAS may change in a printed result."""
    with np.errstate(all="ignore"):
        ours, fresh = block(TEXT, name), BLOCKS[name]()
    assert NUMBER.sub("#", ours) == NUMBER.sub("#", fresh), "run: python tests/readme_blocks.py"
    if name != "fit":
        return
    for line_ours, line_fresh in zip(ours.splitlines(), fresh.splitlines(), strict=True):
        if line_ours.startswith(("b", "RSS")):
            a, b = ([float(t) for t in line.split()[1:3]] for line in (line_ours, line_fresh))
            assert np.allclose(a, b, rtol=1e-7)


def test_a_block_out_of_date_is_noticed():
    changed = replaced(TEXT, "methods", "| nothing |")
    assert block(changed, "methods") != BLOCKS["methods"]()


def test_all_fourteen_are_named():
    assert len(FOURTEEN) == 14 and all(name in block(TEXT, "methods") for name in FOURTEEN)


def python_examples() -> list[str]:
    return re.findall(r"```python\n(.*?)```", TEXT, re.S)


@pytest.mark.parametrize("code", python_examples(), ids=lambda c: c.strip().splitlines()[-1][:40])
def test_python_examples_run(code, tmp_path):
    done = subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", code], capture_output=True, text=True,
                          cwd=tmp_path, env={**__import__("os").environ, "MPLBACKEND": "Agg"})
    assert done.returncode == 0, done.stderr
    assert "False" not in done.stdout.replace("False 0 m2", ""), f"an example of the README fails:\n{done.stdout}"
    expected = [line[2:] for line in code.splitlines() if line.startswith("# ")]
    printed = done.stdout.split("\n")
    for line in expected:
        assert any(line.strip() == p.strip() for p in printed), f"README promises {line!r}, printed:\n{done.stdout}"


def test_the_ci_command_is_in_the_readme():
    found = re.search(r"<!-- ci: test -->(.*?)<!-- ci: end -->", TEXT, re.S)
    assert found and re.search(r"^\$ .*pytest", found.group(1), re.M)
