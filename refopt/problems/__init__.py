"""Test problems with published answers: `get` one by name, list them with `names`.

======== ======================================================================================
family   what
======== ======================================================================================
nist     27 nonlinear regressions of NIST StRD, with certified parameters and residuals
mgh      the 35 functions of Moré, Garbow and Hillstrom (1981)
classic  quadratics of chosen conditioning, Beale, Himmelblau, Rastrigin, a saddle, ...
learning logistic regression and a small network, on data from scikit-learn or drawn at random
======== ======================================================================================

Data files are read when a problem is built, not when this package is imported.
"""

from __future__ import annotations

import fnmatch
import functools
import importlib
from typing import Any

from ..checks import unknown
from .base import Minimum, Problem

__all__ = ["Minimum", "Problem", "get", "names"]

FAMILIES = ("nist", "mgh", "classic", "learning")


def _family(name: str) -> Any:
    return importlib.import_module(f"{__name__}.{name}")


def names(pattern: str | None = None) -> list[str]:
    """The names of all problems, or of those that match `pattern`.

    Parameters
    ----------
    pattern : str, optional
        A shell pattern for the whole name if it has `*`, `?` or `[...]`, else a part of the name. Case is
        ignored.

    Returns
    -------
    list of str

    Examples
    --------
    >>> from refopt import problems
    >>> problems.names("nist/misra*")
    ['nist/Misra1a', 'nist/Misra1b', 'nist/Misra1c', 'nist/Misra1d']
    >>> problems.names("rosenbrock")
    ['mgh/rosenbrock', 'mgh/extended_rosenbrock', 'classic/rosenbrock']
    """
    every = [f"{family}/{key}" for family in FAMILIES for key in _family(family).KEYS]
    if pattern is None:
        return every
    wild = pattern if any(c in pattern for c in "*?[") else f"*{pattern}*"
    return [name for name in every if fnmatch.fnmatchcase(name.lower(), wild.lower())]


def get(name: str, **options: Any) -> Problem:
    """A new instance of the problem called `name`, with read-only arrays.

    Parameters
    ----------
    name : str
        "family/key"; case, '-' and '_' are ignored. A Moré-Garbow-Hillstrom problem may also be given by its
        number: "mgh/10".
    **options
        Options of that problem, such as the sizes `n` and `m`.

    Returns
    -------
    Problem

    Raises
    ------
    ValueError
        If there is no problem of that name (the message names the closest), if the problem has no such
        option, or if an option has a value that is not allowed.
    ImportError
        If the problem's data set needs a package that is not installed (the message says how to install it).

    Examples
    --------
    >>> from refopt import problems
    >>> problems.get("nist/DanWood").certified
    array([0.76886226, 3.86040559])
    >>> problems.get("mgh/watson", n=9).f_opt
    1.3997601380990198e-06
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of a problem is a string such as 'mgh/rosenbrock', got {name!r}")
    family, _, key = name.partition("/")
    if family.lower() not in FAMILIES or not key:
        bare = {n.split("/")[1].lower(): n for n in names()}
        full = bare.get(name.lower())
        if full is not None:
            raise ValueError(f"unknown problem {name!r}; give the family too, did you mean {full!r}?")
        raise unknown("problem", name, names())
    problem = _family(family.lower()).build(key, **options)
    object.__setattr__(problem, "again", functools.partial(get, problem.name, **options))
    return problem
