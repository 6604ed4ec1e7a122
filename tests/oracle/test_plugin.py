"""The pytest plugin, in pytest runs of its own."""

import subprocess
import sys

CONFTEST = 'pytest_plugins = ["refopt.oracle.plugin"]\n'
TESTS = """
import pytest, refopt
from refopt import Adam, LR, chain
REFERENCE = chain(Adam(), LR(0.01))

@pytest.mark.oracle(steps=7)
def test_right(oracle):
    assert oracle.assert_matches(REFERENCE, REFERENCE, "classic/beale").steps == 7
    assert len(oracle.record(REFERENCE, "classic/beale")) == 7
    assert oracle.compare(REFERENCE, REFERENCE, "classic/beale", steps=3).steps == 3

def test_wrong(oracle):
    oracle.assert_matches(lambda x, g: x - 0.02 * g, LR(0.01), "classic/beale")

@pytest.mark.oracle(stpes=7)
def test_misspelt(oracle):
    pass
"""


def run(tmp_path, *arguments):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--strict-markers", *arguments]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout


def test_fixture_marker_and_failure_section(tmp_path):
    out = run(tmp_path, "-q")
    assert "1 failed, 1 passed, 1 error" in out, out
    assert "the candidate does not match the reference at step 0, update; see the oracle section" in out
    section = out[out.index("- oracle -") :]
    assert "first difference: step 0, update" in section and "hint: the step is twice too long" in section
    assert "unknown option 'stpes'; known: steps, mode" in out


def test_the_marker_is_listed(tmp_path):
    assert "@pytest.mark.oracle(steps, mode" in run(tmp_path, "--markers")
