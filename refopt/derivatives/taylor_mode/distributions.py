"""Taylor rules of `autograd.scipy.stats`: densities, distribution functions and their logarithms."""

from __future__ import annotations

import math
from typing import Any

import autograd.numpy as anp
import autograd.scipy.special as special
import autograd.scipy.stats as stats
import numpy as onp

from .algebra import REFUSED, RULES, Algebra, Series, TaylorError, primitive_name
from .families import by_partials, defined, elementwise, factorials, integral, two_term
from .special import betainc_series, gammainc_series


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
REFUSED[stats.multivariate_normal.entropy] = "use 0.5 * slogdet(2 pi e cov)[1]"
