"""Every objective with every method: ran right, refused clearly, wrong.

    PYTHONPATH=tests python -m objectives [--mode autograd 3-point] [--method LBFGS] [--objective quad]

prints each wrong run, and the counts; it ends with 1 if one is wrong. Some minutes for each mode.
"""

from __future__ import annotations

import argparse
import collections
import sys
import time

import refopt

from .judge import CASES, MODES, REFUSED, RIGHT, UNFINISHED, WRONG, method_names, run


def main(argv: list[str] | None = None) -> int:
    every = [row.name for row in refopt.methods()]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mode", nargs="+", choices=MODES, default=["autograd"])
    parser.add_argument("--method", nargs="+", choices=every, default=every, metavar="NAME")
    parser.add_argument("--objective", nargs="+", choices=sorted(CASES), default=list(CASES), metavar="NAME")
    parser.add_argument("--slow", action="store_true", help="also print the objectives that took longest")
    options = parser.parse_args(argv)
    wrong = 0
    for mode in options.mode:
        counts: collections.Counter = collections.Counter()
        slow: collections.Counter = collections.Counter()
        total, began = 0, time.perf_counter()
        for name in options.objective:
            reasons: dict[str, list[str]] = collections.defaultdict(list)
            for method in options.method:
                if method not in method_names(CASES[name]):
                    continue
                total += 1
                verdict = run(CASES[name], method, mode)
                counts[verdict.kind] += 1
                counts["reached"] += verdict.reached
                slow[name] += verdict.seconds
                if verdict.kind == WRONG:
                    reasons[verdict.reason].append(method)
            for reason, methods in reasons.items():
                print(f"{mode} {name} ({len(methods)}: {' '.join(methods[:4])}): {reason}", flush=True)
        wrong += counts[WRONG]
        print(
            f"{mode}: {len(options.objective)} objectives, {total} runs: "
            + ", ".join(f"{kind} {counts[kind]}" for kind in (RIGHT, UNFINISHED, REFUSED, WRONG))
            + f"; lowest value reached {counts['reached']}; {time.perf_counter() - began:.0f} s"
        )
        if options.slow:
            print("longest:", ", ".join(f"{name} {seconds:.1f} s" for name, seconds in slow.most_common(12)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
