"""The elementwise formulas, and a comparison of two implementations: to the bit, on vectors of every kind."""

from __future__ import annotations

import itertools

import numpy as np

from refopt.algorithms.coordinate_momentum import coordinate_momentum
from refopt.algorithms.cubic_adam import MODES, cubic_adam
from refopt.algorithms.reduce_outward_lr import reduce_outward
from refopt.kernels import compiled
from refopt.parts.adam import adam
from refopt.parts.momentum import ema, heavy_ball

DTYPES = (np.float64, np.float32)

# The two perform the same correctly rounded operations in the same order, so nothing is lost. (A compiler
# that fused a product and a sum would differ in the last bits, and fail here.)
MOST_ULPS = 0

FORMULAS = {f.__name__: f for f in (adam, coordinate_momentum, cubic_adam, ema, heavy_ball, reduce_outward)}
STATES = {
    "coordinate_momentum": ("v",),
    "heavy_ball": ("v",),
    "ema": ("m",),
    "adam": ("m1", "m2"),
    "cubic_adam": ("m1", "m2", "m3"),
    "reduce_outward": (),
}


def ulps(a, b):
    """How many floating-point numbers apart; for NaN or inf against another: no end."""
    integer = {8: np.int64, 4: np.int32}[a.dtype.itemsize]
    ordered = []
    for v in (a, b):
        bits = v.view(integer).astype(object)  # Python integers: distances do not overflow
        ordered.append(np.where(bits < 0, -(bits + (1 << (8 * a.dtype.itemsize - 1))), bits))
    distance = abs(ordered[0] - ordered[1])
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    wild = ~np.isfinite(a) | ~np.isfinite(b)
    return np.where(same, 0, np.where(wild, np.iinfo(np.int64).max, distance))


def assert_same(a, b, most=MOST_ULPS, note=""):
    assert a.dtype == b.dtype and a.shape == b.shape, (a.dtype, b.dtype, a.shape, b.shape, note)
    distance = ulps(a, b)
    if a.size and distance.max() > most:
        i = int(np.argmax(distance))
        raise AssertionError(f"{distance[i]} ulps apart at [{i}]: {a[i]!r} and {b[i]!r} {note}")


def special(dtype):
    f = np.finfo(dtype)
    positive = [
        f.smallest_subnormal, 37 * f.smallest_subnormal, f.tiny / 2, f.tiny, f.tiny ** 0.5, f.tiny ** (1 / 3),
        f.tiny ** 0.25, 1e-9, 0.3, 1.0, 2.5, 1e6, f.max ** 0.25, f.max ** (1 / 3) / 2, f.max ** (1 / 3) * 2,
        f.max ** 0.5 / 2, f.max ** 0.5 * 2, f.max / 4, f.max,
    ]  # fmt: skip
    return np.array([0.0, -0.0, np.inf, -np.inf, np.nan, *positive, *[-v for v in positive]], dtype)


def vectors(rng, dtype, n, kind, count):
    """Random vectors, of ordinary numbers, of all magnitudes, or of special values and ordinary numbers."""
    shape = (count, n)
    if kind == "ordinary":
        values = rng.normal(size=shape)
    elif kind == "wide":
        f = np.finfo(dtype)
        values = rng.normal(size=shape) * 2.0 ** rng.integers(f.minexp - f.nmant, f.maxexp - 4, shape)
    else:
        values = np.where(rng.random(shape) < 0.7, rng.choice(special(dtype), shape), rng.normal(size=shape))
    return list(values.astype(dtype))


BETAS = [(0.9, 0.99, 0.99), (0.5, 0.3, 0.2), (0.0, 0.0, 0.0)]
HYPER = {
    "reduce_outward": [
        {"mul": m, "invert": i} for m, i in itertools.product((0.5, 0.0, 1e300), (False, True))
    ],
    "coordinate_momentum": [{}],
    "heavy_ball": [
        {"momentum": m, "dampening": d, "nesterov": n}
        for m, d, n in itertools.product((0.9, 0.0), (0.0, 0.1), (False, True))
    ],
    "ema": [{"beta": b, "debiased": d} for b, d in itertools.product((0.9, 0.0), (False, True))],
    "adam": [
        {"beta1": b[0], "beta2": b[1], "eps": e, "debiased": d}
        for b, (e, d) in itertools.product(BETAS, ((1e-8, True), (0.0, True), (0.0, False)))
    ],
    "cubic_adam": [
        {"beta1": b[0], "beta2": b[1], "beta3": b[2], "eps": e, "debiased": d, "alpha": a, "mode": m}
        for (b, m), (e, d, a) in itertools.product(
            itertools.product(BETAS, MODES), ((1e-8, True, 1.0), (0.0, False, 0.7))
        )
    ],
}


def call(function, name, u, states, rest, t, hyper):
    """One step of a formula or a twin; the arrays of the state change in place."""
    if name in ("adam", "cubic_adam", "ema"):
        hyper = {**hyper, "t": t}
    return function(u, **dict(zip(STATES[name], states, strict=True)), **rest, **hyper)


def rest_of(name, rng, x, c):
    """The other arrays that the formula reads."""
    if name == "reduce_outward":
        return {"x": x, "c": c}
    return {"mask": rng.random(x.size) < 0.3} if name == "coordinate_momentum" else {}


def compare(name, dtype, n, kind, seed, steps=3, second=compiled):
    """Three steps by the formula and by its namesake in `second`, with every set of hyperparameters."""
    rng = np.random.default_rng(seed)
    for hyper in HYPER[name]:
        note = f"({name}, {dtype.__name__}, n={n}, {kind}, seed={seed}, {hyper})"
        states = vectors(rng, dtype, n, kind, len(STATES[name]))
        if name in ("adam", "cubic_adam"):
            states[1] = abs(states[1])
        other = [s.copy() for s in states]
        for t in range(1, steps + 1):
            u, x, c = vectors(rng, dtype, n, kind, 3)
            rest = rest_of(name, rng, x, c)
            read = (u, *rest.values())
            for v in read:
                v.flags.writeable = False  # a write to an input would raise in NumPy ...
            before = [v.copy() for v in read]
            a = call(FORMULAS[name], name, u, states, rest, t, hyper)
            b = call(getattr(second, name), name, u, other, rest, t, hyper)
            assert_same(a, b, note=f"{note} step {t}")
            for p, q in zip(states, other, strict=True):
                assert_same(p, q, note=f"{note} state after step {t}")
            for v, w in zip(read, before, strict=True):
                assert v.tobytes() == w.tobytes(), note  # ... and would show here in compiled code
