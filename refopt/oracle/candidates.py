"""What can be judged, and how a candidate's kind is recognised.

| candidate                                           | recognised by                                     |
| --------------------------------------------------- | ------------------------------------------------- |
| ``lambda params: torch.optim.Adam(params)``         | one parameter, or a subclass of torch's Optimizer |
| an optax-style pair ``(init, update)``              | a pair of functions, or attributes of these names |
| ``step(x, f, g)`` and with ``state``, see `Stepper` | a function of more than one parameter             |
| a `Trace`, or the path of its file                  | its type                                          |
| a refopt method                                     | its type                                          |

`recording` runs each kind.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import checks
from ..method import Method, as_method
from ..registry import find
from .trace import Trace

__all__ = ["Stepper", "as_reference", "kind_of", "name_of", "parameters"]


@dataclasses.dataclass(frozen=True)
class Stepper:
    """A plain step function.

    Parameters
    ----------
    step : callable
        Called with those of these that its parameters name: ``x, f, g, state, t`` (number of the step, from
        0), ``fun, hvp, hess, mask, rng``. ``state`` is a dict; it may be edited in place or returned: the
        answer is ``new_x`` or ``(new_x, state)``.
    state : dict, function of x, or None
        The state at the start. Fields that have the name of a field of the reference are compared and, in
        lockstep, handed to it.
    returns : "x" or "update"
        "update": the answer is the update, the new point is ``x - update``.
    name : text for messages

    Examples
    --------
    >>> from refopt import oracle, LR
    >>> oracle.compare(oracle.Stepper(lambda x, g: x - 0.1 * g), LR(0.1), "classic/beale").ok
    True
    """

    step: Callable
    state: Any = None
    returns: str = "x"
    name: str | None = None

    def __post_init__(self) -> None:
        checks.function("Stepper", "step", self.step)
        checks.one_of("Stepper", "returns", self.returns, ("x", "update"))
        if not (self.state is None or isinstance(self.state, dict) or callable(self.state)):
            raise TypeError(
                f"Stepper: state must be a dict, a function of x or None, got {checks.describe(self.state)}"
            )
        unknown = [n for n in parameters(self.step) if n not in OFFERED]
        if unknown:
            raise ValueError(
                f"a step function may ask for {', '.join(OFFERED)}; {name_of(self.step)} asks for "
                f"{unknown[0]!r} (give it a default, or wrap the function)"
            )


OFFERED = ("x", "f", "g", "state", "t", "fun", "hvp", "hess", "mask", "rng")


def parameters(function: Callable) -> list[str]:
    """Names of the parameters without defaults."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return []
    plain = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    )
    return [
        p.name
        for p in signature.parameters.values()
        if p.kind in plain and (p.default is p.empty or p.name in OFFERED)
    ]


def name_of(candidate: Any) -> str:
    """A short name for messages."""
    if isinstance(candidate, Stepper):
        return candidate.name or name_of(candidate.step)
    if isinstance(candidate, Method):
        return repr(candidate)
    if isinstance(candidate, Trace):
        return candidate.candidate
    if isinstance(candidate, (str, Path)):
        return str(candidate)
    return getattr(candidate, "__name__", type(candidate).__name__)


def kind_of(candidate: Any) -> str:
    """ "trace", "method", "step", "optax" or "torch"; a TypeError that lists them for anything else."""
    if isinstance(candidate, Trace) or (
        isinstance(candidate, (str, Path)) and Path(candidate).suffix in (".npz", ".json")
    ):
        return "trace"
    if isinstance(candidate, Method):
        return "method"
    if isinstance(candidate, Stepper):
        return "step"
    if isinstance(candidate, type):
        torch = sys.modules.get("torch")
        if torch is not None and issubclass(candidate, torch.optim.Optimizer):
            return "torch"
        if issubclass(candidate, Method):
            raise TypeError(f"{candidate.__name__} is a class; give an instance, {candidate.__name__}(...)")
    if (isinstance(candidate, tuple) and len(candidate) == 2 and all(map(callable, candidate))) or (
        callable(getattr(candidate, "init", None)) and callable(getattr(candidate, "update", None))
    ):
        return "optax"
    if isinstance(candidate, (list, tuple)) and candidate and all(isinstance(c, Method) for c in candidate):
        return "method"
    if callable(candidate):
        names = parameters(candidate)
        return "step" if len(names) > 1 or names == ["x"] or names == ["g"] else "torch"
    raise TypeError(
        "a candidate is a torch optimizer factory `lambda params: torch.optim.Adam(params)`, an optax-style "
        "pair (init, update), a step function `step(x, f, g)`, a refopt method, a Trace or its file; got "
        f"{checks.describe(candidate)}"
    )


def as_reference(reference: Any) -> Method:
    """The complete method from an instance, a sequence, or a registry name (then its recipe)."""
    return find(reference).complete() if isinstance(reference, str) else as_method(reference)
