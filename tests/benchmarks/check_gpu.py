"""The torch adapter on a GPU: its tests on device cuda, agreement with the CPU, transfers and overhead of a
step.

    python tests/benchmarks/check_gpu.py [--device cuda] [--quick]

Needs torch, numpy, scipy and autograd; pytest, scikit-learn and numba only for what uses them (said where
skipped). The exit status is 0 if every check that ran passed.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def missing(*names: str) -> list[str]:
    return [name for name in names if importlib.util.find_spec(name) is None]


def run_tests() -> bool:
    """The adapter's tests, which choose cuda themselves where there is one."""
    lacking = missing("pytest", "sklearn", "numba")
    if lacking:
        print(f"tests/torch_adapter skipped: {', '.join(lacking)} not installed")
        return True
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        str(ROOT / "tests" / "torch_adapter"),
    ]
    return subprocess.run(command, cwd=ROOT).returncode == 0


def network(device: str, dtype: object) -> tuple:
    import torch

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3))
    X, y = torch.randn(40, 8), torch.randint(3, (40,))
    return model.to(device, dtype), X.to(device, dtype), y.to(device)


def agreement(device: str) -> bool:
    """Paths on the device against those on the CPU: float64 to 1e-6 of the distance travelled, float32 to
    1e-2.
    """
    import numpy as np
    import torch

    import refopt
    import refopt.torch

    print(f"{'method':>24} {'dtype':>8} {'difference':>11}")
    good = True
    for entry in refopt.methods():
        method = entry.complete(**entry.quick)
        if {"gauss-newton", "residuals"} & method.all_needs():
            continue
        for dtype, allowed in ((torch.float64, 1e-6), (torch.float32, 1e-2)):
            if dtype == torch.float32 and not entry.cls.elementwise:
                continue  # the path of a Newton-type method in float32 depends on the order of sums
            ends = []
            for where in ("cpu", device):
                model, X, y = network(where, dtype)
                objective = refopt.torch.objective(
                    lambda model=model, X=X, y=y: torch.nn.functional.cross_entropy(model(X), y),
                    model.parameters(),
                )
                start = objective.start()
                torch.manual_seed(1)
                optimizer = refopt.torch.Optimizer(model.parameters(), method)
                for _ in range(4):

                    def closure(backward=True, model=model, X=X, y=y):
                        loss = torch.nn.functional.cross_entropy(model(X), y)
                        if backward:
                            model.zero_grad()
                            loss.backward()
                        return loss

                    optimizer.step(closure)
                ends.append(objective.start())
            difference = float(np.abs(ends[0] - ends[1]).max() / np.abs(ends[0] - start).max())
            passed = difference <= allowed
            good &= passed
            print(
                f"{entry.name:>24} {str(dtype)[6:]:>8} {difference:11.2e} {'' if passed else 'DIFFERS'}",
                flush=True,
            )
    return good


def derivatives(device: str) -> bool:
    """Hessian, T[w] v, Taylor coefficients and Gauss-Newton products against the CPU, float64, 1e-10
    relative.
    """
    import numpy as np
    import torch

    import refopt.torch

    answers = []
    for where in ("cpu", device):
        model, X, y = network(where, torch.float64)
        objective = refopt.torch.objective(
            lambda model=model, X=X, y=y: (model(X), lambda z: torch.nn.functional.cross_entropy(z, y)),
            model.parameters(),
        )
        point = objective.at(objective.start())
        s, v = np.random.default_rng(0).normal(size=(2, objective.n))
        answers.append(
            [
                point.g,
                point.hess,
                point.hvp(v),
                point.objective.third(point, s)[1](v),
                point.taylor(s, 4),
                point.model(s, 3)[1],
                point.gauss_newton_product(v),
                point.gauss_newton,
            ]
        )
    names = ("gradient", "Hessian", "H v", "T[s] v", "Taylor series", "model gradient", "G v", "G")
    good = True
    for name, a, b in zip(names, *answers, strict=True):
        difference = float(np.abs(a - b).max() / np.abs(a).max())
        good &= difference < 1e-10
        print(f"{name:>24} {difference:11.2e} {'' if difference < 1e-10 else 'DIFFERS'}")
    return good


def overhead(device: str) -> None:
    """Time of a step against torch.optim.Adam on the same device, and copies between host and device in
    it.
    """
    import torch

    import refopt
    import refopt.torch

    def synchronize() -> None:
        if device != "cpu":
            torch.cuda.synchronize()

    print(
        f"{'n':>9} {'torch Adam':>11} {'ours':>11} {'ratio':>7} {'host <-> device copies':>23}   (us, "
        "medians of 30)"
    )
    for n in (1_000, 1_000_000):
        times = []
        for make in (
            lambda p: torch.optim.Adam(p, 1e-3),
            lambda p: refopt.torch.Optimizer(p, [refopt.Adam(), refopt.LR(1e-3)]),
        ):
            params = [torch.randn(n // 10, device=device, requires_grad=True) for _ in range(10)]
            for p in params:
                p.grad = torch.randn_like(p)
            optimizer = make(params)
            taken = []
            for _ in range(33):
                synchronize()
                start = time.perf_counter()
                optimizer.step()
                synchronize()
                taken.append(1e6 * (time.perf_counter() - start))
            times.append(sorted(taken[3:])[15])
        transfers = "-"
        if device != "cpu":
            with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
                optimizer.step()
                synchronize()
            transfers = str(
                sum(
                    e.count
                    for e in profile.key_averages()
                    if "Memcpy" in e.key and ("HtoD" in e.key or "DtoH" in e.key)
                )
            )
        print(f"{n:>9} {times[0]:11.1f} {times[1]:11.1f} {times[1] / times[0]:7.2f} {transfers:>23}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default=None)
    parser.add_argument("--quick", action="store_true", help="leave the test suite out")
    options = parser.parse_args()
    lacking = missing("torch", "autograd")
    if lacking:
        print(f"{', '.join(lacking)} not installed; nothing can be checked")
        return 1
    import torch

    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    print(
        f"torch {torch.__version__}, device {device}"
        + (f" ({torch.cuda.get_device_name()})" if device == "cuda" else "")
    )
    results = {"agreement with the CPU": agreement(device), "derivatives": derivatives(device)}
    overhead(device)
    if not options.quick:
        results["tests/torch_adapter"] = run_tests()
    for name, passed in results.items():
        print(f"{'passed' if passed else 'FAILED'}: {name}")
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
