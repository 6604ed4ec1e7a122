"""Definition of InfinityNormTrustRegion: decisions against its conditions are violations."""

import numpy as np
import pytest

from refopt import InfinityNormTrustRegion
from refopt.function import FunctionObjective
from refopt.oracle import exact
from refopt.oracle.exact.infinity_norm_trust_region import box_minimiser
from refopt.oracle.exact.precise import Arithmetic, PrecisePoint, plain

METHOD = InfinityNormTrustRegion(init_radius=0.5)


def bowl(x):
    return x[0] ** 2 + 2 * x[1] ** 2 + x[0] ** 4


def run(method=METHOD, **changes):
    point = FunctionObjective(bowl, np.ones(2)).at(np.array([1.0, -0.5]))
    update, state = method.step(point, point.g, method.init(point.x))
    answer = update, state._replace(**changes)
    return update, exact.run(method, point, point.g, method.init(point.x), Arithmetic(), answer)


def test_the_step_ends_at_the_edge_where_the_slope_points_outward():
    update, (out, state) = run()
    assert plain(out) == pytest.approx(update, rel=1e-14) and abs(plain(out)).max() == 0.5
    assert state.accepted and float(state.scale) == pytest.approx(0.5 * 3.5 if state.rho > 0.99 else 0.5)


def test_a_trial_treated_the_other_way_is_a_violation():
    with pytest.raises(exact.Violation, match="attempt 1: a step with ratio .* was treated the other way"):
        run(accepted=False)


def test_the_residual_form_reads_the_step():
    method = InfinityNormTrustRegion(subproblem="residual", init_radius=0.5)
    update, (out, _) = run(method)
    assert list(plain(out)) == list(update)
    point = FunctionObjective(bowl, np.ones(2)).at(np.array([1.0, -0.5]))
    _, state = method.step(point, point.g, method.init(point.x))
    with pytest.raises(exact.Undefined, match="where another method follows or holds it"):
        exact.run(method, point, point.g, method.init(point.x), Arithmetic(), (None, state))


def test_the_box_minimiser_satisfies_its_conditions():
    point = FunctionObjective(bowl, np.ones(2)).at(np.array([1.0, -0.5]))
    p = PrecisePoint(point, Arithmetic())
    H, u = p.array(np.array([[2.0, 0.5], [0.5, 1.0]])), p.array(np.array([3.0, 0.1]))
    d = plain(box_minimiser(p, H, u, p.number(0.5)))
    assert d[0] == 0.5 and d[1] == pytest.approx(0.1 - 0.25, rel=1e-14)
