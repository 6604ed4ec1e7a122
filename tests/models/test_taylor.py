"""The Taylor model: its two representations agree with each other and with the function."""

import autograd.numpy as anp
import numpy as np
import pytest

from refopt.function import FunctionObjective
from refopt.models.taylor import MatrixFree, Penalised, TensorModel, prefers_tensors, taylor_model


def fun(x):
    return anp.sum(anp.sin(x) * anp.roll(x, 1) ** 2) + anp.exp(0.3 * x[0]) * x[-1]


def point_of(n, seed=0, f=fun):
    x = np.random.default_rng(seed).normal(size=n)
    return FunctionObjective(f, x).at(x)


def disagreement(a, b, s, v):
    """Largest relative difference of value, gradient and product of two models at s."""
    A, B = a.expand(s), b.expand(s)
    pairs = ((A.value, B.value), (A.gradient, B.gradient), (A.product(v), B.product(v)))
    return max(np.max(np.abs(p - q)) / max(1.0, np.max(np.abs(p))) for p, q in pairs)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("power", [None, 2, 5])
def test_representations_agree(order, power):
    def wrap(model):
        return model if power is None else Penalised(model, 0.7, power)

    point, rng = point_of(4), np.random.default_rng(order)
    s, v = rng.normal(size=(2, 4))
    dense, free = taylor_model(point, order, "tensors"), taylor_model(point, order, "matrix-free")
    assert isinstance(dense, TensorModel) and isinstance(free, MatrixFree)
    assert disagreement(wrap(dense), wrap(free), s, v) < 1e-13
    assert disagreement(wrap(dense), wrap(free), np.zeros(4), v) < 1e-13
    assert dense.line(s) == pytest.approx(free.line(s), rel=1e-12, abs=1e-13)
    assert dense.value(s) == pytest.approx(dense.line(s).sum(), rel=1e-12)
    assert free.value(s) == pytest.approx(dense.value(s), rel=1e-12)


def test_checker_sees_a_planted_error():
    point = point_of(4)
    wrong = [t.copy() for t in point.tensors(4)]
    wrong[3][0, 0, 1] += 1e-6
    s, v = np.random.default_rng(1).normal(size=(2, 4))
    assert disagreement(taylor_model(point, 4, "tensors"), TensorModel(wrong), s, v) > 1e-9


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_remainder_has_the_order_of_the_model(order):
    point, s = point_of(3, seed=2), np.random.default_rng(3).normal(size=3)
    model = taylor_model(point, order)
    gap = [abs(fun(point.x + h * s) - point.f - model.value(h * s)) for h in (0.1, 0.05)]
    assert np.log2(gap[0] / gap[1]) == pytest.approx(order + 1, abs=0.35)


def test_penalty_derivatives_by_differences():
    model = Penalised(taylor_model(point_of(3), 3), 1.7, 4)
    s, v, h = np.array([0.3, -0.2, 0.5]), np.array([1.0, 2.0, -1.0]), 1e-5
    at = model.expand(s)
    slope = (model.value(s + h * v) - model.value(s - h * v)) / (2 * h)
    bend = (model.expand(s + h * v).gradient - model.expand(s - h * v).gradient) / (2 * h)
    assert slope == pytest.approx(at.gradient @ v, rel=1e-8)  # central differences: h^2 and eps/h
    assert bend == pytest.approx(at.product(v), rel=1e-7)
    assert at.hessian @ v == pytest.approx(at.product(v))


def test_choice_by_cost():
    assert prefers_tensors(31, 4) and not prefers_tensors(40, 4)
    assert prefers_tensors(40, 3) and not prefers_tensors(100, 3)
    assert prefers_tensors(300, 2) and not prefers_tensors(5000, 1)
    assert isinstance(taylor_model(point_of(50, f=lambda x: anp.sum(x**4)), 4), MatrixFree)


def test_tensors_that_do_not_fit_are_refused_with_the_estimate():
    with pytest.raises(MemoryError, match=r"400 variables up to order 4 need about .* GiB"):
        taylor_model(point_of(400, f=lambda x: anp.sum(x**4)), 4, "tensors")


def test_low_orders_use_the_users_derivatives():
    calls = []
    hess = lambda x: calls.append(0) or 2 * np.eye(2)  # noqa: E731
    x = np.ones(2)
    objective = FunctionObjective(lambda x: float(x @ x), x, jac=lambda x: 2 * x, hess=hess)
    at = taylor_model(objective.at(x), 2).expand(-np.ones(2))
    assert calls and at.value == -2.0 and not at.gradient.any()
