"""Taylor rules of probability distributions."""

import autograd.scipy.stats as stats
import numpy as np
import pytest
from derivatives.taylor_mode.judge import rule_tests

from refopt.derivatives import TaylorError, taylor

test_coefficients, test_batches, test_gradients = rule_tests("distributions")


def test_refused_with_advice():
    with pytest.raises(TaylorError, match="no Taylor rule for 'entropy': use "):
        taylor(
            lambda x: stats.multivariate_normal.entropy(np.zeros(2), x.reshape(2, 2) @ x.reshape(2, 2).T),
            np.array([1.0, 0.2, 0.3, 2.0]),
            np.ones(4),
            2,
        )


def test_arguments_that_cannot_move_are_named():
    with pytest.raises(TaylorError, match="cdf' of Student's t cannot be expanded in df"):
        taylor(lambda x: stats.t.cdf(x[0], x[1]), np.array([0.3, 4.0]), np.ones(2), 2)
    with pytest.raises(TaylorError, match="'cdf' cannot be expanded in argument 0"):
        taylor(lambda x: stats.poisson.cdf(x[0], x[1]), np.array([2.0, 4.0]), np.ones(2), 2)
