"""SubspaceCubicAdam: its definition in an explicit basis, its options, and the original's paths under GGT."""

from __future__ import annotations

import functools
import sys

import numpy as np
import pytest
from parts.projection_cases import START, fun, gap, original, ours, steep

import refopt
from refopt import GGT, LR, CubicAdam, SubspaceAdam, SubspaceCubicAdam
from refopt.method import Chain

PARITY = 1e-9  # relative, after 100 steps
STEP = LR(0.01)
MODES = ("signed_cbrt", "unsigned_cbrt", "halve")
RNG_SEED = 61


def bases(seed=RNG_SEED):
    """A few orthonormal bases of different ranks, and updates, in 9 dimensions."""
    rng = np.random.default_rng(seed)
    return (
        [np.linalg.qr(rng.standard_normal((9, r)))[0] for r in (2, 3, 3, 5, 4)],
        rng.standard_normal((5, 3, 9)),
    )


def run(method):
    """Three steps in each of the bases; outputs in the full space, and the last state."""
    Qs, updates = bases()
    state, out = method.init(np.zeros(0)), []
    state = method.reproject(np.zeros((2, 0)), state)
    for k, (Q, three) in enumerate(zip(Qs, updates, strict=True)):
        if k:
            state = method.reproject(Q.T @ Qs[k - 1], state)
        for u in three:
            d, state = method.step(None, Q.T @ u, state)
            out.append(Q @ d)
    return np.array(out), state


def by_definition(
    mode="signed_cbrt", betas=(0.9, 0.95, 0.95), eps=1e-8, cautious=False, exact=True, cubic=True
):
    """The docstring's formulas, coordinate by coordinate."""
    Qs, updates = bases()
    m = [np.zeros(2) for _ in range(3)]
    t, out = 0, []
    for k, (Q, three) in enumerate(zip(Qs, updates, strict=True)):
        if k:
            C = Q.T @ Qs[k - 1]
            r, s = C.shape
            new = [
                np.array([sum(C[i, j] ** p * m[p - 1][j] for j in range(s)) for i in range(r)])
                for p in (1, 2, 3)
            ]
            if not exact:
                for p in (2, 3):
                    new[p - 1] = np.array(
                        [
                            m[p - 1][i - r + s] * np.sign(C[i, i - r + s]) ** p if i - r + s >= 0 else 0.0
                            for i in range(r)
                        ]
                    )
            m = new
        for u in three:
            t += 1
            q = np.array([Q[:, i] @ u for i in range(Q.shape[1])])
            m = [b * mp + (1 - b) * q**p for p, (b, mp) in enumerate(zip(betas, m, strict=True), 1)]
            M1, M2, M3 = (mp / (1 - b**t) for b, mp in zip(betas, m, strict=True))
            A = {"signed_cbrt": np.cbrt(M3), "unsigned_cbrt": np.cbrt(np.abs(M3)), "halve": M3 / 2}[mode]
            d = np.empty(q.size)
            for i, (a, b, c) in enumerate(zip(A, np.sqrt(M2), M1, strict=True)):
                disc = b * b - 4 * a * c
                d[i] = 2 * c / (b + np.sqrt(disc)) if cubic and disc >= 0 else c / (b + eps)
                if cautious and d[i] * q[i] <= 0:
                    d[i] = 0.0
            out.append(Q @ d)
    return np.array(out), m


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("cautious", [False, True])
@pytest.mark.parametrize("exact", [False, True])
def test_step_and_reprojection_are_the_definition(mode, cautious, exact):
    found, state = run(SubspaceCubicAdam(mode=mode, cautious=cautious, exact_reproject=exact))
    wanted, m = by_definition(mode, cautious=cautious, exact=exact)
    assert np.abs(found - wanted).max() < 1e-12 * np.abs(wanted).max(), f"seed {RNG_SEED}"
    for field, value in zip((state.m1, state.m2, state.m3), m, strict=True):
        assert np.allclose(field, value, rtol=1e-12, atol=1e-14)
    assert state.t == 15


@pytest.mark.parametrize("cautious", [False, True])
@pytest.mark.parametrize("exact", [False, True])
def test_plain_adam_in_the_same_basis(cautious, exact):
    found, _ = run(SubspaceAdam(cautious=cautious, exact_reproject=exact))
    wanted, _ = by_definition(cautious=cautious, exact=exact, cubic=False)
    assert np.abs(found - wanted).max() < 1e-12 * np.abs(wanted).max(), f"seed {RNG_SEED}"


@pytest.mark.parametrize(
    "options",
    [
        {"beta1": 0.5},
        {"beta2": 0.5},
        {"beta3": 0.5},
        {"eps": 1.0},
        {"mode": "halve"},
        {"mode": "unsigned_cbrt"},
        {"cautious": True},
        {"exact_reproject": False},
    ],
    ids=str,
)
def test_every_option_changes_the_path(options):
    default = run(SubspaceCubicAdam())[0]
    assert np.abs(run(SubspaceCubicAdam(**options))[0] - default).max() > 1e-3
    if "beta3" not in options and "mode" not in options:
        assert np.abs(run(SubspaceAdam(**options))[0] - run(SubspaceAdam())[0]).max() > 1e-3


def test_signs_of_the_basis_cancel_where_the_step_is_odd():
    """Eigenvectors come with arbitrary signs; "unsigned_cbrt" is not odd in q, so there the sign shows."""

    def flipped(method):
        Qs, updates = bases()
        signs = [np.where(np.arange(Q.shape[1]) % 2, -1.0, 1.0) * (-1) ** k for k, Q in enumerate(Qs)]
        flippedQ = [Q * s for Q, s in zip(Qs, signs, strict=True)]
        state, out = method.reproject(np.zeros((2, 0)), method.init(np.zeros(0))), []
        for k, (Q, three) in enumerate(zip(flippedQ, updates, strict=True)):
            if k:
                state = method.reproject(Q.T @ flippedQ[k - 1], state)
            for u in three:
                d, state = method.step(None, Q.T @ u, state)
                out.append(Q @ d)
        return np.array(out)

    for method in (
        SubspaceCubicAdam(),
        SubspaceCubicAdam(mode="halve"),
        SubspaceAdam(),
        SubspaceCubicAdam(exact_reproject=False),
        SubspaceCubicAdam(cautious=True),
    ):
        assert np.allclose(flipped(method), run(method)[0], rtol=1e-12, atol=1e-13), method
    odd = SubspaceCubicAdam(mode="unsigned_cbrt")
    assert np.abs(flipped(odd) - run(odd)[0]).max() > 1e-2


def test_alone_it_is_cubic_adam():
    options = dict(beta1=0.9, beta2=0.95, beta3=0.95)
    assert np.array_equal(ours([SubspaceCubicAdam(), STEP], 20), ours([CubicAdam(**options), STEP], 20))


def test_a_bare_name_sets_up_the_host():
    run = refopt.iterate(
        fun, START, method="SubspaceCubicAdam", options={"lr": 0.02, "history_size": 7, "mode": "halve"}
    )
    assert run.method == Chain(
        (GGT(history_size=7, basis_optimizer=SubspaceCubicAdam(mode="halve")), LR(0.02))
    )
    result = refopt.minimize(fun, START, method="subspace-cubic-adam", options={"lr": 0.05, "maxiter": 200})
    assert result.fun < fun(START) and "GGT(" in result.method
    adam = refopt.minimize(fun, START, method="SubspaceAdam", options={"lr": 0.05, "maxiter": 200})
    assert adam.fun < fun(START)


# ---------------------------------------------------------------- against the original

steep_path, steep_original = (
    functools.partial(ours, problem=steep),
    functools.partial(original, problem=steep),
)


@pytest.mark.parametrize("mode", ["signed_cbrt", "halve"])
@pytest.mark.parametrize("h", [1, 3, 5, 10])
def test_paths_of_the_original_under_ggt(mode, h):
    path = steep_original(
        lambda tz, ex: [tz.GGT(history_size=h, basis_optimizer=ex.SubspaceCubicAdam(mode=mode)), tz.LR(0.01)]
    )
    assert gap(steep_path([GGT(h, basis_optimizer=SubspaceCubicAdam(mode=mode)), STEP]), path) < PARITY
    assert np.abs(path[-1] - path[0]).max() > 0.3, "the path must go somewhere"


@pytest.mark.parametrize(
    "options",
    [
        {"beta1": 0.8, "beta2": 0.9, "beta3": 0.92},
        {"eps": 1e-6},
    ],
    ids=str,
)
def test_paths_of_the_original_with_options(options):
    path = steep_original(
        lambda tz, ex: [tz.GGT(history_size=5, basis_optimizer=ex.SubspaceCubicAdam(**options)), tz.LR(0.01)]
    )
    assert gap(steep_path([GGT(5, basis_optimizer=SubspaceCubicAdam(**options)), STEP]), path) < PARITY


def test_original_ignores_cautious_and_exact_reproject():
    paths = [
        steep_original(
            lambda tz, ex, o=o: [
                tz.GGT(history_size=5, basis_optimizer=ex.SubspaceCubicAdam(**o)),
                tz.LR(0.01),
            ],
            30,
        )
        for o in ({}, {"cautious": True}, {"exact_reproject": False})
    ]
    assert np.array_equal(paths[0], paths[1])
    assert gap(paths[2], paths[0]) < 1e-12
    mine = [
        steep_path([GGT(5, basis_optimizer=SubspaceCubicAdam(**o)), STEP], 30)
        for o in ({}, {"cautious": True}, {"exact_reproject": False})
    ]
    assert gap(mine[1], mine[0]) > 1e-3 and gap(mine[2], mine[0]) > 1e-3


@pytest.mark.parametrize("mode", MODES)
def test_original_in_our_basis(mode):
    """The original's object, driven with the bases of our host: every mode, no signs in question."""
    import torch
    import torchzero

    theirs, memory = torchzero.m.experimental.SubspaceCubicAdam(mode=mode), {}
    host = GGT(4, basis_optimizer=SubspaceCubicAdam(mode=mode))
    rng = np.random.default_rng(62)
    state, old, worst = host.init(np.zeros(30)), None, 0.0
    for _ in range(100):
        u = rng.standard_normal(30)
        out, state = host.step(None, u, state)
        Q, L = torch.tensor(state.rows.T @ state.T), torch.tensor(state.L)
        if old is not None:
            theirs.reproject(*old, L, Q, memory)
        wanted = theirs.step(torch.tensor(u), L, Q, memory).numpy()
        worst = max(worst, np.abs(out - wanted).max() / np.abs(wanted).max())
        old = (L, Q)
    assert worst < PARITY


def test_plain_adam_follows_the_original():
    import torchzero  # noqa: F401

    adam = sys.modules["torchzero.modules.adaptive.lre_optimizers"].Adam
    path = steep_original(
        lambda tz, ex: [tz.GGT(history_size=5, basis_optimizer=adam(eps=1e-30)), tz.LR(0.01)]
    )
    assert gap(steep_path([GGT(5, basis_optimizer=SubspaceAdam(eps=1e-30)), STEP]), path) < PARITY


def test_original_root_in_the_basis():
    """q = 1e-4: A = q^3 / 2 is below eps, where the original clips it; the step should be Adam's, 1."""
    import torch
    import torchzero

    u, Q, L = torch.tensor([1e-4, 0.0]).double(), torch.eye(2).double(), torch.ones(2).double()
    theirs = torchzero.m.experimental.SubspaceCubicAdam(mode="halve", eps=1e-8).step(u, L, Q, {}).numpy()
    method = SubspaceCubicAdam(mode="halve")
    mine, _ = method.step(None, u.numpy(), method.init(np.zeros(2)))
    assert mine == pytest.approx([1.0, 0.0], rel=1e-4)
    assert not np.allclose(theirs, mine, rtol=1e-3, equal_nan=False)


def test_original_adam_adds_eps_before_debiasing():
    import torch
    import torchzero  # noqa: F401

    adam = sys.modules["torchzero.modules.adaptive.lre_optimizers"].Adam(eps=0.5)
    u, Q, L = torch.tensor([2.0]).double(), torch.eye(1).double(), torch.ones(1).double()
    assert adam.step(u, L, Q, {}).item() == pytest.approx(2 / (2 + 0.5 / np.sqrt(1 - 0.95)), rel=1e-12)
    method = SubspaceAdam(eps=0.5)
    assert method.step(None, u.numpy(), method.init(np.zeros(1)))[0][0] == pytest.approx(2 / 2.5, rel=1e-12)


def test_original_follows_the_signs_of_its_eigensolver(monkeypatch):
    """The same solver with the other signs: another path in "unsigned_cbrt", the same in "signed_cbrt"."""
    import torch

    plain = torch.linalg.eigh

    def path(mode):
        return steep_original(
            lambda tz, ex: [
                tz.GGT(history_size=3, basis_optimizer=ex.SubspaceCubicAdam(mode=mode)),
                tz.LR(0.01),
            ],
            20,
        )

    before = {mode: path(mode) for mode in MODES}
    monkeypatch.setattr(
        torch.linalg, "eigh", lambda *args, **kwargs: (lambda L, V: (L, -V))(*plain(*args, **kwargs))
    )
    assert gap(path("unsigned_cbrt"), before["unsigned_cbrt"]) > 1e-3
    for mode in ("signed_cbrt", "halve"):
        assert gap(path(mode), before[mode]) < PARITY


BAD = [
    ({"beta1": 1.0}, ValueError, r"SubspaceCubicAdam: beta1 must be in \[0, 1\), got 1"),
    ({"beta2": -0.1}, ValueError, "beta2 must be in"),
    ({"beta3": 2}, ValueError, "beta3 must be in"),
    ({"eps": -1}, ValueError, "eps must be in"),
    ({"mode": "halved"}, ValueError, "did you mean 'halve'"),
    ({"cautious": 1}, TypeError, "cautious must be True or False"),
    ({"exact_reproject": None}, TypeError, "exact_reproject must be True or False"),
]


@pytest.mark.parametrize("options, error, message", BAD, ids=str)
def test_bad_input(options, error, message):
    with pytest.raises(error, match=message):
        SubspaceCubicAdam(**options)
