"""Every method's step once more, in 50 digits: `definitions` has the table, the other files fill it."""

from .definitions import EXACT, ULPS, Undefined, Violation, run, step

__all__ = ["EXACT", "ULPS", "Undefined", "Violation", "run", "step"]
