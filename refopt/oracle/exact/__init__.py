"""Every method's step once more, in 50 digits: `definitions` has the table, the other files fill it."""

from . import (
    curve_ball,
    elementwise,
    ggt,
    grad_min,
    higher_order_newton,
    infinity_norm_trust_region,
    line_searches,
    linear_systems,
    newton_newton,
    projections,
    second_order,
)
from .definitions import DEFINITIONS, Definition, Undefined, Violation, definition, run, step

__all__ = [
    "DEFINITIONS",
    "Definition",
    "Undefined",
    "Violation",
    "curve_ball",
    "definition",
    "elementwise",
    "ggt",
    "grad_min",
    "higher_order_newton",
    "infinity_norm_trust_region",
    "line_searches",
    "linear_systems",
    "newton_newton",
    "projections",
    "run",
    "second_order",
    "step",
]
