"""States as plain values: every bit comes back, and a file cannot name any class."""

from __future__ import annotations

import numpy as np
import pytest
from torch_adapter.cases import closure_of, save_and_load, small

import refopt


class Forgetful(refopt.Method):
    """A method whose state holds a function."""

    def init(self, x, shapes=None, rng=None):
        return (lambda u: u,)

    def step(self, point, update, state):
        return state[0](update), state


def test_what_cannot_be_saved_is_named():
    model, X, y = small()
    optimizer = refopt.torch.Optimizer(model.parameters(), Forgetful())
    optimizer.step(closure_of(model, X, y))
    with pytest.raises(TypeError, match="state_dict: state.* cannot be saved"):
        optimizer.state_dict()


@pytest.mark.parametrize("bits", ["PCG64", "MT19937", "Philox", "SFC64"])
def test_encoding_keeps_every_bit(bits):
    from refopt.parts.momentum import EMAState
    from refopt.torch.encoding import decode, encode

    generator = np.random.Generator(getattr(np.random, bits)(7))
    generator.standard_normal(3)
    generator.integers(5, dtype=np.uint32)  # leaves half a word behind
    value = {
        "a": (1, 2.5, "x", None, True, [np.float32(0.1), np.float64("nan"), np.int64(3)]),
        4: {"b": ()},
        "record": EMAState(2, np.asfortranarray(np.arange(6.0).reshape(2, 3))),
        "odd": [
            np.array([0.1], dtype=np.longdouble),
            np.zeros((0, 3)),
            np.array([1 + 2j]),
            np.array([True]),
            np.array(3.0),
            np.array([np.nan, -0.0, np.inf], dtype=np.float32),
        ],
    }
    twin, again = decode(save_and_load(encode([value, generator])))
    assert repr(twin) == repr(value) and type(twin["record"]) is EMAState
    assert twin["record"].m.flags.f_contiguous and twin["record"].m.flags.writeable
    for a, b in zip(twin["odd"], value["odd"], strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    assert type(twin["a"][5][0]) is np.float32 and type(twin["a"][4]) is bool
    np.testing.assert_array_equal(again.standard_normal(10), generator.standard_normal(10))
    np.testing.assert_array_equal(
        again.integers(9, size=3, dtype=np.uint32), generator.integers(9, size=3, dtype=np.uint32)
    )


def test_a_file_cannot_name_any_class():
    from refopt.torch.encoding import decode

    with pytest.raises(ValueError, match="is not a class that a state may contain"):
        decode({"kind": "object", "class": "subprocess:Popen", "parts": []})
    with pytest.raises(ValueError, match="not known here"):
        decode({"kind": "record", "class": "not_loaded_module:State", "parts": []})
    with pytest.raises(ValueError, match="fields"):
        decode({"kind": "record", "class": "refopt.parts.momentum:EMAState", "parts": [1]})
