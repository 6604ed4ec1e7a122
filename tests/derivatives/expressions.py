"""The table of expressions in NumPy, by the module of refopt.derivatives that makes them work on a traced x.

An expression is text, so that it is the same in plain NumPy (`np` is numpy) and in autograd.numpy. It is a
number or an array; `x` is a vector.
"""

from __future__ import annotations

import numpy

SIX = numpy.array([0.7, -1.3, 0.4, 2.1, -0.6, 1.7])
POSITIVE = numpy.abs(SIX) + 0.1
UNIT = SIX / 3
ABOVE = POSITIVE + 1.0
NINE = numpy.array([3.0, 0.5, 0.2, 0.5, 2.0, 0.1, 0.2, 0.1, 1.5])
ZERO = numpy.array([0.0, 2.0, 3.0, -1.0])
ZEROS = numpy.array([0.0, 2.0, 0.0, 3.0])
NEAR = numpy.array([1e-9, 0.02, -0.3, 0.5, 1.5])

#: what expressions may use besides np and x
NAMES = {
    "plain": numpy,
    "W": numpy.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
    "MASK": numpy.array([True, False, True, True, False, True]),
}

#: module -> [(expression, point)]
EXPRESSIONS: dict[str, list[tuple[str, numpy.ndarray]]] = {}
#: Expressions that autograd.numpy does not follow, or not without an error; plain NumPy does.
ONLY_PLAIN: set[str] = set()


def of(module: str, x: numpy.ndarray, lines: str, only_plain: bool = False) -> None:
    """Enter these expressions, one a line."""
    for line in lines.strip().splitlines():
        EXPRESSIONS.setdefault(module, []).append((line.strip(), x))
        if only_plain:
            ONLY_PLAIN.add(line.strip())


def each(module: str, x: numpy.ndarray, names: str, *forms: str, only_plain: bool = False) -> None:
    """Enter ``np.NAME`` in these forms, for each of the names."""
    of(
        module,
        x,
        "\n".join(form.replace("F(", f"np.{n}(") for n in names.split() for form in forms),
        only_plain,
    )


# ---------------------------------------------------------------------- numpy_calls: elementwise

each(
    "numpy_calls",
    SIX,
    "exp exp2 expm1 sin cos tan sinh cosh tanh arctan arcsinh square negative absolute abs fabs reciprocal "
    "deg2rad rad2deg degrees radians sinc nan_to_num conj conjugate real imag real_if_close angle",
    "F(x)",
)
each("numpy_calls", POSITIVE, "log log2 log10 log1p sqrt", "F(x)")
each("numpy_calls", UNIT, "arcsin arccos arctanh", "F(x)")
each("numpy_calls", ABOVE, "arccosh", "F(x)")
each("numpy_calls", SIX, "floor ceil rint trunc sign round around fix", "F(x) * x")
each(
    "numpy_calls",
    SIX,
    "add subtract multiply divide true_divide maximum minimum fmax fmin logaddexp logaddexp2 arctan2 hypot "
    "remainder mod",
    "F(x[:3], x[3:])",
    "F(x, 1.55)",
    "F(1.55, x)",
    "F(W, x)",
    "F(x[0], x[1:])",
)
of(
    "numpy_calls",
    SIX,
    "np.power(x, 3)\nnp.power(2.5, x)\nnp.floor_divide(x, 0.37) * x",
)
of("numpy_calls", POSITIVE, "np.power(x, 2.5)\nnp.power(x[:3], x[3:])")
of(
    "numpy_calls",
    SIX,
    """
    np.add.reduce(x)
    np.add.reduce(x.reshape(2, 3))
    np.add.reduce(x.reshape(2, 3), axis=1, keepdims=True)
    np.add.reduce(x, initial=2.0, where=MASK)
    np.multiply.reduce(x)
    np.maximum.reduce(x)
    np.minimum.reduce(x)
    np.logaddexp.reduce(x)
    np.subtract.reduce(x.reshape(2, 3), axis=1)
    np.logical_and.reduce(x) * x
    np.add.accumulate(x)
    np.multiply.accumulate(x)
    np.maximum.accumulate(x)
    np.multiply.outer(x, W)
    np.subtract.outer(x, x)
    np.frompyfunc(lambda t: t * t, 1, 1)(x)
    np.vectorize(lambda t: t * t)(x)
    """,
    only_plain=True,
)

# ---------------------------------------------------------------------- numpy_calls: reductions

each(
    "numpy_calls",
    SIX,
    "sum mean prod max min amax amin var std",
    "F(x)",
    "F(x[0])",
    "F(x.reshape(2, 3), axis=1)",
    "F(x.reshape(2, 3), 0)",
    "F(x.reshape(2, 3), axis=-1, keepdims=True)",
    "F(x.reshape(1, 2, 3), axis=(0, 2))",
)
of(
    "numpy_calls",
    SIX,
    """
    np.sum(a=x)
    np.sum(x, out=None)
    np.sum(x, dtype=float)
    np.mean(x.reshape(2, 3), 0, float)
    np.var(x, ddof=1)
    np.std(x, axis=0, ddof=1, keepdims=True)
    np.cumsum(x)
    np.cumsum(x.reshape(2, 3), axis=0)
    np.cumsum(x.reshape(2, 3), axis=-1)
    np.cumsum(x.reshape(2, 3))
    np.argmax(x) * x
    np.any(x > 0) * x
    np.all(x > 0) * x
    np.count_nonzero(x) * x
    np.isnan(x) * x
    np.isclose(x, x) * x
    np.array_equal(x, x) * x
    np.searchsorted(W, x) * x
    np.nonzero(x)[0].sum() * x
    np.size(x) * x
    np.ndim(x) * x
    np.shape(x)[0] * x
    np.result_type(x).itemsize * x
    np.iscomplexobj(x) * x
    np.zeros_like(x) + x
    np.ones_like(x) * x
    """,
)

# ---------------------------------------------------------------------- numpy_calls: shapes

of(
    "numpy_calls",
    SIX,
    """
    np.where(x > 0, x**2, 0)
    np.where(MASK, x, 0)
    np.clip(x, 0, 1)
    np.clip(x, a_min=0, a_max=1)
    np.clip(x, None, 1)
    np.clip(x, 0, None)
    np.roll(x, 1)
    np.roll(x, shift=2)
    np.roll(x.reshape(2, 3), 1, axis=1)
    np.flipud(x)
    np.fliplr(x.reshape(2, 3))
    np.rot90(x.reshape(2, 3))
    np.rot90(x.reshape(2, 3), k=2)
    np.reshape(x, (2, 3))
    np.reshape(x, (2, 3), order='F')
    np.ravel(x.reshape(2, 3))
    np.ravel(x.reshape(2, 3), order='F')
    np.transpose(x.reshape(1, 2, 3), (2, 0, 1))
    np.transpose(x.reshape(1, 2, 3), axes=(2, 0, 1))
    np.swapaxes(x.reshape(2, 3), 0, 1)
    np.moveaxis(x.reshape(1, 2, 3), (0, 1), (1, 2))
    np.rollaxis(x.reshape(1, 2, 3), 2)
    np.squeeze(x.reshape(1, 6), axis=0)
    np.expand_dims(x, axis=(0, 2))
    np.atleast_1d(x[0])
    np.atleast_2d(x)
    np.atleast_3d(x)
    np.broadcast_to(x.reshape(1, 6), (2, 6))
    np.tile(x, 2)
    np.repeat(x, 2)
    np.repeat(x.reshape(2, 3), 2, axis=1)
    np.split(x, 2)[0]
    np.split(x, [2, 3])[1]
    np.array_split(x, 4)[1]
    np.vsplit(x.reshape(2, 3), 2)[1]
    np.hsplit(x.reshape(2, 3), 3)[1]
    np.dsplit(x.reshape(1, 2, 3), 3)[1]
    np.pad(x, (1, 2), mode='constant')
    np.diag(x)
    np.diag(x, 1)
    np.tril(x.reshape(2, 3))
    np.triu(x.reshape(2, 3), k=1)
    np.trace(x.reshape(2, 3))
    np.diff(x)
    np.diff(x, n=2)
    np.diff(x.reshape(2, 3), axis=0)
    np.gradient(x)
    np.sort(x)
    np.sort(x)[::-1]
    np.sort(x, kind='stable')
    np.partition(x, 2)
    x[np.argsort(x)]
    np.linspace(x[0], x[1], 4)
    np.full(3, x[0])
    np.full((2, 2), x[0] * 2)
    np.select([x < 0, x > 1], [x**2, x**3], x)
    """,
)
of("numpy_calls", SIX, "np.split(x, indices_or_sections=2)[0]\nnp.add(x, W, dtype=float)", only_plain=True)
of(
    "numpy_calls",
    NINE,
    "np.trace(x.reshape(3, 3))\nnp.diag(x.reshape(3, 3))\nnp.diagonal(x.reshape(3, 3), 0, -1, -2)",
)

# ---------------------------------------------------------------------- numpy_calls: products, matrices

of(
    "numpy_calls",
    SIX,
    """
    np.matmul(x.reshape(2, 3), x.reshape(3, 2))
    W @ x
    x @ W
    W.reshape(2, 3) @ x.reshape(3, 2)
    plain.eye(6) @ x
    np.dot(x, x)
    np.dot(W.reshape(2, 3), x[:3])
    np.dot(a=W, b=x)
    np.inner(x, W)
    np.outer(x, W)
    np.outer(x, x)
    np.kron(x[:2], x[2:])
    np.tensordot(x.reshape(2, 3), W.reshape(3, 2), axes=1)
    np.cross(x[:3], x[3:])
    np.einsum('i,i->', x, x)
    np.einsum('ij,jk->ik', x.reshape(2, 3), x.reshape(3, 2))
    np.einsum('ij,jk', x.reshape(2, 3), x.reshape(3, 2), optimize=True)
    np.einsum(x.reshape(2, 3), [0, 1], x[:3], [1], [0])
    np.linalg.norm(x)
    np.linalg.norm(x, 2)
    np.linalg.norm(x, 3)
    np.linalg.norm(x.reshape(2, 3))
    np.linalg.norm(x.reshape(2, 3), 'fro')
    np.linalg.norm(x.reshape(2, 3), axis=1)
    np.linalg.norm(x.reshape(1, 2, 3), axis=(1, 2))
    np.linalg.pinv(x.reshape(2, 3))
    np.abs(np.fft.fft2(x.reshape(2, 3)))**2
    np.abs(np.fft.ifft2(x.reshape(2, 3)))**2
    np.abs(np.fft.fftn(x.reshape(2, 3)))**2
    np.abs(np.fft.ifftn(x.reshape(2, 3)))**2
    np.abs(np.fft.fft2(x.reshape(2, 3), s=(3, 4)))**2
    np.abs(np.fft.fft(x.reshape(2, 3), axis=0))**2
    np.abs(np.fft.fft(x, norm='ortho'))**2
    np.abs(np.fft.ifft(x, n=8, norm='forward'))**2
    np.real(np.fft.ifft(x, 4))
    np.fft.fftshift(x)
    np.fft.ifftshift(x)
    np.fft.fftshift(x.reshape(2, 3), axes=1)
    """,
)
of(
    "numpy_calls",
    NINE,
    """
    np.linalg.det(x.reshape(3, 3))
    np.linalg.inv(x.reshape(3, 3))
    np.linalg.solve(x.reshape(3, 3), W[:3])
    np.linalg.solve(plain.eye(3) * 2, x.reshape(3, 3))
    np.linalg.solve(x.reshape(3, 3), x[:3])
    np.linalg.slogdet(x.reshape(3, 3))[1]
    np.linalg.cholesky((x.reshape(3, 3) + x.reshape(3, 3).T) / 2)
    np.linalg.eigh((x.reshape(3, 3) + x.reshape(3, 3).T) / 2)[0]
    """,
)
for name in "gamma gammaln digamma psi rgamma j0 j1 y0 y1 erf erfc expit i0 i1".split():
    of("numpy_calls", POSITIVE, f"special.{name}(x)")
of(
    "numpy_calls",
    POSITIVE,
    """
    special.beta(x, 2.0)
    special.betaln(x, 1.5)
    special.jn(2, x)
    special.yn(2, x)
    special.iv(1.5, x)
    special.ive(1.5, x)
    special.gammainc(1.5, x)
    special.gammaincc(1.5, x)
    special.gammasgn(x) * x
    """,
)
of(
    "numpy_calls",
    ABOVE / 5,
    """
    special.erfinv(x)
    special.erfcinv(x)
    special.logit(x)
    special.betainc(2, 1.5, x)
    """,
)

# ---------------------------------------------------------------------- missing_rules

each("missing_rules", POSITIVE, "cbrt positive", "F(x)")
of("missing_rules", POSITIVE, "np.float_power(x, 2.5)\nnp.float_power(x[:3], x[3:])")
of("missing_rules", NEAR, "np.sinc(x)")
each("missing_rules", SIX, "fmod copysign", "F(x, 1.55)", "F(x[:3], x[3:])", "F(W, x)")
of(
    "missing_rules",
    SIX,
    "np.heaviside(x, 0.5) * x\nnp.signbit(x) * x\nnp.digitize(x, [0.0, 1.0]) * x\nnp.unwrap(x * 4)",
)
of(
    "missing_rules",
    SIX,
    """
    np.where(MASK, x[0], x)
    np.where(MASK, x, x[0])
    np.where(MASK, x[0], 0.0)
    np.where(MASK.reshape(2, 3), x[:3], x[3:5, None])
    np.where(x[0] > 0, x[0], 0.0)
    np.where(x[0] > 0, x, x[0])
    np.clip(x, x[2], 1.0)
    np.clip(0.5, x[2], x[3])
    np.clip(W, x[2], x[3])
    np.clip(x, 0 * W, W)
    """,
)
each(
    "missing_rules",
    SIX,
    "sum mean prod var std",
    "F(x, where=MASK)",
    "F(x.reshape(2, 3), where=MASK.reshape(2, 3), axis=1)",
)
each("missing_rules", SIX, "var std", "F(x, None, None, None, 1)")
if numpy.lib.NumpyVersion(numpy.__version__) >= "2.1.0":
    each("missing_rules", SIX, "var std", "F(x, correction=1)")
    of("missing_rules", SIX, "np.clip(x, min=0, max=1)\nnp.clip(x, max=1)")
each("missing_rules", SIX, "ptp median", "F(x)", "F(x.reshape(2, 3), axis=1)", "F(x.reshape(2, 3), 0)")
each(
    "missing_rules",
    SIX,
    "ptp median",
    "F(x.reshape(2, 3), axis=-1, keepdims=True)",
    "F(x.reshape(1, 2, 3), axis=(0, 2))",
)
each(
    "missing_rules",
    SIX,
    "nansum nanmean nanvar nanstd nanmax nanmin nanprod",
    "F(x)",
    "F(x.reshape(2, 3), axis=1)",
    "F(np.where(MASK, x, np.nan))",
)
of(
    "missing_rules",
    SIX,
    """
    np.sum(x, initial=3.0)
    np.prod(x, initial=3.0)
    np.max(x, initial=1.0)
    np.max(x, initial=5.0)
    np.min(x, initial=-5.0, where=MASK)
    np.max(x, initial=-5.0, where=MASK)
    np.sum(x.reshape(2, 3), 0, None, None, True)
    np.max(x.reshape(2, 3), 1, None, True)
    np.cumsum(x, dtype=float)
    np.cumprod(x)
    np.cumprod(x.reshape(2, 3), axis=0)
    np.cumprod(x, dtype=float)
    np.percentile(x, 30)
    np.percentile(x, [30, 50])
    np.percentile(x.reshape(2, 3), 30, axis=1, keepdims=True)
    np.quantile(x, 0.3)
    np.quantile(x.reshape(2, 3), [0.0, 0.25, 1.0], axis=0)
    """,
)
for x in (ZERO, ZEROS):
    of("missing_rules", x, "np.prod(x)\nnp.prod(x.reshape(2, 2), axis=1)")

# ---------------------------------------------------------------------- missing_shape_rules

of(
    "missing_shape_rules",
    SIX,
    """
    np.copy(x)
    np.delete(x, 1)
    np.diagflat(x[:3])
    np.resize(x, (2, 2))
    np.compress(MASK, x)
    np.compress([True, False, True], x.reshape(2, 3), axis=1)
    np.extract(MASK, x)
    np.take(x, [0, 2, 2])
    np.take(x.reshape(2, 3), [0, 2], axis=1)
    np.take(x, 1)
    np.take(x, [7, -1], mode='wrap')
    np.take_along_axis(x, plain.array([1, 0, 3]), axis=0)
    np.flip(x)
    np.flip(x.reshape(2, 3), axis=1)
    np.tile(x, (2, 1))
    np.tile(x, reps=2)
    np.tile(x.reshape(2, 3), 2)
    np.tile(x.reshape(2, 3), (2, 2))
    np.repeat(x, [1, 2, 1, 1, 2, 1])
    np.repeat(x, repeats=2)
    np.repeat(x.reshape(2, 3), 2, axis=-1)
    np.pad(x, 1)
    np.pad(x, (1, 2), mode='edge')
    np.pad(x, 1, 'reflect')
    np.pad(x, 2, 'symmetric')
    np.pad(x, (0, 2), 'wrap')
    np.pad(x, (1, 2), constant_values=3.0)
    np.pad(x.reshape(2, 3), ((1, 0), (0, 2)))
    np.rot90(x.reshape(2, 3), 1, (1, 0))
    np.roll(x.reshape(2, 3), (1, 1), axis=(0, 1))
    np.rollaxis(x.reshape(1, 2, 3), -1)
    np.broadcast_to(x, (2, 6))
    np.broadcast_to(x.reshape(6, 1), shape=(6, 2))
    np.diag(x.reshape(3, 2))
    np.diag(x.reshape(2, 3))
    np.trace(x.reshape(2, 3), 1)
    np.sort(x.reshape(2, 3))
    np.sort(x.reshape(2, 3), axis=0)
    np.sort(x.reshape(2, 3), axis=None)
    np.partition(x.reshape(2, 3), 1, axis=1)
    np.linspace(x[0], x[1], num=4)
    np.linspace(0.0, x[1], 4)
    np.linspace(x[0], x[1], 4, endpoint=False)
    np.logspace(x[0], x[3], 4)
    np.geomspace(x[0], x[3], 4)
    np.full_like(x, 2.0) * x
    np.diff(x, prepend=0.0)
    np.gradient(x, 0.5)
    np.gradient(x, W**2)
    x.astype(int) * x
    """,
)
of("missing_shape_rules", SIX, "np.diff(x, prepend=x[:1], append=2.0)", only_plain=True)
of(
    "missing_shape_rules",
    NINE,
    "np.diagonal(x.reshape(3, 3))\nnp.diagonal(x.reshape(3, 3), 1)\nnp.gradient(x.reshape(3, 3), axis=0)",
)
if hasattr(numpy, "matrix_transpose"):
    of(
        "missing_shape_rules",
        SIX,
        "np.matrix_transpose(x.reshape(2, 3))\nnp.linalg.matrix_transpose(x.reshape(2, 3))",
    )
    of("missing_shape_rules", NINE, "np.linalg.diagonal(x.reshape(3, 3))")

# ---------------------------------------------------------------------- missing_linear_rules

of(
    "missing_linear_rules",
    SIX,
    """
    np.vdot(x, W)
    np.outer(x.reshape(2, 3), x)
    np.cross(x.reshape(2, 3), W.reshape(2, 3), axis=-1)
    np.linalg.norm(x, 1)
    np.linalg.norm(x, ord=1)
    np.linalg.norm(x, np.inf)
    np.linalg.norm(x, -np.inf)
    np.linalg.norm(x, 0.5)
    np.linalg.norm(x, -2)
    np.linalg.norm(x, 0)
    np.linalg.norm(x.reshape(2, 3), 1)
    np.linalg.norm(x.reshape(2, 3), np.inf)
    np.linalg.norm(x.reshape(2, 3), axis=1, keepdims=True)
    np.linalg.norm(x.reshape(2, 3), axis=0, ord=3, keepdims=True)
    np.linalg.norm(x.reshape(2, 3), axis=1, ord=1)
    np.linalg.norm(x.reshape(1, 2, 3), axis=(-2, -1))
    np.average(x)
    np.average(x, weights=W)
    np.average(x.reshape(2, 3), 1, W[:3])
    np.cov(x.reshape(2, 3))
    np.cov(x, W, bias=True)
    np.corrcoef(x, W)
    np.corrcoef(x.reshape(2, 3), rowvar=False)
    np.trapezoid(x)
    np.trapezoid(x, W**2)
    np.trapezoid(x.reshape(2, 3), dx=0.5, axis=0)
    np.convolve(x, [1.0, 2, 1])
    np.convolve(x[:3], x[3:], 'same')
    np.convolve([1.0, 2, 1], x, mode='valid')
    np.correlate(x, [1.0, 2, 0.5])
    np.interp(1.5, [1.0, 2, 3], x[:3])
    np.interp(x, [-2.0, 0, 3], [1.0, 2.0, 5.0])
    np.interp(x, [0.0, 1.0, 1.5], [1.0, 2.0, 5.0], left=0.0)
    np.bincount([0, 1, 1, 0, 2, 2], x)
    np.polyval(x, 1.5)
    np.polyval([1.0, 2.0, 3.0], x)
    np.vander(x)
    np.vander(x, 3, increasing=True)
    """.replace("trapezoid", "trapezoid" if hasattr(numpy, "trapezoid") else "trapz"),
)
of("missing_linear_rules", SIX, "np.average(W, weights=x)", only_plain=True)
of(
    "missing_linear_rules",
    NINE,
    """
    np.einsum('ii->i', x.reshape(3, 3))
    np.einsum('ii', x.reshape(3, 3))
    np.einsum(x.reshape(3, 3), [0, 0], [0])
    np.linalg.matrix_power(x.reshape(3, 3), 3)
    np.linalg.matrix_power(x.reshape(3, 3), -1)
    np.linalg.eigvalsh((x.reshape(3, 3) + x.reshape(3, 3).T) / 2)
    """,
)
for n in (5, 6):
    for norm in ("backward", "ortho", "forward"):
        of(
            "missing_linear_rules",
            SIX,
            f"np.abs(np.fft.rfft(x[:{n}], norm='{norm}'))**2\n"
            f"np.fft.irfft(x[:{n - 2}] + 1j * x[2:{n}], norm='{norm}')",
        )
    for size in (4, 5, 8, 9):
        of(
            "missing_linear_rules",
            SIX,
            f"np.abs(np.fft.rfft(x[:{n}], {size}))**2\nnp.abs(np.fft.rfft(x[:{n}], n={size}))**2\n"
            f"np.fft.irfft(x[:{n - 2}] + 1j * x[2:{n}], n={size})",
        )
of(
    "missing_linear_rules",
    SIX,
    """
    np.real(np.fft.rfft(x[:5])) + np.imag(np.fft.rfft(x[:5]))
    np.fft.irfft(x)
    np.abs(np.fft.rfft2(x.reshape(2, 3)))**2
    np.abs(np.fft.rfftn(x.reshape(3, 2)))**2
    np.abs(np.fft.rfftn(x.reshape(3, 2), axes=(1, 0)))**2
    np.abs(np.fft.rfft(x.reshape(2, 3), axis=0))**2
    np.fft.irfft2((x + 1j * x[::-1]).reshape(2, 3))
    np.fft.irfftn((x + 1j * x[::-1]).reshape(2, 3), s=(2, 5), axes=(0, 1))
    np.fft.irfftn((x + 1j * x[::-1]).reshape(3, 2), axes=(0,))
    """,
)
# no Taylor rule
of(
    "missing_linear_rules",
    NINE,
    """
    np.linalg.svd(x.reshape(3, 3))[1]
    np.linalg.svd(x.reshape(3, 3), full_matrices=False)[1]
    np.linalg.svd(x.reshape(3, 3), compute_uv=False)
    np.linalg.norm(x.reshape(3, 3), 'nuc')
    np.linalg.norm(x.reshape(3, 3), 2)
    np.linalg.norm(x.reshape(3, 3), -2)
    np.linalg.cond(x.reshape(3, 3))
    """,
)
if hasattr(numpy, "vecdot"):
    of("missing_linear_rules", SIX, "np.vecdot(x, W)\nnp.linalg.vector_norm(x)")
    of("missing_linear_rules", SIX, "np.linalg.matrix_norm(x.reshape(2, 3))\nnp.linalg.vector_norm(x, ord=1)")
if hasattr(numpy, "matvec"):
    of("missing_linear_rules", SIX, "np.matvec(x.reshape(2, 3), x[:3])\nnp.vecmat(x[:2], x.reshape(2, 3))")
    of(
        "missing_linear_rules",
        NINE,
        "np.linalg.cholesky((x.reshape(3, 3) + x.reshape(3, 3).T) / 2, upper=True)",
    )

# ---------------------------------------------------------------------- missing_special_rules

for name in "xlogy xlog1py rel_entr kl_div".split():
    of("missing_special_rules", POSITIVE, f"special.{name}(x[:3], x[3:])\nspecial.{name}(W, x)", True)
for name in "huber pseudo_huber".split():
    of("missing_special_rules", SIX, f"special.{name}(0.8, x)\nspecial.{name}(x[3], x)", True)
for name in "ndtr log_ndtr log_expit exp10".split():
    of("missing_special_rules", SIX, f"special.{name}(x)", True)
of("missing_special_rules", POSITIVE, "special.entr(x)", True)

# ---------------------------------------------------------------------- composed_calls

of(
    "composed_calls",
    SIX,
    """
    np.concatenate([x, x**2])
    np.concatenate((x, W))
    np.concatenate([x.reshape(2, 3), x.reshape(2, 3)], axis=1)
    np.concatenate([W, x], 0)
    np.stack([x, x**2])
    np.stack([x, W], axis=-1)
    np.stack([x[0], x[1]])
    np.stack([x[0], 1.0])
    np.vstack([x, W])
    np.hstack([x, W])
    np.hstack([x[0], 1.0])
    np.column_stack([x, W])
    np.append(x, 1.0)
    np.append(W, x)
    np.append(x.reshape(2, 3), x.reshape(2, 3), axis=0)
    """,
)
of(
    "composed_calls",
    SIX,
    """
    np.concatenate([x.reshape(2, 3), x.reshape(2, 3)], axis=None)
    np.concatenate([[x[0], 1.0], x])
    np.concatenate([x, W], dtype=float)
    np.hstack([x[0], [1.0, x[1]]])
    np.dstack([x, x**2])
    np.append(x, x[0])
    np.block([x, W])
    np.block([[x.reshape(2, 3)], [W.reshape(2, 3)]])
    np.block([[x.reshape(2, 3), x[:2, None]], [W[:4]]])
    np.hsplit(x, 2)[1]
    np.broadcast_arrays(x, W)[0]
    np.meshgrid(x, W)[0]
    np.ediff1d(x)
    np.insert(x, 1, 2.0)
    np.apply_along_axis(lambda v: v**2, 0, x)
    np.piecewise(x, [x < 0, x >= 0], [lambda t: t**2, lambda t: t**3])
    np.choose([0, 1, 0, 1, 0, 1], [x, x**2])
    np.unique(x)
    np.linalg.multi_dot([x.reshape(2, 3), x.reshape(3, 2), x.reshape(2, 3)])
    np.dot(x, [x[1], x[0], 1.0, 2.0, 3.0, 4.0])
    np.linalg.lstsq(x.reshape(3, 2), W[:3], rcond=None)[0]
    np.linalg.lstsq(W.reshape(3, 2)**2, x[:3], rcond=None)[0]
    np.linalg.lstsq(x.reshape(3, 2), x[:3], rcond=None)[1]
    np.linalg.lstsq(x.reshape(2, 3), x[:2], rcond=None)[0]
    np.array([x[0], x[1]])
    np.array([x[0]**2, 1.0])
    np.array([[x[0], 0.0], [0.0, x[1]]])
    np.array(x)
    np.asarray(x)
    np.exp(np.array([x[0], x[1]]))
    np.sum(np.array([x[0], x[1]])**2)
    np.sum([x[0], x[1]])
    W * np.array([x[0]] * 6)
    np.linalg.norm(np.array([x[0], x[1]]))
    np.where([True, False], [x[0], x[1]], 0.0)
    x * np.array([x[0], 1.0, 2.0, 3.0, 4.0, 5.0])
    """,
    only_plain=True,
)
if hasattr(numpy, "unstack"):
    of("composed_calls", SIX, "np.unstack(x.reshape(2, 3))[0]\nnp.concat([x, x])", only_plain=True)
    of(
        "composed_calls",
        SIX,
        """
        np.linalg.outer(x, W)
        np.linalg.vecdot(x, W)
        np.linalg.trace(x.reshape(2, 3))
        np.linalg.cross(x[:3], x[3:])
        np.linalg.tensordot(x.reshape(2, 3), W.reshape(3, 2), axes=1)
        np.linalg.matmul(x.reshape(2, 3), W.reshape(3, 2))
        """,
        only_plain=True,
    )

# ---------------------------------------------------------------------- array_methods

of(
    "array_methods",
    SIX,
    """
    x.sum()
    x.sum(dtype=float)
    x.sum(axis=0, keepdims=True)
    x.sum(0)
    x.sum(where=MASK)
    x.mean(axis=0, keepdims=True)
    x.mean(dtype=float)
    x.max()
    x.min(axis=0)
    x.std(ddof=1)
    x.var()
    x.prod()
    x.clip(0, 1)
    x.clip(min=0)
    x.clip(max=1.0)
    x.clip(0)
    W.clip(0, x[3])
    x.round() * x
    x.round(1) * x
    x.dot(x)
    x.dot(W)
    W.dot(x)
    x.cumsum()
    x.cumprod()
    x.copy()
    x.conj()
    x.conjugate()
    x.real
    x.imag + x
    x[0].item()
    x.item(2)
    x.tolist()[0]
    x.astype(float)
    x.astype(float, copy=False)
    x.astype(int) * x
    x.flatten()
    x.ravel()
    x.reshape(2, 3)
    x.reshape((2, 3))
    x.reshape(plain.int64(2), 3)
    x.reshape(2, 3, order='F')
    x.reshape(2, -1).T
    x.reshape(2, 3).mT
    x.transpose()
    x.reshape(2, 3).transpose(1, 0)
    x.reshape(2, 3).transpose((1, 0))
    x.reshape(2, 3).swapaxes(0, 1)
    x.reshape(2, 3).trace()
    x.reshape(2, 3).diagonal()
    x.reshape(1, 6).squeeze()
    x.repeat(2)
    x.take([0, 1])
    x.compress(MASK)
    x.argmax() * x
    x.argsort() * x
    x.any() * x
    x.nonzero()[0].sum() * x
    x.searchsorted(1.0) * x
    x.flat[0]
    x.nbytes * x
    x.itemsize * x
    x.size * x
    len(x) * x
    float(f'{x[0]:.3f}') * x
    bool(x[0]) * x
    divmod(x, 2.0)[1]
    divmod(7.5, x)[1]
    x // 0.37 * x
    7.5 // x * x
    x % 0.37
    +x
    -x
    abs(x)
    x**2
    2.0**x
    x @ x
    [*x][0]
    x[x > 0]
    sum(t**2 for t in x)
    max(x)
    plain.float64(2.0) * x
    x * plain.float64(2.0)
    plain.float32(2.0) * x
    plain.float64(2.0) ** x
    plain.float64(2.0) / x
    plain.int64(2) * x
    W * x
    W / x
    W - x
    W**x
    (W > x) * x
    W % x
    W // x * x
    (0 < x) * x
    [1.0, 2.0, 3.0, 4.0, 5.0, 6.0] * x
    """,
)
of("array_methods", NINE, "np.linalg.slogdet(x.reshape(3, 3)).logabsdet")
of("array_methods", NINE, "np.linalg.eigh((x.reshape(3, 3) + x.reshape(3, 3).T) / 2).eigenvalues")
