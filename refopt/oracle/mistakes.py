"""The table of common mistakes: what each changes in a step of the reference. `hints` searches it.

A `Mistake` changes the hyperparameters, the formula of one method, the incoming update, or the outgoing one.
To add one, add a line to `MISTAKES`; the first line that reproduces a candidate is its hint.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ..method import Chain, Method, rebuild, walk
from ..parts.lr import LR
from .exact.precise import sqrt
from .mistaken_formulas import (
    adam_like,
    adam_no_memory,
    adam_swapped_corrections,
    clipped,
    coordinate_momentum_other,
    coordinate_momentum_zero,
    coupled,
    cubic_like,
    cubic_root,
    damped_after_the_first,
    decoupled,
    early,
    ema_sum,
    ema_with,
    heavy_ball_averaged,
    heavy_ball_old,
    in_adam,
    inverted,
    late,
    never,
    plus,
    reduce_outward_other,
    right,
    shortened,
    shrinking,
    single,
    twice,
)
from .torchzero.deviations import adam_eps_on_biased_root

__all__ = ["MISTAKES", "Context", "Mistake"]


class Context:
    """What a mistake may look at besides the update.

    Attributes
    ----------
    method : the reference
    lr : its step size, that of the outermost `LR`; 1 without one
    k : number of the step
    x, previous : precise point, and gradient of the step before (None at the first)
    """

    def __init__(self, method: Method):
        self.method, self.lr = method, step_size(method)
        self.k, self.x, self.previous = 0, None, None  # type: Any, Any, Any


def step_size(method: Method) -> float:
    """The lr of the outermost `LR`, 1.0 without one."""
    outer = method.methods if isinstance(method, Chain) else (method,)
    return next((part.lr for part in (*outer, *walk(method)) if isinstance(part, LR)), 1.0)


@dataclasses.dataclass(frozen=True)
class Mistake:
    """One mistake.

    Attributes
    ----------
    says : the sentence of the hint
    method : ``method(reference) -> references to try in its place``, none where it does not apply
    table : formulas in the place of definitions, by class name, in the form of `refopt.oracle.exact`
    before : ``before(u, context) -> u`` on the incoming update
    after : ``after(out, context) -> out`` on the outgoing one
    """

    says: str
    method: Callable[[Method], Iterator[Method]] | None = None
    table: dict[str, Callable] = dataclasses.field(default_factory=dict)
    before: Callable[[Any, Context], Any] | None = None
    after: Callable[[Any, Context], Any] | None = None

    def applies(self, reference: Method) -> bool:
        """Whether the reference holds a method that the table has a formula for (always, without a table)."""
        return not self.table or any(type(part).__name__ in self.table for part in walk(reference))

    def references(self, reference: Method) -> Iterable[Method]:
        """The methods to try in the place of the reference."""
        return [reference] if self.method is None else self.method(reference)


# ---------------------------------------------------------------- hyperparameters


def setting(name: str, value: Any) -> Callable[[Method], Iterator[Method]]:
    """Another value for a hyperparameter; `value` may be a function of the part that has it."""

    def change(part: Method) -> Method:
        if not any(field.name == name for field in dataclasses.fields(part)):
            return part
        new = value(part) if callable(value) else value
        return part if new is None or new == getattr(part, name) else with_fields(part, {name: new})

    return lambda reference: changed_trees(reference, change)


def swapped(first: str, second: str) -> Callable[[Method], Iterator[Method]]:
    """Two hyperparameters exchanged."""

    def change(part: Method) -> Method:
        if not {first, second} <= {field.name for field in dataclasses.fields(part)}:
            return part
        a, b = getattr(part, first), getattr(part, second)
        return part if a == b else with_fields(part, {first: b, second: a})

    return lambda reference: changed_trees(reference, change)


def with_fields(part: Method, values: dict[str, Any]) -> Method:
    """The part with other hyperparameters, or as it is if it refuses them."""
    try:
        return dataclasses.replace(part, **values)
    except (ValueError, TypeError):
        return part


def changed_trees(reference: Method, change: Callable[[Method], Method]) -> Iterator[Method]:
    """The reference with every part changed, and if there are several of them, with each changed alone."""
    places = 0  # parts that change, in the order in which `rebuild` comes to them

    def everywhere(part: Method) -> Method:
        nonlocal places
        new = change(part)
        places += new is not part
        return new

    whole = rebuild(reference, everywhere)
    if places:
        yield whole
    for place in range(places if places > 1 else 0):
        here = 0

        def at_place(part: Method, place: int = place) -> Method:
            nonlocal here
            new = change(part)
            if new is part:
                return part
            here += 1
            return new if here - 1 == place else part

        yield rebuild(reference, at_place)


# ---------------------------------------------------------------- the table


CLIPS = (0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 100.0)
DECAYS = (1e-1, 1e-2, 5e-3, 1e-3, 5e-4, 1e-4)

MISTAKES: tuple[Mistake, ...] = (
    Mistake("the step has the wrong sign: it goes uphill", after=lambda out, c: -out),
    Mistake("bias correction is missing", method=setting("debiased", False)),
    Mistake("bias correction is done although the reference does none", method=setting("debiased", True)),
    Mistake("the first average lacks its bias correction", table=adam_like(never, right, plus)),
    Mistake("the second average lacks its bias correction", table=adam_like(right, never, plus)),
    Mistake("the first average is bias-corrected twice", table=adam_like(twice, right, plus)),
    Mistake("the second average is bias-corrected twice", table=adam_like(right, twice, plus)),
    Mistake("both averages are bias-corrected twice", table=adam_like(twice, twice, plus)),
    Mistake("the bias correction multiplies instead of dividing", table=adam_like(inverted, inverted, plus)),
    Mistake(
        "the bias correction is one step ahead: t is too large by one", table=adam_like(late, late, plus)
    ),
    Mistake(
        "the bias correction is one step behind: t is too small by one", table=adam_like(early, early, plus)
    ),
    Mistake("the bias corrections use each other's beta", table=in_adam(adam_swapped_corrections)),
    Mistake(
        "eps is inside the root: sqrt(m2 + eps)",
        table=adam_like(right, right, lambda c, b, eps: c / sqrt(b + eps)),
    ),
    Mistake(
        "eps is missing, or only a bound: max(root, eps)",
        table=adam_like(right, right, lambda c, b, eps: c / np.where(sqrt(b) < eps, eps, sqrt(b))),
    ),
    Mistake(
        "eps squared is inside the root: sqrt(m2 + eps^2)",
        table=adam_like(right, right, lambda c, b, eps: c / sqrt(b + eps**2)),
    ),
    Mistake("eps is added to the root before its bias correction", table=in_adam(adam_eps_on_biased_root)),
    Mistake("eps is subtracted", table=adam_like(right, right, lambda c, b, eps: c / (sqrt(b) - eps))),
    Mistake("the square root is missing", table=adam_like(right, right, lambda c, b, eps: c / (b + eps))),
    Mistake("the step divides by the root of the new gradient alone", table=in_adam(adam_no_memory)),
    Mistake(
        "the second average takes |u| instead of u^2",
        table=adam_like(right, right, plus, lambda u, h, s, m1: abs(u)),
    ),
    Mistake(
        "the second average takes the centred square, (u - m1)^2",
        table=adam_like(right, right, plus, lambda u, h, s, m1: (u - m1) ** 2),
    ),
    Mistake(
        "the second average takes u instead of u^2",
        table=adam_like(right, right, plus, lambda u, h, s, m1: u),
    ),
    Mistake("the first average lacks its bias correction", table=cubic_like(C=never)),
    Mistake("the second average lacks its bias correction", table=cubic_like(B2=never)),
    Mistake("the third average lacks its bias correction", table=cubic_like(A=never)),
    Mistake("the averages are bias-corrected twice", table=cubic_like(C=twice, B2=twice, A=twice)),
    Mistake(
        "the bias correction is one step ahead: t is too large by one",
        table=cubic_like(C=late, B2=late, A=late),
    ),
    Mistake("the third average takes |u|^3 instead of u^3", table=cubic_like(cube=lambda u: abs(u) ** 3)),
    Mistake("the third average takes u^2 instead of u^3", table=cubic_like(cube=lambda u: u**2)),
    Mistake("the cube root is missing", table=cubic_like(third=lambda m: m)),
    Mistake(
        "the cubic term is missing: this is Adam", table=cubic_like(root=lambda A, B, C, eps: -C / (B + eps))
    ),
    Mistake(
        "the discriminant is B^2 + 4AC",
        table=cubic_like(root=lambda A, B, C, eps: cubic_root(A, B, C, eps, sign=1)),
    ),
    Mistake(
        "the discriminant lacks the factor 4",
        table=cubic_like(root=lambda A, B, C, eps: cubic_root(A, B, C, eps, four=1)),
    ),
    Mistake(
        "the factor 2 of the root is missing",
        table=cubic_like(root=lambda A, B, C, eps: cubic_root(A, B, C, eps, two=1)),
    ),
    Mistake(
        "the other root is taken, the local maximiser",
        table=cubic_like(root=lambda A, B, C, eps: cubic_root(A, B, C, eps, branch=-1)),
    ),
    Mistake(
        "the update enters with weight 1 - momentum, as in an average",
        table={"HeavyBall": heavy_ball_averaged},
    ),
    Mistake("the old momentum is used: it is updated after the step", table={"HeavyBall": heavy_ball_old}),
    Mistake("Nesterov's form is used", method=setting("nesterov", True)),
    Mistake("Nesterov's form is missing", method=setting("nesterov", False)),
    Mistake("dampening is missing", method=setting("dampening", 0.0)),
    Mistake("dampening equals the momentum", method=setting("dampening", lambda m: m.momentum)),
    *(
        mistake
        for d in (0.1, 0.2, 0.5, 0.8, 0.9)
        for mistake in (
            Mistake(f"dampening is {d:g}", method=setting("dampening", d)),
            Mistake(
                f"dampening is {d:g}, from the second step on", table={"HeavyBall": damped_after_the_first(d)}
            ),
        )
    ),
    Mistake("the update enters with weight 1 instead of 1 - beta", table={"EMA": ema_sum}),
    Mistake("the average is bias-corrected twice", table=ema_with(twice)),
    Mistake("the bias correction is one step ahead: t is too large by one", table=ema_with(late)),
    Mistake("the wrong coordinates are multiplied", table={"ReduceOutwardLR": reduce_outward_other}),
    Mistake("the condition is inverted", method=setting("invert", lambda m: not m.invert)),
    Mistake(
        "the sign of the other vector decides (use_grad)",
        method=setting("use_grad", lambda m: not m.use_grad),
    ),
    Mistake(
        "the masked coordinates are kept and the others copied",
        table={"CoordinateMomentum": coordinate_momentum_other},
    ),
    Mistake(
        "the coordinates outside the mask are zeroed", table={"CoordinateMomentum": coordinate_momentum_zero}
    ),
    Mistake("beta1 and beta2 are exchanged", method=swapped("beta1", "beta2")),
    Mistake("beta2 and beta3 are exchanged", method=swapped("beta2", "beta3")),
    Mistake("1 - beta1 stands for beta1", method=setting("beta1", lambda m: 1 - m.beta1)),
    Mistake("1 - beta2 stands for beta2", method=setting("beta2", lambda m: 1 - m.beta2)),
    Mistake("1 - momentum stands for momentum", method=setting("momentum", lambda m: 1 - m.momentum)),
    Mistake("1 - beta stands for beta", method=setting("beta", lambda m: 1 - m.beta)),
    *(
        Mistake(f"{name} is {value:g}, the value of another library or paper", method=setting(name, value))
        for name, values in (
            ("beta1", (0.8, 0.95, 0.99)),
            ("beta2", (0.9, 0.95, 0.98, 0.99, 0.999)),
            ("beta3", (0.9, 0.95, 0.98, 0.999)),
            ("beta", (0.8, 0.95, 0.98, 0.99, 0.999)),
            ("momentum", (0.8, 0.95, 0.99)),
            ("eps", (1e-4, 1e-6, 1e-7, 1e-8, 1e-10, 1e-12, 1e-3)),
            ("delta", (1e-3, 1e-4, 1e-6)),
        )
        for value in values
    ),
    Mistake("the step size is applied twice", after=lambda out, c: out * c.lr),
    Mistake("the step size is missing", after=lambda out, c: out / c.lr if c.lr else out),
    Mistake("the step is twice too long", after=lambda out, c: 2 * out),
    Mistake("the step is half as long as it should be", after=lambda out, c: out / 2),
    Mistake(
        "a stale gradient is used, that of the step before",
        before=lambda u, c: u if c.previous is None else c.previous,
    ),
    Mistake("the gradient is squared", before=lambda u, c: u * u),
    Mistake("only the sign of the gradient is used", before=lambda u, c: np.sign(u) + 0 * u),
    Mistake("the gradient is doubled: a factor 1/2 of the objective is missing", before=lambda u, c: 2 * u),
    Mistake(
        "the gradient is normalised to length 1",
        before=lambda u, c: u / sqrt(np.dot(u, u)) if np.dot(u, u) > 0 else u,
    ),
    Mistake("the gradient is divided by the number of variables", before=lambda u, c: u / u.size),
    Mistake("the gradient has the wrong sign", before=lambda u, c: -u),
    *(
        Mistake(f"the gradient is clipped at {c:g}, coordinate by coordinate", before=clipped(c))
        for c in CLIPS
    ),
    *(Mistake(f"the gradient is clipped at length {c:g}", before=shortened(c)) for c in CLIPS),
    *(
        Mistake(f"weight decay {wd:g} is coupled: it enters through the gradient", before=coupled(wd))
        for wd in DECAYS
    ),
    *(
        Mistake(
            f"weight decay {wd:g} is decoupled: it shrinks x by lr {wd:g} every step", after=decoupled(wd)
        )
        for wd in DECAYS
    ),
    *(Mistake(f"weight decay {wd:g} shrinks x without the step size", after=shrinking(wd)) for wd in DECAYS),
    Mistake("float32 rounding: the step is computed in single precision", after=single),
    Mistake("float32 rounding: the gradient is rounded to single precision", before=single),
)
