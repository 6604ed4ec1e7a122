"""Hyperparameters as entries of parameter groups: which names, and the method with other values."""

from __future__ import annotations

import numpy as np
import pytest
from torch_adapter.cases import closure_of, small

import refopt
from refopt.torch.hyperparameters import entries, repeated, signature, with_entries


def test_named_parameters_and_options():
    model, X, y = small()
    optimizer = refopt.torch.Optimizer(model.named_parameters(), "cubic_adam", lr=0.02, beta1=0.8)
    assert optimizer.param_groups[0]["lr"] == 0.02 and optimizer.param_groups[0]["beta1"] == 0.8
    optimizer.step(closure_of(model, X, y))
    assert optimizer.param_groups[0]["param_names"][0] == "0.weight"


def test_a_repeated_name_belongs_to_no_group():
    model, _, _ = small()
    optimizer = refopt.torch.Optimizer(
        model.parameters(), [refopt.Adam(), refopt.CubicAdam(), refopt.LR(1e-3)]
    )
    assert "beta1" not in optimizer.param_groups[0] and "beta3" in optimizer.param_groups[0]
    with pytest.raises(ValueError, match="'beta1' occurs in several parts"):
        refopt.torch.Optimizer(
            [{"params": model.parameters(), "beta1": 0.5}],
            [refopt.Adam(), refopt.CubicAdam(), refopt.LR(1e-3)],
        )


def test_names_that_occur_once_become_entries():
    method = refopt.chain(
        refopt.Adam(beta1=0.8), refopt.BlockPartition(refopt.CubicAdam(), 3), refopt.LR(np.float32(0.5))
    )
    found = entries(method)
    assert repeated(method) == {"beta1", "beta2", "eps", "debiased"}
    assert (
        found["lr"] == 0.5
        and type(found["lr"]) is float
        and found["beta3"] == 0.99
        and found["max_size"] == 3
    )
    assert "beta1" not in found and "inner" not in found


def test_values_reach_the_part_that_has_them_and_are_checked_there():
    method = refopt.chain(refopt.Adam(), refopt.LR(0.5))
    changed = with_entries(method, {"lr": 0.1, "beta1": 0.3, "unknown": 7})
    assert changed == refopt.chain(refopt.Adam(beta1=0.3), refopt.LR(0.1))
    assert with_entries(method, {}) is method
    with pytest.raises(ValueError, match=r"Adam: beta1 must be in \[0, 1\), got 2"):
        with_entries(method, {"beta1": 2.0})


def test_the_signature_is_the_structure_without_numbers():
    method = refopt.chain(refopt.GGT(basis_optimizer=refopt.SubspaceAdam()), refopt.LR(0.5))
    assert signature(method) == "Chain(GGT(SubspaceAdam), LR)" == signature(with_entries(method, {"lr": 0.1}))
