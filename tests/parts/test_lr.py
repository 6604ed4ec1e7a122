"""LR: a constant factor."""

from __future__ import annotations

import numpy as np
from original import ours
from steps import outputs

from refopt import LR


def test_the_update_times_lr():
    u = np.array([[1.0, -2.0, 0.0]])
    assert np.array_equal(outputs(LR(0.25), u), 0.25 * u) and np.array_equal(outputs(LR(-3.0), u), -3.0 * u)
    assert LR().lr == 1e-3


def test_alone_it_is_gradient_descent():
    """On L/2 x^2 every step multiplies x by 1 - lr L."""
    path = ours(LR(0.1), lambda xp, x: 1.5 * xp.sum(x**2), [2.0, -1.0], 5)
    assert np.allclose(path, np.outer(0.7 ** np.arange(6), [2.0, -1.0]), rtol=1e-14)


def test_float32_stays_float32():
    u = np.ones(3, np.float32)
    assert LR(0.1).step(None, u, ())[0].dtype == np.float32
