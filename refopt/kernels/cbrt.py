"""The cube root as a short chain of correctly rounded operations, the same in NumPy and in compiled code."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class CbrtFormat(NamedTuple):
    """Constants of `cbrt` for one floating-point format: arrays of shape () and of its dtype."""

    bits: type  # the integer type of the same width
    one: np.ndarray
    scale: tuple[np.ndarray, np.ndarray]  # 8^k, which makes every subnormal number normal, and its inverse
    root: tuple[np.ndarray, np.ndarray]  # 2^k and its inverse
    magic: np.ndarray  # bits(s^(-1/3)) is nearly magic - bits(s)/3; minimises max |1 - s z^3| (it is 0.10)
    shift: np.ndarray  # with `third`, bits/3 is computed as (bits >> shift) * third
    third: np.ndarray  # 2^shift / 3
    mask: np.ndarray  # keeps so few leading bits (17 of 53, 8 of 24) that the cube is exact
    p: tuple[np.ndarray, ...]  # (1 - r)^(-1/3) = 1 + p0 r + p1 r^2 + p2 r^3 + ...
    q: tuple[np.ndarray, ...]  # (1 + rho)^(1/3) = 1 + q0 rho - q1 rho^2 + q2 rho^3 - q3 rho^4 + ...


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


@np.errstate(all="ignore")
def cbrt(x: np.ndarray) -> np.ndarray:
    """The cube root (n,) of `x` (n,), float32 or float64, within 1 ulp: one division, no library ``pow``.

    A guess of ``s^(-1/3)`` is read off the exponent bits and refined once by the series of
    ``z (1 - r)^(-1/3)`` in ``r = 1 - s z^3``. That gives a short ``y`` whose cube is exact, so that
    ``rho = (s - y^3) / y^3`` has one rounding error, and the series of ``y (1 + rho)^(1/3)`` ends
    within 1 ulp of the true root. Zeros (with their sign), infinities and NaN are returned as they
    are.

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
    return np.where(ordinary, np.copysign(y, x), x)
