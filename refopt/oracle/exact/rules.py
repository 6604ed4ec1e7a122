"""Rules of the package that the definitions share with it: when f is only rounding. Copies, gathered here.

The formulas of the definitions are independent of the code they judge. What counts as rounding in f is no formula of a
method but a rule of the package; a definition that had another rule would disagree only there.
"""

from __future__ import annotations

import numpy as np

from .precise import PrecisePoint

__all__ = ["FLATTER", "LONG_SUMS", "rounding_error"]

FLATTER = 0.9  # factor by which a slope must fall where f is only rounding
LONG_SUMS = 1e3  # what long sums and cancellation inside f lose, in units of its rounding error


def rounding_error(p: PrecisePoint) -> float:
    """The change of f that means nothing: 4 eps |f|."""
    return 4 * float(np.finfo(p.point.x.dtype).eps) * abs(float(p.f))
