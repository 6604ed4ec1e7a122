"""The 27 nonlinear regression problems of NIST's Statistical Reference Datasets, with certified answers.

The files in `data/` are NIST's own (https://www.itl.nist.gov/div898/strd/, public domain). Each has the data,
two starts (the first far, the second near), and parameters and residual sum of squares certified to 11
digits. The residuals are `y - model(x, b)`, for Nelson `log(y) - model(x1, x2, b)`. Two files need care.
`Rat43` prints 9 degrees of freedom, but 15 observations and 4 parameters give 11. The residual sum of squares
certified for `Lanczos1` (1.4e-25) is below float64 rounding at the printed parameters, so compare the
parameters there.
"""

from __future__ import annotations

import functools
import re
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from ...checks import simplify, unknown
from ..base import Problem, frozen
from .models import MODELS

__all__ = ["KEYS", "Dataset", "build", "read"]

KEYS = tuple(MODELS)

FAR = "The same data and second start as {}; the first start is hard for many solvers."
NOTES = {
    "Lanczos1": "The certified residual sum of squares cannot be reached in float64; compare the parameters.",
    "Rat43": "The file prints 9 degrees of freedom; 15 observations and 4 parameters give 11.",
    "MGH09": FAR.format("mgh/kowalik_osborne"),
    "MGH10": FAR.format("mgh/meyer"),
    "MGH17": FAR.format("mgh/osborne1"),
}


class Dataset(NamedTuple):
    """The contents of a NIST file, as immutable tuples; `columns` is y first, then the predictors."""

    columns: tuple[tuple[float, ...], ...]
    starts: tuple[tuple[float, ...], tuple[float, ...]]
    certified: tuple[float, ...]
    certified_sd: tuple[float, ...]
    certified_rss: float
    certified_residual_sd: float
    reference: str


@functools.cache
def read(key: str) -> Dataset:
    """Parse `data/<key>.dat` by its fixed layout; its lines 5 to 7 give the place of each part.

    Parameters
    ----------
    key : str
        The name as in `KEYS`.

    Returns
    -------
    Dataset

    Raises
    ------
    ValueError
        If the file does not have the number of observations that it states.

    Examples
    --------
    >>> from refopt.problems.nist import read
    >>> misra = read("Misra1a")
    >>> misra.starts, misra.certified_rss
    (((500.0, 0.0001), (250.0, 0.0005)), 0.12455138894)
    """
    text = resources.files(__name__).joinpath(f"data/{key}.dat").read_text(encoding="ascii")
    lines = text.splitlines()
    parameters = [line.split("=")[1].split() for line in lines[_line_range(lines, "Starting Values")]]
    start1, start2, certified, sd = (tuple(map(float, column)) for column in zip(*parameters, strict=True))
    rows = [tuple(map(float, line.split())) for line in lines[_line_range(lines, "Data")]]
    columns = tuple(zip(*rows, strict=True))
    if len(rows) != int(_after(text, "Number of Observations:")):
        raise ValueError(f"{key}.dat: {len(rows)} rows of data, not the number it states")
    reference = " ".join(re.split(r"Reference:", text, maxsplit=1)[1].split("Data:")[0].split())
    rss = float(_after(text, "Residual Sum of Squares:"))
    residual_sd = float(_after(text, "Residual Standard Deviation:"))
    return Dataset(columns, (start1, start2), certified, sd, rss, residual_sd, reference)


def _line_range(lines: list[str], title: str) -> slice:
    """The lines that the file's own table of contents gives for `title`."""
    entry = next(line for line in lines[3:7] if title in line and "lines" in line)
    first, last = re.findall(r"\d+", entry)
    return slice(int(first) - 1, int(last))


def _after(text: str, label: str) -> str:
    """The first word after `label`."""
    return text.split(label, 1)[1].split()[0]


def build(key: str, **options: Any) -> Problem:
    """The problem with that key; it takes no options (the second start is `starts[1]`)."""
    plain = {simplify(k): k for k in KEYS}
    if simplify(key) not in plain:
        raise unknown("problem", f"nist/{key}", [f"nist/{k}" for k in KEYS])
    key = plain[simplify(key)]
    if options:
        raise ValueError(f"nist/{key}: unknown option {next(iter(options))!r}; it takes no options")
    dataset = read(key)
    y, *predictors = (np.array(column) for column in dataset.columns)
    response = np.log(y) if key == "Nelson" else y
    model, k = MODELS[key], len(dataset.certified)

    def residuals(b):
        return response - model(*predictors, *(b[j : j + 1] for j in range(k)))

    return Problem.build(
        f"nist/{key}",
        residuals=residuals,
        starts=dataset.starts,
        minima=[(dataset.certified_rss, dataset.certified, "certified")],
        notes=(NOTES[key],) if key in NOTES else (),
        source=f"NIST StRD, nonlinear regression, {key}: {dataset.reference}",
        certified=frozen(dataset.certified),
        certified_sd=frozen(dataset.certified_sd),
        certified_rss=dataset.certified_rss,
        certified_residual_sd=dataset.certified_residual_sd,
    )
