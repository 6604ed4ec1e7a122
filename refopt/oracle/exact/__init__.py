"""Every method's step once more, in 50 digits: `definitions` has the table, the other files fill it."""

import importlib
import pkgutil

from .definitions import DEFINITIONS, Definition, Undefined, Violation, definition, run, step

__all__ = ["DEFINITIONS", "Definition", "Undefined", "Violation", "definition", "run", "step"]

for found in pkgutil.iter_modules(__path__):  # each file registers the definitions in it
    importlib.import_module(f"{__name__}.{found.name}")
