"""Where refopt differs on purpose from `torchzero` 0.4.4, from which its methods come.

One entry per difference. `refopt.oracle.deviations()` prints the table, the README shows it, `parity` reads
it: a difference that no entry declares fails the comparison, and so does an entry whose difference is no
longer there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from ...checks import unknown
from ...derivatives import derivative_tensors
from ..exact.elementwise import heavy_ball
from ..exact.newton_newton import columns
from ..exact.precise import cholesky, solve, sqrt

__all__ = ["Deviation", "DEVIATIONS", "deviations", "find"]


@dataclasses.dataclass(frozen=True)
class Deviation:
    """One deliberate difference.

    Attributes
    ----------
    name : short, used in tables
    method : registry name
    original, ours, why : one sentence each
    test : the test that demonstrates the original's behaviour on the real package
    where : ``where(state, g) -> booleans (n,)``, the coordinates it touches in one step (None: all);
        `state` is the reference's state after the step, by field name. Everywhere else the two must still
        agree
    variant : the original's formula in the form of `refopt.oracle.exact`, or None. With it the original
        must agree with the variant everywhere
    """

    name: str
    method: str
    original: str
    ours: str
    why: str
    test: str
    where: Callable[[dict[str, Any], np.ndarray], np.ndarray] | None = None
    variant: Callable | None = None


def small_cubic_term(state: dict[str, Any], g: np.ndarray) -> np.ndarray:
    """Where the textbook root of A d^2 + B d + C loses digits: |4AC| << B^2, for any mode and debiasing."""
    m1, m2, m3 = (np.abs(np.asarray(state[k], dtype=np.float64)) for k in ("m1", "m2", "m3"))
    with np.errstate(all="ignore"):
        A = np.minimum(np.cbrt(m3), m3 / 2)
        return ~(4 * A * m1 > 1e-3 * m2) | (A < 1e-5)


def adam_eps_on_biased_root(h, p, u, s):
    """eps is added to the root of the second average before that is debiased."""
    t = s.t + 1
    m1 = h.beta1 * s.m1 + (1 - h.beta1) * u
    m2 = h.beta2 * s.m2 + (1 - h.beta2) * u**2
    out = m1 / (1 - h.beta1**t) * sqrt(1 - h.beta2**t) / (sqrt(m2) + h.eps)
    return out, dict(t=t, m1=m1, m2=m2)


def heavy_ball_from_update(h, p, u, s):
    """The buffer starts as the first update and then receives it once more."""
    first = not s.v.any()
    return heavy_ball(h, p, u, s.changed(v=u) if first else s)


def newton_plain(h, p, u, s):
    """H^-1 u, whatever the eigenvalues."""
    return solve(p.hess, u), {}


def armijo_only(h, p, u, s):
    """No step where no trial satisfies Armijo's rule, be it for rounding or because u does not descend."""
    slope, a = np.dot(p.g, u), h.init_step
    for _ in range(h.maxiter):
        if p.after(a * u).f <= p.f - h.c1 * a * slope:
            return a * u, {}
        a = a * h.shrink
    return 0 * u, {}


def lower_triangles(h, p, u, s):
    """NewtonNewton to order 4 with Cholesky tried on every J_k and on their product, symmetric or not.

    Cholesky reads the lower triangle and so solves with the symmetric matrix that has it. J_1 is symmetric,
    and so is J_1 J_2 = H - T[x_2] + reg J_1; J_2 is not. The Jacobian of x_3 in torch is that of a symmetric
    matrix: it takes the symmetric part of dJ_2.
    """
    eye = np.eye(u.size, dtype=np.int64)
    _, g, H, *rest = [p.array(t) for t in derivative_tensors(p.point.objective.fun, p.point.x, h.order)]
    product = J1 = H + h.reg * eye
    if h.order > 2:
        T, x2 = rest[0], solve(J1, g)
        X2 = columns(J1, H - T @ x2)
        product = product @ (X2 + h.reg * eye)
    if h.order > 3:
        J2, Q = X2 + h.reg * eye, rest[1]
        M2 = by_lower_triangle(J2)
        x3, symmetric = solve(M2, x2), M2 is not J2
        rates = [columns(J1, T @ v - Q @ x2 @ v - T @ (X2 @ v) - (T @ v) @ X2) for v in eye]  # dJ_2 along v
        moved = [((rate + rate.T) / 2 if symmetric else rate) @ x3 for rate in rates]
        product = product @ (columns(M2, X2 - np.stack(moved, axis=1)) + h.reg * eye)
    return solve(by_lower_triangle(product), u), dict(t=s.t + 1)


def by_lower_triangle(A):
    """The matrix of the system that is solved by trying Cholesky first: A itself where Cholesky fails."""
    return A if cholesky(A) is None else np.tril(A) + np.tril(A, -1).T


DEVIATIONS: tuple[Deviation, ...] = (
    Deviation(
        "order-four",
        "NewtonNewton",
        "tries Cholesky first on every J_k and on their product, also if they are not symmetric; Cholesky "
        "reads only the lower triangle, so it may succeed with a matrix that is not J_k. At order 3 the "
        "product H - T[x_2] + reg J_1 is symmetric; from order 4 on the step is not the one described",
        "x_(k+1) = J_k^-1 x_k with J_k the Jacobian of x_k, at every order; agrees with nested Jacobians by "
        "autograd",
        "the description is the definition",
        "tests/oracle/torchzero/test_deviations.py::test_newton_newton_of_order_four",
        variant=lower_triangles,
    ),
    Deviation(
        "stable-root",
        "CubicAdam",
        "uses the roots (-B +- sqrt(B^2 - 4AC)) / (2A) with 2A clipped away from zero by eps: NaN at A = 0 "
        "(a coordinate with zero gradient), wrong by orders of magnitude for tiny A",
        "uses -2C / (B + sqrt(B^2 - 4AC)), the same root without division by A; C = 0 gives 0",
        "no division by A, no cancellation, and A -> 0 gives Adam",
        "tests/oracle/torchzero/test_deviations.py::test_stable_root",
        small_cubic_term,
    ),
    Deviation(
        "eps-debiased",
        "Adam",
        "adds eps to the root of the second average before debiasing, sqrt(m2) + eps",
        "adds eps after debiasing, sqrt(m2 / (1 - beta2^t)) + eps, as in Kingma and Ba's algorithm 1",
        "the published algorithm; eps then has the same meaning at every step",
        "tests/oracle/torchzero/test_deviations.py::test_eps_debiased",
        variant=adam_eps_on_biased_root,
    ),
    Deviation(
        "buffer-start",
        "HeavyBall",
        "starts its buffer with the first update and adds the update again: the first step is "
        "(1 + momentum) u (unless ema_init='zeros')",
        "starts at zero: the first step is u",
        "as in Polyak's method and in torch.optim.SGD",
        "tests/oracle/torchzero/test_deviations.py::test_buffer_start",
        variant=heavy_ball_from_update,
    ),
    Deviation(
        "descent",
        "Newton",
        "solves H d = u also where H is indefinite: the step may go uphill, towards saddle points",
        "uses |H| there: eigenvalues are modified after diagonal scaling",
        "a reference for minimisation must descend; if H is positive definite, the two agree",
        "tests/oracle/torchzero/test_deviations.py::test_descent",
        variant=newton_plain,
    ),
    Deviation(
        "armijo-only",
        "Backtracking",
        "returns a zero step if no trial satisfies Armijo's rule: for an update that goes uphill, and near "
        "a minimiser, where rounding hides the decrease",
        "uses the gradient instead of an uphill update; where rounding hides the decrease the slope decides, "
        "and the run ends if the slope does not fall either",
        "a run of zero steps never ends; where Armijo's rule decides, the two agree",
        "tests/oracle/torchzero/test_deviations.py::test_armijo_only",
        variant=armijo_only,
    ),
    Deviation(
        "scipy-search",
        "StrongWolfe",
        "has its own bracketing and interpolation",
        "uses scipy.optimize.line_search with the same two conditions",
        "both step sizes satisfy the strong Wolfe conditions, but they differ",
        "tests/oracle/torchzero/test_deviations.py::test_scipy_search",
    ),
    Deviation(
        "closed-form",
        "CurveBall",
        "has only constant coefficients, as documented",
        "has auto=True: coefficients in closed form and adaptive damping, as published, for the Hessian "
        "and the Gauss-Newton matrix",
        "the method of the paper; the fixed form is the same in both",
        "tests/algorithms/test_curve_ball.py::test_the_original_has_no_automatic_form",
    ),
    Deviation(
        "never-ran",
        "InfinityNormTrustRegion",
        "fails with KeyError('bounds') before its first step; it would minimise |H d - g|, whose steps may "
        "converge to saddle points, and measure the step by a signed maximum",
        "minimises the quadratic model over the box; subproblem='residual' minimises |H d - g|; the option "
        "`init` is named `init_radius`",
        "the model of f has to be minimised, not only made stationary",
        "tests/algorithms/test_infinity_norm_trust_region.py::test_the_original_has_never_run",
    ),
    Deviation(
        "certified-subproblem",
        "HigherOrderNewton",
        "minimises the Taylor polynomial by scipy.optimize.minimize, with SLSQP in the ball, to its default "
        "tolerance",
        "minimises it by exact ball-constrained quadratics with a certificate; the value of the model is "
        "never higher; the option `init` is named `init_radius`",
        "the step then depends only on the model, and is known to be a minimiser",
        "tests/algorithms/test_higher_order_newton.py::test_no_model_value_of_the_original_is_lower",
    ),
    Deviation(
        "proximal-order-1",
        "HigherOrderNewton",
        "does not allow order 1 with a penalty: RuntimeError('... 1st order has no minima')",
        "takes the step -radius g, the minimiser of the linear model with the penalty",
        "with the penalty the model has a minimum",
        "tests/algorithms/test_higher_order_newton.py::test_the_original_refuses_order_1_with_proximal",
    ),
    Deviation(
        "jacobian-itself",
        "GaussNewton",
        "takes the residuals from the closure and solves (J^T J + reg I) d = J^T r, reg = 1e-8",
        "takes refopt.LeastSquares or refopt.ModelLoss and solves least squares with J itself, reg = 0",
        "the condition number of J^T J is the square of J's",
        "tests/parts/test_gauss_newton.py::test_the_original",
    ),
    Deviation(
        "fit-in-scaled-region",
        "LevenbergMarquardt",
        "damps any Hessian module by a multiple of I, which it adapts; it sees no residuals",
        "a trust region scaled by the Jacobian of residuals, its subproblem solved by J itself, and a choice "
        "between Gauss-Newton and Hessian; the two have the name in common",
        "the method of the cited papers, whose path does not depend on units",
        "tests/parts/test_levenberg_marquardt.py::test_the_path_does_not_depend_on_units",
    ),
    Deviation(
        "padded-rows",
        "BlockPartition",
        "fails with batched=True whenever the last chunk is shorter",
        "pads it with zeros",
        "the documented behaviour",
        "tests/algorithms/test_block_partition.py::test_original_batched_fails_where_padding_is_needed",
    ),
    Deviation(
        "0-d-blocks",
        "BlockPartition",
        "fails if one of several tensors has no axes",
        "makes it a block of size 1",
        "projecting any shape and back must give the same tensor",
        "tests/algorithms/test_block_partition.py::test_original_blocks_fail_on_tensors_without_axes",
    ),
    Deviation(
        "block-states",
        "BlockPartition",
        "gives all blocks to one inner method with one state",
        "runs the inner methods on each block with its own state; with batched=True on all blocks together",
        "so Newton, L-BFGS and GGT become block diagonal; for elementwise methods there is no difference",
        "tests/algorithms/test_block_partition.py::test_original_blocks_share_one_inner_state",
    ),
    Deviation(
        "integer-dimension",
        "TensorizeProjection",
        "computes the dimension by a floating-point logarithm: 125 numbers with max_side=5 become (4, 4, "
        "4, 4)",
        "computes it in integers: (5, 5, 5)",
        "the result for exact powers must not depend on rounding",
        "tests/algorithms/test_tensorize_projection.py::test_original_takes_the_dimension_from_a_floating_logarithm",
    ),
    Deviation(
        "without-update",
        "FFTProjection",
        "(all projections) with project_update=False fails as the first of a chain; after another module it "
        "runs the inner modules in the original space, whatever else is projected",
        "inner methods receive the projected gradient if project_params or project_grad provides one",
        "the flags would have no effect otherwise",
        "tests/algorithms/test_fft_projection.py::test_original_without_project_update_mixes_spaces",
    ),
    Deviation(
        "gradient-alone",
        "FFTProjection",
        "(all projections) with project_grad but not project_params, gives inner modules the unprojected "
        "gradient",
        "gives them the projected one, with project_params always",
        "the updates of the inner methods are in the projected space",
        "tests/algorithms/test_fft_projection.py::test_original_shows_the_raw_gradient_without_project_params",
    ),
    Deviation(
        "update-as-parameters",
        "FFTProjection",
        "(all projections) without project_params, gives inner modules the projected update as parameters",
        "raises an error for inner methods that use the parameters; the message names the flag",
        "weight decay, for example, would silently use the wrong numbers",
        "tests/algorithms/test_fft_projection.py::test_original_shows_the_projected_update_as_parameters",
    ),
    Deviation(
        "second-order-inside",
        "FFTProjection",
        "(all projections) inner modules that need second derivatives fail",
        "gives them Q^T H Q and further derivatives by the chain rule",
        "projections must work with every method",
        "tests/parts/test_projection.py::test_original_has_no_second_derivatives_inside",
    ),
    Deviation(
        "cosines",
        "DCTProjection",
        "has no cosine transform",
        "has an orthonormal one",
        "its coefficients are real and as many as the variables, and it maps gradients to gradients",
        "tests/parts/test_dct_projection.py::test_original_has_no_cosine_transform",
    ),
    Deviation(
        "matrix-power",
        "GGT",
        "also scales the basis by matrix_power: the power p gives (M M^T)^(3p + 1), right only for p = -1/2",
        "keeps the basis orthonormal: (M M^T)^p",
        "with p = -1/4 the original multiplies by a positive power",
        "tests/parts/test_ggt.py::test_original_scales_the_basis_by_the_power_too",
    ),
    Deviation(
        "subspace-root",
        "SubspaceCubicAdam",
        "uses CubicAdam's roots with 2A clipped away from zero; in the eigenbasis coordinates are often tiny",
        "uses CubicAdam's root without division by A",
        "see stable-root",
        "tests/algorithms/test_subspace_cubic_adam.py::test_original_root_in_the_basis",
    ),
    Deviation(
        "cautious-ignored",
        "SubspaceCubicAdam",
        "accepts cautious and ignores it",
        "sets coordinates of the direction to zero whose sign differs from that of the projected update",
        "the meaning of the option in related methods",
        "tests/algorithms/test_subspace_cubic_adam.py::test_original_ignores_cautious_and_exact_reproject",
    ),
    Deviation(
        "reproject-ignored",
        "SubspaceCubicAdam",
        "accepts exact_reproject=False, which changes only rounding errors",
        "transforms m2 and m3 by rank instead of by powers of C",
        "an option must have an effect; this is the cheap rule of methods such as SOAP",
        "tests/algorithms/test_subspace_cubic_adam.py::test_original_ignores_cautious_and_exact_reproject",
    ),
    Deviation(
        "eigenvector-signs",
        "SubspaceCubicAdam",
        "with mode='unsigned_cbrt' depends on the signs that the eigensolver of torch chooses",
        "depends on those that the eigensolver of NumPy chooses",
        "the step is not an odd function of q in this mode; in the same basis the two agree",
        "tests/algorithms/test_subspace_cubic_adam.py::test_original_follows_the_signs_of_its_eigensolver",
    ),
    Deviation(
        "subspace-eps",
        "SubspaceAdam",
        "adds eps to the root of the second average before debiasing",
        "adds it after debiasing, as Kingma and Ba do",
        "see eps-debiased",
        "tests/algorithms/test_subspace_cubic_adam.py::test_original_adam_adds_eps_before_debiasing",
    ),
    Deviation(
        "fd-names",
        "ScipyNewtonCG",
        "does not accept the documented names fd_forward and fd_central; its own 'forward' gives NaN",
        "accepts the documented names, with a step h along the unit vector",
        "finite differences are for functions without second derivatives",
        "tests/algorithms/test_scipy_newton_cg.py::test_original_refuses_the_documented_names",
    ),
    Deviation(
        "breakdown-nan",
        "ScipyNewtonCG",
        "returns the last value of a solver that breaks down: NaN for a singular Hessian",
        "returns the last iterate if it is better than none, else the update; the figure `outcome` is "
        "'breakdown'",
        "the run goes on, and a line search decides",
        "tests/algorithms/test_scipy_newton_cg.py::test_original_returns_nan_where_the_solver_breaks_down",
    ),
    Deviation(
        "reg-ignored",
        "NewtonSolver",
        "accepts reg and ignores it",
        "solves (H + reg I) d = u",
        "the documented behaviour",
        "tests/algorithms/test_newton_solver.py::test_original_ignores_reg",
    ),
)


class DeviationTable(tuple):
    """The rows of `deviations()`; prints as text, `markdown()` as a table for the README."""

    def __str__(self) -> str:
        return "\n".join(
            f"{d.method}: {d.name}\n  original: {d.original}\n  refopt:   {d.ours}\n  why:      {d.why}"
            for d in self
        )

    __repr__ = __str__

    def markdown(self) -> str:
        lines = ["| method | deviation | the original | refopt | why |", "|---|---|---|---|---|"]
        lines += [f"| {d.method} | {d.name} | {d.original} | {d.ours} | {d.why} |" for d in self]
        return "\n".join(lines)


def deviations(method: str | None = None) -> DeviationTable:
    """The deliberate differences from `torchzero` 0.4.4, all or those of one method.

    Examples
    --------
    >>> from refopt import oracle
    >>> [d.name for d in oracle.deviations("CubicAdam")]
    ['stable-root']
    """
    return DeviationTable(d for d in DEVIATIONS if method is None or d.method == method)


def find(name: str) -> Deviation:
    """The deviation called `name`; a ValueError names the closest."""
    for d in DEVIATIONS:
        if d.name == name:
            return d
    raise unknown("deviation", name, [d.name for d in DEVIATIONS])
