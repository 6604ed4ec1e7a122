"""Problems for both sides: the same function in autograd and in torch."""

import numpy as np
import pytest

from refopt.oracle.torchzero import problems


def test_both_sides_run_the_same_function():
    """Values in autograd and torch agree to rounding on every problem."""
    torch = pytest.importorskip("torch")
    for name in problems.PROBLEMS:
        task = problems.task(name)
        shapes = task.shapes or (task.x0.shape,)
        parts = np.split(task.x0, np.cumsum([int(np.prod(s)) for s in shapes])[:-1])
        theirs = float(task.torch([torch.tensor(p.reshape(s)) for p, s in zip(parts, shapes, strict=True)]))
        assert float(task.fun(task.x0)) == pytest.approx(theirs, rel=1e-14), name


def test_least_squares_are_for_ours_alone():
    task = problems.task("beale residuals", "float32")
    assert task.torch is None and task.x0.dtype == np.float32
    right = problems.task("beale")
    assert task.objective().at(task.x0).f == pytest.approx(float(right.fun(right.x0)), rel=1e-6)
