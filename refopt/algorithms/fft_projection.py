"""The method FFTProjection."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import scipy.fft

from ..method import option
from ..parts.projection import GRADIENTS, Projection, tensor_shapes
from ..views.linear_map import LinearMap, size_of

__all__ = ["FFTProjection"]

NORMS = (None, "backward", "forward", "ortho")
SWAPPED = {"backward": "forward", "forward": "backward", "ortho": "ortho"}  # the norm with c and c' exchanged


def half_spectrum(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of the coefficients of a real tensor, with a last axis (Re, Im); unchanged for size <= 1."""
    if size_of(shape) <= 1:
        return shape
    return (*shape[:-1], shape[-1] // 2 + 1, 2)


def multiplicity(n: int, dtype: np.dtype) -> np.ndarray:
    """How often each frequency of the last axis, of length n, occurs in the whole spectrum: 1 or 2."""
    w = np.full(n // 2 + 1, 2, dtype)
    w[0] = 1
    if n % 2 == 0:
        w[-1] = 1
    return w


def forward(v: np.ndarray, shape: tuple[int, ...], norm: str, weight: bool) -> np.ndarray:
    """Coefficients (..., *half_spectrum) of tensors v (..., size); with `weight` times the multiplicity."""
    axes = tuple(range(-len(shape), 0))
    c = scipy.fft.rfftn(v.reshape((*v.shape[:-1], *shape)), axes=axes, norm=norm)
    if weight:
        c *= multiplicity(shape[-1], v.dtype)
    return np.stack([c.real, c.imag], axis=-1)


def inverse(z: np.ndarray, shape: tuple[int, ...], norm: str, weight: bool) -> np.ndarray:
    """Tensors (..., *shape) of coefficients z (..., size); with `weight` z is divided by the multiplicity."""
    axes = tuple(range(-len(shape), 0))
    parts = z.reshape((*z.shape[:-1], *half_spectrum(shape)))
    c = parts[..., 0] + 1j * parts[..., 1]
    if weight:
        c /= multiplicity(shape[-1], z.dtype)
    return scipy.fft.irfftn(c, s=shape, axes=axes, norm=norm)


@dataclasses.dataclass(frozen=True)
class Fourier(LinearMap):
    """The real Fourier transform of every tensor in `transformed`, a regrouping of the parent's.

    Attributes
    ----------
    transformed : shapes of the real tensors that are transformed
    norm : "backward", "forward" or "ortho"
    """

    transformed: tuple[tuple[int, ...], ...]
    norm: str

    def _each(self, a: np.ndarray, transform: Callable, norm: str, weight: bool, back: bool) -> np.ndarray:
        ours, theirs = (self.shapes, self.transformed) if back else (self.transformed, self.shapes)
        out = np.empty((*a.shape[:-1], sum(map(size_of, theirs))), a.dtype)
        i = j = 0
        for shape, mine, other in zip(
            self.transformed, map(size_of, ours), map(size_of, theirs), strict=True
        ):
            part = a[..., i : i + mine]
            moved = transform(part, shape, norm, weight) if size_of(shape) > 1 else part
            out[..., j : j + other] = moved.reshape(*a.shape[:-1], other)
            i, j = i + mine, j + other
        return out

    def project(self, v):
        return self._each(v, forward, self.norm, False, False)

    def unproject(self, z):
        return self._each(z, inverse, self.norm, False, True)

    def project_adjoint(self, w):
        return self._each(w, inverse, SWAPPED[self.norm], True, True)

    def unproject_adjoint(self, v):
        return self._each(v, forward, SWAPPED[self.norm], True, False)


@dataclasses.dataclass(frozen=True)
class FFTProjection(Projection):
    """Run inner methods on the real Fourier coefficients of the variables.

        (P x)_k = c sum_j x_j e^(-2 pi i jk/n)            k in the half spectrum; Re and Im, a last axis of 2
        (Q z)_j = c' Re sum_k w_k z_k e^(+2 pi i jk/n)    w_k = 1 at the frequencies 0 and (n even) n/2 of
                                                          the last axis, else 2: the conjugate half

        (c, c') = (1, 1/n)                                norm=None or "backward"
                  (1/n, 1)                                norm="forward"
                  (1/sqrt n, 1/sqrt n)                    norm="ortho"

    over all axes of each tensor, or with one_d over the concatenated vector. Tensors with at most
    one element are left unchanged. The adjoints are

        P^T z = (c / c') Q (z / w)          Q^T v = (c' / c) w P v

    so P is not an isometry in any norm, because the half spectrum has only one of each conjugate
    pair. So there is a choice. With z = P x and phi(z) = f(Q z), the inner methods receive as the
    gradient of phi (and likewise as the update)

        P g      gradient="project", as in the original; slopes of phi are wrong by w and by the norm
        Q^T g    gradient="chain-rule", which Newton-type methods and line searches need

    Parameters
    ----------
    inner : method or sequence of methods
        What runs on the coefficients.
    one_d : bool
        Transform the concatenated vector instead of each tensor over all its axes.
    norm : {None, "backward", "forward", "ortho"}
        Where the factor 1/n is: in Q (None, "backward"), in P ("forward"), or 1/sqrt(n) in both.
    project_update, project_params, project_grad : bools, by keyword
        What the inner methods receive: the projected update; the point z and phi, which they may
        evaluate; the projected gradient. See `refopt.parts.projection.Projection`.
    gradient : {"project", "chain-rule"}, by keyword
        How gradients and updates are mapped to the projected space: P g, or Q^T g.

    Raises
    ------
    TypeError, ValueError
        For missing inner methods, an unknown norm, flags that do not give the inner methods what
        they need, or inner methods with second derivatives under ``gradient="project"``.

    Notes
    -----
    Source: `torchzero` 0.4.4, ``FFTProjection``.

    Deviations: only those of all projections, see `refopt.parts.projection.Projection`.

    Cost per step: two transforms, O(n log n), and the inner methods; with project_params two more
    transforms for each evaluation inside.

    Examples
    --------
    >>> import refopt
    >>> inner = [refopt.LBFGS(), refopt.StrongWolfe()]
    >>> method = refopt.FFTProjection(inner, project_params=True, gradient="chain-rule")
    >>> fun = lambda x: (x[0] - 3) ** 2 + (x[1] + 1) ** 4 + x[2] ** 2
    >>> refopt.minimize(fun, [1.0, 1.0, 1.0], method=method).success
    True
    """

    one_d: bool = option(False, bool)  # this and the next two as in torchzero 0.4.4
    norm: str | None = option(None, NORMS)
    gradient: str = dataclasses.field(default="project", kw_only=True, metadata={"rule": GRADIENTS})  # type: ignore[misc]

    def space(self, n, shapes):
        shapes = tensor_shapes(shapes, n)
        tensors = ((n,),) if self.one_d else shapes
        return Fourier(shapes, tuple(map(half_spectrum, tensors)), tensors, self.norm or "backward")
