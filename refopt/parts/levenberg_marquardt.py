"""The method LevenbergMarquardt."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .. import checks
from ..derivatives.refusal import TraceError
from ..method import Method, option
from ..models.curvature import factor_of, has_residuals
from ..objective import Point
from ..rounding import rounding_error, values_decide
from ..solvers.ball import quadratic_in_ball
from ..solvers.box import box_around, least_squares_step, onto_bounds, quadratic_step
from ..solvers.least_squares import least_squares_in_ball
from ..solvers.norm import nrm2
from ..status import Status, Stop
from ..trust import Rule, Trial, judged, started

__all__ = ["LevenbergMarquardt"]

GAUSS_NEWTON, HESSIAN = "gauss-newton", "hessian"
BETTER = 1.5  # ours: the other model is taken if the error of the one in use is larger by this factor
GOOD = 0.25  # ours: share of a prediction below which its error is small


class LevenbergMarquardtState(NamedTuple):
    """Changes at every step."""

    lengths: np.ndarray | None  # (n,) greatest length of each column of A so far; None before the first step
    unit: float  # |D x0|, what the radius is a multiple of
    model: str  # "gauss-newton" or "hessian", the model of the next trial
    wait: int  # poor predictions passed over before the Hessian was last looked at
    patience: int  # poor predictions to pass over before the next look
    scale: Any  # the radius, a float; None before the first step
    promise: float  # largest decrease predicted since x last moved
    restarted: bool  # whether the radius was reset to its first value since then
    flattest: float  # least |g|_inf since rounding began to hide the change of f
    rho: float  # actual over predicted decrease of the last trial
    attempts: int  # subproblems solved in the last step
    accepted: bool


class Model(NamedTuple):
    """A quadratic model of f at x: ``f - u^T d + d^T H d / 2`` at x - d."""

    H: np.ndarray  # (n, n)
    factor: tuple[np.ndarray, np.ndarray] | None  # (A, b) with H = 2 A^T A and u = 2 A^T b

    def decrease(self, u: np.ndarray, d: np.ndarray) -> float:
        """The decrease of f that the model predicts."""
        if self.factor is None:
            return float(u @ d) - float(d @ (self.H @ d)) / 2
        Ad = self.factor[0] @ d
        return float(u @ d) - float(Ad @ Ad)


def column_lengths(G: np.ndarray, factor: tuple[np.ndarray, np.ndarray] | None) -> np.ndarray:
    """The length of each column of A, where the Gauss-Newton matrix is G = 2 A^T A."""
    if factor is None:
        return np.sqrt(np.abs(np.diag(G)) / 2)
    return np.array([nrm2(np.ascontiguousarray(column)) for column in factor[0].T])


def scales(lengths: np.ndarray, x: np.ndarray, unit: float) -> np.ndarray:
    """D / unit; for a variable without effect so far 1 / \\|x_i\\|, and 1 where x_i = 0.

    Examples
    --------
    >>> scales(np.array([2.0, 0.0, 0.0]), np.array([1.0, 4.0, 0.0]), 2.0)
    array([1.  , 0.25, 1.  ])
    """
    size = np.where(x == 0, 1.0, np.abs(x))
    return np.where(lengths > 0, lengths / unit, 1 / size)


def step_in_region(
    model: Model, u: np.ndarray, D: np.ndarray, radius: float, point: Point
) -> tuple[np.ndarray, float, bool]:
    """``(d, |D d|, whether the region limits d)`` of the least value of the model over ``|D d| <= radius``.

    With bounds the norm is the infinity norm, and x - d is within the bounds.
    """
    bounds = point.objective.bounds
    if bounds is not None:
        width = radius / D
        lower, upper = box_around(point.x, width, bounds)
        if model.factor is not None:
            d, _ = least_squares_step(*model.factor, lower, upper)
        else:
            d, _ = quadratic_step(model.H, u, lower, upper)
        edge = bool(np.any(np.abs(d) >= width))
        d = onto_bounds(d, point.x, lower, upper, bounds, width)
        return d, float(np.abs(D * d).max()), edge
    if model.factor is not None:
        A, b = model.factor
        z, lam = least_squares_in_ball(A / D, b, radius)
    else:
        w, V = np.linalg.eigh(model.H / D / D[:, None])
        z, lam = quadratic_in_ball(w, V, -u / D, radius)
    return (z / D).astype(point.x.dtype), nrm2(z), lam > 0


@dataclasses.dataclass(frozen=True)
class LevenbergMarquardt(Method):
    """Fit by Gauss-Newton steps in a trust region, scaled by the Jacobian; by Hessian steps where they fit f.

        f = sum_i r_i^2,  J the Jacobian of r
        D = diag of the greatest length so far of each column of J

        gauss-newton    d = argmin_{|D d| <= radius |D x0|}  |r - J d|
        hessian         d = argmin_{|D d| <= radius |D x0|}  d^T H d / 2 - g^T d
                        H = 2 J^T J + 2 sum r_i r_i''

        rho = (f(x) - f(x - d)) / predicted decrease
        rho < rho_bad or not finite      radius <- nminus |D d| / |D x0|
        rho > rho_good                   radius <- max(radius, nplus |D d| / |D x0|)
        rho > eta                        accept x - d (output d), else try again, at most `max_attempts` times

        if the predicted decrease is wrong by more than a quarter of itself, it is compared with that of the
        other model; the next trial takes the other one
            from gauss-newton   if it is wrong by less than a quarter of itself, and 1.5 times less wrong
            from hessian        if it is 1.5 times less wrong

    Both problems are solved exactly: the first by the singular values of J D^-1, so its condition number is
    that of J; the second by the eigenvalues of D^-1 H D^-1, so the step leaves a saddle point. The first step
    has the Gauss-Newton model. After a look at the Hessian in vain 1, 3, 7, ... poor predictions pass before
    the next one: in a long curved valley neither model fits, and the looks cost little.

    If x0 = 0, the square root of f takes the place of ``|D x0|``. A variable without effect so far has
    ``D_i = |D x0| / |x_i|``. So the path is the same in all units of the variables and of f.

    `fun` must be `refopt.LeastSquares` or `refopt.ModelLoss`. For a robust loss J and r are those of
    `refopt.LeastSquares.factor`; for `refopt.ModelLoss`, and for another u in the place of g, the
    Gauss-Newton matrix takes the place of H. With bounds the norm of the region is the infinity norm. What
    happens where rounding hides the change of f, and how a run ends, is the rule of `refopt.trust`.

    Parameters
    ----------
    curvature : {"adaptive", "gauss-newton"}
        "gauss-newton": the Hessian is never looked at.
    init_radius : float > 0
        First radius, as a share of ``|D x0|``.
    eta : float >= 0
        A trial is accepted if rho is above it.
    nplus, nminus : floats, nplus >= 1, nminus in (0, 1)
        Growth and shrinkage of the radius.
    rho_good, rho_bad : floats
        The radius grows if rho is above the first and shrinks if it is below the second.
    max_attempts : int >= 1
        Limit on subproblems per step.

    Raises
    ------
    TypeError, ValueError
        For a hyperparameter of another type or outside its range.
    Stop
        (Inside a run, ending it) if the Jacobian has entries that are not finite, if no step is accepted
        because of rounding or a wrong gradient, or if f is unbounded below.

    Notes
    -----
    Source: J. J. Moré, The Levenberg-Marquardt algorithm: implementation and theory, Lecture Notes in
    Mathematics 630 (1978) 105-116, doi:10.1007/BFb0067700, section 6 for D, section 7 for the first radius;
    J. E. Dennis, D. M. Gay, R. E. Welsch, An adaptive nonlinear least-squares algorithm, ACM TOMS 7 (1981)
    348-368, doi:10.1145/355958.355965, for the choice between two models by their predictions.

    Deviations: Moré solves the subproblem to 10 % by a QR factorisation and shrinks the radius by a quadratic
    interpolation between 0.1 and 0.5. Dennis, Gay and Welsch approximate the second part of H by a secant
    update; here it is exact. When it is looked at is ours.

    Cost per step: J, one gradient, one value of f and one O(m n^2) subproblem for each attempt; the Hessian
    where the Gauss-Newton model predicts f poorly, O(n^3).

    Examples
    --------
    >>> import autograd.numpy as np, refopt
    >>> t, y = np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.6, 0.4])
    >>> decay = refopt.LeastSquares(lambda x: x[0] * np.exp(-x[1] * t) - y)
    >>> refopt.minimize(decay, [1.0, 1.0], method="LevenbergMarquardt").x.round(3)
    array([0.994, 0.474])
    """

    curvature: str = option("adaptive", ("adaptive", GAUSS_NEWTON))
    # of the values 0.1 to 100 that Moré allows, the one that solves most, see tests/benchmarks/nist_table.md
    init_radius: float = option(1.0, "(0, inf)")
    eta: float = option(1e-4, "[0, inf)")  # Moré 1978, algorithm 7.1, as is rho_good
    nplus: float = option(2.0, "[1, inf)")  # Moré 1978, section 4
    nminus: float = option(0.5, "(0, 1)")  # the upper end of Moré's interval
    rho_good: float = option(0.75, "(-inf, inf)")
    rho_bad: float = option(0.1, "(-inf, inf)")  # Moré has 0.25, which costs more steps in curved valleys
    max_attempts: int = option(10, "whole >= 1")

    needs: ClassVar[frozenset[str]] = frozenset({"f", "g", "gauss-newton"})
    shown: ClassVar[tuple[str, ...]] = ("rho", "attempts", "model", "accepted")
    in_bounds: ClassVar[str] = "step"
    boundary_tol: ClassVar[None] = None  # the radius may grow after any step

    def __post_init__(self):
        super().__post_init__()
        checks.increasing("LevenbergMarquardt", rho_bad=self.rho_bad, rho_good=self.rho_good)

    def all_needs(self):
        return self.needs | ({"hess"} if self.curvature == "adaptive" else set())

    def init(self, x, shapes=None, rng=None):
        return LevenbergMarquardtState(
            None, 1.0, GAUSS_NEWTON, 0, 0, None, 0.0, False, np.inf, np.nan, 0, True
        )

    def step(self, point, update, state):
        rule = Rule.of(self, "radius", self.init_radius)
        u = update.astype(np.float64)
        models = {GAUSS_NEWTON: gauss_newton_model(point, update)}
        state = scaled(started(rule, state), point, models[GAUSS_NEWTON])
        D = scales(state.lengths, point.x, state.unit)
        for attempts in range(1, self.max_attempts + 1):
            if state.model not in models:
                models[state.model] = Model(point.dense_hessian().astype(np.float64), None)
            model = models[state.model]
            d, size, edge = step_in_region(model, u, D, state.scale, point)
            trial = Trial(point.after(d), -d, model.decrease(u, d), size, edge)
            used, state = state.model, state._replace(attempts=attempts)
            state = judged(rule, state, point, trial, attempts == self.max_attempts, model.H)
            if self.curvature == "adaptive":
                state = switched(state, used, models, u, point, trial)
            if state.accepted:
                return d, state
        return np.zeros_like(d), state

    def figures(self, state):
        return {"radius": state.scale, **super().figures(state)}


def gauss_newton_model(point: Point, update: np.ndarray) -> Model:
    """The model with the Gauss-Newton matrix, with its factor where the update is the gradient."""
    G = point.gauss_newton.astype(np.float64)
    if not np.all(np.isfinite(G)):
        reason = f"the Jacobian has entries that are not finite or too large where f = {point.f:.6g}"
        raise Stop(Status.NONFINITE, reason=reason)
    return Model(G, factor_of(point) if update is point.g and has_residuals(point) else None)


def scaled(state: LevenbergMarquardtState, point: Point, model: Model) -> LevenbergMarquardtState:
    """The state with the greatest lengths of the columns so far, and at the first step with the unit."""
    lengths = column_lengths(model.H, model.factor)
    if state.lengths is not None:
        return state._replace(lengths=np.maximum(state.lengths, lengths))
    unit = nrm2(lengths * point.x) or float(np.sqrt(abs(point.f))) or 1.0
    return state._replace(lengths=lengths, unit=unit)


def switched(
    state: LevenbergMarquardtState,
    used: str,
    models: dict[str, Model],
    u: np.ndarray,
    point: Point,
    trial: Trial,
) -> LevenbergMarquardtState:
    """The state with the model of the next trial, by which one predicted the actual decrease better."""
    actual, d = point.f - trial.point.f, -trial.s.astype(np.float64)
    error = abs(trial.promised - actual)
    noise = rounding_error(point.f, point.x.dtype)
    if not np.isfinite(actual) or not values_decide(trial.promised, actual, noise):
        return state
    if used == HESSIAN:
        other = models[GAUSS_NEWTON].decrease(u, d)
        return state._replace(model=GAUSS_NEWTON) if BETTER * abs(other - actual) < error else state
    if error <= GOOD * abs(trial.promised):
        return state
    if state.patience:
        return state._replace(patience=state.patience - 1)
    try:
        H = point.dense_hessian().astype(np.float64)
    except TraceError:  # autograd follows the residuals once, not twice; the other model does without
        H = np.full_like(models[GAUSS_NEWTON].H, np.nan)
    other = Model(H, None).decrease(u, d)
    if BETTER * abs(other - actual) < error and abs(other - actual) <= GOOD * abs(other):
        return state._replace(model=HESSIAN, wait=0)
    wait = 2 * state.wait + 1
    return state._replace(wait=wait, patience=wait)
