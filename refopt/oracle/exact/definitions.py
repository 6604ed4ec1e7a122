"""Every method's step written once more, straight from the formula of its docstring, for `precise` numbers.

One function per method, independent of the NumPy code that it judges, registered beside its formula:

    @definition("LR", ulps=2)
    def lr(h, p, u, s):
        return h.lr * u, {}

    h  hyperparameters, ``h.beta1``: floats are precise numbers, all else is as in the method
    p  the point: ``p.x, p.f, p.g, p.hess, p.hvp(v), p.after(update)`` in precise numbers. The objective
       stays a function of floats. ``p.answer`` is the (update, state) of the implementation that is judged:
       a definition that leaves a choice open (a step size that only has to satisfy conditions) reads the
       choice there and checks the conditions. A matrix to be factored goes through
       ``p.arithmetic.backward(A)``
    u  the incoming update
    s  the state before the step, ``s.m1``
    returns the outgoing update and the changed fields of the state; fields it does not give are not compared

A method that holds others calls ``step(h.inner, p.inside(...), u, s.inner)``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ...method import Chain, copy_state, unfolded
from .precise import Arithmetic, PrecisePoint, Record

__all__ = ["DEFINITIONS", "Definition", "Undefined", "Violation", "chosen_step", "definition", "run", "step"]


class Violation(AssertionError):
    """An answer breaks a condition of its definition."""


class Undefined(KeyError):
    """A method has no precise definition."""

    def __str__(self) -> str:
        return str(self.args[0])


class Definition(NamedTuple):
    """The formula of a method's step, and by how many ulps float64 may miss it."""

    formula: Callable
    ulps: float


DEFINITIONS: dict[str, Definition] = {}  # by the name of the class
Formula = TypeVar("Formula", bound=Callable)


def definition(name: str, ulps: float) -> Callable[[Formula], Formula]:
    """Decorator: this function defines the step of the method `name`.

    Parameters
    ----------
    name : name of the method's class
    ulps : how far one step in float64 may be from its definition, in ulps of the largest entry of the update;
        about three times the worst of the test problems
    """

    def register(formula: Formula) -> Formula:
        if name in DEFINITIONS:
            raise ValueError(f"{name} has two precise definitions; remove one")
        DEFINITIONS[name] = Definition(formula, float(ulps))
        return formula

    return register


def step(method: Any, p: PrecisePoint, u: np.ndarray, s: Any) -> tuple[np.ndarray, Any]:
    """One step of `method`, precisely: the update and the next state (a `Record`).

    Formulas in ``p.table`` take the place of the registered ones, also inside other methods. A method that
    has neither raises `Undefined`.
    """
    method = unfolded(method)  # X(inner=A) is a chain
    if isinstance(method, Chain):
        states = []
        for k, (part, own) in enumerate(zip(method.methods, s.states, strict=True)):
            last = k == len(method.methods) - 1
            u, own = step(part, p.inside(partial(part_state, k), last), u, own)
            states.append(own)
        return u, s.changed(states=tuple(states))
    name = type(method).__name__
    formula = p.table.get(name) or (DEFINITIONS[name].formula if name in DEFINITIONS else None)
    if formula is None:
        raise Undefined(f"{name} has no precise definition; add one to refopt/oracle/exact/")
    h = Record(**{f.name: p.arithmetic.value(getattr(method, f.name)) for f in dataclasses.fields(method)})
    with np.errstate(all="ignore"):
        out, changes = formula(h, p, u, s)
    return out, s.changed(**changes) if changes else s


def part_state(k: int, state: Any) -> Any:
    """The state of the k-th method of a chain."""
    return state.states[k]


def run(
    method: Any,
    point: Any,
    update: np.ndarray,
    state: Any,
    arithmetic: Arithmetic,
    answer: Any = None,
    table: Mapping[str, Callable] | None = None,
) -> tuple[np.ndarray, Any]:
    """`step` from a plain point, update and state; `table` replaces formulas, by class name.

    Examples
    --------
    >>> import numpy as np, refopt
    >>> from refopt.function import FunctionObjective
    >>> from refopt.oracle import exact
    >>> from refopt.oracle.exact import precise
    >>> method, x = refopt.EMA(beta=0.9, debiased=False), np.array([1.0])
    >>> point = FunctionObjective(lambda x: (x ** 2).sum(), x).at(x)
    >>> out, state = exact.run(method, point, point.g, method.init(x), precise.Arithmetic("mpmath"))
    >>> str(out[0])[:24]                        # 1 - 0.9 is not 0.1 where 0.9 is the nearest float64
    '0.1999999999999999555910'
    """
    p = PrecisePoint(point, arithmetic, answer, table)
    u = p.g if update is point.g else arithmetic.array(update)
    return step(method, p, u, arithmetic.value(copy_state(state)))


def chosen_step(p: PrecisePoint, name: str) -> np.ndarray:
    """The update that the method `name` gave, for a definition that leaves the step itself open."""
    if p.answer is None or p.answer[0] is None:
        raise Undefined(
            f"{name} has no precise definition where another method follows or holds it: its "
            "step is a choice, and only the step of the whole is known"
        )
    return p.answer[0]
