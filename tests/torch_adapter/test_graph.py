"""Derivatives from torch's graph: those of autograd, to every order, also of what cannot be batched."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_adapter.cases import DEVICE, X0, S, V, W, points, torch_pair

import refopt

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
    """1e-12 relative to the largest entry: two exact computations in other orders.

    Differences of gradients: 1e-9.
    """
    ours, theirs = (np.asarray(QUANTITIES[name](p)) for p in points())
    assert ours.shape == theirs.shape and ours.dtype == np.float64
    np.testing.assert_allclose(
        ours, theirs, rtol=0, atol=(1e-9 if name == "fd" else 1e-12) * np.abs(theirs).max()
    )


@pytest.mark.parametrize("name", [n for n in QUANTITIES if n not in ("f", "g", "model 1 product")])
def test_a_wrong_function_is_seen(name):
    """The comparison above tells these derivatives from those at a point one thousandth away."""
    objective, _ = torch_pair()
    ours, theirs = (
        np.asarray(QUANTITIES[name](objective.at(X0 + 1e-3))),
        np.asarray(QUANTITIES[name](points()[1])),
    )
    assert np.abs(ours - theirs).max() > 1e-9 * np.abs(theirs).max()


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


@pytest.mark.parametrize("name", ["f", "g", "hess", "hvp", "taylor", "T", "model product"])
def test_float32_stays_float32(name):
    point, exact = points(torch.float32)
    value = QUANTITIES[name](point)
    np.testing.assert_allclose(value, np.asarray(QUANTITIES[name](exact)), rtol=2e-4, atol=2e-4)
    if not np.isscalar(value):
        assert value.dtype == np.float32
