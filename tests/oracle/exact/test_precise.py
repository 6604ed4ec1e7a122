"""Numbers with more digits than float64: linear algebra, disturbance, and points that answer in them."""

import numpy as np
import pytest

from refopt import EMA, Newton
from refopt.objective import locked
from refopt.oracle import exact
from refopt.oracle.exact.precise import (
    Arithmetic,
    PrecisePoint,
    Record,
    cbrt,
    cholesky,
    eigh,
    plain,
    solve,
    sqrt,
)
from refopt.oracle.torchzero import problems


def test_disturbed_input_moves_the_result_by_its_conditioning():
    point = problems.task("beale").objective().at(locked(np.array([1.0, 0.8])))
    for method, least, most in ((EMA(debiased=False), 1e-17, 1e-14), (Newton(), 1e-17, 1e-12)):
        state = method.init(point.x)
        out, _ = exact.run(method, point, point.g, state, Arithmetic("mpmath"))
        near, _ = exact.run(method, point, point.g, state, Arithmetic("mpmath", disturb=1))
        moved = np.abs(plain(near - out)).max() / np.abs(plain(out)).max()
        assert least < moved < most, f"{method!r} moved by {moved:.3g}"


@pytest.mark.parametrize("kind", ["longdouble", "mpmath"])
def test_precise_linear_algebra(kind):
    rng = np.random.default_rng(5)
    make = Arithmetic(kind).array
    B = rng.standard_normal((5, 5))
    A, b = make(B @ B.T + np.eye(5)), make(rng.standard_normal(5))
    # 19 and 50 digits, less what a condition number of 50 costs
    eps = 1e-17 if kind == "longdouble" else 1e-45
    assert np.abs(plain((A @ solve(A, b) - b) / eps)).max() < 1
    L = cholesky(A)
    assert np.abs(plain((L @ L.T - A) / eps)).max() < 100
    assert cholesky(-A) is None
    S = make(B + B.T)
    values, V = eigh(S)
    assert np.abs(plain((V * values @ V.T - (S + S.T) / 2) / eps)).max() < 100
    assert np.abs(plain((sqrt(A[0, 0]) ** 2 - A[0, 0]) / eps)) < 100
    assert np.abs(plain((cbrt(make([-8.0, 0.0, 27.0])) - make([-2.0, 0.0, 3.0])) / eps)).max() < 1
    with pytest.raises(ZeroDivisionError, match="singular"):
        solve(A * 0, b)


def test_arithmetic_refuses_an_unknown_kind():
    with pytest.raises(ValueError, match="must be 'longdouble' or 'mpmath'"):
        Arithmetic("float128")


def test_what_is_disturbed_once_stays_the_same():
    point = problems.task("beale").objective().at(locked(np.array([1.0, 0.8])))
    p = PrecisePoint(point, Arithmetic("mpmath", disturb=3))
    g, hess = p.g, p.hess
    assert p.g is g and p.hess is hess
    inside = p.inside(lambda state: state)
    assert inside.g is p.g and inside.hess is p.hess
    with pytest.raises(AttributeError, match="taylor"):
        p.taylor  # noqa: B018


def test_a_method_inside_sees_its_part_of_the_answer():
    point = problems.task("beale").objective().at(locked(np.array([1.0, 0.8])))
    update, state, table = np.ones(2), Record(inner="mine"), {"LR": None}
    p = PrecisePoint(point, Arithmetic(), (update, state), table)
    assert p.inside(lambda s: s.inner).answer == (None, "mine")
    assert p.inside(lambda s: s.inner, True).answer[0] is update
    assert p.inside(lambda s: s.inner).table == table
    below = point.objective.at(locked(np.array([2.0, 1.0])))
    assert list(plain(p.inside(lambda s: s.inner, point=below).x)) == [2.0, 1.0]
    assert list(p.inside(lambda s: s.inner, g=np.zeros(2)).g) == [0.0, 0.0]
    assert PrecisePoint(point, Arithmetic()).inside(lambda s: s.inner).answer is None


def test_states_and_hyperparameters_become_precise():
    make = Arithmetic("mpmath")
    value = make.value(EMA().init(np.ones(2))._replace(m=np.array([0.1, 0.2])))
    assert value.t == 0 and value.m.dtype == object
    assert make.value("autograd") == "autograd" and make.value(None) is None and make.value(True) is True
    assert str(make.value((0.5, 3))[0]) == "0.5"
    assert value.changed(t=5).t == 5 and value.t == 0
