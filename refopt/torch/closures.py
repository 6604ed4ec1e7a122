"""The forms of a user's closure, and how it is called.

These forms are supported:

    closure()                         returns the loss                                  all derivatives
    closure(backward=True)            calls loss.backward() only if backward is True    all derivatives
    closure()                         zeroes gradients, calls loss.backward() itself    value and gradient
    closure()                         returns (output, loss), loss a function of it     also Gauss-Newton

In the last form, with the loss `squares`, the outputs are residuals.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .. import checks

__all__ = ["Closure", "squares"]


def squares(residuals: torch.Tensor) -> torch.Tensor:
    """The loss ``sum r_i^2``; if a closure returns (output, squares), the output is a vector of residuals.

    Examples
    --------
    >>> import torch, refopt, refopt.torch
    >>> t, y = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([1.0, 0.6, 0.4])
    >>> w = torch.ones(2, requires_grad=True)
    >>> decay = refopt.torch.objective(lambda: (w[0] * torch.exp(-w[1] * t) - y, refopt.torch.squares), [w])
    >>> refopt.minimize(decay, method="GaussNewton").x.round(3)
    array([0.994, 0.474], dtype=float32)
    """
    return (residuals**2).sum()


class Closure:
    """A closure and the form of its calls.

    Attributes
    ----------
    takes_backward : True if it has the parameter `backward`
    """

    def __init__(self, who: str, closure: Any):
        self.who = who
        self.function: Callable = checks.function(who, "closure", closure)
        try:
            parameters = inspect.signature(closure).parameters
        except (TypeError, ValueError):  # a builtin without a signature
            parameters = {}  # type: ignore[assignment]
        self.takes_backward = "backward" in parameters

    def gradients(self, params: Sequence[torch.Tensor]) -> Any:
        """Call it so that it fills ``p.grad``, as torch's own optimizers do; returns what it returned."""
        before = [(p.grad, None if p.grad is None else p.grad._version) for p in params]
        with torch.enable_grad():
            loss = self.function(backward=True) if self.takes_backward else self.function()
        self.refuse_none(loss)
        after = [(p.grad, None if p.grad is None else p.grad._version) for p in params]
        if all(new is old and a == b for (new, a), (old, b) in zip(after, before, strict=True)):
            raise ValueError(
                f"{self.who}: the closure computed no gradients of the parameters; "
                "call loss.backward() in it before it returns the loss"
            )
        return loss

    def loss(self, params: Sequence[torch.Tensor]) -> tuple[Any, list[torch.Tensor | None] | None]:
        """``(loss, None)`` with its graph, or ``(loss, gradients)`` if the closure called backward."""
        if self.takes_backward:
            with torch.enable_grad():
                loss = self.function(backward=False)
            grads = None
        else:
            before = [p.grad for p in params]
            for p in params:
                p.grad = None
            with torch.enable_grad():
                loss = self.function()
            grads = [p.grad for p in params]
            if all(g is None for g in grads):
                grads = None
                for p, g in zip(params, before, strict=True):
                    p.grad = g
        self.refuse_none(loss)
        if grads is None and isinstance(loss, tuple):
            self.check_parts(loss)
        elif grads is None:
            self.check_graph(loss)
        elif isinstance(loss, torch.Tensor):
            self.check_scalar(loss)
        elif isinstance(loss, bool) or not isinstance(loss, (int, float)):
            raise TypeError(f"{self.who}: the closure must return the loss, got {checks.describe(loss)}")
        return loss, grads

    def check_parts(self, parts: tuple) -> None:
        if len(parts) != 2 or not isinstance(parts[0], torch.Tensor) or not callable(parts[1]):
            raise TypeError(
                f"{self.who}: the closure returned a tuple, which must be (output, loss) with the model's "
                f"output as a tensor and the loss as a function of it, got {checks.describe(parts)}"
            )

    def refuse_none(self, loss: Any) -> None:
        if loss is None:
            raise TypeError(
                f"{self.who}: the closure returned None; it must return the loss (is a `return loss` "
                "missing?)"
            )

    def check_scalar(self, loss: torch.Tensor) -> None:
        if loss.numel() != 1:
            raise ValueError(
                f"{self.who}: the closure must return one number, got a tensor of shape {tuple(loss.shape)}; "
                "reduce it, for example loss.mean()"
            )
        if loss.is_complex():
            raise TypeError(
                f"{self.who}: the closure must return a real number, got {loss.dtype}; "
                "for example loss.abs() or loss.real"
            )

    def check_graph(self, loss: Any) -> None:
        if not isinstance(loss, torch.Tensor):
            raise TypeError(
                f"{self.who}: the closure must return the loss as a tensor, got {checks.describe(loss)}; "
                "return the tensor itself, not loss.item()"
            )
        self.check_scalar(loss)
        if not loss.requires_grad:
            raise ValueError(
                f"{self.who}: the closure computed no gradients, and the loss it returned has no graph to "
                "compute them from; leave out torch.no_grad() and detach(), and check that the loss "
                "depends on parameters with requires_grad=True"
            )
