"""The matrix of a quadratic model: exact, Gauss-Newton, quasi-Newton or from the user.

A `CurvatureModel` is part of a method's state. Its ``at(point)`` returns an array, a sparse matrix or a
LinearOperator of shape (n, n).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.optimize import HessianUpdateStrategy
from scipy.sparse.linalg import LinearOperator

from .. import checks
from ..objective import Point
from ..returned import hessian_matrix
from ..status import Status, Stop

__all__ = ["CurvatureModel", "make_model", "needs_of"]

NEGATIVE = 1e-8  # a matrix with an eigenvalue below -1e-8 times its largest is indefinite beyond rounding
NAMES = ("exact", "gauss-newton")
NEEDS = {"exact": "hess", "gauss-newton": "gauss-newton"}


class CurvatureModel:
    """Base of the curvature models, without state."""

    def at(self, point: Point) -> Any:
        """The matrix of the model at `point`."""
        raise NotImplementedError

    def factor(self, point: Point) -> tuple[np.ndarray, np.ndarray] | None:
        """``(A, b)`` with the matrix A^T A and the gradient A^T b at `point`; None if not available."""
        return None

    def copy_state(self) -> CurvatureModel:
        return self


class Exact(CurvatureModel):
    """The Hessian: the user's `hess` (or products with `hessp`), else autograd's."""

    def __init__(self, prefer_dense: bool):
        self.prefer_dense = prefer_dense

    def at(self, point: Point) -> Any:
        if self.prefer_dense:
            return point.dense_hessian()
        return operator(point.hvp, point)


class GaussNewton(CurvatureModel):
    """The matrix ``J^T H_l J`` of a model and a loss."""

    def __init__(self, prefer_dense: bool):
        self.prefer_dense = prefer_dense

    def at(self, point: Point) -> Any:
        if self.prefer_dense:
            return point.gauss_newton
        return operator(point.gauss_newton_product, point)

    def factor(self, point: Point) -> tuple[np.ndarray, np.ndarray] | None:
        if not self.prefer_dense or not has_residuals(point):
            return None
        A, b = factor_of(point)
        root = np.sqrt(2.0)
        return root * A, root * b


class UserHessian(CurvatureModel):
    """The user's function of x, which returns an array, a sparse matrix or a LinearOperator."""

    def __init__(self, hess: Callable, prefer_dense: bool):
        self.hess = hess
        self.prefer_dense = prefer_dense

    def at(self, point: Point) -> Any:
        H = self.hess if isinstance(self.hess, LinearOperator) else self.hess(point.x.copy())
        H = hessian_matrix(H, point.x.size, point.x.dtype)
        if isinstance(H, LinearOperator):
            return np.asarray(H @ np.eye(point.x.size)) if self.prefer_dense else H
        return H.toarray() if self.prefer_dense and scipy.sparse.issparse(H) else H


class QuasiNewton(CurvatureModel):
    """A strategy that is updated with the step between the last two points it was asked about."""

    def __init__(self, strategy: HessianUpdateStrategy, prefer_dense: bool, fallback: bool, n: int):
        self.strategy = copy.deepcopy(strategy)  # the instance in the field of the method stays unchanged
        self.prefer_dense = prefer_dense
        self.x: np.ndarray | None = None
        self.g: np.ndarray | None = None
        self.inverse = not hessian_form(self.strategy, n)
        if self.inverse and not fallback:
            raise ValueError(
                f"{type(strategy).__name__} holds only the inverse of the Hessian, and "
                "inverting it costs O(n^3) per step; initialize it with approx_type='hess', "
                "use another strategy, or set fallback=True"
            )

    def at(self, point: Point) -> Any:
        if self.x is not None and self.g is not None and not np.array_equal(self.x, point.x):
            self.strategy.update(point.x - self.x, point.g - self.g)
        self.x, self.g = point.x, point.g
        if not self.prefer_dense and not self.inverse:
            return LinearOperator((point.x.size,) * 2, matvec=self.strategy.dot, dtype=point.x.dtype)
        B = np.asarray(self.strategy.get_matrix(), dtype=point.x.dtype)
        if not self.inverse:
            return B
        try:
            B = scipy.linalg.inv(B, check_finite=False)
        except scipy.linalg.LinAlgError:
            name = type(self.strategy).__name__
            raise Stop(Status.NONFINITE, reason=f"the inverse that {name} holds is singular") from None
        return (B + B.T) / 2

    def copy_state(self) -> QuasiNewton:
        return copy.deepcopy(self)


def hessian_form(strategy: HessianUpdateStrategy, n: int) -> bool:
    """Whether `strategy` holds the Hessian, after initializing it for `n` variables."""
    if getattr(strategy, "approx_type", None) == "inv_hess":  # the user initialized it with the inverse
        strategy.initialize(n, "inv_hess")
        return False
    try:
        strategy.initialize(n, "hess")
    except (ValueError, NotImplementedError):
        strategy.initialize(n, "inv_hess")
        return False
    return getattr(strategy, "approx_type", "hess") != "inv_hess"


def has_residuals(point: Point) -> bool:
    """Whether the objective is a sum of squares."""
    try:
        point.residuals  # noqa: B018
    except TypeError:
        return False
    return True


def factor_of(point: Point) -> tuple[np.ndarray, np.ndarray]:
    """``(A, b)`` of a least-squares objective in float64: Gauss-Newton matrix 2 A^T A, gradient 2 A^T b."""
    A, b = point.objective.factor(point)
    return A.astype(np.float64), b.astype(np.float64)


def operator(product: Callable, point: Point) -> LinearOperator:
    """The symmetric LinearOperator of a Hessian-vector product."""
    n, dtype = point.x.size, point.x.dtype

    def times(v: np.ndarray) -> np.ndarray:
        return product(np.asarray(v, dtype=dtype).reshape(n))

    return LinearOperator((n, n), matvec=times, rmatvec=times, dtype=dtype)


def make_model(hess: Any, n: int, prefer_dense: bool = True, fallback: bool = False) -> CurvatureModel:
    """The curvature model for the option `hess` of a method, in `n` variables."""
    if isinstance(hess, str):
        return Exact(prefer_dense) if hess == "exact" else GaussNewton(prefer_dense)
    if isinstance(hess, HessianUpdateStrategy):
        return QuasiNewton(hess, prefer_dense, fallback, n)
    return UserHessian(hess, prefer_dense)


def needs_of(who: str, hess: Any) -> frozenset[str]:
    """What a method with this `hess` needs from a point; an error if the option is not valid."""
    if isinstance(hess, str):
        checks.one_of(who, "hess", hess, NAMES)
        return frozenset({NEEDS[hess]})
    if isinstance(hess, type) and issubclass(hess, HessianUpdateStrategy):
        raise TypeError(f"{who}: hess={hess.__name__} is a class; give an instance, {hess.__name__}()")
    if not isinstance(hess, HessianUpdateStrategy) and not callable(hess):
        raise TypeError(
            f"{who}: hess must be one of {', '.join(map(repr, NAMES))}, a scipy.optimize."
            "HessianUpdateStrategy such as BFGS(), or a function of x that returns a matrix, got "
            f"{checks.describe(hess)}"
        )
    return frozenset({"g"})
