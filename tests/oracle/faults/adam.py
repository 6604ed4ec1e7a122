"""Faults and correct variants of Adam."""

from refopt import LR, Adam, chain
from refopt.oracle.planting import Fault, Subject

SOURCE = """
def step(x, g, state):
    t = state["t"] + 1
    m1 = beta1 * state["m1"] + (1 - beta1) * g
    m2 = beta2 * state["m2"] + (1 - beta2) * g * g
    c = m1 / (1 - beta1**t)
    b = np.sqrt(m2 / (1 - beta2**t))
    u = c / (b + eps)
    return x - lr * u, dict(t=t, m1=m1, m2=m2)
"""

SUBJECTS = [
    Subject(
        "Adam",
        chain(Adam(), LR(0.01)),
        SOURCE,
        dict(t=0, m1=0.0, m2=0.0),
        dict(beta1=0.9, beta2=0.999, eps=1e-8, lr=0.01),
        faults=(
            Fault("c = m1 / (1 - beta1**t)", "c = m1", hint="first average lacks"),
            Fault("np.sqrt(m2 / (1 - beta2**t))", "np.sqrt(m2)", hint="second average lacks"),
            Fault("c = m1 / (1 - beta1**t)", "c = m1 / (1 - beta1**t)**2", hint="corrected twice"),
            Fault("c = m1 / (1 - beta1**t)", "c = m1 / (1 - beta1**(t + 1))"),
            Fault("np.sqrt(m2 / (1 - beta2**t))", "np.sqrt(m2 / (1 - beta1**t))"),
            Fault("(b + eps)", "np.sqrt(b**2 + eps)", hint="inside the root"),
            Fault("(b + eps)", "(b - eps)", hint="subtracted"),
            Fault("(b + eps)", "np.maximum(b, eps)", hint="bound"),
            Fault(
                "(b + eps)", "(np.sqrt(m2) + eps) * np.sqrt(1 - beta2**t)", hint="before its bias correction"
            ),
            Fault("x - lr * u", "x + lr * u", hint="wrong sign"),
            Fault("x - lr * u", "x - lr * u - lr * 0.01 * x", hint="decoupled"),
            Fault("(1 - beta2) * g * g", "(1 - beta2) * g", "m2", hint="u instead of u^2"),
            Fault("(1 - beta2) * g * g", "(1 - beta2) * (g - m1)**2", "m2", hint="centred"),
            Fault("(1 - beta2) * g * g", "(1 - beta1) * g * g", "m2"),
            Fault('beta1 * state["m1"] + (1 - beta1) * g', 'beta2 * state["m1"] + (1 - beta2) * g', "m1"),
            Fault('beta1 * state["m1"] + (1 - beta1) * g', 'beta1 * state["m1"] + g', "m1"),
            Fault("(1 - beta1) * g\n", "(1 - beta1) * (g + 0.01 * x)\n", "m1"),
            Fault('beta2 * state["m2"] +', 'np.maximum(beta2 * state["m2"], state["m2"]) +', "m2", 1),
            Fault('t = state["t"] + 1', 't = max(state["t"], 1)', "t", 1),
            Fault("u = c / (b + eps)", "u = (c / (b + eps)).astype(np.float32)", hint="float32"),
            Fault("m1 = beta1", "g = g.astype(np.float32).astype(float); m1 = beta1", "m1", hint="float32"),
            Fault("dict(t=t, m1=m1, m2=m2)", 'dict(t=t, m1=m1, m2=state["m2"] + 0 * g)', "m2"),
        ),
        variants=(
            ("", ""),
            ('beta1 * state["m1"] + (1 - beta1) * g', 'state["m1"] + (1 - beta1) * (g - state["m1"])'),
            ("(1 - beta2) * g * g", "(1 - beta2) * (g * g)"),
            ("(1 - beta2) * g * g", "(1 - beta2) * np.square(g)"),
            ("(1 - beta1) * g\n", "(1 - beta1) * g + 0.0\n"),
            ("c = m1 / (1 - beta1**t)", "c = m1 * (1 / (1 - beta1**t))"),
            ("c = m1 / (1 - beta1**t)", "c = m1 / -np.expm1(t * np.log(beta1))"),
            ("np.sqrt(m2 / (1 - beta2**t))", "np.sqrt(m2) / np.sqrt(1 - beta2**t)"),
            ("np.sqrt(m2 / (1 - beta2**t))", "(m2 / (1 - beta2**t))**0.5"),
            ("x - lr * u", "x - (lr * c) / (b + eps)"),
            ("x - lr * u", "x + (-lr) * u"),
            ('m1 = beta1 * state["m1"] + (1 - beta1) * g', 'm1 = state["m1"] * beta1; m1 += (1 - beta1) * g'),
        ),
    )
]
