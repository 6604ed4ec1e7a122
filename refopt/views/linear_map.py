"""Linear maps to other variables and back, each with its exact adjoint.

    P: R^n -> R^m (project)      Q: R^m -> R^n (unproject)      Q P = I      and P^T, Q^T

The Fourier and cosine transforms are in `refopt.algorithms.fft_projection` and `refopt.parts.dct_projection`.
"""

from __future__ import annotations

import dataclasses

import numpy as np

__all__ = ["LinearMap", "Isometry", "Padding", "Restriction", "Shapes", "size_of"]

Shapes = tuple[tuple[int, ...], ...]


def size_of(shape: tuple[int, ...]) -> int:
    """The number of elements of a tensor of that shape (1 for a number, 0 for an empty tensor)."""
    return int(np.prod(shape, dtype=np.int64))


@dataclasses.dataclass(frozen=True)
class LinearMap:
    """``P: R^n -> R^m`` and its left inverse Q. All four maps act on the last axis and keep the dtype.

    Attributes
    ----------
    parent_shapes : shapes of the tensors whose concatenation is v (n,)
    shapes : shapes of the tensors whose concatenation is z (m,)
    """

    parent_shapes: Shapes
    shapes: Shapes

    @property
    def n(self) -> int:
        return sum(map(size_of, self.parent_shapes))

    @property
    def m(self) -> int:
        return sum(map(size_of, self.shapes))

    def project(self, v: np.ndarray) -> np.ndarray:
        """``P v``: (..., n) -> (..., m)."""
        raise NotImplementedError

    def unproject(self, z: np.ndarray) -> np.ndarray:
        """``Q z``: (..., m) -> (..., n)."""
        raise NotImplementedError

    def project_adjoint(self, w: np.ndarray) -> np.ndarray:
        """``P^T w``: (..., m) -> (..., n)."""
        raise NotImplementedError

    def unproject_adjoint(self, v: np.ndarray) -> np.ndarray:
        """``Q^T v``: (..., n) -> (..., m)."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class Isometry(LinearMap):
    """A map with Q = P^T, so each of P and Q is the adjoint of the other."""

    def project_adjoint(self, w):
        return self.unproject(w)

    def unproject_adjoint(self, v):
        return self.project(v)


@dataclasses.dataclass(frozen=True)
class Padding(Isometry):
    """Padding with zeros: each z-tensor holds the next `used` numbers of v, then zeros.

    Attributes
    ----------
    used : how many numbers of v each z-tensor holds
    """

    used: tuple[int, ...]

    def _pairs(self):
        a = b = 0
        for count, shape in zip(self.used, self.shapes, strict=True):
            yield slice(a, a + count), slice(b, b + count)
            a, b = a + count, b + size_of(shape)

    def project(self, v):
        if self.m == self.n:
            return v
        z = np.zeros((*v.shape[:-1], self.m), v.dtype)
        for mine, theirs in self._pairs():
            z[..., theirs] = v[..., mine]
        return z

    def unproject(self, z):
        if self.m == self.n:
            return z
        v = np.empty((*z.shape[:-1], self.n), z.dtype)
        for mine, theirs in self._pairs():
            v[..., mine] = z[..., theirs]
        return v


@dataclasses.dataclass(frozen=True)
class Restriction(Isometry):
    """P takes the coordinates ``start:stop`` of v, Q puts them back among zeros. Here P Q = I, not Q P."""

    start: int
    stop: int

    def project(self, v):
        return v[..., self.start : self.stop]

    def unproject(self, z):
        v = np.zeros((*z.shape[:-1], self.n), z.dtype)
        v[..., self.start : self.stop] = z
        return v
