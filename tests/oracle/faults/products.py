"""Faults and correct variants of ScipyNewtonCG, NewtonSolver and GradMin."""

from functions import BOWL

from refopt import LR, GradMin, Newton, NewtonSolver, ScipyNewtonCG, chain
from refopt.oracle.planting import Fault, Subject

CG = """
def step(x, g, hvp):
    d, r = 0 * g, g.copy()
    q, rr = r.copy(), r @ r
    for k in range(x.size + 1):
        Hq = hvp(q)
        a = rr / (q @ Hq)
        d, r = d + a * q, r - a * Hq
        if r @ r < 1e-30 * (g @ g):
            break
        q, rr = r + (r @ r) / rr * q, r @ r
    return x - lr * d
"""

REGULARISED = """
def step(x, g, hess):
    A = hess + reg * np.eye(x.size)
    d = np.linalg.solve(A, g)
    return x - lr * d
"""

SIGNS = """
def step(x, g, hvp):
    w = np.sign(g) / x.size
    return x - lr * hvp(w)
"""

SQUARES = """
def step(x, g, hvp):
    w = 2 * g / x.size
    slope = hvp(w) + term * g
    return x - lr * slope
"""

RELATIVE = """
def step(x, f, g, hvp):
    S = np.abs(g).sum()
    slope = f * hvp(np.sign(g)) + S * g + term * g
    return x - lr * slope
"""


SUBJECTS = [
    Subject(
        "ScipyNewtonCG",
        chain(ScipyNewtonCG("cg", kwargs={"rtol": 1e-15}), LR(0.3)),
        CG,
        None,
        dict(lr=0.3),
        problem=BOWL,
        steps=8,
        faults=(
            Fault("a = rr / (q @ Hq)", "a = rr / (q @ q)"),
            Fault("range(x.size + 1)", "range(x.size - 1)"),
            Fault("Hq = hvp(q)", "Hq = hvp(q) + 1e-3 * q"),
            Fault("r - a * Hq", "r - a * q"),
            Fault("(r @ r) / rr * q", "0 * q"),
            Fault("x - lr * d", "x + lr * d", hint="wrong sign"),
            Fault("Hq = hvp(q)", "Hq = hvp(q).astype(np.float32)"),
        ),
        variants=(
            ("", ""),
            ("Hq = hvp(q)", "Hq = hvp(2 * q) / 2"),
            ("range(x.size + 1)", "range(2 * x.size)"),
        ),
    ),
    Subject(
        "NewtonSolver",
        chain(NewtonSolver(Newton(), tol=None, maxiter=3, reg=0.5, objective="energy"), LR(0.3)),
        REGULARISED,
        None,
        dict(lr=0.3, reg=0.5),
        problem=BOWL,
        steps=8,
        faults=(
            Fault("hess + reg * np.eye(x.size)", "hess"),
            Fault("reg * np.eye(x.size)", "2 * reg * np.eye(x.size)"),
            Fault("reg * np.eye(x.size)", "reg"),
            Fault("np.linalg.solve(A, g)", "A @ g"),
            Fault("x - lr * d", "x + lr * d", hint="wrong sign"),
        ),
        variants=(
            ("", ""),
            ("np.linalg.solve(A, g)", "np.linalg.lstsq(A, g, rcond=None)[0]"),
            ("np.linalg.solve(A, g)", "np.linalg.inv(A) @ g"),
        ),
    ),
    Subject(
        "GradMin",
        GradMin(LR(0.01)),
        SIGNS,
        None,
        dict(lr=0.01),
        problem=BOWL,
        steps=8,
        faults=(
            Fault("np.sign(g) / x.size", "np.sign(g)"),
            Fault("np.sign(g) / x.size", "g / x.size"),
            Fault("hvp(w)", "w"),
            Fault("x - lr", "x + lr", hint="wrong sign"),
        ),
        variants=(
            ("", ""),
            ("hvp(w)", "hvp(np.sign(g)) / x.size"),
            ("np.sign(g) / x.size", "np.sign(g / x.size) / 3"),
        ),
    ),
    Subject(
        "GradMin",
        GradMin(LR(0.01), loss_term=0.7, square=True),
        SQUARES,
        None,
        dict(lr=0.01, term=0.7),
        problem=BOWL,
        steps=8,
        faults=(
            Fault("2 * g / x.size", "g / x.size"),
            Fault("+ term * g", ""),
            Fault("+ term * g", "- term * g"),
            Fault("hvp(w)", "hvp(w).astype(np.float32)"),
        ),
        variants=(("", ""), ("hvp(w) + term * g", "term * g + hvp(w)")),
    ),
    Subject(
        "GradMin",
        GradMin(LR(1e-4), loss_term=0.7, relative="grad_to_loss", mean=False),
        RELATIVE,
        None,
        dict(lr=1e-4, term=0.7),
        problem=BOWL,
        steps=8,
        faults=(
            Fault("+ S * g", ""),
            Fault("f * hvp", "hvp"),
            Fault("np.abs(g).sum()", "np.abs(g).mean()"),
        ),
        variants=(("", ""), ("S * g + term * g", "(S + term) * g")),
    ),
]
