"""A method of refopt as a `torch.optim.Optimizer`.

For a method that needs only the gradient, a step collects the gradients as one flat vector, calls
``method.step`` and subtracts the update. The parameters are copied only if the method uses them. A method
that needs more (values at trial points, Hessian-vector products, Taylor series) gets it from the closure
through `TorchObjective`, for the batch of this step.

Rules, as in torch unless stated otherwise:

* A parameter without gradient does not change; for the method its gradient is zero.
* A gradient, loss or update that is not finite raises FloatingPointError, and the parameters do not change.
* If the method stops (for example because a line search fails), the parameters do not change, and the
  attribute `stop` has the reason.
* An exception from the closure reaches the caller, and the parameters are as they were before the step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch

from .. import checks
from ..method import Method, works_elementwise
from ..objective import Objective, Point, locked
from ..registry import resolve
from ..request import generator
from ..status import Stop
from .closures import Closure
from .encoding import decode, encode
from .flat import Layout, check_parameters
from .hyperparameters import entries, repeated, signature, with_entries
from .model import TorchObjective

__all__ = ["Optimizer"]

# Keys that torch and its schedulers put into parameter groups.
TORCH_KEYS = ("params", "param_names", "initial_lr", "max_lr", "min_lr", "differentiable")
GRADIENT_ONLY = frozenset({"g", "rng"})


class GradientPoint(Point):
    """The present parameters with their gradients; the parameters are copied on first use."""

    __slots__ = ("layout",)

    def __init__(self, objective: Objective, layout: Layout, g: np.ndarray):
        self.objective, self.layout = objective, layout
        self.memo = {}
        self._f, self._g, self._hess = None, g, None

    @property
    def x(self) -> np.ndarray:  # type: ignore[override]
        if "x" not in self.memo:
            self.memo["x"] = self.layout.view(self.layout.params, np.empty(self.layout.n, self.layout.dtype))
        return self.memo["x"]


class GradientOnly(Objective):
    """An objective of which only the gradient is known."""

    def __init__(self, layout: Layout):
        super().__init__()
        self.n, self.dtype, self.shapes = layout.n, layout.dtype, layout.shapes

    def value(self, point):
        raise TypeError(
            "the method asked for more than the gradient at the present point, but its `needs` do not "
            "declare this; this is an error of the method"
        )

    def gradient(self, point):
        return self.value(point)

    def product(self, point, v):
        return self.value(point)

    def hessian(self, point):
        return self.value(point)


def without_objectives(state: Any) -> Any:
    """The state without objectives made from the closure of one step; methods make them again."""
    if isinstance(state, tuple):
        parts = [without_objectives(part) for part in state]
        return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)
    return None if isinstance(state, Objective) else state


class Block:
    """The parameters with one flat vector and one state: a parameter group, or all groups together."""

    def __init__(self, layout: Layout, groups: list[int], rng: np.random.Generator | None):
        self.layout, self.groups, self.rng = layout, groups, rng
        self.objective = GradientOnly(layout)
        self.method: Method | None = None
        self.values: tuple | None = None
        self.state: Any = None
        self.begun = False
        self.buffer = np.empty(layout.n, layout.dtype)  # the gradient for elementwise methods

    def begin(self) -> None:
        if not self.begun:
            x = locked(self.layout.read())
            self.state = self.method.init(x, self.layout.shapes, self.rng)  # type: ignore[union-attr]
            self.begun = True


class Optimizer(torch.optim.Optimizer):
    """Any method of refopt as an optimizer of the parameters of a torch model.

    Parameters
    ----------
    params : iterable of tensors, of (name, tensor), or of dicts
        As for every torch optimizer; float32 or float64, on one device. A tensor that occurs twice counts
        once. Groups may have hyperparameters of their own (entries named like the method's fields) where
        the method treats every coordinate alone.
    method : str, method instance, or sequence of instances
        A name stands for its complete recipe, an instance runs as it is, a sequence runs as a chain.
    rng : None, int or numpy.random.Generator
        Source of randomness of the method. None: seeded from torch's generator, so that a run can be
        repeated with `torch.manual_seed`.
    **options
        Hyperparameters of the recipe, if `method` is a name.

    Attributes
    ----------
    method : the complete method, with the hyperparameters it was given
    needs_closure : whether it needs more than gradients, so that `step` needs a closure
    elementwise : whether it treats each coordinate by itself, so that groups may differ
    stop : the reason if the method stopped in the last step, else None

    Raises
    ------
    TypeError, ValueError
        For wrong parameters, groups or hyperparameters; in `step`, for a missing or wrong closure.
    FloatingPointError
        In `step`, for a gradient, loss or update that is not finite; the parameters are unchanged.

    Notes
    -----
    Hyperparameters are in ``param_groups``, so learning-rate schedulers work if the method has an ``lr``.
    Methods with further needs (`refopt.methods()` lists them) evaluate the closure several times per step;
    see `refopt.torch.objective` for its forms. They do not read gradients from ``p.grad``, so clipping there
    has no effect on them.

    Examples
    --------
    >>> import torch, refopt, refopt.torch
    >>> w = torch.tensor([5.0], requires_grad=True)
    >>> optimizer = refopt.torch.Optimizer([w], [refopt.Adam(), refopt.LR(0.1)])
    >>> for _ in range(200):
    ...     optimizer.zero_grad()
    ...     loss = ((w - 3) ** 2).sum()
    ...     loss.backward()
    ...     _ = optimizer.step()
    >>> round(w.item(), 2)
    3.0
    """

    def __init__(self, params: Iterable[Any], method: Any, *, rng: Any = None, **options: Any):
        if options and not isinstance(method, str):
            raise TypeError(
                f"Optimizer: {', '.join(sorted(options))} given with a method instance, which has its "
                f"hyperparameters already; set them there, or give the method's name"
            )
        self.method, _ = resolve(method, options, ())
        self.needs_closure = not self.method.all_needs() <= GRADIENT_ONLY
        self.elementwise = works_elementwise(self.method) and not self.needs_closure
        self.stop: Stop | None = None
        self._blocks: list[Block] | None = None
        self._rng = None
        if "rng" in self.method.all_needs():
            seed = int(torch.randint(2**31, ()).item()) if rng is None else rng
            self._rng = generator(seed, {})
        elif rng is not None:
            raise ValueError(
                f"Optimizer: rng was given, but {self.method!r} uses no randomness; leave it out"
            )
        defaults = entries(self.method)
        self._names = tuple(defaults)
        super().__init__(params, defaults)

    # ------------------------------------------------------------ parameter groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, for example layers that are trained from now on."""
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(
                "Optimizer: a parameter group must be a dict with the entry 'params', got "
                f"{checks.describe(param_group)}"
            )
        known = entries(self.method)
        for key in param_group:
            if key in repeated(self.method):
                raise ValueError(
                    f"Optimizer: {key!r} occurs in several parts of {self.method!r}, so a group cannot set "
                    "it; give it to the part that is meant"
                )
            if key not in known and key not in TORCH_KEYS:
                raise checks.unknown(
                    f"hyperparameter of {signature(self.method)} in a parameter group", key, known
                )
        params = param_group["params"]
        once: Any = params
        if isinstance(params, (torch.Tensor, set)):
            pass  # torch makes a list of a tensor and raises an error for a set
        else:
            tensors = [(p, p[1] if isinstance(p, tuple) and len(p) == 2 else p) for p in params]
            check_parameters("Optimizer", [t for _, t in tensors])
            first: dict[int, Any] = {}
            for p, t in tensors:
                first.setdefault(id(t), p)
            once = list(first.values())
        before = [p for group in getattr(self, "param_groups", []) for p in group["params"]]
        values = {**known, **{k: v for k, v in param_group.items() if k in known}}
        with_entries(self.method, values)  # the method's own checks of the values
        if self._blocks is not None and not self.elementwise:
            raise ValueError(
                f"Optimizer: {self.method!r} treats all parameters together and has begun; "
                "give all groups at the start, or make a new optimizer"
            )
        super().add_param_group({**param_group, "params": once})
        added = self.param_groups[-1]
        try:
            check_parameters("Optimizer", before + added["params"])
            self._check_groups_alike()
        except (TypeError, ValueError):
            self.param_groups.pop()
            raise
        if self._blocks is not None:
            self._blocks.append(
                Block(Layout("Optimizer", added["params"]), [len(self.param_groups) - 1], self._spawn())
            )

    def _check_groups_alike(self) -> None:
        if self.elementwise:
            return
        for name in self._names if len(self.param_groups) > 1 else ():
            values = [group[name] for group in self.param_groups]
            if any(v != values[0] for v in values[1:]):
                raise ValueError(
                    f"Optimizer: the parameter groups have different {name} "
                    f"({', '.join(map(repr, values))}), "
                    f"but {self.method!r} treats all parameters together; give one value to all groups"
                )

    def _spawn(self) -> np.random.Generator | None:
        return None if self._rng is None else self._rng.spawn(1)[0]

    def _prepare(self) -> list[Block]:
        """The blocks, made at the first step, with the present hyperparameters of the groups."""
        if self._blocks is None:
            if self.elementwise:
                self._blocks = [
                    Block(Layout("Optimizer", group["params"]), [i], self._spawn())
                    for i, group in enumerate(self.param_groups)
                ]
            else:
                params = [p for group in self.param_groups for p in group["params"] if p.requires_grad]
                self._blocks = [
                    Block(Layout("Optimizer", params), list(range(len(self.param_groups))), self._spawn())
                ]
        self._check_groups_alike()
        for block in self._blocks:
            group = self.param_groups[block.groups[0]]
            values = tuple([group[name] for name in self._names])
            if values != block.values:
                block.method = with_entries(self.method, dict(zip(self._names, values, strict=True)))
                block.values = values
            block.layout.check_dtype("Optimizer")
        return self._blocks

    # ------------------------------------------------------------ the step

    def step(self, closure: Callable | None = None) -> Any:
        """One step of the method.

        Parameters
        ----------
        closure : callable or None
            ``closure() -> loss`` or ``closure(backward=True) -> loss``; see `refopt.torch.objective`.
            Required by methods that need more than gradients; they may call it several times.

        Returns
        -------
        The loss before the step, None without a closure.
        """
        self.stop = None
        blocks = self._prepare()
        if self.needs_closure:
            if closure is None:
                more = ", ".join(sorted(self.method.all_needs() - GRADIENT_ONLY))
                raise TypeError(
                    f"Optimizer: {self.method!r} needs {more} besides the gradient, so step needs a closure "
                    "that returns the loss: optimizer.step(closure)"
                )
            return self._step_with_values(blocks[0], closure)
        loss = None
        if closure is not None:
            params = [p for group in self.param_groups for p in group["params"]]
            loss = Closure("Optimizer", closure).gradients(params)
        self._step_with_gradients(blocks)
        return loss

    def _step_with_gradients(self, blocks: list[Block]) -> None:
        taken = []
        for block in blocks:
            grads = [p.grad for p in block.layout.params]
            if all(g is None for g in grads):
                continue
            if any(g is not None and g.layout != torch.strided for g in grads):
                raise TypeError(
                    "Optimizer: a gradient is sparse; dense gradients are needed, for example "
                    "torch.nn.Embedding(..., sparse=False)"
                )
            if self.elementwise:
                g = block.layout.view(grads, block.buffer)
            else:
                g = locked(block.layout.gather(grads))  # a state may keep this array
            self._check_finite(block, g, "gradient")
            taken.append((block, grads, g))
        for block, grads, g in taken:
            block.begin()
            point = GradientPoint(block.objective, block.layout, g)
            if not self.elementwise:
                point.memo["x"] = locked(block.layout.read())  # a state may keep this array
                block.objective._recent[:] = [point]  # derived objectives ask for this point
            try:
                update, block.state = block.method.step(point, g, block.state)  # type: ignore[union-attr]
            except Stop as stop:
                self.stop = stop
                continue
            finally:
                block.objective._recent.clear()
            self._check_finite(block, update, "update")
            block.layout.subtract(update, grads)

    def _step_with_values(self, block: Block, closure: Callable) -> torch.Tensor:
        layout = block.layout
        free = {id(p) for group in self.param_groups for p in group["params"] if p.requires_grad}
        if free != {id(p) for p in layout.params}:
            raise ValueError(
                f"Optimizer: which parameters require gradients has changed, but {self.method!r} treats all "
                "together; make a new optimizer after freezing or unfreezing layers"
            )
        x = locked(layout.read())
        block.begin()
        objective = TorchObjective(closure, layout, x, "Optimizer")
        point = objective.at(x)
        target = x
        try:
            f = point.f
            if not np.isfinite(f):
                raise FloatingPointError(f"Optimizer: the loss is {f}; the parameters are unchanged")
            self._check_finite(block, point.g, "gradient")
            update, state = block.method.step(point, point.g, block.state)  # type: ignore[union-attr]
            block.state = without_objectives(state)
            self._check_finite(block, update, "update")
            target = point.after(update).x
        except Stop as stop:
            self.stop = stop
        finally:
            objective.write(target)
        return torch.tensor(f, dtype=layout.torch_dtype, device=layout.device)

    def _check_finite(self, block: Block, v: np.ndarray, what: str) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(np.dot(v, v)) or np.all(np.isfinite(v)):
                return
        i = int(np.flatnonzero(~np.isfinite(v))[0])
        end = np.cumsum(block.layout.sizes)
        k = int(np.searchsorted(end, i, side="right"))
        raise FloatingPointError(
            f"Optimizer: the {what} is not finite: element {i - (end[k] - block.layout.sizes[k])} of "
            f"parameter {k}, of shape {block.layout.shapes[k]}, has {v[i]}; the parameters are unchanged"
        )

    # ------------------------------------------------------------ saving

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next steps depend on, as plain values and tensors for `torch.save`."""
        blocks = [
            {
                "shapes": [list(s) for s in b.layout.shapes],
                "dtype": str(b.layout.dtype),
                "begun": b.begun,
                "state": encode(b.state),
                "rng": encode(b.rng),
            }
            for b in self._prepare()
        ]
        return {**super().state_dict(), "refopt": {"method": signature(self.method), "blocks": blocks}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` saved; the next steps are bit for bit those of the saved optimizer.

        Raises
        ------
        ValueError
            For the state of another method, or of parameters of other shapes or dtype. Then the optimizer
            has not changed.
        """
        if not isinstance(state_dict, dict) or "refopt" not in state_dict:
            raise ValueError(
                "load_state_dict: this is not the state of a refopt.torch.Optimizer; give what its "
                "state_dict() returned"
            )
        saved, blocks = state_dict["refopt"], self._prepare()
        if saved["method"] != signature(self.method):
            raise ValueError(
                f"load_state_dict: the state belongs to {saved['method']}, this optimizer runs "
                f"{signature(self.method)}; make the optimizer with the same method"
            )
        given = [([tuple(s) for s in b["shapes"]], b["dtype"]) for b in saved["blocks"]]
        own = [(list(b.layout.shapes), str(b.layout.dtype)) for b in blocks]
        if given != own:
            raise ValueError(
                f"load_state_dict: the state belongs to parameters {given}, this optimizer has {own}; "
                "shapes, order, groups and dtype must be the same"
            )
        states = [(b["begun"], decode(b["state"]), decode(b["rng"])) for b in saved["blocks"]]
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "refopt"})
        for block, (begun, state, rng) in zip(blocks, states, strict=True):
            block.begun, block.state, block.rng = begun, state, rng
        self._prepare()

    def __getstate__(self) -> dict[str, Any]:
        own = ("method", "elementwise", "needs_closure", "stop", "_blocks", "_rng", "_names")
        return {**super().__getstate__(), **{name: self.__dict__[name] for name in own}}
