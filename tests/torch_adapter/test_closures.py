"""Wrong input to the torch adapter: what was given, what is allowed, what to do; and nothing has changed."""

from __future__ import annotations

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch

import refopt
import refopt.torch

ADAM = refopt.chain(refopt.Adam(), refopt.LR(0.1))


def weights(*shape, dtype=torch.float64, **options):
    return torch.ones(
        *shape or (3,), dtype=dtype, requires_grad=dtype.is_floating_point or dtype.is_complex, **options
    )


def both(params):
    """The two public entrances."""
    return [
        lambda: refopt.torch.Optimizer(params, ADAM),
        lambda: refopt.torch.objective(lambda: None, params),
    ]


@pytest.mark.parametrize(
    "params, error, words",
    [
        (
            [weights(), weights(device="meta")],
            ValueError,
            r"several devices \(cpu, meta\).*one optimizer for each",
        ),
        (
            [weights(), weights(dtype=torch.float32)],
            ValueError,
            r"several dtypes \(torch.float32, torch.float64\)",
        ),
        ([weights(dtype=torch.complex128)], TypeError, "float32 or float64.*complex128.*view_as_real"),
        ([weights(dtype=torch.int64)], TypeError, r"float32 or float64.*int64.*model.float\(\)"),
        ([weights(dtype=torch.bfloat16)], TypeError, "float32 or float64.*bfloat16"),
        ([weights(0)], ValueError, "empty"),
        ([], ValueError, "empty"),
        ([np.ones(3)], TypeError, r"ndarray|tensors"),
        ([weights() * 2], ValueError, "leaf"),
        ([torch.ones(2, 2).to_sparse().requires_grad_()], TypeError, "dense"),
    ],
    ids=lambda v: None,
)
def test_wrong_parameters(params, error, words):
    for entrance in both(params):
        with pytest.raises(error, match=words):
            entrance()


def test_two_tensors_over_one_memory():
    a = weights(4)
    for entrance in both([a, a.detach().requires_grad_()]):
        with pytest.raises(ValueError, match="different tensors over the same memory; tie parameters"):
            entrance()


def test_all_parameters_frozen():
    with pytest.raises(ValueError, match="empty"):
        refopt.torch.objective(lambda: None, [torch.ones(3)])


def test_groups():
    a, b = weights(), weights()
    with pytest.raises(ValueError, match="more than one parameter group"):
        refopt.torch.Optimizer([{"params": [a]}, {"params": [b, a]}], ADAM)
    with pytest.raises(ValueError, match="unknown hyperparameter.*'betta1'.*'beta1'"):
        refopt.torch.Optimizer([{"params": [a], "betta1": 0.5}], ADAM)
    with pytest.raises(ValueError, match=r"Adam: beta1 must be in \[0, 1\), got 1.5"):
        refopt.torch.Optimizer([{"params": [a], "beta1": 1.5}], ADAM)
    with pytest.raises(ValueError, match=r"different history_size \(10, 3\).*treats all parameters together"):
        refopt.torch.Optimizer([{"params": [a]}, {"params": [b], "history_size": 3}], "LBFGS")
    with pytest.raises(TypeError, match="must be a dict with the entry 'params'"):
        refopt.torch.Optimizer([a], ADAM).add_param_group({"lr": 1.0})
    same = refopt.torch.Optimizer([{"params": [a]}, {"params": [b]}], "LBFGS")
    same.param_groups[1]["history_size"] = 3
    with pytest.raises(ValueError, match="different history_size"):
        same.step(lambda: (a**2).sum() + (b**2).sum())
    joined = refopt.torch.Optimizer([a], "LBFGS")
    joined.step(lambda: (a**2).sum())
    with pytest.raises(ValueError, match="has begun; give all groups at the start"):
        joined.add_param_group({"params": [b]})
    assert len(joined.param_groups) == 1
    optimizer = refopt.torch.Optimizer([a], ADAM)
    with pytest.raises(ValueError, match="several dtypes"):
        optimizer.add_param_group({"params": [weights(dtype=torch.float32)]})
    assert len(optimizer.param_groups) == 1


def test_wrong_method_and_options():
    a = weights()
    with pytest.raises(ValueError, match="unknown method 'Adamm'; did you mean 'Adam'"):
        refopt.torch.Optimizer([a], "Adamm")
    with pytest.raises(TypeError, match="lr given with a method instance"):
        refopt.torch.Optimizer([a], ADAM, lr=1.0)
    with pytest.raises(ValueError, match="'betta1'"):
        refopt.torch.Optimizer([a], "Adam", betta1=0.5)
    with pytest.raises(TypeError, match="is a class; give an instance"):
        refopt.torch.Optimizer([a], refopt.Adam)
    with pytest.raises(ValueError, match="uses no randomness; leave it out"):
        refopt.torch.Optimizer([a], ADAM, rng=1)
    with pytest.raises(TypeError, match="rng must be"):
        refopt.torch.Optimizer([a], "CoordinateMomentum", rng="x")


@pytest.mark.parametrize(
    "method", [ADAM, refopt.LBFGS(), "LBFGS", "Newton"], ids=["Adam", "direction", "LBFGS", "Newton"]
)
@pytest.mark.parametrize(
    "closure, error, words",
    [
        (lambda w: None, TypeError, "closure returned None.*return"),
        (lambda w: (w.detach() ** 2).sum(), ValueError, "computed no gradients"),
        (lambda w: 3.0, (TypeError, ValueError), "as a tensor|computed no gradients"),
        (lambda w: 1 / 0, ZeroDivisionError, "division"),
    ],
    ids=["None", "no graph", "number", "raises"],
)
def test_wrong_closures(method, closure, error, words):
    w = weights()
    optimizer = refopt.torch.Optimizer([w], method)
    with pytest.raises(error, match=words):
        optimizer.step(lambda: closure(w))
    assert torch.equal(w.detach(), torch.ones(3, dtype=torch.float64))


@pytest.mark.parametrize(
    "closure, error, words",
    [
        (lambda w: w**2, ValueError, r"one number, got a tensor of shape \(3,\); reduce it"),
        (lambda w: torch.complex(w.sum(), w.sum()), TypeError, "real number"),
        (lambda w: (w, 3), TypeError, r"must be \(output, loss\)"),
        (lambda w: weights().sum(), ValueError, "does not depend on any of the parameters"),
        (lambda w: (w, lambda z: z), ValueError, "one number, got a tensor of shape"),
    ],
    ids=["vector", "complex", "tuple", "other model", "vector loss"],
)
def test_wrong_losses(closure, error, words):
    w = weights()
    with pytest.raises(error, match=words):
        refopt.torch.Optimizer([w], "LBFGS").step(lambda: closure(w))
    with pytest.raises(error, match=words):
        refopt.minimize(refopt.torch.objective(lambda: closure(w), [w]), method="LBFGS")
    assert torch.equal(w.detach(), torch.ones(3, dtype=torch.float64))


def test_a_closure_that_forgets_backward_though_old_gradients_are_there():
    w = weights()
    w.grad = torch.ones_like(w)
    with pytest.raises(ValueError, match=r"call loss.backward\(\) in it"):
        refopt.torch.Optimizer([w], ADAM).step(lambda: (w**2).sum())


def test_a_closure_that_frees_its_graph():
    w = weights()

    def closure():
        loss = (w**4).sum()
        loss.backward()
        return loss

    with pytest.raises(
        TypeError, match=r"closure\(backward=True\) and call loss.backward\(\) only `if backward:`"
    ):
        refopt.torch.Optimizer([w], "Newton").step(closure)
    refopt.torch.Optimizer([w], "LBFGS").step(closure)


def test_missing_closure():
    w = weights()
    w.grad = torch.ones_like(w)
    with pytest.raises(TypeError, match=r"needs f beside the gradient, so step needs a closure"):
        refopt.torch.Optimizer([w], "LBFGS").step()
    with pytest.raises(TypeError, match="closure must be callable, got 3"):
        refopt.torch.Optimizer([w], "LBFGS").step(3)
    refopt.torch.Optimizer([w], ADAM).step()
    refopt.torch.Optimizer([w], [refopt.LBFGS(), refopt.LR(0.1)]).step()  # directions need the gradient only


def test_gauss_newton_needs_an_output_and_a_loss():
    w = weights()
    with pytest.raises(TypeError, match=r"return \(output, loss\)"):
        refopt.minimize(refopt.torch.objective(lambda: (w**2).sum(), [w]), method="GaussNewton")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_gradients_that_are_not_finite(bad):
    """FloatingPointError that names the place; parameters and state as before, so that a batch can be skipped."""
    a, b = weights(2, 2), weights()
    optimizer = refopt.torch.Optimizer([{"params": [b]}, {"params": [weights(1), a]}], ADAM)
    twin, p, q = copy.deepcopy((optimizer, a, b))

    def step(optimizer, a, b, value):
        a.grad, b.grad = torch.ones_like(a), torch.ones_like(b)
        a.grad[1, 0] = value
        optimizer.step()

    step(optimizer, a, b, 1.0), step(twin, p, q, 1.0)
    with pytest.raises(
        FloatingPointError, match=r"gradient is not finite: element 2 of parameter 1, of shape \(2, 2\), has"
    ):
        step(optimizer, a, b, bad)
    assert torch.equal(a, p) and torch.equal(b, q)
    step(optimizer, a, b, 1.0), step(twin, p, q, 1.0)
    assert torch.equal(a, p) and torch.equal(b, q)


def test_losses_and_updates_that_are_not_finite():
    w = weights()
    with pytest.raises(FloatingPointError, match="loss is nan; the parameters are unchanged"):
        refopt.torch.Optimizer([w], "LBFGS").step(lambda: (w * float("nan")).sum())
    with pytest.raises(FloatingPointError, match="gradient is not finite"):
        refopt.torch.Optimizer([w], "LBFGS").step(lambda: (w - 1).abs().sqrt().sum())
    w.grad = torch.full_like(w, 1e300)
    with pytest.raises(FloatingPointError, match="update is not finite"), np.errstate(over="ignore"):
        refopt.torch.Optimizer([w], refopt.LR(1e300)).step()
    assert torch.equal(w.detach(), torch.ones(3, dtype=torch.float64))
    res = refopt.minimize(refopt.torch.objective(lambda: (w * float("nan")).sum(), [w]))
    assert res.status == refopt.Status.NONFINITE_START.number


def test_large_gradients_are_finite():
    """The squares overflow, the numbers do not."""
    w = weights()
    w.grad = torch.full_like(w, 1e200)
    refopt.torch.Optimizer([w], refopt.LR(1e-200)).step()
    assert torch.equal(w.detach(), torch.zeros(3, dtype=torch.float64))


def test_sparse_gradients():
    layer = torch.nn.Embedding(4, 2, sparse=True)
    layer(torch.tensor([1])).sum().backward()
    with pytest.raises(TypeError, match="gradient is sparse.*sparse=False"):
        refopt.torch.Optimizer(layer.parameters(), ADAM).step()


def test_models_that_change_after_the_first_step():
    model = torch.nn.Linear(2, 1)
    X = torch.ones(1, 2)
    optimizer = refopt.torch.Optimizer(model.parameters(), "LBFGS")
    optimizer.step(lambda: (model(X) ** 2).sum())
    model.bias.requires_grad_(False)
    with pytest.raises(ValueError, match="which parameters require gradients has changed"):
        optimizer.step(lambda: (model(X) ** 2).sum())
    model.bias.requires_grad_(True)
    model.double()
    with pytest.raises(TypeError, match="were torch.float32 and are torch.float64 now"):
        optimizer.step(lambda: (model(X.double()) ** 2).sum())


@pytest.mark.parametrize(
    "other, words",
    [
        (lambda: refopt.torch.Optimizer([weights(2, 2)], "CubicAdam"), r"belongs to Chain\(CubicAdam, LR\)"),
        (lambda: refopt.torch.Optimizer([weights(4)], "Adam"), "belongs to parameters"),
        (
            lambda: refopt.torch.Optimizer([weights(2, 2, dtype=torch.float32)], "Adam"),
            "belongs to parameters",
        ),
        (lambda: refopt.torch.Optimizer([weights(2, 2), weights(1)], "Adam"), "belongs to parameters"),
        (
            lambda: refopt.torch.Optimizer([{"params": weights(2, 2)}, {"params": weights(1)}], "Adam"),
            "belongs to parameters",
        ),
        (lambda: torch.optim.Adam([weights(2, 2)]), "not the state of a refopt.torch.Optimizer"),
        (lambda: None, "not the state of a refopt.torch.Optimizer"),
    ],
    ids=["method", "shape", "dtype", "more", "groups", "torch", "None"],
)
def test_states_of_others(other, words):
    w = weights(2, 2)
    w.grad = torch.ones_like(w)
    optimizer = refopt.torch.Optimizer([w], "Adam")
    optimizer.step()
    before = repr(optimizer.state_dict())
    made = other()
    with pytest.raises(ValueError, match=words):
        optimizer.load_state_dict(made and made.state_dict())
    assert repr(optimizer.state_dict()) == before


def test_objective_of_minimize():
    w = weights()
    objective = refopt.torch.objective(lambda: (w**2).sum(), [w])
    for name in ("jac", "hess", "hessp"):
        with pytest.raises(TypeError, match=f"{name} was given with TorchObjective.*leave {name} out"):
            refopt.minimize(objective, **{name: lambda x: x})
    with pytest.raises(TypeError, match="args was given"):
        refopt.minimize(objective, args=(1,))
    with pytest.raises(ValueError, match="x0 has 2 variables, but the objective has 3"):
        refopt.minimize(objective, [1.0, 2.0])
    with pytest.raises(ValueError, match=r"write: x must have shape \(3,\), got \(2,\)"):
        objective.write([1.0, 2.0])
    with pytest.raises(TypeError, match="closure must be callable"):
        refopt.torch.objective(3, [w])
    with pytest.raises(MemoryError, match="9 variables|GiB"):
        many = weights(2000)
        refopt.torch.objective(lambda: (many**4).sum(), [many]).at(np.ones(2000)).tensors(3)
    with pytest.raises(TypeError, match="x0 is None"):
        refopt.minimize(lambda x: x[0])


def test_without_torch():
    code = "import sys; sys.modules['torch'] = None; import refopt.torch"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode and "ImportError: refopt.torch needs torch" in run.stderr
    assert "pip install 'refopt[torch]'" in run.stderr
