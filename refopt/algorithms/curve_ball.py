"""The method CurveBall."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import numpy as np

from ..method import Method, option, takes_inner
from ..objective import HVP_METHODS
from ..rounding import flatter, nothing_left, rounding_error, values_decide
from ..solvers.span import minimise_over_span
from ..status import Status, Stop

__all__ = ["CurveBall"]

INTERVAL, FACTOR, LOW, HIGH = 5, 0.999**5, 0.5, 1.5  # adaptation of lam in the paper's code
ETA, POOR, GOOD, RAISE, LOWER = 1e-4, 0.25, 0.75, 4.0, 0.5  # the ordinary acceptance test


class CurveBallState(NamedTuple):
    """Changes at every step."""

    t: int  # steps taken
    z: np.ndarray  # (n,) the last step before alpha
    lam: float  # damping; constant in the fixed form
    beta: float
    rho: float
    branch: str  # "fixed", or how the 2x2 system was solved: "regular", "rank one", "indefinite"
    ratio: float  # actual to predicted change, nan where it was not asked for
    accepted: bool
    promise: float  # largest decrease predicted since x last moved
    restarted: bool  # whether lam went back to its first value since then


@takes_inner
@dataclasses.dataclass(frozen=True)
class CurveBall(Method):
    """Momentum that solves Newton's system while it moves; matrix-free.

        D = C z + reg z + u                     auto=False: the fixed form
        z <- momentum z - precond_lr D
        output  -alpha z

        D = C z + lam z + u                     auto=True
        (beta, rho) = argmin  m(rho z - beta D),   m(p) = u^T p + p^T (C + lam I) p / 2
        z <- rho z - beta D
        output  -alpha z

    C is the curvature (the Hessian, or the Gauss-Newton matrix J^T H_l J of a model and a loss), u the
    gradient, z = 0 at the start. The argmin solves, with K(a, b) = a^T C b + lam a^T b,

        [K(D,D)  K(D,z)] [beta]   [u^T D]
        [K(z,D)  K(z,z)] [-rho] = [u^T z]

    in an orthonormal basis of span{D, z}, which has the same solution and the square root of its condition
    number. Branches: "rank one" where D and z are parallel (in the first step z = 0): rho = 0; "indefinite"
    where K has a negative eigenvalue and m no minimiser: the eigenvalues are replaced by their sizes, which
    keeps p a direction of descent.

    The damping follows from ratio = (f(x + alpha z) - f(x)) / M:

        every 5 steps                          M = -(beta u^T D - rho u^T z) / 2
        ratio > 1.5                            lam <- 0.999^5 lam
        ratio < 0.5                            lam <- lam / 0.999^5

        acceptance="ratio", in every step      M = (alpha - alpha^2 / 2) u^T p, for the step taken (alpha < 2)
        ratio < 1/4                            lam <- 4 lam
        ratio > 3/4                            lam <- lam / 2
        ratio <= 1e-4                          x stays

    With ``acceptance="ratio"`` the gradient judges the step where rounding hides the change of f
    (`refopt.rounding`). If no step is accepted with any damping, the first damping is tried once more, and
    then the run ends.

    Parameters
    ----------
    precond_lr, momentum : floats
        Step size and decay of z in the fixed form.
    hvp_method : {"autograd", "fd_forward", "fd_central"}
        How Hessian-vector products are computed.
    h : float > 0
        Step of the finite-difference products.
    reg : float >= 0
        Damping in the fixed form.
    inner : Method, sequence of methods or None
        Runs first; its update takes the place of the gradient.
    auto : bool
        Compute momentum and step size in closed form at every step and adapt the damping.
    curvature : {"hessian", "gauss-newton"}
        "gauss-newton" needs `refopt.LeastSquares` or `refopt.ModelLoss` as `fun`.
    lam : float >= 0
        First damping with ``auto=True``; 1, the curvature of a well-scaled problem. It is measured against
        the curvature, so the scale of f matters.
    alpha : float > 0
        Share of z that is taken as step.
    acceptance : {"none", "ratio"}
        With ``auto=True``: take every step and adapt `lam` slowly, as published, or refuse steps that do not
        decrease f enough and adapt `lam` by ordinary factors.

    Raises
    ------
    TypeError, ValueError
        For a hyperparameter of another type or outside its range, or one that its form does not use (`reg`
        with ``auto=True``, `lam` without).
    Stop
        (Inside a run, ending it) where a product with C is not finite or, with ``acceptance="ratio"``, where
        refused steps promise no more than the rounding error of f.

    Notes
    -----
    Source: J. F. Henriques, S. Ehrhardt, S. Albanie, A. Vedaldi, Small steps and giant leaps, ICCV 2019,
    arXiv 1805.08095, eq. (14) to (20) and algorithm 1; the constants of the first adaptation are those of its
    code. Fixed form and its defaults: `torchzero` 0.4.4, ``CurveBall``. Factors of the acceptance test: J.
    Nocedal, S. J. Wright, Numerical Optimization, 2006, algorithm 4.1, with lam in the place of 1/radius.

    Deviations: the branches (the paper's code solves the 2x2 system in float32 whatever its rank);
    `acceptance` is an addition. `torchzero` has the fixed form only. The paper's numbers that the tests
    compare with hold for f = sum r^2, without 1/2.

    Cost per step: one product with C (fixed form) or two (auto), O(n) arithmetic and memory; the value of f
    at the trial point is the one that the next step needs.

    Examples
    --------
    >>> import autograd.numpy as np, refopt
    >>> residuals = lambda x: np.concatenate((10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]))
    >>> method = refopt.CurveBall(auto=True, curvature="gauss-newton", lam=0.1)
    >>> res = refopt.minimize(refopt.LeastSquares(residuals), [-0.25, -0.25], method=method)
    >>> res.success, res.x.round(4)
    (True, array([1., 1.]))
    """

    precond_lr: float = option(1e-3, "(-inf, inf)")
    momentum: float = option(0.9, "(-inf, inf)")
    hvp_method: str = option("autograd", HVP_METHODS)
    h: float = option(1e-3, "(0, inf)")
    reg: float = option(1.0, "[0, inf)")
    inner: Method | None = None
    auto: bool = option(False, bool)
    curvature: str = option("hessian", ("hessian", "gauss-newton"))
    lam: float = option(1.0, "[0, inf)")
    alpha: float = option(1.0, "(0, inf)")
    acceptance: str = option("none", ("none", "ratio"))

    def __post_init__(self):
        super().__post_init__()
        unused = {True: ("precond_lr", "momentum", "reg"), False: ("lam", "acceptance")}[self.auto]
        for field in dataclasses.fields(self):
            if field.name in unused and getattr(self, field.name) != field.default:
                raise ValueError(f"CurveBall: {field.name} has no effect with auto={self.auto}, got "
                                 f"{getattr(self, field.name)!r}; leave it out, or set auto={not self.auto}")
        if self.curvature == "gauss-newton" and self.hvp_method != "autograd":
            raise ValueError("CurveBall: hvp_method must be 'autograd' with curvature='gauss-newton' (finite "
                             f"differences of the gradient give the Hessian), got {self.hvp_method!r}")

    needs: ClassVar[frozenset[str]] = frozenset({"f"})
    shown: ClassVar[tuple[str, ...]] = ("lam", "beta", "rho", "branch", "ratio", "accepted")

    def all_needs(self):
        return self.needs | {"hvp" if self.curvature == "hessian" else "gauss-newton"}

    def init(self, x, shapes=None, rng=None):
        nan = float("nan")
        return CurveBallState(0, np.zeros_like(x), self.lam, nan, nan, "fixed", nan, True, 0.0, False)

    def step(self, point, update, state):
        state = state._replace(t=state.t + 1, ratio=np.nan, accepted=True)
        if self.auto:
            return self.automatic(point, update, state)
        z = state.z
        D = self.product(point, z) + self.reg * z + update
        z = self.momentum * z - self.precond_lr * D
        return -self.alpha * z, state._replace(z=z, beta=self.precond_lr, rho=self.momentum)

    def product(self, point, v):
        if self.curvature == "gauss-newton":
            return point.gauss_newton_product(v)
        return point.hvp(v, self.hvp_method, self.h)

    def automatic(self, point, u, state):
        z, lam = state.z, state.lam
        Kz = self.product(point, z) + lam * z if z.any() else np.zeros_like(z)
        D = Kz + u
        KD = self.product(point, D) + lam * D
        if not (np.all(np.isfinite(KD)) and np.all(np.isfinite(Kz))):
            reason = f"a product with the curvature is not finite where f = {point.f:.6g}"
            raise Stop(Status.NONFINITE, reason=reason)
        beta, rho, branch = minimise_over_span(u, D, z, KD, Kz)
        dtype = z.dtype.type
        p = dtype(rho) * z - dtype(beta) * D
        step = dtype(-self.alpha) * p
        slope = float(np.dot(u, p))
        new = state._replace(z=p, beta=beta, rho=rho, branch=branch)
        if self.acceptance == "ratio":
            return self.judged(point, step, slope, new, state)
        if new.t % INTERVAL == 0:
            predicted = slope / 2
            ratio = (point.after(step).f - point.f) / predicted if predicted else np.nan
            factor = FACTOR if ratio > HIGH else 1 / FACTOR if ratio < LOW else 1.0
            new = new._replace(lam=lam * factor, ratio=ratio)
        return step, new

    def judged(self, point, step, slope, new, old):
        """The step, or none where f does not fall enough; `lam` by ordinary factors."""
        predicted = -(self.alpha - self.alpha**2 / 2) * slope if self.alpha < 2 else -slope
        trial = point.after(step)
        actual, error = point.f - trial.f, rounding_error(point.f, step.dtype)
        ratio = actual / predicted if predicted > 0 and np.isfinite(actual) else -np.inf
        if not values_decide(predicted, actual, error):
            falls = actual >= -error and flatter(point.gradient_norm(), trial.gradient_norm())
            ratio = 1.0 if falls else -np.inf
        if ratio > ETA:
            factor = RAISE if ratio < POOR else LOWER if ratio > GOOD else 1.0
            return step, new._replace(lam=new.lam * factor, ratio=ratio, promise=0.0, restarted=False)
        promise = max(old.promise, predicted)
        lam, restarted = RAISE * (old.lam or np.finfo(step.dtype).eps), old.restarted
        if not values_decide(promise, 0.0, error) or predicted <= error or not np.isfinite(lam):
            if restarted or old.lam <= self.lam:
                raise nothing_left(f"CurveBall found no decrease of f = {point.f:.6g} with any damping up to "
                                   f"{old.lam:.3g}", promise, error)
            lam, restarted = self.lam, True  # damping may be what keeps the promise small
        return np.zeros_like(step), old._replace(lam=lam, ratio=ratio, beta=new.beta, rho=new.rho,
                                                 branch=new.branch, accepted=False, promise=promise,
                                                 restarted=restarted)

    def figures(self, state):
        return super().figures(state) if self.auto else {}
