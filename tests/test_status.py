"""The table of exits: numbers, success, messages."""

from __future__ import annotations

import numpy as np
import pytest

from refopt.status import Status, Stop


def test_statuses_have_distinct_numbers():
    numbers = [status.number for status in Status]
    assert len(set(numbers)) == len(numbers)
    assert {s.number for s in Status if s.success} == {0, 1, 2, 3, 4, 5}


@pytest.mark.parametrize("status", Status)
def test_every_exit_makes_its_message_of_value_threshold_and_reason(status):
    stop = Stop(status, 1.5e-7, 2.5e-7, "the reason")
    assert stop.status is status and str(stop) == stop.message and "{" not in stop.message
    shown = {"{value": "1.5e-07", "{threshold": "2.5e-07", "{reason": "the reason"}
    for field, text in shown.items():
        if field in status.template and ":.0f" not in status.template:
            assert text in stop.message


def test_a_stop_without_figures_has_a_message_too():
    assert (
        Stop(Status.INTERRUPTED).message == "interrupted from the keyboard; the best point so far is returned"
    )
    assert np.isnan(Stop(Status.CALLBACK).value)
