"""Taylor rules of linear algebra."""

import autograd.numpy.linalg as linalg
import numpy as np
import pytest
from derivatives.taylor_mode.judge import rule_tests

from refopt.derivatives import TaylorError, taylor

test_coefficients, test_batches, test_gradients = rule_tests("linalg")


@pytest.mark.parametrize(
    "fun", [lambda x: linalg.eig(x.reshape(2, 2))[0], lambda x: linalg.svd(x.reshape(2, 2))[1]]
)
def test_refused_with_advice(fun):
    with pytest.raises(TaylorError, match="no Taylor rule for '(eig|svd)': .*use "):
        taylor(fun, np.array([1.0, 0.2, 0.3, 2.0]), np.ones(4), 2)


def test_degenerate_eigenvalues_are_refused():
    with pytest.raises(TaylorError, match="eigenvalues coincide"):
        taylor(lambda x: linalg.eigh(x.reshape(2, 2))[0], np.eye(2).ravel(), np.ones(4), 1)
