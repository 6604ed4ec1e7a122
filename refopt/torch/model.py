"""A torch model as an objective: value and all derivatives from torch, so that every method runs on it.

Reverse mode, repeated. With ``<a, b>`` the inner product of two lists of tensors and everything kept differentiable,

    t_1 = grad f,     t_(k+1) = grad <t_k, s_k>   =   D^(k+1) f [s_1, ..., s_k, .]

gives ``H v`` (t_2), ``T[s] v`` (t_3), and with all s_k = s the Taylor coefficients ``c_k = <t_k, s>/k!`` of
t -> f(x + t s) and the gradient ``sum_k t_k/(k-1)!`` of the Taylor polynomial at s. Each order at most triples the
graph; memory stays proportional to the size of the model's graph.

Counting is that of `refopt.objective`: `nfev` counts calls of the closure. One call gives value and gradient. The
first product at a point calls it once more and keeps the graph until the parameters move.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch

from ..objective import Contraction, CountedObjective, Point
from .closures import Closure
from .flat import Layout

__all__ = ["TorchObjective", "objective"]

Tensors = Sequence[torch.Tensor]
MEMORY_LIMIT = 2 * 2**30  # bytes of the largest derivative tensor; the limit of refopt.derivatives.derivative_tensors
BATCH = 2**22  # numbers in the gradients of one batch of Hessian rows


def objective(closure: Callable, params: Iterable[Any]) -> TorchObjective:
    """A torch model as the `fun` of `refopt.minimize`, with gradient, products and Taylor series from torch.

    Parameters
    ----------
    closure : callable
        ``closure() -> loss``, a tensor with one number that depends on `params`; or ``closure(backward=True)`` that
        calls ``loss.backward()`` only if told to. A closure that always calls it gives value and gradient alone. It
        must compute the same loss each time: no dropout, no new batch.
    params : iterable of tensors
        The variables, float32 or float64, on one device. Each tensor counts once; tensors with
        ``requires_grad=False`` are left as they are.

    Returns
    -------
    TorchObjective
        Its start is the parameters' present value. After a run the parameters hold ``res.x``; ``write(x)`` puts any
        other point into them.

    Raises
    ------
    TypeError, ValueError
        For parameters that are not as above; during a run for a closure that is not.

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
    return TorchObjective(closure, Layout("objective", [
        p for p in params if not isinstance(p, torch.Tensor) or p.requires_grad or not p.is_floating_point()]))


class TorchObjective(CountedObjective):
    """See `objective`, which makes it.

    Attributes
    ----------
    layout : the parameters and their place in the flat vector
    closure : the user's closure
    """

    def __init__(self, closure: Any, layout: Layout, x: np.ndarray | None = None, who: str = "objective"):
        self.layout, self.closure = layout, Closure(who, closure)
        self._here: np.ndarray | None = x  # the very array that the parameters hold, if known
        self._live: Point | None = None  # the point whose graph is alive
        super().__init__(layout.read() if x is None else x, layout.shapes)

    def start(self) -> np.ndarray:
        return self.layout.read()

    def begin(self, x0, maxfev=None, maxtime=None):
        super().begin(x0, maxfev, maxtime)
        self._drop()
        if self._here is not x0:
            self._here = None

    def end(self, x: np.ndarray) -> None:
        self.write(x)

    def write(self, x: np.ndarray) -> None:
        """Put x, shape (n,), into the parameters."""
        x = np.asarray(x, dtype=self.dtype)
        if x.shape != (self.n,):
            raise ValueError(f"write: x must have shape ({self.n},), got {x.shape}")
        if self._here is not x:
            self._drop()
            self.layout.write(x)
            self._here = None if x.flags.writeable else x

    # ------------------------------------------------------------ value and gradient

    def value(self, point: Point) -> float:
        loss = self._loss(point)
        f = float(loss.detach() if isinstance(loss, torch.Tensor) else loss)
        self._keep_best(point.x, f)
        return f

    def gradient(self, point: Point) -> np.ndarray:
        point.f  # noqa: B018  the call that gives the value gives the gradient
        self._check_time()
        self.njev += 1
        if "grads" in point.memo:
            return point.memo.pop("grads")
        loss = point.memo.pop("loss") if "loss" in point.memo else self._graph(point)[0]
        if "graph" in point.memo:
            return self.layout.gather(point.memo["graph"][1])
        return self.layout.gather(self._all(self._differentiate(loss, False)))

    def _loss(self, point: Point) -> Any:
        """Call the closure at `point`: the loss, its graph alive, or with the gradient that the closure made."""
        self._count_call()
        self.write(point.x)
        self._drop()
        loss, grads = self.closure.loss(self.layout.params)
        if grads is None:
            point.memo["loss"] = loss
        else:
            point.memo["grads"] = self.layout.gather(grads)
        self._live = point
        return loss

    def _drop(self) -> None:
        """Forget the graph: the parameters it belongs to are about to move."""
        if self._live is not None:
            for name in ("loss", "graph", "towers"):
                self._live.memo.pop(name, None)
            self._live = None

    # ------------------------------------------------------------ lists of tensors that can be differentiated

    def _inputs(self) -> list[torch.Tensor]:
        return [p for p in self.layout.params if p.requires_grad]

    def _all(self, grads: Sequence[torch.Tensor | None]) -> list[torch.Tensor | None]:
        """Gradients of all parameters from those of the parameters that require them."""
        given = iter(grads)
        return [next(given) if p.requires_grad else None for p in self.layout.params]

    def _differentiate(self, loss: torch.Tensor, keep: bool) -> Tensors:
        grads = torch.autograd.grad(loss, self._inputs(), create_graph=keep, allow_unused=True)
        if all(g is None for g in grads):
            raise ValueError("the loss does not depend on any of the parameters; check that the closure uses "
                             "the model whose parameters were given")
        return grads

    def _graph(self, point: Point) -> tuple[torch.Tensor, Tensors]:
        """``(f, t_1)`` at `point`, differentiable."""
        if "graph" not in point.memo:
            loss = point.memo.pop("loss", None)
            loss = self._loss(point) if loss is None else loss
            if "grads" in point.memo:
                raise TypeError("second derivatives need the graph of the loss, but the closure calls loss.backward(), "
                                "which frees it; write it as closure(backward=True) and call loss.backward() only "
                                "`if backward:`, or let it only return the loss")
            point.memo.pop("loss", None)
            point.memo["graph"] = loss, self._filled(self._differentiate(loss, True))
        return point.memo["graph"]

    def _filled(self, grads: Sequence[torch.Tensor | None]) -> Tensors:
        return [torch.zeros_like(p) if g is None else g
                for p, g in zip(self.layout.params, self._all(grads), strict=True)]

    def _along(self, t: Tensors, s: Tensors, keep: bool = True) -> Tensors:
        """``grad <t, s>``, differentiable again if `keep`."""
        pairs = [(a, b) for a, b in zip(t, s, strict=True) if a.requires_grad]
        if not pairs:  # t does not depend on the parameters
            return [torch.zeros_like(p) for p in self.layout.params]
        return self._filled(torch.autograd.grad(
            [a for a, _ in pairs], self._inputs(), [b for _, b in pairs], retain_graph=True, create_graph=keep,
            allow_unused=True))

    def _tower(self, point: Point, fixed: Sequence[np.ndarray]) -> list[Tensors]:
        """``[t_1, ..., t_(m+1)]`` for the m directions `fixed`; kept while the graph lives, common beginnings once."""
        tower = [self._graph(point)[1]]
        known = point.memo.setdefault("towers", [])
        for k in range(1, len(fixed) + 1):
            for directions, t in known:
                if len(directions) == k and all(map(np.array_equal, directions, fixed)):
                    break
            else:
                directions = [np.array(s) for s in fixed[:k]]  # the caller may reuse its arrays
                t = self._along(tower[-1], self.layout.split(directions[-1]))
                known.append((directions, t))
            tower.append(t)
        return tower

    def _matrix(self, t: Tensors) -> np.ndarray:
        """The symmetric matrix d t / d x, in batches of rows."""
        rows = max(1, min(self.n, BATCH // self.n))
        H = np.empty((self.n, self.n), self.dtype)
        inputs, pairs = self._inputs(), [(a, i) for i, a in enumerate(t) if a.requires_grad]
        for start in range(0, self.n if pairs else 0, rows):
            count = min(rows, self.n - start)
            self._check_time()
            unit = torch.zeros(count, self.n, dtype=self.layout.torch_dtype, device=self.layout.device)
            unit.diagonal(start).fill_(1)
            parts = [e.reshape(count, *shape) for e, shape in
                     zip(unit.split(self.layout.sizes, dim=1), self.layout.shapes, strict=True)]
            outputs, weights = [a for a, _ in pairs], [parts[i] for _, i in pairs]
            try:
                found = torch.autograd.grad(outputs, inputs, weights, retain_graph=True, allow_unused=True,
                                            is_grads_batched=True)
            except RuntimeError:  # an operation that cannot be batched: one row after another
                for j in range(count):
                    row = torch.autograd.grad(outputs, inputs, [w[j] for w in weights], retain_graph=True,
                                              allow_unused=True)
                    H[start + j] = self.layout.gather(self._all(row))
                continue
            blocks = [torch.zeros(count, size, dtype=unit.dtype, device=unit.device) if b is None
                      else b.reshape(count, size)
                      for b, size in zip(self._all(found), self.layout.sizes, strict=True)]
            H[start:start + count] = torch.cat(blocks, dim=1).cpu().numpy()
        if not pairs:
            H[:] = 0
        return (H + H.T) / 2

    # ------------------------------------------------------------ second order

    def product(self, point: Point, v: np.ndarray) -> np.ndarray:
        self._check_time()
        self.nhvp += 1
        return self.layout.gather(self._along(self._graph(point)[1], self.layout.split(v), keep=False))

    def hessian(self, point: Point) -> np.ndarray:
        self._check_time()
        self.nhev += 1
        return self._matrix(self._graph(point)[1])

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
        need = 2 * self.n ** order * self.dtype.itemsize
        if need > MEMORY_LIMIT:
            raise MemoryError(f"all derivatives of {self.n} variables up to order {order} need about {need / 2**30:.3g} "
                              f"GiB, more than {MEMORY_LIMIT / 2**30:.3g} GiB; use the Taylor model, whose memory is "
                              "proportional to n, or a lower order")
        self._check_time()
        self.ntaylor += 1
        tensors: list[Any] = [point.f, point.g.copy()][:order + 1]
        flat = {(): torch.cat([t.reshape(-1) for t in self._graph(point)[1]])} if order > 1 else {}
        for k in range(2, order + 1):
            T = np.empty((self.n,) * k, self.dtype)
            rows = {}
            for index, above in flat.items():  # above = D^(k-1) f [e_i, ..., .] for i in index, nondecreasing
                for i in range(index[-1] if index else 0, self.n):
                    self._check_time()
                    rows[(*index, i)] = row = self._row(above[i], k < order)
                    values = row.detach().cpu().numpy()
                    for permuted in set(itertools.permutations((*index, i))):
                        T[permuted] = values
            flat = rows
            tensors.append(T)
        return tensors

    def _row(self, scalar: torch.Tensor, keep: bool) -> torch.Tensor:
        one = self._along([scalar], [torch.ones_like(scalar)], keep)
        return torch.cat([t.reshape(-1) for t in one])

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
            weighted = [[a / math.factorial(k) for a in t] for k, t in enumerate(self._tower(point, fixed)[:-1])]
            if weighted:
                total = [sum(parts[1:], parts[0]) for parts in zip(*weighted, strict=True)]
                Hv = self.layout.gather(self._along(total, self.layout.split(v), keep=False))
            return Hv

        return value, gradient, product
