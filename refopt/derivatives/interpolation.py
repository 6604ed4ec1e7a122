"""Derivatives from Taylor coefficients along lattice directions: the exact rational combinations.

    d^i f = sum_j gamma_ij c_k(j),
    gamma_ij = sum_{0 < m <= i} (-1)^|i-m| binom(i, m) binom(p m/|m|, j) (|m|/p)^k        (|i| = k)

Source: A. Griewank, J. Utke, A. Walther, Math. Comp. 69 (2000) 1117-1130, eq. (3.3); see
`refopt.derivatives.tensors`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache, wraps
from typing import Any

import numpy as np

__all__ = ["gathered", "interpolate", "lattice", "multisets", "rank", "symmetric"]


def gathered(n: int, p: int) -> int:
    """Number of coefficients that the interpolation of order p combines."""
    return sum(
        math.comb(n, m) * math.comb(p - 1, m - 1) * math.comb(m + p - 1, p) for m in range(1, min(n, p) + 1)
    )


def lattice(tuples: np.ndarray, n: int) -> np.ndarray:
    """Multisets of variables as vectors of multiplicities."""
    directions = np.zeros((len(tuples), n))
    for column in tuples.T:
        directions[np.arange(len(tuples)), column] += 1.0
    return directions


def cached(size: Callable[..., int], limit: int = 10**6) -> Callable[[Callable], Callable]:
    """Keep the last results of a function of integers, but none with more than `limit` elements."""

    def decorate(function: Callable) -> Callable:
        kept = lru_cache(maxsize=16)(function)

        @wraps(function)
        def call(*args: int) -> Any:
            return (kept if size(*args) <= limit else function)(*args)

        return call

    return decorate


@cached(lambda n, p: p * math.comb(n + p - 1, p))
def multisets(n: int, p: int) -> np.ndarray:
    """All nondecreasing p-tuples of variables, shape (C(n+p-1, p), p), ordered by their `rank`."""
    tuples = np.zeros((1, 0), dtype=np.int64)
    for _ in range(p):  # the last member varies slowest: append v to all tuples with no member above v
        counts = [math.comb(v + tuples.shape[1], tuples.shape[1]) for v in range(n)]
        tuples = np.concatenate([np.column_stack([tuples[:c], np.full(c, v)]) for v, c in enumerate(counts)])
    return tuples


def rank(members: list[np.ndarray], n: int) -> np.ndarray:
    """Number of a nondecreasing tuple: sum_l C(i_l + l - 1, l), l = 1..p."""
    total: Any = 0
    for l, i in enumerate(members, 1):
        total = total + np.array([math.comb(v + l - 1, l) for v in range(n)])[i]
    return total


@lru_cache(maxsize=64)
def gamma(i: tuple[int, ...], p: int) -> tuple[tuple[tuple[int, ...], ...], np.ndarray]:
    """The directions j with |j| = p on the support of i and their exact coefficients gamma_ij, as floats."""
    k = sum(i)
    js = [j for j in itertools.product(range(p + 1), repeat=len(i)) if sum(j) == p]
    coefficients = []
    for j in js:
        total = Fraction(0)
        for m in itertools.product(*(range(a + 1) for a in i)):
            size = sum(m)
            if size == 0:
                continue
            term = Fraction(size, p) ** k * (-1) ** (k - size)
            for a, b, c in zip(i, m, j, strict=True):
                term *= math.comb(a, b) * binomial(Fraction(p * b, size), c)
            total += term
        coefficients.append(float(total))
    return tuple(js), np.array(coefficients)


def binomial(z: Fraction, j: int) -> Fraction:
    """Generalised binomial coefficient of a rational number."""
    value = Fraction(1)
    for l in range(j):
        value *= (z - l) / (l + 1)
    return value


@cached(lambda n, p, k: gathered(n, p))
def plan(n: int, p: int, k: int) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]:
    """For each pattern of multiplicities: (ranks of those derivatives, the directions used, gamma)."""
    steps = []
    for m in range(1, min(k, n) + 1):
        support = np.array(list(itertools.combinations(range(n), m)), dtype=np.int64)
        for i in itertools.product(range(1, k + 1), repeat=m):
            if sum(i) != k:
                continue
            js, weights = gamma(i, p)
            used = np.stack([rank([support[:, a] for a in spelled(j)], n) for j in js], axis=1)
            steps.append((rank([support[:, a] for a in spelled(i)], n), used, weights))
    return tuple(steps)


def spelled(i: tuple[int, ...]) -> list[int]:
    """(2, 0, 1) -> [0, 0, 2]."""
    return [a for a, times in enumerate(i) for _ in range(times)]


def interpolate(c: np.ndarray, n: int, p: int, k: int, w: np.ndarray) -> np.ndarray:
    """Derivatives of order k by rank, (C(n+k-1, k), ...), from the k-th coefficients along the lattice."""
    out = np.empty((math.comb(n + k - 1, k), *c.shape[1:]), dtype=c.dtype)
    for ranks, used, weights in plan(n, p, k):
        out[ranks] = np.tensordot(c[used], weights, axes=((1,), (0,)))
    length = np.prod(w[multisets(n, k)], axis=1)
    return (out / length.reshape(-1, *(1,) * (c.ndim - 1))).astype(c.dtype)


@cached(lambda n, k: n**k)
def positions(n: int, k: int) -> np.ndarray:
    """Rank of every element of a symmetric tensor, shape (n,)*k."""
    members = np.sort(np.indices((n,) * k).reshape(k, -1), axis=0)
    return rank(list(members), n).reshape((n,) * k)


def symmetric(unique: np.ndarray, n: int, k: int) -> np.ndarray:
    """The full symmetric tensor from its distinct elements."""
    return unique[positions(n, k)]
