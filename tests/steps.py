"""Steps of one method on updates that the test gives, without a driver."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np

from refopt.function import FunctionObjective


def outputs(method, updates, x=None):
    """The output of every step for these incoming updates, at x."""
    updates = np.atleast_2d(np.asarray(updates, dtype=float))
    x = np.ones(updates.shape[1]) if x is None else np.asarray(x, dtype=float)
    point = FunctionObjective(lambda x: anp.sum(x**2), x).at(x)
    state, out = method.init(point.x), []
    for u in updates:
        o, state = method.step(point, u, state)
        out.append(o.copy())
    return np.array(out)
