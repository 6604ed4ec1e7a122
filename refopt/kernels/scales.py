"""For each dtype a power of two and its inverse, which move numbers away from the ends of the exponent range.

Multiplied by the first if they are small and by the second if they are large, numbers have products
that neither overflow nor underflow, and no digit of them changes.
"""

from __future__ import annotations

import numpy as np

SCALES = {
    np.dtype(np.float64): (np.array(2.0**256), np.array(2.0**-256)),
    np.dtype(np.float32): (np.array(2.0**32, np.float32), np.array(2.0**-32, np.float32)),
}
