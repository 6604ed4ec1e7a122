"""The table of cases, one or more per primitive: name -> (formula(np, x), x).

`np` is `NP`, autograd.numpy, or its twin in mpmath, `mnp` of `reference`.
"""

from __future__ import annotations

import autograd.numpy as anp
import autograd.scipy.linalg as slinalg
import autograd.scipy.signal as signal
import autograd.scipy.special as special
import autograd.scipy.stats as stats
import numpy as onp


class ANP:
    """`autograd.numpy` with the `autograd.scipy` modules as attributes, like its twin in `reference`."""

    special, stats, slinalg, signal = special, stats, slinalg, signal

    def __getattr__(self, name):
        return getattr(anp, name)


NP = ANP()

REAL = [0.7, -1.3, 0.4, 2.1]
POSITIVE = [0.7, 1.3, 0.4, 2.1]
UNIT = [0.3, -0.55, 0.12, -0.8]
OPEN = [0.3, 0.55, 0.12, 0.8]
ABOVE = [1.3, 2.5, 1.12, 3.8]
SIX = [0.7, -1.3, 0.4, 2.1, -0.6, 1.7]
EIGHT = [0.7, -1.3, 0.4, 2.1, -0.6, 1.7, -0.2, 0.9]
NINE = [2.7, -0.3, 0.4, 0.1, 1.6, 0.7, -0.2, 0.9, 3.1]
CONST = onp.array([1.5, -0.5, 2.0, 0.25])
MATRIX = onp.array([[1.5, -0.5, 2.0], [0.25, 1.0, -1.0]])
T3 = onp.linspace(-1, 1, 24).reshape(2, 3, 4)

NINE_M = onp.array(NINE).reshape(3, 3)
PMF = {"pdf": "pmf", "logpdf": "logpmf"}

#: name of a case -> (formula, x)
CASES = {}
#: module of refopt.derivatives.taylor_mode -> names of the cases of its rules
NAMES = {}


def cases_of(module):
    """The cases that follow belong to the rules of this module."""
    NAMES[module] = []


def case(name, fun, x):
    assert name not in CASES, name
    CASES[name] = (fun, onp.array(x, dtype=float))
    NAMES[next(reversed(NAMES))].append(name)


def unary(functions, x, module=None):
    for name in functions.split():
        if module is None:
            case(name, lambda np, x, name=name: getattr(np, name)(x * 1.0 + 0.05 * x * x), x)
        else:
            case(
                f"{module}.{name}",
                lambda np, x, name=name: getattr(getattr(np, module), name)(x * 1.0 + 0.05 * x * x),
                x,
            )


# ---------------------------------------------------------------------- elementary

cases_of("elementary")
unary(
    "exp exp2 expm1 sin cos tan arctan sinh cosh tanh arcsinh square reciprocal abs absolute fabs sinc "
    "rad2deg degrees deg2rad radians nan_to_num real_if_close positive negative",
    REAL,
)
unary("log log2 log10 log1p sqrt cbrt", POSITIVE)
unary("arcsin arccos arctanh", UNIT)
unary("arccosh", ABOVE)
case("sinc near zero", lambda np, x: np.sinc(x), [0.0, 1e-9, 0.02, -0.999, 1.001, 5.5])
case("tanh expit far", lambda np, x: np.tanh(x) + np.special.expit(3 * x), [-9.0, 8.0, 14.0, -15.0])
case("logs tiny", lambda np, x: np.stack([np.log1p(x), np.expm1(x)]), [1e-9, -1e-7, 1e-12])
case("add", lambda np, x: (x[:3] + x[3:, None]) * (1.5 + x[:3]), SIX)
case("add constant matrix", lambda np, x: (x[:3] + MATRIX) + x[0], SIX)
case("subtract", lambda np, x: (2.0 - x[:2] * x[2:4, None]) - x[0] - MATRIX[:, :1], SIX)
case("multiply", lambda np, x: x * x * x[::-1] * CONST, REAL)
case("multiply broadcast", lambda np, x: x[:3] * (x[3:, None] * MATRIX[:1]), SIX)
case("divide", lambda np, x: x[:3] / (x[3:, None] + 3.0 + x[:3] ** 2), SIX)
case("divide by constant", lambda np, x: (x * x) / CONST + 2.0 / x, REAL)
case("remainder", lambda np, x: np.remainder(5 * x[:3], x[3:] ** 2) + np.mod(x[:3], 0.3), SIX)
for n in (0, 1, 2, 3, 4, 5, 9, 40):
    case(f"power {n}", lambda np, x, n=n: (x * 1.0 + 0.1 * x * x) ** n, REAL)
    case(f"power -{n}", lambda np, x, n=n: (x * 1.0) ** (-n) + x * 0.5, REAL)
case("power at zero", lambda np, x: x**3 + x**2 + x**1 + x**7, [0.0, 0.0, 1.0])
case("power real", lambda np, x: x**2.5 + x**-0.75 + x**0.5, POSITIVE)
case("power integer array", lambda np, x: x ** onp.array([0.0, 3.0, -2.0, 5.0]), REAL)
case("power base constant", lambda np, x: 2.5**x, REAL)
case("power both", lambda np, x: (x * x) ** x[::-1] + np.power(x, 1.5 + x), POSITIVE)
case("float_power", lambda np, x: np.float_power(x, 2.5), POSITIVE)
case(
    "arctan2",
    lambda np, x: np.arctan2(x[:3], x[3:, None]) + np.arctan2(x[:3], 2.0) + np.arctan2(1.0, x[3:]),
    SIX,
)
case("hypot", lambda np, x: np.hypot(x[:3], x[3:] * x[0]), SIX)
case("logaddexp", lambda np, x: np.logaddexp(x[:3], 3 * x[3:, None]) + np.logaddexp2(x[:3], x[3:]), SIX)
case("logaddexp large", lambda np, x: np.logaddexp(x[0] * 40, x[1] * 10), [1.5, 0.3])
case(
    "complex",
    lambda np, x: (
        lambda z: (
            np.real(np.exp(z) * np.conj(z))
            + np.imag(np.sin(z) / z)
            + np.abs(z)
            + np.angle(z)
            + np.real(np.log(z) + np.sqrt(z) + z**3)
        )
    )(x[:4] + 1j * x[4:]),
    EIGHT,
)


# ---------------------------------------------------------------------- choices

cases_of("choices")
case("maximum", lambda np, x: np.maximum(x[:3] ** 2, x[3:]) * np.minimum(x[:3], 0.5), SIX)
case("fmax fmin", lambda np, x: np.fmax(x[:3] ** 2, x[3:]) - np.fmin(x[:3], x[3:]), SIX)
case("where", lambda np, x: np.where(CONST > 1.0, x**2, np.exp(x)) + np.where(CONST > 0, 1.0, x), REAL)
case("where broadcast", lambda np, x: np.where(MATRIX > 0.5, x[:3], x[3:5, None] ** 2), SIX)
case("clip", lambda np, x: np.clip(x**3, -1.0, 1.5), REAL)
case(
    "ties",
    lambda np, x: (
        np.maximum(x[0], x[1] + x[0])
        + np.max(x**2)
        + np.abs(x[1])
        + np.abs(x[3]) ** 3
        + np.sort(x)[0] * np.sort(x)[3]
        + np.clip(x[1], 0.0, 1.0)
    ),
    [1.0, 0.0, 1.0, 0.0],
)


# ---------------------------------------------------------------------- sorting

cases_of("sorting")
case("sort", lambda np, x: np.sort(x**2), SIX)
case("sort axis", lambda np, x: np.sort((x**2).reshape(2, 3), axis=0) + np.sort(x.reshape(2, 3)), SIX)
case("partition", lambda np, x: np.sum(np.partition(x**2, 2)[:2]), SIX)


# ---------------------------------------------------------------------- reductions

cases_of("reductions")
case(
    "max",
    lambda np, x: np.max(x**2) + np.amax(x.reshape(2, 3), axis=1) + np.max(x.reshape(2, 3), axis=0)[:2],
    SIX,
)
case("min", lambda np, x: np.min(x**2) + np.amin(x.reshape(2, 3), axis=-1, keepdims=True), SIX)
case("median ptp", lambda np, x: np.median(x**3) + np.ptp(x**2), SIX)
case(
    "sum",
    lambda np, x: (
        np.sum(x**2) * np.sum(x.reshape(2, 3), axis=0)
        + np.sum(x.reshape(1, 2, 3), axis=(0, 1), keepdims=True)
    ),
    SIX,
)
case(
    "mean",
    lambda np, x: np.mean(x**2) * np.mean(x.reshape(2, 3), axis=-1) + np.mean(x.reshape(2, 3), axis=(0, 1)),
    SIX,
)
case(
    "prod",
    lambda np, x: np.prod(x) + np.prod(x.reshape(3, 2), axis=1) + np.prod(x.reshape(2, 3)[:, :1], axis=0),
    SIX,
)
case("prod with zeros", lambda np, x: np.prod(x) + np.prod(x[1:]), [0.0, 2.0, 0.0, 3.0, 0.0])
case("cumprod", lambda np, x: np.cumprod(x) + np.cumprod(x.reshape(2, 3), axis=1).ravel(), SIX)
case(
    "cumsum",
    lambda np, x: (
        np.cumsum(x**2)
        + np.cumsum(x.reshape(2, 3), axis=1).ravel() * np.cumsum(x.reshape(2, 3), axis=0).ravel()
        + np.cumsum(x.reshape(2, 3))
    ),
    SIX,
)
case(
    "var",
    lambda np, x: (
        np.var(x**2)
        + np.var(x.reshape(2, 3), axis=1, ddof=1)
        + np.var(x.reshape(2, 3), axis=(0, 1), keepdims=True)
    ),
    SIX,
)
case("std", lambda np, x: np.std(x**2) + np.std(x.reshape(3, 2), axis=0, ddof=1), SIX)


# ---------------------------------------------------------------------- differences

cases_of("differences")
case(
    "diff",
    lambda np, x: (
        np.diff(x**2)
        + np.diff(x.reshape(1, 6), axis=1)[0]
        + np.diff(x.reshape(2, 3), axis=0)[0, 0]
        + np.diff(x, 2)[0]
    ),
    SIX,
)
case(
    "gradient",
    lambda np, x: (
        np.gradient(x**2)
        + np.gradient(x.reshape(3, 3), axis=0).ravel()
        + np.gradient(x.reshape(3, 3), axis=1).ravel()
    ),
    NINE,
)


# ---------------------------------------------------------------------- indexing

cases_of("indexing")
case(
    "getitem basic",
    lambda np, x: (
        x.reshape(2, 2, 2)[:, 1, ::-1] ** 2
        + x.reshape(2, 2, 2)[..., 0]
        + x[-2:]
        + x[None, 0]
        + x.reshape(2, 2, 2)[1]
    ),
    EIGHT,
)
case(
    "getitem arrays",
    lambda np, x: (
        x[[0, 2, 2, 1]] ** 2
        + x[onp.array([True, False] * 4)]
        + x.reshape(4, 2)[[0, 1, 3, 3], [0, 1, 1, 0]]
        + x.reshape(2, 4)[:, onp.array([3, 1, 0, 0])][0]
    ),
    EIGHT,
)
case(
    "getitem separated",
    lambda np, x: (
        (x**2).reshape(2, 2, 2)[0, :, [1, 0, 1]]
        + x.reshape(2, 2, 2)[[0, 1, 1], :, [1, 0, 1]]
        + x.reshape(2, 2, 2)[[0, 1, 1], ..., 0]
    ),
    EIGHT,
)
case(
    "getitem matrix mask",
    lambda np, x: (
        x.reshape(2, 4)[onp.arange(8).reshape(2, 4) % 3 == 0] ** 2
        + x.reshape(2, 2, 2)[:, onp.array([[True, False], [False, False]])].ravel()[:1]
    ),
    EIGHT,
)
case("take", lambda np, x: np.take(x**2, [0, 3, 3]) + np.take(x.reshape(2, 4), [1, 0, 2], axis=1)[1], EIGHT)


# ---------------------------------------------------------------------- shapes

cases_of("shapes")
case(
    "reshape ravel",
    lambda np, x: (
        np.reshape(x**2, (3, 2)) * np.ravel(x.reshape(3, 2))[:2]
        + np.reshape(x**2, (3, 2), order="F")
        + np.ravel(x.reshape(2, 3), order="F").reshape((3, 2))
    ),
    SIX,
)
case(
    "transpose swapaxes",
    lambda np, x: (
        np.transpose((x**2).reshape(2, 2, 2), (1, 2, 0))
        + np.swapaxes(x.reshape(2, 2, 2), 0, 2)
        + x.reshape(2, 2, 2).T
    ),
    EIGHT,
)
case(
    "moveaxis rollaxis",
    lambda np, x: (
        np.moveaxis((x**2).reshape(1, 2, 4), 0, -1)
        + np.rollaxis(x.reshape(1, 4, 2), 2).reshape(2, 4, 1)
        + np.moveaxis(x.reshape(2, 1, 4), (0, 1), (1, 0)).reshape(2, 4, 1)
    ),
    EIGHT,
)
case(
    "squeeze expand",
    lambda np, x: (
        np.squeeze((x**2).reshape(1, 6, 1))
        + np.expand_dims(x, 0)
        + np.squeeze(x.reshape(6, 1), axis=1)
        + np.atleast_2d(x)
        + np.atleast_1d(x[0])
        + np.atleast_3d(x)[0, :, 0]
    ),
    SIX,
)
case("broadcast_to", lambda np, x: np.broadcast_to((x**2).reshape(1, 4), (3, 4)) * x, REAL)
case(
    "concatenate",
    lambda np, x: (
        np.concatenate([x**2, onp.ones(2), x[:1]])
        + np.concatenate([x.reshape(2, 2), MATRIX[:, :2]], axis=1).ravel()[:7]
        + np.append(x, x[:3])
        + np.hstack([x, x[1:]])
    ),
    REAL,
)
case(
    "stack",
    lambda np, x: (
        np.stack([x**2, x, CONST])
        + np.vstack([x, CONST, x])
        + np.stack([x, x, x], axis=1).T
        + np.column_stack([x, x**2, x]).T
    ),
    REAL,
)
case(
    "tile repeat",
    lambda np, x: (
        np.tile(x**2, 2)
        + np.repeat(x, 2)
        + np.tile(x.reshape(2, 2), (2, 1)).ravel()
        + np.repeat(x.reshape(2, 2), 2, axis=1).ravel()
        + np.repeat(x.reshape(2, 2), 2, axis=0).ravel()
    ),
    REAL,
)
case(
    "roll flip",
    lambda np, x: (
        np.roll(x**2, 2)
        + np.roll(x.reshape(2, 3), 1, axis=1).ravel()
        + np.flip(x)
        + np.roll(x.reshape(2, 3), 1).ravel()
        + np.flip(x.reshape(2, 3), 0).ravel()
    ),
    SIX,
)
case(
    "flipud fliplr rot90",
    lambda np, x: (
        np.flipud((x**2).reshape(2, 3))
        + np.fliplr(x.reshape(2, 3))
        + np.rot90(x.reshape(3, 2))
        + np.rot90(x.reshape(3, 2), 3)
        + np.rot90(x.reshape(2, 3), 2)
    ),
    SIX,
)
case(
    "pad",
    lambda np, x: (
        np.pad((x**2).reshape(2, 3), ((1, 0), (2, 1)), "constant") + np.pad(x, ((3, 0),), "constant")[:1]
    ),
    SIX,
)
case(
    "split",
    lambda np, x: (
        np.split(x**2, 2)[1] * np.array_split(x, 3)[0][0]
        + np.hsplit(x.reshape(2, 4), 2)[1][0, 0]
        + np.vsplit(x.reshape(2, 4), 2)[0][0]
        + np.dsplit(x.reshape(1, 2, 4), 2)[1][0, :, 0][0]
    ),
    EIGHT,
)


# ---------------------------------------------------------------------- diagonals

cases_of("diagonals")
case(
    "diag trace",
    lambda np, x: (
        np.diag(x**2)
        + np.diag(np.diag(x), 0)
        + np.trace(x.reshape(2, 2))
        + np.diagonal(x.reshape(2, 2), 1)
        + np.trace(x.reshape(2, 2), 1)
    ),
    REAL,
)
case(
    "diag offsets",
    lambda np, x: (
        np.diag(x[:2] ** 2, 1)
        + np.diag(x[:2], -1)
        + np.diag(x[:9].reshape(3, 3), -1)[0]
        + np.diagonal(x[:8].reshape(2, 2, 2), axis1=0, axis2=2)[0, 0]
    ),
    NINE,
)
case(
    "triu tril",
    lambda np, x: np.triu((x**2).reshape(3, 3)) + np.tril(x.reshape(3, 3), -1) + np.triu(x.reshape(3, 3), 1),
    NINE,
)


# ---------------------------------------------------------------------- creation

cases_of("creation")
case(
    "array",
    lambda np, x: np.array([x[0] * x[1], 2.0, x[2] ** 2]) * np.array([[x[0], 1.0, x[3]], [x[1], x[1], 3.0]]),
    REAL,
)
case("array of arrays", lambda np, x: np.array([x[:2] ** 2, CONST[:2], x[2:]]) * np.array(x[:2]), REAL)
case(
    "full linspace",
    lambda np, x: (
        np.full((2, 3), x[0] ** 2) + np.linspace(x[1] ** 2, x[2], 3) + np.full_like(onp.ones((2, 3)), x[3])
    ),
    REAL,
)
case("astype", lambda np, x: np.astype(x**2, float) * x, REAL)


# ---------------------------------------------------------------------- products

cases_of("products")
case(
    "dot",
    lambda np, x: (
        np.dot(x[:4], x[4:]) * np.dot(x.reshape(2, 4), CONST)
        + np.dot(MATRIX, x[:6].reshape(3, 2))[0]
        + np.dot(x[:2], x[:6].reshape(2, 3))[0]
        + np.dot(x[0], x[:2])
    ),
    EIGHT,
)
case(
    "dot nd",
    lambda np, x: (
        np.dot(x.reshape(2, 2, 2), x[:4].reshape(2, 2))
        + np.dot(x.reshape(2, 2, 2), x.reshape(2, 2, 2))[:, :, 0]
        + np.dot(T3, x[:4])[:, :2]
    ),
    EIGHT,
)
case(
    "matmul",
    lambda np, x: (
        np.matmul(x.reshape(2, 4), x.reshape(4, 2))
        + x[:4].reshape(2, 2) @ x[4:6]
        + np.matmul(x[:2], x[:4].reshape(2, 2))
        + x[:4] @ x[4:]
    ),
    EIGHT,
)
case(
    "matmul stacks",
    lambda np, x: (
        np.matmul(x.reshape(2, 2, 2), x[:4].reshape(2, 2))
        + np.matmul(x[:4].reshape(2, 2), x.reshape(2, 2, 2))
        + np.matmul(x.reshape(2, 2, 2), x[:2])[:, None]
        + np.matmul(x[:2], x.reshape(2, 2, 2))[:, None]
        + np.matmul(x.reshape(2, 1, 2, 2), x.reshape(2, 2, 2))[0]
    ),
    EIGHT,
)
case(
    "matmul constant",
    lambda np, x: (
        MATRIX @ (x[:3] ** 2)
        + np.matmul(T3[:, :, :3], x[:3])[:, 0]
        + np.matmul(T3[:, :, :2], x[:4].reshape(2, 2))[:, 0, 0]
    ),
    SIX,
)
case(
    "tensordot",
    lambda np, x: (
        np.tensordot(x.reshape(2, 2, 2), x[:4].reshape(2, 2), axes=1)
        + np.tensordot(x.reshape(2, 2, 2), x.reshape(2, 2, 2), axes=([0, 1], [1, 0]))
        + np.tensordot(x.reshape(2, 2, 2), x[:4].reshape(2, 2))
        + np.tensordot(x[:2], x[:2], axes=0)
    ),
    EIGHT,
)
case(
    "outer inner",
    lambda np, x: (
        np.outer(x[:2] ** 2, x[2:4])
        + np.inner(x[:4].reshape(2, 2), x[4:].reshape(2, 2))
        + np.inner(x[:4], x[4:])
        + np.outer(x[:2], CONST[:2])
        + np.vdot(x[:4], x[4:])
    ),
    EIGHT,
)
case(
    "kron",
    lambda np, x: (
        np.kron(x[:2] ** 2, x[2:4]) * np.kron(x[:4].reshape(2, 2), CONST[:2])[0]
        + np.kron(x[:2], x[:4].reshape(2, 2))[1]
    ),
    EIGHT,
)
case(
    "cross",
    lambda np, x: (
        np.cross(x[:3] ** 2, x[3:6])
        + np.cross(x[:6].reshape(2, 3), x[3:6])[1]
        + np.cross(x[:6].reshape(3, 2), x[:6].reshape(3, 2) ** 2, axisa=0, axisb=0, axisc=0)[:, 0]
    ),
    EIGHT,
)
case(
    "einsum",
    lambda np, x: (
        np.einsum("ij,jk->ik", x[:4].reshape(2, 2), x[4:].reshape(2, 2))
        + np.einsum("i,i,ij->j", x[:2], x[2:4], x[4:].reshape(2, 2))
        + np.einsum("ijk,k->ij", x.reshape(2, 2, 2), x[:2])
        + np.einsum("...i,i", x[:4].reshape(2, 2), onp.array([2.0, -1.0]))
    ),
    EIGHT,
)
case(
    "einsum trace",
    lambda np, x: (
        np.einsum("ii", x[:4].reshape(2, 2))
        + np.einsum("iji,j->i", x.reshape(2, 2, 2), x[:2])
        + np.einsum("ij,j", x[:4].reshape(2, 2), x[4:6])
    ),
    EIGHT,
)


# ---------------------------------------------------------------------- linalg

cases_of("linalg")
case(
    "solve",
    lambda np, x: (
        np.linalg.solve(x.reshape(3, 3), x[:3] ** 2)
        + np.linalg.solve(x.reshape(3, 3), x[:6].reshape(3, 2))[:, 0]
        + np.linalg.solve(NINE_M, x[:3] ** 2)
        + np.linalg.solve(x.reshape(3, 3), CONST[:3])
    ),
    NINE,
)
case("solve stack", lambda np, x: np.linalg.solve(x.reshape(2, 2, 2), (x[:4] ** 2).reshape(1, 2, 2)), EIGHT)
case("inv det", lambda np, x: np.linalg.inv(x.reshape(3, 3)) * np.linalg.det(x.reshape(3, 3)) ** 2, NINE)
case(
    "inv stack",
    lambda np, x: (
        np.linalg.inv(x.reshape(2, 2, 2)) * np.linalg.det(x.reshape(2, 2, 2))[:, None, None] ** 2
        + np.linalg.slogdet(x.reshape(2, 2, 2))[1][:, None, None]
    ),
    EIGHT,
)
case(
    "det singular",
    lambda np, x: np.linalg.det(x.reshape(3, 3)),
    [1.0, 2.0, 3.0, 2.0, 4.0, 6.0, 1.0, 0.0, 1.0],
)
case("det zero", lambda np, x: np.linalg.det(x.reshape(2, 2)), [0.0, 0.0, 0.0, 0.0])
case("slogdet", lambda np, x: np.linalg.slogdet(x.reshape(3, 3))[1] * x[:2], NINE)
case("cholesky", lambda np, x: np.linalg.cholesky(x.reshape(3, 3) @ x.reshape(3, 3).T + onp.eye(3)), NINE)
case("eigh", lambda np, x: np.linalg.eigh(x.reshape(3, 3) + x.reshape(3, 3).T)[0], NINE)
case("eigh vectors", lambda np, x: np.linalg.eigh(x.reshape(3, 3) + x.reshape(3, 3).T)[1], NINE)
case("pinv", lambda np, x: np.linalg.pinv(x[:6].reshape(3, 2)) + np.linalg.pinv(x[3:].reshape(2, 3)).T, NINE)
case(
    "norm",
    lambda np, x: (
        np.linalg.norm(x**2)
        + np.linalg.norm(x.reshape(3, 3), axis=1)
        + np.linalg.norm(x, 1)
        + np.linalg.norm(x, onp.inf)
        + np.linalg.norm(x, 3)
        + np.linalg.norm(x, 2.5)
    ),
    NINE,
)
case(
    "norm matrix",
    lambda np, x: (
        np.linalg.norm(x.reshape(3, 3), "fro")
        + np.linalg.norm(x.reshape(3, 3), 1)
        + np.linalg.norm(x.reshape(3, 3), onp.inf)
        + np.linalg.norm(x.reshape(3, 3), axis=(0, 1))
        + np.linalg.norm(x.reshape(3, 3), axis=0, keepdims=True)
    ),
    NINE,
)
case(
    "matrix_power",
    lambda np, x: (
        np.linalg.matrix_power(x.reshape(3, 3), 3)
        + np.linalg.matrix_power(x.reshape(3, 3), -2)
        + np.linalg.matrix_power(x.reshape(3, 3), 0)
    ),
    NINE,
)


# ---------------------------------------------------------------------- fourier

cases_of("fourier")
for name in ("fft", "ifft", "fft2", "ifft2", "fftn", "ifftn", "rfft", "rfftn", "rfft2"):
    case(
        f"fft.{name}",
        lambda np, x, name=name: (lambda z: np.real(z) ** 2 + 3 * np.imag(z))(
            getattr(np.fft, name)((x * x).reshape(2, 4))
        ),
        EIGHT,
    )
for name in ("irfft", "irfft2", "irfftn"):
    case(
        f"fft.{name}",
        lambda np, x, name=name: (
            getattr(np.fft, name)((x * x).reshape(2, 4) + 1j * x.reshape(2, 4)[::-1]) ** 2
        ),
        EIGHT,
    )
case(
    "fft axes",
    lambda np, x: (
        (lambda z: np.real(z) * np.imag(z))(np.fft.fft((x * x).reshape(4, 2), axis=0))
        + np.real(np.fft.fft(x.reshape(4, 2), None, 0, "ortho"))
    ),
    EIGHT,
)
case("fft padded", lambda np, x: np.imag(np.fft.fft(x * x, 11)) + np.real(np.fft.ifft(x, 11)), EIGHT)
case(
    "fft shifts",
    lambda np, x: np.fft.fftshift((x * x).reshape(2, 4)) * np.fft.ifftshift(x.reshape(2, 4), axes=1),
    EIGHT,
)


# ---------------------------------------------------------------------- special

cases_of("special")
unary("gamma gammaln rgamma psi digamma j0 j1 i0 i1 erf erfc", POSITIVE, "special")
unary("y0 y1", [1.3], "special")  # slow in mpmath
unary("expit gammasgn", REAL, "special")
unary("logit erfcinv", OPEN, "special")
unary("erfinv", UNIT, "special")
case("gamma negative", lambda np, x: np.special.gamma(x), [-0.3, -1.4, 2.5])
case(
    "special.logsumexp",
    lambda np, x: (
        np.special.logsumexp(x**2)
        + np.special.logsumexp(x.reshape(2, 3), axis=1)
        + np.special.logsumexp(x.reshape(2, 3), axis=0, keepdims=True)[0, :2]
    ),
    SIX,
)
case(
    "logsumexp weights",
    lambda np, x: np.special.logsumexp(x, b=onp.array([0.5, 2.0, 1.0, 3.0])),
    [500.0, 501, 499, 480],
)
case(
    "special.polygamma",
    lambda np, x: np.special.polygamma(1, x * x) + np.special.polygamma(3, x * x),
    POSITIVE,
)
case("special.multigammaln", lambda np, x: np.special.multigammaln(x + 3.0, 3), POSITIVE)
case(
    "special.beta",
    lambda np, x: np.special.beta(x[:2], x[2:] ** 2) + np.special.betaln(x[:2], x[2:]),
    POSITIVE,
)
case(
    "special.gammainc", lambda np, x: np.special.gammainc(1.7, x * x) + np.special.gammaincc(0.6, x), POSITIVE
)
case("special.betainc", lambda np, x: np.special.betainc(1.7, 0.8, x), OPEN)
case(
    "special.bessel",
    lambda np, x: np.special.jn(2, x * x) + np.special.iv(1, x) + np.special.iv(0.5, x),
    POSITIVE,
)
case("special.yn ive", lambda np, x: np.special.yn(2, x) + np.special.ive(1, x * x), [1.3, 0.6])


# ---------------------------------------------------------------------- distributions

cases_of("distributions")
for name in ("pdf", "cdf", "logpdf", "logcdf", "sf", "logsf"):
    case(
        f"norm.{name}",
        lambda np, x, name=name: (
            getattr(np.stats.norm, name)(x * x, x[0], 1.5 + x[1] ** 2) + getattr(np.stats.norm, name)(x)
        ),
        REAL,
    )
for name in ("pdf", "logpdf"):
    case(
        f"t.{name}",
        lambda np, x, name=name: getattr(np.stats.t, name)(x, 3.5 + x[0] ** 2, x[1], 1.5 + x[2] ** 2),
        REAL,
    )
for name in ("cdf", "logcdf"):
    case(f"t.{name}", lambda np, x, name=name: getattr(np.stats.t, name)(x, 3.5, x[1], 1.5 + x[2] ** 2), REAL)
for name in ("pdf", "logpdf"):
    case(f"beta.{name}", lambda np, x, name=name: getattr(np.stats.beta, name)(x, 1.5 + x[0], 2.5), OPEN)
    case(f"gamma.{name}", lambda np, x, name=name: getattr(np.stats.gamma, name)(x, 1.5 + x[0]), POSITIVE)
    case(f"chi2.{name}", lambda np, x, name=name: getattr(np.stats.chi2, name)(x, 3), POSITIVE)
    case(
        f"dirichlet.{name}",
        lambda np, x, name=name: getattr(np.stats.dirichlet, name)(onp.array([0.25, 0.5, 0.25]), x[1:] ** 2),
        POSITIVE,
    )
    case(
        f"multivariate_normal.{name}",
        lambda np, x, name=name: getattr(np.stats.multivariate_normal, name)(
            x[:2], x[2:4], x[:4].reshape(2, 2) @ x[:4].reshape(2, 2).T + onp.eye(2)
        ),
        REAL,
    )
    case(
        f"poisson.{name.replace('pdf', 'pmf')}",
        lambda np, x, pmf=PMF[name]: getattr(np.stats.poisson, pmf)(onp.array([1.0, 2.0, 0.0, 4.0]), x * x),
        POSITIVE,
    )
case("beta.cdf", lambda np, x: np.stats.beta.cdf(x, 1.5, 2.5), OPEN)
case("gamma.cdf", lambda np, x: np.stats.gamma.cdf(x, 1.5), POSITIVE)
case("chi2.cdf", lambda np, x: np.stats.chi2.cdf(x, 3), POSITIVE)
case("poisson.cdf", lambda np, x: np.stats.poisson.cdf(onp.array([1.0, 2.0, 0.0, 4.0]), x), POSITIVE)


# ---------------------------------------------------------------------- scipy_linalg

cases_of("scipy_linalg")
case(
    "solve_triangular",
    lambda np, x: (
        np.slinalg.solve_triangular(x.reshape(3, 3), x[:3] ** 2)
        + np.slinalg.solve_triangular(x.reshape(3, 3), x[:3], trans=1, lower=True)
        + np.slinalg.solve_triangular(x.reshape(3, 3), x[:6].reshape(3, 2), lower=True)[:, 1]
    ),
    NINE,
)
case(
    "solve_sylvester",
    lambda np, x: np.slinalg.solve_sylvester(x.reshape(3, 3), x[:4].reshape(2, 2), x[:6].reshape(3, 2)),
    NINE,
)
case("sqrtm", lambda np, x: np.slinalg.sqrtm(x.reshape(3, 3) @ x.reshape(3, 3).T + onp.eye(3)), NINE)
case(
    "signal.convolve",
    lambda np, x: np.signal.convolve(x[:4] ** 2, x[4:7])[:5] + np.signal.convolve(x, x[:4], mode="valid"),
    EIGHT,
)


# ---------------------------------------------------------------------- what autograd cannot do

#: Gradients in x also run through the primitive's own vjp. For these functions at these points autograd's vjp
#: is missing or wrong, which the test shows by differentiating the function itself, without Taylor mode.
AUTOGRAD_FAILS_IN_X = {
    "ties",
    "solve stack",
    "det singular",
    "det zero",
    "t.cdf",
    "t.logcdf",
}
