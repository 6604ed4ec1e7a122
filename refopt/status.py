"""Why a run ended: one table, used by the driver, the result, the command line and the tests.

Each exit has a number, whether it counts as success, and one message with the measured value and the
threshold it was compared with.
"""

from __future__ import annotations

import enum

__all__ = ["Status", "Stop"]


class Status(enum.Enum):
    """The exits: ``(number, success, message)``. The numbers do not change, so scripts may test them."""

    GTOL = (0, True, "gradient small: |g|_inf = {value:.3g} <= gtol = {threshold:.3g}")
    FTOL = (
        1,
        True,
        "decrease small: |f_k - f_k+1| = {value:.3g} <= ftol * max(|f_k|, |f_k+1|, 1) = {threshold:.3g}",
    )
    XTOL = (2, True, "step small: |x_k - x_k+1|_2 = {value:.3g} <= xtol * (xtol + |x_k|_2) = {threshold:.3g}")
    ROUNDING = (
        3,
        True,
        "converged to rounding error: the gradient promises a decrease of {value:.3g}, the rounding error of "
        "f is {threshold:.3g}",
    )
    CONVERGED = (
        4,
        True,
        "converged: the gradient promises a decrease of {value:.3g} <= {threshold:.3g}, eps^(2/3) of the "
        "fall of f, and Newton's step is small beside x",
    )
    NOISE = (
        5,
        True,
        "converged to rounding error of the gradient: |g|_inf = {value:.3g} is noise, which is up to "
        "{threshold:.3g}",
    )
    MAXITER = (
        10,
        False,
        "iteration limit: nit = {value:.0f} reached maxiter = {threshold:.0f}; raise maxiter, or "
        "continue from res.x{reason}",
    )
    MAXFEV = (
        11,
        False,
        "evaluation limit: nfev = {value:.0f} reached maxfev = {threshold:.0f}; raise maxfev, or "
        "continue from res.x",
    )
    MAXTIME = (12, False, "time limit: {value:.3g} s passed, maxtime = {threshold:.3g} s")
    STALLED = (13, False, "no progress: {reason}")
    SADDLE = (
        14,
        False,
        "a stationary point that is no minimum, f falls beside it: |g|_inf = {value:.3g}, the least "
        "curvature is {threshold:.3g} of the largest",
    )
    FLAT = (
        15,
        False,
        "f = {value:.6g} does not change around x: gradient and Hessian are zero, and nothing shows that it "
        "is a minimum",
    )
    WORSE = (
        16,
        False,
        "the run ended at f = {value:.6g}, but f = {threshold:.6g} was evaluated before; that point is "
        "returned, start again from it",
    )
    RUNAWAY = (
        17,
        False,
        "no minimum was found: f falls less and less, or no longer rises, along {reason}; x runs away",
    )
    NONFINITE_START = (
        20,
        False,
        "f(x0) = {value}: the objective must be finite at the start; choose another x0",
    )
    NONFINITE = (21, False, "{reason}; the best finite point is returned")
    UNBOUNDED = (22, False, "f = {value:.3g} fell below {threshold:.3g}: the objective looks unbounded below")
    EXCEPTION = (23, False, "{reason}")
    CALLBACK = (30, False, "the callback stopped the run (StopIteration)")
    INTERRUPTED = (31, False, "interrupted from the keyboard; the best point so far is returned")

    def __init__(self, number: int, success: bool, template: str):
        self.number = number
        self.success = success
        self.template = template


class Stop(Exception):
    """Raised inside a run to end it; has the status and the numbers of its message.

    A method raises it when no further progress is possible; the objective raises it when an
    evaluation would exceed a limit. The driver catches it and keeps the best point.
    """

    def __init__(
        self, status: Status, value: float = float("nan"), threshold: float = float("nan"), reason: str = ""
    ):
        self.status = status
        self.value = value
        self.threshold = threshold
        self.reason = reason
        self.message = status.template.format(value=value, threshold=threshold, reason=reason)
        super().__init__(self.message)

    def __reduce__(self) -> tuple:
        """How it is copied and pickled: made again from its numbers, since its message is made of them."""
        return type(self), (self.status, self.value, self.threshold, self.reason), vars(self)
