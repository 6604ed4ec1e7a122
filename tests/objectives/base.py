"""What one objective of the suite is: a function as a user writes it, its start, and its answer.

An objective is made anew for each run, because many of them keep a state: a counter, a cache, a list. The
answer is known independently of refopt: by the way the objective was made (data without noise, from known
parameters), or by SciPy on the plain function, see `Case.lowest`.
"""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize

__all__ = ["CASES", "Case", "case", "plain"]


@dataclasses.dataclass(frozen=True)
class Case:
    """One objective.

    Attributes
    ----------
    name : what is special about it
    make : ``make() -> fun``, with a state of its own
    start : (n,) list
    x : (n,) list, a minimiser, or None where SciPy finds the lowest value from the start
    noise : relative error of one value of fun, larger than rounding for float32, ODE and quad
    args : further arguments of fun
    dtype : of the start
    own : exceptions that fun itself raises away from the start
    kinked : the answer lies at a kink, or fun has steps: no gradient is zero there, or all are
    steady : the same x gives the same value; False for minibatches
    """

    name: str
    make: Callable[[], Callable]
    start: list[float]
    x: list[float] | None = None
    noise: float = 1e-14
    args: tuple = ()
    dtype: Any = float
    own: tuple[type[BaseException], ...] = ()
    kinked: bool = False
    steady: bool = True

    @property
    def x0(self) -> np.ndarray:
        return np.array(self.start, dtype=self.dtype)

    def value(self, x: Any) -> float:
        """The value at x of a fresh function, from plain numbers."""
        return float(np.reshape(self.make()(np.array(x, dtype=self.dtype), *self.args), ()))

    @functools.cached_property
    def lowest(self) -> float:
        """The lowest value known: at `x`, or the lower of two methods of SciPy from the start."""
        if self.x is not None:
            return self.value(self.x)
        fun = self.make()
        values = []
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            for method, options in (
                ("Nelder-Mead", {"xatol": 1e-10, "fatol": 1e-14, "maxiter": 4000, "maxfev": 4000}),
                ("BFGS", {"gtol": 1e-8}),
            ):
                result = scipy.optimize.minimize(
                    lambda x: float(np.reshape(fun(x.astype(self.dtype), *self.args), ())),
                    self.x0.astype(float),
                    method=method,
                    options=options,
                )
                values.append(float(result.fun))
        return min(values)


CASES: dict[str, Case] = {}


def case(start: Any, x: Any = None, **facts: Any) -> Callable:
    """Put the decorated ``make() -> fun`` into `CASES`, under its name."""

    def register(make: Callable[[], Callable]) -> Callable:
        name = make.__name__.strip("_")
        assert name not in CASES, name
        CASES[name] = Case(name, make, start, x, **facts)
        return make

    return register


def plain(start: Any, x: Any = None, **facts: Any) -> Callable:
    """The same for a function without a state: it is decorated itself."""

    def register(fun: Callable) -> Callable:
        name = fun.__name__.strip("_")
        assert name not in CASES, name
        CASES[name] = Case(name, lambda: fun, start, x, **facts)
        return fun

    return register
