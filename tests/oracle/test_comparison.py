"""`compare` on candidates of every kind, right and wrong, and on input that makes no sense."""

import numpy as np
import pytest

from refopt import (
    LR,
    Adam,
    CoordinateMomentum,
    CubicAdam,
    HeavyBall,
    Method,
    Newton,
    chain,
    methods,
    oracle,
)
from refopt.oracle import Stepper, Task, assert_matches, compare, record
from refopt.oracle.torchzero import problems

ADAM = chain(Adam(), LR(0.01))


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


START = np.array([-1.2, 1.0])


def adam_step(x, g, state):
    state["t"] += 1
    state["m1"] = 0.9 * state["m1"] + (1 - 0.9) * g
    state["m2"] = 0.999 * state["m2"] + (1 - 0.999) * g * g
    root = np.sqrt(state["m2"] / (1 - 0.999 ** state["t"])) + 1e-8
    return x - 0.01 * state["m1"] / (1 - 0.9 ** state["t"]) / root


def adam_state():
    return dict(t=0, m1=np.zeros(2), m2=np.zeros(2))


# ---------------------------------------------------------------- correct candidates


@pytest.mark.parametrize("mode", ["lockstep", "free"])
@pytest.mark.parametrize("name", [e.name for e in methods() if e.kind == "elementwise" or e.name in
                                  ("Adam", "HeavyBall", "EMA", "LR", "Backtracking", "LBFGS", "Newton")])
def test_every_method_agrees_with_itself(name, mode):
    entry = next(e for e in methods() if e.name == name)
    report = compare(entry.complete(), name, "classic/beale", steps=12, mode=mode)
    assert report.ok, report
    assert report.steps >= 2


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("mode", ["lockstep", "free"])
def test_torch_adam_matches_ours(mode, dtype):
    torch = pytest.importorskip("torch")
    for name in ("rosenbrock 4", "tanh network", "logistic"):
        report = assert_matches(
            lambda params: torch.optim.Adam(params, lr=0.01), ADAM, problems.task(name), 50, mode, dtype=dtype
        )
        assert report.steps == 50
        assert report.shared == ("t", "m1", "m2") if mode == "lockstep" else True
        if mode == "lockstep" and dtype == "float64":  # updates read off x carry its rounding, 2e-16 / 1e-2
            assert report.worst < 1e-12


def test_torch_sgd_matches_heavy_ball():
    torch = pytest.importorskip("torch")
    factory = lambda params: torch.optim.SGD(params, lr=1e-3, momentum=0.9)  # noqa: E731
    for name in ("quadratic", "tanh network", "zero gradients"):
        report = assert_matches(factory, chain(HeavyBall(0.9), LR(1e-3)), problems.task(name))
        assert report.shared == ("v",)
    nesterov = lambda params: torch.optim.SGD(params, lr=1e-3, momentum=0.9, nesterov=True)  # noqa: E731
    assert_matches(nesterov, chain(HeavyBall(0.9, nesterov=True), LR(1e-3)), problems.task("logistic"))


def test_torch_candidate_on_a_numpy_function_gets_our_gradient():
    torch = pytest.importorskip("torch")
    report = assert_matches(lambda p: torch.optim.Adam(p, lr=0.01), ADAM, (rosenbrock, START), 20)
    assert "gradient" not in report.factors


@pytest.mark.parametrize("form", ["no closure", "closure=None", "closure called", "*args"])
def test_hand_written_torch_optimizers(form):
    """The usual forms: a step that only reads p.grad, one that calls a closure if given one."""
    torch = pytest.importorskip("torch")

    class Descent(torch.optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @torch.no_grad()
        def descend(self):
            for group in self.param_groups:
                for p in group["params"]:
                    p -= group["lr"] * p.grad

    class Bare(Descent):
        def step(self):
            self.descend()

    class Unused(Descent):
        def step(self, closure=None):
            self.descend()

    class Used(Descent):
        def step(self, closure):
            with torch.enable_grad():
                loss = closure()
            self.descend()
            return loss

    class Anything(Descent):
        def step(self, *args, **kwargs):
            self.descend()

    cls = {"no closure": Bare, "closure=None": Unused, "closure called": Used, "*args": Anything}[form]
    for task in (problems.task("tanh network"), (rosenbrock, START)):  # torch's own gradient, and ours
        assert_matches(lambda params: cls(params, lr=1e-3), LR(1e-3), task, 5)
        report = compare(lambda params: cls(params, lr=2e-3), LR(1e-3), task, 5, hyperparameters="ignore")
        assert (report.step, report.quantity) == (0, "update")


def test_the_first_evaluation_of_a_torch_step_is_recorded():
    """An optimizer that moves and evaluates again, as line searches do: x, f, g are those of the start."""
    torch = pytest.importorskip("torch")

    class Wanders(torch.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {})

        def step(self, closure):
            params = self.param_groups[0]["params"]
            with torch.no_grad():
                for p in params:
                    p += 1.0
            with torch.enable_grad():
                closure()
            with torch.no_grad():
                for p in params:
                    p -= 1.0 + 0.01 * p.grad

    task = problems.task("beale")
    trace = record(Wanders, task, 3)
    for step in trace.steps:
        right = task.objective().at(step.x)
        assert step.f == pytest.approx(right.f, rel=1e-13)  # torch and NumPy round differently
        assert step.g == pytest.approx(right.g, rel=1e-12)


def test_gradient_of_the_candidate_is_compared():
    """A torch function with a wrong constant: the gradient is blamed, not the optimizer."""
    torch = pytest.importorskip("torch")
    right = problems.task("beale")
    wrong = Task("beale", right.fun, right.x0, None, lambda tensors: 1.001 * right.torch(tensors))
    factory = lambda params: torch.optim.Adam(params, lr=0.01)  # noqa: E731
    report = compare(factory, ADAM, wrong, 5)
    assert (report.step, report.quantity) == (0, "value")
    assert compare(factory, ADAM, right, 5).ok
    shifted = Task("beale", right.fun, right.x0, None,
                   lambda tensors: right.torch(tensors) + 0.1 * (tensors[0][0] - 1.0))
    report = compare(factory, ADAM, shifted, 5)
    assert (report.step, report.quantity, report.difference.index) == (0, "gradient", 0)
    negative = Task("beale", right.fun, right.x0, None, lambda tensors: 2 * float(right.fun(right.x0))
                    - right.torch(tensors))
    assert "wrong sign" in compare(factory, ADAM, negative, 1).hint


MOMENTUM = chain(HeavyBall(0.9), LR(1e-3))


def momentum_step(x, g, state, lr=1e-3, damp=0.0, first=None, change=lambda g: g):
    weight = first if first is not None and not state["v"].any() else 1 - damp
    state["v"] = 0.9 * state["v"] + weight * change(g)
    return x - lr * state["v"]


@pytest.mark.parametrize(("options", "hint"), [
    ({"lr": 1.01e-3}, "the step is 1.01 times the reference's (step size?)"),
    ({"lr": 1e-3 * (1 + 1e-9)}, "the step is 1 + 1e-09 times the reference's (step size?)"),
    ({"lr": 1e-3 * (1 - 1e-7)}, "the step is 1 - 1e-07 times the reference's (step size?)"),
    ({"lr": 0.0}, "the step is zero"),
    ({"damp": 0.1}, "dampening is 0.1"),
    ({"damp": 0.1, "first": 1.0}, "dampening is 0.1, from the second step on"),
    ({"change": lambda g: np.clip(g, -5, 5)}, "the gradient is clipped at 5, coordinate by coordinate"),
    ({"change": lambda g: g * min(1, 10 / np.linalg.norm(g))}, "the gradient is clipped at length 10"),
    ({"change": lambda g: g.astype(np.float32).astype(float)}, "float32 rounding"),
])
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


def test_single_precision_is_told_by_errors_that_scatter():
    """Errors of its size in a quantity without a planted mistake: random ones are rounding, equal ones not."""
    rng = np.random.default_rng(0)

    def random(x, g):
        return x - 1e-3 * g * (1 + 5e-8 * rng.uniform(-1, 1, 2))

    assert "float32 rounding" in compare(random, LR(1e-3), (rosenbrock, START), 6).hint

    def bent(x, g):  # a systematic error that is no constant factor
        return x - 1e-3 * g * (1 + 1e-8 * np.array([1.0, 2.0]))

    assert compare(bent, LR(1e-3), (rosenbrock, START), 6).hint == ""


def test_torch_sgd_with_dampening_is_told():
    torch = pytest.importorskip("torch")
    report = compare(lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9, dampening=0.1), MOMENTUM,
                     (rosenbrock, START), 12, hyperparameters="ignore")
    assert report.hint == "dampening is 0.1, from the second step on"


def test_optax_style_pair():
    def init(x):
        return dict(count=0, mu=np.zeros_like(x), nu=np.zeros_like(x))

    def update(g, state):
        t = state["count"] + 1
        mu, nu = 0.9 * state["mu"] + (1 - 0.9) * g, 0.999 * state["nu"] + (1 - 0.999) * g**2
        change = -0.01 * (mu / (1 - 0.9**t)) / (np.sqrt(nu / (1 - 0.999**t)) + 1e-8)
        return change, dict(count=t, mu=mu, nu=nu)

    report = assert_matches((init, update), ADAM, (rosenbrock, START))
    assert report.shared == ("t", "m1", "m2")
    bad = (init, lambda g, state: (-update(g, state)[0], update(g, state)[1]))
    assert compare(bad, ADAM, (rosenbrock, START)).hint == "the step has the wrong sign: it goes uphill"
    assert not compare((init, lambda g, state: np.zeros(2)), ADAM, (rosenbrock, START)).ok


def test_plain_steps_with_and_without_state():
    assert_matches(Stepper(adam_step, lambda x: adam_state()), ADAM, (rosenbrock, START))
    assert_matches(lambda x, g: x - 0.001 * g, LR(0.001), (rosenbrock, START))
    assert_matches(Stepper(lambda g: 0.001 * g, returns="update"), LR(0.001), (rosenbrock, START))
    hidden = {"state": adam_state()}  # a closure: the reference keeps its own state
    report = assert_matches(lambda x, g: adam_step(x, g, hidden["state"]), ADAM, (rosenbrock, START))
    assert report.shared == ()


def test_randomness_is_replayed():
    method = chain(CoordinateMomentum(0.3), LR(1e-3))
    assert_matches(method, method, (rosenbrock, START), rng=4)
    tape = np.random.default_rng(2).random((20, 2)) < 0.3

    def step(x, g, mask, state):
        state["v"] = np.where(mask, g, state["v"])
        return x - 1e-3 * state["v"]

    assert_matches(Stepper(step, dict(v=np.zeros(2))), method, (rosenbrock, START), 20, tape=tape)
    report = compare(Stepper(step, dict(v=np.zeros(2))), method, (rosenbrock, START), 20, tape=tape[:5])
    assert (report.ok, report.step, report.quantity) == (False, 5, "input")


# ---------------------------------------------------------------- what a report says


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


def test_report_prints_and_plots(tmp_path):
    report = compare(
        Stepper(adam_step, adam_state()), chain(Adam(eps=1e-6), LR(0.01)), (rosenbrock, START), 6
    )
    text = str(report)
    for piece in ("DIFFERS", "first difference: step 0, update", "ulps", "times the rounding bound",
                  "outside the expected rounding error", "state compared: t, m1, m2", "hint: "):
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


def test_arithmetic_may_be_chosen():
    for arithmetic in ("longdouble", "mpmath"):
        assert compare(
            Stepper(adam_step, adam_state()), ADAM, (rosenbrock, START), 4, arithmetic=arithmetic
        ).ok


def test_a_method_without_a_definition_is_measured_in_its_own_precision():
    import dataclasses

    @dataclasses.dataclass(frozen=True)
    class Halved(Method):
        def step(self, point, update, state):
            return 0.5 * update, state

    reference = chain(Halved(), LR(0.01))
    report = compare(lambda x, g: x - 0.005 * g, reference, (rosenbrock, START), 5)
    assert report.ok and any("no precise definition" in note for note in report.notes)
    assert not compare(lambda x, g: x - 0.00501 * g, reference, (rosenbrock, START), 5).ok


def test_a_diverging_candidate_is_compared_as_far_as_it_goes():
    report = compare(lambda x, g: x - 1.0 * g, LR(1.0), (rosenbrock, START), 50)
    assert report.ok and report.steps < 50
    assert any("made x[" in note for note in report.notes)


def test_nan_steps_differ():
    report = compare(lambda x, g: x * np.nan, LR(0.001), (rosenbrock, START), 5)
    assert (report.ok, report.step, report.quantity) == (False, 0, "update")


def test_reference_that_ends_its_run_is_told():
    flat = lambda x: 1.0 + 0 * x[0]  # noqa: E731
    report = compare(lambda x, g: x - g, "Newton", (flat, [1.0, 2.0]), 5)
    assert any("the reference ended its run" in note for note in report.notes) or report.steps == 5


# ---------------------------------------------------------------- input that makes no sense


def test_a_candidate_that_raises():
    def step(x, g, t):
        if t == 3:
            raise ZeroDivisionError("too small")
        return x - 0.001 * g

    report = compare(step, LR(0.001), (rosenbrock, START), 10)
    assert (report.ok, report.step, report.quantity) == (False, 3, "exception")
    assert "raised ZeroDivisionError at step 3: too small" in str(report)
    with pytest.raises(AssertionError, match="raised ZeroDivisionError at step 3") as caught:
        assert_matches(step, LR(0.001), (rosenbrock, START), 10)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_wrong_step_before_the_exception_is_reported_first():
    def step(x, g, t):
        if t == 3:
            raise ZeroDivisionError("too small")
        return x - 0.002 * g

    report = compare(step, LR(0.001), (rosenbrock, START), 10)
    assert (report.step, report.quantity) == (0, "update")


@pytest.mark.parametrize(("step", "quantity", "message"), [
    (lambda x, g: np.zeros(3), "shape", r"changed the shape of x from \(2,\) to \(3,\) at step 0"),
    (lambda x, g: 1.0, "shape", "changed the shape of x"),
    (lambda x, g: None, "shape", "returned None at step 0"),
    (lambda x, g: (x, {}, 1), "shape", "it returned 3 values"),
    (lambda x, g: x - np.multiply(g, 0.001, out=g), "input", "modified its input g in place at step 0"),
    (lambda x, g: np.subtract(x, 0.001 * g, out=x), "input", "modified its input x in place at step 0"),
    (lambda x, g, mask: x, "input", "asks for a mask"),
])
def test_a_candidate_that_breaks_the_rules(step, quantity, message):
    report = compare(step, LR(0.001), (rosenbrock, START), 5)
    assert (report.ok, report.step, report.quantity) == (False, 0, quantity)
    with pytest.raises(AssertionError, match=message):
        assert_matches(step, LR(0.001), (rosenbrock, START), 5)


def test_an_optax_pair_that_modifies_the_gradient():
    def update(g, state):
        g *= 2
        return -g, state

    report = compare((lambda x: {}, update), LR(0.001), (rosenbrock, START), 5)
    assert report.quantity == "input" and "work on a copy" in str(report)


def test_hyperparameters_that_differ_are_refused():
    torch = pytest.importorskip("torch")
    def factory(params):
        return torch.optim.Adam(params, lr=0.1, betas=(0.8, 0.999), weight_decay=0.01)

    with pytest.raises(
        ValueError,
        match=r"lr: candidate 0.1, reference 0.01; beta1: candidate 0.8, reference 0.9; "
        "weight_decay: candidate 0.01, reference has none",
    ):
        compare(factory, ADAM, (rosenbrock, START), 5)
    report = compare(factory, ADAM, (rosenbrock, START), 5, hyperparameters="ignore")
    assert not report.ok


@pytest.mark.parametrize(("arguments", "kind", "message"), [
    ((3, ADAM, "classic/beale"), TypeError, "a candidate is a torch optimizer factory"),
    ((Adam, ADAM, "classic/beale"), TypeError, "Adam is a class; give an instance"),
    ((ADAM, "Adma", "classic/beale"), ValueError, "did you mean"),
    ((ADAM, 3, "classic/beale"), TypeError, "a method is an instance"),
    ((ADAM, ADAM, "classic/baele"), ValueError, "did you mean"),
    ((ADAM, ADAM, 3), TypeError, "problem must be a name"),
    ((ADAM, ADAM, (rosenbrock, [1j, 0])), TypeError, "complex"),
    ((ADAM, ADAM, (rosenbrock, START), 0), ValueError, "steps must be a whole number >= 1"),
    ((ADAM, ADAM, (rosenbrock, START), 5, "locked"), ValueError, "did you mean 'lockstep'"),
    ((lambda params: 3, ADAM, (rosenbrock, START)), TypeError, "must be a factory"),
    ((lambda y, z: 3, ADAM, (rosenbrock, START)), ValueError, "may ask for x, f, g"),
])
def test_bad_arguments(arguments, kind, message):
    if "factory" in message and callable(arguments[0]):
        pytest.importorskip("torch")
    with pytest.raises(kind, match=message):
        compare(*arguments)


def test_bad_steppers():
    with pytest.raises(TypeError, match="state must be a dict"):
        Stepper(lambda x, g: x, state=3)
    with pytest.raises(ValueError, match="returns must be one of 'x', 'update'"):
        Stepper(lambda x, g: x, returns="y")
    with pytest.raises(TypeError, match="step must be callable"):
        Stepper(3)


def test_import_of_the_oracle_brings_no_torch():
    import subprocess
    import sys

    code = ("import refopt.oracle, refopt.oracle.torchzero.parity, sys; "
            "print([m for m in ('torch', 'mpmath', 'matplotlib', 'pytest') if m in sys.modules])")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


# ---------------------------------------------------------------- second order


def test_products_are_compared():
    def step(x, g, hvp, state):
        H = np.stack([hvp(e) for e in np.eye(2)])
        state["product"] = (g, 1.01 * (H @ g))
        return x - np.linalg.solve(H, g)

    report = compare(
        Stepper(step, {}), Newton(), (lambda x: x[0] ** 4 + x[0] * x[1] + x[1] ** 2, [2.0, 1.0]), 3
    )
    assert (report.step, report.quantity) == (0, "product")


def test_cubic_adam_with_zero_gradient_agrees():
    method = chain(CubicAdam(), LR(0.01))
    assert oracle.compare(method, method, problems.task("zero gradients"), 20).ok
