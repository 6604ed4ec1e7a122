"""The method CubicAdam, and its formula, which SubspaceCubicAdam shares."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import numpy as np

from .. import kernels
from ..kernels.averages import average, unbias
from ..kernels.cbrt import cbrt
from ..kernels.scales import SCALES
from ..method import Method, option

__all__ = ["CubicAdam"]

MODES = ("signed_cbrt", "unsigned_cbrt", "halve")


class CubicAdamState(NamedTuple):
    """Changes at every step; the arrays, of the dtype of x, are overwritten in place."""

    t: int  # steps taken
    m1: np.ndarray  # (n,) average of u
    m2: np.ndarray  # (n,) average of u^2
    m3: np.ndarray  # (n,) average of u^3


def third_order(m3: np.ndarray, mode: str) -> np.ndarray:
    """The coefficient A (n,) of the cubic, from the average m3 (n,) of u^3.

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


@np.errstate(all="ignore")
def cubic_adam(u, *, m1, m2, m3, t, beta1, beta2, beta3, eps, debiased, alpha, mode):
    """CubicAdam's update (n,) for `u` (n,), step number `t` from 1; m1, m2 and m3 (n,) change in place.

    In the discriminant the three coefficients are multiplied by one power of two. This changes no
    digit and prevents overflow and underflow. Numbers that are too large or small for the averages:

    - ``u^2`` underflows (``|u|`` below 1e-162, in float32 1e-23): ``B = 0`` and there is no root, so
      the step is Adam's, ``-C/eps``, or 0 if ``eps`` is 0 too.
    - ``u^3`` overflows (``|u|`` above 5e102, in float32 7e12): ``A`` is infinite, and ``d`` is the
      limit, 0 where the root exists (``AC < 0``) and Adam's step where it does not. After overflows
      of both signs ``m3`` is NaN.
    - ``u^2`` overflows: ``B`` is infinite and ``d = 0``, which is Adam's step.
    - ``u`` is NaN or infinite: the result is NaN.

    Examples
    --------
    With a third average of zero it is Adam:

    >>> u, (m1, m2, m3) = np.array([3.0, 0.0]), np.zeros((3, 2))
    >>> cubic_adam(u, m1=m1, m2=m2, m3=m3, t=1, beta1=0.5, beta2=0.5, beta3=1.0, eps=1e-8, debiased=False,
    ...            alpha=1.0, mode="signed_cbrt")
    array([0.70710678, 0.        ])
    """
    square = u * u
    average(m1, beta1, u)
    average(m2, beta2, square)
    average(m3, beta3, square * u)
    C = m1 * unbias(beta1, t, debiased)
    B = np.sqrt(m2 * unbias(beta2, t, debiased))
    A = third_order(m3 * unbias(beta3, t, debiased), mode)

    up, down = SCALES[u.dtype]
    scale = np.where(B < 1, up, down)
    unscale = 1 / scale  # exact: a power of two
    a, b, c = A * scale, B * scale, C * scale
    discriminant = b * b - 4 * a * c
    root = B + np.sqrt(discriminant) * unscale

    no_root = (discriminant < 0) | (root == 0) | (B == np.inf)
    numerator = np.where(no_root, C, 2 * C)
    denominator = np.where(no_root, B + float(eps), root)
    nothing = (c == 0) | (denominator == 0)
    return np.where(nothing, np.zeros((), u.dtype), float(alpha) * (numerator / denominator))


@dataclasses.dataclass(frozen=True)
class CubicAdam(Method):
    """Adam with a third moment: the local minimiser of a cubic in each coordinate.

        m1 <- beta1 m1 + (1 - beta1) u      C = m1 / (1 - beta1^t)
        m2 <- beta2 m2 + (1 - beta2) u^2    B = sqrt(m2 / (1 - beta2^t))
        m3 <- beta3 m3 + (1 - beta3) u^3    A = cbrt(m3 / (1 - beta3^t))        mode="signed_cbrt"

        d = argmin_local  A/3 d^3 + B/2 d^2 + C d  =  -2 C / (B + sqrt(B^2 - 4 A C))
        d = -C / (B + eps)                          where B^2 < 4 A C: no stationary point, Adam's step
        output  -alpha d                            (the driver subtracts it)

    t = 1, 2, ... is the number of the step, m1 = m2 = m3 = 0 at the start. A step size follows as
    `LR`.

    While u is constant, A, B and C are equal up to sign. Then the discriminant B^2 - 4 A C is
    negative and the step is Adam's, so the cubic matters only where gradients change sign. Expect
    the behaviour of Adam, not a better one.

    Parameters
    ----------
    beta1, beta2, beta3 : floats in [0, 1)
        Decay of the averages of u, u^2 and u^3.
    eps : float >= 0
        Added to B where the step is Adam's.
    debiased : bool
        False: the averages are not divided by 1 - beta^t.
    alpha : float
        Factor of the output.
    mode : {"signed_cbrt", "unsigned_cbrt", "halve"}
        A is the cube root of the third average, the cube root of its absolute value, or half of it.

    Raises
    ------
    TypeError, ValueError
        For a hyperparameter of another type or outside its range.

    Notes
    -----
    Source: `torchzero` 0.4.4, ``CubicAdam``.

    Deviations: the original uses the textbook root (-B +- sqrt(B^2 - 4 A C)) / (2 A) with 2 A
    clipped away from zero, which is NaN at A = 0 and wrong by orders of magnitude for tiny A. The
    root above is the same local minimiser without division by A and without cancellation; A -> 0
    gives -C/B, and C = 0 gives 0.

    Cost per step: one pass over five vectors, no evaluations. Memory 3 n.

    Examples
    --------
    >>> import refopt
    >>> res = refopt.minimize(lambda x: (x[0] - 3) ** 2, [1.0], method="CubicAdam", options={"lr": 0.05})
    >>> res.success, res.x.round(4)
    (True, array([3.]))
    """

    beta1: float = option(0.9, "[0, 1)")  # all as in torchzero 0.4.4
    beta2: float = option(0.99, "[0, 1)")
    beta3: float = option(0.99, "[0, 1)")
    eps: float = option(1e-8, "[0, inf)")
    debiased: bool = option(True, bool)
    alpha: float = option(1.0, "(-inf, inf)")
    mode: str = option("signed_cbrt", MODES)

    elementwise: ClassVar[bool] = True

    def init(self, x, shapes=None, rng=None):
        return CubicAdamState(0, np.zeros_like(x), np.zeros_like(x), np.zeros_like(x))

    def step(self, point, update, state):
        t = state.t + 1
        out = kernels.fastest(cubic_adam, update.size)(
            update,
            m1=state.m1,
            m2=state.m2,
            m3=state.m3,
            t=t,
            beta1=self.beta1,
            beta2=self.beta2,
            beta3=self.beta3,
            eps=self.eps,
            debiased=self.debiased,
            alpha=self.alpha,
            mode=self.mode,
        )
        return out, CubicAdamState(t, state.m1, state.m2, state.m3)
