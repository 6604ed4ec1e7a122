"""A step of refopt.torch.Optimizer against a bare torch step, at 1,000 and 1,000,000 parameters.

    python tests/benchmarks/bench_torch_overhead.py [--n 1000 1000000] [--tensors 1 10] [--repeat 50]
    [--threads 1]

The same gradients for all; medians, everything measured in this run, in turn. Times in microseconds, the rest
ratios:

    torch     one step of torch.optim (Adam with its default and its foreach form, SGD for LR)
    method    `method.step` alone, on flat vectors, with nothing of torch
    ours      one step of refopt.torch.Optimizer
    ours/torch   the ratio that a user sees
    extra     (ours - method) / torch: the adapter itself, everything that is not the method's arithmetic
    peer/ours    torchzero's step with the same module, over ours
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

import refopt
import refopt.torch
from refopt.torch.optimizer import GradientOnly, GradientPoint

METHODS = {
    "Adam": (refopt.chain(refopt.Adam(), refopt.LR(1e-3)), lambda p: torch.optim.Adam(p, 1e-3)),
    "Adam foreach": (
        refopt.chain(refopt.Adam(), refopt.LR(1e-3)),
        lambda p: torch.optim.Adam(p, 1e-3, foreach=True),
    ),
    "LR": (refopt.LR(1e-3), lambda p: torch.optim.SGD(p, 1e-3)),
    "CubicAdam": (refopt.chain(refopt.CubicAdam(), refopt.LR(1e-3)), lambda p: torch.optim.Adam(p, 1e-3)),
}


def medians(runs: list[Callable[[], object]], repeat: int) -> list[float]:
    """Median time of each in microseconds, run in turn, after three turns that are not counted."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(repeat + 3):
        for run, record in zip(runs, times, strict=True):
            start = time.perf_counter()
            run()
            record.append(1e6 * (time.perf_counter() - start))
    return [statistics.median(record[3:]) for record in times]


def parameters(n: int, tensors: int, dtype: torch.dtype) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(n)
    made = []
    for part in torch.randn(n, dtype=dtype, generator=generator).tensor_split(tensors):
        p = part.clone().requires_grad_()
        p.grad = torch.randn(p.shape, dtype=dtype, generator=generator)
        made.append(p)
    return made


def alone(method: refopt.Method, params: list[torch.Tensor]) -> Callable[[], object]:
    """`method.step` on flat vectors."""
    layout = refopt.torch.flat.Layout("benchmark", params)
    g, x = layout.gather([p.grad for p in params]), layout.read()
    state = method.init(x, layout.shapes, np.random.default_rng(0))
    g.flags.writeable = False
    point = GradientPoint(GradientOnly(layout), layout, g)

    def step() -> None:
        nonlocal state
        _, state = method.step(point, g, state)

    return step


def peer(name: str, params: list[torch.Tensor]) -> Callable[[], object]:
    """torchzero's step with the same module; gradients are given anew, since it may change them."""
    import torchzero

    experimental = torchzero.modules.experimental
    module = getattr(experimental, name, None) or getattr(torchzero.m, name)
    modules = [torchzero.m.LR(1e-3)] if name == "LR" else [module(), torchzero.m.LR(1e-3)]
    optimizer = torchzero.Optimizer(params, *modules)
    gradients = [p.grad.clone() for p in params]

    def step() -> None:
        for p, g in zip(params, gradients, strict=True):
            p.grad = g.clone()
        optimizer.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--n", type=int, nargs="+", default=[1_000, 1_000_000])
    parser.add_argument("--tensors", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float32")
    parser.add_argument("--repeat", type=int, default=50)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch")
    parser.add_argument("--no-peer", action="store_true", help="do not run torchzero")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    dtype = getattr(torch, options.dtype)
    print(
        f"{options.dtype}, {options.threads} threads of torch, medians of {options.repeat}; times in "
        "microseconds"
    )
    print(
        f"{'method':>13} {'n':>8} {'tensors':>7} {'torch':>9} {'method':>9} {'ours':>9} "
        f"{'ours/torch':>10} {'extra':>6}"
        f" {'peer/ours':>9}"
    )
    for n in options.n:
        for tensors in options.tensors:
            for name, (method, bare) in METHODS.items():
                runs: list[Callable[[], object]] = [
                    bare(parameters(n, tensors, dtype)).step,
                    alone(method, parameters(n, tensors, dtype)),
                    refopt.torch.Optimizer(parameters(n, tensors, dtype), method).step,
                ]
                if not options.no_peer:
                    runs.append(peer(name.split()[0], parameters(n, tensors, dtype)))
                theirs, arithmetic, ours, *other = medians(runs, options.repeat)
                line = (
                    f"{name:>13} {n:>8} {tensors:>7} {theirs:9.1f} {arithmetic:9.1f} {ours:9.1f} "
                    f"{ours / theirs:10.2f} {(ours - arithmetic) / theirs:6.2f}"
                )
                print(line + (f" {other[0] / ours:9.1f}" if other else ""), flush=True)


if __name__ == "__main__":
    main()
