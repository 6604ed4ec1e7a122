"""A torch model as an objective: value and all derivatives come from torch, so every method can minimise it.

The derivatives come from repeated reverse mode. With ``<a, b>`` the inner product of two lists of tensors,

    t_1 = grad f,     t_(k+1) = grad <t_k, s_k>   =   D^(k+1) f [s_1, ..., s_k, .]

gives ``H v`` (t_2), ``T[s] v`` (t_3), and with all s_k = s the Taylor coefficients ``c_k = <t_k, s>/k!`` of
t -> f(x + t s) and the gradient ``sum_k t_k/(k-1)!`` of the Taylor polynomial at s. Each order at most
triples the graph; memory is proportional to the size of the model's graph.

Counts are those of `refopt.function`: `nfev` counts calls of the closure. One call gives value and gradient.
The first product at a point calls it again and keeps the graph until the parameters change.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch

from ..objective import Contraction, Point
from .closures import squares
from .flat import Layout
from .graph import GraphObjective, Tensors

__all__ = ["TorchObjective", "objective"]

NO_PARTS = (
    "the Gauss-Newton matrix needs a model and a loss: let the closure return (output, loss), the "
    "model's output and "
    "the loss as a function of it; residuals need the loss refopt.torch.squares"
)
# bytes of the largest derivative tensor; the limit of refopt.derivatives.derivative_tensors
MEMORY_LIMIT = 2 * 2**30


def objective(closure: Callable, params: Iterable[Any]) -> TorchObjective:
    """A torch model as the `fun` of `refopt.minimize`, with gradient, products and Taylor series from torch.

    Parameters
    ----------
    closure : callable
        ``closure() -> loss``, a tensor with one number that depends on `params`; or
        ``closure(backward=True)``, which calls ``loss.backward()`` only if `backward` is True. A closure
        that always calls it gives only value and gradient. With ``closure() -> (output, loss)``, the output
        of the model and the loss as a function of it, methods that need the Gauss-Newton matrix run too;
        with the loss `squares` the output is a vector of residuals. A closure must compute the same loss
        each time, so without dropout or new batches.
    params : iterable of tensors
        The variables, float32 or float64, on one device. Repeated tensors count once; tensors with
        ``requires_grad=False`` are not changed.

    Returns
    -------
    TorchObjective
        Its start is the present value of the parameters. After a run the parameters are ``res.x``;
        ``write(x)`` sets them to any other point.

    Raises
    ------
    TypeError, ValueError
        For parameters that are not as above; during a run, for a closure that is not as above.

    Examples
    --------
    >>> import torch, refopt, refopt.torch
    >>> w = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
    >>> loss = lambda: 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2
    >>> res = refopt.minimize(refopt.torch.objective(loss, [w]), method="Newton")
    >>> res.success, w.detach().numpy().round(6)
    (True, array([1., 1.]))
    """
    params = [params] if isinstance(params, torch.Tensor) else list(params)
    return TorchObjective(
        closure,
        Layout(
            "objective",
            [
                p
                for p in params
                if not isinstance(p, torch.Tensor) or p.requires_grad or not p.is_floating_point()
            ],
        ),
    )


class TorchObjective(GraphObjective):
    """A torch model as an objective, made by `objective`; the attribute `layout` has the parameters."""

    # ------------------------------------------------------------ second order

    def product(self, point: Point, v: np.ndarray) -> np.ndarray:
        self._check_time()
        self.nhvp += 1
        return self.layout.gather(self._along(self._graph(point)[1], self.layout.split(v), keep=False))

    def hessian(self, point: Point) -> np.ndarray:
        self._check_time()
        self.nhev += 1
        return self._matrix(self._graph(point)[1])

    def _matrix(self, t: Tensors) -> np.ndarray:
        """The symmetric matrix ``d t / d x``."""
        H = self._jacobian(torch.cat([a.reshape(-1) for a in t]))
        return (H + H.T) / 2

    # ------------------------------------------------------------ closures that return (output, loss)

    def _parts(self, point: Point) -> tuple[torch.Tensor, Callable]:
        """``(y, loss)`` with the graph of y."""
        self._graph(point)
        if "parts" not in point.memo:
            raise TypeError(NO_PARTS)
        return point.memo["parts"]

    def _curvature(self, point: Point) -> tuple[torch.Tensor, torch.Tensor]:
        """``(z, l'(z))`` at the output z; the derivative of l'(z) gives products with H_l."""
        y, loss = self._parts(point)
        z = y.detach().requires_grad_()
        return z, torch.autograd.grad(loss(z), z, create_graph=True)[0]

    def residuals(self, point: Point) -> np.ndarray:
        y, loss = self._parts(point)
        if loss is not squares:
            raise TypeError(NO_PARTS)
        return np.array(y.detach().cpu().numpy(), dtype=self.dtype).reshape(-1)

    def jacobian(self, point: Point) -> np.ndarray:
        y, _ = self._parts(point)
        self._check_time()
        self.nhev += 1
        if y.numel() <= self.n:
            return self._jacobian(y)
        columns = [self._pushed(y, self.layout.split(e)) for e in np.eye(self.n, dtype=self.dtype)]
        return torch.stack([c.reshape(-1) for c in columns], dim=1).cpu().numpy().astype(self.dtype)

    def gauss_newton(self, point: Point) -> np.ndarray:
        z, slope = self._curvature(point)
        J = torch.tensor(point.jacobian, dtype=z.dtype, device=z.device)
        columns = [self._loss_product(z, slope, column.reshape(z.shape)).reshape(-1) for column in J.T]
        G = (torch.stack(columns) @ J).cpu().numpy().astype(self.dtype)
        return (G + G.T) / 2

    def gauss_newton_product(self, point: Point, v: np.ndarray) -> np.ndarray:
        self._check_time()
        self.nhvp += 1
        y, _ = self._parts(point)
        z, slope = self._curvature(point)
        Jv = self._pushed(y, self.layout.split(v))
        HJv = self._loss_product(z, slope, Jv)
        back = torch.autograd.grad(y, self._inputs(), HJv, retain_graph=True, allow_unused=True)
        return self.layout.gather(self._all(back))

    def _loss_product(self, z: torch.Tensor, slope: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """``H_l w``; zero if the loss is linear."""
        if not slope.requires_grad:
            return torch.zeros_like(z)
        return torch.autograd.grad(slope, z, w, retain_graph=True)[0]

    # ------------------------------------------------------------ higher orders

    def third(self, point: Point, w: np.ndarray) -> tuple[np.ndarray, Callable]:
        self._check_time()
        self.nhvp += 1
        Hw = self.layout.gather(self._tower(point, [w])[-1])
        return Hw, self.contraction(point, (w,)).product

    def contraction(self, point: Point, fixed: tuple[np.ndarray, ...]) -> Contraction:
        if not fixed:
            return super().contraction(point, fixed)

        def product(v: np.ndarray) -> np.ndarray:
            self._check_time()
            self.nhvp += 1
            t = self._tower(point, fixed)[-1]
            return self.layout.gather(self._along(t, self.layout.split(v), keep=False))

        def matrix() -> np.ndarray:
            self._check_time()
            self.ntaylor += 1
            return self._matrix(self._tower(point, fixed)[-1])

        return Contraction(point, product, matrix)

    def taylor(self, point: Point, direction: np.ndarray, order: int) -> np.ndarray:
        directions = np.atleast_2d(direction)
        out = np.empty((order + 1, len(directions)), self.dtype)
        out[0] = point.f
        for j, s in enumerate(directions):
            self._check_time()
            self.ntaylor += 1
            tower = self._tower(point, [s] * (order - 1)) if order else []
            for k, t in enumerate(tower, 1):
                out[k, j] = self._inner(t, s) / math.factorial(k)
            point.memo.pop("towers", None)
        return out if np.ndim(direction) == 2 else out[:, 0]

    def _inner(self, t: Tensors, s: np.ndarray) -> float:
        return float(np.dot(self.layout.gather(t), s))

    def tensors(self, point: Point, order: int) -> list[Any]:
        need = 2 * self.n**order * self.dtype.itemsize
        if need > MEMORY_LIMIT:
            raise MemoryError(
                f"all derivatives of {self.n} variables up to order {order} need about {need / 2**30:.3g} "
                f"GiB, more than {MEMORY_LIMIT / 2**30:.3g} GiB; use the Taylor model, whose memory is "
                "proportional to n, or a lower order"
            )
        self._check_time()
        self.ntaylor += 1
        tensors: list[Any] = [point.f, point.g.copy()][: order + 1]
        if order < 2:
            return tensors
        # D^(k-1) f [e_i, ..., .] for i in the index
        above: dict[tuple[int, ...], torch.Tensor] = {
            (): torch.cat([t.reshape(-1) for t in self._graph(point)[1]])
        }
        for k in range(2, order + 1):
            T = np.empty((self.n,) * k, self.dtype)
            rows: dict[tuple[int, ...], torch.Tensor] = {}
            for index, row in above.items():  # indices do not decrease: the tensor is symmetric
                self._check_time()
                first = index[-1] if index else 0
                weights = torch.eye(self.n, dtype=row.dtype, device=row.device)[first:]
                for i, below in enumerate(self._vector_jacobian(row, weights, k < order), first):
                    rows[(*index, i)] = below
                    values = below.detach().cpu().numpy()
                    for permuted in set(itertools.permutations((*index, i))):
                        T[permuted] = values
            above = rows
            tensors.append(T)
        return tensors

    def model(self, point: Point, s: np.ndarray, order: int) -> tuple[float, np.ndarray, Callable]:
        self._check_time()
        self.ntaylor += 1
        s = np.array(s, dtype=self.dtype)
        fixed = [s] * max(0, order - 1)
        tower = self._tower(point, fixed) if order else []
        flat = [self.layout.gather(t) for t in tower]
        value = point.f + sum(float(np.dot(t, s)) / math.factorial(k) for k, t in enumerate(flat, 1))
        gradient = np.zeros(self.n, self.dtype)
        for k, t in enumerate(flat):
            gradient += t / math.factorial(k)

        def product(v: np.ndarray) -> np.ndarray:
            self._check_time()
            self.nhvp += 1
            Hv = np.zeros(self.n, self.dtype)
            weighted = [
                [a / math.factorial(k) for a in t] for k, t in enumerate(self._tower(point, fixed)[:-1])
            ]
            if weighted:
                total = [sum(parts[1:], parts[0]) for parts in zip(*weighted, strict=True)]
                Hv = self.layout.gather(self._along(total, self.layout.split(v), keep=False))
            return Hv

        return value, gradient, product
