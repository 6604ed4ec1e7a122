"""What the tests of projections share: a problem over several tensors, and the original run on it."""

from __future__ import annotations

import warnings

import autograd.numpy as anp
import numpy as np

import refopt

SHAPES = ((3, 4), (5,), (7, 2, 3), (1,), (8,))
N = sum(int(np.prod(s)) for s in SHAPES)
START = np.random.default_rng(20260102).standard_normal(N)
WEIGHTS = np.linspace(0.5, 3.0, N)
LINKS = np.random.default_rng(20260103).standard_normal((N, N)) / np.sqrt(N)


def problem(xp, x):
    """Smooth, bounded below, every variable coupled to every other."""
    constant = (lambda a: a) if xp is anp else (lambda a: xp.as_tensor(a, dtype=x.dtype))
    return (
        xp.sum(constant(WEIGHTS) * x**2) / 2
        + xp.sum(x**4) / 20
        + xp.sum(xp.tanh(constant(LINKS) @ x))
        + xp.sum(xp.sin(x))
    )


def fun(x):
    return problem(anp, x)


def ours(method, steps=100, shapes=SHAPES, x0=START):
    """(steps + 1, n): the iterates."""
    result = refopt.minimize(
        fun, x0, method=method, shapes=shapes, options={"maxiter": steps, "gtol": 0.0, "return_all": True}
    )
    return np.array(result.allvecs)


def original(modules, steps=100, shapes=SHAPES, x0=START):
    """(steps + 1, n): torchzero's iterates with ``modules(torchzero.m, torchzero.m.experimental)``."""
    import torch
    import torchzero

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parameters, start = [], 0
        for shape in shapes:
            size = int(np.prod(shape))
            parameters.append(torch.nn.Parameter(torch.tensor(x0[start : start + size].reshape(shape))))
            start += size
        optimizer = torchzero.Optimizer(parameters, *modules(torchzero.m, torchzero.m.experimental))

        def closure(backward=True):
            loss = problem(torch, torch.cat([p.reshape(-1) for p in parameters]))
            if backward:
                optimizer.zero_grad()
                loss.backward()
            return loss

        def flat():
            return np.concatenate([p.detach().numpy().reshape(-1) for p in parameters])

        path = [flat()]
        for _ in range(steps):
            optimizer.step(closure)
            path.append(flat())
    return np.array(path)


def gap(a, b):
    """The largest difference of two paths relative to the largest entry."""
    assert a.shape == b.shape
    return float(np.abs(a - b).max() / np.abs(b).max())
