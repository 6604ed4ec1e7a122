"""The second coefficient of a primitive against its values."""

import numpy as np

from refopt.derivatives.taylor_mode.values import bends_otherwise

X, V, W = np.array([1.0, 2.0]), np.array([0.5, -1.0]), np.array([0.1, 0.3])


def cube(x):
    return x**3


def test_the_right_coefficient_fits_and_others_do_not():
    """(x + t v + t^2 w)^3: c_2 = 3 x v^2 + 3 x^2 w."""
    right = 3 * X * V**2 + 3 * X**2 * W
    series = {0: [X, V, W]}
    assert not bends_otherwise(cube, [X**3, 3 * X**2 * V, right], (X,), {}, series)
    for wrong in (0 * right, 2 * right, right + [0.1, 0], None):
        assert bends_otherwise(cube, [X**3, 3 * X**2 * V, wrong], (X,), {}, series)


def test_nothing_that_moves_cannot_bend():
    assert not bends_otherwise(cube, [X**3, None, None], (X,), {}, {0: [X, None, None]})


def test_only_the_moving_arguments_move():
    product = lambda x, a: x * x * a  # noqa: E731
    value = product(X, 3.0)
    assert not bends_otherwise(product, [value, 6 * X * V, 3.0 * V**2], (X, 3.0), {}, {0: [X, V, None]})
