"""Reference implementations of experimental optimization methods, in NumPy and SciPy."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .algorithms.block_partition import BlockPartition
from .algorithms.coordinate_momentum import CoordinateMomentum
from .algorithms.cubic_adam import CubicAdam
from .algorithms.curve_ball import CurveBall
from .algorithms.fft_projection import FFTProjection
from .algorithms.grad_min import GradMin
from .algorithms.higher_order_newton import HigherOrderNewton
from .algorithms.infinity_norm_trust_region import InfinityNormTrustRegion
from .algorithms.newton_newton import NewtonNewton
from .algorithms.newton_solver import NewtonSolver
from .algorithms.reduce_outward_lr import ReduceOutwardLR
from .algorithms.scipy_newton_cg import ScipyNewtonCG
from .algorithms.subspace_cubic_adam import SubspaceCubicAdam
from .algorithms.tensorize_projection import TensorizeProjection
from .composite import LeastSquares, ModelLoss
from .driver import iterate, minimize
from .method import Method, chain
from .models.quasi_newton import DFP, PSB, BroydenClass
from .parts.adam import Adam
from .parts.dct_projection import DCTProjection
from .parts.gauss_newton import GaussNewton
from .parts.ggt import GGT
from .parts.lbfgs import LBFGS
from .parts.levenberg_marquardt import LevenbergMarquardt
from .parts.line_search import Backtracking, StrongWolfe
from .parts.lr import LR
from .parts.momentum import EMA, HeavyBall
from .parts.newton import Newton
from .parts.subspace import SubspaceAdam
from .registry import methods
from .result import CovarianceWarning, OptimizeResult
from .run import Record
from .status import Status

if TYPE_CHECKING:
    from . import derivatives, oracle, plot, problems, torch

__all__ = [
    "Adam",
    "Backtracking",
    "BlockPartition",
    "BroydenClass",
    "CoordinateMomentum",
    "CovarianceWarning",
    "CubicAdam",
    "CurveBall",
    "DCTProjection",
    "DFP",
    "EMA",
    "FFTProjection",
    "GGT",
    "GaussNewton",
    "GradMin",
    "HeavyBall",
    "HigherOrderNewton",
    "InfinityNormTrustRegion",
    "LBFGS",
    "LR",
    "LeastSquares",
    "LevenbergMarquardt",
    "Method",
    "ModelLoss",
    "Newton",
    "NewtonNewton",
    "NewtonSolver",
    "OptimizeResult",
    "PSB",
    "Record",
    "ReduceOutwardLR",
    "ScipyNewtonCG",
    "Status",
    "StrongWolfe",
    "SubspaceAdam",
    "SubspaceCubicAdam",
    "TensorizeProjection",
    "__version__",
    "chain",
    "derivatives",
    "iterate",
    "methods",
    "minimize",
    "oracle",
    "plot",
    "problems",
    "torch",
]

LAZY = ("derivatives", "problems", "oracle", "torch", "plot")  # loaded when first used


def __getattr__(name: str) -> Any:
    if name in LAZY:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'refopt' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
