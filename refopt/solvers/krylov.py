"""The iterative solvers of `scipy.sparse.linalg` behind one call; products are counted, outcomes are named.

    solve(solver, product, b, ...) -> Answer(x, outcome, code, products)          A x = b, A symmetric

outcome  "converged"   the solver says so
         "iterations"  its limit of iterations (or of the condition number) came first; x is its last iterate
         "breakdown"   a division by zero, a singular factor, A b = 0, no answer better than x = 0, or rough
                       products that allow no smaller residual; x is the last iterate that the solver showed
                       (the best one checked where products are rough) if |b - A x| < |b|, else b itself
         "curvature"   a vector v with v^T A v <= 0 was met and `truncate` asked to stop there; x is the last
                       iterate, b if there was none

A product that is not finite though its vector is one ends the run: no answer can be made of it. minres holds
its residual against |A| |x|, not |b|: its answers are checked by one more product, and the argument `rtol`
enforced.

Products are rough where their errors are far above rounding, as those of differences of gradients are. Such
products are not linear, and every solver takes A (x + y) = A x + A y for granted: the residual it carries
along and b - A x drift apart. Whether it stops, explodes or idles once b - A x cannot be reduced further
depends on rounding, and so on the machine. `watch_residual` therefore looks at b - A x itself and bounds the
products.
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

SOLVERS: dict[str, Callable] = {
    name: getattr(scipy.sparse.linalg, name)
    for name in (
        "cg",
        "minres",
        "gmres",
        "lgmres",
        "gcrotmk",
        "bicg",
        "bicgstab",
        "cgs",
        "qmr",
        "tfqmr",
        "lsqr",
        "lsmr",
    )
}
HUGE = 1e100  # a solver that asks for a product with a longer vector has broken down
TIGHTER, ROUNDS = 0.1, 20  # to enforce rtol, that of minres is reduced by this factor, at most so many times
LEAST_SQUARES = ("lsqr", "lsmr")  # tolerances atol and btol, no preconditioner, no callback
# No callback with the iterate; that of gmres changes the meaning of maxiter
SILENT = ("gmres", *LEAST_SQUARES)
# One callback per cycle of many products; the argument that sets the length of a cycle, and its default
CYCLES = {"gcrotmk": ("m", 20), "lgmres": ("inner_m", 30), "gmres": ("restart", 20)}
# Own limits: 10 n products (its residual falls late), 4 n with lsqr, lsmr
UNWATCHED = ("tfqmr", *LEAST_SQUARES)
FALL = 0.1  # with rough products the residual must fall by this factor, else there is no further try, after
PRODUCTS = 4  # a cycle or after this many products times n + 1: twice what n iterations take
REACHED = (0, 1, 2, 4, 5)  # their exit codes that mean an answer to the tolerance or to rounding
RTOL = 1e-5  # default tolerance of all solvers
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


class Ended(Exception):
    """A look at the residual ended the solver. The argument is the outcome."""


class Shown:
    """The iterates that a solver has shown: the last one, and the best of those that were checked."""

    def __init__(self):
        self.last: np.ndarray | None = None
        self.best: np.ndarray | None = None
        self.error = 1.0  # |b - A x| / |b| of the best; 1 is that of x = 0

    def check(self, product: Product, x: np.ndarray, b: np.ndarray) -> float:
        """The residual of `x`, which becomes the best if there is none smaller."""
        error = residual(product, x, b)
        if x.any() and error < self.error:
            self.best, self.error = x.copy(), error
        return error

    def answer(self, b: np.ndarray) -> np.ndarray:
        """The best iterate, else `b` itself."""
        return b.copy() if self.best is None else self.best


class Product:
    """``v -> A v``, with a count of the products and checks of the vectors that go in and out."""

    def __init__(
        self, product: Callable, who: str, truncate: bool = False, zero_ends: bool = True, rough: bool = False
    ):
        self.product, self.who, self.truncate = product, who, truncate
        self.rough = rough  # the products have errors far above rounding, like differences of gradients
        self.zero_ends = zero_ends  # break down if the first product with a nonzero vector is zero
        self.count = 0
        self.latest: tuple[np.ndarray, np.ndarray] | None = None  # v and A v, where rough

    def __call__(self, v: np.ndarray) -> np.ndarray:
        if not all_finite(v):
            raise Breakdown
        if self.latest is not None and self.is_latest(v):
            return self.latest[1].copy()  # the solver and `watch_residual` ask for the same residual
        self.count += 1
        Av = self.product(v)
        if not all_finite(Av):
            if np.abs(v).max() > HUGE:
                raise Breakdown
            i = int(np.flatnonzero(~np.isfinite(Av))[0])
            raise Stop(
                Status.NONFINITE,
                reason=f"{self.who}: coordinate {i} of Hessian-vector product {self.count} is {Av[i]}",
            )
        if self.truncate and np.dot(v, Av) <= 0 and v.any():
            raise Curvature
        if self.zero_ends and v.any():
            self.zero_ends = False
            if not Av.any():
                raise Breakdown
        if self.rough:
            self.latest = v.copy(), Av.copy()
        return Av

    def is_latest(self, v: np.ndarray) -> bool:
        """Whether the latest product was with `v`, so that it costs nothing."""
        return self.latest is not None and np.array_equal(v, self.latest[0])


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
    raise TypeError(
        f"{who}: solver must be one of {', '.join(SOLVERS)} of scipy.sparse.linalg, as a name "
        f"or a function, got {checks.describe(solver)}"
    )


def check_keywords(who: str, name: str, keywords: Any, refused: dict[str, str]) -> dict[str, Any]:
    """A copy of the keywords of solver `name`, checked with its signature; `refused` maps keys to reasons."""
    if keywords is None:
        return {}
    if not isinstance(keywords, dict):
        raise TypeError(
            f"{who}: kwargs must be a dict of keywords for {name}, got {checks.describe(keywords)}"
        )
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


def solve(
    name: str,
    product: Product,
    b: np.ndarray,
    x0: np.ndarray | None = None,
    M: Any = None,
    rtol: float | None = None,
    keywords: dict[str, Any] | None = None,
    rounds: int = 0,
    before: float = np.inf,
) -> Answer:
    """Solve ``A x = b`` by solver `name`.

    Parameters
    ----------
    name : key of `SOLVERS`
    product : `Product` with the symmetric A
    b, x0 : (n,) right side, start or None
    M : symmetric preconditioner, approximately A^-1, or None
    rtol : tolerance on |b - A x| / |b|, or None for the one in `keywords` or the solver's own
    keywords : further arguments of the solver
    rounds, before : how often minres has been brought back already, and the residual it had then

    Raises
    ------
    Stop
        If a product is not finite.
    """
    n = b.size
    if n == 0:
        return Answer(b.copy(), "converged", 0, 0)
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
    shown = Shown()
    watched = product.rough and can_be_watched(name, keywords)
    if product.truncate or watched or name not in SILENT:
        keep_iterates(name, keywords, shown)
    if product.rough and name == "lsmr":
        keywords.setdefault("maxiter", 2 * n)  # that of lsqr; its own, n, is too short for rough products
    if watched:
        shorten_cycles(name, keywords, n)
        watch_residual(name, product, b, keywords, shown)
    try:
        with np.errstate(all="ignore"):
            x, code = SOLVERS[name](A, b, **keywords)[:2]
    except Curvature:
        return Answer(b.copy() if shown.last is None else shown.last, "curvature", 0, product.count)
    except Ended as end:
        return Answer(shown.answer(b), str(end), 0, product.count)
    except (Breakdown, ArithmeticError, np.linalg.LinAlgError):
        return Answer(better(product, shown, b), "breakdown", 0, product.count)
    x, code = np.asarray(x, dtype=b.dtype).reshape(n), int(code)
    reached = code in REACHED if name in LEAST_SQUARES else code == 0
    if not all_finite(x) or (not x.any() and b.any()):
        return Answer(better(product, shown, b), "breakdown", code, product.count)
    if name == "minres" or not reached:
        error = shown.check(product, x, b)
        if shown.best is None and not error < 1:
            return Answer(b.copy(), "breakdown", code, product.count)
        if reached and rtol is not None and error > rtol and rounds < ROUNDS:
            if product.rough and product.count >= PRODUCTS * (n + 1) and error > FALL * before:
                return Answer(shown.answer(b), "breakdown", code, product.count)
            keywords["rtol"] = rtol * TIGHTER ** (rounds + 1)
            return solve(name, product, b, x, M, rtol, keywords, rounds + 1, error)
        if not error <= shown.error:
            x = shown.answer(b)
    outcome = "converged" if reached else "breakdown" if code < 0 else "iterations"
    return Answer(x, outcome, code, product.count)


def watch_residual(
    name: str, product: Product, b: np.ndarray, keywords: dict[str, Any], shown: Shown
) -> None:
    """Have the callback compute |b - A x| now and then, and end the solver where it has fallen too little.

    It must fall by `FALL` in each cycle that ends early or spans the whole space, since then the solver takes
    itself to be done. It must fall at all in any other cycle. And it must fall by `FALL` in 4 n + 4 products;
    twice the products of n iterations, which are enough where products are exact.
    """
    own, n, size, x0 = keywords["callback"], b.size, float(np.linalg.norm(b)), keywords.get("x0")
    length = keywords[CYCLES[name][0]] if name in CYCLES else 0
    reached = max(keywords.get("rtol", RTOL) * size, keywords.get("atol", 0.0))
    fallen = before = 1.0 if x0 is None else shown.check(product, x0, b)
    mark = begun = product.count  # where the residual had last fallen by FALL; where this cycle began

    def callback(x: np.ndarray) -> None:
        nonlocal fallen, before, mark, begun
        own(x)
        spent, due = product.count - begun, product.count - mark >= PRODUCTS * (n + 1)
        if not x.any() or spent == 0 or not (length or due or product.is_latest(x)):
            return
        product(x)  # raises where the curvature along x is not positive and `truncate` asks for that
        error = shown.check(product, x, b)
        if error < 1 and error * size <= reached:
            raise Ended("converged")
        done = length > 0 and not length <= spent < n
        if shown.error <= FALL * fallen:
            fallen, mark = shown.error, product.count
        elif due or done or (length and not error < before):
            raise Ended("breakdown")
        if done and name == "gcrotmk":
            # Kept orthogonal to its own residual, not to the b - A x with which it goes on
            keywords["CU"].clear()
        before, begun = error, product.count

    keywords["callback"] = callback


def shorten_cycles(name: str, keywords: dict[str, Any], n: int) -> None:
    """Let no cycle be longer than the space has dimensions: the rest would be rounding errors, made long."""
    if name not in CYCLES:
        return
    argument, default = CYCLES[name]
    given = keywords.get(argument) or default
    keywords[argument] = min(given, n)
    if name == "gcrotmk":  # its cycles take m + k products, less the vectors kept in CU
        k = keywords.get("k")
        keywords["k"] = min(given if k is None else k, max(n - keywords["m"], 1))
        if keywords.get("CU") is None:
            keywords["CU"] = []


def residual(product: Product, x: np.ndarray, b: np.ndarray) -> float:
    """``|b - A x| / |b|``, by one product; infinite if the product fails."""
    try:
        with np.errstate(all="ignore"):
            return float(np.linalg.norm(b - product(x)) / np.linalg.norm(b)) if b.any() else 0.0
    except (Breakdown, Curvature):
        return np.inf


def better(product: Product, shown: Shown, b: np.ndarray) -> np.ndarray:
    """The best iterate of a solver that broke down, its last one included, or `b` if 0 is better."""
    if shown.last is not None and shown.last.any():
        shown.check(product, shown.last, b)
    return shown.answer(b)


def can_be_watched(name: str, keywords: dict[str, Any]) -> bool:
    """Whether the callback gets iterates, and those of this very system."""
    if name == "gmres":
        return keywords.get("callback") is None or keywords.get("callback_type") == "x"
    return name not in UNWATCHED and not keywords.get("shift")


def keep_iterates(name: str, keywords: dict[str, Any], shown: Shown) -> None:
    """Have the solver's callback keep its last finite iterate, and call the user's callback too."""
    own = keywords.get("callback")

    def callback(x: np.ndarray) -> None:
        if all_finite(x):
            shown.last = np.array(x)
        if own is not None:
            own(x)

    keywords["callback"] = callback
    if name == "gmres":
        keywords["callback_type"] = "x"
