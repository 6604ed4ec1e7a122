"""The iterative solvers of `scipy.sparse.linalg` behind one call; products are counted, outcomes are named.

    solve(solver, product, b, ...) -> Answer(x, outcome, code, products)          A x = b, A symmetric

outcome  "converged"   the solver reports convergence
         "iterations"  the limit of iterations (or of the condition number) was reached; x is the last iterate
         "breakdown"   a division by zero, a singular factor, A b = 0, or no answer better than x = 0. x is
                       the last iterate that the solver passed to its callback if |b - A x| < |b|, else b. If
                       products are inaccurate and gcrotmk or lgmres diverges, x is its best iterate
         "curvature"   a vector v with v^T A v <= 0 was met, and `truncate` stops there; x is the last
                       iterate, or b if there was none

If a product with a finite vector is not finite, the run ends, because there is no useful answer. minres
compares its residual with |A| |x| instead of |b|, so its answers are checked by one more product, and `rtol`
is enforced.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from scipy.sparse.linalg import LinearOperator

from .. import checks
from ..status import Status, Stop

__all__ = ["SOLVERS", "Answer", "Product", "find_solver", "check_keywords", "operator", "solve"]

SOLVERS: dict[str, Callable] = {name: getattr(scipy.sparse.linalg, name) for name in (
    "cg", "minres", "gmres", "lgmres", "gcrotmk", "bicg", "bicgstab", "cgs", "qmr", "tfqmr", "lsqr", "lsmr")}
HUGE = 1e100  # a solver that asks for a product with a longer vector has broken down
TIGHTER, ROUNDS = 0.1, 20  # to enforce rtol, that of minres is reduced by this factor, at most so many times
LEAST_SQUARES = ("lsqr", "lsmr")  # tolerances atol and btol, no preconditioner, no callback
REACHED = (0, 1, 2, 4, 5)  # exit codes of these two for an answer accurate to the tolerance or to rounding
SILENT = ("gmres", *LEAST_SQUARES)  # no callback is set: that of gmres changes the meaning of maxiter
NESTED = ("gcrotmk", "lgmres")  # one callback per cycle of many products
RISE = 2.0  # with inaccurate products, these two stop when the residual has grown by this factor
OWN = ("A", "b", "x0")  # arguments that the method itself supplies


class Answer(NamedTuple):
    """The result of one solve."""

    x: np.ndarray  # (n,)
    outcome: str  # "converged", "iterations", "breakdown" or "curvature"
    code: int  # the solver's own exit code; 0 if it was interrupted
    products: int  # number of products with A


class Curvature(Exception):
    """A direction of curvature <= 0 was met."""


class Breakdown(Exception):
    """The solver asked for a product with a vector that is not finite."""


class Diverging(Exception):
    """The residual has grown: the iterates move away from the best answer."""


class Product:
    """``v -> A v``, with a count of the products and checks of the vectors that go in and out."""

    def __init__(self, product: Callable, who: str, truncate: bool = False, zero_ends: bool = True,
                 rough: bool = False):
        self.product, self.who, self.truncate = product, who, truncate
        self.rough = rough  # the products have errors far above rounding, like differences of gradients
        self.zero_ends = zero_ends  # break down if the first product with a nonzero vector is zero
        self.count = 0

    def __call__(self, v: np.ndarray) -> np.ndarray:
        if not all_finite(v):
            raise Breakdown
        self.count += 1
        Av = self.product(v)
        if not all_finite(Av):
            if np.abs(v).max() > HUGE:
                raise Breakdown
            i = int(np.flatnonzero(~np.isfinite(Av))[0])
            raise Stop(Status.NONFINITE, reason=f"{self.who}: coordinate {i} of Hessian-vector product "
                                                f"{self.count} is {Av[i]}")
        if self.truncate and np.dot(v, Av) <= 0 and v.any():
            raise Curvature
        if self.zero_ends and v.any():
            self.zero_ends = False
            if not Av.any():
                raise Breakdown
        return Av


def all_finite(v: np.ndarray) -> bool:
    """Whether every entry is finite; the sum tests this without a temporary array."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(v.sum())) or bool(np.isfinite(v).all())


def find_solver(who: str, solver: Any) -> str:
    """The name of a solver that is given by name or as a function of `scipy.sparse.linalg`."""
    for name, function in SOLVERS.items():
        if solver is function or solver == name:
            return name
    if isinstance(solver, str):
        raise checks.unknown(f"solver for {who}:", solver, SOLVERS)
    raise TypeError(f"{who}: solver must be one of {', '.join(SOLVERS)} of scipy.sparse.linalg, as a name "
                    f"or a function, got {checks.describe(solver)}")


def check_keywords(who: str, name: str, keywords: Any, refused: dict[str, str]) -> dict[str, Any]:
    """A copy of the keywords of solver `name`, checked with its signature; `refused` maps keys to reasons."""
    if keywords is None:
        return {}
    if not isinstance(keywords, dict):
        raise TypeError(f"{who}: kwargs must be a dict of keywords for {name}, "
                        f"got {checks.describe(keywords)}")
    allowed = [k for k in inspect.signature(SOLVERS[name]).parameters if k not in OWN]
    for key in keywords:
        if key in refused:
            raise ValueError(f"{who}: kwargs must not hold {key!r}: {refused[key]}")
        if key not in allowed:
            raise ValueError(f"{who}: {name} takes no {key!r}; it takes {', '.join(allowed)}")
    return dict(keywords)


def operator(who: str, M: Any, n: int) -> LinearOperator:
    """The symmetric preconditioner `M`, an (n, n) array, sparse matrix or LinearOperator, as an operator."""
    if not (isinstance(M, LinearOperator) or scipy.sparse.issparse(M)):
        M = np.asarray(M)
    if M.shape != (n, n):
        raise ValueError(f"{who}: M must have shape ({n}, {n}), got shape {M.shape}")
    product = M.matvec if isinstance(M, LinearOperator) else M.__matmul__
    return LinearOperator((n, n), matvec=product, rmatvec=product, dtype=M.dtype)


def identity(n: int, dtype: np.dtype) -> LinearOperator:
    """The identity as a preconditioner."""
    return LinearOperator((n, n), matvec=np.copy, rmatvec=np.copy, dtype=dtype)


def solve(name: str, product: Product, b: np.ndarray, x0: np.ndarray | None = None, M: Any = None,
          rtol: float | None = None, keywords: dict[str, Any] | None = None, rounds: int = 0) -> Answer:
    """Solve ``A x = b`` by solver `name`.

    Parameters
    ----------
    name : key of `SOLVERS`
    product : `Product` with the symmetric A
    b, x0 : (n,) right side, start or None
    M : symmetric preconditioner, approximately A^-1, or None
    rtol : tolerance on |b - A x| / |b|, or None for the one in `keywords` or the solver's own
    keywords : further arguments of the solver
    rounds : how often minres has been repeated with a smaller tolerance

    Raises
    ------
    Stop
        If a product is not finite.
    """
    n = b.size
    if not all_finite(b):
        raise Stop(Status.NONFINITE, reason=f"{product.who}: the incoming update is not finite")
    A = LinearOperator((n, n), matvec=product, rmatvec=product, dtype=b.dtype)
    keywords = dict(keywords or {})
    if x0 is not None:
        keywords["x0"] = x0
    if M is not None:
        keywords.update({"M1": M, "M2": identity(n, b.dtype)} if name == "qmr" else {"M": M})
    if rtol is not None and rounds == 0:
        keywords.update({"atol": 0.0, "btol": rtol} if name in LEAST_SQUARES else {"rtol": rtol})
    last: list[np.ndarray | None] = [None]
    if product.truncate or name not in SILENT:
        keep_iterates(name, keywords, last)
    if product.rough and name in NESTED:
        watch_residual(product, b, keywords, last)
    try:
        with np.errstate(all="ignore"):
            x, code = SOLVERS[name](A, b, **keywords)[:2]
    except Curvature:
        return Answer(b.copy() if last[0] is None else last[0], "curvature", 0, product.count)
    except Diverging:  # last[0] is the best of its iterates
        return Answer(b.copy() if last[0] is None else last[0], "breakdown", 0, product.count)
    except (Breakdown, ArithmeticError, np.linalg.LinAlgError):
        return Answer(best(product, last[0], b), "breakdown", 0, product.count)
    x, code = np.asarray(x, dtype=b.dtype).reshape(n), int(code)
    reached = code in REACHED if name in LEAST_SQUARES else code == 0
    if not all_finite(x) or (not x.any() and b.any()):
        return Answer(best(product, last[0], b), "breakdown", code, product.count)
    if name == "minres" or not reached:
        error = residual(product, x, b)
        if not error < 1:
            return Answer(b.copy(), "breakdown", code, product.count)
        if reached and rtol is not None and error > rtol and rounds < ROUNDS:
            keywords["rtol"] = rtol * TIGHTER ** (rounds + 1)
            return solve(name, product, b, x, M, rtol, keywords, rounds + 1)
    outcome = "converged" if reached else "breakdown" if code < 0 else "iterations"
    return Answer(x, outcome, code, product.count)


def watch_residual(product: Product, b: np.ndarray, keywords: dict[str, Any], last: list[np.ndarray | None]) -> None:
    """Make the callback keep the iterate with the smallest residual, and stop a solver that diverges from it.

    A method of nested cycles computes its residual by a recurrence. If the products are not linear up to
    rounding, the recurrence still falls when the true residual no longer does, and the iterates diverge.
    """
    own, smallest = keywords["callback"], 1.0  # the residual of x = 0

    def callback(x: np.ndarray) -> None:
        nonlocal smallest
        before = last[0]
        own(x)
        if not x.any():
            return
        error = residual(product, x, b)
        if error <= smallest:
            smallest = error
            return
        last[0] = before
        if before is not None and before.any() and not error <= RISE * smallest:
            raise Diverging

    keywords["callback"] = callback


def residual(product: Product, x: np.ndarray, b: np.ndarray) -> float:
    """``|b - A x| / |b|``, by one product; infinite if the product fails."""
    try:
        with np.errstate(all="ignore"):
            return float(np.linalg.norm(b - product(x)) / np.linalg.norm(b)) if b.any() else 0.0
    except (Breakdown, Curvature):
        return np.inf


def best(product: Product, x: np.ndarray | None, b: np.ndarray) -> np.ndarray:
    """The last iterate `x` of a solver that broke down if ``|b - A x| < |b|``, else `b` itself."""
    if x is not None and x.any() and residual(product, x, b) < 1:
        return x
    return b.copy()


def keep_iterates(name: str, keywords: dict[str, Any], last: list[np.ndarray | None]) -> None:
    """Make the solver's callback copy finite iterates into ``last[0]`` and then call the user's callback."""
    own = keywords.get("callback")

    def callback(x: np.ndarray) -> None:
        if all_finite(x):
            last[0] = np.array(x)
        if own is not None:
            own(x)

    keywords["callback"] = callback
    if name == "gmres":
        keywords["callback_type"] = "x"
