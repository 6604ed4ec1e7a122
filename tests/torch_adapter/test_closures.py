"""Closures: every form of them, and what is said about wrong ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_adapter.cases import ADAM, closure_of, flat, small, weights

import refopt
import refopt.torch


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


def test_gauss_newton_needs_an_output_and_a_loss():
    w = weights()
    with pytest.raises(TypeError, match=r"return \(output, loss\)"):
        refopt.minimize(refopt.torch.objective(lambda: (w**2).sum(), [w]), method="GaussNewton")


def test_closure_forms_agree():
    """A closure that is told, one that only returns the loss, one that always differentiates: one path."""
    paths = []
    for form in range(3):
        model, X, y = small()
        told = closure_of(model, X, y)
        closure = [told, lambda told=told: told(False), lambda told=told: told(True)][form]
        optimizer = refopt.torch.Optimizer(model.parameters(), "LBFGS")
        for _ in range(5):
            optimizer.step(closure)
        paths.append(flat(model))
    np.testing.assert_array_equal(paths[0], paths[1])
    np.testing.assert_array_equal(paths[0], paths[2])


def test_step_returns_the_loss_before_it():
    model, X, y = small()
    closure = closure_of(model, X, y)
    for method in ("Adam", "Newton"):
        optimizer = refopt.torch.Optimizer(model.parameters(), method)
        before = closure(False).item()
        loss = optimizer.step(closure)
        assert loss.item() == before and torch.is_tensor(loss)
    closure()
    assert refopt.torch.Optimizer(model.parameters(), "Adam").step() is None


def test_gradients_clipped_in_the_closure_count():
    model, X, y = small()
    optimizer = refopt.torch.Optimizer(model.parameters(), refopt.LR(1.0))
    before = flat(model)

    def closure():
        closure_of(model, X, y)()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
        return torch.tensor(0.0)

    optimizer.step(closure)
    assert np.linalg.norm(flat(model) - before) == pytest.approx(1e-3, rel=1e-3)  # clip adds 1e-6 to the norm
