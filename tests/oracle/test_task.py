"""The problem of a comparison, from everything that may name one."""

import numpy as np
import pytest
from oracle.examples import START, rosenbrock

from refopt import problems
from refopt.oracle import Task
from refopt.oracle.task import as_task


def test_a_name_a_problem_a_pair_and_a_task():
    named = as_task("mgh/rosenbrock")
    assert named.name == "mgh/rosenbrock" and list(named.x0) == list(START)
    assert as_task(problems.get("mgh/rosenbrock")).name == named.name
    pair = as_task((rosenbrock, [-1.2, 1.0]))
    assert pair.name == "rosenbrock" and pair.fun is rosenbrock and pair.x0.dtype == np.float64
    task = Task("mine", rosenbrock, START)
    assert as_task(task) is task


def test_the_dtype_is_that_of_the_start_or_the_one_asked_for():
    assert as_task((rosenbrock, START), "float32").x0.dtype == np.float32
    assert as_task((rosenbrock, START.astype(np.float32))).x0.dtype == np.float32
    assert START.dtype == np.float64


def test_its_objective_has_the_derivatives_that_were_given():
    task = Task("mine", rosenbrock, START, jac=lambda x: np.array([1.0, 2.0]))
    assert list(task.objective().at(START).g) == [1.0, 2.0]


@pytest.mark.parametrize(
    ("problem", "kind", "message"),
    [
        (3, TypeError, "problem must be a name such as 'mgh/rosenbrock'"),
        ((rosenbrock,), TypeError, "problem must be a name"),
        ("mgh/rosenbrok", ValueError, "did you mean"),
        ((rosenbrock, ["a"]), TypeError, "x0"),
    ],
)
def test_what_is_no_problem(problem, kind, message):
    with pytest.raises(kind, match=message):
        as_task(problem)
