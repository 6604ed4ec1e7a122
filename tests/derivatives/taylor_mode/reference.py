"""An independent judge for Taylor coefficients: the same formula evaluated with mpmath numbers.

`coefficients(g, order)` interpolates g at t = 0, h, ..., order*h with h = 1e-25 and 230 digits. Nodes on
one side make it right at kinks too (the curve for t > 0), where the truncation error is about h relative to
the next coefficient.
"""

from __future__ import annotations

import math

import mpmath
import numpy as np
from mpmath import mp

DIGITS = 230
H_EXPONENT = -25


def ufunc(f, nin=1):
    """An mpmath function as an elementwise function of object arrays."""
    g = np.frompyfunc(f, nin, 1)

    def call(*args):
        return g(*args)

    return call


def vector(x):
    """Floats to mpf, exactly."""
    return np.array([mpmath.mpf(float(v)) for v in np.ravel(x)], dtype=object).reshape(np.shape(x))


def coefficients(g, order):
    """Coefficients 0..order of g(t) (an array of mpf or mpc), shape (order+1, *out.shape)."""
    h = mpmath.mpf(10) ** H_EXPONENT
    values = [np.asarray(g(k * h), dtype=object) for k in range(order + 1)]
    # Newton's forward differences, then Stirling numbers: c_j = sum_k d_k s(k, j) / k! / h^j
    table = list(values)
    differences = []
    for _ in range(order + 1):
        differences.append(table[0])
        table = [b - a for a, b in zip(table[:-1], table[1:], strict=True)]
    out = []
    for j in range(order + 1):
        total = values[0] * 0
        for k in range(j, order + 1):
            total = total + differences[k] * int(mpmath.stirling1(k, j)) / mpmath.factorial(k)
        out.append(total / h**j)
    return out


def to_float(array):
    """Object array of mpf or mpc to float64 or complex128."""
    flat = np.array([complex(v) if isinstance(v, mpmath.mpc) else float(v) for v in np.ravel(array)])
    # Truncation of the interpolation, see above
    flat = np.where(np.abs(flat) < 1e-23, 0.0, flat) if len(flat) else flat
    return flat.reshape(np.shape(array))


def reference(fun, x, s, order):
    """float64 coefficients of t -> fun(mnp, x + t s), correctly rounded from 50 digits and more."""
    with mp.workdps(DIGITS):
        a, b = vector(x), vector(s)
        return np.array([to_float(c) for c in coefficients(lambda t: fun(mnp, a + t * b), order)])


def reference_slope(fun, x, s, dx, ds, order):
    """Derivative of the coefficients when x moves along dx and s along ds (quotient of step 1e-30)."""
    with mp.workdps(DIGITS + 60):
        e = mpmath.mpf(10) ** -30
        a, b, u, v = vector(x), vector(s), vector(dx), vector(ds)
        low = coefficients(lambda t: fun(mnp, a + t * b), order)
        high = coefficients(lambda t: fun(mnp, a + e * u + t * (b + e * v)), order)
        return np.array([to_float((q - p) / e) for p, q in zip(low, high, strict=True)])


# ---------------------------------------------------------------------- the functions, in mpmath


def matrix_function(f):
    """A function of one mpmath matrix, on (stacks of) object arrays."""

    def call(a, *args):
        if np.ndim(a) > 2:
            return np.array([call(m, *args) for m in a], dtype=object)
        result = f(mpmath.matrix(a.tolist()), *args)
        if isinstance(result, mpmath.matrix):
            return np.array(result.tolist(), dtype=object)
        return result

    return call


def solve(a, b):
    if np.ndim(a) > 2:
        return np.array(
            [solve(m, v) for m, v in zip(a, np.broadcast_to(b, (len(a), *np.shape(b)[-2:])), strict=True)],
            dtype=object,
        )
    columns = np.reshape(b, (len(b), -1))
    inverse = np.array((mpmath.matrix(a.tolist()) ** -1).tolist(), dtype=object)
    return np.reshape(inverse @ columns, np.shape(b))


def dft(a, n, axis, norm, sign):
    a = np.moveaxis(np.asarray(a, dtype=object), axis, -1)
    m = n or a.shape[-1]
    a = np.concatenate([a, np.zeros((*a.shape[:-1], max(0, m - a.shape[-1])), dtype=object)], axis=-1)[
        ..., :m
    ]
    w = np.array(
        [[mpmath.expjpi(mpmath.mpf(sign * 2 * ((i * j) % m)) / m) for j in range(m)] for i in range(m)],
        dtype=object,
    )
    scale = {
        (-1, None): 1,
        (-1, "backward"): 1,
        (-1, "ortho"): mpmath.sqrt(m),
        (-1, "forward"): m,
        (1, None): m,
        (1, "backward"): m,
        (1, "ortho"): mpmath.sqrt(m),
        (1, "forward"): 1,
    }[sign, norm]
    return np.moveaxis(a @ w / scale, -1, axis)


class FFT:
    def fft(self, a, n=None, axis=-1, norm=None):
        return dft(a, n, axis, norm, -1)

    def ifft(self, a, n=None, axis=-1, norm=None):
        return dft(a, n, axis, norm, 1)

    def fftn(self, a, s=None, axes=None, norm=None):
        axes = range(np.ndim(a)) if axes is None else axes
        for axis in axes:
            a = dft(a, None, axis, norm, -1)
        return a

    def ifftn(self, a, s=None, axes=None, norm=None):
        axes = range(np.ndim(a)) if axes is None else axes
        for axis in axes:
            a = dft(a, None, axis, norm, 1)
        return a

    def fft2(self, a, s=None, axes=(-2, -1), norm=None):
        return self.fftn(a, s, axes, norm)

    def ifft2(self, a, s=None, axes=(-2, -1), norm=None):
        return self.ifftn(a, s, axes, norm)

    def rfft(self, a, n=None, axis=-1, norm=None):
        full = np.moveaxis(dft(a, n, axis, norm, -1), axis, -1)
        return np.moveaxis(full[..., : full.shape[-1] // 2 + 1], -1, axis)

    def irfft(self, a, n=None, axis=-1, norm=None):
        a = np.moveaxis(np.asarray(a, dtype=object), axis, -1)
        n = n or 2 * (a.shape[-1] - 1)
        a = a.copy()
        a[..., 0] = mnp.real(a[..., 0])
        if n % 2 == 0:
            a[..., -1] = mnp.real(a[..., n // 2])
        tail = mnp.conj(a[..., 1 : (n + 1) // 2][..., ::-1])
        full = np.concatenate([a[..., : n // 2 + 1], tail], axis=-1)
        return np.moveaxis(mnp.real(dft(full, None, -1, norm, 1)), -1, axis)

    def rfftn(self, a, s=None, axes=None, norm=None):
        axes = list(range(np.ndim(a)) if axes is None else axes)
        a = self.rfft(a, axis=axes[-1], norm=norm)
        return self.fftn(a, axes=axes[:-1], norm=norm) if axes[:-1] else a

    def irfftn(self, a, s=None, axes=None, norm=None):
        axes = list(range(np.ndim(a)) if axes is None else axes)
        a = self.ifftn(a, axes=axes[:-1], norm=norm) if axes[:-1] else a
        return self.irfft(a, axis=axes[-1], norm=norm)

    def rfft2(self, a, s=None, axes=(-2, -1), norm=None):
        return self.rfftn(a, s, axes, norm)

    def irfft2(self, a, s=None, axes=(-2, -1), norm=None):
        return self.irfftn(a, s, axes, norm)

    fftshift = staticmethod(np.fft.fftshift)
    ifftshift = staticmethod(np.fft.ifftshift)


def eigh(a):
    """Eigenvalues ascending; eigenvectors with the sign that NumPy gives at the same point."""
    a = np.array([[a[max(i, j)][min(i, j)] for j in range(len(a))] for i in range(len(a))], dtype=object)
    values, vectors = mpmath.eigsy(mpmath.matrix(a.tolist()))
    w = np.array(list(values), dtype=object)
    v = np.array(vectors.tolist(), dtype=object)
    order = np.argsort(w)
    w, v = w[order], v[:, order]
    model = np.linalg.eigh(to_float(a))[1]
    signs = [
        1 if float(mpmath.re(sum(v[i, j] * float(model[i, j]) for i in range(len(w))))) > 0 else -1
        for j in range(len(w))
    ]
    return w, v * np.array(signs, dtype=object)


def cholesky(a):
    n = len(a)
    low = np.zeros((n, n), dtype=object) + mpmath.mpf(0)
    for j in range(n):
        low[j, j] = mpmath.sqrt(a[j, j] - sum(low[j, k] ** 2 for k in range(j)))
        for i in range(j + 1, n):
            low[i, j] = (a[i, j] - sum(low[i, k] * low[j, k] for k in range(j))) / low[j, j]
    return low


class Linalg:
    inv = staticmethod(matrix_function(lambda m: m**-1))
    det = staticmethod(matrix_function(mpmath.det))
    solve = staticmethod(solve)
    cholesky = staticmethod(cholesky)
    eigh = staticmethod(eigh)

    def slogdet(self, a):
        d = self.det(a)
        return np.sign(d), ufunc(lambda v: mpmath.log(abs(v)))(d)

    def pinv(self, a):
        return self.inv(a.T @ a) @ a.T if a.shape[0] >= a.shape[1] else a.T @ self.inv(a @ a.T)

    def matrix_power(self, a, n):
        return np.array((mpmath.matrix(a.tolist()) ** n).tolist(), dtype=object)

    def norm(self, x, ord=None, axis=None, keepdims=False):
        if axis is None and ord is None:
            x, axis = np.ravel(x), 0
        axis = tuple(range(np.ndim(x))) if axis is None else axis
        if np.ndim(axis) == 1 and len(axis) == 1:
            axis = axis[0]
        size = ufunc(abs)(x)
        if np.ndim(axis) == 0:
            if ord is None:
                ord = 2
            if ord in (np.inf, -np.inf):
                return (np.max if ord > 0 else np.min)(size, axis=axis, keepdims=keepdims)
            power = mpmath.mpf(ord)
            return ufunc(lambda v: v ** (1 / power))(np.sum(size**power, axis=axis, keepdims=keepdims))
        if ord in (None, "fro"):
            return ufunc(mpmath.sqrt)(np.sum(size**2, axis=axis, keepdims=keepdims))
        rows, columns = axis if abs(ord) != 1 else axis[::-1]
        total = np.sum(size, axis=columns, keepdims=True)
        return (np.max if ord > 0 else np.min)(total, axis=axis, keepdims=keepdims)


def ncdf(x, loc=0, scale=1):
    return ufunc(lambda v: mpmath.erfc(-v / mpmath.sqrt(2)) / 2)((x - loc) / scale)


def log(x):
    return ufunc(mpmath.log)(x)


def loggamma(x):
    return ufunc(mpmath.loggamma)(x)


class Norm:
    def logpdf(self, x, loc=0, scale=1):
        return -(((x - loc) / scale) ** 2) / 2 - log(scale + 0 * x) - mpmath.log(2 * mpmath.pi) / 2

    def pdf(self, x, loc=0, scale=1):
        return ufunc(mpmath.exp)(self.logpdf(x, loc, scale))

    def cdf(self, x, loc=0, scale=1):
        return ncdf(x, loc, scale)

    def sf(self, x, loc=0, scale=1):
        return ncdf(-(x - loc) / scale)

    def logcdf(self, x, loc=0, scale=1):
        return log(self.cdf(x, loc, scale))

    def logsf(self, x, loc=0, scale=1):
        return log(self.sf(x, loc, scale))


class Student:
    def logpdf(self, x, df, loc=0, scale=1):
        df, z = df + 0 * x, (x - loc) / scale
        return (
            loggamma((df + 1) / 2)
            - loggamma(df / 2)
            - log(df * mpmath.pi) / 2
            - log(scale + 0 * x)
            - (df + 1) / 2 * log(1 + z * z / df)
        )

    def pdf(self, x, df, loc=0, scale=1):
        return ufunc(mpmath.exp)(self.logpdf(x, df, loc, scale))

    def cdf(self, x, df, loc=0, scale=1):
        df = mpmath.mpf(df)
        factor = mpmath.gamma((df + 1) / 2) / (mpmath.sqrt(df * mpmath.pi) * mpmath.gamma(df / 2))
        return ufunc(
            lambda z: (
                mpmath.mpf(1) / 2
                + z * factor * mpmath.hyp2f1(mpmath.mpf(1) / 2, (df + 1) / 2, mpmath.mpf(3) / 2, -z * z / df)
            )
        )((x - loc) / scale)

    def logcdf(self, x, df, loc=0, scale=1):
        return log(self.cdf(x, df, loc, scale))


class Density:
    """A distribution from its logarithm and its distribution function."""

    def __init__(self, logpdf, cdf=None):
        self.logpdf = self.logpmf = logpdf
        self.cdf = cdf

    def pdf(self, *args):
        return ufunc(mpmath.exp)(self.logpdf(*args))

    pmf = pdf


def gammainc(a, x):
    return ufunc(lambda u, v: mpmath.gammainc(u, 0, v, regularized=True), 2)(a, x)


def gammaincc(a, x):
    return ufunc(lambda u, v: mpmath.gammainc(u, v, mpmath.inf, regularized=True), 2)(a, x)


def betainc(a, b, x):
    return ufunc(lambda p, q, v: mpmath.betainc(p, q, 0, v, regularized=True), 3)(a, b, x)


def mvn(x, mean, cov):
    gap = np.reshape(x - mean, (-1, len(cov)))
    inverse = Linalg.inv(cov)
    out = (
        -np.array([g @ inverse @ g for g in gap], dtype=object) / 2
        - (mpmath.log(Linalg.det(cov)) + len(cov) * mpmath.log(2 * mpmath.pi)) / 2
    )
    return out[0] if np.ndim(x - mean) == 1 else out


class Stats:
    norm, t = Norm(), Student()
    beta = Density(
        lambda x, a, b: (
            (a - 1) * log(x)
            + (b - 1) * log(1 - x)
            - loggamma(a + 0 * x)
            - loggamma(b + 0 * x)
            + loggamma(a + b + 0 * x)
        ),
        lambda x, a, b: betainc(a, b, x),
    )
    gamma = Density(lambda x, a: (a - 1) * log(x) - x - loggamma(a + 0 * x), lambda x, a: gammainc(a, x))
    chi2 = Density(
        lambda x, k: (
            (k / mpmath.mpf(2) - 1) * log(x)
            - x / 2
            - k / mpmath.mpf(2) * mpmath.log(2)
            - loggamma(k / mpmath.mpf(2) + 0 * x)
        ),
        lambda x, k: gammainc(k / mpmath.mpf(2), x / 2),
    )
    poisson = Density(
        lambda k, mu: k * log(mu) - mu - loggamma(k + mpmath.mpf(1) + 0 * mu),
        lambda k, mu: gammaincc(np.floor(k) + 1.0, mu),
    )
    dirichlet = Density(
        lambda x, a: np.sum((a - 1) * log(x)) + mpmath.loggamma(np.sum(a)) - np.sum(loggamma(a))
    )
    multivariate_normal = Density(mvn)


class Special:
    gamma = staticmethod(ufunc(mpmath.gamma))
    gammaln = staticmethod(ufunc(mpmath.loggamma))
    rgamma = staticmethod(ufunc(mpmath.rgamma))
    psi = digamma = staticmethod(ufunc(lambda v: mpmath.psi(0, v)))
    beta = staticmethod(ufunc(mpmath.beta, 2))
    j0, j1 = (staticmethod(ufunc(lambda v, n=n: mpmath.besselj(n, v))) for n in (0, 1))
    y0, y1 = (staticmethod(ufunc(lambda v, n=n: mpmath.bessely(n, v))) for n in (0, 1))
    i0, i1 = (staticmethod(ufunc(lambda v, n=n: mpmath.besseli(n, v))) for n in (0, 1))
    erf, erfc = staticmethod(ufunc(mpmath.erf)), staticmethod(ufunc(mpmath.erfc))
    erfinv = staticmethod(ufunc(mpmath.erfinv))
    gammainc, gammaincc, betainc = staticmethod(gammainc), staticmethod(gammaincc), staticmethod(betainc)

    def erfcinv(self, x):
        return ufunc(mpmath.erfinv)(1 - x)

    def gammasgn(self, x):
        return ufunc(lambda v: mpmath.sign(mpmath.gamma(v)))(x)

    def betaln(self, a, b):
        return loggamma(a) + loggamma(b) - loggamma(a + b)

    def polygamma(self, n, x):
        return ufunc(lambda v: mpmath.psi(n, v))(x)

    def multigammaln(self, a, d):
        return (
            sum(loggamma(a - mpmath.mpf(i) / 2) for i in range(d)) + d * (d - 1) * mpmath.log(mpmath.pi) / 4
        )

    def jn(self, n, x):
        return ufunc(lambda v: mpmath.besselj(n, v))(x)

    def yn(self, n, x):
        return ufunc(lambda v: mpmath.bessely(n, v))(x)

    def iv(self, n, x):
        return ufunc(lambda v: mpmath.besseli(n, v))(x)

    def ive(self, n, x):
        return ufunc(lambda v: mpmath.besseli(n, v) * mpmath.exp(-abs(v)))(x)

    def expit(self, x):
        return ufunc(lambda v: 1 / (1 + mpmath.exp(-v)))(x)

    def logit(self, x):
        return ufunc(lambda v: mpmath.log(v / (1 - v)))(x)

    def logsumexp(self, x, axis=None, b=1, keepdims=False):
        return log(np.sum(b * ufunc(mpmath.exp)(x), axis=axis, keepdims=keepdims))


class SciLinalg:
    def solve_triangular(self, a, b, trans=0, lower=False, unit_diagonal=False):
        a = np.tril(a) if lower else np.triu(a)
        if unit_diagonal:
            a = a - np.diag(np.diag(a)) + np.eye(len(a)).astype(int)
        return solve(a.T if trans else a, b)

    def solve_sylvester(self, a, b, q):
        n, m = q.shape
        big = np.kron(np.eye(m).astype(int), a) + np.kron(b.T, np.eye(n).astype(int))
        return solve(big, q.T.reshape(-1)).reshape(m, n).T

    def sqrtm(self, a):
        return np.array(mpmath.sqrtm(mpmath.matrix(a.tolist())).tolist(), dtype=object)


class Signal:
    def convolve(self, a, b, mode="full"):
        full = [
            sum(a[i] * b[k - i] for i in range(len(a)) if 0 <= k - i < len(b))
            for k in range(len(a) + len(b) - 1)
        ]
        if mode == "valid":
            low, high = min(len(a), len(b)) - 1, max(len(a), len(b))
            full = full[low:high]
        return np.array(full, dtype=object)


class MNP:
    """`numpy` with mpmath inside: functions from the tables, the rest from NumPy on object arrays."""

    pi = math.pi
    linalg, fft, special, stats, slinalg, signal = Linalg(), FFT(), Special(), Stats(), SciLinalg(), Signal()
    table = {
        "exp": mpmath.exp,
        "exp2": lambda v: mpmath.mpf(2) ** v,
        "expm1": mpmath.expm1,
        "log": mpmath.log,
        "log2": lambda v: mpmath.log(v, 2),
        "log10": mpmath.log10,
        "log1p": mpmath.log1p,
        "sin": mpmath.sin,
        "cos": mpmath.cos,
        "tan": mpmath.tan,
        "arcsin": mpmath.asin,
        "arccos": mpmath.acos,
        "arctan": mpmath.atan,
        "sinh": mpmath.sinh,
        "cosh": mpmath.cosh,
        "tanh": mpmath.tanh,
        "arcsinh": mpmath.asinh,
        "arccosh": mpmath.acosh,
        "arctanh": mpmath.atanh,
        "sqrt": mpmath.sqrt,
        "cbrt": mpmath.cbrt,
        "square": lambda v: v * v,
        "reciprocal": lambda v: 1 / v,
        "abs": abs,
        "absolute": abs,
        "fabs": abs,
        "real": mpmath.re,
        "imag": mpmath.im,
        "conj": mpmath.conj,
        "angle": mpmath.arg,
        "sinc": lambda v: mpmath.sin(mpmath.pi * v) / (mpmath.pi * v) if v else mpmath.mpf(1),
        "rad2deg": mpmath.degrees,
        "degrees": mpmath.degrees,
        "deg2rad": mpmath.radians,
        "radians": mpmath.radians,
        "nan_to_num": lambda v: v,
        "real_if_close": lambda v: v,
        "positive": lambda v: v,
        "negative": lambda v: -v,
        "floor": mpmath.floor,
        "sign": mpmath.sign,
        "round": mpmath.nint,
    }
    table2 = {
        "arctan2": mpmath.atan2,
        "hypot": mpmath.hypot,
        "power": mpmath.power,
        "float_power": mpmath.power,
        "logaddexp": lambda a, b: mpmath.log(mpmath.exp(a) + mpmath.exp(b)),
        "logaddexp2": lambda a, b: mpmath.log(mpmath.mpf(2) ** a + mpmath.mpf(2) ** b, 2),
        "mod": lambda a, b: a - mpmath.floor(a / b) * b,
        "remainder": lambda a, b: a - mpmath.floor(a / b) * b,
    }

    def var(self, x, axis=None, ddof=0, keepdims=False):
        n = np.size(x) if axis is None else np.prod([np.shape(x)[a] for a in np.atleast_1d(axis)])
        axis = tuple(axis) if np.ndim(axis) else axis
        gap = x - np.sum(x, axis=axis, keepdims=True) / int(n)
        return np.sum(ufunc(lambda v: abs(v) ** 2)(gap), axis=axis, keepdims=keepdims) / (int(n) - ddof)

    def std(self, x, axis=None, ddof=0, keepdims=False):
        return ufunc(mpmath.sqrt)(self.var(x, axis, ddof, keepdims))

    def linspace(self, a, b, num):
        return np.array([a + (b - a) * mpmath.mpf(i) / (num - 1) for i in range(num)], dtype=object)

    def gradient(self, x, axis=0):
        a = np.moveaxis(x, axis, 0)
        inner = [(a[i + 1] - a[i - 1]) / 2 for i in range(1, len(a) - 1)]
        return np.moveaxis(np.array([a[1] - a[0], *inner, a[-1] - a[-2]], dtype=object), 0, axis)

    def cross(self, a, b, **kwargs):
        return np.cross(a, b, **kwargs)

    def einsum(self, formula, *operands):
        return np.einsum(formula, *operands, optimize=False)

    def kron(self, a, b):
        return np.kron(a, b)

    def full(self, shape, value):
        return np.zeros(shape, dtype=object) + value

    def full_like(self, x, value):
        return np.zeros(np.shape(x), dtype=object) + value

    def astype(self, x, dtype):
        return x

    def __getattr__(self, name):
        if name in self.table:
            return ufunc(self.table[name])
        if name in self.table2:
            return ufunc(self.table2[name], 2)
        return getattr(np, name)


mnp = MNP()
