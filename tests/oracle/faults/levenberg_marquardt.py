"""Faults and correct variants of LevenbergMarquardt with the Gauss-Newton model."""

import autograd.numpy as anp
import numpy as np

from refopt import LeastSquares, LevenbergMarquardt
from refopt.oracle.planting import Fault, Subject

T = np.linspace(0, 4, 9)
Y = 3 * np.exp(-0.9 * T)

SOURCE = """
def step(x, f, g, fun, state):
    J, r = jacobian(x), residuals(x)
    lengths, unit = np.linalg.norm(J, axis=0), state["unit"]
    if state["lengths"] is None:
        unit = np.linalg.norm(lengths * x)
    else:
        lengths = np.maximum(state["lengths"], lengths)
    D, radius = lengths / unit, state["radius"]
    for attempts in range(1, 11):
        d = np.linalg.lstsq(J, r, rcond=None)[0]
        low, high = 0.0, 1e12
        for _ in range(120 if np.linalg.norm(D * d) > radius else 0):
            lam = (low + high) / 2
            d = np.linalg.solve(J.T @ J + lam * np.diag(D**2), J.T @ r)
            low, high = (lam, high) if np.linalg.norm(D * d) > radius else (low, lam)
        size, predicted = np.linalg.norm(D * d), r @ r - np.sum((r - J @ d) ** 2)
        rho = (f - fun(x - d)) / predicted
        if rho < 0.1:
            radius = size * 0.5
        elif rho > 0.75:
            radius = max(radius, size * 2)
        if rho > 1e-4:
            break
    return x - d, dict(lengths=lengths, unit=unit, radius=radius, rho=rho, attempts=attempts)
"""


def residuals(x):
    return x[0] * anp.exp(-x[1] * T) - Y


def jacobian(x):
    e = np.exp(-x[1] * T)
    return np.stack((e, -x[0] * T * e), axis=1)


SUBJECTS = [
    Subject(
        "LevenbergMarquardt",
        LevenbergMarquardt(curvature="gauss-newton", init_radius=0.3),
        SOURCE,
        dict(lengths=None, unit=1.0, radius=0.3),
        dict(residuals=residuals, jacobian=jacobian),
        problem=(LeastSquares(residuals), [1.0, 3.0]),
        steps=5,
        faults=(
            Fault('np.maximum(state["lengths"], lengths)', "lengths + 0", "lengths", 3),
            Fault("np.linalg.norm(lengths * x)", "1.0", "unit"),
            Fault("size * 2)", "size * 3)", "radius"),
            Fault("x - d, dict", "x + d, dict", hint="wrong sign"),
            Fault("(f - fun(x - d)) / predicted", "predicted / (f - fun(x - d))", "rho"),
            Fault("np.sum((r - J @ d) ** 2)", "np.sum((r - J @ d) ** 2) / 2", "rho"),
            Fault("J.T @ J + lam * np.diag(D**2)", "J.T @ J + lam * np.diag(D)", "rho"),
        ),
        variants=(
            ("", ""),
            ("np.sum((r - J @ d) ** 2)", "(r - J @ d) @ (r - J @ d)"),
            ("(f - fun(x - d)) / predicted", "(fun(x - d) - f) / -predicted"),
        ),
    )
]
