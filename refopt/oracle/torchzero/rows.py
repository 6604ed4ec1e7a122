"""The rows of the parity table: every method of the registry, in every option, beside the original's modules.

A method of the registry without a row fails the tests. A row names the original's modules as data,
``M("CubicAdam", mode="halve")``. Where refopt differs on purpose the row names the deviation: then the
original must agree with the deviation's own formula, or only the coordinates that the deviation touches may
differ; and somewhere they must.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse.linalg

from ... import (
    EMA,
    GGT,
    LBFGS,
    LR,
    Adam,
    Backtracking,
    BlockPartition,
    CoordinateMomentum,
    CubicAdam,
    CurveBall,
    DCTProjection,
    FFTProjection,
    GaussNewton,
    GradMin,
    HeavyBall,
    HigherOrderNewton,
    InfinityNormTrustRegion,
    LevenbergMarquardt,
    Newton,
    NewtonNewton,
    NewtonSolver,
    ReduceOutwardLR,
    ScipyNewtonCG,
    StrongWolfe,
    SubspaceAdam,
    SubspaceCubicAdam,
    TensorizeProjection,
)
from ...method import Chain, Method
from ...solvers.krylov import SOLVERS
from .problems import PROBLEMS

__all__ = ["M", "ROWS", "Row", "TOLERANCE", "rows_of"]

# Relative to the largest entry of the update; see `parity.run_row`
TOLERANCE = {"float64": 1e-10, "float32": 2e-3}


class M:
    """A module of torchzero as data: its name and arguments, which may hold further `M`."""

    def __init__(self, name: str, *args: Any, **kwargs: Any):
        self.name, self.args, self.kwargs = name, args, kwargs

    def __repr__(self) -> str:
        inside = [*map(repr, self.args), *(f"{k}={v!r}" for k, v in self.kwargs.items())]
        return f"{self.name}({', '.join(inside)})"


@dataclasses.dataclass(frozen=True)
class Row:
    """One comparison with the original.

    Attributes
    ----------
    method : registry name the row belongs to
    ours : the complete method
    theirs : the original's modules; empty where it cannot run, then `deviation` gives the reason
    deviation : name in `refopt.oracle.deviations`, or ""
    problems : names in `PROBLEMS` it runs on
    tape : ``tape(trace) -> masks`` for a method that draws random numbers
    float32 : False for a row that means nothing in float32 (finite differences of step 1e-3, ...)
    tolerance : for float64, relative; 1e-10 unless the row has a reason for another
    share : False where the original's state fields of the same name mean something else
    label : what the table prints; None: ours
    """

    method: str
    ours: Method
    theirs: tuple[M, ...] = ()
    deviation: str = ""
    problems: tuple[str, ...] = tuple(PROBLEMS)
    tape: Callable | None = None
    float32: bool = True
    tolerance: float = TOLERANCE["float64"]
    label: str | None = None
    share: bool = True

    def __str__(self) -> str:
        return self.label or " + ".join(
            map(repr, self.ours.methods if isinstance(self.ours, Chain) else [self.ours])
        )


def then(*ours: Method) -> Chain:
    return Chain(ours)


def masks_of(trace: Any) -> list[np.ndarray]:
    """The coordinates that CoordinateMomentum refreshed, read off its buffer."""
    before = [np.zeros(trace.steps[0].x.size), *(s.after["velocity"] for s in trace.steps[:-1])]
    return [s.after["velocity"] != v for s, v in zip(trace.steps, before, strict=True)]


SMALL, TINY = LR(1e-2), LR(1e-4)  # step sizes with which the problems stay bounded for 100 steps
_SMALL, _TINY = M("LR", 1e-2), M("LR", 1e-4)

# The Hessian is invertible along the way
NONSINGULAR = tuple(name for name in PROBLEMS if name != "zero gradients")

# Inside others: where the two Adams are the same
PLAIN, _PLAIN = Adam(debiased=False), M("Adam", debias=False)
EIGEN = 1e-7  # eigenvectors of a Gram matrix, with eigenvalues down to 1e-7 of the largest, on either side
# Gradients so large that the original's root holds
STEEP = ("rosenbrock 4", "rosenbrock 50, 4 tensors", "beale")

CURVE_BALLS: tuple[dict[str, Any], ...] = (
    {},
    {"precond_lr": 3e-4, "momentum": 0.5},
    {"reg": 0.1},
    {"hvp_method": "fd_forward"},
    {"hvp_method": "fd_forward", "h": 1e-2},
)

CONVEX = ("quadratic", "logistic")  # H is definite: a step of Newton is well defined all along
# f stays away from 0, by which grafts divide
POSITIVE = ("logistic", "rosenbrock 4", "beale", "tanh network")
TIGHT = {
    "lsqr": {"atol": 1e-13, "btol": 1e-13, "iter_lim": 100},
    "lsmr": {"atol": 1e-13, "btol": 1e-13, "maxiter": 100},
}


def torch_descent(params: list) -> Any:
    """Gradient descent of step 1 as the solver that the original's NewtonSolver asks for."""
    import torchzero

    return torchzero.Optimizer(params, torchzero.m.LR(1.0))


kw = dict[str, Any]  # options of a row

ROWS: list[Row] = [
    *(
        Row(
            "CurveBall",
            CurveBall(**options),
            (M("CurveBall", **options),),
            float32="hvp_method" not in options,
        )
        for options in CURVE_BALLS
    ),
    Row("CurveBall", CurveBall(inner=LR(0.5)), (M("CurveBall", inner=M("LR", 0.5)),)),
    Row("CurveBall", CurveBall(auto=True, lam=0.1), (), "closed-form"),
    Row("CurveBall", CurveBall(auto=True, acceptance="ratio"), (), "closed-form"),
    *(
        Row("InfinityNormTrustRegion", InfinityNormTrustRegion(**options), (), "never-ran")
        for options in (
            {"init_radius": 0.1},
            {"eta": 0.2, "rho_good": 0.5, "boundary_tol": 0.1},
            {"update_freq": 2},
            {"subproblem": "residual"},
            {"inner": LR(0.5)},
        )
    ),
    *(
        Row("HigherOrderNewton", HigherOrderNewton(**options), (), "certified-subproblem")
        for options in (
            {},
            {"order": 3},
            {"order": 2, "init_radius": 0.1},
            {"order": 3, "derivatives": "matrix-free"},
            {"order": 3, "trust_method": "regularized"},
            {"order": 3, "trust_method": "none"},
            {
                "order": 3,
                "eta": 0.2,
                "rho_good": 0.5,
                "rho_bad": 0.1,
                "nplus": 2.0,
                "nminus": 0.5,
                "boundary_tol": None,
            },
        )
    ),
    *(
        Row(
            "HigherOrderNewton",
            HigherOrderNewton(order=order, trust_method="proximal"),
            (),
            "proximal-order-1",
        )
        for order in (1, 3)
    ),
    Row("GaussNewton", GaussNewton(0.1), (), "jacobian-itself"),
    Row("LevenbergMarquardt", LevenbergMarquardt(), (), "fit-in-scaled-region"),
    Row("LR", LR(1e-4), (M("LR", 1e-4),)),
    Row("ReduceOutwardLR", then(ReduceOutwardLR(), TINY), (M("ReduceOutwardLR"), _TINY)),
    Row("ReduceOutwardLR", then(ReduceOutwardLR(mul=0.1), TINY), (M("ReduceOutwardLR", mul=0.1), _TINY)),
    Row(
        "ReduceOutwardLR",
        then(ReduceOutwardLR(invert=True), TINY),
        (M("ReduceOutwardLR", invert=True), _TINY),
    ),
    Row(
        "ReduceOutwardLR",
        then(HeavyBall(0.9), ReduceOutwardLR(use_grad=True), TINY),
        (M("HeavyBall", 0.9, ema_init="zeros"), M("ReduceOutwardLR", use_grad=True), _TINY),
    ),
    Row(
        "ReduceOutwardLR",
        then(HeavyBall(0.9), ReduceOutwardLR(use_grad=True, invert=True), TINY),
        (M("HeavyBall", 0.9, ema_init="zeros"), M("ReduceOutwardLR", use_grad=True, invert=True), _TINY),
    ),
    Row(
        "CoordinateMomentum",
        then(CoordinateMomentum(), TINY),
        (M("CoordinateMomentum"), _TINY),
        tape=masks_of,
    ),
    Row(
        "CoordinateMomentum",
        then(CoordinateMomentum(0.5), TINY),
        (M("CoordinateMomentum", 0.5), _TINY),
        tape=masks_of,
    ),
    *(
        Row(
            "CubicAdam",
            then(CubicAdam(mode=mode, debiased=debiased), SMALL),
            (M("CubicAdam", mode=mode, debiased=debiased), _SMALL),
            "stable-root",
        )
        for mode in ("signed_cbrt", "unsigned_cbrt", "halve")
        for debiased in (True, False)
    ),
    Row(
        "CubicAdam",
        then(CubicAdam(0.8, 0.9, 0.95, 1e-6, alpha=0.5), SMALL),
        (M("CubicAdam", 0.8, 0.9, 0.95, 1e-6, alpha=0.5), _SMALL),
        "stable-root",
    ),
    Row("Adam", then(Adam(), SMALL), (M("Adam"), _SMALL), "eps-debiased"),
    Row("Adam", then(Adam(0.8, 0.99, 1e-6), SMALL), (M("Adam", 0.8, 0.99, 1e-6), _SMALL), "eps-debiased"),
    Row("Adam", then(Adam(debiased=False), SMALL), (M("Adam", debias=False), _SMALL)),
    Row("HeavyBall", then(HeavyBall(0.9), TINY), (M("HeavyBall", 0.9, ema_init="zeros"), _TINY)),
    Row(
        "HeavyBall",
        then(HeavyBall(0.9, dampening=0.5), TINY),
        (M("HeavyBall", 0.9, dampening=0.5, ema_init="zeros"), _TINY),
    ),
    Row("HeavyBall", then(HeavyBall(0.9), TINY), (M("HeavyBall", 0.9), _TINY), "buffer-start"),
    Row("HeavyBall", then(HeavyBall(0.9, nesterov=True), TINY), (M("NAG", 0.9), _TINY), share=False),
    Row("EMA", then(EMA(0.9, debiased=False), TINY), (M("EMA", 0.9), _TINY)),
    Row("EMA", then(EMA(0.9), TINY), (M("EMA", 0.9, debias=True), _TINY)),
    Row("LBFGS", then(LBFGS(), SMALL), (M("LBFGS"), _SMALL)),
    Row("LBFGS", then(LBFGS(history_size=3), SMALL), (M("LBFGS", history_size=3), _SMALL)),
    Row("Newton", then(Newton(), LR(0.1)), (M("Newton"), M("LR", 0.1)), "descent", NONSINGULAR),
    *(
        Row(
            "NewtonNewton",
            then(NewtonNewton(**given), SMALL),
            (M("NewtonNewton", **given), _SMALL),
            problems=NONSINGULAR,
            float32=False,
        )
        for given in (kw(reg=0.1), kw(reg=0.1, order=2), kw(reg=0.1, update_freq=3))
    ),
    Row(
        "NewtonNewton",
        then(NewtonNewton(reg=0.1, vectorize=False), SMALL),
        (M("NewtonNewton", reg=0.1, vectorize=False), _SMALL),
        problems=("quadratic", "beale", "logistic"),
        float32=False,
    ),
    Row(
        "NewtonNewton",
        then(NewtonNewton(reg=0.1, order=4), SMALL),
        (M("NewtonNewton", reg=0.1, order=4), _SMALL),
        "order-four",
        ("quadratic", "beale", "logistic", "rosenbrock 4"),
        float32=False,
    ),
    Row(
        "NewtonNewton",
        then(NewtonNewton(reg=0.1, inner=ReduceOutwardLR()), SMALL),
        (M("NewtonNewton", reg=0.1, inner=M("ReduceOutwardLR")), _SMALL),
        problems=("beale",),
        float32=False,
    ),
    Row("Backtracking", Backtracking(maxiter=10), (M("Backtracking", adaptive=False),), "armijo-only"),
    Row(
        "Backtracking",
        Backtracking(init_step=2.0, shrink=0.7, c1=0.1, maxiter=40),
        (M("Backtracking", init=2.0, beta=0.7, c=0.1, maxiter=40, adaptive=False),),
        "armijo-only",
        tuple(name for name in PROBLEMS if name != "logistic"),  # there rounding decides
    ),
    Row("StrongWolfe", StrongWolfe(), (M("StrongWolfe"),), "scipy-search"),
    *(
        Row(
            "BlockPartition",
            then(BlockPartition(PLAIN, size), SMALL),
            (M("BlockPartition", _PLAIN, max_size=size), _SMALL),
            share=False,
        )
        for size in (1, 3, 100)
    ),
    Row(
        "BlockPartition",
        then(BlockPartition(PLAIN, 3, batched=True), SMALL),
        (M("BlockPartition", _PLAIN, max_size=3, batched=True), _SMALL),
        problems=("quadratic", "logistic"),
        share=False,
    ),
    Row(
        "BlockPartition",
        then(BlockPartition(PLAIN, 3, project_params=True), SMALL),
        (M("BlockPartition", _PLAIN, max_size=3, project_params=True), _SMALL),
        share=False,
    ),
    Row(
        "BlockPartition",
        then(BlockPartition(GGT(4, damping=1.0), 7), SMALL),
        (M("BlockPartition", M("GGT", history_size=4, damping=1.0, concat_params=False), max_size=7), _SMALL),
        float32=False,
        share=False,
        tolerance=EIGEN,
    ),
    Row("BlockPartition", then(BlockPartition(PLAIN, 4, batched=True), SMALL), (), "padded-rows"),
    Row("BlockPartition", then(BlockPartition(LBFGS(), 3, project_params=True), LR(0.1)), (), "block-states"),
    *(
        Row(
            "TensorizeProjection",
            then(TensorizeProjection(PLAIN, side), SMALL),
            (M("TensorizeProjection", _PLAIN, max_side=side), _SMALL),
            share=False,
        )
        for side in (2, 3, 5, 100)
    ),
    Row(
        "TensorizeProjection",
        then(TensorizeProjection(PLAIN, 3, project_params=True, project_grad=True), SMALL),
        (M("TensorizeProjection", _PLAIN, max_side=3, project_params=True, project_grad=True), _SMALL),
        share=False,
    ),
    *(
        Row(
            "FFTProjection",
            then(FFTProjection(PLAIN, one_d, norm), SMALL),
            (M("FFTProjection", _PLAIN, one_d=one_d, norm=norm), _SMALL),
            share=False,
        )
        for norm in (None, "backward", "forward", "ortho")
        for one_d in (False, True)
    ),
    *(
        Row(
            "FFTProjection",
            then(FFTProjection(PLAIN, project_params=True, project_grad=grad), SMALL),
            (M("FFTProjection", _PLAIN, project_params=True, project_grad=grad), _SMALL),
            share=False,
        )
        for grad in (False, True)
    ),
    Row(
        "FFTProjection",
        then(FFTProjection(ReduceOutwardLR(), project_params=True), TINY),
        (M("FFTProjection", M("ReduceOutwardLR"), project_params=True), _TINY),
        share=False,
        float32=False,
    ),
    Row(
        "FFTProjection",
        then(FFTProjection(Adam(), project_update=False, project_grad=True), SMALL),
        (),
        "without-update",
    ),
    Row("DCTProjection", then(DCTProjection(Adam()), SMALL), (), "cosines"),
    *(
        Row(
            "GGT",
            then(GGT(**options), SMALL),
            (M("GGT", **options), _SMALL),
            float32=False,
            share=False,
            tolerance=EIGEN,
        )
        for options in (
            {},
            {"history_size": 4},
            {"history_size": 4, "damping": 1e-2, "truncate": 2},
            {"history_size": 4, "eig_tol": 0.1},
            {"history_size": 4, "rdamping": 0.1},
            {"history_size": 4, "update_freq": 3, "damping": 1.0},
        )
    ),
    Row(
        "GGT",
        then(GGT(4, inner=EMA()), SMALL),
        (M("GGT", history_size=4, inner=M("EMA", 0.9, debias=True)), _SMALL),
        float32=False,
        share=False,
        tolerance=EIGEN,
    ),
    Row(
        "GGT",
        then(GGT(4, damping=1.0, matrix_power=-1.0), TINY),
        (M("GGT", history_size=4, damping=1.0, matrix_power=-1.0), _TINY),
        "matrix-power",
        float32=False,
        share=False,
    ),
    *(
        Row(
            "SubspaceCubicAdam",
            then(GGT(1, basis_optimizer=SubspaceCubicAdam(mode=mode)), SMALL),
            (M("GGT", history_size=1, basis_optimizer=M("SubspaceCubicAdam", mode=mode)), _SMALL),
            share=False,
        )
        for mode in ("signed_cbrt", "unsigned_cbrt")
    ),
    Row(
        "SubspaceCubicAdam",
        then(GGT(3, basis_optimizer=SubspaceCubicAdam()), SMALL),
        (M("GGT", history_size=3, basis_optimizer=M("SubspaceCubicAdam")), _SMALL),
        problems=STEEP,
        float32=False,
        share=False,
        tolerance=EIGEN,
    ),
    Row(
        "SubspaceCubicAdam",
        then(GGT(3, basis_optimizer=SubspaceCubicAdam(0.8, 0.9, 0.92, 1e-6)), SMALL),
        (M("GGT", history_size=3, basis_optimizer=M("SubspaceCubicAdam", 0.8, 0.9, 0.92, 1e-6)), _SMALL),
        problems=STEEP,
        float32=False,
        share=False,
        tolerance=EIGEN,
    ),
    Row(
        "SubspaceCubicAdam",
        then(GGT(3, basis_optimizer=SubspaceCubicAdam(mode="halve")), SMALL),
        (M("GGT", history_size=3, basis_optimizer=M("SubspaceCubicAdam", mode="halve")), _SMALL),
        problems=STEEP,
        float32=False,
        share=False,
        tolerance=EIGEN,
    ),
    Row(
        "SubspaceCubicAdam",
        then(GGT(3, basis_optimizer=SubspaceCubicAdam(mode="halve")), SMALL),
        (M("GGT", history_size=3, basis_optimizer=M("SubspaceCubicAdam", mode="halve")), _SMALL),
        "subspace-root",
        ("quadratic", "zero gradients"),
        float32=False,
        share=False,
    ),
    Row(
        "SubspaceCubicAdam",
        then(GGT(3, basis_optimizer=SubspaceCubicAdam(mode="unsigned_cbrt")), SMALL),
        (M("GGT", history_size=3, basis_optimizer=M("SubspaceCubicAdam", mode="unsigned_cbrt")), _SMALL),
        "eigenvector-signs",
        float32=False,
        share=False,
    ),
    *(
        Row(
            "SubspaceCubicAdam",
            then(GGT(3, basis_optimizer=SubspaceCubicAdam(**options)), SMALL),
            (M("GGT", history_size=3, basis_optimizer=M("SubspaceCubicAdam", **options)), _SMALL),
            name,
            float32=False,
            share=False,
        )
        for options, name in (
            (kw(cautious=True), "cautious-ignored"),
            (kw(exact_reproject=False), "reproject-ignored"),
        )
    ),
    Row(
        "SubspaceAdam",
        then(GGT(3, basis_optimizer=SubspaceAdam(eps=1e-30)), SMALL),
        (M("GGT", history_size=3, basis_optimizer=M("adaptive.lre_optimizers.Adam", eps=1e-30)), _SMALL),
        problems=STEEP,
        float32=False,
        share=False,
        tolerance=EIGEN,
    ),
    Row(
        "SubspaceAdam",
        then(GGT(1, basis_optimizer=SubspaceAdam(eps=1e-3)), SMALL),
        (M("GGT", history_size=1, basis_optimizer=M("adaptive.lre_optimizers.Adam", eps=1e-3)), _SMALL),
        "subspace-eps",
        float32=False,
        share=False,
    ),
    *(
        Row(
            "ScipyNewtonCG",
            then(ScipyNewtonCG(name, kwargs=TIGHT.get(name, {"rtol": 1e-13}), **given), LR(0.1)),
            (
                M(
                    "ScipyNewtonCG",
                    getattr(scipy.sparse.linalg, name),
                    kwargs=TIGHT.get(name, {"rtol": 1e-13}),
                    **given,
                ),
                M("LR", 0.1),
            ),
            problems=CONVEX,
            float32=False,
            share=False,
            label=f"ScipyNewtonCG({name}, {given})",
        )
        for name, given in (*((name, kw()) for name in SOLVERS), ("gcrotmk", kw(warm_start=True)))
    ),
    Row(
        "ScipyNewtonCG",
        then(ScipyNewtonCG(kwargs={"rtol": 1e-13}, inner=LR(0.5)), LR(0.1)),
        (M("ScipyNewtonCG", kwargs={"rtol": 1e-13}, inner=M("LR", 0.5)), M("LR", 0.1)),
        problems=CONVEX,
        float32=False,
        share=False,
    ),
    Row("ScipyNewtonCG", ScipyNewtonCG(hvp_method="fd_forward"), (), "fd-names"),
    Row("ScipyNewtonCG", ScipyNewtonCG(hvp_method="fd_central"), (), "fd-names"),
    Row("ScipyNewtonCG", ScipyNewtonCG("cg"), (), "breakdown-nan"),
    *(
        Row(
            "NewtonSolver",
            then(NewtonSolver(LR(1.0), **given), LR(0.1)),
            (M("NewtonSolver", torch_descent, **given), M("LR", 0.1)),
            problems=("quadratic", "logistic"),
            float32=False,
            share=False,
            label=f"NewtonSolver({given})",
        )
        for given in (
            kw(),
            kw(maxiter=20),
            kw(maxiter=3, maxiter1=9),
            kw(tol=0.5),
            kw(tol=None),
            kw(warm_start=False, maxiter=30),
            kw(reset_solver=True),
        )
    ),
    Row(
        "NewtonSolver",
        then(NewtonSolver(LR(1.0), inner=LR(0.5)), LR(0.1)),
        (M("NewtonSolver", torch_descent, inner=M("LR", 0.5)), M("LR", 0.1)),
        problems=("quadratic", "logistic"),
        float32=False,
        share=False,
    ),
    Row(
        "NewtonSolver",
        then(NewtonSolver(LR(1.0), reg=0.5), LR(0.1)),
        (M("NewtonSolver", torch_descent, reg=0.5), M("LR", 0.1)),
        "reg-ignored",
        ("quadratic", "logistic"),
        float32=False,
        share=False,
    ),
    *(
        Row(
            "GradMin",
            GradMin(LR(1e-7), **given),
            (M("GradMin", M("LR", 1e-7), **given),),
            float32=False,
            label=f"GradMin({given})",
        )
        for given in (
            kw(),
            kw(square=True),
            kw(mean=False),
            kw(square=True, mean=False),
            kw(loss_term=2.0),
            kw(maximize_grad=True, loss_term=2.0),
            kw(relative="loss_to_grad", loss_term=2.0),
            kw(relative="grad_to_loss", loss_term=2.0),
            kw(create_graph=True),
            kw(modify_loss=False),
        )
    ),
    *(
        Row(
            "GradMin",
            GradMin(LR(1e-7), **given),
            (M("GradMin", M("LR", 1e-7), **given),),
            problems=POSITIVE,
            float32=False,
            label=f"GradMin({given})",
        )
        for given in (kw(graft="loss_to_grad", loss_term=2.0), kw(graft="grad_to_loss", loss_term=2.0))
    ),
]


def rows_of(method: str) -> list[Row]:
    return [row for row in ROWS if row.method == method]
