"""What a method is: a frozen record of hyperparameters with `init` and `step`.

    state = method.init(x, shapes, rng)
    update, state = method.step(point, update, state)          # the driver applies  x <- x - update

The first method of a chain receives the gradient as `update`. The state is a typed record, never on `self`,
so a method can be shared, printed, compared and replayed. `step` consumes the state it is given: it may
overwrite the arrays inside (at ten million variables a fresh copy per step would double the memory). Who wants
to keep a state keeps ``copy_state(state)``. `point.x` and the incoming `update` are never written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NamedTuple

import numpy as np

from . import checks
from .objective import Point

__all__ = ["Method", "Chain", "chain", "copy_state", "as_method"]

NEEDS = ("f", "g", "hvp", "hess", "taylor", "residuals", "gauss-newton", "rng")


@dataclasses.dataclass(frozen=True)
class Method:
    """Base of all methods: hyperparameters are the dataclass fields.

    Class attributes
    ----------------
    needs : what the method asks of a point beyond the incoming update: "f", "g", "hvp", "hess", "taylor",
        "residuals", "gauss-newton" (the matrix of a model and a loss), or "rng" for randomness. Checked by the driver
        before the first evaluation.
    elementwise : every coordinate is treated alone, so parameter groups and kernels apply.
    supports_bounds : the method keeps box constraints exactly.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    elementwise: ClassVar[bool] = False
    supports_bounds: ClassVar[bool] = False

    def init(self, x: np.ndarray, shapes: Any = None, rng: np.random.Generator | None = None) -> Any:
        """The state before the first step, for variables like `x` (n,)."""
        return ()

    def step(self, point: Point, update: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """The outgoing update (n,) and the next state."""
        raise NotImplementedError

    def figures(self, state: Any) -> dict[str, Any]:
        """What the last step has to tell (radius, step size, accepted or not), for the record of the iteration."""
        return {}

    def minimises_f(self) -> bool:
        """Whether the method, with its inner ones, minimises f itself and not a function derived from it."""
        return all(m.minimises_f() for m in self.parts())

    def merit(self, point: Point) -> float:
        """What the method minimises: the driver keeps the iterate where it is least."""
        return point.f

    def settled(self, point: Point) -> bool:
        """Whether a point whose gradient is below gtol may end the run; a method that can leave saddle points looks."""
        return all(m.settled(point) for m in self.parts())

    def check(self, **rules: Any) -> None:
        """Hold each field against its rule: "[0, 1)" an interval, "whole >= 1", a tuple of choices, bool, callable.

        A rule in a list, ``["(0, inf)"]``, also lets None pass.
        """
        who = type(self).__name__
        if getattr(self, "inner", None) is not None:
            object.__setattr__(self, "inner", as_method(self.inner))  # type: ignore[attr-defined]
        for name, rule in rules.items():
            value = getattr(self, name)
            if isinstance(rule, list):
                if value is None:
                    continue
                rule = rule[0]
            if rule is bool:
                checks.boolean(who, name, value)
            elif rule is callable:
                checks.function(who, name, value)
            elif isinstance(rule, tuple):
                checks.one_of(who, name, value, rule)
            elif rule.startswith("whole >= "):
                object.__setattr__(self, name, checks.whole_number(who, name, value, int(rule[9:])))
            else:
                checks.in_interval(who, name, value, rule)

    def all_needs(self) -> frozenset[str]:
        """`needs` with those of the inner methods."""
        return self.needs.union(*(m.all_needs() for m in self.parts()))

    def parts(self) -> tuple[Method, ...]:
        """The inner methods, outermost first."""
        inner = getattr(self, "inner", None)
        return (inner,) if isinstance(inner, Method) else ()

    def keeps_bounds(self) -> bool:
        """Whether iterates of this method respect box constraints."""
        return self.supports_bounds

    def __call__(self, fun: Callable, x0: Any, args: Any = (), *, jac: Any = None, hess: Any = None, hessp: Any = None,
                 bounds: Any = None, constraints: Any = (), callback: Any = None, **options: Any) -> Any:
        """SciPy's custom-minimizer protocol: ``scipy.optimize.minimize(fun, x0, method=instance)``.

        SciPy hands ``jac='2-point'`` and the like on as None; here that means exact derivatives by autograd, so
        no finite differences are taken. ``jac=True`` and `tol` arrive as usual. Options are those of
        `refopt.minimize`, with `shapes` and `rng`.
        """
        from .run import minimize  # the driver stands above the methods; only this call looks up

        if np.size(constraints) > 0 or isinstance(constraints, dict):
            raise ValueError(f"{type(self).__name__} does not support constraints; "
                             "scipy.optimize.minimize(method='trust-constr') does")
        if getattr(jac, "__self__", None) is fun and callable(getattr(fun, "fun", None)):
            fun, jac = fun.fun, True  # SciPy's wrapper for jac=True hands stored values to the tracer; undo it
        tol = options.pop("tol", None)
        extra = {name: options.pop(name) for name in ("shapes", "rng") if name in options}
        return minimize(fun, x0, args, self, jac, hess, hessp, bounds, tol, callback, options, **extra)


class ChainState(NamedTuple):
    """States of the methods of a chain, in their order; each changes at every step."""

    states: tuple[Any, ...]


@dataclasses.dataclass(frozen=True, repr=False)
class Chain(Method):
    """Methods applied one after another: the update of each is the input of the next."""

    methods: tuple[Method, ...] = ()

    def all_needs(self) -> frozenset[str]:
        return frozenset().union(*(m.all_needs() for m in self.methods))

    def parts(self) -> tuple[Method, ...]:
        return self.methods

    def keeps_bounds(self) -> bool:
        return bool(self.methods) and self.methods[-1].keeps_bounds()

    def merit(self, point):
        return next((m.merit(point) for m in self.methods if not m.minimises_f()), point.f)

    def init(self, x, shapes=None, rng=None):
        return ChainState(tuple(m.init(x, shapes, rng) for m in self.methods))

    def step(self, point, update, state):
        if len(state.states) != len(self.methods):
            raise ValueError(f"a chain of {len(self.methods)} methods was given {len(state.states)} states; "
                             "use the state that its own init returned")
        states = []
        for method, inner in zip(self.methods, state.states, strict=True):
            update, inner = method.step(point, update, inner)
            states.append(inner)
        return update, ChainState(tuple(states))

    def figures(self, state):
        told: dict[str, Any] = {}
        for method, inner in zip(self.methods, state.states, strict=True):
            told.update(method.figures(inner))
        return told

    def __repr__(self) -> str:
        return f"chain({', '.join(map(repr, self.methods))})"


def chain(*methods: Method | Iterable[Method]) -> Chain:
    """Methods applied one after another, as one method; chains inside are flattened.

    Examples
    --------
    >>> import refopt
    >>> refopt.chain(refopt.CubicAdam(), refopt.LR(0.1)).methods[1]
    LR(lr=0.1)
    """
    flat: list[Method] = []
    for m in methods:
        m = m if isinstance(m, Method) else as_method(m)
        flat.extend(m.methods if isinstance(m, Chain) else (m,))
    if not flat:
        raise ValueError("chain() needs at least one method, for example chain(Adam(), LR(0.01))")
    return Chain(tuple(flat))


def as_method(value: Any) -> Method:
    """A method from an instance or a sequence of instances."""
    if isinstance(value, Method):
        return value
    if isinstance(value, type) and issubclass(value, Method):
        raise TypeError(f"{value.__name__} is a class; give an instance, {value.__name__}(...)")
    if isinstance(value, (list, tuple)):
        return chain(*value)
    raise TypeError("a method is an instance such as CubicAdam(), a sequence of instances, or, in minimize, a name; "
                    f"got {checks.describe(value)}")


def copy_state(state: Any) -> Any:
    """A deep copy of a state: arrays and generators are copied, records rebuilt."""
    if isinstance(state, np.ndarray):
        return state.copy()
    if isinstance(state, tuple) and hasattr(state, "_fields"):
        return type(state)(*(copy_state(part) for part in state))
    if isinstance(state, (tuple, list)):
        return type(state)(copy_state(part) for part in state)
    if isinstance(state, dict):
        return {key: copy_state(part) for key, part in state.items()}
    if isinstance(state, np.random.Generator):
        twin = np.random.Generator(type(state.bit_generator)())
        twin.bit_generator.state = state.bit_generator.state
        return twin
    if hasattr(state, "copy_state"):
        return state.copy_state()
    return state
