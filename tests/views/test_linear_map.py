"""The linear maps of the projections: round trip, linearity, exact adjoints, batches."""

from __future__ import annotations

import numpy as np
import pytest

import refopt
from refopt.parts.projection import Projection
from refopt.registry import ENTRIES
from refopt.views.linear_map import Padding, size_of

EPS = np.finfo(float).eps

ADAM = refopt.Adam()

PROJECTIONS = [entry for entry in ENTRIES if issubclass(entry.cls, Projection)]

VARIANTS = {
    "BlockPartition": [dict(max_size=m, batched=b) for m in (1, 2, 3, 5, 100) for b in (False, True)],
    "TensorizeProjection": [dict(max_side=m) for m in (2, 3, 5, 100)],
    "FFTProjection": [
        dict(one_d=d, norm=norm) for d in (False, True) for norm in (None, "backward", "forward", "ortho")
    ],
    "DCTProjection": [dict(one_d=False), dict(one_d=True)],
}

CASES = [
    pytest.param(entry, options, id=f"{entry.name}-{'-'.join(map(str, options.values()))}")
    for entry in PROJECTIONS
    for options in VARIANTS.get(entry.name, [])
]

every_map = pytest.mark.parametrize("entry, options", CASES)


def shape_lists(seed):
    """Fixed lists with every special shape, and random ones."""
    rng = np.random.default_rng(seed)
    yield ((),)
    yield ((1,),)
    yield ((7,),)
    yield ((0,), (3,))
    yield ((), (1, 1), (0, 2), (5,), (4, 3), (2, 3, 5), (1, 6), (6, 1), (2,))
    for _ in range(8):
        yield (*(tuple(int(k) for k in rng.integers(0, 6, size=rng.integers(0, 4))) for _ in range(4)), (2,))


def check_map(space, rng, where):
    """Round trip, linearity, both adjoints, and batches; each to the rounding of sums of m numbers."""
    n, m = space.n, space.m
    v, other = rng.standard_normal((2, n))
    w, z = rng.standard_normal((2, m))
    P, Q = space.project, space.unproject
    scale = 100 * EPS * max(m, 1)

    def close(a, b, size):
        assert np.all(np.abs(a - b) <= scale * max(size, 1e-300)), (
            f"{where}: {np.abs(np.asarray(a) - b).max():.2e}"
        )

    assert P(v).shape == (m,) and Q(z).shape == (n,)
    close(Q(P(v)), v, np.abs(v).max(initial=0))
    close(
        P(2 * v - 3 * other),
        2 * P(v) - 3 * P(other),
        np.abs(P(v)).max(initial=0) + np.abs(P(other)).max(initial=0),
    )
    close(Q(2 * z - 3 * w), 2 * Q(z) - 3 * Q(w), np.abs(Q(z)).max(initial=0) + np.abs(Q(w)).max(initial=0))
    close(P(v) @ w, v @ space.project_adjoint(w), np.linalg.norm(P(v)) * np.linalg.norm(w))
    close(
        Q(z) @ v,
        z @ space.unproject_adjoint(v),
        np.linalg.norm(z) * np.linalg.norm(space.unproject_adjoint(v)),
    )
    for function, argument in ((P, v), (Q, z), (space.project_adjoint, w), (space.unproject_adjoint, v)):
        stacked = function(np.stack([argument, 2 * argument]))
        close(stacked, np.stack([function(argument), 2 * function(argument)]), np.abs(stacked).max(initial=0))
        single = function(argument.astype(np.float32))
        assert single.dtype == np.float32 and not np.iscomplexobj(single)


@every_map
def test_maps_are_linear_with_exact_adjoints_and_round_trip(entry, options):
    seed = 71
    rng = np.random.default_rng(seed)
    projection = entry.cls(ADAM, **options)
    for shapes in shape_lists(seed):
        n = sum(map(size_of, shapes))
        check_map(projection.space(n, shapes), rng, f"{entry.name} {options} {shapes} seed {seed}")
    check_map(projection.space(6, None), rng, f"{entry.name} {options} without shapes")


def test_every_registered_projection_is_covered():
    missing = {entry.name for entry in PROJECTIONS} - set(VARIANTS)
    assert not missing, (
        f"add to VARIANTS in {__file__} the options that {', '.join(missing)} is to be tried with"
    )


class Halved(Padding):
    """A planted error: the adjoint of P is off by 0.1 per cent in one place."""

    def project_adjoint(self, w):
        v = self.unproject(w).copy()
        v[..., 0] *= 1.001
        return v


class Shifted(Padding):
    """A planted error: Q reads one place too far."""

    def unproject(self, z):
        return np.roll(super().unproject(z), 1, axis=-1)


class Squared(Padding):
    """A planted error: not linear."""

    def project(self, v):
        return super().project(v * np.abs(v))


@pytest.mark.parametrize("wrong", [Halved, Shifted, Squared])
def test_the_check_of_maps_catches_a_planted_error(wrong):
    space = wrong(((3,), (2,)), ((2, 2), (2,)), (3, 2))
    with pytest.raises(AssertionError):
        check_map(space, np.random.default_rng(3), "planted")
    check_map(Padding(((3,), (2,)), ((2, 2), (2,)), (3, 2)), np.random.default_rng(3), "right")
