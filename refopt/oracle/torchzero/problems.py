"""Problems that refopt and `torchzero` both run on: one formula each, in autograd and in torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np

from ... import LeastSquares
from ..task import Task

__all__ = ["PROBLEMS", "RESIDUALS", "task"]


def constant(xp: Any, a: Any, x: Any) -> Any:
    """A data array in the library and dtype of `x`."""
    return xp.as_tensor(a, dtype=x.dtype) if xp is not anp else np.asarray(a).astype(x.dtype)


DATA = np.random.default_rng(20240607)
ROTATION = np.linalg.qr(DATA.standard_normal((6, 6)))[0]
MATRIX = (ROTATION * np.logspace(-2, 0, 6)) @ ROTATION.T
FEATURES, SIGNS = DATA.standard_normal((24, 6)), np.sign(DATA.standard_normal(24) + 0.3)
INPUTS = DATA.standard_normal((16, 2))
TARGETS = np.sin(INPUTS[:, 0]) * INPUTS[:, 1]


def quadratic(xp, x):
    d = x - 1
    return 0.5 * xp.sum(d * (constant(xp, MATRIX, x) @ d))


def rosenbrock(xp, x):
    return xp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def beale(xp, x):
    a, b = x[0], x[1]
    return (1.5 - a + a * b) ** 2 + (2.25 - a + a * b**2) ** 2 + (2.625 - a + a * b**3) ** 2


def beale_residuals(x):
    return anp.array([1.5, 2.25, 2.625]) - x[0] * (1 - x[1] ** anp.arange(1, 4))


def logistic(xp, x):
    z = constant(xp, SIGNS, x) * (constant(xp, FEATURES, x) @ x)
    return xp.mean(xp.log(1 + xp.exp(-z))) + 0.01 * xp.sum(x * x)


def network(xp, x):
    W, b, v, c = x[:6].reshape((3, 2)), x[6:9], x[9:12], x[12]
    out = xp.tanh(constant(xp, INPUTS, x) @ W.T + b) @ v + c
    return xp.mean((out - constant(xp, TARGETS, x)) ** 2)


def flat_direction(xp, x):
    """The gradient of x[1] is exactly zero, that of x[2] is zero where it starts."""
    return (x[0] - 3) ** 2 + 0 * x[1] + x[2] ** 4 + 0.5 * x[3] ** 2


PROBLEMS: dict[str, tuple[Callable, list[float], tuple | None]] = {
    "quadratic": (quadratic, [0.0] * 6, None),
    "rosenbrock 4": (rosenbrock, [-1.2, 1.0, -0.5, 0.8], None),
    "rosenbrock 50, 4 tensors": (
        rosenbrock,
        list(np.resize([-1.2, 1.0, 0.3], 50)),
        ((5, 4), (20,), (3, 3), (1,)),
    ),
    "beale": (beale, [1.0, 0.8], None),
    "logistic": (logistic, [0.1, -0.2, 0.0, 0.3, 0.0, -0.1], None),
    "tanh network": (
        network,
        list(np.random.default_rng(5).standard_normal(13) * 0.5),
        ((3, 2), (3,), (3,), (1,)),
    ),
    "zero gradients": (flat_direction, [1.0, 0.7, 0.0, -2.0], None),
}


RESIDUALS = {"beale residuals": (LeastSquares(beale_residuals), [1.0, 0.8])}  # for methods that need a model


def task(name: str, dtype: Any = np.float64) -> Task:
    """A problem of the table for both sides, or one of `RESIDUALS` for ours."""
    if name in RESIDUALS:
        residuals, start = RESIDUALS[name]
        return Task(name, residuals, np.array(start, dtype=dtype))
    fun, x0, shapes = PROBLEMS[name]

    def in_torch(tensors: list) -> Any:
        import torch

        return fun(torch, torch.cat([t.reshape(-1) for t in tensors]))

    return Task(name, lambda x: fun(anp, x), np.array(x0, dtype=dtype), shapes, in_torch)
