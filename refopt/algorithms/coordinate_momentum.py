"""The method CoordinateMomentum."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .. import checks, kernels
from ..method import Method, option

__all__ = ["CoordinateMomentum"]


class CoordinateMomentumState(NamedTuple):
    """Changes at every step; the array is overwritten in place."""

    t: int  # steps taken
    v: np.ndarray  # (n,) of the dtype of x, the buffer
    rng: np.random.Generator  # source of the masks; advanced by n numbers per step unless `mask` is given


def coordinate_momentum(u, *, v, mask):
    """Set ``v_i <- u_i`` in place where the boolean mask (n,) is True; returns a copy of `v` (n,).

    Examples
    --------
    >>> v = np.zeros(2)
    >>> coordinate_momentum(np.array([3.0, 4.0]), v=v, mask=np.array([False, True]))
    array([0., 4.])
    """
    np.copyto(v, u, where=mask)
    return v.copy()


@dataclasses.dataclass(frozen=True)
class CoordinateMomentum(Method):
    """A momentum buffer whose coordinates are refreshed at random.

        b_i = 1 with probability p, independently         a fresh mask in every step
        v_i <- u_i   where b_i = 1, unchanged elsewhere   v = 0 at the start
        output  v

    On average a coordinate of v is 1/p - 1 steps old. Old coordinates reduce the largest stable step
    size. On a quadratic with curvature L gradient descent converges for lr < 2/L, this method (in
    the mean square) only for lr < 2p / ((2 - p) L), which is 0.105/L at p = 0.1. It is not a
    substitute for momentum.

    Parameters
    ----------
    p : float in [0, 1]
        Probability that a coordinate is refreshed.
    mask : callable, sequence of arrays, or None
        Replaces the random masks, to replay the run of another program: ``mask(t, n)`` with t = 0,
        1, ..., or ``mask[t]``, a boolean array (n,).

    Raises
    ------
    TypeError, ValueError
        For `p` outside [0, 1], or a `mask` of another type. In a run, for a given mask of the wrong
        shape, or if there are fewer masks than steps.

    Notes
    -----
    Source: `torchzero` 0.4.4, ``CoordinateMomentum``.

    Deviations: none except the random numbers, which are NumPy's; `mask` can replay those of the
    original.

    Cost per step: n random numbers and one pass over three vectors, no evaluations. Memory n.

    Examples
    --------
    >>> import refopt
    >>> res = refopt.minimize(lambda x: (x[0] - 3) ** 2 + x[1] ** 2, [1.0, 1.0], method="CoordinateMomentum",
    ...                       options={"lr": 0.02, "maxiter": 3000}, rng=0)
    >>> res.success, bool(abs(res.x - [3, 0]).max() < 1e-3)
    (True, True)
    """

    p: float = option(0.1, "[0, 1]")  # as in torchzero 0.4.4
    mask: Callable[[int, int], Any] | Sequence[Any] | None = None

    def __post_init__(self):
        super().__post_init__()
        if not (self.mask is None or callable(self.mask) or hasattr(self.mask, "__getitem__")):
            raise TypeError(
                "CoordinateMomentum: mask must be a function (t, n) -> booleans, a sequence of "
                f"boolean arrays or None, got {checks.describe(self.mask)}"
            )

    needs: ClassVar[frozenset[str]] = frozenset({"rng"})
    elementwise: ClassVar[bool] = True

    def init(self, x, shapes=None, rng=None):
        return CoordinateMomentumState(0, np.zeros_like(x), np.random.default_rng() if rng is None else rng)

    def step(self, point, update, state):
        mask = self.draw(state, update.size)
        out = kernels.fastest(coordinate_momentum, update.size)(update, v=state.v, mask=mask)
        return out, CoordinateMomentumState(state.t + 1, state.v, state.rng)

    def randomness(self, rng):
        return None if self.mask is not None else lambda t, n: rng.random(n) < self.p

    def replaying(self, source):
        return dataclasses.replace(self, mask=source)

    def draw(self, state: CoordinateMomentumState, n: int) -> np.ndarray:
        """The mask of this step, boolean (n,)."""
        if self.mask is None:
            return state.rng.random(n) < self.p
        if callable(self.mask):
            mask = np.asarray(self.mask(state.t, n))
        elif state.t < len(self.mask):
            mask = np.asarray(self.mask[state.t])
        else:
            raise ValueError(
                f"CoordinateMomentum: step {state.t} needs a mask, but only {len(self.mask)} were given"
            )
        if mask.shape != (n,):
            raise ValueError(
                f"CoordinateMomentum: the mask of step {state.t} must have shape ({n},), got {mask.shape}"
            )
        return mask.astype(bool)
