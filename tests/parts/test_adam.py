"""Adam's formula is that of torch."""

import numpy as np
import pytest
from steps import outputs

from refopt import Adam
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


# ---------------------------------------------------------------- the method, step by step


def test_two_steps_by_hand():
    """beta1 = 1/2, beta2 = 3/4, u = 2, -4: m1 = 1, -3/2; m2 = 1, 19/4; divided by 1/2, 3/4 and 1/4, 7/16."""
    first, second = outputs(Adam(beta1=0.5, beta2=0.75, eps=0.0), [[2.0], [-4.0]])
    assert first[0] == pytest.approx(2 / 2, rel=1e-15)
    assert second[0] == pytest.approx(-2 / np.sqrt(19 / 4 / (7 / 16)), rel=1e-15)
    first, second = outputs(Adam(beta1=0.5, beta2=0.75, eps=0.0, debiased=False), [[2.0], [-4.0]])
    assert first[0] == pytest.approx(1 / 1, rel=1e-15) and second[0] == pytest.approx(
        -1.5 / np.sqrt(19 / 4), rel=1e-15
    )


def test_eps_is_added_after_debiasing():
    """So the first step is u / (|u| + eps), Kingma and Ba's."""
    u = np.array([[2.0, -1e-8, 0.0]])
    assert np.allclose(outputs(Adam(eps=0.5), u), u / (np.abs(u) + 0.5), rtol=1e-12)


def test_the_first_step_does_not_depend_on_the_scale_of_the_gradient():
    u = np.array([[1.0, -3.0, 1e-3]])
    assert np.allclose(outputs(Adam(eps=0.0), u), np.sign(u)) and np.allclose(
        outputs(Adam(eps=0.0), 1e6 * u), np.sign(u)
    )
