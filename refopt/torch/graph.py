"""The closure's graph at a point, and derivatives of the tensors in it.

A graph is valid for the values that the parameters had when the closure was called. It is dropped when they
change; if it is needed again, the closure is called again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..objective import CountedObjective, Point
from .closures import Closure
from .flat import Layout

__all__ = ["GraphObjective", "Tensors"]

Tensors = Sequence[torch.Tensor]
BATCH = 2**22  # numbers in the gradients of one batch of rows of a Jacobian


class GraphObjective(CountedObjective):
    """Value and gradient of a closure, and the graph for further derivatives.

    Attributes
    ----------
    layout : the parameters and their places in the flat vector
    closure : the user's closure
    """

    def __init__(self, closure: Any, layout: Layout, x: np.ndarray | None = None, who: str = "objective"):
        self.layout, self.closure = layout, Closure(who, closure)
        self._here: np.ndarray | None = x  # the array with the present values of the parameters, if known
        self._live: Point | None = None  # the point whose graph is valid
        super().__init__(layout.read() if x is None else x, layout.shapes)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(
            f"{type(self).__name__} cannot be copied or pickled, nor can a run on it: the closure of the "
            "copy would still belong to the old parameters; copy the model and make a new objective, "
            "refopt.torch.objective(closure, params), with a closure of that copy"
        )

    @property
    def derivatives(self) -> dict[str, str]:
        return {"g": "torch.autograd", "H": "torch.autograd"}

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
        point.f  # noqa: B018  the same call gives value and gradient
        self._check_time()
        self.njev += 1
        if "grads" in point.memo:
            return point.memo.pop("grads")
        loss = point.memo.pop("loss") if "loss" in point.memo else self._graph(point)[0]
        if "graph" in point.memo:
            return self.layout.gather(point.memo["graph"][1])
        point.memo.pop("parts", None)  # the next line frees its graph
        return self.layout.gather(self._all(self._differentiate(loss, False)))

    def _loss(self, point: Point) -> Any:
        """Call the closure at `point`: returns the loss; its graph or its gradient is in the memo."""
        self._count_call()
        self.write(point.x)
        self._drop()
        loss, grads = self.closure.loss(self.layout.params)
        if isinstance(loss, tuple):
            point.memo["parts"] = loss
            loss = loss[1](loss[0])
            self.closure.check_graph(loss)
        if grads is None:
            point.memo["loss"] = loss
        else:
            point.memo["grads"] = self.layout.gather(grads)
        self._live = point
        return loss

    def _drop(self) -> None:
        """Drop the graph, because the parameters are about to change."""
        if self._live is not None:
            for name in ("loss", "graph", "parts", "towers"):
                self._live.memo.pop(name, None)
            self._live = None

    # ------------------------------------------------------------ derivatives of lists of tensors

    def _inputs(self) -> list[torch.Tensor]:
        return [p for p in self.layout.params if p.requires_grad]

    def _all(self, grads: Sequence[torch.Tensor | None]) -> list[torch.Tensor | None]:
        """Gradients for all parameters; None for those that do not require one."""
        given = iter(grads)
        return [next(given) if p.requires_grad else None for p in self.layout.params]

    def _differentiate(self, loss: torch.Tensor, keep: bool) -> Tensors:
        grads = torch.autograd.grad(loss, self._inputs(), create_graph=keep, allow_unused=True)
        if all(g is None for g in grads):
            raise ValueError(
                "the loss does not depend on any of the parameters; check that the closure uses "
                "the model whose parameters were given"
            )
        return grads

    def _graph(self, point: Point) -> tuple[torch.Tensor, Tensors]:
        """``(f, t_1)`` at `point`, with a graph to differentiate them further."""
        if "graph" not in point.memo:
            loss = point.memo.pop("loss", None)
            loss = self._loss(point) if loss is None else loss
            if "grads" in point.memo:
                raise TypeError(
                    "second derivatives need the graph of the loss, but the closure calls loss.backward(), "
                    "which frees it; write it as closure(backward=True) and call loss.backward() only "
                    "`if backward:`, or let it only return the loss"
                )
            point.memo.pop("loss", None)
            point.memo["graph"] = loss, self._filled(self._differentiate(loss, True))
        return point.memo["graph"]

    def _filled(self, grads: Sequence[torch.Tensor | None]) -> Tensors:
        return [
            torch.zeros_like(p) if g is None else g
            for p, g in zip(self.layout.params, self._all(grads), strict=True)
        ]

    def _along(self, t: Tensors, s: Tensors, keep: bool = True) -> Tensors:
        """``grad <t, s>``, differentiable again if `keep`."""
        pairs = [(a, b) for a, b in zip(t, s, strict=True) if a.requires_grad]
        if not pairs:  # t does not depend on the parameters
            return [torch.zeros_like(p) for p in self.layout.params]
        return self._filled(
            torch.autograd.grad(
                [a for a, _ in pairs],
                self._inputs(),
                [b for _, b in pairs],
                retain_graph=True,
                create_graph=keep,
                allow_unused=True,
            )
        )

    def _tower(self, point: Point, fixed: Sequence[np.ndarray]) -> list[Tensors]:
        """``[t_1, ..., t_(m+1)]`` for the m directions `fixed`; stored as long as the graph is valid."""
        tower = [self._graph(point)[1]]
        known = point.memo.setdefault("towers", [])
        for k in range(1, len(fixed) + 1):
            found = [
                t
                for directions, t in known
                if len(directions) == k and all(map(np.array_equal, directions, fixed))
            ]
            if found:
                t = found[0]
            else:
                directions = [np.array(s) for s in fixed[:k]]  # the caller may reuse its arrays
                t = self._along(tower[-1], self.layout.split(directions[-1]))
                known.append((directions, t))
            tower.append(t)
        return tower

    def _jacobian(self, y: torch.Tensor) -> np.ndarray:
        """``d y / d x``, shape (m, n), for y with m numbers, in batches of rows."""
        y = y.reshape(-1)
        J = np.zeros((y.numel(), self.n), self.dtype)
        batch = max(1, BATCH // self.n)
        for start in range(0, y.numel() if y.requires_grad else 0, batch):
            self._check_time()
            unit = torch.zeros(min(batch, y.numel() - start), y.numel(), dtype=y.dtype, device=y.device)
            unit.diagonal(start).fill_(1)
            J[start : start + len(unit)] = self._vector_jacobian(y, unit).cpu().numpy()
        return J

    def _pushed(self, y: torch.Tensor, s: Tensors) -> torch.Tensor:
        """``J s`` for the Jacobian J of y, as the derivative by w of ``<J^T w, s>``, which is linear in w."""
        w = torch.zeros_like(y, requires_grad=True)
        transposed = torch.autograd.grad(y, self._inputs(), w, create_graph=True, allow_unused=True)
        pairs = [(a, b) for a, b in zip(self._filled(transposed), s, strict=True) if a.requires_grad]
        return torch.autograd.grad([a for a, _ in pairs], w, [b for _, b in pairs])[0]

    def _vector_jacobian(self, y: torch.Tensor, weights: torch.Tensor, keep: bool = False) -> torch.Tensor:
        """``w^T d y / d x`` for the rows w of `weights` (k, m), shape (k, n), with a graph if `keep`."""
        if not y.requires_grad:
            return weights.new_zeros(len(weights), self.n)

        def differentiate(w: torch.Tensor, batched: bool) -> torch.Tensor:
            found = torch.autograd.grad(
                y,
                self._inputs(),
                w,
                retain_graph=True,
                create_graph=keep,
                allow_unused=True,
                is_grads_batched=batched,
            )
            shape = (len(weights), -1) if batched else (-1,)
            parts = [
                (torch.zeros_like(p).expand(shape[:-1] + p.shape) if g is None else g).reshape(shape)
                for p, g in zip(self.layout.params, self._all(found), strict=True)
            ]
            return torch.cat(parts, dim=-1)

        try:
            return differentiate(weights, True)
        except RuntimeError:  # an operation cannot be batched: row by row
            return torch.stack([differentiate(w, False) for w in weights])
