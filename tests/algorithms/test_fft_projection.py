"""FFTProjection: its two gradients, the original's paths, and where ours differs knowingly."""

from __future__ import annotations

import numpy as np
import pytest
from original import gap
from parts.projection_cases import (
    PARITY,
    PLAIN,
    SHAPES,
    START,
    STEP,
    N,
    Seen,
    fails,
    follows_the_original,
    follows_the_original_debiased,
    fun,
    one_step,
    original,
    ours,
    spy,
)

import refopt
from refopt import LBFGS, LR, FFTProjection


def test_chain_rule_sends_update_and_gradient_by_the_exact_adjoint():
    seen = Seen()
    projection = FFTProjection(seen, norm="forward", gradient="chain-rule", project_params=True)
    point, u, out = one_step(projection)
    adjoint = projection.space(N, SHAPES).unproject_adjoint
    assert np.array_equal(seen.log[1][2], adjoint(point.g)) and np.array_equal(
        seen.log[1][1].g, adjoint(point.g)
    )


# ---------------------------------------------------------------- against the original

RUNS = {
    "as it is": (FFTProjection, lambda ex, a: ex.FFTProjection(a)),
    **{
        f"{norm} {'1-d' if one_d else 'n-d'}": (
            lambda inner, norm=norm, one_d=one_d: FFTProjection(inner, one_d=one_d, norm=norm),
            lambda ex, a, norm=norm, one_d=one_d: ex.FFTProjection(a, one_d=one_d, norm=norm),
        )
        for norm in ("backward", "forward", "ortho")
        for one_d in (False, True)
    },
    "1-d": (lambda inner: FFTProjection(inner, one_d=True), lambda ex, a: ex.FFTProjection(a, one_d=True)),
    "parameters too": (
        lambda inner: FFTProjection(inner, project_params=True),
        lambda ex, a: ex.FFTProjection(a, project_params=True),
    ),
    "gradient too": (
        lambda inner: FFTProjection(inner, project_params=True, project_grad=True),
        lambda ex, a: ex.FFTProjection(a, project_params=True, project_grad=True),
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_paths_of_the_original_with_adam_inside(name):
    follows_the_original(*RUNS[name])


def test_path_of_the_original_with_debiased_adam_inside():
    follows_the_original_debiased(*RUNS["as it is"])


def test_parameters_seen_inside_follow_the_original():
    inner = refopt.ReduceOutwardLR(0.3)
    path = original(
        lambda tz, ex: [ex.FFTProjection([ex.ReduceOutwardLR(0.3)], project_params=True), tz.LR(0.03)]
    )
    assert gap(ours([FFTProjection(inner, project_params=True), STEP]), path) < PARITY


@pytest.mark.parametrize("norm", [None, "backward", "forward", "ortho"])
def test_line_search_inside_follows_the_original(norm):
    """The inner search evaluates phi and takes project(g) for its slope, as the original's does."""
    path = original(
        lambda tz, ex: [ex.FFTProjection([tz.Backtracking(adaptive=False)], norm=norm, project_params=True)],
        20,
    )
    assert gap(ours(FFTProjection(refopt.Backtracking(), norm=norm, project_params=True), 20), path) < PARITY


@pytest.mark.parametrize("params", [False, True])
def test_original_shows_the_raw_gradient_without_project_params(params):
    shapes, projected = [], [(*s[:-1], s[-1] // 2 + 1, 2) if s != (1,) else s for s in SHAPES]
    original(
        lambda tz, ex: [
            tz.LR(1.0),
            ex.FFTProjection([spy(shapes, lambda o: o.grads)], project_grad=True, project_params=params),
            tz.LR(1e-3),
        ],
        1,
    )
    assert shapes[0] == (projected if params else list(SHAPES))


@pytest.mark.parametrize("flag", ["project_params", "project_grad"])
def test_original_without_project_update_mixes_spaces(flag):
    """First in the chain it fails; after another module the inner methods run outside."""
    fails(lambda tz, ex: [ex.FFTProjection([tz.Adam()], project_update=False, **{flag: True}), tz.LR(0.03)])
    path = original(
        lambda tz, ex: [
            tz.LR(1.0),
            ex.FFTProjection([tz.Adam(debias=False)], project_update=False, **{flag: True}),
            tz.LR(0.03),
        ],
        20,
    )
    assert gap(ours([PLAIN, STEP], 20), path) < PARITY
    inside = ours([LR(1.0), FFTProjection(PLAIN, project_update=False, **{flag: True}), STEP], 20)
    assert gap(inside, ours([FFTProjection(PLAIN), STEP], 20)) < 1e-12 < gap(inside, path)


def test_original_shows_the_projected_update_as_parameters():
    """ReduceOutwardLR compares u with x: where x *is* u nothing is outward, and `mul` does nothing."""
    paths = [
        original(lambda tz, ex, mul=mul: [ex.FFTProjection([ex.ReduceOutwardLR(mul)]), tz.LR(0.03)], 5)
        for mul in (0.1, 1.0)
    ]
    assert np.array_equal(*paths)
    with pytest.raises(TypeError, match="set project_params=True"):
        ours([FFTProjection(refopt.ReduceOutwardLR(0.1)), STEP], 2)


# ---------------------------------------------------------------- second order and line searches inside

SEARCH = [LBFGS(), refopt.StrongWolfe()]


@pytest.mark.parametrize("norm", [None, "backward", "forward", "ortho"])
def test_lbfgs_inside_fft_converges_by_the_chain_rule(norm):
    outside = refopt.minimize(fun, START, method=SEARCH, options={"gtol": 1e-9})
    projection = FFTProjection(SEARCH, norm=norm, project_params=True, gradient="chain-rule")
    inside = refopt.minimize(fun, START, method=projection, shapes=SHAPES, options={"gtol": 1e-9})
    assert outside.success and inside.success, inside.message
    assert np.allclose(inside.x, outside.x, rtol=0, atol=1e-7)


@pytest.mark.parametrize("norm", [None, "forward", "ortho"])
def test_newton_inside_fft_converges_by_the_chain_rule(norm):
    """More coefficients than variables: Q^T H Q is singular, and Newton's modification is at work."""
    inner = [refopt.Newton(), refopt.Backtracking()]
    projection = FFTProjection(inner, norm=norm, project_params=True, gradient="chain-rule")
    result = refopt.minimize(fun, START, method=projection, shapes=SHAPES, options={"gtol": 1e-9})
    assert result.success and result.nit <= 30, result


# ---------------------------------------------------------------- bad input

BAD = [
    (lambda: FFTProjection(), TypeError, "FFTProjection: inner methods are missing"),
    (lambda: FFTProjection(3), TypeError, "a method is an instance"),
    (lambda: FFTProjection(PLAIN, norm="orto"), ValueError, "norm must be one of .* did you mean 'ortho'"),
    (lambda: FFTProjection(PLAIN, one_d=1), TypeError, "one_d must be True or False"),
    (
        lambda: FFTProjection(PLAIN, gradient="chain"),
        ValueError,
        "gradient must be one of 'project', 'chain-rule'",
    ),
    (lambda: FFTProjection(refopt.Newton(), project_params=True), ValueError, "set gradient='chain-rule'"),
]


@pytest.mark.parametrize("make, error, message", BAD)
def test_bad_input_says_what_to_do(make, error, message):
    with pytest.raises(error, match=message):
        make()
