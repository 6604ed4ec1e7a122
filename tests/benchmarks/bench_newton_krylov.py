"""Newton by products at n = 100,000: time and products per step against torchzero 0.4.4, memory, costs.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_newton_krylov.py [--n 100000] [--steps 3] [--rows 100]
        [--part costs original solvers memory]

Every ratio is measured within this run, ours and theirs in turn, as the least of several repetitions.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
import warnings
from collections.abc import Callable

import autograd.numpy as anp
import numpy as np
import scipy.sparse.linalg
from scipy.sparse.linalg import LinearOperator

import refopt
from refopt.derivatives import reverse
from refopt.function import FunctionObjective
from refopt.views.gradient_size import GradientSize

SEED = 20240612
LIMITS = {"cg": 200, "minres": 200, "gcrotmk": 10}  # iterations; an outer one of gcrotmk has 20 products
KEYWORDS = {name: {"rtol": 1e-5, "maxiter": limit} for name, limit in LIMITS.items()}


def rosenbrock(xp, x):
    """The extended Rosenbrock function: pairs of variables."""
    a, b = x[0::2], x[1::2]
    return xp.sum(100 * (b - a**2) ** 2 + (1 - a) ** 2)


def rosenbrock_start(n: int) -> np.ndarray:
    """Near enough to the solution that Newton's steps without a line search stay where H is definite."""
    return np.tile([0.9, 0.81], n // 2) + 0.01 * np.random.default_rng(SEED).standard_normal(n)


def logistic(n: int, rows: int) -> tuple[Callable, Callable, np.ndarray]:
    """Logistic regression on random data: (in numpy, in torch, start)."""
    import torch

    rng = np.random.default_rng(SEED)
    A, y = rng.standard_normal((rows, n)) / np.sqrt(n), np.sign(rng.standard_normal(rows))
    A *= y[:, None]
    A_torch = torch.from_numpy(A)
    return (
        lambda w: anp.mean(anp.logaddexp(0.0, -anp.dot(A, w))) + 1e-3 / 2 * anp.dot(w, w),
        lambda w: torch.nn.functional.softplus(-(A_torch @ w)).mean() + 1e-3 / 2 * torch.dot(w, w),
        np.zeros(n) + 0.1,
    )


def least(action: Callable, repeats: int = 7) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return min(times)


# ---------------------------------------------------------------- against the original


def ours(fun, x0, solver, steps) -> tuple[list[float], list[int], np.ndarray]:
    run = refopt.iterate(
        fun,
        x0,
        method=refopt.ScipyNewtonCG(solver, kwargs=KEYWORDS[solver]),
        options={"gtol": 0, "maxiter": steps},
    )
    times, products, began = [], [], time.perf_counter()
    for record in run:
        times.append(time.perf_counter() - began)
        products.append(record.figures["products"])
        began = time.perf_counter()
    return times, products, record.x


def theirs(fun, x0, solver, steps) -> tuple[list[float], list[int], np.ndarray]:
    import torch
    import torchzero
    from torchzero.modules.experimental import ScipyNewtonCG

    count = [0]

    def counted(A, b, **keywords):
        def product(v):
            count[0] += 1
            return A.matvec(v)

        return getattr(scipy.sparse.linalg, solver)(
            LinearOperator(A.shape, matvec=product, rmatvec=product, dtype=A.dtype), b, **keywords
        )

    x = torch.tensor(x0, requires_grad=True)
    optimizer = torchzero.Optimizer([x], ScipyNewtonCG(counted, kwargs=KEYWORDS[solver]))

    def closure(backward=True):
        loss = fun(x)
        if backward:
            optimizer.zero_grad()
            loss.backward()
        return loss

    times, products = [], []
    for _ in range(steps):
        count[0], began = 0, time.perf_counter()
        optimizer.step(closure)
        times.append(time.perf_counter() - began)
        products.append(count[0])
    return times, products, x.detach().numpy().copy()


def against_the_original(n: int, steps: int, rows: int) -> None:
    import torch

    torch.set_num_threads(1)
    print(f"one step without line search, n = {n}, float64, rtol 1e-5, {steps} steps; ratio = theirs / ours")
    print(
        f"{'problem':22s} {'solver':8s} {'ms/step':>9s} {'theirs':>9s} {'products':>9s} {'theirs':>7s} "
        f"{'ms/product':>11s} {'theirs':>7s} {'ratio':>6s}  {'difference':>10s}"
    )
    np_fun, torch_fun, start = logistic(n, rows)
    problems = [
        (f"logistic, {rows} rows", np_fun, torch_fun, start),
        (
            "extended Rosenbrock",
            lambda x: rosenbrock(anp, x),
            lambda x: rosenbrock(torch, x),
            rosenbrock_start(n),
        ),
    ]
    for name, in_numpy, in_torch, x0 in problems:
        for solver in ("cg", "minres", "gcrotmk"):
            mine, other = [], []
            for _ in range(3):
                mine.append(ours(in_numpy, x0, solver, steps))
                other.append(theirs(in_torch, x0, solver, steps))
            t = min(sum(m[0]) for m in mine) / steps
            u = min(sum(m[0]) for m in other) / steps
            p, q = np.mean(mine[0][1]), np.mean(other[0][1])
            apart = np.abs(mine[0][2] - other[0][2]).max()
            print(
                f"{name:22s} {solver:8s} {1e3 * t:9.1f} {1e3 * u:9.1f} {p:9.1f} {q:7.1f} "
                f"{1e3 * t / p:11.2f} {1e3 * u / q:7.2f} {u / q / (t / p):6.2f}  {apart:10.1e}"
            )


def solver_against_solver(n: int, rows: int) -> None:
    """NewtonSolver in its two forms beside ScipyNewtonCG, to a gradient of 1e-6."""
    print(f"\nto |g|_inf <= 1e-6 with Backtracking, n = {n}")
    print(f"{'problem':22s} {'method':44s} {'steps':>5s} {'products':>8s} {'s':>7s}")
    np_fun, _, start = logistic(n, rows)
    methods = {
        "ScipyNewtonCG(cg)": refopt.ScipyNewtonCG("cg", kwargs={"maxiter": 500}),
        "ScipyNewtonCG(cg, eisenstat-walker)": refopt.ScipyNewtonCG(
            "cg", forcing="eisenstat-walker", kwargs={"maxiter": 500}
        ),
        "NewtonSolver(L-BFGS, residual)": refopt.NewtonSolver(maxiter=100),
        "NewtonSolver(L-BFGS, energy)": refopt.NewtonSolver(maxiter=100, objective="energy"),
        "NewtonSolver(scipy CG, energy)": refopt.NewtonSolver("CG", maxiter=100, objective="energy"),
    }
    for name, fun, x0 in (
        (f"logistic, {rows} rows", np_fun, start),
        ("extended Rosenbrock", lambda x: rosenbrock(anp, x), rosenbrock_start(n)),
    ):
        for label, method in methods.items():
            began = time.perf_counter()
            result = refopt.minimize(
                fun, x0, method=[method, refopt.Backtracking()], options={"gtol": 1e-6, "maxiter": 30}
            )
            passed = time.perf_counter() - began
            print(
                f"{name:22s} {label:44s} {result.nit:5d} {result.nhvp:8d} {passed:7.2f}"
                + ("" if result.success else f"  {result.message[:60]}")
            )


# ---------------------------------------------------------------- costs


def product_costs(rows: int) -> None:
    print("\ncost in gradients (value and gradient from one trace); limit 4 for a product")
    print(
        f"{'problem':22s} {'n':>8s} {'ms/gradient':>12s} {'f, g and product':>16s} "
        f"{'further product':>16s} {'GradMin gradient':>17s}"
    )
    for n in (1_000, 10_000, 100_000):
        for name, fun, x in (
            (f"logistic, {rows} rows", logistic(n, rows)[0], np.full(n, 0.1)),
            ("extended Rosenbrock", lambda x: rosenbrock(anp, x), rosenbrock_start(n)),
        ):
            v = np.random.default_rng(SEED).standard_normal(n)
            g = least(lambda: reverse.value_and_gradient(fun, x))  # noqa: B023
            both = least(lambda: reverse.trace_twice(fun, x)[1]()[1](v))  # noqa: B023
            product = reverse.product_function(fun, x)
            further = least(lambda: product(v))  # noqa: B023

            def phi():
                terms = refopt.GradMin(refopt.LR(), square=True).terms
                objective = FunctionObjective(fun, x)  # noqa: B023
                objective.products_wanted = True  # as the driver sets it
                return GradientSize(objective, terms).at(x).g  # noqa: B023

            print(
                f"{name:22s} {n:8d} {1e3 * g:12.3f} {both / g:16.2f} {further / g:16.2f} "
                f"{least(phi) / g:17.2f}"
            )


def memory() -> None:
    """The peak does not depend on n in vectors of length n: memory is linear."""
    sizes = (12_500, 25_000, 50_000, 100_000)
    print("\npeak memory of two steps in vectors of length n (extended Rosenbrock)")
    print(f"{'method':30s}" + "".join(f"{n:>12d}" for n in sizes))
    for label, method in (
        ("ScipyNewtonCG(cg)", refopt.ScipyNewtonCG("cg", kwargs={"maxiter": 20})),
        ("ScipyNewtonCG(gcrotmk)", refopt.ScipyNewtonCG(kwargs={"maxiter": 1})),
        ("NewtonSolver(L-BFGS)", refopt.NewtonSolver(maxiter=20)),
        ("GradMin(LBFGS)", refopt.GradMin(refopt.LBFGS(), square=True)),
    ):
        row = []
        for n in sizes:
            x0 = rosenbrock_start(n)
            tracemalloc.start()
            list(
                refopt.iterate(
                    lambda x: rosenbrock(anp, x), x0, method=method, options={"maxiter": 2, "gtol": 0}
                )
            )
            row.append(tracemalloc.get_traced_memory()[1] / (8 * n))
            tracemalloc.stop()
        print(f"{label:30s}" + "".join(f"{peak:12.1f}" for peak in row))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rows", type=int, default=100)
    parts = ("costs", "original", "solvers", "memory")
    parser.add_argument("--part", nargs="+", choices=parts, default=parts)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if "costs" in options.part:
        product_costs(options.rows)
    if "original" in options.part:
        against_the_original(options.n, options.steps, options.rows)
    if "solvers" in options.part:
        solver_against_solver(options.n, options.rows)
    if "memory" in options.part:
        memory()


if __name__ == "__main__":
    main()
