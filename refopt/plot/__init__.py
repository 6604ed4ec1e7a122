"""Pictures of runs: paths, convergence, models, profiles, animations.

Every function takes ``ax=`` (None: a new figure) and returns the axes. Needs matplotlib, the extra ``plot``;
it is imported when the first picture is drawn. The curves behind `profile` need none.
"""

from .contours import animation, trajectory
from .curves import convergence
from .models import model
from .profiles import data_profile, performance_profile, profile

__all__ = [
    "animation", "convergence", "data_profile", "model", "performance_profile", "profile", "trajectory",
]
