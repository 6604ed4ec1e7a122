"""The elementwise methods on long vectors: time beside streaming the same bytes and torchzero's, memory.

    python tests/benchmarks/bench_elementwise.py [--n 10000000 ...] [--dtype float64] [--repeat 5] [--no-peer]
        [--method CubicAdam ...]

One line for each method and length, medians of several runs in turn, all cores, all measured in this run:

    step      the whole `step` of the method, in ms
    applied   the same followed by ``x -= update``
    stream    a loop over as many vectors as the method must read and write, one sum or product each
    /stream   step / stream; the goal for CubicAdam at ten million is below 2.5
    peer      one step of torchzero's optimizer holding this one module, which includes applying the update
    peer/     peer / applied; the goal for CubicAdam at ten million is above 25
    extra     most memory in use during a step beyond what was there before it, in vectors of length n
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import tracemalloc
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np

import refopt

# method, number of its state vectors, torchzero's module with the same settings
CASES: list[tuple[Any, int, str | None]] = [
    (refopt.CubicAdam(), 3, "CubicAdam"),
    (refopt.CubicAdam(mode="unsigned_cbrt"), 3, None),
    (refopt.CubicAdam(mode="halve"), 3, None),
    (refopt.Adam(), 2, "Adam"),
    (refopt.HeavyBall(), 1, "HeavyBall"),
    (refopt.EMA(), 1, "EMA"),
    (refopt.ReduceOutwardLR(), 0, "ReduceOutwardLR"),
    (refopt.CoordinateMomentum(), 1, "CoordinateMomentum"),
]


@numba.njit(parallel=True)
def stream0(u, x, out, state):
    for i in numba.prange(out.size):
        out[i] = u[i] + x[i]


@numba.njit(parallel=True)
def stream1(u, x, out, state):
    a = state[0]
    for i in numba.prange(out.size):
        a[i] += u[i]
        out[i] = a[i]


@numba.njit(parallel=True)
def stream2(u, x, out, state):
    a, b = state[0], state[1]
    for i in numba.prange(out.size):
        a[i] += u[i]
        b[i] *= u[i]
        out[i] = a[i] + b[i]


@numba.njit(parallel=True)
def stream3(u, x, out, state):
    a, b, c = state[0], state[1], state[2]
    for i in numba.prange(out.size):
        a[i] += u[i]
        b[i] *= u[i]
        c[i] -= u[i]
        out[i] = a[i] + b[i] + c[i]


STREAMS = [stream0, stream1, stream2, stream3]
CORES = len(os.sched_getaffinity(0))


def median_ms(runs: list[Callable[[], object]], repeat: int) -> list[float]:
    """Median time of each, run in turn ``repeat`` times, after one turn that is not counted."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(repeat + 1):
        for run, record in zip(runs, times, strict=True):
            time.sleep(0.02)  # OpenMP threads of the previous run spin for a while before they sleep
            start = time.perf_counter()
            run()
            record.append(1e3 * (time.perf_counter() - start))
    return [statistics.median(record[1:]) for record in times]


def ours(method: Any, states: int, u: np.ndarray, x: np.ndarray, repeat: int) -> list[float]:
    """Times of a step, of a step with its application, and of the stream; extra memory of a step in vectors.

    The stream goes over u, as many vectors as the state has, and the result (and x where there is no state).
    """
    point = SimpleNamespace(x=x, g=u)
    state = method.init(x, [x.shape], np.random.default_rng(0))
    streamed, out = tuple(np.ones_like(u) for _ in range(max(states, 1))), np.ones_like(u)

    def step() -> np.ndarray:
        nonlocal state
        update, state = method.step(point, u, state)
        return update

    def applied() -> None:
        x.__isub__(step())

    times = median_ms([step, applied, lambda: STREAMS[states](u, x, out, streamed)], repeat)
    tracemalloc.start()
    step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return [*times, peak / x.nbytes]


def peer(module: str, u: np.ndarray, x: np.ndarray, repeat: int) -> float:
    """Time of torchzero's step."""
    import torch
    import torchzero
    import torchzero.modules.experimental as experimental

    torch.set_num_threads(CORES)
    make = getattr(experimental, module, None) or getattr(torchzero.m, module)
    p = torch.nn.Parameter(torch.tensor(x))
    optimizer = torchzero.Optimizer([p], make())
    gradient = torch.tensor(u)

    def step() -> None:
        p.grad = gradient.clone() if u.size < 100_000 else gradient
        optimizer.step()

    return median_ms([step], repeat)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--n", type=int, nargs="+", default=[10_000, 100_000, 1_000_000, 10_000_000])
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float64")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--no-peer", action="store_true", help="do not run torchzero")
    names = sorted({type(method).__name__ for method, _, _ in CASES})
    parser.add_argument("--method", choices=names, nargs="+", default=names)
    options = parser.parse_args()

    print(f"{options.dtype}, {CORES} cores, medians of {options.repeat}; times in ms")
    print(
        f"{'method':>28} {'n':>9} {'step':>9} {'applied':>9} {'stream':>9} {'/stream':>8}"
        f" {'peer':>9} {'peer/':>7} {'extra':>6}"
    )
    for n in options.n:
        rng = np.random.default_rng(n)
        u = rng.normal(size=n).astype(options.dtype)
        for method, states, module in CASES:
            if type(method).__name__ not in options.method:
                continue
            x = rng.normal(size=n).astype(options.dtype)
            plain, whole, base, extra = ours(method, states, u, x, options.repeat)
            name = type(method).__name__ + (f" {method.mode}" if hasattr(method, "mode") else "")
            line = f"{name:>28} {n:>9} {plain:9.3f} {whole:9.3f} {base:9.3f} {plain / base:8.2f}"
            if module and not options.no_peer:
                theirs = peer(module, u, x, options.repeat)
                line += f" {theirs:9.2f} {theirs / whole:7.1f}"
            else:
                line += f" {'':>9} {'':>7}"
            print(f"{line} {extra:6.2f}", flush=True)


if __name__ == "__main__":
    main()
