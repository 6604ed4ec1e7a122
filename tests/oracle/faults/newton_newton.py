"""Faults and correct variants of NewtonNewton."""

import numpy as np
from functions import bowl

from refopt import LR, NewtonNewton, chain
from refopt.derivatives import derivative_tensors
from refopt.oracle.planting import Fault, Subject

SOURCE = """
def step(x, g, hess):
    eye = np.eye(x.size)
    J1 = hess + reg * eye
    x2 = np.linalg.solve(J1, g)
    T = tensors(bowl, x, 3)[3]
    J2 = np.linalg.solve(J1, hess - T @ x2) + reg * eye
    d = np.linalg.solve(J2, x2)
    return x - lr * d
"""


SUBJECTS = [
    Subject(
        "NewtonNewton",
        chain(NewtonNewton(reg=0.1), LR(0.5)),
        SOURCE,
        dict(),
        dict(reg=0.1, lr=0.5, bowl=bowl, tensors=derivative_tensors),
        problem=(bowl, np.array([1.0, -0.7, 0.4])),
        steps=6,
        faults=(
            Fault("hess - T @ x2", "hess + T @ x2"),
            Fault("hess - T @ x2", "hess - 0.5 * T @ x2"),
            Fault("hess - T @ x2", "hess - T @ g"),
            Fault("np.linalg.solve(J1, hess - T @ x2)", "(hess - T @ x2)"),
            Fault("J1 = hess + reg * eye", "J1 = hess"),
            Fault("T @ x2) + reg * eye", "T @ x2)"),
            Fault("T @ x2) + reg * eye", "T @ x2) - reg * eye"),
            Fault("d = np.linalg.solve(J2, x2)", "d = np.linalg.solve(J2, g)"),
            Fault("d = np.linalg.solve(J2, x2)", "d = x2"),
            Fault("return x - lr * d", "return x + lr * d", hint="wrong sign"),
            Fault("T = tensors(bowl, x, 3)[3]", "T = tensors(bowl, x, 3)[3].astype(np.float32)"),
        ),
        variants=(
            ("", ""),
            ("d = np.linalg.solve(J2, x2)", "d = np.linalg.inv(J2) @ x2"),
            ("T @ x2", "np.einsum('ijk,k', T, x2)"),
            ("hess - T @ x2", "-(T @ x2 - hess)"),
        ),
    ),
]
