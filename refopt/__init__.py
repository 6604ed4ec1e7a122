"""Reference implementations of experimental optimization methods, in NumPy and SciPy."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .least_squares import LeastSquares, ModelLoss
from .methods.base import Method, chain
from .methods.block_partition import BlockPartition
from .methods.coordinate_momentum import CoordinateMomentum
from .methods.cubic_adam import CubicAdam
from .methods.curve_ball import CurveBall
from .methods.dct_projection import DCTProjection
from .methods.fft_projection import FFTProjection
from .methods.grad_min import GradMin
from .methods.higher_order_newton import HigherOrderNewton
from .methods.infinity_norm_trust_region import InfinityNormTrustRegion
from .methods.newton_newton import NewtonNewton
from .methods.newton_solver import NewtonSolver
from .methods.reduce_outward_lr import ReduceOutwardLR
from .methods.registry import methods  # the function takes the name of the folder it describes
from .methods.scipy_newton_cg import ScipyNewtonCG
from .methods.subspace_cubic_adam import SubspaceCubicAdam
from .methods.tensorize_projection import TensorizeProjection
from .minimize import Record, iterate, minimize
from .status import Status
from .support.adam import Adam
from .support.gauss_newton import GaussNewton
from .support.ggt import GGT
from .support.heavy_ball import EMA, HeavyBall
from .support.hessians import DFP, PSB, BroydenClass
from .support.lbfgs import LBFGS
from .support.line_search import Backtracking, StrongWolfe
from .support.lr import LR
from .support.newton import Newton
from .support.subspace import SubspaceAdam

if TYPE_CHECKING:
    from . import derivatives, oracle, plot, problems, torch

__all__ = [
    "Adam", "Backtracking", "BlockPartition", "BroydenClass", "CoordinateMomentum", "CubicAdam", "CurveBall",
    "DCTProjection", "DFP", "EMA", "FFTProjection", "GGT", "GaussNewton", "GradMin", "HeavyBall", "HigherOrderNewton",
    "InfinityNormTrustRegion", "LBFGS", "LR", "LeastSquares", "Method", "ModelLoss", "Newton", "NewtonNewton",
    "NewtonSolver", "PSB", "Record", "ReduceOutwardLR", "ScipyNewtonCG", "Status", "StrongWolfe",
    "SubspaceAdam", "SubspaceCubicAdam", "TensorizeProjection", "__version__", "chain", "derivatives",
    "iterate", "methods", "minimize", "oracle", "plot", "problems", "torch",
]

LAZY = ("derivatives", "problems", "oracle", "torch", "plot")  # loaded when first used


def __getattr__(name: str) -> Any:
    if name in LAZY:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'refopt' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
