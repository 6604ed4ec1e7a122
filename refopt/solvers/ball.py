"""Minimise a model of any order over a ball, by a sequence of exact ball-constrained quadratics.

The quadratic problem is ``min g^T z + z^T H z / 2`` over ``|z| <= r``. By More and Sorensen 1983, theorem
2.1, z is a *global* minimiser exactly when, for some multiplier lam >= 0,

    (H + lam I) z = -g,    H + lam I positive semidefinite,    lam (r - |z|) = 0.

With H = V diag(w) V^T and c = V^T g this is one equation in lam, ``|c / (w + lam)| = r``. Newton's method on
``1/r - 1/|.|`` converges to its root monotonically. If c has no component in the lowest eigenspace (the *hard
case*), the solution at lam = -w_1 is extended along the lowest eigenvector to the boundary.

For a general model m: at the iterate y take the quadratic expansion of m plus ``mu/2 |z - y|^2`` and minimise
it over the ball as above. Accept z if m falls by a fair share of the prediction, else raise mu. Every
accepted point is lower, and the limit satisfies the first and second order conditions of m over the ball. Its
certificate is the residual of

    grad m(s) + lam s = 0,    lam >= 0,    lam (r - |s|) = 0.

With tensors the quadratics are solved by one eigendecomposition, O(n^3). Without tensors they are solved in
the span of y, grad m and Hessian products (Lanczos with full orthogonalisation, the multiplier is found in
the subspace: Gould, Lucidi, Roma, Toint 1999, doi:10.1137/S1052623497322735); memory about 2 KRYLOV n.

Source: J. J. More, D. C. Sorensen, SIAM J. Sci. Stat. Comput. 4 (1983) 553-572, doi:10.1137/0904038; Conn,
Gould, Toint, Trust-Region Methods, 2000, section 7.3.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..models.taylor import Expansion, Model
from ..rounding import ULPS
from ..status import Status, Stop

__all__ = [
    "Ball",
    "BallAnswer",
    "Region",
    "guarded",
    "minimise_freely",
    "minimise_in",
    "quadratic_in_ball",
    "secular_root",
]

EPS, LEAST = float(np.finfo(float).eps), float(np.finfo(float).tiny)
SECULAR_TOL = 1e-14  # relative error of |z| = r; Newton on the secular equation reaches it in a few steps
SECULAR_STEPS = 60
HARD = 1e-14  # a component of g in the lowest eigenspace below this share of |g| is rounding
FAIR, GOOD = 0.1, 0.75  # shares of the predicted decrease of m: to accept a quadratic's answer, to lower mu
STIFF = 10.0  # curvature added along y, in units of the largest eigenvalue, see `DenseQuadratic.stiffen`
FLAT = 1e-8  # curvature below this share of the largest counts as zero
TRIALS = 40  # values of mu tried at one y; each is at least four times the one before
ROUNDING = 1e-12  # share of the descent so far: the solver stops at a smaller gain that is only rounding
KRYLOV = 40  # dimensions of the subspace; a larger one costs more memory than it saves time
GROWTH = 10.0  # ratio of successive radii in the search for a free minimiser
BALLS = 12  # number of these; a model that still descends beyond 1e12 times the first radius is unbounded


class BallAnswer(NamedTuple):
    """The step and its certificate."""

    s: np.ndarray  # (n,)
    value: float = 0.0  # m(s)
    multiplier: float = 0.0  # lam of the constraint |s| <= r; 0 inside; lam |s| is the force of the region
    residual: float = np.nan  # |grad m(s) + lam s|; inside bounds without what their multipliers balance
    first: float = np.nan  # |grad m| at the start, which the residual is compared with
    curvature: float = np.nan  # lam plus the least eigenvalue (without tensors Ritz value) of m's Hessian
    quadratics: int = 0  # number of quadratics solved
    bounded: bool = True  # False: m still descends at the boundary of the largest ball

    def figures(self) -> dict[str, float]:
        """The certificate, for the record of an iteration."""
        return {name: getattr(self, name) for name in ("residual", "multiplier", "curvature", "quadratics")}


# ---------------------------------------------------------------- one quadratic


def quadratic_in_ball(w: np.ndarray, V: np.ndarray, g: np.ndarray, r: float) -> tuple[np.ndarray, float]:
    """The global minimiser z of ``g^T z + z^T V diag(w) V^T z / 2`` over ``|z| <= r``, and its multiplier.

    Parameters
    ----------
    w, V : (n,), (n, n)
        Eigenvalues in ascending order and eigenvectors, as `numpy.linalg.eigh` gives them.
    g : (n,)
    r : float > 0

    Examples
    --------
    >>> import numpy as np
    >>> w, V = np.linalg.eigh(np.diag([1.0, -2.0]))
    >>> z, lam = quadratic_in_ball(w, V, np.array([0.0, 0.0]), 3.0)   # the hard case
    >>> print(abs(z), lam)
    [0. 3.] 2.0
    """
    c = V.T @ g
    spread = max(abs(float(w[0])), abs(float(w[-1])))
    tiny = EPS * spread * w.size
    gaps = w - w[0]
    if w[0] > tiny:
        z = c / w
        if z @ z <= r * r:
            return -(V @ z), 0.0
    else:
        low = max(0.0, -float(w[0]))
        flat = gaps <= tiny  # the lowest eigenspace
        if np.all(np.abs(c[flat]) <= HARD * float(np.sqrt(c @ c))):
            z = np.where(flat, 0.0, c) / np.where(flat, 1.0, w + low)
            room = r * r - float(z @ z)
            if room >= 0:
                if low <= tiny:  # the lowest eigenspace is flat: no need to move along it
                    return -(V @ z), 0.0
                z[0] = np.copysign(np.sqrt(room), c[0])
                return -(V @ z), low
    t = secular_root(gaps, c, r, max(0.0, float(w[0])))
    return -(V @ (c / guarded(gaps + t))), max(0.0, t - float(w[0]))


def guarded(d: np.ndarray) -> np.ndarray:
    """`d` with zeros replaced by the least positive number."""
    return np.maximum(d, LEAST)


def secular_root(gaps: np.ndarray, c: np.ndarray, r: float, low: float) -> float:
    """The t > low with ``|c / (gaps + t)| = r``, by Newton's method on ``1/r - 1/|.|``, kept in a bracket.

    The unknown is t = lam + w_1, not lam: close to the hard case lam and -w_1 agree in nearly all digits.
    """
    part = np.abs(c) / r
    # |c_i|/(gap_i + t) <= r, up to rounding
    lower = max(low, float(np.max(part - gaps - 4 * EPS * (part + gaps))))
    upper = max(lower, float(np.sqrt(c @ c)) / r)  # r <= |c|/t
    t = lower
    for _ in range(SECULAR_STEPS):
        d = guarded(gaps + t)
        z = c / d
        zz = float(z @ z)
        excess = np.sqrt(zz) / r - 1
        if abs(excess) <= SECULAR_TOL:
            break
        lower, upper = (t, upper) if excess > 0 else (lower, t)
        new = t + excess * zz / float(z @ (z / d))
        if not lower < new < upper:
            new = (lower + upper) / 2
        if new == t or upper - lower <= EPS * upper:
            break
        t = new
    return t


class DenseQuadratic:
    """The quadratic expansion of a model at y, with its eigendecomposition."""

    def __init__(self, g: np.ndarray, H: np.ndarray, y: np.ndarray):
        self.g, self.y, self.H = g, y, H
        self.stiff, self.S = False, self.H
        self.w, self.V = np.linalg.eigh(self.S)

    def stiffen(self) -> None:
        """Add ``a/2 (y^T (z - y)/|y|)^2``: of order 4 in z - y on the sphere, so convergence stays fast."""
        y = self.y / np.sqrt(self.y @ self.y)
        self.stiff, self.S = True, self.H + STIFF * float(np.abs(self.w).max()) * np.outer(y, y)
        self.w, self.V = np.linalg.eigh(self.S)

    def least(self, lam: float) -> float:
        """The least curvature of the Lagrangian."""
        return float(self.w[0]) + lam

    def minimise(self, mu: float, r: float) -> tuple[np.ndarray, float]:
        """The z that minimises the expansion plus ``mu/2 |z - y|^2`` in the ball, and the decrease there."""
        z, _ = quadratic_in_ball(self.w + mu, self.V, self.g - self.S @ self.y - mu * self.y, r)
        d = z - self.y
        return z, -float(d @ self.g) - 0.5 * float(d @ (self.H @ d))


class KrylovQuadratic:
    """The quadratic expansion of a model at y, restricted to a subspace with the rows of B (k, n) as basis.

    The subspace begins with y and the residual at y. It is extended by the gradient of the Lagrangian until
    the solution in it reduces the residual by the factor `tol`.
    """

    def __init__(self, at: Expansion, y: np.ndarray, residual: np.ndarray, r: float, tol: float):
        self.g, self.y, self.product = at.gradient, y, at.product
        rows = min(KRYLOV, y.size)
        self.B, self.HB, self.k = np.empty((rows, y.size)), np.empty((rows, y.size)), 0
        enough = tol * float(np.sqrt(residual @ residual))
        self.extend(y)
        grows = self.extend(residual)
        while True:
            self.decompose()
            if not grows or self.k == rows:
                break
            a, _ = self.inner.minimise(0.0, r)
            _, left = certificate(a @ self.B[: self.k], self.g + (a - self.inner.y) @ self.HB[: self.k], r)
            grows = float(np.sqrt(left @ left)) > enough and self.extend(left)

    def extend(self, b: np.ndarray) -> bool:
        """Add the component of b orthogonal to the subspace; False if it is zero."""
        B, length = self.B[: self.k], float(np.sqrt(b @ b))
        if length == 0:
            return False
        b = b / length
        for _ in range(2):  # two orthogonalisations are enough
            b = b - (B @ b) @ B
        size = float(np.sqrt(b @ b))
        if size <= 1e-10:
            return False
        self.B[self.k] = b / size
        self.HB[self.k] = self.product(self.B[self.k])
        if not np.all(np.isfinite(self.HB[self.k])):
            raise Stop(Status.NONFINITE, reason="a product with the Taylor model's Hessian is not finite")
        self.k += 1
        return True

    def decompose(self) -> None:
        B = self.B[: self.k]
        H = B @ self.HB[: self.k].T
        self.inner = DenseQuadratic(B @ self.g, (H + H.T) / 2, B @ self.y)

    def stiffen(self) -> None:
        self.inner.stiffen()

    def least(self, lam: float) -> float:
        return self.inner.least(lam)

    @property
    def w(self) -> np.ndarray:
        return self.inner.w

    @property
    def stiff(self) -> bool:
        return self.inner.stiff

    def minimise(self, mu: float, r: float) -> tuple[np.ndarray, float]:
        """Like `DenseQuadratic.minimise`, in the subspace."""
        a, fall = self.inner.minimise(mu, r)
        return a @ self.B[: self.k], fall


# ---------------------------------------------------------------- a model of any order


@dataclasses.dataclass(frozen=True)
class Ball:
    """The region ``|s| <= size``."""

    size: float

    def gradient(self, y: np.ndarray, g: np.ndarray) -> np.ndarray:
        """The gradient g itself: there are no bounds."""
        return g

    def certificate(self, y: np.ndarray, g: np.ndarray) -> tuple[float, np.ndarray]:
        """The multiplier and the first order residual."""
        return certificate(y, g, self.size)

    def quadratic(
        self, at: Expansion, y: np.ndarray, left: np.ndarray, tol: float
    ) -> DenseQuadratic | KrylovQuadratic:
        """The expansion `at` of a model at y, to be minimised over the ball."""
        if at.hessian is not None:
            return DenseQuadratic(at.gradient, at.hessian, y)
        return KrylovQuadratic(at, y, left, self.size, tol)


class Region(Protocol):
    """Where a model is minimised: `Ball`, or `Box` of `refopt.solvers.box_model`."""

    @property
    def size(self) -> float: ...

    def gradient(self, y: np.ndarray, g: np.ndarray) -> np.ndarray: ...

    def certificate(self, y: np.ndarray, g: np.ndarray) -> tuple[float, np.ndarray]: ...

    def quadratic(self, at: Expansion, y: np.ndarray, left: np.ndarray, tol: float) -> Any: ...


def certificate(y: np.ndarray, g: np.ndarray, r: float) -> tuple[float, np.ndarray]:
    """``(lam, grad + lam y)``: the multiplier, 0 inside the ball, and the first order residual."""
    yy = float(y @ y)
    if yy < (1 - 1e-10) * r * r:
        return 0.0, g
    lam = max(0.0, -float(g @ y) / yy) if yy > 0 else 0.0
    return lam, g + lam * y


def minimise_in(
    model: Model,
    region: Region,
    start: np.ndarray,
    tol: float = 1e-10,
    theta: tuple[float, int] = (0.0, 0),
    maxiter: int = 200,
) -> BallAnswer:
    """A point not above `start` that satisfies the first and second order conditions over the region.

    Parameters
    ----------
    model : Model
    region : Region
    start : (n,)
        Where the descent begins, inside the region.
    tol : float > 0
        The residual is small enough if it is at most ``tol |grad m(start)|``,
    theta : (float, int)
        or, for (theta, p), at most ``theta min(|s|^p, |grad m(start)|)``: the relative rule of the AR-p
        methods, limited for long steps.
    maxiter : int
        Limit on the number of quadratics.

    Returns
    -------
    BallAnswer

    Examples
    --------
    >>> import numpy as np
    >>> from refopt.models.taylor import TensorModel
    >>> cubic = TensorModel([np.array(0.0), np.array([-1.0]), np.zeros((1, 1)), np.array([[[6.0]]])])
    >>> minimise_in(cubic, Ball(0.5), np.zeros(1)).s
    array([0.5])
    """
    y, at = start, model.expand(start)
    steepest = region.gradient(start, at.gradient)
    first = float(np.sqrt(steepest @ steepest))
    mu, quadratics, stiff = 0.0, 0, False
    while True:
        lam, left = region.certificate(y, at.gradient)
        residual, length = float(np.sqrt(left @ left)), float(np.sqrt(y @ y))
        small = residual <= max(tol * first, theta[0] * min(length ** theta[1], first))
        curvature = np.nan
        if at.hessian is None and (small or quadratics >= maxiter):
            break
        share = min(0.1, float(np.sqrt(residual / first))) if first > 0 else 0.1
        quadratic = region.quadratic(at, y, left, share)
        curvature = quadratic.least(lam)
        flat = -FLAT * max(abs(float(quadratic.w[0])), abs(float(quadratic.w[-1])), first / region.size)
        if stiff and lam > 0 and curvature < flat:
            quadratic.stiffen()
        state = Iterate(y, at, lam, residual, small, flat, mu)
        better = lower(model, region, quadratic, state, maxiter - quadratics)
        quadratics, stiff, mu = quadratics + better.tried, stiff or quadratic.stiff, better.mu
        if better.at is None:
            break
        y, at = better.z, better.at
    return BallAnswer(y, at.value, lam, residual, first, curvature, quadratics, True)


class Iterate(NamedTuple):
    """The state of `minimise_in`: y, the model at y, its certificate, and the weight mu."""

    y: np.ndarray
    at: Expansion
    lam: float
    residual: float
    small: bool  # the residual is small enough
    flat: float  # curvature below this is negative beyond rounding
    mu: float


class Lower(NamedTuple):
    """A lower point z and the model there (None if no decrease is left), and the next weight mu."""

    z: np.ndarray
    at: Expansion | None
    mu: float
    tried: int


def lower(model: Model, region: Region, quadratic: Any, here: Iterate, budget: int) -> Lower:
    """The next point of `minimise_in`: mu is raised until the decrease is as a quadratic predicts."""
    y, at, mu, share, z = here.y, here.at, here.mu, 1.0, here.y
    rounding = ULPS * EPS * abs(at.value) + model.noise
    for tried in range(1, min(TRIALS, budget) + 1):
        if here.small and quadratic.least(here.lam) >= here.flat:
            return Lower(y, None, mu, tried - 1)
        z, fall = quadratic.minimise(mu, region.size)
        z, fall = y + share * (z - y), share**2 * fall
        step = float(np.sqrt(np.sum((z - y) ** 2)))
        new = model.expand(z)
        actual = at.value - new.value
        if (
            fall > rounding
            and actual >= FAIR * fall
            or (
                0 < fall <= rounding
                and actual >= -rounding
                and halves(here.residual, z, new.gradient, region)
            )
        ):
            if actual >= GOOD * fall:
                mu = mu / 8 if mu > 1e-3 * here.residual / step else 0.0
            return Lower(z, new, mu, tried)
        negligible = here.small or here.residual * step <= ROUNDING * abs(at.value) or step == 0
        if negligible and not fall > rounding:  # the predicted decrease is only rounding
            return Lower(y, None, mu, tried)
        if here.lam > 0 and quadratic.least(here.lam) < here.flat and not quadratic.stiff:
            quadratic.stiffen()
        elif here.small:  # a saddle: a larger mu may give no step at all, so shorten the step
            share /= 2
        else:
            mu = max(4 * mu, here.residual / step)
    return Lower(y, None, mu, min(TRIALS, budget))


def halves(residual: float, z: np.ndarray, g: np.ndarray, region: Region) -> bool:
    """Whether the residual at z is at most half of `residual`; used where values are only rounding."""
    _, left = region.certificate(z, g)
    return float(np.sqrt(left @ left)) <= 0.5 * residual


def minimise_freely(
    model: Model,
    r: float,
    tol: float = 1e-10,
    theta: tuple[float, int] = (0.0, 0),
    region: Callable[[float], Region] = Ball,
) -> BallAnswer:
    """The minimiser that descent from 0 reaches, found over growing regions ``region(r)`` from r on.

    In the answer `bounded` is False if the model still descends at the boundary of the last region.

    Examples
    --------
    >>> import numpy as np
    >>> from refopt.models.taylor import TensorModel
    >>> line = TensorModel([np.array(0.0), np.array([-1.0])])
    >>> minimise_freely(line, 1.0).bounded
    False
    """
    answer = minimise_in(model, region(r), np.zeros(model.n), tol, theta)
    first, quadratics = answer.first, answer.quadratics
    for _ in range(BALLS):
        if answer.multiplier == 0.0:
            return answer._replace(first=first, quadratics=quadratics)
        r *= GROWTH
        share = first / answer.first if answer.first > 0 else 1.0
        answer = minimise_in(model, region(r), answer.s, tol * share, theta)
        quadratics += answer.quadratics
    return answer._replace(first=first, quadratics=quadratics, bounded=answer.multiplier == 0.0)
