"""Formulas with a mistake, worked out by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from refopt.oracle import mistaken_formulas as wrong

U = np.array([3.0, -4.0])


def test_corrections():
    m, beta = np.array([1.0]), 0.5
    assert [float(f(m, beta, 2)[0]) for f in (wrong.right, wrong.never, wrong.twice, wrong.inverted)] == [
        pytest.approx(value) for value in (4 / 3, 1, 16 / 9, 3 / 4)
    ]
    assert wrong.late(m, beta, 1) == wrong.right(m, beta, 2) and wrong.early(m, beta, 3) == wrong.right(
        m, beta, 2
    )
    with np.errstate(divide="ignore"):
        assert np.isinf(wrong.early(m, beta, 1)).all()


def test_clipping_by_coordinate_and_by_length():
    assert wrong.clipped(3.5)(U, None).tolist() == [3.0, -3.5]
    assert wrong.shortened(2.5)(U, None).tolist() == [1.5, -2.0]
    assert wrong.shortened(6.0)(U, None) is U


def test_weight_decay_coupled_decoupled_and_without_the_step_size():
    context = SimpleNamespace(x=np.array([1.0, 2.0]), lr=0.5)
    assert wrong.coupled(0.5)(U, context).tolist() == [3.5, -3.0]
    assert wrong.decoupled(0.5)(U, context).tolist() == [3.25, -3.5]
    assert wrong.shrinking(0.5)(U, context).tolist() == [3.5, -3.0]


def test_dampening_from_the_second_step_on():
    h, formula = SimpleNamespace(momentum=0.5, nesterov=False), wrong.damped_after_the_first(0.25)
    _, first = formula(h, None, U, SimpleNamespace(v=0 * U))
    _, second = formula(h, None, U, SimpleNamespace(v=first["v"]))
    assert first["v"].tolist() == U.tolist() and second["v"].tolist() == (1.25 * U).tolist()


def test_single_precision():
    assert wrong.single(np.array([0.1]), None)[0] == np.float32(0.1)


def test_the_root_of_cubic_adam_without_a_change_is_right():
    """A/3 d^3 + B/2 d^2 + C d has its minimiser where A d^2 + B d + C = 0 and 2 A d + B > 0."""
    A, B, C = np.array([0.5]), np.array([2.0]), np.array([-1.0])
    d = wrong.cubic_root(A, B, C, 1e-8)
    assert A * d**2 + B * d + C == pytest.approx([0.0], abs=1e-15) and 2 * A * d + B > 0
    other = wrong.cubic_root(A, B, C, 1e-8, branch=-1)
    assert A * other**2 + B * other + C == pytest.approx([0.0], abs=1e-14) and 2 * A * other + B < 0
