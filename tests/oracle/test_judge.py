"""Lockstep and Free: the first wrong step, the first wrong quantity, and how far it is outside the bound."""

import dataclasses

import autograd.numpy as anp
import numpy as np
import pytest
from oracle.examples import ADAM, START, adam_state, adam_step, rosenbrock

from refopt import (
    GGT,
    LR,
    Backtracking,
    BlockPartition,
    GaussNewton,
    HigherOrderNewton,
    InfinityNormTrustRegion,
    LeastSquares,
    Method,
    Newton,
    NewtonNewton,
    chain,
)
from refopt.oracle import Report, Stepper, Task, compare, record
from refopt.oracle.judge import Lockstep
from refopt.oracle.task import as_task
from refopt.oracle.torchzero import problems


def test_lockstep_sees_one_wrong_step_as_one():
    """A step with a passing hiccup: only that step differs, and `free` finds where the paths part."""

    def step(x, g, t):
        return x - 0.001 * g * (1.5 if t == 7 else 1.0)

    report = compare(step, LR(0.001), (rosenbrock, START), 30)
    assert report.wrong == (7,) and report.step == 7 and report.quantity == "update"
    free = compare(step, LR(0.001), (rosenbrock, START), 30, mode="free")
    assert (free.step, free.quantity) == (7, "update")
    assert len(free.wrong) > 5


def test_quantities_come_in_the_order_of_cause_and_effect():
    def step(x, g, state):
        m = 0.9 * state["m1"] + 0.2 * g  # first wrong; m2 and the update follow
        v = 0.999 * state["m2"] + 0.002 * g * g
        return x - m, dict(t=state["t"] + 1, m1=m, m2=v)

    report = compare(Stepper(step, adam_state()), ADAM, (rosenbrock, START), 3)
    assert (report.step, report.quantity) == (0, "m1")
    assert list(report.factors)[-1] == "update"
    assert all(report.factors[q][0] > 1 for q in ("m1", "m2", "update"))


def test_a_wrong_start_is_named():
    state = adam_state()
    state["m2"] += 1.0
    report = compare(Stepper(adam_step, state), ADAM, (rosenbrock, START), 3)
    assert (report.step, report.quantity) == (0, "m2")


def test_factor_counts_rounding_bounds():
    """An error of a few ulps passes, one of 1e-12 is named with its size."""
    close = lambda x, g: x - 0.001 * g * (1 + 2**-52)  # noqa: E731
    assert compare(close, LR(0.001), (rosenbrock, START), 10).ok
    off = compare(
        Stepper(lambda g: 0.001 * g * (1 + 1e-12), returns="update"), LR(0.001), (rosenbrock, START), 3
    )
    assert not off.ok
    assert off.difference.relative == pytest.approx(1e-12, rel=1e-3)
    assert off.factor > 100 and off.difference.ulps > 1000
    assert off.difference.absolute == pytest.approx(1e-12 * abs(off.difference.reference), rel=1e-3)


def test_nan_steps_differ():
    report = compare(lambda x, g: x * np.nan, LR(0.001), (rosenbrock, START), 5)
    assert (report.ok, report.step, report.quantity) == (False, 0, "update")


def test_gradient_of_the_candidate_is_compared():
    """A torch function with a wrong constant: the gradient is blamed, not the optimizer."""
    torch = pytest.importorskip("torch")
    right = problems.task("beale")
    wrong = Task("beale", right.fun, right.x0, None, lambda tensors: 1.001 * right.torch(tensors))
    factory = lambda params: torch.optim.Adam(params, lr=0.01)  # noqa: E731
    report = compare(factory, ADAM, wrong, 5)
    assert (report.step, report.quantity) == (0, "value")
    assert compare(factory, ADAM, right, 5).ok
    shifted = Task(
        "beale", right.fun, right.x0, None, lambda tensors: right.torch(tensors) + 0.1 * (tensors[0][0] - 1.0)
    )
    report = compare(factory, ADAM, shifted, 5)
    assert (report.step, report.quantity, report.difference.index) == (0, "gradient", 0)
    negative = Task(
        "beale",
        right.fun,
        right.x0,
        None,
        lambda tensors: 2 * float(right.fun(right.x0)) - right.torch(tensors),
    )
    assert "wrong sign" in compare(factory, ADAM, negative, 1).hint


def test_products_are_compared():
    def step(x, g, hvp, state):
        H = np.stack([hvp(e) for e in np.eye(2)])
        state["product"] = (g, 1.01 * (H @ g))
        return x - np.linalg.solve(H, g)

    report = compare(
        Stepper(step, {}), Newton(), (lambda x: x[0] ** 4 + x[0] * x[1] + x[1] ** 2, [2.0, 1.0]), 3
    )
    assert (report.step, report.quantity) == (0, "product")


def test_a_method_without_a_definition_is_measured_in_its_own_precision():
    @dataclasses.dataclass(frozen=True)
    class Halved(Method):
        def step(self, point, update, state):
            return 0.5 * update, state

    reference = chain(Halved(), LR(0.01))
    report = compare(lambda x, g: x - 0.005 * g, reference, (rosenbrock, START), 5)
    assert report.ok and any("no precise definition" in note for note in report.notes)
    assert not compare(lambda x, g: x - 0.00501 * g, reference, (rosenbrock, START), 5).ok


@pytest.mark.parametrize(
    "reference",
    [
        chain(HigherOrderNewton(), LR(0.5)),
        BlockPartition(HigherOrderNewton(), 1, project_params=True),
        chain(InfinityNormTrustRegion(subproblem="residual", init_radius=10.0), LR(0.5)),
    ],
    ids=["followed", "held", "residual"],
)
def test_a_step_that_is_a_choice_of_an_inner_method_is_measured(reference):
    """Only the step of the whole is recorded, so there is nothing to check the inner choice with."""
    report = compare(reference, reference, "classic/beale", 4)
    assert report.ok and any("where another method follows or holds it" in note for note in report.notes)
    shorter = chain(reference, LR(0.9))
    assert not compare(lambda x, g: x - 0.9 * g, shorter, "classic/beale", 4).ok


@pytest.mark.parametrize(
    ("reference", "fun"),
    [
        (chain(Newton(), LR(0.5)), lambda x: (x[0] + x[1]) ** 2),
        (chain(NewtonNewton(reg=0.0), LR(0.5)), lambda x: (x[0] + x[1]) ** 2),
        (
            chain(GaussNewton(), LR(0.5)),
            LeastSquares(lambda x: anp.array([x[0] + x[1] - 1, 2 * x[0] + 2 * x[1] - 3])),
        ),
    ],
    ids=["Newton", "NewtonNewton", "GaussNewton"],
)
def test_a_singular_system_is_no_error(reference, fun):
    assert compare(reference, reference, (fun, [1.0, 0.8]), 4).ok


def test_arrays_of_another_shape_differ_and_are_not_handed_over():
    report = compare(GGT(3, truncate=2), GGT(3), "mgh/beale", 6)
    assert not report.ok and report.quantity in ("T", "L") and report.step == 2
    assert report.difference.candidate == "shape (2,)" and report.difference.reference == "shape (3,)"


def test_a_start_of_another_shape_is_named():
    state = {**adam_state(), "m2": np.zeros(3)}
    report = compare(Stepper(lambda x, g, state: (x - 0.01 * g, state), state), ADAM, (rosenbrock, START), 2)
    assert (report.step, report.quantity) == (0, "m2") and report.difference.candidate == "shape (3,)"


def test_bounds_are_kept_for_every_step():
    trace = record(ADAM, (rosenbrock, START), 3)
    report = Report("", "", "", "lockstep", "float64")
    judge = Lockstep(trace, ADAM, as_task((rosenbrock, START)), None, report)
    judge.follow(2)
    assert (
        report.steps == 2 and len(judge.bounds) == 2 and set(judge.bounds[0]) == {"t", "m1", "m2", "update"}
    )
    assert report.worst < 1e-13 and not judge.found


@pytest.mark.parametrize("mode", ["lockstep", "free"])
def test_the_end_of_the_reference_is_a_note(mode):
    wrong = Task("wrong gradient", rosenbrock, START, jac=lambda x: np.array([1.0, 0.0]))
    report = compare(lambda x, g: x - g, Backtracking(), wrong, 5, mode)
    assert report.steps == 0 and report.notes[0].startswith("the reference ended its run at step 0: ")
