"""TensorizeProjection: the cube by integer arithmetic, and the original's paths."""

from __future__ import annotations

import numpy as np
import pytest
from original import original
from parts.projection_cases import PLAIN, follows_the_original, follows_the_original_debiased, spy

from refopt import TensorizeProjection
from refopt.algorithms.tensorize_projection import cube


def test_cubes():
    for side in range(2, 12):
        for n in [*range(1, 300), 10**6, 10**6 + 1, side**5, side**5 - 1, side**5 + 1]:
            shape = cube(n, side)
            s, d = shape[0], len(shape)
            assert shape == (s,) * d and s <= max(side, n if n < side else 0)
            if n < side:
                assert shape == (n,)
            else:
                assert side ** (d - 1) < n <= side**d and (s - 1) ** d < n <= s**d
    assert cube(125, 5) == (5, 5, 5)


# ---------------------------------------------------------------- against the original

RUNS = {
    **{
        f"cube of side {m}": (
            lambda inner, m=m: TensorizeProjection(inner, m),
            lambda ex, a, m=m: ex.TensorizeProjection(a, max_side=m),
        )
        for m in (2, 3, 4, 6, 100)
    },
    "cube, parameters too": (
        lambda inner: TensorizeProjection(inner, 3, project_params=True),
        lambda ex, a: ex.TensorizeProjection(a, max_side=3, project_params=True),
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_paths_of_the_original_with_adam_inside(name):
    follows_the_original(*RUNS[name])


def test_path_of_the_original_with_debiased_adam_inside():
    follows_the_original_debiased(*RUNS["cube of side 3"])


def test_original_takes_the_dimension_from_a_floating_logarithm():
    seen = []
    original(
        lambda tz, ex: ex.TensorizeProjection([spy(seen, lambda o: o.updates)], max_side=5),
        lambda torch, x: x.sum(),
        np.ones(125),
        1,
    )
    assert seen == [[(4, 4, 4, 4)]]
    assert TensorizeProjection(PLAIN, 5).space(125, None).shapes == ((5, 5, 5),)


# ---------------------------------------------------------------- bad input

BAD = [
    (lambda: TensorizeProjection(PLAIN, 1), ValueError, "max_side must be a whole number >= 2, got 1"),
    (lambda: TensorizeProjection(PLAIN), TypeError, "max_side must be a whole number >= 2, got None"),
]


@pytest.mark.parametrize("make, error, message", BAD)
def test_bad_input_says_what_to_do(make, error, message):
    with pytest.raises(error, match=message):
        make()
