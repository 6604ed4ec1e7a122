"""What a comparison found: the first difference, its size beside rounding, and a mistake that explains it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

__all__ = ["Report", "Difference"]


@dataclasses.dataclass(frozen=True)
class Difference:
    """One quantity of one step, candidate against reference, at its worst coordinate.

    Attributes
    ----------
    step : number of the step, from 0
    quantity : "value", "gradient", "product", a state field, a figure, a decision, or "update"
    index : worst coordinate, None for a single number
    candidate, reference : the two values there
    absolute, relative, ulps : the error there
    factor : error / rounding bound; above 1 the difference is more than rounding
    """

    step: int
    quantity: str
    index: int | None
    candidate: Any
    reference: Any
    absolute: float
    relative: float
    ulps: float
    factor: float

    @property
    def ok(self) -> bool:
        return self.factor <= 1.0

    def __str__(self) -> str:
        place = self.quantity if self.index is None else f"{self.quantity}[{self.index}]"
        if not isinstance(self.candidate, float) or not isinstance(self.reference, float):
            return f"step {self.step}, {place}: candidate {self.candidate!r}, reference {self.reference!r}"
        return (
            f"step {self.step}, {place}: candidate {self.candidate:.17g}, reference {self.reference:.17g}\n"
            f"  absolute error {self.absolute:.3g}, relative {self.relative:.3g}, {self.ulps:.3g} ulps; "
            f"{self.factor:.3g} times the rounding bound"
        )


@dataclasses.dataclass
class Report:
    """The outcome of `compare`.

    Attributes
    ----------
    ok : no difference beyond rounding
    step, quantity : the first difference, in the order of cause and effect; None when ok
    factor : that difference over the rounding bound; when ok the largest factor of all, at most 1
    hint : the planted mistake that reproduces the candidate, or ""
    difference : the first `Difference` (when ok: the one nearest to the bound), None where nothing was
        compared
    worst : the largest error of the updates over all steps, relative to the largest entry of the update
    candidate, reference, problem, mode, dtype : what was compared
    steps : number of steps compared
    wrong : numbers of the steps with a difference
    factors : {quantity: (steps,) factors, nan where not compared}
    notes : remarks, such as how a run ended
    deviation : name of the declared deviation that explains the candidate, or ""
    error : the exception that the candidate raised, or None
    """

    candidate: str
    reference: str
    problem: str
    mode: str
    dtype: str
    steps: int = 0
    ok: bool = True
    difference: Difference | None = None
    hint: str = ""
    deviation: str = ""
    worst: float = 0.0
    worst_ulps: float = 0.0
    wrong: tuple[int, ...] = ()
    shared: tuple[str, ...] = ()
    factors: dict[str, np.ndarray] = dataclasses.field(default_factory=dict, repr=False)
    notes: list[str] = dataclasses.field(default_factory=list)
    broken: tuple[int, str, str] | None = None  # (step, kind, message)
    error: BaseException | None = dataclasses.field(default=None, repr=False)

    @property
    def step(self) -> int | None:
        if self.ok:
            return None
        if self.difference is not None and not self.difference.ok:
            return self.difference.step
        return self.broken[0] if self.broken else None

    @property
    def quantity(self) -> str | None:
        if self.ok:
            return None
        if self.difference is not None and not self.difference.ok:
            return self.difference.quantity
        return self.broken[1] if self.broken else None

    @property
    def factor(self) -> float:
        return self.difference.factor if self.difference is not None else (0.0 if self.ok else np.inf)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        lines = [
            f"{'agrees' if self.ok else 'DIFFERS'}: {self.candidate}",
            f"  against {self.reference}",
            f"  on {self.problem}, {self.steps} steps, {self.mode}, {self.dtype}",
        ]
        found = self.difference
        if found is not None and not found.ok:
            lines += [
                "first difference: " + str(found).replace("\n", "\n  "),
                "  outside the expected rounding error",
            ]
            if len(self.wrong) > 1 or self.steps > 1:
                lines.append(f"  {len(self.wrong)} of {self.steps} steps differ: {shown(self.wrong)}")
        elif self.broken is not None and not self.ok:
            lines.append(f"broken off: {self.broken[2]}")
        elif found is not None:
            place = found.quantity if found.index is None else f"{found.quantity}[{found.index}]"
            lines.append(
                f"  inside the expected rounding error everywhere; nearest: step {found.step}, {place}, "
                f"{found.factor:.2g} times the bound ({found.ulps:.2g} ulps)"
            )
        if self.shared:
            lines.append(f"  state compared: {', '.join(self.shared)}")
        if self.hint:
            lines.append(f"hint: {self.hint}")
        if self.deviation:
            lines.append(f"declared deviation: {self.deviation}")
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)

    def plot(self, path: Any = None) -> Any:
        """The factors of every quantity over the steps, a matplotlib figure; written to `path` if given."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7.5, 4.0), layout="constrained")
        axes = figure.subplots()
        for name, values in self.factors.items():
            known = np.where(np.isfinite(values), np.maximum(values, 1e-4), np.nan)
            axes.plot(known, ".-", lw=0.8, ms=4, label=name)
        axes.axhline(1.0, color="black", lw=1.0)
        axes.annotate("rounding bound", (0.01, 1.15), xycoords=("axes fraction", "data"), fontsize=8)
        if self.step is not None:
            axes.axvline(self.step, color="tab:red", lw=1.0, ls=":")
        axes.set(
            yscale="log",
            xlabel="step",
            ylabel="error / rounding bound",
            title=f"{self.candidate} on {self.problem}: {'agrees' if self.ok else 'differs'}"[:90],
        )
        if self.factors:
            axes.legend(fontsize=8)
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


def shown(steps: tuple[int, ...]) -> str:
    """A short list of step numbers."""
    text = ", ".join(map(str, steps[:8]))
    return text + (", ..." if len(steps) > 8 else "")
