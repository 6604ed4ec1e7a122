"""The result of a run: what SciPy's has, and what a fit is for: covariance and standard errors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.optimize
from scipy.sparse.linalg import LinearOperator

from .answer import COUNTS, Answer
from .checks import in_interval, one_of, optional
from .objective import CountedObjective, Point
from .solvers.inverse import Inverse, gram_inverse, symmetric_inverse

__all__ = ["CovarianceWarning", "OptimizeResult", "remember"]

EXACT = ("autograd", "torch.autograd", "hess", "hessp")
LATER = ("hess", "hess_inv", "optimality")  # computed when first asked for
KINDS = ("least-squares", "likelihood")
DIGITS = 1e-3  # largest relative error of a standard error that is given without a warning
NO_FIT = (
    "covariance: fun is not a refopt.LeastSquares, and its values alone do not say how uncertain x is. "
    "If fun is a negative log-likelihood (the sum over the data, not the mean), ask for "
    "covariance(kind='likelihood'); if it is a sum of squares, give refopt.LeastSquares(residuals) as fun, "
    "or with torch the loss refopt.torch.squares"
)


class CovarianceWarning(RuntimeWarning):
    """A covariance or a standard error that is not what it seems; the message says why."""


class OptimizeResult(scipy.optimize.OptimizeResult):
    """The result of `refopt.minimize`: SciPy's, with the Hessian, the covariance and the standard errors.

    Attributes
    ----------
    x, fun, jac, nit, nfev, njev, nhev, nhvp, ntaylor, success, status, message, method, options
        See `refopt.minimize`.
    hess : (n, n) array, sparse matrix or LinearOperator
        The Hessian at x, exact if the derivatives are. If the run has not computed it there, it is computed
        when first asked for.
    hess_inv : (n, n) array
        Its inverse, computed when first asked for. (That of SciPy's BFGS is an approximation.)
    optimality : dict
        How near x is to a minimiser: "gradient" (\\|g\\|_inf), "scaled_gradient", "decrement" (the decrease
        that g and H promise), "newton_step" (relative to x), "least_curvature" (relative to the largest),
        "decrease" (of f since the start); see `refopt.convergence.optimality`. Computed when first asked for,
        if the run has not.
    after_run : dict
        The evaluations made when the result was asked for more, after the run or beside it. ``nfev`` and the
        other counts are those of the run and never change.

    Raises
    ------
    AttributeError
        For `hess`, `hess_inv` and `optimality` where there is none; the message says why.

    Notes
    -----
    A result can be copied and pickled. A copy can do what the result can. A pickled result keeps the
    arrays that are known, but not the function: what would need it raises an error. So ask for
    `standard_errors` (or `hess`) once before pickling.

    Examples
    --------
    >>> import autograd.numpy as np, refopt
    >>> res = refopt.minimize(lambda x: x[0] ** 2 + x[0] * x[1] + x[1] ** 2, [1.0, 1.0], method="LBFGS")
    >>> res.hess
    array([[2., 1.],
           [1., 2.]])
    >>> res.nhev, res.after_run["nhev"]  # known, since the run looked at it where it ended
    (1, 0)
    """

    _answer: Answer | None = None

    def __getattr__(self, name: str) -> Any:
        if name not in LATER or name in self or self._answer is None:
            return super().__getattr__(name)
        try:
            if name == "optimality":
                self[name] = self._source().optimality()
                return self[name]
            H = self._hessian() if name == "hess" else self._inverse_hessian()
        except Exception as error:
            raise AttributeError(f"this result has no {name}: {error}") from error
        if isinstance(H, LinearOperator):  # holds the user's functions: not for the dict, which is pickled
            return H
        self[name] = H.copy()
        return self[name]

    def __dir__(self) -> list[str]:
        own = LATER if self._answer is not None else ()
        public = [name for name in vars(OptimizeResult) if not name.startswith("_")]
        return sorted({*super().__dir__(), *own, *public})

    @property
    def after_run(self) -> dict[str, int]:
        return dict.fromkeys(COUNTS, 0) if self._answer is None else dict(self._answer.after)

    # ------------------------------------------------------------ covariance

    def covariance(self, kind: str | None = None, *, variance: float | None = None) -> np.ndarray:
        """The estimated covariance matrix of the fitted parameters x.

            s^2 (J^T J)^-1,  s^2 = sum r_i^2 / (m - n)      kind="least-squares"
            H^-1                                            kind="likelihood"

        r (m,) are the residuals, J their Jacobian, H the Hessian of a negative log-likelihood, all at x.
        Both r and J have the weights that the `refopt.LeastSquares` was given. With `absolute_sigma` s^2 is
        1: the answers are then those of `scipy.optimize.curve_fit` with the same `sigma`.

        Parameters
        ----------
        kind : {"least-squares", "likelihood"}, optional
            None: "least-squares" if the function is a `refopt.LeastSquares`. For any other function you must
            say that it is a negative log-likelihood: the sum over all data, not their mean, in natural
            logarithms; what does not depend on x may be missing.
        variance : float, optional
            The variance of one residual, if it is known; it replaces s^2. It is 1 if each residual was
            divided by its standard deviation. For "least-squares" only.

        Returns
        -------
        (n, n) float64 array
            Infinite variance for a parameter that the data do not determine, and nan beside it; nan
            everywhere if the Hessian is indefinite. Each comes with a warning.

        Raises
        ------
        TypeError
            If the function is not known to be a fit, or is one with a robust loss.
        ValueError
            If there are no more residuals than parameters (and no `variance`), if the values are not finite,
            or if the function or ``res.x`` is not what it was in the run.
        RuntimeError
            If the result was pickled before the arrays were known.

        Warns
        -----
        CovarianceWarning
            If the matrix to be inverted is singular, nearly singular or indefinite; if x lies on a bound; if
            x is not close enough to a minimum; if the residuals are hardly more than rounding errors.

        Notes
        -----
        Both are the linear approximation for many data or small errors. The first holds for independent
        errors with equal variance; with other variances, give `refopt.LeastSquares` their `sigma`.

        What is not known yet is evaluated now, at the x of the run. That is counted in `after_run`, not in
        the counts of the run. J has the dtype of the run, and the rest is computed in float64: a run in
        float32 gives about six digits less the logarithm of the condition number of J.

        x is close enough to a minimum if ``g^T C g <= n 10^-6``, where C is the covariance and g the gradient
        (of the sum of squares divided by 2 s^2): x lies within a thousandth of a standard error. For a fit
        this is the relative offset of Bates and Watts with their limit 0.001.

        Source: G. A. F. Seber, C. J. Wild, Nonlinear Regression, Wiley 1989, section 2.1 (least squares);
        B. Efron, D. V. Hinkley, Biometrika 65 (1978) 457-487 (the Hessian at x, not its expected value);
        D. M. Bates, D. G. Watts, Technometrics 23 (1981) 179-183 (relative offset).

        Examples
        --------
        >>> import autograd.numpy as np, refopt
        >>> t, y = np.array([0.0, 1.0, 2.0, 3.0]), np.array([1.1, 2.9, 5.2, 6.8])
        >>> res = refopt.minimize(refopt.LeastSquares(lambda x: x[0] + x[1] * t - y), [0.0, 0.0])
        >>> print(res.covariance().round(6))
        [[ 0.0287 -0.0123]
         [-0.0123  0.0082]]
        """
        matrix, doubts = self._covariance(kind, variance)
        for doubt in doubts:
            warnings.warn(doubt, CovarianceWarning, stacklevel=2)
        return matrix

    def standard_errors(self, kind: str | None = None, *, variance: float | None = None) -> np.ndarray:
        """The standard errors of the fitted parameters: the square roots of the diagonal of `covariance`.

        Parameters, errors and warnings are those of `covariance`.

        Returns
        -------
        (n,) float64 array

        Examples
        --------
        NIST certifies the deviations 2.7070075241 and 7.2668688436e-06 here.

        >>> import refopt
        >>> p = refopt.problems.get("nist/Misra1a")
        >>> refopt.minimize(p.fun, p.starts[1], options={"gtol": 0}).standard_errors()
        array([2.70700752e+00, 7.26686884e-06])

        A negative log-likelihood: 15 counts with the mean 4 give exp(x) = 4 and the variance 1/(15*4) of x.

        >>> import autograd.numpy as np
        >>> nll = lambda x: 15 * (np.exp(x[0]) - 4 * x[0])
        >>> res = refopt.minimize(nll, [0.0])
        >>> print((res.standard_errors("likelihood") * np.sqrt(60)).round(6))
        [1.]
        """
        matrix, doubts = self._covariance(kind, variance)
        for doubt in doubts:
            warnings.warn(doubt, CovarianceWarning, stacklevel=2)
        return np.sqrt(np.diag(matrix))

    def residual_standard_deviation(self) -> float:
        """``s = sqrt(sum r_i^2 / (m - n))``, the estimated standard deviation of one residual of a fit.

        With weights or `sigma` it is that of a residual of weight 1, the root of the reduced chi-square.

        Raises
        ------
        TypeError
            If the function is not a `refopt.LeastSquares`, or is one with a robust loss.
        ValueError
            If there are no more residuals than parameters.

        Examples
        --------
        NIST certifies 1.0187876330e-01 here.

        >>> import refopt
        >>> p = refopt.problems.get("nist/Misra1a")
        >>> print(round(refopt.minimize(p.fun, p.starts[1]).residual_standard_deviation(), 9))
        0.101878763
        """
        answer = self._source()
        if not answer.is_fit:
            raise TypeError(NO_FIT.replace("covariance:", "residual_standard_deviation:", 1))
        refuse_robust("residual_standard_deviation", answer)
        return float(np.sqrt(residual_variance(answer.ask("residuals")[0], answer.x.size)))

    # ------------------------------------------------------------ how

    def _source(self) -> Answer:
        if self._answer is None:
            raise TypeError("this result was not made by a run of refopt: it has no function to ask")
        if not np.array_equal(self["x"], self._answer.x):
            raise ValueError(
                "res.x is not the x that the run found any more; covariance and Hessian belong to that one"
            )
        return self._answer

    def _hessian(self) -> Any:
        answer = self._source()
        return self["hess"] if "hess" in self else answer.ask("hess")[0]

    def _inverse_hessian(self) -> np.ndarray:
        inverse = self._inverse_of(self._hessian())
        if inverse.open.any():
            raise ValueError(f"the Hessian is singular; {named(inverse.open)} of its null space")
        return inverse.matrix

    def _inverse_of(self, H: Any) -> Inverse:
        H = H if isinstance(H, np.ndarray) else np.asarray(H @ np.eye(self["x"].size))
        if not np.all(np.isfinite(H)):
            raise ValueError("the Hessian at x is not finite")
        return symmetric_inverse(H, self._noise("H"))

    def _noise(self, derivative: str) -> float:
        """The relative error of the derivative; half the digits if it was made of differences."""
        answer = self._source()
        eps = float(np.finfo(answer.x.dtype).eps)
        return float(np.sqrt(eps)) if "differences" in answer.derivatives.get(derivative, "") else eps

    def _covariance(self, kind: str | None, variance: float | None) -> tuple[np.ndarray, list[str]]:
        """The matrix, and what speaks against it, one sentence each."""
        variance = optional(in_interval, "covariance", "variance", variance, "(0, inf)")
        answer = self._source()
        if kind is None:
            if not answer.is_fit:
                raise TypeError(NO_FIT)
            kind = "least-squares"
        if one_of("covariance", "kind", kind, KINDS) == "likelihood":
            return self._from_likelihood(answer, variance)
        return self._from_residuals(answer, variance)

    def _from_residuals(self, answer: Answer, variance: float | None) -> tuple[np.ndarray, list[str]]:
        if not answer.is_fit:
            raise TypeError(NO_FIT)
        refuse_robust("covariance", answer)
        r, J = (np.asarray(a, dtype=np.float64) for a in answer.ask("residuals", "jacobian"))
        m, n = J.shape
        if m < n:
            raise ValueError(f"covariance: {m} residuals cannot determine {n} parameters")
        if variance is None and answer.absolute:
            variance = 1.0
        s2 = residual_variance(r, n) if variance is None else variance
        if not (np.all(np.isfinite(r)) and np.all(np.isfinite(J))):
            raise ValueError("covariance: the residuals or their Jacobian at x are not finite")
        noise = self._noise("J")
        inverse = gram_inverse(J, noise)
        rounding = float(np.finfo(answer.x.dtype).eps * np.linalg.norm(np.abs(J) @ np.abs(answer.x)))
        size = float(np.linalg.norm(r))
        lost = variance is None and rounding >= DIGITS * size
        doubts = doubts_of(answer, inverse, noise, "J^T J", None if lost else J.T @ r / s2, s2)
        H = self.get("hess")
        if isinstance(H, np.ndarray) and np.all(np.isfinite(H)) and self._inverse_of(H).negative:
            doubts.append("the Hessian at x has a negative eigenvalue: x is no minimum of the sum of squares")
        if lost:
            doubts.append(
                f"the residuals, |r| = {size:.3g}, are hardly more than the rounding errors in them (about "
                f"{rounding:.3g}), and so are the standard errors"
            )
        matrix = inverse.matrix
        known = np.isfinite(matrix)
        matrix[known] *= s2
        return matrix, doubts

    def _from_likelihood(self, answer: Answer, variance: float | None) -> tuple[np.ndarray, list[str]]:
        if answer.is_fit:
            raise TypeError(
                "covariance: fun is a refopt.LeastSquares, sum r_i^2, which is twice a negative "
                "log-likelihood of residuals with variance 1; ask for kind='least-squares', with variance=1 "
                "in that case"
            )
        if variance is not None:
            raise TypeError("covariance: variance belongs to kind='least-squares'; leave it out")
        H = self._hessian()
        source = answer.derivatives.get("H", "autograd")
        if source not in EXACT and "differences" not in source:
            raise TypeError(
                f"covariance: the Hessian of this run is an approximation by updates ({source}) and no "
                "measure of uncertainty; run minimize again from this x with an exact hess or hess='3-point'"
            )
        inverse = self._inverse_of(H)
        g = self.get("jac")
        g = None if g is None else np.asarray(g, dtype=np.float64)
        doubts = doubts_of(answer, inverse, self._noise("H"), "the Hessian", g, 1.0)
        if inverse.negative:
            return np.full_like(inverse.matrix, np.nan), doubts
        return inverse.matrix, doubts


def refuse_robust(who: str, answer: Answer) -> None:
    """Refuse a fit with a robust loss: s^2 (J^T J)^-1 is not the covariance of its parameters."""
    if answer.robust is not None:
        raise TypeError(
            f"{who}: the fit has loss={answer.robust!r}, and the formula for a sum of squares does not hold; "
            "estimate the errors by bootstrap, or fit again with loss='linear' without the outliers"
        )


def residual_variance(r: np.ndarray, n: int) -> float:
    """``s^2 = r^T r / (m - n)``."""
    m = r.size
    if m <= n:
        raise ValueError(
            f"m = {m} residuals and n = {n} parameters leave no degree of freedom to estimate the variance "
            "from; use more data, or give the variance of one residual if you know it: "
            "covariance(variance=...)"
        )
    r = np.asarray(r, dtype=np.float64)
    return float(r @ r) / (m - n)


def named(mask: np.ndarray) -> str:
    """``x[0], x[3] are part``, for sentences."""
    found = [f"x[{i}]" for i in np.flatnonzero(mask)]
    more = f" and {len(found) - 6} more" if len(found) > 6 else ""
    return ", ".join(found[:6]) + more + (" is part" if len(found) == 1 else " are part")


def doubts_of(
    answer: Answer, inverse: Inverse, eps: float, what: str, g: np.ndarray | None, s2: float
) -> list[str]:
    """What speaks against ``C = s^2 inverse``, one sentence each; the last by ``g^T C g``."""
    found = []
    if inverse.negative:
        found.append(
            f"{what} at x is indefinite (least eigenvalue {inverse.lowest:.3g} of the largest, scaled), so "
            "x is not a minimum and has no covariance; the answer is nan"
        )
    elif inverse.open.any():
        found.append(
            f"{what} at x is singular: the data do not determine all parameters. {named(inverse.open)} of a "
            "combination that can change without changing the fit; the variance there is infinite"
        )
    elif eps * inverse.condition > DIGITS:
        found.append(
            f"{what} at x is singular to working precision (condition number {inverse.condition:.3g}, "
            f"scaled): the standard errors have fewer than {-np.log10(DIGITS):.0f} digits"
        )
    if answer.on_bound.any():
        bound = ", ".join(f"x[{i}]" for i in np.flatnonzero(answer.on_bound)[:6])
        found.append(
            f"on a bound: {bound}. The covariance is that of the fit without bounds, linearised at x; it "
            "does not describe an estimate that a bound holds. To treat such a parameter as known, leave it "
            "out of x and fit again"
        )
    if found or g is None:
        return found
    offset = float(np.sqrt(max(s2 * float(g @ inverse.matrix @ g), 0.0) / g.size))
    if offset <= DIGITS:
        return []
    return [
        f"x is about {offset:.2g} standard errors away from where the linearised fit has its minimum "
        f"(more than {DIGITS:g}): the run ended too early; give a smaller tol, or scale fun"
    ]


def remember(
    result: OptimizeResult, objective: CountedObjective, point: Point, ended: bool, begun: tuple
) -> None:
    """Let the result answer for more than its numbers; `ended` says that no step will follow."""
    answer = Answer(objective, point, ended, result.get("derivatives", {}), begun)
    object.__setattr__(result, "_answer", answer)
    if "optimality" in answer.known:
        result["optimality"] = answer.optimality()
    H = answer.known.get("hess")
    if H is not None and not isinstance(H, LinearOperator):
        result["hess"] = H.copy()
