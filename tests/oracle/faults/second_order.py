"""Faults and correct variants of Newton, LBFGS and the line searches."""

from functions import BOWL, bowl

from refopt import LBFGS, LR, Backtracking, Newton, StrongWolfe, chain
from refopt.oracle.planting import Fault, Subject

NEWTON = """
def step(x, g, hess):
    H = hess
    d = np.linalg.solve(H, g)
    return x - lr * d
"""

PRODUCTS = """
def step(x, g, hvp, state):
    H = np.stack([hvp(e) for e in np.eye(x.size)])
    d = np.linalg.solve(H, g)
    v = g / np.linalg.norm(g)
    Hv = hvp(v)
    state["product"] = (v, Hv)
    return x - lr * d
"""

QUASI = """
def step(x, g, state):
    S, Y = list(state["S"]), list(state["Y"])
    if state["x"] is not None:
        s, y = x - state["x"], g - state["g"]
        if s @ y > 1e-10 * np.linalg.norm(s) * np.linalg.norm(y):
            S.append(s); Y.append(y)
    S, Y = S[-3:], Y[-3:]
    q, kept = g.copy(), []
    for s, y in zip(S[::-1], Y[::-1]):
        a = (s @ q) / (s @ y)
        q = q - a * y
        kept.append(a)
    if S:
        q = q * (S[-1] @ Y[-1]) / (Y[-1] @ Y[-1])
    else:
        q = q * min(1.0, 1 / np.abs(q).sum())
    for s, y, a in zip(S, Y, kept[::-1]):
        b = (y @ q) / (s @ y)
        q = q + (a - b) * s
    return x - lr * q, dict(S=S, Y=Y, x=x, g=g)
"""

ARMIJO = """
def step(x, f, g, fun, state):
    a, slope = first, g @ g
    for trials in range(1, 61):
        new = x - a * g
        if fun(new) <= f - c1 * a * slope:
            break
        a = a * shrink
    return new, dict(step_size=a, trials=trials, fallback=False)
"""

WOLFE = """
def step(x, g):
    update, after = reference.step(point(x), g, reference.init(x))
    u, a = update, after.step_size
    return x - u, dict(step_size=a)
"""


def point(x):
    from refopt.function import FunctionObjective

    return FunctionObjective(bowl, x).at(x)


START = dict(S=(), Y=(), x=None, g=None)

SUBJECTS = [
    Subject(
        "Newton",
        chain(Newton(), LR(0.3)),
        NEWTON,
        None,
        dict(lr=0.3),
        problem=BOWL,
        faults=(
            Fault("np.linalg.solve(H, g)", "H @ g"),
            Fault("np.linalg.solve(H, g)", "np.linalg.solve(H + 1e-3 * np.eye(3), g)"),
            Fault("np.linalg.solve(H, g)", "g / np.diag(H)"),
            Fault("np.linalg.solve(H, g)", "np.linalg.solve(np.tril(H), g)"),
            Fault("H = hess", "H = hess.astype(np.float32)"),
            Fault("H = hess", "H = 2 * hess", hint="half as long"),
            Fault("x - lr * d", "x - d", hint="step size is missing"),
            Fault("x - lr * d", "x + lr * d", hint="wrong sign"),
        ),
        variants=(
            ("", ""),
            ("np.linalg.solve(H, g)", "np.linalg.inv(H) @ g"),
            ("np.linalg.solve(H, g)", "linalg.cho_solve(linalg.cho_factor(H), g)"),
            ("np.linalg.solve(H, g)", "np.linalg.lstsq(H, g, rcond=None)[0]"),
            ("np.linalg.solve(H, g)", "np.linalg.solve(H[::-1, ::-1], g[::-1])[::-1]"),
            ("np.linalg.solve(H, g)", "(lambda w, V: V @ ((V.T @ g) / w))(*np.linalg.eigh(H))"),
            ("np.linalg.solve(H, g)", "linalg.solve(3 * H, 3 * g)"),
        ),
    ),
    Subject(
        "Newton",
        chain(Newton(), LR(0.3)),
        PRODUCTS,
        dict(),
        dict(lr=0.3),
        problem=BOWL,
        steps=6,
        faults=(
            Fault("Hv = hvp(v)", "Hv = -hvp(v)", "product"),
            Fault("Hv = hvp(v)", "Hv = hvp(v) + 0.1 * v", "product"),
            Fault("Hv = hvp(v)", "Hv = hvp(v).astype(np.float32)", "product"),
            Fault("Hv = hvp(v)", "Hv = 0.5 * hvp(v)", "product"),
        ),
        variants=(("", ""), ("Hv = hvp(v)", "Hv = H @ v"), ("Hv = hvp(v)", "Hv = hvp(2 * v) / 2")),
    ),
    Subject(
        "LBFGS",
        chain(LBFGS(history_size=3), LR(0.1)),
        QUASI,
        START,
        dict(lr=0.1),
        problem=BOWL,
        steps=10,
        faults=(
            Fault("a = (s @ q) / (s @ y)", "a = (y @ q) / (s @ y)", "update", 1),
            Fault("q = q - a * y", "q = q + a * y", "update", 1),
            Fault("b = (y @ q) / (s @ y)", "b = (s @ q) / (s @ y)", "update", 1),
            Fault("q = q + (a - b) * s", "q = q + (a + b) * s", "update", 1),
            Fault("(S[-1] @ Y[-1]) / (Y[-1] @ Y[-1])", "(S[-1] @ S[-1]) / (S[-1] @ Y[-1])", "update", 1),
            Fault("(S[-1] @ Y[-1]) / (Y[-1] @ Y[-1])", "(S[0] @ Y[0]) / (Y[0] @ Y[0])", "update", 2),
            Fault("zip(S, Y, kept[::-1])", "zip(S, Y, kept)", "update", 2),
            Fault("zip(S[::-1], Y[::-1])", "zip(S, Y)", "update", 2),
            Fault("S[-3:], Y[-3:]", "S[-2:], Y[-2:]", "update", 3),
            Fault("S[-3:], Y[-3:]", "S[:3], Y[:3]", "update", 4),
            Fault('g - state["g"]', 'state["g"] - g', "update", 1),
            Fault("dict(S=S, Y=Y, x=x, g=g)", 'dict(S=S, Y=Y, x=x, g=state["g"] if S else g)', "g", 1),
            Fault("1 / np.abs(q).sum()", "1 / np.linalg.norm(q)"),
            Fault('s, y = x - state["x"]', 's, y = (x - state["x"]).astype(np.float32)', "update", 1),
        ),
        variants=(
            ("", ""),
            ("s @ q", "np.sum(s * q)"),
            ("(y @ q)", "(q @ y)"),
            ("(s @ q) / (s @ y)", "(s @ q) * (1 / (s @ y))"),
            ("q = q - a * y", "q -= a * y"),
            ("q = q + (a - b) * s", "q = q + a * s - b * s"),
            ("(S[-1] @ Y[-1]) / (Y[-1] @ Y[-1])", "((S[-1] @ Y[-1]) / (Y[-1] @ Y[-1]))"),
            ("b = (y @ q)", "b = (y[::-1] @ q[::-1])"),
            ('s, y = x - state["x"], g - state["g"]', 's, y = -(state["x"] - x), -(state["g"] - g)'),
        ),
    ),
    Subject(
        "Backtracking",
        Backtracking(),
        ARMIJO,
        dict(step_size=1.0, trials=0, fallback=False),
        dict(first=1.0, c1=1e-4, shrink=0.5),
        problem=BOWL,
        steps=8,
        faults=(
            Fault("a, slope = first", "a, slope = 2 * first", "trials"),
            Fault("a = a * shrink", "a = a * shrink**2", "trials"),
            Fault("f - c1 * a * slope", "f + c1 * a * slope + 30", "step_size", 1),
            Fault("f - c1 * a * slope", "f - 0.9 * a * slope", "step_size"),
            Fault("x - a * g", "x + a * g", "step_size"),
            Fault("        a = a * shrink\n", "        a = a * shrink\n    new = x - a * shrink * g\n"),
            Fault("dict(step_size=a", "dict(step_size=first", "step_size"),
            Fault("fallback=False", "fallback=True", "fallback"),
        ),
        variants=(
            ("", ""),
            ("x - a * g", "x + (-a) * g"),
            ("f - c1 * a * slope", "f - a * (c1 * slope)"),
            ("a = a * shrink", "a = first * shrink**trials"),
            ("g @ g", "np.sum(g * g)"),
        ),
    ),
    Subject(
        "StrongWolfe",
        StrongWolfe(),
        WOLFE,
        dict(step_size=1.0),
        dict(reference=StrongWolfe(), point=point),
        problem=BOWL,
        steps=8,
        faults=(
            Fault("u, a = update, after.step_size", "u, a = 2 * update, 2 * after.step_size", "step_size"),
            Fault("u, a = update, after.step_size", "u, a = update, 1.0", "step_size"),
            Fault("x - u", "x + u", hint="wrong sign"),
            Fault("u, a = update, after.step_size", "u, a = g, after.step_size"),
        ),
        variants=(
            ("", ""),
            ("u, a = update, after.step_size", "u, a = after.step_size * g, after.step_size"),
        ),
    ),
]
