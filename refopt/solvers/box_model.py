"""A model of any order over the bounds of x within a box: a region for `refopt.solvers.ball.minimise_in`.

    minimise  m(s)   over   max(low, -r) <= s <= min(high, r),   low <= 0 <= high

At the iterate y the quadratic expansion of m plus ``mu/2 |z - y|^2`` is minimised over the box (see `box`;
from products alone `box_cg`). Where it is not convex, the answer is the local minimiser that an active-set
method finds from y. The certificate is the residual of the first order conditions: the gradient of m without
the entries that a multiplier of the right sign balances at an edge. Edges that are met are met exactly. The
curvature is the least eigenvalue of the Hessian in the variables that are free to move.

Source: C. Cartis, N. I. M. Gould, Ph. L. Toint, arXiv 1705.04895 (steps of methods with high order models are
minimisers of the model over the convex set of the constraints, up to first order); Conn, Gould, Toint,
Trust-Region Methods, 2000, section 12.1 (regions of bounds and the infinity norm).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ..models.taylor import Expansion
from ..views.face import inward
from .box import quadratic_step
from .box_cg import conjugate_gradient_step
from .norm import nrm2

__all__ = ["Box", "BoxQuadratic"]


@dataclasses.dataclass(frozen=True)
class Box:
    """The bounds `low` and `high` of s, (n,), within ``|s|_inf <= size``."""

    low: np.ndarray
    high: np.ndarray
    size: float

    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        return np.maximum(self.low, -self.size), np.minimum(self.high, self.size)

    def gradient(self, y: np.ndarray, g: np.ndarray) -> np.ndarray:
        """The gradient g without the entries that the bounds balance."""
        return inward(y, g, (self.low, self.high))

    def certificate(self, y: np.ndarray, g: np.ndarray) -> tuple[float, np.ndarray]:
        """``(lam, left)``: what is left of the gradient g; lam |y| is the force of the edges that are no
        bounds.

        Examples
        --------
        >>> box = Box(np.array([0.0, -9.0, -9.0]), np.full(3, 9.0), 2.0)
        >>> lam, left = box.certificate(np.array([0.0, 2.0, 0.0]), np.array([1.0, -3.0, 4.0]))
        >>> lam, left.tolist()
        (1.5, [0.0, 0.0, 4.0])
        """
        left = inward(y, g, self.edges())
        force = nrm2(self.gradient(y, g) - left)
        return (force / nrm2(y) if force else 0.0), left

    def quadratic(self, at: Expansion, y: np.ndarray, left: np.ndarray, tol: float) -> BoxQuadratic:
        """The expansion `at` of a model at y, to be minimised over the box."""
        return BoxQuadratic(self, at, y, tol)


class BoxQuadratic:
    """The quadratic expansion of a model at y; `w` are the eigenvalues in the free variables, if known."""

    stiff = True  # `stiffen` is for curved regions

    def __init__(self, box: Box, at: Expansion, y: np.ndarray, tol: float):
        self.g, self.H, self.product, self.y, self.tol = at.gradient, at.hessian, at.product, y, tol
        self.low, self.high = box.edges()
        self.w = np.zeros(1)
        pinned = (y <= self.low) & (self.g > 0) | (y >= self.high) & (self.g < 0) | (self.low == self.high)
        if self.H is not None and not pinned.all():
            self.w = np.linalg.eigvalsh(self.H[np.ix_(~pinned, ~pinned)])

    def stiffen(self) -> None:
        pass

    def least(self, lam: float) -> float:
        """The least curvature; the edges of a box have none, whatever their multipliers."""
        return float(self.w[0])

    def minimise(self, mu: float, r: float) -> tuple[np.ndarray, float]:
        """A minimiser z of the expansion plus ``mu/2 |z - y|^2`` over the box, and the decrease there."""
        lower, upper = self.y - self.high, self.y - self.low
        if self.H is not None:
            shifted = self.H + mu * np.eye(self.y.size) if mu else self.H
            d, _ = quadratic_step(shifted, self.g, lower, upper, local=True)
        else:
            product = lambda v: self.product(v) + mu * v  # noqa: E731
            d, _ = conjugate_gradient_step(product, self.g, lower, upper, self.tol)
        z = np.clip(self.y - d, self.low, self.high)
        z = np.where(d >= upper, self.low, np.where(d <= lower, self.high, z))
        d = self.y - z
        Hd = self.H @ d if self.H is not None else self.product(d)
        return z, float(d @ self.g) - 0.5 * float(d @ Hd)
