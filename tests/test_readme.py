"""README.md and the pages beside it: blocks are current, Python runs, links work."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from readme_blocks import BLOCKS, FOURTEEN, PAGES, README, ROOT, block, replaced

from refopt import methods

TEXT = README.read_text(encoding="utf-8")
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]?\d+)?")


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_are_current(name):
    """Text must be equal; numbers to 1e-7, which is what another BLAS may change in a printed result."""
    page, make = BLOCKS[name]
    with np.errstate(all="ignore"):
        ours, fresh = block(page.read_text(encoding="utf-8"), name), make()
    assert NUMBER.sub("#", ours) == NUMBER.sub("#", fresh), "run: python tests/readme_blocks.py"
    if name != "fit":
        return
    for line_ours, line_fresh in zip(ours.splitlines(), fresh.splitlines(), strict=True):
        if line_ours.startswith(("b", "RSS")):
            a, b = ([float(t) for t in line.split()[1:3]] for line in (line_ours, line_fresh))
            assert np.allclose(a, b, rtol=1e-7)


def test_a_block_out_of_date_is_noticed():
    changed = replaced(TEXT, "methods", "| nothing |")
    assert block(changed, "methods") != BLOCKS["methods"][1]()
    with pytest.raises(ValueError, match=r"README.md has no block 'fit'"):
        block("no such thing", "fit")


def test_all_fourteen_are_named():
    assert len(FOURTEEN) == 14 and all(name in block(TEXT, "methods") for name in FOURTEEN)


@pytest.mark.parametrize("name", [entry.name for entry in methods()])
def test_every_method_is_in_the_readme(name):
    named = block(TEXT, "methods") + block(TEXT, "around")
    assert re.search(rf"\b{name}\b", named), (
        f"add {name} to the table of the fourteen or to the sentence 'Around them' of README.md: "
        "python tests/readme_blocks.py writes both"
    )


def python_examples() -> list[str]:
    return re.findall(r"```python\n(.*?)```", TEXT, re.S)


@pytest.mark.parametrize("code", python_examples(), ids=lambda c: c.strip().splitlines()[-1][:40])
def test_python_examples_run(code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert "False" not in done.stdout, f"an example of the README fails:\n{done.stdout}"


def test_the_example_of_the_oracle_finds_what_it_says():
    (code,) = [code for code in python_examples() if "oracle.compare" in code]
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "DIFFERS" in done.stdout and "hint: beta2 is 0.99" in done.stdout, done.stdout + done.stderr


def test_the_ci_command_is_in_the_readme():
    found = re.search(r"<!-- ci: test -->(.*?)<!-- ci: end -->", TEXT, re.S)
    assert found and re.search(r"^\$ .*pytest", found.group(1), re.M)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_work(page):
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text) + re.findall(r'src="([^"]+)"', text)
    gone = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert not gone, f"{page.name} links to {', '.join(gone)}, which is not there"
