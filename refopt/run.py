"""One minimisation in progress: the only loop over iterations.

`Run` does one iteration at a time, decides when to stop and keeps the best point. Its result is available at
any time.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from .convergence import Convergence, Leave
from .derivatives.refusal import TraceError
from .leaving import departure
from .method import rebuild
from .objective import Point
from .progress import Progress
from .request import Request
from .result import OptimizeResult, remember
from .solvers.norm import nrm2
from .status import Status, Stop
from .views.scaled import in_units

__all__ = ["Record", "Run"]

# The ends at which one more gradient may be evaluated, that of the answer.
EVALUATES = frozenset(
    {
        Status.MAXITER,
        Status.STALLED,
        Status.SADDLE,
        Status.FLAT,
        Status.WORSE,
        Status.RUNAWAY,
        Status.NONFINITE,
    }
)
UNBOUNDED_BELOW = -1e300  # a lower f would soon overflow; a bounded objective does not come near this value


class Record:
    """One iteration. `iterate` yields records, ``res.history`` keeps them, callbacks and `disp` read them.

    Attributes
    ----------
    nit : number of the iteration, from 1
    x : (n,) the point reached
    fun, jac : value and gradient there
    gnorm : |g|_inf (of the projected gradient with bounds)
    update_norm : |x_k - x_(k-1)|_2
    accepted : False if the method rejected its trial point and x did not move
    nfev, njev, nhev, nhvp, ntaylor : evaluations so far
    time : seconds since the run began
    figures : dict of the method's own numbers, such as radius or step size
    rejected : list of (n,) trial points of this iteration that were not taken (empty without ``return_all``)
    """

    __slots__ = (
        "nit",
        "x",
        "fun",
        "jac",
        "gnorm",
        "update_norm",
        "accepted",
        "nfev",
        "njev",
        "nhev",
        "nhvp",
        "ntaylor",
        "time",
        "figures",
        "rejected",
    )

    nit: int
    x: np.ndarray
    fun: float
    jac: np.ndarray
    gnorm: float
    update_norm: float
    accepted: bool
    nfev: int
    njev: int
    nhev: int
    nhvp: int
    ntaylor: int
    time: float
    figures: dict[str, Any]
    rejected: list[np.ndarray]

    def __repr__(self) -> str:
        own = "".join(
            f", {k}={v:.4g}" if isinstance(v, float) else f", {k}={v}"
            for k, v in self.figures.items()
            if np.ndim(v) == 0
        )
        return (
            f"Record(nit={self.nit}, fun={self.fun:.6g}, gnorm={self.gnorm:.3g}, "
            f"update_norm={self.update_norm:.3g}, accepted={self.accepted}, nfev={self.nfev}{own})"
        )

    def fields(self) -> dict[str, Any]:
        """The name and value of every attribute; x and jac are copies."""
        return {
            **{name: getattr(self, name) for name in self.__slots__},
            "x": self.x.copy(),
            "jac": self.jac.copy(),
        }


class Run(Iterator[Record]):
    """One minimisation in progress: iterating over it yields the records, `result` is available at any time.

    Attributes
    ----------
    result : OptimizeResult of everything computed so far
    method : the complete method that runs
    start : (n,) a checked copy of the start
    point : the current `Point`
    state : the method's state
    """

    def __init__(self, request: Request):
        self.method, self.method_name, self.options = request.method, request.method_name, request.options
        self.objective, self.callback, self.rng = request.objective, request.callback, request.rng
        self.start = request.x
        self.point: Point = self.objective.at(self.start)
        self.nit = 0
        self.state: Any = None
        self.gnorm = np.nan
        self.stop: Stop | None = None
        self.best: Point = self.point
        self.best_merit = np.inf  # what the method minimises, at `best`
        self.minimises_f = self.method.minimises_f()
        self.history: list[Record] = []
        self.bare = request.bare
        self.convergence: Any = None  # a `Convergence`, from the first step on
        self.leaving: Leave | None = None  # a saddle that the next iteration leaves
        self.final: Point | None = None  # the answer, once the run has ended
        self.note = ""  # what was changed because fun cannot be followed
        self.progress = Progress(self.options) if self.options["disp"] else None

    def __copy__(self) -> Run:
        """A run of its own, as by deepcopy; both go on from here, and share what the user gave."""
        return copy.deepcopy(self)

    # ------------------------------------------------------------ iteration

    def __next__(self) -> Record:
        if self.stop is not None:
            raise StopIteration
        try:
            try:
                if self.state is None:
                    self._start()
                return self._iteration()
            except Stop as stop:
                end = self._judged(stop)
            if isinstance(end, Leave):
                self.leaving = end
            else:
                self._finish(self._earned(end))
        except KeyboardInterrupt:
            self._finish(Stop(Status.INTERRUPTED))
            raise
        except Exception as error:
            self._fail(error)
            raise
        return next(self)  # the iteration that leaves a saddle, or the end

    def _start(self) -> None:
        point = self.point
        self.objective.prepare(point)
        f = point.f
        if not np.isfinite(f):
            raise Stop(Status.NONFINITE_START, f)
        if self.options["x_scale"] is not None:
            self.method, self.options["x_scale"] = in_units(self.method, self.options["x_scale"], point)
        self.state = self.method.init(point.x, self.objective.shapes, self.rng)
        self._test_gradient(point)
        self.best_merit = f if self.minimises_f else self.method.merit(point)
        tolerances = [self.options[name] for name in ("gtol", "ftol", "xtol")]
        self.convergence = Convergence(point, *tolerances)
        end = self.convergence.at_start(point)
        if isinstance(end, Stop):
            raise end
        self.leaving = end

    def _iteration(self) -> Record:
        options, point = self.options, self.point
        if self.nit >= options["maxiter"]:
            away = self.convergence.running_away() if self.convergence else ""
            raise Stop(Status.MAXITER, self.nit, options["maxiter"], away)
        leave, self.leaving = self.leaving, None
        if leave:
            update, figures = self._departure(leave)
        else:
            update, self.state = self._step(point)
            figures = self.method.figures(self.state)
        length = float(nrm2(update))
        if not np.isfinite(length) and not np.all(np.isfinite(update)):
            i = int(np.flatnonzero(~np.isfinite(update))[0])
            raise Stop(
                Status.NONFINITE,
                reason=f"iteration {self.nit + 1} of {self.method_name} gave a step whose "
                f"coordinate {i} is {update[i]}",
            )
        new = point.after(update) if length else point
        if self.objective.bounds is not None:  # which may have shortened the step
            length = float(nrm2(point.x - new.x))
        f = new.f
        self.nit += 1
        if not np.isfinite(f):
            raise Stop(
                Status.NONFINITE, reason=f"f = {f} after iteration {self.nit} (step length {length:.3g})"
            )
        self.objective.moved(point, new)
        self.point = new
        merit = f if self.minimises_f else self.method.merit(new)
        if merit <= self.best_merit:
            self.best, self.best_merit = new, merit
        record = self._record(point, new, f, length, figures)
        if leave:
            self.convergence.departed(new)
        end = self._tests(point, record)
        if self.callback is not None:
            self._call_back(record)
        if isinstance(end, Stop):
            self._finish(self._earned(end))
        else:
            self.leaving = end
        return record

    def _departure(self, leave: Leave) -> tuple[np.ndarray, dict[str, Any]]:
        """A step away from a saddle, and its figures; if f does not fall, raises the `Stop` of the point."""
        tests = self.convergence
        found = departure(leave, tests.some_fall(leave.point))
        if found.update is None or not self.minimises_f:
            raise tests.kept(leave, found.changed, found.falls, found.update is not None)
        self.state = self.method.init(self.point.x, self.objective.shapes, self.rng)
        return found.update, {"left_saddle": leave.promise.least}

    def _step(self, point: Point) -> tuple[np.ndarray, Any]:
        """One step; at the start a bare name falls back to the order that the function allows."""
        while True:
            try:
                return self.method.step(point, point.g, self.state)
            except TraceError as error:
                if not self.bare or self.nit > 0 or not self._lowered(error):
                    raise
                self.state = self.method.init(point.x, self.objective.shapes, self.rng)

    def _lowered(self, error: TraceError) -> bool:
        """Whether the method has a lower order, or its Hessian another source, that is tried in the place."""
        if "taylor" in self.method.all_needs():  # HigherOrderNewton above order 2
            self.method = rebuild(self.method, of_order_2)
            self.note = f"order=2: {str(error).split('; use order=2')[0]}"
            return True
        changed = bool({"hess", "hvp"} & self.method.all_needs()) and self.objective.differentiate_gradients()
        if changed:
            self.note = "; ".join(filter(None, (self.note, f"the gradient cannot be traced again: {error}")))
        return changed

    def _record(self, old: Point, point: Point, f: float, length: float, figures: dict[str, Any]) -> Record:
        objective = self.objective
        record = Record()
        record.nit = self.nit
        record.x = point.x
        record.fun = f
        record.jac = point.g
        record.gnorm = self.gnorm = point.gradient_norm()
        record.update_norm = length
        record.accepted = bool(figures.pop("accepted", True))
        record.nfev, record.njev, record.nhev = objective.nfev, objective.njev, objective.nhev
        record.nhvp, record.ntaylor = objective.nhvp, objective.ntaylor
        record.time = time.perf_counter() - objective.started
        record.figures = figures
        record.rejected = []
        if objective.tried is not None:
            here = (point.x, old.x)
            record.rejected = [
                x for x in objective.tried if not any(np.array_equal(x, known) for known in here)
            ]
            objective.tried.clear()
        if self.options["return_all"]:
            self.history.append(record)
        if self.progress is not None:
            self.progress.show(record)
        return record

    # ------------------------------------------------------------ when to stop

    def _test_gradient(self, point: Point) -> None:
        g = point.gradient_norm()
        self.gnorm = g
        if not np.isfinite(g):
            i = int(np.flatnonzero(~np.isfinite(point.g))[0])
            raise Stop(
                Status.NONFINITE,
                reason=f"the gradient is not finite: g[{i}] = {point.g[i]} where f = {point.f:.6g}",
            )

    def _tests(self, old: Point, record: Record) -> Stop | Leave | None:
        """The end of the run after this iteration, or a saddle to leave; None to go on."""
        try:
            self._test_gradient(self.point)
            if record.fun < UNBOUNDED_BELOW:
                return Stop(Status.UNBOUNDED, record.fun, UNBOUNDED_BELOW)
            self.convergence.moved(old, self.point)
            return self.convergence.after_step(old, self.point, record.update_norm, record.accepted)
        except Stop as stop:
            return stop

    def _judged(self, stop: Stop) -> Stop | Leave:
        """What becomes of the end that was raised, at the present point."""
        if self.convergence is None:
            return stop
        return self.convergence.claimed(stop, self.point)

    def _call_back(self, record: Record) -> None:
        try:
            self.callback(record)  # type: ignore[misc]
        except StopIteration:
            raise Stop(Status.CALLBACK) from None

    def _earned(self, stop: Stop) -> Stop:
        """The end of the run, if the gradient that a success rests on is true."""
        if stop.status.success:
            try:
                self.objective.confirm(self.point)
            except Stop as limit:
                return limit
        return stop

    def _finish(self, stop: Stop) -> None:
        if stop.status is Status.NONFINITE and self.objective.blame:
            stop.message += f" ({self.objective.blame})"
        self.stop = stop
        self.final = self.point if stop.status.success else self._best_point()
        if stop.status in EVALUATES:
            with contextlib.suppress(Stop):
                self.final.g  # noqa: B018  the best point may have been a trial, of which only f is known
        self.objective.end(self.final.x)
        if self.progress is not None:
            self.progress.close(stop.message)

    def _fail(self, error: Exception) -> None:
        """Record `error` as the end of the run, and attach the result so far to it."""
        self._finish(
            Stop(Status.EXCEPTION, reason=f"{type(error).__name__} after iteration {self.nit}: {error}")
        )
        with contextlib.suppress(AttributeError):  # an exception class with __slots__ cannot carry it
            error.partial_result = self.result  # type: ignore[attr-defined]

    # ------------------------------------------------------------ result

    @property
    def result(self) -> OptimizeResult:
        """The result so far; `x` is the converged point, or the best point evaluated if not converged."""
        stop = self.stop
        success = stop is not None and stop.status.success
        point = self.answer
        objective = self.objective
        result = OptimizeResult(
            x=point.x.copy(),
            fun=point._f if point._f is not None else np.nan,
            jac=None if point._g is None else point._g.copy(),
            nit=self.nit,
            nfev=objective.nfev,
            njev=objective.njev,
            nhev=objective.nhev,
            nhvp=objective.nhvp,
            ntaylor=objective.ntaylor,
            success=success,
            status=stop.status.number if stop else -1,
            message=stop.message if stop else "still running",
            method=repr(self.method),
            derivatives=self.derivatives,
            options=dict(self.options),
        )
        if self.options["return_all"]:
            result.history = list(self.history)
            result.allvecs = [self.start.copy()] + [r.x.copy() for r in self.history]
        begun = (self.start, self.convergence.f0 if self.convergence else np.nan)
        remember(result, objective, point, stop is not None, begun)
        return result

    @property
    def derivatives(self) -> dict[str, str]:
        """Where the derivatives came from, and in "note" what was done because fun cannot be followed."""
        used = dict(self.objective.derivatives)
        if self.note:
            used["note"] = "; ".join(filter(None, (used.get("note"), self.note)))
        return used

    @property
    def answer(self) -> Point:
        """The converged point, or the best point evaluated if the run has not converged."""
        return self._best_point() if self.final is None else self.final

    def _best_point(self) -> Point:
        """The evaluated point with the lowest finite f: an iterate, or a trial point of an interrupted step.

        For a method that does not minimise f, the iterate of least merit.
        """
        objective = self.objective
        if not self.minimises_f:
            return self.best
        if objective.best_f < (self.best._f if self.best._f is not None else np.inf):
            point = Point(objective, objective.best_x)
            point._f = objective.best_f
            for known in (self.point, *objective._recent):
                if known.x is point.x and known._f is not None:
                    return known
            return point
        return self.best


def of_order_2(method: Any) -> Any:
    """The same method with a quadratic model, if it has an order."""
    return dataclasses.replace(method, order=2) if hasattr(method, "order") else method
