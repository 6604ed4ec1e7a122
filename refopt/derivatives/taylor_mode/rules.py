"""The complete tables: importing this module registers the rule of every primitive that has one.

The rules of `autograd.scipy` are registered when a function first uses it, because its import takes most of a
second.
"""

from __future__ import annotations

import autograd.numpy as anp
from autograd.extend import register_notrace
from autograd.numpy.numpy_vjps import nograd_functions

# each of these modules fills the tables
from . import (  # noqa: F401
    choices,
    creation,
    diagonals,
    differences,
    elementary,
    fourier,
    indexing,
    linalg,
    products,
    reductions,
    reverse,
    shapes,
    sorting,
)
from .algebra import LATE, REFUSED, RULES, TaylorNode

__all__ = ["REFUSED", "RULES"]


def load_scipy() -> None:
    """Register the rules of `autograd.scipy`."""
    from . import distributions, scipy_linalg, special  # noqa: F401


LATE["autograd.scipy"] = load_scipy

# piecewise constant functions: their results carry no series
for fun in nograd_functions:
    if fun is not anp.full_like:  # its fill value counts
        register_notrace(TaylorNode, fun)
