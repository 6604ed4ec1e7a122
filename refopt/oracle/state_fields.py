"""The fields of a state by name: those of refopt, torch and optax, and which of them mean the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..method import copy_state
from .exact.precise import plain

__all__ = [
    "ALIASES",
    "comparable",
    "is_decision",
    "leaf",
    "left_open",
    "like",
    "named",
    "names_of",
    "optax_fields",
    "paths",
    "torch_fields",
    "with_leaf",
]


def named(state: Any) -> dict[str, Any]:
    """The fields of a state by their names in `names_of`, copied."""
    names = names_of(state)
    return {names[path]: copy_state(value) for path, value in paths(state)}


def names_of(state: Any) -> dict[tuple, str]:
    """``{path: name}`` of the fields, flattened: the last word of the path where that is unique."""
    found = [path for path, _ in paths(state)]
    last = [path[-1] for path in found]
    return {path: path[-1] if last.count(path[-1]) == 1 else ".".join(map(str, path)) for path in found}


def paths(state: Any, path: tuple = ()) -> list[tuple[tuple, Any]]:
    """``[(path, value)]`` of the leaves of a state."""
    if isinstance(state, tuple) and hasattr(state, "_fields"):
        if state._fields == ("states",):  # a chain's
            parts: tuple = getattr(state, "states")  # noqa: B009
            return [leaf for i, part in enumerate(parts) for leaf in paths(part, (*path, i))]
        return [leaf for name in state._fields for leaf in paths(getattr(state, name), (*path, name))]
    if not path or isinstance(state, np.random.Generator):
        return []
    if isinstance(path[-1], int):  # a chain's part without a record
        return []
    return [(path, state)]


# What other libraries call the fields of our states; the first of the names that the reference has is meant.
ALIASES: dict[str, tuple[str, ...]] = {
    "exp_avg": ("m1", "m", "v"),
    "exp_avg_sq": ("m2",),
    "exp_avg_cu": ("m3",),
    "momentum_buffer": ("v",),
    "velocity": ("v",),
    "mu": ("m1", "m"),
    "nu": ("m2",),
    "trace": ("v",),
    "ema": ("m",),
    "step": ("t",),
    "count": ("t",),
}


def torch_fields(optimizer: Any, params: list) -> dict[str, Any]:
    """State of a torch optimizer, one vector for all parameters; torchzero keeps it in its modules."""
    stores = [optimizer.state]
    counters = True
    if hasattr(optimizer, "modules") and not callable(optimizer.modules):
        stores, counters = [m.state for m in optimizer.modules], False  # its counters mean different things
    found: dict[str, Any] = {}
    for store in stores:
        rows = [store[p] if p in store else {} for p in params]
        for name in rows[0] if rows else ():
            values = [r.get(name) for r in rows]
            if all(
                hasattr(v, "numel") and v.numel() == p.numel() and tuple(v.shape) == tuple(p.shape)
                for v, p in zip(values, params, strict=True)
            ):
                found[name] = np.concatenate([v.detach().cpu().numpy().reshape(-1) for v in values])
            elif counters and np.ndim(values[0]) == 0 and isinstance(float(values[0]), float):
                found[name] = float(values[0])
    return found


def optax_fields(state: Any) -> dict[str, Any]:
    """Fields of an optax state: a dict, a NamedTuple, or a tuple of them."""
    if isinstance(state, dict):
        return {k: np.array(v) if np.ndim(v) else v for k, v in state.items()}
    if isinstance(state, tuple) and hasattr(state, "_fields"):
        found: dict[str, Any] = {}
        for name in state._fields:
            value = getattr(state, name)
            if isinstance(value, (dict, tuple)):
                found.update(optax_fields(value))
            else:
                found[name] = np.array(value) if np.ndim(value) else value
        return found
    if isinstance(state, tuple):
        return {k: v for part in state for k, v in optax_fields(part).items()}
    return {}


# ---------------------------------------------------------------- one field of a state


def leaf(state: Any, path: tuple) -> Any:
    """The entry of a state (plain or precise) at a path of `paths`."""
    for key in path:
        state = state.states[key] if isinstance(key, int) else getattr(state, key)
    return state


def with_leaf(state: Any, path: tuple, value: Any) -> Any:
    """The state (plain or precise) with one entry replaced."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(key, int):
        parts = list(state.states)
        parts[key] = with_leaf(parts[key], rest, value)
        changes: dict[str, Any] = {"states": tuple(parts)}
    else:
        changes = {key: with_leaf(getattr(state, key), rest, value)}
    replaced = state._replace if hasattr(state, "_replace") else state.changed
    return replaced(**changes)


def is_decision(value: Any) -> bool:
    """A choice that a step made: equal or not, with no rounding between."""
    return isinstance(value, (bool, np.bool_, str))


def comparable(value: Any) -> bool:
    """Numbers, float arrays and decisions; not pairs of vectors, generators or missing values."""
    if is_decision(value) or isinstance(value, (int, float, np.integer, np.floating)):
        return True
    return isinstance(value, np.ndarray) and (value.dtype.kind == "f" or value.dtype == object)


def like(value: Any, own: Any) -> Any:
    """`value` in the type of the reference's own field; `own` itself where an array has another shape."""
    if isinstance(own, np.ndarray):
        a = np.asarray(value, dtype=own.dtype)
        if a.ndim and a.shape != own.shape:
            return own
        return np.array(np.broadcast_to(a, own.shape))
    if isinstance(own, (bool, np.bool_)):
        return bool(value)
    if isinstance(own, (int, np.integer)):
        return int(value)
    if isinstance(own, (float, np.floating)):
        return float(value)
    return value


def left_open(after: Any, answer: Any, before: Any, path: tuple) -> bool:
    """Whether a definition does not give a field that the step changed.

    Parameters
    ----------
    after : the precise state after the step
    answer, before : the implementation's state after the step and before it
    path : of the field
    """
    here, was, new = leaf(answer, path), leaf(before, path), leaf(after, path)
    if np.shape(new) != np.shape(here):
        return True
    if not isinstance(here, np.ndarray) or not here.size or not isinstance(was, np.ndarray):
        return False
    kept = np.shape(was) == np.shape(new) and np.array_equal(plain(new), was)
    return kept and not np.array_equal(here, was)
