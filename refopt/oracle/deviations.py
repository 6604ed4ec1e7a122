"""Where refopt knowingly differs from `torchzero` 0.4.4, from which its methods come.

One entry per difference. `refopt.oracle.deviations()` prints the table, the README shows it, `parity` reads it: a
difference that no entry declares fails the comparison, and so does an entry whose difference is no longer there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Deviation", "DEVIATIONS", "deviations", "find"]


@dataclasses.dataclass(frozen=True)
class Deviation:
    """One knowing difference.

    Attributes
    ----------
    name : short, used in tables
    method : registry name
    original, ours, why : one sentence each
    test : the test that demonstrates the original's behaviour on the real package
    where : ``where(state, g) -> booleans (n,)``, the coordinates it touches in one step (None: all); `state` is the
        reference's state after the step, by field name. Everywhere else the two must still agree
    """

    name: str
    method: str
    original: str
    ours: str
    why: str
    test: str
    where: Callable[[dict[str, Any], np.ndarray], np.ndarray] | None = None


def small_cubic_term(state: dict[str, Any], g: np.ndarray) -> np.ndarray:
    """Coordinates where the textbook root of A d^2 + B d + C loses digits: |4AC| << B^2, for any mode and debiasing."""
    m1, m2, m3 = (np.abs(np.asarray(state[k], dtype=np.float64)) for k in ("m1", "m2", "m3"))
    with np.errstate(all="ignore"):
        A = np.minimum(np.cbrt(m3), m3 / 2)
        return ~(4 * A * m1 > 1e-3 * m2) | (A < 1e-5)


DEVIATIONS: tuple[Deviation, ...] = (
    Deviation(
        "stable-root", "CubicAdam",
        "takes the roots (-B +- sqrt(B^2 - 4AC)) / (2A) with 2A clipped away from zero by eps: NaN at A = 0 (a "
        "coordinate with zero gradient), wrong by orders of magnitude for tiny A",
        "takes -2C / (B + sqrt(B^2 - 4AC)), the same root without division by A; C = 0 gives 0",
        "no division by A, no cancellation, and A -> 0 gives Adam",
        "tests/oracle/test_deviations.py::test_stable_root", small_cubic_term),
)


class DeviationTable(tuple):
    """The rows of `deviations()`; prints as text, `markdown()` as a table for the README."""

    def __str__(self) -> str:
        return "\n".join(f"{d.method}: {d.name}\n  original: {d.original}\n  refopt:   {d.ours}\n  why:      {d.why}"
                         for d in self)

    __repr__ = __str__

    def markdown(self) -> str:
        lines = ["| method | deviation | the original | refopt | why |", "|---|---|---|---|---|"]
        lines += [f"| {d.method} | {d.name} | {d.original} | {d.ours} | {d.why} |" for d in self]
        return "\n".join(lines)


def deviations(method: str | None = None) -> DeviationTable:
    """The knowing differences from `torchzero` 0.4.4, all or those of one method.

    Examples
    --------
    >>> from refopt import oracle
    >>> [d.name for d in oracle.deviations("CubicAdam")]
    ['stable-root']
    """
    return DeviationTable(d for d in DEVIATIONS if method is None or d.method == method)


def find(name: str) -> Deviation:
    """The deviation called `name`; a ValueError names the closest."""
    for d in DEVIATIONS:
        if d.name == name:
            return d
    from ..checks import unknown

    raise unknown("deviation", name, [d.name for d in DEVIATIONS])
