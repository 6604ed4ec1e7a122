"""The compiled twins give the bits of the formulas: ordinary numbers, zeros, subnormals, infinities, NaN."""

import inspect
import itertools
import tracemalloc

import numpy as np
import pytest
from kernels.elementwise_cases import (
    DTYPES,
    FORMULAS,
    HYPER,
    STATES,
    assert_same,
    call,
    compare,
    special,
    ulps,
    vectors,
)

from refopt import kernels
from refopt.algorithms.cubic_adam import MODES
from refopt.kernels import cbrt, compiled

SIZES = (0, 1, 2, 7, 64, 1001)
ORDINARY = {
    "beta1": 0.9,
    "beta2": 0.99,
    "beta3": 0.99,
    "eps": 1e-8,
    "debiased": True,
    "alpha": 1.0,
    "mode": "signed_cbrt",
}


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


@pytest.mark.parametrize("kind", ["ordinary", "wide", "special"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FORMULAS)
def test_twin_equals_formula(name, dtype, kind):
    for n in SIZES:
        compare(name, dtype, n, kind, seed=n + 1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_twin_equals_formula_on_every_pair_of_special_averages(dtype):
    values = special(dtype)
    m1, m2, m3 = (v.ravel() for v in np.meshgrid(values, values, values))
    m2 = abs(m2)
    u = np.zeros_like(m1)
    for mode, eps in itertools.product(MODES, (1e-8, 0.0)):
        hyper = {
            **ORDINARY,
            "beta1": 1.0,
            "beta2": 1.0,
            "beta3": 1.0,
            "eps": eps,
            "debiased": False,
            "mode": mode,
        }
        a = FORMULAS["cubic_adam"](u, m1=m1.copy(), m2=m2.copy(), m3=m3.copy(), t=2, **hyper)
        b = compiled.cubic_adam(u, m1=m1.copy(), m2=m2.copy(), m3=m3.copy(), t=2, **hyper)
        assert_same(a, b, note=f"({mode}, eps={eps})")


compiled_cbrt = compiled._cbrt  # a global name, as the loops of the package use it


@compiled.numba.njit(error_model="numpy")
def loop_cbrt(x, out):
    for i in range(out.size):
        out[i] = compiled_cbrt(x[i])


@pytest.mark.parametrize("kind", ["ordinary", "wide", "special"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_compiled_cube_root_equals_that_in_numpy(dtype, kind):
    (x,) = vectors(np.random.default_rng(2), dtype, 1001, kind, 1)
    out = np.empty_like(x)
    loop_cbrt(x, out)
    assert_same(cbrt.cbrt(x), out)


def test_a_planted_difference_is_caught():
    class Planted:
        """One unit in the last place of one coordinate, in the result of one twin, the state of another."""

        @staticmethod
        def adam(u, **settings):
            out = compiled.adam(u, **settings)
            out[17] = np.nextafter(out[17], np.inf)
            return out

        @staticmethod
        def ema(u, *, m, **settings):
            out = compiled.ema(u, m=m, **settings)
            m[-1] = np.nextafter(m[-1], np.inf)
            return out

    compare("adam", np.float64, 1001, "ordinary", seed=5)
    for name in ("adam", "ema"):
        with pytest.raises(AssertionError, match="1 ulps apart"):
            compare(name, np.float64, 1001, "ordinary", seed=5, second=Planted)


def test_every_twin_has_the_name_and_the_arguments_of_a_formula():
    assert set(compiled.__all__) == set(FORMULAS)
    for name, formula in FORMULAS.items():
        first, second = (inspect.signature(f).parameters.values() for f in (formula, getattr(compiled, name)))
        assert [(p.name, p.kind) for p in first] == [(p.name, p.kind) for p in second], name


@pytest.mark.parametrize("n", [1, 63, 64, 130, 5001])
def test_threads_cover_everything_once(monkeypatch, n):
    monkeypatch.setattr(compiled, "THREADS_FROM", 0)
    monkeypatch.setattr(compiled, "CHUNK", 64)
    monkeypatch.setattr(compiled.numba.config, "NUMBA_NUM_THREADS", 3)
    for name in FORMULAS:
        compare(name, np.float64, n, "wide", seed=3)


def test_no_directory_for_the_cache_is_no_reason_to_fail(monkeypatch):
    jit, asked = compiled.numba.jit, []

    def jit_without_cache(signature, **options):
        asked.append(options.get("cache", False))
        if options.get("cache"):
            raise RuntimeError("cannot cache function '_loop_ema': no locator available")
        return jit(signature, **options)

    monkeypatch.setattr(compiled.numba, "jit", jit_without_cache)
    machine = compiled._compile.__wrapped__(compiled._loop_coordinate_momentum, "rwmw", np.dtype(np.float64))
    v, out = np.zeros((2, 1))
    machine(np.array([8.0]), v, np.array([True]), out)
    assert v[0] == out[0] == 8 and asked == [True, False]


def test_arrays_the_loops_do_not_serve_are_left_to_the_formula(monkeypatch):
    """`fastest` calls the formula where the twin declines, and the twin then has changed nothing."""
    monkeypatch.setattr(kernels, "COMPILED_FROM", 0)
    ema, outward = FORMULAS["ema"], FORMULAS["reduce_outward"]
    settings = {"t": 1, "beta": 0.9, "debiased": True}
    rng = np.random.default_rng(0)
    wide = rng.normal(size=20)
    pairs = [(u, np.zeros(10, u.dtype)) for u in (wide[::2], wide[:10].astype(np.longdouble))]
    for u, m in [*pairs, (wide[:10], np.zeros(20)[::2]), (wide[:10], np.zeros(10, np.float32))]:
        k = m.copy()
        assert compiled.ema(u, m=m, **settings) is None and not m.any()
        assert np.array_equal(kernels.fastest(ema, 10)(u, m=m, **settings), ema(u, m=k, **settings))
        assert np.array_equal(m, k) and m.any()
    overlapping = rng.normal(size=12)
    before = overlapping.copy()
    assert compiled.ema(overlapping[2:], m=overlapping[:-2], **settings) is None  # the average is written
    assert np.array_equal(overlapping, before)
    hyper = {"mul": 0.5, "invert": False}
    assert compiled.reduce_outward(wide[2:], x=wide[:-2], c=wide[2:], **hyper) is not None  # only read
    assert np.array_equal(
        kernels.fastest(outward, 18)(wide[2:], x=wide[:-2], c=wide[2:], **hyper),
        outward(wide[2:], x=wide[:-2], c=wide[2:], **hyper),
    )
    for function in (ema, kernels.fastest(ema, 4)):
        with pytest.raises(ValueError, match="broadcast"):
            function(np.zeros(4), m=np.zeros(5), **settings)


def test_an_unknown_mode_is_refused_by_both(monkeypatch):
    monkeypatch.setattr(kernels, "COMPILED_FROM", 0)
    m1, m2, m3 = np.zeros((3, 1))
    formula = FORMULAS["cubic_adam"]
    for function in (formula, kernels.fastest(formula, 1)):
        with pytest.raises(ValueError, match="mode must be one of signed_cbrt, .*got 'cube'"):
            function(np.ones(1), m1=m1, m2=m2, m3=m3, t=1, **{**ORDINARY, "mode": "cube"})


@pytest.mark.parametrize("which", ["formula", "twin"])
def test_the_result_shares_nothing_with_the_state(which):
    for name in ("heavy_ball", "coordinate_momentum", "ema"):
        function = FORMULAS[name] if which == "formula" else getattr(compiled, name)
        v, u = np.ones(3), np.full(3, 2.0)
        rest = {"mask": np.array([True, False, True])} if name == "coordinate_momentum" else {}
        result = call(function, name, u, [v], rest, 1, HYPER[name][0])
        assert not np.may_share_memory(result, v) and not np.may_share_memory(result, u)


@pytest.mark.parametrize("which", ["formula", "twin"])
def test_float32_is_kept_when_the_hyperparameters_are_float64_scalars(which):
    u = np.ones(4, np.float32)
    for name, formula in FORMULAS.items():
        function = formula if which == "formula" else getattr(compiled, name)
        hyper = {k: np.float64(v) if isinstance(v, float) else v for k, v in HYPER[name][0].items()}
        rest = {"reduce_outward": {"x": u, "c": u}, "coordinate_momentum": {"mask": u > 0}}.get(name, {})
        states = list(np.zeros((len(STATES[name]), 4), np.float32))
        assert call(function, name, u, states, rest, 2, hyper).dtype == np.float32, name


def test_a_step_allocates_one_vector():
    n = 300_000
    u, (m1, m2, m3) = np.ones(n), np.zeros((3, n))
    compiled.cubic_adam(u, m1=m1, m2=m2, m3=m3, t=1, **ORDINARY)
    tracemalloc.start()
    try:
        compiled.cubic_adam(u, m1=m1, m2=m2, m3=m3, t=2, **ORDINARY)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 8 * n <= peak < 8 * n + 100_000  # the result; the rest is Python objects


@pytest.mark.parametrize("which", ["formula", "twin"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_nan_stays_in_its_coordinate(which, dtype):
    rng = np.random.default_rng(4)
    for name, formula in FORMULAS.items():
        function = formula if which == "formula" else getattr(compiled, name)
        u, x, c = vectors(rng, dtype, 20, "ordinary", 3)
        bad = u.copy()
        bad[7] = np.nan
        results = []
        for update in (u, bad):
            states = [np.zeros(20, dtype) for _ in STATES[name]]
            mask = np.ones(20, bool)
            rest = {"reduce_outward": {"x": x, "c": c}, "coordinate_momentum": {"mask": mask}}.get(name, {})
            out = call(function, name, update, states, rest, 1, HYPER[name][0])
            results.append(np.array([out, *states]))
        assert np.isnan(results[1][:, 7]).all(), name
        assert np.array_equal(np.delete(results[0], 7, 1), np.delete(results[1], 7, 1)), name
