"""The table of mistakes: where each applies, and what it makes of a tree of methods."""

import numpy as np
import pytest

import refopt
from refopt import GGT, LR, Adam, BlockPartition, HeavyBall, NewtonSolver, SubspaceAdam, chain
from refopt.objective import locked
from refopt.oracle import exact
from refopt.oracle.exact.precise import Arithmetic, PrecisePoint, plain
from refopt.oracle.mistakes import MISTAKES, Mistake, changed_trees, setting, step_size, swapped
from refopt.oracle.torchzero import problems

BETA = setting("beta1", 0.5)


def test_a_setting_changes_every_part_and_then_each_alone():
    reference = chain(Adam(), BlockPartition(Adam(), 1), LR(0.1))
    both, first, second = BETA(reference)
    assert both == chain(Adam(0.5), BlockPartition(Adam(0.5), 1), LR(0.1))
    assert {first, second} == {
        chain(Adam(0.5), BlockPartition(Adam(), 1), LR(0.1)),
        chain(Adam(), BlockPartition(Adam(0.5), 1), LR(0.1)),
    }


def test_a_setting_that_changes_nothing_gives_nothing_to_try():
    assert list(BETA(chain(HeavyBall(), LR(0.1)))) == []
    assert list(BETA(chain(Adam(0.5), LR(0.1)))) == []
    assert list(setting("beta1", 2.0)(Adam())) == []  # refused by Adam
    assert list(setting("lr", lambda part: 2 * part.lr)(chain(Adam(), LR(0.1)))) == [chain(Adam(), LR(0.2))]


def test_swapped_exchanges_two_values():
    assert list(swapped("beta1", "beta2")(chain(Adam(), LR(0.1)))) == [chain(Adam(0.999, 0.9), LR(0.1))]
    assert list(swapped("beta1", "beta2")(Adam(0.9, 0.9))) == []


def test_unchanged_trees_are_shared():
    inside = chain(Adam(), HeavyBall())
    (tree,) = changed_trees(chain(inside, LR(0.1)), lambda part: LR(0.2) if isinstance(part, LR) else part)
    assert tree.methods[:2] == inside.methods and tree.methods[0] is inside.methods[0]


def test_step_size_is_the_outermost():
    assert step_size(chain(NewtonSolver([Adam(), LR(0.1)]), LR(0.25))) == 0.25
    assert step_size(BlockPartition(chain(Adam(), LR(0.5)), 1)) == 0.5
    assert step_size(Adam()) == 1.0


def test_a_formula_applies_where_its_method_is():
    eps = next(m for m in MISTAKES if m.says == "eps is subtracted")
    assert eps.applies(BlockPartition(Adam(), 1)) and eps.applies(GGT(2, basis_optimizer=SubspaceAdam()))
    assert not eps.applies(chain(HeavyBall(), LR(0.1)))
    assert Mistake("anything", after=lambda out, context: -out).applies(HeavyBall())


FORMULAS = [(mistake, name) for mistake in MISTAKES for name in mistake.table]


@pytest.mark.parametrize(
    ("mistake", "name"), FORMULAS, ids=lambda v: v if isinstance(v, str) else v.says[:40]
)
@np.errstate(all="ignore")
def test_every_formula_differs_from_the_definition(mistake, name):
    """A formula that equals the definition could never be seen, and would stand for every right candidate."""
    method, rng = getattr(refopt, name)(), np.random.default_rng(0)
    if name == "CoordinateMomentum":
        method = method.replaying(list(rng.random((3, 6)) < 0.5))
    arithmetic, point = Arithmetic(), problems.task("quadratic").objective().at(locked(np.ones(6)))
    right = wrong = arithmetic.value(method.init(np.ones(6)))
    gaps = []
    for _ in range(3):
        u = arithmetic.array(rng.standard_normal(6))
        out, right = exact.step(method, PrecisePoint(point, arithmetic), u, right)
        other, wrong = exact.step(method, PrecisePoint(point, arithmetic, None, mistake.table), u, wrong)
        gaps.append(np.abs(plain(out - other)).max())
    assert not max(gaps) < 1e-12  # NaN differs, too
