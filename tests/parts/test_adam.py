"""Adam's formula is that of torch."""

import numpy as np
import pytest

from refopt.parts.adam import adam

# Both compute the same formula in float64, in another order: a few roundings a step, of numbers near 1.
ROUNDING = 1e-12


def test_it_agrees_with_torch():
    torch = pytest.importorskip("torch")
    gradients = np.random.default_rng(21).normal(size=(30, 50))
    p = torch.nn.Parameter(torch.zeros(50, dtype=torch.float64))
    peer = torch.optim.Adam([p], lr=0.1, betas=(0.9, 0.999), eps=1e-8)
    x, m1, m2 = np.zeros((3, 50))
    for t, g in enumerate(gradients, start=1):
        p.grad = torch.tensor(g)
        peer.step()
        x -= 0.1 * adam(g, m1=m1, m2=m2, t=t, beta1=0.9, beta2=0.999, eps=1e-8, debiased=True)
    np.testing.assert_allclose(x, p.detach().numpy(), rtol=ROUNDING, atol=ROUNDING)
