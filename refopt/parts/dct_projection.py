"""The method DCTProjection."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import scipy.fft

from ..method import option
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
    """Run inner methods on the cosine coefficients of the variables.

        (P x)_k = c_k sqrt(2/n) sum_j x_j cos(pi (2j + 1) k / (2n))       j, k = 0 ... n-1
        c_0 = 1/sqrt(2),  c_k = 1 for k > 0
        Q = P^T

    over all axes of each tensor, or with one_d over the concatenated vector: the orthonormal
    discrete cosine transform of type II.

    Compared with FFTProjection it has two advantages. The coefficients are real, and there are as
    many as variables. P is orthogonal, so P g is the gradient in the new variables. Methods that do
    not depend on the choice of an orthonormal basis (gradient descent, HeavyBall, Newton without
    modification) have the same iterates inside as outside. So has LBFGS if |g|_1 <= 1 at the start,
    in both spaces, because its first step is limited in the 1-norm. Elementwise scaling such as
    Adam's acts on frequencies.

    Parameters
    ----------
    inner : method or sequence of methods
        What runs on the coefficients.
    one_d : bool
        Transform the concatenated vector instead of each tensor over all its axes.
    project_update, project_params, project_grad : bools, by keyword
        What the inner methods receive: the projected update P u; the point z = P x and f(Q z),
        which they may evaluate; the projected gradient P g. See
        `refopt.parts.projection.Projection`.

    Raises
    ------
    TypeError, ValueError
        For missing inner methods, or flags that do not give the inner methods what they need.

    Notes
    -----
    Source: N. Ahmed, T. Natarajan, K. R. Rao, Discrete cosine transform, IEEE Trans. Computers C-23
    (1974) 90-93, doi 10.1109/T-C.1974.223784, eq. (1).

    Deviations: the coefficients of the paper are multiplied by sqrt(n/2), which makes P
    orthonormal. `torchzero` 0.4.4 has no cosine transform.

    Cost per step: two transforms, O(n log n), and the inner methods; with project_params two more
    transforms for each evaluation inside.

    Examples
    --------
    >>> import refopt
    >>> method = refopt.DCTProjection([refopt.LBFGS(), refopt.StrongWolfe()], project_params=True)
    >>> refopt.minimize(lambda x: (x[0] - 3) ** 2 + (x[1] + 1) ** 4, [1.0, 1.0], method=method).success
    True
    """

    one_d: bool = option(False, bool)  # as in FFTProjection

    def space(self, n, shapes):
        shapes = tensor_shapes(shapes, n)
        return Cosines(shapes, ((n,),) if self.one_d else shapes)
