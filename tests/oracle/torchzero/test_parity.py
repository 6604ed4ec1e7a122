"""Every method of the registry against torchzero 0.4.4, in lockstep; see `refopt.oracle.torchzero.parity`."""

import pytest

from refopt import LR, Adam, chain, methods
from refopt.oracle.torchzero import parity, rows

pytest.importorskip("torchzero")

NAMES = [entry.name for entry in methods()]


@pytest.mark.filterwarnings("ignore")  # the original's own, and overflow where a problem diverges
@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_torchzero(name):
    """100 steps for each method's first row and for deviations, 30 for other options, 25 in float32.

    After 28 steps Newton's method on the network has a Hessian that is singular to float32: its step is 5e9,
    and rounding decides its digits.
    """
    seen = {}
    for number, row in enumerate(rows.rows_of(name)):
        if not row.theirs:
            continue
        for dtype, steps in (("float64", 100 if number == 0 or row.deviation else 30), ("float32", 25)):
            if dtype == "float32" and not row.float32:
                continue
            for problem in row.problems:
                result = parity.run_row(row, problem, steps, dtype)
                limit = row.tolerance if dtype == "float64" else rows.TOLERANCE["float32"]
                assert result.error <= limit, f"{row} on {problem}, {dtype}: {result}"
                assert result.steps > 0, f"{row} on {problem}, {dtype}: nothing was compared: {result.note}"
                if row.deviation:
                    seen[row.deviation] = seen.get(row.deviation, False) or result.seen
    gone = [deviation for deviation, once in seen.items() if not once]
    assert not gone, f"declared differences that are no longer there: {gone}"


def test_an_undeclared_difference_fails():
    """The check is itself checked: a wrong eps shows."""
    row = rows.Row(
        "Adam",
        chain(Adam(eps=1e-7, debiased=False), LR(1e-2)),
        (rows.M("Adam", debias=False), rows.M("LR", 1e-2)),
    )
    assert parity.run_row(row, "logistic", 5).error > rows.TOLERANCE["float64"]


def test_a_deviation_that_is_gone_is_not_seen():
    row = rows.Row(
        "Adam",
        chain(Adam(eps=0.0), LR(1e-2)),
        (rows.M("Adam", eps=0.0), rows.M("LR", 1e-2)),
        "eps-debiased",
    )
    assert not parity.run_row(row, "logistic", 5).seen


def test_the_command_reports(capsys):
    assert parity.main(["--method", "LR", "--steps", "3", "--dtype", "float64"]) == 0
    out = capsys.readouterr().out
    assert "LR(lr=0.0001)" in out and "float64" in out
