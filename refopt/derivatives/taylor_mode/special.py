"""Taylor rules of `autograd.scipy.special`.

A function of one variable is expanded by a differential equation of its derivative; the equation stands in
the docstring of each local series, with u = x + t.
"""

from __future__ import annotations

import math
from typing import Any

import autograd.numpy as anp
import autograd.scipy.special as special
import numpy as onp
from autograd.tracer import getval

from .algebra import RULES, TaylorError
from .elementary import logistic_series
from .families import all_axes, by_partials, defined, elementwise, factorials, integral, two_term

# ---------------------------------------------------------------------- gamma and its family


def polygammas(n: Any, x: Any, p: int) -> list[Any]:
    """psi^(n+j)(x) / j! for j = 1..p."""
    return [special.polygamma(n + j, x) / f for j, f in enumerate(factorials(p), 1)]


def gamma_series(x: Any, value: Any, p: int, sign: float) -> list[Any]:
    """g' = sign psi g for g = Gamma (sign 1) and 1/Gamma (sign -1)."""
    psi = [special.psi(x), *polygammas(0, x, p)]
    g = [value]
    for k in range(p):
        g.append(sign * sum(g[i] * psi[k - i] for i in range(k + 1)) / (k + 1))
    return g[1:]


def gammainc_series(a: Any, x: Any, p: int, sign: float) -> list[Any]:
    """w = u^(a-1) e^-u / Gamma(a), u w' = (a - 1 - u) w."""
    w0 = sign * anp.exp((a - 1.0) * anp.log(x) - x - special.gammaln(a))
    return integral(two_term(w0, lambda k, w, v: ((a - 1.0 - x - k) * w - v) / (x * (k + 1)), p))


def betainc_series(a: Any, b: Any, x: Any, p: int) -> list[Any]:
    """w = u^(a-1) (1-u)^(b-1) / B(a,b), u (1-u) w' = (a - 1 - (a+b-2) u) w."""
    w0 = anp.exp((a - 1.0) * anp.log(x) + (b - 1.0) * anp.log1p(-x) - special.betaln(a, b))

    def step(k: int, w: Any, v: Any) -> Any:
        return ((a - 1.0 - (a + b - 2.0) * x - k * (1.0 - 2.0 * x)) * w + (k - 1.0 - (a + b - 2.0)) * v) / (
            x * (1.0 - x) * (k + 1)
        )

    return integral(two_term(w0, step, p))


elementwise(special.gamma, lambda np, p, y, x: gamma_series(x, y, p, 1.0))
elementwise(special.rgamma, lambda np, p, y, x: gamma_series(x, y, p, -1.0))
elementwise(
    special.gammaln,
    lambda np, p, y, x: [special.psi(x), *(c / j for j, c in enumerate(polygammas(0, x, p - 1), 2))][:p],
)
for fun in (special.psi, special.digamma):
    elementwise(fun, lambda np, p, y, x: polygammas(0, x, p))
elementwise(special.polygamma, lambda np, p, y, n, x: polygammas(n, x, p), argnum=1)
elementwise(special.gammainc, lambda np, p, y, a, x: gammainc_series(a, x, p, 1.0), argnum=1)
elementwise(special.gammaincc, lambda np, p, y, a, x: gammainc_series(a, x, p, -1.0), argnum=1)
elementwise(special.betainc, lambda np, p, y, a, b, x: betainc_series(a, b, x, p), argnum=2)
defined(special.multigammaln, lambda ans, a, d: sum(special.gammaln(a - 0.5 * i) for i in range(int(d))))
by_partials(
    special.betaln,
    lambda ans, a, b: special.psi(a) - special.psi(a + b),
    lambda ans, a, b: special.psi(b) - special.psi(a + b),
)
by_partials(
    special.beta,
    lambda ans, a, b: special.beta(a, b) * (special.psi(a) - special.psi(a + b)),
    lambda ans, a, b: special.beta(a, b) * (special.psi(b) - special.psi(a + b)),
)
RULES[special.gammasgn] = lambda algebra, ans, args, kwargs, active: [None] * algebra.order


# ---------------------------------------------------------------------- Bessel functions


def bessel_series(order: Any, function: Any, x: Any, p: int, sign: float) -> list[Any]:
    """f_n' = (f_{n-1} + sign f_{n+1}) / 2, so d_j = sum_i binom(j, i) sign^i f_{n-j+2i} / (2^j j!)."""
    return [
        sum(math.comb(j, i) * sign**i * function(order - j + 2 * i, x) for i in range(j + 1)) / (2.0**j * f)
        for j, f in enumerate(factorials(p), 1)
    ]


def scaled_bessel(v: Any, x: Any, value: Any, p: int) -> list[Any]:
    """ive = I_v e^-|x|: the series of I_v, scaled by e^-|x|, times that of e^-|t|."""
    sign = onp.sign(getval(x))
    bessel = [value, *bessel_series(v, special.ive, x, p, 1.0)]
    decay = [(-sign) ** j / math.factorial(j) for j in range(p + 1)]
    return [sum(bessel[i] * decay[k - i] for i in range(k + 1)) for k in range(1, p + 1)]


elementwise(special.j0, lambda np, p, y, x: bessel_series(0, special.jn, x, p, -1.0))
elementwise(special.j1, lambda np, p, y, x: bessel_series(1, special.jn, x, p, -1.0))
elementwise(special.y0, lambda np, p, y, x: bessel_series(0, special.yn, x, p, -1.0))
elementwise(special.y1, lambda np, p, y, x: bessel_series(1, special.yn, x, p, -1.0))
elementwise(special.i0, lambda np, p, y, x: bessel_series(0, special.iv, x, p, 1.0))
elementwise(special.i1, lambda np, p, y, x: bessel_series(1, special.iv, x, p, 1.0))
elementwise(special.jn, lambda np, p, y, n, x: bessel_series(n, special.jn, x, p, -1.0), argnum=1)
elementwise(special.yn, lambda np, p, y, n, x: bessel_series(n, special.yn, x, p, -1.0), argnum=1)
elementwise(special.iv, lambda np, p, y, n, x: bessel_series(n, special.iv, x, p, 1.0), argnum=1)
elementwise(special.ive, lambda np, p, y, n, x: scaled_bessel(n, x, y, p), argnum=1)


# ---------------------------------------------------------------------- error function, logistic function


def gaussian(w0: Any, x: Any, p: int) -> list[Any]:
    """Integral of w = w_0 exp(-(u^2 - x^2)), w' = -2 u w."""
    return integral(two_term(w0, lambda k, w, v: -2.0 * (x * w + v) / (k + 1), p))


def inverse_error(y: Any, p: int, c: float) -> list[Any]:
    """y' = e, e = c exp(y^2), e' = 2 y y' e = 2 y e^2."""
    ys, e = [y], [c * anp.exp(y * y)]
    for k in range(p):
        ys.append(e[k] / (k + 1))
        square = [sum(e[i] * e[j - i] for i in range(j + 1)) for j in range(k + 1)]
        e.append(2.0 * sum(ys[i] * square[k - i] for i in range(k + 1)) / (k + 1))
    return ys[1 : p + 1]


elementwise(special.erf, lambda np, p, y, x: gaussian(2.0 / math.sqrt(math.pi) * np.exp(-x * x), x, p))
elementwise(special.erfc, lambda np, p, y, x: gaussian(-2.0 / math.sqrt(math.pi) * np.exp(-x * x), x, p))
elementwise(special.erfinv, lambda np, p, y, x: inverse_error(y, p, math.sqrt(math.pi) / 2))
elementwise(special.erfcinv, lambda np, p, y, x: inverse_error(y, p, -math.sqrt(math.pi) / 2))
elementwise(special.expit, logistic_series)
elementwise(
    special.logit,
    lambda np, p, y, x: [((-1.0) ** (j - 1) / x**j + 1.0 / (1.0 - x) ** j) / j for j in range(1, p + 1)],
)


def logsumexp_definition(
    ans: Any, x: Any, axis: Any = None, b: Any = 1.0, keepdims: bool = False, return_sign: bool = False
) -> Any:
    """log(sum(b exp(x - m))) + m with m the result itself, so that the sum is one."""
    if return_sign:
        raise TaylorError("taylor: 'logsumexp' with return_sign=True has no Taylor rule")
    axes = all_axes(axis, x)
    level = (
        ans
        if keepdims
        else anp.reshape(ans, [1 if i - anp.ndim(x) in axes else n for i, n in enumerate(anp.shape(x))])
    )
    level = anp.where(onp.isfinite(getval(level)), level, anp.zeros(anp.shape(level)))
    return anp.log(anp.sum(b * anp.exp(x - level), axis=axes, keepdims=keepdims))


defined(special.logsumexp, logsumexp_definition)
