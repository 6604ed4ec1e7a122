"""model: slices and planes of a function and its models."""

from __future__ import annotations

import autograd.numpy as anp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from plot.pictures import labels_of, line, overlaps, rosenbrock

from refopt import plot


def test_slice_shows_function_models_and_steps():
    def fun(x):
        return anp.sum(anp.cos(x) + 0.1 * x**2)

    ax = plot.model(
        fun,
        [2.0],
        {"second": 2, "line": lambda s: 1.0 - s[0]},
        span=2.0,
        radius=0.5,
        steps={"second": [0.25]},
    )
    t = line(ax, "second").get_xdata() - 2.0
    assert np.allclose(line(ax, "$f$").get_ydata(), np.cos(2 + t) + 0.1 * (2 + t) ** 2, rtol=1e-14)
    quadratic = np.cos(2) + 0.4 + (0.4 - np.sin(2)) * t + (0.2 - np.cos(2)) * t**2 / 2
    assert np.allclose(line(ax, "second").get_ydata(), quadratic, rtol=1e-13, atol=1e-13)
    assert np.allclose(line(ax, "line").get_ydata(), 1.0 - t, rtol=1e-14, atol=1e-15)
    assert line(ax, "step").get_xdata() == [2.25] and line(ax, "$x$").get_xdata() == [2.0]
    assert [e.get_xdata()[0] for e in ax.lines if e.get_label() == "_edge"] == [1.5, 2.5]
    assert not overlaps(ax)


def test_slice_along_a_direction():
    x, d = np.array([-1.2, 1.0, 0.5]), np.array([3.0, 4.0, 0.0])

    def fun(x):
        return rosenbrock(x) + x[2] ** 4

    ax = plot.model(fun, x, 2, direction=d, span=0.5, steps=0.2 * d, radius=1.0)
    t = line(ax, "$f$").get_xdata()
    assert np.allclose(line(ax, "$f$").get_ydata(), [fun(x + k * d) for k in t], rtol=1e-13)
    assert np.allclose(line(ax, "step").get_xdata(), [0.2], rtol=1e-15)
    assert [e.get_xdata()[0] for e in ax.lines if e.get_label() == "_edge"] == [-0.2, 0.2]  # |d|_2 = 5
    assert not overlaps(ax)


def test_steps_of_several_models_are_told_apart():
    steps = {"a": [0.1, 0.2], "b": [0.3, 0.1]}
    ax = plot.model(rosenbrock, [-0.5, 0.8], {"a": 2, "b": 3}, grid=21, steps=steps)
    assert labels_of(ax) == ["a", "step, a", "b", "step, b", "$x$", "$f$"] and not overlaps(ax)


@pytest.mark.parametrize("region, kind", [("ball", "Circle"), ("box", "Rectangle")])
def test_plane_shows_contours_of_both(region, kind):
    x = np.array([-0.5, 0.8])
    ax = plot.model(
        rosenbrock,
        x,
        {"quadratic": 2, "cubic": 3},
        span=1.2,
        radius=0.6,
        region=region,
        steps={"quadratic": [0.1, -0.5]},
        grid=41,
    )
    assert [type(p).__name__ for p in ax.patches] == [kind]
    assert np.array_equal(line(ax, "step").get_xydata(), [[-0.4, 0.8 - 0.5]])
    assert len(ax.collections) == 4  # f filled and as lines, two models
    named = "trust region" if region == "ball" else "trust region (box)"
    assert labels_of(ax) == ["quadratic", "step", "cubic", named, "$x$", "$f$"]
    assert not overlaps(ax)


def test_polynomial_is_the_taylor_polynomial():
    """Of a cubic function the third order is the function, to rounding."""
    x, rng = np.array([0.3, -0.7]), np.random.default_rng(5)
    fun = lambda z: z[0] ** 3 - 2 * z[0] * z[1] ** 2 + z[1] - 4.0  # noqa: E731
    p = plot.models.polynomial(fun, x, 3)
    for s in rng.standard_normal((5, 2)):
        assert np.isclose(p(s), fun(x + s), rtol=1e-13, atol=1e-13), (s, "seed 5")


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda r: plot.model(rosenbrock, [0.0] * 3, 2), ValueError, "3 variables needs a direction"),
        (
            lambda r: plot.model(rosenbrock, [0.0] * 2, "quadratic"),
            TypeError,
            "must be a function of s or the order",
        ),
        (
            lambda r: plot.model(rosenbrock, [0.0] * 2, 2, direction=[0, 0]),
            ValueError,
            "direction must be finite, not zero",
        ),
        (lambda r: plot.model(rosenbrock, [0.0] * 2, {}), ValueError, "give 1 to 4 models, got 0"),
        (
            lambda r: plot.model(rosenbrock, [0.0] * 2, 2, steps=[1.0]),
            ValueError,
            r"a step must have shape \(2,\), got \(1,\)",
        ),
        (
            lambda r: plot.model(rosenbrock, [0.0] * 2, {"order two": 2}, steps={"order tow": [1, 1]}),
            ValueError,
            "unknown key of steps in plot.model: 'order tow'; did you mean 'order two'",
        ),
        (
            lambda r: plot.model(rosenbrock, [0.0] * 2, {"a": 2}, steps=[1, 1]),
            TypeError,
            "steps must be a dict if models is",
        ),
        (
            lambda r: plot.model(rosenbrock, [0.0] * 2, 2, radius=-1),
            ValueError,
            r"radius must be in \(0, inf\), got -1",
        ),
    ],
)
def test_wrong_input(runs, call, error, message):
    with pytest.raises(error, match=message):
        call(runs["Newton"])
    assert not plt.get_fignums()
