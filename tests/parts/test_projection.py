"""What inner methods of a projection receive, the original's paths, and where ours differ knowingly."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest
from parts.projection_cases import SHAPES, START, N, fun, gap, original, ours

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

PARITY = 1e-9  # relative, after 100 steps
PLAIN = Adam(debiased=False)  # with debiasing the original adds eps elsewhere, see the deviation of Adam
TINY_EPS = Adam(eps=1e-30)  # here the place of eps does not matter
STEP = LR(0.03)


class Seen(refopt.Method):
    """Notes what it is given and returns the update as it is."""

    def __init__(self):
        object.__setattr__(self, "log", [])

    def init(self, x, shapes=None, rng=None):
        self.log.append(("init", x.copy(), shapes))
        return ()

    def step(self, point, update, state):
        self.log.append(("step", point, update.copy()))
        return update, state


def one_step(projection, update=None, before=None):
    """Take a step at START; the point, the incoming update and the output."""
    point = FunctionObjective(fun, START, shapes=SHAPES).at(START)
    state = projection.init(point.x, SHAPES, None)
    incoming = point.g if update is None else update
    out, _ = projection.step(point, incoming, state)
    return point, incoming, out


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
    "fft": (FFTProjection(PLAIN), lambda tz, ex, a: ex.FFTProjection(a)),
    **{
        f"fft {norm} {'1-d' if one_d else 'n-d'}": (
            FFTProjection(PLAIN, one_d=one_d, norm=norm),
            lambda tz, ex, a, norm=norm, one_d=one_d: ex.FFTProjection(a, one_d=one_d, norm=norm),
        )
        for norm in ("backward", "forward", "ortho")
        for one_d in (False, True)
    },
    "fft 1-d": (FFTProjection(PLAIN, one_d=True), lambda tz, ex, a: ex.FFTProjection(a, one_d=True)),
    "fft, parameters too": (
        FFTProjection(PLAIN, project_params=True),
        lambda tz, ex, a: ex.FFTProjection(a, project_params=True),
    ),
    "fft, gradient too": (
        FFTProjection(PLAIN, project_params=True, project_grad=True),
        lambda tz, ex, a: ex.FFTProjection(a, project_params=True, project_grad=True),
    ),
    **{
        f"blocks of {m}": (BlockPartition(PLAIN, m), lambda tz, ex, a, m=m: ex.BlockPartition(a, max_size=m))
        for m in (1, 2, 4, 7, 100)
    },
    **{
        f"rows of {m}": (
            BlockPartition(PLAIN, m, batched=True),
            lambda tz, ex, a, m=m: ex.BlockPartition(a, max_size=m, batched=True),
        )
        for m in (1, 100)
    },
    "blocks, parameters too": (
        BlockPartition(PLAIN, 3, project_params=True),
        lambda tz, ex, a: ex.BlockPartition(a, max_size=3, project_params=True),
    ),
    **{
        f"cube of side {m}": (
            TensorizeProjection(PLAIN, m),
            lambda tz, ex, a, m=m: ex.TensorizeProjection(a, max_side=m),
        )
        for m in (2, 3, 4, 6, 100)
    },
    "cube, parameters too": (
        TensorizeProjection(PLAIN, 3, project_params=True),
        lambda tz, ex, a: ex.TensorizeProjection(a, max_side=3, project_params=True),
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_paths_of_the_original_with_adam_inside(name):
    mine, theirs = RUNS[name]
    path = original(lambda tz, ex: [theirs(tz, ex, [tz.Adam(debias=False)]), tz.LR(0.03)])
    assert gap(ours([mine, STEP]), path) < PARITY
    assert np.abs(path[-1] - path[0]).max() > 0.5, "the path must go somewhere"


@pytest.mark.parametrize(
    "name, mine, theirs",
    [
        ("fft", FFTProjection(TINY_EPS), lambda ex, a: ex.FFTProjection(a)),
        ("blocks", BlockPartition(TINY_EPS, 4), lambda ex, a: ex.BlockPartition(a, max_size=4)),
        ("cube", TensorizeProjection(TINY_EPS, 3), lambda ex, a: ex.TensorizeProjection(a, max_side=3)),
    ],
)
def test_paths_of_the_original_with_debiased_adam_inside(name, mine, theirs):
    path = original(lambda tz, ex: [theirs(ex, [tz.Adam(eps=1e-30)]), tz.LR(0.03)])
    assert gap(ours([mine, STEP]), path) < PARITY


def test_rows_without_padding_follow_the_original():
    shapes = ((4, 5), (10,), (2, 3, 5), (3,))
    x0 = np.random.default_rng(4).standard_normal(N)
    shapes = (*shapes, (N - 63,))
    path = original(
        lambda tz, ex: [ex.BlockPartition([tz.Adam(debias=False)], max_size=5, batched=True), tz.LR(0.03)],
        shapes=shapes,
        x0=x0,
    )
    assert gap(ours([BlockPartition(PLAIN, 5, batched=True), STEP], shapes=shapes, x0=x0), path) < PARITY


def test_a_projection_inside_another_follows_the_original():
    path = original(
        lambda tz, ex: [
            ex.TensorizeProjection([ex.FFTProjection([tz.Adam(debias=False)])], max_side=4),
            tz.LR(0.03),
        ]
    )
    assert gap(ours([TensorizeProjection(FFTProjection(PLAIN), 4), STEP]), path) < PARITY


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


# ---------------------------------------------------------------- deviations, on the real package


def fails(modules, **where):
    with pytest.raises((RuntimeError, AssertionError, AttributeError, ZeroDivisionError)):
        original(modules, 2, **where)


def test_original_batched_fails_where_padding_is_needed():
    fails(lambda tz, ex: [ex.BlockPartition([tz.Adam()], max_size=4, batched=True)])
    path = ours([BlockPartition(PLAIN, 4, batched=True), STEP])
    assert gap(path, ours([PLAIN, STEP])) < 1e-13  # elementwise: as without any projection


def test_original_blocks_fail_on_tensors_without_axes():
    shapes, x0 = ((), (N - 1,)), START
    fails(lambda tz, ex: [ex.BlockPartition([tz.Adam()], max_size=4)], shapes=shapes, x0=x0)
    assert gap(ours([BlockPartition(PLAIN, 4), STEP], shapes=shapes), ours([PLAIN, STEP])) < 1e-13


def test_original_has_no_cosine_transform():
    import torchzero

    assert not any("dct" in name.lower() for name in (*dir(torchzero.m), *dir(torchzero.m.experimental)))


def spy(log, of):
    """A module of the original that notes ``of(objective)``."""
    import torchzero

    class Spy(torchzero.core.Module):
        def __init__(self):
            super().__init__({})

        def apply(self, objective):
            objective.get_updates()
            log.append([tuple(t.shape) for t in of(objective)])
            return objective

        def update(self, objective):
            pass

    return Spy()


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


def test_original_takes_the_dimension_from_a_floating_logarithm():
    import torch
    import torchzero

    seen = []
    p = torch.nn.Parameter(torch.ones(125))
    optimizer = torchzero.Optimizer(
        [p], torchzero.m.experimental.TensorizeProjection([spy(seen, lambda o: o.updates)], max_side=5)
    )
    p.grad = torch.ones(125)
    optimizer.step()
    assert seen == [[(4, 4, 4, 4)]]
    assert TensorizeProjection(PLAIN, 5).space(125, None).shapes == ((5, 5, 5),)


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


def test_original_has_no_second_derivatives_inside():
    fails(lambda tz, ex: [ex.FFTProjection([tz.Newton()], project_params=True)])
    fails(lambda tz, ex: [ex.TensorizeProjection([tz.Newton()], max_side=3, project_params=True)])
    inside = ours(TensorizeProjection([refopt.Newton(), refopt.Backtracking()], 3, project_params=True), 6)
    assert gap(inside, ours([refopt.Newton(), refopt.Backtracking()], 6)) < 1e-10


def test_original_shows_the_projected_update_as_parameters():
    """ReduceOutwardLR compares u with x: where x *is* u nothing is outward, and `mul` does nothing."""
    paths = [
        original(lambda tz, ex, mul=mul: [ex.FFTProjection([ex.ReduceOutwardLR(mul)]), tz.LR(0.03)], 5)
        for mul in (0.1, 1.0)
    ]
    assert np.array_equal(*paths)
    with pytest.raises(TypeError, match="set project_params=True"):
        ours([FFTProjection(refopt.ReduceOutwardLR(0.1)), STEP], 2)


def test_original_blocks_share_one_inner_state():
    """Its L-BFGS inside blocks is that of the whole vector; ours is one per block, and `batched` shares."""
    whole = ours([LBFGS(), LR(0.1)], 10)
    path = original(
        lambda tz, ex: [ex.BlockPartition([tz.LBFGS()], max_size=7, project_params=True), tz.LR(0.1)], 10
    )
    assert gap(path, whole) < 1e-9
    assert gap(ours([BlockPartition(LBFGS(), 7, project_params=True), LR(0.1)], 10), whole) > 1e-3
    assert (
        gap(ours([BlockPartition(LBFGS(), 7, batched=True, project_params=True), LR(0.1)], 10), whole) < 1e-9
    )


# ---------------------------------------------------------------- second order and line searches inside

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


def test_evaluations_inside_are_counted_and_not_repeated():
    calls = 0

    def counted(x):
        nonlocal calls
        calls += 1
        return fun(x)

    method = DCTProjection(refopt.Backtracking(), project_params=True)
    result = refopt.minimize(
        counted, START, method=method, shapes=SHAPES, options={"maxiter": 10, "return_all": True}
    )
    trials = sum(record.figures["trials"] for record in result.history)
    assert result.nfev == calls == 1 + trials  # the accepted trial is where the driver goes


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

BAD = [
    (lambda: FFTProjection(), TypeError, "FFTProjection: inner methods are missing"),
    (lambda: BlockPartition(max_size=3), TypeError, "inner methods are missing"),
    (lambda: FFTProjection(3), TypeError, "a method is an instance"),
    (lambda: BlockPartition(PLAIN), TypeError, "max_size must be a whole number >= 1, got None"),
    (lambda: BlockPartition(PLAIN, 0), ValueError, "max_size must be a whole number >= 1, got 0"),
    (lambda: BlockPartition(PLAIN, 2.5), ValueError, "max_size must be a whole number >= 1, got 2.5"),
    (lambda: BlockPartition(PLAIN, 3, batched="yes"), TypeError, "batched must be True or False"),
    (lambda: TensorizeProjection(PLAIN, 1), ValueError, "max_side must be a whole number >= 2, got 1"),
    (lambda: TensorizeProjection(PLAIN), TypeError, "max_side must be a whole number >= 2, got None"),
    (lambda: FFTProjection(PLAIN, norm="orto"), ValueError, "norm must be one of .* did you mean 'ortho'"),
    (lambda: FFTProjection(PLAIN, one_d=1), TypeError, "one_d must be True or False"),
    (
        lambda: FFTProjection(PLAIN, gradient="chain"),
        ValueError,
        "gradient must be one of 'project', 'chain-rule'",
    ),
    (lambda: DCTProjection(PLAIN, project_params=None), TypeError, "project_params must be True or False"),
    (lambda: DCTProjection(LBFGS()), ValueError, "needs g, .* set project_params=True"),
    (lambda: DCTProjection(SEARCH), ValueError, "needs f, g, .* set project_params=True"),
    (lambda: FFTProjection(refopt.Newton(), project_params=True), ValueError, "set gradient='chain-rule'"),
]


@pytest.mark.parametrize("make, error, message", BAD)
def test_bad_input_says_what_to_do(make, error, message):
    with pytest.raises(error, match=message):
        make()


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
