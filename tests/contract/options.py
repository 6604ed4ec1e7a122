"""For every method of the registry: each declared option, a value other than its default, and where it shows.

A method joins the contract test by a row here; a field without an entry fails `test_every_option_is_probed`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import scipy.optimize

import refopt


@dataclasses.dataclass(frozen=True)
class Probe:
    """One option: the value tried against the default, with what else has to be set for it to matter.

    Attributes
    ----------
    value : the option's other value
    also : further hyperparameters, given to both sides
    problem : key of `PROBLEMS` in test_contract.py
    steps : iterations compared; the paths or the figures must differ within them
    """

    value: Any
    also: dict[str, Any] = dataclasses.field(default_factory=dict)
    problem: str = "rosenbrock"
    steps: int = 8
    before: tuple[
        refopt.Method, ...
    ] = ()  # methods put in front, where the option needs an update that is no gradient
    base: Any = ...  # the value on the other side, where it is not the default


def every_second(t: int, n: int) -> np.ndarray:
    return (np.arange(n) + t) % 2 == 0


class InverseOnly(scipy.optimize.BFGS):
    """A strategy that holds the inverse only."""

    def initialize(self, n, approx_type):
        if approx_type == "hess":
            raise ValueError("only the inverse")
        super().initialize(n, approx_type)


INNER_BACKTRACKING = {"inner": refopt.Backtracking(), "project_params": True}
INNER_NORM = {"inner": refopt.GGT()}  # a method that mixes coordinates, so that their grouping shows
FIXED = {"auto": False}  # the name CurveBall stands for the automatic form
SMALL = {"init_radius": 0.01}
GROWING = {"init_radius": 0.01, "rho_good": 0.5}
NARROW = {"init_radius": 0.1}
FAR = {"init_radius": 100.0}
BALL = {"trust_method": "bounds", "order": 2, "norm": "euclidean"}  # Rosenbrock is its own model of order 4

OPTIONS: dict[str, dict[str, Probe]] = {
    "ReduceOutwardLR": {
        "mul": Probe(0.25),
        "use_grad": Probe(True, before=(refopt.HeavyBall(0.99),)),
        "invert": Probe(True),
    },
    "CoordinateMomentum": {"p": Probe(0.6), "mask": Probe(every_second)},
    "CubicAdam": {
        "beta1": Probe(0.5),
        "beta2": Probe(0.5),
        "beta3": Probe(0.5, problem="zigzag"),
        "eps": Probe(1.0),
        "debiased": Probe(False),
        "alpha": Probe(0.5),
        "mode": Probe("halve", problem="zigzag"),
    },
    "NewtonNewton": {
        "reg": Probe(0.5),
        "order": Probe(4),
        "vectorize": Probe(False),
        "update_freq": Probe(3),
        "solver": Probe("gmres"),
        "rtol": Probe(1e-2, {"solver": "gmres"}),
        "inner": Probe(refopt.HeavyBall(0.5)),
        "direction": Probe("keep"),
        "damping": Probe("absolute"),
    },
    "ScipyNewtonCG": {
        "solver": Probe("minres"),
        "hvp_method": Probe("fd_central"),
        "h": Probe(0.1, {"hvp_method": "fd_central"}),
        "warm_start": Probe(True),
        "inner": Probe(refopt.HeavyBall(0.5)),
        "kwargs": Probe({"rtol": 0.5}),
        "M": Probe(np.diag([1.0, 2.0, 3.0, 4.0])),
        "forcing": Probe(None),
        "direction": Probe("keep", {"solver": "cg"}, problem="saddle"),
    },
    "NewtonSolver": {
        "solver": Probe("BFGS"),
        "maxiter": Probe(1),
        "maxiter1": Probe(1),
        "tol": Probe(0.9),
        "reg": Probe(1.0),
        "warm_start": Probe(False),
        "hvp_method": Probe("fd_central"),
        "h": Probe(0.1, {"hvp_method": "fd_central"}),
        "reset_solver": Probe(True),
        "inner": Probe(refopt.HeavyBall(0.5)),
        "objective": Probe("energy"),
    },
    "GradMin": {
        "inner": Probe(refopt.LR(1e-6)),
        "loss_term": Probe(2.0),
        "relative": Probe("grad_to_loss"),
        "graft": Probe("grad_to_loss"),
        "square": Probe(True),
        "mean": Probe(False, {"inner": refopt.LR(1e-6)}),
        "maximize_grad": Probe(True, {"inner": refopt.LR(1e-6)}),
        "create_graph": Probe(True, {"inner": refopt.Newton()}),
        "modify_loss": Probe(False, {"square": True}),
    },
    "SubspaceCubicAdam": {
        "beta1": Probe(0.5),
        "beta2": Probe(0.5),
        "beta3": Probe(0.5, problem="zigzag"),
        "eps": Probe(10.0),
        "mode": Probe("halve", problem="zigzag"),
        "cautious": Probe(True, problem="zigzag", steps=20),
        "exact_reproject": Probe(False),
    },
    "BlockPartition": {
        "inner": Probe(refopt.LR(0.1)),
        "max_size": Probe(1, INNER_BACKTRACKING),
        "batched": Probe(True, INNER_NORM),
        "project_update": Probe(False, {**INNER_NORM, "project_grad": True}, before=(refopt.HeavyBall(0.9),)),
        "project_params": Probe(True, {"inner": refopt.ReduceOutwardLR()}),
        "project_grad": Probe(True, {"inner": refopt.ReduceOutwardLR(use_grad=True)}),
    },
    "TensorizeProjection": {
        "inner": Probe(refopt.LR(0.1)),
        "max_side": Probe(8, {"inner": refopt.FFTProjection(refopt.Adam())}),
        "project_update": Probe(False, {"project_grad": True}, before=(refopt.HeavyBall(0.9),)),
        "project_params": Probe(True, {"inner": refopt.ReduceOutwardLR()}),
        "project_grad": Probe(True, {"inner": refopt.ReduceOutwardLR(use_grad=True)}),
    },
    "FFTProjection": {
        "inner": Probe(refopt.LR(0.1)),
        "one_d": Probe(True),
        "norm": Probe("forward", {"inner": refopt.Adam(eps=1.0)}),
        "gradient": Probe("chain-rule"),
        "project_update": Probe(False, {"project_grad": True}, before=(refopt.HeavyBall(0.9),)),
        "project_params": Probe(True, {"inner": refopt.ReduceOutwardLR()}),
        "project_grad": Probe(True, {"inner": refopt.ReduceOutwardLR(use_grad=True)}),
    },
    "DCTProjection": {
        "inner": Probe(refopt.LR(0.1)),
        "one_d": Probe(True),
        "project_update": Probe(False, {"project_grad": True}, before=(refopt.HeavyBall(0.9),)),
        "project_params": Probe(True, {"inner": refopt.ReduceOutwardLR()}),
        "project_grad": Probe(True, {"inner": refopt.ReduceOutwardLR(use_grad=True)}),
    },
    "CurveBall": {
        "precond_lr": Probe(1e-2, FIXED),
        "momentum": Probe(0.5, FIXED),
        "reg": Probe(0.5, FIXED),
        "hvp_method": Probe("fd_central"),
        "h": Probe(0.1, {"hvp_method": "fd_central"}),
        "inner": Probe(refopt.HeavyBall(0.5)),
        "auto": Probe(False),
        "curvature": Probe("gauss-newton"),
        "lam": Probe(0.1),
        "alpha": Probe(0.5),
        "acceptance": Probe("none"),
        "damping": Probe("absolute"),
    },
    "InfinityNormTrustRegion": {
        "hess": Probe("gauss-newton"),
        "eta": Probe(0.7),
        "nplus": Probe(2.0, GROWING),
        "nminus": Probe(0.5, FAR),
        "rho_good": Probe(0.5),
        "rho_bad": Probe(0.9),
        "boundary_tol": Probe(0.01, {"rho_good": 0.01}, steps=20),
        "init_radius": Probe(0.1),
        "update_freq": Probe(3),
        "max_attempts": Probe(1, FAR),
        "tol": Probe(0.3, {"prefer_dense": False}),
        "prefer_dense": Probe(False, {"tol": 1e-2}),
        "fallback": Probe(True, {"hess": InverseOnly()}),
        "inner": Probe(refopt.HeavyBall(0.5)),
        "subproblem": Probe("residual"),
    },
    "HigherOrderNewton": {
        "order": Probe(2),
        "trust_method": Probe("bounds"),
        "nplus": Probe(2.0, BALL | SMALL),
        "nminus": Probe(0.5, BALL | FAR),
        "rho_good": Probe(0.5, BALL | {"init_radius": 0.3}, steps=20),
        "rho_bad": Probe(0.9, BALL | FAR),
        "init_radius": Probe(0.1),
        "eta": Probe(0.9, BALL | FAR),
        "max_attempts": Probe(1, BALL | FAR),
        "boundary_tol": Probe(None, BALL | GROWING),
        "de_iters": Probe(3),
        "solver": Probe("trust-constr"),
        "derivatives": Probe("matrix-free"),
        "theta": Probe(10.0),
        "norm": Probe("euclidean"),
    },
    "GGT": {
        "history_size": Probe(2),
        "update_freq": Probe(3),
        "eig_tol": Probe(0.5),
        "truncate": Probe(1),
        "damping": Probe(10.0),
        "rdamping": Probe(1.0),
        "matrix_power": Probe(-0.25),
        "basis_optimizer": Probe(refopt.SubspaceAdam()),
        "inner": Probe(refopt.HeavyBall(0.5)),
    },
    "SubspaceAdam": {
        "beta1": Probe(0.5),
        "beta2": Probe(0.5),
        "eps": Probe(10.0),
        "cautious": Probe(True, problem="zigzag", steps=20),
        "exact_reproject": Probe(False),
    },
    "GaussNewton": {"reg": Probe(1.0)},
    "LevenbergMarquardt": {
        "curvature": Probe("gauss-newton", problem="decay"),
        "init_radius": Probe(0.1, problem="decay"),
        "eta": Probe(0.5, NARROW, "decay"),
        "nplus": Probe(3.0, problem="decay"),
        "nminus": Probe(0.25, problem="decay"),
        "rho_good": Probe(0.95, problem="decay"),
        "rho_bad": Probe(0.5, NARROW, "decay"),
        "max_attempts": Probe(1, problem="decay"),
    },
    "LR": {"lr": Probe(1e-4)},
    "Adam": {"beta1": Probe(0.5), "beta2": Probe(0.5), "eps": Probe(1.0), "debiased": Probe(False)},
    "HeavyBall": {"momentum": Probe(0.5), "dampening": Probe(0.5), "nesterov": Probe(True)},
    "EMA": {"beta": Probe(0.5), "debiased": Probe(False)},
    "Backtracking": {
        "init_step": Probe(0.3),
        "shrink": Probe(0.3),
        "c1": Probe(0.9),
        "growth": Probe(2.0),
        "maxiter": Probe(2),
    },
    "StrongWolfe": {
        "c1": Probe(0.45, {"c2": 0.46}),
        "c2": Probe(0.01),
        "maxiter": Probe(1, before=(refopt.LR(1e-5),)),
    },
    "LBFGS": {"history_size": Probe(1, steps=20)},
    "Newton": {"delta": Probe(0.5, problem="saddle")},
}
