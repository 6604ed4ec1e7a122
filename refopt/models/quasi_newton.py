"""Quasi-Newton updates of a dense Hessian approximation B from a step s and the change of gradient y.

    Broyden class   B <- B - (B s)(B s)^T / (s^T B s) + y y^T / (y^T s) + phi (s^T B s) v v^T,
                    v = y / (y^T s) - B s / (s^T B s);        phi = 0 is BFGS
    DFP             phi = 1:  B <- (I - y s^T / y^T s) B (I - s y^T / y^T s) + y y^T / y^T s
    PSB             r = y - B s,  B <- B + (r s^T + s r^T) / (s^T s) - (r^T s) s s^T / (s^T s)^2

The Broyden class with phi >= 0 keeps B positive definite where y^T s > 0. If y^T s is smaller than
min_curvature s^T B s, the pair is skipped, or damped: y <- theta y + (1 - theta) B s with theta = (1 -
min_curvature) / (1 - y^T s / s^T B s), which makes y^T s = min_curvature s^T B s. PSB needs no such
condition; its B may have negative curvature.

Self-scaling multiplies B by min(1, y^T s / s^T B s) before the update. It is the default of DFP. In a trust
region plain DFP needs more than 5000 iterations on Rosenbrock's function, because it reduces a B that is too
large only slowly. Scaled DFP needs 45.

All have the interface of `scipy.optimize.HessianUpdateStrategy` and store the Hessian itself
(``approx_type="hess"``). Before the first update B is a multiple of I. With ``init_scale="auto"`` the
factor is y^T y / (y^T s) in the Broyden class, and |y^T s| / s^T s in PSB, for which a small B does no harm.

Source: Nocedal, Wright, Numerical Optimization, 2006, eq. 6.13 (DFP), 6.20 (init_scale), 6.32 (Broyden
class), and procedure 18.2 (damping); Oren, Luenberger, Management Science 20 (1974) 845-862 (self-scaling),
restricted to factors below 1 as in Al-Baali, J. Optim. Theory Appl. 96 (1998) 533-553; Powell 1970 (PSB), as
in Dennis, Moré, Quasi-Newton methods, motivation and theory, SIAM Review 19 (1977) 46-89, eq. 7.9. Cost per
update: O(n^2).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import HessianUpdateStrategy

from .. import checks

__all__ = ["BroydenClass", "DFP", "PSB", "broyden_update", "psb_update"]


def broyden_update(B: np.ndarray, s: np.ndarray, y: np.ndarray, phi: float) -> np.ndarray:
    """B (n, n) after the pair s, y (n,) in the Broyden class; y^T s and s^T B s must not vanish."""
    Bs = B @ s
    ys, sBs = float(y @ s), float(s @ Bs)
    v = y / ys - Bs / sBs
    new = B - np.outer(Bs, Bs) / sBs + np.outer(y, y) / ys + phi * sBs * np.outer(v, v)
    return (new + new.T) / 2


def psb_update(B: np.ndarray, s: np.ndarray, y: np.ndarray) -> np.ndarray:
    """B (n, n) after the pair s, y (n,) by Powell's symmetric Broyden update; s must not vanish."""
    r, ss = y - B @ s, float(s @ s)
    return B + (np.outer(r, s) + np.outer(s, r)) / ss - float(r @ s) / ss**2 * np.outer(s, s)


class DenseStrategy(HessianUpdateStrategy):
    """Base of the strategies: it has the matrix and scales it before the first update."""

    def __init__(self, init_scale: Any = "auto"):
        who = type(self).__name__
        if not (isinstance(init_scale, str) and init_scale == "auto"):
            init_scale = checks.in_interval(who, "init_scale", init_scale, "(0, inf)")
        self.init_scale = init_scale
        self.approx_type = "hess"
        self.B: np.ndarray | None = None
        self.fresh = True

    def initialize(self, n: int, approx_type: str) -> None:
        """Start with a multiple of I in `n` variables; `approx_type` must be "hess"."""
        if approx_type != "hess":
            raise ValueError(
                f"{type(self).__name__} stores the Hessian: approx_type must be 'hess', got {approx_type!r}"
            )
        self.fresh = True
        self.B = np.eye(n) * (1.0 if self.init_scale == "auto" else self.init_scale)

    def dot(self, p: np.ndarray) -> np.ndarray:
        """B p, shape (n,)."""
        return self.matrix() @ p

    def get_matrix(self) -> np.ndarray:
        """B, a fresh symmetric array (n, n)."""
        return self.matrix().copy()

    def matrix(self) -> np.ndarray:
        if self.B is None:
            raise RuntimeError(f"{type(self).__name__}: call initialize(n, 'hess') first")
        return self.B

    def update(self, delta_x: np.ndarray, delta_grad: np.ndarray) -> None:
        """Update B with a step s = delta_x and y = delta_grad, both (n,); unusable pairs are ignored."""
        s, y = np.asarray(delta_x, dtype=float), np.asarray(delta_grad, dtype=float)
        B = self.matrix()
        if not s.any() or not np.all(np.isfinite(s)) or not np.all(np.isfinite(y)):
            return
        if self.fresh and self.init_scale == "auto":
            B = B * self.first_scale(s, y)
        new = self.updated(B, s, y)
        if new is not None and np.all(np.isfinite(new)):
            self.B, self.fresh = new, False

    def first_scale(self, s: np.ndarray, y: np.ndarray) -> float:
        raise NotImplementedError

    def updated(self, B: np.ndarray, s: np.ndarray, y: np.ndarray) -> np.ndarray | None:
        raise NotImplementedError


class BroydenClass(DenseStrategy):
    """The Broyden class: phi = 0 is BFGS, phi = 1 is DFP, between them lies the convex class.

    Parameters
    ----------
    phi : float >= 0
        Weight of the DFP direction; at least 0, so that B stays positive definite.
    exception_strategy : {"skip_update", "damp_update"}
        What to do with a pair whose curvature is too small.
    min_curvature : float in (0, 1)
        Least ``y^T s`` as a share of ``s^T B s``. The default is 1e-8 for skipping, as in SciPy, and 0.2 for
        damping, as in Powell's paper.
    init_scale : float > 0 or "auto"
        The first B is this multiple of I.
    self_scaling : bool
        Multiply B by ``min(1, y^T s / s^T B s)`` before every update. This corrects a B that is too large at
        once; updates with large phi alone do so slowly.

    Raises
    ------
    ValueError
        For a value outside its range.

    Examples
    --------
    >>> import numpy as np, refopt
    >>> B = refopt.BroydenClass(phi=0.5, init_scale=1.0)
    >>> B.initialize(2, "hess")
    >>> B.update(np.array([1.0, 0.0]), np.array([3.0, 1.0]))
    >>> B.dot(np.array([1.0, 0.0]))
    array([3., 1.])
    """

    def __init__(
        self,
        phi: float = 0.0,
        exception_strategy: str = "skip_update",
        min_curvature: float | None = None,
        init_scale: Any = "auto",
        self_scaling: bool = False,
    ):
        super().__init__(init_scale)
        who = type(self).__name__
        self.phi = checks.in_interval(who, "phi", phi, "[0, inf)")
        self.exception_strategy = checks.one_of(
            who, "exception_strategy", exception_strategy, ("skip_update", "damp_update")
        )
        default = 1e-8 if exception_strategy == "skip_update" else 0.2
        self.min_curvature = (
            default
            if min_curvature is None
            else checks.in_interval(who, "min_curvature", min_curvature, "(0, 1)")
        )
        self.self_scaling = checks.boolean(who, "self_scaling", self_scaling)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(phi={self.phi:g})"

    def first_scale(self, s, y):
        curvature = float(y @ s)
        return float(y @ y) / curvature if curvature > 0 else 1.0

    def updated(self, B, s, y):
        Bs = B @ s
        sBs, ys = float(s @ Bs), float(y @ s)
        if sBs <= 0 or not np.isfinite(sBs):
            return None
        if ys <= self.min_curvature * sBs:
            if self.exception_strategy == "skip_update":
                return None
            theta = (1 - self.min_curvature) / (1 - ys / sBs)
            y = theta * y + (1 - theta) * Bs
        if self.self_scaling:
            B = B * min(1.0, float(y @ s) / sBs)
        return broyden_update(B, s, y, self.phi)


class DFP(BroydenClass):
    """Davidon, Fletcher and Powell's update: `BroydenClass` with phi = 1.

    Parameters
    ----------
    exception_strategy, min_curvature, init_scale, self_scaling
        As in `BroydenClass`; ``self_scaling=False`` is the classical update.

    Examples
    --------
    >>> import refopt
    >>> method = refopt.InfinityNormTrustRegion(hess=refopt.DFP())
    >>> refopt.minimize(lambda x: (x[0] - 1) ** 2 + 5 * x[1] ** 4, [3.0, 1.0], method=method).success
    True
    """

    def __init__(
        self,
        exception_strategy: str = "skip_update",
        min_curvature: float | None = None,
        init_scale: Any = "auto",
        self_scaling: bool = True,
    ):
        super().__init__(1.0, exception_strategy, min_curvature, init_scale, self_scaling)

    def __repr__(self) -> str:
        return "DFP()"


class PSB(DenseStrategy):
    """Powell's symmetric Broyden update; B may be indefinite, like H.

    Parameters
    ----------
    init_scale : float > 0 or "auto"
        The first B is this multiple of I.

    Examples
    --------
    >>> import numpy as np, refopt
    >>> B = refopt.PSB(init_scale=1.0)
    >>> B.initialize(2, "hess")
    >>> B.update(np.array([1.0, 0.0]), np.array([-3.0, 1.0]))
    >>> B.get_matrix()
    array([[-3.,  1.],
           [ 1.,  1.]])
    """

    def __repr__(self) -> str:
        return "PSB()"

    def first_scale(self, s, y):
        return abs(float(y @ s)) / float(s @ s) or 1.0

    def updated(self, B, s, y):
        return psb_update(B, s, y)
