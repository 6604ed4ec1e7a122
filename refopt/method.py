"""What a method is: a frozen record of hyperparameters with `init` and `step`.

    state = method.init(x, shapes, rng)
    update, state = method.step(point, update, state)          # the driver applies  x <- x - update

The first method of a chain receives the gradient as `update`. The state is a typed record and never stored on
`self`, so a method can be shared, printed, compared and replayed. `step` may overwrite the arrays of the
state it is given (at ten million variables a fresh copy per step would double the memory). To keep a state,
keep ``copy_state(state)``. `point.x` and the incoming `update` are never written.

Methods can hold methods. `chain(a, b)` applies one after the other. In classes marked with `takes_inner`,
``X(inner=a)`` is another way to write ``chain(a, X())``. `walk` visits a method and all methods inside it,
`rebuild` makes the same tree with changed parts.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np

from . import checks
from .objective import Point

__all__ = [
    "NEEDS",
    "Chain",
    "Method",
    "as_method",
    "chain",
    "copy_state",
    "option",
    "rebuild",
    "takes_inner",
    "unfolded",
    "walk",
    "works_elementwise",
]

# What a method may need besides the incoming update. "gauss-newton" is the matrix of a model and a loss,
# "rng" is randomness.
NEEDS = frozenset({"f", "g", "hvp", "hess", "taylor", "residuals", "gauss-newton", "rng"})


def option(default: Any, rule: Any) -> Any:
    """A hyperparameter: its default, and the rule for its values in the form that `refopt.checks.held` takes.

    Examples
    --------
    >>> import dataclasses
    >>> @dataclasses.dataclass(frozen=True)
    ... class Half(Method):
    ...     share: float = option(0.5, "(0, 1)")
    >>> Half(share=2)
    Traceback (most recent call last):
    ValueError: Half: share must be in (0, 1), got 2
    """
    return dataclasses.field(default=default, metadata={"rule": rule})


@dataclasses.dataclass(frozen=True)
class Method:
    """Base of all methods. The hyperparameters are the dataclass fields, made by `option`.

    Class attributes
    ----------------
    needs : what the method needs besides the incoming update, from `NEEDS`. Checked before the first
        evaluation.
    shown : names of the fields of the state that describe the last step, for the record of the iteration.
    elementwise : each coordinate is treated by itself, so parameter groups and kernels apply.
    in_bounds : what the method does inside box constraints, if it is not elementwise. "step": it chooses a
        step that satisfies them, by values of f. "direction": a direction that is right if a line search
        follows, see `refopt.views.face`. "": it refuses them.
    only_in_bounds : hyperparameters that must have these values inside box constraints.
    abstract : a base class, which is not in the registry.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    shown: ClassVar[tuple[str, ...]] = ()
    elementwise: ClassVar[bool] = False
    in_bounds: ClassVar[str] = ""
    only_in_bounds: ClassVar[dict[str, Any]] = {}
    abstract: ClassVar[bool] = False
    inner_first: ClassVar[bool] = False  # set by `takes_inner`
    option = staticmethod(option)  # for methods written outside the package
    minimizer: ClassVar[Callable[..., Any]]  # SciPy's protocol; set by `refopt.driver`

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.abstract = cls.__dict__.get("abstract", False)
        if cls.inner_first:  # a subclass of a class with `takes_inner` may override the wrapped methods
            wrap_with_chain(cls, [name for name in THROUGH_CHAIN if name in cls.__dict__])
        for need in sorted(cls.needs - NEEDS):
            raise checks.unknown(f"need of {cls.__name__}", need, NEEDS)

    def __post_init__(self) -> None:
        """Check each hyperparameter against its rule, and make a chain of a sequence of inner methods."""
        ruled = [f for f in dataclasses.fields(self) if "rule" in f.metadata]
        given = {f.name: getattr(self, f.name) for f in ruled}
        for name, value in checks.held(
            type(self).__name__, given, {f.name: f.metadata["rule"] for f in ruled}
        ).items():
            if value is not given[name]:
                object.__setattr__(self, name, value)
        inner = getattr(self, "inner", None)
        if inner is not None and not isinstance(inner, Method):
            object.__setattr__(self, "inner", as_method(inner))

    # ------------------------------------------------------------ what a method does

    def init(self, x: np.ndarray, shapes: Any = None, rng: np.random.Generator | None = None) -> Any:
        """The state before the first step, for variables with the length and dtype of `x` (n,)."""
        return ()

    def step(self, point: Point, update: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """The outgoing update (n,) and the next state."""
        raise NotImplementedError

    def figures(self, state: Any) -> dict[str, Any]:
        """Numbers that describe the last step, such as a radius: the fields of the state named in `shown`."""
        return {name: getattr(state, name) for name in self.shown}

    # ------------------------------------------------------------ what the driver asks

    def all_needs(self) -> frozenset[str]:
        """`needs` of this method and of all methods inside it."""
        return self.needs.union(*(m.all_needs() for m in self.parts()))

    def minimises_f(self) -> bool:
        """Whether the method and all methods inside it minimise f itself, not a function derived from f."""
        return all(m.minimises_f() for m in self.parts())

    def merit(self, point: Point) -> float:
        """The value that the method minimises; the driver keeps the iterate of least merit."""
        return point.f

    def outside_bounds(self) -> str:
        """The part, by name, that is not right inside box constraints; empty if all parts are."""
        if not (self.elementwise or self.in_bounds):
            return type(self).__name__
        for name, value in self.only_in_bounds.items():
            if getattr(self, name) != value:
                return f"{type(self).__name__} with {name}={getattr(self, name)!r}"
        return next(filter(None, (m.outside_bounds() for m in self.parts())), "")

    def without_bounds(self) -> str:
        """Why the iterates would not satisfy box constraints, for an error; empty if they do.

        The iterates of elementwise methods are projected (`Objective.after`). For the others the last of a
        chain has to choose a step that satisfies the constraints.
        """
        part = self.outside_bounds()
        if part:
            return f"{part} does not support bounds"
        if works_elementwise(self) or self.ends_in_bounds():
            return ""
        names = [type(m).__name__ for m in walk(self) if not isinstance(m, Chain)]
        return f"{', '.join(names)} without a line search after it does not support bounds"

    def ends_in_bounds(self) -> bool:
        """Whether the method, or the last of a chain, chooses a step that satisfies box constraints."""
        return self.in_bounds == "step"

    def keeps_bounds(self) -> bool:
        """Whether the iterates of this method satisfy box constraints."""
        return not self.without_bounds()

    # ------------------------------------------------------------ replaying randomness

    def randomness(self, rng: np.random.Generator) -> Callable[[int, int], np.ndarray] | None:
        """The function ``(t, n) -> array`` of the draws in step t; None if nothing is drawn, or replayed."""
        return None

    def replaying(self, source: Any) -> Method:
        """The same method with `source` for its draws: a function ``(t, n)`` or a recorded sequence."""
        raise TypeError(f"{type(self).__name__} draws nothing that could be replayed")

    # ------------------------------------------------------------ the tree of methods

    def parts(self) -> tuple[Method, ...]:
        """The methods that this one holds, in the order of its fields."""
        return tuple(part for _, held in held_methods(self) for part in held)

    def __call__(self, fun: Callable, x0: Any = None, args: Any = (), **keywords: Any) -> Any:
        """SciPy's custom-minimizer protocol: ``scipy.optimize.minimize(fun, x0, method=instance)``.

        SciPy passes ``jac='2-point'`` and the like on as None. Here None means exact derivatives by autograd,
        and "3-point" differences if autograd cannot follow `fun`; ``res.derivatives`` says which.
        ``jac=True`` and `tol` work as usual. The options are those of `refopt.minimize`, and `shapes` and
        `rng`.
        """
        return Method.minimizer(self, fun, x0, args, **keywords)


# ---------------------------------------------------------------- chains


class ChainState(NamedTuple):
    """The states of the methods of a chain, in their order; each changes at every step."""

    states: tuple[Any, ...]


@dataclasses.dataclass(frozen=True, repr=False)
class Chain(Method):
    """Methods applied one after another: the update of each is the input of the next."""

    methods: tuple[Method, ...] = ()

    def outside_bounds(self):
        return next(filter(None, (m.outside_bounds() for m in self.methods)), "")

    def ends_in_bounds(self):
        return bool(self.methods) and self.methods[-1].ends_in_bounds()

    def merit(self, point):
        return next((m.merit(point) for m in self.methods if not m.minimises_f()), point.f)

    def init(self, x, shapes=None, rng=None):
        return ChainState(tuple(m.init(x, shapes, rng) for m in self.methods))

    def step(self, point, update, state):
        if len(state.states) != len(self.methods):
            raise ValueError(
                f"a chain of {len(self.methods)} methods was given {len(state.states)} states; "
                "use the state that its own init returned"
            )
        states = []
        for method, inner in zip(self.methods, state.states, strict=True):
            update, inner = method.step(point, update, inner)
            states.append(inner)
        return update, ChainState(tuple(states))

    def figures(self, state):
        figures: dict[str, Any] = {}
        for method, inner in zip(self.methods, state.states, strict=True):
            figures.update(method.figures(inner))
        return figures

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
    raise TypeError(
        "a method is an instance such as CubicAdam(), a sequence of instances, or, in minimize, a name; "
        f"got {checks.describe(value)}"
    )


# ---------------------------------------------------------------- inner methods

MethodClass = TypeVar("MethodClass", bound=type[Method])


def takes_inner(cls: MethodClass) -> MethodClass:
    """Class decorator for methods with a field `inner`: ``X(inner=A)`` does what ``chain(A, X())`` does.

    If `inner` is set, the methods in `THROUGH_CHAIN` call those of that chain; if it is None, those of the
    class. So the class is written as if there were no inner method, and the two forms cannot differ, in path
    or in result.
    """
    cls.inner_first = True
    wrap_with_chain(cls, THROUGH_CHAIN)
    return cls


THROUGH_CHAIN = (
    "init",
    "step",
    "figures",
    "all_needs",
    "minimises_f",
    "merit",
    "outside_bounds",
    "ends_in_bounds",
)


def wrap_with_chain(cls: type[Method], names: Iterable[str]) -> None:
    """Let these methods of the class call those of the chain where `inner` is set."""

    def wrapped(own: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(own)
        def asked(self: Any, *args: Any, **keywords: Any) -> Any:
            if self.inner is None:
                return own(self, *args, **keywords)
            return getattr(unfolded(self), name)(*args, **keywords)

        return asked

    for name in names:
        setattr(cls, name, wrapped(getattr(cls, name), name))


def unfolded(method: Method) -> Method:
    """The chain that ``X(inner=A)`` stands for; any other method as it is."""
    if not method.inner_first or method.inner is None:  # type: ignore[attr-defined]
        return method
    known = method.__dict__.get("_chain")
    if known is None:
        known = chain(method.inner, dataclasses.replace(method, inner=None))  # type: ignore[attr-defined, call-arg]
        object.__setattr__(method, "_chain", known)
    return known


# ---------------------------------------------------------------- trees of methods


def held_methods(method: Method) -> list[tuple[str, tuple[Method, ...]]]:
    """``[(field, methods in it)]`` of the fields that hold a method or a tuple of methods."""
    found: list[tuple[str, tuple[Method, ...]]] = []
    for field in dataclasses.fields(method):
        value = getattr(method, field.name)
        if isinstance(value, Method):
            found.append((field.name, (value,)))
        elif isinstance(value, tuple) and value and all(isinstance(part, Method) for part in value):
            found.append((field.name, value))
    return found


def works_elementwise(method: Method) -> bool:
    """Whether the method and all methods inside it treat each coordinate by itself."""
    alone = method.elementwise or isinstance(method, Chain)
    return alone and all(map(works_elementwise, method.parts()))


def walk(method: Method) -> Iterator[Method]:
    """The method and all methods inside it, outermost first.

    Examples
    --------
    >>> import refopt
    >>> [type(part).__name__ for part in walk(refopt.GGT(basis_optimizer=refopt.SubspaceAdam()))]
    ['GGT', 'SubspaceAdam']
    """
    yield method
    for part in method.parts():
        yield from walk(part)


def rebuild(method: Method, change: Callable[[Method], Method]) -> Method:
    """The same tree with ``change(part)`` for every part, innermost first; unchanged parts are shared.

    Examples
    --------
    >>> import dataclasses, refopt
    >>> smaller = lambda m: dataclasses.replace(m, lr=m.lr / 2) if isinstance(m, refopt.LR) else m
    >>> rebuild(refopt.chain(refopt.HeavyBall(), refopt.LR(0.1)), smaller).methods[1]
    LR(lr=0.05)
    """
    changes: dict[str, Any] = {}
    for name, held in held_methods(method):
        new = tuple(rebuild(part, change) for part in held)
        if any(a is not b for a, b in zip(new, held, strict=True)):
            changes[name] = new if isinstance(getattr(method, name), tuple) else new[0]
    return change(dataclasses.replace(method, **changes) if changes else method)


# ---------------------------------------------------------------- states


def copy_state(state: Any) -> Any:
    """A deep copy of a state: arrays and generators are copied, records are rebuilt."""
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
