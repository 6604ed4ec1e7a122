"""Line searches: the methods Backtracking and StrongWolfe."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from collections.abc import Callable, Iterator
from typing import ClassVar, NamedTuple

import numpy as np
import scipy.optimize

from .. import checks
from ..method import Method, option
from ..objective import Point
from ..rounding import flatter, nothing_left, rounding_error, values_decide
from ..solvers.norm import nrm2
from ..status import Status, Stop
from ..views.face import inward
from .search_start import descent, first_bound, first_size, lengthened, with_slope

__all__ = ["Backtracking", "StrongWolfe"]

IN_TURN = 10  # after so many trials one by one the gap between two trials doubles each time


class LineSearchState(NamedTuple):
    """Changes at every step."""

    step_size: float  # accepted a
    trials: int  # values of f tried in the last search
    fallback: bool  # True if the gradient replaced an update that does not descend


def backtrack(
    point: Point,
    direction: np.ndarray,
    slope: float,
    first: float,
    shrink: float,
    c1: float,
    maxiter: int,
    who: str,
) -> tuple[np.ndarray, float, int]:
    """``(update, step size, trials)`` by Armijo's rule; raises `Stop` if no trial is accepted.

    With bounds the trials are on the arc ``P(x - a direction)``, where P projects onto them. The decrease
    that the gradient predicts, and the flatness where rounding hides the change of f, are those of the arc.
    """
    bounded = point.objective.bounds is not None
    promise, error, a = 0.0, 0.0, first

    def good(trial: Point, fall: float) -> bool:
        """Whether the trial is accepted. Its gradient is the next one needed, so it must be finite too."""
        if values_decide(fall, point.f - trial.f, error):
            return fall > 0 and trial.f <= point.f - c1 * fall and trial.has_gradient()
        if not trial.f <= point.f + error or not trial.has_gradient():
            return False
        if bounded:
            return flatter(point.gradient_norm(), trial.gradient_norm())
        return flatter(slope, abs(float(np.dot(trial.g, direction))))

    def verdict(k: int) -> str:
        nonlocal promise, a
        a = first * shrink**k
        trial = point.after(direction * point.x.dtype.type(a))
        fall = float(np.dot(point.g, point.x - trial.x)) if bounded else a * slope
        promise = max(promise, fall)
        if np.array_equal(trial.x, point.x):
            return "short"
        return "good" if good(trial, fall) else "long" if a * slope > error else "short"

    for error in errors(point):  # noqa: B007, `good` reads it
        k, trials = first_good(verdict, maxiter)
        if k is not None:
            a = first * shrink**k
            return direction * point.x.dtype.type(a), a, trials
    raise nothing_left(
        f"{who} found no decrease of f = {point.f:.6g} down to step size {a:.3g} (slope {slope:.3g})",
        promise,
        error,
    )


def first_good(verdict: Callable[[int], str], most: int) -> tuple[int | None, int]:
    """``(k, trials)``: the first k = 0, 1, ... with ``verdict(k)`` "good"; None if `most` trials find none.

    "long": k is too small, "short": too large. After ten trials the gaps double, and bisection follows.

    Examples
    --------
    >>> first_good(lambda k: "long" if k < 100 else "good", 60), first_good(lambda k: "long", 60)
    ((100, 23), (None, 60))
    """
    k, gap, long, good, end, trials = 0, 1, -1, None, np.inf, 0
    while trials < most:
        said, trials = verdict(k), trials + 1
        if said == "long":
            long = k
        else:
            good, end = (k if said == "good" else good), k
        if end == np.inf:
            gap = gap if k < IN_TURN else 2 * gap
            k += gap
        elif end - long > 1:
            k = int(long + end) // 2
        else:
            break
    return good, trials


def errors(point: Point) -> Iterator[float]:
    """The rounding error of f; if nothing is found with it, that made of the terms of f, if it is larger."""
    error = rounding_error(point.f, point.x.dtype)
    yield error
    terms = point.objective.value_error(point)
    if terms > error:
        yield terms


def armijo(
    point: Point,
    direction: np.ndarray,
    slope: float,
    fallback: bool,
    first: float,
    rule: Backtracking,
    who: str,
) -> tuple[np.ndarray, LineSearchState]:
    """``(update, state)`` of `backtrack` with the constants of `rule`.

    A direction almost perpendicular to the gradient, or an arc that bends at once, says little about x. So
    the projected gradient is tried too before the run ends.
    """
    try:
        update, a, trials = backtrack(point, direction, slope, first, rule.shrink, rule.c1, rule.maxiter, who)
    except Stop as stop:
        g = inward(point.x, point.g, point.objective.bounds)
        size = nrm2(g)
        if not 0 < size < np.inf or stop.status not in (Status.ROUNDING, Status.STALLED):
            raise
        u, slope = with_slope(point, g * point.x.dtype.type(first_size(point, size)))
        if not slope > 0:
            raise
        try:
            update, a, trials = backtrack(point, u, slope, 1.0, rule.shrink, rule.c1, rule.maxiter, who)
        except Stop as second:
            raise (second if second.status is not Status.STALLED else stop) from None
        after, error = point.after(update), rounding_error(point.f, point.x.dtype)
        if not (after.f < point.f - error or 10 * after.gradient_norm() <= point.gradient_norm()):
            raise  # what only rounding accepts could be undone by the next step, for ever
        a, fallback = a * nrm2(u) / size, True
    return update, LineSearchState(a, trials, fallback)


@dataclasses.dataclass(frozen=True)
class Backtracking(Method):
    """Shrink the step until f decreases enough (Armijo's rule); alone, it is steepest descent.

        phi(a) = f(x - a u),   s = g^T u > 0                  the slope of phi at 0 is -s
        a = the first of a_0, shrink a_0, shrink^2 a_0, ... with
        phi(a) <= phi(0) - c1 a s
        output  a u

        a_0 = init_step                                       growth=None, and in the first search
        a_0 = growth times the last accepted a                otherwise
        u <- g                                                if u is not a descent direction, s <= 0;
                                                              then the figure `fallback` is True

    Where rounding hides the change of f (`refopt.rounding`), the slope decides: a trial is accepted if
    |phi'(a)| <= 0.9 s and f rises by at most its rounding error e. If the predicted decrease a s of a trial
    is at most e and its slope does not fall either, the search and the run end: with ROUNDING if rounding can
    hide the decrease a_0 s predicted for the first trial, else with STALLED.

    With bounds the trials are on the arc P(x - a u), where P projects onto the bounds, g^T (x - P(x - a u))
    takes the place of a s, and entries of u that would leave a bound at x are zero. The methods before it
    have to give a direction that descends along this arc: `Newton`, `ScipyNewtonCG`, `NewtonSolver`, `LBFGS`,
    `GaussNewton` and the elementwise methods do. Where rounding hides the change of f, the projected gradient
    |x - P(x - g)|_inf must fall to 0.9 of its value. If nothing is found along a direction, the projected
    gradient is tried.

    Parameters
    ----------
    init_step : float > 0
        First step size tried.
    shrink : float in (0, 1)
        Factor after a rejected trial.
    c1 : float in (0, 1)
        f must fall by this share of the predicted decrease.
    growth : float >= 1 or None
        None: every search begins at `init_step`. A number: at `growth` times the last accepted step size.
    maxiter : int >= 1
        Limit on the trials; after it the run ends.

    Raises
    ------
    TypeError, ValueError
        For a hyperparameter of another type or outside its range.
    Stop
        (Inside a run, ending it) when no trial decreases f, or rounding hides the decrease.

    Notes
    -----
    Source: J. Nocedal, S. J. Wright, Numerical Optimization, 2006, algorithm 3.1, eq. (3.4); where rounding
    hides the change of f, the approximate Wolfe condition of W. W. Hager, H. Zhang 2005, doi
    10.1137/030601880, eq. (4.1); with bounds D. P. Bertsekas 1982, doi 10.1137/0320018, eq. (32) to (37).

    Deviations: `torchzero` 0.4.4 returns a zero step if no trial satisfies Armijo's rule, because of rounding
    or because the update goes uphill. Bertsekas predicts the decrease of the free variables by a s, also
    where the arc bends; here it is that of the arc.

    Cost per step: one value of f for each trial; a gradient for a trial whose slope decides. No memory.

    Examples
    --------
    >>> import refopt
    >>> method = [refopt.Newton(), refopt.Backtracking()]
    >>> res = refopt.minimize(lambda x: (x[0] - 3) ** 4, [1.0], method=method)
    >>> res.success
    True
    """

    init_step: float = option(1.0, "(0, inf)")
    shrink: float = option(0.5, "(0, 1)")
    c1: float = option(1e-4, "(0, 1)")
    growth: float | None = option(None, ["[1, inf)"])
    maxiter: int = option(60, "whole >= 1")

    needs: ClassVar[frozenset[str]] = frozenset({"f", "g"})
    shown: ClassVar[tuple[str, ...]] = ("step_size", "trials", "fallback")
    in_bounds: ClassVar[str] = "step"

    def init(self, x, shapes=None, rng=None):
        return LineSearchState(self.init_step, 0, False)

    def step(self, point, update, state):
        direction, slope, fallback = descent(point, update)
        first = self.init_step if self.growth is None or state.trials == 0 else state.step_size * self.growth
        return armijo(point, direction, slope, fallback, first, self, "Backtracking")


class NoGradient(Exception):
    """A trial has a finite value and a gradient that is not finite; SciPy's search cannot go on."""


@dataclasses.dataclass(frozen=True)
class StrongWolfe(Method):
    """A step size with sufficient decrease and a small slope, by `scipy.optimize.line_search`.

        phi(a) = f(x - a u),   s = g^T u > 0                  the slope of phi at 0 is -s
        a with  phi(a) <= phi(0) - c1 a s   and   |phi'(a)| <= c2 s
        output  a u

        u <- g                                                if u is not a descent direction, s <= 0;
                                                              then the figure `fallback` is True

    If that search fails, which happens where f is only rounding, `Backtracking` with its default constants
    follows, with its rule for rounding.

    With bounds the search ends where the first variable reaches one. If it finds nothing there, the arc of
    `Backtracking` follows from that point on, and at once if a = 1 is beyond that point.

    Parameters
    ----------
    c1, c2 : floats with 0 < c1 < c2 < 1
        Constants of the decrease condition and of the slope condition.
    maxiter : int >= 1
        Limit on the iterations of SciPy's search.

    Raises
    ------
    TypeError, ValueError
        For a hyperparameter of another type or outside its range, or c1 >= c2.
    Stop
        (Inside a run, ending it) when no trial decreases f, or rounding hides the decrease.

    Notes
    -----
    Source: J. Nocedal, S. J. Wright, Numerical Optimization, 2006, algorithms 3.5 and 3.6, eq. (3.7), as
    `scipy.optimize.line_search` implements them.

    Deviations: `torchzero` 0.4.4 has its own bracketing and interpolation for the same two conditions. Both
    step sizes satisfy them, but they differ.

    Cost per step: one value of f for each trial, and a gradient for most. No memory.

    Examples
    --------
    >>> import refopt
    >>> method = [refopt.LBFGS(), refopt.StrongWolfe()]
    >>> res = refopt.minimize(lambda x: (x[0] - 3) ** 4, [1.0], method=method)
    >>> res.success
    True
    """

    c1: float = option(1e-4, "(0, 1)")
    c2: float = option(0.9, "(0, 1)")
    maxiter: int = option(20, "whole >= 1")

    needs: ClassVar[frozenset[str]] = frozenset({"f", "g"})
    shown: ClassVar[tuple[str, ...]] = ("step_size", "trials", "fallback")
    in_bounds: ClassVar[str] = "step"

    def __post_init__(self):
        super().__post_init__()
        checks.increasing("StrongWolfe", c1=self.c1, c2=self.c2)

    def init(self, x, shapes=None, rng=None):
        return LineSearchState(1.0, 0, False)

    def step(self, point, update, state):
        direction, slope, fallback = descent(point, update)
        longest, plain = first_bound(point, direction), Backtracking()
        grown, grows = lengthened(point, direction, slope, longest) if longest >= 1 else (1.0, 0)
        if grown > 1:
            direction = direction * point.x.dtype.type(grown)
            slope, longest = slope * grown, longest / grown
        a, tried, falls = self.search(point, direction, longest) if longest >= 1 else (None, 0, False)
        tried += grows
        if a is not None:
            update = direction * point.x.dtype.type(a)
            trial = point.after(update)
            if trial.f < point.f and trial.has_gradient():
                return update, LineSearchState(float(a) * grown, tried, fallback)
        first = longest if falls else plain.init_step
        update, state = armijo(point, direction, slope, fallback, first, plain, "StrongWolfe")
        size = state.step_size if state.fallback and not fallback else state.step_size * grown
        return update, state._replace(step_size=size, trials=tried + state.trials)

    def search(self, point: Point, direction: np.ndarray, longest: float) -> tuple[float | None, int, bool]:
        """``(a, values of f tried, whether f fell up to `longest`)`` by SciPy; a is None if it fails."""
        tried, falls, last, trial = 0, False, 0.0, point

        def at(a):
            """The point ``x - a u``, as the driver computes it, so that it is not evaluated again."""
            nonlocal last, trial
            if a[0] != last:
                last, trial = float(a[0]), point.after(direction * point.x.dtype.type(a[0]))
            return trial

        def value(a):
            nonlocal tried, falls
            tried += 1
            f = at(a).f
            falls = falls or (f < point.f and bool(np.isclose(last, longest, rtol=1e-12, atol=0)))
            return f if np.isfinite(f) else np.inf

        def slope(a):
            trial = at(a)
            if not trial.has_gradient():
                raise NoGradient
            return -np.atleast_1d(np.dot(trial.g, direction))

        a = None
        with (
            warnings.catch_warnings(),
            np.errstate(invalid="ignore", over="ignore", divide="ignore"),
            contextlib.suppress(NoGradient),
        ):
            warnings.simplefilter("ignore")  # LineSearchWarning: its failure is handled here
            a = scipy.optimize.line_search(
                value,
                slope,
                np.zeros(1),
                np.ones(1),
                gfk=slope(np.zeros(1)),
                old_fval=point.f,
                c1=self.c1,
                c2=self.c2,
                amax=longest if longest < np.inf else None,
                maxiter=self.maxiter,
            )[0]
        return a, tried, falls
