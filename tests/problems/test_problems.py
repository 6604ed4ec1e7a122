"""get and names: patterns, spellings, errors, and what importing costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from refopt import problems


def test_names_and_patterns():
    assert len(problems.names("mgh/*")) == 35 and len(problems.names("NIST/*")) == 27
    assert len(problems.names()) == len(set(problems.names())) == 35 + 27 + 7 + 3
    assert problems.names("?gh/Br*d") == ["mgh/brown_badly_scaled", "mgh/broyden_banded"]
    assert problems.names("himmel") == ["classic/himmelblau"] and problems.names("nothing like it") == []


def test_the_names_of_the_documentation():
    assert problems.get("mgh/penalty_1", n=4).name == "mgh/penalty1"
    assert problems.get("mgh/10").name == "mgh/meyer"
    assert problems.get("Mgh/Extended-Rosenbrock", n=4).n == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mgh/rosenbrok", "did you mean 'mgh/rosenbrock'"),
        ("nsit/Thurber", "did you mean 'nist/Thurber'"),
        ("thurber", "give the family too, did you mean 'nist/Thurber'"),
        ("classic/himelblau", "did you mean 'classic/himmelblau'"),
        ("learning/mlp_digit", "did you mean 'learning/mlp_digits'"),
        ("mgh/", "unknown problem 'mgh/'"),
        ("", "unknown problem ''"),
    ],
)
def test_an_unknown_name_is_answered_with_the_closest(name, message):
    with pytest.raises(ValueError, match=message):
        problems.get(name)


def test_a_name_that_is_no_string():
    with pytest.raises(TypeError, match="is a string such as 'mgh/rosenbrock', got 10"):
        problems.get(10)


def test_importing_and_listing_read_no_data_and_load_no_extra():
    code = (
        "import sys; from refopt import problems\n"
        "loaded = [m for m in sys.modules if m.startswith('refopt.problems.')]\n"
        "assert loaded == ['refopt.problems.base'], loaded\n"
        "problems.names()\n"
        "assert not {'sklearn', 'torch', 'matplotlib'} & set(sys.modules)\n"
        "from refopt.problems import mgh, nist\n"
        "assert mgh.facts.cache_info().currsize == 0 and nist.read.cache_info().currsize == 0\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
