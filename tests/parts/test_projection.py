"""What inner methods of a projection receive, the original's paths, and where ours differ knowingly."""

from __future__ import annotations

import numpy as np
import pytest
from parts.projection_cases import (
    PARITY,
    PLAIN,
    SHAPES,
    START,
    STEP,
    N,
    Seen,
    fails,
    fun,
    gap,
    one_step,
    original,
    ours,
)

import refopt
from refopt import (
    LBFGS,
    LR,
    Adam,
    BlockPartition,
    DCTProjection,
    FFTProjection,
    HeavyBall,
    TensorizeProjection,
)
from refopt.function import FunctionObjective
from refopt.parts.projection import Projection

MAKERS = {
    "fft": lambda inner, **k: FFTProjection(inner, **k),
    "dct": lambda inner, **k: DCTProjection(inner, **k),
    "cube": lambda inner, **k: TensorizeProjection(inner, 3, **k),
    "rows": lambda inner, **k: BlockPartition(inner, 5, batched=True, **k),
}
each = pytest.mark.parametrize("name", MAKERS)


@each
def test_inner_methods_live_in_the_projected_space(name):
    seen = Seen()
    projection = MAKERS[name](seen)
    point, u, out = one_step(projection, update=np.linspace(-1, 1, N))
    space = projection.space(N, SHAPES)
    (_, x, shapes), (_, inner_point, inner_u) = seen.log
    assert shapes == space.shapes and x.shape == (space.m,)
    assert np.array_equal(inner_u, space.project(u))
    assert np.allclose(out, u, rtol=1e-13, atol=1e-13)
    for ask in (
        lambda p: p.x,
        lambda p: p.f,
        lambda p: p.g,
        lambda p: p.objective,
        lambda p: p.after(inner_u),
        lambda p: p.hvp(inner_u),
        lambda p: p.hess,
        lambda p: p.taylor(inner_u, 2),
    ):
        with pytest.raises(TypeError, match="set project_params=True"):
            ask(inner_point)


@each
def test_project_params_shows_the_point_and_the_function(name):
    seen = Seen()
    projection = MAKERS[name](seen, project_params=True)
    point, u, _ = one_step(projection, update=np.linspace(-1, 1, N))
    space, inner_point = projection.space(N, SHAPES), seen.log[1][1]
    assert np.array_equal(inner_point.x, space.project(START)) and inner_point.f == point.f
    assert np.array_equal(inner_point.g, space.project(point.g))  # the faithful default
    assert inner_point.objective.shapes == space.shapes
    assert np.array_equal(seen.log[1][2], space.project(u))


@each
def test_project_grad_shows_the_gradient_apart_from_the_update(name):
    seen = Seen()
    projection = MAKERS[name](seen, project_grad=True)
    point, u, _ = one_step(projection, update=np.linspace(-1, 1, N))
    inner_point = seen.log[1][1]
    assert np.array_equal(inner_point.g, projection.space(N, SHAPES).project(point.g))
    with pytest.raises(TypeError, match="set project_params=True"):
        inner_point.x  # noqa: B018


@each
@pytest.mark.parametrize("flag", ["project_params", "project_grad"])
def test_without_project_update_inner_methods_start_from_the_projected_gradient(name, flag):
    seen = Seen()
    projection = MAKERS[name](seen, project_update=False, **{flag: True})
    point, u, out = one_step(projection, update=np.linspace(-1, 1, N))
    assert np.array_equal(seen.log[1][2], projection.space(N, SHAPES).project(point.g))
    assert np.allclose(out, point.g, rtol=1e-12, atol=1e-12)
    assert "g" in projection.all_needs()


@each
def test_with_nothing_projected_the_inner_methods_run_outside(name):
    seen = Seen()
    point, u, out = one_step(MAKERS[name](seen, project_update=False), update=np.linspace(-1, 1, N))
    assert seen.log[1][1] is point and np.array_equal(out, u) and seen.log[0][2] == SHAPES
    inside = ours([HeavyBall(0.5), MAKERS[name](PLAIN, project_update=False), STEP], 20)
    assert np.array_equal(inside, ours([HeavyBall(0.5), PLAIN, STEP], 20))


# ---------------------------------------------------------------- against the original


def test_a_projection_inside_another_follows_the_original():
    path = original(
        lambda tz, ex: [
            ex.TensorizeProjection([ex.FFTProjection([tz.Adam(debias=False)])], max_side=4),
            tz.LR(0.03),
        ]
    )
    assert gap(ours([TensorizeProjection(FFTProjection(PLAIN), 4), STEP]), path) < PARITY


# ---------------------------------------------------------------- deviations, on the real package


def test_original_has_no_second_derivatives_inside():
    fails(lambda tz, ex: [ex.FFTProjection([tz.Newton()], project_params=True)])
    fails(lambda tz, ex: [ex.TensorizeProjection([tz.Newton()], max_side=3, project_params=True)])
    inside = ours(TensorizeProjection([refopt.Newton(), refopt.Backtracking()], 3, project_params=True), 6)
    assert gap(inside, ours([refopt.Newton(), refopt.Backtracking()], 6)) < 1e-10


# ---------------------------------------------------------------- second order and line searches inside

SEARCH = [LBFGS(), refopt.StrongWolfe()]


def test_gradmin_inside_a_projection_is_followed_by_its_own_merit():
    inner = refopt.GradMin([LBFGS(), refopt.StrongWolfe()], square=True)
    for projection in (
        DCTProjection(inner, project_params=True),
        BlockPartition(inner, 7, project_params=True),
    ):
        assert not projection.minimises_f()
        point = FunctionObjective(fun, START, shapes=SHAPES).at(START)
        assert 0 < projection.merit(point) < np.inf
        assert projection.merit(point) != point.f
    assert DCTProjection(PLAIN).merit(point) == point.f


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(dtype):
    for make in MAKERS.values():
        result = refopt.minimize(
            fun, START.astype(dtype), method=[make(Adam()), STEP], shapes=SHAPES, options={"maxiter": 3}
        )
        assert result.x.dtype == dtype


def test_projections_compose_with_themselves():
    """FFT of blocks, blocks in a cube, cosines of Fourier coefficients: each comes near the minimum."""
    least = refopt.minimize(fun, START, method=SEARCH).fun
    composed = [
        [BlockPartition(FFTProjection(PLAIN), 6), LR(0.03)],
        [FFTProjection(BlockPartition(PLAIN, 6)), LR(0.03)],
        [TensorizeProjection(BlockPartition(FFTProjection(PLAIN), 16), 4), LR(0.03)],
        [DCTProjection(FFTProjection(BlockPartition(PLAIN, 5, batched=True), norm="ortho")), LR(0.03)],
        DCTProjection(
            FFTProjection(SEARCH, norm="ortho", project_params=True, gradient="chain-rule"),
            project_params=True,
        ),
        DCTProjection(DCTProjection(SEARCH, project_params=True), project_params=True),
        TensorizeProjection(
            FFTProjection(
                [refopt.Newton(), refopt.Backtracking()], project_params=True, gradient="chain-rule"
            ),
            4,
            project_params=True,
        ),
        BlockPartition(
            DCTProjection([refopt.Newton(), LR(0.5)], project_params=True), 7, project_params=True
        ),
    ]
    for method in composed:
        path = ours(method, 300)
        assert fun(path[-1]) - least < 5e-2 * (fun(START) - least), method


# ---------------------------------------------------------------- bad input


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="hold 4 numbers"):
        refopt.minimize(lambda x: x @ x, np.ones(5), method=[FFTProjection(PLAIN), STEP], shapes=[(2, 2)])
    with pytest.raises(ValueError, match="hold 4 numbers, but x has 5"):
        FFTProjection(PLAIN).space(5, [(2, 2)])


def test_bounds_are_refused():
    with pytest.raises(ValueError, match="does not support bounds"):
        refopt.minimize(lambda x: x @ x, np.ones(2), method=[FFTProjection(PLAIN), STEP], bounds=[(0, 2)] * 2)


def test_needs_and_parts_are_those_of_the_inner_methods():
    projection = DCTProjection(SEARCH, project_params=True)
    assert projection.parts() == (projection.inner,) and projection.all_needs() == {"f", "g"}
    assert DCTProjection(refopt.CoordinateMomentum()).all_needs() == {"rng"}
    assert Projection.abstract and not DCTProjection.abstract
