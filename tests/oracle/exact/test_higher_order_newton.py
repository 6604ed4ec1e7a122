"""Definition of HigherOrderNewton: answers that break one of its conditions are violations."""

import numpy as np
import pytest

from refopt import HigherOrderNewton
from refopt.function import FunctionObjective
from refopt.oracle import exact
from refopt.oracle.exact.higher_order_newton import model
from refopt.oracle.exact.precise import Arithmetic, PrecisePoint, plain


def beale(x):
    return (
        (1.5 - x[0] * (1 - x[1])) ** 2
        + (2.25 - x[0] * (1 - x[1] ** 2)) ** 2
        + (2.625 - x[0] * (1 - x[1] ** 3)) ** 2
    )


def run(method, scale=1.0, **changes):
    point = FunctionObjective(beale, np.ones(2)).at(np.array([1.0, 0.4]))
    update, state = method.step(point, point.g, method.init(point.x))
    assert state.accepted
    answer = scale * update, state._replace(**changes)
    return update, exact.run(method, point, point.g, method.init(point.x), Arithmetic(), answer)


@pytest.mark.parametrize("trust_method", ["bounds", "proximal", "regularized", "none"])
def test_the_step_is_read_and_accepted(trust_method):
    update, (out, state) = run(HigherOrderNewton(3, trust_method))
    assert list(plain(out)) == list(update) and state.accepted


@pytest.mark.parametrize(
    ("scale", "changes", "message"),
    [
        (1.5, {}, "leaves the radius"),
        (0.5, {}, "the step does not minimise the model"),
        (1.0, {"rho": 0.123}, "rho is .*, not 0.123"),
    ],
)
def test_a_broken_condition_is_named(scale, changes, message):
    with pytest.raises(exact.Violation, match=message):
        run(HigherOrderNewton(3, init_radius=0.1), scale, **changes)


def test_the_model_is_the_taylor_polynomial():
    """Of degree 3, on a cubic function it is the function itself."""
    cubic = lambda x: x[0] ** 3 + 2 * x[0] * x[1] ** 2 - x[1]  # noqa: E731
    point = FunctionObjective(cubic, np.ones(2)).at(np.array([1.0, -2.0]))
    d = np.array([0.5, 0.25])
    p = PrecisePoint(point, Arithmetic())
    value, slope = model(p, 3, p.array(d))
    there = point.objective.at(point.x + d)
    assert float(value) == pytest.approx(there.f - point.f, rel=1e-13)
    assert plain(slope) == pytest.approx(there.g, rel=1e-13)
