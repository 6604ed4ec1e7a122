"""Pictures: what is drawn equals what was recorded, nothing overlaps, wrong input is refused."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
import warnings

import autograd.numpy as anp
import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt

import refopt
from refopt import plot
from refopt.plot import landscape, style
from refopt.plot.inputs import Recorded, short
from refopt.run import Record

KEEP = {"return_all": True}
INF = np.inf


def rosenbrock(x):
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def runs():
    return {m: refopt.minimize(rosenbrock, [-1.2, 1.0], method=m, options={**KEEP, "maxiter": 60})
            for m in ("Newton", "LBFGS", "InfinityNormTrustRegion", "CubicAdam")}


def labels_of(ax):
    return [t.get_text() for t in ax.get_legend().get_texts()]


def line(ax, label):
    return next(entry for entry in ax.lines if entry.get_label() == label)


# ---------------------------------------------------------------- nothing overlaps


def texts_of(ax):
    """Boxes of everything that can be read: title, axis labels, shown tick labels, legend."""
    ax.figure.canvas.draw()
    legend = ax.get_legend()
    boxes = {"xlabel": ax.xaxis.label, "ylabel": ax.yaxis.label, "title": ax.title,
             "left title": ax._left_title, "legend": legend}
    for name, axis in (("x", ax.xaxis), ("y", ax.yaxis)):
        low, high = sorted(axis.get_view_interval())
        boxes |= {f"{name} tick {tick.get_loc():g}": tick.label1 for tick in axis.get_major_ticks()
                  if low <= tick.get_loc() <= high}
    return {name: artist.get_window_extent() for name, artist in boxes.items()
            if artist is not None and (artist is legend or artist.get_text())}


def overlaps(ax):
    """Pairs of texts that touch, texts cut by the page, and lines under the legend."""
    boxes = texts_of(ax)
    found = [(a, b) for a in boxes for b in boxes if a < b and boxes[a].overlaps(boxes[b])]
    page = ax.figure.bbox.padded(1)
    found += [(name, "page") for name, box in boxes.items()
              if not (page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1)]
    if "legend" in boxes:
        found += [("legend", entry.get_label()) for entry in ax.lines if len(entry.get_xdata())
                  and style.drawn_path(entry).intersects_bbox(boxes["legend"], filled=False)]
    return found


def test_the_overlap_check_sees_overlaps():
    """Planted: labels on top of each other, a legend on a line, a label beyond the page."""
    _, ax = plt.subplots()
    ax.plot([0, 1], [0, 1], label="a line that is named")
    ax.legend(loc="center")
    assert ("legend", "a line that is named") in overlaps(ax)
    ax.set_xticks([0.5, 0.501], ["left one", "right one"])
    assert ("x tick 0.5", "x tick 0.501") in overlaps(ax)
    ax.set_ylabel("far away", labelpad=200)
    assert ("ylabel", "page") in overlaps(ax)


# ---------------------------------------------------------------- what the records tell


def test_records_have_time_and_rejected_trials(runs):
    for name, res in runs.items():
        times = [r.time for r in res.history]
        assert times == sorted(times) and times[0] > 0, name
        known = {tuple(x) for x in res.allvecs}
        for record in res.history:
            trials = record.figures.get("attempts", record.figures.get("trials", 1))
            assert len(record.rejected) == trials - record.accepted, (name, record)
            assert all(tuple(t) not in known for t in record.rejected), name


def test_rejected_trials_are_kept_only_on_request():
    run = refopt.iterate(rosenbrock, [-1.2, 1.0], method="Newton")
    assert all(record.rejected == [] for record in run) and run.objective.tried is None


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
    for square, record in zip(ax.patches, res.history[:-1], strict=True):
        r = record.figures["radius"]
        assert (square.get_width(), square.get_height()) == (2 * r, 2 * r)
        rounding = 8 * np.finfo(float).eps * (1 + r)
        assert np.allclose(np.array(square.get_xy()) + r, record.x, rtol=0, atol=rounding)
    assert labels_of(ax) == ["InfinityNormTrustRegion", "trust region (box)", "rejected trials", "start",
                             "end", "minimiser"]
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
    for method, region in (("HigherOrderNewton(order=3, trust_method='bounds')", "ball"),
                           ("HigherOrderNewton(order=3, trust_method='proximal')", "none"),
                           ("InfinityNormTrustRegion(eta=0.0)", "box")):
        run = Recorded("", method, None, records, np.zeros((3, 2)))
        assert plot.contours.which_region("", "auto", [run]) == region


def record(**fields):
    r = Record()
    values = {"nit": 1, "x": np.zeros(2), "fun": 1.0, "jac": np.zeros(2), "gnorm": 1.0, "update_norm": 1.0,
              "accepted": True, "nfev": 1, "njev": 1, "nhev": 0, "nhvp": 0, "ntaylor": 0, "time": 0.1,
              "figures": {}, "rejected": []}
    for name, value in {**values, **fields}.items():
        setattr(r, name, value)
    return r


def test_every_form_of_a_run_gives_the_same_path(runs):
    res = runs["LBFGS"]
    run = refopt.iterate(rosenbrock, [-1.2, 1.0], method="LBFGS", options={**KEEP, "maxiter": 60})
    list(run)
    _, axes = plt.subplots(2, 2)
    forms = (res, run, np.array(res.allvecs), [res.history[0], *res.history[1:]])
    paths = [plot.trajectory(rosenbrock, form, labels="path", grid=11, ax=ax).lines[0].get_xydata()
             for form, ax in zip(forms, axes.flat, strict=True)]
    assert all(np.array_equal(path, res.allvecs) for path in paths[:3])
    assert np.array_equal(paths[3], res.allvecs[1:])


def test_function_that_is_not_finite_everywhere():
    def log_barrier(x):
        return x[0] + x[1] - np.log(x[0]) - np.log(x[1]) if x[0] != 0.5 else INF

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = plot.trajectory(log_barrier, np.array([[3.0, 0.2], [1.0, 1.0]]), bounds=((-1, 4), (-1, 4)))
        ax.figure.canvas.draw()
        plot.trajectory(lambda x: 1.0, np.array([[0.0, 0.0]])).figure.canvas.draw()  # constant, one point
        plot.trajectory(lambda x: np.nan, np.array([[0.0, 0.0], [1.0, 0.0]])).figure.canvas.draw()


def test_levels_are_even_in_the_logarithm_of_the_height():
    values = 5.0 + np.geomspace(1e-3, 1e3, 10_000)
    levels = landscape.levels_of(values, 5.0, 7)
    ratios = np.diff(np.log(levels - 5.0))
    assert np.allclose(ratios, ratios[0], rtol=1e-9)  # 5 + h - 5 loses up to 1e-12 of the smallest h
    assert levels[-1] == values.max() and levels[0] - 5 < 2e-3


# ---------------------------------------------------------------- convergence


@pytest.mark.parametrize("against, field", [("iterations", "nit"), ("evaluations", "nfev"), ("time", "time")])
@pytest.mark.parametrize("quantity, value", [("f", "fun"), ("gradient", "gnorm"), ("gap", "fun")])
def test_convergence_draws_the_history(runs, against, field, quantity, value):
    f_opt = -1.0 if quantity == "gap" else None
    histories = {name: [copy.copy(r) for r in res.history] for name, res in runs.items()}
    for r in (r for history in histories.values() for r in history):
        r.time = 1e-3 * r.nfev**0.9  # the same picture in every run of this test
    ax = plot.convergence(list(histories.values()), list(runs), against, quantity, f_opt)
    for name, history in histories.items():
        drawn = line(ax, name)
        assert np.array_equal(drawn.get_xdata(), [getattr(r, field) for r in history])
        expected = [getattr(r, value) + (quantity == "gap") for r in history]
        assert np.array_equal(drawn.get_ydata(), expected)
    assert ax.get_yscale() == "log" and labels_of(ax) == list(runs)
    assert ax.get_xlabel() and ax.get_ylabel() and not overlaps(ax)


def test_scale_of_f():
    def scale(values):
        return plot.convergence([record(nit=k, fun=v) for k, v in enumerate(values, 1)]).get_yscale()

    assert scale([1e4, 1.0]) == "log" and scale([2.0, 1.0]) == "linear" and scale([1e4, -1.0]) == "linear"
    assert scale([1e4, 1.0, 0.0]) == "log"


def test_reaching_the_optimum_is_marked():
    history = [record(nit=k, fun=v) for k, v in enumerate([3.0, 2.0, 1.0, 1.0], 1)]
    ax = plot.convergence(history, labels=["a"], quantity="gap", f_opt=1.0)
    assert np.array_equal(line(ax, "a").get_ydata(), [2.0, 1.0, np.nan, np.nan], equal_nan=True)
    assert list(line(ax, "_reached").get_xdata()) == [3]
    ax.figure.canvas.draw()


def test_run_without_iterations():
    res = refopt.minimize(rosenbrock, [1.0, 1.0], method="Newton", options=KEEP)
    assert res.nit == 0
    ax = plot.convergence(res, quantity="gradient")
    ax.figure.canvas.draw()
    assert labels_of(ax) == ["Newton + Backtracking (no iteration)"]
    plot.trajectory(rosenbrock, res).figure.canvas.draw()


def test_same_method_twice_gets_two_names(runs):
    ax = plot.convergence([runs["Newton"], runs["Newton"], runs["LBFGS"]])
    assert labels_of(ax) == ["Newton + Backtracking (1)", "Newton + Backtracking (2)", "LBFGS + StrongWolfe"]


def test_short_names():
    inner = refopt.chain(refopt.BlockPartition(max_size=2, inner=refopt.Adam()), refopt.LR(0.1))
    assert short(repr(inner)) == "BlockPartition + LR" and short("Newton(delta=1e-08)") == "Newton"
    assert len(short("VeryLongName" * 9 + "()")) == 36 and short("") == ""


# ---------------------------------------------------------------- model


def test_slice_shows_function_models_and_steps():
    def fun(x):
        return anp.sum(anp.cos(x) + 0.1 * x**2)

    ax = plot.model(fun, [2.0], {"second": 2, "line": lambda s: 1.0 - s[0]}, span=2.0, radius=0.5,
                    steps={"second": [0.25]})
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
    ax = plot.model(rosenbrock, x, {"quadratic": 2, "cubic": 3}, span=1.2, radius=0.6, region=region,
                    steps={"quadratic": [0.1, -0.5]}, grid=41)
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


# ---------------------------------------------------------------- profiles

# Three problems. Best costs: 10, 10, 40. Ratios A: 1, 2, inf; B: 3, 1, 1; C never solves anything.
TABLE = {"A": [10, 20, INF], "B": [30, 10, 40], "C": [INF, INF, INF]}
BY_HAND = {"A": ([1, 2], [1 / 3, 2 / 3]), "B": ([1, 3], [2 / 3, 1]), "C": ([1], [0])}
# n = 4, 1, 3: simplex gradients of 5, 2, 4 evaluations.
DATA_BY_HAND = {"A": ([0, 2, 10], [0, 1 / 3, 2 / 3]), "B": ([0, 5, 6, 10], [0, 1 / 3, 2 / 3, 1]),
                "C": ([0], [0])}


def test_curves_equal_the_hand_calculation():
    for curves, expected in ((plot.performance_profile(TABLE), BY_HAND),
                             (plot.data_profile(TABLE, [4, 1, 3]), DATA_BY_HAND)):
        for name, (x, share) in expected.items():
            assert np.array_equal(curves[name][0], x) and np.array_equal(curves[name][1], share), name


def test_problem_that_nobody_solves_counts():
    curves = plot.performance_profile({"A": [1.0, INF], "B": [2.0, INF]})
    assert curves["A"][1].tolist() == [0.5] and curves["B"][1].tolist() == [0.0, 0.5]


def test_curves_equal_the_definition():
    rng = np.random.default_rng(11)
    table = {name: np.where(rng.random(30) < 0.2, INF, rng.integers(1, 50, 30)) for name in "ABC"}
    n = rng.integers(1, 9, 30)
    best = np.min(list(table.values()), axis=0)
    performance, data = plot.performance_profile(table), plot.data_profile(table, n)
    for name, c in table.items():
        for t in rng.uniform(1, 20, 50):
            for (x, share), solved in ((performance[name], c <= t * best), (data[name], c <= t * (n + 1))):
                solved = solved & np.isfinite(c)
                assert share[np.searchsorted(x, t, side="right") - 1] == solved.mean(), (name, t, "seed 11")


@pytest.mark.parametrize("kind, n", [("performance", None), ("data", [4, 1, 3])])
def test_profile_draws_the_curves(kind, n):
    ax = plot.profile(TABLE, kind=kind, n=n)
    curves = plot.performance_profile(TABLE) if n is None else plot.data_profile(TABLE, n)
    for name, (x, share) in curves.items():
        drawn = line(ax, name)
        assert np.array_equal(drawn.get_xdata()[:-1], x) and np.array_equal(drawn.get_ydata()[:-1], share)
        assert drawn.get_drawstyle() == "steps-post" and drawn.get_xdata()[-1] >= ax.get_xlim()[1]
    assert ax.get_xlim()[0] == (1 if n is None else 0) and labels_of(ax) == ["A", "B", "C"]
    assert not overlaps(ax)
    assert plot.profile(TABLE, kind=kind, n=n, limit=2.5).get_xlim()[1] == 2.5


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


# ---------------------------------------------------------------- axes, wrong input, no matplotlib


def test_axes_of_the_caller(tmp_path, runs):
    res = runs["Newton"]
    for draw in (lambda ax: plot.trajectory(rosenbrock, res, grid=11, ax=ax),
                 lambda ax: plot.convergence(res, ax=ax),
                 lambda ax: plot.model(rosenbrock, [0.0, 0.0], 2, grid=11, ax=ax),
                 lambda ax: plot.profile(TABLE, ax=ax),
                 lambda ax: plot.animation(res, rosenbrock, tmp_path / "x.gif", grid=11, frames=2, ax=ax)):
        _, ax = plt.subplots()
        assert draw(ax) is ax and len(plt.get_fignums()) == 1
        plt.close("all")
        with pytest.raises(TypeError, match=r"ax must be matplotlib axes or None, got int; plt.subplots\(\)"):
            draw(3)
        assert not plt.get_fignums()


BARE = np.zeros((2, 2))


@pytest.mark.parametrize("call, error, message", [
    (lambda r: plot.trajectory(rosenbrock, []), TypeError,
     r"trajectory: give a result of refopt.minimize.*got \[\]"),
    (lambda r: plot.trajectory(rosenbrock, [3]), TypeError,
     "each run must be a result of refopt.minimize.*got 3"),
    (lambda r: plot.trajectory(rosenbrock, np.zeros((4, 3))), ValueError,
     r"functions of 2 variables.*\(4, 3\)"),
    (lambda r: plot.trajectory(rosenbrock, np.zeros(4)), ValueError,
     r"of shape \(k, n\), got an array of shape \(4,\)"),
    (lambda r: plot.trajectory(rosenbrock, r, labels=["a", "b"]), ValueError,
     "labels has 2 names for 1 runs"),
    (lambda r: plot.trajectory(rosenbrock, r, region="cube"), ValueError,
     "region must be one of 'auto', 'ball'.*'cube'"),
    (lambda r: plot.trajectory(rosenbrock, r, region="box"), ValueError, "needs records with a radius"),
    (lambda r: plot.trajectory(rosenbrock, r, minimisers=[1, 2, 3]), ValueError,
     r"minimisers must have shape \(2,\)"),
    (lambda r: plot.trajectory(rosenbrock, r, bounds=(0, 1)), TypeError, r"bounds must be \(\(left, right\)"),
    (lambda r: plot.trajectory(rosenbrock, r, bounds=((0, 1), (2, 1))), ValueError, "bottom < top"),
    (lambda r: plot.trajectory(rosenbrock, r, grid=1), ValueError, "grid must be a whole number >= 5, got 1"),
    (lambda r: plot.trajectory("f", r), TypeError, "trajectory: fun must be callable, got 'f'"),
    (lambda r: plot.convergence(BARE), TypeError, "an array of points has no history.*return_all"),
    (lambda r: plot.convergence(r, against="steps"), ValueError,
     "against must be one of 'iterations'.*got 'steps'"),
    (lambda r: plot.convergence(r, quantity="x"), ValueError,
     "quantity must be one of 'f', 'gradient', 'gap'"),
    (lambda r: plot.convergence(r, quantity="gap"), ValueError, "quantity='gap' needs f_opt"),
    (lambda r: plot.convergence(r, f_opt=0.0), ValueError, "f_opt is used by quantity='gap' only"),
    (lambda r: plot.model(rosenbrock, [0.0] * 3, 2), ValueError, "3 variables needs a direction"),
    (lambda r: plot.model(rosenbrock, [0.0] * 2, "quadratic"), TypeError,
     "must be a function of s or the order"),
    (lambda r: plot.model(rosenbrock, [0.0] * 2, 2, direction=[0, 0]), ValueError,
     "direction must be finite, not zero"),
    (lambda r: plot.model(rosenbrock, [0.0] * 2, {}), ValueError, "give 1 to 4 models, got 0"),
    (lambda r: plot.model(rosenbrock, [0.0] * 2, 2, steps=[1.0]), ValueError,
     r"a step must have shape \(2,\), got \(1,\)"),
    (lambda r: plot.model(rosenbrock, [0.0] * 2, {"order two": 2}, steps={"order tow": [1, 1]}), ValueError,
     "unknown key of steps in plot.model: 'order tow'; did you mean 'order two'"),
    (lambda r: plot.model(rosenbrock, [0.0] * 2, {"a": 2}, steps=[1, 1]), TypeError,
     "steps must be a dict if models is"),
    (lambda r: plot.model(rosenbrock, [0.0] * 2, 2, radius=-1), ValueError,
     r"radius must be in \(0, inf\), got -1"),
    (lambda r: plot.profile({}), TypeError, r"table must be a dict \{solver: costs\}.*got \{\}"),
    (lambda r: plot.profile({"A": [1, 2], "B": [1]}), ValueError, r"'A' has 2, 'B' has shape \(1,\)"),
    (lambda r: plot.profile({"A": [1, np.nan]}), ValueError,
     "costs must be positive.*problem 1 costs 'A' nan"),
    (lambda r: plot.profile({"A": ["x"]}), TypeError, "costs must be numbers, inf for a failure"),
    (lambda r: plot.profile(TABLE, kind="perf"), ValueError, "kind must be one of 'performance', 'data'"),
    (lambda r: plot.profile(TABLE, kind="data"), ValueError, "kind='data' needs n"),
    (lambda r: plot.profile(TABLE, n=3), ValueError, "n is used by kind='data' only"),
    (lambda r: plot.profile(TABLE, kind="data", n=[1, 2]), ValueError,
     "one whole number >= 1 for each of the 3 problems"),
    (lambda r: plot.profile(TABLE, limit=1.0), ValueError, r"limit must be in \(1, inf\), got 1"),
    (lambda r: plot.animation(r, rosenbrock, "run.mp4"), ValueError,
     "ending of file must be one of '.gif', '.html'"),
    (lambda r: plot.animation([r, r], rosenbrock, "run.gif"), ValueError,
     "give one run, got 2; plot.trajectory"),
    (lambda r: plot.animation(r, rosenbrock, "run.gif", frames=1), ValueError,
     "frames must be a whole number >= 2"),
])
def test_wrong_input(runs, call, error, message):
    with pytest.raises(error, match=message):
        call(runs["Newton"])
    assert not plt.get_fignums()


def test_run_that_kept_no_history():
    res = refopt.minimize(rosenbrock, [-1.2, 1.0], method="Newton")
    run = refopt.iterate(rosenbrock, [-1.2, 1.0], method="Newton")
    for given in (res, run):
        with pytest.raises(ValueError, match="this run kept no history; record it with options"):
            plot.convergence(given)


def test_without_matplotlib():
    """The package imports, the curves are computed, a picture says what to install."""
    out = subprocess.run([sys.executable, "-c", """
import sys
sys.modules["matplotlib"] = None
import numpy as np, refopt
print(refopt.plot.performance_profile({"A": [1.0]})["A"][1].tolist())
for call in (lambda: refopt.plot.profile({"A": [1.0]}),
             lambda: refopt.plot.trajectory(lambda x: 0.0, np.ones((2, 2))),
             lambda: refopt.plot.model(lambda x: 0.0 * x[0], [0.0], 1),
             lambda: refopt.plot.animation(np.ones((2, 2)), lambda x: 0.0, "x.gif")):
    try:
        call()
    except ImportError as error:
        print("pip install 'refopt[plot]'" in str(error))
"""], check=True, capture_output=True, text=True).stdout
    assert out.split() == ["[1.0]", "True", "True", "True", "True"]


# Protanopia, deuteranopia, tritanopia as projections in cone space (Viénot, Brettel, Mollon 1999).
CONES = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
LOST = ([[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]], [[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]],
        [[1, 0, 0], [0, 1, 0], [-0.395913, 0.801109, 0]])


def smallest_gap(colours):
    """The least distance of two colours in RGB, over the three deficiencies."""
    rgb = np.array([matplotlib.colors.to_rgb(c) for c in colours])
    views = [rgb @ (np.linalg.solve(CONES, np.array(lost) @ CONES)).T for lost in LOST]
    return min(np.linalg.norm(a - b) for seen in views for i, a in enumerate(seen) for b in seen[:i])


def test_colours_are_distinct_for_the_colour_blind():
    """Measured 0.166 of the RGB cube's side; matplotlib's own first seven colours come as close as 0.038."""
    ours, default = smallest_gap([c for c, *_ in style.CYCLE]), smallest_gap([f"C{i}" for i in range(7)])
    assert ours > 0.15 > 3 * default, (ours, default)
