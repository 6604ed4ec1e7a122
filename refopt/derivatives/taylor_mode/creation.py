"""Taylor rules of new arrays from numbers and arrays: `array`, `full`, `full_like`, `linspace`, `astype`."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import numpy as onp
from autograd.numpy import numpy_wrapper as wrapped
from autograd.tracer import getval

from .algebra import RULES, Algebra, Series
from .families import defined, linear, reshaped


def array_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """array_from_args(array_args, array_kwargs, *parts): a new first axis."""
    np, parts = algebra.np, args[2:]
    shape = algebra.shape(onp.shape(getval(ans)))
    out: list[Any] = []
    for k in range(1, algebra.order + 1):
        row = [active[n][k] if n in active else None for n in range(2, len(args))]
        if all(c is None for c in row):
            out.append(None)
            continue
        stacked = np.array([algebra.dense(c, part) for c, part in zip(row, parts, strict=True)])
        if algebra.batch is not None:
            stacked = np.swapaxes(stacked, 0, 1)
        out.append(np.reshape(stacked, shape))
    return out


def linspace_definition(ans: Any, start: Any, stop: Any, num: int = 50, endpoint: bool = True) -> Any:
    """start (1 - w) + stop w."""
    w = onp.linspace(0.0, 1.0, num, endpoint=endpoint)
    w = onp.reshape(w, (num,) + (1,) * (onp.ndim(getval(ans)) - 1))
    return start * (1.0 - w) + stop * w


RULES[anp.array_from_args] = array_rule
linear(
    wrapped._array_from_scalar_or_array,
    lambda np, c, ans, array_args, array_kwargs, x: reshaped(np, c, ans),
    argnum=2,
)
defined(anp.full, lambda ans, shape, value, dtype=None: value + onp.zeros(anp.shape(ans)))
defined(anp.full_like, lambda ans, x, value, **_k: value + onp.zeros(anp.shape(ans)))
defined(anp.linspace, linspace_definition)
defined(wrapped._astype, lambda ans, x, *args, **kwargs: x if ans.dtype.kind in "fc" else anp.floor(x) * 0.0)
