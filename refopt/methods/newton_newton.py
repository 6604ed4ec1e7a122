"""NewtonNewton: Newton's preconditioning applied to the Newton step, repeatedly.

    x_1 = g
    J_k = d x_k / d x + reg I            k = 1 .. order - 1
    x_(k+1) = J_k^-1 x_k
    output  d  with  J_1 J_2 ... J_(order-1) d = u

Why it works. order=2 is Newton's method. order=3 is Newton's method for the root of ``x_2(x) = H^-1 g``, which is
Schroeder's method in several variables: x_2 vanishes linearly also at a degenerate minimiser, where g vanishes
faster, so that convergence stays quadratic where Newton's is linear (factor 2/3 on x^4). On Powell's singular
function one step from (3, -1, 0, 1) takes f from 215 to 1e-27; Newton's step takes it to 31.8. The price: like
Newton's method without a line search it is drawn to every stationary point, and at a degenerate minimiser itself
nothing is left of J but rounding, so that the driver has to stop there (it does: g is zero to working precision).

The derivatives. Differentiating ``J_(k-1) x_k = x_(k-1)`` along a set V of directions gives, with D^V x_k the
mixed derivative, one linear system with the same matrix for every order:

    J_(k-1) D^V x_k = D^V x_(k-1) - sum over nonempty S in V of  D^(S + w) x_(k-1),   w = D^(V - S) x_k

For k = 2, V = {v}: ``H D x_2[v] = H v - T[x_2] v``. At the bottom, ``D^V x_1`` is a derivative of f contracted with
the directions, so order p needs derivatives of f up to order p, contracted; no tensor is ever formed.

Source: `torchzero` 0.4.4, ``NewtonNewton``; E. Schroeder, Math. Ann. 2 (1870) 317-365, for one variable.
Cost per step: dense, order 3: two n x n matrices (H and T[x_2]) and two factorisations; "gmres": products only.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
import scipy.linalg
from scipy.sparse.linalg import LinearOperator, gmres

from ..objective import Point
from ..status import Status, Stop
from .base import Method

__all__ = ["NewtonNewton"]

SOLVERS = ("dense", "gmres")


class NewtonNewtonState(NamedTuple):
    """Changes at every step; `x` and `J` every `update_freq` steps, and are kept only if that is not every step."""

    t: int  # steps taken
    x: np.ndarray | None  # (n,) the point where the J_k were last computed
    J: tuple[np.ndarray, ...]  # (n, n) each: J_1 .. J_(order-1) there; empty with solver="gmres"
    solvers: tuple[str, ...]  # how the systems of the last step were solved
    inner: Any  # state of the inner method


class Tower:
    """``x_1, x_2, ...`` at one point, their derivatives, and the matrices ``J_k`` between them.

    Parameters
    ----------
    g : (n,) gradient, x_1
    curvature : callable
        ``curvature(V)`` for a tuple V of vectors: the symmetric operator ``D^(|V|+2) f[V, ., .]``, array or
        LinearOperator; V empty is the Hessian.
    reg : float
    solve : callable
        ``solve(k, b)`` is ``J_k^-1 b``.
    """

    def __init__(self, g: np.ndarray, curvature: Callable, reg: float, solve: Callable):
        self.x = [g]
        self.curvature, self.reg, self.solve = curvature, reg, solve
        self._vectors: dict[tuple, np.ndarray] = {}
        self._operators: dict[tuple, Any] = {}
        self._alive: list = []  # keeps the vectors alive whose identities are keys

    def derivative(self, k: int, V: tuple, B: np.ndarray) -> np.ndarray:
        """``D^(V + v) x_k`` for v = B (n,), or for every column v of B (n, r)."""
        if k == 1:
            return self.operator(V) @ B
        right = self.derivative(k - 1, V, B)
        for size in range(len(V) + 1):
            for S in itertools.combinations(range(len(V)), size):
                inside, outside = tuple(V[i] for i in S), tuple(V[i] for i in range(len(V)) if i not in S)
                if size:  # the subset without v: v goes into w
                    right = right - self.derivative(k - 1, inside, self.derivative(k, outside, B))
                right = right - self.derivative(k - 1, (*inside, self.vector(k, outside)), B)  # the one with v
        return self.solve(k - 1, right)

    def vector(self, k: int, V: tuple) -> np.ndarray:
        """``D^V x_k``; x_k itself for V empty."""
        if not V:
            return self.x[k - 1]
        key = (k, *map(id, V))
        if key not in self._vectors:
            self._alive.append(V)
            self._vectors[key] = self.derivative(k, V[:-1], V[-1])
        return self._vectors[key]

    def operator(self, V: tuple) -> Any:
        key = tuple(sorted(map(id, V)))
        if key not in self._operators:
            self._alive.append(V)
            self._operators[key] = self.curvature(V)
        return self._operators[key]

    def J(self, k: int, B: np.ndarray) -> np.ndarray:
        """``J_k B``."""
        return self.derivative(k, (), B) + self.reg * B


def factorised(J: np.ndarray) -> tuple[Callable, str]:
    """``(b -> J^-1 b, name)``: Cholesky if J is symmetric positive definite, then LU, then least squares.

    A pivot below n eps times the largest is rounding, and the matrix counts as singular.
    """
    rounding = J.shape[0] * np.finfo(J.dtype).eps
    if np.array_equal(J, J.T):
        try:
            c = scipy.linalg.cho_factor(J, check_finite=False)
            pivots = np.diag(c[0]) ** 2
            if pivots.min() > rounding * pivots.max():
                return lambda b: scipy.linalg.cho_solve(c, b, check_finite=False), "cholesky"
        except scipy.linalg.LinAlgError:
            pass
    lu, piv, info = scipy.linalg.lapack.get_lapack_funcs("getrf", (J,))(J)
    pivots = np.abs(np.diag(lu))
    if info == 0 and pivots.min() > rounding * pivots.max():
        return lambda b: scipy.linalg.lu_solve((lu, piv), b, check_finite=False), "lu"
    inverse = scipy.linalg.pinv(J, check_finite=False)
    return lambda b: inverse @ b, "least squares"


@dataclasses.dataclass(frozen=True)
class NewtonNewton(Method):
    """Newton's preconditioning applied to the Newton step: Schroeder's method in several variables at order 3.

    Parameters
    ----------
    reg : float >= 0
        Added to the diagonal of every J_k; 1e-6 as in the original. 0 keeps quadratic convergence at degenerate
        minima.
    order : int >= 2
        Derivatives used; 2 is Newton's method, 3 Newton's method on the Newton step.
    vectorize : bool
        Compute the matrices in one batched propagation (counted in `ntaylor`); False: one product per column
        (counted in `nhvp`), slower, with memory for one product only.
    update_freq : int >= 1
        Steps between recomputations of the J_k.
    solver : {"dense", "gmres"}
        "gmres" needs products only and scales to large n.
    rtol : float in (0, 1)
        Relative residual at which gmres stops; 1e-10.
    inner : Method or None
        Applied to the update first.

    Raises
    ------
    ValueError
        For hyperparameters out of range.
    Stop
        (Inside a run) when a matrix has entries that are not finite, or gmres breaks down.

    Examples
    --------
    >>> import refopt
    >>> powell = refopt.problems.get("mgh/powell_singular")
    >>> res = refopt.minimize(powell.fun, powell.x0, method=refopt.NewtonNewton(reg=0), options={"maxiter": 5})
    >>> res.success, res.nit, res.fun < 1e-20
    (True, 1, True)
    """

    reg: float = 1e-6
    order: int = 3
    vectorize: bool = True
    update_freq: int = 1
    solver: str = "dense"
    rtol: float = 1e-10
    inner: Method | None = None

    needs: ClassVar[frozenset[str]] = frozenset({"g", "hvp"})

    def all_needs(self):
        return super().all_needs() | ({"hess"} if self.solver == "dense" else set())

    def __post_init__(self):
        self.check(reg="[0, inf)", order="whole >= 2", vectorize=bool, update_freq="whole >= 1", solver=SOLVERS,
                   rtol="(0, 1)")

    def init(self, x, shapes=None, rng=None):
        inner = None if self.inner is None else self.inner.init(x, shapes, rng)
        return NewtonNewtonState(0, None, (), (), inner)

    def step(self, point, update, state):
        u, inner = update, state.inner
        if self.inner is not None:
            u, inner = self.inner.step(point, update, inner)
        x, J = state.x, state.J
        if state.t % self.update_freq == 0:
            x, (J, solves) = point.x, self.build(point)
        elif J:
            solves = [factorised(matrix) for matrix in J]
        else:
            solves = self.build(point.objective.at(x))[1]
        for solve, _ in solves:
            u = solve(u)
        if self.update_freq == 1:
            x, J = None, ()
        names = tuple(name for _, name in solves)
        return np.asarray(u, dtype=update.dtype), NewtonNewtonState(state.t + 1, x, J, names, inner)

    def build(self, point: Point) -> tuple[tuple[np.ndarray, ...], list[tuple[Callable, str]]]:
        """The matrices J_1 .. J_(order-1) at `point` (none for gmres), and for each ``(b -> J^-1 b, name)``."""
        solves: list[tuple[Callable, str]] = []
        matrices: list[np.ndarray] = []
        contraction = point.objective.contraction

        def curvature(V):
            if self.solver == "dense":
                return contraction(point, V).matrix(self.vectorize)
            return LinearOperator((point.x.size,) * 2, matvec=contraction(point, V), dtype=point.x.dtype)

        tower = Tower(point.g, curvature, self.reg, lambda k, b: solves[k - 1][0](b))
        for k in range(1, self.order):
            if self.solver == "dense":
                J = tower.J(k, np.eye(point.x.size, dtype=point.x.dtype))
                if not np.all(np.isfinite(J)):
                    raise Stop(Status.NONFINITE, reason=f"J_{k} of NewtonNewton has entries that are not finite "
                                                        f"where f = {point.f:.6g}")
                matrices.append(J)
                solves.append(factorised(J))
            else:
                solves.append((self.krylov(tower, k, point), "gmres"))
            tower.x.append(solves[-1][0](tower.x[-1]))
        return tuple(matrices), solves

    def krylov(self, tower: Tower, k: int, point: Point) -> Callable:
        """``b -> J_k^-1 b`` by gmres, to the relative residual `rtol`."""
        J = LinearOperator((point.x.size,) * 2, matvec=lambda v: tower.J(k, v.reshape(-1)), dtype=point.x.dtype)

        def solve(b):
            x, info = gmres(J, b, rtol=self.rtol, atol=0.0, restart=min(point.x.size, 100), maxiter=10)
            if not np.all(np.isfinite(x)):
                raise Stop(Status.NONFINITE, reason=f"gmres on J_{k} of NewtonNewton broke down where f = {point.f:.6g}")
            return x

        return solve

    def figures(self, state):
        return {"solvers": ", ".join(state.solvers)}
