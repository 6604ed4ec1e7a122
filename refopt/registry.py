"""The table of methods: every name, what it needs, and the complete recipe that a bare name stands for.

A method by itself is often only part of an optimizer: CubicAdam needs a step size, Newton a line search. A
name given to `minimize` stands for the recipe in this table; an instance runs as it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from . import checks
from .algorithms.block_partition import BlockPartition
from .algorithms.coordinate_momentum import CoordinateMomentum
from .algorithms.cubic_adam import CubicAdam
from .algorithms.curve_ball import CurveBall
from .algorithms.fft_projection import FFTProjection
from .algorithms.grad_min import GradMin
from .algorithms.higher_order_newton import HigherOrderNewton
from .algorithms.infinity_norm_trust_region import InfinityNormTrustRegion
from .algorithms.newton_newton import NewtonNewton
from .algorithms.newton_solver import NewtonSolver
from .algorithms.reduce_outward_lr import ReduceOutwardLR
from .algorithms.scipy_newton_cg import ScipyNewtonCG
from .algorithms.subspace_cubic_adam import SubspaceCubicAdam
from .algorithms.tensorize_projection import TensorizeProjection
from .method import Chain, Method, as_method, chain
from .parts.adam import Adam
from .parts.dct_projection import DCTProjection
from .parts.gauss_newton import GaussNewton
from .parts.ggt import GGT
from .parts.lbfgs import LBFGS
from .parts.levenberg_marquardt import LevenbergMarquardt
from .parts.line_search import Backtracking, StrongWolfe
from .parts.lr import LR
from .parts.momentum import EMA, HeavyBall
from .parts.newton import Newton
from .parts.subspace import SubspaceAdam

__all__ = ["Entry", "ENTRIES", "methods", "resolve"]


KINDS = (
    "elementwise",  # every coordinate, of the gradient or in a basis, by a formula of its own
    "projection",  # other methods run in other coordinates
    "reformulation",  # another function is minimised in the place of f
    "Newton type",  # curvature of f gives the step
    # what others are completed or compared with: step sizes, line searches, averages, textbook methods
    "support",
)


def alone(method: Method) -> Method:
    return method


@dataclasses.dataclass(frozen=True)
class Entry:
    """One row of the table.

    Attributes
    ----------
    cls : the method
    kind : one of `KINDS`, a heading for tables and nothing else; what a method needs is declared in its class
    recipe : ``recipe(instance, **settings)`` -> the complete method that a bare name stands for
    settings : defaults of the bare name: hyperparameters that differ from the class, and options of the
        recipe
    chosen : hyperparameters among the settings that the recipe sets itself
    example : required keyword arguments of the class, such as inner methods; for tables and tests
    quick : hyperparameters that make a step cheap for hundreds of variables; for tests
    """

    cls: type[Method]
    kind: str
    recipe: Callable[..., Method] = alone
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    example: dict[str, Any] = dataclasses.field(default_factory=dict)
    quick: dict[str, Any] = dataclasses.field(default_factory=dict)
    chosen: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        checks.one_of(f"the row of {self.name} in the registry", "kind", self.kind, KINDS)

    @property
    def name(self) -> str:
        return self.cls.__name__

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(sorted(self.make().all_needs()))

    @property
    def defaults(self) -> dict[str, Any]:
        """Hyperparameters and their defaults, the recipe's settings last."""
        fields = {
            f.name: f.default for f in dataclasses.fields(self.cls) if f.default is not dataclasses.MISSING
        }
        return {**fields, **self.settings}

    def make(self, **hyperparameters: Any) -> Method:
        """An instance of the class alone."""
        return self.cls(**{**self.example, **hyperparameters})

    def complete(self, **options: Any) -> Method:
        """The recipe's complete method; `options` are hyperparameters and settings."""
        given = {**self.settings, **options}
        own = {f.name for f in dataclasses.fields(self.cls)} - self.chosen
        settings = {k: given.pop(k) for k in self.settings if k not in own}
        return self.recipe(self.make(**given), **settings)

    def option_names(self) -> tuple[str, ...]:
        return (*(f.name for f in dataclasses.fields(self.cls)), *self.settings)


def with_step_size(method: Method, lr: float) -> Method:
    return chain(method, LR(lr))


def with_backtracking(method: Method) -> Method:
    return chain(method, Backtracking())


def with_growing_backtracking(method: Method) -> Method:
    return chain(method, Backtracking(growth=2.0))


def with_strong_wolfe(method: Method) -> Method:
    return chain(method, StrongWolfe())


def damped(method: Method) -> Method:
    """Gauss-Newton in a trust region; with reg > 0, which damps it already, a line search is enough."""
    if method.reg:  # type: ignore[attr-defined]
        return with_backtracking(method)
    return LevenbergMarquardt(curvature="gauss-newton")


def with_acceptance(method: Method, acceptance: str | None, damping: str | None) -> Method:
    """CurveBall; its automatic form has an acceptance test and relative damping by default."""
    auto = method.auto  # type: ignore[attr-defined]
    chosen = {
        "acceptance": acceptance or ("ratio" if auto else "none"),
        "damping": damping or ("relative" if auto else "absolute"),
    }
    return dataclasses.replace(method, **chosen)


def truncated(method: Method, direction: str, forcing: str | None) -> Method:
    """Newton-CG with a line search: it leaves saddle points, and solves loosely far from a solution.

    "auto" is direction="truncated" and, where `kwargs` sets no tolerance, forcing="eisenstat-walker" for cg,
    whose iterates descend; for other solvers the defaults of the class.
    """
    cg = method.solver == "cg"  # type: ignore[attr-defined]
    tolerance = "rtol" in (method.kwargs or {})  # type: ignore[attr-defined]
    if direction == "auto":
        direction = "truncated" if cg else "keep"
    if forcing == "auto":
        forcing = "eisenstat-walker" if cg and not tolerance else None
    chosen = {"direction": direction, "forcing": forcing}
    return with_backtracking(dataclasses.replace(method, **chosen))


def with_relative_damping(method: Method, damping: str | None) -> Method:
    """NewtonNewton with a line search; its damping is relative to the diagonal of H where H is a matrix."""
    dense = method.solver == "dense"  # type: ignore[attr-defined]
    chosen = {"damping": damping or ("relative" if dense else "absolute")}
    return with_backtracking(dataclasses.replace(method, **chosen))


def projected(method: Method, lr: float | None) -> Method:
    """A projection with a step size: 1e-2 by default, none where the inner methods see the objective."""
    if lr is None:
        return method if getattr(method, "project_params", False) else with_step_size(method, 1e-2)
    return with_step_size(method, lr)


def in_eigenbasis(method: Method, lr: float, history_size: int) -> Method:
    """A subspace method in the eigenbasis of the last updates, which GGT computes."""
    return chain(GGT(history_size=history_size, basis_optimizer=method), LR(lr))  # type: ignore[arg-type]


ENTRIES: tuple[Entry, ...] = (
    Entry(ReduceOutwardLR, "elementwise", with_growing_backtracking),
    Entry(CoordinateMomentum, "elementwise", with_step_size, {"lr": 1e-3}),
    Entry(CubicAdam, "elementwise", with_step_size, {"lr": 1e-2}),
    Entry(SubspaceCubicAdam, "elementwise", in_eigenbasis, {"lr": 1e-2, "history_size": 100}),
    Entry(BlockPartition, "projection", projected, {"lr": None}, {"inner": Adam(), "max_size": 3}),
    Entry(TensorizeProjection, "projection", projected, {"lr": None}, {"inner": Adam(), "max_side": 3}),
    Entry(FFTProjection, "projection", projected, {"lr": None}, {"inner": Adam()}),
    Entry(DCTProjection, "projection", projected, {"lr": None}, {"inner": Adam()}),
    Entry(
        CurveBall,
        "Newton type",
        with_acceptance,
        {"auto": True, "acceptance": None, "damping": None},
        chosen=frozenset({"acceptance", "damping"}),
    ),
    Entry(
        ScipyNewtonCG,
        "Newton type",
        truncated,
        {"solver": "cg", "direction": "auto", "forcing": "auto"},
        quick={"kwargs": {"maxiter": 2}},
        chosen=frozenset({"direction", "forcing"}),
    ),
    Entry(NewtonSolver, "Newton type", with_backtracking, quick={"maxiter": 5}),
    Entry(GradMin, "reformulation", example={"inner": chain(LBFGS(), StrongWolfe())}),
    # Newton's step replaces a step that decreases f too little; a line search chooses the length
    Entry(
        NewtonNewton,
        "Newton type",
        with_relative_damping,
        {"direction": "newton", "damping": None},
        chosen=frozenset({"damping"}),
    ),
    Entry(InfinityNormTrustRegion, "Newton type"),
    # the form that fails least often, see tests/benchmarks/mgh_table.md
    Entry(
        HigherOrderNewton,
        "Newton type",
        settings={"trust_method": "regularized", "norm": "hessian"},
        quick={"order": 2},
    ),
    # far from a solution its direction is poor and a line search gets stuck: a trust region damps it
    Entry(GaussNewton, "support", damped),
    Entry(LevenbergMarquardt, "support"),
    Entry(LR, "support"),
    Entry(Adam, "support", with_step_size, {"lr": 1e-2}),
    Entry(HeavyBall, "support", with_step_size, {"lr": 1e-3}),
    Entry(EMA, "support", with_step_size, {"lr": 1e-3}),
    Entry(Backtracking, "support"),
    Entry(StrongWolfe, "support"),
    Entry(LBFGS, "support", with_strong_wolfe),
    Entry(Newton, "support", with_backtracking),
    Entry(GGT, "support", with_step_size, {"lr": 1e-2}),
    Entry(SubspaceAdam, "support", in_eigenbasis, {"lr": 1e-2, "history_size": 100}),
)


BY_NAME = {checks.simplify(entry.name): entry for entry in ENTRIES}


class MethodTable(tuple):
    """The rows of `methods()`; prints as an aligned table."""

    def __str__(self) -> str:
        rows = [("name", "kind", "needs", "defaults")]
        for e in self:
            rows.append(
                (
                    e.name,
                    e.kind,
                    ", ".join(e.needs) or "-",
                    ", ".join(f"{k}={v!r}" for k, v in e.defaults.items()) or "-",
                )
            )
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        return "\n".join(
            "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3]])
            for row in rows
        )

    __repr__ = __str__


def methods() -> MethodTable:
    """Every method: name, kind, needs beyond the gradient, defaults.

    Examples
    --------
    >>> import refopt
    >>> [row.name for row in refopt.methods() if row.kind == "elementwise"][:2]
    ['ReduceOutwardLR', 'CoordinateMomentum']
    """
    return MethodTable(ENTRIES)


def find(name: str) -> Entry:
    """The row called `name`; case, '-' and '_' are ignored."""
    entry = BY_NAME.get(checks.simplify(name))
    if entry is None:
        raise checks.unknown("method", name, [e.name for e in ENTRIES])
    return entry


def resolve(method: Any, own: dict[str, Any], common: tuple[str, ...]) -> tuple[Method, str]:
    """``(complete method, name)`` from a name with its own options, an instance, or a sequence."""
    if isinstance(method, str):
        entry = find(method)
        checks.known_options(entry.name, own, (*common, *entry.option_names()))
        return entry.complete(**own), entry.name
    method = as_method(method)
    name = "chain" if isinstance(method, Chain) else type(method).__name__
    checks.known_options(
        f"minimize with method {name} (an instance has its hyperparameters already)", own, common
    )
    return method, name


def names_supporting_bounds() -> list[str]:
    """The names whose complete recipes satisfy box constraints."""
    return [e.name for e in ENTRIES if e.complete().keeps_bounds()]
