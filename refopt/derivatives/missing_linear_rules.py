"""Derivative rules that autograd lacks or has wrong: products, linear algebra, Fourier, statistics, curves.

The third part of `missing_rules`, which says what the rules have in common.
"""

from __future__ import annotations

import math
from typing import Any

import autograd.numpy as anp
import numpy as onp
from autograd.extend import defvjp, primitive
from autograd.numpy import fft, linalg
from autograd.numpy.numpy_vjps import match_complex
from autograd.tracer import getval

from .missing_rules import complete, only_with, shaped
from .reverse import CallError
from .taylor_mode import linalg as matrices
from .taylor_mode import products
from .taylor_mode.families import all_axes

__all__ = ["least_squares"]

# ---------------------------------------------------------------------- products


def vectors(argnums: Any, ans: Any, args: Any, kwargs: Any) -> bool:
    """Both arguments are vectors and nothing else is given."""
    return all(anp.ndim(x) == 1 for x in args[:2]) and len(args) == 2 and not kwargs


def distinct_letters(argnums: Any, ans: Any, args: Any, kwargs: Any) -> bool:
    """No operand of einsum has a letter twice."""
    if isinstance(args[0], str):
        return all(
            len(set(name)) == len(name) for name in args[0].replace("...", "").split("->")[0].split(",")
        )
    return all(len(set(map(str, name))) == len(name) for name in args[1 : len(args) - len(args) % 2 : 2])


def vecdot_definition(ans: Any, a: Any, b: Any, axis: int = -1) -> Any:
    """Sum of the products along one axis."""
    return anp.sum(anp.conj(a) * b, axis=axis)


complete(anp.vdot, lambda ans, a, b: anp.dot(anp.ravel(anp.conj(a)), anp.ravel(b)))
complete(anp.outer, lambda ans, a, b, out=None: anp.ravel(a)[:, None] * anp.ravel(b), vectors)
complete(anp.cross, products.cross_definition, vectors)
complete(anp.einsum, products.einsum_definition, distinct_letters)
# the newest of NumPy's ufuncs
for name, definition in {
    "vecdot": vecdot_definition,
    "matvec": lambda ans, a, x: anp.matmul(a, x[..., None])[..., 0],
    "vecmat": lambda ans, x, a: anp.matmul(anp.conj(x)[..., None, :], a)[..., 0, :],
}.items():
    if hasattr(anp, name):
        complete(getattr(anp, name), definition)


# ---------------------------------------------------------------------- linear algebra


def old_norm(argnums: Any, ans: Any, args: Any, kwargs: Any) -> bool:
    """The norms for which autograd's rule is right."""
    options = {**dict(zip(("ord", "axis", "keepdims"), args[1:], strict=False)), **kwargs}
    ord, axis = options.get("ord"), options.get("axis")
    if options.get("keepdims"):
        return False
    if ord is None or ord == "fro":
        return axis is None or not isinstance(axis, tuple) or all(a >= 0 for a in axis)
    pair = isinstance(axis, tuple) or axis is None and anp.ndim(args[0]) == 2
    return not pair and not isinstance(ord, str) and 1 < ord < math.inf


def norm_definition(ans: Any, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norms of `taylor_mode.linalg`, and those that are made of singular values."""
    axes = all_axes(axis, x)
    if isinstance(ord, (int, float)) and ord == 0 and len(axes) == 1:
        # a count of elements: constant almost everywhere
        return getval(ans)
    if len(axes) == 2 and ord in (2, -2, "nuc"):
        s = linalg.svd(anp.moveaxis(x, axes, (-2, -1)), compute_uv=False)
        return shaped(anp.sum(s, axis=-1) if ord == "nuc" else s[..., 0 if ord == 2 else -1], ans)
    return matrices.norm_definition(ans, x, ord, axis, keepdims)


def vector_norm_definition(ans: Any, x: Any, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """The norm of a vector, or of all elements."""
    return shaped(linalg.norm(anp.ravel(x) if axis is None else x, ord, axis), ans)


def cond_definition(ans: Any, x: Any, p: Any = None) -> Any:
    """The norm of x times the norm of its inverse."""
    if p in (None, 2, -2):
        s = linalg.svd(x, compute_uv=False)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return linalg.norm(x, p, (-2, -1)) * linalg.norm(linalg.inv(x), p, (-2, -1))


def svd_definition(
    ans: Any, a: Any, full_matrices: bool = True, compute_uv: bool = True, **kwargs: Any
) -> Any:
    """svd of a square matrix, whose factors are square either way."""
    if anp.shape(a)[-1] != anp.shape(a)[-2]:
        raise NotImplementedError(
            "svd of a matrix that is not square has a derivative with full_matrices=False"
        )
    return linalg.svd(a, full_matrices=False)


def cholesky_definition(ans: Any, a: Any, upper: bool = False) -> Any:
    """The upper factor is the transposed lower one."""
    factor = linalg.cholesky(anp.swapaxes(a, -1, -2) if upper else a)
    return anp.swapaxes(factor, -1, -2) if upper else factor


@primitive
def least_squares(a: Any, b: Any, rcond: Any = None) -> Any:
    """The solution x of min |a x - b|, for a matrix of full rank."""
    x, _, rank, _ = onp.linalg.lstsq(a, b, rcond=rcond)
    if rank < min(a.shape):
        raise CallError("`np.linalg.lstsq` of a matrix that has not full rank has no derivative")
    return x


complete(least_squares, lambda ans, a, b, rcond=None: anp.dot(linalg.pinv(a), b))
complete(linalg._primitive_norm, norm_definition, old_norm)
complete(linalg.cond, cond_definition)
complete(
    linalg.svd,
    svd_definition,
    lambda argnums, ans, args, kwargs: (
        not isinstance(getval(ans), tuple)
        or kwargs.get("full_matrices", args[1] if len(args) > 1 else True) is False
    ),
)
complete(linalg.cholesky, cholesky_definition, only_with())
complete(linalg.eigvalsh, lambda ans, a, UPLO="L": linalg.eigh(a, UPLO=UPLO)[0])
complete(linalg.matrix_power, matrices.power_definition)
if hasattr(linalg, "svdvals"):
    complete(linalg.svdvals, lambda ans, x: linalg.svd(x, compute_uv=False))
    complete(linalg.vector_norm, vector_norm_definition)
    complete(
        linalg.matrix_norm, lambda ans, x, keepdims=False, ord="fro": norm_definition(ans, x, ord, (-2, -1))
    )


# ---------------------------------------------------------------------- Fourier


def fitted(x: Any, shape: Any) -> Any:
    """x cut off or filled with zeros at the end of each axis."""
    return fft.truncate_pad(x, tuple(shape))


def real_transforms(forward: Any, inverse: Any, full: Any, full_inverse: Any, arguments: Any) -> None:
    """Adjoints of a real transform and its inverse, for any length and norm, by complex transforms."""

    def sizes(x: Any, s: Any, axes: Any, real: Any) -> tuple[Any, Any]:
        if axes is None:
            axes = range(anp.ndim(x)) if s is None else range(-len(s), 0)
        return list(axes), [anp.shape(real)[a] for a in axes] if s is None else list(s)

    def forward_vjp(ans: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        axes, s, norm = arguments(x, *args, **kwargs)
        axes, s = sizes(x, s, axes, x)
        fft.check_no_repeated_axes(axes)
        longer = list(anp.shape(ans))
        longer[axes[-1]] = s[-1]
        return lambda g: fitted(anp.real(full(fitted(g, longer), s=s, axes=axes, norm=norm)), anp.shape(x))

    def inverse_vjp(ans: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        axes, s, norm = arguments(x, *args, **kwargs)
        axes, s = sizes(x, s, axes, ans)
        fft.check_no_repeated_axes(axes)
        half = list(anp.shape(ans))
        half[axes[-1]] = n = s[-1] // 2 + 1
        # all but the first and, for an even length, the last stand for two conjugate ones
        twice = onp.full(n, 2.0)
        twice[0] = 1.0
        if s[-1] % 2 == 0:
            twice[-1] = 1.0
        twice = twice.reshape(n, *(1,) * (-1 - axes[-1] % anp.ndim(x) + anp.ndim(x)))
        return lambda g: match_complex(
            x, fitted(twice * fitted(full_inverse(g, s=s, axes=axes, norm=norm), half), anp.shape(x))
        )

    defvjp(forward, forward_vjp)
    defvjp(inverse, inverse_vjp)


def one_axis(x: Any, n: Any = None, axis: int = -1, norm: Any = None) -> tuple[Any, Any, Any]:
    """The arguments of `rfft` as those of `rfftn`."""
    return [axis], None if n is None else [n], norm


def several_axes(x: Any, s: Any = None, axes: Any = None, norm: Any = None) -> tuple[Any, Any, Any]:
    """The arguments of `rfftn`."""
    return axes, s, norm


def two_axes(x: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> tuple[Any, Any, Any]:
    """The arguments of `rfft2`."""
    return axes, s, norm


for forward, inverse, arguments in (
    (fft.rfft, fft.irfft, one_axis),
    (fft.rfft2, fft.irfft2, two_axes),
    (fft.rfftn, fft.irfftn, several_axes),
):
    real_transforms(forward, inverse, fft.fftn, fft.ifftn, arguments)


# ---------------------------------------------------------------------- statistics


def average_definition(
    ans: Any, x: Any, axis: Any = None, weights: Any = None, returned: bool = False, keepdims: bool = False
) -> Any:
    """Sum of w x by sum of w."""
    if returned:
        raise NotImplementedError("average with returned=True has no derivative rule")
    w = onp.ones(anp.shape(x)) if weights is None else weights
    if anp.ndim(w) != anp.ndim(x):
        w = anp.reshape(w, [-1 if a == all_axes(axis, x)[0] else 1 for a in range(-anp.ndim(x), 0)])
    w = w + onp.zeros(anp.shape(x))
    total = anp.sum(x * w, axis=axis, keepdims=True) / anp.sum(w, axis=axis, keepdims=True)
    return shaped(total, ans)


def cov_definition(
    ans: Any, m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None, **others: Any
) -> Any:
    """X X^T / (n - ddof), with the mean of each row taken away."""
    if any(value is not None for value in others.values()):
        raise NotImplementedError("cov with weights has no derivative rule")

    def rows(x: Any) -> Any:
        x = anp.reshape(x, (1, -1)) if anp.ndim(x) < 2 else x
        return x if rowvar or anp.shape(x)[0] == 1 else x.T

    x = rows(m) if y is None else anp.concatenate([rows(m), rows(y)])
    x = x - anp.mean(x, axis=1, keepdims=True)
    count = anp.shape(x)[1] - (ddof if ddof is not None else 0 if bias else 1)
    return shaped(anp.dot(x, x.T) / count, ans)


def corrcoef_definition(ans: Any, x: Any, y: Any = None, rowvar: bool = True, **_kwargs: Any) -> Any:
    """cov scaled to ones on the diagonal."""
    c = anp.atleast_2d(anp.cov(x, y, rowvar))
    d = anp.sqrt(anp.diag(c))
    return shaped(c / d[:, None] / d, ans)


complete(anp.average, average_definition)
complete(anp.cov, cov_definition)
complete(anp.corrcoef, corrcoef_definition)


# ---------------------------------------------------------------------- curves and polynomials


def trapezoid_definition(ans: Any, y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Half the sum of neighbours times their distance."""
    y = anp.moveaxis(y, axis, -1)
    if x is not None:
        x = x if anp.ndim(x) == 1 else anp.moveaxis(x, axis, -1)
        dx = x[..., 1:] - x[..., :-1]
    return anp.sum(dx * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)


def interp_definition(
    ans: Any, x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """The line between the two neighbours; outside the first or the last value."""
    if period is not None:
        raise NotImplementedError("interp with period= has no derivative rule")
    xp, fp = (anp.array(list(p)) if isinstance(p, (list, tuple)) else p for p in (xp, fp))
    known, places = getval(xp), getval(x)
    i = onp.clip(onp.searchsorted(known, places, side="right") - 1, 0, len(known) - 2)
    inside = fp[i] + (fp[i + 1] - fp[i]) * ((x - xp[i]) / (xp[i + 1] - xp[i]))
    low, high = fp[0] if left is None else left, fp[-1] if right is None else right
    return anp.where(places < known[0], low, anp.where(places > known[-1], high, inside))


def convolve_definition(ans: Any, a: Any, v: Any, mode: str = "full") -> Any:
    """The sums of a_i v_(k-i), by a matrix of the elements of the second."""
    a, v = (anp.array(list(p)) if isinstance(p, (list, tuple)) else p for p in (a, v))
    n, m = anp.shape(a)[0], anp.shape(v)[0]
    gap = onp.arange(n + m - 1)[:, None] - onp.arange(n)
    full = anp.dot(anp.where((gap >= 0) & (gap < m), v[onp.clip(gap, 0, m - 1)], 0.0), a)
    size = {"full": n + m - 1, "same": max(n, m), "valid": max(n, m) - min(n, m) + 1}[mode]
    start = (n + m - 1 - size) // 2
    return full[start : start + size]


def correlate_definition(ans: Any, a: Any, v: Any, mode: str = "valid") -> Any:
    """Convolution with the second argument turned round."""
    return convolve_definition(ans, a, anp.conj(anp.array(v))[::-1], mode)


def polyval_definition(ans: Any, p: Any, x: Any) -> Any:
    """Horner's rule."""
    value = anp.zeros(anp.shape(x))
    for c in p:
        value = value * x + c
    return value


def vander_definition(ans: Any, x: Any, N: Any = None, increasing: bool = False) -> Any:
    """The powers of x."""
    powers = onp.arange(anp.shape(ans)[1])
    return x[:, None] ** (powers if increasing else powers[::-1]).astype(float)


def bincount_definition(ans: Any, x: Any, weights: Any = None, minlength: int = 0) -> Any:
    """The sum of the weights of each place."""
    return anp.dot(weights, (onp.asarray(x)[:, None] == onp.arange(anp.shape(ans)[0])) * 1.0)


complete(anp.bincount, bincount_definition)
complete(anp.interp, interp_definition)
complete(anp.convolve, convolve_definition)
complete(anp.correlate, correlate_definition)
complete(anp.polyval, polyval_definition)
complete(anp.vander, vander_definition)
complete(anp.trapezoid if hasattr(anp, "trapezoid") else anp.trapz, trapezoid_definition)
