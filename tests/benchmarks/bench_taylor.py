"""Taylor mode against its targets and against nested autograd, in one run.

    python tests/benchmarks/bench_taylor.py [--large]

Times are medians in milliseconds; `first` includes building the interpolation plan, which is kept afterwards.
`--large` adds the order-4 model at n = 1,000,000.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
import tracemalloc

import autograd
import autograd.numpy as anp
import numpy as np

from refopt.derivatives import gradient, hessian
from refopt.derivatives.taylor_mode.expand import model_hvp, model_value_and_gradient, taylor
from refopt.derivatives.tensors import derivative_tensors, tensor_vector


def rosenbrock(x):
    return anp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def logistic(n, m=200):
    """Logistic regression with m sparse-looking rows and a ridge."""
    rng = np.random.default_rng(0)
    A, y = rng.standard_normal((m, n)) / math.sqrt(n), rng.choice([-1.0, 1.0], m)
    return lambda w: anp.sum(anp.logaddexp(0.0, -y * anp.dot(A, w))) / m + 0.5e-3 * anp.sum(w**2)


def median(f, runs=7):
    """Median time of f in milliseconds."""
    f()
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        f()
        times.append(time.perf_counter() - began)
    return 1e3 * statistics.median(times)


def once(f):
    """Time of the first call in milliseconds."""
    began = time.perf_counter()
    f()
    return 1e3 * (time.perf_counter() - began)


def peak(f):
    """Peak memory of f in units of MiB."""
    tracemalloc.start()
    f()
    top = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return top / 2**20


def point(n):
    rng = np.random.default_rng(n)
    return 0.5 * rng.standard_normal(n), 0.1 * rng.standard_normal(n), rng.standard_normal(n)


def main() -> None:
    print("all order-4 directions at once")
    print(f"{'n':>8} {'directions':>11} {'ms':>9} {'target':>8}")
    for n, target in ((8, "1"), (16, "15")):
        x = point(n)[0]
        k = math.comb(n + 3, 4)
        directions = np.random.default_rng(0).standard_normal((k, n))
        ours = median(lambda x=x, d=directions: taylor(rosenbrock, x, d, 4))
        print(f"{n:>8} {k:>11} {ours:>9.3f} {target:>8}")

    print("\nall tensors up to an order, Rosenbrock (nested: autograd.jacobian, the same tensors)")
    print(f"{'n':>8} {'order':>6} {'first':>9} {'ms':>9} {'target':>8} {'nested ms':>10} {'ratio':>8}")
    for n, p, target in ((2, 4, ""), (8, 3, ""), (8, 4, "5"), (16, 4, "100"), (30, 3, ""), (100, 2, "")):
        x = point(n)[0]
        first = once(lambda x=x, p=p: derivative_tensors(rosenbrock, x, p))
        ours = median(lambda x=x, p=p: derivative_tensors(rosenbrock, x, p))
        nested = math.nan
        if n**p <= 600 or p == 2:
            f = rosenbrock
            for _ in range(p):
                f = autograd.jacobian(f)
            nested = once(lambda f=f, x=x: f(x))
        print(f"{n:>8} {p:>6} {first:>9.2f} {ours:>9.3f} {target:>8} {nested:>10.1f} {nested / ours:>8.0f}")

    print("\nHessian: reverse over reverse, row by row, against Taylor over reverse, all rows at once")
    print(f"{'n':>8} {'rows ms':>9} {'batch ms':>9} {'ratio':>8}")
    for n in (4, 16, 64, 256):
        x = point(n)[0]
        rows = median(lambda x=x: hessian(rosenbrock, x), 3)
        batch = median(lambda x=x, n=n: taylor(lambda z: gradient(rosenbrock, z), x, np.eye(n), 1), 3)
        print(f"{n:>8} {rows:>9.2f} {batch:>9.2f} {rows / batch:>8.1f}")

    print("\nmatrix-free order-4 model: value and gradient, Hessian product, T[s] v; peak memory")
    print(
        f"{'function':>12} {'n':>9} {'f ms':>8} {'grad f':>8} {'model':>8} {'product':>8} {'T[s]v':>8} "
        f"{'MiB':>8} "
        f"{'vectors':>8}"
    )
    sizes = [1_000, 10_000, 100_000] + ([1_000_000] if "--large" in sys.argv else [])
    for name, make, ns in (("rosenbrock", lambda n: rosenbrock, sizes), ("logistic", logistic, sizes[:3])):
        for n in ns:
            f, (x, s, v) = make(n), point(n)
            model = lambda f=f, x=x, s=s: model_value_and_gradient(f, x, s, 4)  # noqa: E731
            memory = peak(model)
            print(
                f"{name:>12} {n:>9} {median(lambda f=f, x=x: f(x), 3):>8.2f} "
                f"{median(lambda f=f, x=x: gradient(f, x), 3):>8.2f} {median(model, 3):>8.2f} "
                f"{median(lambda f=f, x=x, s=s, v=v: model_hvp(f, x, s, v, 4), 3):>8.2f} "
                f"{median(lambda f=f, x=x, s=s, v=v: tensor_vector(f, x, s, v), 3):>8.2f} {memory:>8.1f} "
                f"{memory * 2**20 / 8 / n:>8.1f}"
            )


if __name__ == "__main__":
    main()
