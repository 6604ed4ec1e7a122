"""The point at which a run has ended, apart from the run: what is known there, and how to learn more."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from .composite import LeastSquares
from .convergence import UNKNOWN
from .decrement import optimality, promise_of
from .objective import CountedObjective, Objective, Point

__all__ = ["COUNTS", "Answer"]

COUNTS = ("nfev", "njev", "nhev", "nhvp", "ntaylor")


class Answer:
    """The point of a result apart from its run: what is known there, and how to learn more.

    If the run has `ended`, the objective forgets its traces.

    Attributes
    ----------
    objective : the objective of the run, None after pickling
    x : (n,) read-only array
    f : the value that the run found there
    bounds : (lower, upper) arrays or None
    known : dict of "hess", "residuals", "jacobian" as far as they have been computed
    after : dict of the evaluations made by `ask`
    begun : (x0, f(x0)) of the run
    derivatives : dict that says where "H", "J", ... come from, as far as the objective says it
    robust : name of the robust loss of a fit, or None
    absolute : whether the variances of the residuals of a fit are known
    """

    def __init__(
        self,
        objective: CountedObjective,
        point: Point,
        ended: bool,
        derivatives: dict[str, str],
        begun: tuple[np.ndarray, float],
    ):
        self.objective: CountedObjective | None = objective
        self.x, self.f, self.bounds = point.x, point._f, objective.bounds
        self.known = known_parts(point)
        if point._hess is not None:
            self.known["hess"] = point._hess
        if "promise" in point.memo:
            self.known["optimality"] = optimality(point, point.memo["promise"], *begun)
        self.begun = begun
        self.after = dict.fromkeys(COUNTS, 0)
        self.derivatives = dict(derivatives)
        if ended:
            forget_traces(objective)
        fun = getattr(objective, "fun", None)
        self._is_fit = isinstance(fun, LeastSquares) if hasattr(objective, "fun") else None
        self.robust = fun.robust if isinstance(fun, LeastSquares) else None
        self.absolute = isinstance(fun, LeastSquares) and fun.absolute_sigma

    def __getstate__(self) -> dict[str, Any]:
        """All but the objective, and a LinearOperator, which hold functions of the user."""
        arrays = {name: a for name, a in self.known.items() if not isinstance(a, LinearOperator)}
        return {**vars(self), "objective": None, "known": arrays}

    def __deepcopy__(self, memo: dict) -> Answer:
        """A copy with its own counts; the objective and the arrays, which cannot be written, are shared."""
        twin = object.__new__(Answer)
        vars(twin).update(vars(self), known=dict(self.known), after=dict(self.after))
        return twin

    @property
    def is_fit(self) -> bool:
        """Whether the function is a sum of squares; an objective without a function is asked."""
        if self._is_fit is None:
            try:
                self.ask("residuals")
                self._is_fit = True
            except TypeError:
                self._is_fit = False
        return self._is_fit

    def ask(self, *names: str) -> list[Any]:
        """The named quantities at x, evaluated now if they are not known."""
        missing = [name for name in names if name not in self.known]
        if missing:
            if self.objective is None:
                raise RuntimeError(
                    f"this result was pickled, which keeps numbers and not the function, before its "
                    f"{' and '.join(missing)} at x were known; ask for standard_errors() or hess before "
                    "pickling, or run minimize again from this x"
                )
            with apart(self.objective, self) as point:
                self.compare(point.f)
                found = {name: getattr(point, name) for name in missing}
                self.derivatives.update(getattr(self.objective, "derivatives", {}))
            self.known.update(found)
        return [self.known[name] for name in names]

    def optimality(self) -> dict[str, float]:
        """See `refopt.convergence.optimality`; without the function, only what is known."""
        if "optimality" not in self.known:
            if self.objective is None:
                raise RuntimeError("this result was pickled before its optimality at x was known")
            with apart(self.objective, self) as point:
                self.compare(point.f)
                self.known["optimality"] = optimality_at(point, *self.begun)
        return dict(self.known["optimality"])

    def compare(self, f: float) -> None:
        """Refuse a function that is not the one of the run any more."""
        eps = float(np.finfo(self.x.dtype).eps)
        before = np.nan if self.f is None else self.f
        if not np.isfinite(before):
            raise ValueError(f"fun is {before} at x, which has no Hessian or Jacobian there")
        if not abs(f - before) <= np.sqrt(eps) * max(abs(f), abs(before), eps):
            raise ValueError(
                f"fun gives {f:.6g} at x now, and gave {before:.6g} in the run; it depends on something that "
                "has changed, so the Hessian or the Jacobian of now would not belong to this result"
            )

    @property
    def on_bound(self) -> np.ndarray:
        if self.bounds is None:
            return np.zeros(self.x.size, dtype=bool)
        return (self.x <= self.bounds[0]) | (self.x >= self.bounds[1])


@contextlib.contextmanager
def apart(objective: CountedObjective, answer: Answer) -> Iterator[Point]:
    """The point of the answer, with counts from zero, added to its `after`, and no limits.

    Afterwards the objective is as it was: in the midst of a run, or at the end of one, this or another.
    """
    kept, present = dict(vars(objective)), objective.start()
    # tables and lists of the objective are copied, so that what is noted now is not found there afterwards
    own = {name: copy.copy(value) for name, value in kept.items() if type(value) in (dict, list, set)}
    vars(objective).update(own, bounds=answer.bounds)
    # a copy: torch's objective takes the x that it has written last for the present values of the parameters,
    # and the user may have changed them since
    objective.begin(answer.x.copy())
    try:
        yield objective.at(answer.x)
    finally:
        for name in COUNTS:
            answer.after[name] += getattr(objective, name)
        if present is not None:
            objective.end(present)
        vars(objective).update(kept)


def forget_traces(objective: Objective) -> None:
    """Keep the numbers of the recent points alone: a result lives long, and traces are large."""
    objective._recent[:] = [point for point in objective._recent if point._g is not None]
    for point in objective._recent:
        point.memo = known_parts(point)


def known_parts(point: Point) -> dict[str, Any]:
    """The residuals and their Jacobian as far as they have been computed."""
    return {name: point.memo[name] for name in ("residuals", "jacobian") if name in point.memo}


def optimality_at(point: Point, x0: np.ndarray, f0: float) -> dict[str, float]:
    """`optimality` with the promise as far as there are second derivatives."""
    try:
        promise = promise_of(point)
    except UNKNOWN:
        promise = None
    return optimality(point, promise, x0, f0)
