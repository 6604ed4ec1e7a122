"""The formulas of HeavyBall and EMA, against torch and against the weighted mean."""

import numpy as np
import pytest
from steps import outputs

from refopt import EMA, HeavyBall
from refopt.parts.momentum import ema, heavy_ball

# Both compute the same formula in float64, in another order: a few roundings a step, of numbers near 1.
ROUNDING = 1e-12


def torch_path(torch, gradients, **settings):
    """The way of torch.optim.SGD from 0, with step size 0.1."""
    p = torch.nn.Parameter(torch.zeros(gradients.shape[1], dtype=torch.float64))
    peer = torch.optim.SGD([p], lr=0.1, momentum=0.9, **settings)
    path = []
    for g in gradients:
        p.grad = torch.tensor(g)
        peer.step()
        path.append(p.detach().numpy().copy())
    return np.array(path)


def our_path(gradients, dampening=0.0, nesterov=False):
    x, v = np.zeros((2, gradients.shape[1]))
    path = []
    for g in gradients:
        x = x - 0.1 * heavy_ball(g, v=v, momentum=0.9, dampening=dampening, nesterov=nesterov)
        path.append(x)
    return np.array(path)


@pytest.mark.parametrize("nesterov", [False, True])
def test_heavy_ball_agrees_with_torch(nesterov):
    torch = pytest.importorskip("torch")
    gradients = np.random.default_rng(21).normal(size=(30, 50))
    peer = torch_path(torch, gradients, nesterov=nesterov)
    np.testing.assert_allclose(our_path(gradients, nesterov=nesterov), peer, rtol=ROUNDING, atol=ROUNDING)


def test_torch_does_not_damp_the_first_update():
    """The declared deviation, and the only one: with a first gradient of zero the two agree."""
    torch = pytest.importorskip("torch")
    gradients = np.random.default_rng(21).normal(size=(30, 50))
    peer = torch_path(torch, gradients, dampening=0.25)
    assert np.allclose(our_path(gradients, dampening=0.25)[0], 0.75 * peer[0], rtol=ROUNDING)
    gradients[0] = 0
    peer = torch_path(torch, gradients, dampening=0.25)
    np.testing.assert_allclose(our_path(gradients, dampening=0.25), peer, rtol=ROUNDING, atol=ROUNDING)


def test_nesterov_is_sutskevers_method_in_the_variable_of_the_gradient():
    """v <- mu v - e grad f(y), x <- x + v, y = x + mu v: eq. (3) and (4) of the paper, followed in y."""
    A = np.diag([1.0, 3.0, 10.0])
    x, w, mu, rate = np.ones(3), np.zeros(3), 0.9, 0.01
    y, v = np.ones(3), np.zeros(3)
    for _ in range(40):
        w = mu * w - rate * A @ (x + mu * w)
        x = x + w
        y = y - rate * heavy_ball(A @ y, v=v, momentum=mu, dampening=0.0, nesterov=True)
        np.testing.assert_allclose(y, x + mu * w, rtol=1e-11)


def test_ema_is_the_weighted_mean():
    values = np.random.default_rng(23).normal(size=(12, 5))
    m = np.zeros(5)
    for t, u in enumerate(values, start=1):
        out = ema(u, m=m, t=t, beta=0.8, debiased=True)
    weights = 0.8 ** np.arange(11, -1, -1)
    np.testing.assert_allclose(out, weights @ values / weights.sum(), rtol=ROUNDING)
    np.testing.assert_allclose(m, 0.2 * weights @ values, rtol=ROUNDING)


# ---------------------------------------------------------------- the method, step by step


def test_heavy_ball_by_hand():
    """v = 1, then 0.5 + 2 = 2.5, then 1.25 - 4 = -2.75."""
    assert outputs(HeavyBall(0.5), [[1.0], [2.0], [-4.0]]).ravel().tolist() == [1.0, 2.5, -2.75]
    assert outputs(HeavyBall(0.5, dampening=0.5), [[1.0], [2.0]]).ravel().tolist() == [0.5, 1.25]
    assert outputs(HeavyBall(0.5, nesterov=True), [[1.0], [2.0]]).ravel().tolist() == [1.5, 3.25]  # u + v/2


def test_a_constant_gradient_is_multiplied_by_the_sum_of_the_geometric_series():
    out = outputs(HeavyBall(0.9), np.ones((200, 1)))
    assert out[-1, 0] == pytest.approx(10.0, rel=1e-8)


def test_a_constant_passes_ema_unchanged():
    np.testing.assert_allclose(outputs(EMA(0.9), np.full((7, 2), 3.0)), 3.0, rtol=1e-14)
