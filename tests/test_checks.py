"""One wording for input errors: what was given, what is allowed, what to do."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from refopt import checks


def test_long_values_are_cut_and_arrays_named_by_their_shape():
    assert checks.describe("x" * 100) == "'" + "x" * 56 + "..."
    assert checks.describe(np.zeros((2, 3), np.float32)) == "an array of shape (2, 3) and dtype float32"


def test_the_closest_names_do_not_depend_on_case_and_dashes():
    known = ["CubicAdam", "Adam", "LBFGS"]
    assert checks.closest("cubic-adma", known)[0] == "CubicAdam"
    assert checks.closest("zzzz", known) == []
    assert str(checks.unknown("method", "l_bfg", known)) == "unknown method 'l_bfg'; did you mean 'LBFGS'?"
    assert str(checks.unknown("method", "zzzz", known)).endswith("known: Adam, CubicAdam, LBFGS")


@pytest.mark.parametrize(
    "given, dtype",
    [
        ([1, 2], np.float64),
        (np.ones(2, np.float32), np.float32),
        (np.ones(2, np.float16), np.float64),
        (3, np.float64),
    ],
)
def test_a_start_is_a_fresh_flat_float_array(given, dtype):
    x = checks.start_vector(given)
    assert x.dtype == dtype and x.ndim == 1 and x.flags.writeable
    assert not np.shares_memory(x, np.asarray(given))


def test_shapes_become_tuples_and_must_add_up():
    assert checks.shape_list([(2, 2), 3, ()], 8) == ((2, 2), (3,), ())
    assert checks.shape_list(None, 8) is None
    with pytest.raises(ValueError, match="hold 4 numbers, but x0 has 5; they must be equal"):
        checks.shape_list([(2, 2)], 5)


@pytest.mark.parametrize(
    "interval, inside, outside",
    [
        ("[0, 1)", (0, 0.5), (-1e-9, 1)),
        ("(0, inf)", (1e-300, 1e300), (0, np.inf)),
        ("[0, inf]", (0, np.inf), (-1,)),
    ],
)
def test_ends_of_intervals_are_those_of_mathematics(interval, inside, outside):
    for value in inside:
        assert checks.in_interval("X", "a", value, interval) == value
    for value in outside:
        with pytest.raises(ValueError, match=f"X: a must be in .*, got {value:g}"):
            checks.in_interval("X", "a", value, interval)


def test_whole_numbers_may_be_floats_but_no_truth_values():
    assert checks.whole_number("X", "k", 3.0) == 3 and checks.whole_number("X", "k", np.int64(3), 3) == 3
    for wrong, error in [
        (True, TypeError),
        ("3", TypeError),
        (np.nan, TypeError),
        (2.5, ValueError),
        (np.inf, ValueError),
    ]:
        with pytest.raises(error, match="X: k must be a whole number >= 0, got"):
            checks.whole_number("X", "k", wrong)


def test_real_numbers_are_neither_text_nor_truth_nor_complex():
    for wrong in ("1", True, 1j, np.complex64(1), [1.0], None):
        with pytest.raises(TypeError, match="X: a must be a real number, got"):
            checks.real_number("X", "a", wrong)


def test_choices_and_options():
    assert (
        checks.one_of("X", "mode", "b", ("a", "b", None)) == "b"
        and checks.one_of("X", "mode", None, ("a", None)) is None
    )
    with pytest.raises(
        ValueError, match="mode must be one of 'fast', 'slow', got 'fastt'; did you mean 'fast'"
    ):
        checks.one_of("X", "mode", "fastt", ("fast", "slow"))
    with pytest.raises(ValueError, match="got 1$"):
        checks.one_of("X", "on", 1, (True, "a"))  # equal is not the same
    given = {"a": 1}
    copy = checks.known_options("X", given, ("a", "b"))
    assert copy == given and copy is not given
    with pytest.raises(TypeError, match="X: the names of options are strings, got 3"):
        checks.known_options("X", {3: 1}, ("a",))
    with pytest.raises(ValueError, match="unknown option for X 'bb'; did you mean 'b'"):
        checks.known_options("X", {"bb": 1}, ("b",))


def test_optional_lets_none_pass():
    assert checks.optional(checks.real_number, "X", "a", None) is None
    assert checks.optional(checks.in_interval, "X", "a", 0.5, "[0, 1]") == 0.5


@pytest.mark.parametrize(
    "value, is_on",
    [(True, True), (np.False_, False), (None, False), (0, False), (2, True), (np.int8(1), True)],
)
def test_switches_are_truth_values_or_counts(value, is_on):
    assert checks.switch("X", "show", value) is is_on


@pytest.mark.parametrize("wrong", ["yes", -1, 0.5, [1], np.nan])
def test_what_no_switch_can_be(wrong):
    with pytest.raises(
        TypeError, match=r"X: show must be True, False or a whole number >= 0 \(0 is off\), got"
    ):
        checks.switch("X", "show", wrong)


def test_limits_count_in_whole_numbers_and_may_be_absent():
    assert [checks.limit("X", "most", v) for v in (3, 3.9, np.int64(3), np.inf)] == [3, 3, 3, np.inf]
    assert type(checks.limit("X", "most", np.float64(3))) is int
    for wrong, error in [(-1, ValueError), (-np.inf, ValueError), (np.nan, ValueError), (True, TypeError)]:
        with pytest.raises(error, match="X: most must be a number >= 0, or inf, got"):
            checks.limit("X", "most", wrong)
    with pytest.raises(ValueError, match="X: most must be a number >= 1, or inf, got 0.5"):
        checks.limit("X", "most", 0.5, 1)


def test_an_array_of_no_dimension_is_the_number_in_it():
    held = checks.held("X", {"a": np.array(0.5), "k": np.array(3)}, {"a": "[0, 1]", "k": "whole >= 1"})
    assert held == {"a": 0.5, "k": 3} and not any(isinstance(v, np.ndarray) for v in held.values())
    with pytest.raises(TypeError, match="X: a must be a real number, got an array of shape"):
        checks.held("X", {"a": np.array([0.5])}, {"a": "[0, 1]"})


def test_a_warning_names_the_line_outside_the_package():
    with pytest.warns(UserWarning, match="words") as seen:
        checks.warn("words", UserWarning)
    assert seen[0].filename == __file__


def test_fields_without_effect_must_be_at_their_defaults():
    @dataclasses.dataclass
    class Held:
        a: int = 1
        b: float = 2.0

    checks.at_defaults("Held", Held(a=3), ("b",), "c=0", "c=1")
    with pytest.raises(ValueError, match=r"Held: a has no effect with c=0, got 3; leave it out, or set c=1"):
        checks.at_defaults("Held", Held(a=3), ("a", "b"), "c=0", "c=1")
