"""Arithmetic with more digits than float64, for definitions evaluated again as a judge.

Two kinds of numbers, the same formulas: ``numpy.longdouble`` (19 digits where the processor has it; fast) and
``mpmath`` (50 digits; arrays of objects). The functions here (`sqrt`, `cbrt`, `solve`, ...) take arrays of
either.

An `Arithmetic` can also *disturb*: every float that enters is multiplied by ``1 + delta`` with delta of one
ulp and a random sign. What a formula's result moves by then is its conditioning, the error no
implementation can avoid.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = [
    "Arithmetic",
    "PrecisePoint",
    "Record",
    "sqrt",
    "cbrt",
    "norm",
    "solve",
    "cholesky",
    "eigh",
    "identity",
    "plain",
]

DIGITS = 50
LONG = float(np.finfo(np.longdouble).eps) < 1e-18  # false where longdouble is float64 (Windows, ARM)


class Record(types.SimpleNamespace):
    """Named values with attribute access: hyperparameters or a state."""

    def changed(self, **changes: Any) -> Record:
        return Record(**{**vars(self), **changes})


class Arithmetic:
    """Turns floats into precise numbers.

    Parameters
    ----------
    kind : "longdouble", "mpmath", or None for the first that has more digits than float64
    disturb : seed of the disturbance by one ulp, or None for none
    ulp : size of the disturbance, the eps of the dtype that is judged

    Examples
    --------
    >>> from refopt.oracle.exact.precise import Arithmetic
    >>> third = Arithmetic("mpmath").array([1.0]) / 3
    >>> str(third[0])[:30]
    '0.3333333333333333333333333333'
    """

    def __init__(self, kind: str | None = None, disturb: int | None = None, ulp: float = 2.0**-52):
        self.kind = kind or ("longdouble" if LONG else "mpmath")
        if self.kind not in ("longdouble", "mpmath"):
            raise ValueError(f"Arithmetic: kind must be 'longdouble' or 'mpmath', got {kind!r}")
        self.rng = None if disturb is None else np.random.default_rng(disturb)
        self.ulp = ulp
        if self.kind == "mpmath":
            import mpmath

            self.mp = mpmath.mp
            self.mp.dps = max(self.mp.dps, DIGITS)

    def array(self, value: Any) -> np.ndarray:
        """A precise array equal to `value` (disturbed if asked for)."""
        if isinstance(value, np.ndarray) and value.dtype in (object, np.longdouble):
            return value
        value = np.asarray(value, dtype=np.float64)
        if self.kind == "longdouble":
            out = value.astype(np.longdouble)
        else:
            out = np.empty(value.shape, dtype=object)
            out.reshape(-1)[:] = [self.mp.mpf(float(v)) for v in value.reshape(-1)]
        if self.rng is not None:
            sign = 2 * self.rng.integers(0, 2, size=value.shape) - 1
            out = out + out * (sign * self.ulp)
        return out

    def number(self, value: float) -> Any:
        """A precise scalar."""
        return self.array(np.array([value]))[0]

    def backward(self, A: np.ndarray) -> np.ndarray:
        """A symmetric matrix about to be factored: disturbed, if asked for, by one ulp of its largest entry.

        Dense algorithms (solves, eigenvalues) are backward stable in norm only, not entry by entry.
        """
        if self.rng is None or not A.size:
            return A
        sign = np.triu(2 * self.rng.integers(0, 2, size=A.shape) - 1)
        return A + (sign + np.triu(sign, 1).T) * (self.ulp * np.abs(A).max())

    def value(self, value: Any) -> Any:
        """A state or hyperparameter: floats and float arrays become precise, all else stays as it is."""
        if isinstance(value, (bool, np.bool_, int, np.integer, str)) or value is None:
            return value
        if isinstance(value, (float, np.floating)) and not isinstance(value, np.longdouble):
            return self.number(float(value))
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            return self.array(value)
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return Record(**{name: self.value(part) for name, part in zip(value._fields, value, strict=True)})
        if isinstance(value, (tuple, list)):
            return type(value)(self.value(part) for part in value)
        return value


KEPT = ("x", "f", "g", "hess", "residuals", "jacobian")  # computed once: a disturbed number stays the same


class PrecisePoint:
    """A `Point` that answers in precise numbers. The objective stays the float function it is.

    Parameters
    ----------
    point : refopt Point
    arithmetic : Arithmetic
    answer : (update, state) the implementation gave, or None
        For methods whose definition leaves a choice open (a step size that only has to satisfy conditions):
        the definition takes the choice from here and checks the conditions. The update is None for an inner
        method whose own update is not recorded.
    table : {class name: formula}, formulas that take the place of the registered definitions
    """

    def __init__(
        self,
        point: Any,
        arithmetic: Arithmetic,
        answer: Any = None,
        table: Mapping[str, Callable] | None = None,
    ):
        self.point, self.arithmetic, self.answer, self.table = point, arithmetic, answer, dict(table or {})
        self.number, self.array = arithmetic.number, arithmetic.array

    def inside(
        self, own: Callable[[Any], Any], same_update: bool = False, point: Any = None, **known: Any
    ) -> PrecisePoint:
        """The point as a method inside sees it.

        Parameters
        ----------
        own : ``own(state) -> state of the method inside``, applied to the state of the answer
        same_update : the update of the method inside is that of the whole
        point : refopt Point where it stands on another objective; None: here, with the numbers that are known
        known : precise ``x, f, g`` there
        """
        answer = None
        if self.answer is not None:
            update, state = self.answer
            answer = update if same_update else None, own(state)
        inner = PrecisePoint(self.point if point is None else point, self.arithmetic, answer, self.table)
        if point is None:
            vars(inner).update({name: value for name, value in vars(self).items() if name in KEPT})
        vars(inner).update(known)
        return inner

    def __getattr__(self, name: str) -> Any:
        if name in ("x", "g", "residuals", "jacobian"):
            value = self.array(getattr(self.point, name))
        elif name == "f":
            value = self.number(self.point.f)
        elif name == "hess":
            value = self.array(self.point.dense_hessian())
            value = (value + value.T) / 2
        else:
            raise AttributeError(name)
        self.__dict__[name] = value
        return value

    def hvp(self, v: np.ndarray, method: str = "autograd", h: float = 1e-3) -> np.ndarray:
        """The product with the Hessian; `v` is rounded to the objective's dtype."""
        return self.array(self.point.hvp(plain(v, self.point.x.dtype), method, float(h)))

    def after(self, update: np.ndarray) -> PrecisePoint:
        """The point at ``x - update``, rounded to the objective's dtype."""
        return self.at(self.array(self.point.x) - update)

    def at(self, x: np.ndarray) -> PrecisePoint:
        """The point at `x`, rounded to the objective's dtype."""
        return PrecisePoint(self.point.objective.at(plain(x, self.point.x.dtype)), self.arithmetic)


def plain(a: Any, dtype: Any = np.float64) -> np.ndarray:
    """A precise array as plain floats."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return np.asarray(a).astype(np.float64).astype(dtype)


def each(name: str, a: Any) -> np.ndarray:
    """An mpmath function of every entry."""
    import mpmath

    function = getattr(mpmath.mp, name)
    a = np.asarray(a, dtype=object)
    out = np.empty(a.shape, dtype=object)
    out.reshape(-1)[:] = [function(v) for v in a.reshape(-1)]
    return out if out.ndim else out[()]


def sqrt(a: Any) -> Any:
    """Square root of numbers >= 0; negative ones give 0 (the definitions select them away)."""
    a = np.asarray(a)
    a = np.where(a < 0, 0 * a, a)
    return each("sqrt", a) if a.dtype == object else np.sqrt(a)


def cbrt(a: Any) -> Any:
    """Real cube root."""
    a = np.asarray(a)
    if a.dtype == object:
        return np.where(a < 0, -each("cbrt", np.abs(a)), each("cbrt", np.abs(a)))
    return np.cbrt(a)


def norm(a: np.ndarray) -> Any:
    """Euclidean length."""
    return sqrt(np.dot(a, a))


def identity(n: int, like: np.ndarray) -> np.ndarray:
    """The unit matrix (n, n) in the numbers of `like`."""
    return np.eye(n, dtype=np.int64) + np.zeros((n, n), dtype=np.int64) * like.reshape(-1)[:1].sum() * 0


def cholesky(A: np.ndarray) -> np.ndarray | None:
    """Lower L with ``A = L L^T``, or None where A is not positive definite."""
    n = len(A)
    L = A * 0
    for j in range(n):
        pivot = A[j, j] - np.dot(L[j, :j], L[j, :j])
        if not pivot > 0:
            return None
        L[j, j] = sqrt(pivot)
        if j + 1 < n:
            L[j + 1 :, j] = (A[j + 1 :, j] - L[j + 1 :, :j] @ L[j, :j]) / L[j, j]
    return L


def solve(A: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``A^-1 b`` by elimination with partial pivoting, b of shape (n,) or (n, k); a zero pivot raises."""
    A, b = A.copy(), b.copy()
    n = len(A)
    for j in range(n):
        p = j + int(np.argmax(np.abs(A[j:, j])))
        if not abs(A[p, j]) > 0:
            raise ZeroDivisionError("the matrix is singular")
        if p != j:
            A[[j, p]], b[[j, p]] = A[[p, j]], b[[p, j]]
        factor = A[j + 1 :, j] / A[j, j]
        A[j + 1 :, j:] = A[j + 1 :, j:] - factor[:, None] * A[j, j:]
        b[j + 1 :] = b[j + 1 :] - (factor[:, None] * b[j] if b.ndim > 1 else factor * b[j])
    for j in reversed(range(n)):
        b[j] = (b[j] - (A[j, j + 1 :] @ b[j + 1 :] if j + 1 < n else 0 * b[j])) / A[j, j]
    return b


def eigh(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and the orthogonal matrix of eigenvectors of a symmetric A, by Jacobi's rotations."""
    A, n = A.copy(), len(A)
    V = identity(n, A)
    size = sqrt((A * A).sum())
    tiny = size * (1e-19 if A.dtype == np.longdouble else 10.0**-DIGITS)
    for _ in range(60):
        off = 0 * size
        for i in range(n - 1):
            for j in range(i + 1, n):
                a = A[i, j]
                off = off + abs(a)
                if not abs(a) > tiny / n:
                    continue
                theta = (A[j, j] - A[i, i]) / (2 * a)
                t = (1 if theta >= 0 else -1) / (abs(theta) + sqrt(theta * theta + 1))
                c = 1 / sqrt(t * t + 1)
                s = t * c
                A[:, i], A[:, j] = c * A[:, i] - s * A[:, j], s * A[:, i] + c * A[:, j]
                A[i, :], A[j, :] = c * A[i, :] - s * A[j, :], s * A[i, :] + c * A[j, :]
                V[:, i], V[:, j] = c * V[:, i] - s * V[:, j], s * V[:, i] + c * V[:, j]
        if not off > tiny:
            break
    return np.diag(A), V
