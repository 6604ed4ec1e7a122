"""Taylor rules of indexing, and the index behind a direction axis."""

import numpy as np
import pytest
from derivatives.taylor_mode.judge import rule_tests

from refopt.derivatives.taylor_mode.indexing import batched_index

test_coefficients, test_batches, test_gradients = rule_tests("indexing")

MASK = np.arange(4) % 2 == 0


@pytest.mark.parametrize(
    "index",
    [
        1,
        (slice(None), 2),
        (Ellipsis, None, 0),
        [0, 1, 1],
        ([0, 1], [2, 0]),
        (slice(None), MASK[:3]),
        (0, slice(None), [1, 0]),
        ([0, 1, 1], slice(None), [1, 0, 3]),
        ([[0], [1]], Ellipsis, [1, 0, 3]),
        (MASK[:2], slice(None), [1]),
        (None, [0, 1], slice(1, 3), 0),
    ],
    ids=str,
)
def test_batched_index_is_the_index_of_each_direction(index):
    stack = np.arange(5 * 2 * 3 * 4.0).reshape(5, 2, 3, 4)
    batched, axis = batched_index(index)
    assert np.array_equal(np.moveaxis(stack[batched], axis, 0), np.array([one[index] for one in stack]))
