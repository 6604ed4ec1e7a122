"""Coefficients of a primitive of the user's own, against its values.

A derivative rule may give a right derivative that cannot be differentiated again; the second coefficient is
then wrong without a word.
"""

from __future__ import annotations

from typing import Any

import numpy as onp
from autograd.util import subvals

from ..refusal import plain

__all__ = ["bends_otherwise"]


def bends_otherwise(
    fun: Any, known: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any], active: dict[int, list[Any]]
) -> bool:
    """Whether values of a primitive along the curve of its arguments contradict ``known[2]``.

    Parameters
    ----------
    fun : the primitive
    known : [value, c_1, c_2, ...]
    args, kwargs : its arguments at the point
    active : the series of the arguments that move, by their numbers
    """
    series = {
        n: [onp.asarray(plain(0 if c is None else c), dtype=float) for c in s[:2]] for n, s in active.items()
    }
    speed = max(float(onp.abs(s[1]).max(initial=0)) for s in series.values())
    if not speed > 0:
        return False
    h = 1e-3 * max(1.0, *(float(onp.abs(s[0]).max(initial=0)) for s in series.values())) / speed
    # the curve of the arguments, with its second coefficient, on both sides
    second = {n: 0 if len(s) < 3 or s[2] is None else onp.asarray(plain(s[2])) for n, s in active.items()}
    plains = tuple(plain(a) for a in args)
    ends = []
    for t in (h, -h):
        moved = [(n, s[0] + t * s[1] + t * t * second[n]) for n, s in series.items()]
        ends.append(onp.asarray(fun(*subvals(plains, moved), **kwargs), dtype=float))
    middle = onp.asarray(plain(known[0]), dtype=float)
    bend = (ends[0] - middle + (ends[1] - middle)) / 2
    expected = h * h * onp.asarray(plain(0 if known[2] is None else known[2]), dtype=float)
    size = max(float(onp.abs(bend).max(initial=0)), float(onp.abs(expected).max(initial=0)))
    noise = 1e-9 * float(onp.abs(middle).max(initial=0))
    return bool(float(onp.abs(bend - expected).max(initial=0)) > 0.01 * size + noise)
