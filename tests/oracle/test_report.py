"""What a report says and draws."""

import pytest
from oracle.examples import ADAM, START, adam_state, adam_step, rosenbrock

from refopt import LR, Adam, chain
from refopt.oracle import Stepper, compare
from refopt.oracle.report import shown


def test_report_prints_and_plots(tmp_path):
    report = compare(
        Stepper(adam_step, adam_state()), chain(Adam(eps=1e-6), LR(0.01)), (rosenbrock, START), 6
    )
    text = str(report)
    for piece in (
        "DIFFERS",
        "first difference: step 0, update",
        "ulps",
        "times the rounding bound",
        "outside the expected rounding error",
        "state compared: t, m1, m2",
        "hint: ",
    ):
        assert piece in text, text
    assert not report and report.ok is False
    good = compare(Stepper(adam_step, adam_state()), ADAM, (rosenbrock, START), 6)
    assert (
        "inside the expected rounding error" in str(good)
        and good
        and good.step is None
        and good.quantity is None
    )
    pytest.importorskip("matplotlib")
    for each in (report, good):
        path = tmp_path / "report.png"
        each.plot(path)
        assert path.stat().st_size > 5000


def test_many_wrong_steps_are_listed_shortly():
    assert shown((0, 3)) == "0, 3"
    assert shown(tuple(range(20))) == "0, 1, 2, 3, 4, 5, 6, 7, ..."
