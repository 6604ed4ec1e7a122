"""Tensors as one flat vector: which tensors may be one, how they lie in memory, how often they are copied."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_adapter.cases import ADAM, DEVICE, bowl, closure_of, small, squares, weights

import refopt
from refopt.torch.flat import Layout


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


def test_layouts_of_memory_make_no_difference():
    """Transposed and channels-last parameters, scalars, a single tensor."""
    rng = np.random.default_rng(5)
    shapes = [(4, 3), (), (2, 3, 4, 5), (1,)]
    values = [torch.tensor(rng.normal(size=s), device=DEVICE) for s in shapes]
    plain = [v.clone().requires_grad_() for v in values]
    odd = [
        values[0].t().contiguous().t().requires_grad_(),
        values[1].clone().requires_grad_(),
        values[2].to(memory_format=torch.channels_last, copy=True).requires_grad_(),
        values[3].clone().requires_grad_(),
    ]
    assert not odd[0].is_contiguous() and not odd[2].is_contiguous()
    for method in ("CubicAdam", "LBFGS", "Newton"):
        for params in (plain, odd):
            optimizer = refopt.torch.Optimizer(params, method)
            for _ in range(3):
                optimizer.zero_grad()
                bowl(params).backward()
                optimizer.step((lambda params=params: bowl(params)) if optimizer.needs_closure else None)
        for p, q in zip(plain, odd, strict=True):
            torch.testing.assert_close(p, q, rtol=1e-12, atol=1e-12)


def copies(monkeypatch, model, method, closure):
    """Copies of all parameters (or gradients) in one step after the first, by kind."""
    counted = {"in": 0, "out": 0}

    def count(kind, real):
        def counting(*args, **kwargs):
            counted[kind] += 1
            return real(*args, **kwargs)

        return counting

    optimizer = refopt.torch.Optimizer(model.parameters(), method)
    optimizer.step(closure)
    monkeypatch.setattr(Layout, "gather", count("in", Layout.gather))
    for name in ("write", "subtract"):
        monkeypatch.setattr(Layout, name, count("out", getattr(Layout, name)))
    optimizer.step(closure)
    return counted


@pytest.mark.parametrize(
    "method, allowed",
    [
        ("Adam", {"in": 1, "out": 1}),  # gradients in, update out; the parameters are not copied at all
        ([refopt.ReduceOutwardLR(), refopt.LR(0.1)], {"in": 2, "out": 1}),  # it looks at the parameters
    ],
)
def test_copies_of_a_step_with_several_tensors(monkeypatch, method, allowed):
    model, X, y = small()
    assert copies(monkeypatch, model, method, closure_of(model, X, y)) == allowed


def test_copies_of_a_step_with_values(monkeypatch):
    """Parameters in once, out once for each trial evaluated; gradients in, also that of the accepted one."""
    model, X, y = small()
    evaluated = []

    def closure(backward=True):
        evaluated.append(1)
        return torch.nn.functional.cross_entropy(model(X), y)

    counted = copies(monkeypatch, model, [refopt.LR(1e-3), refopt.Backtracking()], closure)
    assert len(evaluated) == 4 and counted == {"in": 3, "out": 1}  # two steps of two evaluations


@pytest.mark.skipif(DEVICE != "cpu", reason="about CPU memory")
def test_a_single_tensor_is_not_copied(monkeypatch):
    model = torch.nn.Linear(3, 1, bias=False).double()
    X = torch.ones(2, 3, dtype=torch.float64)
    assert copies(monkeypatch, model, [refopt.ReduceOutwardLR(), refopt.LR(0.1)], squares(model, X)) == {
        "in": 0,
        "out": 1,
    }


def test_numbers_go_in_and_out_in_the_order_of_the_tensors():
    a, b = weights(2, 2), weights(3)
    layout = Layout("test", [a, b, a])
    assert layout.n == 7 and layout.shapes == ((2, 2), (3,)) and layout.dtype == np.float64
    layout.write(np.arange(7.0))
    assert a.tolist() == [[0, 1], [2, 3]] and b.tolist() == [4, 5, 6]
    assert np.array_equal(layout.read(), np.arange(7.0))
    assert np.array_equal(layout.gather([None, b]), [0, 0, 0, 0, 4, 5, 6])
