"""The method HigherOrderNewton."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .. import checks
from ..method import Method, option
from ..models.taylor import Model, taylor_model, transient
from ..solvers.ball import BallAnswer
from ..solvers.norm import StepNorm
from ..solvers.subproblem import BALL_SOLVERS, SOLVERS, held_back, region_length, subproblem, update_of
from ..trust import Rule, Trial, judged, started
from ..views.face import inward

__all__ = ["HigherOrderNewton"]

REGULAR = 0.9  # rho above which sigma falls
TRANSIENT = 2.0  # factor of sigma after a transient minimiser; small, as the next try needs no value of f


class HigherOrderNewtonState(NamedTuple):
    """Changes at every step."""

    answer: BallAnswer  # that of the last subproblem
    rng: Any  # numpy.random.Generator for `de_iters`
    scale: Any = None  # radius, or sigma, a float; None before the first step
    tried: float = np.nan  # radius or sigma of the last subproblem
    rho: float = np.nan  # actual over predicted decrease of the last trial
    accepted: bool = True
    attempts: int = 0  # subproblems solved in the last step
    trials: int = 0  # values of f in the last step: attempts, except those rejected without one
    unbounded: bool = False  # whether a model of the last step was unbounded below
    decrease: float = np.nan  # -m(s) of the last subproblem
    promise: float = 0.0  # largest decrease predicted since x last moved
    restarted: bool = False  # whether radius or sigma was reset to its first value since then
    flattest: float = np.inf  # least |g|_inf since rounding began to hide the change of f
    norm: StepNorm = StepNorm()  # "hessian": that of the last point with a Hessian


@dataclasses.dataclass(frozen=True)
class HigherOrderNewton(Method):
    """Minimise the Taylor polynomial of any order, inside a trust region or with a penalty.

        m(s) = sum_{k=1..p} D_k[s]/k!                the change of f predicted by the Taylor polynomial

        s = argmin_local m(s)   over |s|_2 <= radius                              trust_method="bounds"
        s = argmin_local m(s) + |s|^2/(2 radius)                                  "proximal"
        s = argmin_local m(s) + sigma/(p+1) |s|^(p+1)                             "regularized", AR-p
        s = argmin_local m(s)                                                     "none"

        rho = (f(x) - f(x+s)) / -m(s)
        rho > eta                              accept x + s (output -s), else again, `max_attempts` times
        rho < rho_bad or f(x+s) not finite     radius <- nminus |s|               proximal: nminus radius
        rho > rho_good, step near the edge     radius <- max(radius, nplus |s|)   proximal: nplus radius

    "regularized", with L = (p+1) |f(x+s) - f(x) - m(s)| / |s|^(p+1), where the penalty equals the error:

        rho < rho_bad                          sigma <- L, kept between sigma/nminus and sigma/nminus^(p+1)
        rho > 0.9                              sigma <- L, kept between sigma/nplus^(p+1) and sigma
        s is a transient minimiser             s is rejected before f is evaluated, sigma <- 2 sigma
        transient: for some t in (0, 1]        sum_k k (p+1-k) t^(k-1) D_k[s]/k! >= 0

    argmin_local is the local minimiser that monotone descent from s = 0 finds. For p >= 3 the *global* one is
    the wrong target: often it is far away, where m does not approximate f, and rates of convergence can be
    lost (arXiv 2510.25643). With bounds on x, s is also kept inside them, and meets those that are active
    exactly; |s| of "bounds" and "none" is then |s|_inf; `solver` must be "native" and `de_iters` None.

    `refopt.trust` describes how a run without progress ends. The incoming update is not used, and no line
    search is needed. From order 3 on all derivatives come from `fun`; a `jac` is used in convergence tests
    and must agree at x0. An unbounded model is reported: "none" then takes the step of "bounds", "proximal" a
    smaller radius. "none" accepts every finite trial.

    Parameters
    ----------
    order : int >= 1
        p, the degree of the model. 1 is steepest descent, 2 the classical trust-region Newton method.
    trust_method : {"bounds", "proximal", "none", "regularized"}
        How the step is limited to where the model can be trusted.
    nplus, nminus, rho_good, rho_bad, eta : floats, nplus >= 1, 0 < nminus < 1, rho_bad < rho_good, eta >= 0
        Growth and shrinkage of the radius; rho where it grows, where it shrinks, and of an accepted step.
    init_radius : float > 0 or None
        First radius; None: 1, with "proximal" 0.1. "regularized": sigma is ``|g(x0)| / init_radius^p``.
    max_attempts : int >= 1
        Limit on subproblems per step; if all are rejected, the step is zero and the smaller radius is kept.
    boundary_tol : float in [0, 1) or None
        "bounds": the radius grows only if the step is at least ``(1 - boundary_tol) radius``. None: always.
    de_iters : int >= 1 or None
        Generations of `scipy.optimize.differential_evolution`, a global search of the model for comparison.
    derivatives : {"auto", "tensors", "matrix-free"}
        Representation of the model; "auto" by cost (tensors up to n = 31 at order 4, n = 70 at order 3).
    solver : str
        "native", or a method of `scipy.optimize.minimize` for comparison: "trust-constr" or "SLSQP" with
        "bounds", also "trust-exact", "trust-krylov", "Newton-CG", "BFGS", "L-BFGS-B" otherwise.
    theta : float >= 0
        "regularized": a subproblem counts as solved if its gradient is at most ``theta min(|s|^p, |g|)``.
    norm : {"euclidean", "hessian"}
        |s|_2, or |D s|_2 (from order 2 on, with tensors), D_i^2 = |H_ii| / sum_j (g_j^2 / |H_jj| at x0), so
        that units do not matter (`refopt.solvers.norm.StepNorm`); the bare name stands for "hessian".

    Raises
    ------
    TypeError, ValueError
        For a hyperparameter outside its range; in a run, for a `jac` that is not the derivative of `fun`.
    MemoryError
        (In a run) with ``derivatives="tensors"`` if they do not fit into memory.

    Notes
    -----
    Source: `torchzero` 0.4.4, ``HigherOrderNewton``, for "bounds", "proximal", "none" and their constants;
    Birgin et al. 2019, doi 10.1007/s11590-019-01395-z, and Cartis et al., arXiv 2501.00404, for "regularized"
    and transient minimisers, those not on the branch that starts from s = 0, sigma = inf; Gould et al. 2012,
    doi 10.1007/s10589-011-9446-7, for the interpolation of sigma; arXiv 1705.04895 inside bounds; Conn,
    Gould, Toint, Trust-Region Methods, 2000, section 6.7, for `norm`.

    Deviations: derivatives by Taylor mode; a subproblem solver with a certificate; order 1 with "proximal";
    unbounded models are reported; `init_radius` was `init`; "regularized" and `norm` are added.

    Cost per step: all tensors (n = 16, p = 4: 20 ms) or dozens of Taylor series in O(n) memory; f per trial.

    Examples
    --------
    >>> import refopt
    >>> rosenbrock = lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    >>> res = refopt.minimize(rosenbrock, [-1.2, 1.0], method=refopt.HigherOrderNewton(order=3))
    >>> res.success, res.x.round(6)
    (True, array([1., 1.]))
    """

    order: int = option(4, "whole >= 1")
    trust_method: str = option("bounds", ("bounds", "proximal", "none", "regularized"))
    nplus: float = option(3.5, "[1, inf)")
    nminus: float = option(0.25, "(0, 1)")
    rho_good: float = option(0.99, "(-inf, inf)")
    rho_bad: float = option(1e-4, "(-inf, inf)")
    init_radius: float | None = option(None, ["(0, inf)"])
    eta: float = option(1e-6, "[0, inf)")
    max_attempts: int = option(10, "whole >= 1")
    boundary_tol: float | None = option(1e-2, ["[0, 1)"])
    de_iters: int | None = option(None, ["whole >= 1"])
    derivatives: str = option("auto", ("auto", "tensors", "matrix-free"))
    solver: str = option("native", SOLVERS)
    theta: float = option(1e-2, "[0, inf)")
    norm: str = option("euclidean", ("euclidean", "hessian"))

    needs: ClassVar[frozenset[str]] = frozenset({"f", "g"})  # and by order, see `all_needs`
    shown: ClassVar[tuple[str, ...]] = ("rho", "accepted", "attempts", "trials", "unbounded", "decrease")
    in_bounds: ClassVar[str] = "step"
    only_in_bounds: ClassVar[dict[str, Any]] = {"solver": "native", "de_iters": None}

    def __post_init__(self):
        super().__post_init__()
        checks.increasing("HigherOrderNewton", rho_bad=self.rho_bad, rho_good=self.rho_good)
        if self.trust_method == "bounds":  # only some keep a step inside a ball
            able = ("native", *BALL_SOLVERS)
            checks.one_of("HigherOrderNewton: with trust_method='bounds'", "solver", self.solver, able)

    def all_needs(self):
        second = {"hvp"} if self.derivatives == "matrix-free" else {"hess"}
        by_order = {1: set(), 2: second}.get(self.order, {"taylor"})
        return self.needs | by_order | ({"rng"} if self.de_iters is not None else set())

    def init(self, x, shapes=None, rng=None):
        return HigherOrderNewtonState(BallAnswer(np.zeros(x.size)), rng)

    def step(self, point, update, state):
        model: Model = taylor_model(point, self.order, self.derivatives)
        bounds = point.objective.bounds
        g = inward(point.x, point.g, bounds)
        rule, state = self.begun(model, g, state)
        model, box = state.norm.applied(model, point.x, bounds)
        while state.attempts < self.max_attempts:
            state = self.solved(model, state, box)
            if refused := self.refused(model, state):
                state = state._replace(scale=state.scale * refused)
                continue
            z, last = state.answer.s, state.attempts == self.max_attempts
            s, size = z / state.norm.scale, region_length(z, self.trust_method, bounds)
            update = update_of(s, point.x, bounds)
            held = held_back(state.answer, self.trust_method, state.tried, self.order)
            trial = Trial(point.after(update), s, state.decrease, size, held)
            state = judged(rule, state._replace(trials=state.trials + 1), point, trial, last)
            if state.accepted:
                return update, state
        return np.zeros_like(point.x), state

    def begun(self, model: Model, g: np.ndarray, state: Any) -> tuple[Rule, HigherOrderNewtonState]:
        """The rule of the region and the state, both in the norm at this point, before the first attempt."""
        norm = state.norm.at(model, g) if self.norm == "hessian" else state.norm
        changes = state.norm.D is None and norm.D is not None
        first = norm.first_scale(self.trust_method, self.init_radius, g, self.order)
        kind = {"regularized": "sigma", "proximal": "proximal"}.get(self.trust_method, "radius")
        more: dict[str, Any] = {"rho_good": REGULAR, "power": self.order + 1} if kind == "sigma" else {}
        rule = Rule.of(self, kind, first, takes_all=self.trust_method == "none", **more)
        state = state._replace(norm=norm, scale=None if changes else state.scale)
        return rule, started(rule, state)._replace(attempts=0, trials=0, unbounded=False)

    def solved(self, model: Any, state: HigherOrderNewtonState, box: Any) -> HigherOrderNewtonState:
        """The state with the answer of the subproblem at the current scale; `box` holds the bounds of s."""
        form = (self.trust_method, state.scale, self.order, self.theta, state.attempts == 0, box)
        how: dict[str, Any] = {"solver": self.solver, "de_iters": self.de_iters, "rng": state.rng}
        answer = subproblem(model, *form, natural=state.norm.D is not None, **how)
        state = state._replace(tried=state.scale, attempts=state.attempts + 1, answer=answer)
        if answer.bounded or self.trust_method != "proximal":
            state = state._replace(decrease=-model.value(answer.s))
        return state._replace(unbounded=state.unbounded or not answer.bounded)

    def refused(self, model: Any, state: HigherOrderNewtonState) -> float:
        """The factor of the scale if the step is rejected before f is evaluated; 0 if it is to be tried."""
        if self.trust_method == "proximal" and not state.answer.bounded:
            return self.nminus
        penalised = self.trust_method == "regularized" and state.decrease > 0
        return TRANSIENT if penalised and transient(model.line(state.answer.s)) else 0.0

    def figures(self, state):
        scale = "sigma" if self.trust_method == "regularized" else "radius"
        return {scale: state.scale, **super().figures(state), **state.answer.figures()}
