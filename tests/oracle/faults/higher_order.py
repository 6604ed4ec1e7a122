"""Faults and correct variants of HigherOrderNewton."""

import autograd.numpy as anp
import numpy as np

from refopt import HigherOrderNewton
from refopt.function import FunctionObjective
from refopt.models.taylor import TensorModel
from refopt.oracle.planting import Fault, Subject
from refopt.solvers.subproblem import in_ball

CUBIC = """
def step(x, f, g, hess, fun, state):
    radius, T = state["scale"], third(x)
    for attempts in range(1, 11):
        s = ball(g, hess, T, radius)
        predicted = -(g @ s + s @ hess @ s / 2 + s @ T @ s @ s / 6)
        rho = (f - fun(x + s)) / predicted
        size = np.sqrt(s @ s)
        if rho < 1e-4:
            radius = size * 0.25
        elif rho > 0.99 and size >= 0.99 * radius:
            radius = max(radius, size * 3.5)
        if rho > 1e-6:
            break
    return x + s, dict(scale=radius, rho=rho, attempts=attempts)
"""


def wave(x):
    """Its first models promise more than it keeps."""
    return anp.sum(anp.cos(3 * x) + x**2 / 2) + 0.3 * x[0] * x[1]


def third(x):
    return FunctionObjective(wave, x).at(x).tensors(3)[3]


def ball(g, H, T, radius):
    return in_ball(TensorModel([np.array(0.0), g, H, T]), radius).s


SUBJECTS = [
    Subject(
        "HigherOrderNewton",
        HigherOrderNewton(order=3, init_radius=0.1),
        CUBIC,
        dict(scale=0.1),
        dict(third=third, ball=ball),
        problem=(wave, [0.5, -1.2, 1.0]),
        steps=3,
        faults=(
            Fault("s @ T @ s @ s / 6", "s @ T @ s @ s / 3", "rho"),
            Fault("ball(g, hess, T, radius)", "ball(g, hess, 0 * T, radius)"),
            Fault("ball(g, hess, T, radius)", "ball(g, hess, T / 2, radius)"),
            Fault("ball(g, hess, T, radius)", "ball(g, hess, T, 2 * radius)"),
            Fault("ball(g, hess, T, radius)", "ball(g, hess + 0.1 * np.eye(3), T, radius)"),
            Fault("return x + s", "return x - s", hint="wrong sign"),
            Fault("rho > 0.99 and", "rho > 1.5 and", "scale"),
            Fault("size * 3.5", "size * 2.5", "scale"),
        ),
        variants=(
            ("", ""),
            ("s @ hess @ s / 2", "0.5 * (hess @ s) @ s"),
            ("np.sqrt(s @ s)", "np.linalg.norm(s)"),
        ),
    ),
]
