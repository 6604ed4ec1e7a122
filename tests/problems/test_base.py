"""The Problem record: what it tells, immutability, digits, how it is built."""

import dataclasses

import numpy as np
import pytest

from refopt import problems
from refopt.problems.base import Minimum, Problem, frozen

FREE = [name for name in problems.names() if not name.startswith("learning")]


@pytest.mark.parametrize("name", FREE)
def test_every_problem_can_be_had_by_its_name_spelled_otherwise(name):
    p = problems.get(name)
    family, key = name.split("/")
    assert p.name == name
    assert problems.get(family.upper() + "/" + key.upper().replace("_", "-")).name == name
    assert repr(p) == f"Problem({name!r}, n={p.n})"
    assert p.describe().startswith(f"{name}: n = {p.n}") and p.source in p.describe()


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
