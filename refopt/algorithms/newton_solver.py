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
from ..views.linear_system import KINDS, LinearSystem

__all__ = ["NewtonSolver"]


class NewtonSolverState(NamedTuple):
    """Changes at every step."""

    solver: Any  # state of the solver, where it is a method
    rng: np.random.Generator | None  # for a solver that draws
    d: np.ndarray | None  # (n,) answer of the last solve; None before the first step
    outcome: str  # of the last solve: see `Descent`
    iterations: int  # of the last solve
    products: int  # Hessian-vector products of the last solve
    fall: float  # last loss of the last solve, as a share of its first


def the_solver(solver: Any) -> Any:
    """A method, the exact name of one of SciPy's, or a callable."""
    if isinstance(solver, str):
        for name in SCIPY_METHODS:
            if checks.simplify(name) == checks.simplify(solver):
                return name
        raise checks.unknown("scipy.optimize.minimize method for NewtonSolver:", solver, SCIPY_METHODS)
    if isinstance(solver, (Method, list, tuple, type)):
        return as_method(solver)
    return checks.function("NewtonSolver", "solver", solver)


def usable(answer: Descent, u: np.ndarray) -> tuple[np.ndarray, str]:
    """``(d, outcome)``: the answer, or u where the solver has not moved from 0."""
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

    by an inner run of `solver` that starts at the d of the step before (`warm_start`) or at 0, and
    ends when mean (A d - u)^2 has fallen to `tol` times its value at that start, or after `maxiter`
    iterations. u is the incoming update, changed by `inner` first. Follow the method with a line
    search.

    The residual has the condition number of A^2, the energy that of A and half the products for
    each gradient: where A is positive definite the energy is the better choice. Where it is not,
    the energy has no minimiser (the inner run then ends "diverged", or at its limit), while the
    residual leads to the solution of A d = u all the same, a saddle of the quadratic model, which
    need not descend.

    Parameters
    ----------
    solver : method, sequence of methods, str or callable
        A method of refopt; the name of a method of `scipy.optimize.minimize`; or a callable with
        SciPy's protocol for custom minimizers, ``solver(fun, d0, jac=, hessp=, maxiter=, ...)``,
        returning d or an OptimizeResult.
    maxiter : int or None
        Iterations of a solve (TNC and COBYLA: evaluations). None is n.
    maxiter1 : int or None
        The same for the first step, which has no warm start. None is `maxiter`.
    tol : float >= 0 or None
        Fall of the loss that ends a solve. A method takes one more iteration after it, as the
        original does. None: only `maxiter` ends it.
    reg : float >= 0
        Added to the diagonal of H.
    warm_start : bool
        Begin each solve at the solution of the one before, else at 0.
    hvp_method : {"autograd", "fd_forward", "fd_central"}
        Hessian-vector products: exact (the user's `hessp` or `hess` if given), or from differences
        of gradients.
    reset_solver : bool
        Begin each solve with a fresh state of the solver, not with that after the solve before.
        Only where the solver is a method; SciPy's keep no state.
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
        (Inside a run, ending it) where a Hessian-vector product is not finite.

    Notes
    -----
    Source: `torchzero` 0.4.4, ``NewtonSolver``.

    Deviations: `reg` is ignored in the original. `objective` and SciPy's solvers are additions.

    With the default solver, LBFGS with unit steps, the loss may rise in between;
    ``chain(LBFGS(), StrongWolfe())`` makes it fall.

    Cost per step: one product for each value of the loss, one (energy) or two for each gradient.
    Memory that of the solver.

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
            raise ValueError("NewtonSolver: reset_solver=True needs a method as solver; "
                             f"{self.solver!r} keeps no state")
        needs = self.solver.all_needs() if isinstance(self.solver, Method) else ()
        if self.objective == "energy" and {"residuals", "gauss-newton"} & set(needs):
            raise ValueError(f"NewtonSolver: {self.solver!r} needs residuals; give objective='residual'")

    needs: ClassVar[frozenset[str]] = frozenset({"hvp"})
    shown: ClassVar[tuple[str, ...]] = ("outcome", "iterations", "products", "fall")

    def all_needs(self):
        """The solver sees the linear system, which answers all of its needs but randomness."""
        random = self.solver.all_needs() & {"rng"} if isinstance(self.solver, Method) else frozenset()
        return self.needs | random

    def minimises_f(self):
        """Whatever the solver minimises, the direction is one for f."""
        return True

    def settled(self, point):
        """The solver does not look at points of f."""
        return True

    def init(self, x, shapes=None, rng=None):
        return NewtonSolverState(self.fresh(x, shapes, rng), rng, None, "none", 0, 0, float("nan"))

    def fresh(self, x: np.ndarray, shapes: Any, rng: np.random.Generator | None) -> Any:
        """A first state of the solver, with a generator of its own."""
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
        product = Product(lambda v: point.hvp(v, self.hvp_method, self.h) + reg * v, type(self).__name__,
                          zero_ends=False)
        system = LinearSystem(product, update, self.objective)
        system.shapes = shapes
        if isinstance(self.solver, Method):
            answer = by_method(self.solver, system, d, solver, maxiter, self.tol)
        else:
            answer = by_scipy(self.solver, system, d, maxiter, self.tol)
        d, outcome = usable(answer, update)
        return d, NewtonSolverState(answer.state, state.rng, d, outcome, answer.iterations, product.count,
                                    answer.fall)
