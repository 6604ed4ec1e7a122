"""Taylor rules of arithmetic, powers and elementary functions."""

import autograd.numpy as anp
import numpy as np
import pytest
from derivatives.taylor_mode.judge import rule_tests

from refopt.derivatives import taylor

test_coefficients, test_batches, test_gradients = rule_tests("elementary")


def test_sqrt_and_powers_at_zero():
    zero = np.zeros(2)
    c = taylor(lambda x: anp.sqrt(x), zero, np.array([1.0, 0.0]), 2)
    # An element that does not move stays zero
    assert np.isnan(c[1:, 0]).all() and c[:, 1].tolist() == [0.0] * 3
    c = taylor(lambda x: x**2.5, zero, np.array([1.0, 0.0]), 4)
    assert c[:3, 0].tolist() == [0.0] * 3 and np.isnan(c[3:, 0]).all() and c[:, 1].tolist() == [0.0] * 5
    c = taylor(lambda x: x**3 + x**0, zero, np.ones(2), 4)
    assert c[:, 0].tolist() == [1.0, 0.0, 0.0, 1.0, 0.0]
    assert taylor(lambda x: 0.0**x, np.array([2.0]), np.ones(1), 2).ravel().tolist() == [0.0] * 3


def test_negative_bases():
    x = np.array([-2.0])
    assert taylor(lambda x: x**3, x, np.ones(1), 4).ravel().tolist() == [-8.0, 12.0, -6.0, 1.0, 0.0]
    np.testing.assert_allclose(
        taylor(lambda x: x**-1, x, np.ones(1), 3).ravel(), [-1 / 2, -1 / 4, -1 / 8, -1 / 16], rtol=1e-15
    )
    with pytest.warns(RuntimeWarning):
        assert np.isnan(taylor(lambda x: x**0.5, x, np.ones(1), 2)).all()
