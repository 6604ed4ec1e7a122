"""The user's function, and where its value and its derivatives come from.

Each derivative comes from the user (`jac`, `hess`, `hessp`) where it was given, else from autograd, or from
finite differences (`refopt.differences`) where the user asked for them, or where autograd cannot follow `fun`
but `jac` is given. A method does not see the difference; `derivatives` tells the user. The traced function
must be the function: see `refopt.following`. Functions made of a model and a loss are in `refopt.fit`.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.tracer import getval, isbox

from . import checks, differences, following, mending, noise
from .derivatives import finite, refusal, reverse
from .derivatives.branches import sloped
from .derivatives.refusal import TraceError
from .derivatives.taylor_mode.expand import model_product, model_value, model_value_and_gradient, taylor
from .derivatives.tensors import fitted_tensors, hessian_over_reverse
from .objective import Contraction, CountedObjective, Point, locked
from .returned import hessian_matrix, one_number, symmetrised, vector_of

__all__ = ["FunctionObjective"]


class FunctionObjective(CountedObjective):
    """The user's function with the user's derivatives, autograd's, or finite differences.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args) -> float``, or ``-> (float, gradient)`` with ``jac=True``.
    x0 : (n,) array
        Only its length and dtype are used.
    jac : callable, True, "2-point", "3-point", "cs" or None
        ``jac(x, *args) -> (n,)``. A string: differences of values of `fun`, which is then never traced. None:
        reverse mode through `fun`.
    hess : callable, "2-point", "3-point", "cs", HessianUpdateStrategy or None
        ``hess(x, *args) -> (n, n)``. A string: differences of the gradient. None: from `fun` by autograd.
    hessp : callable or None
        ``hessp(x, v, *args) -> (n,)``.
    fallback : {"2-point", "3-point", "cs"} or None
        The differences used if autograd cannot follow `fun`; None: that is an error.
    noise : float in (0, 1), "auto" or None
        Relative error of the values of `fun`, for the step of differences; "auto": estimated at the start.
    rel_step : float, (n,) array or None
        Relative step of first differences, as SciPy's ``finite_diff_rel_step``.
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
        fallback: str | None = None,
        noise: float | str | None = None,
        rel_step: Any = None,
        maxfev: float | None = None,
        maxtime: float | None = None,
    ):
        super().__init__(x0, shapes, bounds)
        self.begin(x0, maxfev, maxtime)
        self.fun = checks.function("minimize", "fun", fun)
        self.args = args if isinstance(args, tuple) else (args,)
        self.scheme, jac = differences.scheme_or(
            jac, "jac", "a function, True (fun returns value and gradient)"
        )
        self.hess_scheme, hess = differences.scheme_or(
            hess, "hess", "a function, a scipy.optimize.HessianUpdateStrategy"
        )
        if not (jac is None or isinstance(jac, (bool, np.bool_)) or callable(jac)):
            raise TypeError(
                f"minimize: jac must be a function, True (fun returns value and gradient), "
                f"'2-point', '3-point', 'cs' or None, got {checks.describe(jac)}"
            )
        self.strategy = differences.started_strategy(hess, x0.size)
        for name, value in (("hess", None if self.strategy else hess), ("hessp", hessp)):
            if value is not None and not callable(value):
                raise TypeError(f"minimize: {name} must be a function or None, got {checks.describe(value)}")
        self.pair = jac is not None and not callable(jac) and bool(jac)
        self.jac = jac if callable(jac) else None
        self.hess, self.hessp = None if self.strategy else hess, hessp
        self.fallback, self.noise, self.rel_step = fallback, noise, rel_step
        # Whether fun is traced for the derivatives that nobody gave; None: not yet known
        self.traced: bool | None = None if self.jac or self.pair else self.scheme is None
        self.cause: TraceError | None = None  # why it is not traced
        self.used: dict[str, str] = {}
        self.first_f = 0.0  # the value at the start, if fun is traced
        self.foreign: bool | None = None  # whether a trace has used a derivative rule of the user's own
        self.lengths: np.ndarray | None = None  # of the directions that gave the last tensors
        self._followed: Any = None  # the x at which a trace last found that the value depends on x

    def __deepcopy__(self, memo: dict) -> FunctionObjective:
        """A copy with its own counts and points; what the user gave is shared, as a closure always is."""
        for given in (self.fun, self.args, self.jac, self.hess, self.hessp):
            memo[id(given)] = given
        memo[id(self)] = twin = object.__new__(type(self))
        twin.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return twin

    @property
    def derivatives(self) -> dict[str, str]:
        """Where the derivatives that have been used come from."""
        return dict(self.used)

    # ------------------------------------------------------------ value and gradient

    def value(self, point: Point) -> float:
        f = self._falling_back(self._value, point)
        self._keep_best(point.x, f)
        return f

    def _value(self, point: Point) -> float:
        if self.pair:
            return self._pair(point)
        if self.jac is not None or self.scheme is not None:
            return one_number(self.plain(point.x))
        return self._traced_value(point)

    def _pair(self, point: Point) -> float:
        """The value of a function that returns its gradient as well, which is kept."""
        self._count_call()
        answer = self.fun(point.x.copy(), *self.args)
        if not (isinstance(answer, (tuple, list)) and len(answer) == 2):
            raise TypeError(f"with jac=True fun must return (value, gradient), got {checks.describe(answer)}")
        self.njev += 1
        self.used["g"] = "jac"
        point._g = locked(vector_of("jac", self.n, self.dtype, answer[1]))
        return one_number(answer[0])

    def _traced_value(self, point: Point) -> float:
        """The value from a trace of `fun`; what the trace gives besides is kept for `gradient`, `product`."""
        if self.products_wanted and not self._second_given():
            value, trace = reverse.trace_twice(self.as_traced, point.x)

            def gradient() -> np.ndarray:
                g, point.memo["product"] = trace()
                return g

            point.memo["backward"] = gradient
        else:
            value, trace = reverse.trace(self.as_traced, point.x)
            point.memo["backward"] = lambda: trace(np.ones_like(value))
        if self.foreign is None:
            self.foreign = reverse.has_foreign_rules(trace)
        if isinstance(value, float):
            return float(value)
        try:
            return one_number(value)
        except (TypeError, ValueError):
            plain = one_number(self.plain(point.x))  # raises the same error if fun itself is to blame
        traced = lambda: reverse.trace(self.as_traced, point.x)  # noqa: E731
        raise refusal.changed(self.as_traced, plain, checks.describe(value), traced)

    def gradient(self, point: Point) -> np.ndarray:
        if self.jac is not None:
            return self._given_gradient(point)
        if point._f is None or (self.scheme is None and "backward" not in point.memo):
            point._f = self.value(point)  # the same call gives both; a copied point has its numbers alone
        if point._g is not None:
            return point._g
        return self._falling_back(self._own_gradient, point)

    def _own_gradient(self, point: Point) -> np.ndarray:
        """The gradient by the trace that gave the value, or by differences of values."""
        self._check_time()
        self.njev += 1
        if self.scheme is not None:
            self.used.update(g="differences of fun", scheme=self.scheme)
            return differences.gradient(self, point)
        self.used["g"] = "autograd"
        g = np.array(point.memo.pop("backward")(), dtype=self.dtype).reshape(self.n)
        return g if np.all(np.isfinite(g)) else mending.derivative(self, point, "g", g)

    def _given_gradient(self, point: Point) -> np.ndarray:
        """The gradient by the user's `jac`."""
        self._check_time()
        self.njev += 1
        self.used["g"] = "jac"
        return vector_of("jac", self.n, self.dtype, self.jac(point.x.copy(), *self.args))  # type: ignore[misc]

    # ------------------------------------------------------------ second order

    def product(self, point: Point, v: np.ndarray) -> np.ndarray:
        if self.hessp is None and self.hess is not None:
            return np.array(point.hess @ v, dtype=self.dtype)
        if self.hessp is not None:
            self._check_time()
            self.nhvp += 1
            self.used["H"] = "hessp"
            Hv = self.hessp(point.x.copy(), v.copy(), *self.args)
            return vector_of("hessp", self.n, self.dtype, Hv)
        if self.strategy is not None:
            self.used["H"] = type(self.strategy).__name__
            return np.array(self.strategy.dot(v), dtype=self.dtype)
        if not self._traces(point):
            dense = self.n <= differences.DENSE or point._hess is not None
            return point.hess @ v if dense else self.product_along(point, v)
        if "product" not in point.memo and self.products_wanted and self.jac is None:
            point.g  # noqa: B018  its trace also gives the products
        if "product" not in point.memo:
            point.memo["product"] = reverse.product_function(self.as_traced, point.x)
        self._check_time()
        self.nhvp += 1
        self._traces_twice(point)
        return mending.derivative(self, point, "H", np.array(point.memo["product"](v), self.dtype), (v,))

    def product_along(self, point: Point, v: np.ndarray) -> np.ndarray:
        if self._second_given() or self.strategy is not None or self._traces(point):
            return self.product(point, v)
        self._check_time()
        self.nhvp += 1
        self.used["H"] = differences.source_of(self)
        return differences.product(self, point, v)

    def untraced_product(self, point: Point) -> Callable[[np.ndarray], np.ndarray] | None:
        given = self.traced is not None or self._second_given() or self.strategy or self.hess_scheme
        return None if given else lambda v: differences.product(self, point, v)

    def third(self, point: Point, w: np.ndarray) -> tuple[np.ndarray, Callable]:
        if self.strategy is not None:
            raise TypeError(
                f"a third derivative is needed, which hess={type(self.strategy).__name__}() does not have; "
                "leave hess out, or give hess='3-point'"
            )
        if self._second_given() or not self._traces(point):
            return super().third(point, w)
        self._check_time()
        self.nhvp += 1
        self._traces_twice(point)
        self.used["T"] = "autograd"
        slope = sloped(self.as_traced, w)  # its Hessian is T[w]
        Hw, backward = reverse.trace(lambda x: reverse.gradient(slope, x), point.x)

        def product(v: np.ndarray) -> np.ndarray:
            self._check_time()
            self.nhvp += 1
            return mending.derivative(self, point, "T", np.array(backward(v), self.dtype), (w, v))

        return mending.derivative(self, point, "H", np.array(Hw, dtype=self.dtype), (w,)), product

    def contraction(self, point: Point, fixed: tuple[np.ndarray, ...]) -> Contraction:
        if len(fixed) < 2 and (not fixed or self._second_given() or not self._traces(point)):
            return super().contraction(point, fixed)
        self._require_trace(point, len(fixed) + 2)
        slope = self.as_traced
        for v in fixed:
            slope = sloped(slope, v)
        gradient = lambda x: reverse.gradient(slope, x)  # noqa: E731
        trace = functools.cache(lambda: reverse.trace(gradient, point.x)[1])

        def product(v: np.ndarray) -> np.ndarray:
            self._check_time()
            self.nhvp += 1
            return mending.derivative(self, point, "D", np.array(trace()(v), self.dtype), (*fixed, v))

        def matrix() -> np.ndarray:
            self._check_time()
            self.ntaylor += 1
            M = np.array(taylor(gradient, point.x, np.eye(self.n, dtype=self.dtype), 1)[1], dtype=self.dtype)
            return mending.matrix(self, point, "D", (M + M.T) / 2, fixed)

        return Contraction(point, product, matrix)

    def hessian(self, point: Point) -> Any:
        self.nhev += 1
        if self.hess is not None:
            self._check_time()
            self.used["H"] = "hess"
            return hessian_matrix(self.hess(point.x.copy(), *self.args), self.n, self.dtype)
        if self.hessp is not None:
            self.nhev -= 1
            columns = [self.product(point, e) for e in np.eye(self.n, dtype=self.dtype)]
            return symmetrised(np.stack(columns, axis=1), "the matrix of hessp products")
        if self.strategy is not None:
            self.nhev -= 1
            self.used["H"] = type(self.strategy).__name__
            return np.array(self.strategy.get_matrix(), dtype=self.dtype)
        if not self._traces(point):
            self.used["H"] = differences.source_of(self)
            return differences.hessian(self, point)
        self._traces_twice(point)
        return mending.matrix(self, point, "H", hessian_over_reverse(self.as_traced, point.x))

    def half_the_digits(self) -> bool:
        """Whether the gradient comes from real differences of values."""
        return self.scheme in ("2-point", "3-point")

    def gradient_at(self, x: np.ndarray) -> np.ndarray:
        best = self.best_x, self.best_f
        g = super().gradient_at(x)
        self.best_x, self.best_f = best  # a point of a difference is no candidate for the answer
        return g

    # ------------------------------------------------------------ a run and its objective

    def prepare(self, point: Point) -> None:
        if self.noise == "auto":
            self.noise = finite.estimated_noise(lambda x: one_number(self.plain(x)), point.x, self.bounds)
        if self.traced:
            self._falling_back(lambda start: following.check_start(self, start), point)
        if self.scheme == "cs":
            following.check_complex(self, point)

    def confirm(self, point: Point) -> None:
        if self.jac is None and not self.pair and (self.traced or self.scheme in ("2-point", "3-point")):
            free = np.ones(self.n, dtype=bool) if self.bounds is None else self.bounds[0] < self.bounds[1]
            following.check_success(self, point, free)

    def moved(self, old: Point, new: Point) -> None:
        if self.strategy is not None:
            s, y = new.x - old.x, new.g - old.g
            if s.any() and y.any():
                self.strategy.update(s, y)

    def evaluated(self, x: np.ndarray) -> np.ndarray:
        """What `fun` gives by a plain call, to be compared with `traced_value`."""
        answer = self.plain(x)
        return np.asarray(one_number(answer[0] if self.pair else answer))

    def traced_value(self, point: Point) -> Any:
        """What the tracer gives for it."""
        return point.f

    def _falling_back(self, evaluate: Callable, point: Point) -> Any:
        """``evaluate(point)``; if autograd cannot follow `fun` and a fallback is given, by differences."""
        try:
            return evaluate(point)
        except TraceError as error:
            if self.fallback is None or not self.traced:
                raise
            self.scheme, self.traced, self.cause = self.fallback, False, error
            if not np.isfinite(self.best_f) or np.array_equal(self.best_x, point.x):
                self.best_x, self.best_f = point.x, np.inf  # a traced value may be no value of fun
            self.used = {"note": f"differences, because autograd cannot follow fun: {error}"}
            point.memo.clear()
            point._f = point._g = None
            return evaluate(point)

    def _traces(self, point: Point) -> bool:
        """Whether the second and higher derivatives that nobody gave come from autograd.

        If the user gave `jac` but no second derivatives, that is found out once, see `refopt.following`.
        """
        if self.hess_scheme is not None:
            return False
        if self.traced is None:
            self.cause = following.refusal_of(self, point)
            self.traced = self.cause is None
        return self.traced

    def _traces_twice(self, point: Point) -> None:
        """Note that second derivatives come from a trace; the first time, see that they may."""
        if self.foreign and self.used.get("H") != "autograd":
            following.check_products(self, point)
        self.used["H"] = "autograd"

    def _require_trace(self, point: Point, order: int) -> None:
        """Raise `TraceError` if derivatives of this order cannot be had, because `fun` is not traced."""
        if self.scheme is None and self.traced is None:
            self._traces(point)
        if self.traced and self.scheme is None:
            return
        raise refusal.not_traced(order, self.scheme, self.cause) from self.cause

    def differentiate_gradients(self) -> bool:
        if self.hess_scheme is not None or self._second_given() or self.strategy is not None:
            return False
        self.hess_scheme = "3-point"
        return True

    # ------------------------------------------------------------ Taylor series

    def taylor(self, point: Point, direction: np.ndarray, order: int) -> np.ndarray:
        self._require_trace(point, order)
        self.ntaylor += 1
        return np.asarray(taylor(self.as_traced, point.x, direction, order), dtype=self.dtype)

    def tensors(self, point: Point, order: int) -> list[np.ndarray]:
        self._require_trace(point, order)
        calls = self.nfev
        answer, self.lengths = fitted_tensors(self.as_traced, point.x, order, self.lengths)
        self.ntaylor += self.nfev - calls
        return following.checked_tensors(self, point, [np.asarray(t, dtype=self.dtype) for t in answer])

    def model(self, point: Point, s: np.ndarray, order: int) -> tuple[float, np.ndarray, Callable]:
        self._require_trace(point, order)
        self.ntaylor += 1
        value, g = model_value_and_gradient(self.as_traced, point.x, s, order)
        polynomial = lambda d: model_value(self.as_traced, point.x, d, order)  # noqa: E731
        opened: list[Callable] = []

        def product(v: np.ndarray) -> np.ndarray:
            self._check_time()
            if not opened:
                self.ntaylor += 1
                opened.append(model_product(self.as_traced, point.x, s, order))
            self.nhvp += 1
            Hv = np.asarray(opened[0](v), dtype=self.dtype)
            return mending.derivative(self, point, "H", Hv, (v,), polynomial, s)

        g = mending.derivative(self, point, "g", np.asarray(g, dtype=self.dtype), (), polynomial, s)
        return float(value), g, product

    def _second_given(self) -> bool:
        return self.hess is not None or self.hessp is not None

    def value_error(self, point: Point) -> float:
        return noise.value_error(self, point)

    def product_error(self) -> float:
        traced = self._second_given() or self.traced
        return super().product_error() if traced else differences.error_of(self) ** (2 / 3)

    # ------------------------------------------------------------ calls of the user's function

    def plain(self, x: np.ndarray) -> Any:
        self._count_call()
        return self.fun(x.copy(), *self.args)

    def as_traced(self, x: Any) -> Any:
        """`fun` as the tracer needs it: one number; with ``jac=True`` the value alone."""
        self._count_call()
        answer = self.fun(x, *self.args)
        value = reverse.gathered(answer[0] if self.pair else answer)
        if isbox(value) and isbox(x) and value._trace == x._trace:
            self._followed = getval(x)
            return anp.reshape(value, ()) if value.shape and value.size == 1 else value
        if isbox(x) and self._followed is not None and np.array_equal(self._followed, getval(x)):
            raise refusal.stored(self.fun)  # an earlier call at this x did depend on it
        return float(value) if isinstance(value, (bool, int, np.bool_, np.integer)) else value
