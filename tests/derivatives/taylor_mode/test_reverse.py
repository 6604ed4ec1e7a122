"""Forward over reverse: Taylor coefficients of gradients, by rules for autograd's backward pass."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd.core import VSpace

from refopt.derivatives import gradient, hessian, hvp, taylor
from refopt.derivatives.taylor_mode.rules import RULES


def rosenbrock(x):
    return anp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def smooth(x):
    return anp.exp(anp.sin(x[0] * x[1])) + anp.sum(anp.log(1 + x**2)) * x[2]


X, S, V = np.array([0.3, -0.7, 1.2]), np.array([0.5, 0.4, -0.3]), np.array([1.0, -2.0, 0.7])


def test_taylor_of_the_gradient():
    c = taylor(lambda z: gradient(smooth, z), X, S, 1)
    np.testing.assert_allclose(c[0], gradient(smooth, X), rtol=1e-14)
    np.testing.assert_allclose(c[1], hvp(smooth, X, S), rtol=1e-13)
    batch = taylor(lambda z: gradient(smooth, z), X, np.eye(3), 1)[1]
    np.testing.assert_allclose(batch, hessian(smooth, X), rtol=1e-12, atol=1e-14)


def elements(x):
    total = 0.0
    for i in range(len(x)):
        total = total + x[i] ** 3 * x[i - 1]
    return total + anp.sum(anp.concatenate([x[1:], x[:1] ** 2]) ** 2)


REVERSIBLE = {
    "elements": elements,
    "rosenbrock": rosenbrock,
    "smooth": smooth,
    "dot": lambda x: anp.dot(x, anp.dot(anp.outer(x, x) + anp.eye(3), x)) + anp.dot(x**2, x),
    "matmul": lambda x: anp.sum((anp.outer(x, x) @ x) ** 2),
    "tensordot": lambda x: anp.sum(anp.tensordot(anp.outer(x, x), anp.outer(x, x**2), axes=1) ** 2),
    "einsum": lambda x: anp.einsum("i,ij,j", x, anp.outer(x, x**2), x),
    "broadcast": lambda x: anp.sum(x[:, None] * x**2 / (2 + x[None, :] ** 2)),
    "reduce": lambda x: anp.var(x) * anp.mean(x**2) + anp.prod(x) + anp.sum(anp.cumsum(x) ** 3),
    "norm": lambda x: anp.linalg.norm(x) ** 3 + anp.linalg.norm(x),
    "solve": lambda x: anp.sum(anp.linalg.solve(anp.outer(x, x) + 2 * anp.eye(3), x) ** 2),
    "choose": lambda x: (
        anp.max(x**2)
        + anp.sum(anp.maximum(x, x**2))
        + anp.sum(anp.abs(x) ** 3)
        + anp.sum(anp.where(x > 0, x**2, anp.sin(x)))
    ),
    "tanh": lambda x: anp.sum(anp.tanh(anp.outer(x, x) @ anp.tanh(x)) ** 2),
    "index": lambda x: anp.sum(x[np.array([0, 2, 2])] ** 3 * x[np.array([1, 1, 0])]) + x[-1] ** 2 * x[0],
    "stack": lambda x: anp.sum(anp.stack([x, x**2]) * anp.array([x[0], x[1], x[2] ** 2])),
    "reshape": lambda x: anp.sum((anp.reshape(anp.outer(x, x), (9,)) ** 2) * anp.ravel(anp.outer(x, x).T)),
}


@pytest.mark.parametrize("name", REVERSIBLE)
def test_forward_over_reverse_agrees_with_reverse_over_forward(name):
    """taylor(gradient) and gradient(taylor): two orders of nesting, through different rules."""
    f = REVERSIBLE[name]
    order = 3
    directions = np.stack([S, V, X])
    curve = taylor(lambda z: gradient(f, z), X, directions, order)
    for i, d in enumerate(directions):
        for k in range(order + 1):
            by_reverse = gradient(lambda z, k=k, d=d: taylor(f, z, d, order)[k], X)
            np.testing.assert_allclose(
                curve[k, i], by_reverse, rtol=1e-11, atol=1e-12 * np.abs(curve[k]).max()
            )
            if k < order:  # the gradient in s of the next coefficient is the same vector
                in_s = gradient(lambda s, k=k: taylor(f, X, s, order)[k + 1], d)
                np.testing.assert_allclose(curve[k, i], in_s, rtol=1e-11, atol=1e-12 * np.abs(curve[k]).max())


def test_reverse_pieces_have_rules():
    """Forward over reverse needs the vjps' own primitives."""
    for fun in (VSpace.add, VSpace.mut_add, anp.make_diagonal):
        assert fun in RULES
