"""The problem of a comparison: one function, in NumPy and perhaps in torch, and where to start."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import checks, problems
from ..fit import objective_of
from ..function import FunctionObjective

__all__ = ["Task", "as_task"]


@dataclasses.dataclass(frozen=True)
class Task:
    """A function to run on, in NumPy and, where the candidate should take torch's own gradient, in torch.

    Attributes
    ----------
    name : text for messages
    fun : ``fun(x) -> f`` in autograd.numpy
    x0 : (n,) array; its dtype is that of the run
    shapes : tensor shapes that x0 is the concatenation of, or None
    torch : ``torch(list of tensors) -> loss`` or None: then a torch candidate is given our gradient
    jac, hess, hessp : as for `minimize`
    """

    name: str
    fun: Callable
    x0: np.ndarray
    shapes: tuple[tuple[int, ...], ...] | None = None
    torch: Callable | None = None
    jac: Any = None
    hess: Any = None
    hessp: Any = None

    def objective(self) -> FunctionObjective:
        return objective_of(self.fun, self.x0, (), self.jac, self.hess, self.hessp, shapes=self.shapes)

    def cast(self, dtype: Any) -> Task:
        return dataclasses.replace(self, x0=self.x0.astype(dtype))


def as_task(problem: Any, dtype: Any = None) -> Task:
    """A task from a name in `refopt.problems`, a Problem, a pair ``(fun, x0)`` or a Task."""
    if isinstance(problem, str):
        problem = problems.get(problem)
    if isinstance(problem, problems.Problem):
        problem = Task(
            problem.name, problem.fun, np.array(problem.x0), checks.shape_list(problem.shapes, problem.n)
        )
    elif isinstance(problem, tuple) and len(problem) == 2 and callable(problem[0]):
        fun = problem[0]
        problem = Task(getattr(fun, "__name__", "fun"), fun, checks.start_vector(problem[1]))
    elif not isinstance(problem, Task):
        raise TypeError(
            "compare: problem must be a name such as 'mgh/rosenbrock', a refopt Problem, a pair (fun, x0) "
            f"or an oracle.Task, got {checks.describe(problem)}"
        )
    return problem if dtype is None else problem.cast(dtype)
