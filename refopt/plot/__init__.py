"""Pictures of runs: paths, convergence, models, profiles, animations.

Every function takes ``ax=`` (None: a new figure) and returns the axes. Drawing needs matplotlib, the extra
``plot``, which is imported when the first picture is drawn. `performance_profile` and `data_profile`, which
compute the curves of `profile`, do not need it.
"""

from .contours import animation, trajectory
from .curves import convergence
from .models import model
from .profiles import data_profile, performance_profile, profile

__all__ = [
    "animation",
    "convergence",
    "data_profile",
    "model",
    "performance_profile",
    "profile",
    "trajectory",
]
