"""Methods: chains, inner methods, trees, states, checks of hyperparameters."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import autograd.numpy as anp
import numpy as np
import pytest

import refopt
from refopt.function import FunctionObjective
from refopt.method import as_method, chain, copy_state, option, rebuild, unfolded, walk, works_elementwise
from refopt.registry import ENTRIES

START = np.array([-1.2, 1.0, 0.7])


def rosenbrock(x):
    return anp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def run(method, steps=8, fun=rosenbrock):
    options = {"maxiter": steps, "gtol": 0, "return_all": True}
    return refopt.minimize(fun, START, method=method, options=options, rng=5)


# ---------------------------------------------------------------- chains


def test_a_chain_hands_the_update_of_each_to_the_next():
    g = np.array([2.0, -4.0])
    both = chain(refopt.LR(0.5), [refopt.LR(3.0), refopt.LR(-1.0)])
    assert len(both.methods) == 3  # chains and sequences inside are flattened
    update, state = both.step(None, g, both.init(g))
    assert np.array_equal(update, -1.5 * g) and len(state.states) == 3


def test_a_chain_refuses_the_state_of_another():
    one, two = chain(refopt.Adam()), chain(refopt.Adam(), refopt.LR())
    with pytest.raises(
        ValueError, match="a chain of 2 methods was given 1 states; use the state that its own init"
    ):
        two.step(None, START, one.init(START))


@pytest.mark.parametrize(
    "value, error, words",
    [
        (refopt.Adam, TypeError, r"Adam is a class; give an instance, Adam\(...\)"),
        ("Adam", TypeError, "a method is an instance such as CubicAdam"),
        ([], ValueError, r"chain\(\) needs at least one method"),
    ],
)
def test_what_is_no_method_is_refused(value, error, words):
    with pytest.raises(error, match=words):
        as_method(value)


# ---------------------------------------------------------------- inner methods

HOLDS_INNER = [entry for entry in ENTRIES if entry.cls.inner_first]


@pytest.mark.parametrize("entry", HOLDS_INNER, ids=lambda entry: entry.name)
@pytest.mark.parametrize(
    "inner", [refopt.HeavyBall(0.5), refopt.CoordinateMomentum(0.5)], ids=["HeavyBall", "random"]
)
def test_inner_is_a_chain_in_path_result_and_figures(entry, inner):
    outside, inside = run(chain(inner, entry.make())), run(entry.make(inner=inner))
    assert np.array_equal(outside.allvecs, inside.allvecs) and np.array_equal(outside.x, inside.x)
    assert (outside.fun, outside.nfev, outside.nhvp, outside.message) == (
        inside.fun,
        inside.nfev,
        inside.nhvp,
        inside.message,
    )
    assert [r.figures.keys() for r in outside.history] == [r.figures.keys() for r in inside.history]


def test_several_methods_take_inner():
    assert len(HOLDS_INNER) >= 5


def test_unfolded_writes_the_chain_out():
    method = refopt.NewtonNewton(inner=refopt.LR(2.0), order=2)
    assert unfolded(method) == chain(refopt.LR(2.0), refopt.NewtonNewton(order=2))
    first = unfolded(method)
    assert unfolded(method) is first  # made once, so that its states stay its own
    plain = refopt.NewtonNewton()
    assert unfolded(plain) is plain


def test_what_an_inner_method_minimises_is_what_the_whole_is_followed_by():
    """GradMin inside: the best point is the one of the smallest gradient, not of the smallest f."""
    inner = refopt.GradMin(refopt.LR(1e-5))
    for method in (chain(inner, refopt.LR(1.0)), refopt.CurveBall(inner=inner)):
        point = FunctionObjective(rosenbrock, START).at(START)
        assert not method.minimises_f() and method.merit(point) == inner.merit(point) != point.f


# ---------------------------------------------------------------- trees

TREE = chain(
    refopt.BlockPartition([refopt.Adam(), refopt.LR(0.1)], 2),
    refopt.GGT(basis_optimizer=refopt.SubspaceAdam(), inner=refopt.EMA()),
    refopt.LR(0.3),
)


def test_walk_reaches_every_method_whatever_field_holds_it():
    names = [type(part).__name__ for part in walk(TREE)]
    assert names == ["Chain", "BlockPartition", "Chain", "Adam", "LR", "GGT", "SubspaceAdam", "EMA", "LR"]


def test_rebuild_changes_all_and_shares_what_is_unchanged():
    halved = rebuild(TREE, lambda m: refopt.LR(m.lr / 2) if isinstance(m, refopt.LR) else m)
    assert [m.lr for m in walk(halved) if isinstance(m, refopt.LR)] == [0.05, 0.15]
    assert [m.lr for m in walk(TREE) if isinstance(m, refopt.LR)] == [0.1, 0.3]
    assert halved.methods[1] is TREE.methods[1]
    assert rebuild(TREE, lambda m: m) is TREE


def test_elementwise_holds_for_a_tree_only_if_it_holds_for_every_part():
    assert works_elementwise(chain(refopt.Adam(), refopt.LR()))
    assert not works_elementwise(chain(refopt.Adam(), refopt.Newton()))
    assert not works_elementwise(refopt.BlockPartition(refopt.Adam(), 2))


# ---------------------------------------------------------------- randomness and states


def test_a_method_that_draws_nothing_cannot_be_replayed():
    assert refopt.LR().randomness(np.random.default_rng(0)) is None
    with pytest.raises(TypeError, match="LR draws nothing that could be replayed"):
        refopt.LR().replaying([])


def test_a_copied_state_shares_nothing_and_draws_the_same():
    class Record(NamedTuple):
        a: np.ndarray
        rng: np.random.Generator
        rest: tuple

    state = Record(np.arange(3.0), np.random.default_rng(3), ([np.ones(2)], {"k": np.zeros(1)}, "text"))
    copy = copy_state(state)
    assert type(copy) is Record and copy.rest[2] == "text"
    for a, b in [
        (copy.a, state.a),
        (copy.rest[0][0], state.rest[0][0]),
        (copy.rest[1]["k"], state.rest[1]["k"]),
    ]:
        assert np.array_equal(a, b) and not np.shares_memory(a, b)
    assert np.array_equal(copy.rng.random(4), state.rng.random(4))


# ---------------------------------------------------------------- checks


def test_a_misspelt_need_is_an_error_of_the_class():
    with pytest.raises(ValueError, match="unknown need of Wrong 'hesss'; did you mean 'hess'"):

        class Wrong(refopt.Method):
            needs = frozenset({"hesss"})


def test_the_rules_of_options():
    @dataclasses.dataclass(frozen=True)
    class Ruled(refopt.Method):
        share: float = option(0.5, "(0, 1]")
        count: int = option(3, "whole >= 2")
        name: str = option("a", ("a", "b"))
        on: bool = option(True, bool)
        function: object = option(None, [callable])

    assert Ruled(share=1, count=4.0).count == 4 and isinstance(Ruled(count=4.0).count, int)
    for given, words in [
        ({"share": 0}, r"Ruled: share must be in \(0, 1\], got 0"),
        ({"count": 1}, "Ruled: count must be a whole number >= 2, got 1"),
        ({"name": "c"}, "Ruled: name must be one of 'a', 'b', got 'c'"),
        ({"on": 1}, "Ruled: on must be True or False, got 1"),
        ({"function": 3}, "Ruled: function must be callable, got 3"),
    ]:
        with pytest.raises((ValueError, TypeError), match=words):
            Ruled(**given)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: refopt.CubicAdam(beta1=1.5), r"CubicAdam: beta1 must be in \[0, 1\), got 1.5"),
        (lambda: refopt.CubicAdam(eps=-1), r"CubicAdam: eps must be in \[0, inf\), got -1"),
        (
            lambda: refopt.CubicAdam(mode="halved"),
            "CubicAdam: mode must be one of .* got 'halved'; did you mean 'halve'",
        ),
        (lambda: refopt.CoordinateMomentum(p=1.1), r"CoordinateMomentum: p must be in \[0, 1\], got 1.1"),
        (
            lambda: refopt.ReduceOutwardLR(mul=np.inf),
            r"ReduceOutwardLR: mul must be in \(-inf, inf\), got inf",
        ),
        (lambda: refopt.Adam(beta2=1), r"Adam: beta2 must be in \[0, 1\), got 1"),
        (lambda: refopt.StrongWolfe(c1=0.9, c2=0.5), "StrongWolfe: c1 must be below c2"),
        (lambda: refopt.LBFGS(history_size=0), "LBFGS: history_size must be a whole number >= 1, got 0"),
        (lambda: refopt.Backtracking(shrink=1.0), r"Backtracking: shrink must be in \(0, 1\), got 1"),
        (lambda: refopt.Newton(delta=0), r"Newton: delta must be in \(0, 1\), got 0"),
        (lambda: refopt.HeavyBall(momentum=1.0), r"HeavyBall: momentum must be in \[0, 1\), got 1"),
    ],
)
def test_hyperparameters_out_of_range(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_hyperparameters_of_the_wrong_type():
    with pytest.raises(TypeError, match="CubicAdam: debiased must be True or False, got 1"):
        refopt.CubicAdam(debiased=1)
    with pytest.raises(TypeError, match="LR: lr must be a real number, got 'fast'"):
        refopt.LR("fast")
    with pytest.raises(TypeError, match="CoordinateMomentum: mask must be a function"):
        refopt.CoordinateMomentum(mask=3)


def test_a_chain_keeps_bounds_if_all_its_parts_do_and_the_last_chooses_the_step():
    LR, Newton, Backtracking = refopt.LR, refopt.Newton, refopt.Backtracking
    assert LR().keeps_bounds() and chain(refopt.EMA(), LR()).keeps_bounds()
    assert chain(refopt.EMA(), Newton(), Backtracking()).keeps_bounds()
    assert chain(refopt.ScipyNewtonCG(inner=refopt.EMA()), Backtracking()).keeps_bounds()
    assert refopt.InfinityNormTrustRegion(inner=refopt.EMA()).keeps_bounds()
    for refused in (Newton(), chain(Backtracking(), Newton()), chain(Newton(), LR())):
        assert "without a line search after it" in refused.without_bounds()
    for refused in (
        chain(refopt.GGT(), Backtracking()),
        refopt.InfinityNormTrustRegion(inner=refopt.GGT()),
        chain(refopt.ScipyNewtonCG(inner=refopt.GGT()), Backtracking()),
    ):
        assert refused.without_bounds() == "GGT does not support bounds"
