"""Traces: saved with versions, read back exactly, replayed without torch."""

import json
import subprocess
import sys

import numpy as np
import pytest

from refopt import LR, Adam, CoordinateMomentum, chain, oracle
from refopt.oracle import Trace, compare, record
from refopt.oracle.torchzero import problems

ADAM = chain(Adam(), LR(0.01))


def same(a, b):
    """Equality of traces to the last bit."""
    assert (a.candidate, a.problem, a.dtype, a.own_gradient, a.moved_x, a.ended) == (
        b.candidate,
        b.problem,
        b.dtype,
        b.own_gradient,
        b.moved_x,
        b.ended,
    )
    assert a.libraries == b.libraries and len(a) == len(b) and a.shapes == b.shapes
    for s, t in zip(a.steps, b.steps, strict=True):
        for name in ("x", "update", "g", "mask"):
            one, two = getattr(s, name), getattr(t, name)
            assert (one is None) == (two is None)
            if one is not None:
                assert one.dtype == two.dtype and one.tobytes() == two.tobytes()
        assert s.f == t.f and set(s.after) == set(t.after)
        for key, value in s.after.items():
            np.testing.assert_array_equal(value, t.after[key])


@pytest.mark.parametrize("ending", [".npz", ".json"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_trace_survives_its_file(tmp_path, ending, dtype):
    trace = record(chain(CoordinateMomentum(0.4), LR(0.01)), "classic/beale", 8, dtype=dtype, rng=3)
    again = Trace.load(trace.save(tmp_path / f"run{ending}"))
    same(trace, again)
    assert {"python", "refopt", "numpy"} <= set(again.libraries)
    assert again.masks.shape == (8, 2)


def test_a_torch_run_replays_without_torch(tmp_path):
    torch = pytest.importorskip("torch")
    task = problems.task("beale")
    trace = record(lambda params: torch.optim.Adam(params, lr=0.01), task, 15)
    assert trace.libraries["torch"] == torch.__version__
    assert trace.candidate == "torch.optim.Adam"
    path = trace.save(tmp_path / "adam.npz")
    code = f"""
import sys
sys.modules["torch"] = None
from refopt import Adam, LR, chain
from refopt.oracle import compare
from refopt.oracle.torchzero import problems
report = compare({str(path)!r}, chain(Adam(), LR(0.01)), problems.task("beale"))
assert report.steps == 15 and report.shared == ("t", "m1", "m2"), report
wrong = compare({str(path)!r}, chain(Adam(eps=1e-7), LR(0.01)), problems.task("beale"),
                hyperparameters="ignore")
print(report.ok, wrong.ok, wrong.quantity)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert out.stdout.split() == ["True", "False", "update"], out.stderr


def test_a_trace_is_a_candidate():
    trace = record(ADAM, "classic/beale", 10)
    assert compare(trace, ADAM, "classic/beale").steps == 10
    assert compare(trace, ADAM, "classic/beale", steps=4).steps == 4
    trace.steps[6].update[1] *= 1 + 1e-9
    report = compare(trace, ADAM, "classic/beale")
    assert (report.step, report.quantity, report.difference.index) == (6, "update", 1)


def test_how_a_run_ended_is_kept(tmp_path):
    def step(x, g, t):
        if t == 2:
            raise ValueError("broken")
        return x - 0.01 * g

    trace = record(step, "classic/beale", 5)
    again = Trace.load(trace.save(tmp_path / "broken.json"))
    assert len(again) == 2 and again.ended[0] == "exception" and "broken" in again.ended[1]
    report = compare(again, LR(0.01), "classic/beale")
    assert (report.ok, report.step) == (False, 2)


def test_a_trace_of_another_problem_is_refused():
    trace = record(ADAM, "classic/beale", 3)
    with pytest.raises(ValueError, match="the trace has 2 variables, but the problem quadratic has 6"):
        compare(trace, ADAM, problems.task("quadratic"))


def test_bad_files(tmp_path):
    trace = record(ADAM, "classic/beale", 2)
    with pytest.raises(ValueError, match=r"must end in .npz or .json"):
        trace.save(tmp_path / "run.pkl")
    with pytest.raises(ValueError, match=r"must end in .npz or .json"):
        Trace.load(tmp_path / "run.pkl")
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    with pytest.raises(ValueError, match="no trace of refopt"):
        Trace.load(tmp_path / "other.npz")
    (tmp_path / "other.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match="no trace of refopt"):
        Trace.load(tmp_path / "other.json")
    path = trace.save(tmp_path / "old.json")
    header = json.loads(path.read_text())
    header["format"] = 0
    path.write_text(json.dumps(header))
    with pytest.raises(ValueError, match="record it again"):
        Trace.load(path)


def test_versions_name_what_is_loaded():
    from refopt.oracle.trace import versions

    assert versions()["numpy"] == np.__version__
    assert oracle.Trace("a", "b").libraries == versions()
