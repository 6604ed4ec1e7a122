"""The parity table: every method of the registry, in every option, against `torchzero` 0.4.4, in lockstep.

    python -m refopt.oracle.torchzero.parity [--method NAME] [--steps 100] [--dtype float64]

One `Row` per method and option; a method of the registry without a row fails the tests. A row names the original's
modules as data, ``M("CubicAdam", mode="halve")``. Where refopt knowingly differs the row names the deviation: then
the original must agree with the deviation's own formula, or only the coordinates that the deviation touches may
differ; and somewhere they must.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
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
    LeastSquares,
    Newton,
    NewtonNewton,
    NewtonSolver,
    ReduceOutwardLR,
    ScipyNewtonCG,
    StrongWolfe,
    SubspaceAdam,
    SubspaceCubicAdam,
    TensorizeProjection,
    methods,
)
from ...method import Chain, Method, copy_state
from ...solvers.krylov import SOLVERS
from ...status import Stop
from ..candidates import Task, paths, record, with_tapes
from ..comparison import Lockstep
from ..exact import definitions as exact
from ..exact.precise import Arithmetic, plain
from ..report import Report
from .deviations import find as find_deviation

__all__ = ["M", "Row", "Result", "ROWS", "PROBLEMS", "task", "build", "run_row", "rows_of", "main"]

TOLERANCE = {"float64": 1e-10, "float32": 2e-3}  # relative to the largest entry of the update; see `run_row`


# ---------------------------------------------------------------- problems, in autograd and torch


def constant(xp: Any, a: Any, x: Any) -> Any:
    """A data array in the library and dtype of `x`."""
    return xp.as_tensor(a, dtype=x.dtype) if xp is not anp else np.asarray(a).astype(x.dtype)


DATA = np.random.default_rng(20240607)
ROTATION = np.linalg.qr(DATA.standard_normal((6, 6)))[0]
MATRIX = (ROTATION * np.logspace(-2, 0, 6)) @ ROTATION.T
FEATURES, SIGNS = DATA.standard_normal((24, 6)), np.sign(DATA.standard_normal(24) + 0.3)
INPUTS = DATA.standard_normal((16, 2))
TARGETS = np.sin(INPUTS[:, 0]) * INPUTS[:, 1]


def quadratic(xp, x):
    d = x - 1
    return 0.5 * xp.sum(d * (constant(xp, MATRIX, x) @ d))


def rosenbrock(xp, x):
    return xp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def beale(xp, x):
    a, b = x[0], x[1]
    return (1.5 - a + a * b) ** 2 + (2.25 - a + a * b**2) ** 2 + (2.625 - a + a * b**3) ** 2


def beale_residuals(x):
    return anp.array([1.5, 2.25, 2.625]) - x[0] * (1 - x[1] ** anp.arange(1, 4))


def logistic(xp, x):
    z = constant(xp, SIGNS, x) * (constant(xp, FEATURES, x) @ x)
    return xp.mean(xp.log(1 + xp.exp(-z))) + 0.01 * xp.sum(x * x)


def network(xp, x):
    W, b, v, c = x[:6].reshape((3, 2)), x[6:9], x[9:12], x[12]
    out = xp.tanh(constant(xp, INPUTS, x) @ W.T + b) @ v + c
    return xp.mean((out - constant(xp, TARGETS, x)) ** 2)


def flat_direction(xp, x):
    """The gradient of x[1] is exactly zero, that of x[2] is zero where it starts."""
    return (x[0] - 3) ** 2 + 0 * x[1] + x[2] ** 4 + 0.5 * x[3] ** 2


PROBLEMS: dict[str, tuple[Callable, list[float], tuple | None]] = {
    "quadratic": (quadratic, [0.0] * 6, None),
    "rosenbrock 4": (rosenbrock, [-1.2, 1.0, -0.5, 0.8], None),
    "rosenbrock 50, 4 tensors": (rosenbrock, list(np.resize([-1.2, 1.0, 0.3], 50)), ((5, 4), (20,), (3, 3), (1,))),
    "beale": (beale, [1.0, 0.8], None),
    "logistic": (logistic, [0.1, -0.2, 0.0, 0.3, 0.0, -0.1], None),
    "tanh network": (network, list(np.random.default_rng(5).standard_normal(13) * 0.5),
                     ((3, 2), (3,), (3,), (1,))),
    "zero gradients": (flat_direction, [1.0, 0.7, 0.0, -2.0], None),
}


RESIDUALS = {"beale residuals": (LeastSquares(beale_residuals), [1.0, 0.8])}  # for methods that need a model


def task(name: str, dtype: Any = np.float64) -> Task:
    """A problem of the table for both sides, or one of `RESIDUALS` for ours."""
    if name in RESIDUALS:
        residuals, start = RESIDUALS[name]
        return Task(name, residuals, np.array(start, dtype=dtype))
    fun, x0, shapes = PROBLEMS[name]

    def in_torch(tensors: list) -> Any:
        import torch

        return fun(torch, torch.cat([t.reshape(-1) for t in tensors]))

    return Task(name, lambda x: fun(anp, x), np.array(x0, dtype=dtype), shapes, in_torch)


# ---------------------------------------------------------------- rows


class M:
    """A module of torchzero as data: its name and arguments, which may hold further `M`."""

    def __init__(self, name: str, *args: Any, **kwargs: Any):
        self.name, self.args, self.kwargs = name, args, kwargs

    def __repr__(self) -> str:
        inside = [*map(repr, self.args), *(f"{k}={v!r}" for k, v in self.kwargs.items())]
        return f"{self.name}({', '.join(inside)})"


def build(value: Any) -> Any:
    """The torchzero module (or anything that holds some) that an `M` describes."""
    if isinstance(value, M):
        import torchzero
        import torchzero.modules.experimental as experimental

        module, _, name = value.name.rpartition(".")
        if module:
            cls = getattr(importlib.import_module(f"torchzero.modules.{module}"), name)
        else:
            cls = getattr(experimental, name, None) or getattr(torchzero.m, name)
        return cls(*map(build, value.args), **{k: build(v) for k, v in value.kwargs.items()})
    if isinstance(value, (list, tuple)):
        return type(value)(build(v) for v in value)
    return value


@dataclasses.dataclass(frozen=True)
class Row:
    """One comparison with the original.

    Attributes
    ----------
    method : registry name the row belongs to
    ours : the complete method
    theirs : the original's modules; empty where it cannot run, then `deviation` says why
    deviation : name in `refopt.oracle.deviations`, or ""
    problems : names in `PROBLEMS` it runs on
    tape : ``tape(trace) -> masks`` for a method that draws random numbers
    float32 : False for a row that means nothing in float32 (finite differences of step 1e-3, ...)
    measure : None compares the updates; else ``measure(point, ours, theirs) -> relative error`` of the two updates,
        for a method whose step is the answer of an iterative solver (compare the values of the model)
    tolerance : for float64, relative; 1e-10 unless the row says why
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
    measure: Callable | None = None
    tolerance: float = TOLERANCE["float64"]
    label: str | None = None
    share: bool = True

    def __str__(self) -> str:
        return self.label or " + ".join(map(repr, self.ours.methods if isinstance(self.ours, Chain) else [self.ours]))


def then(*ours: Method) -> Chain:
    return Chain(ours)


def masks_of(trace: Any) -> list[np.ndarray]:
    """The coordinates that CoordinateMomentum refreshed, read off its buffer."""
    before = [np.zeros(trace.steps[0].x.size), *(s.after["velocity"] for s in trace.steps[:-1])]
    return [s.after["velocity"] != v for s, v in zip(trace.steps, before, strict=True)]


SMALL, TINY = LR(1e-2), LR(1e-4)  # step sizes with which the problems stay bounded for 100 steps
_SMALL, _TINY = M("LR", 1e-2), M("LR", 1e-4)

NONSINGULAR = tuple(name for name in PROBLEMS if name != "zero gradients")  # the Hessian is invertible along the way

PLAIN, _PLAIN = Adam(debiased=False), M("Adam", debias=False)  # inside others: where the two Adams are the same
EIGEN = 1e-7  # eigenvectors of a Gram matrix, with eigenvalues down to 1e-7 of the largest, on either side
STEEP = ("rosenbrock 4", "rosenbrock 50, 4 tensors", "beale")  # gradients so large that the original's root holds

CURVE_BALLS: tuple[dict[str, Any], ...] = (
    {},
    {"precond_lr": 3e-4, "momentum": 0.5},
    {"reg": 0.1},
    {"hvp_method": "fd_forward"},
    {"hvp_method": "fd_forward", "h": 1e-2},
)

CONVEX = ("quadratic", "logistic")  # H is definite: a step of Newton is well defined all along
POSITIVE = ("logistic", "rosenbrock 4", "beale", "tanh network")  # f stays away from 0, by which grafts divide
TIGHT = {"lsqr": {"atol": 1e-13, "btol": 1e-13, "iter_lim": 100}, "lsmr": {"atol": 1e-13, "btol": 1e-13, "maxiter": 100}}


def torch_descent(params: list) -> Any:
    """Gradient descent of step 1 as the solver that the original's NewtonSolver asks for."""
    import torchzero

    return torchzero.Optimizer(params, torchzero.m.LR(1.0))


kw = dict[str, Any]  # options of a row

ROWS: list[Row] = [
    *(Row("CurveBall", CurveBall(**options), (M("CurveBall", **options),),
          float32="hvp_method" not in options) for options in CURVE_BALLS),
    Row("CurveBall", CurveBall(inner=LR(0.5)), (M("CurveBall", inner=M("LR", 0.5)),)),
    Row("CurveBall", CurveBall(auto=True, lam=0.1), (), "closed-form"),
    Row("CurveBall", CurveBall(auto=True, acceptance="ratio"), (), "closed-form"),
    *(Row("InfinityNormTrustRegion", InfinityNormTrustRegion(**options), (), "never-ran") for options in (
        {"init_radius": 0.1}, {"eta": 0.2, "rho_good": 0.5, "boundary_tol": 0.1}, {"update_freq": 2},
        {"subproblem": "residual"}, {"inner": LR(0.5)})),
    *(Row("HigherOrderNewton", HigherOrderNewton(**options), (), "certified-subproblem") for options in (
        {}, {"order": 3}, {"order": 2, "init_radius": 0.1}, {"order": 3, "derivatives": "matrix-free"},
        {"order": 3, "trust_method": "regularized"}, {"order": 3, "trust_method": "none"},
        {"order": 3, "eta": 0.2, "rho_good": 0.5, "rho_bad": 0.1, "nplus": 2.0, "nminus": 0.5, "boundary_tol": None})),
    *(Row("HigherOrderNewton", HigherOrderNewton(order=order, trust_method="proximal"), (), "proximal-order-1")
      for order in (1, 3)),
    Row("GaussNewton", GaussNewton(0.1), (), "jacobian-itself"),
    Row("LR", LR(1e-4), (M("LR", 1e-4),)),
    Row("ReduceOutwardLR", then(ReduceOutwardLR(), TINY), (M("ReduceOutwardLR"), _TINY)),
    Row("ReduceOutwardLR", then(ReduceOutwardLR(mul=0.1), TINY), (M("ReduceOutwardLR", mul=0.1), _TINY)),
    Row("ReduceOutwardLR", then(ReduceOutwardLR(invert=True), TINY), (M("ReduceOutwardLR", invert=True), _TINY)),
    Row("ReduceOutwardLR", then(HeavyBall(0.9), ReduceOutwardLR(use_grad=True), TINY),
        (M("HeavyBall", 0.9, ema_init="zeros"), M("ReduceOutwardLR", use_grad=True), _TINY)),
    Row("ReduceOutwardLR", then(HeavyBall(0.9), ReduceOutwardLR(use_grad=True, invert=True), TINY),
        (M("HeavyBall", 0.9, ema_init="zeros"), M("ReduceOutwardLR", use_grad=True, invert=True), _TINY)),
    Row("CoordinateMomentum", then(CoordinateMomentum(), TINY), (M("CoordinateMomentum"), _TINY), tape=masks_of),
    Row("CoordinateMomentum", then(CoordinateMomentum(0.5), TINY), (M("CoordinateMomentum", 0.5), _TINY), tape=masks_of),
    *(Row("CubicAdam", then(CubicAdam(mode=mode, debiased=debiased), SMALL),
          (M("CubicAdam", mode=mode, debiased=debiased), _SMALL), "stable-root")
      for mode in ("signed_cbrt", "unsigned_cbrt", "halve") for debiased in (True, False)),
    Row("CubicAdam", then(CubicAdam(0.8, 0.9, 0.95, 1e-6, alpha=0.5), SMALL),
        (M("CubicAdam", 0.8, 0.9, 0.95, 1e-6, alpha=0.5), _SMALL), "stable-root"),
    Row("Adam", then(Adam(), SMALL), (M("Adam"), _SMALL), "eps-debiased"),
    Row("Adam", then(Adam(0.8, 0.99, 1e-6), SMALL), (M("Adam", 0.8, 0.99, 1e-6), _SMALL), "eps-debiased"),
    Row("Adam", then(Adam(debiased=False), SMALL), (M("Adam", debias=False), _SMALL)),
    Row("HeavyBall", then(HeavyBall(0.9), TINY), (M("HeavyBall", 0.9, ema_init="zeros"), _TINY)),
    Row("HeavyBall", then(HeavyBall(0.9, dampening=0.5), TINY),
        (M("HeavyBall", 0.9, dampening=0.5, ema_init="zeros"), _TINY)),
    Row("HeavyBall", then(HeavyBall(0.9), TINY), (M("HeavyBall", 0.9), _TINY), "buffer-start"),
    Row("HeavyBall", then(HeavyBall(0.9, nesterov=True), TINY), (M("NAG", 0.9), _TINY), share=False),
    Row("EMA", then(EMA(0.9, debiased=False), TINY), (M("EMA", 0.9), _TINY)),
    Row("EMA", then(EMA(0.9), TINY), (M("EMA", 0.9, debias=True), _TINY)),
    Row("LBFGS", then(LBFGS(), SMALL), (M("LBFGS"), _SMALL)),
    Row("LBFGS", then(LBFGS(history_size=3), SMALL), (M("LBFGS", history_size=3), _SMALL)),
    Row("Newton", then(Newton(), LR(0.1)), (M("Newton"), M("LR", 0.1)), "descent", NONSINGULAR),
    *(Row("NewtonNewton", then(NewtonNewton(**given), SMALL), (M("NewtonNewton", **given), _SMALL), problems=NONSINGULAR,
          float32=False) for given in (kw(reg=0.1), kw(reg=0.1, order=2), kw(reg=0.1, update_freq=3))),
    Row("NewtonNewton", then(NewtonNewton(reg=0.1, vectorize=False), SMALL),
        (M("NewtonNewton", reg=0.1, vectorize=False), _SMALL), problems=("quadratic", "beale", "logistic"),
        float32=False),
    Row("NewtonNewton", then(NewtonNewton(reg=0.1, order=4), SMALL), (M("NewtonNewton", reg=0.1, order=4), _SMALL),
        "order-four", ("quadratic", "beale"), float32=False),
    Row("NewtonNewton", then(NewtonNewton(reg=0.1, inner=ReduceOutwardLR()), SMALL),
        (M("NewtonNewton", reg=0.1, inner=M("ReduceOutwardLR")), _SMALL), problems=("beale",), float32=False),
    Row("Backtracking", Backtracking(maxiter=10), (M("Backtracking", adaptive=False),), "armijo-only"),
    Row("Backtracking", Backtracking(init_step=2.0, shrink=0.7, c1=0.1, maxiter=40),
        (M("Backtracking", init=2.0, beta=0.7, c=0.1, maxiter=40, adaptive=False),),
        "armijo-only", tuple(name for name in PROBLEMS if name != "logistic")),  # there rounding decides
    Row("StrongWolfe", StrongWolfe(), (M("StrongWolfe"),), "scipy-search"),
    *(Row("BlockPartition", then(BlockPartition(PLAIN, size), SMALL),
          (M("BlockPartition", _PLAIN, max_size=size), _SMALL), share=False) for size in (1, 3, 100)),
    Row("BlockPartition", then(BlockPartition(PLAIN, 3, batched=True), SMALL),
        (M("BlockPartition", _PLAIN, max_size=3, batched=True), _SMALL), problems=("quadratic", "logistic"), share=False),
    Row("BlockPartition", then(BlockPartition(PLAIN, 3, project_params=True), SMALL),
        (M("BlockPartition", _PLAIN, max_size=3, project_params=True), _SMALL), share=False),
    Row("BlockPartition", then(BlockPartition(GGT(4, damping=1.0), 7), SMALL),
        (M("BlockPartition", M("GGT", history_size=4, damping=1.0, concat_params=False), max_size=7), _SMALL),
        float32=False, share=False, tolerance=EIGEN),
    Row("BlockPartition", then(BlockPartition(PLAIN, 4, batched=True), SMALL), (), "padded-rows"),
    Row("BlockPartition", then(BlockPartition(LBFGS(), 3, project_params=True), LR(0.1)), (), "block-states"),
    *(Row("TensorizeProjection", then(TensorizeProjection(PLAIN, side), SMALL),
          (M("TensorizeProjection", _PLAIN, max_side=side), _SMALL), share=False) for side in (2, 3, 5, 100)),
    Row("TensorizeProjection", then(TensorizeProjection(PLAIN, 3, project_params=True, project_grad=True), SMALL),
        (M("TensorizeProjection", _PLAIN, max_side=3, project_params=True, project_grad=True), _SMALL), share=False),
    *(Row("FFTProjection", then(FFTProjection(PLAIN, one_d, norm), SMALL),
          (M("FFTProjection", _PLAIN, one_d=one_d, norm=norm), _SMALL), share=False)
      for norm in (None, "backward", "forward", "ortho") for one_d in (False, True)),
    *(Row("FFTProjection", then(FFTProjection(PLAIN, project_params=True, project_grad=grad), SMALL),
          (M("FFTProjection", _PLAIN, project_params=True, project_grad=grad), _SMALL), share=False)
      for grad in (False, True)),
    Row("FFTProjection", then(FFTProjection(ReduceOutwardLR(), project_params=True), TINY),
        (M("FFTProjection", M("ReduceOutwardLR"), project_params=True), _TINY), share=False, float32=False),
    Row("FFTProjection", then(FFTProjection(Adam(), project_update=False, project_grad=True), SMALL), (), "without-update"),
    Row("DCTProjection", then(DCTProjection(Adam()), SMALL), (), "cosines"),
    *(Row("GGT", then(GGT(**options), SMALL), (M("GGT", **options), _SMALL), float32=False, share=False, tolerance=EIGEN)
      for options in ({}, {"history_size": 4}, {"history_size": 4, "damping": 1e-2, "truncate": 2},
                      {"history_size": 4, "eig_tol": 0.1}, {"history_size": 4, "rdamping": 0.1},
                      {"history_size": 4, "update_freq": 3, "damping": 1.0})),
    Row("GGT", then(GGT(4, inner=EMA()), SMALL), (M("GGT", history_size=4, inner=M("EMA", 0.9, debias=True)), _SMALL),
        float32=False, share=False, tolerance=EIGEN),
    Row("GGT", then(GGT(4, damping=1.0, matrix_power=-1.0), TINY),
        (M("GGT", history_size=4, damping=1.0, matrix_power=-1.0), _TINY), "matrix-power", float32=False, share=False),
    *(Row("SubspaceCubicAdam", then(GGT(1, basis_optimizer=SubspaceCubicAdam(mode=mode)), SMALL),
          (M("GGT", history_size=1, basis_optimizer=M("SubspaceCubicAdam", mode=mode)), _SMALL), share=False)
      for mode in ("signed_cbrt", "unsigned_cbrt")),
    Row("SubspaceCubicAdam", then(GGT(3, basis_optimizer=SubspaceCubicAdam()), SMALL),
        (M("GGT", history_size=3, basis_optimizer=M("SubspaceCubicAdam")), _SMALL), problems=STEEP,
        float32=False, share=False, tolerance=EIGEN),
    Row("SubspaceCubicAdam", then(GGT(3, basis_optimizer=SubspaceCubicAdam(0.8, 0.9, 0.92, 1e-6)), SMALL),
        (M("GGT", history_size=3, basis_optimizer=M("SubspaceCubicAdam", 0.8, 0.9, 0.92, 1e-6)), _SMALL),
        problems=STEEP, float32=False, share=False, tolerance=EIGEN),
    Row("SubspaceCubicAdam", then(GGT(3, basis_optimizer=SubspaceCubicAdam(mode="halve")), SMALL),
        (M("GGT", history_size=3, basis_optimizer=M("SubspaceCubicAdam", mode="halve")), _SMALL), problems=STEEP,
        float32=False, share=False, tolerance=EIGEN),
    Row("SubspaceCubicAdam", then(GGT(3, basis_optimizer=SubspaceCubicAdam(mode="halve")), SMALL),
        (M("GGT", history_size=3, basis_optimizer=M("SubspaceCubicAdam", mode="halve")), _SMALL), "subspace-root",
        ("quadratic", "zero gradients"), float32=False, share=False),
    Row("SubspaceCubicAdam", then(GGT(3, basis_optimizer=SubspaceCubicAdam(mode="unsigned_cbrt")), SMALL),
        (M("GGT", history_size=3, basis_optimizer=M("SubspaceCubicAdam", mode="unsigned_cbrt")), _SMALL),
        "eigenvector-signs", float32=False, share=False),
    *(Row("SubspaceCubicAdam", then(GGT(3, basis_optimizer=SubspaceCubicAdam(**options)), SMALL),
          (M("GGT", history_size=3, basis_optimizer=M("SubspaceCubicAdam", **options)), _SMALL), name,
          float32=False, share=False)
      for options, name in ((kw(cautious=True), "cautious-ignored"), (kw(exact_reproject=False), "reproject-ignored"))),
    Row("SubspaceAdam", then(GGT(3, basis_optimizer=SubspaceAdam(eps=1e-30)), SMALL),
        (M("GGT", history_size=3, basis_optimizer=M("adaptive.lre_optimizers.Adam", eps=1e-30)), _SMALL),
        problems=STEEP, float32=False, share=False, tolerance=EIGEN),
    Row("SubspaceAdam", then(GGT(1, basis_optimizer=SubspaceAdam(eps=1e-3)), SMALL),
        (M("GGT", history_size=1, basis_optimizer=M("adaptive.lre_optimizers.Adam", eps=1e-3)), _SMALL),
        "subspace-eps", float32=False, share=False),
    *(Row("ScipyNewtonCG", then(ScipyNewtonCG(name, kwargs=TIGHT.get(name, {"rtol": 1e-13}), **given), LR(0.1)),
          (M("ScipyNewtonCG", getattr(scipy.sparse.linalg, name), kwargs=TIGHT.get(name, {"rtol": 1e-13}), **given),
           M("LR", 0.1)), problems=CONVEX, float32=False, share=False, label=f"ScipyNewtonCG({name}, {given})")
      for name, given in (*((name, kw()) for name in SOLVERS), ("gcrotmk", kw(warm_start=True)))),
    Row("ScipyNewtonCG", then(ScipyNewtonCG(kwargs={"rtol": 1e-13}, inner=LR(0.5)), LR(0.1)),
        (M("ScipyNewtonCG", kwargs={"rtol": 1e-13}, inner=M("LR", 0.5)), M("LR", 0.1)), problems=CONVEX, float32=False,
        share=False),
    Row("ScipyNewtonCG", ScipyNewtonCG(hvp_method="fd_forward"), (), "fd-names"),
    Row("ScipyNewtonCG", ScipyNewtonCG(hvp_method="fd_central"), (), "fd-names"),
    Row("ScipyNewtonCG", ScipyNewtonCG("cg"), (), "breakdown-nan"),
    *(Row("NewtonSolver", then(NewtonSolver(LR(1.0), **given), LR(0.1)),
          (M("NewtonSolver", torch_descent, **given), M("LR", 0.1)), problems=("quadratic", "logistic"), float32=False,
          share=False, label=f"NewtonSolver({given})")
      for given in (kw(), kw(maxiter=20), kw(maxiter=3, maxiter1=9), kw(tol=0.5), kw(tol=None),
                    kw(warm_start=False, maxiter=30), kw(reset_solver=True))),
    Row("NewtonSolver", then(NewtonSolver(LR(1.0), inner=LR(0.5)), LR(0.1)),
        (M("NewtonSolver", torch_descent, inner=M("LR", 0.5)), M("LR", 0.1)), problems=("quadratic", "logistic"),
        float32=False, share=False),
    Row("NewtonSolver", then(NewtonSolver(LR(1.0), reg=0.5), LR(0.1)),
        (M("NewtonSolver", torch_descent, reg=0.5), M("LR", 0.1)), "reg-ignored", ("quadratic", "logistic"),
        float32=False, share=False),
    *(Row("GradMin", GradMin(LR(1e-7), **given), (M("GradMin", M("LR", 1e-7), **given),), float32=False,
          label=f"GradMin({given})")
      for given in (kw(), kw(square=True), kw(mean=False), kw(square=True, mean=False), kw(loss_term=2.0),
                    kw(maximize_grad=True, loss_term=2.0), kw(relative="loss_to_grad", loss_term=2.0),
                    kw(relative="grad_to_loss", loss_term=2.0), kw(create_graph=True), kw(modify_loss=False))),
    *(Row("GradMin", GradMin(LR(1e-7), **given), (M("GradMin", M("LR", 1e-7), **given),), problems=POSITIVE, float32=False,
          label=f"GradMin({given})")
      for given in (kw(graft="loss_to_grad", loss_term=2.0), kw(graft="grad_to_loss", loss_term=2.0))),
]


def rows_of(method: str) -> list[Row]:
    return [row for row in ROWS if row.method == method]


# ---------------------------------------------------------------- one row


@dataclasses.dataclass
class Result:
    """What a row came to on one problem.

    Attributes
    ----------
    error, ulps : worst relative error of an update over all steps, and in units of its last place
    steps : steps compared
    seen : the declared deviation showed itself
    problem, note : where, and why it ended early
    """

    problem: str
    dtype: str
    error: float = 0.0
    ulps: float = 0.0
    steps: int = 0
    seen: bool = False
    note: str = ""


def run_row(row: Row, problem: str, steps: int = 100, dtype: str = "float64") -> Result:
    """Run the original freely and our method in lockstep with it.

    The error of a step is ``|ours - theirs|``, less the rounding of x from which the original's update is read, over
    the largest entry of the update.
    """
    import torchzero

    here = task(problem, dtype)
    trace = record(lambda params: torchzero.Optimizer(params, *build(row.theirs)), here, steps, tape=row.tape)
    result = Result(problem, dtype, note="" if trace.ended is None else trace.ended[1])
    masks = trace.masks
    method = row.ours if masks is None else with_tapes(row.ours, lambda source: list(masks), np.random.default_rng(0))
    if not row.share:
        for step in trace.steps:
            step.before, step.after = {}, {}
    judge = Lockstep(trace, method, here, None, Report("", "", problem, "lockstep", dtype))
    known = find_deviation(row.deviation) if row.deviation else None
    eps = float(np.finfo(dtype).eps)
    for k, step in enumerate(trace.steps):
        point, before = judge.point(step), judge.before(step)
        try:
            ours, judge.state = method.step(point, point.g, copy_state(before))
        except Stop as stop:
            result.note = f"ours ended at step {k}: {stop.message}"
            break
        result.steps = k + 1
        if row.measure is not None:
            result.error = max(result.error, row.measure(point, ours, step.update))
            continue
        if known is not None and known.variant is not None:
            table = {row.method: known.variant}
            same, ours = ours, plain(exact.run(method, point, point.g, before, Arithmetic(), table=table)[0], dtype)
            result.seen = result.seen or bool((np.abs(same - ours) > row.tolerance * np.abs(same).max()).any())
        with np.errstate(all="ignore"):
            gap = np.abs(ours - step.update) - eps * (np.abs(step.x) + np.abs(step.x - step.update))
            scale = np.abs(ours).max(initial=0.0)
            error = np.where(gap <= 0, 0.0, gap / scale)
        error = np.where(np.isnan(error), np.inf, error)
        if known is not None and known.variant is None:
            fields = {path[-1]: value for path, value in paths(judge.state)}
            touched = np.ones(error.size, bool) if known.where is None else known.where(fields, point.g)
            result.seen = result.seen or bool((error[touched] > row.tolerance).any())
            error = np.where(touched, 0.0, error)
        worst = float(error.max(initial=0.0))
        result.error, result.ulps = max(result.error, worst), max(result.ulps, worst / eps)
    return result


def table(names: list[str], steps: int, dtypes: tuple[str, ...]) -> bool:
    """Print the table; True if every row is within its tolerance."""
    good = True
    print(f"{'method':58s} {'dtype':8s} {'worst error':>11s} {'ulps':>8s}  worst on / deviation")
    for name in names:
        rows = rows_of(name)
        if not rows:
            print(f"{name:58s} has no row in refopt.oracle.torchzero.parity")
            good = False
        for row in rows:
            if not row.theirs:
                print(f"{str(row)[:58]:58s} {'':8s} {'':>11s} {'':>8s}  {row.deviation}")
                continue
            for dtype in dtypes:
                if dtype == "float32" and not row.float32:
                    continue
                results = [run_row(row, problem, steps, dtype) for problem in row.problems]
                worst = max(results, key=lambda r: r.error)
                limit = row.tolerance if dtype == "float64" else TOLERANCE["float32"]
                good = good and worst.error <= limit
                said = worst.problem if worst.error else "equal to rounding of x"
                if row.deviation:
                    seen = [r.problem for r in results if r.seen]
                    said += f"; {row.deviation}" + (f" on {', '.join(seen)}" if seen else ", not seen")
                mark = "" if worst.error <= limit else "  DIFFERS"
                print(f"{str(row)[:58]:58s} {dtype:8s} {worst.error:11.2e} {worst.ulps:8.1f}  {said}{mark}")
    return good


def main(argv: list[str] | None = None) -> int:
    """The command; 0 if all rows agree."""
    parser = argparse.ArgumentParser(prog="python -m refopt.oracle.torchzero.parity", description=main.__doc__)
    parser.add_argument("--method", action="append", help="only this method (may be repeated)")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--dtype", choices=("float64", "float32"), default=None)
    options = parser.parse_args(argv)
    names = options.method or [entry.name for entry in methods()]
    return 0 if table(names, options.steps, (options.dtype,) if options.dtype else ("float64", "float32")) else 1


if __name__ == "__main__":
    raise SystemExit(main())
