"""refopt for torch: every method as a `torch.optim.Optimizer`, every torch model as an objective.

`Optimizer` trains a model with any method; `objective` makes a model a function for `refopt.minimize`. The
methods are the same code that runs on NumPy functions: parameters and gradients are passed as flat vectors.
"""

from __future__ import annotations

try:
    import torch as _torch  # noqa: F401  (absolute: the real package)
except ImportError as error:
    raise ImportError(f"refopt.torch needs torch ({error}); pip install 'refopt[torch]'") from error

from .closures import squares
from .model import TorchObjective, objective
from .optimizer import Optimizer

__all__ = ["Optimizer", "TorchObjective", "objective", "squares"]
