"""The error of the values of the user's function: by a trace where it is traced, else from values near x."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import differences
from .derivatives import roundoff
from .derivatives.refusal import TraceError
from .objective import Point
from .returned import one_number
from .rounding import rounding_error

__all__ = ["value_error"]


def value_error(objective: Any, point: Point) -> float:
    """The rounding error of f, see `refopt.derivatives.roundoff`, or the error that the user stated.

    Two traced calls of `fun`; where it is not traced, ten plain ones. It is kept; near the limit on calls it
    is that of a well-computed f.

    Parameters
    ----------
    objective : a `FunctionObjective`
    point : Point
    """
    if not np.isfinite(point.f):
        return np.nan
    if objective.nfev + roundoff.CALLS > objective.maxfev:
        return rounding_error(point.f, objective.dtype)
    if "value_error" not in point.memo:
        stated = (differences.noise_of(objective) or 0.0) * abs(point.f)
        point.memo["value_error"] = max(stated, rounding_of_terms(objective, point))
    return point.memo["value_error"]


def rounding_of_terms(objective: Any, point: Point) -> float:
    if objective.traced and objective.scheme is None:
        try:
            return roundoff.value_error(objective.as_traced, point.x, bounds=objective.bounds)
        except TraceError:  # a function that stores what it has computed, for example
            pass

    def value(x: np.ndarray) -> float:
        answer = objective.plain(x)
        return one_number(answer[0] if objective.pair else answer)

    return roundoff.value_error_from_values(value, point.x, point.f, objective.bounds)
