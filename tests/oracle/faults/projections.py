"""Faults and correct variants of the projections, GGT and the methods in its eigenbasis."""

import autograd.numpy as anp
import scipy.fft

from refopt import (
    GGT,
    LR,
    BlockPartition,
    DCTProjection,
    FFTProjection,
    HeavyBall,
    Newton,
    SubspaceAdam,
    SubspaceCubicAdam,
    TensorizeProjection,
    chain,
)
from refopt.oracle.planting import Fault, Subject

FFT = """
def step(x, g, state):
    c = np.fft.rfft(g, norm="forward")
    z = np.stack([c.real, c.imag], axis=-1).ravel()
    v = 0.9 * state["v"] + z
    d = v.reshape(-1, 2)
    u = np.fft.irfft(d[:, 0] + 1j * d[:, 1], n=x.size, norm="forward")
    return x - lr * u, dict(v=v)
"""

DCT = """
def step(x, g, state):
    z = fft.dct(g, norm="ortho")
    v = 0.9 * state["v"] + z
    u = fft.idct(v, norm="ortho")
    return x - lr * u, dict(v=v)
"""

CUBE = """
def step(x, g, state):
    z = np.zeros(9)
    z[:5] = g
    c = np.fft.rfft2(z.reshape(3, 3))
    v = 0.9 * state["v"] + np.stack([c.real, c.imag], axis=-1).ravel()
    d = v.reshape(3, 2, 2)
    w = np.fft.irfft2(d[..., 0] + 1j * d[..., 1], s=(3, 3)).ravel()
    u = w[:5]
    return x - lr * u, dict(v=v)
"""

BLOCKS = """
def step(x, g, hess):
    u = np.empty(5)
    for a, b in ((0, 2), (2, 4), (4, 5)):
        H = hess[a:b, a:b]
        u[a:b] = np.linalg.solve(H, g[a:b])
    return x - lr * u
"""

MATRIX = """
def step(x, g, state):
    columns = [*state["columns"], g][-3:]
    M = np.stack(columns, axis=1)
    L, V = np.linalg.eigh(M.T @ M + damping * np.eye(len(columns)))
    keep = L > 1e-7 * L[-1]
    L, V = L[keep], V[:, keep]
    Q = M @ V / np.sqrt(L)
    u = Q @ (L**-0.5 * (Q.T @ g))
    return x - lr * u, dict(columns=columns)
"""

CUBIC = """
def step(x, g, state):
    columns = [*state["columns"], g][-2:]
    M = np.stack(columns, axis=1)
    L, V = np.linalg.eigh(M.T @ M + 1.0 * np.eye(len(columns)))
    Q = M @ V / np.sqrt(L)
    t = state["steps"] + 1
    C = Q.T @ state["Q"]
    a1, a2, a3 = C @ state["a1"], C**2 @ state["a2"], C**3 @ state["a3"]
    q = Q.T @ g
    a1 = 0.9 * a1 + 0.1 * q
    a2 = 0.95 * a2 + 0.05 * q**2
    a3 = 0.95 * a3 + 0.05 * q**3
    c, b = a1 / (1 - 0.9**t), np.sqrt(a2 / (1 - 0.95**t))
    a = np.cbrt(a3 / (1 - 0.95**t))
    disc = b * b - 4 * a * c
    d = np.where(disc < 0, c / (b + 1e-8), 2 * c / (b + np.sqrt(np.maximum(disc, 0))))
    u = Q @ d
    return x - lr * u, dict(columns=columns, Q=Q, steps=t, a1=a1, a2=a2, a3=a3)
"""

ADAM = (
    CUBIC[: CUBIC.index("    a = np.cbrt")]
    + """    d = c / (b + 1e-8)
    u = Q @ d
    return x - lr * u, dict(columns=columns, Q=Q, steps=t, a1=a1, a2=a2, a3=a3)
"""
)


def bowl(x):
    """Strictly convex, every variable coupled to its neighbours."""
    weights = anp.array([1.0, 2.0, 3.0, 1.5, 0.7])
    return anp.sum(weights * x**2) + 0.4 * anp.sum(x[1:] * x[:-1]) + 0.05 * anp.sum((x[1:] + x[:-1]) ** 4)


BOWL = (bowl, [2.0, -1.0, 1.5, 0.5, -0.8])


def basis_state():
    import numpy as np

    return dict(columns=(), Q=np.zeros((5, 0)), steps=0, a1=np.zeros(0), a2=np.zeros(0), a3=np.zeros(0))


MOMENTS = (
    Fault("M.T @ M + 1.0", "M.T @ M + 0.0"),
    Fault("Q = M @ V / np.sqrt(L)", "Q = M @ V / L"),
    Fault('C @ state["a1"]', 'np.resize(state["a1"] if len(state["a1"]) else 0.0, len(L))', step=1),
    Fault("C**2 @ state", "np.abs(C) @ state", step=1),
    Fault('C = Q.T @ state["Q"]', 'C = np.abs(Q.T @ state["Q"])', step=1),
    Fault('t = state["steps"] + 1', 't = max(state["steps"], 1)', step=1),
    Fault("0.05 * q**2", "0.05 * np.abs(q)"),
    Fault("[-2:]", "[-3:]", step=2),
    Fault("u = Q @ d", "u = M @ d"),
)

SUBJECTS = [
    Subject(
        "FFTProjection",
        chain(FFTProjection(HeavyBall(0.9), norm="forward"), LR(0.01)),
        FFT,
        dict(v=0.0),
        dict(lr=0.01),
        problem=BOWL,
        faults=(
            Fault('rfft(g, norm="forward")', "rfft(g)", "v"),
            Fault('n=x.size, norm="forward"', 'n=x.size, norm="ortho"'),
            Fault("+ 1j * d[:, 1]", "- 1j * d[:, 1]"),
            Fault("+ 1j * d[:, 1]", "+ 0j * d[:, 1]"),
            Fault("c.imag], axis=-1).ravel()", "c.imag], axis=0).ravel()", "v"),
            Fault('0.9 * state["v"] + z', '0.9 * state["v"] + z * 1.001', "v"),
        ),
        variants=(("", ""), ('np.fft.rfft(g, norm="forward")', "np.fft.fft(g)[:3] / 5")),
    ),
    Subject(
        "DCTProjection",
        chain(DCTProjection(HeavyBall(0.9)), LR(0.01)),
        DCT,
        dict(v=0.0),
        dict(lr=0.01, fft=scipy.fft),
        problem=BOWL,
        faults=(
            Fault('fft.dct(g, norm="ortho")', "fft.dct(g)", "v"),
            Fault('fft.idct(v, norm="ortho")', "fft.idct(v)"),
            Fault('fft.dct(g, norm="ortho")', 'fft.dct(g, type=3, norm="ortho")', "v"),
            Fault('fft.idct(v, norm="ortho")', 'fft.dct(v, norm="ortho")'),
            Fault("0.9 * state", "0.91 * state", "v", 1),
        ),
        variants=(("", ""), ('fft.idct(v, norm="ortho")', 'fft.dct(v, type=3, norm="ortho")')),
    ),
    Subject(
        "TensorizeProjection",
        chain(TensorizeProjection(FFTProjection(HeavyBall(0.9)), 3), LR(0.01)),
        CUBE,
        dict(v=0.0),
        dict(lr=0.01),
        problem=BOWL,
        faults=(
            Fault("z[:5] = g", "z[4:] = g", "v"),
            Fault("z = np.zeros(9)", "z = np.ones(9)", "v"),
            Fault("u = w[:5]", "u = w[1:6]"),
            Fault("u = w[:5]", "u = w[4:]"),
            Fault("z.reshape(3, 3)", 'z.reshape(3, 3, order="F")', "v"),
            Fault("s=(3, 3)).ravel()", "s=(3, 3)).T.ravel()"),
        ),
        variants=(("", ""), ("np.fft.rfft2(z.reshape(3, 3))", "np.fft.fft2(z.reshape(3, 3))[:, :2]")),
    ),
    Subject(
        "BlockPartition",
        chain(BlockPartition(Newton(), 2, project_params=True), LR(0.1)),
        BLOCKS,
        None,
        dict(lr=0.1),
        problem=BOWL,
        faults=(
            Fault("((0, 2), (2, 4), (4, 5))", "((0, 2), (2, 5))"),
            Fault("((0, 2), (2, 4), (4, 5))", "((0, 1), (1, 3), (3, 5))"),
            Fault("((0, 2), (2, 4), (4, 5))", "((0, 5),)"),
            Fault("H = hess[a:b, a:b]", "H = np.diag(np.diag(hess[a:b, a:b]))"),
            Fault("np.linalg.solve(H, g[a:b])", "np.linalg.solve(hess, g)[a:b]"),
        ),
        variants=(("", ""), ("np.linalg.solve(H, g[a:b])", "np.linalg.inv(H) @ g[a:b]")),
    ),
    Subject(
        "GGT",
        chain(GGT(3, damping=1.0), LR(0.05)),
        MATRIX,
        dict(columns=()),
        dict(lr=0.05, damping=1.0),
        problem=BOWL,
        faults=(
            Fault("M.T @ M + damping", "M.T @ M + 0 * damping"),
            Fault("M.T @ M + damping", "M.T @ M + 2 * damping"),
            Fault("[-3:]", "[-4:]", step=3),
            Fault("[-3:]", "[-2:]", step=2),
            Fault("L**-0.5", "L**-0.25"),
            Fault("Q = M @ V / np.sqrt(L)", "Q = M @ V / L"),
            Fault("(Q.T @ g)", "(M.T @ g)[:len(L)]"),
        ),
        variants=(
            ("", ""),
            ("Q = M @ V / np.sqrt(L)", "Q = M @ (V * L**-0.5)"),
            ("L**-0.5 * (Q.T @ g)", "(Q.T @ g) / np.sqrt(L)"),
        ),
    ),
    Subject(
        "SubspaceCubicAdam",
        chain(GGT(2, damping=1.0, basis_optimizer=SubspaceCubicAdam()), LR(0.05)),
        CUBIC,
        basis_state(),
        dict(lr=0.05),
        problem=BOWL,
        steps=4,
        faults=(
            *MOMENTS,
            Fault("C**3 @ state", "C @ state", step=1),
            Fault("np.cbrt(a3 / (1 - 0.95**t))", "np.cbrt(np.abs(a3) / (1 - 0.95**t))", step=1),
            Fault("2 * c / (b", "c / (b", step=1),
        ),
        variants=(("", ""), ("C**2 @ state", "(C * C) @ state")),
    ),
    Subject(
        "SubspaceAdam",
        chain(GGT(2, damping=1.0, basis_optimizer=SubspaceAdam()), LR(0.05)),
        ADAM,
        basis_state(),
        dict(lr=0.05),
        problem=BOWL,
        steps=4,
        faults=(
            *MOMENTS,
            Fault("d = c / (b + 1e-8)", "d = c / (b + 1e-2)"),
        ),
        variants=(("", ""), ("C**2 @ state", "(C * C) @ state")),
    ),
]
