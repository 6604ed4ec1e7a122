"""The method InfinityNormTrustRegion."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .. import checks
from ..method import Method, option, takes_inner
from ..models.curvature import CurvatureModel, make_model, needs_of
from ..objective import Point
from ..solvers.box import box_around, least_squares_step, onto_bounds, quadratic_step, residual_step
from ..solvers.box_cg import conjugate_gradient_step
from ..status import Status, Stop
from ..trust import Rule, Trial, judged, started

__all__ = ["InfinityNormTrustRegion"]


class InfinityNormState(NamedTuple):
    """Changes at every step."""

    t: int  # steps taken
    scale: Any  # the radius, a float; None before the first step
    model: CurvatureModel  # the source of H; quasi-Newton models change with every step
    H: Any  # the matrix in use, renewed every update_freq steps
    promise: float  # largest decrease predicted since x last moved
    restarted: bool  # whether the radius was reset to its first value since then
    flattest: float  # least |g|_inf since rounding began to hide the change of f
    rho: float  # actual over predicted decrease of the last trial
    attempts: int  # subproblems solved in the last step
    accepted: bool
    active: int  # variables of the last trial at an edge of the box
    solver: str  # how the last subproblem was solved


@takes_inner
@dataclasses.dataclass(frozen=True)
class InfinityNormTrustRegion(Method):
    """Minimise a quadratic model over a box around x, and adapt the size of the box.

        d = argmin_{|d_i| <= radius}  q(d) = d^T H d / 2 - u^T d      subproblem="quadratic"; u the gradient
        d = argmin_{|d_i| <= radius}  |H d - u|                       subproblem="residual"

        rho = (f(x) - f(x - d)) / (-q(d))
        rho < rho_bad or not finite      radius <- nminus |d|_inf
        rho > rho_good                   radius <- max(radius, nplus |d|_inf)
                                         with boundary_tol only if |d|_inf >= (1 - boundary_tol) radius
        rho > eta                        accept x - d (output d), else try again, at most `max_attempts` times

    If no attempt is accepted, x stays for this iteration. Bounds on x are intersected with the box, so they
    are satisfied, and exactly met where active. If rounding hides the change of f (`refopt.rounding`), the
    gradient decides; for a step that ends at the edge of the box, the mean slope (g(x) + g(x - d))^T d / 2
    may confirm the model instead. If a step is rejected and no smaller box can be better, the radius is reset
    to `init_radius`, once (`refopt.trust`). The next time the run ends: with ROUNDING if no predicted
    decrease at x was more than rounding error, else with STALLED. It ends with UNBOUNDED if f is negative
    and still falls while the steps become too long for the floating-point range.

    Parameters
    ----------
    hess : {"exact", "gauss-newton"}, scipy.optimize.HessianUpdateStrategy, or callable
        The matrix H: the Hessian (the user's `hess` if `minimize` was given one), the Gauss-Newton matrix
        (`fun` must be `refopt.LeastSquares` or `refopt.ModelLoss`), a quasi-Newton strategy such as
        ``BFGS()`` or `refopt.DFP`, or ``hess(x)`` -> array, sparse matrix or LinearOperator.
    eta : float >= 0
        A trial is accepted if rho is above it.
    nplus, nminus : floats, nplus >= 1, nminus in (0, 1)
        Growth and shrinkage of the radius.
    rho_good, rho_bad : floats
        The radius grows if rho is above the first and shrinks if it is below the second.
    boundary_tol : float in [0, 1) or None
        If given, the radius grows only after steps this close to the edge of the box.
    init_radius : float > 0
        First radius.
    update_freq : int >= 1
        H is renewed every this many steps.
    max_attempts : int >= 1
        Limit on subproblems per step.
    tol : float > 0
        Tolerance of the subproblem.
    prefer_dense : bool
        True: use a dense matrix. False: only products, O(n) memory, by conjugate gradients.
    fallback : bool
        Invert the matrix of a strategy that holds only an inverse, instead of raising an error.
    inner : Method, sequence of methods or None
        Runs first; its update replaces the gradient in the model.
    subproblem : {"quadratic", "residual"}
        What is minimised over the box; "residual" is the original's and may end at a saddle point.

    Raises
    ------
    TypeError, ValueError
        For a hyperparameter of another type or outside its range, or a strategy that holds only an inverse.
    Stop
        (Inside a run, ending it) if H has entries that are not finite, if no step is accepted because of
        rounding or a wrong gradient, or if f is unbounded below.

    Notes
    -----
    Source: `torchzero` 0.4.4, ``InfinityNormTrustRegion``, for the constants and the rule for the radius; A.
    R. Conn, N. I. M. Gould, Ph. L. Toint, Trust-Region Methods, 2000, algorithm 6.1.1 and section 17.4.2
    (rounding of rho).

    Deviations: the original fails with a KeyError before its first step. Its subproblem is the residual,
    whose steps converge to saddle points too, and it measures a step by its signed maximum. Its `init` is
    `init_radius`.

    Cost per step: H, one gradient, and one value of f and one subproblem (O(n^3) dense) for each attempt.

    Examples
    --------
    >>> import refopt
    >>> fun = lambda x: (x[0] - 3) ** 2 + (x[0] * x[1] - 1) ** 2
    >>> method = refopt.InfinityNormTrustRegion()
    >>> res = refopt.minimize(fun, [0.5, 1.0], method=method, bounds=[(0, 2), (0.6, 9)])
    >>> res.success, res.x
    (True, array([2. , 0.6]))
    """

    hess: Any = "exact"
    eta: float = option(0.0, "[0, inf)")
    nplus: float = option(3.5, "[1, inf)")
    nminus: float = option(0.25, "(0, 1)")
    rho_good: float = option(0.99, "(-inf, inf)")
    rho_bad: float = option(1e-4, "(-inf, inf)")
    boundary_tol: float | None = option(None, ["[0, 1)"])
    init_radius: float = option(1.0, "(0, inf)")
    update_freq: int = option(1, "whole >= 1")
    max_attempts: int = option(10, "whole >= 1")
    tol: float = option(1e-10, "(0, inf)")
    prefer_dense: bool = option(True, bool)
    fallback: bool = option(False, bool)
    inner: Method | None = None
    subproblem: str = option("quadratic", ("quadratic", "residual"))

    needs: ClassVar[frozenset[str]] = frozenset({"f", "g"})
    shown: ClassVar[tuple[str, ...]] = ("rho", "attempts", "active", "solver", "accepted")
    in_bounds: ClassVar[str] = "step"

    def __post_init__(self):
        super().__post_init__()
        needs_of("InfinityNormTrustRegion", self.hess)
        checks.increasing("InfinityNormTrustRegion", rho_bad=self.rho_bad, rho_good=self.rho_good)

    def all_needs(self):
        return self.needs | needs_of("InfinityNormTrustRegion", self.hess)

    def init(self, x, shapes=None, rng=None):
        model = make_model(self.hess, x.size, self.prefer_dense, self.fallback)
        return InfinityNormState(0, None, model, None, 0.0, False, np.inf, np.nan, 0, True, 0, "none")

    def step(self, point, update, state):
        rule = Rule.of(self, "radius", self.init_radius)
        H, factor = self.curvature(point, update, state)
        state = started(rule, state)._replace(t=state.t + 1, H=H)
        for attempts in range(1, self.max_attempts + 1):
            d, solver, edge, active = self.solve(point, update, H, factor, state.scale)
            promised = float(update @ d) - float(d @ (H @ d)) / 2
            if not np.isfinite(promised):
                raise not_finite(point)
            state = state._replace(attempts=attempts, active=active, solver=solver)
            trial = Trial(point.after(d), -d, promised, float(np.abs(d).max()), edge)
            state = judged(rule, state, point, trial, attempts == self.max_attempts, H)
            if state.accepted:
                return d, state
        return np.zeros_like(d), state

    def curvature(self, point: Point, update: np.ndarray, state: InfinityNormState) -> tuple[Any, Any]:
        """``(H, factor)`` of this step: the matrix, renewed or kept, and ``(A, b)`` if it is A^T A."""
        fresh = state.t % self.update_freq == 0
        H = state.model.at(point) if fresh else state.H
        factor = state.model.factor(point) if fresh and update is point.g else None
        if isinstance(H, np.ndarray) and not np.all(np.isfinite(H)):
            raise not_finite(point)
        return H, factor

    def solve(
        self, point: Point, u: np.ndarray, H: Any, factor: Any, radius: float
    ) -> tuple[np.ndarray, str, bool, int]:
        """``(d, solver, whether d ends at the edge of the region, number of variables at an edge)``."""
        lower, upper = box_around(point.x, radius, point.objective.bounds)
        g = u.astype(np.float64)
        if self.subproblem == "residual":
            d, solver = residual_step(dense64(H), g, lower, upper, self.tol)
        elif factor is not None:
            A, b = factor
            d, solver = least_squares_step(A, b, lower, upper, self.tol)
        elif isinstance(H, np.ndarray):
            d, solver = quadratic_step(dense64(H), g, lower, upper, self.tol)
        else:
            product = lambda v: np.asarray(H @ v, dtype=np.float64)  # noqa: E731
            d, solver = conjugate_gradient_step(product, g, lower, upper, self.tol)
        edge = bool(np.any(np.abs(d) >= radius))
        active = int(np.count_nonzero((d <= lower) | (d >= upper)))
        d = onto_bounds(d, point.x, lower, upper, point.objective.bounds, radius)
        return d, solver, edge, active

    def figures(self, state):
        return {"radius": state.scale, **super().figures(state)}


def not_finite(point: Point) -> Stop:
    """The end of a run whose model has a matrix that is not finite."""
    reason = f"the model's matrix has entries that are not finite where f = {point.f:.6g}"
    return Stop(Status.NONFINITE, reason=reason)


def dense64(H: Any) -> Any:
    """A dense matrix in float64; others as they are."""
    return H.astype(np.float64, copy=False) if isinstance(H, np.ndarray) else H
