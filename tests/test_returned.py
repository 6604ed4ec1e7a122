"""What the user's functions may return, and the error for anything else."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import aslinearoperator

from refopt.returned import hessian_matrix, one_number, symmetrised, vector_of

F = np.dtype(float)


@pytest.mark.parametrize(
    "value", [2, 2.0, True, np.float32(2), np.array(2.0), np.array([2.0]), [2.0], np.array([[2]])]
)
def test_one_number(value):
    assert one_number(value) == float(np.ravel(value)[0]) and type(one_number(value)) is float


@pytest.mark.parametrize(
    "value, error, words",
    [
        (None, TypeError, "returned None"),
        (1j, TypeError, "complex"),
        ("high", TypeError, "one real number, got 'high'"),
        (np.ones(2), ValueError, "wrap them: refopt.LeastSquares"),
        ([], ValueError, "one number"),
    ],
)
def test_not_one_number(value, error, words):
    with pytest.raises(error, match=words):
        one_number(value)


def test_vector_of():
    assert np.array_equal(vector_of("jac", 2, np.dtype(np.float32), [1, 2]), np.float32([1, 2]))
    assert np.array_equal(vector_of("jac", 1, F, 3.0), [3.0]) and vector_of("jac", 1, F, [[3.0]]).shape == (
        1,
    )
    with pytest.raises(
        ValueError, match=r"hessp must return an array of shape \(2,\), got an array of shape \(1, 2\)"
    ):
        vector_of("hessp", 2, F, [[1.0, 2.0]])
    for wrong in ([1j, 0], [None, 1.0]):
        with pytest.raises(TypeError, match="jac must return real numbers"):
            vector_of("jac", 2, F, wrong)


def test_hessian_matrix():
    H = np.array([[2.0, 1.0], [1.0, 3.0]])
    assert np.array_equal(hessian_matrix(H.tolist(), 2, F), H) and hessian_matrix(4, 1, F).tolist() == [[4.0]]
    assert np.array_equal(hessian_matrix(scipy.sparse.coo_matrix(H), 2, F).toarray(), H)
    operator = aslinearoperator(H)
    assert hessian_matrix(operator, 2, F) is operator
    with pytest.raises(ValueError, match=r"hess must return shape \(3, 3\), got shape \(2, 2\)"):
        hessian_matrix(H, 3, F)


def test_symmetrised():
    H = np.array([[1.0, 2.0], [2.0 + 1e-12, 3.0]])
    assert np.array_equal(symmetrised(H, "hess"), (H + H.T) / 2)
    with pytest.raises(
        ValueError, match=r"hess must be symmetric, but entry \[0, 1\] = 2 and \[1, 0\] = 2.1"
    ):
        symmetrised(np.array([[1.0, 2.0], [2.1, 3.0]]), "hess")
