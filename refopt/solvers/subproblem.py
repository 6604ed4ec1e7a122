"""The subproblem of a higher-order step: native solver or one of SciPy's, with or without global search.

    in_ball    min m(s) over |s| <= r            freely    min m(s)

The native solver (`refopt.solvers.ball`) descends from s = 0, with bounds inside them
(`refopt.solvers.box_model`). SciPy's solvers start there too. They are for
comparison, and their answers get the same certificate. The global search is differential evolution (Storn and
Price 1997, doi:10.1023/A:1008202821328) over the ball. The native solver then also descends from its best
point, and the lower of the two minimisers is the answer.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize

from ..models.taylor import Model, Penalised, TensorModel
from ..views.face import inward
from .ball import (
    BALLS,
    GROWTH,
    Ball,
    BallAnswer,
    Region,
    certificate,
    minimise_freely,
    minimise_in,
)
from .box import onto_bounds
from .box_model import Box
from .norm import nrm2

__all__ = [
    "BALL_SOLVERS",
    "SOLVERS",
    "freely",
    "held_back",
    "in_ball",
    "region_length",
    "subproblem",
    "update_of",
]

TOL, MATRIX_FREE_TOL = 1e-10, 1e-4  # residual of a subproblem, relative to |g|

BALL_SOLVERS = ("trust-constr", "SLSQP")  # the solvers of SciPy for problems with constraints
SOLVERS = ("native", *BALL_SOLVERS, "trust-exact", "trust-krylov", "Newton-CG", "BFGS", "L-BFGS-B")
TIGHT: dict[str, dict[str, float]] = {  # options that make SciPy's solvers as accurate as they can be
    "trust-constr": {"gtol": 1e-10, "xtol": 1e-14, "maxiter": 2000},
    "SLSQP": {"ftol": 1e-16, "maxiter": 1000},
    "trust-exact": {"gtol": 1e-10},
    "trust-krylov": {"gtol": 1e-10},
    "Newton-CG": {"xtol": 1e-12},
    "BFGS": {"gtol": 1e-10},
    "L-BFGS-B": {"gtol": 1e-10, "ftol": 1e-16},
}
Bounds = tuple[np.ndarray, np.ndarray] | None

HALF = 0.5  # see `held_back`
SMALL, LARGE = 1e-60, 1e60  # where |g| or the region is outside, squares and fourth powers leave the range
POPULATION = 15  # members per variable, SciPy's default


@np.errstate(over="ignore", invalid="ignore")  # far out a polynomial overflows
def subproblem(
    model: Model,
    trust_method: str,
    scale: float,
    p: int,
    theta: float,
    first: bool,
    box: Bounds = None,
    natural: bool = False,
    **how: Any,
) -> BallAnswer:
    """The step for a model and a radius or sigma, `scale`; `first` marks the first attempt of a step.

    "none" minimises without constraint at the first attempt. If the model is unbounded, the step is the one
    in the ball, and `bounded` is False. `box` holds the bounds of s; the ball is then that of the infinity
    norm. `natural` says that s has no units, so that \\|g\\| is the unit of the model.
    """
    tol = TOL if isinstance(model, TensorModel) else MATRIX_FREE_TOL
    zero = np.zeros(model.n)
    size = nrm2(inward(zero, model.expand(zero).gradient, box) if box else model.expand(zero).gradient)
    length = (size / scale) ** (1 / p) if trust_method == "regularized" else scale
    if natural and size > 0:
        return in_units(model, 0, exponent(size), trust_method, scale, p, theta, first, box, how)
    if size > 0 and not (SMALL < size < LARGE and SMALL < length < LARGE):
        return in_units(
            model, exponent(length), exponent(size), trust_method, scale, p, theta, first, box, how
        )
    how["box"] = box
    if trust_method == "proximal":
        return freely(Penalised(model, 1 / scale, 2), scale * size or 1.0, tol, **how)
    if trust_method == "regularized":
        return freely(Penalised(model, scale, p + 1), length or 1.0, tol, (theta, p), **how)
    if trust_method == "none" and first:
        answer = freely(model, scale, tol, **how)
        return answer if answer.bounded else in_ball(model, scale, tol, **how)._replace(bounded=False)
    return in_ball(model, scale, tol, **how)


def exponent(v: float) -> int:
    """The power of two near v."""
    return int(np.frexp(v)[1])


def in_units(
    model: Model,
    length: int,
    size: int,
    trust_method: str,
    scale: float,
    p: int,
    theta: float,
    first: bool,
    box: Bounds,
    how: dict[str, Any],
) -> BallAnswer:
    """The answer of `subproblem` in units in which the region and the gradient have a length near 1.

    s = a z with a = 2^length, m = b m' with b = 2^(size + length): powers of two change no digit.
    """
    a, b = float(np.ldexp(1.0, length)), float(np.ldexp(1.0, size + length))
    powers = {"proximal": size - length, "regularized": p * length - size}
    unit = float(np.ldexp(scale, powers.get(trust_method, -length)))
    inside = None if box is None else (box[0] / a, box[1] / a)
    answer = subproblem(model.rescaled(a, b), trust_method, unit, p, theta, first, inside, **how)
    force = float(np.ldexp(1.0, size))
    return answer._replace(
        s=a * answer.s,
        value=b * answer.value,
        multiplier=answer.multiplier * (force / a),
        residual=force * answer.residual,
        first=force * answer.first,
        curvature=answer.curvature * (force / a),
    )


def update_of(s: np.ndarray, x: np.ndarray, bounds: Bounds) -> np.ndarray:
    """-s in the dtype of x; it meets the bounds that s meets exactly."""
    if bounds is None:
        return (-s).astype(x.dtype)
    return onto_bounds(-s, x, x - bounds[1], x - bounds[0], bounds)


def region_length(s: np.ndarray, trust_method: str, bounds: Bounds) -> float:
    """\\|s\\| in the norm of the region: of the box with bounds and "bounds" or "none", else Euclid's."""
    return float(np.abs(s).max()) if bounds and trust_method in ("bounds", "none") else nrm2(s)


def region_of(box: Bounds) -> Callable[[float], Region]:
    """``r -> region``: the balls of radius r, or the bounds of s within ``|s|_inf <= r``."""
    return Ball if box is None else lambda r: Box(*box, r)


def held_back(answer: BallAnswer, trust_method: str, scale: float, p: int) -> bool:
    """Whether the step is limited by the region or the solver, not by the model: over half of |g| is left."""
    size = nrm2(answer.s)
    if trust_method == "regularized":
        pull = scale * size**p
    else:
        pull = size / scale if trust_method == "proximal" else size * answer.multiplier
    return answer.residual + pull > HALF * answer.first


def in_ball(
    model: Model,
    r: float,
    tol: float = 1e-10,
    solver: str = "native",
    de_iters: int | None = None,
    rng: np.random.Generator | None = None,
    box: Bounds = None,
) -> BallAnswer:
    """A local minimiser of `model` over ``|s| <= r``.

    Parameters
    ----------
    model : Model
    r : float > 0
    tol : float
        Of the native solver, relative to the gradient at 0.
    solver : str
        "native" or one of `BALL_SOLVERS`.
    de_iters : int or None
        Generations of the global search.
    rng : numpy.random.Generator
        For the global search.
    box : (low, high) or None
        Bounds of s. With them the region is ``|s|_inf <= r``, the solver "native", without a global search.

    Examples
    --------
    >>> import numpy as np
    >>> from refopt.models.taylor import TensorModel
    >>> line = TensorModel([np.array(0.0), np.array([3.0, 4.0])])
    >>> in_ball(line, 1.0).s
    array([-0.6, -0.8])
    """
    start = np.zeros(model.n)
    native = solver == "native"
    answer = minimise_in(model, region_of(box)(r), start, tol) if native else by_scipy(model, solver, r, True)
    return lower_by_evolution(model, answer, r, tol, de_iters, rng) if de_iters is not None else answer


def freely(
    model: Model,
    r: float,
    tol: float = 1e-10,
    theta: tuple[float, int] = (0.0, 0),
    solver: str = "native",
    de_iters: int | None = None,
    rng: np.random.Generator | None = None,
    box: Bounds = None,
) -> BallAnswer:
    """A local minimiser of `model`, found over balls of radius r and more; `bounded` may be False."""
    native = solver == "native"
    answer = (
        minimise_freely(model, r, tol, theta, region_of(box)) if native else by_scipy(model, solver, r, False)
    )
    if de_iters is None or not answer.bounded:
        return answer
    return lower_by_evolution(model, answer, max(r, 2 * float(np.linalg.norm(answer.s))), tol, de_iters, rng)


def lower_by_evolution(
    model: Model, answer: BallAnswer, r: float, tol: float, de_iters: int, rng: np.random.Generator | None
) -> BallAnswer:
    """The lower of `answer` and the minimiser found from the best point of differential evolution."""

    def value(s: np.ndarray) -> float:
        return model.value(onto_ball(s, r))

    found = scipy.optimize.differential_evolution(
        value, [(-r, r)] * model.n, maxiter=de_iters, popsize=POPULATION, polish=False, rng=rng
    )
    other = minimise_in(model, Ball(r), onto_ball(found.x, r), tol)
    return other if other.value < answer.value else answer


def onto_ball(s: np.ndarray, r: float) -> np.ndarray:
    length = float(np.sqrt(s @ s))
    return s if length <= r else s * (r / length)


def by_scipy(model: Model, solver: str, r: float, constrained: bool) -> BallAnswer:
    """The answer of a method of `scipy.optimize.minimize` from s = 0, with its certificate."""
    zero = np.zeros(model.n)
    extra: dict[str, Any] = {}
    if solver in ("trust-exact", "trust-constr"):
        extra["hess"] = lambda s: matrix(model.expand(s).hessian, model.expand(s).product, s.size)
    elif solver in ("trust-krylov", "Newton-CG"):
        extra["hessp"] = lambda s, v: model.expand(s).product(v)
    if constrained and solver == "SLSQP":
        extra["constraints"] = {"type": "ineq", "fun": lambda s: r * r - s @ s, "jac": lambda s: -2 * s}
    elif constrained:
        extra["constraints"] = scipy.optimize.NonlinearConstraint(
            lambda s: s @ s,
            -np.inf,
            r * r,
            jac=lambda s: 2 * s[None, :],
            hess=lambda s, v: 2 * v[0] * np.eye(s.size),
        )
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # about convergence, which the certificate reports
        s = scipy.optimize.minimize(
            lambda s: model.expand(s)[:2], zero, jac=True, method=solver, options=TIGHT[solver], **extra
        ).x
    limit = r if constrained else r * GROWTH**BALLS
    finite = bool(np.all(np.isfinite(s)))
    s = onto_ball(np.where(np.isfinite(s), s, 0.0), limit)
    at, first = model.expand(s), model.expand(zero).gradient
    lam, left = certificate(s, at.gradient, r if constrained else np.inf)
    residual = float(np.linalg.norm(left))
    bounded = finite and (constrained or residual <= float(np.linalg.norm(first)))  # else the solver failed
    lowest = float(np.linalg.eigvalsh(matrix(at.hessian, at.product, s.size))[0])
    return BallAnswer(s, at.value, lam, residual, float(np.linalg.norm(first)), lowest + lam, 0, bounded)


def matrix(H: np.ndarray | None, product: Callable, n: int) -> np.ndarray:
    return H if H is not None else np.stack([product(e) for e in np.eye(n)])
