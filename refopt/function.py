"""The user's function as an objective: where its value and its derivatives come from.

Each derivative comes from the user (`jac`, `hess`, `hessp`) where it was given, else from autograd. A method
does not see the difference. A function made of a model and a loss (`refopt.composite`) is differentiated part
by part.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.tracer import getval, isbox

from . import checks
from .composite import LeastSquares, ModelLoss
from .derivatives import reverse
from .derivatives.taylor_mode.expand import model_product, model_value_and_gradient, taylor
from .derivatives.tensors import derivative_tensors, hessian
from .objective import NO_PARTS, Contraction, CountedObjective, Point, hessian_matrix, locked, symmetrised

__all__ = ["FunctionObjective"]


class FunctionObjective(CountedObjective):
    """The user's function with the user's derivatives, or autograd's where none were given.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args) -> float``, or ``-> (float, gradient)`` with ``jac=True``.
    x0 : (n,) array
        Only its length and dtype are used.
    jac : callable, True or None
        ``jac(x, *args) -> (n,)``; None: reverse mode through `fun`.
    hess : callable or None
        ``hess(x, *args) -> (n, n)`` array, sparse matrix or LinearOperator.
    hessp : callable or None
        ``hessp(x, v, *args) -> (n,)``.
    maxfev, maxtime : limits, or None
        An evaluation beyond them raises `Stop`.

    Raises
    ------
    TypeError, ValueError
        For an argument of another type or value; the message names what was given.
    """

    def __init__(
        self,
        fun: Callable,
        x0: np.ndarray,
        args: Any = (),
        jac: Any = None,
        hess: Any = None,
        hessp: Any = None,
        *,
        shapes: Any = None,
        bounds: Any = None,
        maxfev: float | None = None,
        maxtime: float | None = None,
    ):
        super().__init__(x0, shapes, bounds)
        self.begin(x0, maxfev, maxtime)
        self.fun = checks.function("minimize", "fun", fun)
        self.args = args if isinstance(args, tuple) else (args,)
        if isinstance(jac, str):
            raise ValueError(
                f"minimize: jac={jac!r} is not available: leave jac=None for exact derivatives by autograd, "
                "or pass a function, for example lambda x: scipy.optimize.approx_fprime(x, fun)"
            )
        if not (jac is None or isinstance(jac, (bool, np.bool_)) or callable(jac)):
            raise TypeError(
                f"minimize: jac must be a function, True (fun returns value and gradient) or None, "
                f"got {checks.describe(jac)}"
            )
        for name, value in (("hess", hess), ("hessp", hessp)):
            if value is not None and not callable(value):
                raise TypeError(f"minimize: {name} must be a function or None, got {checks.describe(value)}")
        self.pair = jac is not None and not callable(jac) and bool(jac)
        self.jac = jac if callable(jac) else None
        self.hess, self.hessp = hess, hessp
        self._followed: Any = None  # the x at which a trace last found that the value depends on x

    # ------------------------------------------------------------ value and gradient

    def value(self, point: Point) -> float:
        if self.pair:
            self._count_call()
            answer = self.fun(point.x.copy(), *self.args)
            if not (isinstance(answer, tuple) and len(answer) == 2):
                raise TypeError(
                    f"with jac=True fun must return (value, gradient), got {checks.describe(answer)}"
                )
            self.njev += 1
            point._g = locked(self._gradient_array(answer[1]))
            f = self._number(answer[0])
        elif self.jac is not None:
            f = self._number(self._plain(point.x))
        elif isinstance(self.fun, ModelLoss):
            y, backward = self._model(point)
            f = self._number(self.fun.loss(y))
            point.memo["backward"] = lambda: backward(self.fun.slope(y))
        elif self.products_wanted and self.hess is None and self.hessp is None:
            value, derivatives = reverse.trace_twice(self._traced, point.x)
            f = self._number(value)

            def gradient() -> np.ndarray:
                g, point.memo["product"] = derivatives()
                return g

            point.memo["backward"] = gradient
        else:
            value, backward = reverse.trace(self._traced, point.x)
            f = self._number(value)
            point.memo["backward"] = lambda: backward(np.ones_like(value))
        self._keep_best(point.x, f)
        return f

    def gradient(self, point: Point) -> np.ndarray:
        if self.jac is None:
            if point._f is None:
                point.f  # noqa: B018  the same trace gives both
            if point._g is not None:
                return point._g
            self.njev += 1
            return np.array(point.memo.pop("backward")(), dtype=self.dtype).reshape(self.n)
        self._check_time()
        self.njev += 1
        return self._gradient_array(self.jac(point.x.copy(), *self.args))

    # ------------------------------------------------------------ second order

    def product(self, point: Point, v: np.ndarray) -> np.ndarray:
        if self.hessp is None and self.hess is not None:
            return np.array(point.hess @ v, dtype=self.dtype)
        if self.hessp is not None:
            self._check_time()
            self.nhvp += 1
            Hv = np.asarray(self.hessp(point.x.copy(), v.copy(), *self.args))
            if Hv.shape != (self.n,):
                raise ValueError(
                    f"hessp must return an array of shape ({self.n},), got {checks.describe(Hv)}"
                )
            return Hv.astype(self.dtype)
        if "product" not in point.memo and self.products_wanted and self.jac is None:
            point.g  # noqa: B018  its trace also gives the products
        if "product" not in point.memo:
            point.memo["product"] = reverse.product_function(self._traced, point.x)
        self._check_time()
        self.nhvp += 1
        return np.array(point.memo["product"](v), dtype=self.dtype)

    def third(self, point: Point, w: np.ndarray) -> tuple[np.ndarray, Callable]:
        if self.hess is not None or self.hessp is not None:
            return super().third(point, w)  # differences: fun may not be written for autograd
        self._check_time()
        self.nhvp += 1
        slope = lambda x: anp.dot(w, reverse.gradient(self._traced, x))  # noqa: E731  its Hessian is T[w]
        Hw, backward = reverse.trace(lambda x: reverse.gradient(slope, x), point.x)

        def product(v: np.ndarray) -> np.ndarray:
            self._check_time()
            self.nhvp += 1
            return np.array(backward(v), dtype=self.dtype)

        return np.array(Hw, dtype=self.dtype), product

    def contraction(self, point: Point, fixed: tuple[np.ndarray, ...]) -> Contraction:
        if not fixed or self.hess is not None or self.hessp is not None:
            return super().contraction(point, fixed)
        slope = self._traced
        for v in fixed:
            slope = directional(slope, v)
        gradient = lambda x: reverse.gradient(slope, x)  # noqa: E731
        trace = functools.cache(lambda: reverse.trace(gradient, point.x)[1])

        def product(v: np.ndarray) -> np.ndarray:
            self._check_time()
            self.nhvp += 1
            return np.array(trace()(v), dtype=self.dtype)

        def matrix() -> np.ndarray:
            self._check_time()
            self.ntaylor += 1
            M = np.array(taylor(gradient, point.x, np.eye(self.n, dtype=self.dtype), 1)[1], dtype=self.dtype)
            return (M + M.T) / 2

        return Contraction(point, product, matrix)

    def hessian(self, point: Point) -> Any:
        self.nhev += 1
        if self.hess is not None:
            self._check_time()
            return hessian_matrix(self.hess(point.x.copy(), *self.args), self.n, self.dtype)
        if self.hessp is not None:
            self.nhev -= 1
            columns = [self.product(point, e) for e in np.eye(self.n, dtype=self.dtype)]
            return symmetrised(np.stack(columns, axis=1), "the matrix of hessp products")
        return np.asarray(hessian(self._traced, point.x), dtype=self.dtype)

    # ------------------------------------------------------------ Taylor series

    def taylor(self, point: Point, direction: np.ndarray, order: int) -> np.ndarray:
        self.ntaylor += 1
        return np.asarray(taylor(self._traced, point.x, direction, order), dtype=self.dtype)

    def tensors(self, point: Point, order: int) -> list[np.ndarray]:
        calls = self.nfev
        answer = derivative_tensors(self._traced, point.x, order)
        self.ntaylor += self.nfev - calls
        return [np.asarray(t, dtype=self.dtype) for t in answer]

    def model(self, point: Point, s: np.ndarray, order: int) -> tuple[float, np.ndarray, Callable]:
        self.ntaylor += 1
        value, gradient = model_value_and_gradient(self._traced, point.x, s, order)
        opened: list[Callable] = []

        def product(v: np.ndarray) -> np.ndarray:
            self._check_time()
            if not opened:
                self.ntaylor += 1
                opened.append(model_product(self._traced, point.x, s, order))
            self.nhvp += 1
            return np.asarray(opened[0](v), dtype=self.dtype)

        return float(value), np.asarray(gradient, dtype=self.dtype), product

    # ------------------------------------------------------------ functions made of a model and a loss

    def _model(self, point: Point) -> tuple[np.ndarray, Callable]:
        """``(y, w -> J^T w)``, from one traced call of the model."""
        if "model" not in point.memo:
            if not isinstance(self.fun, ModelLoss):
                raise TypeError(NO_PARTS)
            self._count_call()
            y, backward = reverse.trace(lambda x: self.fun.model(x, *self.args), point.x)
            if isinstance(self.fun, LeastSquares) and np.ndim(y) == 0:
                raise ValueError(
                    f"residuals must return an array of shape (m,), got the single number {y}; "
                    "give a scalar function to minimize directly, without refopt.LeastSquares"
                )
            point.memo["model"] = (y, backward)
        return point.memo["model"]

    def _forward(self, point: Point) -> Callable:
        """``v -> J v``: the transpose of the linear map ``w -> J^T w``, by reverse mode over it."""
        if "forward" not in point.memo:
            y, backward = self._model(point)
            point.memo["forward"] = reverse.trace(backward, np.zeros_like(y))[1]
        return point.memo["forward"]

    def residuals(self, point: Point) -> np.ndarray:
        if not isinstance(self.fun, LeastSquares):
            return super().residuals(point)
        return np.array(self._model(point)[0], dtype=self.dtype).reshape(-1)

    def jacobian(self, point: Point) -> np.ndarray:
        y, backward = self._model(point)
        self._check_time()
        self.nhev += 1
        if np.size(y) < self.n:
            rows = [backward(e.reshape(np.shape(y))) for e in np.eye(np.size(y), dtype=self.dtype)]
            return np.array(rows, dtype=self.dtype).reshape(-1, self.n)
        forward = self._forward(point)
        return np.stack([np.ravel(forward(e)) for e in np.eye(self.n, dtype=self.dtype)], axis=1).astype(
            self.dtype
        )

    def gauss_newton(self, point: Point) -> np.ndarray:
        y, J = self._model(point)[0], point.jacobian
        if isinstance(self.fun, LeastSquares):
            return 2 * (J.T @ J)
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
        return np.array(backward(point.memo["curvature"](forward(v))), dtype=self.dtype)

    # ------------------------------------------------------------ calls of the user's function

    def _plain(self, x: np.ndarray) -> Any:
        self._count_call()
        return self.fun(x.copy(), *self.args)

    def _traced(self, x: Any) -> Any:
        """`fun` as the tracer needs it: one number; with ``jac=True`` the value alone."""
        self._count_call()
        answer = self.fun(x, *self.args)
        value = reverse.gathered(answer[0] if self.pair else answer)
        if isbox(value) and isbox(x) and value._trace == x._trace:
            self._followed = getval(x)
            return anp.reshape(value, ()) if value.shape == (1,) else value
        if isbox(x) and self._followed is not None and np.array_equal(self._followed, getval(x)):
            raise reverse.stored(self.fun)  # an earlier call at this x did depend on it
        return float(value) if isinstance(value, (bool, int, np.bool_, np.integer)) else value

    # ------------------------------------------------------------ answers, checked

    def _number(self, value: Any) -> float:
        if value is None:
            raise TypeError("fun returned None; it must return one real number (is a `return` missing?)")
        if np.iscomplexobj(value):
            raise TypeError(
                f"fun returned a complex value, {checks.describe(value)}; it must return one real number"
            )
        if np.size(value) != 1:
            raise ValueError(
                f"fun must return one number, got {checks.describe(np.asarray(value))}; "
                "if these are residuals, wrap them: refopt.LeastSquares(residuals)"
            )
        try:
            return float(value) if np.ndim(value) == 0 else float(np.reshape(value, ()))
        except (TypeError, ValueError):
            raise TypeError(f"fun must return one real number, got {checks.describe(value)}") from None

    def _gradient_array(self, g: Any) -> np.ndarray:
        g = np.asarray(g)
        if g.shape != (self.n,):
            raise ValueError(f"jac must return an array of shape ({self.n},), got {checks.describe(g)}")
        if np.iscomplexobj(g) or g.dtype == object:
            raise TypeError(f"jac must return real numbers, got {checks.describe(g)}")
        return g.astype(self.dtype)


def directional(fun: Callable, v: np.ndarray) -> Callable:
    """``x -> g(x)^T v``, the derivative of `fun` along v, as a function that can be differentiated again."""
    return lambda x: anp.dot(v, reverse.gradient(fun, x))
