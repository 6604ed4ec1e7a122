"""The 27 regression functions: each is the formula in its file, and fits as NIST certifies."""

import re
from importlib import resources

import autograd
import numpy as np
import pytest

from refopt import problems
from refopt.problems import nist

EPS = np.finfo(float).eps


def text_of(key):
    return resources.files("refopt.problems.nist").joinpath(f"data/{key}.dat").read_text(encoding="ascii")


def formula_residuals(key, b):
    """Response minus model from the formula printed in the file: a parse of its own, with Python's `eval`."""
    text = text_of(key)
    lines = text.splitlines()
    printed = text.split("Parameters (b1", 1)[1].split("\n", 1)[1].split("Starting", 1)[0]
    printed = re.sub(r"pi = \S+", "", printed)
    response, model = " ".join(printed.split()).replace("[", "(").replace("]", ")").split("=")
    model = re.sub(r"\+ *e *$", "", model)
    names = lines[59].split()[1:]
    data = np.array([[float(word) for word in line.split()] for line in lines[60:] if line.strip()])
    scope = {"exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos, "arctan": np.arctan, "pi": np.pi}
    scope |= dict(zip(names, data.T, strict=True)) | {f"b{j}": value for j, value in enumerate(b, 1)}
    return eval(response, scope) - eval(model, scope)


@pytest.mark.parametrize("key", nist.KEYS)
def test_the_model_is_the_formula_in_the_file(key):
    p = problems.get(f"nist/{key}")
    rng = np.random.default_rng(len(key))
    points = [*p.starts, p.certified, p.certified * (1.0 + 0.01 * rng.standard_normal(p.n))]
    for b in points:
        expected = formula_residuals(key, b)
        # rounding of the same formula in another order: |J| |b| measures the terms that the parameters enter;
        # the response, which cancels against the model, is counted by its own size
        jacobian = autograd.jacobian(p.residuals)(b)
        response = np.abs(nist.read(key).columns[0])
        bound = 8 * EPS * (np.abs(jacobian) @ np.abs(b) + response + np.abs(expected))
        assert np.all(np.abs(p.residuals(b) - expected) <= bound), (key, b, "seed", len(key))


def test_the_formula_check_catches_a_planted_error():
    p = problems.get("nist/Thurber")
    wrong = p.certified * np.array([1, 1, 1, 1, 1, 1, 1 + 1e-9])
    jacobian, response = autograd.jacobian(p.residuals)(p.certified), np.abs(nist.read("Thurber").columns[0])
    bound = 8 * EPS * (np.abs(jacobian) @ np.abs(p.certified) + response)
    assert np.any(np.abs(formula_residuals("Thurber", wrong) - p.residuals(p.certified)) > 100 * bound)


@pytest.mark.parametrize("key", nist.KEYS)
def test_residual_sum_of_squares_at_the_certified_parameters(key):
    p = problems.get(f"nist/{key}")
    rss, b = p.fun(p.certified), p.certified
    if key not in ("Lanczos1", "Lanczos2"):
        assert abs(rss - p.certified_rss) <= 4e-11 * p.certified_rss
    # All 27, the two that are nearly interpolated included, within what was printed: eleven digits of the sum
    # (half a unit of the last is at most 5e-11 relative) and of each parameter (|J delta|^2), and float64
    # rounding.
    jacobian = autograd.jacobian(p.residuals)(b)
    delta = 0.5 * 10.0 ** (np.floor(np.log10(np.abs(b))) - 10)
    moved = np.abs(jacobian) @ delta
    rounding = 4 * EPS * (np.abs(jacobian) @ np.abs(b) + 2.0 * np.abs(p.residuals(b)))
    change = 2 * np.abs(p.residuals(b)) @ rounding + np.sum((moved + rounding) ** 2)
    assert abs(rss - p.certified_rss) <= 5e-11 * p.certified_rss + change
    # and the parameters are those of a minimum: a Gauss-Newton step moves none of them in the first nine
    # digits
    q, r = np.linalg.qr(jacobian * b)
    step = np.linalg.solve(r, q.T @ p.residuals(b))
    assert np.min(p.digits(b - b * step)) > 9
