"""SubspaceCubicAdam under GGT: time of a step beside torchzero's, measured in turn in one run, and memory.

    python tests/benchmarks/bench_subspace.py [--n 1000000] [--history 10] [--rounds 15] [--threads 2]

The last columns are the ratio of the medians and the peak of our memory in vectors of length n, everything
that a step of `GGT(basis_optimizer=SubspaceCubicAdam())` holds and allocates: the history, the output,
temporaries.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import tracemalloc
import warnings


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--history", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def ours(n, h, dtype, basis):
    """A function that takes one step, and its peak memory in vectors."""
    import numpy as np

    import refopt

    optimizer = {"cubic": refopt.SubspaceCubicAdam(), "adam": refopt.SubspaceAdam(), "none": None}[basis]
    method = refopt.GGT(h, basis_optimizer=optimizer)
    updates = np.random.default_rng(0).standard_normal((h + 4, n)).astype(dtype)
    tracemalloc.start()
    state = method.init(updates[0])
    for u in updates:
        out, state = method.step(None, u, state)
    vectors = tracemalloc.get_traced_memory()[1] / (n * np.dtype(dtype).itemsize)
    tracemalloc.stop()
    count = 0

    def step():
        nonlocal state, count
        out, state = method.step(None, updates[count % len(updates)], state)
        count += 1
        return out

    return step, vectors


def theirs(n, h, dtype, basis):
    """A function that takes one step of the original: update, learning rate 0, no closure."""
    import numpy as np
    import torch
    import torchzero

    lre = sys.modules["torchzero.modules.adaptive.lre_optimizers"]
    optimizer = {"cubic": torchzero.m.experimental.SubspaceCubicAdam, "adam": lre.Adam, "none": lambda: None}[
        basis
    ]()
    p = torch.nn.Parameter(torch.zeros(n, dtype=getattr(torch, np.dtype(dtype).name)))
    run = torchzero.Optimizer([p], torchzero.m.GGT(history_size=h, basis_optimizer=optimizer))
    updates = torch.tensor(np.random.default_rng(0).standard_normal((h + 4, n)), dtype=p.dtype)
    count = 0

    def step():
        nonlocal count
        p.grad = updates[count % len(updates)]
        count += 1
        run.step()

    for _ in range(h + 4):
        step()
    return step


def main() -> None:
    given = arguments()
    # Before NumPy and torch load
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(given.threads)
    import numpy as np
    import torch

    torch.set_num_threads(given.threads)
    warnings.simplefilter("ignore")
    print(f"history {given.history}, {given.threads} threads, medians of {given.rounds} steps taken in turn")
    print(
        f"{'n':>9s} {'dtype':8s} {'basis':6s} {'torchzero ms':>13s} {'refopt ms':>10s} {'ratio':>6s} "
        f"{'vectors':>8s}"
        f"   (limit {given.history + 6})"
    )
    for n in given.n:
        for dtype in ("float64", "float32"):
            for basis in ("cubic", "adam", "none"):
                mine, vectors = ours(n, given.history, dtype, basis)
                other = theirs(n, given.history, dtype, basis)
                taken = {mine: [], other: []}
                for _ in range(given.rounds):
                    for step in (mine, other):
                        start = time.perf_counter()
                        step()
                        taken[step].append(time.perf_counter() - start)
                a, b = (1e3 * float(np.median(taken[step])) for step in (mine, other))
                print(
                    f"{n:9d} {dtype:8s} {basis:6s} {b:13.2f} {a:10.2f} {b / a:6.1f} {vectors:8.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
