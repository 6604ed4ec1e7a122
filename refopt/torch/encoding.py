"""A method's state as plain values and tensors, and back without any change.

`torch.load` in its safe form reads only numbers, strings, lists, dicts and tensors. So a record is saved as a
dict with the name of its class, and an array as a tensor of its bytes. Classes are looked up in modules that
are already loaded; nothing is imported, and no code from the file runs.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch

from ..objective import Objective

__all__ = ["encode", "decode"]

PLAIN = (type(None), bool, int, float, str)
GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
# Modules whose objects may be rebuilt from their attributes (quasi-Newton strategies and the like).
OBJECTS = ("refopt.", "scipy.optimize.")


def encode(value: Any, where: str = "state") -> Any:
    """`value` as plain values and tensors; `where` is its name in the error if it cannot be saved."""
    if type(value) in PLAIN:
        return value
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype != object:
        return encode_array(value)
    if isinstance(value, np.random.Generator):
        return {"kind": "generator", "state": encode(value.bit_generator.state, where)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        parts = [encode(v, f"{where}.{k}") for k, v in zip(value._fields, value, strict=True)]
        return {"kind": "record", "class": class_name(value), "parts": parts}
    if type(value) in (tuple, list):
        return {
            "kind": type(value).__name__,
            "parts": [encode(v, f"{where}[{i}]") for i, v in enumerate(value)],
        }
    if type(value) is dict:
        return {
            "kind": "dict",
            "parts": [[encode(k, where), encode(v, f"{where}[{k!r}]")] for k, v in value.items()],
        }
    if isinstance(value, Objective):
        return None  # an objective made from the closure of one step; methods make it again
    if (
        type(value).__module__.startswith(OBJECTS)
        and hasattr(value, "__dict__")
        and not isinstance(value, type)
    ):
        return {
            "kind": "object",
            "class": class_name(value),
            "parts": [[k, encode(v, f"{where}.{k}")] for k, v in vars(value).items()],
        }
    raise TypeError(
        f"state_dict: {where} is {type(value).__name__}, which cannot be saved; states may hold numbers, "
        "strings, arrays, generators, tuples, lists, dicts and records of them"
    )


def encode_array(a: Any) -> dict[str, Any]:
    order = "F" if a.ndim > 1 and a.flags.f_contiguous and not a.flags.c_contiguous else "C"
    raw = bytearray(a.tobytes(order))
    data = torch.frombuffer(raw, dtype=torch.uint8) if raw else torch.empty(0, dtype=torch.uint8)
    return {
        "kind": "array" if isinstance(a, np.ndarray) else "number",
        "dtype": a.dtype.str,
        "shape": list(a.shape),
        "order": order,
        "data": data,
    }


def class_name(value: Any) -> str:
    return f"{type(value).__module__}:{type(value).__qualname__}"


def find_class(name: str) -> type:
    """The class with this name, in a module that is already loaded."""
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type):
        raise ValueError(
            f"load_state_dict: the saved state holds a {name}, which is not known here; import the "
            "module that defines it and use the version of refopt that saved it"
        )
    return found


def decode(value: Any) -> Any:
    """The value that `encode` was given, with the same bits and types."""
    if type(value) in PLAIN:
        return value
    kind, parts = value["kind"], value.get("parts")
    if kind in ("array", "number"):
        raw = value["data"].cpu().numpy().tobytes()
        a = (
            np.frombuffer(raw, dtype=value["dtype"])
            .reshape(value["shape"], order=value["order"])
            .copy(order="K")
        )
        return a if kind == "array" else a[()]
    if kind == "generator":
        state = decode(value["state"])
        if state["bit_generator"] not in GENERATORS:
            raise ValueError(
                f"load_state_dict: unknown bit generator {state['bit_generator']!r}; "
                f"known: {', '.join(GENERATORS)}"
            )
        bits = getattr(np.random, state["bit_generator"])()
        bits.state = state
        return np.random.Generator(bits)
    if kind == "record":
        cls = find_class(value["class"])
        if not (issubclass(cls, tuple) and hasattr(cls, "_fields") and len(cls._fields) == len(parts)):
            raise ValueError(
                f"load_state_dict: the fields of {value['class']} have changed; use the version of refopt "
                "that saved the state"
            )
        return cls(*map(decode, parts))
    if kind == "object":
        cls = find_class(value["class"])
        if not cls.__module__.startswith(OBJECTS):
            raise ValueError(f"load_state_dict: {value['class']} is not a class that a state may contain")
        made: Any = object.__new__(cls)
        vars(made).update({k: decode(v) for k, v in parts})
        return made
    if kind == "dict":
        return {decode(k): decode(v) for k, v in parts}
    return {"tuple": tuple, "list": list}[kind](map(decode, parts))
