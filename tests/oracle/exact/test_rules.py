"""Rules that the definitions share with the package."""

import numpy as np

from refopt.function import FunctionObjective
from refopt.oracle.exact.precise import Arithmetic, PrecisePoint
from refopt.oracle.exact.rules import rounding_error


def test_rounding_error_is_four_ulps_of_f_in_the_dtype_of_x():
    for dtype in (np.float64, np.float32):
        x = np.array([1.0], dtype=dtype)
        point = FunctionObjective(lambda x: -8.0 * x[0], x).at(x)
        assert rounding_error(PrecisePoint(point, Arithmetic())) == 32 * np.finfo(dtype).eps
