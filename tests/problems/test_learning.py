"""The learning problems: their functions by hand, their data, and life without scikit-learn."""

from __future__ import annotations

import sys

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from refopt import problems
from refopt.problems import learning

EPS = np.finfo(float).eps


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
    # eps times |z| = 1000
    np.testing.assert_allclose(gradient, np.exp(z - expected[:, None]), rtol=0, atol=1e-12)


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
