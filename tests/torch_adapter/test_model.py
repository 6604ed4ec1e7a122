"""refopt.torch.objective: torch's derivatives are those of autograd, and every method runs on a torch model."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import refopt
import refopt.torch
from refopt.function import FunctionObjective
from refopt.registry import ENTRIES

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
X0 = np.array([0.3, -0.7, 1.1, 0.4])
S, W, V = np.random.default_rng(3).normal(size=(3, 4))


def numpy_function(x):
    return anp.sum(anp.tanh(x[:2]) * x[2:] ** 3) + anp.exp(x[0] * x[3]) + anp.sum(x**4) / 4


def torch_pair(dtype=torch.float64):
    """The same function of two tensors, and its objective."""
    a = torch.tensor(X0[:2], dtype=dtype, device=DEVICE, requires_grad=True)
    b = torch.tensor(X0[2:].reshape(2, 1), dtype=dtype, device=DEVICE, requires_grad=True)

    def closure():
        x = torch.cat([a, b.reshape(-1)])
        return (torch.tanh(x[:2]) * x[2:] ** 3).sum() + torch.exp(x[0] * x[3]) + (x**4).sum() / 4

    return refopt.torch.objective(closure, [a, b]), (a, b)


def points(dtype=torch.float64):
    objective, _ = torch_pair(dtype)
    x = X0.astype(objective.dtype)
    return objective.at(x), FunctionObjective(numpy_function, X0).at(X0)


QUANTITIES = {
    "f": lambda p: p.f,
    "g": lambda p: p.g,
    "hess": lambda p: p.dense_hessian(),
    "hvp": lambda p: p.hvp(V),
    "fd": lambda p: p.hvp(V, "fd_central"),
    "third": lambda p: p.objective.third(p, W)[0],
    "third product": lambda p: p.objective.third(p, W)[1](V),
    "T[w]": lambda p: p.objective.contraction(p, (W,)).matrix(),
    "T[w] columns": lambda p: p.objective.contraction(p, (W,)).matrix(False),
    "D4[w, s] v": lambda p: p.objective.contraction(p, (W, S))(V),
    "taylor": lambda p: p.taylor(S, 5),
    "taylor batch": lambda p: p.taylor(np.stack([S, W]), 3),
    "taylor 0": lambda p: p.taylor(S, 0),
    "taylor 1": lambda p: p.taylor(S, 1),
    "T": lambda p: p.tensors(3)[3],
    "D4": lambda p: p.tensors(4)[4],
    "tensor 1": lambda p: p.tensors(1)[1],
    "model": lambda p: p.model(S, 4)[0],
    "model gradient": lambda p: p.model(S, 4)[1],
    "model product": lambda p: p.model(S, 4)[2](V),
    "model 1": lambda p: p.model(S, 1)[1],
    "model 1 product": lambda p: p.model(S, 1)[2](V),
    "model 2 product": lambda p: p.model(S, 2)[2](V),
}


@pytest.mark.parametrize("name", QUANTITIES)
def test_derivatives_are_those_of_autograd(name):
    """1e-12 relative to the largest entry: two exact computations in other orders. Differences of gradients: 1e-9."""
    ours, theirs = (np.asarray(QUANTITIES[name](p)) for p in points())
    assert ours.shape == theirs.shape and ours.dtype == np.float64
    np.testing.assert_allclose(
        ours, theirs, rtol=0, atol=(1e-9 if name == "fd" else 1e-12) * np.abs(theirs).max()
    )


@pytest.mark.parametrize("name", ["f", "g", "hess", "hvp", "taylor", "T", "model product"])
def test_float32_stays_float32(name):
    point, exact = points(torch.float32)
    value = QUANTITIES[name](point)
    np.testing.assert_allclose(value, np.asarray(QUANTITIES[name](exact)), rtol=2e-4, atol=2e-4)
    if not np.isscalar(value):
        assert value.dtype == np.float32


@pytest.mark.parametrize("name", [n for n in QUANTITIES if n not in ("f", "g", "model 1 product")])
def test_a_wrong_function_is_seen(name):
    """The comparison above tells these derivatives from those at a point one thousandth away."""
    objective, _ = torch_pair()
    ours, theirs = (
        np.asarray(QUANTITIES[name](objective.at(X0 + 1e-3))),
        np.asarray(QUANTITIES[name](points()[1])),
    )
    assert np.abs(ours - theirs).max() > 1e-9 * np.abs(theirs).max()


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


# Settings that keep a step of these short on 64 parameters; the methods are the registry's.
SHORT = {
    "ScipyNewtonCG": {"kwargs": {"maxiter": 1}},
    "HigherOrderNewton": {"order": 2},
    "NewtonSolver": {"maxiter": 5},
}


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
    """Four iterations of every recipe lower the loss, from the closure that the method needs; the model holds it."""
    model, X, y = digits_network()
    method = entry.complete(**SHORT.get(entry.name, {}))

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


class Cube(torch.autograd.Function):
    """x^3 by a function that cannot be batched."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        return 3 * g * ctx.saved_tensors[0] ** 2


def test_operations_that_cannot_be_batched():
    w = torch.tensor(X0, device=DEVICE, requires_grad=True)
    objective = refopt.torch.objective(lambda: Cube.apply(w).sum(), [w])
    point = objective.at(X0)
    np.testing.assert_allclose(point.hess, np.diag(6 * X0), rtol=1e-14)
    np.testing.assert_allclose(point.tensors(3)[3][2, 2], [0, 0, 6, 0], rtol=1e-14)


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
    theirs = FunctionObjective(fun, X0).at(X0)
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


@pytest.mark.parametrize("kind", ["relu", "batch-norm", "conv", "lstm", "attention", "linear"])
def test_hessian_products_of_layers(kind):
    """Against differences of torch's own gradients: 1e-6 relative, for second derivatives in float64."""
    torch.manual_seed(1)
    X = torch.randn(5, 4, 6, dtype=torch.float64, device=DEVICE)
    model = (
        {
            "relu": lambda: torch.nn.Sequential(
                torch.nn.Linear(6, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1)
            ),
            "batch-norm": lambda: torch.nn.Sequential(
                torch.nn.Flatten(), torch.nn.BatchNorm1d(24), torch.nn.Linear(24, 2)
            ),
            "conv": lambda: torch.nn.Sequential(torch.nn.Conv1d(4, 2, 3), torch.nn.Tanh()),
            "lstm": lambda: Only(torch.nn.LSTM(6, 2, batch_first=True)),
            "attention": lambda: torch.nn.TransformerEncoderLayer(6, 2, 4, dropout=0.0, batch_first=True),
            "linear": lambda: torch.nn.Linear(6, 2),
        }[kind]()
        .double()
        .to(DEVICE)
    )
    loss = (
        (lambda: model(X).sum())
        if kind == "linear"
        else (lambda: (model(X) ** 2).mean() + model(X).sum() / 9)
    )
    with (
        torch.backends.cudnn.flags(enabled=False),
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
    ):
        objective = refopt.torch.objective(loss, model.parameters())
        x = objective.start()
        v = np.random.default_rng(1).normal(size=x.size)
        Hv, H = objective.at(x).hvp(v), objective.at(x).hess
        h = 1e-5
        differences = (objective.at(x + h * v).g - objective.at(x - h * v).g) / (2 * h)
    np.testing.assert_allclose(Hv, differences, rtol=0, atol=1e-6 * max(1, np.abs(differences).max()))
    np.testing.assert_allclose(H @ v, Hv, rtol=0, atol=1e-11 * max(1, np.abs(Hv).max()))
    if kind == "linear":
        assert not Hv.any() and not H.any() and not objective.at(x).model(v, 3)[2](v).any()


class Only(torch.nn.Module):
    """The first of a module's outputs."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x)[0]


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
