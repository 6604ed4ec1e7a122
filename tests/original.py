"""Paths of ours and of the original, torchzero 0.4.4, which the tests run as a black box and only from here.

    path = original(lambda m, ex: [ex.CubicAdam(), m.LR(0.01)], fun, x0, 100)
    assert gap(ours(chain(CubicAdam(), LR(0.01)), fun, x0, 100), path) < 1e-9

A function that both sides evaluate takes its library first, ``fun(xp, x)`` with ``autograd.numpy`` or torch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest

import refopt

Modules = Callable[[Any, Any], Any] | list


class Original:
    """The parameters, the modules and the closure of one run of the original.

    Attributes
    ----------
    parameters : torch parameters, one per shape; without shapes one that is `x0` itself
    optimizer : the ``torchzero.Optimizer`` over them
    """

    def __init__(self, modules: Modules, x0: Any, shapes: Any = None, dtype: Any = None):
        torch = pytest.importorskip("torch")
        torchzero = pytest.importorskip("torchzero")
        import torchzero.modules.experimental as experimental

        start = np.asarray(x0, dtype=dtype or np.float64)
        parts = np.split(start, np.cumsum([int(np.prod(s)) for s in shapes])[:-1]) if shapes else [start]
        self.parameters = [
            torch.nn.Parameter(torch.tensor(part.reshape(shape)))
            for part, shape in zip(parts, shapes or [start.shape], strict=True)
        ]
        made = modules(torchzero.m, experimental) if callable(modules) else modules
        self.optimizer = torchzero.Optimizer(
            self.parameters, *(made if isinstance(made, (list, tuple)) else [made])
        )

    def flat(self) -> Any:
        """The parameters as one tensor, with their graph."""
        import torch

        if len(self.parameters) == 1:
            return self.parameters[0].reshape(-1)
        return torch.cat([p.reshape(-1) for p in self.parameters])

    def x(self) -> np.ndarray:
        """(n,): a copy of where the run is."""
        return self.flat().detach().numpy().copy()

    def step(self, fun: Any) -> None:
        """One step on ``fun(torch, x)``; `fun` that is an array (n,) is the gradient itself."""
        import torch

        if isinstance(fun, np.ndarray):
            sizes = [p.numel() for p in self.parameters]
            for p, g in zip(self.parameters, np.split(fun, np.cumsum(sizes)[:-1]), strict=True):
                p.grad = torch.tensor(g.reshape(p.shape), dtype=p.dtype)
            self.optimizer.step()
            return

        def closure(backward: bool = True) -> Any:
            loss = fun(torch, self.flat())
            if backward and loss.numel() == 1:
                self.optimizer.zero_grad()
                loss.backward()
            return loss

        self.optimizer.step(closure)


def original(
    modules: Modules,
    fun: Any,
    x0: Any,
    steps: int,
    shapes: Any = None,
    dtype: Any = None,
) -> np.ndarray:
    """(steps + 1, n): the iterates of the original, the start first.

    Parameters
    ----------
    modules : ``modules(torchzero.m, torchzero.modules.experimental)``, or a list of modules
    fun : ``fun(torch, x) -> tensor`` of a flat x: one number, or residuals for a module that takes those; or
    an
        array (steps, n) of gradients
    x0 : (n,) the start
    shapes : the tensors that x is the concatenation of; None: one flat tensor
    dtype : float64 or float32
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the original's own
        run = Original(modules, x0, shapes, dtype)
        path = [run.x()]
        for k in range(steps):
            run.step(fun[k] if isinstance(fun, np.ndarray) else fun)
            path.append(run.x())
    return np.array(path)


def ours(method: Any, fun: Any, x0: Any, steps: int, shapes: Any = None) -> np.ndarray:
    """(steps + 1, n): our iterates on ``fun(autograd.numpy, x)``, or on a function made by refopt."""
    objective = fun if isinstance(fun, refopt.ModelLoss) else lambda x: fun(anp, x)
    result = refopt.minimize(
        objective,
        x0,
        method=method,
        shapes=shapes,
        options={"maxiter": steps, "gtol": 0.0, "return_all": True},
    )
    return np.array(result.allvecs)


def gap(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference of two paths relative to the largest entry."""
    assert a.shape == b.shape, f"the paths have shapes {a.shape} and {b.shape}: one of the runs ended early"
    return float(np.abs(a - b).max() / np.abs(b).max())
