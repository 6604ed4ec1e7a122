"""The hyperparameters of a method as entries of torch's parameter groups, which schedulers can change.

A field becomes an entry if its name occurs only once in the method (in a chain: in one part), and its value
is a number, a bool, a string or None. In chain(Adam(), LR(1e-3)) these are ``lr`` of LR and ``beta1`` and the
other fields of Adam.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..method import Method, rebuild, walk

__all__ = ["entries", "repeated", "signature", "with_entries"]

PLAIN = (type(None), bool, int, float, str, np.generic)


def fields(method: Method) -> list[tuple[str, Any]]:
    """Names and values of the plain fields of the method and of all methods inside it."""
    return [
        (f.name, getattr(part, f.name))
        for part in walk(method)
        for f in dataclasses.fields(part)
        if isinstance(getattr(part, f.name), PLAIN)
    ]


def entries(method: Method) -> dict[str, Any]:
    """The entries of a parameter group, with the values that the method has."""
    found = fields(method)
    count = Counter(name for name, _ in found)
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in found
        if count[name] == 1
    }


def repeated(method: Method) -> set[str]:
    """Names that occur in several parts, so that a group cannot set them."""
    return {name for name, count in Counter(name for name, _ in fields(method)).items() if count > 1}


def with_entries(method: Method, values: Mapping[str, Any]) -> Method:
    """The method with these values, which its constructor checks."""

    def change(part: Method) -> Method:
        changes = {f.name: values[f.name] for f in dataclasses.fields(part) if f.name in values}
        return dataclasses.replace(part, **changes) if changes else part

    return rebuild(method, change)


def signature(method: Method) -> str:
    """The structure of the method without its hyperparameters; a saved state must have the same one."""
    inner = ", ".join(map(signature, method.parts()))
    return type(method).__name__ + (f"({inner})" if inner else "")
