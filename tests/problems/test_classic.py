"""The classics and the learning problems: minima, derivatives, options, and life without scikit-learn."""

import sys

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from refopt import problems
from refopt.problems import learning

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


def test_softplus_and_its_derivatives():
    u = np.array([-800.0, -30.0, -1.0, -1e-9, 0.0, 1e-9, 1.0, 30.0, 800.0])
    exact = np.logaddexp(0.0, u)
    sigmoid = np.exp(-np.logaddexp(0.0, -u))
    np.testing.assert_allclose(
        learning.softplus(u), exact, rtol=0, atol=4 * EPS * np.maximum(1.0, np.abs(u)).max()
    )
    first = autograd.elementwise_grad(learning.softplus)
    second, third = (
        autograd.elementwise_grad(first),
        autograd.elementwise_grad(autograd.elementwise_grad(first)),
    )
    np.testing.assert_allclose(first(u), sigmoid, rtol=1e-14, atol=1e-16)
    np.testing.assert_allclose(second(u), sigmoid * (1 - sigmoid), rtol=0, atol=1e-15)
    np.testing.assert_allclose(third(u), sigmoid * (1 - sigmoid) * (1 - 2 * sigmoid), rtol=0, atol=1e-15)


def test_log_sum_exp_and_its_derivatives():
    z = np.array([[1000.0, 999.0, -5.0], [0.3, 0.3, 0.3], [-1e3, -2e3, -1e3]])
    expected = np.max(z, axis=1) + np.log(np.sum(np.exp(z - np.max(z, axis=1, keepdims=True)), axis=1))
    np.testing.assert_allclose(learning.log_sum_exp(z), expected, rtol=4 * EPS)
    gradient = autograd.grad(lambda z: anp.sum(learning.log_sum_exp(z)))(z)
    np.testing.assert_allclose(
        gradient, np.exp(z - expected[:, None]), rtol=0, atol=1e-12
    )  # eps times |z| = 1000


def test_breast_cancer_by_hand():
    p = problems.get("learning/logistic_breast_cancer")
    assert p.n == 31 and p.fun(p.x0) == pytest.approx(np.log(2.0), rel=4 * EPS)
    other = problems.get("learning/logistic_breast_cancer", l2=0.1)
    assert other.f_opt is None and other.minima == ()
    # more than nine in ten are classified rightly at the minimum, and the penalty leaves the intercept alone
    slope = autograd.grad(other.fun)(p.x_opt) - autograd.grad(p.fun)(p.x_opt)
    np.testing.assert_allclose(slope, 0.099 * np.append(p.x_opt[:-1], 0.0), rtol=0, atol=1e-15)


def test_digits_network_by_hand():
    p = problems.get("learning/mlp_digits", hidden=5, samples=20, l2=0.01, seed=3)
    assert p.shapes == [(64, 5), (5,), (5, 10), (10,)] and p.n == 64 * 5 + 5 + 50 + 10
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    parts = np.split(p.x0, np.cumsum([np.prod(s) for s in p.shapes])[:-1])
    w1, b1, w2, b2 = (part.reshape(s) for part, s in zip(parts, p.shapes, strict=True))
    assert not b1.any() and not b2.any()
    losses = []
    for image, label in zip(images[:20] / 16, labels[:20], strict=True):
        z = np.tanh(image @ w1 + b1) @ w2 + b2
        losses.append(-np.log(np.exp(z[label]) / np.sum(np.exp(z))))
    assert p.fun(p.x0) == pytest.approx(np.mean(losses) + 0.005 * p.x0 @ p.x0, rel=1e-14)
    again, other = (problems.get("learning/mlp_digits", hidden=5, seed=s).x0 for s in (3, 4))
    assert np.array_equal(p.x0, again) and not np.array_equal(again, other)
    default = problems.get("learning/mlp_digits")
    assert default.n == 1210 and np.all(np.isfinite(autograd.grad(default.fun)(default.x0)))


def test_synthetic_data_depend_on_the_seed_only():
    a, b, c = (problems.get("learning/logistic_synthetic", n=6, m=9, seed=s) for s in (1, 1, 2))
    x = np.linspace(-1, 1, 6)
    assert a.fun(x) == b.fun(x) != c.fun(x)
    assert problems.get("learning/logistic_synthetic", n=3000, m=20).x0.shape == (3000,)


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"pip install 'refopt\[learning\]'"):
        problems.get("learning/mlp_digits")
    assert problems.get("learning/logistic_synthetic", n=3, m=4).n == 3
