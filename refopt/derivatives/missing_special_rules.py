"""Derivative rules of functions of `scipy.special` that autograd does not know, by their partial derivatives.

The fourth part of `missing_rules`: what likelihoods and robust losses are written with.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import scipy.special
from autograd.extend import defvjp, primitive
from autograd.numpy.numpy_vjps import unbroadcast_f

from .numpy_calls import scan
from .taylor_mode.families import by_partials

__all__: list[str] = []


def rules_of(fun: Any, *partials: Callable[..., Any]) -> None:
    """Both rules of an elementwise function; ``partials[i](*args)`` is its derivative in argument i."""

    def adjoint(i: int) -> Callable:
        return lambda ans, *args: unbroadcast_f(args[i], lambda g: g * partials[i](*args))

    defvjp(fun, *(adjoint(i) for i in range(len(partials))))
    by_partials(fun, *(lambda ans, *args, partial=partial: partial(*args) for partial in partials))


def root(d: Any, r: Any) -> Any:
    """sqrt(1 + (r / d)^2)."""
    return anp.sqrt(1.0 + (r / d) ** 2)


xlogy = primitive(scipy.special.xlogy)
xlog1py = primitive(scipy.special.xlog1py)
entr = primitive(scipy.special.entr)
rel_entr = primitive(scipy.special.rel_entr)
kl_div = primitive(scipy.special.kl_div)
huber = primitive(scipy.special.huber)
pseudo_huber = primitive(scipy.special.pseudo_huber)
ndtr = primitive(scipy.special.ndtr)
log_ndtr = primitive(scipy.special.log_ndtr)
log_expit = primitive(scipy.special.log_expit)
exp10 = primitive(scipy.special.exp10)

rules_of(xlogy, lambda x, y: anp.log(y) + 0.0 * x, lambda x, y: x / y)
rules_of(xlog1py, lambda x, y: anp.log1p(y) + 0.0 * x, lambda x, y: x / (1.0 + y))
rules_of(entr, lambda x: -anp.log(x) - 1.0)
rules_of(rel_entr, lambda x, y: anp.log(x / y) + 1.0, lambda x, y: -x / y)
rules_of(kl_div, lambda x, y: anp.log(x / y), lambda x, y: 1.0 - x / y)
rules_of(
    huber,
    lambda d, r: anp.where(anp.abs(r) <= d, 0.0, anp.abs(r) - d),
    lambda d, r: anp.minimum(anp.maximum(r, -d), d),
)
rules_of(
    pseudo_huber,
    lambda d, r: 2.0 * d * (root(d, r) - 1.0) - r**2 / (d * root(d, r)),
    lambda d, r: r / root(d, r),
)
rules_of(ndtr, lambda x: anp.exp(-0.5 * x**2) / math.sqrt(2.0 * math.pi))
rules_of(log_ndtr, lambda x: anp.exp(-0.5 * x**2 - log_ndtr(x)) / math.sqrt(2.0 * math.pi))
rules_of(log_expit, lambda x: 0.5 - 0.5 * anp.tanh(0.5 * x))
rules_of(exp10, lambda x: exp10(x) * math.log(10.0))
scan(sys.modules[__name__])
