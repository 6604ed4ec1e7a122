"""The classics, with the learning problems beside them: minima, derivatives, options."""

import autograd
import numpy as np
import pytest

from refopt import problems

EPS = np.finfo(float).eps
EVERY = [
    ("classic/quadratic", {}),
    ("classic/quadratic", {"n": 1}),
    ("classic/quadratic", {"n": 30, "cond": 1e6, "seed": 3}),
    ("classic/quadratic", {"n": 1000, "cond": 10.0, "rotated": False}),
    ("classic/beale", {}),
    ("classic/himmelblau", {}),
    ("classic/rastrigin", {}),
    ("classic/rastrigin", {"n": 7}),
    ("classic/rosenbrock", {}),
    ("classic/rosenbrock", {"n": 50}),
    ("classic/saddle", {}),
    ("classic/separable_quartic", {}),
    ("classic/separable_quartic", {"n": 9}),
    ("learning/logistic_breast_cancer", {}),
    ("learning/logistic_synthetic", {"n": 20, "m": 50}),
]


@pytest.mark.parametrize(("name", "options"), EVERY, ids=str)
def test_minima_and_derivatives(name, options):
    p = problems.get(name, **options)
    grad = autograd.grad(p.fun)
    for start in p.starts:
        assert start.shape == (p.n,) and np.isfinite(p.fun(start)) and np.all(np.isfinite(grad(start)))
    for known in p.minima:
        # a gradient of terms of size below 400, a few roundings each
        assert abs(p.fun(known.x) - known.f) <= 1e-15 * max(1.0, abs(known.f))
        assert np.max(np.abs(grad(known.x))) <= 400 * 4 * EPS
        if p.n <= 50:
            least = np.linalg.eigvalsh(autograd.hessian(p.fun)(known.x))[0]
            assert (least > 0) == ("saddle" not in known.kind)
    if p.n <= 50:
        hessian = autograd.hessian(p.fun)(p.x0)
        assert np.all(np.isfinite(hessian)) and np.max(np.abs(hessian - hessian.T)) <= 1e-13 * np.max(
            np.abs(hessian)
        )
    step = 1e-6 * np.where(np.arange(p.n) % 3, 1.0, -0.7)
    slope = (p.fun(p.x0 + step) - p.fun(p.x0 - step)) / 2.0
    # the central difference has relative rounding error eps f / step, and step^2 times the third derivative
    assert slope == pytest.approx(grad(p.x0) @ step, abs=8 * EPS * abs(p.fun(p.x0)) + 1e-15)
    assert np.isfinite(p.fun(p.x0.astype(np.float32)))


def test_quadratic_has_the_condition_number_asked_for():
    for rotated in (True, False):
        p = problems.get("classic/quadratic", n=8, cond=1e4, seed=5, rotated=rotated)
        values = np.linalg.eigvalsh(autograd.hessian(p.fun)(p.x0))
        # eigenvalues of a matrix with norm 1 are right to a few eps absolute
        np.testing.assert_allclose(values, np.logspace(-4, 0, 8), rtol=0, atol=1e-14)
    a, b = (problems.get("classic/quadratic", seed=s).x_opt for s in (0, 1))
    assert not np.array_equal(a, b)


def test_classic_formulas_term_by_term():
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, 5)
    rosenbrock = sum(100 * (x[j + 1] - x[j] ** 2) ** 2 + (1 - x[j]) ** 2 for j in range(4))
    rastrigin = sum(10 + v**2 - 10 * np.cos(2 * np.pi * v) for v in x)
    quartic = sum((v - 1) ** 2 / 2 + j * (v - 1) ** 4 / 20 for j, v in enumerate(x, 1))
    himmelblau = (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2
    beale = sum((y - x[0] * (1 - x[1] ** i)) ** 2 for i, y in enumerate((1.5, 2.25, 2.625), 1))
    for name, value, n in [
        ("rosenbrock", rosenbrock, 5),
        ("rastrigin", rastrigin, 5),
        ("separable_quartic", quartic, 5),
        ("himmelblau", himmelblau, 2),
        ("beale", beale, 2),
        ("saddle", x[0] ** 2 - x[1] ** 2 + x[1] ** 4, 2),
    ]:
        options = {"n": 5} if n == 5 else {}
        # the terms are below 2000 and there are fewer than 20
        assert problems.get(f"classic/{name}", **options).fun(x[:n]) == pytest.approx(
            value, rel=1e-14, abs=1e-13
        )


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("classic/quadratic", {"cond": 0.5}, r"classic/quadratic: cond must be in \[1, inf\), got 0.5"),
        (
            "classic/quadratic",
            {"condition": 3},
            "unknown option for classic/quadratic 'condition'; did you mean 'cond'",
        ),
        ("classic/rosenbrock", {"n": 1}, "classic/rosenbrock: n must be a whole number >= 2, got 1"),
        ("classic/beale", {"n": 3}, "classic/beale: unknown option 'n'; it takes no options"),
        ("learning/mlp_digits", {"samples": 1798}, "samples must be at most 1797, got 1798"),
        ("learning/logistic_synthetic", {"l2": 0.0}, r"l2 must be in \(0, inf\), got 0"),
    ],
)
def test_bad_options_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        problems.get(name, **options)
