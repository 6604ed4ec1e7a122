"""The exact combinations of Taylor coefficients along lattice directions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from refopt.derivatives.interpolation import gamma, interpolate, lattice, multisets, rank, symmetric


def test_interpolation_reproduces_every_monomial_exactly():
    """sum_j gamma_ij j^a / k! is the i-th derivative of z^a, for all |a| = |i| = k <= p (rationals)."""
    for p in range(1, 6):
        for k in range(1, p + 1):
            patterns = [
                i for m in (1, 2, 3) for i in itertools.product(range(1, k + 1), repeat=m) if sum(i) == k
            ]
            for i in patterns:
                js, weights = gamma(i, p)
                for a in itertools.product(range(k + 1), repeat=len(i)):
                    if sum(a) != k:
                        continue
                    value = sum(
                        w * np.prod([float(b) ** c for b, c in zip(j, a, strict=True)])
                        for j, w in zip(js, weights, strict=True)
                    )
                    expected = np.prod([float(np.prod(np.arange(1, c + 1))) for c in a]) if a == i else 0.0
                    assert value == pytest.approx(expected, rel=1e-11, abs=1e-9), (p, i, a)


def test_multisets_are_ranked_in_their_order():
    for n, p in ((3, 2), (4, 3), (2, 5)):
        tuples = multisets(n, p)
        assert len(tuples) == math.comb(n + p - 1, p)
        assert np.array_equal(rank(list(tuples.T), n), np.arange(len(tuples)))
        assert np.array_equal(lattice(tuples, n).sum(axis=1), np.full(len(tuples), p))


@pytest.mark.parametrize("w", [np.ones(3), np.array([1.0, 1e-6, 1e6])])
def test_a_quadratic_form_is_recovered_whatever_the_lengths(w):
    """c_2(s) = s^T A s / 2 along s = w j gives A back, element by element."""
    A = np.array([[2.0, -1.0, 3.0], [-1.0, 4.0, 0.5], [3.0, 0.5, -6.0]]) / np.outer(w, w)
    s = w * lattice(multisets(3, 2), 3)
    c = np.einsum("ki,ij,kj->k", s, A, s) / 2
    np.testing.assert_allclose(symmetric(interpolate(c, 3, 2, 2, w), 3, 2), A, rtol=1e-12)
