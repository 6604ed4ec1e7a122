"""States by the names of their fields, in refopt, torch and optax."""

from typing import NamedTuple

import numpy as np
import pytest

from refopt import GGT, LR, Adam, HeavyBall, SubspaceAdam, chain
from refopt.oracle.exact.precise import Arithmetic
from refopt.oracle.state_fields import (
    comparable,
    is_decision,
    leaf,
    left_open,
    like,
    named,
    names_of,
    optax_fields,
    paths,
    with_leaf,
)


def state_of(method, n=2):
    return method.init(np.zeros(n), None, np.random.default_rng(0))


def test_a_name_is_the_last_word_where_that_is_unique():
    assert list(names_of(state_of(chain(Adam(), LR(0.1)))).values()) == ["t", "m1", "m2"]
    twice = names_of(state_of(chain(HeavyBall(), HeavyBall(), LR(0.1))))
    assert twice == {(0, "v"): "0.v", (1, "v"): "1.v"}
    inside = names_of(state_of(GGT(2, basis_optimizer=SubspaceAdam())))
    assert inside["basis", "m2"] == "m2" and inside["basis", "t"] == "basis.t" and inside["t",] == "t"


def test_named_fields_are_copies():
    state = state_of(Adam())
    fields = named(state)
    fields["m1"][0] = 3.0
    assert state.m1[0] == 0.0 and set(fields) == {"t", "m1", "m2"}


def test_parts_without_a_record_and_generators_have_no_path():
    from refopt import CoordinateMomentum

    assert [path for path, _ in paths(state_of(chain(LR(0.1), CoordinateMomentum())))] == [(1, "t"), (1, "v")]


@pytest.mark.parametrize("precise", [False, True])
def test_one_entry_is_read_and_replaced(precise):
    state = state_of(chain(HeavyBall(), GGT(2, basis_optimizer=SubspaceAdam())))
    state = Arithmetic().value(state) if precise else state
    path = (1, "basis", "t")
    other = with_leaf(state, path, 7)
    assert leaf(other, path) == 7 and leaf(state, path) == 0
    assert leaf(other, (0, "v")) is leaf(state, (0, "v"))
    assert with_leaf(3, (), 4) == 4


def test_values_take_the_type_of_the_reference():
    own = np.zeros(2, np.float32)
    assert like([1.0, 2.0], own).dtype == np.float32
    assert list(like(1.5, own)) == [1.5, 1.5]
    assert like(np.ones(3), own) is own  # another shape is not handed over
    assert like(np.float64(3), 0) == 3 and isinstance(like(np.float64(3), 0), int)
    assert like(1, True) is True and like(2, 0.5) == 2.0 and like("a", None) == "a"


def test_what_can_be_compared():
    assert all(map(comparable, (1, 2.0, np.zeros(2), True, "cholesky")))
    assert not any(map(comparable, (None, (np.zeros(2),), np.random.default_rng(0), np.array(["a"]))))
    assert is_decision(np.bool_(True)) and is_decision("x") and not is_decision(1)


def test_left_open_is_what_the_definition_does_not_give():
    before, after = state_of(HeavyBall()), state_of(HeavyBall())._replace(v=np.ones(2))
    kept, given = Arithmetic().value(before), Arithmetic().value(after)
    assert left_open(kept, after, before, ("v",)) and not left_open(given, after, before, ("v",))
    assert left_open(given.changed(v=np.ones(3)), after, before, ("v",))


def test_optax_states():
    class Scale(NamedTuple):
        count: int
        mu: list

    state = (Scale(1, [1.0, 2.0]), (), {"nu": [3.0, 4.0]})
    fields = optax_fields(state)
    assert fields["count"] == 1 and list(fields["mu"]) == [1.0, 2.0] and list(fields["nu"]) == [3.0, 4.0]
    assert optax_fields(3) == {}


def test_torch_states_are_one_vector_for_all_parameters():
    torch = pytest.importorskip("torch")
    from refopt.oracle.state_fields import torch_fields

    params = [torch.ones(2, requires_grad=True), torch.ones((1, 2), requires_grad=True)]
    optimizer = torch.optim.Adam(params)
    assert torch_fields(optimizer, params) == {}
    sum((p**2).sum() for p in params).backward()
    optimizer.step()
    fields = torch_fields(optimizer, params)
    assert fields["step"] == 1.0 and fields["exp_avg"].shape == (4,) and fields["exp_avg_sq"].shape == (4,)
