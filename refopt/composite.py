"""Composite functions: scalar functions that keep the two parts they are made of, a model and a loss.

    f(x) = l(y(x)),      y the model, l the loss            ModelLoss
    f(x) = sum_i r_i(x)^2                                   LeastSquares: y = r, l(y) = y^T y

Gauss-Newton methods need the parts: their matrix is ``J^T H_l J`` with J the Jacobian of y and H_l the
Hessian of l.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd.numpy as np

from .checks import function
from .derivatives import reverse

__all__ = ["LeastSquares", "ModelLoss"]


class ModelLoss:
    """The scalar function `f(x) = loss(model(x))` of a model and a loss.

    Parameters
    ----------
    model : callable
        `model(x, *args) -> y`, from shape (n,) to an array of any shape, written in `autograd.numpy`.
    loss : callable
        `loss(y) -> l`, one number, written in `autograd.numpy`. It takes no further arguments: targets are
        closed over. The Gauss-Newton matrix ``J^T H_l J`` is positive semidefinite where the loss is convex.

    Raises
    ------
    TypeError
        If `model` or `loss` is not callable.

    Notes
    -----
    Source: N. N. Schraudolph, Fast curvature matrix-vector products for second-order gradient descent, Neural
    Computation 14 (2002) 1723-1738, section 3.

    Examples
    --------
    >>> import autograd.numpy as np
    >>> import refopt
    >>> t, y = np.array([-1.0, 0.5, 2.0]), np.array([0.0, 1.0, 1.0])
    >>> logistic = refopt.ModelLoss(lambda x: x[0] + x[1] * t, lambda z: np.sum(np.logaddexp(0, z) - y * z))
    >>> round(float(logistic(np.zeros(2))), 6)
    2.079442
    """

    def __init__(self, model: Callable[..., Any], loss: Callable[[Any], Any]) -> None:
        self.model = function(type(self).__name__, "model", model)
        self.loss = function(type(self).__name__, "loss", loss)

    def __call__(self, x: Any, *args: Any) -> Any:
        return self.loss(self.model(x, *args))

    def slope(self, y: Any) -> Any:
        """The gradient of the loss at `y`, with the shape of `y`."""
        return reverse.gradient(self.loss, y)

    def curvature(self, y: Any) -> Callable[[Any], Any]:
        """``v -> H_l v``, the product with the Hessian of the loss at `y`; `v` has the shape of `y`."""
        return reverse.product_function(self.loss, y)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({name_of(self.model)}, {name_of(self.loss)})"


def name_of(part: Any) -> str:
    return getattr(part, "__qualname__", repr(part))


def sum_of_squares(r: Any) -> Any:
    return np.sum(r * r)


class LeastSquares(ModelLoss):
    """The scalar function `f(x) = sum_i r_i(x)^2` of a residual function (no factor 1/2).

    Methods that need the residuals themselves, such as Gauss-Newton, read the attribute `residuals`.

    Parameters
    ----------
    residuals : callable
        `residuals(x, *args) -> r`, from shape (n,) to shape (m,), written in `autograd.numpy` if
        derivatives are needed.

    Raises
    ------
    TypeError
        If `residuals` is not callable.

    Notes
    -----
    The convention (no 1/2) is that of Moré, Garbow and Hillstrom, ACM TOMS 7 (1981), eq. (1.1), and of the
    residual sum of squares that NIST certifies. The gradient is `2 J^T r`, the Gauss-Newton Hessian `2 J^T
    J`.

    Examples
    --------
    >>> import numpy as np
    >>> from refopt.composite import LeastSquares
    >>> line = LeastSquares(lambda x, t, y: x[0] + x[1] * t - y)
    >>> t, y = np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.5])
    >>> float(line(np.array([1.0, 2.0]), t, y))
    0.25
    >>> line.residuals(np.array([1.0, 2.0]), t, y)
    array([ 0. ,  0. , -0.5])
    """

    def __init__(self, residuals: Callable[..., Any]) -> None:
        self.residuals = function("LeastSquares", "residuals", residuals)
        self.loss = sum_of_squares

    def model(self, x: Any, *args: Any) -> Any:
        """The residuals as an array, also where the function returns a list of numbers."""
        r = self.residuals(x, *args)
        return np.array(r) if isinstance(r, (list, tuple)) else r

    def slope(self, y: Any) -> Any:
        return 2 * y

    def curvature(self, y: Any) -> Callable[[Any], Any]:
        return lambda v: 2 * v

    def __repr__(self) -> str:
        return f"LeastSquares({name_of(self.residuals)})"
