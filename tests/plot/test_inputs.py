"""What pictures are drawn from: results, runs, records, arrays, and their names."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from plot.pictures import KEEP, labels_of, rosenbrock

import refopt
from refopt import plot
from refopt.plot.inputs import short


def test_every_form_of_a_run_gives_the_same_path(runs):
    res = runs["LBFGS"]
    run = refopt.iterate(rosenbrock, [-1.2, 1.0], method="LBFGS", options={**KEEP, "maxiter": 60})
    list(run)
    _, axes = plt.subplots(2, 2)
    forms = (res, run, np.array(res.allvecs), [res.history[0], *res.history[1:]])
    paths = [
        plot.trajectory(rosenbrock, form, labels="path", grid=11, ax=ax).lines[0].get_xydata()
        for form, ax in zip(forms, axes.flat, strict=True)
    ]
    assert all(np.array_equal(path, res.allvecs) for path in paths[:3])
    assert np.array_equal(paths[3], res.allvecs[1:])


def test_same_method_twice_gets_two_names(runs):
    ax = plot.convergence([runs["Newton"], runs["Newton"], runs["LBFGS"]])
    assert labels_of(ax) == ["Newton + Backtracking (1)", "Newton + Backtracking (2)", "LBFGS + StrongWolfe"]


def test_short_names():
    inner = refopt.chain(refopt.BlockPartition(max_size=2, inner=refopt.Adam()), refopt.LR(0.1))
    assert short(repr(inner)) == "BlockPartition + LR" and short("Newton(delta=1e-08)") == "Newton"
    assert len(short("VeryLongName" * 9 + "()")) == 36 and short("") == ""


def test_run_that_kept_no_history():
    res = refopt.minimize(rosenbrock, [-1.2, 1.0], method="Newton")
    run = refopt.iterate(rosenbrock, [-1.2, 1.0], method="Newton")
    for given in (res, run):
        with pytest.raises(ValueError, match="this run kept no history; record it with options"):
            plot.convergence(given)
