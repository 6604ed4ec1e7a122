"""trajectory and animation: what is drawn is what was recorded, nothing overlaps, wrong input is refused."""

from __future__ import annotations

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from plot.pictures import labels_of, line, overlaps, record, rosenbrock

from refopt import plot
from refopt.plot.inputs import Recorded

# ---------------------------------------------------------------- trajectory


def test_trajectory_draws_the_records(runs):
    res = runs["InfinityNormTrustRegion"]
    ax = plot.trajectory(rosenbrock, res, minimisers=[1, 1])
    path = line(ax, "InfinityNormTrustRegion")
    assert np.array_equal(path.get_xydata(), res.allvecs)
    trials = [t for r in res.history for t in r.rejected]
    assert np.array_equal(line(ax, "rejected trials").get_xydata(), trials)
    assert np.array_equal(line(ax, "start").get_xydata(), [[-1.2, 1.0]])
    assert np.array_equal(line(ax, "end").get_xydata(), [res.x])
    assert np.array_equal(line(ax, "minimiser").get_xydata(), [[1, 1]])
    for square, reached in zip(ax.patches, res.history[:-1], strict=True):
        r = reached.figures["radius"]
        assert (square.get_width(), square.get_height()) == (2 * r, 2 * r)
        rounding = 8 * np.finfo(float).eps * (1 + r)
        assert np.allclose(np.array(square.get_xy()) + r, reached.x, rtol=0, atol=rounding)
    assert labels_of(ax) == [
        "InfinityNormTrustRegion",
        "trust region (box)",
        "rejected trials",
        "start",
        "end",
        "minimiser",
    ]
    assert not overlaps(ax)


def test_links_lead_from_where_a_trial_was_made(runs):
    res = runs["Newton"]
    ax = plot.trajectory(rosenbrock, res)
    links = line(ax, "_links").get_xydata().reshape(-1, 3, 2)
    expected = [(x, t) for x, r in zip(res.allvecs, res.history, strict=False) for t in r.rejected]
    assert len(links) == len(expected) > 0
    assert all(np.array_equal(a[:2], b) for a, b in zip(links, expected, strict=True))


def test_trials_beyond_the_frame_are_counted(runs):
    res = runs["Newton"]
    trials = np.array([t for r in res.history for t in r.rejected])
    ax = plot.trajectory(rosenbrock, res, bounds=((-2, 2), (-1, 3)))
    inside = np.all((trials >= [-2, -1]) & (trials <= [2, 3]), axis=1).sum()
    assert 0 < inside < len(trials)
    assert f"rejected trials\n({len(trials) - inside} beyond the frame)" in labels_of(ax)
    assert ax.get_xlim() == (-2, 2) and ax.get_ylim() == (-1, 3)
    assert not overlaps(ax)


def test_several_runs_have_their_own_colours(runs):
    ax = plot.trajectory(rosenbrock, list(runs.values()), labels=list("abcd"))
    looks = [(line(ax, k).get_color(), line(ax, k).get_linestyle()) for k in "abcd"]
    assert len({colour for colour, _ in looks}) == 4 and not ax.patches
    crosses = [entry.get_color() for entry in ax.lines if entry.get_label() == "_rejected"]
    assert set(crosses) <= {colour for colour, _ in looks} and "rejected trials" in labels_of(ax)
    assert not overlaps(ax)


def test_circles_for_the_euclidean_norm_and_equal_scales():
    records = [record(nit=k, x=np.array([1.0 / k, 0.5]), figures={"radius": 0.3 / k}) for k in (1, 2, 3)]
    ax = plot.trajectory(lambda x: x @ x, records, region="ball")
    assert [c.get_radius() for c in ax.patches] == [0.3, 0.15] and ax.get_aspect() == 1
    assert [c.center for c in ax.patches] == [(1.0, 0.5), (0.5, 0.5)]
    assert not plot.trajectory(lambda x: x @ x, records).patches  # nobody says of what norm the radius is
    for method, region in (
        ("HigherOrderNewton(order=3, trust_method='bounds')", "ball"),
        ("HigherOrderNewton(order=3, trust_method='proximal')", "none"),
        ("InfinityNormTrustRegion(eta=0.0)", "box"),
    ):
        run = Recorded("", method, None, records, np.zeros((3, 2)))
        assert plot.contours.which_region("", "auto", [run]) == region


# ---------------------------------------------------------------- animation


def test_gif_has_one_frame_per_point(tmp_path, runs):
    from PIL import Image

    res = runs["InfinityNormTrustRegion"]
    ax = plot.animation(res, rosenbrock, tmp_path / "run.gif", grid=15, frames=7, minimisers=[1, 1])
    with Image.open(tmp_path / "run.gif") as image:
        assert image.n_frames == 7
        sizes = set()
        for k in range(image.n_frames):
            image.seek(k)
            sizes.add(image.size)
        assert len(sizes) == 1
    assert np.array_equal(line(ax, "path").get_xydata(), res.allvecs)
    assert f"iteration {res.nit}" in ax.get_title("left") and not overlaps(ax)


def test_html_plays_without_a_network(tmp_path, runs):
    plot.animation(np.array(runs["LBFGS"].allvecs), rosenbrock, str(tmp_path / "run.html"), grid=11, frames=3)
    page = (tmp_path / "run.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64") == 3 and "<script" in page
    assert not re.search("http|<link|fa-", re.sub(r"base64,[^\"]*", "", page)) and page.count("<button") == 9
    assert all(character in page for character in plot.contours.BUTTONS.values())


# ---------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    "call, error, message",
    [
        (
            lambda r: plot.trajectory(rosenbrock, []),
            TypeError,
            r"trajectory: give a result of refopt.minimize.*got \[\]",
        ),
        (
            lambda r: plot.trajectory(rosenbrock, [3]),
            TypeError,
            "each run must be a result of refopt.minimize.*got 3",
        ),
        (
            lambda r: plot.trajectory(rosenbrock, np.zeros((4, 3))),
            ValueError,
            r"functions of 2 variables.*\(4, 3\)",
        ),
        (
            lambda r: plot.trajectory(rosenbrock, np.zeros(4)),
            ValueError,
            r"of shape \(k, n\), got an array of shape \(4,\)",
        ),
        (
            lambda r: plot.trajectory(rosenbrock, r, labels=["a", "b"]),
            ValueError,
            "labels has 2 names for 1 runs",
        ),
        (
            lambda r: plot.trajectory(rosenbrock, r, region="cube"),
            ValueError,
            "region must be one of 'auto', 'ball'.*'cube'",
        ),
        (lambda r: plot.trajectory(rosenbrock, r, region="box"), ValueError, "needs records with a radius"),
        (
            lambda r: plot.trajectory(rosenbrock, r, minimisers=[1, 2, 3]),
            ValueError,
            r"minimisers must have shape \(2,\)",
        ),
        (
            lambda r: plot.trajectory(rosenbrock, r, bounds=(0, 1)),
            TypeError,
            r"bounds must be \(\(left, right\)",
        ),
        (lambda r: plot.trajectory(rosenbrock, r, bounds=((0, 1), (2, 1))), ValueError, "bottom < top"),
        (
            lambda r: plot.trajectory(rosenbrock, r, grid=1),
            ValueError,
            "grid must be a whole number >= 5, got 1",
        ),
        (lambda r: plot.trajectory("f", r), TypeError, "trajectory: fun must be callable, got 'f'"),
        (
            lambda r: plot.animation(r, rosenbrock, "run.mp4"),
            ValueError,
            "ending of file must be one of '.gif', '.html'",
        ),
        (
            lambda r: plot.animation([r, r], rosenbrock, "run.gif"),
            ValueError,
            "give one run, got 2; plot.trajectory",
        ),
        (
            lambda r: plot.animation(r, rosenbrock, "run.gif", frames=1),
            ValueError,
            "frames must be a whole number >= 2",
        ),
    ],
)
def test_wrong_input(runs, call, error, message):
    with pytest.raises(error, match=message):
        call(runs["Newton"])
    assert not plt.get_fignums()
