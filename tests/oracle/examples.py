"""A function, a start, a reference and right candidates that the tests of the oracle share."""

import numpy as np

from refopt import LR, Adam, chain

ADAM = chain(Adam(), LR(0.01))
START = np.array([-1.2, 1.0])


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def adam_step(x, g, state):
    state["t"] += 1
    state["m1"] = 0.9 * state["m1"] + (1 - 0.9) * g
    state["m2"] = 0.999 * state["m2"] + (1 - 0.999) * g * g
    root = np.sqrt(state["m2"] / (1 - 0.999 ** state["t"])) + 1e-8
    return x - 0.01 * state["m1"] / (1 - 0.9 ** state["t"]) / root


def adam_state():
    return dict(t=0, m1=np.zeros(2), m2=np.zeros(2))
