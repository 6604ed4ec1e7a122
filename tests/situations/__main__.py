"""Every situation under every method: is success said where it is right, and nowhere else?

    PYTHONPATH=tests python -m situations [--method LBFGS] [--situation hinge] [--maxiter 1000] [--all]

prints each false success, each false failure (the answer, no success), each answer that is worse than a point
that the run had seen, and each error, one by one; then the counts. It ends with 1 if a success is false.
Methods with curvature and LBFGS have 200 iterations, the others 100, unless `--maxiter` says otherwise: so
"not reached" means little for methods with a fixed step size. ``--all`` names also those runs, for the
methods with curvature. Some minutes.
"""

from __future__ import annotations

import argparse
import collections
import sys
import time

from .judge import (
    ERROR,
    FALSE,
    KINDS,
    LIMITS,
    MODEST,
    NOT_REACHED,
    SITUATIONS,
    WORSE,
    limit_of,
    method_names,
    run,
)

NAMED = (FALSE, WORSE, ERROR, MODEST)


def main(argv: list[str] | None = None) -> int:
    every = list(dict.fromkeys(name for case in SITUATIONS.values() for name in method_names(case)))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", nargs="+", choices=every, default=every, metavar="NAME")
    parser.add_argument(
        "--situation", nargs="+", choices=sorted(SITUATIONS), default=list(SITUATIONS), metavar="NAME"
    )
    parser.add_argument("--maxiter", type=int)
    parser.add_argument(
        "--all", action="store_true", help="name also what the methods with curvature did not reach"
    )
    parser.add_argument("--slow", action="store_true", help="also print what took longest")
    options = parser.parse_args(argv)
    began = time.perf_counter()
    slow: collections.Counter = collections.Counter()
    table: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    for method in options.method:
        for name in options.situation:
            if method not in method_names(SITUATIONS[name]):
                continue
            verdict = run(SITUATIONS[name], method, options.maxiter)
            table[method][verdict.kind] += 1
            slow[name] += verdict.seconds
            slow[method] += verdict.seconds
            missed = options.all and verdict.kind == NOT_REACHED and limit_of(method) == LIMITS[0]
            if verdict.kind in NAMED or missed:
                print(f"{verdict.kind}: {name}, {method}: {verdict.reason}", flush=True)
    print("\n| method | " + " | ".join(KINDS) + " |\n" + "|---" * (len(KINDS) + 1) + "|")
    for method in table:
        print(f"| {method} | " + " | ".join(str(table[method][kind]) for kind in KINDS) + " |")
    total = sum(table.values(), collections.Counter())
    print("| all | " + " | ".join(str(total[kind]) for kind in KINDS) + " |")
    print(f"\n{len(options.situation)} situations, {total.total()} runs, {time.perf_counter() - began:.0f} s")
    if options.slow:
        print("longest:", ", ".join(f"{name} {seconds:.1f} s" for name, seconds in slow.most_common(24)))
    return 1 if total[FALSE] else 0


if __name__ == "__main__":
    sys.exit(main())
