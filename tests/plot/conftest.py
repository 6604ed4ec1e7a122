"""No window opens, no figure stays; a few recorded runs."""

from __future__ import annotations

import matplotlib
import pytest
from plot.pictures import KEEP, rosenbrock

import refopt

matplotlib.use("Agg")

import matplotlib.pyplot as plt


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def runs():
    return {
        m: refopt.minimize(rosenbrock, [-1.2, 1.0], method=m, options={**KEEP, "maxiter": 60})
        for m in ("Newton", "LBFGS", "InfinityNormTrustRegion", "CubicAdam")
    }
