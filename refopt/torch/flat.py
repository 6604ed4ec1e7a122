"""Tensors as one flat vector: conversion between torch and NumPy.

A vector is converted by one copy: directly between CPU tensors and the NumPy array, or, on another device, as
one flat tensor in one transfer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

__all__ = ["Layout", "check_parameters"]

DTYPES: dict[torch.dtype, np.dtype] = {
    torch.float64: np.dtype(np.float64),
    torch.float32: np.dtype(np.float32),
}


def check_parameters(who: str, params: Sequence[Any]) -> None:
    """Raise an error if the parameters cannot be one flat real vector on one device."""
    for i, p in enumerate(params):
        if not isinstance(p, torch.Tensor):
            raise TypeError(
                f"{who}: params must be tensors, but params[{i}] is {type(p).__name__}; "
                "give model.parameters() or a list of tensors"
            )
        if p.dtype not in DTYPES:
            hint = (
                "give real and imaginary parts, torch.view_as_real(z), as the parameter"
                if p.is_complex()
                else "convert the model with model.float() or model.double()"
            )
            raise TypeError(
                f"{who}: params must be float32 or float64, but params[{i}] has dtype {p.dtype}; {hint}"
            )
        if p.layout != torch.strided:
            raise TypeError(f"{who}: params must be dense tensors, but params[{i}] has layout {p.layout}")
        if not (p.is_leaf or p.retains_grad):
            raise ValueError(
                f"{who}: params[{i}] is the result of a computation, not a leaf tensor; "
                "give p.detach().requires_grad_()"
            )
    for name, kinds in (
        ("devices", {str(p.device) for p in params}),
        ("dtypes", {str(p.dtype) for p in params}),
    ):
        if len(kinds) > 1:
            raise ValueError(
                f"{who}: params are of several {name} ({', '.join(sorted(kinds))}), but one flat vector has "
                f"one; move the model to one of them, or make one optimizer for each"
            )
    if sum(p.numel() for p in params) == 0:
        raise ValueError(f"{who}: params is empty; give at least one number to optimise")
    owners: dict[int, int] = {}
    for i, p in enumerate(params):
        if p.numel() and params[owners.setdefault(p.data_ptr(), i)] is not p:
            raise ValueError(
                f"{who}: params[{owners[p.data_ptr()]}] and params[{i}] are different tensors over the same "
                "memory; tie parameters by using one tensor in both places"
            )


class Layout:
    """The place of each tensor in the flat vector.

    Attributes
    ----------
    params : list of tensors, without repetitions
    shapes : tuple of their shapes
    n : length of the flat vector
    dtype : its NumPy dtype
    """

    def __init__(self, who: str, params: Sequence[Any]):
        params = list(params)
        check_parameters(who, params)
        self.params = list({id(p): p for p in params}.values())
        self.shapes = tuple(tuple(p.shape) for p in self.params)
        self.sizes = [p.numel() for p in self.params]
        self.n = sum(self.sizes)
        self.torch_dtype = self.params[0].dtype
        self.dtype: np.dtype = DTYPES[self.torch_dtype]

    @property
    def device(self) -> torch.device:
        return self.params[0].device

    def check_dtype(self, who: str) -> None:
        """Raise an error if the dtype of the model has changed."""
        if self.params[0].dtype != self.torch_dtype:
            raise TypeError(
                f"{who}: the parameters were {self.torch_dtype} and are {self.params[0].dtype} now; "
                "make a new optimizer after converting the model"
            )

    # ------------------------------------------------------------ torch -> NumPy

    def read(self) -> np.ndarray:
        """A copy of the parameters, shape (n,)."""
        return self.gather(self.params)

    @torch.no_grad()
    def gather(self, tensors: Sequence[torch.Tensor | None], out: np.ndarray | None = None) -> np.ndarray:
        """A flat copy (n,), new or in `out`, of tensors shaped like the parameters; None means zeros."""
        out = np.empty(self.n, self.dtype) if out is None else out
        target = torch.from_numpy(out)
        flat = [
            torch.zeros(size, dtype=self.torch_dtype, device=self.device) if t is None else t.reshape(-1)
            for t, size in zip(tensors, self.sizes, strict=True)
        ]
        if len(flat) == 1:
            target.copy_(flat[0])
        elif self.device.type == "cpu":
            torch.cat(flat, out=target)
        else:
            target.copy_(torch.cat(flat))
        return out

    def view(self, tensors: Sequence[torch.Tensor | None], buffer: np.ndarray) -> np.ndarray:
        """Like `gather` into `buffer`, read-only; a single contiguous CPU tensor is shared, not copied."""
        t = tensors[0]
        if len(tensors) == 1 and t is not None and t.device.type == "cpu" and t.is_contiguous():
            out = t.detach().numpy().reshape(-1)
        else:
            out = self.gather(tensors, buffer)[:]
        out.flags.writeable = False
        return out

    # ------------------------------------------------------------ NumPy -> torch

    @torch.no_grad()
    def write(self, x: np.ndarray) -> None:
        """Put x (n,) into the parameters."""
        if self.device.type == "cpu":
            start = 0
            for p, shape, size in zip(self.params, self.shapes, self.sizes, strict=True):
                p.detach().numpy()[...] = x[start : start + size].reshape(shape)
                torch.autograd.graph.increment_version(p)  # so that graphs with p know that it has changed
                start += size
        else:
            torch._foreach_copy_(self.params, self.split(x))

    @torch.no_grad()
    def subtract(self, update: np.ndarray, where: Sequence[Any]) -> None:
        """Subtract update (n,) from the parameters whose entry in `where` is not None."""
        parts = zip(self.params, self.split(update), where, strict=True)
        moved = [(p, u) for p, u, present in parts if present is not None]
        torch._foreach_sub_([p for p, _ in moved], [u for _, u in moved])

    def split(self, v: np.ndarray) -> list[torch.Tensor]:
        """The tensors of a flat vector, on the device of the parameters; they may share its memory."""
        if self.device.type == "cpu" and v.flags.writeable and v.dtype == self.dtype:
            flat = torch.from_numpy(v)
        else:
            flat = torch.tensor(v, dtype=self.torch_dtype, device=self.device)
        return [t.view(shape) for t, shape in zip(flat.split(self.sizes), self.shapes, strict=True)]
