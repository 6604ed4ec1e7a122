"""The method ScipyNewtonCG."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import LinearOperator

from ..method import Method, option, takes_inner
from ..objective import HVP_METHODS, Point
from ..solvers import forcing, krylov
from ..solvers.norm import nrm2
from ..views.face import Face, along_gradient, face_of

__all__ = ["ScipyNewtonCG"]

RTOL = 1e-5  # default of SciPy's solvers
DIRECTIONS = ("keep", "negate", "gradient", "truncated")


class ScipyNewtonCGState(NamedTuple):
    """Changes at every step."""

    d: np.ndarray | None  # (n,) answer of the last solve, before `direction`; None before the first step
    eta: float  # forcing term
    gnorm: float  # |g|_2 where it was computed
    outcome: str  # of the last solve: see `refopt.solvers.krylov`
    exit_code: int  # of the last solve
    products: int  # Hessian-vector products of the last solve
    direction: str  # what was done with it: "kept", "negated", "gradient", "truncated"


def descending(d: np.ndarray, g: np.ndarray, policy: str) -> tuple[np.ndarray, str]:
    """``(output, name)`` for a solution `d`, where `policy` decides what to do if ``g^T d <= 0``."""
    slope = np.dot(g, d)
    if policy == "keep" or slope > 0:
        return d, "kept"
    if policy == "negate" and slope < 0:
        return -d, "negated"
    return g, "gradient"


@takes_inner
@dataclasses.dataclass(frozen=True)
class ScipyNewtonCG(Method):
    """Newton's direction by the iterative solvers of SciPy, from Hessian-vector products alone.

        d  with  |H d - u| <= rtol |u|              by a solver of scipy.sparse.linalg, products v -> H v only
        output  d                                   where g^T d > 0
                as `direction` says                 where d is not a descent direction

        rtol = 1e-5                                 SciPy's own; another by `kwargs`
        rtol = eta_k of Eisenstat and Walker        forcing="eisenstat-walker": loose far from a solution
        the solve begins at the last d              warm_start=True, else at 0

    u is the incoming update, or the output of `inner` for it. Follow the method with a line search. With
    bounds the system is that of the free variables (`refopt.views.face`), and the bound ones go
    g_i q^T q / |q^T H q|, q the projected gradient: one more product.

    If a solve fails: at the limit of iterations the last iterate is used. After a breakdown the last
    iterate known is used (the best one for gcrotmk and lgmres with differences of gradients) if it
    is better than d = 0, else u. A product that is not finite ends the run. The figures `outcome`,
    `exit_code` and `products` show what happened.

    Parameters
    ----------
    solver : str or function
        cg, minres, gmres, lgmres, gcrotmk, bicg, bicgstab, cgs, qmr, tfqmr, lsqr or lsmr.
    hvp_method : {"autograd", "fd_forward", "fd_central"}
        Hessian-vector products: exact (the user's `hessp` or `hess` if given), or from differences
        of gradients.
    h : float > 0
        Step of the differences along the unit vector. If `kwargs` has no rtol, the rtol of a solve
        is at least the error of the differences, h (fd_forward), h^2 (fd_central) or rounding / h.
    warm_start : bool
        Begin each solve at the solution of the previous one.
    inner : method or sequence of methods or None
        Applied to the incoming update first.
    kwargs : dict or None
        Further arguments of the solver: rtol, maxiter, restart, ...
    M : callable, array, sparse matrix, LinearOperator or None
        Symmetric positive definite preconditioner, approximately H^-1, or a function of the `Point`
        that returns one. Not for lsqr and lsmr; qmr takes it as its left preconditioner.
    forcing : {None, "eisenstat-walker"}
        Choose the relative tolerance of each solve by the progress of the gradient.
    direction : {"keep", "negate", "gradient", "truncated"}
        What to do with a solution d that does not descend, g^T d <= 0. "keep": d is the output
        (a line search after it then uses the gradient). "negate": -d. "gradient": the gradient.
        "truncated": the solver stops at the first v with v^T H v <= 0, and the output is its
        iterate (u if there is none). Use cg for this, because its iterates descend; lsqr and lsmr
        do not give their iterates, so they raise an error.

    The bare name in `minimize` stands for solver="cg", direction="truncated", forcing="eisenstat-walker",
    and a line search.

    Raises
    ------
    TypeError, ValueError
        For a hyperparameter of a wrong type or outside its range, or a keyword the solver does not take.
    Stop
        (Inside a run, ending it) if a Hessian-vector product is not finite.

    Notes
    -----
    Source: `torchzero` 0.4.4, ``ScipyNewtonCG``; J. Nocedal, S. J. Wright, Numerical Optimization, 2006,
    section 7.1 (inexact Newton); R. S. Dembo, T. Steihaug, Mathematical Programming 26 (1983), doi
    10.1007/BF02592055, for ``direction="truncated"``; S. C. Eisenstat, H. F. Walker, SIAM J. Sci. Comput. 17
    (1996), doi 10.1137/0917003, eq. (2.6), for `forcing`; D. P. Bertsekas 1982, doi 10.1137/0320018, eq. (32)
    to (37), with bounds.

    Deviations: the original does not accept the names "fd_forward" and "fd_central" that it documents, and
    its "forward" gives NaN; after a breakdown its output is NaN. `M`, `forcing` and `direction` are added.

    Cost per step: `products` Hessian-vector products (fd_forward: one gradient each, fd_central: two), memory
    O(n). Differences allow no residual below their error: a solve with them ends when the residual no longer
    falls by a factor of 10 in a cycle, or in 4 n + 4 products (tfqmr, lsqr, lsmr: at their limit).

    Examples
    --------
    >>> import refopt
    >>> res = refopt.minimize(lambda x: (x[0] - 3) ** 4 + x[1] ** 2, [1.0, 1.0], method="ScipyNewtonCG")
    >>> res.success
    True
    """

    solver: Any = "gcrotmk"  # this and the next five as in torchzero 0.4.4
    hvp_method: str = option("autograd", HVP_METHODS)
    h: float = option(1e-3, "(0, inf)")
    warm_start: bool = option(False, bool)
    inner: Any = None
    kwargs: dict[str, Any] | None = None
    M: Any = None  # this and the next two as in the original
    forcing: str | None = option(None, [("eisenstat-walker",)])
    direction: str = option("keep", DIRECTIONS)

    def __post_init__(self):
        super().__post_init__()
        who = type(self).__name__
        object.__setattr__(self, "solver", krylov.find_solver(who, self.solver))
        refused = {"x0": "use warm_start=True for the previous solution", "M": "give M= to the method itself"}
        if self.forcing is not None:
            refused.update(dict.fromkeys(("rtol", "btol"), f"forcing={self.forcing!r} sets the tolerance"))
        if self.direction == "truncated" and self.solver == "gmres":
            refused["callback_type"] = "direction='truncated' needs the iterates, callback_type 'x'"
        keywords = krylov.check_keywords(who, self.solver, self.kwargs, refused)
        object.__setattr__(self, "kwargs", keywords or None)
        if self.solver in krylov.LEAST_SQUARES:
            if self.M is not None:
                raise ValueError(f"{who}: {self.solver} takes no preconditioner M; minres or cg do")
            if self.direction == "truncated":
                raise ValueError(
                    f"{who}: direction='truncated' needs a solver that gives its iterates, "
                    f"{self.solver} does not; cg does"
                )

    needs: ClassVar[frozenset[str]] = frozenset({"hvp"})
    in_bounds: ClassVar[str] = "direction"
    shown: ClassVar[tuple[str, ...]] = ("outcome", "exit_code", "products", "direction")

    def init(self, x, shapes=None, rng=None):
        return ScipyNewtonCGState(None, forcing.ETA_START, np.inf, "none", 0, 0, "none")

    def step(self, point, update, state):
        eta, gnorm = state.eta, nrm2(point.g)
        if self.forcing is not None and np.isfinite(state.gnorm):
            eta = forcing.eisenstat_walker(eta, gnorm, state.gnorm)
        hvp = lambda v: point.hvp(v, self.hvp_method, self.h)  # noqa: E731
        face = face_of(point, lambda: along_gradient(point, hvp))
        product = krylov.Product(
            lambda v: face.part(hvp(face.whole(v))),
            f"{type(self).__name__} ({self.solver})",
            truncate=self.direction == "truncated",
            rough=self.hvp_method != "autograd",
        )
        rtol, keywords = self.tolerance(eta, point.x.dtype)
        answer = krylov.solve(
            self.solver,
            product,
            face.part(update),
            face.part(state.d) if self.warm_start and state.d is not None else None,
            self.preconditioner(point, face),
            rtol,
            keywords,
        )
        d, name = descending(answer.x, face.part(point.g), self.direction)
        if answer.outcome == "curvature" and name == "kept":
            name = "truncated"
        return face.direction(d), ScipyNewtonCGState(
            face.whole(answer.x), eta, gnorm, answer.outcome, answer.code, answer.products, name
        )

    def tolerance(self, eta: float, dtype: np.dtype) -> tuple[float | None, dict[str, Any]]:
        """``(rtol, keywords)`` of a solve; rtol is at least the error of differences of gradients."""
        keywords = dict(self.kwargs or {})
        error = 0.0
        if self.hvp_method != "autograd":
            error = max(
                self.h if self.hvp_method == "fd_forward" else self.h**2, float(np.finfo(dtype).eps) / self.h
            )
        if self.forcing is not None:
            return max(eta, min(error, forcing.ETA_MAX)), keywords
        if error > RTOL and self.solver not in krylov.LEAST_SQUARES:
            keywords.setdefault("rtol", min(error, forcing.ETA_MAX))
        return None, keywords

    def preconditioner(self, point: Point, face: Face) -> Any:
        """M at this point, checked; its part in the free variables is positive definite too."""
        M = self.M
        if M is None:
            return None
        if callable(M) and not isinstance(M, LinearOperator) and not scipy.sparse.issparse(M):
            M = M(point)
        return face.operator(krylov.operator(type(self).__name__, M, point.x.size))

    def figures(self, state):
        own = super().figures(state)
        return own if self.forcing is None else {**own, "eta": state.eta}
