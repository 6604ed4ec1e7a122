"""The method HigherOrderNewton."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..method import Method, option
from ..models.curvature import indefinite
from ..models.taylor import prefers_tensors, taylor_model, transient
from ..objective import Point
from ..solvers.ball import BallAnswer
from ..solvers.norm import nrm2
from ..solvers.subproblem import BALL_SOLVERS, SOLVERS, held_back, subproblem
from ..trust import Rule, Trial, judged, started

__all__ = ["HigherOrderNewton"]

TRUST_METHODS = ("bounds", "proximal", "none", "regularized")
DERIVATIVES = ("auto", "tensors", "matrix-free")
REGULAR = 0.9  # rho above which sigma falls
TRANSIENT = 2.0  # factor of sigma after a transient minimiser; small: another try costs no evaluation


class HigherOrderNewtonState(NamedTuple):
    """Changes at every step."""

    scale: float  # radius, or sigma; 0 before the first step
    tried: float  # radius or sigma of the last subproblem
    rho: float  # actual over predicted decrease of the last trial
    accepted: bool
    attempts: int  # subproblems solved in the last step
    trials: int  # values of f asked for in the last step; attempts less those refused before
    unbounded: bool  # the model descended without end in the last step
    answer: BallAnswer  # the last subproblem's
    decrease: float  # -m(s) of the last subproblem
    promise: float  # largest decrease predicted since x last moved
    restarted: bool  # whether radius or sigma went back to its first value since then
    flattest: float  # least |g|_inf since rounding began to hide the change of f
    rng: Any  # numpy.random.Generator for `de_iters`


@dataclasses.dataclass(frozen=True)
class HigherOrderNewton(Method):
    """Minimise the Taylor polynomial of any order, inside a trust region or with a penalty.

        m(s) = sum_{k=1..p} D_k[s]/k!                the change of f that Taylor's polynomial predicts

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
        s is a transient minimiser             s is refused before f is evaluated, sigma <- 2 sigma
        transient: for some t in (0, 1]        sum_k k (p+1-k) t^(k-1) D_k[s]/k! >= 0

    argmin_local is the local minimiser to which monotone descent from s = 0 leads. For p >= 3 the *global*
    minimiser of m is the wrong target: it is often a far point where the polynomial means nothing, and rates
    of convergence can be lost (arXiv 2510.25643). `de_iters`, a global search first, is kept for comparison.

    Where rounding hides the change of f the gradient judges, and `refopt.trust` says how a run ends. A point
    with a small gradient but negative curvature is left: it is no minimiser. The incoming update is not used,
    and no line search follows. From order 3 on all derivatives come from `fun` by Taylor mode; a `jac` serves
    the tests of convergence and must agree at x0. A model found unbounded is reported (figure `unbounded`):
    "none" then takes the step of "bounds", "proximal" a smaller radius. "none" accepts every finite trial.

    Parameters
    ----------
    order : int >= 1
        p, the degree of the model. 1 is steepest descent, 2 the classical trust-region Newton method.
    trust_method : {"bounds", "proximal", "none", "regularized"}
        What keeps the step where the model can be trusted.
    nplus, nminus : floats, nplus >= 1, nminus in (0, 1)
        Growth and shrinkage of the radius (of ``sigma^(-1/(p+1))``).
    rho_good, rho_bad : floats, rho_bad < rho_good
        Ratios of actual to predicted decrease above which the radius grows and below which it shrinks.
    init_radius : float > 0 or None
        First radius; None: 1, with "proximal" 0.1. For "regularized" a first step of about this length: sigma
        is ``|g(x0)| / init_radius^p``.
    eta : float >= 0
        Least ratio of an accepted step.
    max_attempts : int >= 1
        Subproblems for each step; after that many refusals the step is zero and the smaller radius is kept.
    boundary_tol : float in [0, 1) or None
        "bounds": the radius grows only if the step is at least ``(1 - boundary_tol) radius``. None: always.
    de_iters : int >= 1 or None
        Generations of `scipy.optimize.differential_evolution` that search the model globally first. For order
        >= 3 the global minimiser is the wrong target (see above).
    derivatives : {"auto", "tensors", "matrix-free"}
        Representation of the model; "auto" by cost (tensors up to n = 31 at order 4, n = 70 at order 3).
    solver : str
        "native", or a method of `scipy.optimize.minimize` for comparison: "trust-constr" or "SLSQP" with
        "bounds", also "trust-exact", "trust-krylov", "Newton-CG", "BFGS", "L-BFGS-B" otherwise.
    theta : float >= 0
        "regularized": a subproblem is solved when the gradient of its model is below
        ``theta min(|s|^p, |g|)``.

    Raises
    ------
    TypeError, ValueError
        For a hyperparameter outside its range; in a run, from order 3 on, for a `jac` that is not the
        derivative of `fun`.
    MemoryError
        (In a run) with ``derivatives="tensors"`` where they would not fit.

    Notes
    -----
    Source: `torchzero` 0.4.4, ``HigherOrderNewton``, for "bounds", "proximal", "none" and their
    constants; Birgin, Gardenghi, Martinez, Santos 2019, doi 10.1007/s11590-019-01395-z, and Cartis, Hauser,
    Liu, Welzel, Zhu, arXiv 2501.00404, for "regularized" and transient minimisers, those that the branch of
    minimisers from s = 0, sigma = inf does not reach; Gould, Porcelli, Toint 2012, doi
    10.1007/s10589-011-9446-7, for the interpolation of sigma.

    Deviations: derivatives by Taylor mode; a subproblem solver with a certificate; order 1 with "proximal"
    works; unbounded models are reported. The original's `init` is `init_radius`. "regularized" is added.

    Cost per step: all tensors (n = 16, p = 4: 20 ms) or, for large n, some dozens of Taylor propagations in
    O(n) memory; one value of f for each trial.

    Examples
    --------
    >>> import refopt
    >>> rosenbrock = lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    >>> res = refopt.minimize(rosenbrock, [-1.2, 1.0], method=refopt.HigherOrderNewton(order=3))
    >>> res.success, res.x.round(6)
    (True, array([1., 1.]))
    """

    order: int = option(4, "whole >= 1")
    trust_method: str = option("bounds", TRUST_METHODS)
    nplus: float = option(3.5, "[1, inf)")
    nminus: float = option(0.25, "(0, 1)")
    rho_good: float = option(0.99, "(-inf, inf)")
    rho_bad: float = option(1e-4, "(-inf, inf)")
    init_radius: float | None = option(None, ["(0, inf)"])
    eta: float = option(1e-6, "[0, inf)")
    max_attempts: int = option(10, "whole >= 1")
    boundary_tol: float | None = option(1e-2, ["[0, 1)"])
    de_iters: int | None = option(None, ["whole >= 1"])
    derivatives: str = option("auto", DERIVATIVES)
    solver: str = option("native", SOLVERS)
    theta: float = option(1e-2, "[0, inf)")

    needs: ClassVar[frozenset[str]] = frozenset({"f", "g"})  # and by order, see `all_needs`

    def __post_init__(self):
        super().__post_init__()
        if not self.rho_bad < self.rho_good:
            raise ValueError("HigherOrderNewton: rho_bad must be below rho_good, got "
                             f"rho_bad={self.rho_bad:g}, rho_good={self.rho_good:g}")
        if self.trust_method == "bounds" and self.solver not in ("native", *BALL_SOLVERS):
            able = ", ".join(map(repr, ("native", *BALL_SOLVERS)))
            raise ValueError(f"HigherOrderNewton: solver {self.solver!r} cannot keep a step inside a ball; "
                             f"with trust_method='bounds' use one of {able}")

    def all_needs(self):
        second = {"hvp"} if self.derivatives == "matrix-free" else {"hess"}
        by_order = {1: set(), 2: second}.get(self.order, {"taylor"})
        return self.needs | by_order | ({"rng"} if self.de_iters is not None else set())

    def init(self, x, shapes=None, rng=None):
        nothing = BallAnswer(np.zeros(x.size), 0.0, 0.0, np.nan, np.nan, np.nan, 0, True)
        return HigherOrderNewtonState(0.0, np.nan, np.nan, True, 0, 0, False, nothing, np.nan, 0.0, False, np.inf, rng)

    def step(self, point, update, state):
        model = taylor_model(point, self.order, self.derivatives, check=not state.scale and self.order >= 3)
        rule = self.rule(point)
        state = started(rule, state)._replace(attempts=0, trials=0, unbounded=False)
        while state.attempts < self.max_attempts:
            state = self.solved(model, state)
            refused = self.refused(model, state)
            if refused:
                state = state._replace(scale=state.scale * refused)
                continue
            update = (-state.answer.s).astype(point.x.dtype)
            trial = Trial(point.after(update), state.answer.s, state.decrease, nrm2(state.answer.s),
                          held_back(state.answer, self.trust_method, state.tried, self.order))
            state = judged(rule, state._replace(trials=state.trials + 1), point, trial,
                           state.attempts == self.max_attempts)
            if state.accepted:
                return update, state
        return np.zeros_like(point.x), state

    def rule(self, point: Point) -> Rule:
        """How the region answers a trial; the first sigma is that whose step is about as long as the first radius."""
        radius = self.init_radius or (0.1 if self.trust_method == "proximal" else 1.0)
        constants = (self.eta, self.nplus, self.nminus)
        if self.trust_method == "regularized":
            sigma = (nrm2(point.g) or 1.0) / radius**self.order
            return Rule("sigma", sigma, *constants, REGULAR, self.rho_bad, power=self.order + 1)
        kind = "proximal" if self.trust_method == "proximal" else "radius"
        return Rule(kind, radius, *constants, self.rho_good, self.rho_bad, self.boundary_tol,
                    takes_all=self.trust_method == "none")

    def solved(self, model: Any, state: HigherOrderNewtonState) -> HigherOrderNewtonState:
        """The state with the answer of the subproblem of its scale, and the decrease that the model predicts."""
        with np.errstate(over="ignore", invalid="ignore"):  # far out a polynomial overflows
            answer = subproblem(model, self.trust_method, state.scale, self.order, self.theta, state.attempts == 0,
                                solver=self.solver, de_iters=self.de_iters, rng=state.rng)
        hopeless = not answer.bounded and self.trust_method == "proximal"
        return state._replace(tried=state.scale, attempts=state.attempts + 1, answer=answer,
                              unbounded=state.unbounded or not answer.bounded,
                              decrease=state.decrease if hopeless else -model.value(answer.s))

    def refused(self, model: Any, state: HigherOrderNewtonState) -> float:
        """The factor of the scale for a step that is refused before f is evaluated, 0 for one worth a trial."""
        if self.trust_method == "proximal" and not state.answer.bounded:
            return self.nminus
        if self.trust_method == "regularized" and state.decrease > 0 and transient(model.line(state.answer.s)):
            return TRANSIENT
        return 0.0

    def settled(self, point):
        """Whether a point with a small gradient may be a minimiser; looked at where a dense Hessian is cheap."""
        return self.order == 1 or not prefers_tensors(point.x.size, 2) or not indefinite(point.dense_hessian())

    def figures(self, state):
        answer = state.answer
        return {"sigma" if self.trust_method == "regularized" else "radius": state.scale, "rho": state.rho,
                "accepted": state.accepted, "attempts": state.attempts, "trials": state.trials,
                "unbounded": state.unbounded, "decrease": state.decrease, "residual": answer.residual,
                "multiplier": answer.multiplier, "curvature": answer.curvature,
                "quadratics": answer.quadratics}
