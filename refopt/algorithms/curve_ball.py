"""CurveBall: momentum that solves Newton's system while it moves.

With C the curvature (the Hessian, or the Gauss-Newton matrix J^T H_l J of a model and a loss) and u the
gradient:

fixed                                   auto=True
    D = C z + reg z + u                     D = C z + lam z + u
    z <- momentum z - precond_lr D          (beta, rho) = argmin  m(rho z - beta D)
                                            z <- rho z - beta D
    x <- x + alpha z                        x <- x + alpha z

with the damped model m(p) = u^T p + p^T (C + lam I) p / 2. The argmin solves, with K(a, b) = a^T C b + lam
a^T b,

    [K(D,D)  K(D,z)] [beta]   [u^T D]
    [K(z,D)  K(z,z)] [-rho] = [u^T z]

in an orthonormal basis of span{D, z}, which has the same solution and half the digits of its condition
number. Branches: "rank one" where D and z are parallel (the first step has z = 0): rho = 0; "indefinite"
where K has a negative eigenvalue and m no minimiser: the eigenvalues are replaced by their sizes, which keeps
p a descent direction.

    every 5 steps   ratio = (f(x + alpha z) - f(x)) / M,   M = -(beta u^T D - rho u^T z) / 2
                    lam <- lam 0.999^5 where ratio > 1.5,  lam / 0.999^5 where ratio < 0.5
    acceptance="ratio" (every step)   M for the step taken: (alpha - alpha^2 / 2) u^T p
                    lam <- 4 lam where ratio < 1/4,  lam / 2 where ratio > 3/4;  x stays where ratio <= 1e-4

Source: Henriques, Ehrhardt, Albanie, Vedaldi, Small steps and giant leaps, ICCV 2019, arXiv 1805.08095, eq.
14 to 20 and algorithm 1; the constants of the first adaptation are its code's. Fixed form: `torchzero` 0.4.4.
Factors of the acceptance test: Nocedal, Wright, Numerical Optimization, 2006, algorithm 4.1, with lam in the
place of 1/radius. Deviations: the branches (the paper's code solves the 2x2 system in float32 whatever its
rank). The yardstick in the tests holds for f = sum r^2, without 1/2: lam is measured against the curvature,
so the scale of f matters.

Cost per step: one product with C (fixed) or two (auto), O(n) arithmetic and memory; f of the trial comes for
free.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import numpy as np

from ..method import Method, takes_inner
from ..objective import HVP_METHODS
from ..rounding import flatter, nothing_left, rounding_error, values_decide
from ..solvers.norm import nrm2
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


def minimise_over_span(u: np.ndarray, D: np.ndarray, z: np.ndarray, KD: np.ndarray, Kz: np.ndarray
                       ) -> tuple[float, float, str]:
    """``(beta, rho, branch)`` with p = rho z - beta D the minimiser of u^T p + p^T K p / 2 over span{D, z}.

    `KD` and `Kz` are the products of K with D and z, all of shape (n,).
    """
    eps = float(np.finfo(D.dtype).eps)
    length = nrm2(D)
    if length == 0:
        return 0.0, 1.0, "rank one"  # z solves (C + lam I) z = -u already
    e1, Ke1 = D / length, KD / length
    share = float(np.dot(e1, z))
    rest = z - share * e1
    height = nrm2(rest)
    if height <= np.sqrt(eps) * nrm2(z):
        k = float(np.dot(e1, Ke1))
        slope = float(np.dot(e1, u))
        return slope / (length * (abs(k) or 1.0)), 0.0, "rank one" if k > 0 else "indefinite"
    e2, Ke2 = rest / height, (Kz - share * Ke1) / height
    cross = (float(np.dot(e1, Ke2)) + float(np.dot(e2, Ke1))) / 2
    values, V = np.linalg.eigh([[float(np.dot(e1, Ke1)), cross], [cross, float(np.dot(e2, Ke2))]])
    size = np.maximum(np.abs(values), eps * np.abs(values).max()) if values.any() else np.ones(2)
    a, b = -V @ ((V.T @ [float(np.dot(e1, u)), float(np.dot(e2, u))]) / size)  # p = a e1 + b e2
    rho = b / height
    return float(rho * share - a) / length, float(rho), "regular" if values[0] > 0 else "indefinite"


@takes_inner
@dataclasses.dataclass(frozen=True)
class CurveBall(Method):
    """Momentum that solves Newton's system while it moves; matrix-free.

    Parameters
    ----------
    precond_lr, momentum : floats
        Step size and decay of z in the fixed form. Defaults of the original.
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
        First damping with ``auto=True``; our default, the size of curvature of a well-scaled problem.
    alpha : float > 0
        Share of z that is taken as step.
    acceptance : {"none", "ratio"}
        With ``auto=True``: take every step and adapt `lam` slowly, as published, or refuse steps that do not
        decrease f enough and adapt `lam` by ordinary factors.

    Raises
    ------
    ValueError
        For a value outside its range, or one that its form does not use (`reg` with ``auto=True``, `lam`
        without).
    Stop
        (Inside a run, with ``acceptance="ratio"``.) When refused steps promise no more than the rounding
        error of f.

    Examples
    --------
    >>> import autograd.numpy as np, refopt
    >>> rosenbrock = refopt.LeastSquares(lambda x: np.concatenate((10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1])))
    >>> method = refopt.CurveBall(auto=True, curvature="gauss-newton", lam=0.1)
    >>> res = refopt.minimize(rosenbrock, [-0.25, -0.25], method=method)
    >>> res.success, res.x.round(4)
    (True, array([1., 1.]))
    """

    precond_lr: float = 1e-3
    momentum: float = 0.9
    hvp_method: str = "autograd"
    h: float = 1e-3
    reg: float = 1.0
    inner: Method | None = None
    auto: bool = False
    curvature: str = "hessian"
    lam: float = 1.0
    alpha: float = 1.0
    acceptance: str = "none"

    def __post_init__(self):
        self.check(precond_lr="(-inf, inf)", momentum="(-inf, inf)", hvp_method=HVP_METHODS, h="(0, inf)",
                   reg="[0, inf)", auto=bool, curvature=("hessian", "gauss-newton"), lam="[0, inf)",
                   alpha="(0, inf)", acceptance=("none", "ratio"))
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
            ratio = 1.0 if flatter(point.gradient_norm(), trial.gradient_norm()) else -np.inf
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
