"""Composite functions: scalar functions that keep the two parts they are made of, a model and a loss.

    f(x) = l(y(x)),      y the model, l the loss            ModelLoss
    f(x) = sum_i r_i(x)^2                                   LeastSquares: y = r, l(y) = y^T y
    f(x) = sum_i c^2 rho((r_i(x) / c)^2)                    LeastSquares with a robust loss

Gauss-Newton methods need the parts: their matrix is ``J^T H_l J`` with J the Jacobian of y and H_l the
Hessian of l.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import autograd.numpy as np
import numpy as onp
import scipy.linalg
from autograd.tracer import getval

from .checks import boolean, describe, function, in_interval, one_of
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
        Targets of another shape than y, such as a column (m, 1) against (m,), broadcast as in NumPy, and
        nobody can tell that from what is meant: give them the shape of y.

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


class Rho(NamedTuple):
    """A robust loss ``z -> rho(z)`` of squares z >= 0 and its derivatives; rho(0) = 0, rho'(0) = 1."""

    value: Callable[[Any], Any]  # written for autograd
    slope: Callable[[Any], Any]
    curvature: Callable[[Any], Any]


# the names and formulas of scipy.optimize.least_squares
LOSSES = {
    "linear": Rho(lambda z: z, onp.ones_like, onp.zeros_like),
    "soft_l1": Rho(
        lambda z: 2 * z / (1 + np.sqrt(1 + z)), lambda z: (1 + z) ** -0.5, lambda z: -0.5 * (1 + z) ** -1.5
    ),
    "huber": Rho(
        lambda z: np.where(z <= 1, z, 2 * np.sqrt(np.maximum(z, 1)) - 1),
        lambda z: onp.maximum(z, 1) ** -0.5,
        lambda z: onp.where(z <= 1, 0, -0.5 * onp.maximum(z, 1) ** -1.5),
    ),
    "cauchy": Rho(np.log1p, lambda z: 1 / (1 + z), lambda z: -1 / (1 + z) ** 2),
    "arctan": Rho(np.arctan, lambda z: 1 / (1 + z**2), lambda z: -2 * z / (1 + z**2) ** 2),
}
LEAST = float(onp.finfo(float).eps)  # of ``rho' + 2 z rho''``, as in scipy.optimize.least_squares


def rho_of(loss: Any) -> Rho:
    """The loss of this name; one given as a function with its derivatives by autograd."""
    if not callable(loss):
        return LOSSES[one_of("LeastSquares", "loss", loss, LOSSES)]

    def value(z: Any) -> Any:
        rho = loss(z)
        rho = rho[0] if np.ndim(rho) == 2 else rho
        if np.shape(rho) != np.shape(z):
            raise ValueError(
                f"LeastSquares: loss must return one number for each residual, shape {np.shape(z)} (or, as "
                f"for SciPy, three rows of these), got shape {np.shape(rho)}"
            )
        return rho

    total = lambda z: np.sum(value(z))  # noqa: E731  its Hessian is diagonal
    return Rho(
        value,
        lambda z: reverse.gradient(total, z),
        lambda z: reverse.product_function(total, z)(onp.ones_like(z)),
    )


class LeastSquares(ModelLoss):
    """The scalar function `f(x) = sum_i r_i(x)^2` of a residual function (no factor 1/2), or a robust one.

        f = sum_i r_i^2
        f = sum_i w_i r_i^2                            weights w
        f = sum_i (r_i / sigma_i)^2                    standard deviations sigma (m,)
        f = r^T S^-1 r                                 covariance matrix S = sigma (m, m)
        f = sum_i c^2 rho((r_i / c)^2)                 loss rho, c = f_scale; r with its weights

    Methods that need the residuals themselves, such as LevenbergMarquardt, read the attribute `residuals`.

    Parameters
    ----------
    residuals : callable
        `residuals(x, *args) -> r`, from shape (n,) to shape (m,), written in `autograd.numpy` if
        derivatives are needed. A list of numbers will do.
    weights : (m,) array of positive numbers, optional
        They multiply the *squares*; 1 / variance, up to a factor. (The weights of `lmfit` and
        `numpy.polyfit` multiply the residuals.)
    sigma : (m,) or (m, m) array, or a positive number, optional
        Standard deviations of the data, or their covariance matrix, as in `scipy.optimize.curve_fit`; instead
        of `weights`.
    loss : {"linear", "soft_l1", "huber", "cauchy", "arctan"} or callable
        How much a large residual counts, as in `scipy.optimize.least_squares`. A callable takes the array
        z (m,) and returns rho(z) (m,), or three rows of which the first is rho(z), as SciPy wants it; it is
        written in `autograd.numpy`, with rho(0) = 0 and rho'(0) = 1.
    f_scale : float > 0
        The size c of a residual, with its weights, from which on it counts as large.
    absolute_sigma : bool
        True: `sigma` is known, and `covariance()` of the result takes it as it is. False: it is known up to a
        factor, estimated from the residuals. As in `scipy.optimize.curve_fit`.

    Raises
    ------
    TypeError, ValueError
        If `residuals` is not callable, or another argument not what it should be. When it is called, if
        `residuals` does not return an array of shape (m,).

    Notes
    -----
    The convention (no 1/2) is that of Moré, Garbow and Hillstrom, ACM TOMS 7 (1981), eq. (1.1), and of the
    residual sum of squares that NIST certifies. The gradient is `2 J^T r`, the Gauss-Newton Hessian `2 J^T
    J`. SciPy minimises half of f.

    The Gauss-Newton matrix of a robust loss is ``2 J^T diag(h) J`` with ``h_i = rho' + 2 z_i rho''``, at
    least eps: B. Triggs, P. McLauchlan, R. Hartley, A. Fitzgibbon, Bundle adjustment: a modern synthesis,
    Vision Algorithms 1999, LNCS 1883 (2000) 298-372, section 4.3, and `scipy.optimize.least_squares`. Hessian
    and Taylor series are those of f itself.

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

    One point far off the line has little influence with a robust loss:

    >>> import refopt
    >>> t = np.arange(6.0)
    >>> y = 1 + 2 * t
    >>> y[3] = 50.0
    >>> robust = LeastSquares(lambda x: x[0] + x[1] * t - y, loss="cauchy", f_scale=0.1)
    >>> refopt.minimize(robust, [0.0, 0.0]).x.round(2)
    array([1., 2.])
    """

    def __init__(
        self,
        residuals: Callable[..., Any],
        weights: Any = None,
        sigma: Any = None,
        loss: Any = "linear",
        f_scale: float = 1.0,
        absolute_sigma: bool = False,
    ) -> None:
        self.residuals = function("LeastSquares", "residuals", residuals)
        self.whitening = whitening_of(weights, sigma)
        self.robust = None if loss == "linear" else name_of(loss) if callable(loss) else loss
        self._loss, self.rho = loss, rho_of(loss)
        self.f_scale = in_interval("LeastSquares", "f_scale", f_scale, "(0, inf)")
        self.absolute_sigma = boolean("LeastSquares", "absolute_sigma", absolute_sigma)
        if self.f_scale != 1 and self.robust is None:
            raise ValueError("LeastSquares: f_scale has no effect with loss='linear'; give a robust loss")
        if self.absolute_sigma and sigma is None:
            raise ValueError("LeastSquares: absolute_sigma has no effect without sigma; give sigma")
        given = {"weights": weights, "sigma": sigma}
        self._shown = [f"{name}={describe(value)}" for name, value in given.items() if value is not None]
        if self.robust is not None:
            self._shown += [f"loss={self.robust}", f"f_scale={self.f_scale:g}"]

    def __getstate__(self) -> dict[str, Any]:
        """All but the formulas of the loss, which are made again."""
        return {name: value for name, value in vars(self).items() if name != "rho"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, rho=rho_of(state["_loss"]))

    def model(self, x: Any, *args: Any) -> Any:
        """The residuals with their weights, as an array, also where the function returns a list."""
        r = self.residuals(x, *args)
        r = np.array(r) if isinstance(r, (list, tuple)) else r
        if np.ndim(r) != 1:
            raise wrong_shape(r)
        return self.weighted(r)

    def weighted(self, a: Any) -> Any:
        """The residuals (m,), or their Jacobian (m, n), with the weights."""
        W = self.whitening
        if W is None:
            return a
        if np.ndim(W) and len(W) != np.shape(a)[0]:
            raise ValueError(
                f"LeastSquares: weights or sigma are for {len(W)} residuals, but there are {np.shape(a)[0]}; "
                "give one for each residual"
            )
        W = W.astype(a.dtype) if a.dtype == onp.float32 else W
        if np.ndim(W) == 2:
            return np.dot(W, a)
        return W * a if np.ndim(W) == 0 or np.ndim(a) == 1 else W[:, None] * a

    def loss(self, y: Any) -> Any:
        """The sum of squares, or of the robust loss of them."""
        if self.robust is None:
            return np.sum(y * y)
        c = self.f_scale
        return c * c * np.sum(self.rho.value((y / c) ** 2))

    def slope(self, y: Any) -> Any:
        return 2 * y if self.robust is None else 2 * y * self.rho.slope((y / self.f_scale) ** 2)

    def curvature(self, y: Any) -> Callable[[Any], Any]:
        """``v -> H v``, H twice the diagonal matrix of the h_i, which are at least eps."""
        if self.robust is None:
            return lambda v: 2 * v
        h = self.heights(y)
        return lambda v: 2 * h * v

    def heights(self, y: Any) -> Any:
        """h (m,), half of the second derivatives of the loss at y, at least eps."""
        z = (y / self.f_scale) ** 2
        return onp.maximum(self.rho.slope(z) + 2 * z * self.rho.curvature(z), LEAST)

    def factor(self, y: Any, J: Any) -> tuple[Any, Any]:
        """``(A, b)``: the Gauss-Newton matrix is ``2 A^T A``, the gradient ``2 A^T b``.

        Parameters
        ----------
        y, J : (m,), (m, n) arrays
            The residuals with their weights, and their Jacobian.
        """
        if self.robust is None:
            return J, y
        root = onp.sqrt(self.heights(y))
        return root[:, None] * J, self.slope(y) / (2 * root)

    def __repr__(self) -> str:
        return f"LeastSquares({', '.join([name_of(self.residuals), *self._shown])})"


def wrong_shape(r: Any) -> ValueError:
    """The error for residuals that are no vector."""
    shape = np.shape(r)
    if shape == ():
        return ValueError(
            f"residuals must return an array of shape (m,), got the single number {getval(r)}; give a scalar "
            "function to minimize directly, without refopt.LeastSquares, or np.array([r]) for one residual"
        )
    why = "flatten them, np.ravel(r), if each entry is a residual"
    if len(shape) == 2 and shape[0] == shape[1]:
        why = (
            f"if there are {shape[0]} data, they are likely a column, shape ({shape[0]}, 1), and data minus "
            f"a model of shape ({shape[0]},) is a matrix: flatten the data, np.ravel(y), before you subtract"
        )
    return ValueError(f"residuals must return an array of shape (m,), got shape {shape}; {why}")


def whitening_of(weights: Any, sigma: Any) -> Any:
    """What r is multiplied by: None, a number, (m,), or a matrix (m, m)."""
    if weights is not None and sigma is not None:
        raise ValueError("LeastSquares: give weights or sigma, not both; weights = 1 / sigma^2")
    if weights is None and sigma is None:
        return None
    name, given = ("weights", weights) if sigma is None else ("sigma", sigma)
    try:
        a = onp.array(given, dtype=float)
    except (TypeError, ValueError):
        raise TypeError(f"LeastSquares: {name} must be real numbers, got {describe(given)}") from None
    if sigma is not None and a.ndim == 2:
        return inverse_root(a)
    if a.ndim > 1 or a.size == 0:
        shapes = "shape (m,)" if sigma is None else "shape (m,) or (m, m)"
        raise ValueError(f"LeastSquares: {name} must have {shapes}, got shape {a.shape}")
    if not onp.all((a > 0) & onp.isfinite(a)):
        i = int(onp.flatnonzero(~((a > 0) & onp.isfinite(a)))[0])
        raise ValueError(
            f"LeastSquares: {name} must be positive and finite, got {onp.ravel(a)[i]:g} at {i}; leave out a "
            "residual that is not to count"
        )
    return onp.sqrt(a) if sigma is None else 1 / a


def inverse_root(S: Any) -> Any:
    """``L^-1`` of a covariance matrix ``S = L L^T``, so that ``|L^-1 r|^2 = r^T S^-1 r``."""
    if S.shape[0] != S.shape[1]:
        raise ValueError(f"LeastSquares: sigma must have shape (m,) or (m, m), got shape {S.shape}")
    try:
        if not onp.allclose(S, S.T, rtol=1e-10, atol=0):
            raise scipy.linalg.LinAlgError("it is not symmetric")
        L = scipy.linalg.cholesky(S, lower=True)
    except (scipy.linalg.LinAlgError, ValueError) as error:
        raise ValueError(
            "LeastSquares: sigma of shape (m, m) must be a covariance matrix, finite, symmetric and positive "
            f"definite ({error})"
        ) from None
    return scipy.linalg.solve_triangular(L, onp.eye(len(L)), lower=True)
