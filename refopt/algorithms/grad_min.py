"""The method GradMin."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar, NamedTuple

from ..method import Method, as_method, option
from ..objective import Point
from ..status import Status, Stop
from ..views.gradient_size import GradientSize, Terms

__all__ = ["GradMin"]

DIRECTIONS = ("loss_to_grad", "grad_to_loss")


class GradMinState(NamedTuple):
    """Changes at every step."""

    inner: Any  # state of the inner methods
    phi: GradientSize | None  # the objective of the inner methods; None before the first step
    value: float  # phi at the start of the last step
    size: float  # S there


@dataclasses.dataclass(frozen=True)
class GradMin(Method):
    """Minimise the size of the gradient instead of the function.

        S(x)   = mean_i |g_i|      (square: mean_i g_i^2;   mean=False: the sum)
        phi(x) = loss_term L + G,  L = f and G = S unless one of these changes them, in this order:
            graft="grad_to_loss"      G = c S       c = f/S held constant: the value of f, the direction of S
            relative="grad_to_loss"   G <- G f      both factors differentiated
            graft="loss_to_grad"      L = c f       c = G/f held constant
            relative="loss_to_grad"   L <- L G      both factors differentiated
        maximize_grad                 phi <- -phi

        output  that of the inner methods, which see phi(x) and  grad phi = phi_f g + phi_S H w,   w = dS/dg

    The incoming update is not used; grad phi replaces it, so GradMin must be first in a chain.

    Do not expect minimisers. With loss_term=0 phi is least at every stationary point of f, so
    minima, saddles and maxima attract alike. On f = cos(x_1) + cos(x_2), started uniformly in [0, 2
    pi]^2 (200 starts, seed 0, square=True, LBFGS with StrongWolfe), 44 runs end in a minimum, 50 in
    a maximum and 106 in a saddle. On x^2 - y^2 + y^4, whose saddle every descent method leaves, 65
    of 100 starts in [-1, 1]^2 end there. phi can have further minima where g is not 0 (H g = 0). The
    condition number of the Hessian of mean g^2 at a minimiser is the square of that of H.

    Parameters
    ----------
    inner : method or sequence of methods
        They see phi instead of f: gradient, value, Hessian-vector products and Hessian.
    loss_term : float or None
        Weight of f in phi. None is 0.
    relative : {None, "loss_to_grad", "grad_to_loss"}
        Multiply the loss term by the gradient term, or the other way round; the product is
        differentiated.
    graft : {None, "loss_to_grad", "grad_to_loss"}
        Rescale the loss term to the value of the gradient term, or the other way round. The scale
        is held constant in all derivatives, so they are not the derivatives of the value, and line
        searches may stall.
    square : bool
        Squares instead of absolute values. Newton-type inner methods need this: absolute values
        have kinks, and for a quadratic f no curvature between them.
    mean : bool
        True: the mean over coordinates. False: the sum.
    maximize_grad : bool
        Minimise -phi, including the loss term.
    create_graph : bool
        Record the graph of the gradient of phi while it is computed. This saves inner methods that
        need the Hessian of phi one product per point, and costs others time and memory. The results
        are the same up to rounding. Nothing is recorded if the user gives hess or hessp.
    modify_loss : bool
        False: the value that inner line searches see is f.

    Raises
    ------
    TypeError, ValueError
        For a hyperparameter of another type or outside its range, or inner methods that need
        residuals.
    Stop
        (Inside a run, ending it) if a graft divides by zero.

    Notes
    -----
    Source: `torchzero` 0.4.4, ``GradMin``. The mixtures and their products are in
    `refopt.views.gradient_size`.

    Deviations: none in phi and its gradient. In the original `create_graph` has no visible effect.

    Cost per step: that of the inner methods. A gradient of phi costs one Hessian-vector product more
    than a gradient of f, a product with the Hessian of phi one product with the third derivative and
    at most two with H. Memory O(n). If the user gives hess or hessp, the products with the third
    derivative are central differences.

    Examples
    --------
    >>> import refopt
    >>> method = refopt.GradMin([refopt.LBFGS(), refopt.StrongWolfe()], square=True)
    >>> res = refopt.minimize(lambda x: (x[0] - 3) ** 2 + (x[1] + 1) ** 4, [1.0, 1.0], method=method)
    >>> res.success, res.x.round(1)
    (True, array([ 3., -1.]))
    """

    inner: Any
    loss_term: float | None = option(0.0, ["(-inf, inf)"])  # this and the others as in torchzero 0.4.4
    relative: str | None = option(None, [DIRECTIONS])
    graft: str | None = option(None, [DIRECTIONS])
    square: bool = option(False, bool)
    mean: bool = option(True, bool)
    maximize_grad: bool = option(False, bool)
    create_graph: bool = option(False, bool)
    modify_loss: bool = option(True, bool)

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "inner", as_method(self.inner))
        parts = self.inner.all_needs() & {"residuals", "gauss-newton"}
        if parts:
            raise ValueError(
                f"GradMin: {self.inner!r} needs {' and '.join(sorted(parts))}, which phi does "
                "not have; choose inner methods that use gradients, products or Hessians"
            )

    needs: ClassVar[frozenset[str]] = frozenset({"f", "g", "hvp"})

    @property
    def terms(self) -> Terms:
        """The definition of phi."""
        return Terms(
            self.loss_term or 0.0,
            self.relative,
            self.graft,
            self.square,
            self.mean,
            self.maximize_grad,
            self.modify_loss,
            self.create_graph,
        )

    def all_needs(self):
        """Value, gradient and products of f give everything about phi; inner methods may also need "rng"."""
        return self.needs | (self.inner.all_needs() & {"rng"})

    def minimises_f(self):
        return False

    def merit(self, point: Point) -> float:
        return self.terms.mixture(point).value

    def init(self, x, shapes=None, rng=None):
        return GradMinState(self.inner.init(x, shapes, rng), None, float("nan"), float("nan"))

    def step(self, point, update, state):
        phi = state.phi
        if phi is None or phi.parent is not point.objective:
            phi = GradientSize(point.objective, self.terms)
        here = phi.at(point.x)
        here.memo["original"] = point
        psi, size = phi.mixture(here), self.terms.size(point.g)
        if not all(math.isfinite(number) for number in psi):
            raise Stop(
                Status.NONFINITE,
                reason=f"GradMin: phi is not finite: f = {point.f:.6g}, size of "
                f"the gradient {size:.6g}, graft={self.graft!r}",
            )
        update, inner = self.inner.step(here, here.g, state.inner)
        return update, GradMinState(inner, phi, psi.value, size)

    def figures(self, state):
        return {**self.inner.figures(state.inner), "phi": state.value, "gradient_size": state.size}
