"""The elementwise kernels: compiled against definition, both against independent computations."""

import inspect
import itertools
import subprocess
import sys
import tracemalloc

import mpmath
import numpy as np
import pytest

from refopt import kernels
from refopt.kernels import compiled, definition

DTYPES = (np.float64, np.float32)
SIZES = (0, 1, 2, 7, 64, 1001)

# The two perform the same correctly rounded operations in the same order, so nothing is lost. (A compiler
# that fused a product and a sum would differ in the last bits, and fail here.)
MOST_ULPS = 0


# ------------------------------------------------------------------------------------------- the comparison


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


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_comparison_counts_floating_point_numbers(dtype):
    tiny = np.finfo(dtype).smallest_subnormal
    a = np.array([1, -1, 0.0, -tiny, np.nan, np.inf, 3], dtype)
    assert ulps(a, a.copy()).max() == 0
    assert list(ulps(np.array([0.0, tiny], dtype), np.array([-0.0, -tiny], dtype))) == [0, 2]
    up = np.nextafter(np.nextafter(np.nextafter(a[:2], dtype(9)), dtype(9)), dtype(9))
    assert list(ulps(a[:2], up)) == [3, 3]
    with pytest.raises(AssertionError, match=r"3 ulps apart at \[0\]"):
        assert_same(a[:2], up, most=2)
    big = np.finfo(dtype).max
    for wrong in (np.array([np.nan], dtype), np.array([np.inf], dtype), np.array([-big], dtype)):
        with pytest.raises(AssertionError, match="ulps apart"):
            assert_same(np.array([big], dtype), wrong, most=2)
    with pytest.raises(AssertionError):
        assert_same(a, a.astype(np.float32 if dtype is np.float64 else np.float64))


# ---------------------------------------------------------------------------------- compiled and definition


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
    "cbrt": [{}],
    "reduce_outward": [
        {"mul": m, "invert": i} for m, i in itertools.product((0.5, 0.0, 1e300), (False, True))
    ],
    "coordinate_momentum": [{}],
    "heavy_ball": [
        {"momentum": m, "dampening": d, "nesterov": n}
        for m, d, n in itertools.product((0.9, 0.0), (0.0, 0.1), (False, True))
    ],
    "ema": [{"beta": b, "debiased": d} for b, d in itertools.product((0.9, 0.0), (False, True))],
    "adam": [{"beta1": b[0], "beta2": b[1], "eps": e} for b, e in itertools.product(BETAS, (1e-8, 0.0))],
    "cubic_adam": [
        {"beta1": b[0], "beta2": b[1], "beta3": b[2], "eps": e, "debiased": d, "alpha": a, "mode": m}
        for (b, m), (e, d, a) in itertools.product(
            itertools.product(BETAS, definition.MODES), ((1e-8, True, 1.0), (0.0, False, 0.7))
        )
    ],
}
STATES = {"coordinate_momentum": 1, "heavy_ball": 1, "ema": 1, "adam": 2, "cubic_adam": 3}
UPDATE_FIRST = ("reduce_outward", "adam", "cubic_adam", "cbrt")


def call(module, name, u, states, rest, t, hyper, out=None):
    """One step of a kernel, whatever the order of its arrays."""
    arrays = [u, *states, *rest] if name in UPDATE_FIRST else [*states, u, *rest]
    if "beta1" in hyper or name == "ema":
        hyper = {**hyper, "t": t}
    return getattr(module, name)(*arrays, **hyper, out=out)


def compare(name, dtype, n, kind, seed, steps=3, second=compiled):
    rng = np.random.default_rng(seed)
    for hyper in HYPER[name]:
        note = f"({name}, {dtype.__name__}, n={n}, {kind}, seed={seed}, {hyper})"
        states = vectors(rng, dtype, n, kind, STATES.get(name, 0))
        if name in ("adam", "cubic_adam"):
            states[1] = abs(states[1])
        other = [s.copy() for s in states]
        for t in range(1, steps + 1):
            u, x, c = vectors(rng, dtype, n, kind, 3)
            rest = {"reduce_outward": [x, c], "coordinate_momentum": [rng.random(n) < 0.3]}.get(name, [])
            for read in (u, *rest):
                read.flags.writeable = False  # a write to an input would raise in NumPy ...
            before = [v.copy() for v in (u, *rest)]
            a = call(definition, name, u, states, rest, t, hyper)
            out = np.full(n, 7, dtype)
            b = call(second, name, u, other, rest, t, hyper, out=out)
            assert b is out, note
            assert_same(a, b, note=f"{note} step {t}")
            for p, q in zip(states, other, strict=True):
                assert_same(p, q, note=f"{note} state after step {t}")
            for v, w in zip((u, *rest), before, strict=True):
                assert v.tobytes() == w.tobytes(), note  # ... and would show here in compiled code


@pytest.mark.parametrize("kind", ["ordinary", "wide", "special"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", kernels.NAMES)
def test_compiled_equals_definition(name, dtype, kind):
    for n in SIZES:
        compare(name, dtype, n, kind, seed=n + 1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_compiled_equals_definition_on_every_pair_of_special_averages(dtype):
    values = special(dtype)
    m1, m2, m3 = (v.ravel() for v in np.meshgrid(values, values, values))
    m2 = abs(m2)
    u = np.zeros_like(m1)
    for mode, eps in itertools.product(definition.MODES, (1e-8, 0.0)):
        args = (2, 1.0, 1.0, 1.0, eps, False, 1.0, mode)
        a = definition.cubic_adam(u, m1.copy(), m2.copy(), m3.copy(), *args)
        b = compiled.cubic_adam(u, m1.copy(), m2.copy(), m3.copy(), *args)
        assert_same(a, b, note=f"({mode}, eps={eps})")


def test_a_planted_difference_is_caught():
    class Planted:
        """One unit in the last place of one coordinate, in the result of one kernel, the state of another."""

        @staticmethod
        def adam(u, m1, m2, t, beta1, beta2, eps, out):
            compiled.adam(u, m1, m2, t, beta1, beta2, eps, out=out)
            out[17] = np.nextafter(out[17], np.inf)
            return out

        @staticmethod
        def ema(m, u, t, beta, debiased, out):
            compiled.ema(m, u, t, beta, debiased, out=out)
            m[-1] = np.nextafter(m[-1], np.inf)
            return out

    compare("adam", np.float64, 1001, "ordinary", seed=5)
    for name in ("adam", "ema"):
        with pytest.raises(AssertionError, match="1 ulps apart"):
            compare(name, np.float64, 1001, "ordinary", seed=5, second=Planted)


def test_signatures_and_names_are_the_same():
    for name in kernels.NAMES:
        first, second = getattr(definition, name), getattr(compiled, name)
        assert inspect.signature(first) == inspect.signature(second)
        assert second.__doc__ == first.__doc__ and first.__doc__


@pytest.mark.parametrize("n", [1, 63, 64, 130, 5001])
def test_threads_cover_everything_once(monkeypatch, n):
    monkeypatch.setattr(compiled, "THREADS_FROM", 0)
    monkeypatch.setattr(compiled, "CHUNK", 64)
    monkeypatch.setattr(compiled.numba.config, "NUMBA_NUM_THREADS", 3)
    for name in kernels.NAMES:
        compare(name, np.float64, n, "wide", seed=3)


def test_no_directory_for_the_cache_is_no_reason_to_fail(monkeypatch):
    jit, asked = compiled.numba.jit, []

    def jit_without_cache(signature, **options):
        asked.append(options.get("cache", False))
        if options.get("cache"):
            raise RuntimeError("cannot cache function '_loop_ema': no locator available")
        return jit(signature, **options)

    monkeypatch.setattr(compiled.numba, "jit", jit_without_cache)
    machine = compiled._compile.__wrapped__(compiled._loop_cbrt, "rw", np.dtype(np.float64))
    out = np.zeros(1)
    machine(np.array([8.0]), out)
    assert out[0] == 2 and asked == [True, False]


def test_arrays_the_loops_do_not_serve_go_to_the_definition():
    rng = np.random.default_rng(0)
    wide = rng.normal(size=20)
    for u in (wide[::2], wide[:10].astype(np.longdouble)):
        m, k = np.zeros(10, u.dtype), np.zeros(10, u.dtype)
        assert np.array_equal(compiled.ema(m, u, 1, 0.9), definition.ema(k, u, 1, 0.9))
        assert np.array_equal(m, k) and m.any()
    m, k = np.zeros(20)[::2], np.zeros(10)
    assert np.array_equal(compiled.ema(m, wide[:10], 1, 0.9), definition.ema(k, wide[:10], 1, 0.9))
    assert np.array_equal(m, k) and m.any()
    overlapping = rng.normal(size=12)
    expected = definition.reduce_outward(overlapping[2:], overlapping[:-2], overlapping[2:], 0.5)
    compiled.reduce_outward(overlapping[2:], overlapping[:-2], overlapping[2:], 0.5, out=overlapping[2:])
    assert np.array_equal(overlapping[2:], expected)
    for module in (definition, compiled):
        with pytest.raises(ValueError, match="broadcast"):
            module.ema(np.zeros(5), np.zeros(4), 1, 0.9)


@pytest.mark.parametrize("module", [definition, compiled])
def test_the_result_shares_nothing_with_the_state(module):
    v, u = np.ones(3), np.full(3, 2.0)
    for result in (
        module.heavy_ball(v, u, 0.9),
        module.coordinate_momentum(v, u, np.array([True, False, True])),
        module.ema(v, u, 1, 0.9, debiased=False),
    ):
        assert not np.may_share_memory(result, v) and not np.may_share_memory(result, u)


def test_float32_is_kept_when_the_hyperparameters_are_float64_scalars():
    u, m = np.ones(4, np.float32), np.zeros((3, 4), np.float32)
    beta = np.float64(0.9)
    for module in (definition, compiled):
        assert module.cubic_adam(u, *m, 1, beta, beta, beta, beta, True, beta).dtype == np.float32
        assert module.adam(u, *m[:2], 1, beta, beta, beta).dtype == np.float32
        assert module.reduce_outward(u, u, u, beta).dtype == np.float32
        assert module.heavy_ball(m[0], u, beta, beta, True).dtype == np.float32
        assert module.ema(m[0], u, 2, beta).dtype == np.float32


def test_a_step_allocates_one_vector():
    n = 300_000
    u, (m1, m2, m3) = np.ones(n), np.zeros((3, n))
    compiled.cubic_adam(u, m1, m2, m3, 1, 0.9, 0.99, 0.99, 1e-8)
    tracemalloc.start()
    try:
        compiled.cubic_adam(u, m1, m2, m3, 2, 0.9, 0.99, 0.99, 1e-8)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 8 * n <= peak < 8 * n + 100_000  # the result; the rest is Python objects


# ----------------------------------------------------------------------------------------------- the choice


def test_the_choice_depends_on_the_length_and_can_be_forced():
    small, large = kernels.COMPILED_FROM - 1, kernels.COMPILED_FROM
    for name in kernels.NAMES:
        assert kernels.get(name, small) is getattr(definition, name)
        assert kernels.get(name, large) is getattr(compiled, name)
        assert kernels.get(name, large, which="definition") is getattr(definition, name)
        assert kernels.get(name, 1, which="compiled") is getattr(compiled, name)
    with pytest.raises(ValueError, match="name must be one of adam, .*got 'sgd'"):
        kernels.get("sgd", 1)
    with pytest.raises(ValueError, match="which must be 'definition' or 'compiled', got 'fast'"):
        kernels.get("adam", 1, which="fast")
    for module in (definition, compiled):
        with pytest.raises(ValueError, match="mode must be one of signed_cbrt, .*got 'cube'"):
            module.cubic_adam(np.ones(1), *np.zeros((3, 1)), 1, 0.9, 0.9, 0.9, 0.1, mode="cube")


def test_a_small_problem_does_not_import_numba():
    code = (
        "import sys, numpy as np; from refopt import kernels\n"
        "kernels.get('cubic_adam', 4)(np.ones(4), *np.zeros((3, 4)), 1, .9, .99, .99, 1e-8)\n"
        "assert 'numba' not in sys.modules\n"
        "kernels.get('cubic_adam', 10**6); assert 'numba' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ------------------------------------------------------------------------- against independent computations


@pytest.mark.parametrize("dtype", DTYPES)
def test_cbrt_is_within_one_ulp(dtype):
    rng = np.random.default_rng(11)
    f = np.finfo(dtype)
    x = np.concatenate([
        rng.uniform(1, 2, 1500) * 2.0 ** rng.integers(f.minexp - f.nmant, f.maxexp, 1500),
        rng.uniform(-8, 8, 500),
        2.0 ** np.arange(f.minexp, f.maxexp),
        np.linspace(0.999, 1.001, 101),
    ]).astype(dtype)  # fmt: skip
    x = np.concatenate([x, [f.max, -f.max, f.tiny, f.smallest_subnormal, np.nextafter(f.tiny, dtype(0))]])
    x = x[np.isfinite(x) & (x != 0)].astype(dtype)
    y = definition.cbrt(x)
    worst = 0.0
    with mpmath.workprec(200):
        for a, b in zip(x, y, strict=True):
            root = mpmath.sign(a) * mpmath.cbrt(abs(mpmath.mpf(float(a))))
            worst = max(worst, abs(float((mpmath.mpf(float(b)) - root) / float(np.spacing(abs(b))))))
    assert worst < 0.51  # half an ulp is the rounding itself; the method adds about 0.003


@pytest.mark.parametrize("dtype", DTYPES)
def test_cbrt_of_cubes_and_of_no_numbers(dtype):
    k = np.arange(-40, 41).astype(dtype)
    assert np.array_equal(definition.cbrt(k**3), k)
    odd = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], dtype)
    assert definition.cbrt(odd)[:4].tobytes() == odd[:4].tobytes() and np.isnan(definition.cbrt(odd)[4])


def minimiser(m1, m2, m3, eps, mode):
    """CubicAdam's step by the schoolbook formula, with digits for what that cancels; and (B^2 - 4AC)/B^2."""
    with mpmath.workdps(400):
        C, B = mpmath.mpf(m1), mpmath.sqrt(mpmath.mpf(m2))
        A = mpmath.mpf(m3) / 2 if mode == "halve" else mpmath.cbrt(abs(mpmath.mpf(m3)))
        if mode == "signed_cbrt" and m3 < 0:
            A = -A
        D = B * B - 4 * A * C
        if D < 0:
            return float(-C / (B + mpmath.mpf(eps))), float(D / (B * B))
        if A == 0:
            return float(-C / B), 1.0
        roots = [(-B + s * mpmath.sqrt(D)) / (2 * A) for s in (1, -1)]
        d = max(roots, key=lambda r: 2 * A * r + B)  # the second derivative is 2 A d + B
        return float(d), float(D / (B * B))


@pytest.mark.parametrize("mode", definition.MODES)
@pytest.mark.parametrize(
    ("dtype", "scale"),
    [(np.float64, s) for s in (1.0, 1e-40, 1e40, 1e90, 1e-90)]
    + [(np.float32, s) for s in (1.0, 1e-8, 1e8, 3e10)],
)
def test_cubic_adam_is_the_local_minimiser(dtype, scale, mode):
    rng = np.random.default_rng(12)
    m1, m2, m3 = rng.normal(size=(3, 400)) * np.array([[scale], [scale**2], [scale**3]])
    m1, m2 = m1 * 10.0 ** rng.integers(-6, 2, 400), abs(m2)
    m3 = m3 * 10.0 ** rng.integers(-12, 1, 400)
    m3[:20] = 0
    m1, m2, m3 = (v.astype(dtype) for v in (m1, m2, m3))
    u, eps = np.zeros(400, dtype), dtype(1e-8)
    out = definition.cubic_adam(
        u, m1.copy(), m2.copy(), m3.copy(), 1, 1.0, 1.0, 1.0, float(eps), False, 1.0, mode
    )
    rooted = 0
    for i in range(400):
        d, D = minimiser(float(m1[i]), float(m2[i]), float(m3[i]), float(eps), mode)
        if abs(D) < 100 * np.finfo(dtype).eps:
            continue  # rounding decides on which side of the square root this coordinate is
        rooted += D > 0
        # the discriminant carries a few roundings, magnified by 1/D in the root; its square root halves it
        bound = 16 * float(np.finfo(dtype).eps) * max(1.0, 1 / abs(D))
        assert out[i] == pytest.approx(-d, rel=bound, abs=0), (i, m1[i], m2[i], m3[i], D)
    assert rooted > 100


def test_cubic_adam_edges():
    def step(u, m1=0.0, m2=0.0, m3=0.0, dtype=np.float64, beta=(0.9, 0.99, 0.99), **kw):
        arrays = [np.array([v], dtype) for v in (u, m1, m2, m3)]
        kw = {"t": 1, "eps": 1e-8, "debiased": False, **kw}
        return definition.cubic_adam(
            *arrays, kw["t"], *beta, kw["eps"], kw["debiased"], 1.0, kw.get("mode", "signed_cbrt")
        )[0]

    keep = (1.0, 1.0, 1.0)
    assert step(0.0) == 0 and step(0.0, eps=0.0) == 0
    assert step(0.0, m1=0.0, m2=4.0, m3=8.0, beta=keep) == 0
    assert step(0.0, m1=0.0, m2=4.0, m3=np.inf, beta=keep) == 0
    assert step(0.0, m1=3.0, m2=4.0, m3=0.0, beta=keep) == 1.5  # A = 0: Adam without eps
    assert step(0.0, m1=3.0, m2=4.0, m3=8.0, beta=keep, eps=1.0) == 1.0  # no root: Adam with eps
    assert step(0.0, m1=-2.0, m2=0.0, m3=8.0, beta=keep) == -1.0  # B = 0: d^2 = -C/A
    assert step(0.0, m1=2.0, m2=0.0, m3=8.0, beta=keep, eps=0.5) == 4.0  # B = 0, no root
    assert step(0.0, m1=2.0, m2=0.0, m3=8.0, beta=keep, eps=0.0) == 0.0  # nothing to divide by
    # u^2 underflows: Adam's step from what is left
    assert step(1e-170, debiased=True) == pytest.approx(1e-162, rel=1e-14)
    assert step(1e-30, debiased=True, dtype=np.float32) == pytest.approx(1e-22, rel=1e-5)
    # u^3 overflows, then u^2
    for u in (1e110, -1e110):
        assert step(u, debiased=True) == np.sign(u)
        assert step(u, debiased=True, mode="unsigned_cbrt") == (1.0 if u > 0 else 0.0)
        assert step(100 * u * abs(u) ** 0.5) == 0
    # 4 A C overflows, the step does not: sqrt(C/A) to the leading order
    assert step(0.0, m1=-1e154, m2=1e100, m3=2e300, beta=keep, mode="halve") == pytest.approx(
        -(1e-146**0.5), rel=1e-12
    )
    for bad in (np.nan, np.inf, -np.inf):
        assert np.isnan(step(bad))


@pytest.mark.parametrize("module", [definition, compiled])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_nan_stays_in_its_coordinate(module, dtype):
    rng = np.random.default_rng(4)
    for name in kernels.NAMES:
        u, x, c = vectors(rng, dtype, 20, "ordinary", 3)
        bad = u.copy()
        bad[7] = np.nan
        results = []
        for update in (u, bad):
            states = [np.zeros(20, dtype) for _ in range(STATES.get(name, 0))]
            rest = {"reduce_outward": [x, c], "coordinate_momentum": [np.ones(20, bool)]}.get(name, [])
            out = call(module, name, update, states, rest, 1, HYPER[name][0])
            results.append(np.array([out, *states]))
        assert np.isnan(results[1][:, 7]).all(), name
        assert np.array_equal(np.delete(results[0], 7, 1), np.delete(results[1], 7, 1)), name


@pytest.mark.parametrize("module", [definition, compiled])
def test_reduce_outward_decides_by_the_real_product(module):
    x = np.array([1e-300, -1e-300, 1e-300, 0.0, 2.0, -2.0, np.nan, np.inf, -np.inf])
    c = np.array([-1e-300, 1e-300, 1e-300, -1.0, -1.0, -1.0, -1.0, 0.0, 5e-324])
    u = np.ones(9)
    assert list(module.reduce_outward(u, x, c, 0.5)) == [0.5, 0.5, 1, 1, 0.5, 1, 1, 1, 0.5]
    assert list(module.reduce_outward(u, x, c, 0.5, invert=True)) == [1, 1, 0.5, 1, 1, 0.5, 1, 1, 1]


# --------------------------------------------------------------------------------- against torch, torchzero

# Both compute the same formula in float64, in another order: a few roundings a step, of numbers near 1.
ROUNDING = 1e-12


def test_adam_and_heavy_ball_agree_with_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(21)
    gradients = rng.normal(size=(30, 50))
    for kind in ("adam", "heavy_ball", "nesterov"):
        p = torch.nn.Parameter(torch.zeros(50, dtype=torch.float64))
        if kind == "adam":
            peer = torch.optim.Adam([p], lr=0.1, betas=(0.9, 0.999), eps=1e-8)
        else:
            peer = torch.optim.SGD([p], lr=0.1, momentum=0.9, nesterov=kind == "nesterov")
        x, m1, m2 = np.zeros((3, 50))
        for t, g in enumerate(gradients, start=1):
            p.grad = torch.tensor(g)
            peer.step()
            if kind == "adam":
                x -= 0.1 * definition.adam(g, m1, m2, t, 0.9, 0.999, 1e-8)
            else:
                x -= 0.1 * definition.heavy_ball(m1, g, 0.9, nesterov=kind == "nesterov")
        np.testing.assert_allclose(x, p.detach().numpy(), rtol=ROUNDING, atol=ROUNDING, err_msg=kind)


def test_cubic_adam_and_reduce_outward_agree_with_torchzero():
    torch = pytest.importorskip("torch")
    tz = pytest.importorskip("torchzero")
    experimental = pytest.importorskip("torchzero.modules.experimental")
    rng = np.random.default_rng(22)
    start = rng.normal(size=50)
    gradients = rng.normal(size=(20, 50)) + 0.5

    def original(module):
        p = torch.nn.Parameter(torch.tensor(start))
        optimizer = tz.Optimizer([p], module, tz.m.LR(0.1))
        for g in gradients:
            p.grad = torch.tensor(g)
            optimizer.step()
        return p.detach().numpy()

    for mode in definition.MODES:
        x, (m1, m2, m3) = start.copy(), np.zeros((3, 50))
        for t, g in enumerate(gradients, start=1):
            x -= 0.1 * definition.cubic_adam(g, m1, m2, m3, t, 0.9, 0.99, 0.99, 1e-8, mode=mode)
        # the discriminant magnifies rounding; the original also clips A by eps, invisible at |A| near 1
        np.testing.assert_allclose(x, original(experimental.CubicAdam(mode=mode)), rtol=1e-10, atol=1e-10)
    for invert in (False, True):
        x = start.copy()
        for g in gradients:
            x -= 0.1 * definition.reduce_outward(g, x, g, 0.5, invert)
        peer = original(experimental.ReduceOutwardLR(mul=0.5, invert=invert))
        np.testing.assert_allclose(x, peer, rtol=ROUNDING, atol=ROUNDING)


def test_ema_is_the_weighted_mean():
    rng = np.random.default_rng(23)
    values = rng.normal(size=(12, 5))
    m = np.zeros(5)
    for t, u in enumerate(values, start=1):
        out = definition.ema(m, u, t, 0.8)
    weights = 0.8 ** np.arange(11, -1, -1)
    np.testing.assert_allclose(out, weights @ values / weights.sum(), rtol=ROUNDING)
    np.testing.assert_allclose(m, 0.2 * weights @ values, rtol=ROUNDING)
