"""Taylor rules of `autograd.scipy.linalg`, and of the few primitives of its `signal` and `integrate`."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import autograd.scipy.integrate as integrate
import autograd.scipy.linalg as slinalg
import autograd.scipy.signal as signal
import numpy as onp

from .algebra import REFUSED, RULES, Algebra, Series, minus, series_of
from .families import bilinear, defined
from .linalg import convolved


def triangular_definition(
    ans: Any,
    a: Any,
    b: Any,
    trans: Any = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    **_options: Any,
) -> Any:
    """solve with the triangle of A that SciPy reads."""
    a = anp.tril(a, -1 if unit_diagonal else 0) if lower else anp.triu(a, 1 if unit_diagonal else 0)
    if unit_diagonal:
        a = a + onp.eye(anp.shape(a)[0])
    return anp.linalg.solve(a if trans in (0, "N") else anp.transpose(a), b)


def sylvester(algebra: Algebra, a: Any, b: Any, q: Any) -> Any:
    """X of A X + X B = Q, for each direction of Q."""
    return algebra.rows(lambda rhs: slinalg.solve_sylvester(a, b, rhs), q)


def sylvester_rule(
    algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]
) -> list[Any]:
    """A X + X B = Q: A_0 X_k + X_k B_0 = Q_k - sum_{j>=1} (A_j X_{k-j} + X_{k-j} B_j)."""
    a, b, q = (series_of(algebra, args, active, n) for n in range(3))
    x = [ans]
    for k in range(1, algebra.order + 1):
        rest = minus(q[k], convolved(algebra, a, x, k, 1, k))
        rest = minus(rest, convolved(algebra, x, b, k, 0, k - 1))
        x.append(None if rest is None else sylvester(algebra, a[0], b[0], rest))
    return x[1:]


def sqrtm_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """X X = A: X_0 X_k + X_k X_0 = A_k - sum_{0<j<k} X_j X_{k-j}."""
    x = [ans]
    for k in range(1, algebra.order + 1):
        rest = minus(active[0][k], convolved(algebra, x, x, k, 1, k - 1))
        x.append(None if rest is None else sylvester(algebra, ans, ans, rest))
    return x[1:]


defined(slinalg.solve_triangular, triangular_definition)
bilinear(signal.convolve, None)
RULES[slinalg.solve_sylvester] = sylvester_rule
RULES[slinalg.sqrtm] = sqrtm_rule
REFUSED[slinalg.solve_banded] = "use autograd.numpy.linalg.solve on the full matrix"
REFUSED[integrate.odeint] = (
    "an adaptive integrator is no smooth function; write a fixed-step integrator in autograd.numpy"
)
