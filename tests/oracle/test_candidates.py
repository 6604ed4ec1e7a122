"""How the kind of a candidate is recognised, and what a step function may ask for."""

import pytest
from oracle.examples import ADAM, START, rosenbrock

from refopt import LR, Adam, chain
from refopt.oracle import Stepper, record
from refopt.oracle.candidates import as_reference, kind_of, name_of, parameters


class Pair:
    def init(self, x):
        return ()

    def update(self, g, state):
        return -g, state


@pytest.mark.parametrize(
    ("candidate", "kind"),
    [
        (lambda params: None, "torch"),
        (lambda x: x, "step"),
        (lambda g: g, "step"),
        (lambda x, g: x - g, "step"),
        (Stepper(lambda g: g, returns="update"), "step"),
        ((lambda x: (), lambda g, state: (-g, state)), "optax"),
        (Pair(), "optax"),
        (ADAM, "method"),
        ([Adam(), LR(0.1)], "method"),
        ("run.npz", "trace"),
        (record(ADAM, (rosenbrock, START), 1), "trace"),
    ],
)
def test_kinds(candidate, kind):
    assert kind_of(candidate) == kind


def test_a_torch_class_is_a_factory():
    torch = pytest.importorskip("torch")
    assert kind_of(torch.optim.SGD) == "torch" and name_of(torch.optim.SGD) == "SGD"


def test_bad_steppers():
    with pytest.raises(TypeError, match="state must be a dict"):
        Stepper(lambda x, g: x, state=3)
    with pytest.raises(ValueError, match="returns must be one of 'x', 'update'"):
        Stepper(lambda x, g: x, returns="y")
    with pytest.raises(TypeError, match="step must be callable"):
        Stepper(3)


def test_a_step_function_may_have_parameters_of_its_own_with_defaults():
    assert parameters(lambda x, g, mine=3, *, t=0: x) == ["x", "g", "t"]
    with pytest.raises(ValueError, match="asks for 'gradient' .give it a default, or wrap the function"):
        Stepper(lambda x, gradient: x)


def test_a_name_stands_for_its_recipe():
    assert as_reference("Adam") == chain(Adam(), LR(as_reference("Adam").methods[1].lr))
    assert as_reference([Adam(), LR(0.1)]) == chain(Adam(), LR(0.1))


def test_names_for_messages():
    assert name_of(Stepper(rosenbrock.__call__, name="mine")) == "mine"
    assert name_of(Stepper(lambda x, g: x)) == "<lambda>"
    assert name_of("run.npz") == "run.npz" and name_of(Pair()) == "Pair"
