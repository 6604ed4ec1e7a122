"""The driver: the only loop over iterations.

`Run` takes one iteration at a time, decides when to stop, keeps the best point and can tell its result at any
moment. `iterate` hands it out; `minimize` runs it to the end.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from . import checks
from .composite import LeastSquares, ModelLoss
from .method import Method
from .objective import CountedObjective, FunctionObjective, Point
from .registry import resolve
from .solvers.norm import nrm2
from .status import Status, Stop

__all__ = ["minimize", "iterate", "Record", "Run", "COMMON_OPTIONS"]

# Options of every method and their defaults. gtol is that of SciPy's BFGS; ftol and xtol are off unless asked for,
# because a small step proves nothing for methods that damp their steps. maxiter=None: max(1000, 200 n), at most 10^5.
COMMON_OPTIONS: dict[str, Any] = {
    "maxiter": None, "maxfev": None, "maxtime": None, "gtol": 1e-5, "ftol": None, "xtol": None, "disp": False,
    "return_all": False,
}
UNBOUNDED_BELOW = -1e300  # f below this overflows soon; a bounded objective does not come near it


class Record:
    """What one iteration did. `iterate` yields it, `history` keeps it, callbacks and `disp` read it.

    Attributes
    ----------
    nit : number of the iteration, from 1
    x : (n,) the point reached (None in a `history` recorded without ``return_all``)
    fun, jac : value and gradient there
    gnorm : |g|_inf (of the projected gradient with bounds)
    update_norm : |x_k - x_(k-1)|_2
    accepted : False if the method refused its own trial and stayed
    nfev, njev, nhev, nhvp, ntaylor : evaluations so far
    time : seconds since the run began
    figures : dict of the method's own numbers, such as radius or step size
    rejected : list of (n,) trial points of this iteration that were not taken (empty without ``return_all``)
    """

    __slots__ = ("nit", "x", "fun", "jac", "gnorm", "update_norm", "accepted", "nfev", "njev", "nhev", "nhvp",
                 "ntaylor", "time", "figures", "rejected")

    nit: int
    x: np.ndarray
    fun: float
    jac: np.ndarray
    gnorm: float
    update_norm: float
    accepted: bool
    nfev: int
    njev: int
    nhev: int
    nhvp: int
    ntaylor: int
    time: float
    figures: dict[str, Any]
    rejected: list[np.ndarray]

    def __repr__(self) -> str:
        own = "".join(f", {k}={v:.4g}" if isinstance(v, float) else f", {k}={v}" for k, v in self.figures.items()
                      if np.ndim(v) == 0)
        return (f"Record(nit={self.nit}, fun={self.fun:.6g}, gnorm={self.gnorm:.3g}, "
                f"update_norm={self.update_norm:.3g}, accepted={self.accepted}, nfev={self.nfev}{own})")


class Run(Iterator[Record]):
    """One minimisation in progress: iterate over it for the records, ask `result` at any time.

    Attributes
    ----------
    result : OptimizeResult of everything computed so far
    method : the complete method that runs
    point : the current `Point`
    state : the method's state
    """

    def __init__(self, fun: Callable | CountedObjective, x0: Any = None, args: Any = (), method: Any = "HigherOrderNewton",
                 jac: Any = None, hess: Any = None, hessp: Any = None, bounds: Any = None, tol: float | None = None,
                 callback: Callable | None = None, options: dict | None = None, *, shapes: Any = None, rng: Any = None):
        if isinstance(fun, CountedObjective):
            x = start_of(fun, x0, args, jac, hess, hessp, shapes)
        else:
            x = checks.start_vector(x0, shapes)
        shapes = checks.shape_list(shapes, x.size)
        self.method, self.method_name, self.options = prepare(method, tol, options, x.size)
        self.callback = adapt_callback(callback)
        self.rng = generator(rng, self.options) if "rng" in self.method.all_needs() else None
        box = box_bounds(bounds, x, self.method)
        check_needs(self.method, fun, jac)
        limits = {"maxfev": self.options["maxfev"], "maxtime": self.options["maxtime"]}
        if isinstance(fun, CountedObjective):
            self.objective: CountedObjective = fun
            fun.bounds, fun.shapes = box, fun.shapes if shapes is None else shapes
            fun.begin(x, **limits)
        else:
            self.objective = FunctionObjective(fun, x, args, jac, hess, hessp, shapes=shapes, bounds=box, **limits)
        self.objective.products_wanted = "hvp" in self.method.all_needs()
        self.nit = 0
        self._x0 = x
        self.point: Point = self.objective.at(x)
        self.state: Any = None
        self.gnorm = np.nan
        self.stop: Stop | None = None
        self.best: Point = self.point
        self.best_merit = np.inf  # what the method minimises, at `best`
        self.minimises_f = self.method.minimises_f()
        self.history: list[Record] = []
        self.objective.tried = [] if self.options["return_all"] else None
        self.progress = Progress(self.options) if self.options["disp"] else None

    # ------------------------------------------------------------ iteration

    def __next__(self) -> Record:
        if self.stop is not None:
            raise StopIteration
        try:
            if self.state is None:
                self._start()
            record = self._iteration()
        except Stop as stop:
            self._finish(stop)
            raise StopIteration from None
        except KeyboardInterrupt:
            self._finish(Stop(Status.INTERRUPTED))
            raise
        except Exception as error:
            self._fail(error)
            raise
        return record

    def _start(self) -> None:
        point = self.point
        f = point.f
        if not np.isfinite(f):
            raise Stop(Status.NONFINITE_START, f)
        self.state = self.method.init(point.x, self.objective.shapes, self.rng)
        self._test_gradient(point)
        self.best_merit = f if self.minimises_f else self.method.merit(point)

    def _iteration(self) -> Record:
        options, point = self.options, self.point
        if self.nit >= options["maxiter"]:
            raise Stop(Status.MAXITER, self.nit, options["maxiter"])
        update, self.state = self.method.step(point, point.g, self.state)
        length = float(nrm2(update))
        if not np.isfinite(length) and not np.all(np.isfinite(update)):
            i = int(np.flatnonzero(~np.isfinite(update))[0])
            raise Stop(Status.NONFINITE, reason=f"iteration {self.nit + 1} of {self.method_name} gave a step whose "
                                                f"coordinate {i} is {update[i]}")
        figures = self.method.figures(self.state)
        new = point.after(update) if length else point
        f = new.f
        self.nit += 1
        if not np.isfinite(f):
            raise Stop(Status.NONFINITE, reason=f"f = {f} after iteration {self.nit} (step length {length:.3g})")
        self.point = new
        merit = f if self.minimises_f else self.method.merit(new)
        if merit <= self.best_merit:
            self.best, self.best_merit = new, merit
        record = self._record(point, new, length, figures)
        stop = self._tests(point, record)
        if self.callback is not None:
            self._call_back(record)
        if stop is not None:
            self._finish(stop)
        return record

    def _record(self, old: Point, point: Point, length: float, figures: dict[str, Any]) -> Record:
        objective = self.objective
        record = Record()
        record.nit = self.nit
        record.x = point.x
        record.fun = point.f
        record.jac = point.g
        record.gnorm = self.gnorm = gradient_norm(point)
        record.update_norm = length
        record.accepted = bool(figures.pop("accepted", True))
        record.nfev, record.njev, record.nhev = objective.nfev, objective.njev, objective.nhev
        record.nhvp, record.ntaylor = objective.nhvp, objective.ntaylor
        record.time = time.perf_counter() - objective.started
        record.figures = figures
        record.rejected = []
        if objective.tried is not None:
            here = (point.x, old.x)
            record.rejected = [x for x in objective.tried if not any(np.array_equal(x, known) for known in here)]
            objective.tried.clear()
        if self.options["return_all"]:
            self.history.append(record)
        if self.progress is not None:
            self.progress.show(record)
        return record

    # ------------------------------------------------------------ when to stop

    def _test_gradient(self, point: Point) -> None:
        g = gradient_norm(point)
        self.gnorm = g
        if not np.isfinite(g):
            i = int(np.flatnonzero(~np.isfinite(point.g))[0])
            raise Stop(Status.NONFINITE, reason=f"the gradient is not finite: g[{i}] = {point.g[i]} where f = {point.f:.6g}")
        if g <= self.options["gtol"] and self.method.settled(point):
            raise Stop(Status.GTOL, g, self.options["gtol"])

    def _tests(self, old: Point, record: Record) -> Stop | None:
        """The reason to stop after this iteration, or None."""
        options = self.options
        try:
            self._test_gradient(self.point)
        except Stop as stop:
            return stop
        if record.fun < UNBOUNDED_BELOW:
            return Stop(Status.UNBOUNDED, record.fun, UNBOUNDED_BELOW)
        if record.accepted and record.update_norm > 0:
            if options["ftol"] is not None:
                fall, scale = abs(old.f - record.fun), max(abs(old.f), abs(record.fun), 1.0)
                if fall <= options["ftol"] * scale:
                    return Stop(Status.FTOL, fall, options["ftol"] * scale)
            if options["xtol"] is not None:
                limit = options["xtol"] * (options["xtol"] + float(np.linalg.norm(old.x)))
                if record.update_norm <= limit:
                    return Stop(Status.XTOL, record.update_norm, limit)
        return None

    def _call_back(self, record: Record) -> None:
        try:
            self.callback(self, record)  # type: ignore[misc]
        except StopIteration:
            raise Stop(Status.CALLBACK) from None

    def _finish(self, stop: Stop) -> None:
        self.stop = stop
        self.objective.end(self.answer.x)
        if self.progress is not None:
            self.progress.close(stop.message)

    def _fail(self, error: Exception) -> None:
        """Record `error` as the end of the run and attach what was computed."""
        self._finish(Stop(Status.EXCEPTION, reason=f"{type(error).__name__} after iteration {self.nit}: {error}"))
        with contextlib.suppress(AttributeError):  # an exception class with __slots__ cannot carry it
            error.partial_result = self.result  # type: ignore[attr-defined]

    # ------------------------------------------------------------ result

    @property
    def result(self) -> OptimizeResult:
        """Everything computed so far; `x` is the converged point, or the best one evaluated when not converged."""
        stop = self.stop
        success = stop is not None and stop.status.success
        point = self.answer
        objective = self.objective
        result = OptimizeResult(
            x=point.x.copy(), fun=point._f if point._f is not None else np.nan,
            jac=None if point._g is None else point._g.copy(), nit=self.nit, nfev=objective.nfev,
            njev=objective.njev, nhev=objective.nhev, nhvp=objective.nhvp, ntaylor=objective.ntaylor,
            success=success, status=stop.status.number if stop else -1,
            message=stop.message if stop else "still running", method=repr(self.method), options=dict(self.options))
        if self.options["return_all"]:
            result.history = list(self.history)
            result.allvecs = [self.start.copy()] + [r.x.copy() for r in self.history]
        return result

    @property
    def answer(self) -> Point:
        """The converged point, or the best one evaluated when the run has not converged."""
        return self.point if self.stop is not None and self.stop.status.success else self._best_point()

    @property
    def start(self) -> np.ndarray:
        """The start, as it was checked and copied."""
        return self._x0

    def _best_point(self) -> Point:
        """The evaluated point with the lowest finite f: an iterate, or a trial that a cut-off step left behind.

        For a method that minimises something else, the iterate where that is least.
        """
        objective = self.objective
        if not self.minimises_f:
            return self.best
        if objective.best_f < (self.best._f if self.best._f is not None else np.inf):
            point = Point(objective, objective.best_x)
            point._f = objective.best_f
            if self.point.x is point.x:
                return self.point
            for known in objective._recent:
                if known.x is point.x:
                    return known
            return point
        return self.best


def gradient_norm(point: Point) -> float:
    """|g|_inf; with bounds that of the projected gradient ``x - clip(x - g)``, zero at a constrained minimiser."""
    g = point.g
    if point.objective.bounds is not None:
        lower, upper = point.objective.bounds
        g = point.x - np.clip(point.x - g, lower, upper)
    return float(np.abs(g).max())


# ---------------------------------------------------------------- public functions


def minimize(fun: Callable | CountedObjective, x0: Any = None, args: Any = (), method: Any = "HigherOrderNewton",
             jac: Any = None, hess: Any = None, hessp: Any = None, bounds: Any = None, tol: float | None = None,
             callback: Callable | None = None, options: dict | None = None, *, shapes: Any = None,
             rng: Any = None) -> OptimizeResult:
    """Minimise a function of several variables.

    Parameters
    ----------
    fun : callable, or an objective such as `refopt.torch.objective` makes
        ``fun(x, *args) -> float`` with `x` of shape (n,). Written in ``autograd.numpy`` unless `jac` is given.
        With ``jac=True`` it returns ``(f, g)``. `refopt.LeastSquares` turns residuals into such a function.
    x0 : (n,) array_like
        Start. A float32 array keeps the whole run in float32; everything else becomes float64. An objective may
        know its own start and always keeps its own dtype.
    args : tuple
        Further arguments of `fun`, `jac`, `hess`, `hessp`.
    method : str, method instance, or sequence of instances
        A name (case, ``-`` and ``_`` ignored; see `refopt.methods`) gives a complete recipe, an instance runs as
        it is, a sequence runs as a chain.
    jac : callable, True or None
        Gradient, shape (n,). None: exact, by autograd.
    hess : callable or None
        Hessian (n, n): array, sparse matrix or LinearOperator. None: exact, by autograd, where it is needed.
    hessp : callable or None
        ``hessp(x, v, *args)``, the product of the Hessian with `v`.
    bounds : sequence of (low, high), `scipy.optimize.Bounds` or None
        Box constraints, for methods that support them.
    tol : float or None
        Short for ``options["gtol"]``.
    callback : callable or None
        ``callback(xk)`` or ``callback(intermediate_result)`` (that parameter name), after every iteration.
        Raising StopIteration ends the run cleanly.
    options : dict or None
        ``maxiter`` (None: max(1000, 200 n)), ``maxfev`` (calls of fun, never exceeded), ``maxtime`` (seconds),
        ``gtol`` (on \\|g\\|_inf, default 1e-5), ``ftol``, ``xtol`` (off), ``disp``, ``return_all``, and, where
        `method` is a name, the hyperparameters of its recipe.
    shapes : list of tuples or None
        Tensor shapes that `x` is the concatenation of; only projections and per-tensor methods look at it.
    rng : None, int or numpy.random.Generator
        Source of randomness. None: a fresh seed, reported in ``res.options["rng"]``.

    Returns
    -------
    scipy.optimize.OptimizeResult
        ``x, fun, jac, nit, nfev, njev, nhev, nhvp, ntaylor, success, status, message, method, options``, and with
        ``return_all`` also ``history`` (one `Record` per iteration) and ``allvecs``. When no test of convergence
        was met, ``x`` is the best point evaluated. `nfev` counts every call of `fun`.

    Raises
    ------
    TypeError, ValueError
        For wrong input, before the first evaluation.
    Exception
        What `fun` or the callback raises reaches the caller unchanged, with the result so far attached as
        ``error.partial_result``.

    Examples
    --------
    >>> import autograd.numpy as np, refopt
    >>> def rosenbrock(x):
    ...     return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    >>> res = refopt.minimize(rosenbrock, [-1.2, 1.0], method="Newton")
    >>> res.success, res.x.round(6)
    (True, array([1., 1.]))
    """
    run = Run(fun, x0, args, method, jac, hess, hessp, bounds, tol, callback, options, shapes=shapes, rng=rng)
    try:
        for _ in run:
            pass
    except KeyboardInterrupt:
        pass  # the run has noted it; what was computed is the answer
    return run.result


def iterate(fun: Callable | CountedObjective, x0: Any = None, args: Any = (), method: Any = "HigherOrderNewton",
            jac: Any = None, hess: Any = None, hessp: Any = None, bounds: Any = None, tol: float | None = None,
            callback: Callable | None = None, options: dict | None = None, *, shapes: Any = None,
            rng: Any = None) -> Run:
    """The same minimisation one iteration at a time: an iterator of `Record`, whose ``result`` can be asked any time.

    Parameters are those of `minimize`.

    Examples
    --------
    >>> import refopt
    >>> run = refopt.iterate(lambda x: (x[0] - 1) ** 4, [3.0], method="Newton")
    >>> for record in run:
    ...     if record.fun < 1e-3:
    ...         break
    >>> record.nit, run.result.fun < 1e-3
    (6, True)
    """
    return Run(fun, x0, args, method, jac, hess, hessp, bounds, tol, callback, options, shapes=shapes, rng=rng)


# ---------------------------------------------------------------- preparation


def prepare(method: Any, tol: Any, options: Any, n: int) -> tuple[Method, str, dict[str, Any]]:
    """The complete method, its name, and the effective options; every wrong option is refused here."""
    if options is not None and not hasattr(options, "keys"):
        raise TypeError(f"options must be a dict, got {checks.describe(options)}")
    given = dict(options or {})
    own = {k: v for k, v in given.items() if k not in COMMON_OPTIONS}
    complete, name = resolve(method, own, tuple(COMMON_OPTIONS))
    effective = {**COMMON_OPTIONS, **{k: v for k, v in given.items() if k in COMMON_OPTIONS}}
    if tol is not None:
        if given.get("gtol") is not None:
            raise ValueError(f"give tol or options['gtol'], not both (tol={tol}, gtol={given['gtol']}); they are the same")
        effective["gtol"] = tol
    if effective["maxiter"] is None:
        effective["maxiter"] = min(max(1000, 200 * n), 100_000)
    effective["maxiter"] = checks.whole_number("options", "maxiter", effective["maxiter"])
    if effective["maxfev"] is not None:
        effective["maxfev"] = checks.whole_number("options", "maxfev", effective["maxfev"], 1)
    for key in ("gtol", "ftol", "xtol", "maxtime"):
        if effective[key] is not None:
            effective[key] = checks.in_interval("options", key, effective[key], "[0, inf]")
    if effective["gtol"] is None:
        effective["gtol"] = 0.0
    for key in ("disp", "return_all"):
        effective[key] = checks.boolean("options", key, effective[key])
    effective.update(own)
    return complete, name, effective


def start_of(objective: CountedObjective, x0: Any, args: Any, jac: Any, hess: Any, hessp: Any,
             shapes: Any) -> np.ndarray:
    """The start of a run on an objective that is made already; it has its derivatives and its dtype."""
    for name, value in (("args", args or None), ("jac", jac), ("hess", hess), ("hessp", hessp)):
        if value is not None:
            raise TypeError(f"minimize: {name} was given with {type(objective).__name__}, which brings its own "
                            f"derivatives; leave {name} out")
    x = checks.start_vector(objective.start() if x0 is None else x0, shapes)
    if x.size != objective.n:
        raise ValueError(f"x0 has {x.size} variables, but the objective has {objective.n}; they must be equal")
    return x.astype(objective.dtype)


def check_needs(method: Method, fun: Any, jac: Any) -> None:
    """Refuse, before the first evaluation, a method whose needs the objective cannot meet."""
    if isinstance(fun, CountedObjective):
        return  # it says itself what it lacks when it is asked
    if "gauss-newton" in method.all_needs() and not isinstance(fun, ModelLoss):
        raise TypeError(f"{method!r} needs the Gauss-Newton matrix, but fun is a plain scalar function; give "
                        "refopt.LeastSquares(residuals) or refopt.ModelLoss(model, loss) as fun")
    if "residuals" in method.all_needs() and not isinstance(fun, LeastSquares):
        raise TypeError(f"{method!r} needs residuals, but fun is a plain scalar function; "
                        "give refopt.LeastSquares(residuals) as fun")


def generator(rng: Any, options: dict[str, Any]) -> np.random.Generator:
    """The source of randomness; a fresh seed is reported in the options so that the run can be repeated."""
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None:
        rng = int(np.random.SeedSequence().generate_state(1)[0])
    elif isinstance(rng, bool) or not isinstance(rng, (int, np.integer)) or rng < 0:
        raise TypeError(f"rng must be None, a non-negative integer or a numpy.random.Generator, got {checks.describe(rng)}")
    options["rng"] = int(rng)
    return np.random.default_rng(rng)


def box_bounds(bounds: Any, x: np.ndarray, method: Method) -> tuple[np.ndarray, np.ndarray] | None:
    """(lower, upper) arrays from SciPy's forms of bounds, checked against the start and the method."""
    if bounds is None:
        return None
    if hasattr(bounds, "lb"):
        low, high = bounds.lb, bounds.ub
    else:
        try:
            pairs = [(lo, hi) for lo, hi in bounds]
        except (TypeError, ValueError):
            raise TypeError("bounds must be scipy.optimize.Bounds or a sequence of (low, high) pairs, "
                            f"got {checks.describe(bounds)}") from None
        if len(pairs) != x.size:
            raise ValueError(f"bounds has {len(pairs)} pairs, but x0 has {x.size} variables; they must be equal")
        low = [-np.inf if lo is None else lo for lo, _ in pairs]
        high = [np.inf if hi is None else hi for _, hi in pairs]
    lower = np.broadcast_to(np.asarray(low, dtype=x.dtype), x.shape).copy()
    upper = np.broadcast_to(np.asarray(high, dtype=x.dtype), x.shape).copy()
    if np.all(np.isneginf(lower)) and np.all(np.isposinf(upper)):
        return None
    if not method.keeps_bounds():
        from .registry import names_supporting_bounds
        able = names_supporting_bounds()
        raise ValueError(f"{method!r} does not support bounds; "
                         + (f"methods that do: {', '.join(able)}; " if able else "")
                         + "scipy.optimize.minimize(method='L-BFGS-B') does")
    crossed = np.flatnonzero(~(lower <= upper))
    if crossed.size:
        i = int(crossed[0])
        raise ValueError(f"bounds cross: lower bound {lower[i]} > upper bound {upper[i]} at variable {i}")
    outside = np.flatnonzero((x < lower) | (x > upper))
    if outside.size:
        i = int(outside[0])
        raise ValueError(f"x0[{i}] = {x[i]} lies outside its bounds [{lower[i]}, {upper[i]}]; start inside, "
                         "for example np.clip(x0, lower, upper)")
    return lower, upper


def adapt_callback(callback: Any) -> Callable[[Run, Record], None] | None:
    """Both of SciPy's styles as one: a parameter named `intermediate_result` gets the record, any other gets x."""
    if callback is None:
        return None
    checks.function("minimize", "callback", callback)
    try:
        names = tuple(inspect.signature(callback).parameters)
    except (TypeError, ValueError):
        names = ()
    if names == ("intermediate_result",):
        def with_record(run: Run, record: Record) -> None:
            fields = {name: getattr(record, name) for name in Record.__slots__}
            fields["x"], fields["jac"] = record.x.copy(), record.jac.copy()
            callback(intermediate_result=OptimizeResult(**fields))
        return with_record
    return lambda run, record: callback(record.x.copy())


# ---------------------------------------------------------------- progress


class Progress:
    """What ``disp=True`` shows: a tqdm line on a terminal, plain lines elsewhere (iterations 1-10, then ever rarer)."""

    def __init__(self, options: dict[str, Any]):
        self.bar = None
        self.began = time.perf_counter()
        if sys.stderr.isatty():
            with contextlib.suppress(ImportError):
                from tqdm import tqdm
                self.bar = tqdm(total=options["maxiter"], unit="it", leave=True)
        if self.bar is None:
            print("  nit          f      |g|_inf     |step|   nfev")

    def show(self, record: Record) -> None:
        if self.bar is not None:
            self.bar.update(1)
            self.bar.set_postfix_str(f"f={record.fun:.6g} |g|={record.gnorm:.2e}", refresh=False)
        elif record.nit <= 10 or record.nit % 10 ** (len(str(record.nit)) - 1) == 0:
            print(f"{record.nit:5d} {record.fun:14.7g} {record.gnorm:10.3e} {record.update_norm:10.3e} {record.nfev:6d}")

    def close(self, message: str) -> None:
        if self.bar is not None:
            self.bar.close()
        print(f"{message} ({time.perf_counter() - self.began:.2f} s)")
