"""The adapter without torch."""

from __future__ import annotations

import subprocess
import sys


def test_without_torch():
    code = "import sys; sys.modules['torch'] = None; import refopt.torch"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode and "ImportError: refopt.torch needs torch" in run.stderr
    assert "pip install 'refopt[torch]'" in run.stderr
