"""Common mistakes, planted into the reference to see which one reproduces a candidate.

A `Mistake` changes a step of the reference: its hyperparameters, the incoming update, the state, the
definition of one method, or the outgoing update. `explain` runs the reference with each mistake in lockstep
with the candidate, in precise numbers; a mistake that reproduces every step seen so far is the hint.
`MISTAKES` is the table to extend.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from ..method import Chain, Method, rebuild, walk
from ..parts.lr import LR
from .comparison import Judge, Lockstep, comparable, is_decision, leaf
from .exact import definitions as exact
from .exact.precise import Arithmetic, PrecisePoint, Record, cbrt, plain, sqrt
from .report import Report
from .torchzero.deviations import deviations

__all__ = ["Mistake", "MISTAKES", "explain"]


class Context:
    """What a mistake may look at: the step's number, the gradient before, the whole reference."""

    def __init__(self, method: Method):
        self.method = method
        self.k = 0
        self.previous: Any = None  # gradient of the step before
        self.x: Any = None
        self.lr = next((m.lr for m in walk(method) if isinstance(m, LR)), 1.0)


@dataclasses.dataclass(frozen=True)
class Mistake:
    """One mistake.

    Attributes
    ----------
    says : the sentence of the hint
    method : ``method(reference) -> other reference`` or None where it does not apply
    table : definitions to override, by class name, in the form of `refopt.oracle.exact`
    before : ``before(u, context) -> u`` on the incoming update
    after : ``after(out, context) -> out`` on the outgoing one
    """

    says: str
    method: Callable[[Method], Method | None] | None = None
    table: dict[str, Callable] = dataclasses.field(default_factory=dict)
    before: Callable[[Any, Context], Any] | None = None
    after: Callable[[Any, Context], Any] | None = None

    def applies(self, reference: Method) -> bool:
        names = {type(m).__name__ for m in walk(reference)}
        if self.table:
            return bool(names & set(self.table))
        return True


# ---------------------------------------------------------------- hyperparameters


def setting(name: str, value: Any) -> Callable[[Method], Method | None]:
    """Sets a hyperparameter wherever it occurs; `value` may be a function of the part."""

    def make(reference: Method) -> Method | None:
        def change(m: Method) -> Method:
            if not any(f.name == name for f in dataclasses.fields(m)):
                return m
            new = value(m) if callable(value) else value
            if new is None or new == getattr(m, name):
                return m
            try:
                return dataclasses.replace(m, **{name: new})
            except (ValueError, TypeError):
                return m

        other = rebuild(reference, change)
        return other if other != reference else None

    return make


def swapped(first: str, second: str) -> Callable[[Method], Method | None]:
    """Exchanges two hyperparameters of one part."""

    def make(reference: Method) -> Method | None:
        def change(m: Method) -> Method:
            names = {f.name for f in dataclasses.fields(m)}
            if {first, second} <= names:
                return dataclasses.replace(m, **{first: getattr(m, second), second: getattr(m, first)})
            return m

        other = rebuild(reference, change)
        return other if other != reference else None

    return make


# ---------------------------------------------------------------- definitions with a mistake


def adam_like(
    c: Callable, b: Callable, quotient: Callable, mean: Callable | None = None
) -> dict[str, Callable]:
    """Adam with other corrections: c(m1, beta1, t), b(m2, beta2, t), quotient(c, b, eps)."""

    def definition(h, p, u, s):
        t = s.t + 1
        m1 = h.beta1 * s.m1 + (1 - h.beta1) * u
        m2 = h.beta2 * s.m2 + (1 - h.beta2) * (mean(u, h, s, m1) if mean else u**2)
        return quotient(c(m1, h.beta1, t), b(m2, h.beta2, t), h.eps), dict(t=t, m1=m1, m2=m2)

    return {"Adam": definition}


def right(m, beta, t):
    return m / (1 - beta**t)


def never(m, beta, t):
    return m


def twice(m, beta, t):
    return m / (1 - beta**t) ** 2


def inverted(m, beta, t):
    return m * (1 - beta**t)


def late(m, beta, t):
    return m / (1 - beta ** (t + 1))


def early(m, beta, t):
    return m / (1 - beta ** (t - 1)) if t > 1 else m / (0 * m[0] + 0)


def plus(c, b, eps):
    return c / (
        np.where(b < 0, float("nan") + 0 * b, sqrt(b)) + eps
    )  # the root of a negative number stays NaN


def cubic_like(**change: Callable) -> dict[str, Callable]:
    """CubicAdam with parts replaced: C, B2, A (corrected averages) and root(A, B, C, eps)."""

    def minimiser(A, B, C, eps):
        disc = B**2 - 4 * A * C
        root = B + sqrt(disc)
        real = (disc >= 0) & (root > 0)
        return -np.where(C == 0, 0 * C, np.where(real, 2 * C, C) / np.where(real, root, B + eps))

    C, B2, A = (change.get(k, right) for k in ("C", "B2", "A"))
    root, weight = change.get("root", minimiser), change.get("third", cbrt)

    def definition(h, p, u, s):
        t = s.t + 1
        m1 = h.beta1 * s.m1 + (1 - h.beta1) * u
        m2 = h.beta2 * s.m2 + (1 - h.beta2) * u**2
        m3 = h.beta3 * s.m3 + (1 - h.beta3) * change.get("cube", lambda u: u**3)(u)
        d = root(weight(A(m3, h.beta3, t)), sqrt(B2(m2, h.beta2, t)), C(m1, h.beta1, t), h.eps)
        return -h.alpha * d, dict(t=t, m1=m1, m2=m2, m3=m3)

    return {"CubicAdam": definition}


def heavy_ball_averaged(h, p, u, s):
    v = h.momentum * s.v + (1 - h.momentum) * u
    return v, dict(v=v)


def heavy_ball_old(h, p, u, s):
    return s.v, dict(v=h.momentum * s.v + (1 - h.dampening) * u)


def damped_after_the_first(d: float) -> Callable:
    """As torch does it: the first gradient starts the average undamped."""

    def definition(h, p, u, s):
        weight = 1.0 - d if np.any(s.v != 0) else 1.0
        v = h.momentum * s.v + weight * u
        return (weight * u + h.momentum * v if h.nesterov else v), dict(v=v)

    return definition


def clipped(c: float) -> Callable:
    """Every coordinate clipped to [-c, c]."""
    return lambda u, context: np.where(u > c, c + 0 * u, np.where(u < -c, -c + 0 * u, u))


def shortened(c: float) -> Callable:
    """The vector scaled to length c where it is longer."""

    def before(u, context):
        length = sqrt(np.dot(u, u))
        return u * (c / length) if length > c else u

    return before


def ema_sum(h, p, u, s):
    m = h.beta * s.m + u
    return (m / (1 - h.beta ** (s.t + 1)) if h.debiased else m), dict(t=s.t + 1, m=m)


def ema_with(correct: Callable) -> dict[str, Callable]:
    def definition(h, p, u, s):
        m = h.beta * s.m + (1 - h.beta) * u
        return correct(m, h.beta, s.t + 1), dict(t=s.t + 1, m=m)

    return {"EMA": definition}


def reduce_outward_other(h, p, u, s):
    c = p.g if h.use_grad else u
    return np.where(p.x * c < 0, u, h.mul * u), {}


def coordinate_momentum_other(h, p, u, s):
    b = np.asarray(h.mask(s.t, u.size) if callable(h.mask) else h.mask[s.t], dtype=bool)
    v = np.where(b, s.v, u)
    return v, dict(t=s.t + 1, v=v)


def coordinate_momentum_zero(h, p, u, s):
    b = np.asarray(h.mask(s.t, u.size) if callable(h.mask) else h.mask[s.t], dtype=bool)
    v = np.where(b, u, 0 * u)
    return v, dict(t=s.t + 1, v=v)


def coupled(wd: float) -> Callable:
    return lambda u, c: u + wd * c.x


def decoupled(wd: float) -> Callable:
    return lambda out, c: out + c.lr * wd * c.x


def shrinking(wd: float) -> Callable:
    return lambda out, c: out + wd * c.x


def single(out: Any, context: Context) -> Any:
    return np.asarray(plain(out, np.float32), dtype=np.float64) + 0 * out


def adam_swapped_corrections(h, p, u, s):
    t = s.t + 1
    m1, m2 = h.beta1 * s.m1 + (1 - h.beta1) * u, h.beta2 * s.m2 + (1 - h.beta2) * u**2
    return m1 / (1 - h.beta2**t) / (sqrt(m2 / (1 - h.beta1**t)) + h.eps), dict(t=t, m1=m1, m2=m2)


def adam_eps_biased(h, p, u, s):
    t = s.t + 1
    m1, m2 = h.beta1 * s.m1 + (1 - h.beta1) * u, h.beta2 * s.m2 + (1 - h.beta2) * u**2
    return m1 / (1 - h.beta1**t) * sqrt(1 - h.beta2**t) / (sqrt(m2) + h.eps), dict(t=t, m1=m1, m2=m2)


def adam_no_memory(h, p, u, s):
    out, changes = exact.adam(h, p, u, s)
    return changes["m1"] / (1 - h.beta1 ** changes["t"]) / (abs(u) + h.eps), changes


def cubic_root(A, B, C, eps, sign=-1, four=4, two=2, branch=1):
    disc = B**2 + sign * four * A * C
    root = B + branch * sqrt(disc)
    real = (disc >= 0) & (root != 0)
    return -np.where(C == 0, 0 * C, np.where(real, two * C, C) / np.where(real, root, B + eps))


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
    Mistake(
        "the bias correction multiplies instead of dividing", table=adam_like(inverted, inverted, plus)
    ),
    Mistake(
        "the bias correction is one step ahead: t is too large by one",
        table=adam_like(late, late, plus),
    ),
    Mistake(
        "the bias correction is one step behind: t is too small by one",
        table=adam_like(early, early, plus),
    ),
    Mistake(
        "the bias corrections use each other's beta",
        table={"Adam": adam_swapped_corrections},
    ),
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
    Mistake(
        "eps is added to the root before its bias correction",
        table={"Adam": adam_eps_biased},
    ),
    Mistake("eps is subtracted", table=adam_like(right, right, lambda c, b, eps: c / (sqrt(b) - eps))),
    Mistake("the square root is missing", table=adam_like(right, right, lambda c, b, eps: c / (b + eps))),
    Mistake(
        "the step divides by the root of the new gradient alone",
        table={"Adam": adam_no_memory},
    ),
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
        "the cubic term is missing: this is Adam",
        table=cubic_like(root=lambda A, B, C, eps: -C / (B + eps)),
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
                f"dampening is {d:g}, from the second step on",
                table={"HeavyBall": damped_after_the_first(d)},
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
        "the coordinates outside the mask are zeroed",
        table={"CoordinateMomentum": coordinate_momentum_zero},
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
    *(Mistake(f"the gradient is clipped at {c:g}, coordinate by coordinate", before=clipped(c)) for c in CLIPS),
    *(Mistake(f"the gradient is clipped at length {c:g}", before=shortened(c)) for c in CLIPS),
    *(
        Mistake(
            f"weight decay {wd:g} is coupled: it enters through the gradient",
            before=coupled(wd),
        )
        for wd in DECAYS
    ),
    *(
        Mistake(
            f"weight decay {wd:g} is decoupled: it shrinks x by lr {wd:g} every step",
            after=decoupled(wd),
        )
        for wd in DECAYS
    ),
    *(
        Mistake(
            f"weight decay {wd:g} shrinks x without the step size",
            after=shrinking(wd),
        )
        for wd in DECAYS
    ),
    Mistake("float32 rounding: the step is computed in single precision", after=single),
    Mistake("float32 rounding: the gradient is rounded to single precision", before=single),
)


# ---------------------------------------------------------------- which one is it


SINGLE = (1e-10, 5e-7)  # relative errors that rounding to float32 leaves at the worst coordinate
LOOK = 4  # steps after the first difference that a mistake must reproduce, too


def explain(judge: Judge, report: Report) -> tuple[str, str]:
    """``(hint, deviation)``: the mistake and the declared deviation that reproduce the candidate, or ""."""
    step = report.step
    if step is None or not isinstance(judge, Lockstep) or not known(judge.method):
        return "", ""
    last = min(step + LOOK, len(judge.answers) - 1)
    names = {type(m).__name__ for m in walk(judge.method)}
    deviation = ""
    for d in deviations():
        if d.variant is not None and d.method in names:
            if reproduces(judge, Mistake("", table={d.method: d.variant}), last):
                deviation = d.name
                break
    if report.quantity in ("gradient", "value"):
        return gradient_hint(judge, step), deviation
    for mistake in MISTAKES:
        if mistake.applies(judge.method) and reproduces(judge, mistake, last):
            return mistake.says, deviation
    factor = constant_factor(judge, step, last) if report.quantity == "update" else ""
    if factor:
        return factor, deviation
    if (
        report.wrong
        and judge.eps < 1e-10
        and all(SINGLE[0] < judge.found[k].relative < SINGLE[1] for k in report.wrong)
        and scattered(np.concatenate([judge.errors[k] for k in report.wrong]))
    ):
        return "float32 rounding: all errors are of the size of single precision", deviation
    return "", deviation


def scattered(errors: np.ndarray) -> bool:
    """Whether relative errors vary in sign and size as those of rounding do."""
    errors = errors[np.isfinite(errors) & (errors != 0)]
    sizes = np.abs(errors)
    return errors.size > 1 and errors.min() < 0 < errors.max() and sizes.max() > 2 * sizes.min()


def constant_factor(judge: Lockstep, step: int, last: int) -> str:
    """Whether steps ``step..last`` are one constant times the reference's: the sentence that says so, or ""."""
    ks = range(step, last + 1)
    steps = [judge.trace.steps[k] for k in ks]
    ours = np.concatenate([np.asarray(judge.answers[k][0], dtype=np.float64) for k in ks])
    theirs = np.concatenate([np.asarray(s.update, dtype=np.float64) for s in steps])
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()) or np.count_nonzero(ours) < 2:
        return ""
    rounding = np.zeros_like(ours)
    if judge.trace.moved_x:
        rounding += judge.eps * np.concatenate([np.abs(s.x) + np.abs(s.x - s.update) for s in steps])
    allowed = 1e2 * judge.eps * np.maximum(np.abs(ours), np.abs(theirs)) + 2 * rounding
    if np.count_nonzero(np.abs(ours) > 1e2 * allowed) < 2:  # one number says nothing of a constant
        return ""
    weight = 1 / np.where(allowed > 0, allowed, np.inf)
    c = float(np.sum(weight**2 * ours * theirs) / np.sum((weight * ours) ** 2))
    if np.any(np.abs(theirs - c * ours) > allowed) or not np.any(np.abs(theirs - ours) > allowed):
        return ""
    if c == 0:
        return "the step is zero"
    told = f"{c:.6g}" if abs(c - 1) > 1e-3 else f"1 {'+' if c > 1 else '-'} {abs(c - 1):.3g}"
    return f"the step is {told} times the reference's (step size?)"


def known(method: Method) -> bool:
    """All parts have precise definitions."""
    return all(isinstance(m, Chain) or type(m).__name__ in exact.EXACT for m in walk(method))


def reproduces(judge: Lockstep, mistake: Mistake, last: int) -> bool:
    """Whether the reference with `mistake` takes the candidate's steps 0..last."""
    method: Method | None = judge.method
    if mistake.method is not None:
        method = mistake.method(judge.method)
        if method is None:
            return False
    arithmetic, context = Arithmetic(), Context(judge.method)
    state = arithmetic.value(judge.start)
    tolerance = 1e3 * judge.eps
    for k in range(last + 1):
        step = judge.trace.steps[k]
        point = judge.point(step)
        for path, value in judge.theirs(step.before).items():
            own = leaf(judge.start, path)
            if comparable(own) and not is_decision(own):
                state = put(state, path, arithmetic.value(type_like(value, own)))
        p = PrecisePoint(point, arithmetic, judge.answers[k])
        context.k, context.x = k, p.x
        u = p.g
        try:
            with np.errstate(all="ignore"):
                if mistake.before is not None:
                    u = mistake.before(u, context)
                out, state = exact.step(method, p, u, state, mistake.table)
                if mistake.after is not None:
                    out = mistake.after(out, context)
        except Exception:  # a mistake may well lead to nonsense; then it is not this one
            return False
        context.previous = p.g
        rounding = judge.eps * (np.abs(step.x) + np.abs(step.x - step.update)) if judge.trace.moved_x else 0.0
        if not near(step.update, out, tolerance, rounding):
            return False
        for path, value in judge.theirs(step.after).items():
            own = leaf(judge.start, path)
            if isinstance(own, np.ndarray) and not near(value, leaf(state, path), tolerance, 0.0):
                return False
    return True


def near(theirs: Any, ours: Any, tolerance: float, rounding: Any) -> bool:
    """Equal but for rounding, coordinate by coordinate (NaN equals NaN)."""
    a, b = np.asarray(theirs, dtype=np.float64), plain(ours)
    if a.shape != b.shape:
        return False
    with np.errstate(all="ignore"):
        good = np.abs(a - b) <= tolerance * np.abs(b) + 2 * rounding
        return bool((good | (np.isnan(a) & np.isnan(b))).all())


def put(state: Any, path: tuple, value: Any) -> Any:
    """A precise state with one entry replaced."""
    key = path[0]
    if isinstance(key, int):
        states = list(state.states)
        states[key] = put(states[key], path[1:], value) if len(path) > 1 else value
        return state.changed(states=tuple(states))
    inner = value if len(path) == 1 else put(getattr(state, key), path[1:], value)
    return Record(**{**vars(state), key: inner})


def type_like(value: Any, own: Any) -> Any:
    if isinstance(own, np.ndarray):
        return np.array(np.broadcast_to(np.asarray(value, dtype=np.float64), own.shape))
    return int(value) if isinstance(own, (int, np.integer)) else float(value)


def gradient_hint(judge: Lockstep, step: int) -> str:
    """What the candidate's own gradient is, compared with the right one."""
    mine = judge.task.objective().at(np.array(judge.trace.steps[step].x)).g
    theirs = judge.trace.steps[step].g
    if theirs is None:
        return ""
    if near(theirs, -mine, 1e3 * judge.eps, 0.0):
        return "the gradient has the wrong sign"
    for factor, says in ((2.0, "twice too large"), (0.5, "half of what it should be"),
                         (1 / mine.size, "divided by the number of variables")):
        if near(theirs, factor * mine, 1e3 * judge.eps, 0.0):
            return f"the gradient is {says}"
    if step > 0:
        before = judge.task.objective().at(np.array(judge.trace.steps[step - 1].x)).g
        if near(theirs, before, 1e3 * judge.eps, 0.0):
            return "a stale gradient is used, that of the step before"
    if not np.any(theirs):
        return "the gradient is zero: was backward() called, and not zero_grad() after it?"
    return ""
