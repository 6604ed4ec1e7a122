"""The objective phi of GradMin: the size of the gradient of another objective, mixed with its value.

    S = k sum_i |g_i|   or   k sum_i g_i^2          k = 1/n or 1;   w = dS/dg = k sign(g)   or   2 k g
    grad S = H w                                    one Hessian-vector product
    (hess S) v = T[w] v   or   T[w] v + 2 k H H v   products only; T is the third derivative

With a loss term t, and the scale c of a graft held constant, phi is a polynomial psi(f, S), linear in f and
in S:

    G = c_G S (f)      c_G = f/S with graft="grad_to_loss",   times f with relative="grad_to_loss"
    L = c_L f (G)      c_L = G/f with graft="loss_to_grad",   times c_G S with relative="loss_to_grad"
    psi = t L + G      times -1 with `maximize`

    grad phi = psi_f g + psi_S H w
    hess phi = psi_f H + psi_S hess S + psi_fS (g (H w)^T + (H w) g^T)

Absolute values are differentiated between their kinks. For a quadratic f, S is then piecewise linear and
hess S = 0.

Source: the options of `torchzero` 0.4.4, ``GradMin``. The order of the four changes was found by running it.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from ..objective import Objective, Point, quadratic_model
from ..returned import symmetrised

__all__ = ["GradientSize", "Mixture", "mixture"]


class Mixture(NamedTuple):
    """psi(f, S) and its derivatives, with the scales of grafts held constant."""

    value: float
    by_f: float
    by_S: float
    by_fS: float


def mixture(
    f: float, S: float, loss_term: float, relative: str | None, graft: str | None, maximize: bool
) -> Mixture:
    """The `Mixture` of the loss and the size of the gradient; not finite if a graft divides by zero."""
    f, S = np.float64(f), np.float64(S)
    with np.errstate(all="ignore"):
        c = f / S if graft == "grad_to_loss" else 1.0
        G, G_f, G_S, G_fS = c * S, 0.0, c, 0.0
        if relative == "grad_to_loss":
            G, G_f, G_S, G_fS = c * S * f, c * S, c * f, c
        t = loss_term
        if t and graft == "loss_to_grad":
            t = t * G / f
        L, L_f, L_S, L_fS = f, 1.0, 0.0, 0.0
        if relative == "loss_to_grad":
            L, L_f, L_S, L_fS = f * c * S, c * S, f * c, c
        sign = -1.0 if maximize else 1.0
        return Mixture(
            *(
                float(sign * (t * of_L + of_G) if t else sign * of_G)
                for of_L, of_G in ((L, G), (L_f, G_f), (L_S, G_S), (L_fS, G_fS))
            )
        )


@dataclasses.dataclass(frozen=True)
class Terms:
    """The definition of phi; the fields are options of `GradMin`."""

    loss_term: float
    relative: str | None
    graft: str | None
    square: bool
    mean: bool
    maximize: bool
    modify_value: bool
    keep_graph: bool

    def size(self, g: np.ndarray) -> float:
        """S of a gradient (n,)."""
        total = np.dot(g, g) if self.square else np.abs(g).sum()
        return float(total / g.size if self.mean else total)

    def weight(self, g: np.ndarray) -> np.ndarray:
        """``w = dS/dg``, shape (n,)."""
        k = g.dtype.type(1 / g.size if self.mean else 1.0)
        return 2 * k * g if self.square else k * np.sign(g)

    def curvature(self, n: int) -> float:
        """``d2S/dg_i2``: 2 k for squares, 0 for absolute values."""
        return (2 / n if self.mean else 2.0) if self.square else 0.0

    def mixture(self, point: Point) -> Mixture:
        """psi at a point of the original objective."""
        return mixture(point.f, self.size(point.g), self.loss_term, self.relative, self.graft, self.maximize)


class GradientSize(Objective):
    """phi as an objective over the points of `parent`, which does and counts all evaluations."""

    def __init__(self, parent: Objective, terms: Terms):
        super().__init__()
        self.parent, self.terms = parent, terms
        self.n, self.dtype, self.shapes, self.bounds = parent.n, parent.dtype, parent.shapes, parent.bounds

    def __eq__(self, other: object) -> bool:
        """Two are equal if they have the same parent and terms; stored points do not matter."""
        return isinstance(other, GradientSize) and self.parent is other.parent and self.terms == other.terms

    def __hash__(self) -> int:
        return hash((id(self.parent), self.terms))

    def original(self, point: Point) -> Point:
        """The point of `parent` at the same x."""
        if "original" not in point.memo:
            point.memo["original"] = self.parent.at(point.x)
        return point.memo["original"]

    def mixture(self, point: Point) -> Mixture:
        if "mixture" not in point.memo:
            point.memo["mixture"] = self.terms.mixture(self.original(point))
        return point.memo["mixture"]

    def value(self, point):
        return self.mixture(point).value if self.terms.modify_value else self.original(point).f

    def gradient(self, point):
        below, psi = self.original(point), self.mixture(point)
        g = self.size_gradient(point) * self.dtype.type(psi.by_S)
        return g + below.g * self.dtype.type(psi.by_f) if psi.by_f else g

    def size_gradient(self, point: Point) -> np.ndarray:
        """``grad S = H w``: one product."""
        if "Hw" not in point.memo:
            if self.terms.keep_graph:
                self._open(point)
            else:
                below = self.original(point)
                point.memo["Hw"] = below.hvp(self.terms.weight(below.g))
        return point.memo["Hw"]

    def _open(self, point: Point) -> None:
        """Record the graph of ``H w``, which gives the products with T[w]."""
        below = self.original(point)
        Hw, third = below.objective.third(below, self.terms.weight(below.g))
        point.memo.setdefault("Hw", Hw)
        point.memo["third"] = third

    def product(self, point, v):
        if "third" not in point.memo:
            self._open(point)
        below, psi = self.original(point), self.mixture(point)
        g, Hw, curvature = below.g, self.size_gradient(point), self.terms.curvature(self.n)
        out = point.memo["third"](v) * self.dtype.type(psi.by_S)
        if psi.by_f or curvature:
            Hv = below.hvp(v)
            out = out + Hv * self.dtype.type(psi.by_f)
            if curvature:
                out = out + below.hvp(Hv) * self.dtype.type(psi.by_S * curvature)
        if psi.by_fS:
            out = out + (g * np.dot(Hw, v) + Hw * np.dot(g, v)) * self.dtype.type(psi.by_fS)
        return out

    def hessian(self, point) -> Any:
        columns = [self.product(point, e) for e in np.eye(self.n, dtype=self.dtype)]
        return symmetrised(np.stack(columns, axis=1), "the matrix of products of phi")

    def tensors(self, point, order):
        second_at_most(order)
        parts = [np.asarray(point.f, dtype=self.dtype), point.g]
        return [*parts, point.dense_hessian()] if order == 2 else parts[: order + 1]

    def model(self, point, s, order):
        second_at_most(order)
        return quadratic_model(point, s, order)


def second_at_most(order: int) -> None:
    """Raise an error for a Taylor polynomial of phi of order above 2."""
    if order > 2:
        raise TypeError(
            f"GradMin: phi has derivatives up to order 2, but order {order} was asked for; "
            "give the inner method order=2"
        )
