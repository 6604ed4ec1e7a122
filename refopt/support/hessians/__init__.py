"""Curvature for quadratic models: exact, Gauss-Newton, the user's, and quasi-Newton strategies.

Strategies follow `scipy.optimize.HessianUpdateStrategy` (initialize, update, dot, get_matrix), so SciPy's
BFGS and SR1 and the DFP, PSB and BroydenClass of this package can be exchanged, and ours work in SciPy's
"trust-constr" too.
"""

from .models import CurvatureModel, make_model
from .strategies import DFP, PSB, BroydenClass

__all__ = ["BroydenClass", "CurvatureModel", "DFP", "PSB", "make_model"]
