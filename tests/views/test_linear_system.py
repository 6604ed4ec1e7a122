"""A linear system as an objective: both forms against their definition, and what they cost."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest

from refopt.function import FunctionObjective
from refopt.views.linear_system import LinearSystem

SEED = 20240611


@pytest.mark.parametrize("kind", ["residual", "energy"])
def test_the_system_is_the_definition_with_its_derivatives(kind):
    rng = np.random.default_rng(SEED)
    A, u, d, s = rng.standard_normal((5, 5)), *rng.standard_normal((3, 5))
    A = A + A.T

    def define(d):
        r = anp.dot(A, d) - u
        return anp.mean(r**2) if kind == "residual" else anp.dot(d, anp.dot(A, d)) / 2 - anp.dot(u, d)

    ours, theirs = LinearSystem(lambda v: A @ v, u, kind).at(d), FunctionObjective(define, d).at(d)
    exact = {"rtol": 1e-13, "atol": 1e-13, "err_msg": f"seed {SEED}"}  # sums of five products
    np.testing.assert_allclose(ours.f, theirs.f, **exact)
    np.testing.assert_allclose(ours.g, theirs.g, **exact)
    np.testing.assert_allclose(ours.hvp(s), theirs.hvp(s), **exact)
    np.testing.assert_allclose(ours.dense_hessian(), theirs.dense_hessian(), **exact)
    np.testing.assert_allclose(ours.taylor(s, 3), theirs.taylor(s, 3), **exact)
    np.testing.assert_allclose(ours.taylor(np.stack([s, d]), 2), theirs.taylor(np.stack([s, d]), 2), **exact)
    for a, b in zip(ours.tensors(3), theirs.tensors(3), strict=True):
        np.testing.assert_allclose(a, b, **exact)
    for order in (1, 2, 3):
        for a, b in zip(ours.model(s, order)[:2], theirs.model(s, order)[:2], strict=True):
            np.testing.assert_allclose(a, b, **exact)
    if kind == "residual":
        np.testing.assert_allclose(np.sum(ours.residuals**2), ours.f, **exact)
        np.testing.assert_allclose(2 * ours.jacobian.T @ ours.residuals, ours.g, **exact)
    else:
        with pytest.raises(TypeError, match="no residuals"):
            ours.residuals  # noqa: B018
    assert not np.allclose(ours.g, 1.001 * theirs.g, rtol=1e-13)  # the tolerance sees a wrong factor


def test_products_are_counted_one_for_a_value_one_or_two_for_a_gradient():
    for kind, cost in (("residual", 2), ("energy", 1)):
        count = []
        point = LinearSystem(lambda v, c=count: c.append(0) or 2 * v, np.ones(3), kind).at(np.ones(3))
        point.f, point.g  # noqa: B018
        assert len(count) == cost
