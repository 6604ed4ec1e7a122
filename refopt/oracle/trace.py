"""A recorded run: what a candidate saw and did, step by step, replayed without its framework.

A trace holds, for every step, the point ``x``, the value and gradient the candidate worked with, its state
before and after, the update ``x_before - x_after``, and the random masks it drew. The file is one ``.npz``
(or ``.json``) with the versions of the libraries that made it.
"""

from __future__ import annotations

import dataclasses
import json
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np

from .._version import __version__

__all__ = ["Step", "Trace", "versions"]

FORMAT = 1  # raised when the file's meaning changes
LIBRARIES = ("numpy", "scipy", "autograd", "numba", "torch", "torchzero", "optax", "jax")


@dataclasses.dataclass
class Step:
    """One step of a candidate.

    Attributes
    ----------
    x, update : (n,) arrays; the next point is ``x - update``
    f, g : value and gradient at `x` that the candidate used, or None where they cannot be seen
    before, after : state fields by name, arrays or numbers, before and after the step
    product : (v, Hv) that the candidate used, or None
    mask : random booleans (n,) drawn in this step, or None
    """

    x: np.ndarray
    update: np.ndarray
    f: float | None = None
    g: np.ndarray | None = None
    before: dict[str, Any] = dataclasses.field(default_factory=dict)
    after: dict[str, Any] = dataclasses.field(default_factory=dict)
    product: tuple[np.ndarray, np.ndarray] | None = None
    mask: np.ndarray | None = None


@dataclasses.dataclass
class Trace:
    """A run of a candidate on a problem.

    Attributes
    ----------
    candidate, problem : names, for messages
    steps : list of `Step`
    own_gradient : the candidate computed f and g itself (they are then compared, not only used)
    moved_x : updates are differences of points, so each carries the rounding of ``x``
    hyperparameters : those that the candidate lists (torch: its ``param_groups``), by name
    ended : (kind, message) where the run broke off: "exception", "shape", "input", "nonfinite"; else None
    libraries : versions of what made the trace
    draws : random arrays of every part of a refopt method that draws, by the number of the step; None in a
    step that
        drew nothing
    """

    candidate: str
    problem: str
    dtype: str = "float64"
    steps: list[Step] = dataclasses.field(default_factory=list)
    shapes: tuple[tuple[int, ...], ...] | None = None
    own_gradient: bool = False
    moved_x: bool = True
    hyperparameters: dict[str, Any] = dataclasses.field(default_factory=dict)
    ended: tuple[str, str] | None = None
    libraries: dict[str, str] = dataclasses.field(default_factory=lambda: versions())
    draws: tuple[tuple[np.ndarray | None, ...], ...] = ()
    error: BaseException | None = dataclasses.field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def masks(self) -> np.ndarray | None:
        """The random masks (steps, n), or None where a step has none."""
        if not self.steps or any(s.mask is None for s in self.steps):
            return None
        return np.stack([s.mask for s in self.steps])  # type: ignore[misc]

    # ------------------------------------------------------------ file

    def save(self, path: Any) -> Path:
        """Write the trace to `path`, ending in ``.npz`` (small) or ``.json`` (readable; floats stay exact).

        Examples
        --------
        >>> import refopt, tempfile, pathlib
        >>> from refopt import oracle
        >>> trace = oracle.record(refopt.chain(refopt.Adam(), refopt.LR(0.1)), "classic/beale", steps=3)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = trace.save(pathlib.Path(folder) / "adam.npz")
        ...     again = oracle.Trace.load(path)
        >>> bool((again.steps[2].update == trace.steps[2].update).all()), again.libraries == trace.libraries
        (True, True)
        """
        path = Path(path)
        if path.suffix not in (".npz", ".json"):
            raise ValueError(f"Trace.save: the file name must end in .npz or .json, got {str(path)!r}")
        arrays: dict[str, np.ndarray] = {}

        def pack(value: Any, key: str) -> Any:
            if isinstance(value, np.ndarray):
                arrays[key] = value
                return {"array": key}
            if isinstance(value, (tuple, list)):
                return {"list": [pack(v, f"{key}.{i}") for i, v in enumerate(value)]}
            if isinstance(value, dict):
                return {"dict": {k: pack(v, f"{key}.{k}") for k, v in value.items()}}
            if isinstance(value, (np.floating, np.integer, np.bool_)):
                return value.item()
            return value if isinstance(value, (bool, int, float, str, type(None))) else {"text": repr(value)}

        header: dict[str, Any] = {"format": FORMAT}
        for field in dataclasses.fields(self):
            if field.name not in ("steps", "error"):
                header[field.name] = pack(getattr(self, field.name), field.name)
        header["steps"] = [
            {f.name: pack(getattr(s, f.name), f"{k}.{f.name}") for f in dataclasses.fields(s)}
            for k, s in enumerate(self.steps)
        ]
        if path.suffix == ".npz":
            np.savez_compressed(path, header=np.array(json.dumps(header)), **arrays)  # type: ignore[arg-type]
        else:
            header["arrays"] = {
                k: [
                    str(a.dtype),
                    list(a.shape),
                    [v.hex() if a.dtype.kind == "f" else v for v in a.reshape(-1).tolist()],
                ]
                for k, a in arrays.items()
            }
            path.write_text(json.dumps(header, indent=1))
        return path

    @classmethod
    def load(cls, path: Any) -> Trace:
        """Read a trace; torch or whatever made it is not needed."""
        path = Path(path)
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                if "header" not in file.files:
                    raise ValueError(f"Trace.load: {str(path)!r} is an .npz file but no trace of refopt")
                header = json.loads(str(file["header"]))
                arrays = {k: file[k] for k in file.files if k != "header"}
        elif path.suffix == ".json":
            header = json.loads(path.read_text())
            if not isinstance(header, dict) or "arrays" not in header:
                raise ValueError(f"Trace.load: {str(path)!r} is JSON but no trace of refopt")
            arrays = {
                k: np.array(
                    [float.fromhex(v) if isinstance(v, str) else v for v in values], dtype=dtype
                ).reshape(shape)
                for k, (dtype, shape, values) in header.pop("arrays").items()
            }
        else:
            raise ValueError(f"Trace.load: the file name must end in .npz or .json, got {str(path)!r}")
        if header.pop("format") != FORMAT:
            raise ValueError(
                f"Trace.load: {str(path)!r} was written by another version of refopt; record it again"
            )

        def unpack(value: Any) -> Any:
            if isinstance(value, dict):
                if "array" in value:
                    return arrays[value["array"]]
                if "list" in value:
                    return tuple(unpack(v) for v in value["list"])
                if "dict" in value:
                    return {k: unpack(v) for k, v in value["dict"].items()}
                return value["text"]
            return value

        steps = [Step(**{k: unpack(v) for k, v in s.items()}) for s in header.pop("steps")]
        return cls(**{k: unpack(v) for k, v in header.items()}, steps=steps)


def versions() -> dict[str, str]:
    """Versions of Python, refopt and of the libraries that are loaded."""
    found = {"python": platform.python_version(), "refopt": __version__}
    for name in LIBRARIES:
        module = sys.modules.get(name)
        if module is not None and hasattr(module, "__version__"):
            found[name] = str(module.__version__)
    return found
