"""The 27 files of NIST: read, complete, their misprints known."""

from __future__ import annotations

import re
from importlib import resources

import autograd
import numpy as np
import pytest

from refopt import problems
from refopt.composite import LeastSquares
from refopt.problems import nist


def text_of(key):
    return resources.files("refopt.problems.nist").joinpath(f"data/{key}.dat").read_text(encoding="ascii")


def test_all_27_files_and_models_are_there():
    files = {f.name for f in resources.files("refopt.problems.nist").joinpath("data").iterdir()}
    assert {f"{key}.dat" for key in nist.KEYS} == {f for f in files if f.endswith(".dat")}
    assert len(nist.KEYS) == 27 and problems.names("nist/*") == [f"nist/{key}" for key in nist.KEYS]


@pytest.mark.parametrize("key", nist.KEYS)
def test_starts_fields_and_derivatives(key):
    p = problems.get(f"nist/{key}")
    assert isinstance(p.fun, LeastSquares) and p.fun.residuals is p.residuals
    assert len(p.starts) == 2 and p.starts[0] is p.x0 and p.starts[1].shape == (p.n,)
    assert p.f_opt == p.certified_rss and np.all(p.x_opt == p.certified) and p.certified_sd.shape == (p.n,)
    freedom = p.residuals(p.x0).size - p.n
    assert p.certified_residual_sd == pytest.approx(np.sqrt(p.certified_rss / freedom), rel=1e-10)
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
    # A second public copy is damaged here
    assert problems.get("nist/Roszman1").certified[0] == 2.0196866396e-01
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
