"""What one situation of the suite is: a function in which success is easily claimed, and what is right there.

What is right is known independently of refopt: in closed form, stated beside the function, or from mpmath
(`root`). A test holds each minimum to SciPy's Nelder-Mead.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["SITUATIONS", "Situation", "root", "situation"]


@dataclasses.dataclass(frozen=True)
class Situation:
    """One function, its start, and where success is right.

    Attributes
    ----------
    name : what is special about it
    fun : from an (n,) array to a number
    start : (n,) list
    minima : (n,) lists, the minimizers; local ones too, if a run can end there. Or a function that finds them
    lowest : the minimum of `core`; by default the lowest value of the minima. None without minima: f has no
        minimum, and success is never right
    unit : the size of f that a user cares about
    noise : absolute error of one value, beside rounding
    core : f without an offset that hides its digits; by default `fun`
    residuals : where f is a sum of squares
    given : further arguments of `refopt.minimize`
    rounding : size of the terms that f is the sum of, if they are larger than its values
    dtype : of the start
    """

    name: str
    fun: Callable
    start: Sequence[float]
    minima: Any = ()
    lowest: float | None = None
    unit: float = 1.0
    noise: float = 0.0
    core: Callable | None = None
    residuals: Callable | None = None
    given: dict[str, Any] = dataclasses.field(default_factory=dict)
    rounding: float = 0.0
    dtype: Any = float

    @property
    def x0(self) -> np.ndarray:
        return np.array(self.start, dtype=self.dtype)

    @functools.cached_property
    def points(self) -> list[np.ndarray]:
        """The minimizers."""
        minima = self.minima() if callable(self.minima) else self.minima
        return [np.array(x, dtype=float) for x in minima]

    @functools.cached_property
    def floor(self) -> float | None:
        """The minimum, or None where success is right at the minimizers alone, or nowhere."""
        if self.lowest is not None or not self.points:
            return self.lowest
        return min(self.value(x) for x in self.points)

    def value(self, x: Any) -> float:
        """`core` at x, from plain numbers."""
        return float(np.reshape((self.core or self.fun)(np.array(x, dtype=self.dtype)), ()))

    @property
    def exists(self) -> bool:
        """Whether there is a minimum at all."""
        return self.floor is not None


SITUATIONS: dict[str, Situation] = {}


def situation(start: Sequence[float], minima: Any = (), **facts: Any) -> Callable:
    """Put the decorated function into `SITUATIONS`, under its name."""

    def register(fun: Callable) -> Callable:
        name = fun.__name__.strip("_")
        assert name not in SITUATIONS, name
        SITUATIONS[name] = Situation(name, fun, start, minima, **facts)
        return fun

    return register


def root(equations: Callable, guess: Sequence[float]) -> list[float]:
    """The root near `guess` of an equation, or of a list of them, in 40 digits; `equations` uses mpmath."""
    import mpmath

    with mpmath.workdps(40):
        found = mpmath.findroot(equations, guess[0] if len(guess) == 1 else tuple(guess))
        return [float(found)] if len(guess) == 1 else [float(value) for value in found]
