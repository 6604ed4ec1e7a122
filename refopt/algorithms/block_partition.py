"""The method BlockPartition."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from ..method import option, works_elementwise
from ..parts.projection import Projection, tensor_shapes
from ..status import Status, Stop
from ..views.linear_map import LinearMap, Padding, Restriction, size_of
from ..views.projected import BlockObjective

__all__ = ["BlockPartition"]

EXHAUSTED = (Status.ROUNDING, Status.STALLED)  # with these exits of one block the others go on


class BlocksState(NamedTuple):
    """The blocks are fixed by the shapes; the inner states change at every step."""

    blocks: tuple[Restriction, ...]  # slices of x (n,), in order
    inner: tuple[Any, ...]  # states of the inner methods, one per block


def chunk_sizes(n: int, max_size: int) -> list[int]:
    """The sizes of the chunks of n elements, at most `max_size` each; all but the last are equal."""
    if n <= max_size:
        return [n]
    count = -(-n // max_size)
    size = -(-n // count)
    return [min(size, n - start) for start in range(0, n, size)]


def block_shapes(shapes: tuple, max_size: int) -> list[tuple[int, ...]]:
    """Shapes of the blocks: large tensors are cut into flat chunks, small tensors stay as they are."""
    return [
        block
        for shape in shapes
        for block in (
            [shape]
            if size_of(shape) <= max_size
            else [(size,) for size in chunk_sizes(size_of(shape), max_size)]
        )
    ]


def batched_shapes(shapes: tuple, max_size: int) -> list[tuple[int, ...]]:
    """Shapes, where each large tensor is the matrix of its chunks."""
    chunks = [chunk_sizes(size_of(shape), max_size) for shape in shapes]
    return [
        shape if len(rows) == 1 else (len(rows), rows[0]) for shape, rows in zip(shapes, chunks, strict=True)
    ]


@dataclasses.dataclass(frozen=True)
class BlockPartition(Projection):
    """Cut the variables into blocks, and run the inner methods on each block separately.

        a tensor of n > max_size elements, flattened, is cut into
        k = ceil(n / max_size) chunks of c = ceil(n / k) elements         the last may be shorter
        a smaller tensor is one block

        d_b, state_b <- inner.step(point, u_b, state_b)                   for each block b of the update u
        output  the concatenation of the d_b

        batched=True: the chunks of a tensor are the rows of one zero-padded matrix (k, c), and all
        blocks share one inner state

    A full-matrix inner method becomes block diagonal in this way: Newton inverts the diagonal blocks
    of the Hessian, GGT has one basis for each block. With project_params each block sees f as a
    function of its own variables, with the others fixed. All blocks step at once, as in Jacobi's
    iteration, so a line search inside does not ensure that the sum of the steps decreases f.

    Parameters
    ----------
    inner : method or sequence of methods
        What runs on each block.
    max_size : int >= 1
        Tensors with more elements are cut into chunks of at most this size. Required.
    batched : bool
        The chunks of a tensor are the rows of one zero-padded matrix, with one inner state.
    project_update, project_params, project_grad : bools, by keyword
        What the inner methods receive: the block's part of the update; f as a function of the
        block; the block's part of the gradient. See `refopt.parts.projection.Projection`.

    Raises
    ------
    TypeError, ValueError
        For missing inner methods, `max_size` below 1, or flags that do not give the inner methods
        what they need.

    Notes
    -----
    Source: `torchzero` 0.4.4, ``BlockPartition``.

    Deviations: in the original one inner method with one state sees all blocks together (`batched`
    does so here; for elementwise methods there is no difference); `batched` fails whenever padding
    is needed; tensors without axes fail. `refopt.parts.projection.Projection` lists those of all
    projections.

    Cost per step: that of the inner methods for each block. Elementwise inner methods run on all
    blocks in one pass.

    Examples
    --------
    >>> import refopt
    >>> inner = [refopt.Newton(), refopt.Backtracking()]
    >>> blocks = refopt.BlockPartition(inner, max_size=2, project_params=True)
    >>> fun = lambda x: (x[0] - x[1]) ** 2 + x[0] ** 4 + (x[2] - 3) ** 2
    >>> res = refopt.minimize(fun, [1.0, 2.0, 1.0], method=blocks)
    >>> res.success, bool(abs(res.x[2] - 3) < 1e-5)
    (True, True)
    """

    max_size: int = option(None, "whole >= 1")  # required: None raises an error
    batched: bool = option(False, bool)  # as in torchzero 0.4.4

    def space(self, n, shapes) -> LinearMap:
        shapes = tensor_shapes(shapes, n)
        if self.batched:
            return Padding(shapes, tuple(batched_shapes(shapes, self.max_size)), tuple(map(size_of, shapes)))
        cut = tuple(block_shapes(shapes, self.max_size))
        return Padding(shapes, cut, tuple(map(size_of, cut)))

    @property
    def joint(self) -> bool:
        """Whether all blocks share one inner state."""
        return self.batched or self.idle or works_elementwise(self.inner)

    def blocks(self, n: int, shapes: Any) -> tuple[Restriction, ...]:
        """The blocks as restrictions of x; an empty tensor has no block."""
        space, stop, found = self.space(n, shapes), 0, []
        for shape in space.shapes:
            start, stop = stop, stop + size_of(shape)
            if stop > start:
                found.append(Restriction(space.parent_shapes, (shape,), start, stop))
        return tuple(found)

    def init(self, x, shapes=None, rng=None):
        if self.joint:
            return super().init(x, shapes, rng)
        blocks = self.blocks(x.size, shapes)
        sources = [
            None if rng is None else np.random.default_rng(rng.integers(2**63, size=4)) for _ in blocks
        ]
        return BlocksState(
            blocks,
            tuple(
                self.inner.init(np.array(b.project(x)), b.shapes, source)
                for b, source in zip(blocks, sources, strict=True)
            ),
        )

    def step(self, point, update, state):
        if self.joint:
            return super().step(point, update, state)
        out, inner, stops = np.zeros_like(update), [], []
        for block, old in zip(state.blocks, state.inner, strict=True):
            seen = self.seen(point, block)
            incoming = block.project(update) if self.project_update else seen.g
            try:
                out[block.start : block.stop], new = self.inner.step(seen, incoming, old)
            except Stop as stop:
                if stop.status not in EXHAUSTED:
                    raise
                stops.append(stop)
                new = old
            inner.append(new)
        if len(stops) == len(inner):  # no block can go on
            raise next((stop for stop in stops if stop.status is Status.STALLED), stops[0])
        return out, BlocksState(state.blocks, tuple(inner))

    def seen(self, point, space):
        if self.project_params and isinstance(space, Restriction):
            return BlockObjective(point, space).start
        return super().seen(point, space)

    def merit(self, point):
        if self.joint or self.minimises_f():
            return super().merit(point)
        blocks = self.blocks(point.x.size, point.objective.shapes)
        return sum(self.inner.merit(self.seen(point, block)) for block in blocks)

    def figures(self, state):
        if self.joint:
            return super().figures(state)
        found = [self.inner.figures(inner) for inner in state.inner]
        merged: dict[str, Any] = {
            name: [figures.get(name) for figures in found] for name in {k: 0 for f in found for k in f}
        }
        if "accepted" in merged:
            merged["accepted"] = any(accepted is not False for accepted in merged["accepted"])
        return merged
