"""The base of the projections: inner methods that run in another space."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..method import Method
from ..objective import Point
from ..views.linear_map import LinearMap, Shapes, size_of
from ..views.projected import ProjectedObjective, UpdateOnly

__all__ = ["Projection", "ProjectionState"]

GRADIENTS = ("project", "chain-rule")
BEYOND_GRADIENT = frozenset({"hvp", "hess", "taylor", "residuals", "gauss-newton"})


class ProjectionState(NamedTuple):
    """The map is fixed by the shapes; the inner state changes at every step."""

    space: LinearMap  # P and Q
    inner: Any  # state of the inner methods, in the projected space


def tensor_shapes(shapes: Any, n: int) -> Shapes:
    """The shapes as a tuple of tuples; None means that x is one tensor."""
    shapes = ((n,),) if shapes is None else tuple(tuple(shape) for shape in shapes)
    if sum(map(size_of, shapes)) != n:
        raise ValueError(f"shapes {list(shapes)} hold {sum(map(size_of, shapes))} numbers, but x has {n}")
    return shapes


@dataclasses.dataclass(frozen=True)
class Projection(Method):
    """Base of the projections: a subclass defines the map in `space`.

        z = P x     u_z = P u
        d_z, state <- inner.step(point of phi(z) = f(Q z), u_z, state)
        output  Q d_z

    P is linear with left inverse Q (``unproject(project(v)) == v``), so the inner step z - d_z gives
    the step x - Q d_z. The inner state belongs to the projected space.

    Parameters
    ----------
    inner : method or sequence of methods
        What runs in the projected space.
    project_update : bool, by keyword
        True: the inner methods receive the projected update. False: they receive the projected
        gradient, if `project_params` or `project_grad` provides one, else the update unchanged, and
        then their output is not mapped back either.
    project_params : bool, by keyword
        Give the inner methods the point z and the objective phi with all its derivatives.
    project_grad : bool, by keyword
        Give the inner methods the projected gradient besides the update.

    Raises
    ------
    TypeError, ValueError
        For missing inner methods, or flags that do not give the inner methods what they need.

    Notes
    -----
    Source: `torchzero` 0.4.4, ``ProjectionBase``.

    Deviations: in the original, project_update=False with `project_params` or `project_grad` gives
    an unprojected update to inner methods with projected states (it fails if the shapes differ).
    `project_grad` without `project_params` does nothing. Without `project_params` the inner methods
    see the projected update as parameters (here an error is raised for methods that use them).
    Second derivatives are not available inside.

    Cost per step: one P and one Q; with project_params another P, and one Q for each evaluation
    inside.
    """

    inner: Any = None  # required: None raises an error. The flags are those of torchzero 0.4.4
    project_update: bool = dataclasses.field(default=True, kw_only=True, metadata={"rule": bool})
    project_params: bool = dataclasses.field(default=False, kw_only=True, metadata={"rule": bool})
    project_grad: bool = dataclasses.field(default=False, kw_only=True, metadata={"rule": bool})

    abstract: ClassVar[bool] = True
    gradient: ClassVar[str] = "chain-rule"  # for isometries P g = Q^T g, so there is no choice

    def __post_init__(self):
        super().__post_init__()
        who = type(self).__name__
        if self.inner is None:
            raise TypeError(
                f"{who}: inner methods are missing; give a method or a sequence of methods that run in the "
                f"projected space, for example {who}(inner=Adam(), ...)"
            )
        needs = self.inner.all_needs()
        if self.project_params:
            if self.gradient == "project" and needs & BEYOND_GRADIENT:
                raise ValueError(
                    f"{who}: gradient='project' is not the gradient of the projected objective, so second "
                    f"derivatives do not fit it; {self.inner!r} needs "
                    f"{', '.join(sorted(needs & BEYOND_GRADIENT))}: set gradient='chain-rule'"
                )
        elif self.project_update or self.project_grad:
            missing = needs - {"rng"} - ({"g"} if self.project_grad else set())
            if missing:
                raise ValueError(
                    f"{who}: {self.inner!r} needs {', '.join(sorted(missing))}, which only the projected "
                    "parameters provide; set project_params=True"
                )

    def space(self, n: int, shapes: Any) -> LinearMap:
        """The map for x of length n that consists of tensors of these shapes."""
        raise NotImplementedError

    @property
    def idle(self) -> bool:
        """Whether nothing is projected, so that the inner methods run in x."""
        return not (self.project_update or self.project_params or self.project_grad)

    def all_needs(self):
        own = () if self.project_update or self.idle else ("g",)
        return super().all_needs().union(own)

    def merit(self, point):
        if self.minimises_f():
            return point.f
        return self.inner.merit(self.seen(point, self.space(point.x.size, point.objective.shapes)))

    def init(self, x, shapes=None, rng=None):
        space = self.space(x.size, tensor_shapes(shapes, x.size))
        if self.idle:
            return ProjectionState(space, self.inner.init(x, shapes, rng))
        return ProjectionState(space, self.inner.init(np.array(space.project(x)), space.shapes, rng))

    def step(self, point, update, state):
        if self.idle:
            update, inner = self.inner.step(point, update, state.inner)
            return update, ProjectionState(state.space, inner)
        space, seen = state.space, self.seen(point, state.space)
        incoming = self.covector(space)(update) if self.project_update else seen.g
        out, inner = self.inner.step(seen, incoming, state.inner)
        return space.unproject(out), ProjectionState(space, inner)

    def covector(self, space: LinearMap) -> Any:
        """The map that takes gradients and updates to the projected space."""
        return space.project if self.gradient == "project" else space.unproject_adjoint

    def seen(self, point: Point, space: LinearMap) -> Point:
        """The point that the inner methods see."""
        if self.project_params:
            return ProjectedObjective(point, space, exact=self.gradient == "chain-rule").start
        gradient = (lambda: self.covector(space)(point.g)) if self.project_grad else None
        return UpdateOnly(type(self).__name__, gradient)

    def figures(self, state):
        return self.inner.figures(state.inner)
