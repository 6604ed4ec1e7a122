"""The forcing sequence of Eisenstat and Walker, against its formula."""

from __future__ import annotations

import pytest

from refopt.solvers.forcing import ETA_MAX, eisenstat_walker


def test_eisenstat_walker_formula():
    assert eisenstat_walker(0.5, 1e-3, 1.0) == 0.9 * 0.5**2  # the safeguard: 0.225 > 0.1
    assert eisenstat_walker(0.1, 1e-3, 1.0) == pytest.approx(0.9e-6)
    assert eisenstat_walker(0.1, 10.0, 1.0) == ETA_MAX
    assert eisenstat_walker(0.1, 1.0, 0.0) == ETA_MAX
