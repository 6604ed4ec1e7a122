"""The parity table: every method of the registry, in every option, against `torchzero` 0.4.4, in lockstep.

    python -m refopt.oracle.torchzero.parity [--method NAME] [--steps 100] [--dtype float64]

`rows` has the table; here is what runs it.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
from typing import Any

import numpy as np

from ... import methods
from ...method import copy_state
from ...status import Stop
from .. import exact
from ..exact.precise import Arithmetic, plain
from ..judge import Lockstep
from ..recording import record, replaying
from ..report import Report
from ..state_fields import paths
from .deviations import find as find_deviation
from .problems import task
from .rows import TOLERANCE, M, Row, rows_of

__all__ = ["Result", "build", "main", "run_row"]


def build(value: Any) -> Any:
    """The torchzero module (or anything that holds some) that an `M` describes."""
    if isinstance(value, M):
        import torchzero
        import torchzero.modules.experimental as experimental

        module, _, name = value.name.rpartition(".")
        if module:
            cls = getattr(importlib.import_module(f"torchzero.modules.{module}"), name)
        else:
            cls = getattr(experimental, name, None) or getattr(torchzero.m, name)
        return cls(*map(build, value.args), **{k: build(v) for k, v in value.kwargs.items()})
    if isinstance(value, (list, tuple)):
        return type(value)(build(v) for v in value)
    return value


@dataclasses.dataclass
class Result:
    """What a row came to on one problem.

    Attributes
    ----------
    error, ulps : worst relative error of an update over all steps, and in units of its last place
    steps : steps compared
    seen : the declared deviation made a difference
    problem, note : where, and why it ended early
    """

    problem: str
    dtype: str
    error: float = 0.0
    ulps: float = 0.0
    steps: int = 0
    seen: bool = False
    note: str = ""


def run_row(row: Row, problem: str, steps: int = 100, dtype: str = "float64") -> Result:
    """Run the original freely and our method in lockstep with it.

    The error of a step is ``|ours - theirs|``, less the rounding of x from which the original's update is
    read, over the largest entry of the update.
    """
    import torchzero

    here = task(problem, dtype)
    trace = record(lambda params: torchzero.Optimizer(params, *build(row.theirs)), here, steps, tape=row.tape)
    result = Result(problem, dtype, note="" if trace.ended is None else trace.ended[1])
    method = replaying(row.ours, trace)
    if not row.share:
        for step in trace.steps:
            step.before, step.after = {}, {}
    judge = Lockstep(trace, method, here, None, Report("", "", problem, "lockstep", dtype))
    known = find_deviation(row.deviation) if row.deviation else None
    eps = float(np.finfo(dtype).eps)
    for k, step in enumerate(trace.steps):
        point, before = judge.point(step), judge.before(step)
        try:
            ours, judge.state = method.step(point, point.g, copy_state(before))
        except Stop as stop:
            result.note = f"ours ended at step {k}: {stop.message}"
            break
        result.steps = k + 1
        if known is not None and known.variant is not None:
            table = {row.method: known.variant}
            varied, _ = exact.run(method, point, point.g, before, Arithmetic(), table=table)
            same, ours = ours, plain(varied, dtype)
            result.seen = result.seen or bool(
                (np.abs(same - ours) > row.tolerance * np.abs(same).max()).any()
            )
        with np.errstate(all="ignore"):
            gap = np.abs(ours - step.update) - eps * (np.abs(step.x) + np.abs(step.x - step.update))
            scale = np.abs(ours).max(initial=0.0)
            error = np.where(gap <= 0, 0.0, gap / scale)
        error = np.where(np.isnan(error), np.inf, error)
        if known is not None and known.variant is None:
            fields = {path[-1]: value for path, value in paths(judge.state)}
            touched = np.ones(error.size, bool) if known.where is None else known.where(fields, point.g)
            result.seen = result.seen or bool((error[touched] > row.tolerance).any())
            error = np.where(touched, 0.0, error)
        worst = float(error.max(initial=0.0))
        result.error, result.ulps = max(result.error, worst), max(result.ulps, worst / eps)
    return result


def table(names: list[str], steps: int, dtypes: tuple[str, ...]) -> bool:
    """Print the table; True if every row is within its tolerance."""
    good = True
    print(f"{'method':58s} {'dtype':8s} {'worst error':>11s} {'ulps':>8s}  worst on / deviation")
    for name in names:
        rows = rows_of(name)
        if not rows:
            print(f"{name:58s} has no row in refopt.oracle.torchzero.parity")
            good = False
        for row in rows:
            if not row.theirs:
                print(f"{str(row)[:58]:58s} {'':8s} {'':>11s} {'':>8s}  {row.deviation}")
                continue
            for dtype in dtypes:
                if dtype == "float32" and not row.float32:
                    continue
                results = [run_row(row, problem, steps, dtype) for problem in row.problems]
                worst = max(results, key=lambda r: r.error)
                limit = row.tolerance if dtype == "float64" else TOLERANCE["float32"]
                good = good and worst.error <= limit
                said = worst.problem if worst.error else "equal to rounding of x"
                if row.deviation:
                    seen = [r.problem for r in results if r.seen]
                    said += f"; {row.deviation}" + (f" on {', '.join(seen)}" if seen else ", not seen")
                mark = "" if worst.error <= limit else "  DIFFERS"
                print(f"{str(row)[:58]:58s} {dtype:8s} {worst.error:11.2e} {worst.ulps:8.1f}  {said}{mark}")
    return good


def main(argv: list[str] | None = None) -> int:
    """The command; 0 if all rows agree."""
    parser = argparse.ArgumentParser(
        prog="python -m refopt.oracle.torchzero.parity", description=main.__doc__
    )
    parser.add_argument("--method", action="append", help="only this method (may be repeated)")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--dtype", choices=("float64", "float32"), default=None)
    options = parser.parse_args(argv)
    names = options.method or [entry.name for entry in methods()]
    return (
        0 if table(names, options.steps, (options.dtype,) if options.dtype else ("float64", "float32")) else 1
    )


if __name__ == "__main__":
    raise SystemExit(main())
