"""DCTProjection: updates as cosine coefficients.

    P = the orthonormal discrete cosine transform of type II, over all axes of each tensor (with one_d: of the
    concatenated vector),   Q = P^T

The Fourier idea without its two blemishes: the coefficients are real, as many as the variables, and P is
orthogonal, so P g *is* the gradient in the new variables, and rotation-invariant methods (gradient descent,
heavy ball, Newton; L-BFGS if |g|_1 <= 1 at the start, since its first step is cut in the 1-norm) take the same
iterates inside as outside. Elementwise scaling such as Adam's acts on frequencies.

Source: Ahmed, Natarajan, Rao 1974, doi 10.1109/T-C.1974.223784; beyond the original package, which has no
DCT.

Cost per step: two transforms, O(n log n); with project_params two more per evaluation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import scipy.fft

from ..views.linear_map import Isometry, size_of
from .projection import Projection, tensor_shapes

__all__ = ["DCTProjection"]


@dataclasses.dataclass(frozen=True)
class Cosines(Isometry):
    """The orthonormal cosine transform of every tensor in `shapes`, a regrouping of the parent's."""

    def _each(self, a: np.ndarray, transform: Callable) -> np.ndarray:
        out = np.empty_like(a)
        stop = 0
        for shape in self.shapes:
            start, stop = stop, stop + size_of(shape)
            tensor = a[..., start:stop].reshape((*a.shape[:-1], *shape))
            if size_of(shape) > 1:
                tensor = transform(tensor, axes=tuple(range(-len(shape), 0)), norm="ortho")
            out[..., start:stop] = tensor.reshape(*a.shape[:-1], stop - start)
        return out

    def project(self, v):
        return self._each(v, scipy.fft.dctn)

    def unproject(self, z):
        return self._each(z, scipy.fft.idctn)


@dataclasses.dataclass(frozen=True)
class DCTProjection(Projection):
    """Run inner methods on the orthonormal cosine coefficients of the variables.

    Parameters
    ----------
    inner : method or sequence of methods
    one_d : bool
        Transform the concatenated vector instead of each tensor over all its axes.
    project_update, project_params, project_grad : bool, by keyword
        What the inner methods receive, see `refopt.parts.projection`.

    Raises
    ------
    TypeError, ValueError
        For missing inner methods, or flags that do not give the inner methods what they need.

    Examples
    --------
    >>> import refopt
    >>> method = refopt.DCTProjection([refopt.LBFGS(), refopt.StrongWolfe()], project_params=True)
    >>> refopt.minimize(lambda x: (x[0] - 3) ** 2 + (x[1] + 1) ** 4, [1.0, 1.0], method=method).success
    True
    """

    one_d: bool = False

    def __post_init__(self):
        super().__post_init__()
        self.check(one_d=bool)

    def space(self, n, shapes):
        shapes = tensor_shapes(shapes, n)
        return Cosines(shapes, ((n,),) if self.one_d else shapes)
