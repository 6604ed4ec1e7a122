"""The 27 regression models of NIST StRD, one line each: `name: lambda x, b1, b2, ...: predicted response`.

`x` is the column of predictor values, shape (m,) (for Nelson the pair of columns `x1, x2`), each parameter a
slice of shape (1,). A power with a parameter in its exponent is written `exp(exponent * log(base))`, which
has simpler derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autograd.numpy import arctan, cos, exp, log, pi, sin

__all__ = ["MODELS"]


def three_exponentials(x, b1, b2, b3, b4, b5, b6):
    """Lanczos."""
    return b1 * exp(-b2 * x) + b3 * exp(-b4 * x) + b5 * exp(-b6 * x)


def decay_and_two_bells(x, b1, b2, b3, b4, b5, b6, b7, b8):
    """Gauss."""
    return b1 * exp(-b2 * x) + b3 * exp(-((x - b4) ** 2) / b5**2) + b6 * exp(-((x - b7) ** 2) / b8**2)


def cycles(x, b1, b2, b3, b4, b5, b6, b7, b8, b9):
    """ENSO: a yearly cycle and two of unknown periods b4 and b7."""
    year, second, third = 2 * pi * x / 12, 2 * pi * x / b4, 2 * pi * x / b7
    return (
        b1
        + b2 * cos(year)
        + b3 * sin(year)
        + b5 * cos(second)
        + b6 * sin(second)
        + b8 * cos(third)
        + b9 * sin(third)
    )


def cubic_by_cubic(x, b1, b2, b3, b4, b5, b6, b7):
    """Hahn, Thurber."""
    return (b1 + x * (b2 + x * (b3 + x * b4))) / (1 + x * (b5 + x * (b6 + x * b7)))


MODELS: dict[str, Callable[..., Any]] = {
    "Bennett5": lambda x, b1, b2, b3: b1 * exp(-log(b2 + x) / b3),
    "BoxBOD": lambda x, b1, b2: b1 * (1 - exp(-b2 * x)),
    "Chwirut1": lambda x, b1, b2, b3: exp(-b1 * x) / (b2 + b3 * x),
    "Chwirut2": lambda x, b1, b2, b3: exp(-b1 * x) / (b2 + b3 * x),
    "DanWood": lambda x, b1, b2: b1 * exp(b2 * log(x)),
    "ENSO": cycles,
    "Eckerle4": lambda x, b1, b2, b3: b1 / b2 * exp(-0.5 * ((x - b3) / b2) ** 2),
    "Gauss1": decay_and_two_bells,
    "Gauss2": decay_and_two_bells,
    "Gauss3": decay_and_two_bells,
    "Hahn1": cubic_by_cubic,
    "Kirby2": lambda x, b1, b2, b3, b4, b5: (b1 + x * (b2 + x * b3)) / (1 + x * (b4 + x * b5)),
    "Lanczos1": three_exponentials,
    "Lanczos2": three_exponentials,
    "Lanczos3": three_exponentials,
    "MGH09": lambda x, b1, b2, b3, b4: b1 * (x**2 + x * b2) / (x**2 + x * b3 + b4),
    "MGH10": lambda x, b1, b2, b3: b1 * exp(b2 / (x + b3)),
    "MGH17": lambda x, b1, b2, b3, b4, b5: b1 + b2 * exp(-x * b4) + b3 * exp(-x * b5),
    "Misra1a": lambda x, b1, b2: b1 * (1 - exp(-b2 * x)),
    "Misra1b": lambda x, b1, b2: b1 * (1 - (1 + b2 * x / 2) ** -2.0),
    "Misra1c": lambda x, b1, b2: b1 * (1 - (1 + 2 * b2 * x) ** -0.5),
    "Misra1d": lambda x, b1, b2: b1 * b2 * x / (1 + b2 * x),
    "Nelson": lambda x1, x2, b1, b2, b3: b1 - b2 * x1 * exp(-b3 * x2),  # of log(y)
    "Rat42": lambda x, b1, b2, b3: b1 / (1 + exp(b2 - b3 * x)),
    "Rat43": lambda x, b1, b2, b3, b4: b1 * exp(-log(1 + exp(b2 - b3 * x)) / b4),
    "Roszman1": lambda x, b1, b2, b3, b4: b1 - b2 * x - arctan(b3 / (x - b4)) / pi,
    "Thurber": cubic_by_cubic,
}
