"""The public functions `minimize` and `iterate`, and the minimizer that `scipy.optimize.minimize` calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .method import Method
from .objective import CountedObjective
from .request import refuse_constraints, request
from .result import OptimizeResult
from .run import Run

__all__ = ["iterate", "minimize"]


def minimize(
    fun: Callable | CountedObjective,
    x0: Any = None,
    args: Any = (),
    method: Any = None,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    tol: float | None = None,
    callback: Callable | None = None,
    options: dict | None = None,
    *,
    shapes: Any = None,
    rng: Any = None,
) -> OptimizeResult:
    """Minimise a function of several variables.

    Parameters
    ----------
    fun : callable, or an objective such as `refopt.torch.objective` makes
        ``fun(x, *args) -> float`` with `x` of shape (n,). Written in NumPy or ``autograd.numpy``, so that
        autograd can follow it, unless `jac` is given: plain calls at x0 and before success are compared.
        With ``jac=True`` it returns ``(f, g)``. `refopt.LeastSquares` turns residuals into such a function.
    x0 : (n,) array_like
        Start. A float32 array keeps the whole run in float32; everything else becomes float64. An objective
        keeps its own dtype; if it has a start of its own, x0 may be left out.
    args : tuple
        Further arguments of `fun`, `jac`, `hess`, `hessp`.
    method : str, method instance, sequence of instances, or None
        A name (case, ``-`` and ``_`` are ignored; see `refopt.methods`) stands for a complete recipe, an
        instance runs as it is, a sequence runs as a chain. None: LevenbergMarquardt where `fun` is a
        `refopt.LeastSquares`, else HigherOrderNewton; ``res.method`` says what ran.
    jac : callable, True, "2-point", "3-point", "cs" or None
        Gradient, shape (n,); with `refopt.LeastSquares` also the Jacobian of the residuals, (m, n). A string:
        finite differences, and `fun` is never traced. None: exact, by autograd. For n = 1 it, `hess` and
        `hessp` may be a number.
    hess : callable, "2-point", "3-point", "cs", `scipy.optimize.HessianUpdateStrategy` or None
        Hessian (n, n): array, sparse matrix or LinearOperator. A string: differences of the gradient (of
        values, if that is differences too). A strategy, such as ``BFGS()``: updated along the path. None:
        exact, by autograd, where it is needed; differences of `jac` if autograd cannot follow `fun`.
    hessp : callable or None
        ``hessp(x, v, *args)``, the product of the Hessian with `v`.
    bounds : sequence of (low, high), `scipy.optimize.Bounds` or None
        Box constraints, for methods that support them. The run starts at the point inside nearest to `x0`.
    constraints : ()
        Not supported; it is there so that the order of arguments is SciPy's. Anything that is not empty is
        refused.
    tol : float or None
        Short for ``options["gtol"]``.
    callback : callable or None
        Called after every iteration, as ``callback(xk)``, or as ``callback(intermediate_result=...)`` if that
        is the name of its only parameter. Raising StopIteration ends the run.
    options : dict or None
        ``maxiter`` (None: max(1000, 200 n), at most 10^5; inf: no limit), ``maxfev`` (calls of fun, never
        exceeded), ``maxtime`` (seconds), ``gtol`` (on \\|g\\|_inf, as in SciPy; None: the test without units,
        see Notes), ``ftol``, ``xtol`` (off), ``disp``, ``return_all``; ``fallback`` ("2-point", "3-point" or
        "cs": differences where autograd cannot follow `fun`; None: an error), ``noise`` (relative error of
        the values of `fun`, for the steps of differences; "auto": estimated from values at x0; None:
        rounding), ``finite_diff_rel_step`` (as in SciPy); ``x_scale`` (see Notes); and, where `method`
        is a name, the hyperparameters of its recipe.
    shapes : list of tuples or None
        Shapes of the tensors that `x` is the concatenation of; only projections and per-tensor methods use
        them.
    rng : None, int or numpy.random.Generator
        Source of randomness. None: a fresh seed, reported in ``res.options["rng"]``.

    Returns
    -------
    OptimizeResult
        That of SciPy, with ``hess, hess_inv, covariance(), standard_errors()``; see `refopt.OptimizeResult`.
        ``x, fun, jac, nit, nfev, njev, nhev, nhvp, ntaylor, success, status, message, method, options``,
        ``derivatives`` (where "g", "H", ... came from, and in "note" what was changed because autograd cannot
        follow `fun`: the bare name HigherOrderNewton takes order 2), and
        with ``return_all`` also ``history`` (one `Record` per iteration) and ``allvecs``. If no convergence
        test was met, ``x`` is the best point evaluated. `nfev` counts every call of `fun`. ``optimality``
        holds the numbers by which success was judged.

    Warns
    -----
    OptimizeWarning
        If `x0` is outside the bounds.
    RuntimeWarning
        If `hess` or `hessp` is given to a method that does not use it.

    Raises
    ------
    TypeError, ValueError
        For wrong input, before the first evaluation. For a `jac` that is not the derivative of `fun`, where
        both are known.
    TraceError
        If autograd cannot follow `fun`: the plain call works and the traced one raises, or gives another
        value, or a derivative of zero where values show a slope. The message names the likely line.
    Exception
        An exception from `fun` or the callback reaches the caller unchanged. The result so far is attached to
        it as ``error.partial_result``.

    Notes
    -----
    Success without a `gtol`: the decrease ``g^T H^-1 g / 2`` that gradient and Hessian promise at x is at
    most ``eps^(2/3) (f(x0) - f(x))``, and Newton's step at most ``eps^0.4 |x_i|`` in every coordinate, or
    both are at the rounding error of f or of its gradient. H is asked for by products at points where a run
    may end, also for methods that use no H. A success is refused at a saddle (which is left first), on a
    plateau, above a point that was evaluated, and where x runs away. See `refopt.convergence`.

    ``options["x_scale"]`` gives the sizes s of the variables, as in `scipy.optimize.least_squares`: one
    positive number, or one for each variable. "hess": in proportion to ``1/sqrt|H_ii|`` at x0. "jac": to
    ``1/|J e_i|``, J the Jacobian of a `LeastSquares` or `ModelLoss`. "auto": those of "hess" where one of
    them is below 1e-3 or above 1e3 and H is exact and cheap, else None. None: 1. The method runs in
    ``z = x/s``. All that you give and get is in x, but for a method's own figures, such as a radius. Newton's
    step with a line search does not depend on s; a trust region, regularization, LBFGS and first-order
    methods do. ``res.options["x_scale"]`` has the sizes used. See `refopt.views.scaled`.

    Examples
    --------
    >>> import autograd.numpy as np, refopt
    >>> def rosenbrock(x):
    ...     return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    >>> res = refopt.minimize(rosenbrock, [-1.2, 1.0], method="Newton")
    >>> res.success, res.x.round(6)
    (True, array([1., 1.]))
    """
    run = Run(
        request(
            fun, x0, args, method, jac, hess, hessp, bounds, constraints, tol, callback, options, shapes, rng
        )
    )
    try:
        for _ in run:
            pass
    except KeyboardInterrupt:
        pass  # the run has recorded it; the result so far is returned
    return run.result


def iterate(
    fun: Callable | CountedObjective,
    x0: Any = None,
    args: Any = (),
    method: Any = None,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    tol: float | None = None,
    callback: Callable | None = None,
    options: dict | None = None,
    *,
    shapes: Any = None,
    rng: Any = None,
) -> Run:
    """The same minimisation as an iterator: one `Record` per iteration, the result so far in ``result``.

    The parameters are those of `minimize`. A run can be copied and pickled at any time, before, in the midst
    and after its end, where `fun` can be pickled; the copy goes on as the original would. It has no traces of
    `fun`, so it may call it once more. A run on tensors of torch refuses.

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
    return Run(
        request(
            fun, x0, args, method, jac, hess, hessp, bounds, constraints, tol, callback, options, shapes, rng
        )
    )


def minimize_for_scipy(
    method: Method,
    fun: Callable,
    x0: Any = None,
    args: Any = (),
    *,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    callback: Any = None,
    **options: Any,
) -> OptimizeResult:
    """What a method instance does when `scipy.optimize.minimize` calls it, see `Method.__call__`."""
    refuse_constraints(type(method).__name__, constraints)
    if "bracket" in options:
        raise TypeError(
            "scipy.optimize.minimize_scalar gives a method a bracket and no start; call "
            f"scipy.optimize.minimize(fun, x0, method={method!r}) with a number as x0"
        )
    if jac is None:  # SciPy passes jac="2-point" on as None, and its users expect differences
        options.setdefault("fallback", "3-point")
    tol = options.pop("tol", None)
    extra = {name: options.pop(name) for name in ("shapes", "rng") if name in options}
    return minimize(fun, x0, args, method, jac, hess, hessp, bounds, (), tol, callback, options, **extra)


Method.minimizer = staticmethod(minimize_for_scipy)
