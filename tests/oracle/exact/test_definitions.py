"""Every method of the registry against its own definition in 50 digits."""

import numpy as np
import pytest

from refopt import EMA, LR, Adam, Newton, chain, methods
from refopt.method import copy_state
from refopt.objective import locked
from refopt.oracle import exact
from refopt.oracle.exact.precise import Arithmetic, cbrt, cholesky, eigh, plain, solve, sqrt
from refopt.oracle.state_fields import leaf, left_open, paths
from refopt.oracle.torchzero import problems
from refopt.oracle.torchzero.rows import rows_of
from refopt.status import Stop

NAMES = [entry.name for entry in methods()]
STEPS = 6


def variants(name):
    """The recipe and every option that the parity table lists."""
    entry = next(e for e in methods() if e.name == name)
    found = [entry.complete(), *(row.ours for row in rows_of(name))]
    return list({repr(m): m for m in found}.values())


@np.errstate(all="ignore")  # a run may diverge; it is followed as far as it is finite
def worst_ulps(method, problem, steps=STEPS):
    """The largest error of an update along a run, in ulps of its largest entry, in 50 digits."""
    task = problems.task(problem)
    x, objective = np.array(task.x0), task.objective()
    state, worst = method.init(locked(x.copy()), task.shapes, np.random.default_rng(3)), 0.0
    arithmetic = Arithmetic("mpmath")
    for _ in range(steps):
        point = objective.at(locked(x.copy()))
        before = copy_state(state)
        try:
            update, state = method.step(point, point.g, state)
        except Stop:
            break
        if not np.all(np.isfinite(update)):
            break
        right, after = exact.run(method, point, point.g, before, arithmetic, (update, state))
        pairs = [(update, right)]
        for path, here in paths(state):  # the state, as far as the definition gives it
            if isinstance(here, np.ndarray) and here.dtype.kind == "f" and here.size:
                if not left_open(after, state, before, path):
                    pairs.append((here, leaf(after, path)))
        for mine, exactly in pairs:
            error = np.abs(plain(mine - exactly)).max()
            worst = max(worst, float(error / np.spacing(max(np.abs(plain(exactly)).max(), 1e-300))))
        x = x - update
    return worst


@pytest.mark.parametrize("name", NAMES)
def test_every_method_has_a_definition(name):
    assert name in exact.DEFINITIONS, f"write a precise definition of {name} in a file of refopt/oracle/exact/"


@pytest.mark.parametrize("name", NAMES)
def test_steps_agree_with_their_definition(name):
    if name not in exact.DEFINITIONS:
        pytest.fail(f"{name} has no precise definition")
    for method in variants(name):
        parts = "gauss-newton" in method.all_needs()
        for problem in ("beale residuals",) if parts else ("beale", "logistic", "zero gradients"):
            found = worst_ulps(method, problem)
            assert found <= exact.DEFINITIONS[name].ulps, f"{method!r} on {problem}: {found:.3g} ulps"


def test_a_wrong_definition_is_noticed():
    """The check is itself checked: a definition without the square root misses by far."""
    method = chain(Adam(), LR(0.1))
    task = problems.task("beale")
    point = task.objective().at(locked(task.x0.copy()))
    update, _ = method.step(point, point.g, method.init(point.x))
    wrong = {"Adam": lambda h, p, u, s: (u, {})}
    right, _ = exact.run(method, point, point.g, method.init(point.x), Arithmetic("mpmath"), table=wrong)
    assert np.abs(plain(update - right)).max() > 1e-3


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
    eps = (
        1e-17 if kind == "longdouble" else 1e-45
    )  # 19 and 50 digits, less what a condition number of 50 costs
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
