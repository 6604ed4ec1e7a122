"""The method NewtonSolver."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .. import checks
from ..method import Method, as_method, option, takes_inner
from ..objective import HVP_METHODS
from ..parts.lbfgs import LBFGS
from ..solvers.by_descent import SCIPY_METHODS, Descent, by_method, by_scipy
from ..solvers.krylov import Product
from ..views.face import along_gradient, face_of
from ..views.linear_system import KINDS, LinearSystem

__all__ = ["NewtonSolver"]


class NewtonSolverState(NamedTuple):
    """Changes at every step."""

    solver: Any  # state of the solver, if it is a method
    rng: np.random.Generator | None  # for a solver with randomness
    d: np.ndarray | None  # (n,) answer of the last solve; None before the first step
    outcome: str  # of the last solve: see `Descent`
    iterations: int  # of the last solve
    products: int  # Hessian-vector products of the last solve
    fall: float  # last loss of the last solve, as a share of its first


def the_solver(solver: Any) -> Any:
    """The solver as a method, the exact name of a method of SciPy, or a callable."""
    if isinstance(solver, str):
        for name in SCIPY_METHODS:
            if checks.simplify(name) == checks.simplify(solver):
                return name
        raise checks.unknown("scipy.optimize.minimize method for NewtonSolver:", solver, SCIPY_METHODS)
    if isinstance(solver, (Method, list, tuple, type)):
        return as_method(solver)
    return checks.function("NewtonSolver", "solver", solver)


def usable(answer: Descent, u: np.ndarray) -> tuple[np.ndarray, str]:
    """``(d, outcome)``: the answer, or u if the solver has not moved from 0."""
    if answer.d.any() or not u.any():
        return answer.d, answer.outcome
    return u.copy(), "diverged" if answer.outcome == "diverged" else "stopped"


@takes_inner
@dataclasses.dataclass(frozen=True)
class NewtonSolver(Method):
    """Newton's direction, found by minimising the residual of Newton's system with any optimizer.

        A = H + reg I
        d  =  argmin  mean_i (A d - u)_i^2            objective="residual":  gradient  2/n A (A d - u)
              argmin  d^T A d / 2 - u^T d             objective="energy":    gradient  A d - u
        output  d

    The minimiser is found by an inner run of `solver`. It starts at the d of the previous step
    (`warm_start`) or at 0. It ends when mean (A d - u)^2 has fallen to `tol` times its value at that
    start, or after `maxiter` iterations. u is the incoming update, or the output of `inner` for it.
    Follow the method with a line search. With bounds the system is that of the free variables
    (`refopt.views.face`), the bound ones go g_i q^T q / |q^T A q|, q the projected gradient: one
    more product.

    The residual has the condition number of A^2; the energy has that of A, and half the products
    per gradient. If A is positive definite, the energy is the better choice. If it is not, the
    energy has no minimiser, and the inner run ends as "diverged" or at its limit. The residual still
    gives the solution of A d = u, but this is a saddle of the quadratic model and need not descend.

    Parameters
    ----------
    solver : method, sequence of methods, str or callable
        A method of refopt; the name of a method of `scipy.optimize.minimize`; or a callable with
        SciPy's protocol for custom minimizers, ``solver(fun, d0, jac=, hessp=, maxiter=, ...)``,
        which returns d or an OptimizeResult.
    maxiter : int or None
        Limit on the iterations of a solve (TNC and COBYLA: evaluations). None means n.
    maxiter1 : int or None
        The same for the first step, which has no warm start. None means `maxiter`.
    tol : float >= 0 or None
        A solve ends when the loss has fallen by this factor. A method does one more iteration after
        that, as the original does. None: only `maxiter` ends a solve.
    reg : float >= 0
        Added to the diagonal of H.
    warm_start : bool
        True: begin each solve at the solution of the previous one. False: at 0.
    hvp_method : {"autograd", "fd_forward", "fd_central"}
        Hessian-vector products: exact (the user's `hessp` or `hess` if given), or from differences
        of gradients.
    reset_solver : bool
        Begin each solve with a new state of the solver, instead of its state after the previous
        solve. Only if the solver is a method; SciPy's solvers have no state.
    h : float > 0
        Step of the differences along the unit vector.
    inner : method or sequence of methods or None
        Applied to the incoming update first.
    objective : {"residual", "energy"}
        What the solver minimises.

    Raises
    ------
    TypeError, ValueError
        For a hyperparameter of another type or outside its range.
    Stop
        (Inside a run, ending it) if a Hessian-vector product is not finite.

    Notes
    -----
    Source: `torchzero` 0.4.4, ``NewtonSolver``; with bounds D. P. Bertsekas 1982, doi
    10.1137/0320018, eq. (32) to (37).

    Deviations: `reg` is ignored in the original. `objective` and SciPy's solvers are additions.

    With the default solver, LBFGS with unit steps, the loss may rise between iterations. With
    ``chain(LBFGS(), StrongWolfe())`` it falls in each.

    Cost per step: one product for each value of the loss, and one (energy) or two (residual) for
    each gradient. The memory is that of the solver.

    Examples
    --------
    >>> import refopt
    >>> method = refopt.NewtonSolver("Newton-CG", objective="energy", tol=1e-8)
    >>> fun = lambda x: (x[0] - 3) ** 4 + x[1] ** 2
    >>> refopt.minimize(fun, [1.0, 1.0], method=[method, refopt.Backtracking()]).success
    True
    """

    solver: Any = LBFGS()  # all but `objective` as in torchzero 0.4.4
    maxiter: int | None = option(None, ["whole >= 1"])
    maxiter1: int | None = option(None, ["whole >= 1"])
    tol: float | None = option(1e-3, ["[0, inf)"])
    reg: float = option(0.0, "[0, inf)")
    warm_start: bool = option(True, bool)
    hvp_method: str = option("autograd", HVP_METHODS)
    reset_solver: bool = option(False, bool)
    h: float = option(1e-3, "(0, inf)")
    inner: Any = None
    objective: str = option("residual", KINDS)  # what the original minimises

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "solver", the_solver(self.solver))
        if self.reset_solver and not isinstance(self.solver, Method):
            raise ValueError(
                f"NewtonSolver: reset_solver=True needs a method as solver; {self.solver!r} has no state"
            )
        needs = self.solver.all_needs() if isinstance(self.solver, Method) else ()
        if self.objective == "energy" and {"residuals", "gauss-newton"} & set(needs):
            raise ValueError(f"NewtonSolver: {self.solver!r} needs residuals; give objective='residual'")

    needs: ClassVar[frozenset[str]] = frozenset({"hvp"})
    in_bounds: ClassVar[str] = "direction"
    shown: ClassVar[tuple[str, ...]] = ("outcome", "iterations", "products", "fall")

    def all_needs(self):
        """The solver sees the linear system, which meets all of its needs except randomness."""
        random = self.solver.all_needs() & {"rng"} if isinstance(self.solver, Method) else frozenset()
        return self.needs | random

    def minimises_f(self):
        """True: the solver minimises another function, but the direction is used to minimise f."""
        return True

    def outside_bounds(self):
        """Only what stands before it matters: the solver does not see points of f."""
        return ""

    def init(self, x, shapes=None, rng=None):
        return NewtonSolverState(self.fresh(x, shapes, rng), rng, None, "none", 0, 0, float("nan"))

    def fresh(self, x: np.ndarray, shapes: Any, rng: np.random.Generator | None) -> Any:
        """A new state of the solver, with its own generator."""
        if not isinstance(self.solver, Method):
            return ()
        if rng is not None:
            rng = np.random.default_rng(rng.integers(2**63))
        return self.solver.init(np.zeros_like(x), shapes, rng)

    def step(self, point, update, state):
        solver, shapes = state.solver, point.objective.shapes
        first = state.d is None
        if self.reset_solver and not first:
            solver = self.fresh(point.x, shapes, state.rng)
        maxiter = self.maxiter1 if first and self.maxiter1 is not None else self.maxiter
        maxiter = point.x.size if maxiter is None else maxiter
        d = np.zeros_like(point.x) if first or not self.warm_start else state.d
        reg = point.x.dtype.type(self.reg)
        hvp = lambda v: point.hvp(v, self.hvp_method, self.h) + reg * v  # noqa: E731
        face = face_of(point, lambda: along_gradient(point, hvp))
        update, d = face.whole(face.part(update)), face.whole(face.part(d))

        def on_face(v: np.ndarray) -> np.ndarray:
            inside = face.whole(face.part(v))
            return face.whole(face.part(hvp(inside))) + (v - inside)

        product = Product(on_face if face.free is not None else hvp, type(self).__name__, zero_ends=False)
        system = LinearSystem(product, update, self.objective)
        system.shapes = shapes
        if isinstance(self.solver, Method):
            answer = by_method(self.solver, system, d, solver, maxiter, self.tol)
        else:
            answer = by_scipy(self.solver, system, d, maxiter, self.tol)
        d, outcome = usable(answer, update)
        d = face.whole(face.part(d))
        return face.direction(face.part(d)), NewtonSolverState(
            answer.state, state.rng, d, outcome, answer.iterations, product.count, answer.fall
        )
