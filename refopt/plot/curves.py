"""Convergence plots: a quantity of each record against iterations, evaluations or time."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import checks
from .inputs import recorded
from .style import axes, finish, style_of

__all__ = ["convergence"]

# The choices: the field of a record, and the label of its axis.
AGAINST = {
    "iterations": ("nit", "iteration"),
    "evaluations": ("nfev", "evaluations of $f$"),
    "time": ("time", "time [s]"),
}
QUANTITY = {
    "f": ("fun", "$f$"),
    "gradient": ("gnorm", r"$\|g\|_\infty$"),
    "gap": ("fun", r"$f - f_\mathrm{opt}$"),
}
WIDE = 100.0  # an f >= 0 that falls by more than this factor is drawn on a logarithmic axis


def convergence(
    results: Any,
    labels: Any = None,
    against: str = "iterations",
    quantity: str = "f",
    f_opt: float | None = None,
    ax: Any = None,
) -> Any:
    """Draw how runs converged.

    Parameters
    ----------
    results : OptimizeResult, Run, list of Record, or a sequence of these
        Recorded with ``options={"return_all": True}``.
    labels : sequence of str or None
        Names in the legend; None: the names of the methods.
    against : {"iterations", "evaluations", "time"}
        ``nit``, ``nfev`` (calls of fun) or ``time`` (seconds since the run began) of the records.
    quantity : {"f", "gradient", "gap"}
        f (on a logarithmic axis if it is never negative and falls by a factor over 100), \\|g\\|_inf, or
        ``f - f_opt``. On a logarithmic axis values that are zero or negative are left out, and a triangle at
        the axis marks the first one of a run.
    f_opt : float
        The least value of f, for ``quantity="gap"`` only.
    ax : matplotlib axes or None

    Returns
    -------
    matplotlib axes

    Raises
    ------
    TypeError, ValueError
        For runs without history, or unknown choices.
    ImportError
        If matplotlib is missing.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import refopt
    >>> fun = lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    >>> keep = {"return_all": True}
    >>> res = [refopt.minimize(fun, [-1.2, 1.0], method=m, options=keep) for m in ("Newton", "LBFGS")]
    >>> ax = refopt.plot.convergence(res, quantity="gradient")
    >>> ax.get_ylabel(), [len(line.get_xdata()) for line in ax.lines] == [r.nit for r in res]
    ('$\\\\|g\\\\|_\\\\infty$', True)
    >>> matplotlib.pyplot.close(ax.figure)
    """
    who = "plot.convergence"
    checks.one_of(who, "against", against, AGAINST)
    checks.one_of(who, "quantity", quantity, QUANTITY)
    if (f_opt is None) == (quantity == "gap"):
        raise ValueError(
            f"{who}: quantity='gap' needs f_opt, the least value of f"
            if f_opt is None
            else f"{who}: f_opt is used by quantity='gap' only, got quantity={quantity!r}"
        )
    lowest = 0.0 if f_opt is None else checks.in_interval(who, "f_opt", f_opt, "(-inf, inf)")
    runs = recorded(who, results, labels, need_history=True)
    abscissa, xlabel = AGAINST[against]
    ordinate, ylabel = QUANTITY[quantity]
    curves = [
        (
            np.array([getattr(r, abscissa) for r in run.history], dtype=float),
            np.array([getattr(r, ordinate) for r in run.history], dtype=float) - lowest,
        )
        for run in runs
    ]
    logarithmic = quantity != "f" or spans_decades(np.concatenate([y for _, y in curves]))
    ax = axes(who, ax)
    if logarithmic:
        ax.set_yscale("log", nonpositive="mask")
    for i, (run, (x, y)) in enumerate(zip(runs, curves, strict=True)):
        style = style_of(i, len(x))
        label = run.label if run.history else f"{run.label} (no iteration)"
        below = np.flatnonzero(y <= 0) if logarithmic else np.empty(0, dtype=int)
        shown = np.where(y > 0, y, np.nan) if logarithmic else y
        ax.plot(x, shown, label=label, linewidth=1.8, markersize=4.5, **style)
        if below.size:
            ax.plot(
                x[below[:1]],
                [0.0],
                "v",
                transform=ax.get_xaxis_transform(),
                markersize=9,
                clip_on=False,
                color=style["color"],
                label="_reached",
            )
    if against == "iterations":
        ax.xaxis.get_major_locator().set_params(integer=True)
    finish(ax, xlabel, ylabel)
    return ax


def spans_decades(y: np.ndarray) -> bool:
    """Whether no finite value is negative and the positive ones differ by more than the factor WIDE."""
    y = y[np.isfinite(y)]
    positive = y[y > 0]
    return bool(positive.size and y.min() >= 0 and positive.max() > WIDE * positive.min())
