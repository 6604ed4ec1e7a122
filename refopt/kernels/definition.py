"""What every elementwise method computes, in plain NumPy: the meaning, to be read beside the formulas.

All arrays are flat, shape (n,), of one dtype, float32 or float64, which every operation keeps. A function may
write to two kinds of argument only: the running averages, which are updated in place (a step consumes its
state), and ``out``, which receives and is the result. The update ``u``, the point ``x`` and ``c`` are never
written. The sign is the one of the whole package: the driver applies ``x <- x - out``.

``refopt.kernels.compiled`` has the same functions with the same signatures for large n. The two perform the
same IEEE operations in the same order, so that they agree to the last bit.

Nothing here warns: an overflow or a NaN shows in the result, and a NaN in one coordinate stays there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.floating]

MODES = ("signed_cbrt", "unsigned_cbrt", "halve")


class CbrtFormat(NamedTuple):
    """Constants of `cbrt` for one floating-point format: arrays of shape () and of its dtype."""

    bits: type  # the integer type of the same width
    one: NDArray
    scale: tuple[NDArray, NDArray]  # 8^k, large enough to make every subnormal number normal, and its inverse
    root: tuple[NDArray, NDArray]  # 2^k and its inverse
    magic: NDArray  # bits(s^(-1/3)) is nearly magic - bits(s)/3; minimises max |1 - s z^3| (it is 0.10)
    shift: NDArray  # with `third`, bits/3 is computed as (bits >> shift) * third
    third: NDArray  # 2^shift / 3
    mask: NDArray  # keeps so few leading bits (17 of 53, 8 of 24) that the cube is exact
    p: tuple[NDArray, ...]  # (1 - r)^(-1/3) = 1 + p0 r + p1 r^2 + p2 r^3 + ...
    q: tuple[NDArray, ...]  # (1 + rho)^(1/3) = 1 + q0 rho - q1 rho^2 + q2 rho^3 - q3 rho^4 + ...


def _cbrt_format(number: type, bits: type, k: int, magic: int, shift: int, leading: int) -> CbrtFormat:
    width = np.finfo(number).nmant + 1
    return CbrtFormat(
        bits=bits,
        one=np.array(1, number),
        scale=(np.array(8.0**k, number), np.array(8.0**-k, number)),
        root=(np.array(2.0**k, number), np.array(2.0**-k, number)),
        magic=np.array(magic, bits),
        shift=np.array(shift, bits),
        third=np.array((1 << shift) // 3, bits),
        mask=np.array(-1 << (width - leading), bits),
        p=tuple(np.array(v, number) for v in (1 / 3, 2 / 9, 14 / 81)),
        q=tuple(np.array(v, number) for v in (1 / 3, 1 / 9, 5 / 81, 10 / 243)),
    )


CBRT = {
    np.dtype(np.float64): _cbrt_format(np.float64, np.int64, 18, 0x553EE978D4FDF3B7, 32, 17),
    np.dtype(np.float32): _cbrt_format(np.float32, np.int32, 8, 0x54A1F671, 16, 8),
}

# A power of two and its inverse. Multiplied by the first when sqrt(m2) is below 1, else by the second, the
# coefficients of CubicAdam have products that neither over- nor underflow.
SCALES = {
    np.dtype(np.float64): (np.array(2.0**256), np.array(2.0**-256)),
    np.dtype(np.float32): (np.array(2.0**32, np.float32), np.array(2.0**-32, np.float32)),
}


@np.errstate(all="ignore")
def cbrt(x: Vector, out: Vector | None = None) -> Vector:
    """Cube root without a library ``pow``: one division, the rest sums and products.

    A guess of ``s^(-1/3)`` is read off the exponent bits and refined once by the series of
    ``z (1 - r)^(-1/3)`` in ``r = 1 - s z^3``. That gives a short ``y`` whose cube is exact, so that
    ``rho = (s - y^3) / y^3`` has one rounding error, and the series of ``y (1 + rho)^(1/3)`` ends within
    1 ulp of the true root. Zeros (with their sign), infinities and NaN are returned as they are.

    Parameters
    ----------
    x : array of shape (n,), float32 or float64
    out : array of shape (n,), optional
        Where the result goes; a new array by default.

    Returns
    -------
    array of shape (n,)

    Examples
    --------
    >>> cbrt(np.array([27.0, -0.001, 0.0]))
    array([ 3. , -0.1,  0. ])
    """
    fmt = CBRT[x.dtype]
    (scale, unscale), (root, unroot) = fmt.scale, fmt.root
    (p0, p1, p2), (q0, q1, q2, q3) = fmt.p, fmt.q
    size = np.abs(x)
    # away from both ends of the exponent range: below 1 the argument is multiplied by 8^k, else divided
    below = size < fmt.one
    s = size * np.where(below, scale, unscale)

    z = (fmt.magic - (s.view(fmt.bits) >> fmt.shift) * fmt.third).view(x.dtype)
    r = fmt.one - s * z * z * z
    z += z * (r * (p0 + r * (p1 + r * p2)))

    y = ((s * z * z).view(fmt.bits) & fmt.mask).view(x.dtype)
    cube = y * y * y
    rho = (s - cube) / cube
    y += y * (rho * (q0 - rho * (q1 - rho * (q2 - rho * q3))))
    y *= np.where(below, unroot, root)

    ordinary = rho == rho  # NaN, as (0 - 0)/0 or inf - inf, for zero, infinity and NaN, and only there
    return _result(out, np.where(ordinary, np.copysign(y, x), x))


@np.errstate(all="ignore")
def reduce_outward(
    u: Vector, x: Vector, c: Vector, mul: float, invert: bool = False, out: Vector | None = None
) -> Vector:
    """Multiply by ``mul`` the update of the coordinates that move away from zero, those with ``x c < 0``.

    The product is meant over the real numbers: it is negative when the signs differ and neither factor is
    zero, also where the floating-point product would underflow. A NaN in ``x`` or ``c`` selects nothing.

    Parameters
    ----------
    u, x, c : arrays of shape (n,)
        Update, point, and the vector whose sign decides: the update itself or the gradient.
    mul : float
    invert : bool
        Select ``x c > 0`` instead.
    out : array of shape (n,), optional

    Returns
    -------
    array of shape (n,)

    Examples
    --------
    >>> u = np.array([1.0, 1.0, 1.0])
    >>> reduce_outward(u, np.array([-2.0, 0.0, 2.0]), u, mul=0.5)
    array([0.5, 1. , 1. ])
    """
    product = np.sign(x) * np.sign(c)
    selected = product > 0 if invert else product < 0
    return _result(out, np.where(selected, u * float(mul), u))


def coordinate_momentum(v: Vector, u: Vector, mask: NDArray[np.bool_], out: Vector | None = None) -> Vector:
    """Copy ``v_i <- u_i`` where the mask is set; the result is a copy of ``v``.

    Parameters
    ----------
    v : array of shape (n,), updated in place
    u : array of shape (n,)
    mask : boolean array of shape (n,)
    out : array of shape (n,), optional

    Returns
    -------
    array of shape (n,)

    Examples
    --------
    >>> v = np.zeros(2)
    >>> coordinate_momentum(v, np.array([3.0, 4.0]), np.array([False, True]))
    array([0., 4.])
    """
    np.copyto(v, u, where=mask)
    return _result(out, v.copy())


@np.errstate(all="ignore")
def heavy_ball(
    v: Vector,
    u: Vector,
    momentum: float,
    dampening: float = 0.0,
    nesterov: bool = False,
    out: Vector | None = None,
) -> Vector:
    """Accumulate ``v <- momentum v + (1 - dampening) u``; the result is ``v``.

    With ``nesterov`` the result is ``u + momentum v``.

    Parameters
    ----------
    v : array of shape (n,), updated in place
    u : array of shape (n,)
    momentum, dampening : float
    nesterov : bool
    out : array of shape (n,), optional

    Returns
    -------
    array of shape (n,)

    Examples
    --------
    >>> v = np.array([1.0])
    >>> heavy_ball(v, np.array([2.0]), momentum=0.5)
    array([2.5])
    """
    _average(v, float(momentum), 1 - float(dampening), u)
    return _result(out, u + float(momentum) * v if nesterov else v.copy())


@np.errstate(all="ignore")
def ema(
    m: Vector, u: Vector, t: int, beta: float, debiased: bool = True, out: Vector | None = None
) -> Vector:
    """Exponential average ``m <- beta m + (1 - beta) u``; the result is ``m / (1 - beta^t)``, or ``m``.

    Parameters
    ----------
    m : array of shape (n,), updated in place
    u : array of shape (n,)
    t : int
        Number of this step, from 1.
    beta : float
    debiased : bool
        Divide by ``1 - beta^t``.
    out : array of shape (n,), optional

    Returns
    -------
    array of shape (n,)

    Examples
    --------
    >>> ema(np.zeros(1), np.array([2.0]), t=1, beta=0.75)
    array([2.])
    """
    _average(m, float(beta), 1 - float(beta), u)
    return _result(out, m * unbias(beta, t, debiased))


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
    """Adam's direction, ``m1 / (sqrt(m2) + eps)`` with both averages debiased (Kingma, Ba 2015, algorithm 1).

    Parameters
    ----------
    u : array of shape (n,)
    m1, m2 : arrays of shape (n,), updated in place
        Exponential averages of ``u`` and ``u^2``.
    t : int
        Number of this step, from 1.
    beta1, beta2, eps : float
    debiased : bool
        Divide the averages by ``1 - beta^t``.
    out : array of shape (n,), optional

    Returns
    -------
    array of shape (n,)

    Examples
    --------
    >>> adam(np.array([3.0, -4.0]), np.zeros(2), np.zeros(2), t=1, beta1=0.9, beta2=0.999, eps=0.0)
    array([ 1., -1.])
    """
    _average(m1, float(beta1), 1 - float(beta1), u)
    _average(m2, float(beta2), 1 - float(beta2), u * u)
    c = m1 * unbias(beta1, t, debiased)
    b = np.sqrt(m2 * unbias(beta2, t, debiased))
    return _result(out, c / (b + float(eps)))


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
    """The update ``-alpha d``, where ``d`` is the local minimiser of ``A/3 d^3 + B/2 d^2 + C d``.

    ``C = m1``, ``B = sqrt(m2)`` and ``A`` (from ``m3``, see ``mode``) come from the debiased averages of
    ``u, u^2, u^3``. The minimiser is the root ``d = -2C / (B + sqrt(B^2 - 4AC))`` of the derivative: nothing
    is divided by ``A`` and nothing cancels, and ``A -> 0`` gives ``-C/B``. With no real root it is Adam's
    step ``-C/(B + eps)``. ``C = 0`` gives 0.

    In the discriminant the three coefficients are multiplied by one power of two, which changes no digit and
    keeps it from over- and underflowing. What the averages themselves cannot hold:

    - ``u^2`` underflows (``|u|`` below 1e-162, in float32 1e-23): ``B = 0``, no root, so Adam's ``-C/eps``,
      or 0 when ``eps`` is 0 too.
    - ``u^3`` overflows (``|u|`` above 5e102, in float32 7e12): ``A`` is infinite, and ``d`` is its limit, 0
      where the root exists (``AC < 0``) and Adam's step where it does not. An overflow of both signs leaves
      ``m3`` NaN, as any sum of two infinities.
    - ``u^2`` overflows: ``B`` is infinite and ``d = 0``, the Adam step.
    - ``u`` is NaN or infinite: the result is NaN.

    Parameters
    ----------
    u : array of shape (n,)
    m1, m2, m3 : arrays of shape (n,), updated in place
        Exponential averages of ``u``, ``u^2`` and ``u^3``.
    t : int
        Number of this step, from 1.
    beta1, beta2, beta3, eps : float
    debiased : bool
        Divide the averages by ``1 - beta^t``.
    alpha : float
    mode : "signed_cbrt", "unsigned_cbrt" or "halve"
        ``A = sign(m3) |m3|^(1/3)``, ``|m3|^(1/3)`` or ``m3 / 2``.
    out : array of shape (n,), optional

    Returns
    -------
    array of shape (n,)

    Examples
    --------
    With a third average of zero it is Adam:

    >>> m1, m2, m3 = np.zeros((3, 2))
    >>> cubic_adam(np.array([3.0, 0.0]), m1, m2, m3, t=1, beta1=0.5, beta2=0.5, beta3=1.0, eps=1e-8,
    ...            debiased=False)
    array([0.70710678, 0.        ])
    """
    _average(m1, float(beta1), 1 - float(beta1), u)
    square = u * u
    _average(m2, float(beta2), 1 - float(beta2), square)
    _average(m3, float(beta3), 1 - float(beta3), square * u)

    C = m1 * unbias(beta1, t, debiased)
    B = np.sqrt(m2 * unbias(beta2, t, debiased))
    A = third_order(m3 * unbias(beta3, t, debiased), mode)

    up, down = SCALES[u.dtype]
    below = B < CBRT[u.dtype].one
    scale = np.where(below, up, down)
    unscale = 1 / scale  # exact: a power of two
    a, b, c = A * scale, B * scale, C * scale
    discriminant = b * b - 4 * a * c
    root = B + np.sqrt(discriminant) * unscale

    no_root = (discriminant < 0) | (root == 0) | (B == np.inf)
    numerator = np.where(no_root, C, 2 * C)
    denominator = np.where(no_root, B + float(eps), root)
    nothing = (c == 0) | (denominator == 0)
    return _result(out, np.where(nothing, np.zeros((), u.dtype), float(alpha) * (numerator / denominator)))


def third_order(m3: Vector, mode: str) -> Vector:
    """The coefficient ``A`` that CubicAdam makes of the (debiased) average of ``u^3``.

    Raises
    ------
    ValueError
        For a mode that is not one of `MODES`.

    Examples
    --------
    >>> third_order(np.array([-8.0]), "signed_cbrt"), third_order(np.array([-8.0]), "halve")
    (array([-2.]), array([-4.]))
    """
    if mode == "signed_cbrt":
        return cbrt(m3)
    if mode == "unsigned_cbrt":
        return cbrt(np.abs(m3))
    if mode == "halve":
        return m3 * 0.5
    raise ValueError(f"cubic_adam: mode must be one of {', '.join(MODES)}, got {mode!r}")


def unbias(beta: float, t: int, debiased: bool) -> float:
    """The factor ``1 / (1 - beta^t)`` that an average of t terms lacks; 1 when it is left alone.

    A product with it costs less than a division in every coordinate, which would dominate long vectors.

    Examples
    --------
    >>> unbias(0.5, 1, True), unbias(0.5, 1, False)
    (2.0, 1.0)
    """
    return 1 / (1 - float(beta) ** int(t)) if debiased else 1.0


def _average(m: Vector, decay: float, weight: float, value: Vector) -> None:
    """Update ``m <- decay m + weight value`` in place."""
    m *= decay
    m += weight * value


def _result(out: Vector | None, value: Vector) -> Vector:
    """Put ``value``, a new array, into ``out`` if there is one."""
    if out is None:
        return value
    out[...] = value
    return out
