"""Benchmark profiles of several solvers on several problems.

    performance profile   rho_s(tau)  = share of problems p with  c(p, s) <= tau min_s' c(p, s')
    data profile          d_s(kappa)  = share of problems p with  c(p, s) <= kappa (n_p + 1)

c(p, s) is the cost of solver s on problem p, infinite where it failed. Sources: Dolan, Moré, Benchmarking
optimization software with performance profiles, Math. Program. 91 (2002), section 2; Moré, Wild, Benchmarking
derivative-free optimization algorithms, SIAM J. Optim. 20 (2009), section 2.2: n + 1 evaluations are those of
one simplex gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import checks
from .style import axes, finish, pyplot, style_of

__all__ = ["data_profile", "performance_profile", "profile"]

Curves = dict[str, tuple[np.ndarray, np.ndarray]]


def performance_profile(table: Mapping[str, Any]) -> Curves:
    """The performance profile of each solver, as the corners of a step function.

    Parameters
    ----------
    table : dict of str to (p,) array_like
        Cost of each solver on each of p problems, > 0; inf for a failure.

    Returns
    -------
    dict of str to (tau, share)
        ``tau[0] = 1``; ``share[i]`` is the value from ``tau[i]`` up to, but not including, ``tau[i+1]``.

    Raises
    ------
    TypeError, ValueError
        If the table is empty, ragged, or holds a cost that is not positive.

    Examples
    --------
    >>> curves = performance_profile({"A": [10, 20, float("inf")], "B": [30, 10, 40]})
    >>> [c.tolist() for c in curves["A"]]
    [[1.0, 2.0], [0.3333333333333333, 0.6666666666666666]]
    """
    costs = cost_arrays("plot.performance_profile", table)
    best = np.min(list(costs.values()), axis=0)
    solved = np.isfinite(best)
    ratios = {name: np.where(solved, c / np.where(solved, best, 1.0), np.inf) for name, c in costs.items()}
    return {name: step_function(r, 1.0) for name, r in ratios.items()}


def data_profile(table: Mapping[str, Any], n: Any) -> Curves:
    """The data profile of each solver, as the corners of a step function.

    Parameters
    ----------
    table : dict of str to (p,) array_like
        Evaluations that each solver needed for each of p problems, > 0; inf for a failure.
    n : int or (p,) array_like of ints
        Numbers of variables.

    Returns
    -------
    dict of str to (kappa, share)
        ``kappa[0] = 0``; ``share[i]`` is the value from ``kappa[i]`` to, but not including, ``kappa[i+1]``.

    Raises
    ------
    TypeError, ValueError
        As for `performance_profile`, and if n has a wrong type or shape.

    Examples
    --------
    >>> curves = data_profile({"A": [10, 20, float("inf")]}, n=[4, 1, 2])
    >>> [c.tolist() for c in curves["A"]]
    [[0.0, 2.0, 10.0], [0.0, 0.3333333333333333, 0.6666666666666666]]
    """
    costs = cost_arrays("plot.data_profile", table)
    n = np.asarray(n)
    count = next(iter(costs.values())).size
    if n.dtype.kind not in "iu" or n.shape not in ((), (count,)) or np.any(n < 1):
        raise ValueError(
            f"plot.data_profile: n must hold one whole number >= 1 for each of the {count} "
            f"problems, got {checks.describe(n)}"
        )
    return {name: step_function(c / (n + 1), 0.0) for name, c in costs.items()}


def cost_arrays(who: str, table: Any) -> dict[str, np.ndarray]:
    """`table` as float arrays of equal length, checked."""
    if not isinstance(table, Mapping) or not table:
        raise TypeError(
            f"{who}: table must be a dict {{solver: costs}} with at least one solver, "
            f"got {checks.describe(table)}"
        )
    try:
        costs = {str(name): np.asarray(c, dtype=float) for name, c in table.items()}
    except (TypeError, ValueError) as error:
        raise TypeError(f"{who}: costs must be numbers, inf for a failure ({error})") from None
    first, count = next((name, c.size) for name, c in costs.items())
    for name, c in costs.items():
        if c.ndim != 1 or c.size != count or count == 0:
            raise ValueError(
                f"{who}: each solver needs one cost for each problem; {first!r} has {count}, "
                f"{name!r} has shape {c.shape}"
            )
        if not np.all(c > 0):
            i = int(np.flatnonzero(~(c > 0))[0])
            raise ValueError(
                f"{who}: costs must be positive, inf for a failure, but problem {i} costs {name!r} {c[i]}"
            )
    return costs


def step_function(values: np.ndarray, first: float) -> tuple[np.ndarray, np.ndarray]:
    """Corners of ``t -> share of values <= t`` for t >= `first`."""
    corners = np.unique(np.append(values[np.isfinite(values)], first))
    return corners, np.searchsorted(np.sort(values), corners, side="right") / values.size


def profile(
    table: Mapping[str, Any],
    kind: str = "performance",
    n: Any = None,
    limit: float | None = None,
    ax: Any = None,
) -> Any:
    """Draw performance or data profiles: higher is better.

    Parameters
    ----------
    table : dict of str to (p,) array_like
        Cost of each solver on each problem, > 0; inf where it failed.
    kind : {"performance", "data"}
        See `performance_profile` and `data_profile`.
    n : int or (p,) array_like
        Numbers of variables, for ``kind="data"`` only.
    limit : float or None
        Right end of the axis of tau or kappa. None: just beyond the last step of all curves.
    ax : matplotlib axes or None

    Returns
    -------
    matplotlib axes

    Raises
    ------
    TypeError, ValueError
        For a wrong table, kind, n or limit.
    ImportError
        If matplotlib is missing.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> ax = profile({"A": [10, 20, float("inf")], "B": [30, 10, 40]})
    >>> [line.get_label() for line in ax.lines]
    ['A', 'B']
    >>> matplotlib.pyplot.close(ax.figure)
    """
    who = "plot.profile"
    checks.one_of(who, "kind", kind, ("performance", "data"))
    if (n is None) == (kind == "data"):
        raise ValueError(
            f"{who}: kind='data' needs n, the numbers of variables"
            if n is None
            else f"{who}: n is used by kind='data' only"
        )
    curves = performance_profile(table) if kind == "performance" else data_profile(table, n)
    first = 1.0 if kind == "performance" else 0.0
    if limit is None:
        limit = max(1.1 * max(float(x[-1]) for x, _ in curves.values()), first + 1.0)
    limit = checks.in_interval(who, "limit", limit, f"({first:g}, inf)")
    pyplot()
    ax = axes(who, ax)
    for i, (name, (x, share)) in enumerate(curves.items()):
        look = {**style_of(i, x.size), "marker": None}
        ax.plot(
            np.append(x, max(limit, x[-1])),
            np.append(share, share[-1]),
            drawstyle="steps-post",
            label=name,
            linewidth=2.0,
            **look,
        )
    if kind == "performance":
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter(lambda t, _: f"{t:.4g}")
        ax.xaxis.set_minor_locator(pyplot().NullLocator())
    ax.set_xlim(first, limit)
    ax.set_ylim(0.0, 1.03)
    xlabels = {
        "performance": r"cost, in multiples $\tau$ of the best",
        "data": r"budget $\kappa$, in units of $n+1$ evaluations",
    }
    finish(ax, xlabels[kind], "share of problems solved")
    return ax
