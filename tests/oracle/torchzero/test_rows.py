"""The rows of the parity table."""

import pytest

from refopt import methods
from refopt.oracle.torchzero import rows
from refopt.oracle.torchzero.deviations import find
from refopt.oracle.torchzero.problems import PROBLEMS

NAMES = [entry.name for entry in methods()]


@pytest.mark.parametrize("name", NAMES)
def test_every_method_has_rows(name):
    found = rows.rows_of(name)
    assert found, (
        f'add to ROWS in refopt/oracle/torchzero/rows.py Row("{name}", then({name}(...), SMALL), '
        f'(M("{name}", ...), '
        "_SMALL)), one for the method and one for each option that the original has; where torchzero has "
        "no such "
        f'method, Row("{name}", {name}(), (), "name of a deviation") and that deviation in deviations.py '
        "beside it"
    )
    for row in found:
        assert row.theirs or row.deviation, (
            f"{row}: theirs=() says that torchzero has nothing to compare with; the row then names a "
            "deviation, which "
            "refopt/oracle/torchzero/deviations.py describes"
        )
        if row.deviation:
            assert find(row.deviation).method == name


def test_rows_name_problems_that_exist():
    for row in rows.ROWS:
        assert row.method in NAMES and set(row.problems) <= set(PROBLEMS), row


def test_modules_and_rows_print_as_they_are_written():
    assert repr(rows.M("A", 1, inner=rows.M("B"))) == "A(1, inner=B())"
    assert str(rows.rows_of("LR")[0]) == "LR(lr=0.0001)"
