"""The method NewtonNewton."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.sparse.linalg import LinearOperator

from .. import checks
from ..method import Method, option, takes_inner
from ..objective import Point
from ..parts.newton import descent_solve
from ..solvers.norm import hessian_scale
from ..solvers.tower import Krylov, Tower, factorised
from ..status import Status, Stop

__all__ = ["NewtonNewton"]

SOLVERS = ("dense", "gmres")
DELTA = 1e-8  # smallest modified eigenvalue, as in `Newton`
SHARE = 0.1  # direction="newton" keeps a step if f falls by this share of what Newton's model predicts


class NewtonNewtonState(NamedTuple):
    """Changes at every step; `x` and `J` every `update_freq` steps, and are stored only if that is > 1."""

    t: int  # steps taken
    x: np.ndarray | None  # (n,) the point where the J_k were last computed
    J: tuple[np.ndarray, ...]  # (n, n) each: J_1 .. J_(order-1) there; empty with solver="gmres"
    solvers: tuple[str, ...]  # how the systems of the last step were solved
    direction: str  # "kept", or "newton" if d was replaced


@takes_inner
@dataclasses.dataclass(frozen=True)
class NewtonNewton(Method):
    """Newton's preconditioning, applied to the Newton step itself.

        x_1 = g
        J_k = d x_k / d x + reg I                    k = 1 .. order - 1
        x_(k+1) = J_k^-1 x_k
        output  d  with  J_1 J_2 ... J_(order-1) d = u
                the step d_N of `Newton`             direction="newton", if d decreases f too little

    Why it works. order=2 is Newton's method. order=3 is Newton's method for the root of x_2(x) =
    H^-1 g, which is Schroeder's method in several variables. At a degenerate minimiser g vanishes
    faster than linearly, but x_2 vanishes linearly, so convergence is quadratic where Newton's is
    linear (with factor 2/3 on x^4). On Powell's singular function one step from (3, -1, 0, 1) takes
    f from 215 to 1e-27; Newton's step takes it to 31.8. The disadvantages: like Newton's method
    without a line search it converges to any stationary point. At a degenerate minimiser J is only
    rounding error, so a run has to stop there (it does, because g is zero to working precision).

    The derivatives. Differentiating J_(k-1) x_k = x_(k-1) along a set V of directions gives, with
    D^V x_k the mixed derivative, one linear system with the same matrix for every order:

        J_(k-1) D^V x_k = D^V x_(k-1) - sum over nonempty S in V of  D^(S + w) x_(k-1),   w = D^(V - S) x_k

    For k = 2, V = {v}: H D x_2[v] = H v - T[x_2] v. For k = 1, D^V x_1 is a derivative of f
    contracted with the directions. So order p needs contracted derivatives of f up to order p; no
    tensor is formed.

    Parameters
    ----------
    reg : float >= 0
        Added to the diagonal of every J_k. 0 keeps quadratic convergence at degenerate minima.
    damping : {"absolute", "relative"}
        "relative": reg D^2 is added to J_1 = H, D_i^2 = |H_ii|, so that neither the units of f nor those of
        the variables matter (the other J_k have none; 0 is replaced as in
        `refopt.solvers.norm.hessian_scale`). With solver="dense". The bare name in `minimize` stands for it.
    order : int >= 2
        Highest order of derivatives; 2 is Newton's method, 3 Newton's method on the Newton step.
    vectorize : bool
        True: compute each matrix by one batched propagation (counted in `ntaylor`). False: one
        product for each column (counted in `nhvp`), slower, with memory for one product only.
    update_freq : int >= 1
        Steps between recomputations of the J_k.
    solver : {"dense", "gmres"}
        "gmres" needs products only. The figures name a system that was not solved to `rtol` in 10
        restarts.
    rtol : float in (0, 1)
        Relative residual at which gmres stops.
    direction : {"keep", "newton"}
        Far from a minimiser a step is often too short or goes uphill. "keep" takes it, as the
        original does. "newton" takes it only if f falls by a tenth of the decrease that Newton's
        model predicts, u^T d_N / 2, and else takes the step d_N of `Newton`; this costs one more
        value of f per step. The bare name in `minimize` stands for "newton".
    inner : Method, sequence of methods or None
        Applied to the update first.

    Raises
    ------
    TypeError, ValueError
        For a hyperparameter of another type or outside its range.
    Stop
        (Inside a run, ending it) if a matrix has entries that are not finite, or gmres breaks
        down.

    Notes
    -----
    Source: `torchzero` 0.4.4, ``NewtonNewton``; E. Schroeder, Mathematische Annalen 2 (1870)
    317-365, for one variable.

    Deviations: from order 4 on the step of the original is not the one its description defines;
    here J_k is the Jacobian of x_k at every order. `solver`, `rtol`, `direction` and `damping` are additions.

    Cost per step: dense, order 3: two n x n matrices (H and T[x_2]) and two factorisations.
    "gmres": products only, but nested. Every product with J_2 solves a system with J_1, so the
    iterations multiply: on the extended Rosenbrock function 308 products per step at n = 10, 3708
    at n = 50, 50406 at n = 200. It is worth using if gmres needs few iterations.

    Examples
    --------
    >>> import refopt
    >>> powell = refopt.problems.get("mgh/powell_singular")
    >>> method = refopt.NewtonNewton(reg=0)
    >>> res = refopt.minimize(powell.fun, powell.x0, method=method, tol=1e-5)
    >>> res.success, res.nit, res.fun < 1e-20
    (True, 1, True)
    """

    reg: float = option(1e-6, "[0, inf)")  # this and the next three as in torchzero 0.4.4
    order: int = option(3, "whole >= 2")
    vectorize: bool = option(True, bool)
    update_freq: int = option(1, "whole >= 1")
    solver: str = option("dense", SOLVERS)  # the matrices of the original
    rtol: float = option(1e-10, "(0, 1)")  # ours, well above rounding error
    direction: str = option("keep", ("keep", "newton"))  # what the original does
    damping: str = option("absolute", ("absolute", "relative"))  # the first is the original's
    inner: Method | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.damping == "relative":  # needs the diagonal of H
            checks.one_of("NewtonNewton: with damping='relative'", "solver", self.solver, ("dense",))

    needs: ClassVar[frozenset[str]] = frozenset({"g", "hvp"})

    def all_needs(self):
        dense = {"hess"} if self.solver == "dense" else set()
        return self.needs | dense | ({"f"} if self.direction == "newton" else set())

    def init(self, x, shapes=None, rng=None):
        return NewtonNewtonState(0, None, (), (), "kept")

    def step(self, point, update, state):
        x, J = state.x, state.J
        if state.t % self.update_freq == 0:
            x, (J, solves) = point.x, self.build(point)
        elif J:
            solves = [factorised(matrix) for matrix in J]
        else:
            solves = self.build(point.objective.at(x))[1]
        d = update
        for solve, _ in solves:
            d = solve(d)
        d = np.asarray(d, dtype=update.dtype)
        direction = "kept"
        if self.direction == "newton":
            newton = self.newton_step(point, update, solves)
            trial = point.after(d)
            enough = point.f - trial.f >= SHARE * np.dot(update, newton) / 2
            if not (enough and trial.has_gradient()):
                d, direction = newton, "newton"
        if self.update_freq == 1:
            x, J = None, ()
        names = tuple(getattr(solve, "name", name) for solve, name in solves)
        return d, NewtonNewtonState(state.t + 1, x, J, names, direction)

    def newton_step(self, point: Point, u: np.ndarray, solves: list) -> np.ndarray:
        """The step of `Newton`; with gmres J_1^-1 u, or u if that does not descend."""
        if self.solver == "dense":
            return descent_solve(point.dense_hessian(), u, DELTA)[0]
        d = solves[0][0](u)
        return d if np.dot(u, d) > 0 else u

    def build(self, point: Point) -> tuple[tuple[np.ndarray, ...], list[tuple[Callable, str]]]:
        """J_1 .. J_(order-1) at `point` (no matrices for gmres), and for each ``(b -> J^-1 b, name)``."""
        solves: list[tuple[Callable, str]] = []
        matrices: list[np.ndarray] = []
        contraction = point.objective.contraction

        def curvature(V):
            if self.solver == "dense":
                return contraction(point, V).matrix(self.vectorize)
            return LinearOperator((point.x.size,) * 2, matvec=contraction(point, V), dtype=point.x.dtype)

        relative = self.damping == "relative"
        weights = hessian_scale(curvature(())) ** 2 if relative else 1
        tower = Tower(point.g, curvature, self.reg, lambda k, b: solves[k - 1][0](b), weights)
        for k in range(1, self.order):
            if self.solver == "dense":
                J = tower.J(k, np.eye(point.x.size, dtype=point.x.dtype))
                if not np.all(np.isfinite(J)):
                    raise Stop(
                        Status.NONFINITE,
                        reason=f"J_{k} of NewtonNewton has entries that are not "
                        f"finite where f = {point.f:.6g}",
                    )
                matrices.append(J)
                solves.append(factorised(J))
            else:
                solves.append((Krylov(tower, k, point.x.size, point.x.dtype, self.rtol), "gmres"))
            tower.x.append(solves[-1][0](tower.x[-1]))
        return tuple(matrices), solves

    def figures(self, state):
        return {"solvers": ", ".join(state.solvers), "direction": state.direction}
