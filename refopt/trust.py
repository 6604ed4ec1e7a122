"""Trust regions: one rule that accepts or rejects trials, changes the region, restarts it, ends the run.

    rho = (f(x) - f(x + s)) / p                          actual over predicted decrease p (of the model)
    rho > eta                                            accept
    rho < rho_bad, or f or g(x + s) not finite           shrink
    rho > rho_good and s near the edge of the region     grow

The scale of a region is a radius, or the weight sigma of a penalty ``sigma/q |s|^q``:

    radius      shrink to  nminus |s|         grow to  max(radius, nplus |s|)
    proximal    shrink to  nminus radius      grow to  nplus radius             (penalty |s|^2 / (2 radius))
    sigma       L = q |f(x+s) - f(x) - m(s)| / |s|^q, where the penalty equals the model's error:
                shrink to  L, kept between sigma/nminus and sigma/nminus^q
                grow to    L, kept between sigma/nplus^q and sigma

Where the change of f is lost in rounding (see `rounding`), the gradient decides. A step is accepted if the
gradient falls below every earlier value since rounding began to hide the change of f. So the iterates cannot
cycle, even if f rises by the error of long sums. If the region limits the step, the gradient cannot fall by
much. Then the mean slope ``-(g(x) + g(x+s))^T s / 2`` takes the place of the actual decrease in rho, and the
step is accepted if it is at least p / 2.

If a step is rejected and no shorter step can be better, the region restarts at its first scale, once. The
second time, or if the scale has not shrunk, the run ends: with ROUNDING if every decrease predicted at x was
that small, else with STALLED. If f is negative and still falls while the steps become too long for the
floating-point range, the run ends with UNBOUNDED.

Source: Conn, Gould, Toint, Trust-Region Methods, 2000, algorithm 6.1.1 and section 17.4.2; Gould, Porcelli,
Toint 2012, doi:10.1007/s10589-011-9446-7 (interpolation of sigma).
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple, TypeVar

import numpy as np

from .objective import Point
from .rounding import LONG_SUMS, flatter, nothing_left, rounding_error, values_decide
from .status import Status, Stop

__all__ = ["Rule", "Trial", "judged", "restarted", "started"]

CONFIRMED = 0.5  # share of the predicted decrease that the mean slope must show
TINY = 1e-150  # least radius and sigma; their squares do not underflow
LONGEST = 0.45  # a step or -f above this power of the largest number is too long; its square is still finite

# A record with the fields scale, rho, accepted, promise, restarted, flattest
State = TypeVar("State", bound=Any)


@dataclasses.dataclass(frozen=True)
class Rule:
    """The constants of a region, and how its scale changes after a trial.

    Attributes
    ----------
    kind : "radius", "proximal" or "sigma"
    first : the first scale
    eta, nplus, nminus, rho_good, rho_bad : see above
    boundary_tol : a radius grows only after steps of at least ``(1 - boundary_tol) radius``; None: after any
    power : the exponent q of the penalty of "sigma"
    takes_all : accept every trial with finite f
    """

    kind: str
    first: float
    eta: float
    nplus: float
    nminus: float
    rho_good: float
    rho_bad: float
    boundary_tol: float | None = None
    power: int = 0
    takes_all: bool = False

    @classmethod
    def of(cls, method: Any, kind: str, first: float, **other: Any) -> Rule:
        """The rule whose constants are the hyperparameters of `method`, except those given in `other`."""
        names = ("eta", "nplus", "nminus", "rho_good", "rho_bad", "boundary_tol")
        return cls(kind, first, **{**{name: getattr(method, name) for name in names}, **other})

    def next_scale(self, scale: float, size: float, rho: float, error: float) -> float:
        """The scale after a trial of length `size` and model error `error`; unchanged if rho is nan."""
        bad, good = rho < self.rho_bad, rho > self.rho_good
        if self.kind == "sigma":
            return interpolated_sigma(scale, self.power, size, error, bad, good, self.nplus, self.nminus)
        if self.kind == "proximal":
            return scale * (self.nminus if bad else self.nplus if good else 1.0)
        if bad:
            return size * self.nminus
        near = self.boundary_tol is None or size >= (1 - self.boundary_tol) * scale
        return max(scale, size * self.nplus) if good and near else scale

    def shrunk(self, scale: float) -> bool:
        """Whether the region is smaller than at the start."""
        return scale > self.first if self.kind == "sigma" else scale < self.first

    def beyond(self, scale: float, dtype: Any) -> tuple[bool, bool]:
        """``(too small, too large)``: whether the region has left the range of the numbers of `dtype`."""
        info = np.finfo(dtype if self.kind == "radius" else float)
        unit = self.first if self.kind == "sigma" else 1.0  # sigma has the units of f
        below = not scale / unit > max(TINY, 4 * float(info.tiny))
        above = not scale / unit < min(1 / TINY, float(info.max) / 4)
        return (above, below) if self.kind == "sigma" else (below, above)


class Trial(NamedTuple):
    """A step that is to be judged."""

    point: Point  # x + s
    s: np.ndarray  # (n,)
    promised: float  # decrease of f predicted by the model
    size: float  # |s| in the norm of the region
    edge: bool  # the step is limited by the region, not by the model


def started(rule: Rule, state: State) -> State:
    """The state at the beginning of a step: nothing is tried yet; the very first step has the first scale."""
    return state._replace(scale=state.scale or rule.first, rho=np.nan, accepted=False)


def judged(rule: Rule, state: State, point: Point, trial: Trial, last: bool, H: Any = None) -> State:
    """The state after a trial, with `rho`, `accepted` and the next `scale`; raises `Stop` to end the run.

    Parameters
    ----------
    rule : Rule
    state : record with the fields scale, rho, accepted, promise, restarted, flattest
        `promise` is the largest change of f predicted since x last moved, `restarted` whether the scale went
        back to its first value since then, `flattest` the least gradient since rounding began to hide the
        change of f.
    point : Point
        x.
    trial : Trial
    last : bool
        Whether this is the last trial of the step.
    H : (n, n) array, optional
        The Hessian, for the rounding error of f.
    """
    f, new = point.f, trial.point.f
    error = rounding_error(f, point.x.dtype, point.x, H)
    hidden = not values_decide(trial.promised, f - new, error)
    if np.array_equal(trial.point.x, point.x):
        accepted, rho = False, np.nan
    elif not (np.isfinite(new) and trial.promised > 0):
        accepted, rho = False, -np.inf
    elif hidden:
        accepted, rho = by_slopes(state, point, trial, error)
    else:
        rho = (f - new) / trial.promised
        accepted = rho > rule.eta
    if accepted and not trial.point.has_gradient():  # the gradient is needed next
        accepted, rho = False, -np.inf
    scale = rule.next_scale(state.scale, trial.size, rho, abs(new - f + trial.promised))
    small, large = rule.beyond(scale, point.x.dtype)
    state = state._replace(
        rho=rho, accepted=accepted, scale=scale, promise=max(state.promise, abs(trial.promised))
    )
    if accepted:
        loud = max(trial.promised, abs(f - new)) > LONG_SUMS * error
        state = state._replace(flattest=np.inf if loud else min(state.flattest, trial.point.gradient_norm()))
        if falls_for_ever(f, new, trial.size, large, point.x.dtype):
            raise Stop(Status.UNBOUNDED, new, f)
        return state._replace(scale=rule.first if small or large else scale, promise=0.0, restarted=False)
    noise = state.promise <= LONG_SUMS * error  # nothing that was tried at x predicts more
    if hidden and noise and not trial.edge:  # a larger region changes nothing
        raise nothing_left("", state.promise, error)
    hopeless = np.isnan(rho) or small or noise and last
    if rule.takes_all and np.isfinite(new) and not hopeless and trial.point.has_gradient():
        return state._replace(accepted=True, promise=0.0, restarted=False)
    return restarted(rule, state, f, error) if hopeless else state


def by_slopes(state: Any, point: Point, trial: Trial, error: float) -> tuple[bool, float]:
    """``(accepted, rho)`` where rounding hides the change of f.

    rho is nan if the slopes decide nothing about the scale: it stays the same after an accepted step, and
    after a rejected one no shorter step is better. rho is -inf if the slope shows that the step went too far.
    """
    if flatter(min(point.gradient_norm(), state.flattest), trial.point.gradient_norm()):
        return True, np.nan
    mean = -float((point.g + trial.point.g) @ trial.s) / 2 / trial.promised
    if not mean >= CONFIRMED:
        return False, -np.inf
    rises = trial.point.f - point.f > error
    confirmed = trial.edge and not rises and state.promise <= LONG_SUMS * error
    return confirmed, mean if confirmed else np.nan


def restarted(rule: Rule, state: State, f: float, error: float) -> State:
    """The state at the first scale if rejected steps have shrunk the region, once; else the end of the run.

    The predicted decrease of a shrunk step says nothing about x. So the largest change predicted at x decides
    between ROUNDING and STALLED.
    """
    if state.restarted or not rule.shrunk(state.scale):
        raise nothing_left(
            f"no step, however short, lowers f = {f:.6g} as its model predicts", state.promise, error
        )
    return state._replace(scale=rule.first, restarted=True)


def interpolated_sigma(
    sigma: float, q: int, length: float, error: float, bad: bool, good: bool, nplus: float, nminus: float
) -> float:
    """The sigma whose penalty ``sigma/q |s|^q`` equals the model's error, within bounds.

    Parameters
    ----------
    sigma : float
        The sigma of the trial.
    q : int
        Order of the model plus 1.
    length, error : float
        \\|s\\| and \\|f(x+s) - f(x) - m(s)\\|. If f(x+s) is not finite, the error is infinite.
    bad, good : bool
        Whether sigma must rise, by a factor from 1/nminus to 1/nminus^q, or may fall, by a factor of at most
        nplus^q.

    Examples
    --------
    >>> interpolated_sigma(1.0, 4, 0.5, 0.125, True, False, 3.5, 0.25)
    8.0
    """
    power = float(np.float_power(length, q))
    with np.errstate(over="ignore"):
        L = float(np.float64(q * error) / power) if np.isfinite(error) and power > 0 else np.inf
    if bad:
        return float(np.clip(L, sigma / nminus, sigma / nminus**q))
    return float(np.clip(L, sigma / nplus**q, sigma)) if good else sigma


def falls_for_ever(f: float, new: float, size: float, largest: bool, dtype: Any) -> bool:
    """Whether an accepted step shows that f is unbounded: f is negative and falls, and the step is too long.

    Too long means that the region has left its range (`largest`), or that the step or \\|f\\| is above the
    0.45th power of the largest number (1e138, in float32 2e17).
    """
    far = max(size, -new) > float(np.finfo(dtype).max) ** LONGEST
    return (largest or far) and new < 0 and f - new > LONG_SUMS * rounding_error(new, dtype)
