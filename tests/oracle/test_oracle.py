"""What `import refopt.oracle` brings."""

from refopt import oracle


def test_import_of_the_oracle_brings_no_torch():
    import subprocess
    import sys

    code = (
        "import refopt.oracle, refopt.oracle.torchzero.parity, sys; "
        "print([m for m in ('torch', 'mpmath', 'matplotlib', 'pytest') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_public_names_are_there_and_hide_no_module():
    import importlib.util

    for name in oracle.__all__:
        assert getattr(oracle, name).__doc__, name
        module = importlib.util.find_spec(f"refopt.oracle.{name}")
        assert module is None, f"a module is named like the function {name}"
