"""The Taylor polynomial of a function as a model of its change: ``m(s) = sum_{k=1..p} D_k[s]/k!``.

Two representations with one interface (`expand`, `line`):

    TensorModel     the symmetric tensors T_1 .. T_p; one contraction with s lowers the order of each by one
    MatrixFree      the function in truncated polynomial arithmetic, derivatives by reverse mode, memory O(n)

`Penalised` adds ``weight/power |s|^power`` to either. Values do not include f(x): near a minimiser the change
is many orders of magnitude smaller than f, and a difference of two values of f would be only rounding error.

Source: Griewank, Utke, Walther 2000 (tensors and Taylor series); Birgin, Gardenghi, Martinez, Santos 2017,
doi:10.1007/s10107-016-1065-8, eq. (2.2) (the penalty). Cost of `expand`: O(n^p) with tensors, else about
ten evaluations of the function, and one more per product.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..objective import Point
from ..rounding import rounding_error
from ..status import Status, Stop

__all__ = [
    "Expansion",
    "MatrixFree",
    "Model",
    "Penalised",
    "Scaled",
    "TensorModel",
    "prefers_tensors",
    "taylor_model",
    "transient",
]

MOST_DIRECTIONS = 60_000  # Taylor series needed for all tensors; more take longer than a matrix-free solve
MOST_ENTRIES = 4_000_000  # of the largest tensor (32 MB)


class Expansion(NamedTuple):
    """A model at one s: value (without f), gradient (n,), Hessian (n, n) or None, Hessian-vector product."""

    value: float
    gradient: np.ndarray
    hessian: np.ndarray | None
    product: Callable[[np.ndarray], np.ndarray]


class Model:
    """A smooth function of the step s (n,) with ``m(0) = 0``; `noise` is the rounding error of its values."""

    n: int
    noise: float = 0.0

    def expand(self, s: np.ndarray) -> Expansion:
        raise NotImplementedError

    def value(self, s: np.ndarray) -> float:
        return self.expand(s).value

    def rescaled(self, length: np.ndarray | float, unit: float) -> Model:
        """``z -> m(length z) / unit``: the model in other units of the step and of f."""
        return Scaled(self, length, unit)


class Scaled(Model):
    """``z -> model(length z) / unit``, for a number or one length for each variable."""

    def __init__(self, model: Model, length: np.ndarray | float, unit: float):
        self.model, self.length, self.unit = model, length, unit
        self.n, self.noise = model.n, model.noise / unit

    def expand(self, s: np.ndarray) -> Expansion:
        a, b = self.length, self.unit
        value, g, H, product = self.model.expand(a * s)
        if H is not None:
            H = np.asarray(a)[..., None] * H * a / b
            return Expansion(value / b, a * g / b, H, H.__matmul__)
        return Expansion(value / b, a * g / b, None, lambda v: a * product(a * v) / b)

    def value(self, s: np.ndarray) -> float:
        return self.model.value(self.length * s) / self.unit


def contract(T: np.ndarray, s: np.ndarray) -> np.ndarray:
    """``T[s]``: the last index of T contracted with s."""
    return (T.reshape(-1, s.size) @ s).reshape(T.shape[:-1])


class TensorModel(Model):
    """The polynomial with the given derivatives.

    Parameters
    ----------
    tensors : list of arrays
        ``[f, g, H, T, ...]``, symmetric, of shapes (), (n,), (n, n), ...

    Examples
    --------
    >>> import numpy as np
    >>> m = TensorModel([np.array(5.0), np.array([1.0]), np.array([[2.0]]), np.array([[[6.0]]])])
    >>> m.expand(np.array([2.0]))[:2]        # s + s^2 + s^3
    (14.0, array([17.]))
    """

    def __init__(self, tensors: list[np.ndarray]):
        self.tensors = [np.asarray(t, dtype=float) for t in tensors]
        self.order = len(tensors) - 1
        self.n = self.tensors[1].size
        if self.order == 1:
            self.tensors.append(np.zeros((self.n, self.n)))
        # T_k/(k-j)! for the value (j=0), the gradient (j=1) and the Hessian (j=2), contracted k-j times
        top = len(self.tensors)
        self.scaled = [
            [t / math.factorial(k - j) for k, t in enumerate(self.tensors[:top]) if k >= max(j, 1)]
            for j in range(3)
        ]

    def rescaled(self, length: np.ndarray | float, unit: float) -> Model:
        a = np.broadcast_to(np.asarray(length, dtype=float), (self.n,))
        tensors = [T / unit for T in self.tensors[: self.order + 1]]
        for k, T in enumerate(tensors):
            for axis in range(k):
                T = T * a.reshape((-1, *[1] * (k - 1 - axis)))
            tensors[k] = T
        return TensorModel(tensors)

    def nested(self, j: int, s: np.ndarray, top: np.ndarray) -> np.ndarray:
        """The j-th derivative by Horner's rule on tensors; `top` is ``T_p[s]``, which j = 0, 1, 2 share."""
        parts, p = self.scaled[j], len(self.tensors) - 1
        if p == j:
            return parts[-1]
        A = top / math.factorial(p - j)
        for T in parts[-2::-1]:
            A = A + T
            if T.ndim > j:
                A = contract(A, s)
        return A

    def expand(self, s: np.ndarray) -> Expansion:
        top = contract(self.tensors[-1], s)
        H = self.nested(2, s, top)
        return Expansion(float(self.nested(0, s, top)), self.nested(1, s, top), H, H.__matmul__)

    def finite(self) -> bool:
        return all(bool(np.all(np.isfinite(T))) for T in self.tensors)

    def value(self, s: np.ndarray) -> float:
        return float(self.nested(0, s, contract(self.tensors[-1], s)))

    def line(self, s: np.ndarray) -> np.ndarray:
        """The coefficients ``D_k[s]/k!``, k = 1..p, of m along s."""
        coefficients = []
        for k, T in enumerate(self.tensors[1 : self.order + 1], 1):
            for _ in range(k):
                T = contract(T, s)
            coefficients.append(float(T) / math.factorial(k))
        return np.array(coefficients)


class MatrixFree(Model):
    """The polynomial evaluated by Taylor arithmetic at a point of an objective."""

    def __init__(self, point: Point, order: int):
        self.point, self.order, self.n = point, order, point.x.size
        self.noise = rounding_error(point.f, point.x.dtype)

    def finite(self) -> bool:
        return bool(np.all(np.isfinite(self.point.g)))

    def cast(self, s: np.ndarray) -> np.ndarray:
        return np.asarray(s, dtype=self.point.x.dtype)

    def expand(self, s: np.ndarray) -> Expansion:
        point = self.point
        if self.order <= 2:
            product: Callable = (lambda v: point.hvp(self.cast(v))) if self.order == 2 else np.zeros_like
            Hs = product(s) if s.any() else np.zeros_like(s)
            return Expansion(float(point.g @ s + 0.5 * (s @ Hs)), point.g + Hs, None, product)
        if not s.any():
            return Expansion(0.0, np.asarray(point.g, dtype=float), None, lambda v: point.hvp(self.cast(v)))
        value, gradient, product = point.model(self.cast(s), self.order)
        return Expansion(value - point.f, gradient, None, lambda v: product(self.cast(v)))

    def value(self, s: np.ndarray) -> float:
        return float(self.line(s).sum())  # without f: accurate however small

    def line(self, s: np.ndarray) -> np.ndarray:
        """The coefficients ``D_k[s]/k!``, k = 1..p, of m along s."""
        if self.order <= 2:
            Hs = self.point.hvp(self.cast(s)) if self.order == 2 else 0 * s
            return np.array([self.point.g @ s, 0.5 * (s @ Hs)][: self.order], dtype=float)
        return self.point.taylor(self.cast(s), self.order)[1:].astype(float)


class Penalised(Model):
    """``model(s) + weight/power |s|^power``, power >= 2."""

    def __init__(self, model: Model, weight: float, power: int):
        self.model, self.weight, self.power = model, weight, power
        self.n, self.noise = model.n, model.noise

    def expand(self, s: np.ndarray) -> Expansion:
        value, g, H, product = self.model.expand(s)
        c, q, length = self.weight, self.power, float(np.sqrt(s @ s))
        a = c * length ** (q - 2)
        b = c * (q - 2) * length ** (q - 4) if length > 0 and q > 2 else 0.0
        if H is not None:
            H = H + b * np.outer(s, s)
            H[np.diag_indices_from(H)] += a
            return Expansion(value + a * length**2 / q, g + a * s, H, H.__matmul__)
        return Expansion(
            value + a * length**2 / q, g + a * s, None, lambda v: product(v) + a * v + (b * (s @ v)) * s
        )


def prefers_tensors(n: int, order: int) -> bool:
    """Whether full tensors are cheaper than the matrix-free model."""
    return math.comb(n + order - 1, order) <= MOST_DIRECTIONS and n ** max(order, 2) <= MOST_ENTRIES


def taylor_model(point: Point, order: int, derivatives: str = "auto") -> TensorModel | MatrixFree:
    """The model of order p at a point; its derivatives are checked to be finite.

    Parameters
    ----------
    point : Point
    order : int >= 1
        Up to order 2 the gradient and Hessian of the objective are used (the user's, where given), above it
        Taylor mode.
    derivatives : {"auto", "tensors", "matrix-free"}
        "auto" uses tensors up to 60,000 lattice directions and 4 million entries: up to n = 31 at order 4, up
        to n = 70 at order 3.

    Raises
    ------
    MemoryError
        For "tensors" that do not fit into memory; the message has the estimate.
    Stop
        If derivatives are not finite.
    """
    if derivatives == "matrix-free" or derivatives == "auto" and not prefers_tensors(point.x.size, order):
        model: TensorModel | MatrixFree = MatrixFree(point, order)
    elif order > 2:
        model = TensorModel(point.tensors(order))
    else:
        zeroth = np.asarray(point.f)
        model = TensorModel([zeroth, point.g] if order == 1 else [zeroth, point.g, point.dense_hessian()])
    if not model.finite():
        raise Stop(
            Status.NONFINITE, reason=f"derivatives up to order {order} are not finite where f = {point.f:.6g}"
        )
    return model


def transient(line: np.ndarray) -> bool:
    """Whether s is not on the branch of minimisers that starts from s = 0 at sigma = inf.

    ``line[k-1]`` is ``D_k[s]/k!``. A minimiser t s for sigma(t) has ``-m'(t) = sigma(t) |s|^(p+1) t^p``; on
    the branch sigma(t) decreases with t.
    """
    p = line.size
    k = np.arange(1, p + 1)
    slope = np.polynomial.Polynomial(k * (p + 1 - k) * line)
    if slope(1.0) >= 0:
        return True
    roots = slope.roots()
    real = roots[np.abs(roots.imag) <= 1e-12 * (1 + np.abs(roots))].real
    return bool(np.any((real > 0) & (real < 1))) and line[0] < 0
