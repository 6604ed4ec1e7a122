"""HeavyBall and EMA: their recursions by hand, torch.optim.SGD, and the mean that EMA is."""

from __future__ import annotations

import numpy as np
import pytest
from steps import outputs

from refopt import EMA, HeavyBall


def test_heavy_ball_by_hand():
    """v = 1, then 0.5 + 2 = 2.5, then 1.25 - 4 = -2.75."""
    assert outputs(HeavyBall(0.5), [[1.0], [2.0], [-4.0]]).ravel().tolist() == [1.0, 2.5, -2.75]
    assert outputs(HeavyBall(0.5, dampening=0.5), [[1.0], [2.0]]).ravel().tolist() == [0.5, 1.25]
    assert outputs(HeavyBall(0.5, nesterov=True), [[1.0], [2.0]]).ravel().tolist() == [1.5, 3.25]  # u + v/2


@pytest.mark.parametrize("nesterov", [False, True])
def test_path_of_torch(nesterov):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(22)
    gradients, p = rng.normal(size=(30, 20)), torch.nn.Parameter(torch.zeros(20, dtype=torch.float64))
    peer = torch.optim.SGD([p], lr=0.1, momentum=0.9, nesterov=nesterov)
    for g in gradients:
        p.grad = torch.tensor(g)
        peer.step()
    mine = -0.1 * outputs(HeavyBall(0.9, nesterov=nesterov), gradients).sum(axis=0)
    np.testing.assert_allclose(mine, p.detach().numpy(), rtol=1e-12, atol=1e-12)


def test_a_constant_gradient_is_multiplied_by_the_sum_of_the_geometric_series():
    out = outputs(HeavyBall(0.9), np.ones((200, 1)))
    assert out[-1, 0] == pytest.approx(10.0, rel=1e-8)


def test_ema_is_the_weighted_mean():
    """Weights beta^k over their sum; without debiasing over 1 / (1 - beta)."""
    values = np.random.default_rng(23).normal(size=(12, 5))
    weights = 0.8 ** np.arange(11, -1, -1)
    np.testing.assert_allclose(outputs(EMA(0.8), values)[-1], weights @ values / weights.sum(), rtol=1e-12)
    np.testing.assert_allclose(
        outputs(EMA(0.8, debiased=False), values)[-1], 0.2 * weights @ values, rtol=1e-12
    )


def test_a_constant_passes_ema_unchanged():
    np.testing.assert_allclose(outputs(EMA(0.9), np.full((7, 2), 3.0)), 3.0, rtol=1e-14)
