"""The compiled twins of the elementwise formulas: one pass over memory each, by ``numba``.

Each twin has the name and the arguments of the formula that stands in the file of its method, and
gives its bits: the loops perform the same IEEE operations in the same order, without fast-math, and
every scalar is first cast to the dtype of the arrays. The loops have no branches (every
``a if c else b`` is a select), so that they become vector instructions.

A loop is compiled for a dtype on its first use there, and kept on disk. Long vectors are cut into
chunks, run by one thread for each core (the loops release the GIL); chunks are views, so a step
allocates its result and nothing else. For arrays that the loops do not serve (strided, overlapping,
of another or of mixed dtypes) a twin does nothing and returns None; `refopt.kernels.fastest` then
calls the formula.
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

from .averages import unbias
from .cbrt import CBRT
from .scales import SCALES

__all__ = ["adam", "coordinate_momentum", "cubic_adam", "ema", "heavy_ball", "reduce_outward"]

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
    raise NotImplementedError("the NumPy form is refopt.kernels.cbrt.cbrt")


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


# ------------------------------------------------------------------------------------------------- the loops


def _loop_reduce_outward(u, x, c, mul, invert, out):
    zero = u.dtype.type(0)
    for i in range(out.size):
        opposite = ((x[i] < zero) & (c[i] > zero)) | ((x[i] > zero) & (c[i] < zero))
        equal = ((x[i] < zero) & (c[i] < zero)) | ((x[i] > zero) & (c[i] > zero))
        selected = equal if invert else opposite
        out[i] = u[i] * mul if selected else u[i]


def _loop_coordinate_momentum(u, v, mask, out):
    for i in range(out.size):
        kept = u[i] if mask[i] else v[i]
        v[i] = kept
        out[i] = kept


def _loop_heavy_ball(u, v, momentum, weight, nesterov, out):
    for i in range(out.size):
        new = momentum * v[i] + weight * u[i]
        v[i] = new
        out[i] = u[i] + momentum * new if nesterov else new


def _loop_ema(u, m, beta, weight, unbias1, out):
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

    ``kinds`` has one letter an argument: ``r`` an array that is read, ``w`` one that is written,
    ``m`` a mask, ``s`` a scalar of the dtype, ``b`` a boolean. The signature is fixed, so that
    writeable and read-only inputs share one compilation.
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


@np.errstate(all="ignore")
def _run(loop: Callable, kinds: str, *args: Any) -> np.ndarray | None:
    """The result of a loop over the whole length; None, with nothing done, for arrays that it does not serve.

    `args` and `kinds` are those of the loop without ``out``, the vector that it writes its result
    to. The first argument is an array.
    """
    out = np.empty_like(args[0])
    args, kinds = (*args, out), kinds + "w"
    arrays = [a for a, k in zip(args, kinds, strict=True) if k in "rwm"]
    if out.dtype not in CBRT or not all(_serves(a, k, out) for a, k in zip(args, kinds, strict=True)):
        return None
    written = [a for a, k in zip(args, kinds, strict=True) if k == "w"]
    for w in written:
        if sum(np.may_share_memory(w, a) for a in arrays) > (w.size > 0):
            return None

    machine = _compile(loop, kinds, out.dtype)
    values = [out.dtype.type(a) if k == "s" else a for a, k in zip(args, kinds, strict=True)]
    if out.size < THREADS_FROM:
        machine(*values)
        return out

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
    return out


def _serves(a: Any, kind: str, out: np.ndarray) -> bool:
    """Whether an argument is a scalar, or an array of the length of ``out`` and of a type the loops take."""
    if kind in "sb":
        return True
    dtype = np.dtype(np.bool_) if kind == "m" else out.dtype
    fits = a.shape == out.shape and a.ndim == 1 and a.dtype == dtype
    return fits and a.flags.c_contiguous and (kind != "w" or a.flags.writeable)


# ---------------------------------------------- the twins, with the names and the arguments of the formulas


def reduce_outward(u, *, x, c, mul, invert):
    return _run(_loop_reduce_outward, "rrrsb", u, x, c, mul, invert)


def coordinate_momentum(u, *, v, mask):
    return _run(_loop_coordinate_momentum, "rwm", u, v, mask)


def heavy_ball(u, *, v, momentum, dampening, nesterov):
    return _run(_loop_heavy_ball, "rwssb", u, v, momentum, 1 - float(dampening), nesterov)


def ema(u, *, m, t, beta, debiased):
    return _run(_loop_ema, "rwsss", u, m, *_averages(t, debiased, beta))


def adam(u, *, m1, m2, t, beta1, beta2, eps, debiased):
    return _run(_loop_adam, "rww" + 7 * "s", u, m1, m2, *_averages(t, debiased, beta1, beta2), eps)


def cubic_adam(u, *, m1, m2, m3, t, beta1, beta2, beta3, eps, debiased, alpha, mode):
    signed_and_halve = {"signed_cbrt": (True, False), "unsigned_cbrt": (False, False), "halve": (False, True)}
    if mode not in signed_and_halve:
        return None
    return _run(
        _loop_cubic_adam,
        "rwww" + 13 * "s" + "bb",
        u,
        m1,
        m2,
        m3,
        *_averages(t, debiased, beta1, beta2, beta3),
        eps,
        alpha,
        *SCALES.get(u.dtype, (1, 1)),
        *signed_and_halve[mode],
    )


def _averages(t, debiased, *betas):
    """For each beta: the decay, the weight of the new value, and the factor that debiases."""
    return [number for beta in betas for number in (beta, 1 - float(beta), unbias(beta, t, debiased))]
