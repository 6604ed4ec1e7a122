"""Variables in very different units: 1 + (k u)^2 + (v - 1)^2 from (1, 0), k = 1 ... 1e9, under every method.

    python tests/benchmarks/bad_scales.py [--method LBFGS ...] [--k 1e3 1e6] [--show]

The minimum is 1 at (0, 1), and a rounding error of f at the start is k^2 times that at the minimum. A run
ends right (f - 1 <= 1e-6, |v - 1| <= 1e-3), or says no success; success elsewhere is WRONG. Methods run by
their bare names with their defaults, and in chains that a bare name does not make, with 300 iterations (with
the usual 1000 it takes three times as long).
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
import warnings
from collections.abc import Iterable
from typing import Any

import autograd.numpy as np

import refopt

KS = tuple(10.0**power for power in range(10))
# Newton's step in blocks of one variable is exact here
CHAINS: dict[str, Any] = {
    "BlockPartition(Newton)": lambda: refopt.BlockPartition(
        inner=refopt.chain(refopt.Newton(), refopt.Backtracking()), max_size=1, project_params=True
    ),
    "Adam, StrongWolfe": lambda: refopt.chain(refopt.Adam(), refopt.StrongWolfe()),
    "GradMin(Newton)": lambda: refopt.GradMin(inner=refopt.chain(refopt.Newton(), refopt.Backtracking())),
}
METHODS = [row.name for row in refopt.methods() if "gauss-newton" not in row.needs] + list(CHAINS)
MAXITER = 300
F_CLOSE, V_CLOSE = 1e-6, 1e-3
RIGHT, MODEST, FAILED, WRONG, ERROR = KINDS = ("right", "modest", "failed", "WRONG", "error")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one run: "modest" is the answer without success, "failed" neither; and what was seen."""

    kind: str
    text: str
    seconds: float = 0.0


def badly_scaled(k: float):
    return lambda p: 1 + (k * p[0]) ** 2 + (p[1] - 1) ** 2


def verdict(k: float, x: np.ndarray, success: bool) -> str:
    close = bool(badly_scaled(k)(x) - 1 <= F_CLOSE and abs(x[1] - 1) <= V_CLOSE)
    return (RIGHT if success else MODEST) if close else (WRONG if success else FAILED)


def attempt(k: float, method: str) -> Outcome:
    """One run."""
    began = time.process_time()
    chosen = CHAINS[method]() if method in CHAINS else method
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = refopt.minimize(
                badly_scaled(k), [1.0, 0.0], method=chosen, rng=0, options={"maxiter": MAXITER}
            )
    except Exception as error:
        return Outcome(ERROR, f"{type(error).__name__}: {' '.join(str(error).split())[:150]}")
    text = f"v = {result.x[1]:.6g}, f = {result.fun:.6g}, nit = {result.nit}: {result.message[:110]}"
    return Outcome(verdict(k, result.x, bool(result.success)), text, time.process_time() - began)


def measure(methods: Iterable[str] = METHODS, ks: Iterable[float] = KS) -> dict[tuple[str, float], Outcome]:
    """``{(method, k): Outcome}``."""
    return {(method, k): attempt(k, method) for method in methods for k in ks}


def faults(outcomes: dict[tuple[str, float], Outcome]) -> list[str]:
    """What must not be: a wrong success, an error."""
    return [
        f"{method}, k = {k:g}: {outcome.kind}: {outcome.text}"
        for (method, k), outcome in outcomes.items()
        if outcome.kind in (WRONG, ERROR)
    ]


def text(outcomes: dict[tuple[str, float], Outcome], show: bool = False) -> str:
    """The table; with `show` a line for each run that is not right."""
    ks = list(dict.fromkeys(k for _, k in outcomes))
    lines = ["| method | " + " | ".join(f"k = {k:g}" for k in ks) + " | s |", "|---" * (len(ks) + 2) + "|"]
    for method in dict.fromkeys(m for m, _ in outcomes):
        cells = [outcomes[method, k].kind for k in ks]
        seconds = sum(outcomes[method, k].seconds for k in ks)
        lines.append(f"| {method} | " + " | ".join(cells) + f" | {seconds:.1f} |")
    kinds = [outcome.kind for outcome in outcomes.values()]
    lines += ["", f"{len(kinds)} runs: " + ", ".join(f"{kind} {kinds.count(kind)}" for kind in KINDS)]
    if show:
        lines += [""] + [
            f"- {method}, k = {k:g}: {outcome.kind}: {outcome.text}"
            for (method, k), outcome in outcomes.items()
            if outcome.kind != RIGHT
        ]
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", nargs="+", choices=METHODS, default=METHODS, metavar="NAME")
    parser.add_argument("--k", nargs="+", type=float, default=KS)
    parser.add_argument("--show", action="store_true", help="a line for each run that is not right")
    options = parser.parse_args(argv)
    began = time.perf_counter()
    outcomes = measure(options.method, options.k)
    print(text(outcomes, options.show), f"({time.perf_counter() - began:.0f} s)", flush=True)
    lines = faults(outcomes)
    print("\n".join(["below what it must show:", *lines] if lines else ["all as it must be"]))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
