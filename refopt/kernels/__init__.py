"""Elementwise kernels: `definition` says what they mean, `compiled` is the same, faster for large vectors.

`get` chooses between the two. Nothing is switched globally and nothing is remembered: the choice depends on
the arguments alone, and ``numba`` is imported when a compiled kernel is asked for, not before.
"""

from __future__ import annotations

from collections.abc import Callable

from refopt.kernels import definition

NAMES = ("adam", "cbrt", "coordinate_momentum", "cubic_adam", "ema", "heavy_ball", "reduce_outward")

# From this length the compiled kernel is chosen. A step by the definition takes 3 ms or less below it, and
# the first call of the other waits for numba: 0.4 s to import, 0.5 s to compile, once on a machine.
COMPILED_FROM = 50_000


def get(name: str, n: int, which: str | None = None) -> Callable:
    """The kernel ``name`` for vectors of length n.

    Parameters
    ----------
    name : one of `NAMES`
    n : int
        Length of the vectors.
    which : "definition" or "compiled", optional
        Overrides the choice by length.

    Returns
    -------
    callable
        The function of that name in `refopt.kernels.definition` or `refopt.kernels.compiled`; both have the
        same signature and give the same bits.

    Raises
    ------
    ValueError
        For an unknown name, or another value of ``which``.

    Examples
    --------
    >>> get("adam", 10).__module__
    'refopt.kernels.definition'
    """
    if name not in NAMES:
        raise ValueError(f"kernels.get: name must be one of {', '.join(NAMES)}, got {name!r}")
    if which is None:
        which = "compiled" if n >= COMPILED_FROM else "definition"
    if which == "definition":
        return getattr(definition, name)
    if which == "compiled":
        from refopt.kernels import compiled

        return getattr(compiled, name)
    raise ValueError(f"kernels.get: which must be 'definition' or 'compiled', got {which!r}")
