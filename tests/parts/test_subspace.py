"""Methods in a moving basis: the rules that carry averages over, and Adam under them."""

from __future__ import annotations

import numpy as np

import refopt
from refopt.parts.subspace import agree, carry, inherit


def test_carry_and_inherit_are_their_formulas():
    rng = np.random.default_rng(53)
    C, m = rng.standard_normal((3, 5)), rng.standard_normal(5)
    for power in (1, 2, 3):
        wanted = [sum(C[i, j] ** power * m[j] for j in range(5)) for i in range(3)]
        assert np.allclose(carry(C, m, power), wanted, rtol=1e-13)
        places = [m[j] * np.sign(C[i, j]) ** power for i, j in ((0, 2), (1, 3), (2, 4))]
        assert np.array_equal(inherit(C, m, power), places)
    grown = inherit(C.T, m[:3], 3)  # a larger basis: the new small places begin at zero
    assert np.array_equal(grown[:2], [0, 0])
    assert np.array_equal(grown[2:], m[:3] * np.sign([C[0, 2], C[1, 3], C[2, 4]]))
    assert inherit(np.zeros((2, 0)), np.zeros(0), 2).tolist() == [0, 0] and inherit(C[:0], m, 2).size == 0


def test_agree_keeps_coordinates_of_one_sign():
    assert agree(np.array([1.0, -2.0, 3.0, 0.0]), np.array([2.0, 1.0, 0.0, 1.0])).tolist() == [1, 0, 0, 0]


def test_alone_it_is_adam():
    """In the coordinates of x nothing moves: the same numbers as Adam's, to the bit."""
    rng = np.random.default_rng(4)
    method, adam = refopt.SubspaceAdam(beta2=0.9), refopt.Adam(beta2=0.9)
    state, other = method.init(np.zeros(5)), adam.init(np.zeros(5))
    for u in rng.standard_normal((6, 5)):
        out, state = method.step(None, u, state)
        wanted, other = adam.step(None, u, other)
        assert np.array_equal(out, wanted)


def test_a_rotation_of_the_basis_carries_the_first_average_exactly():
    """m1 in the new basis is the average of Q^T u there, so that Q m1 does not change."""
    rng = np.random.default_rng(5)
    old, new = (np.linalg.qr(rng.standard_normal((4, 4)))[0] for _ in range(2))
    method = refopt.SubspaceAdam()
    _, state = method.step(None, old.T @ rng.standard_normal(4), method.init(np.zeros(4)))
    moved = method.reproject(new.T @ old, state)
    assert np.allclose(new @ moved.m1, old @ state.m1, rtol=1e-12, atol=1e-15) and moved.t == state.t
    assert np.allclose(moved.m2, (new.T @ old) ** 2 @ state.m2)
    cheap = refopt.SubspaceAdam(exact_reproject=False).reproject(new.T @ old, state)
    assert np.array_equal(cheap.m2, state.m2) and np.array_equal(cheap.m1, moved.m1)
