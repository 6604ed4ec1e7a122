"""Rules that autograd lacks or has wrong: products, linear algebra, Fourier, statistics, curves."""

from __future__ import annotations

import numpy as np
import pytest
from autograd.core import primitive_vjps
from autograd.numpy import fft
from derivatives.expressions import SIX
from derivatives.plain_judge import check, expression_tests

from refopt.derivatives import TraceError, gradient
from refopt.derivatives.missing_linear_rules import fitted

test_plain_numpy, test_twin = expression_tests("missing_linear_rules")


@pytest.mark.parametrize("n", [1, 2, 5, 6])
@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
def test_the_adjoints_of_the_real_transforms(n, norm):
    """<w, F x> = <F^T w, x> for every w, by the matrix of the transform, column by column."""
    rng = np.random.default_rng(n)
    x, columns = rng.standard_normal(n), [np.fft.rfft(e, norm=norm) for e in np.eye(n)]
    w = rng.standard_normal(n // 2 + 1)
    for part in (np.real, np.imag):
        g = gradient(lambda x, part=part: np.sum(w * part(np.fft.rfft(x, norm=norm))), x)
        # a sum of n terms of size 1
        np.testing.assert_allclose(g, [np.sum(w * part(c)) for c in columns], rtol=0, atol=1e-14 * n)
    m, v = n // 2 + 1, rng.standard_normal(n)
    for unit in (1.0, 1j):
        g = gradient(
            lambda x, unit=unit: np.sum(v * np.fft.irfft(unit * x, n, norm=norm)), rng.standard_normal(m)
        )
        columns = [np.fft.irfft(unit * e, n, norm=norm) for e in np.eye(m)]
        np.testing.assert_allclose(g, [np.sum(v * c) for c in columns], rtol=0, atol=1e-14 * n)


def test_norms_without_a_gradient_of_their_own():
    x = np.array([3.0, -4.0])
    np.testing.assert_array_equal(gradient(lambda x: np.linalg.norm(x, 1), x), [1.0, -1.0])
    np.testing.assert_array_equal(gradient(lambda x: np.linalg.norm(x, np.inf), x), [0.0, -1.0])
    np.testing.assert_array_equal(gradient(lambda x: np.linalg.norm(x, 0), x), [0.0, 0.0])


@pytest.mark.parametrize(
    "fun, words",
    [
        (lambda x: np.linalg.svd(x.reshape(2, 3)).S.sum(), "full_matrices=False"),
        (lambda x: np.average(x, returned=True)[0], "returned=True"),
        (lambda x: np.interp(x, [0.0, 1.0], [0.0, 1.0], period=2.0).sum(), "period="),
    ],
)
def test_what_has_no_rule_is_named(fun, words):
    with pytest.raises(TraceError, match=words):
        gradient(fun, SIX)


def test_fitted_cuts_and_fills():
    np.testing.assert_array_equal(fitted(np.array([1.0, 2.0]), (3,)), [1.0, 2.0, 0.0])
    np.testing.assert_array_equal(fitted(np.array([1.0, 2.0]), (1,)), [1.0])


def test_a_wrong_factor_is_caught(monkeypatch):
    right = primitive_vjps[fft.rfft]

    def wrong(*call):
        vjp = right(*call)
        return lambda g: [2 * part for part in vjp(g)]

    monkeypatch.setitem(primitive_vjps, fft.rfft, wrong)
    with pytest.raises(AssertionError, match="gradient of"):
        check("np.real(np.fft.rfft(x[:5]))", SIX)
