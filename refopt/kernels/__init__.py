"""The choice between an elementwise formula in NumPy and its compiled twin, faster for long vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

# From this length the twin is chosen. A formula takes 3 ms or less below it, and the first call of a twin
# waits for numba: 0.4 s to import, 0.5 s to compile, once on a machine.
COMPILED_FROM = 50_000


def fastest(formula: Callable[..., np.ndarray], n: int) -> Callable[..., np.ndarray]:
    """The formula itself, or for vectors of length `n` >= `COMPILED_FROM` its compiled twin.

    A formula stands in the file of its method. It is called as ``formula(u, ...)`` with the update
    u (n,), and everything else by name. It may overwrite its running averages (a step consumes its
    state), never u or another argument; the result is a new array. Nothing warns inside: an
    overflow or a NaN shows in the result, and a NaN in one coordinate stays there.

    The twin has the same name and arguments in `refopt.kernels.compiled`, and gives the same bits.
    Where it does not serve the arrays (strided, overlapping, of mixed or of other dtypes) or the
    settings, the formula answers. The choice depends on the arguments alone, and ``numba`` is
    imported when a twin is needed, not before.

    Examples
    --------
    >>> from refopt.parts.momentum import ema
    >>> fastest(ema, 10) is ema, fastest(ema, 10**6) is ema
    (True, False)
    """
    if n < COMPILED_FROM:
        return formula
    from . import compiled

    fused = getattr(compiled, formula.__name__)

    def twin(u: np.ndarray, **settings: Any) -> np.ndarray:
        out = fused(u, **settings)
        return formula(u, **settings) if out is None else out

    return twin
