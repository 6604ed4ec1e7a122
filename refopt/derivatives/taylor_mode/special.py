"""Taylor rules for `autograd.scipy`, loaded when a function uses it (its import takes a second).

Special functions of one variable use the differential equation of their derivative; each recurrence stands in
the docstring of its function, u = x + t.
"""

from __future__ import annotations

import math
from typing import Any

import autograd.numpy as anp
import autograd.scipy.integrate as integrate
import autograd.scipy.linalg as slinalg
import autograd.scipy.signal as signal
import autograd.scipy.special as special
import autograd.scipy.stats as stats
import numpy as onp
from autograd.tracer import getval

from .algebra import REFUSED, RULES, Algebra, Series, TaylorError, primitive_name
from .elementary import factorials, integral, logistic_series, two_term
from .families import all_axes, bilinear, by_partials, defined, elementwise, series_of
from .linalg import convolved, minus

# ---------------------------------------------------------------------- linear algebra, convolution


def triangular_definition(
    ans: Any,
    a: Any,
    b: Any,
    trans: Any = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    **_options: Any,
) -> Any:
    """solve with the triangle that is read."""
    a = anp.tril(a, -1 if unit_diagonal else 0) if lower else anp.triu(a, 1 if unit_diagonal else 0)
    if unit_diagonal:
        a = a + onp.eye(anp.shape(a)[0])
    return anp.linalg.solve(a if trans in (0, "N") else anp.transpose(a), b)


def sylvester(algebra: Algebra, a: Any, b: Any, q: Any) -> Any:
    """X of A X + X B = Q for each direction of Q."""
    return algebra.rows(lambda rhs: slinalg.solve_sylvester(a, b, rhs), q)


def sylvester_rule(
    algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]
) -> list[Any]:
    """A X + X B = Q: A_0 X_k + X_k B_0 = Q_k - sum_{j>=1} (A_j X_{k-j} + X_{k-j} B_j)."""
    a, b, q = (series_of(algebra, args, active, n) for n in range(3))
    x = [ans]
    for k in range(1, algebra.order + 1):
        rest = minus(q[k], convolved(algebra, a, x, k, 1, k))
        rest = minus(rest, convolved(algebra, x, b, k, 0, k - 1))
        x.append(None if rest is None else sylvester(algebra, a[0], b[0], rest))
    return x[1:]


def sqrtm_rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
    """X X = A: X_0 X_k + X_k X_0 = A_k - sum_{0<j<k} X_j X_{k-j}."""
    x = [ans]
    for k in range(1, algebra.order + 1):
        rest = minus(active[0][k], convolved(algebra, x, x, k, 1, k - 1))
        x.append(None if rest is None else sylvester(algebra, ans, ans, rest))
    return x[1:]


defined(slinalg.solve_triangular, triangular_definition)
bilinear(signal.convolve, None)
RULES[slinalg.solve_sylvester] = sylvester_rule
RULES[slinalg.sqrtm] = sqrtm_rule
REFUSED[slinalg.solve_banded] = "use autograd.numpy.linalg.solve on the full matrix"
REFUSED[integrate.odeint] = (
    "an adaptive integrator is no smooth function; write a fixed-step integrator in autograd.numpy"
)
REFUSED[stats.multivariate_normal.entropy] = "use 0.5 * slogdet(2 pi e cov)[1]"


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


# ---------------------------------------------------------------------- distributions


def normal_log_tail(x: Any, ratio: Any, p: int, sign: float) -> list[Any]:
    """L = log Phi(sign u): L' = sign r, r = phi/Phi, r' = -sign r (sign u + r)."""
    r = [ratio]
    for k in range(p - 1):
        square = sum(r[i] * r[k - i] for i in range(k + 1))
        r.append(-(x * r[k] + (r[k - 1] if k else 0.0) + sign * square) / (k + 1))
    return [sign * c for c in integral(r)]


def normal_tail(fun: Any, name: str, sign: float) -> None:
    """cdf, sf, logcdf or logsf of the normal distribution, by its standard form."""
    norm = stats.norm
    log = name.startswith("log")

    def local(np: Any, p: int, ans: Any, z: Any) -> list[Any]:
        if log:
            return normal_log_tail(z, anp.exp(norm.logpdf(z) - ans), p, sign)
        w0 = sign * norm.pdf(z)
        return integral(two_term(w0, lambda k, w, v: -(z * w + v) / (k + 1), p))

    def rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
        standard = algebra.trace_all(lambda x, loc=0.0, scale=1.0: (x - loc) / scale, args, active, kwargs)
        with onp.errstate(all="ignore"):
            return algebra.compose(local(algebra.np, algebra.order, ans, standard[0]), standard)

    RULES[fun] = rule


for name, sign in (("cdf", 1.0), ("sf", -1.0), ("logcdf", 1.0), ("logsf", -1.0)):
    normal_tail(getattr(stats.norm, name), name, sign)


def normal_logpdf(ans: Any, x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """-z^2/2 - log scale - log(2 pi)/2"""
    return -0.5 * ((x - loc) / scale) ** 2 - anp.log(scale) - 0.5 * math.log(2 * math.pi)


def t_logpdf(ans: Any, x: Any, df: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """log Gamma((nu+1)/2) - log Gamma(nu/2) - log(nu pi)/2 - log scale - (nu+1)/2 log(1 + z^2/nu)"""
    z = (x - loc) / scale
    return (
        special.gammaln((df + 1.0) / 2)
        - special.gammaln(df / 2.0)
        - 0.5 * anp.log(df * math.pi)
        - anp.log(scale)
        - (df + 1.0) / 2 * anp.log1p(z * z / df)
    )


def t_tail(fun: Any, log: bool) -> None:
    """cdf and logcdf of Student's t, in x, loc and scale."""

    def rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
        if 1 in active:
            raise TaylorError(f"taylor: '{primitive_name(fun)}' of Student's t cannot be expanded in df")
        p, df = algebra.order, args[1]
        rest = (args[0], *args[2:])
        moved = {max(n - 1, 0): s for n, s in active.items()}
        options = {k: v for k, v in kwargs.items() if k != "df"}
        z = algebra.trace_all(lambda x, loc=0.0, scale=1.0: (x - loc) / scale, rest, moved, options)
        u = z[0]
        w = [stats.t.pdf(u, df)]  # (nu + u^2) w' = -(nu + 1) u w
        for k in range(p - 1):
            before = w[k - 1] if k else 0.0
            w.append(-((df + 1.0 + 2.0 * k) * u * w[k] + (df + k) * before) / ((df + u * u) * (k + 1)))
        if log:  # L' Phi = w
            phi = [anp.exp(ans), *integral(w)]
            ratio: list[Any] = []
            for k in range(p):
                ratio.append((w[k] - sum(ratio[i] * phi[k - i] for i in range(k))) / phi[0])
            w = ratio
        return algebra.compose(integral(w), z)

    RULES[fun] = rule


def exponential_of(fun: Any, logarithm: Any) -> None:
    """A density by its logarithm: ans * exp(log f - log f(x))."""

    def rule(algebra: Algebra, ans: Any, args: Any, kwargs: Any, active: dict[int, Series]) -> list[Any]:
        log = algebra.trace_all(lambda *a, **k: logarithm(None, *a, **k), args, active, kwargs)
        d = [ans / f for f in factorials(algebra.order)]
        return algebra.compose(d, log)

    RULES[fun] = rule


def beta_logpdf(ans: Any, x: Any, a: Any, b: Any) -> Any:
    """(a-1) log x + (b-1) log(1-x) - log B(a,b)"""
    return (a - 1.0) * anp.log(x) + (b - 1.0) * anp.log1p(-x) - special.betaln(a, b)


def gamma_logpdf(ans: Any, x: Any, a: Any) -> Any:
    """(a-1) log x - x - log Gamma(a)"""
    return (a - 1.0) * anp.log(x) - x - special.gammaln(a)


def chi2_logpdf(ans: Any, x: Any, df: Any) -> Any:
    """(k/2-1) log x - x/2 - k/2 log 2 - log Gamma(k/2)"""
    return (0.5 * df - 1.0) * anp.log(x) - 0.5 * x - 0.5 * df * math.log(2.0) - special.gammaln(0.5 * df)


def poisson_logpmf(ans: Any, k: Any, mu: Any) -> Any:
    """k log mu - mu - log k!, for constant k"""
    return k * anp.log(mu) - mu - special.gammaln(k + 1.0)


def dirichlet_logpdf(ans: Any, x: Any, alpha: Any) -> Any:
    """sum (alpha-1) log x + log Gamma(sum alpha) - sum log Gamma(alpha)"""
    if anp.shape(x) != anp.shape(alpha):
        raise TaylorError("taylor: 'dirichlet' is expanded for x of the length of alpha")
    return (
        anp.sum((alpha - 1.0) * anp.log(x))
        + special.gammaln(anp.sum(alpha))
        - anp.sum(special.gammaln(alpha))
    )


def multivariate_normal_logpdf(ans: Any, x: Any, mean: Any, cov: Any, allow_singular: bool = False) -> Any:
    """-(x-m)^T C^-1 (x-m)/2 - log det(2 pi C)/2, for one point or rows of points"""
    if allow_singular or anp.ndim(cov) != 2 or anp.ndim(x) not in (1, 2):
        raise TaylorError(
            "taylor: 'multivariate_normal' is expanded for x of shape (d,) or (m, d), cov of shape (d, d) "
            "and allow_singular=False"
        )
    gap = x - mean
    rows = anp.reshape(gap, (-1, anp.shape(cov)[0]))
    solved = anp.transpose(anp.linalg.solve(cov, anp.transpose(rows)))
    log = -0.5 * anp.sum(rows * solved, axis=1) - 0.5 * (
        anp.linalg.slogdet(cov)[1] + anp.shape(cov)[0] * math.log(2 * math.pi)
    )
    return log[0] if anp.ndim(gap) == 1 else log


for family, logarithm in (
    (stats.norm, normal_logpdf),
    (stats.t, t_logpdf),
    (stats.beta, beta_logpdf),
    (stats.gamma, gamma_logpdf),
    (stats.chi2, chi2_logpdf),
    (stats.dirichlet, dirichlet_logpdf),
    (stats.multivariate_normal, multivariate_normal_logpdf),
):
    defined(family.logpdf, logarithm)
    exponential_of(family.pdf, logarithm)
t_tail(stats.t.cdf, False)
t_tail(stats.t.logcdf, True)
defined(stats.poisson.logpmf, poisson_logpmf)
exponential_of(stats.poisson.pmf, poisson_logpmf)
by_partials(stats.poisson.cdf, None, lambda ans, k, mu: -stats.poisson.pmf(onp.floor(k), mu))
elementwise(stats.gamma.cdf, lambda np, p, y, x, a: gammainc_series(a, x, p, 1.0))
elementwise(
    stats.chi2.cdf,
    lambda np, p, y, x, df: [c / 2.0**j for j, c in enumerate(gammainc_series(0.5 * df, 0.5 * x, p, 1.0), 1)],
)
elementwise(stats.beta.cdf, lambda np, p, y, x, a, b: betainc_series(a, b, x, p))
