"""The user's function made of a model and a loss, `refopt.composite`, differentiated part by part.

One call of the model gives the value, the gradient ``J^T l'``, the residuals and their Jacobian J, which
comes from the user (``jac(x) -> (m, n)`` with `LeastSquares`), from autograd or from differences.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import checks, differences, following, mending
from .composite import LeastSquares, ModelLoss
from .derivatives import reverse
from .derivatives.refusal import TraceError
from .function import FunctionObjective
from .objective import Point, locked
from .returned import one_number, vector_of

__all__ = ["FitObjective", "objective_of"]


def objective_of(fun: Callable, x0: np.ndarray, *args: Any, **keywords: Any) -> FunctionObjective:
    """The objective of a user's function: `FitObjective` for one made of a model and a loss."""
    kind = FitObjective if isinstance(fun, ModelLoss) else FunctionObjective
    return kind(fun, x0, *args, **keywords)


class FitObjective(FunctionObjective):
    """A `ModelLoss` or `LeastSquares` with its parts; the parameters are those of `FunctionObjective`.

    With `LeastSquares`, `jac` may return the gradient, (n,), or the Jacobian of the residuals, (m, n).
    """

    fun: Any
    jac_of_residuals: bool | None = None  # whether `jac` returns the Jacobian of the residuals

    # ------------------------------------------------------------ value and gradient

    def _in_parts(self) -> bool:
        """Whether value and gradient are computed from the model and the loss one by one."""
        given = self.jac is not None and not self.jac_of_residuals
        return not given and (isinstance(self.fun, LeastSquares) or self.scheme is None)

    def _value(self, point: Point) -> float:
        if not self._in_parts():
            return super()._value(point)
        y, backward = self._model(point)
        point.memo["backward"] = lambda: backward(self.fun.slope(y))
        return one_number(self.fun.loss(y))

    def _own_gradient(self, point: Point) -> np.ndarray:
        if self.scheme is None or not self._in_parts():
            return super()._own_gradient(point)
        self._check_time()
        self.njev += 1
        self.used.update(g="differences of residuals", scheme=self.scheme)
        if "backward" not in point.memo:
            self._value(point)
        return np.array(point.memo.pop("backward")(), dtype=self.dtype).reshape(self.n)

    def _given_gradient(self, point: Point) -> np.ndarray:
        if not isinstance(self.fun, LeastSquares) or self.jac_of_residuals is False:
            return super()._given_gradient(point)
        self._check_time()
        self.njev += 1
        self.used["g"] = "jac"
        D = np.asarray(self.jac(point.x.copy(), *self.args))  # type: ignore[misc]
        self.jac_of_residuals = D.ndim == 2
        if not self.jac_of_residuals:
            return vector_of("jac", self.n, self.dtype, D)
        y = self._model(point)[0]
        if D.shape != (np.size(y), self.n):
            raise ValueError(
                f"jac of residuals must return an array of shape ({np.size(y)}, {self.n}), one row for each "
                f"residual, got {checks.describe(D)}"
            )
        if np.iscomplexobj(D) or D.dtype == object:
            raise TypeError(f"jac must return real numbers, got {checks.describe(D)}")
        self.used["J"] = "jac"
        point.memo["jacobian"] = locked(self.fun.weighted(D.astype(self.dtype)))
        return point.memo["jacobian"].T @ np.ravel(self.fun.slope(y)).astype(self.dtype)

    def half_the_digits(self) -> bool:
        return super().half_the_digits() and not self._in_parts()

    def evaluated(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self._plain_model(x)) if self._in_parts() else super().evaluated(x)

    def traced_value(self, point: Point) -> Any:
        return self._model(point)[0] if self._in_parts() else point.f

    # ------------------------------------------------------------ the parts

    def _model(self, point: Point) -> tuple[np.ndarray, Callable]:
        """``(y, w -> J^T w)``, from one call of the model."""
        if "model" not in point.memo:
            if self._traces_model():
                y, backward = self._trace_model(point)
            else:
                y, backward = self._untraced_model(point)
            point.memo["model"] = (y, backward)
        return point.memo["model"]

    def _trace_model(self, point: Point) -> tuple[np.ndarray, Callable]:
        """``(y, w -> J^T w)`` by a trace of the model; by differences if `jac` is given and it cannot be."""
        try:
            return reverse.trace(self._counted_model, point.x)
        except TraceError as error:
            if self.jac is None:
                raise
            self.traced, self.cause = False, error
        return self._untraced_model(point)

    def _untraced_model(self, point: Point) -> tuple[np.ndarray, Callable]:
        """``(y, w -> J^T w)`` with the user's J or that of differences."""
        return np.asarray(self._plain_model(point.x)), lambda w: point.jacobian.T @ np.ravel(w)

    def _counted_model(self, x: Any) -> Any:
        self._count_call()
        return self.fun.model(x, *self.args)

    def _plain_model(self, x: np.ndarray) -> Any:
        return self._counted_model(x.copy())

    def _forward(self, point: Point) -> Callable:
        """``v -> J v``: the transpose of the linear map ``w -> J^T w``, by reverse mode over it."""
        if "forward" not in point.memo:
            y, backward = self._model(point)
            if self._traces_model():
                point.memo["forward"] = reverse.trace(backward, np.zeros_like(y))[1]
            else:
                point.memo["forward"] = lambda v: (point.jacobian @ v).reshape(np.shape(y))
        return point.memo["forward"]

    def _traces_model(self) -> bool:
        """Whether the model's Jacobian comes from autograd."""
        return self.scheme is None and not self.jac_of_residuals and self.traced is not False

    def residuals(self, point: Point) -> np.ndarray:
        if not isinstance(self.fun, LeastSquares):
            return super().residuals(point)
        return np.array(self._model(point)[0], dtype=self.dtype).reshape(-1)

    def jacobian(self, point: Point) -> np.ndarray:
        if self.jac is not None and self.jac_of_residuals is not False:
            point.g  # noqa: B018  jac may be that of the residuals
            if "jacobian" in point.memo:
                return point.memo["jacobian"]
        y, backward = self._model(point)
        self._check_time()
        self.nhev += 1
        if not self._traces_model():
            model = lambda x: np.ravel(self._plain_model(x))  # noqa: E731
            self.used["J"] = "differences of residuals"
            return differences.first(self, model, point, np.ravel(y))
        if self.jac is not None and not self._fits_jac(point, backward):
            return self.jacobian(point)
        self.used["J"] = "autograd"
        return mending.jacobian(self, point, self._counted_model, self._jacobian(point, y, backward))

    def _jacobian(self, point: Point, y: np.ndarray, backward: Callable) -> np.ndarray:
        """The Jacobian by the trace of the model, row by row or column by column."""
        if np.size(y) < self.n:
            rows = [backward(e.reshape(np.shape(y))) for e in np.eye(np.size(y), dtype=self.dtype)]
            return np.array(rows, dtype=self.dtype).reshape(-1, self.n)
        forward = self._forward(point)
        return np.stack([np.ravel(forward(e)) for e in np.eye(self.n, dtype=self.dtype)], axis=1).astype(
            self.dtype
        )

    def _fits_jac(self, point: Point, backward: Callable) -> bool:
        """Whether the traced model has the gradient of `jac`; if it has not, the model is differenced."""
        y = self._model(point)[0]
        g = np.asarray(backward(self.fun.slope(y)), dtype=float)
        eps = float(np.finfo(self.dtype).eps)
        scale = max(
            float(np.abs(g).max()), float(np.abs(point.g).max()), float(np.max(np.square(y), initial=0))
        )
        right = bool(np.abs(g - point.g).max() <= following.AGREED * np.sqrt(eps) * scale)
        if not right:
            self.traced = False
            point.memo.pop("forward", None)
            point.memo.pop("model", None)
        return right

    def factor(self, point: Point) -> tuple[np.ndarray, np.ndarray]:
        A, b = super().factor(point)
        return self.fun.factor(b, A)

    def gauss_newton(self, point: Point) -> np.ndarray:
        y, J = self._model(point)[0], point.jacobian
        if isinstance(self.fun, LeastSquares):
            A = self.factor(point)[0]
            return 2 * (A.T @ A)
        curvature = self.fun.curvature(y)
        G = J.T @ np.stack([np.ravel(curvature(column.reshape(np.shape(y)))) for column in J.T], axis=1)
        return ((G + G.T) / 2).astype(self.dtype)

    def gauss_newton_product(self, point: Point, v: np.ndarray) -> np.ndarray:
        y, backward = self._model(point)
        forward = self._forward(point)
        if "curvature" not in point.memo:
            point.memo["curvature"] = self.fun.curvature(y)
        self._check_time()
        self.nhvp += 1
        J = lambda: point.jacobian  # noqa: E731
        w = point.memo["curvature"](mending.finite_product(forward, v, J))
        return np.array(mending.finite_product(backward, w, lambda: J().T), dtype=self.dtype)
