"""The forcing sequence of Eisenstat and Walker: how accurately to solve the Newton system.

    eta_k = gamma (|g_k| / |g_(k-1)|)^alpha                 gamma = 0.9, alpha = 2
    eta_k <- max(eta_k, gamma eta_(k-1)^alpha)              if the second is above 0.1: a slower fall of eta
    eta_k <- min(eta_k, eta_max),   eta_0 = 0.5

The system is solved to |H d - u| <= eta_k |u|. The outer iteration then converges with order 2.

Source: Eisenstat, Walker, Choosing the forcing terms in an inexact Newton method, SIAM J. Sci. Comput. 17
(1996), doi 10.1137/0917003, choice 2, eq. (2.6) and its safeguard.
"""

from __future__ import annotations

__all__ = ["eisenstat_walker", "ETA_START"]

GAMMA, ALPHA = 0.9, 2.0  # section 4 of the paper
ETA_START, ETA_MAX = 0.5, 0.9
SAFEGUARD = 0.1


def eisenstat_walker(eta: float, gnorm: float, previous: float) -> float:
    """eta_k from eta_(k-1) and the norms of the last two gradients.

    Examples
    --------
    >>> from refopt.solvers.forcing import eisenstat_walker
    >>> print(round(eisenstat_walker(0.5, 0.1, 1.0), 6))
    0.225
    """
    new = GAMMA * (gnorm / previous) ** ALPHA if gnorm <= previous and previous > 0 else ETA_MAX
    held = GAMMA * eta**ALPHA
    return min(max(new, held) if held > SAFEGUARD else new, ETA_MAX)
