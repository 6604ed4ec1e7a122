"""Every kind of candidate is run and written down; one that breaks the rules is named."""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
from oracle.examples import ADAM, START, adam_state, adam_step, rosenbrock

from refopt import LR, Backtracking, CoordinateMomentum, GradMin, Method, NewtonSolver, chain
from refopt.oracle import Stepper, Task, Trace, assert_matches, compare, exact, record
from refopt.oracle.recording import Tape, with_tapes
from refopt.oracle.torchzero import problems

# ---------------------------------------------------------------- torch


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


# ---------------------------------------------------------------- optax, plain functions


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


# ---------------------------------------------------------------- randomness


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


@pytest.mark.parametrize("mode", ["lockstep", "free"])
@pytest.mark.parametrize(
    "method",
    [
        chain(CoordinateMomentum(0.3), CoordinateMomentum(0.5), LR(1e-3)),  # two parts that draw
        chain(NewtonSolver([CoordinateMomentum(0.3), LR(0.1)], maxiter=9), LR(1e-3)),  # more draws than steps
        chain(GradMin(CoordinateMomentum(0.3)), LR(1e-3)),
    ],
    ids=["two parts", "a solver", "inside"],
)
def test_every_part_that_draws_is_replayed(method, mode):
    assert_matches(method, method, (rosenbrock, START), 6, mode, rng=4)


class NowAndThenState(NamedTuple):
    t: int
    signs: np.ndarray
    rng: np.random.Generator


@dataclasses.dataclass(frozen=True)
class NowAndThen(Method):
    """Every third step draws new signs; the output is u with these signs."""

    mask: Any = None

    needs: ClassVar[frozenset[str]] = frozenset({"rng"})

    def init(self, x, shapes=None, rng=None):
        return NowAndThenState(0, np.ones_like(x), rng)

    def step(self, point, update, state):
        signs = state.signs
        if state.t % 3 == 0:
            draw = self.mask if self.mask is not None else self.randomness(state.rng)
            signs = np.where(draw(state.t, update.size), 1.0, -1.0).astype(update.dtype)
        return signs * update, NowAndThenState(state.t + 1, signs, state.rng)

    def randomness(self, rng):
        return None if self.mask is not None else lambda t, n: rng.random(n) < 0.5

    def replaying(self, source):
        return dataclasses.replace(self, mask=source)


@pytest.fixture
def now_and_then(monkeypatch):
    def formula(h, p, u, s):
        signs = np.where(h.mask(s.t, u.size), 1, -1) if s.t % 3 == 0 else s.signs
        return signs * u, dict(t=s.t + 1, signs=signs)

    monkeypatch.setitem(exact.DEFINITIONS, "NowAndThen", exact.Definition(formula, 2))
    return chain(NowAndThen(), LR(1e-4))


@pytest.mark.parametrize("mode", ["lockstep", "free"])
def test_a_method_may_draw_in_some_steps_only(mode, now_and_then, tmp_path):
    report = assert_matches(now_and_then, now_and_then, (rosenbrock, START), 8, mode, rng=4)
    assert report.steps == 8
    trace = record(now_and_then, (rosenbrock, START), 8, rng=4)
    assert [step.mask is not None for step in trace.steps] == [t % 3 == 0 for t in range(8)]
    assert [drawn is not None for drawn in trace.draws[0]] == [
        t % 3 == 0 for t in range(7)
    ] and trace.masks is None
    kept = Trace.load(trace.save(tmp_path / "run.npz"))
    assert assert_matches(kept, now_and_then, (rosenbrock, START), 8, mode).steps == 8


def test_a_tape_may_have_steps_without_a_mask(now_and_then):
    rng = np.random.default_rng(5)
    tape = [rng.random(2) < 0.5 if t % 3 == 0 else None for t in range(8)]

    def step(x, g, t, mask, state):
        if t % 3 == 0:
            state["signs"] = np.where(mask, 1.0, -1.0)
        return x - 1e-4 * state["signs"] * g

    candidate = Stepper(step, dict(signs=np.ones(2)))
    assert assert_matches(candidate, now_and_then, (rosenbrock, START), 8, tape=tape).steps == 8
    trace = record(lambda x, g: x - 1e-4 * g, (rosenbrock, START), 8, tape=lambda trace: tape)
    assert [step.mask is not None for step in trace.steps] == [mask is not None for mask in tape]
    tape[3] = None
    with pytest.raises(ValueError, match="the tape holds 2 masks, but step 3 needs one"):
        compare(Stepper(lambda x, g, mask: x - 1e-4 * g), now_and_then, (rosenbrock, START), 8, tape=tape)


def test_parts_that_draw_must_match():
    two = chain(CoordinateMomentum(0.3), CoordinateMomentum(0.5), LR(1e-3))
    with pytest.raises(ValueError, match="2 parts of the candidate draw random .* 1 of the reference"):
        compare(two, chain(CoordinateMomentum(0.3), LR(1e-3)), (rosenbrock, START), 5)


def test_a_tape_gives_the_same_numbers_again_and_ends_with_an_error():
    drawn = Tape(lambda t, n: np.full(n, t))
    first = drawn(0, 2)
    assert drawn(0, 2) is first and list(drawn(1, 2)) == [1, 1]
    given = Tape(None, [[True, False]])
    assert list(given(0, 2)) == [True, False]
    with pytest.raises(ValueError, match="the tape holds 1 masks, but step 1 needs one"):
        given(1, 2)
    sparse = Tape(lambda t, n: np.full(n, t))
    sparse(2, 1)
    assert sparse.steps() == (None, None, [2]) and Tape(None, sparse.steps())(2, 1) == [2]
    assert with_tapes(ADAM, Tape, np.random.default_rng(0)) is ADAM  # draws nothing


# ---------------------------------------------------------------- candidates that break off


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


@pytest.mark.parametrize(
    ("step", "quantity", "message"),
    [
        (lambda x, g: np.zeros(3), "shape", r"changed the shape of x from \(2,\) to \(3,\) at step 0"),
        (lambda x, g: 1.0, "shape", "changed the shape of x"),
        (lambda x, g: None, "shape", "returned None at step 0"),
        (lambda x, g: (x, {}, 1), "shape", "it returned 3 values"),
        (lambda x, g: x - np.multiply(g, 0.001, out=g), "input", "modified its input g in place at step 0"),
        (lambda x, g: np.subtract(x, 0.001 * g, out=x), "input", "modified its input x in place at step 0"),
        (lambda x, g, mask: x, "input", "asks for a mask"),
    ],
)
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


def test_a_candidate_that_ends_its_own_run_is_recorded_as_far_as_it_goes():
    uphill = Task("wrong gradient", rosenbrock, START, jac=lambda x: np.array([1.0, 0.0]))
    trace = record(Backtracking(), uphill, 3)
    assert len(trace) == 0 and trace.ended[0] == "stop"
    assert "the candidate ended its run at step 0" in trace.ended[1]
