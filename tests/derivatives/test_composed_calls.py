"""NumPy's functions of lists of arrays, on traced arrays and numbers."""

from __future__ import annotations

import numpy as np
import pytest
from derivatives.expressions import SIX
from derivatives.plain_judge import check, expression_tests

from refopt.derivatives import TraceError, gradient
from refopt.derivatives.numpy_calls import COMPOSED

test_plain_numpy, test_twin = expression_tests("composed_calls")


def test_joins_check_what_numpy_checks():
    for wrong, words in (
        (lambda x: np.concatenate([x, np.ones((2, 2))]), "dimensions"),
        (lambda x: np.stack([x, np.ones(5)]), "same shape"),
    ):
        with pytest.raises(ValueError, match=words):
            gradient(lambda x, wrong=wrong: np.sum(wrong(x)), SIX)


@pytest.mark.parametrize("join", [np.concatenate, np.stack])
def test_joins_do_not_write_into_an_array(join):
    with pytest.raises(TraceError, match=f"`np.{join.__name__}` with out="):
        gradient(lambda x: np.sum(join([x, x], out=np.ones(12))), SIX)


def test_least_squares_need_full_rank():
    with pytest.raises(TraceError, match="full rank"):
        gradient(lambda x: np.linalg.lstsq(np.outer(x, x), x, rcond=None)[0][0], SIX)


def test_a_join_in_the_wrong_order_is_caught(monkeypatch):
    right = COMPOSED[np.concatenate]
    monkeypatch.setitem(COMPOSED, np.concatenate, lambda arrays, axis=0: right(arrays[::-1], axis))
    with pytest.raises(AssertionError, match="concatenate"):
        check("np.concatenate([x, x**2])", SIX)
