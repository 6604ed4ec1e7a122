"""A recorded trace: the same numbers as reverse mode, with the operations behind them."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
from autograd.tracer import trace_stack

from refopt.derivatives import gradient
from refopt.derivatives.recording import name_of_operation, record, sweep


def swept(fun, x, zeros_stay=False):
    """The gradient and the names of the operations, by `sweep`."""
    value, end = record(fun, x)
    names = []
    last = None
    for node, cotangent, _ in sweep(end, np.ones_like(value), zeros_stay):
        names.append("x" if node.fun is None else name_of_operation(node.fun))
        last = cotangent
    return last, names


def test_the_last_cotangent_is_the_gradient():
    fun = lambda x: anp.sum(anp.sin(x[:2]) * x[1:] ** 2) + anp.dot(x, x) + anp.sum(anp.floor(x))  # noqa: E731
    x = np.array([0.3, -1.2, 0.8])
    g, names = swept(fun, x)
    assert np.array_equal(g, gradient(fun, x))
    assert names[-1] == "x" and {"sin", "indexing", "power", "dot", "sum", "add"} <= set(names)
    assert trace_stack.top == -1


def test_each_node_holds_its_call():
    _, end = record(lambda x: anp.sum(2.0 * x, axis=0), np.array([1.0, 4.0]))
    assert name_of_operation(end.fun) == "sum" and end.value == 10 and end.kwargs == {"axis": 0}
    assert np.array_equal(end.args[0], [2.0, 8.0]) and list(end.argnums) == [0]
    assert record(lambda x: 5.0, np.ones(1))[1] is None


def test_zeros_stay_where_it_is_asked_for():
    fun = lambda x: anp.sum(anp.where(x >= 0, x, anp.sqrt(-2 * x)))  # noqa: E731
    with np.errstate(invalid="ignore"):
        assert np.isnan(swept(fun, np.array([4.0]))[0])
        assert swept(fun, np.array([4.0]), True)[0] == 1
    with np.errstate(divide="ignore"):
        assert np.isinf(swept(lambda x: anp.sqrt(x[0]), np.zeros(1), True)[0])
