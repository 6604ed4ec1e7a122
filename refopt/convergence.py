"""When a run has converged. This is the only place that grants success.

Without a `gtol` of the user nothing here depends on the units of f and x, or on a constant added to f. With
the promise P and the Newton step d of `refopt.decrement`, made from the gradient and the Hessian at x itself,
e the rounding error of f there, e_g that of the gradient, f_0 and x_0 the start, x is a minimiser if

    converged    P <= eps^(2/3) (f_0 - f)   and for every i
                                    |d_i| <= eps^0.4 |x_i|
                                    or |x_i|, |d_i| <= eps^(2/3) |x_i - x_0i|, or eps^0.4 of it if
                                       P <= eps^(5/3) (f_0 - f), as at degenerate minimisers
                                    or |g_i d_i| <= e / n, if x_i has hardly moved from x_0i
    rounding     P <= e,  e <= eps^0.4 (f_0 - f) or nothing has fallen,  and for every i
                                    |d_i| <= eps^0.2 |x_i|
                                    or |x_i|, |d_i| <= eps^0.2 |x_i - x_0i|
                                    or |g_i| <= 4 e_g,i
    noise        |g_i| <= 4 e_g             for every i

and in every case
    - H has no negative curvature; otherwise the run leaves the saddle (`Leave`),
    - no clearly better point has been evaluated,
    - x is not on a plateau, where f does not change at all (`refopt.leaving` asks f itself where H is zero),
    - x does not run away: its last steps shrank, or turned, or Newton's step is small beside its way.

"rounding" and "noise" are asked where a method can do no more. With a `gtol` of the user the first is
|g|_inf <= gtol. `ftol` and `xtol` of the user are granted if P and d are as small as the last change was.

Source: D. M. Bates, D. G. Watts, Technometrics 23 (1981) 179-183 (P relative to what f can tell); J. J. More,
B. S. Garbow, K. E. Hillstrom, User guide for MINPACK-1, ANL-80-74, 1980, section 2.3 (f and x, relative);
P. E. Gill, W. Murray, M. H. Wright, Practical Optimization, 1981, section 8.2.3 (several conditions at once).
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
import scipy.linalg
from scipy.linalg.blas import dnrm2

from .decrement import FLATTEST, Promise, curvature_along, promise_of, reach
from .objective import Point
from .rounding import rounding_error
from .status import Status, Stop

__all__ = ["Convergence", "Leave", "UNKNOWN"]

SMALL_FALL = 2 / 3  # powers of eps
TINY_FALL = 5 / 3
SOME_FALL = 0.4
SMALL_STEP = (0.4, 2 / 3)  # beside x, and where x is zero beside its way
SOME_DIGITS = (0.2, 0.2)
HIDDEN = 0.2  # power of eps, for the rounding error of f beside its fall
ACCURATE = 1e-4  # the greatest relative step of "converged" in any precision
LEVEL = (
    1e-6  # f is level along a direction if H changes it by at most this share of its fall over the way of x
)
SLOWED = 1e-3  # a look at H is worth its cost if the last fall of f is below this share of all,
FLATTENED = 1e-6  # or if the gradient fell by this factor in one step
FLATTER = 0.25  # and if the gradient has fallen by this factor since the last look
QUIET = 0.25  # power of eps; noise is at most so large beside the steepest gradient
NOISE = 4.0  # the gradient is noise up to this multiple of its estimated error
BETTER = 10.0  # a point is clearly better if it is lower by this multiple of P and of the rounding error
STEADY = 3  # steps that neither shrink nor turn: x runs away
SHRINKS, TURNS = 0.9, 0.9
FAR, LONGER = 1e-3, 5.0  # and Newton's step is this share of its way, and not much longer than the last step
HARDLY = 10.0  # a coordinate has hardly moved if its way is at most this multiple of its Newton step
UNKNOWN = (TypeError, ValueError, NotImplementedError, scipy.linalg.LinAlgError)


class Leave(NamedTuple):
    """A stationary point from which f may fall further.

    Attributes
    ----------
    stop : the end that the point has earned if f does not fall
    point : Point
    promise : what H promises there
    directions : (k, n) along which f may fall: of negative curvature, or of none
    size : (n,) how far each variable has been, from 0 or from the start
    way : (n,) of x from the start
    plateau : whether f must change along them, because x has moved there and H and g are exactly zero
    """

    stop: Stop
    point: Point
    promise: Promise
    directions: np.ndarray
    size: np.ndarray
    way: np.ndarray
    plateau: bool = False

    @property
    def negative(self) -> bool:
        return self.promise.negative


class Convergence:
    """The tests of one run.

    Parameters
    ----------
    start : Point
    gtol, ftol, xtol : float or None
        Those of the user.
    """

    def __init__(self, start: Point, gtol: float | None, ftol: float | None, xtol: float | None):
        self.x0, self.f0 = start.x, start.f
        self.gtol, self.ftol, self.xtol = gtol, ftol, xtol
        self.eps = float(np.finfo(start.x.dtype).eps)
        self.seen = np.inf  # |g|_inf at the last look
        self.g0, self.steepest = start.g, start.gradient_norm()
        self.span = np.abs(start.x).astype(float)  # the largest |x_i| and |x_i - x_0i| so far
        self.steps: deque[tuple[float, float]] = deque(maxlen=STEADY)  # length, cosine with the one before
        self.last = np.zeros(start.x.size)  # step
        self.f = self.f0
        self.fall = np.inf  # of f in the last step
        self.stayed: np.ndarray | None = None  # a point that no direction leads down from
        self.stiffness: deque[float] = deque(maxlen=10)  # s^T s / s^T y

    # ------------------------------------------------------------ along the run

    def moved(self, old: Point, new: Point) -> None:
        """Take note of a step."""
        s, y = (new.x - old.x).astype(float), (new.g - old.g).astype(float)
        length = float(dnrm2(s))
        if length == 0:
            return
        self.f, self.fall = new.f, abs(old.f - new.f)
        self.steepest = max(self.steepest, old.gradient_norm())
        self.span = np.maximum(self.span, np.maximum(np.abs(new.x), np.abs(new.x - self.x0)))
        before = float(dnrm2(self.last))
        cosine = float((s / length) @ (self.last / before)) if before else 0.0
        self.steps.append((length, cosine))
        self.last = s
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            unit = s / length
            slope = float(unit @ (y / length))
        self.stiffness.append(1 / slope if slope > 0 else np.inf)

    def due(self, old: Point, new: Point) -> bool:
        """Whether a look at H at `new` is worth its cost."""
        g = new.gradient_norm()
        if not g <= FLATTER * self.seen:
            return False
        return abs(old.f - new.f) <= SLOWED * abs(self.f0 - new.f) or g <= FLATTENED * old.gradient_norm()

    def runs_away(self) -> bool:
        """Whether the last steps neither shrank nor turned."""
        if len(self.steps) < STEADY:
            return False
        lengths = [length for length, _ in self.steps]
        return all(b >= SHRINKS * a for a, b in zip(lengths, lengths[1:], strict=False)) and all(
            cosine >= TURNS for _, cosine in list(self.steps)[1:]
        )

    # ------------------------------------------------------------ the tests

    def at_start(self, point: Point) -> Stop | Leave | None:
        g = point.gradient_norm()
        if self.gtol is not None:
            return self.by_gradient(point)
        return self.look(point, g) if g == 0 else None

    def after_step(self, old: Point, new: Point, length: float, accepted: bool) -> Stop | Leave | None:
        """The end of the run after a step, or a saddle to leave; None to go on."""
        if self.gtol is not None:
            end = self.by_gradient(new)
        else:
            end = self.look(new, new.gradient_norm()) if self.due(old, new) else None
        if end is None and accepted and length > 0:
            end = self.by_change(old, new, length)
        return end

    def by_gradient(self, point: Point) -> Stop | Leave | None:
        """The test of the user's `gtol`."""
        g = point.gradient_norm()
        if self.gtol is None or not g <= self.gtol:
            return None
        return self.granted(Stop(Status.GTOL, g, self.gtol), point)

    def by_change(self, old: Point, new: Point, length: float) -> Stop | Leave | None:
        """The tests of the user's `ftol` and `xtol`: the last change, and what P and d still promise."""
        if self.ftol is not None:
            fall, scale = abs(old.f - new.f), max(abs(old.f), abs(new.f), 1.0)
            limit = self.ftol * scale
            if fall <= limit and self.promise(new, limit).decrement <= limit:
                return self.granted(Stop(Status.FTOL, fall, limit), new)
        if self.xtol is not None:
            limit = self.xtol * (self.xtol + float(np.linalg.norm(old.x)))
            if length <= limit and float(np.linalg.norm(self.promise(new).step)) <= limit:
                return self.granted(Stop(Status.XTOL, length, limit), new)
        return None

    def look(self, point: Point, g: float) -> Stop | Leave | None:
        """The test without units."""
        self.seen = g
        fall = self.some_fall(point)
        cheap = rounding_error(point.f, point.x.dtype)
        promise = self.promise(point, 1e3 * max(fall, cheap))
        if promise.lower > 1e3 * max(fall, cheap):
            return None
        if promise.negative:
            return self.saddle(point, promise)
        idle = self.idle(point, promise, cheap)
        if promise.decrement <= fall and self.small(point, promise, SMALL_STEP, idle):
            if self.strides(point):
                self.seen = np.inf  # one step more: at a minimiser it is short
                return None
            return self.granted(self.converged(promise, fall), point)
        if promise.decrement <= cheap and self.runs_away() and self.unfinished(point, promise):
            return self.best(Stop(Status.RUNAWAY, reason=in_words(self.last)), point, promise)
        return None

    def strides(self, point: Point) -> bool:
        """Whether x goes on steadily, in steps that are long beside its way."""
        way = float(np.linalg.norm((point.x - self.x0).astype(float)))
        return self.runs_away() and self.steps[-1][0] >= FAR * way

    def saddle(self, point: Point, promise: Promise) -> Stop | Leave | None:
        """The saddle to leave, if the gradient promises little beside what the negative curvature does."""
        fall = max(self.some_fall(point), rounding_error(point.f, point.x.dtype))
        v = promise.direction
        if v is None or not promise.negative:
            return None
        if promise.lower <= max(fall, self.eps**SMALL_FALL * self.gain(point, v)):
            return self.granted(self.converged(promise, fall), point)
        return None

    def gain(self, point: Point, v: np.ndarray) -> float:
        """What the negative curvature along v would gain over the way of x."""
        a = reach(self.span, v)
        return abs(curvature_along(point, v)) * a * a / 2

    def some_fall(self, point: Point) -> float:
        """The least fall of f that matters, as a share of all."""
        return self.eps**SMALL_FALL * max(self.f0 - point.f, 0.0)

    def converged(self, promise: Promise, limit: float) -> Stop:
        return Stop(Status.CONVERGED, promise.decrement, limit)

    def by_rounding(self, point: Point, promise: Promise) -> Stop | Leave | None:
        """The end by rounding of f or of its gradient."""
        e = point.objective.value_error(point)
        stop = Stop(Status.ROUNDING, promise.decrement, e)
        if promise.negative and promise.lower <= e:
            return self.granted(stop, point)
        if not promise.decrement <= e:
            return None
        fall = self.f0 - point.f
        nothing = fall <= BETTER * rounding_error(point.f, point.x.dtype)
        if not (e <= self.eps**SOME_FALL * fall or nothing):  # rounding hides most of the way
            return None
        if self.small(point, promise, SOME_DIGITS, promise.step == 0):
            return self.granted(stop, point)
        noise = np.abs(point.g) <= NOISE * point.objective.gradient_error(point)
        return self.granted(stop, point) if self.small(point, promise, SOME_DIGITS, noise) else None

    def small(
        self, point: Point, promise: Promise, powers: tuple[float, float], excepted: np.ndarray
    ) -> bool:
        """Whether the Newton step is small beside x in every coordinate, but for those `excepted`."""
        d, x = np.abs(promise.step), np.abs(point.x).astype(float)
        way = np.abs((point.x - self.x0).astype(float))
        tiny = promise.decrement <= self.eps**TINY_FALL * (self.f0 - point.f)
        share = min(self.eps ** powers[0], ACCURATE if powers is SMALL_STEP else 1.0)
        near, zero = share * x, self.eps ** (powers[0] if tiny else powers[1]) * way
        return bool(np.all((d <= near) | (np.maximum(d, x) <= zero) | excepted))

    def idle(self, point: Point, promise: Promise, error: float) -> np.ndarray:
        """The coordinates that have hardly moved from the start, and no longer matter to f."""
        d, way = np.abs(promise.step), np.abs((point.x - self.x0).astype(float))
        share = np.abs(point.g.astype(float)) * d
        return (d == 0) | (share <= error / d.size) & (way <= HARDLY * d)

    def claimed(self, stop: Stop, point: Point) -> Stop | Leave:
        """What becomes of a method's end for lack of progress: a success if the point has earned it."""
        if stop.status not in (Status.ROUNDING, Status.STALLED) or not np.isfinite(point.f):
            return stop
        try:
            promise = self.promise(point)
            g = point.gradient_norm()
            end = self.look(point, g) if self.gtol is None else self.saddle(point, promise)
            end = end or self.by_rounding(point, promise) or self.by_noise(point, promise)
        except Stop as limit:
            return limit
        if end is not None:
            return end
        if stop.status is Status.STALLED:
            return stop
        return self.unproven(point, promise)

    def by_noise(self, point: Point, promise: Promise) -> Stop | Leave | None:
        """The end where the gradient is nothing but its own rounding error."""
        error = point.objective.gradient_error(point)
        if not np.all(np.abs(point.g) <= NOISE * error):
            return None
        if not error.max() <= self.eps**QUIET * self.steepest:  # a kink or a jump, not noise
            return None
        return self.granted(Stop(Status.NOISE, point.gradient_norm(), float(NOISE * error.max())), point)

    def unproven(self, point: Point, promise: Promise) -> Stop:
        noise = point.objective.value_error(point)
        return Stop(
            Status.STALLED,
            reason=f"the last steps promised no decrease beyond rounding, but the gradient does, |g|_inf = "
            f"{point.gradient_norm():.3g}: the Newton decrement is {promise.decrement:.3g}, the rounding "
            f"error of f {noise:.3g}. The step was poor, or f has a kink or a tie here",
        )

    # ------------------------------------------------------------ what every success must meet

    def granted(self, stop: Stop, point: Point) -> Stop | Leave:
        """The success `stop`, if the point is no saddle, no plateau and not worse than another one."""
        promise, way = self.promise(point), (point.x - self.x0).astype(float)
        if self.stayed is not None and np.array_equal(self.stayed, point.x):
            return self.best(stop, point, promise)
        if promise.negative and promise.direction is not None:
            return Leave(stop, point, promise, promise.direction[None, :], self.span, way)
        still = self.moved_onto_a_plateau(point)
        level = promise.flat if promise.flat is not None else self.level(point, promise)
        doubtful = stop.status in (Status.ROUNDING, Status.NOISE) and way.any()  # f may still fall that way
        along = [v for v in (level, still, way[None, :] if doubtful else None) if v is not None]
        if along:
            plateau = promise.zero or still is not None
            return Leave(stop, point, promise, np.vstack(along), self.span, way, plateau)
        return self.best(stop, point, promise)

    def moved_onto_a_plateau(self, point: Point) -> np.ndarray | None:
        """The coordinates that have moved, and on which f does not depend any more, as directions (k, n)."""
        H = point._hess
        if not isinstance(H, np.ndarray):
            return None
        once = np.abs(self.g0) * np.abs(point.x - self.x0) > self.some_fall(point)  # f did depend on it
        still = (point.g == 0) & ~H.any(axis=1) & once
        return np.eye(point.x.size)[still][:FLATTEST] if still.any() else None

    def level(self, point: Point, promise: Promise) -> np.ndarray | None:
        """Directions (k, n) along which H hardly changes f over the way of x; None if there are none.

        f may fall there in third order, as at the inflection of x^3.
        """
        H, fall = point._hess, self.f0 - point.f
        size = self.span
        if not isinstance(H, np.ndarray) or not fall > 0 or not size.any():
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = size[:, None] * H.astype(float) * size
        if not np.all(np.isfinite(scaled)):
            return None
        w, V = scipy.linalg.eigh(scaled)
        flat = (np.abs(w) <= 2 * LEVEL * fall) & ((V.T * size).any(axis=1))
        return (V.T * size)[flat][:FLATTEST] if flat.any() else None

    def departed(self, point: Point) -> None:
        """Take note of a step away from a saddle: the way of x is counted from there."""
        self.x0, self.seen = point.x, np.inf
        self.steps.clear()

    def kept(self, leave: Leave, changed: bool, falls: np.ndarray | None = None, lower: bool = False) -> Stop:
        """The end at a point from which no step is worth while.

        Parameters
        ----------
        leave : Leave
        changed : bool
            Whether f changes around the point.
        falls : (n,) array or None
            A direction in which f falls, though by too little to matter.
        lower : bool
            Whether f is lower beside the point, which the method does not care for.
        """
        if leave.negative or lower:
            return Stop(Status.SADDLE, leave.point.gradient_norm(), leave.promise.least)
        if leave.plateau and not changed:
            return Stop(Status.FLAT, leave.point.f)
        if falls is not None:
            return Stop(Status.RUNAWAY, reason=in_words(falls))
        point, fall = leave.point, self.f0 - leave.point.f
        e = point.objective.value_error(point)
        if fall > BETTER * rounding_error(point.f, point.x.dtype) and e > self.eps**HIDDEN * fall:
            return Stop(
                Status.STALLED,
                reason=f"f fell by {fall:.3g}, and the rounding error in its terms is {e:.3g} here: f and "
                "its gradient say too little about x",
            )
        self.stayed = point.x
        return self.best(leave.stop, leave.point, leave.promise)

    def best(self, stop: Stop, point: Point, promise: Promise) -> Stop:
        """The success, unless a clearly better point was evaluated, or nothing was gained on a plateau."""
        e = rounding_error(point.f, point.x.dtype)
        allowed = BETTER * max(e, promise.lower if np.isfinite(promise.lower) else 0.0)
        best = getattr(point.objective, "best_f", np.inf)
        lower = max(allowed, self.eps**SMALL_FALL * abs(self.f0 - best))
        if point.f - best > lower and point.f - best > BETTER * point.objective.value_error(point):
            return Stop(Status.WORSE, point.f, best)
        asked = stop.status in (Status.GTOL, Status.FTOL, Status.XTOL)  # what these mean is the user's affair
        if not asked and self.runs_away() and self.unfinished(point, promise):
            return Stop(Status.RUNAWAY, reason=in_words(self.last))
        return stop

    def unfinished(self, point: Point, promise: Promise) -> bool:
        """Whether Newton's step leads on along the last step, by a share of the way from the start."""
        if promise.zero and not point.g.any():
            return True
        way, last = abs(float(self.last @ (point.x - self.x0))), float(self.last @ self.last)
        return bool(FAR * way <= -float(self.last @ promise.step) <= LONGER * last)

    def running_away(self) -> str:
        """A sentence for the end of a run whose steps neither shrink nor turn, while f hardly falls."""
        if not (self.runs_away() and self.fall <= SLOWED * abs(self.f0 - self.f)):
            return ""
        return (
            f"; f falls less and less along {in_words(self.last)}, where x moves on steadily: it may have no "
            "minimum"
        )

    # ------------------------------------------------------------ what is known at a point

    def promise(self, point: Point, enough: float = np.inf) -> Promise:
        """`promise_of`; where there is no second derivative, by secants of the last steps.

        A negative curvature that would change f by little over the way of x counts as none.
        """
        try:
            promise = promise_of(point, enough)
        except UNKNOWN:
            return self.by_secants(point)
        v = promise.direction
        if v is None or not promise.negative or self.gain(point, v) > self.some_fall(point):
            return promise
        return promise._replace(decrement=promise.lower, direction=None, flat=v[None, :])

    def by_secants(self, point: Point) -> Promise:
        """The promise for the least curvature that the last steps have seen; kappa stays unknown."""
        g = point.g.astype(float)
        if not g.any():
            return Promise(0.0, 0.0, np.zeros(g.size))
        inverse = max(self.stiffness, default=np.inf)
        with np.errstate(over="ignore", invalid="ignore"):
            P = float(np.linalg.norm(g)) ** 2 * inverse / 2
            return Promise(P, P, g * inverse)


def in_words(direction: np.ndarray) -> str:
    """The largest entries of a direction, made as long as 1."""
    u = direction / np.linalg.norm(direction)
    return ", ".join(f"{u[j]:+.2g} x[{j}]" for j in np.argsort(-np.abs(u))[:3] if u[j])
