"""`compare` and `assert_matches`: right candidates agree, wrong input is refused before a run."""

import pytest
from oracle.examples import ADAM, START, adam_state, adam_step, rosenbrock

from refopt import LR, Adam, CubicAdam, HeavyBall, chain, methods
from refopt.oracle import Stepper, assert_matches, compare
from refopt.oracle.torchzero import problems

# ---------------------------------------------------------------- right candidates


@pytest.mark.parametrize("mode", ["lockstep", "free"])
@pytest.mark.parametrize("entry", methods(), ids=lambda entry: entry.name)
def test_every_method_agrees_with_itself(entry, mode):
    """On Beale's function, here a sum of squares, so that every method finds what it needs."""
    report = compare(entry.complete(), entry.name, "mgh/beale", steps=12, mode=mode)
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


def test_cubic_adam_with_zero_gradient_agrees():
    method = chain(CubicAdam(), LR(0.01))
    assert compare(method, method, problems.task("zero gradients"), 20).ok


def test_arithmetic_may_be_chosen():
    for arithmetic in ("longdouble", "mpmath"):
        assert compare(
            Stepper(adam_step, adam_state()), ADAM, (rosenbrock, START), 4, arithmetic=arithmetic
        ).ok


def test_a_diverging_candidate_is_compared_as_far_as_it_goes():
    report = compare(lambda x, g: x - 1.0 * g, LR(1.0), (rosenbrock, START), 50)
    assert report.ok and report.steps < 50
    assert any("made x[" in note for note in report.notes)


# ---------------------------------------------------------------- input that makes no sense


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


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
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
    ],
)
def test_bad_arguments(arguments, kind, message):
    if "factory" in message and callable(arguments[0]):
        pytest.importorskip("torch")
    with pytest.raises(kind, match=message):
        compare(*arguments)
