"""DCTProjection: a rotation, so that what does not look at coordinates takes the steps it takes outside."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest
from original import gap
from parts.projection_cases import PLAIN, SHAPES, START, fun

import refopt
from refopt import LBFGS, DCTProjection

SEARCH = [LBFGS(), refopt.StrongWolfe()]


def test_lbfgs_inside_dct_takes_the_iterates_from_outside():
    """A rotation changes nothing but the first step, which L-BFGS scales by 1/|u|_1 where that is below 1.

    So f is scaled down until |g|_1 < 1 on both sides. 1e-12: rounding of x, of which 15 steps amplify little.
    """
    small = lambda x: fun(x) / 2000  # noqa: E731
    paths = [
        np.array(
            refopt.minimize(
                small,
                START,
                method=method,
                shapes=SHAPES,
                options={"maxiter": 15, "gtol": 0, "return_all": True},
            ).allvecs
        )
        for method in (DCTProjection(SEARCH, project_params=True), SEARCH)
    ]
    assert gap(*paths) < 1e-12
    assert np.linalg.norm(paths[1][-1] - paths[1][-2]) < 1e-3 < np.linalg.norm(paths[1][-1] - START)


@pytest.mark.parametrize("one_d", [False, True])
def test_newton_inside_dct_takes_the_iterates_from_outside(one_d):
    rosenbrock = lambda x: anp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)  # noqa: E731
    inner = [refopt.Newton(), refopt.Backtracking()]
    shapes = [(2, 3), (4,)]
    x0 = np.linspace(0.7, 1.2, 10)
    outside = refopt.minimize(rosenbrock, x0, method=inner)
    inside = refopt.minimize(
        rosenbrock, x0, method=DCTProjection(inner, one_d, project_params=True), shapes=shapes
    )
    assert inside.success and inside.nit == outside.nit
    assert np.allclose(inside.x, outside.x, rtol=0, atol=1e-9)


def test_evaluations_inside_are_counted_and_not_repeated():
    calls = 0

    def counted(x):
        nonlocal calls
        calls += 1
        return fun(x)

    method = DCTProjection(refopt.Backtracking(), project_params=True)
    result = refopt.minimize(
        counted, START, method=method, shapes=SHAPES, options={"maxiter": 10, "gtol": 0, "return_all": True}
    )
    trials = sum(record.figures["trials"] for record in result.history)
    # a plain call at x0; the accepted trial is where the driver goes
    assert result.nfev == calls == 2 + trials


def test_original_has_no_cosine_transform():
    import torchzero

    assert not any("dct" in name.lower() for name in (*dir(torchzero.m), *dir(torchzero.m.experimental)))


# ---------------------------------------------------------------- bad input

BAD = [
    (lambda: DCTProjection(PLAIN, project_params=None), TypeError, "project_params must be True or False"),
    (lambda: DCTProjection(LBFGS()), ValueError, "needs g, .* set project_params=True"),
    (
        lambda: DCTProjection([LBFGS(), refopt.StrongWolfe()]),
        ValueError,
        "needs f, g, .* set project_params=True",
    ),
]


@pytest.mark.parametrize("make, error, message", BAD)
def test_bad_input_says_what_to_do(make, error, message):
    with pytest.raises(error, match=message):
        make()
