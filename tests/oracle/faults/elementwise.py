"""Faults and correct variants of CubicAdam, ReduceOutwardLR and CoordinateMomentum."""

import numpy as np

from refopt import LR, CoordinateMomentum, CubicAdam, ReduceOutwardLR, chain
from refopt.oracle.planting import Fault, Subject

CUBIC = """
def step(x, g, state):
    t = state["t"] + 1
    m1 = beta1 * state["m1"] + (1 - beta1) * g
    m2 = beta2 * state["m2"] + (1 - beta2) * g**2
    m3 = beta3 * state["m3"] + (1 - beta3) * g**3
    C = m1 / (1 - beta1**t)
    B = np.sqrt(m2 / (1 - beta2**t))
    A = np.cbrt(m3 / (1 - beta3**t))
    disc = B**2 - 4 * A * C
    real = disc >= 0
    d = np.where(real, -2 * C / (B + np.sqrt(np.where(real, disc, 0))), -C / (B + eps))
    u = -alpha * d
    return x - lr * u, dict(t=t, m1=m1, m2=m2, m3=m3)
"""

REDUCE = """
def step(x, g):
    outward = x * g < 0
    u = np.where(outward, mul * g, g)
    return x - lr * u
"""

COORDINATES = """
def step(x, g, mask, state):
    v = np.where(mask, g, state["v"])
    u = v
    return x - lr * u, dict(t=state["t"] + 1, v=v)
"""


def valley(x):
    """A curved valley whose gradients change sign, so that all branches of the cubic occur."""
    return 10 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2 + 0.5 * (x[2] - 0.3 * x[1]) ** 2


VALLEY = (valley, [-1.2, 1.0, -0.4])
TAPE = np.random.default_rng(11).random((12, 3)) < 0.5

SUBJECTS = [
    Subject(
        "CubicAdam",
        chain(CubicAdam(0.5, 0.6, 0.7, alpha=0.5), LR(0.1)),
        CUBIC,
        dict(t=0, m1=0.0, m2=0.0, m3=0.0),
        dict(beta1=0.5, beta2=0.6, beta3=0.7, eps=1e-8, alpha=0.5, lr=0.1),
        problem=VALLEY,
        steps=25,
        faults=(
            Fault("C = m1 / (1 - beta1**t)", "C = m1", hint="first average lacks"),
            Fault("B = np.sqrt(m2 / (1 - beta2**t))", "B = np.sqrt(m2)", hint="second average lacks"),
            Fault("A = np.cbrt(m3 / (1 - beta3**t))", "A = np.cbrt(m3)", "update", 4),
            Fault("A = np.cbrt(m3 / (1 - beta3**t))", "A = m3 / (1 - beta3**t)", "update", 4),
            Fault("B**2 - 4 * A * C", "B**2 - A * C", "update", 0),
            Fault("B**2 - 4 * A * C", "B**2 + 4 * A * C", "update", 0, "4AC"),
            Fault("-2 * C / (B +", "-C / (B +", "update", 4, "factor 2"),
            Fault("(1 - beta3) * g**3", "(1 - beta3) * np.abs(g)**3", "m3", 0, "|u|^3"),
            Fault("(1 - beta3) * g**3", "(1 - beta2) * g**3", "m3"),
            Fault('beta3 * state["m3"]', 'beta2 * state["m3"]', "m3", 1),
            Fault("-C / (B + eps)", "-C / (B - eps)"),
            Fault("real = disc >= 0", "real = disc > np.inf", "update", 4, "this is Adam"),
            Fault("u = -alpha * d", "u = -d", hint="twice too long"),
            Fault("u = -alpha * d", "u = alpha * d", hint="wrong sign"),
            Fault("(1 - beta2) * g**2", "(1 - beta2) * g**2 * np.sign(g)", "m2"),
            Fault('t = state["t"] + 1', 't = state["t"]', "t"),
        ),
        variants=(
            ("", ""),
            ("g**3", "g * g * g"),
            ("(1 - beta2) * g**2", "(1 - beta2) * (g * g)"),
            ("np.cbrt(m3 / (1 - beta3**t))", "np.cbrt(m3) / np.cbrt(1 - beta3**t)"),
            ("np.cbrt(m3 / (1 - beta3**t))", "np.sign(m3) * np.abs(m3 / (1 - beta3**t))**(1 / 3)"),
            ("B**2 - 4 * A * C", "m2 / (1 - beta2**t) - 4 * A * C"),
            ("B**2 - 4 * A * C", "B * B - 4 * (A * C)"),
            ("u = -alpha * d", "u = alpha * (-d)"),
            ("x - lr * u", "x + (lr * alpha) * d"),
            (
                "-2 * C / (B + np.sqrt(np.where(real, disc, 0)))",
                "-C / (B / 2 + np.sqrt(np.where(real, disc / 4, 0)))",
            ),
        ),
    ),
    Subject(
        "ReduceOutwardLR",
        chain(ReduceOutwardLR(0.5), LR(0.01)),
        REDUCE,
        None,
        dict(mul=0.5, lr=0.01),
        problem=VALLEY,
        faults=(
            Fault("x * g < 0", "x * g > 0", hint="wrong coordinates"),
            Fault("mul * g, g)", "g / mul, g)"),
            Fault("np.where(outward, mul * g, g)", "mul * g"),
            Fault("np.where(outward, mul * g, g)", "np.where(outward, 0, g)"),
            Fault("mul * g, g)", "mul * g, -g)"),
            Fault("x * g < 0", "np.any(x * g < 0)"),
        ),
        variants=(
            ("", ""),
            ("x * g < 0", "np.sign(x) != np.sign(g)"),
            ("mul * g, g)", "g - (1 - mul) * g, g)"),
            ("np.where(outward, mul * g, g)", "g * np.where(outward, mul, 1)"),
            ("x - lr * u", "x - np.where(outward, lr * mul, lr) * g"),
        ),
    ),
    Subject(
        "CoordinateMomentum",
        chain(CoordinateMomentum(0.5), LR(0.01)),
        COORDINATES,
        dict(t=0, v=0.0),
        dict(lr=0.01),
        problem=VALLEY,
        tape=TAPE,
        faults=(
            Fault('np.where(mask, g, state["v"])', 'np.where(mask, state["v"], g)', "v", 0, "kept"),
            Fault('np.where(mask, g, state["v"])', "np.where(mask, g, 0)", "v", 3, "zeroed"),
            Fault('np.where(mask, g, state["v"])', 'np.where(mask, 0.5 * g, state["v"])', "v"),
            Fault("u = v", 'u = state["v"] + 0 * g'),
            Fault('np.where(mask, g, state["v"])', "g", "v"),
            Fault("v = np.where", "mask = mask[::-1]; v = np.where", "v"),
        ),
        variants=(
            ("", ""),
            ('np.where(mask, g, state["v"])', 'mask * g + (1 - mask) * state["v"]'),
            ("u = v", "u = v.copy()"),
            ('v = np.where(mask, g, state["v"])', 'v = np.zeros(3) + state["v"]; v[mask] = g[mask]'),
        ),
    ),
]
