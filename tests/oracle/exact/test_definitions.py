"""Every method of the registry against its own definition in 50 digits."""

from pathlib import Path

import numpy as np
import pytest

from refopt import GGT, LR, Adam, BlockPartition, CurveBall, SubspaceAdam, chain, methods
from refopt.method import copy_state
from refopt.objective import locked
from refopt.oracle import exact
from refopt.oracle.exact.precise import Arithmetic, plain
from refopt.oracle.state_fields import leaf, left_open, paths
from refopt.oracle.torchzero import problems
from refopt.oracle.torchzero.rows import rows_of
from refopt.status import Stop

NAMES = [entry.name for entry in methods()]
STEPS = 6


def variants(name):
    """The recipe and every option that the parity table lists."""
    entry = next(e for e in methods() if e.name == name)
    found = [entry.complete(), *(row.ours for row in rows_of(name))]
    return list({repr(m): m for m in found}.values())


@np.errstate(all="ignore")  # a run may diverge; it is followed as far as it is finite
def worst_ulps(method, problem, steps=STEPS):
    """The largest error of an update along a run, in ulps of its largest entry, in 50 digits."""
    task = problems.task(problem)
    x, objective = np.array(task.x0), task.objective()
    state, worst = method.init(locked(x.copy()), task.shapes, np.random.default_rng(3)), 0.0
    arithmetic = Arithmetic("mpmath")
    for _ in range(steps):
        point = objective.at(locked(x.copy()))
        before = copy_state(state)
        try:
            update, state = method.step(point, point.g, state)
        except Stop:
            break
        if not np.all(np.isfinite(update)):
            break
        right, after = exact.run(method, point, point.g, before, arithmetic, (update, state))
        pairs = [(update, right)]
        for path, here in paths(state):  # the state, as far as the definition gives it
            if isinstance(here, np.ndarray) and here.dtype.kind == "f" and here.size:
                if not left_open(after, state, before, path):
                    pairs.append((here, leaf(after, path)))
        for mine, exactly in pairs:
            error = np.abs(plain(mine - exactly)).max()
            worst = max(worst, float(error / np.spacing(max(np.abs(plain(exactly)).max(), 1e-300))))
        x = x - update
    return worst


def wanted(name):
    """What to write for a method without a definition."""
    file = next(e for e in methods() if e.name == name).cls.__module__.rsplit(".", 1)[1]
    return (
        f"{name} has no definition in 50 digits: write it in refopt/oracle/exact/{file}.py, as "
        f'@definition("{name}", ulps=...) over a function (h, p, u, s) -> (output, dict of the changed '
        "fields of the "
        "state); the top of refopt/oracle/exact/definitions.py says what h, p, u and s are"
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_method_has_a_definition(name):
    assert name in exact.DEFINITIONS, wanted(name)


@pytest.mark.parametrize("name", NAMES)
def test_steps_agree_with_their_definition(name):
    assert name in exact.DEFINITIONS, wanted(name)
    found = []
    for method in variants(name):
        parts = "gauss-newton" in method.all_needs()
        for problem in ("beale residuals",) if parts else ("beale", "logistic", "zero gradients"):
            found.append((worst_ulps(method, problem), f"{method!r} on {problem}"))
    worst, where = max(found)
    assert worst <= exact.DEFINITIONS[name].ulps, f"{where}: {worst:.3g} ulps, the worst of {len(found)} runs"


def test_a_wrong_definition_is_noticed():
    """The check is itself checked: a definition without the square root misses by far."""
    method = chain(Adam(), LR(0.1))
    task = problems.task("beale")
    point = task.objective().at(locked(task.x0.copy()))
    update, _ = method.step(point, point.g, method.init(point.x))
    wrong = {"Adam": lambda h, p, u, s: (u, {})}
    right, _ = exact.run(method, point, point.g, method.init(point.x), Arithmetic("mpmath"), table=wrong)
    assert np.abs(plain(update - right)).max() > 1e-3


def test_a_formula_of_a_table_reaches_methods_inside():
    """As the mistakes of hints do: Adam replaced inside blocks, in a basis and as an inner method."""
    task = problems.task("beale")
    point = task.objective().at(locked(task.x0.copy()))
    half = {"Adam": lambda h, p, u, s: (u / 2, {}), "SubspaceAdam": lambda h, p, u, s: (u / 2, {})}
    for method, right in (
        (BlockPartition(Adam(), 1), point.g / 2),
        (CurveBall(inner=Adam(), precond_lr=1.0, alpha=1.0), point.g / 2),
        (GGT(1, damping=0.0, basis_optimizer=SubspaceAdam()), point.g / 2),
    ):
        state = method.init(point.x)
        answer = method.step(point, point.g, method.init(point.x))
        out, _ = exact.run(method, point, point.g, state, Arithmetic("mpmath"), answer, half)
        assert plain(out) == pytest.approx(right, rel=1e-12), method


def test_a_method_without_a_definition_is_undefined():
    class Mine(LR):
        pass

    point = problems.task("beale").objective().at(locked(np.array([1.0, 0.8])))
    with pytest.raises(
        exact.Undefined, match="^Mine has no precise definition; add one to refopt/oracle/exact/$"
    ):
        method = chain(Adam(), Mine(0.1))
        exact.run(method, point, point.g, method.init(point.x), Arithmetic())


def test_a_second_definition_is_refused():
    with pytest.raises(ValueError, match="LR has two precise definitions"):
        exact.definition("LR", ulps=1)(lambda h, p, u, s: (u, {}))


def test_every_file_of_definitions_is_imported():
    folder = Path(exact.__file__).parent
    filled = {definition.formula.__module__ for definition in exact.DEFINITIONS.values()}
    for path in folder.glob("*.py"):
        if "@definition(" in path.read_text() and path.stem != "definitions":
            module = f"refopt.oracle.exact.{path.stem}"
            assert module in filled, f"import {path.stem} in refopt/oracle/exact/__init__.py"


def test_the_last_method_of_a_chain_has_the_step_of_the_whole():
    seen = {}

    def noting(name):
        def formula(h, p, u, s):
            seen[name] = p.answer[0]
            return u, {}

        return formula

    method = chain(Adam(), LR(0.5))
    point = problems.task("beale").objective().at(locked(np.array([1.0, 0.8])))
    answer = method.step(point, point.g, method.init(point.x))
    table = {name: noting(name) for name in ("Adam", "LR")}
    exact.run(method, point, point.g, method.init(point.x), Arithmetic(), answer, table)
    assert seen["Adam"] is None and seen["LR"] is answer[0]
