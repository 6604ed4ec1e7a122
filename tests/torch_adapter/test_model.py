"""refopt.torch.objective: torch's derivatives are those of autograd, and every method runs on a torch
model.
"""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch_adapter.cases import DEVICE, X0, S, V, W, numpy_function, torch_pair, weights

import refopt
import refopt.torch
from refopt.fit import objective_of
from refopt.function import FunctionObjective
from refopt.registry import ENTRIES


def test_answers_belong_to_their_point_though_the_parameters_move():
    objective, _ = torch_pair()
    numpy = FunctionObjective(numpy_function, X0)
    first, second = objective.at(X0), objective.at(X0 + 0.1)
    operator = objective.contraction(first, (W,))
    model = first.model(S, 3)
    first.hvp(V), second.hvp(V), second.f
    there = numpy.at(X0)
    np.testing.assert_allclose(first.hvp(V), there.hvp(V), rtol=1e-12)
    assert second.g.shape == (4,)
    np.testing.assert_allclose(operator(V), numpy.contraction(there, (W,))(V), rtol=1e-12)
    second.hvp(V)
    np.testing.assert_allclose(model[2](V), there.model(S, 3)[2](V), rtol=1e-12)
    np.testing.assert_allclose(second.g, numpy.at(X0 + 0.1).g, rtol=1e-12)
    late = objective.at(X0 + 0.2)
    late.f, second.hvp(V)
    np.testing.assert_allclose(late.g, numpy.at(X0 + 0.2).g, rtol=1e-12)  # its graph had been dropped


def test_every_call_is_counted_and_limited():
    calls = []
    w = torch.tensor(X0, device=DEVICE, requires_grad=True)

    def closure():
        calls.append(1)
        return ((w**2 - 1) ** 2).sum()

    objective = refopt.torch.objective(closure, [w])
    for method in ("Newton", "LBFGS", "NewtonNewton", "CubicAdam"):
        calls.clear()
        res = refopt.minimize(objective, X0, method=method, options={"maxiter": 5})
        assert res.nfev == len(calls) and res.njev > 0
    calls.clear()
    res = refopt.minimize(objective, X0, method="LBFGS", options={"maxfev": 4})
    assert len(calls) == 4 and res.status == refopt.Status.MAXFEV.number
    point = objective.at(X0)
    objective.begin(X0)
    calls.clear()
    point.f, point.g, point.hvp(V), point.hvp(S), point.hess, point.taylor(S, 3)
    assert len(calls) == 2 and (
        objective.nfev,
        objective.njev,
        objective.nhvp,
        objective.nhev,
        objective.ntaylor,
    ) == (2, 1, 2, 1, 1)


def test_the_parameters_hold_the_answer():
    """Converged, cut off, interrupted by an exception, written by hand."""
    objective, (a, b) = torch_pair()

    def held():
        return torch.cat([a.detach(), b.detach().reshape(-1)]).cpu().numpy()

    res = refopt.minimize(objective, method="Newton")
    assert res.success
    np.testing.assert_array_equal(held(), res.x)
    start = res.x + 0.5
    objective.write(start)
    np.testing.assert_array_equal(held(), start)
    res = refopt.minimize(objective, method="StrongWolfe", options={"maxfev": 3})
    np.testing.assert_array_equal(res.x, held())
    assert not res.success and res.fun <= FunctionObjective(numpy_function, start).at(start).f

    def stop(xk):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough") as caught:
        refopt.minimize(objective, start, method="Newton", callback=stop)
    np.testing.assert_array_equal(held(), caught.value.partial_result.x)


def digits_network():
    """Half-resolution digits and a tanh network with 64 parameters."""
    images, labels = load_digits(return_X_y=True)
    X = torch.tensor(images[:200].reshape(-1, 4, 2, 4, 2).mean((2, 4)).reshape(-1, 16) / 16, device=DEVICE)
    torch.manual_seed(0)
    model = (
        torch.nn.Sequential(torch.nn.Linear(16, 2), torch.nn.Tanh(), torch.nn.Linear(2, 10))
        .double()
        .to(DEVICE)
    )
    return model, X, torch.tensor(labels[:200], device=DEVICE)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e.name)
def test_every_method_minimises_on_digits(entry):
    """Four iterations of every recipe lower the loss, from the closure that the method needs; the model
    holds it.
    """
    model, X, y = digits_network()
    method = entry.complete(**entry.quick)

    def loss(z):
        return torch.nn.functional.cross_entropy(z, y)

    needs_parts = {"gauss-newton", "residuals"} & method.all_needs()
    objective = refopt.torch.objective(
        lambda: (model(X), loss) if needs_parts else loss(model(X)), model.parameters()
    )
    before = loss(model(X)).item()
    res = refopt.minimize(objective, method=method, options={"maxiter": 4}, rng=0)
    assert res.fun < before, f"{entry.name}: {before} -> {res.fun}, {res.message}"
    assert loss(model(X)).item() == pytest.approx(res.fun, rel=1e-12)


@pytest.mark.parametrize("method, least", [("LBFGS", 1.2), ("Newton", 1.5)])
def test_digits_are_learned(method, least):
    """From 2.37."""
    model, X, y = digits_network()
    objective = refopt.torch.objective(
        lambda: torch.nn.functional.cross_entropy(model(X), y), model.parameters()
    )
    assert (
        refopt.minimize(objective, method=method, options={"maxiter": {"LBFGS": 60}.get(method, 12)}).fun
        < least
    )


def test_higher_order_newton_on_a_torch_model():
    """Order 3, tensors and matrix-free, walk the same path as on the NumPy function."""
    for derivatives in ("tensors", "matrix-free"):
        objective, _ = torch_pair()
        method = refopt.HigherOrderNewton(order=3, derivatives=derivatives)
        ours = refopt.minimize(objective, X0, method=method, options={"maxiter": 3})
        theirs = refopt.minimize(numpy_function, X0, method=method, options={"maxiter": 3})
        np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-6)  # the subproblem is solved to a tolerance


# ---------------------------------------------------------------- models and losses


@pytest.mark.parametrize("kind", ["squares", "cross-entropy", "linear"])
def test_gauss_newton_is_that_of_autograd(kind):
    A = np.random.default_rng(4).normal(size=(6, 4))
    w = torch.tensor(X0, device=DEVICE, requires_grad=True)
    At = torch.tensor(A, device=DEVICE)
    numpy_model, torch_model = lambda x: anp.tanh(anp.dot(A, x)) - 0.5, lambda: torch.tanh(At @ w) - 0.5
    fun, loss = {
        "squares": (refopt.LeastSquares(numpy_model), refopt.torch.squares),
        "cross-entropy": (
            refopt.ModelLoss(numpy_model, lambda y: anp.log(anp.sum(anp.exp(y))) - y[2]),
            lambda y: torch.logsumexp(y, 0) - y[2],
        ),
        "linear": (refopt.ModelLoss(numpy_model, lambda y: anp.sum(y)), torch.sum),
    }[kind]
    ours = refopt.torch.objective(lambda: (torch_model(), loss), [w]).at(X0)
    theirs = objective_of(fun, X0).at(X0)
    np.testing.assert_allclose(ours.f, theirs.f, rtol=1e-13)
    for quantity in (
        lambda p: p.g,
        lambda p: p.jacobian,
        lambda p: p.gauss_newton,
        lambda p: p.gauss_newton_product(V),
    ):
        np.testing.assert_allclose(quantity(ours), quantity(theirs), rtol=1e-12, atol=1e-13)
    if kind == "squares":
        np.testing.assert_allclose(ours.residuals, theirs.residuals, rtol=1e-13)
    else:
        with pytest.raises(TypeError, match="squares"):
            print(ours.residuals)


def test_frozen_and_unused_parameters():
    a = torch.ones(2, dtype=torch.float64, device=DEVICE, requires_grad=True)
    frozen = torch.ones(2, dtype=torch.float64, device=DEVICE)
    unused = torch.ones(1, dtype=torch.float64, device=DEVICE, requires_grad=True)
    objective = refopt.torch.objective(lambda: (a**2 * frozen).sum(), [a, frozen, unused, a])
    assert objective.n == 3
    point = objective.at(np.ones(3))
    np.testing.assert_array_equal(point.hess, np.diag([2.0, 2.0, 0.0]))
    np.testing.assert_array_equal(point.g, [2.0, 2.0, 0.0])


def test_a_user_graph_over_moved_parameters_is_refused_not_wrong():
    """Writing parameters tells torch: a graph kept from before raises instead of giving wrong gradients."""
    w = torch.ones(3, dtype=torch.float64, device=DEVICE, requires_grad=True)
    old = (w**3).sum()
    refopt.torch.objective(lambda: (w**2).sum(), [w]).write(np.zeros(3))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        old.backward()


def test_objective_of_minimize():
    w = weights()
    objective = refopt.torch.objective(lambda: (w**2).sum(), [w])
    for name in ("jac", "hess", "hessp"):
        with pytest.raises(TypeError, match=f"{name} was given with TorchObjective.*leave {name} out"):
            refopt.minimize(objective, **{name: lambda x: x})
    with pytest.raises(TypeError, match="args was given"):
        refopt.minimize(objective, args=(1,))
    with pytest.raises(ValueError, match="x0 has 2 variables, but the objective has 3"):
        refopt.minimize(objective, [1.0, 2.0])
    with pytest.raises(ValueError, match=r"write: x must have shape \(3,\), got \(2,\)"):
        objective.write([1.0, 2.0])
    with pytest.raises(TypeError, match="closure must be callable"):
        refopt.torch.objective(3, [w])
    with pytest.raises(MemoryError, match="9 variables|GiB"):
        many = weights(2000)
        refopt.torch.objective(lambda: (many**4).sum(), [many]).at(np.ones(2000)).tensors(3)
    with pytest.raises(TypeError, match="x0 is None"):
        refopt.minimize(lambda x: x[0])
