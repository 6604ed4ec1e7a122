"""Rules of the package that the definitions share with it: when f is only rounding.

The formulas of the definitions are independent of the code they judge. What counts as rounding in f is no
formula of a method but a rule of the package; a definition that had another rule would disagree only there.
"""

from __future__ import annotations

from typing import Any

from ... import rounding
from ...rounding import FLATTER, LONG_SUMS
from .precise import PrecisePoint, plain

__all__ = ["FLATTER", "LONG_SUMS", "rounding_error"]


def rounding_error(p: PrecisePoint, H: Any = None) -> float:
    """The change of f that means nothing, with the rounding of x where the precise Hessian `H` is given."""
    return rounding.rounding_error(float(p.f), p.point.x.dtype, p.point.x, None if H is None else plain(H))
