"""Inverses of J^T J and of H: against exact fractions, under scaling, and where the matrix is singular."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from refopt.solvers.inverse import gram_inverse, symmetric_inverse

EPS = np.finfo(float).eps
NAN, INF = np.nan, np.inf


def exact_inverse(A):
    """The inverse of a matrix of floats, in fractions, rounded once: Gauss-Jordan without pivoting."""
    n = len(A)
    rows = [[Fraction(a) for a in row] + [Fraction(i == j) for j in range(n)] for i, row in enumerate(A)]
    for k in range(n):
        rows[k] = [a / rows[k][k] for a in rows[k]]
        for i in range(n):
            if i != k:
                rows[i] = [a - rows[i][k] * b for a, b in zip(rows[i], rows[k], strict=True)]
    return np.array([[float(a) for a in row[n:]] for row in rows])


def exact_gram_inverse(J):
    F = [[Fraction(float(a)) for a in row] for row in J]
    n = J.shape[1]
    return exact_inverse([[sum(row[i] * row[j] for row in F) for j in range(n)] for i in range(n)])


def relative_error(A, B):
    """In units of the standard errors: |A_ij - B_ij| / sqrt(B_ii B_jj)."""
    size = np.sqrt(np.diag(B))
    return np.abs((A - B) / size / size[:, None]).max()


# columns of a polynomial, t from 1000 to 1011: scaled condition number 4e5
POLYNOMIAL = np.vander(np.arange(1000.0, 1012.0), 3, increasing=True)


def test_gram_inverse_is_exact_to_the_condition_number_of_J():
    exact = exact_gram_inverse(POLYNOMIAL)
    inverse = gram_inverse(POLYNOMIAL, EPS)
    # singular values are right to eps sigma_1, so their inverse squares to 2 eps times the condition number
    assert 1e5 < inverse.condition < 1e8 and not inverse.open.any() and not inverse.negative
    assert relative_error(inverse.matrix, exact) <= 10 * EPS * inverse.condition
    # the same bound is far out of reach of the inverse of J^T J, even scaled
    scale = np.linalg.norm(POLYNOMIAL, axis=0)
    J = POLYNOMIAL / scale
    careless = np.linalg.inv(J.T @ J) / scale / scale[:, None]
    assert relative_error(careless, exact) > 1e3 * EPS * inverse.condition


@pytest.mark.parametrize("seed", range(5))
def test_random_matrices(seed):
    rng = np.random.default_rng(seed)
    J = rng.standard_normal((9, 4)) * 10.0 ** rng.uniform(-12, 12, 4)
    inverse = gram_inverse(J, EPS)
    assert relative_error(inverse.matrix, exact_gram_inverse(J)) <= 30 * EPS * inverse.condition, (
        "seed",
        seed,
    )
    A = J[:4] @ np.diag(1 / np.linalg.norm(J, axis=0))
    H = A @ A.T + np.eye(4)
    inverse = symmetric_inverse(H, EPS)
    assert relative_error(inverse.matrix, exact_inverse(H.tolist())) <= 30 * EPS * inverse.condition, (
        "seed",
        seed,
    )


def test_units_do_not_matter():
    units = 2.0 ** np.array([-300, 0, 320])
    plain, scaled = gram_inverse(POLYNOMIAL, EPS), gram_inverse(POLYNOMIAL * units, EPS)
    assert np.array_equal(scaled.matrix, plain.matrix / units / units[:, None])
    assert scaled.condition == plain.condition
    units = 2.0 ** np.array([-200, 0, 220])
    H = np.array([[4.0, 1, 1], [1, 9, 1], [1, 1, 25]])
    plain, scaled = symmetric_inverse(H, EPS), symmetric_inverse(H * units * units[:, None], EPS)
    assert np.array_equal(scaled.matrix, plain.matrix / units / units[:, None])
    assert np.allclose(plain.matrix @ H, np.eye(3), rtol=0, atol=1e-14)


def test_what_a_singular_jacobian_leaves_open():
    t = np.arange(4.0)
    # x0 and x1 enter as their sum only; x2 is determined: its column is orthogonal to theirs
    J = np.stack([np.ones(4), np.ones(4), t - 1.5], axis=1)
    inverse = gram_inverse(J, EPS)
    assert inverse.open.tolist() == [True, True, False]
    expected = [[INF, NAN, NAN], [NAN, INF, NAN], [NAN, NAN, 1 / 5]]
    np.testing.assert_allclose(inverse.matrix, expected, rtol=1e-14)
    # a parameter without any influence does not disturb the others
    J = np.stack([np.ones(4), np.zeros(4)], axis=1)
    np.testing.assert_allclose(gram_inverse(J, EPS).matrix, [[1 / 4, NAN], [NAN, INF]], rtol=1e-14)
    assert gram_inverse(np.zeros((3, 2)), EPS).open.all()


def test_a_singular_hessian():
    H = np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0], [0.0, 0.0, 5.0]])
    inverse = symmetric_inverse(H, EPS)
    assert inverse.open.tolist() == [True, True, False] and not inverse.negative
    np.testing.assert_allclose(
        inverse.matrix, [[INF, NAN, NAN], [NAN, INF, NAN], [NAN, NAN, 1 / 5]], rtol=1e-14
    )
    assert symmetric_inverse(np.diag([1e-30, 0.0, 1e30]), EPS).open.tolist() == [False, True, False]
    assert symmetric_inverse(np.zeros((2, 2)), EPS).open.all()


@pytest.mark.parametrize("H", [[[1.0, 2.0], [2.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]], [[1.0, 3.0], [3.0, 0.0]]])
def test_an_indefinite_hessian_is_inverted_and_named(H):
    inverse = symmetric_inverse(np.array(H), EPS)
    assert inverse.negative and inverse.lowest < -0.1 and not inverse.open.any()
    np.testing.assert_allclose(inverse.matrix @ H, np.eye(2), rtol=0, atol=1e-14)


def test_a_zero_on_the_diagonal_is_not_taken_for_a_singular_matrix():
    inverse = symmetric_inverse(np.array([[1e10, 1e-3], [1e-3, 0.0]]), EPS)
    assert inverse.negative and not inverse.open.any()


def test_the_error_of_the_entries_decides_what_is_singular():
    J = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-6], [1.0, 1.0 - 1e-6]])
    assert not gram_inverse(J, EPS).open.any()
    assert gram_inverse(J, np.finfo(np.float32).eps * 10).open.all()
    H = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-9]])
    assert not symmetric_inverse(H, EPS).open.any()
    assert symmetric_inverse(H, np.sqrt(EPS)).open.all()
