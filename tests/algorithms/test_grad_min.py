"""GradMin: phi and its derivatives, every option, cost, what it is drawn to, and the original."""

from __future__ import annotations

import itertools

import autograd.numpy as anp
import numpy as np
import pytest
from functions import mixed
from original import original, ours

import refopt
from refopt.algorithms.grad_min import GradMin
from refopt.derivatives import gradient
from refopt.function import FunctionObjective
from refopt.views.gradient_size import GradientSize, mixture

START = np.array([-1.2, 1.0, 0.7])
EXACT = 1e-12  # relative: a few hundred roundings of sums of products


def fun(x):
    return mixed(anp, x)


def phi_point(x=START, f=fun, objective=None, **options):
    method = GradMin(refopt.LR(), **options)
    parent = objective or FunctionObjective(f, x)
    return GradientSize(parent, method.terms).at(x)


def close(a, b, rtol=EXACT):
    return np.abs(np.asarray(a) - b).max() <= rtol * np.abs(b).max()


# ---------------------------------------------------------------- the mathematics


def test_dividing_by_zero_in_a_graft_is_not_finite_and_says_so():
    assert not np.isfinite(mixture(0.0, 1.0, 1.0, None, "loss_to_grad", False).by_f)
    result = refopt.minimize(
        lambda x: x[0] ** 2 + 3 * x[0], [0.0], method=GradMin(refopt.LR(), 1.0, graft="loss_to_grad")
    )
    assert result.status == refopt.Status.NONFINITE.number and "GradMin" in result.message


# ---------------------------------------------------------------- options


def test_loss_term_none_is_zero():
    assert phi_point(loss_term=None).f == phi_point().f


def test_modify_loss_false_shows_line_searches_the_function():
    point = phi_point(modify_loss=False)
    assert point.f == fun(START) and close(point.g, phi_point().g)

    def well(x):  # a maximum of f at 0: small gradients and large values
        return anp.sum((x**2 - 1) ** 2)

    def last(**options):
        method = GradMin(refopt.Backtracking(), square=True, **options)
        return refopt.minimize(well, [0.3, 0.4], method=method, options={"maxiter": 30, "gtol": 1e-6}).x

    assert np.abs(last()).max() < 0.1 and np.abs(last(modify_loss=False)).min() > 0.9


def test_create_graph_saves_a_product_for_second_order_inner_methods():
    def products(create_graph):
        run = refopt.iterate(
            fun,
            START,
            method=GradMin(refopt.Newton(), create_graph=create_graph),
            options={"maxiter": 3, "gtol": 0},
        )
        records = list(run)
        return records[-1].nhvp, records[-1].x

    (without, x), (with_graph, y) = products(False), products(True)
    assert with_graph == without - 3 and close(x, y)


@pytest.mark.parametrize(
    "option, value, message",
    [
        ("relative", "both", "relative must be one of"),
        ("graft", "loss", "graft must be one of"),
        ("loss_term", "1", "loss_term must be a real number"),
        ("square", 1, "square must be True or False"),
        ("inner", refopt.LR, "is a class"),
    ],
)
def test_bad_options_are_refused(option, value, message):
    with pytest.raises((TypeError, ValueError), match=message):
        GradMin(**{"inner": refopt.LR(), option: value})


# ---------------------------------------------------------------- inner methods and the driver


@pytest.mark.parametrize(
    "inner",
    [
        [refopt.LBFGS(), refopt.StrongWolfe()],
        [refopt.Newton(), refopt.Backtracking()],
        [refopt.ScipyNewtonCG("minres"), refopt.Backtracking()],
        [refopt.NewtonSolver(objective="energy"), refopt.Backtracking()],
        refopt.CurveBall(auto=True),
        refopt.InfinityNormTrustRegion(),
        refopt.HigherOrderNewton(order=2),
        [refopt.Adam(), refopt.LR(0.05)],
    ],
    ids=lambda inner: type(inner[0] if isinstance(inner, list) else inner).__name__,
)
def test_inner_methods_of_any_order_find_a_stationary_point(inner):
    def bowl(x):
        return anp.sum(anp.cosh(x - 1)) + 0.1 * (x[0] * x[1])

    result = refopt.minimize(bowl, [0.3, 1.5], method=GradMin(inner, square=True), options={"maxiter": 3000})
    assert result.success and np.abs(result.jac).max() <= 1e-5, result.message


def test_inner_methods_that_ask_for_more_are_refused():
    with pytest.raises(ValueError, match="needs gauss-newton, which phi does not have"):
        GradMin(refopt.GaussNewton())
    with pytest.raises(TypeError, match="phi has derivatives up to order 2, but order 3"):
        refopt.minimize(fun, START, method=GradMin(refopt.HigherOrderNewton(order=3)))


def test_gradmin_inside_gradmin():
    nested = GradMin(GradMin([refopt.LBFGS(), refopt.StrongWolfe()], square=True), square=True)
    result = refopt.minimize(lambda x: (x[0] - 1) ** 2 + 3 * (x[1] + x[0]) ** 2, [0.3, 1.5], method=nested)
    assert result.success


def test_it_is_drawn_to_saddles():
    def saddle(x):
        return x[0] ** 2 - x[1] ** 2 + x[1] ** 4

    method = GradMin([refopt.LBFGS(), refopt.StrongWolfe()], square=True)
    ends = [
        refopt.minimize(
            saddle,
            np.random.default_rng(k).uniform(-1, 1, 2),
            method=method,
            options={"gtol": 1e-6, "maxiter": 300},
        )
        for k in range(20)
    ]
    saddles = [end for end in ends if abs(end.x[1]) < 0.1]
    assert all(end.success == (abs(end.x[1]) >= 0.1) for end in ends)
    assert all(end.status == refopt.Status.SADDLE.number for end in saddles)
    at_saddle = len(saddles)
    assert 8 <= at_saddle <= 18  # 65 of 100, so the docstring; seeds 0 to 19


def test_best_point_is_judged_by_phi():
    def well(x):
        return anp.sum((x**2 - 1) ** 2)

    start = np.array([0.6, 0.5])  # f rises towards the maximum at 0, where phi falls
    alone = GradMin(refopt.LR(0.01), square=True)
    for method in (alone, [alone, refopt.LR(0.5)]):
        result = refopt.minimize(well, start, method=method, options={"maxiter": 5, "return_all": True})
        sizes = [np.mean(gradient(well, x) ** 2) for x in result.allvecs]
        assert np.array_equal(result.x, result.allvecs[int(np.argmin(sizes))])
        assert result.fun > well(start) and not result.success
    plain = refopt.minimize(well, start, method=refopt.LR(-0.01), options={"maxiter": 5})
    assert plain.fun == well(start)  # judged by f, the start is the best of an ascent


def test_figures_tell_phi_and_size():
    record = next(refopt.iterate(fun, START, method=GradMin(refopt.LR(1e-6), loss_term=2.0)))
    size = np.abs(gradient(fun, START)).mean()
    assert record.figures["gradient_size"] == pytest.approx(size, rel=EXACT)
    assert record.figures["phi"] == pytest.approx(size + 2 * fun(START), rel=EXACT)


# ---------------------------------------------------------------- the original

OPTIONS = [
    dict(),
    dict(square=True),
    dict(mean=False),
    dict(square=True, mean=False),
    dict(loss_term=2.0),
    dict(maximize_grad=True, loss_term=2.0),
    dict(create_graph=True),
    *(
        dict(loss_term=2.0, **pair)
        for pair in (
            dict(relative="loss_to_grad"),
            dict(relative="grad_to_loss"),
            dict(graft="loss_to_grad"),
            dict(graft="grad_to_loss"),
        )
    ),
    *(
        dict(loss_term=2.0, relative=r, graft=g)
        for r, g in itertools.product(("loss_to_grad", "grad_to_loss"), repeat=2)
    ),
]


@pytest.mark.filterwarnings("ignore:both relative and graft")
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_trajectory_of_the_original(options):
    lr = 1e-9 if options.get("relative") or options.get("square") else 1e-6
    theirs = original(lambda m, ex: ex.GradMin(m.LR(lr), **options), mixed, START, 20)
    mine = ours(GradMin(refopt.LR(lr), **options), mixed, START, 20)
    moved = np.abs(theirs[-1] - START).max()
    # both round x at every step: 20 eps |x| against the distance gone
    assert np.abs(mine - theirs).max() <= 1e-12 * moved + 20 * 2.3e-16 * np.abs(START).max()


@pytest.mark.parametrize("square", [False, True])
def test_newton_inside_follows_the_original(square):
    theirs = original(lambda m, ex: ex.GradMin([m.Newton()], square=square), mixed, START, 2)

    class Plain(refopt.Method):
        def step(self, point, update, state):
            return np.linalg.solve(point.dense_hessian(), update), state

    mine = ours(GradMin(Plain(), square=square), mixed, START, 2)
    # condition number of the Hessian of phi: 1e5
    assert np.abs(mine - theirs).max() <= 1e-9 * np.abs(theirs).max()


def test_modify_loss_acts_on_inner_searches_as_in_the_original():
    def well(torch, x):
        return ((x**2 - 1) ** 2).sum()

    def end(flag):
        modules = lambda m, ex: ex.GradMin([m.Backtracking()], square=True, modify_loss=flag)  # noqa: E731
        return original(modules, well, [0.3, 0.4], 8)[-1]

    ends = {flag: end(flag) for flag in (True, False)}
    assert np.abs(ends[True]).max() < 0.1 and np.abs(ends[False]).min() > 0.9


def test_create_graph_makes_no_difference_in_the_original():
    paths = [
        original(
            lambda m, ex, flag=flag: ex.GradMin([m.Newton()], square=True, create_graph=flag),
            mixed,
            START,
            3,
        )
        for flag in (True, False)
    ]
    assert np.array_equal(*paths)
