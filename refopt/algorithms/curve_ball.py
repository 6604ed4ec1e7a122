"""The method CurveBall."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import numpy as np

from .. import checks
from ..method import Method, option, takes_inner
from ..objective import HVP_METHODS
from ..rounding import flatter, nothing_left, rounding_error, values_decide
from ..solvers.span import minimise_over_span
from ..status import Status, Stop
from ..views.face import along_gradient

__all__ = ["CurveBall"]

INTERVAL, FACTOR, LOW, HIGH = 5, 0.999**5, 0.5, 1.5  # adaptation of lam in the paper's code
ETA, POOR, GOOD, RAISE, LOWER = 1e-4, 0.25, 0.75, 4.0, 0.5  # acceptance test and adaptation of lam


class CurveBallState(NamedTuple):
    """Changes at every step."""

    t: int  # steps taken
    z: np.ndarray  # (n,) the last step before alpha
    lam: float  # damping; constant in the fixed form
    first: float  # first value of lam
    beta: float = np.nan
    rho: float = np.nan
    branch: str = "fixed"  # or how the 2x2 system was solved: "regular", "rank one", "indefinite"
    ratio: float = np.nan  # actual to predicted change; nan if it was not computed
    accepted: bool = True
    promise: float = 0.0  # largest decrease predicted since x last moved
    restarted: bool = False  # whether lam was reset to its first value since then


@takes_inner
@dataclasses.dataclass(frozen=True)
class CurveBall(Method):
    """Momentum that solves Newton's system on the way, matrix-free.

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

    in an orthonormal basis of span{D, z} (`refopt.solvers.span`), where the condition number is the square
    root of that of this system. Branches: "rank one" if D and z are parallel (as in the first step): rho = 0;
    "indefinite" if K has a negative eigenvalue, so that m has no minimiser: the eigenvalues are replaced by
    their absolute values, so that p is a descent direction.

    The damping follows from ratio = (f(x + alpha z) - f(x)) / M:

        every 5 steps                          M = -(beta u^T D - rho u^T z) / 2
        ratio > 1.5                            lam <- 0.999^5 lam
        ratio < 0.5                            lam <- lam / 0.999^5

        acceptance="ratio", in every step      M = (alpha - alpha^2 / 2) u^T p, for the step taken (alpha < 2)
        ratio < 1/4                            lam <- 4 lam
        ratio > 3/4                            lam <- lam / 2
        ratio <= 1e-4, or no finite gradient   x stays

    With "ratio", if rounding hides the change of f (`refopt.rounding`), the gradient decides. If no step is
    accepted with any damping, lam is reset to its first value once; the second time the run ends.

    Parameters
    ----------
    precond_lr, momentum, reg : floats, reg >= 0
        Step size, decay of z and damping in the fixed form.
    hvp_method : {"autograd", "fd_forward", "fd_central"}
        How Hessian-vector products are computed.
    h : float > 0
        Step of the finite differences.
    inner : Method, sequence of methods or None
        Runs first; its update replaces the gradient.
    auto : bool
        Compute momentum and step size in closed form at every step and adapt the damping.
    curvature : {"hessian", "gauss-newton"}
        "gauss-newton" needs `refopt.LeastSquares` or `refopt.ModelLoss` as `fun`.
    lam : float >= 0
        First damping with ``auto=True``. It is added to the curvature, so it depends on the scale of f.
    damping : {"absolute", "relative"}
        "relative": the first damping is `lam` |g^T C g| / g^T g, whatever the units of f; the bare name's.
    alpha : float > 0
        Share of z that is taken as the step.
    acceptance : {"none", "ratio"}
        Take every step, as published, or reject those that do not decrease f enough (``auto=True``).

    Raises
    ------
    TypeError, ValueError
        For a hyperparameter outside its range, or one that its form does not use (`lam` in the fixed one).

    Notes
    -----
    Source: J. F. Henriques, S. Ehrhardt, S. Albanie, A. Vedaldi, Small steps and giant leaps, ICCV 2019,
    arXiv 1805.08095, eq. (14) to (20), algorithm 1; constants of the first adaptation from its code. Fixed
    form and its defaults: `torchzero` 0.4.4, ``CurveBall``, which has no other. Acceptance test: J. Nocedal,
    S. J. Wright, Numerical Optimization, 2006, algorithm 4.1, with lam instead of 1/radius.

    Deviations: the branches (the paper's code solves the 2x2 system in float32, whatever its rank);
    `acceptance` and `damping` are additions.

    Cost per step: one product with C (fixed form) or two (auto), O(n) arithmetic and memory.

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
    damping: str = option("absolute", ("absolute", "relative"))

    def __post_init__(self):
        super().__post_init__()
        unused = ("precond_lr", "momentum", "reg") if self.auto else ("lam", "acceptance", "damping")
        checks.at_defaults("CurveBall", self, unused, f"auto={self.auto}", f"auto={not self.auto}")
        if self.curvature == "gauss-newton":  # differences of the gradient would give the Hessian
            who = "CurveBall: with curvature='gauss-newton'"
            checks.one_of(who, "hvp_method", self.hvp_method, ("autograd",))

    needs: ClassVar[frozenset[str]] = frozenset({"f", "g"})
    shown: ClassVar[tuple[str, ...]] = ("lam", "beta", "rho", "branch", "ratio", "accepted")

    def all_needs(self):
        return self.needs | {"hvp" if self.curvature == "hessian" else "gauss-newton"}

    def init(self, x, shapes=None, rng=None):
        return CurveBallState(0, np.zeros_like(x), self.lam, self.lam)

    def step(self, point, update, state):
        state = state._replace(t=state.t + 1, ratio=np.nan, accepted=True)
        if self.auto:
            return self.automatic(point, update, state)
        D = self.product(point, state.z) + self.reg * state.z + update
        z = self.momentum * state.z - self.precond_lr * D
        return -self.alpha * z, state._replace(z=z, beta=self.precond_lr, rho=self.momentum)

    def product(self, point, v):
        if self.curvature == "gauss-newton":
            return point.gauss_newton_product(v)
        return point.hvp(v, self.hvp_method, self.h)

    def automatic(self, point, u, state):
        if state.t == 1 and self.damping == "relative":
            first = self.lam / along_gradient(point, lambda v: self.product(point, v))
            state = state._replace(lam=first, first=first)
        z, lam = state.z, state.lam
        Kz = self.product(point, z) + lam * z if z.any() else np.zeros_like(z)
        D = Kz + u
        KD = self.product(point, D) + lam * D
        if not (np.all(np.isfinite(KD)) and np.all(np.isfinite(Kz))):
            raise Stop(Status.NONFINITE, reason=f"a curvature product is not finite where f = {point.f:.6g}")
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
        """The step, or zero if f does not fall enough; adapts `lam`."""
        predicted = -(self.alpha - self.alpha**2 / 2) * slope if self.alpha < 2 else -slope
        trial = point.after(step)
        actual, error = point.f - trial.f, rounding_error(point.f, step.dtype)
        ratio = actual / predicted if predicted > 0 and np.isfinite(actual) else -np.inf
        if not values_decide(predicted, actual, error):
            falls = actual >= -error and flatter(point.gradient_norm(), trial.gradient_norm())
            ratio = 1.0 if falls else -np.inf
        if ratio > ETA and trial.has_gradient():
            factor = RAISE if ratio < POOR else LOWER if ratio > GOOD else 1.0
            return step, new._replace(lam=new.lam * factor, ratio=ratio, promise=0.0, restarted=False)
        promise = max(old.promise, predicted)
        lam, restarted = RAISE * (old.lam or np.finfo(step.dtype).eps), old.restarted
        if not values_decide(promise, 0.0, error) or predicted <= error or not np.isfinite(lam):
            if restarted or old.lam <= old.first:
                tried = f"no damping up to {old.lam:.3g} gives a step that lowers f = {point.f:.6g}"
                raise nothing_left(tried, promise, error)
            lam, restarted = old.first, True  # the predicted decrease may be small because of the damping
        refused = {"lam": lam, "accepted": False, "promise": promise, "restarted": restarted, "z": old.z}
        return np.zeros_like(step), new._replace(ratio=ratio, **refused)

    def figures(self, state):
        return super().figures(state) if self.auto else {}
