"""Faults and correct variants of CurveBall, InfinityNormTrustRegion and GaussNewton."""

import autograd.numpy as anp
import numpy as np
from functions import BOWL

from refopt import LR, CurveBall, GaussNewton, InfinityNormTrustRegion, LeastSquares, chain
from refopt.oracle.planting import Fault, Subject
from refopt.solvers.box import quadratic_step

FIXED = """
def step(x, g, hvp, state):
    z = state["z"]
    D = hvp(z) + reg * z + g
    z = momentum * z - precond_lr * D
    return x + z, dict(z=z)
"""

AUTO = """
def step(x, g, hvp, state):
    z = state["z"]
    Kz = hvp(z) + lam * z
    D = Kz + g
    KD = hvp(D) + lam * D
    if z.any():
        A = np.array([[D @ KD, D @ Kz], [D @ Kz, z @ Kz]])
        beta, minus = np.linalg.solve(A, [g @ D, g @ z])
        rho = -minus
    else:
        beta, rho = (g @ D) / (D @ KD), 0.0
    z = rho * z - beta * D
    return x + alpha * z, dict(z=z, beta=beta, rho=rho)
"""

BOX = """
def step(x, f, g, hess, fun, state):
    radius = state["radius"]
    for attempts in range(1, 11):
        d = box(hess, g, -radius * np.ones(x.size), radius * np.ones(x.size))[0]
        predicted = g @ d - d @ hess @ d / 2
        rho = (f - fun(x - d)) / predicted
        size = np.abs(d).max()
        if rho < 1e-4:
            radius = size * 0.25
        elif rho > 0.99:
            radius = max(radius, size * 3.5)
        if rho > 0:
            break
    return x - d, dict(radius=radius, rho=rho, attempts=attempts)
"""

NORMAL = """
def step(x):
    J, r = jacobian(x), residuals(x)
    d = np.linalg.lstsq(J, r, rcond=None)[0]
    return x - lr * d
"""


def wave(x):
    """Its first quadratic models promise more than it keeps."""
    return anp.sum(anp.cos(3 * x) + x**2 / 2)


def residuals(x):
    return anp.concatenate((anp.exp(x / 4) - 2, x[:-1] * x[1:], x - 1))


def jacobian(x):
    n = x.size
    products = np.zeros((n - 1, n))
    for i in range(n - 1):
        products[i, i], products[i, i + 1] = x[i + 1], x[i]
    return np.vstack((np.diag(np.exp(x / 4) / 4), products, np.eye(n)))


ZERO = dict(z=np.zeros(3))

SUBJECTS = [
    Subject(
        "CurveBall",
        CurveBall(1e-2, 0.9, reg=0.5),
        FIXED,
        ZERO,
        dict(precond_lr=1e-2, momentum=0.9, reg=0.5),
        problem=BOWL,
        steps=8,
        faults=(
            Fault("reg * z + g", "g", "z", 1),
            Fault("hvp(z) + reg", "reg", "z", 1),
            Fault("momentum * z -", "(1 - momentum) * z -", "z", 1),
            Fault("- precond_lr * D", "+ precond_lr * D", "z"),
            Fault("x + z, ", "x - z, ", hint="wrong sign"),
            Fault("precond_lr * D", "precond_lr * (1 - momentum) * D", "z"),
            Fault("x + z, dict(z=z)", 'x + state["z"], dict(z=z)'),
            Fault("hvp(z)", "hvp(z).astype(np.float32)", "z", 1),
        ),
        variants=(
            ("", ""),
            ("hvp(z) + reg * z + g", "g + reg * z + hvp(z)"),
            ("z = momentum * z - precond_lr * D", "z = -(precond_lr * D - momentum * z)"),
            ("hvp(z) + reg", "hvp(2 * z) / 2 + reg"),
        ),
    ),
    Subject(
        "CurveBall",
        CurveBall(auto=True, lam=0.1, alpha=0.5),
        AUTO,
        ZERO,
        dict(lam=0.1, alpha=0.5),
        problem=BOWL,
        steps=4,
        faults=(
            Fault("hvp(D) + lam * D", "hvp(D)", "z"),
            Fault("hvp(z) + lam * z", "hvp(z)", "z", 1),
            Fault("rho = -minus", "rho = minus", "z", 1),
            Fault("[g @ D, g @ z]", "[g @ D, g @ D]", "z", 1),
            Fault("x + alpha * z", "x + z"),
            Fault("D = Kz + g", "D = g", "z", 1),
        ),
        variants=(
            ("", ""),
            ("np.linalg.solve(A, [g @ D, g @ z])", "np.linalg.inv(A) @ np.array([g @ D, g @ z])"),
            ("rho * z - beta * D", "-(beta * D) + rho * z"),
        ),
    ),
    Subject(
        "InfinityNormTrustRegion",
        InfinityNormTrustRegion(init_radius=2.0),
        BOX,
        dict(radius=2.0),
        dict(box=quadratic_step),
        problem=(wave, [0.5, -1.2, 1.0]),
        steps=4,
        faults=(
            Fault("/ 2\n        rho", "/ 1\n        rho", "rho"),
            Fault("-radius * np.ones(x.size), ", "-2 * radius * np.ones(x.size), ", "radius"),
            Fault("box(hess, g,", "box(hess + 0.1 * np.eye(x.size), g,", "rho"),
            Fault("(f - fun(x - d)) / predicted", "predicted / (f - fun(x - d))", "radius"),
            Fault("x - d, dict", "x + d, dict", hint="wrong sign"),
            Fault("size * 0.25", "size * 0.5", "attempts"),
            Fault("size = np.abs(d).max()", "size = d.max()", "radius"),
        ),
        variants=(
            ("", ""),
            ("g @ d - d @ hess @ d / 2", "d @ (g - hess @ d / 2)"),
            ("np.abs(d).max()", "max(-d.min(), d.max())"),
        ),
    ),
    Subject(
        "GaussNewton",
        chain(GaussNewton(), LR(0.5)),
        NORMAL,
        None,
        dict(lr=0.5, jacobian=jacobian, residuals=residuals),
        problem=(LeastSquares(residuals), [2.0, -1.0, 1.5]),
        steps=6,
        faults=(
            Fault("np.linalg.lstsq(J, r, rcond=None)[0]", "J.T @ r"),
            Fault("np.linalg.lstsq(J, r, rcond=None)[0]", "2 * np.linalg.lstsq(J, r, rcond=None)[0]"),
            Fault(
                "np.linalg.lstsq(J, r, rcond=None)[0]", "np.linalg.solve(J.T @ J + 1e-3 * np.eye(3), J.T @ r)"
            ),
            Fault("x - lr * d", "x + lr * d", hint="wrong sign"),
            Fault("x - lr * d", "x - d", hint="step size is missing"),
        ),
        variants=(
            ("", ""),
            ("np.linalg.lstsq(J, r, rcond=None)[0]", "np.linalg.solve(J.T @ J, J.T @ r)"),
            ("np.linalg.lstsq(J, r, rcond=None)[0]", "np.linalg.pinv(J) @ r"),
        ),
    ),
]
