"""Definition of CurveBall: the minimiser over the span of D and z, in each of its branches."""

import numpy as np
import pytest

from refopt.oracle.exact.curve_ball import best_of_span


@pytest.mark.parametrize(
    ("K", "branch"),
    [
        (np.diag([1.0, 2.0, 3.0]), "regular"),
        (np.diag([1.0, -2.0, -0.5]), "indefinite"),
    ],
)
def test_over_a_plane_the_step_is_newtons_with_the_sizes_of_the_eigenvalues(K, branch):
    rng = np.random.default_rng(2)
    u, D, z = (rng.standard_normal(3).astype(np.longdouble) for _ in range(3))
    beta, rho, found = best_of_span(u, D, z, K @ D, K @ z)
    Q = np.linalg.qr(np.stack([D, z], axis=1).astype(float))[0]
    values, V = np.linalg.eigh(Q.T @ K @ Q)
    right = -Q @ V @ ((V.T @ (Q.T @ u.astype(float))) / abs(values))
    assert found == branch and (rho * z - beta * D).astype(float) == pytest.approx(right, rel=1e-12)


def test_over_a_line_one_coefficient_is_left():
    u, D = np.array([1.0, 2.0]), np.array([2.0, 0.0])
    assert best_of_span(u, D, 3 * D, 2 * D, 6 * D) == (0.25, 0.0, "rank one")
    assert best_of_span(u, D, 0 * D, -2 * D, 0 * D) == (0.25, 0.0, "indefinite")
    beta, rho, branch = best_of_span(u, 0 * D, D, 0 * D, 2 * D)  # z solves the system already
    assert (beta, rho, branch) == (0, 1, "rank one")
