"""An objective seen through a linear map: every quantity against the composition written out."""

from __future__ import annotations

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

import refopt
from refopt.fit import objective_of
from refopt.views.linear_map import Isometry, Restriction
from refopt.views.projected import BlockObjective, ProjectedObjective

ADAM = refopt.Adam()


# ---------------------------------------------------------------- the projected objective

SHAPES = ((3, 2), (), (3,))
X = np.random.default_rng(11).standard_normal(10)
A = np.random.default_rng(12).standard_normal((10, 10))


def residuals(x):
    return anp.concatenate([anp.sin(A @ x), x**2 / 2])


LEAST = refopt.LeastSquares(residuals)
SPACES = {
    "blocks": refopt.BlockPartition(ADAM, 4, batched=True),
    "cube": refopt.TensorizeProjection(ADAM, 3),
    "fft": refopt.FFTProjection(ADAM),
    "fft forward": refopt.FFTProjection(ADAM, norm="forward", one_d=True),
    "dct": refopt.DCTProjection(ADAM),
}


@pytest.mark.parametrize("name", SPACES)
def test_projected_objective_is_the_composition_written_out(name):
    """Every quantity against autograd through the dense matrix of Q; 1e-10: sums of ten terms of size 1."""
    space = SPACES[name].space(10, SHAPES)
    point = objective_of(LEAST, X, shapes=SHAPES).at(X)
    seen = ProjectedObjective(point, space).start
    Q = space.unproject(np.eye(space.m)).T
    z = space.project(X)
    phi = lambda z: LEAST(Q @ z)  # noqa: E731
    rng = np.random.default_rng(5)
    v, w = rng.standard_normal((2, space.m))
    size = max(1.0, np.abs(Q).max() ** 3)

    def close(a, b):
        assert np.allclose(a, b, rtol=1e-10, atol=1e-10 * size), name

    close(seen.x, z)
    close(seen.f, phi(z))
    gradient, H = autograd.grad(phi)(z), autograd.hessian(phi)(z)
    close(seen.g, gradient)
    close(seen.dense_hessian(), H)
    close(seen.hvp(v), H @ v)
    T = autograd.jacobian(autograd.hessian(phi))(z)
    Hw, third = seen.objective.third(seen, w)
    close(Hw, H @ w)
    close(third(v), T @ v @ w)
    contraction = seen.objective.contraction(seen, (w,))
    close(contraction(v), T @ v @ w)
    close(contraction.matrix(), T @ w)
    close(contraction.matrix(vectorize=False), T @ w)
    close(seen.objective.contraction(seen, ()).matrix(), H)
    f, g, second, cubic = seen.tensors(3)
    for got, wanted in ((f, phi(z)), (g, gradient), (second, H), (cubic, T)):
        close(got, wanted)
    coefficients = np.array([phi(z), gradient @ v, v @ H @ v / 2, v @ (T @ v) @ v / 6])
    close(seen.taylor(v, 3), coefficients)
    close(seen.taylor(np.stack([v, w]), 3)[:, 0], coefficients)
    value, slope, product = seen.model(v, 2)
    close(value, coefficients[:3].sum())
    close(slope, gradient + H @ v)
    close(product(w), H @ w)
    r = lambda z: residuals(Q @ z)  # noqa: E731
    J = autograd.jacobian(r)(z)
    close(seen.residuals, r(z))
    close(seen.jacobian, J)
    close(seen.gauss_newton, 2 * J.T @ J)
    close(seen.gauss_newton_product(v), 2 * J.T @ (J @ v))
    trial = seen.after(v)
    close(trial.f, phi(z - v))
    close(trial.g, autograd.grad(phi)(z - v))


@pytest.mark.parametrize("n", [10, 1003])
def test_block_objective_is_f_with_the_other_variables_held(n):
    """On both sides of the size from which the block of the Hessian comes column by column."""
    x = np.random.default_rng(6).standard_normal(n)
    fun = lambda x: anp.sum(anp.sin(x[1:] * x[:-1])) + anp.sum(x**4)  # noqa: E731
    point = objective_of(fun, x).at(x)
    seen = BlockObjective(point, Restriction(((n,),), ((3,),), 4, 7)).start
    phi = lambda z: fun(anp.concatenate([x[:4], z, x[7:]]))  # noqa: E731
    v = np.array([0.3, -1.0, 0.2])
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)  # noqa: E731
    close(seen.f, phi(x[4:7]))
    close(seen.g, autograd.grad(phi)(x[4:7]))
    close(seen.dense_hessian(), autograd.hessian(phi)(x[4:7]))
    close(seen.hvp(v), autograd.hessian(phi)(x[4:7]) @ v)
    trial = seen.after(v)
    close(trial.f, phi(x[4:7] - v))
    close(trial.g, autograd.grad(phi)(x[4:7] - v))
    assert np.array_equal(seen.objective.parent(trial).x, np.concatenate([x[:4], x[4:7] - v, x[7:]]))


def test_what_the_parent_knows_is_not_computed_again():
    objective = objective_of(LEAST, X)
    point = objective.at(X)
    assert np.isfinite(point.f) and point.g.size == 10
    calls = objective.nfev
    seen = ProjectedObjective(point, SPACES["dct"].space(10, SHAPES)).start
    assert seen.f == point.f and np.isfinite(seen.g).all()
    assert objective.nfev == calls
    update = seen.g * 0.1
    assert np.isfinite(seen.after(update).f)
    assert objective.nfev == calls + 1
    assert np.isfinite(point.after(seen.objective.space.unproject(update)).f)  # where the driver goes
    assert objective.nfev == calls + 1


@pytest.mark.parametrize("norm", [None, "backward", "forward", "ortho"])
@pytest.mark.parametrize("one_d", [False, True])
def test_directional_derivatives_tell_project_from_chain_rule(norm, one_d):
    """phi'(z) along d by differences: the chain rule's gradient agrees, "project" is off by far."""
    space = refopt.FFTProjection(ADAM, norm=norm, one_d=one_d).space(10, SHAPES)
    point = objective_of(LEAST, X, shapes=SHAPES).at(X)
    d = np.random.default_rng(8).standard_normal(space.m)
    d /= np.linalg.norm(space.unproject(d))
    error = {}
    for exact in (True, False):
        seen = ProjectedObjective(point, space, exact).start
        h = 1e-5
        slope = (seen.objective.at(seen.x + h * d).f - seen.objective.at(seen.x - h * d).f) / (2 * h)
        error[exact] = abs(seen.g @ d - slope) / np.linalg.norm(point.g)
    assert error[True] < 1e-8  # h^2 and rounding / h
    assert error[False] > 1e-2


def test_isometries_have_one_gradient():
    for name, projection in SPACES.items():
        space = projection.space(10, SHAPES)
        same = np.allclose(space.project(X), space.unproject_adjoint(X), rtol=1e-14, atol=0)
        assert same == isinstance(space, Isometry), name
