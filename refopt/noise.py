"""The error of the values of the user's function: by a trace where it is traced, else from values near x."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import differences
from .derivatives import roundoff
from .derivatives.refusal import TraceError
from .objective import Point
from .returned import one_number

__all__ = ["value_error"]


def value_error(objective: Any, point: Point) -> float:
    """The rounding error of f, see `refopt.derivatives.roundoff`, or the error that the user stated.

    Two traced calls of `fun`; where it is not traced, ten plain ones.

    Parameters
    ----------
    objective : a `FunctionObjective`
    point : Point
    """
    if not np.isfinite(point.f):
        return np.nan
    stated = (differences.noise_of(objective) or 0.0) * abs(point.f)
    return max(stated, rounding_of_terms(objective, point))


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
