"""The function being minimised, at one point: value and derivatives, each computed on first use and counted.

`Objective` is the interface of a function. `refopt.function` implements it with the user's function,
`refopt.views` with another objective, `refopt.torch` with a closure. `Point` is an objective at one ``x``; it
keeps what it has computed. Methods see points and nothing else.

Counting. ``nfev`` is the number of calls of the user's `fun`, for whatever purpose. One traced call gives the
value and the gradient; one more gives all Hessian-vector products at a point. If the method declares that it
needs products, the first call gives them too. ``njev``, ``nhev``, ``nhvp`` and ``ntaylor`` count gradients,
Hessians, products (with the Hessian or the third derivative) and Taylor propagations. Where the user gave
`jac`, `hess` and `hessp`, they equal the numbers of their calls. For a function made of parts
(`LeastSquares`, `ModelLoss`), one call of the model gives value, gradient, residuals, their Jacobian and
Gauss-Newton products, and ``nfev`` counts it once. A Jacobian counts as one Hessian in ``nhev``, a product
with the Gauss-Newton matrix as one in ``nhvp``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from .derivatives import finite, roundoff
from .rounding import rounding_error
from .status import Status, Stop

__all__ = [
    "HVP_METHODS",
    "Contraction",
    "CountedObjective",
    "Objective",
    "Point",
    "locked",
    "quadratic_model",
]

HVP_METHODS = ("autograd", "fd_forward", "fd_central")
FD_STEP = 1e-3  # default step of the finite-difference products, as in torchzero 0.4.4
NO_PARTS = (
    "this objective is not made of a model and a loss; give refopt.LeastSquares(residuals) or "
    "refopt.ModelLoss(model, loss) as fun"
)
RECENT = 3  # points kept: the iterate, the accepted trial, one more for the bracket of a line search


class Point:
    """An objective at one ``x``. Each quantity is computed once, on first use; arrays are read-only."""

    __slots__ = ("objective", "x", "memo", "_f", "_g", "_hess")

    def __init__(self, objective: Objective, x: np.ndarray):
        self.objective = objective
        self.x = x
        self.memo: dict[str, Any] = {}  # what the objective stores for later calls: traces, parent points
        self._f: float | None = None
        self._g: np.ndarray | None = None
        self._hess: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """The numbers, for a copy or a pickle. What holds functions, such as a trace, is computed again."""
        H = None if isinstance(self._hess, LinearOperator) else self._hess
        memo = {name: known for name, known in self.memo.items() if holds_numbers(known)}
        return {
            "objective": self.objective,
            "x": self.x,
            "memo": memo,
            "_f": self._f,
            "_g": self._g,
            "_hess": H,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        for a in (self.x, self._g, self._hess, *self.memo.values()):
            if isinstance(a, np.ndarray):
                a.flags.writeable = False

    @property
    def f(self) -> float:
        """The value."""
        if self._f is None:
            self._f = self.objective.value(self)
        return self._f

    @property
    def g(self) -> np.ndarray:
        """The gradient, shape (n,)."""
        if self._g is None:
            self._g = locked(self.objective.gradient(self))
        return self._g

    def gradient_norm(self) -> float:
        """|g|_inf; with bounds that of ``x - clip(x - g)``, which is 0 at a constrained minimiser."""
        g = self.g
        if self.objective.bounds is not None:
            lower, upper = self.objective.bounds
            g = self.x - np.clip(self.x - g, lower, upper)
        return float(np.abs(g).max())

    def has_gradient(self) -> bool:
        """Whether the gradient is finite; a trial with a finite value and without it is refused."""
        return bool(np.all(np.isfinite(self.g)))

    @property
    def hess(self) -> Any:
        """The Hessian: an array (n, n), or the sparse matrix or LinearOperator that the user gave."""
        if self._hess is None:
            H = self.objective.hessian(self)
            self._hess = locked(H) if isinstance(H, np.ndarray) else H
        return self._hess

    @property
    def residuals(self) -> np.ndarray:
        """The residuals r (m,) of a least-squares objective ``f = sum r_i^2``, with their weights."""
        if "residuals" not in self.memo:
            self.memo["residuals"] = locked(self.objective.residuals(self))
        return self.memo["residuals"]

    @property
    def jacobian(self) -> np.ndarray:
        """The Jacobian J (m, n) of the residuals, or of the flattened output of a model."""
        if "jacobian" not in self.memo:
            self.memo["jacobian"] = locked(self.objective.jacobian(self))
        return self.memo["jacobian"]

    @property
    def gauss_newton(self) -> np.ndarray:
        """The Gauss-Newton matrix ``J^T H_l J`` (n, n) of a function made of a model and a loss."""
        if "gauss_newton" not in self.memo:
            self.memo["gauss_newton"] = locked(self.objective.gauss_newton(self))
        return self.memo["gauss_newton"]

    def gauss_newton_product(self, v: np.ndarray) -> np.ndarray:
        """The product ``J^T H_l J v``, shape (n,), without the matrix."""
        return self.objective.gauss_newton_product(self, v)

    def taylor(self, direction: np.ndarray, order: int) -> np.ndarray:
        """Taylor coefficients of ``t -> f(x + t s)``: (order+1,) for s of shape (n,), (order+1, k) for
        (k, n).
        """
        return self.objective.taylor(self, direction, order)

    def tensors(self, order: int) -> list[np.ndarray]:
        """All derivatives up to `order`, ``[f, g, H, T, ...]``, as full symmetric arrays of shapes (n,)*k."""
        name = f"tensors {order}"
        if name not in self.memo:
            self.memo[name] = self.objective.tensors(self, order)
        return self.memo[name]

    def model(
        self, s: np.ndarray, order: int
    ) -> tuple[float, np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        """Value, gradient and ``v -> Hessian v`` at s of the Taylor polynomial ``sum_k D_k[s]/k!``."""
        return self.objective.model(self, s, order)

    def dense_hessian(self) -> np.ndarray:
        """The Hessian as an array (n, n)."""
        H = self.hess
        if isinstance(H, np.ndarray):
            return H
        if isinstance(H, LinearOperator):
            return locked(np.asarray(H @ np.eye(self.x.size, dtype=self.x.dtype)))
        return locked(np.asarray(H.toarray()))

    def hvp(self, v: np.ndarray, method: str = "autograd", h: float = FD_STEP) -> np.ndarray:
        """The product ``H v`` (n,), by one of `HVP_METHODS`; "autograd" uses `hess` or `hessp` if given."""
        if method == "autograd":
            return self.objective.product(self, v)
        gradient = self.objective.gradient_at
        if method == "fd_forward":
            return finite.forward_product(gradient, self.x, self.g, v, h)
        if method == "fd_central":
            return finite.central_product(gradient, self.x, v, h)
        raise ValueError(f"hvp method must be one of {', '.join(map(repr, HVP_METHODS))}, got {method!r}")

    def after(self, update: np.ndarray) -> Point:
        """The point ``x - update``; it is the point the driver moves to when a method returns `update`."""
        return self.objective.after(self, update)


def holds_numbers(known: Any) -> bool:
    """Whether a quantity that a point keeps is made of numbers and points alone."""
    if isinstance(known, (tuple, list)):
        return all(map(holds_numbers, known))
    return isinstance(known, (int, float, np.generic, np.ndarray, Point))


class Contraction:
    """A symmetric operator at a point, given by its products; `matrix` is the dense matrix."""

    def __init__(self, point: Point, product: Callable, batched: Callable | None):
        self.point, self.product, self.batched = point, product, batched

    def __call__(self, v: np.ndarray) -> np.ndarray:
        return self.product(v)

    def matrix(self, vectorize: bool = True) -> np.ndarray:
        """The dense (n, n) matrix: by one batched propagation if possible, else column by column."""
        if vectorize and self.batched is not None:
            return self.batched()
        x = self.point.x
        M = np.stack([self.product(e) for e in np.eye(x.size, dtype=x.dtype)], axis=1)
        return (M + M.T) / 2


def quadratic_model(point: Point, s: np.ndarray, order: int) -> tuple[float, np.ndarray, Callable]:
    """Value, gradient, product at s of ``f + g^T s + s^T H s / 2``; at order 1 without the last term."""
    product = point.hvp if order >= 2 else np.zeros_like
    Hs = product(s)
    return point.f + float(np.dot(point.g, s)) + float(np.dot(s, Hs)) / 2, point.g + Hs, product


class Objective:
    """The base of all objectives: a function of `n` variables and its derivatives.

    Attributes
    ----------
    n : int
    dtype : numpy dtype, float64 or float32
    shapes : tuple of tensor shapes whose sizes add up to n, or None
    bounds : (lower, upper) arrays, or None
    tried : list of the x of all trial points, or None to keep no such list
    products_wanted : bool, whether the method needs Hessian-vector products; set before a run
    blame : the operation that made the last derivative that was not finite, in words; empty if none was
    """

    n: int
    dtype: np.dtype
    shapes: tuple[tuple[int, ...], ...] | None = None
    bounds: tuple[np.ndarray, np.ndarray] | None = None
    tried: list[np.ndarray] | None = None
    products_wanted: bool = False
    blame: str = ""

    def __init__(self) -> None:
        self._recent: list[Point] = []

    def at(self, x: np.ndarray) -> Point:
        """The point at `x`; the last few are kept, so that an accepted trial point is not evaluated again."""
        for point in self._recent:
            if point.x is x or (point.x[0] == x[0] and np.array_equal(point.x, x)):
                return point
        if x.dtype != self.dtype or x.flags.writeable or x.base is not None:
            x = x.astype(self.dtype)
            x.flags.writeable = False
        return self.kept(Point(self, x))

    def kept(self, point: Point) -> Point:
        """`point`, from now on among the last few."""
        self._recent.insert(0, point)
        del self._recent[RECENT:]
        return point

    def after(self, point: Point, update: np.ndarray) -> Point:
        """The point ``x - update``, projected onto the bounds."""
        x = point.x - update
        return self.trial(locked(x if self.bounds is None else np.clip(x, *self.bounds)))

    def trial(self, x: np.ndarray) -> Point:
        """The point at `x`, also appended to `tried` if that is a list."""
        point = self.at(x)
        if self.tried is not None and not (self.tried and self.tried[-1] is point.x):
            self.tried.append(point.x)
        return point

    def value(self, point: Point) -> float:
        raise NotImplementedError

    def gradient(self, point: Point) -> np.ndarray:
        raise NotImplementedError

    def product(self, point: Point, v: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def hessian(self, point: Point) -> Any:
        raise NotImplementedError

    def gradient_at(self, x: np.ndarray) -> np.ndarray:
        """The gradient at a point beside the path, which is not kept among the points of the run."""
        return Point(self, locked(np.array(x, dtype=self.dtype))).g

    def third(self, point: Point, w: np.ndarray) -> tuple[np.ndarray, Callable]:
        """``(H w, v -> T[w] v)``, T the third derivative; here by central differences of products with w."""
        h = float(np.cbrt(self.product_error())) * max(1.0, float(np.abs(point.x).max()))
        product = lambda x: self.product_along(Point(self, locked(np.array(x, dtype=self.dtype))), w)  # noqa: E731
        return self.product(point, w), lambda v: finite.bounded_product(product, point.x, v, h, self.bounds)

    def product_along(self, point: Point, v: np.ndarray) -> np.ndarray:
        """The product ``H v`` at a point beside the path, where a single one is needed."""
        return self.product(point, v)

    def untraced_product(self, point: Point) -> Callable[[np.ndarray], np.ndarray] | None:
        """``v -> H v`` without a trace, of a function that the run has not traced; else None."""
        return None

    def value_error(self, point: Point) -> float:
        """The rounding error of the value at a point; here that of a well-computed f."""
        return rounding_error(point.f, self.dtype)

    def gradient_error(self, point: Point) -> np.ndarray:
        """How far each element of the gradient moves with x by one unit in the last place, (n,).

        Two further gradients, the first time.
        """
        if "gradient_error" not in point.memo:
            error = roundoff.gradient_error(self.gradient_at, point.x, point.g, self.bounds)
            point.memo["gradient_error"] = locked(error)
        return point.memo["gradient_error"]

    def product_error(self) -> float:
        """The relative error of products with the Hessian."""
        return float(np.finfo(self.dtype).eps)

    # ------------------------------------------------------------ a run and its objective

    @property
    def derivatives(self) -> dict[str, str]:
        """Where the derivatives that have been used come from: "g" the gradient, "H" the Hessian, ..."""
        return {}

    def prepare(self, point: Point) -> None:
        """Called once, before the first step of a run, with its start."""

    def differentiate_gradients(self) -> bool:
        """Take the Hessian from differences of the gradient from now on; False if that is no change."""
        return False

    def moved(self, old: Point, new: Point) -> None:
        """Called after each step, with the points before and after it."""

    def confirm(self, point: Point) -> None:
        """Called before a run ends with success at `point`; raises an error if its gradient is not true."""

    def contraction(self, point: Point, fixed: tuple[np.ndarray, ...]) -> Contraction:
        """The symmetric operator ``D^(m+2) f[fixed, ., .]`` for m fixed directions: H, T[w], D4[v, w], ..."""
        if len(fixed) == 0:
            return Contraction(point, lambda v: self.product(point, v), point.dense_hessian)
        if len(fixed) == 1:
            return Contraction(point, self.third(point, fixed[0])[1], None)
        raise TypeError(
            f"{type(self).__name__} has derivatives up to order 3, but order {len(fixed) + 2} was asked for"
        )

    def residuals(self, point: Point) -> np.ndarray:
        raise TypeError("this objective has no residuals; give refopt.LeastSquares(residuals) as fun")

    def jacobian(self, point: Point) -> np.ndarray:
        raise TypeError(NO_PARTS)

    def factor(self, point: Point) -> tuple[np.ndarray, np.ndarray]:
        """``(A, b)`` of a least-squares objective: Gauss-Newton matrix ``2 A^T A``, gradient ``2 A^T b``."""
        return point.jacobian, point.residuals

    def gauss_newton(self, point: Point) -> np.ndarray:
        raise TypeError(NO_PARTS)

    def gauss_newton_product(self, point: Point, v: np.ndarray) -> np.ndarray:
        raise TypeError(NO_PARTS)

    def taylor(self, point: Point, direction: np.ndarray, order: int) -> np.ndarray:
        raise TypeError(f"{type(self).__name__} has no Taylor series")

    def tensors(self, point: Point, order: int) -> list[np.ndarray]:
        raise TypeError(f"{type(self).__name__} has no derivative tensors")

    def model(self, point: Point, s: np.ndarray, order: int) -> tuple[float, np.ndarray, Callable]:
        raise TypeError(f"{type(self).__name__} has no Taylor series")


class CountedObjective(Objective):
    """An objective that calls the user's code: it counts calls, enforces limits and stores the best point.

    Attributes
    ----------
    nfev, njev, nhev, nhvp, ntaylor : evaluations so far
    best_x, best_f : the point with the lowest finite value among all evaluated, and that value
    """

    def __init__(self, x0: np.ndarray, shapes: Any = None, bounds: Any = None):
        super().__init__()
        self.n, self.dtype = x0.size, x0.dtype
        self.shapes, self.bounds = shapes, bounds
        self.begin(x0)

    def begin(self, x0: np.ndarray, maxfev: float | None = None, maxtime: float | None = None) -> None:
        """Reset the counts and set the limits on calls and seconds; evaluations beyond them raise `Stop`."""
        self._recent.clear()
        self.nfev = self.njev = self.nhev = self.nhvp = self.ntaylor = 0
        self.best_x, self.best_f = x0, np.inf
        self.maxfev = np.inf if maxfev is None else maxfev
        self.maxtime, self.started = maxtime, time.perf_counter()

    def __getstate__(self) -> dict[str, Any]:
        """The attributes, for a copy or a pickle: the clock goes on from the seconds that have passed."""
        return {**vars(self), "started": time.perf_counter() - self.started}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, started=time.perf_counter() - state["started"])

    def start(self) -> np.ndarray | None:
        """The start of a run that was given no x0; None if x0 is required."""
        return None

    def end(self, x: np.ndarray) -> None:
        """Called when a run has ended; `x` is its answer."""

    def _count_call(self) -> None:
        if self.nfev >= self.maxfev:
            raise Stop(Status.MAXFEV, self.nfev, self.maxfev)
        self._check_time()
        self.nfev += 1

    def _check_time(self) -> None:
        if self.maxtime is not None:
            passed = time.perf_counter() - self.started
            if passed > self.maxtime:
                raise Stop(Status.MAXTIME, passed, self.maxtime)

    def _keep_best(self, x: np.ndarray, f: float) -> None:
        if self.best_f > f > -np.inf:
            self.best_x, self.best_f = x, f


def locked(a: np.ndarray) -> np.ndarray:
    """`a`, made read-only; a view is copied first, because its base could still be written."""
    if a.base is not None:
        a = a.copy()
    a.flags.writeable = False
    return a
