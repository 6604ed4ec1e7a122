"""HigherOrderNewton: time of a step against torchzero 0.4.4; time and peak memory against n without tensors.

    python tests/benchmarks/bench_higher_order.py [--torchzero16] [--largest 100000]

`--torchzero16` also runs the original at n = 16, most of a minute and some GB. Steps are timed from a cold
point (derivatives included), as the least of several starts for ours and the one step for the original. Each
n of the second table is a process of its own, so that its peak memory is its own; `base` is one that takes a
single gradient step.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse
import importlib
import subprocess
import sys
import time
import warnings

import autograd.numpy as anp
import numpy as np

import refopt
from refopt import HigherOrderNewton
from refopt.function import FunctionObjective

ROWS = 200  # samples of the logistic regression
SIZES = (1_000, 10_000, 30_000, 100_000)


def rosenbrock(xp, x):
    return xp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def extended_rosenbrock(n):
    def fun(x):
        a, b = x[0::2], x[1::2]
        return anp.sum(100 * (b - a**2) ** 2 + (1 - a) ** 2)

    return fun, np.tile([-1.2, 1.0], n // 2)


def logistic_regression(n):
    rng = np.random.default_rng(20240612)
    A = rng.normal(size=(ROWS, n)) / np.sqrt(n)
    y = np.sign(rng.normal(size=ROWS))

    def fun(x):
        return anp.sum(anp.logaddexp(0, -y * (A @ x))) + 5e-3 * anp.sum(x**2)

    return fun, np.zeros(n)


PROBLEMS = {"rosenbrock": extended_rosenbrock, "logistic": logistic_regression}


def our_step(n, order, repeats=7):
    """Seconds of one step, derivatives included."""
    method, best = HigherOrderNewton(order=order), np.inf
    for k in range(repeats):
        x = np.where(np.arange(n) % 2, 1.0, -1.2) + 0.01 * k
        objective = FunctionObjective(lambda x: rosenbrock(anp, x), x)
        began = time.perf_counter()
        point = objective.at(x)
        method.step(point, point.g, method.init(point.x))
        best = min(best, time.perf_counter() - began)
    return best


def their_step(n, order):
    """Seconds of one step of the original."""
    import torch
    import torchzero as tz

    original = importlib.import_module("torchzero.modules.experimental.higher_order_newton")
    x = torch.nn.Parameter(torch.tensor(np.where(np.arange(n) % 2, 1.0, -1.2)))
    optimizer = tz.Optimizer([x], original.HigherOrderNewton(order=order))

    def closure(backward=True):
        loss = rosenbrock(torch, x)
        if backward:
            optimizer.zero_grad()
            loss.backward()
        return loss

    began = time.perf_counter()
    optimizer.step(closure)
    return time.perf_counter() - began


def speed(with_16):
    print("One step of order 4, Rosenbrock, seconds\n")
    print(f"{'n':>4} {'refopt':>10} {'torchzero':>10} {'ratio':>8}")
    their_step(2, 4)
    for n in (2, 4, 8, 16):
        ours = our_step(n, 4)
        if n == 16 and not with_16:
            print(f"{n:4d} {ours:10.5f} {'(skipped: --torchzero16)':>25}")
            continue
        theirs = min(their_step(n, 4) for _ in range(1 if n == 16 else 3))
        print(f"{n:4d} {ours:10.5f} {theirs:10.4f} {theirs / ours:8.0f}", flush=True)


def peak():
    """Peak memory of this process, MB: the high-water mark that the kernel keeps (Linux)."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def child(name, n, mode):
    """One process of the second table: prints its figures."""
    fun, x0 = PROBLEMS[name](n)
    if mode == "base":
        refopt.minimize(fun, x0, method="LBFGS", options={"maxiter": 1})
        print(peak())
        return
    began = time.perf_counter()
    method = HigherOrderNewton(order=4, trust_method=mode)
    result = refopt.minimize(fun, x0, method=method, options={"gtol": 1e-6})
    seconds = time.perf_counter() - began
    print(peak(), seconds, result.nit, result.nfev, result.nhvp, result.fun, result.success)


def memory(largest):
    print("\nOrder 4 without tensors, to |g|_inf <= 1e-6\n")
    print(
        f"{'problem':>11} {'form':>12} {'n':>7} {'seconds':>8} {'iterations':>10} {'products':>8} "
        f"{'peak MB':>8} {'base MB':>8} {'bytes/n':>8}  f"
    )
    for name in PROBLEMS:
        for n in (n for n in SIZES if n <= largest):
            base = float(ask(name, n, "base")[0])
            for mode in ("regularized", "bounds"):
                most, seconds, nit, _, products, f, success = ask(name, n, mode)
                extra = (float(most) - base) * 2**20 / n
                note = "" if success == "True" else "  not converged"
                print(
                    f"{name:>11} {mode:>12} {n:7d} {float(seconds):8.2f} {nit:>10} {products:>8} "
                    f"{float(most):8.0f} {base:8.0f} {extra:8.0f}  {float(f):.6g}{note}",
                    flush=True,
                )


def ask(name, n, mode):
    command = [sys.executable, __file__, "--child", name, str(n), mode]
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    return out.stdout.split()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser()
    parser.add_argument("--torchzero16", action="store_true")
    parser.add_argument("--largest", type=int, default=100_000)
    parser.add_argument("--child", nargs=3)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], int(options.child[1]), options.child[2])
    else:
        speed(options.torchzero16)
        memory(options.largest)
