"""The kernels of `refopt.kernels.definition` in one pass over memory, compiled by ``numba``.

Names, signatures and results are those of the definition, to the last bit: the loops perform the same IEEE
operations in the same order, without fast-math, and every scalar is first cast to the dtype of the arrays.
The loops have no branches (every ``a if c else b`` is a select), so that they become vector instructions.

A loop is compiled for a dtype on its first use there, and kept on disk. Long vectors are cut into chunks, run
by one thread for each core (the loops release the GIL); chunks are views, so a step allocates its result and
nothing else. Arrays the loops do not serve (strided, overlapping, of another or of mixed dtypes) go to the
definition. Each public function has the docstring of its definition.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import cache
from threading import Thread
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

from refopt.kernels import definition
from refopt.kernels.definition import CBRT, MODES, SCALES, Vector, unbias

# From this length the work is shared between threads, whose start costs about 0.1 ms.
THREADS_FROM = 200_000
# The threads take chunks of this length one after the other, so that a core which is busy with something else
# does not hold up the step. A chunk takes 0.1 ms or more, its call 0.005 ms.
CHUNK = 1 << 16


# ------------------------------------------------------------------------------------- what the loops call


def _bits_of(typingctx, x):
    """The bits of a floating-point number, as an integer of the same width."""
    integer: Any = {types.float64: types.int64, types.float32: types.int32}[x]

    def build(context, builder, signature, args):
        return builder.bitcast(args[0], context.get_value_type(integer))

    return integer(x), build


def _number_of(typingctx, bits, like):
    """The number, of the type of ``like``, that has these bits."""

    def build(context, builder, signature, args):
        if like == types.float32:
            args = [builder.trunc(args[0], context.get_value_type(types.int32))]
        return builder.bitcast(args[0], context.get_value_type(like))

    return like(types.int64, like), build


_bits: Any = intrinsic(_bits_of)
_number: Any = intrinsic(_number_of)


def _cbrt(x):
    """One cube root; compiled only."""
    raise NotImplementedError("the NumPy form is refopt.kernels.definition.cbrt")


@overload(_cbrt)
def _overload_cbrt(x):
    number = {types.float64: np.float64, types.float32: np.float32}[x]
    fmt = CBRT[np.dtype(number)]
    magic, shift, third, mask = (int(v) for v in (fmt.magic, fmt.shift, fmt.third, fmt.mask))
    zero, one = number(0), number(1)
    (scale, unscale), (root, unroot) = map(number, fmt.scale), map(number, fmt.root)
    (p0, p1, p2), (q0, q1, q2, q3) = map(number, fmt.p), map(number, fmt.q)

    def cbrt(x):
        size = abs(x)
        below = size < one
        s = size * (scale if below else unscale)

        z = _number(magic - (_bits(s) >> shift) * third, s)
        r = one - s * z * z * z
        z += z * (r * (p0 + r * (p1 + r * p2)))

        y = _number(_bits(s * z * z) & mask, s)
        cube = y * y * y
        rho = (s - cube) / cube
        y += y * (rho * (q0 - rho * (q1 - rho * (q2 - rho * q3))))
        y *= unroot if below else root

        signed = -y if x < zero else y
        return signed if rho == rho else x

    return cbrt


# ----------------------------------------------------------------- the loops, in the order of the definition


def _loop_cbrt(x, out):
    for i in range(out.size):
        out[i] = _cbrt(x[i])


def _loop_reduce_outward(u, x, c, mul, invert, out):
    zero = u.dtype.type(0)
    for i in range(out.size):
        opposite = ((x[i] < zero) & (c[i] > zero)) | ((x[i] > zero) & (c[i] < zero))
        equal = ((x[i] < zero) & (c[i] < zero)) | ((x[i] > zero) & (c[i] > zero))
        selected = equal if invert else opposite
        out[i] = u[i] * mul if selected else u[i]


def _loop_coordinate_momentum(v, u, mask, out):
    for i in range(out.size):
        kept = u[i] if mask[i] else v[i]
        v[i] = kept
        out[i] = kept


def _loop_heavy_ball(v, u, momentum, weight, nesterov, out):
    for i in range(out.size):
        new = momentum * v[i] + weight * u[i]
        v[i] = new
        out[i] = u[i] + momentum * new if nesterov else new


def _loop_ema(m, u, beta, weight, unbias1, out):
    for i in range(out.size):
        new = beta * m[i] + weight * u[i]
        m[i] = new
        out[i] = new * unbias1


def _loop_adam(u, m1, m2, beta1, weight1, unbias1, beta2, weight2, unbias2, eps, out):
    for i in range(out.size):
        new1 = beta1 * m1[i] + weight1 * u[i]
        new2 = beta2 * m2[i] + weight2 * (u[i] * u[i])
        m1[i] = new1
        m2[i] = new2
        out[i] = (new1 * unbias1) / (np.sqrt(new2 * unbias2) + eps)


def _loop_cubic_adam(
    u, m1, m2, m3, beta1, weight1, unbias1, beta2, weight2, unbias2, beta3, weight3, unbias3, eps, alpha,
    up, down, signed, halve, out,
):  # fmt: skip
    number = u.dtype.type
    zero, half, one, two, four = number(0), number(0.5), number(1), number(2), number(4)
    for i in range(out.size):
        new1 = beta1 * m1[i] + weight1 * u[i]
        new2 = beta2 * m2[i] + weight2 * (u[i] * u[i])
        new3 = beta3 * m3[i] + weight3 * (u[i] * u[i] * u[i])
        m1[i] = new1
        m2[i] = new2
        m3[i] = new3

        C = new1 * unbias1
        B = np.sqrt(new2 * unbias2)
        third = new3 * unbias3
        root3 = _cbrt(third if signed else abs(third))
        A = third * half if halve else root3

        below = B < one
        scale, unscale = (up, down) if below else (down, up)
        a, b, c = A * scale, B * scale, C * scale
        discriminant = b * b - four * a * c
        root = B + np.sqrt(discriminant) * unscale

        no_root = (discriminant < zero) | (root == zero) | (B == number(np.inf))
        numerator = C if no_root else two * C
        denominator = B + eps if no_root else root
        nothing = (c == zero) | (denominator == zero)
        out[i] = zero if nothing else alpha * (numerator / denominator)


# ----------------------------------------------------------------------------- compiling and running a loop


@cache
def _compile(loop: Callable, kinds: str, dtype: np.dtype) -> Callable:
    """The machine code of a loop for one dtype.

    ``kinds`` has one letter an argument: ``r`` an array that is read, ``w`` one that is written, ``m`` a
    mask, ``s`` a scalar of the dtype, ``b`` a boolean. The signature is fixed, so that writeable and
    read-only inputs share one compilation.
    """
    number = numba.from_dtype(dtype)
    kind = {
        "r": types.Array(number, 1, "C", readonly=True),
        "w": types.Array(number, 1, "C"),
        "m": types.Array(types.boolean, 1, "C", readonly=True),
        "s": number,
        "b": types.boolean,
    }
    signature = types.void(*(kind[k] for k in kinds))
    options: dict[str, Any] = {"nopython": True, "nogil": True, "error_model": "numpy"}
    try:
        return numba.jit(signature, cache=True, **options)(loop)
    except (RuntimeError, OSError):  # no directory to keep it in: neither beside this file nor of the user
        return numba.jit(signature, **options)(loop)


def _run(loop: Callable, kinds: str, *args: Any) -> bool:
    """Run a loop over the whole length; False, with nothing done, when the arrays are not ones it serves.

    The last argument is ``out``.
    """
    out = args[-1]
    arrays = [a for a, k in zip(args, kinds, strict=True) if k in "rwm"]
    if out.dtype not in CBRT or not all(_serves(a, k, out) for a, k in zip(args, kinds, strict=True)):
        return False
    written = [a for a, k in zip(args, kinds, strict=True) if k == "w"]
    for w in written:
        if sum(np.may_share_memory(w, a) for a in arrays) > (w.size > 0):
            return False

    machine = _compile(loop, kinds, out.dtype)
    values = [out.dtype.type(a) if k == "s" else a for a, k in zip(args, kinds, strict=True)]
    if out.size < THREADS_FROM:
        machine(*values)
        return True

    chunks = deque(range(0, out.size, CHUNK))

    def work() -> None:
        while chunks:
            try:
                start = chunks.popleft()
            except IndexError:  # another thread took the last one
                return
            piece = slice(start, start + CHUNK)
            machine(*(v[piece] if k in "rwm" else v for v, k in zip(values, kinds, strict=True)))

    config: Any = numba.config
    threads = [Thread(target=work) for _ in range(config.NUMBA_NUM_THREADS - 1)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    return True


def _serves(a: Any, kind: str, out: Vector) -> bool:
    """Whether an argument is a scalar, or an array of the length of ``out`` and of a type the loops take."""
    if kind in "sb":
        return True
    dtype = np.dtype(np.bool_) if kind == "m" else out.dtype
    fits = a.shape == out.shape and a.ndim == 1 and a.dtype == dtype
    return fits and a.flags.c_contiguous and (kind != "w" or a.flags.writeable)


# --------------------------------------------------------------------------------------- the public functions


@np.errstate(all="ignore")
def cbrt(x: Vector, out: Vector | None = None) -> Vector:
    out = np.empty_like(x) if out is None else out
    return out if _run(_loop_cbrt, "rw", x, out) else definition.cbrt(x, out)


@np.errstate(all="ignore")
def reduce_outward(
    u: Vector, x: Vector, c: Vector, mul: float, invert: bool = False, out: Vector | None = None
) -> Vector:
    out = np.empty_like(u) if out is None else out
    done = _run(_loop_reduce_outward, "rrrsbw", u, x, c, mul, invert, out)
    return out if done else definition.reduce_outward(u, x, c, mul, invert, out)


@np.errstate(all="ignore")
def coordinate_momentum(v: Vector, u: Vector, mask: NDArray[np.bool_], out: Vector | None = None) -> Vector:
    out = np.empty_like(u) if out is None else out
    done = _run(_loop_coordinate_momentum, "wrmw", v, u, mask, out)
    return out if done else definition.coordinate_momentum(v, u, mask, out)


@np.errstate(all="ignore")
def heavy_ball(
    v: Vector,
    u: Vector,
    momentum: float,
    dampening: float = 0.0,
    nesterov: bool = False,
    out: Vector | None = None,
) -> Vector:
    out = np.empty_like(u) if out is None else out
    done = _run(_loop_heavy_ball, "wrssbw", v, u, momentum, 1 - float(dampening), nesterov, out)
    return out if done else definition.heavy_ball(v, u, momentum, dampening, nesterov, out)


@np.errstate(all="ignore")
def ema(
    m: Vector, u: Vector, t: int, beta: float, debiased: bool = True, out: Vector | None = None
) -> Vector:
    out = np.empty_like(u) if out is None else out
    done = _run(_loop_ema, "wrsssw", m, u, beta, 1 - float(beta), unbias(beta, t, debiased), out)
    return out if done else definition.ema(m, u, t, beta, debiased, out)


@np.errstate(all="ignore")
def adam(
    u: Vector,
    m1: Vector,
    m2: Vector,
    t: int,
    beta1: float,
    beta2: float,
    eps: float,
    debiased: bool = True,
    out: Vector | None = None,
) -> Vector:
    out = np.empty_like(u) if out is None else out
    averages = [v for beta in (beta1, beta2) for v in (beta, 1 - float(beta), unbias(beta, t, debiased))]
    done = _run(_loop_adam, "rww" + 7 * "s" + "w", u, m1, m2, *averages, eps, out)
    return out if done else definition.adam(u, m1, m2, t, beta1, beta2, eps, debiased, out)


@np.errstate(all="ignore")
def cubic_adam(
    u: Vector,
    m1: Vector,
    m2: Vector,
    m3: Vector,
    t: int,
    beta1: float,
    beta2: float,
    beta3: float,
    eps: float,
    debiased: bool = True,
    alpha: float = 1.0,
    mode: str = "signed_cbrt",
    out: Vector | None = None,
) -> Vector:
    out = np.empty_like(u) if out is None else out
    betas = (beta1, beta2, beta3)
    averages = [v for beta in betas for v in (beta, 1 - float(beta), unbias(beta, t, debiased))]
    more = (eps, alpha, *SCALES.get(u.dtype, (1, 1)), mode == "signed_cbrt", mode == "halve")
    done = mode in MODES and _run(
        _loop_cubic_adam, "rwww" + 13 * "s" + "bbw", u, m1, m2, m3, *averages, *more, out
    )
    if done:
        return out
    return definition.cubic_adam(u, m1, m2, m3, t, *betas, eps, debiased, alpha, mode, out)


for _name in ("cbrt", "reduce_outward", "coordinate_momentum", "heavy_ball", "ema", "adam", "cubic_adam"):
    globals()[_name].__doc__ = getattr(definition, _name).__doc__
del _name
