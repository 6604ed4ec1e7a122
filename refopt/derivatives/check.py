"""A test of derivatives against values of the function: the slopes of Taylor remainders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .branches import DerivativeError, gradient, hvp
from .refusal import TraceError
from .taylor_mode.algebra import TaylorError
from .taylor_mode.expand import as_vector, taylor

__all__ = ["DerivativeCheck", "Row", "check_derivatives"]

#: the steps h, relative to the largest
STEPS = 2.0 ** -np.arange(0, 25)
#: a remainder is clear of rounding above this multiple of the estimated rounding error
CLEAR = 200
#: how far the measured slope may fall short of the expected one, which is a whole number
MARGIN = 0.75
#: largest relative asymmetry of a Hessian that counts as rounding
ASYMMETRY = 1e-8


class Row(NamedTuple):
    """One test of `check_derivatives`."""

    #: what was tested: "jac", "hess", "hess symmetry", "hessp", "hessp symmetry", or of autograd's
    #: derivatives "gradient", "hvp", "hvp symmetry", "Taylor coefficient k"
    name: str
    #: order of the derivative
    order: int
    #: measured slope, the smallest over the directions; inf where only rounding was left
    slope: float
    #: slope of a right derivative; 0 for a test of symmetry, which has none
    expected: float
    #: whether the test passed
    ok: bool
    #: what else there is to say
    note: str = ""


@dataclass(frozen=True)
class DerivativeCheck:
    """What `check_derivatives` found, one `Row` per test; true if all tests passed."""

    rows: tuple[Row, ...]
    #: what could not be tested, and why
    untested: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every test passed."""
        return all(row.ok for row in self.rows)

    @property
    def slopes(self) -> dict[str, float]:
        """Measured slope of each test: the smallest over the directions; inf where only rounding was left."""
        return {row.name: row.slope for row in self.rows}

    @property
    def wrong(self) -> list[str]:
        """Names of the tests that failed."""
        return [row.name for row in self.rows if not row.ok]

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        lines = [f"{'tested':<22} {'order':>5} {'slope':>7} {'expected':>9}  verdict"]
        for name, order, slope, expected, ok, note in self.rows:
            verdict = ("ok" if ok else "WRONG") + (f" ({note})" if note else "")
            lines.append(f"{name:<22} {order:>5} {slope:>7.2f} {expected:>9.0f}  {verdict}")
        lines += [f"not tested: {what}" for what in self.untested]
        agree = "these derivatives agree" if self.untested else "all derivatives agree"
        lines.append(f"{agree} with the function" if self.ok else "wrong: " + ", ".join(self.wrong))
        return "\n".join(lines)


def check_derivatives(
    fun: Callable,
    x: Any,
    order: int = 2,
    *,
    jac: Callable | None = None,
    hess: Callable | None = None,
    hessp: Callable | None = None,
    directions: int = 3,
    step: float = 0.1,
    seed: int = 0,
) -> DerivativeCheck:
    """Test which derivatives of `fun` are wrong, from values of `fun` alone.

    Along a random direction s, the remainder of a right derivative shrinks faster with h than that of a wrong
    one. Symmetric differences separate the orders:

        |f(x+hs) - f(x-hs) - 2h jac.s|           = O(h^3), but O(h) if jac is wrong;
        |f(x+hs) + f(x-hs) - 2f(x) - h^2 s.H s|  = O(h^4), but O(h^2) if H is wrong.

    The two tests do not influence each other: a wrong `jac` does not make a right `hess` look wrong. Symmetry
    of `hess` and `hessp` does not show in values of `fun`; it is tested too.

    What is not given a run takes from autograd, and it is tested in the same way: without `jac` the gradient
    by reverse mode, without `hess` and `hessp` the products with the Hessian by reverse mode. A derivative
    that is not finite is wrong. If none of the three is given, the Taylor coefficients of `fun` itself are
    tested as well: ``f(x+hs) - sum_{j<=k} c_j h^j = O(h^(k+1))``, k = 1..order.

    Parameters
    ----------
    fun : callable
        ``fun(x) -> scalar``. Where it comes with the derivatives to be tested, autograd need not follow it.
    x : array of shape (n,)
        A point where `fun` is smooth.
    order : int
        Highest order of autograd's derivatives to test.
    jac, hess, hessp : callable, optional
        ``jac(x)`` of shape (n,), ``hess(x)`` of shape (n, n), ``hessp(x, v)`` of shape (n,).
    directions : int
        Number of random directions.
    step : float
        Largest step h, relative to the size of x (at least 1). A function that varies fast needs a smaller
        one.
    seed : int
        Seed of the random directions.

    Returns
    -------
    DerivativeCheck
        ``.ok``, ``.wrong``, ``.slopes``, ``.untested``, and a table as ``str()``.

    Raises
    ------
    TraceError
        If neither `jac` nor `hess` nor `hessp` is given, and autograd cannot follow `fun`.
    ValueError
        If `fun` is not finite near x, or something has the wrong shape.

    Examples
    --------
    >>> import autograd.numpy as anp
    >>> from refopt.derivatives import gradient
    >>> f = lambda x: anp.sum(anp.exp(x) * x[0])
    >>> bad = check_derivatives(f, np.array([1.0, 2.0]), jac=lambda x: 1.01 * gradient(f, x))
    >>> bad.ok, bad.wrong
    (False, ['jac'])
    """
    x = np.array(as_vector(x, "check_derivatives"), dtype=float)
    if directions < 1 or not step > 0:
        raise ValueError(
            f"check_derivatives: directions must be >= 1 and step > 0, got {directions!r} and {step!r}"
        )
    n, rng = x.size, np.random.default_rng(seed)
    ss = rng.standard_normal((directions, n))
    ss *= step * max(1.0, float(np.linalg.norm(x))) / np.linalg.norm(ss, axis=1, keepdims=True)
    lines = Lines.of(fun, x, ss)
    odd, even = lines.right - lines.left, (lines.right - lines.middle) + (lines.left - lines.middle)
    rows, untested, given = [], [], jac is not None or hess is not None or hessp is not None

    def first(name: str, jac: Callable) -> None:
        g = shaped(jac(x), (n,), name)
        rows.append(lines.judge(name, 1, odd - 2 * STEPS * (ss @ g)[:, None], 3))

    def products(name: str, hessp: Callable) -> None:
        Hs = np.array([shaped(hessp(x, s), (n,), name) for s in ss])
        rows.append(lines.judge(name, 2, even - STEPS**2 * np.sum(ss * Hs, axis=1)[:, None], 4))
        u = rng.standard_normal(n)
        cross = np.array([u @ Hs[i] - s @ shaped(hessp(x, u), (n,), name) for i, s in enumerate(ss)])
        scale = float(np.linalg.norm(u) * np.linalg.norm(Hs, axis=1).max())
        rows.append(symmetry(name, float(np.abs(cross).max()), scale, "u.Hs - s.Hu"))

    def own(name: str, order: int, expected: float, test: Callable[[], None]) -> None:
        """A test of autograd's derivative; if there is none, it is wrong, or cannot be tested."""
        try:
            test()
        except DerivativeError as error:
            rows.append(Row(name, order, np.nan, expected, False, str(error)))
        except (TraceError, NotImplementedError) as error:
            if not given and not isinstance(error, TaylorError):
                raise
            untested.append(f"{name}: {error}")

    if jac is not None:
        first("jac", jac)
    else:
        own("gradient", 1, 3, lambda: first("gradient", lambda x: gradient(fun, x)))
    if hess is not None:
        H = shaped(hess(x), (n, n), "hess")
        sHs = np.einsum("ki,ij,kj->k", ss, H, ss)
        rows.append(lines.judge("hess", 2, even - STEPS**2 * sHs[:, None], 4))
        gap, scale = float(np.abs(H - H.T).max()), float(np.abs(H).max())
        rows.append(symmetry("hess", gap, scale, "difference H - H^T"))
    if hessp is not None:
        products("hessp", hessp)
    elif hess is None and order >= 2:
        own("hvp", 2, 4, lambda: products("hvp", lambda x, v: hvp(fun, x, v)))

    def coefficients() -> None:
        c = taylor(fun, x, ss, order)
        total = np.zeros_like(lines.right)
        for k in range(order + 1):
            total = total + c[k][:, None] * STEPS**k
            if k > 0:
                rows.append(lines.judge(f"Taylor coefficient {k}", k, lines.right - total, k + 1))

    if not given:
        own("Taylor coefficients", order, order + 1, coefficients)
    return DerivativeCheck(tuple(rows), tuple(untested))


@dataclass(frozen=True)
class Lines:
    """Values of a function on lines through x, one row per direction, one column per step of `STEPS`."""

    middle: float
    right: np.ndarray
    left: np.ndarray
    #: rounding error of the values on each line, shape (directions, 1)
    rounding: np.ndarray

    @classmethod
    def of(cls, fun: Callable, x: np.ndarray, ss: np.ndarray) -> Lines:
        """The values f(x), f(x + h s) and f(x - h s), which must be finite."""

        def value(z: np.ndarray) -> float:
            result = np.asarray(fun(z))
            if result.size != 1:
                raise ValueError(f"check_derivatives: fun must return one number, got shape {result.shape}")
            return float(result.reshape(()))

        middle = value(x)
        right = np.array([[value(x + h * s) for h in STEPS] for s in ss])
        left = np.array([[value(x - h * s) for h in STEPS] for s in ss])
        if not (np.isfinite(right).all() and np.isfinite(left).all() and np.isfinite(middle)):
            raise ValueError(
                "check_derivatives: fun is not finite near x; choose another point or a smaller step"
            )
        # rounding of f itself, and that of x + h s: the change of f over one unit in the last place of x
        slope = np.abs((right - left)[:, -1:] / (2 * STEPS[-1]))
        size = (np.linalg.norm(x) / np.linalg.norm(ss, axis=1))[:, None]
        change = np.abs(right - middle).max(axis=1, keepdims=True)
        return cls(middle, right, left, 2.0**-52 * (abs(middle) + change + slope * size))

    def judge(self, name: str, order: int, remainder: np.ndarray, expected: float) -> Row:
        """The test that the remainder shrinks with a slope of `expected` on every line."""
        pairs = zip(np.abs(remainder), self.rounding, strict=True)
        slope = float(np.min([slope_of(r, float(rounding[0])) for r, rounding in pairs]))
        return Row(name, order, slope, expected, bool(slope > expected - MARGIN))


def slope_of(remainder: np.ndarray, rounding: float) -> float:
    """Slope of log remainder against log h, over the three smallest steps clear of rounding; inf for none.

    It is nan if the remainder is not finite, because the derivative is not.
    """
    if not np.all(np.isfinite(remainder)):
        return np.nan
    clear = np.flatnonzero(remainder > CLEAR * rounding)
    if clear.size == 0:
        return np.inf
    stop = clear.max() + 1
    if stop < 3:  # only one or two steps are clear of rounding: judge by the fall of the remainder down to it
        fallen = max(CLEAR * rounding, remainder[min(stop, len(STEPS) - 1)])
        return float(np.log2(remainder[0] / fallen) / stop) + 1.0
    window = slice(stop - 3, stop)
    return float(np.polyfit(np.log(STEPS[window]), np.log(np.maximum(remainder[window], 1e-300)), 1)[0])


def symmetry(name: str, gap: float, scale: float, what: str) -> Row:
    """The test that `gap`, the size of an expression that is zero for a symmetric H, is only rounding."""
    ok = gap <= ASYMMETRY * max(scale, 1e-300)
    return Row(f"{name} symmetry", 2, np.inf, 0, ok, f"largest {what}: {gap:.2g}")


def shaped(value: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """`value` as an array of this shape, or the error that says what came."""
    array = np.asarray(value, dtype=float)
    if array.shape != shape:
        raise ValueError(f"check_derivatives: {name} returned shape {array.shape}, expected {shape}")
    return array
