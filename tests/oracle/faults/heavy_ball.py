"""Faults and correct variants of HeavyBall, EMA and LR."""

from refopt import EMA, LR, HeavyBall, chain
from refopt.oracle.planting import Fault, Subject

HEAVY_BALL = """
def step(x, g, state):
    v = momentum * state["v"] + (1 - dampening) * g
    u = v
    return x - lr * u, dict(v=v)
"""
NESTEROV = """
def step(x, g, state):
    v = momentum * state["v"] + g
    u = g + momentum * v
    return x - lr * u, dict(v=v)
"""
AVERAGE = """
def step(x, g, state):
    t = state["t"] + 1
    m = beta * state["m"] + (1 - beta) * g
    u = m / (1 - beta**t)
    return x - lr * u, dict(t=t, m=m)
"""
STEP_SIZE = """
def step(x, g):
    return x - lr * g
"""

SUBJECTS = [
    Subject(
        "HeavyBall",
        chain(HeavyBall(0.9, 0.2), LR(1e-4)),
        HEAVY_BALL,
        dict(v=0.0),
        dict(momentum=0.9, dampening=0.2, lr=1e-4),
        faults=(
            Fault("(1 - dampening) * g", "(1 - momentum) * g", "v", hint="weight 1 - momentum"),
            Fault("(1 - dampening) * g", "g", "v", hint="dampening is missing"),
            Fault("u = v", 'u = state["v"] + 0 * g', hint="old momentum"),
            Fault('momentum * state["v"]', '(1 - momentum) * state["v"]', "v", 1, "1 - momentum stands"),
            Fault("u = v", "u = g + momentum * v", hint="Nesterov"),
            Fault('momentum * state["v"] +', 'momentum * state["v"] -', "v"),
            Fault("x - lr * u", "x + lr * u", hint="wrong sign"),
            Fault("x - lr * u", "x - lr * lr * u", hint="twice"),
        ),
        variants=(
            ("", ""),
            (
                'v = momentum * state["v"] + (1 - dampening) * g',
                'v = state["v"] * momentum; v += g * (1 - dampening)',
            ),
            ("(1 - dampening) * g", "(g - dampening * g)"),
            ("x - lr * u", 'x - (lr * momentum * state["v"] + lr * (1 - dampening) * g)'),
            ("x - lr * u", "np.subtract(x, np.multiply(lr, u))"),
        ),
    ),
    Subject(
        "HeavyBall",
        chain(HeavyBall(0.9, nesterov=True), LR(1e-4)),
        NESTEROV,
        dict(v=0.0),
        dict(momentum=0.9, lr=1e-4),
        faults=(
            Fault("u = g + momentum * v", "u = v", hint="Nesterov's form is missing"),
            Fault("u = g + momentum * v", "u = g + v"),
            Fault("u = g + momentum * v", "u = momentum * v"),
        ),
        variants=(
            ("", ""),
            ("u = g + momentum * v", "u = momentum * v + g"),
            ("x - lr * u", "x - lr * g - lr * momentum * v"),
        ),
    ),
    Subject(
        "EMA",
        chain(EMA(0.9), LR(1e-3)),
        AVERAGE,
        dict(t=0, m=0.0),
        dict(beta=0.9, lr=1e-3),
        faults=(
            Fault("u = m / (1 - beta**t)", "u = m", hint="bias correction is missing"),
            Fault("u = m / (1 - beta**t)", "u = m / (1 - beta**t)**2", hint="twice"),
            Fault("u = m / (1 - beta**t)", "u = m / (1 - beta**(t + 1))", hint="one step ahead"),
            Fault("(1 - beta) * g", "g", "m", hint="weight 1 instead"),
            Fault('beta * state["m"]', 'beta**2 * state["m"]', "m", 1),
            Fault('t = state["t"] + 1', 't = state["t"] + 2', "t"),
        ),
        variants=(
            ("", ""),
            ('beta * state["m"] + (1 - beta) * g', 'state["m"] - (1 - beta) * (state["m"] - g)'),
            ("u = m / (1 - beta**t)", "u = m * (1 - beta**t)**-1"),
            ("u = m / (1 - beta**t)", "u = m / (1 - np.exp(t * np.log(beta)))"),
        ),
    ),
    Subject(
        "LR",
        LR(0.01),
        STEP_SIZE,
        None,
        dict(lr=0.01),
        steps=6,
        problem="classic/beale",
        faults=(
            Fault("x - lr * g", "x + lr * g", hint="sign"),
            Fault("x - lr * g", "x - 2 * lr * g"),
            Fault("x - lr * g", "x - lr * g / np.linalg.norm(g)", hint="normalised"),
            Fault("x - lr * g", "x - lr * np.sign(g)", hint="sign of the gradient"),
            Fault("x - lr * g", "x - np.float32(lr) * g"),
            Fault("x - lr * g", "x * (1 - 1e-3) - lr * g", hint="weight decay"),
        ),
        variants=(
            ("", ""),
            ("x - lr * g", "x - g * lr"),
            ("x - lr * g", "x + (-lr) * g"),
            ("x - lr * g", "x - g / (1 / lr)"),
        ),
    ),
]
