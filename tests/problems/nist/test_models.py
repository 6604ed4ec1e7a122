"""The 27 NIST regressions: files, formulas, certified answers."""

import re
from importlib import resources

import autograd
import numpy as np
import pytest

from refopt import problems
from refopt.composite import LeastSquares
from refopt.problems import nist

EPS = np.finfo(float).eps


def text_of(key):
    return resources.files("refopt.problems.nist").joinpath(f"data/{key}.dat").read_text(encoding="ascii")


def test_all_27_files_and_models_are_there():
    files = {f.name for f in resources.files("refopt.problems.nist").joinpath("data").iterdir()}
    assert {f"{key}.dat" for key in nist.KEYS} == {f for f in files if f.endswith(".dat")}
    assert len(nist.KEYS) == 27 and problems.names("nist/*") == [f"nist/{key}" for key in nist.KEYS]


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


@pytest.mark.parametrize("key", nist.KEYS)
def test_starts_fields_and_derivatives(key):
    p = problems.get(f"nist/{key}")
    assert isinstance(p.fun, LeastSquares) and p.fun.residuals is p.residuals
    assert len(p.starts) == 2 and p.starts[0] is p.x0 and p.starts[1].shape == (p.n,)
    assert p.f_opt == p.certified_rss and np.all(p.x_opt == p.certified) and p.certified_sd.shape == (p.n,)
    observations = int(re.search(r"Number of Observations: +(\d+)", text_of(key))[1])
    parameters = int(re.search(r"(\d+) Parameters", text_of(key))[1])
    assert p.n == parameters and p.residuals(p.x0).shape == (observations,)
    for start in p.starts:
        assert np.isfinite(p.fun(start)) and p.fun(start) > p.certified_rss
    hessian = autograd.hessian(p.fun)(p.starts[1])
    assert np.all(np.isfinite(hessian)) and np.allclose(hessian, hessian.T, rtol=1e-12, atol=0)
    assert np.isfinite(p.fun(p.starts[1].astype(np.float32)))
    assert key in p.source and "certified" in p.describe()


def test_known_misprints_and_odd_files():
    assert "11" in problems.get("nist/Rat43").notes[0]
    nelson = problems.get("nist/Nelson")
    assert len(nist.read("Nelson").columns) == 3
    assert nelson.residuals(nelson.x0)[0] == pytest.approx(np.log(15.0) - (2.0 - 1e-4 * np.exp(0.01 * 180.0)))
    assert (
        problems.get("nist/Roszman1").certified[0] == 2.0196866396e-01
    )  # a second public copy is damaged here
    assert problems.get("nist/Lanczos1").certified_rss == 1.4307867721e-25


def test_same_problem_in_both_collections():
    for key, other in (("MGH09", "kowalik_osborne"), ("MGH10", "meyer"), ("MGH17", "osborne1")):
        ours, theirs = problems.get(f"nist/{key}"), problems.get(f"mgh/{other}")
        np.testing.assert_array_equal(ours.starts[1], theirs.x0)
        # the same formula, once with data read from the file, once from the table of facts
        assert ours.fun(ours.starts[1]) == pytest.approx(theirs.fun(theirs.x0), rel=1e-14)


def test_a_file_with_a_missing_row_is_refused(monkeypatch):
    class Short:
        def joinpath(self, name):
            return self

        def read_text(self, encoding):
            return text_of_misra.replace(
                "Number of Observations:                            14",
                "Number of Observations:                            15",
            )

    text_of_misra = text_of("Misra1a")
    monkeypatch.setattr(nist.resources, "files", lambda package: Short())
    with pytest.raises(ValueError, match="14 rows"):
        nist.read.__wrapped__("Misra1a")


def test_unknown_names_and_options():
    with pytest.raises(ValueError, match="did you mean 'nist/Thurber'"):
        problems.get("nist/Thurbr")
    with pytest.raises(ValueError, match="nist/Thurber: unknown option 'start'"):
        problems.get("nist/thurber", start=2)
