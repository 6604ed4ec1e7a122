"""BlockPartition: how tensors are cut, and inner methods of every kind acting block by block."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from parts.projection_cases import (
    PARITY,
    PLAIN,
    SHAPES,
    START,
    STEP,
    N,
    fails,
    follows_the_original,
    follows_the_original_debiased,
    fun,
    gap,
    original,
    ours,
)

import refopt
from refopt import GGT, LBFGS, LR, Adam, Backtracking, BlockPartition, Newton, SubspaceCubicAdam
from refopt.algorithms.block_partition import BlocksState, batched_shapes, block_shapes, chunk_sizes
from refopt.fit import objective_of

SIZES = (3, 1, 4, 2)  # of the blocks of the separable problem
SHAPES4 = [(size,) for size in SIZES]
X0 = np.random.default_rng(31).standard_normal(sum(SIZES))
EDGES = np.cumsum([0, *SIZES])
MATRICES = [np.random.default_rng(40 + k).standard_normal((size, size)) for k, size in enumerate(SIZES)]


class Part:
    """The k-th summand, a function of its own block, with its derivatives in closed form."""

    def __init__(self, k):
        self.A, self.k = MATRICES[k], k

    def fun(self, x):
        return np.sum(np.exp(0.3 * (self.A @ x))) + np.sum(x**2) * (self.k + 1) + np.sum(x**4)

    def jac(self, x):
        return 0.3 * (self.A.T @ np.exp(0.3 * (self.A @ x))) + 2 * (self.k + 1) * x + 4 * x**3

    def hess(self, x):
        e = np.exp(0.3 * (self.A @ x))
        return 0.09 * (self.A.T * e) @ self.A + np.diag(2 * (self.k + 1) + 12 * x**2)


class Sum:
    """All summands: the same numbers in each block, to the bit."""

    def each(self, name, x):
        return [getattr(Part(k), name)(x[EDGES[k] : EDGES[k + 1]]) for k in range(len(SIZES))]

    def fun(self, x):
        return sum(self.each("fun", x))

    def jac(self, x):
        return np.concatenate(self.each("jac", x))

    def hess(self, x):
        return scipy.linalg.block_diag(*self.each("hess", x))


def steps(method, problem, x0, count, shapes=None):
    """(count + 1, n): iterates without any stopping test."""
    objective = objective_of(problem.fun, x0, jac=problem.jac, hess=problem.hess, shapes=shapes)
    point, state = objective.at(x0), method.init(x0, shapes, None)
    path = [x0]
    for _ in range(count):
        update, state = method.step(point, point.g, state)
        point = point.after(update)
        path.append(point.x)
    return np.array(path)


INNER = {
    "Newton": [Newton()],
    "LBFGS": [LBFGS(4), LR(0.1)],
    "GGT": [GGT(3), LR(0.1)],
    "GGT + SubspaceCubicAdam": [GGT(3, basis_optimizer=SubspaceCubicAdam()), LR(0.1)],
    "DFP trust region": [refopt.InfinityNormTrustRegion(refopt.DFP())],
    "Newton + Backtracking": [Newton(), Backtracking()],
    "Adam": [Adam(), LR(0.1)],
}


@pytest.mark.parametrize("name", INNER)
def test_on_a_separable_problem_each_block_takes_its_own_path_exactly(name):
    method = BlockPartition(INNER[name], max(SIZES), project_params=True)
    # Values of f are a sum with other roundings: no bits, and the methods that compare them say so when only
    # rounding is left.
    compares = "+ Backtracking" in name or "trust" in name
    count = 4 if compares else 12
    together = steps(method, Sum(), X0, count, tuple(SHAPES4))
    for k in range(len(SIZES)):
        block = slice(EDGES[k], EDGES[k + 1])
        alone = steps(refopt.chain(*INNER[name]), Part(k), X0[block], count)
        if compares:
            assert np.allclose(together[:, block], alone, rtol=1e-9, atol=1e-9), k
        else:
            assert np.array_equal(together[:, block], alone), (name, k)


def test_newton_in_blocks_inverts_the_diagonal_blocks():
    point = objective_of(fun, START, shapes=SHAPES).at(START)
    method = BlockPartition(Newton(), 5, project_params=True)
    update, _ = method.step(point, point.g, method.init(START, SHAPES))
    H, wanted, start = point.dense_hessian(), np.empty(N), 0
    for size in (size for shape in block_shapes(SHAPES, 5) for size in [int(np.prod(shape))]):
        block = slice(start, start + size)
        wanted[block] = np.linalg.solve(H[block, block], point.g[block])
        start += size
    if np.all(np.linalg.eigvalsh(H) > 0):
        assert np.allclose(update, wanted, rtol=1e-10)
    else:  # blocks that are not definite are modified; the definite ones must agree
        start = 0
        for shape in block_shapes(SHAPES, 5):
            block = slice(start, start + int(np.prod(shape)))
            if np.linalg.eigvalsh(H[block, block])[0] > 0:
                assert np.allclose(update[block], wanted[block], rtol=1e-10)
            start = block.stop


def test_ggt_of_single_tensors_is_the_originals():
    """There `concat_params=False` is what one state per block is here."""
    options = dict(history_size=4, damping=1e-2)
    path = original(
        lambda tz, ex: [ex.BlockPartition([tz.GGT(concat_params=False, **options)], max_size=7), tz.LR(0.05)],
        30,
    )
    assert gap(ours([BlockPartition(GGT(**options), 7), LR(0.05)], 30), path) < 1e-9


def test_ggt_across_blocks_is_what_batched_does():
    joint = ours([GGT(4), LR(0.05)], 20)
    assert gap(ours([BlockPartition(GGT(4), 7, batched=True), LR(0.05)], 20), joint) < 1e-9
    assert gap(ours([BlockPartition(GGT(4), 7), LR(0.05)], 20), joint) > 1e-3


def test_chunks():
    assert (
        chunk_sizes(7, 3) == [3, 3, 1] and chunk_sizes(9, 4) == [3, 3, 3] and chunk_sizes(11, 5) == [4, 4, 3]
    )
    assert chunk_sizes(5, 5) == [5] and chunk_sizes(0, 3) == [0]
    for n in range(1, 60):
        for m in range(1, 20):
            sizes = chunk_sizes(n, m)
            assert sum(sizes) == n and max(sizes) <= m and len(sizes) == -(-n // m) and min(sizes) >= 1
    assert block_shapes(((2, 2), (3, 3), ()), 4) == [(2, 2), (3,), (3,), (3,), ()]
    assert batched_shapes(((2, 2), (3, 3), (7,)), 4) == [(2, 2), (3, 3), (2, 4)]


def test_elementwise_inner_methods_run_in_one_pass():
    state = BlockPartition([Adam(), LR(0.1)], 2).init(START, SHAPES)
    assert not isinstance(state, BlocksState)
    assert isinstance(BlockPartition([Adam(), GGT(2)], 2).init(START, SHAPES), BlocksState)


def test_a_block_at_rounding_level_does_not_end_the_others():
    fun = lambda x: (x[0] - 1) ** 2 + (x[1] - 1) ** 2 + 1e-3 * (x[2] - 2) ** 4  # noqa: E731
    method = BlockPartition([Newton(), Backtracking()], 2, project_params=True)
    x0, shapes = np.array([1.0, 1.0, -3.0]), [(2,), (1,)]
    result = refopt.minimize(fun, x0, method=method, shapes=shapes, options={"gtol": 1e-8})
    assert result.success and result.nit > 10 and abs(result.x[2] - 2) < 0.02
    assert refopt.iterate(fun, x0, method=method, shapes=shapes).method.keeps_bounds() is False


def test_when_no_block_can_go_on_the_run_ends():
    method = BlockPartition(Backtracking(maxiter=3), 1, project_params=True)
    wrong = lambda x: -np.ones_like(x)  # noqa: E731  a gradient of the wrong sign: nothing decreases
    result = refopt.minimize(lambda x: np.sum(x) + 1, np.ones(2), jac=wrong, method=method)
    assert not result.success and "Backtracking found no decrease" in result.message


def test_random_blocks_have_sources_of_their_own_and_repeat():
    method = BlockPartition([refopt.CoordinateMomentum(0.5), Backtracking()], 2, project_params=True)
    runs = [
        refopt.minimize(fun, START, method=method, shapes=SHAPES, rng=seed, options={"maxiter": 3}).x
        for seed in (3, 3, 4)
    ]
    assert np.array_equal(runs[0], runs[1]) and not np.array_equal(runs[0], runs[2])


def test_figures_are_listed_by_block():
    method = BlockPartition([Newton(), Backtracking()], 5, project_params=True)
    record = next(refopt.iterate(fun, START, method=method, shapes=SHAPES))
    count = len(block_shapes(SHAPES, 5))
    assert len(record.figures["trials"]) == len(record.figures["solver"]) == count
    assert record.accepted


def test_large_blocks_of_many_variables_use_no_square_matrix():
    """n = 3000 in blocks of 10: the Hessian would take 72 MB; the blocks take 0.24 MB."""
    import tracemalloc

    n = 3000
    fun = lambda x: np.sum((x - 1) ** 2)  # noqa: E731
    method = BlockPartition(Newton(), 10, project_params=True)
    objective = objective_of(fun, np.zeros(n), jac=lambda x: 2 * (x - 1), hessp=lambda x, v: 2 * v)
    point = objective.at(np.zeros(n))
    state = method.init(point.x, None)
    assert point.f == n and point.g.size == n
    tracemalloc.start()
    update, _ = method.step(point, point.g, state)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.allclose(update, -1) and peak < 8 * n * n / 10


# ---------------------------------------------------------------- against the original

RUNS = {
    **{
        f"blocks of {m}": (
            lambda inner, m=m: BlockPartition(inner, m),
            lambda ex, a, m=m: ex.BlockPartition(a, max_size=m),
        )
        for m in (1, 2, 4, 7, 100)
    },
    **{
        f"rows of {m}": (
            lambda inner, m=m: BlockPartition(inner, m, batched=True),
            lambda ex, a, m=m: ex.BlockPartition(a, max_size=m, batched=True),
        )
        for m in (1, 100)
    },
    "blocks, parameters too": (
        lambda inner: BlockPartition(inner, 3, project_params=True),
        lambda ex, a: ex.BlockPartition(a, max_size=3, project_params=True),
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_paths_of_the_original_with_adam_inside(name):
    follows_the_original(*RUNS[name])


def test_path_of_the_original_with_debiased_adam_inside():
    follows_the_original_debiased(*RUNS["blocks of 4"])


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


def test_original_batched_fails_where_padding_is_needed():
    fails(lambda tz, ex: [ex.BlockPartition([tz.Adam()], max_size=4, batched=True)])
    path = ours([BlockPartition(PLAIN, 4, batched=True), STEP])
    assert gap(path, ours([PLAIN, STEP])) < 1e-13  # elementwise: as without any projection


def test_original_blocks_fail_on_tensors_without_axes():
    shapes, x0 = ((), (N - 1,)), START
    fails(lambda tz, ex: [ex.BlockPartition([tz.Adam()], max_size=4)], shapes=shapes, x0=x0)
    assert gap(ours([BlockPartition(PLAIN, 4), STEP], shapes=shapes), ours([PLAIN, STEP])) < 1e-13


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


# ---------------------------------------------------------------- bad input

BAD = [
    (lambda: BlockPartition(max_size=3), TypeError, "inner methods are missing"),
    (lambda: BlockPartition(PLAIN), TypeError, "max_size must be a whole number >= 1, got None"),
    (lambda: BlockPartition(PLAIN, 0), ValueError, "max_size must be a whole number >= 1, got 0"),
    (lambda: BlockPartition(PLAIN, 2.5), ValueError, "max_size must be a whole number >= 1, got 2.5"),
    (lambda: BlockPartition(PLAIN, 3, batched="yes"), TypeError, "batched must be True or False"),
]


@pytest.mark.parametrize("make, error, message", BAD)
def test_bad_input_says_what_to_do(make, error, message):
    with pytest.raises(error, match=message):
        make()
