"""What the driver costs: microseconds per iteration outside the user's function, and the time of `import
refopt`.

    python tests/benchmarks/bench_driver.py

The first table takes the time spent inside the user's function away; the second compares whole iterations,
derivatives included, with torchzero 0.4.4 on the same function in the same run; the third measures imports in
fresh processes.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import autograd.numpy as anp
import numpy as np

import refopt

START = np.array([-1.2, 1.0, -1.2, 1.0])
ITERATIONS = 500
RUNS = 7


def rosenbrock(x):
    return anp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


class Timed:
    """Rosenbrock's value and gradient by hand, adding up the time spent inside."""

    def __init__(self):
        self.inside = 0.0

    def __call__(self, x):
        began = time.perf_counter()
        a, b = x[1:] - x[:-1] ** 2, 1 - x[:-1]
        g = np.zeros_like(x)
        g[:-1] = -400 * a * x[:-1] - 2 * b
        g[1:] += 200 * a
        f = float(100 * a @ a + b @ b)
        self.inside += time.perf_counter() - began
        return f, g


def overhead(name: str) -> float:
    """Best of `RUNS`: microseconds per iteration outside the function."""
    best = np.inf
    for _ in range(RUNS):
        fun = Timed()
        began = time.perf_counter()
        result = refopt.minimize(
            fun,
            START,
            method=name,
            jac=True,
            rng=0,
            options={
                "maxiter": ITERATIONS,
                "gtol": 0,
                **({"lr": 1e-5} if name == "CoordinateMomentum" else {}),
            },
        )
        best = min(best, (time.perf_counter() - began - fun.inside) / result.nit)
    return 1e6 * best


def whole_iteration(method) -> float:
    """Best of `RUNS`: microseconds per iteration, autograd's gradient included."""
    best = np.inf
    for _ in range(RUNS):
        began = time.perf_counter()
        result = refopt.minimize(
            rosenbrock, START, method=method, rng=0, options={"maxiter": ITERATIONS, "gtol": 0}
        )
        best = min(best, (time.perf_counter() - began) / result.nit)
    return 1e6 * best


def torchzero_iteration(module) -> float:
    """The same for torchzero: closure with backward, optimizer step."""
    import torch
    import torchzero as tz

    best = np.inf
    for _ in range(RUNS):
        x = torch.tensor(START, requires_grad=True)
        opt = tz.Optimizer([x], module(tz.m), tz.m.LR(1e-4))

        def closure(backward=True, x=x, opt=opt):
            loss = (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
            if backward:
                opt.zero_grad()
                loss.backward()
            return loss

        began = time.perf_counter()
        for _ in range(ITERATIONS // 5):
            opt.step(closure)
        best = min(best, (time.perf_counter() - began) / (ITERATIONS // 5))
    return 1e6 * best


def import_time(code: str) -> float:
    """Median of `RUNS` fresh processes, seconds, with the interpreter's own start taken away."""

    def once(statement):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], check=True)
        return time.perf_counter() - began

    return statistics.median(once(code) for _ in range(RUNS)) - statistics.median(
        once("pass") for _ in range(RUNS)
    )


def main() -> None:
    print("method                 us per iteration outside the function (n = 4)")
    for name in ("ReduceOutwardLR", "CoordinateMomentum", "CubicAdam", "Adam", "HeavyBall", "LR"):
        print(f"{name:22s} {overhead(name):8.1f}", flush=True)
    print("\nwhole iteration, us     refopt  torchzero  ratio")
    for name, ours, theirs in (
        ("CubicAdam", refopt.CubicAdam(), lambda m: m.experimental.CubicAdam()),
        ("CoordinateMomentum", refopt.CoordinateMomentum(), lambda m: m.experimental.CoordinateMomentum()),
        ("ReduceOutwardLR", refopt.ReduceOutwardLR(), lambda m: m.experimental.ReduceOutwardLR()),
        ("Adam", refopt.Adam(), lambda m: m.Adam()),
    ):
        a, b = whole_iteration(refopt.chain(ours, refopt.LR(1e-4))), torchzero_iteration(theirs)
        print(f"{name:22s} {a:8.0f} {b:10.0f} {b / a:6.2f}", flush=True)
    base = import_time("import numpy, scipy.optimize, autograd.numpy")
    print(
        f"\nimport numpy, scipy.optimize, autograd: {base:.3f} s; with refopt: "
        f"{import_time('import numpy, scipy.optimize, autograd.numpy, refopt') - base:+.3f} s"
    )
    first = (
        "import numpy, scipy.optimize, autograd.numpy, refopt; "
        "refopt.minimize(lambda x: (x[0] - 1) ** 2, [0.0], method='CubicAdam', options={'maxiter': 10})"
    )
    print(f"with refopt and a first small problem: {import_time(first) - base:+.3f} s")


if __name__ == "__main__":
    main()
