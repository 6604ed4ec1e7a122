"""The record of a test problem: the function, its starts, and what is known about its minima."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..composite import LeastSquares

__all__ = ["Minimum", "Problem", "frozen"]


def frozen(values: Any) -> np.ndarray:
    """An array with the numbers in `values` that cannot be written: its memory is an immutable `bytes`.

    (An array that owns its memory could be made writeable again.)
    """
    a = np.asarray(values)
    return np.frombuffer(a.tobytes(), dtype=a.dtype).reshape(a.shape)


class Minimum(NamedTuple):
    """A known minimum of a problem, or another stationary value, depending on `kind`."""

    f: float  #: the value
    x: np.ndarray | None  #: the point, shape (n,); None if it is not known or at infinity
    kind: str  #: "global ...", "local ...", "saddle point ...", "infimum approached at infinity", ...


@dataclass(frozen=True, eq=False, repr=False)
class Problem:
    """A test problem with its published answers, made by `refopt.problems.get`; all arrays are read-only.

    Attributes
    ----------
    name : str
        Full name, such as ``"mgh/rosenbrock"``.
    fun : callable
        `fun(x) -> f`, a scalar function of the flat vector `x`, written in `autograd.numpy`. If `residuals`
        is not None, it is the `LeastSquares` of them.
    x0 : ndarray of shape (n,)
        The standard start, `starts[0]`.
    source : str
        Where the problem and its answers are published.
    shapes : list of tuples or None
        Shapes of the tensors whose concatenation is `x`; None if `x` is one vector.
    f_opt : float or None
        The lowest known value; None if none is known.
    x_opt : ndarray of shape (n,) or None
        A point with that value (to float64 rounding of its coordinates).
    residuals : callable or None
        `residuals(x) -> r` of shape (m,), with `fun(x) = sum_i r_i^2`.
    starts : tuple of ndarrays
        All official starts.
    minima : tuple of Minimum
        All known `(f, x, kind)`: global and local minima, and other points that were published as minima.
    notes : tuple of str
        What to know before using the problem.
    certified, certified_sd : ndarray of shape (n,) or None
        NIST only: certified parameters and their certified standard deviations.
    certified_rss : float or None
        NIST only: certified residual sum of squares.
    certified_residual_sd : float or None
        NIST only: certified residual standard deviation.

    Examples
    --------
    >>> from refopt import problems
    >>> p = problems.get("mgh/rosenbrock")
    >>> p
    Problem('mgh/rosenbrock', n=2)
    >>> float(p.fun(p.x0)), p.f_opt, p.x_opt
    (24.199999999999996, 0.0, array([1., 1.]))
    """

    name: str
    fun: Callable[..., Any]
    x0: np.ndarray
    source: str
    shapes: list[tuple[int, ...]] | None = None
    f_opt: float | None = None
    x_opt: np.ndarray | None = None
    residuals: Callable[..., Any] | None = None
    starts: tuple[np.ndarray, ...] = ()
    minima: tuple[Minimum, ...] = ()
    notes: tuple[str, ...] = ()
    certified: np.ndarray | None = None
    certified_sd: np.ndarray | None = None
    certified_rss: float | None = None
    certified_residual_sd: float | None = None
    # `get` with its arguments; None if it was made or changed otherwise
    again: Callable[[], Problem] | None = field(default=None, init=False)

    def __reduce__(self) -> Any:
        """A problem of `get` is pickled as its name and options, because its functions hold its data."""
        return super().__reduce__() if self.again is None else (self.again, ())

    def __deepcopy__(self, memo: dict) -> Problem:
        """The problem itself: nothing in it can be changed."""
        return self

    @classmethod
    def build(
        cls,
        name: str,
        *,
        starts: Any,
        source: str,
        fun: Callable[..., Any] | None = None,
        residuals: Callable[..., Any] | None = None,
        minima: Any = (),
        **rest: Any,
    ) -> Problem:
        """A problem from its starts and known minima, which determine `x0`, `f_opt` and `x_opt`.

        `x_opt` is the first listed point at which the lowest listed value is attained.
        """
        starts = tuple(frozen(np.asarray(s, dtype=np.float64)) for s in starts)
        minima = tuple(
            Minimum(float(f), None if x is None else frozen(np.asarray(x, dtype=np.float64)), kind)
            for f, x, kind in minima
        )
        lowest = min(minima, key=lambda known: known.f, default=None)
        if residuals is not None:
            fun = LeastSquares(residuals)
        if fun is None:
            raise TypeError(f"{name}: give fun or residuals")
        return cls(
            name=name,
            fun=fun,
            x0=starts[0],
            source=source,
            f_opt=None if lowest is None else lowest.f,
            x_opt=None if lowest is None else lowest.x,
            residuals=residuals,
            starts=starts,
            minima=minima,
            **rest,
        )

    def __repr__(self) -> str:
        return f"Problem({self.name!r}, n={self.n})"

    @property
    def n(self) -> int:
        """Number of variables."""
        return self.x0.size

    def digits(self, x: Any) -> np.ndarray:
        """The number of correct decimal digits of each parameter, against the certified or known answer.

        It is the log relative error `-log10(|x_j - c_j| / |c_j|)`, absolute where `c_j = 0`, limited to the
        range from 0 to 11, because NIST certifies 11 digits. A parameter that is not finite has 0 correct
        digits.

        Parameters
        ----------
        x : array_like of shape (n,)
            The parameters found.

        Returns
        -------
        ndarray of shape (n,)

        Raises
        ------
        ValueError
            If the problem has no known answer, or `x` has another length than the answer.

        Notes
        -----
        The measure of B. D. McCullough, Assessing the reliability of statistical software: Part I, The
        American Statistician 52 (1998) 358-366.

        Examples
        --------
        >>> from refopt import problems
        >>> p = problems.get("nist/Misra1a")
        >>> p.digits([238.942, 5.5015643181e-4]).round(1)
        array([ 6.3, 11. ])
        """
        answer = self.certified if self.certified is not None else self.x_opt
        if answer is None:
            raise ValueError(f"{self.name}: no answer is known, so digits cannot be counted")
        x = np.asarray(x, dtype=np.float64)
        if x.shape != answer.shape:
            raise ValueError(f"{self.name}: x must have shape {answer.shape}, got {x.shape}")
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.abs(x - answer) / np.where(answer == 0, 1.0, np.abs(answer))
            return np.nan_to_num(np.clip(-np.log10(error), 0.0, 11.0), nan=0.0)

    def describe(self) -> str:
        """A short text: size, starts, what is known about the minima, source.

        Examples
        --------
        >>> from refopt import problems
        >>> print(problems.get("mgh/freudenstein_roth").describe())
        mgh/freudenstein_roth: n = 2, least squares with m = 2
          starts: 3, f(x0) = 400.5
          f = 0  global (f >= 0)
          f = 48.9842537  local
          note: Local solvers started at x0 usually stop at the local minimum 48.98..., not at 0.
          source: ...
        """
        size = f"n = {self.n}"
        if self.residuals is not None:
            size += f", least squares with m = {np.size(self.residuals(self.x0))}"
        if self.shapes is not None:
            size += f", tensors {', '.join(map(str, self.shapes))}"
        f0 = float(self.fun(self.x0))
        lines = [f"{self.name}: {size}", f"  starts: {len(self.starts)}, f(x0) = {f0:.9g}"]
        if self.certified is None:
            lines += [f"  f = {known.f:.9g}  {known.kind}" for known in self.minima]
        else:
            lines += [f"  certified residual sum of squares = {self.certified_rss:.11g}"]
        if not self.minima:
            lines += ["  no minimum is known"]
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join([*lines, f"  source: {self.source}"])
