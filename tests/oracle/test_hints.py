"""Hints: the mistake that reproduces a candidate, in every part of a tree; none where nothing does."""

import numpy as np
import pytest
from oracle.examples import ADAM, START, adam_state, rosenbrock

from refopt import (
    GGT,
    LBFGS,
    LR,
    Adam,
    Backtracking,
    BlockPartition,
    CurveBall,
    GradMin,
    HeavyBall,
    Newton,
    NewtonSolver,
    StrongWolfe,
    SubspaceAdam,
    SubspaceCubicAdam,
    chain,
)
from refopt.oracle import Stepper, compare

MOMENTUM = chain(HeavyBall(0.9), LR(1e-3))


def momentum_step(x, g, state, lr=1e-3, damp=0.0, first=None, change=lambda g: g):
    weight = first if first is not None and not state["v"].any() else 1 - damp
    state["v"] = 0.9 * state["v"] + weight * change(g)
    return x - lr * state["v"]


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"lr": 1.01e-3}, "the step is 1.01 times the reference's (step size?)"),
        ({"lr": 1e-3 * (1 + 1e-9)}, "the step is 1 + 1e-09 times the reference's (step size?)"),
        ({"lr": 1e-3 * (1 - 1e-7)}, "the step is 1 - 1e-07 times the reference's (step size?)"),
        ({"lr": 0.0}, "the step is zero"),
        ({"damp": 0.1}, "dampening is 0.1"),
        ({"damp": 0.1, "first": 1.0}, "dampening is 0.1, from the second step on"),
        ({"change": lambda g: np.clip(g, -5, 5)}, "the gradient is clipped at 5, coordinate by coordinate"),
        ({"change": lambda g: g * min(1, 10 / np.linalg.norm(g))}, "the gradient is clipped at length 10"),
        ({"change": lambda g: g.astype(np.float32).astype(float)}, "float32 rounding"),
    ],
)
def test_hints_on_a_step_with_momentum(options, hint):
    def step(x, g, state):
        return momentum_step(x, g, state, **options)

    report = compare(Stepper(step, {"v": np.zeros(2)}), MOMENTUM, (rosenbrock, START), 12)
    assert not report.ok and report.hint.startswith(hint), report
    if hint.startswith("the step is"):
        assert report.hint == hint

    def plain_step(x, g):
        return x - options["lr"] * g

    if "lr" in options:
        report = compare(plain_step, LR(1e-3), (rosenbrock, START), 12)
        assert report.hint == hint


def test_single_precision_shows_in_errors_that_scatter():
    """Errors of that size where no mistake of the table fits: random ones are rounding, equal ones not."""
    rng = np.random.default_rng(0)

    def random(x, g):
        return x - 1e-3 * g * (1 + 5e-8 * rng.uniform(-1, 1, 2))

    assert "float32 rounding" in compare(random, LR(1e-3), (rosenbrock, START), 6).hint

    def bent(x, g):  # a systematic error that is no constant factor
        return x - 1e-3 * g * (1 + 1e-8 * np.array([1.0, 2.0]))

    assert compare(bent, LR(1e-3), (rosenbrock, START), 6).hint == ""


def test_dampening_of_torch_is_named():
    torch = pytest.importorskip("torch")
    report = compare(
        lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9, dampening=0.1),
        MOMENTUM,
        (rosenbrock, START),
        12,
        hyperparameters="ignore",
    )
    assert report.hint == "dampening is 0.1, from the second step on"


def test_declared_deviation_is_recognised():
    """Adam with eps on the biased root, as torchzero has it."""

    def step(x, g, state):
        state["t"] += 1
        t = state["t"]
        state["m1"] = 0.9 * state["m1"] + (1 - 0.9) * g
        state["m2"] = 0.999 * state["m2"] + (1 - 0.999) * g * g
        return x - 0.01 * state["m1"] / (1 - 0.9**t) * np.sqrt(1 - 0.999**t) / (np.sqrt(state["m2"]) + 1e-8)

    report = compare(Stepper(step, adam_state()), ADAM, (rosenbrock, START), 6)
    assert not report.ok and report.deviation == "eps-debiased"
    assert "declared deviation: eps-debiased" in str(report)


# ---------------------------------------------------------------- trees of methods

BETA2 = "beta2 is 0.9, the value of another library or paper"
TREES = {
    "chain": lambda b: chain(Adam(beta2=b), LR(0.01)),
    "BlockPartition": lambda b: chain(BlockPartition(Adam(beta2=b), 1), LR(0.01)),
    "GGT(basis_optimizer)": lambda b: chain(GGT(2, basis_optimizer=SubspaceAdam(beta2=b)), LR(0.01)),
    "GGT(cubic basis_optimizer)": lambda b: chain(
        GGT(2, basis_optimizer=SubspaceCubicAdam(beta2=b)), LR(0.01)
    ),
    "GGT(inner)": lambda b: chain(GGT(2, inner=Adam(beta2=b)), LR(0.01)),
    "inner": lambda b: chain(CurveBall(inner=Adam(beta2=b)), LR(0.01)),
    "GradMin": lambda b: GradMin(chain(Adam(beta2=b), LR(0.01))),
    "NewtonSolver(solver)": lambda b: chain(NewtonSolver([Adam(beta2=b), LR(0.1)], maxiter=20), LR(0.5)),
    "two inside": lambda b: BlockPartition(BlockPartition(chain(Adam(beta2=b), LR(0.01)), 2), 1),
}


@pytest.mark.parametrize("make", TREES.values(), ids=TREES)
def test_a_wrong_hyperparameter_is_named_wherever_it_is(make):
    report = compare(make(0.9), make(0.99), "mgh/beale", steps=8)
    assert not report.ok and report.hint == BETA2


@pytest.mark.parametrize(
    "make",
    [
        lambda b: chain(BlockPartition(Adam(beta2=b), 1), Adam(beta2=0.99), LR(0.01)),
        lambda b: chain(Adam(beta2=0.99), NewtonSolver([Adam(beta2=b), LR(0.1)], maxiter=5), LR(0.01)),
    ],
)
def test_one_of_several_parts_may_be_wrong(make):
    assert compare(make(0.9), make(0.99), "mgh/beale", steps=8).hint == BETA2


def test_a_wrong_formula_is_named_inside_another_method():
    """Adam without its second bias correction, per block."""

    def step(x, g, state):
        t = state["t"] = state["t"] + 1
        state["a"] = 0.9 * state["a"] + (1 - 0.9) * g
        state["b"] = 0.999 * state["b"] + (1 - 0.999) * g * g
        return x - 0.01 * state["a"] / (1 - 0.9**t) / (np.sqrt(state["b"]) + 1e-8)

    start = {"t": 0, "a": np.zeros(2), "b": np.zeros(2)}
    for reference in (ADAM, BlockPartition(ADAM, 1)):
        report = compare(Stepper(step, start), reference, (rosenbrock, START), 6)
        assert report.hint == "the second average lacks its bias correction"


def test_a_choice_that_the_definition_leaves_open_is_made_by_the_wrong_method_itself():
    """The two methods take different step sizes: the hint is tried with its own step size, not with ours."""
    make = lambda m: chain(HeavyBall(m), StrongWolfe())  # noqa: E731
    report = compare(make(0.8), make(0.5), (rosenbrock, START), 6)
    assert not report.ok and report.hint == "momentum is 0.8, the value of another library or paper"


def test_the_step_size_is_that_of_the_outermost_lr():
    method = chain(NewtonSolver([Adam(), LR(0.1)], maxiter=5), LR(0.25))
    double = chain(NewtonSolver([Adam(), LR(0.1)], maxiter=5), LR(0.25), LR(0.25))
    candidate = Stepper(lambda x, g, state: _stepped(double, x, state), None)
    assert compare(candidate, method, (rosenbrock, START), 4).hint == "the step size is applied twice"


def _stepped(method, x, state):
    """One step of a refopt method, its state hidden."""
    from refopt.function import FunctionObjective

    point = FunctionObjective(rosenbrock, x).at(x)
    hidden = state or {}
    update, hidden["own"] = method.step(point, point.g, hidden.get("own", method.init(x)))
    return x - update, hidden


# ---------------------------------------------------------------- a hint has to explain the difference


def test_a_mistake_without_effect_is_no_hint():
    """Every step is right and the first state is a placeholder: nothing that changes a step explains that."""

    def armijo(x, f, g, fun, state):
        a, k = 1.0, 1
        while fun(x - a * g) > f - 1e-4 * a * (g @ g):
            a, k = a / 2, k + 1
        return x - a * g, dict(step_size=a, trials=k, fallback=False)

    start = dict(step_size=0.0, trials=0, fallback=False)
    report = compare(Stepper(armijo, start), Backtracking(), "mgh/beale", 8)
    assert (report.step, report.quantity, report.wrong) == (0, "step_size", (0,))
    assert report.hint == "" and report.deviation == ""


def test_a_wrong_product_does_not_blame_the_step():
    def step(x, g, hvp, state):
        H = np.stack([hvp(e) for e in np.eye(2)])
        state["product"] = (g, -(H @ g))
        return x - np.linalg.solve(H, g)

    report = compare(
        Stepper(step, {}), Newton(), (lambda x: x[0] ** 4 + x[0] * x[1] + x[1] ** 2, [2.0, 1.0]), 3
    )
    assert report.quantity == "product" and report.hint == "" and report.deviation == ""


def test_a_difference_of_a_few_ulps_is_explained_by_what_makes_it_alone():
    """1e-14 is beyond rounding, but less than a mistake may miss the candidate by: no mistake is named."""
    step = Stepper(lambda g: 0.001 * g * (1 + np.array([1e-14, 3e-14])), returns="update")
    report = compare(step, LR(0.001), (rosenbrock, START), 6)
    assert not report.ok and report.hint == ""


def test_hints_can_be_left_out():
    report = compare(chain(Adam(eps=1e-6), LR(0.01)), ADAM, "mgh/beale", 4, hints=False)
    assert not report.ok and report.hint == ""


def test_no_hint_without_a_definition():
    from refopt.oracle.hints import defined

    class Mine(LR):
        pass

    assert defined(chain(LBFGS(), LR(0.1))) and not defined(chain(Mine(0.1), LR(0.1)))
