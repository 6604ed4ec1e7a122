"""Ball-constrained subproblems: optimality conditions, hard case, agreement with SciPy, planted errors."""

import autograd.numpy as anp
import numpy as np
import pytest
from functions import SMOOTH, model_of

from refopt.function import FunctionObjective
from refopt.models.taylor import Penalised, TensorModel, taylor_model
from refopt.solvers.ball import Ball, certificate, minimise_freely, minimise_in, quadratic_in_ball
from refopt.solvers.subproblem import freely, in_ball


def minimise_in_ball(model, r, start, **how):
    return minimise_in(model, Ball(r), start, **how)


def moresorensen_defect(H, g, r, z, lam):
    """How far (z, lam) is from the conditions of a global minimiser, relative to the sizes involved."""
    w = np.linalg.eigvalsh(H)
    size = np.abs(w).max() * r + np.linalg.norm(g)
    return max(
        np.linalg.norm(H @ z + lam * z + g) / size,  # stationarity
        max(0.0, -(w[0] + lam)) * r / size,  # H + lam I positive semidefinite
        max(0.0, np.linalg.norm(z) / r - 1),
        max(0.0, -lam) * r / size,
        lam * (r - np.linalg.norm(z)) / size,  # complementarity
    )


def random_quadratic(seed, kind):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 9))
    V = np.linalg.qr(rng.normal(size=(n, n)))[0]
    w = np.sort(rng.normal(size=n)) * 10.0 ** rng.uniform(-3, 3)
    if kind == "convex":
        w = np.abs(w)
    g = rng.normal(size=n) * 10.0 ** rng.uniform(-3, 3)
    if kind == "hard":
        w[0] = -np.abs(w).max() - 0.1
        g = g - V[:, 0] * (V[:, 0] @ g)
    if kind == "singular":
        w = np.maximum(w, 0)
    if kind == "double":
        w[: n // 2 + 1] = -abs(w[0])
    return V @ np.diag(w) @ V.T, g, 10.0 ** rng.uniform(-2, 2)


@pytest.mark.parametrize("kind", ["convex", "indefinite", "hard", "singular", "double"])
@pytest.mark.parametrize("seed", range(40))
def test_quadratic_meets_the_conditions_of_a_global_minimiser(kind, seed):
    H, g, r = random_quadratic(seed, kind)
    H = (H + H.T) / 2
    z, lam = quadratic_in_ball(*np.linalg.eigh(H), g, r)
    # eigh is backward stable: n eps |H| in every product
    assert moresorensen_defect(H, g, r, z, lam) < 1e-11, f"seed {seed}"


def test_checker_sees_planted_errors():
    H, g, r = np.diag([-2.0, 1.0, 3.0]), np.array([1.0, 1.0, 1.0]), 2.0
    z, lam = quadratic_in_ball(*np.linalg.eigh(H), g, r)
    assert moresorensen_defect(H, g, r, z, lam) < 1e-13
    for wrong in ((z * (1 + 1e-6), lam), (z, lam * (1 + 1e-6)), (-z, lam), (z * 0.5, lam)):
        assert moresorensen_defect(H, g, r, *wrong) > 1e-8
    other = -np.linalg.solve(H + 0.5 * np.eye(3), g)  # stationary, but H + lam I is indefinite
    assert moresorensen_defect(H, g, np.linalg.norm(other), other, 0.5) > 1e-2


def test_hard_case_goes_to_the_boundary_and_a_zero_gradient_leaves_a_saddle():
    H = np.diag([-1.0, 2.0])
    z, lam = quadratic_in_ball(*np.linalg.eigh(H), np.array([0.0, 1.0]), 3.0)
    assert np.linalg.norm(z) == pytest.approx(3.0, rel=1e-14) and lam == 1.0
    z, lam = quadratic_in_ball(*np.linalg.eigh(H), np.zeros(2), 3.0)
    assert np.abs(z).tolist() == [3.0, 0.0]
    z, lam = quadratic_in_ball(*np.linalg.eigh(np.zeros((2, 2))), np.zeros(2), 3.0)
    assert not z.any() and lam == 0.0


def test_graded_hessian_does_not_spoil_the_soft_directions():
    # eigenvalues from 1e-6 to 1e10: the rounding of the stiff one is as large as the soft ones
    H, g = np.diag([1e-6, 1.0, 1e10]), np.array([1e-5, 1.0, 50.0])
    answer = minimise_in_ball(TensorModel([np.array(0.0), g, H]), 3.0, np.zeros(3))
    assert answer.value <= 0.999 * -0.5 * (1.0 + 2500 / 1e10)


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("r", [0.1, 1.0, 5.0])
def test_model_answer_is_a_certified_minimum_no_higher_than_scipys(name, order, r):
    n, seed = 3, order
    model = model_of(name, n, order, seed)
    answer = minimise_in_ball(model, r, np.zeros(n))
    assert np.linalg.norm(answer.s) <= r * (1 + 1e-12)
    assert answer.multiplier >= 0
    assert answer.value == pytest.approx(model.value(answer.s), rel=1e-12)
    at = model.expand(answer.s)
    left = np.linalg.norm(at.gradient + answer.multiplier * answer.s)
    assert left == pytest.approx(answer.residual, abs=1e-14)
    assert answer.residual <= 1e-6 * max(answer.first, np.linalg.norm(at.gradient)), f"seed {seed}"
    theirs = in_ball(model, r, solver="trust-constr")
    assert answer.value <= theirs.value + 1e-9 * abs(theirs.value), f"seed {seed}"


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("r", [0.2, 1.0])
def test_without_tensors_the_answer_is_the_same(order, r):
    dense = minimise_in_ball(model_of("waves", 5, order, 3), r, np.zeros(5))
    free = minimise_in_ball(model_of("waves", 5, order, 3, "matrix-free"), r, np.zeros(5), tol=1e-9)
    assert free.value == pytest.approx(dense.value, rel=1e-9)
    assert free.s == pytest.approx(dense.s, abs=1e-6)


def test_krylov_subspace_solves_a_large_quadratic_in_the_ball():
    n = 400
    d = np.linspace(-1.0, 50.0, n)
    fun = lambda x: 0.5 * anp.sum(d * x**2) + anp.sum(x)  # noqa: E731
    x = np.zeros(n)
    model = taylor_model(FunctionObjective(fun, x).at(x), 2, "matrix-free")
    exact, lam = quadratic_in_ball(d, np.eye(n), np.ones(n), 4.0)
    answer = minimise_in_ball(model, 4.0, np.zeros(n), tol=1e-8)
    assert answer.s == pytest.approx(exact, abs=1e-6)
    assert answer.multiplier == pytest.approx(lam, rel=1e-6)


def test_unbounded_models_are_reported_and_bounded_ones_are_not():
    cubic = TensorModel([np.array(0.0), np.array([1.0]), np.array([[0.0]]), np.array([[[6.0]]])])  # s^3 + s
    assert not minimise_freely(cubic, 1.0).bounded
    assert minimise_freely(Penalised(cubic, 1.0, 4), 1.0).bounded
    assert not freely(cubic, 1.0, solver="BFGS").bounded
    well = TensorModel([np.array(0.0), np.array([-1.0]), np.array([[0.0]]), np.array([[[6.0]]])])  # s^3 - s
    answer = minimise_freely(well, 0.01)
    assert answer.bounded and answer.s == pytest.approx([3**-0.5], rel=1e-10)


def test_certificate_inside_and_on_the_sphere():
    assert certificate(np.array([0.5, 0.0]), np.array([3.0, 4.0]), 1.0)[0] == 0.0
    lam, left = certificate(np.array([1.0, 0.0]), np.array([-2.0, 0.5]), 1.0)
    assert lam == 2.0 and left.tolist() == [0.0, 0.5]
    assert certificate(np.array([1.0, 0.0]), np.array([2.0, 0.5]), 1.0)[0] == 0.0  # g points outwards
