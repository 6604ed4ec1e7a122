"""get, names, the Problem record: names, immutability, errors, what importing costs."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from refopt import problems
from refopt.composite import LeastSquares
from refopt.problems.base import Minimum, Problem, frozen

FREE = [name for name in problems.names() if not name.startswith("learning")]


def test_names_and_patterns():
    assert len(problems.names("mgh/*")) == 35 and len(problems.names("NIST/*")) == 27
    assert len(problems.names()) == len(set(problems.names())) == 35 + 27 + 7 + 3
    assert problems.names("?gh/Br*d") == ["mgh/brown_badly_scaled", "mgh/broyden_banded"]
    assert problems.names("himmel") == ["classic/himmelblau"] and problems.names("nothing like it") == []


@pytest.mark.parametrize("name", FREE)
def test_every_problem_can_be_had_by_its_name_spelled_otherwise(name):
    p = problems.get(name)
    family, key = name.split("/")
    assert p.name == name
    assert problems.get(family.upper() + "/" + key.upper().replace("_", "-")).name == name
    assert repr(p) == f"Problem({name!r}, n={p.n})"
    assert p.describe().startswith(f"{name}: n = {p.n}") and p.source in p.describe()


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


def arrays_of(p):
    return [
        a
        for a in (p.x0, p.x_opt, p.certified, p.certified_sd, *p.starts, *(m.x for m in p.minima))
        if a is not None
    ]


@pytest.mark.parametrize("name", FREE)
def test_nobody_can_poison_a_problem(name):
    p = problems.get(name)
    before = p.fun(p.x0)
    for a in arrays_of(p):
        with pytest.raises(ValueError, match="read-only"):
            a[0] = 99.0
        with pytest.raises(ValueError, match="WRITEABLE"):
            a.flags.writeable = True
    with pytest.raises(dataclasses.FrozenInstanceError):
        p.x0 = np.zeros(p.n)
    if p.residuals is not None:
        p.residuals(p.x0)[:] = 7.0
    again = problems.get(name)
    assert p.fun(p.x0) == again.fun(again.x0) == before


def test_frozen_copies():
    a = np.arange(6.0).reshape(2, 3)
    b = frozen(a)
    a[0, 0] = 5.0
    assert b[0, 0] == 0.0 and b.shape == (2, 3)
    assert frozen([1, 2]).tolist() == [1, 2]


def test_digits():
    p = problems.get("mgh/helical_valley")  # x_opt = (1, 0, 0)
    np.testing.assert_allclose(p.digits([1.001, 1e-4, 0.0]), [3.0, 4.0, 11.0], atol=1e-9)
    np.testing.assert_array_equal(p.digits([np.nan, np.inf, -5.0]), [0.0, 0.0, 0.0])
    with pytest.raises(ValueError, match=r"x must have shape \(3,\), got \(2,\)"):
        p.digits([1.0, 2.0])
    with pytest.raises(ValueError, match="no answer is known"):
        problems.get("mgh/broyden_banded", n=7).digits(np.zeros(7))


def test_build_chooses_the_lowest_and_wants_a_function():
    p = Problem.build(
        "mine",
        fun=lambda x: x[0],
        starts=[[1.0]],
        source="here",
        minima=[(2.0, [0.0], "local"), (1.0, [5.0], "global")],
    )
    assert (p.f_opt, p.x_opt.tolist()) == (1.0, [5.0]) and isinstance(p.minima[0], Minimum)
    with pytest.raises(TypeError, match="mine: give fun or residuals"):
        Problem.build("mine", starts=[[1.0]], source="here")
    assert (
        "no minimum is known" in Problem.build("m", fun=lambda x: x[0], starts=[[1.0]], source="").describe()
    )


def test_least_squares():
    f = LeastSquares(lambda x, a: a * x)
    assert f(np.array([1.0, 2.0]), 3.0) == 45.0 and f.residuals(2.0, 3.0) == 6.0
    assert "lambda" in repr(f)
    with pytest.raises(TypeError, match="LeastSquares: residuals must be callable, got 3"):
        LeastSquares(3)


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
