"""The table of Taylor rules: importing this module fills `series.RULES`.

The rules of `autograd.scipy` (in `taylor_scipy`) join them when a function first uses it.

Points where a function has no Taylor series:

- *Ties and kinks* (``abs`` at 0, equal arguments of ``maximum``, equal elements in ``max``, ``sort``): the
  coefficients are those of the curve for small t > 0, decided by the first coefficients that differ. They
  are the exact one-sided series of ``t -> fun(x + t s)``, so ``abs(x)**2`` is right at 0, and they are not
  linear in s.
- *Coefficients that do not exist* are nan: ``sqrt`` and non-integer powers r at 0 beyond order r. An
  element that does not move at all keeps zeros.
- *Branches* written by the user (``where``, ``if``) are taken at the point, as in every automatic
  differentiation.
- Piecewise constant functions (``sign``, ``floor``, comparisons) have zero coefficients, jumps included.
"""

from __future__ import annotations

from . import elementary as taylor_elementary
from . import linalg as taylor_linalg
from . import reverse as taylor_reverse
from . import shapes as taylor_arrays
from .algebra import REFUSED, RULES

__all__ = ["REFUSED", "RULES", "taylor_arrays", "taylor_elementary", "taylor_linalg", "taylor_reverse"]
