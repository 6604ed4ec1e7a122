"""What the user asked for, checked: every wrong call gets its own message, before the first evaluation."""

from __future__ import annotations

import numpy as np
import pytest
from functions import never, sphere

from refopt import minimize

START = [1.0, 2.0]


@pytest.mark.parametrize(
    "x0, error, words",
    [
        ([], ValueError, "x0 is empty; give at least one variable"),
        ([1 + 1j, 2], TypeError, r"x0 is complex \(complex128\); give real numbers"),
        (np.array([1, "a"], dtype=object), TypeError, "x0 has dtype object; give real numbers"),
        ([1.0, np.nan], ValueError, r"x0 must be finite, but x0\[1\] = nan"),
        ([np.inf, 1.0], ValueError, r"x0 must be finite, but x0\[0\] = inf"),
        (np.ones((2, 2)), ValueError, r"x0 has shape \(2, 2\); give a flat vector"),
        ("ab", TypeError, "x0 has dtype <U2"),
        (None, TypeError, "x0 is None"),
        ([[1.0], [1.0, 2.0]], ValueError, "not a rectangular array"),
    ],
)
def test_bad_start(x0, error, words):
    with pytest.raises(error, match=words):
        minimize(never, x0, method="LR")


@pytest.mark.parametrize(
    "shapes, error, words",
    [
        ([(3,)], ValueError, r"shapes \[\(3,\)\] hold 3 numbers, but x0 has 2"),
        (5, TypeError, "shapes must be a list of tensor shapes"),
        ([(-1, -2)], ValueError, "must not hold negative lengths"),
    ],
)
def test_bad_shapes(shapes, error, words):
    with pytest.raises(error, match=words):
        minimize(never, START, method="LR", shapes=shapes)


def test_a_matrix_start_is_welcome_with_its_shape():
    result = minimize(sphere, np.ones((2, 3)), method="Newton", shapes=[(2, 3)])
    assert result.success and result.x.shape == (6,)


@pytest.mark.parametrize(
    "options, error, words",
    [
        ({"maxitr": 3}, ValueError, "unknown option for Newton 'maxitr'; did you mean 'maxiter'"),
        ({"delt": 0.1}, ValueError, "unknown option for Newton 'delt'; did you mean 'delta'"),
        ({"maxiter": -1}, ValueError, "maxiter must be a whole number >= 0, got -1"),
        ({"maxiter": 2.5}, ValueError, "maxiter must be a whole number >= 0, got 2.5"),
        ({"maxiter": "many"}, TypeError, "maxiter must be a whole number >= 0, got 'many'"),
        ({"maxfev": 0}, ValueError, "maxfev must be a whole number >= 1, got 0"),
        ({"gtol": -1e-3}, ValueError, r"gtol must be in \[0, inf\], got -0.001"),
        ({"ftol": np.nan}, ValueError, "ftol must be a real number, got nan"),
        ({"xtol": "small"}, TypeError, "xtol must be a real number, got 'small'"),
        ({"maxtime": -1}, ValueError, r"maxtime must be in \[0, inf\]"),
        ({"disp": 3}, TypeError, "disp must be True or False, got 3"),
        ({"return_all": "yes"}, TypeError, "return_all must be True or False"),
        (["maxiter"], TypeError, "options must be a dict"),
    ],
)
def test_bad_options(options, error, words):
    with pytest.raises(error, match=words):
        minimize(never, START, method="Newton", options=options)


def test_tol_and_gtol_together():
    with pytest.raises(ValueError, match=r"give tol or options\['gtol'\], not both"):
        minimize(never, START, method="Newton", tol=1e-3, options={"gtol": 1e-4})


def test_bad_fun_callback_and_rng():
    with pytest.raises(TypeError, match="fun must be callable, got 3"):
        minimize(3, START, method="LR")
    with pytest.raises(TypeError, match="callback must be callable, got 'x'"):
        minimize(never, START, method="LR", callback="x")
    for rng in ("seed", -1, True, 1.5):
        with pytest.raises(
            TypeError, match="rng must be None, a non-negative integer or a numpy.random.Generator"
        ):
            minimize(never, START, method="CoordinateMomentum", rng=rng)


def test_bounds_where_unsupported():
    with pytest.raises(ValueError, match="^GGT does not support bounds; by name these do: .*, Newton$"):
        minimize(never, START, method="GGT", bounds=[(0, 1), (0, 3)])


def test_infinite_bounds_are_no_bounds():
    assert minimize(sphere, START, method="Newton", bounds=[(None, None), (-np.inf, np.inf)]).success


# ---------------------------------------------------------------- callbacks and randomness


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def test_callback_of_x():
    seen = []
    result = minimize(rosenbrock, START, method="Newton", callback=lambda xk: seen.append(xk))
    assert len(seen) == result.nit and np.array_equal(seen[-1], result.x)
    seen[0][:] = 0  # a copy: nothing happens


def test_callback_of_the_intermediate_result():
    seen = []

    def callback(intermediate_result):
        seen.append(intermediate_result)
        intermediate_result.x[:] = 99  # a copy: nothing happens

    result = minimize(rosenbrock, START, method="Newton", callback=callback)
    assert [r.nit for r in seen] == list(range(1, result.nit + 1))
    assert seen[-1].fun == result.fun and seen[-1].figures["step_size"] == 1.0 and result.success


def test_seed_is_reported_and_repeats_the_run():
    options = {"maxiter": 20}
    first = minimize(sphere, START, method="CoordinateMomentum", options=options)
    again = minimize(sphere, START, method="CoordinateMomentum", options=options, rng=first.options["rng"])
    assert np.array_equal(first.x, again.x)
    assert "rng" not in minimize(sphere, START, method="Newton").options
