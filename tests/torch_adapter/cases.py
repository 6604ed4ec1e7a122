"""What the tests of the torch adapter share: small networks, their closures, one function in two
libraries.
"""

from __future__ import annotations

import io

import autograd.numpy as anp
import numpy as np
import torch
from sklearn.datasets import load_digits

import refopt
from refopt.function import FunctionObjective

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def digits(dtype=torch.float64):
    X, y = load_digits(return_X_y=True)
    return torch.tensor(X / 16.0, dtype=dtype, device=DEVICE), torch.tensor(y, device=DEVICE)


def network(*widths, seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    layers = []
    for a, b in zip(widths, widths[1:], strict=False):
        layers += [torch.nn.Linear(a, b), torch.nn.Tanh()]
    return torch.nn.Sequential(*layers[:-1]).to(DEVICE, dtype)


def small(seed=0, dtype=torch.float64):
    """A network with 27 parameters and its data."""
    model = network(3, 4, 2, seed=seed, dtype=dtype)
    rng = np.random.default_rng(seed)
    X = torch.tensor(rng.normal(size=(20, 3)), dtype=dtype, device=DEVICE)
    y = torch.tensor(rng.integers(2, size=20), device=DEVICE)
    return model, X, y


def closure_of(model, X, y):
    def closure(backward=True):
        loss = torch.nn.functional.cross_entropy(model(X), y)
        if backward:
            model.zero_grad()
            loss.backward()
        return loss

    return closure


def closure_for(method, model, X, y):
    """The form of closure that the method needs."""
    if {"gauss-newton", "residuals"} & method.all_needs():
        return lambda: (torch.tanh(model(X)[:, 0]) - y, refopt.torch.squares)
    return closure_of(model, X, y)


def flat(model):
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()]).cpu().numpy()


def rng_for(method):
    return {"rng": 0} if "rng" in method.all_needs() else {}


def squares(model, X):
    def closure():
        model.zero_grad()
        loss = (model(X) ** 2).mean()
        loss.backward()
        return loss

    return closure


def bowl(params):
    """The value; torch computes all derivatives of it."""
    return sum(((p - 2) ** 4).sum() for p in params)


def save_and_load(state, safe=True):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=safe)


ADAM = refopt.chain(refopt.Adam(), refopt.LR(0.1))


def weights(*shape, dtype=torch.float64, **options):
    return torch.ones(
        *shape or (3,), dtype=dtype, requires_grad=dtype.is_floating_point or dtype.is_complex, **options
    )


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
