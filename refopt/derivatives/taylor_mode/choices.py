"""Taylor rules of choices between values: `where`, `maximum`, `minimum`, `fmax`, `fmin`, `clip`.

Equal arguments are told apart by the first coefficients that differ, so the choice is that for small t > 0.
"""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import numpy as onp
from autograd.tracer import getval

from .algebra import RULES, Algebra, Rule, Series, series_of
from .families import defined


def select(algebra: Algebra, ans: Any, mask: Any, x: Series, y: Series) -> list[Any]:
    """where(mask, x, y), coefficient by coefficient; `mask` may have a direction axis."""
    shape, np = onp.shape(getval(ans)), algebra.np
    return [
        None if a is None and b is None else np.where(mask, algebra.dense(a, ans), algebra.dense(b, ans))
        for a, b in zip(algebra.spread(x, shape), algebra.spread(y, shape), strict=True)
    ]


def where_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """where(condition, x, y)."""
    if len(args) == 1:
        return [None] * algebra.order
    mask = onp.asarray(getval(args[0])).astype(bool)
    return select(
        algebra, ans, mask, series_of(algebra, args, active, 1), series_of(algebra, args, active, 2)
    )


def extreme_rule(sign: int, skip_nan: bool) -> Rule:
    """maximum (sign 1) and minimum (sign -1) of two arguments."""

    def rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
        shape = onp.shape(getval(ans))
        x, y = series_of(algebra, args, active, 0), series_of(algebra, args, active, 1)
        a, b = onp.asarray(getval(x[0])), onp.asarray(getval(y[0]))
        mask, tie = (sign * a > sign * b), a == b
        mask = mask | (onp.isnan(b) if skip_nan else onp.isnan(a))
        for c, d in zip(algebra.spread(x, shape), algebra.spread(y, shape), strict=True):
            if not onp.any(tie):
                break
            if c is not None or d is not None:
                gap = sign * onp.asarray(getval(algebra.dense(c, ans)) - getval(algebra.dense(d, ans)))
                mask = onp.where(tie, gap > 0, mask)
                tie = tie & (gap == 0)
        return select(algebra, ans, mask, x, y)

    return rule


def clip_definition(ans: Any, x: Any, a_min: Any = None, a_max: Any = None) -> Any:
    """minimum(maximum(x, a_min), a_max)."""
    if a_min is not None:
        x = anp.maximum(x, a_min)
    return x if a_max is None else anp.minimum(x, a_max)


RULES[anp._original_where] = where_rule
RULES[anp.maximum], RULES[anp.minimum] = extreme_rule(1, False), extreme_rule(-1, False)
RULES[anp.fmax], RULES[anp.fmin] = extreme_rule(1, True), extreme_rule(-1, True)
defined(anp.clip, clip_definition)
