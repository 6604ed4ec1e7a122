"""GGT against its definition with M written out, against the original, and what the ring costs."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from parts.projection_cases import START, fun, gap, original, ours

import refopt
from refopt import EMA, GGT, LR, SubspaceAdam, SubspaceCubicAdam
from refopt.parts.subspace import SubspaceMethod

UPDATES = np.random.default_rng(51).standard_normal((25, 12)) * np.linspace(0.5, 2, 12)


def by_definition(
    updates, t, h=4, freq=1, eig_tol=1e-7, truncate=None, damping=1e-4, rdamping=0.0, power=-0.5
):
    """``(Q, L, output)`` of step t, with M, its singular vectors and (M M^T)^p written out."""
    last = t - t % freq
    M = updates[max(0, last - h + 1) : last + 1].T
    U, s, _ = np.linalg.svd(M, full_matrices=False)
    L = s**2 + damping
    keep = L > eig_tol * L[0]
    if truncate is not None:
        keep &= np.arange(L.size) < truncate
    U, s, L = U[:, keep], s[keep], L[keep]
    Q = U * (s / np.sqrt(L))
    return Q, L, Q @ ((L + rdamping * L.max()) ** power * (Q.T @ updates[t]))


def outputs(method, updates):
    state, found = method.init(np.zeros_like(updates[0])), []
    for u in updates:
        out, state = method.step(None, u, state)
        found.append(out)
    return np.array(found), state


OPTIONS = [
    {},
    {"history_size": 1},
    {"history_size": 7},
    {"history_size": 40},
    {"damping": 0.5},
    {"damping": 0.0},
    {"truncate": 2},
    {"eig_tol": 0.3},
    {"rdamping": 0.2},
    {"matrix_power": -1.0},
    {"matrix_power": -0.25},
    {"update_freq": 2},
    {"update_freq": 3, "history_size": 5},
    {"update_freq": 9},
    {"update_freq": 5, "history_size": 2},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_output_is_the_definition(options):
    """1e-10: an eigenvalue 1e-5 of the largest keeps eleven digits of the Gram matrix."""
    options = {"history_size": 4, **options}
    if options["history_size"] == 40:
        # With fewer variables than columns M has no rank
        updates = np.random.default_rng(52).standard_normal((25, 60))
    else:
        updates = UPDATES
    found, _ = outputs(GGT(**options), updates)
    names = {"history_size": "h", "update_freq": "freq", "matrix_power": "power"}
    wanted = np.array(
        [
            by_definition(updates, t, **{names.get(k, k): v for k, v in options.items()})[2]
            for t in range(len(updates))
        ]
    )
    assert np.abs(found - wanted).max() < 1e-10 * np.abs(wanted).max()


def test_the_definition_notices_every_option():
    """The checker itself: each option, left out of the definition, is seen."""
    for options in OPTIONS[1:]:
        if "history_size" in options and len(options) > 1 or options.get("history_size") == 40:
            continue
        found, _ = outputs(GGT(**{"history_size": 4, **options}), UPDATES)
        plain = np.array([by_definition(UPDATES, t)[2] for t in range(len(UPDATES))])
        assert np.abs(found - plain).max() > 1e-5 * np.abs(plain).max(), options


class Recorder(SubspaceMethod):
    """Keeps what its host tells it."""

    def __init__(self):
        object.__setattr__(self, "log", [])

    def step(self, point, update, state):
        self.log.append(("step", update.copy()))
        return update, state

    def reproject(self, C, state):
        self.log.append(("basis", C.copy()))
        return state


@pytest.mark.parametrize("h", [1, 3, 5])
@pytest.mark.parametrize("freq", [1, 2, 4, 7])
def test_coordinates_and_changes_of_basis_are_those_of_the_matrices(h, freq):
    """q = Q^T u and C = Q_new^T Q_old with Q formed from the ring; the test keeps the old Q."""
    recorder = Recorder()
    method = GGT(h, freq, basis_optimizer=recorder)
    state, old = method.init(np.zeros(12)), np.zeros((12, 0))
    for t, u in enumerate(UPDATES):
        out, state = method.step(None, u, state)
        Q = state.rows.T @ state.T
        if t % freq == 0:
            kind, C = recorder.log.pop(0)
            assert kind == "basis" and np.allclose(C, Q.T @ old, rtol=0, atol=1e-12)
            wanted = by_definition(UPDATES, t, h=h, freq=freq)[0]
            assert np.allclose(Q @ Q.T, wanted @ wanted.T, rtol=0, atol=1e-10)  # columns are free in sign
            old = Q
        assert np.allclose(Q, old, rtol=0, atol=1e-13), "the basis must stay while the history grows"
        kind, q = recorder.log.pop(0)
        assert kind == "step" and np.allclose(q, Q.T @ u, rtol=0, atol=1e-11)
        assert np.allclose(out, Q @ q, rtol=0, atol=1e-12)
    assert not recorder.log


def test_inner_output_is_preconditioned_and_raw_updates_are_remembered():
    found, state = outputs(GGT(4, inner=LR(2.0)), UPDATES)
    plain, other = outputs(GGT(4), UPDATES)
    assert np.allclose(found, 2 * plain, rtol=1e-12) and np.array_equal(state.rows, other.rows)
    assert GGT(inner=[refopt.LBFGS()]).all_needs() == {"g"}
    assert GGT(inner=refopt.CoordinateMomentum(), basis_optimizer=SubspaceAdam()).all_needs() == {"rng"}


def test_the_history_is_never_moved():
    """After the ring is full one row changes a step; the array stays the same object."""
    method = GGT(3)
    state = method.init(np.zeros(12))
    rows = state.rows
    for u in UPDATES[:10]:
        _, state = method.step(None, u, state)
    for u in UPDATES[10:]:
        before = state.rows.copy()
        _, state = method.step(None, u, state)
        assert state.rows is rows and np.sum(np.any(before != rows, axis=1)) == 1


@pytest.mark.parametrize("basis", [None, SubspaceCubicAdam()])
def test_a_step_allocates_only_the_output(basis):
    """Memory: h + 1 vectors of state; a step adds the output and nothing else of length n."""
    n, h = 200_000, 10
    method, u = GGT(h, basis_optimizer=basis), np.random.default_rng(1).standard_normal(n)
    tracemalloc.start()
    state = method.init(u)
    held = tracemalloc.get_traced_memory()[0]
    for _ in range(h + 3):
        _, state = method.step(None, u, state)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held < (h + 1.1) * 8 * n and peak < (h + 3.1) * 8 * n  # one output freed when the next is made


@pytest.mark.parametrize("basis", [None, SubspaceAdam(), SubspaceCubicAdam()])
def test_nothing_to_learn_from(basis):
    """Zero updates, repeated ones, and a zero after others."""
    for damping in (0.0, 1e-4):
        method = GGT(3, damping=damping, basis_optimizer=basis)
        updates = np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 2.0], [1.0, 2.0], [0.0, 0.0], [3.0, -1.0]])
        found, state = outputs(method, updates)
        assert np.all(np.isfinite(found)) and not found[:2].any()
        assert np.all(state.L > 0)


def test_products_that_overflow_end_the_run_and_say_so():
    result = refopt.minimize(lambda x: 1e200 * (x @ x), np.ones(2), method=[GGT(2), LR(1.0)])
    assert not result.success and "GGT: products of updates overflow" in result.message


def test_figures():
    record = next(refopt.iterate(fun, START, method=[GGT(3), LR(0.1)]))
    assert record.figures["rank"] == 1 and record.figures["eigenvalue"] > 0


# ---------------------------------------------------------------- against the original


@pytest.mark.parametrize(
    "options",
    [
        {"history_size": 5},
        {"history_size": 1},
        {"history_size": 10, "damping": 1e-2},
        {"history_size": 6, "truncate": 3},
        {"history_size": 6, "eig_tol": 1e-2},
        {"history_size": 5, "rdamping": 0.1},
        {"history_size": 5, "update_freq": 3},
        {"history_size": 3, "update_freq": 8},
    ],
    ids=str,
)
def test_paths_of_the_original(options):
    lr = 2e-3 if "update_freq" in options else 0.05  # in an old basis steps can be long
    path = original(lambda tz, ex: [tz.GGT(**options), tz.LR(lr)])
    assert gap(ours([GGT(**options), LR(lr)]), path) < 1e-9
    assert np.abs(path[-1] - path[0]).max() > 0.03, "the path must go somewhere"


def test_paths_of_the_original_with_an_inner_method():
    path = original(lambda tz, ex: [tz.GGT(history_size=5, inner=tz.EMA(0.9, debias=True)), tz.LR(0.005)])
    assert gap(ours([GGT(5, inner=EMA(0.9)), LR(0.005)]), path) < 1e-9


@pytest.mark.parametrize("power", [-1.0, -0.25])
def test_original_scales_the_basis_by_the_power_too(power):
    """One update u, no damping: (M M^T)^p u = |u|^(2p) u; the original gives |u|^(2(3p + 1)) u."""
    size = float(np.linalg.norm(original_gradient()))
    path = original(lambda tz, ex: [tz.GGT(history_size=1, damping=0, matrix_power=power), tz.LR(1e-6)], 1)
    mine = ours([GGT(1, damping=0, matrix_power=power), LR(1e-6)], 1)
    length = [np.linalg.norm(p[1] - p[0]) / 1e-6 / size for p in (mine, path)]
    assert np.isclose(length[0], size ** (2 * power), rtol=1e-5)
    assert np.isclose(length[1], size ** (2 * (3 * power + 1)), rtol=1e-5)


def original_gradient():
    return refopt.derivatives.gradient(fun, START)


# ---------------------------------------------------------------- the rules for moments


BAD = [
    ({"history_size": 0}, ValueError, "history_size must be a whole number >= 1"),
    ({"update_freq": 0}, ValueError, "update_freq must be a whole number >= 1"),
    ({"truncate": 0}, ValueError, "truncate must be a whole number >= 1"),
    ({"eig_tol": 1.0}, ValueError, r"eig_tol must be in \[0, 1\), got 1"),
    ({"damping": -1}, ValueError, r"damping must be in \[0, inf\)"),
    ({"rdamping": -1}, ValueError, r"rdamping must be in \[0, inf\)"),
    ({"matrix_power": "half"}, TypeError, "matrix_power must be a real number"),
    ({"basis_optimizer": refopt.Adam()}, TypeError, "SubspaceCubicAdam"),
    ({"basis_optimizer": SubspaceAdam(), "rdamping": 0.1}, ValueError, "only without a basis_optimizer"),
    ({"basis_optimizer": SubspaceAdam(), "matrix_power": -1}, ValueError, "only without a basis_optimizer"),
    ({"inner": 3}, TypeError, "a method is an instance"),
]


@pytest.mark.parametrize("options, error, message", BAD, ids=str)
def test_bad_input(options, error, message):
    with pytest.raises(error, match=message):
        GGT(**options)


def test_float32_stays_float32():
    u = UPDATES.astype(np.float32)
    for basis in (None, SubspaceAdam(), SubspaceCubicAdam()):
        found, state = outputs(GGT(3, basis_optimizer=basis), u)
        assert found.dtype == np.float32 and state.rows.dtype == state.T.dtype == state.L.dtype == np.float32
