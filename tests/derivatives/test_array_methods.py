"""Methods and operators of arrays on a traced x."""

from __future__ import annotations

import math

import numpy as np
import pytest
from autograd.numpy.numpy_boxes import ArrayBox
from derivatives.expressions import SIX
from derivatives.plain_judge import check, expression_tests

from refopt.derivatives import TraceError, gradient

test_plain_numpy, test_twin = expression_tests("array_methods")


@pytest.mark.parametrize("name", ["fill", "partition", "put", "resize", "sort"])
def test_methods_that_assign_are_refused(name):
    with pytest.raises(TraceError, match=rf"`x.{name}\(...\)` assigns in place"):
        gradient(lambda x: getattr(x, name)(1), SIX)


@pytest.mark.parametrize(
    "fun, words",
    [
        (lambda x: float(x[0]), r"`float\(...\)` asks for a plain number"),
        (lambda x: int(x[0]) * x[1], r"`int\(...\)` asks for a plain number"),
        (lambda x: math.exp(x[0]), "`math.exp` takes plain numbers only"),
        (lambda x: x.astype(object).sum(), r"`x.astype\(.*object.*\)` cannot be differentiated"),
        (lambda x: x.tobytes(), "no attribute 'tobytes'"),
        (lambda x: np.linalg.slogdet(x.reshape(2, 3)[:, :2]).nothing, "no attribute 'nothing'"),
    ],
)
def test_what_asks_for_plain_numbers_is_refused(fun, words):
    with pytest.raises((TraceError, AttributeError), match=words):
        gradient(fun, SIX)


def test_item_checks_what_numpy_checks():
    with pytest.raises(ValueError, match="can only convert an array of size 1"):
        gradient(lambda x: x.item(), SIX)


def test_values_that_are_no_number_of_the_result_are_plain():
    """Text and whole numbers for indices: what a print or a table look-up needs."""

    def fun(x):
        assert f"{x[3]:.2f}" == "2.10"
        assert f"{x[3]}" == str(x[3])
        assert type(math.floor(x[3])) is int and math.ceil(x[3]) == 3
        return x[math.floor(x[3])]

    np.testing.assert_array_equal(gradient(fun, SIX), [0, 0, 1, 0, 0, 0])


def test_a_wrong_method_is_caught(monkeypatch):
    monkeypatch.setattr(ArrayBox, "std", ArrayBox.var)
    with pytest.raises(AssertionError, match="std"):
        check("x.std(ddof=1)", SIX)
