"""The Euclidean norm without overflow."""

from __future__ import annotations

import numpy as np
from scipy.linalg.blas import dnrm2, snrm2

__all__ = ["nrm2"]


def nrm2(v: np.ndarray) -> float:
    """|v|_2 without overflow, underflow or warnings (BLAS nrm2).

    Examples
    --------
    >>> import numpy as np
    >>> round(nrm2(np.array([3e200, 4e200])) / 1e200, 9)
    5.0
    """
    return float(snrm2(v) if v.dtype == np.float32 else dnrm2(v))
