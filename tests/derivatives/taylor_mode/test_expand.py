"""The public function: shapes, nesting, kinks, refusals, random compositions, the Taylor model."""

from __future__ import annotations

import math

import autograd.numpy as anp
import numpy as np
import pytest
from derivatives.taylor_mode import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from refopt.derivatives import (
    TaylorError,
    TraceError,
    gradient,
    hessian,
    model_hvp,
    model_product,
    model_value,
    model_value_and_gradient,
    taylor,
)


def rosenbrock(x):
    return anp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def smooth(x):
    return anp.exp(anp.sin(x[0] * x[1])) + anp.sum(anp.log(1 + x**2)) * x[2]


X, S, V = np.array([0.3, -0.7, 1.2]), np.array([0.5, 0.4, -0.3]), np.array([1.0, -2.0, 0.7])

# ---------------------------------------------------------------------- shapes and types


@pytest.mark.parametrize("order", range(5))
def test_shapes(order):
    n, k = 3, 4
    directions = np.ones((k, n))
    assert taylor(smooth, X, S, order).shape == (order + 1,)
    assert taylor(smooth, X, directions, order).shape == (order + 1, k)
    assert taylor(lambda x: anp.outer(x, x), X, S, order).shape == (order + 1, n, n)
    assert taylor(lambda x: anp.outer(x, x), X, directions, order).shape == (order + 1, k, n, n)
    assert taylor(lambda x: [x[0], x[1] ** 2], X, directions, order).shape == (order + 1, k, 2)
    assert taylor(lambda x: x**2, 2.0, 1.0, order).tolist() == [4.0, 4.0, 1.0, 0.0, 0.0][: order + 1]
    assert taylor(lambda x: anp.sum(x**2), np.ones((2, 2)), np.ones((3, 2, 2)), order).shape == (order + 1, 3)


def test_identity_constants_and_single_elements():
    assert taylor(lambda x: x, X, S, 2).tolist() == [X.tolist(), S.tolist(), [0.0] * 3]
    assert taylor(lambda x: 3.0, X, S, 2).tolist() == [3.0, 0.0, 0.0]
    assert taylor(lambda x: 3, X, np.ones((2, 3)), 1).tolist() == [[3.0, 3.0], [0.0, 0.0]]
    assert taylor(lambda x: x[0], X, S, 1).tolist() == [0.3, 0.5]
    assert taylor(lambda x: anp.floor(10 * x[0]) + anp.sign(x[1]), X, S, 2).tolist() == [2.0, 0.0, 0.0]


def test_float32_stays_float32():
    x = X.astype(np.float32)
    assert taylor(lambda x: anp.exp(x) * 2.0 + x**3, x, S.astype(np.float32), 3).dtype == np.float32
    assert taylor(rosenbrock, np.array([1, 2, 3]), np.array([1, 0, 0]), 2).dtype == np.float64


def test_the_arguments_are_not_changed_and_results_are_fresh():
    x, s = X.copy(), S.copy()
    c = taylor(lambda z: z, x, s, 1)
    c[:] = 99.0
    assert np.array_equal(x, X) and np.array_equal(s, S)


@pytest.mark.parametrize("order", [-1, 1.5, "2", True, None])
def test_bad_orders(order):
    with pytest.raises(ValueError, match="order must be an integer >= 0"):
        taylor(smooth, X, S, order)


@pytest.mark.parametrize("direction", [np.ones(2), np.ones((3, 2)), np.ones((2, 2, 3)), 1.0])
def test_bad_directions(direction):
    with pytest.raises(ValueError, match=r"direction has shape .*; give \(3,\).* or \(K, 3\)"):
        taylor(smooth, X, direction, 2)


def test_bad_numbers():
    with pytest.raises(ValueError, match="no directions"):
        taylor(smooth, X, np.ones((0, 3)), 2)
    with pytest.raises(TypeError, match="complex"):
        taylor(smooth, X + 0j, S, 2)
    with pytest.raises(TypeError, match="object array"):
        taylor(smooth, np.array([1, "a", None], dtype=object), S, 2)


# ---------------------------------------------------------------------- functions that cannot be followed


class Hidden:
    """Reads the plain value out of the box."""

    def __call__(self, x):
        value = getattr(x, "_value", x)
        return float(np.sum(np.asarray(value) ** 2))


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: math.exp(x[0]),
        lambda x: float(x[0]) * x[1],
        lambda x: np.array(x, dtype=float)[0],
        Hidden(),
    ],
    ids=["math", "float", "array", "value"],
)
def test_hidden_dependence_is_refused(fun):
    with pytest.raises(TraceError):
        taylor(fun, X, S, 2)


def test_plain_numpy_that_keeps_the_trace_is_followed():
    """NumPy hands its own functions of traced arrays to autograd; what comes out traced is right."""

    def f(x):
        return np.exp(x[0]) * np.sum(x) + np.linalg.norm(np.asarray([x[0], x[1]]))

    def g(x):
        return anp.exp(x[0]) * anp.sum(x) + anp.sqrt(x[0] ** 2 + x[1] ** 2)

    np.testing.assert_allclose(taylor(f, X, S, 4), taylor(g, X, S, 4), rtol=1e-13)


def test_assignment_is_refused_with_the_line():
    def fun(x):
        y = np.zeros(3)
        y[0] = x[0]
        return anp.sum(y)

    with pytest.raises(TraceError, match="assignment into an array"):
        taylor(fun, X, S, 2)


def test_wrong_results_are_refused():
    with pytest.raises(TaylorError, match="must return a number or an array"):
        taylor(lambda x: "no", X, S, 2)
    with pytest.raises(TaylorError, match="must return a number or an array"):
        taylor(lambda x: None, X, S, 2)


def test_the_users_own_exception_is_unchanged_and_the_tracer_recovers():
    def fun(x):
        raise RuntimeError("out of range")

    for _ in range(3):
        with pytest.raises(RuntimeError, match="^out of range$"):
            taylor(fun, X, S, 2)
    from autograd.tracer import trace_stack

    assert trace_stack.top == -1
    assert gradient(smooth, X).shape == (3,)


# ---------------------------------------------------------------------- kinks, as documented


def curve(fun, x, s, order):
    """Coefficients of the curve for small t > 0, from 50 digits on one side."""
    return reference.reference(fun, np.asarray(x, float), np.asarray(s, float), order)


@pytest.mark.parametrize("s", [[1.0, 0.5], [-1.0, 0.5], [0.0, 1.0], [-2.0, -3.0]])
@pytest.mark.parametrize(
    "fun",
    [
        lambda np, x: np.abs(x[0]) + np.abs(x[0]) ** 2 * x[1],
        lambda np, x: np.maximum(x[0], x[1] * x[0]) + np.minimum(x[0] ** 2, x[0]),
        lambda np, x: np.max(x * x[0]) + np.min(x * x[0]),
        lambda np, x: np.sort(x * x[0])[0] * np.sort(x * x[0])[1],
        lambda np, x: np.clip(x[0], 0.0, 1.0) * x[1],
        lambda np, x: np.max(np.array([x[0], -x[0], 2 * x[0] * x[1]])),
        lambda np, x: np.abs(np.abs(x[0]) - np.abs(x[0] * x[1])),
    ],
    ids=["abs", "maximum", "max", "sort", "clip", "array", "nested"],
)
def test_kinks_give_the_right_sided_series(fun, s):
    x = np.array([0.0, 0.8])
    c = taylor(lambda z: fun(anp, z), x, np.array(s), 3)
    np.testing.assert_allclose(c, curve(fun, x, s, 3), rtol=1e-13, atol=1e-15)
    directions = np.stack([np.array(s), -np.array(s), np.array([0.3, 0.1])])
    batch = taylor(lambda z: fun(anp, z), x, directions, 3)
    for i, d in enumerate(directions):
        np.testing.assert_allclose(batch[:, i], curve(fun, x, d, 3), rtol=1e-13, atol=1e-15)


# ---------------------------------------------------------------------- nesting


def test_taylor_of_taylor_gives_mixed_derivatives():
    """The second coefficient along s of the first along v is D_3[s, s, v] / 2."""
    c = taylor(lambda z: taylor(smooth, z, V, 1)[1], X, S, 2)
    e = 1e-30
    with reference.mp.workdps(120):

        def f(z):
            return reference.mnp.exp(reference.mnp.sin(z[0] * z[1])) + sum(reference.mnp.log(1 + z**2)) * z[2]

        x, s, v = (reference.vector(a) for a in (X, S, V))
        h, e = reference.mpmath.mpf(10) ** -20, reference.mpmath.mpf(10) ** -30

        def slope(t):
            return (f(x + t * s + e * v) - f(x + t * s)) / e

        second = (slope(h) - 2 * slope(0) + slope(-h)) / h**2 / 2
        expected = [float(slope(0)), float((slope(h) - slope(-h)) / (2 * h)), float(second)]
    np.testing.assert_allclose(c, expected, rtol=1e-11)


def test_outer_variables_are_followed():
    """A parameter the function closes over may be under differentiation."""

    def f(a):
        return taylor(lambda x: anp.sum(anp.sin(a * x)) * a + a, X, S, 2)[2]

    h = 1e-6
    np.testing.assert_allclose(
        gradient(lambda a: f(a[0]), np.array([1.3]))[0], (f(1.3 + h) - f(1.3 - h)) / (2 * h), rtol=1e-8
    )


# ---------------------------------------------------------------------- random compositions

UNARY = ["exp", "sin", "cos", "tanh", "arctan", "arcsinh", "square", "negative"]
POSITIVE_ONLY = ["log", "sqrt", "log1p", "reciprocal"]
BINARY = ["add", "subtract", "multiply", "arctan2", "hypot"]


def expressions():
    leaf = st.sampled_from([("x", 0), ("x", 1), ("x", 2), ("v",), ("c", 0.5), ("c", -1.25)])

    def grow(inner):
        return st.one_of(
            st.tuples(st.just("u"), st.sampled_from(UNARY), inner),
            st.tuples(st.just("p"), st.sampled_from(POSITIVE_ONLY), inner),
            st.tuples(st.just("b"), st.sampled_from(BINARY), inner, inner),
            st.tuples(st.just("/"), inner, inner),
            st.tuples(st.just("^"), inner, st.sampled_from([2, 3, -1, 1.5])),
        )

    return st.recursive(leaf, grow, max_leaves=8)


def evaluate(np_, tree, x):
    kind = tree[0]
    if kind == "x":
        return x[tree[1]]
    if kind == "v":
        return x
    if kind == "c":
        return tree[1] + 0 * x[0]
    if kind == "u":  # arguments are kept moderate: exp of exp of exp overflows in float64 only
        return getattr(np_, tree[1])(np_.tanh(evaluate(np_, tree[2], x)) * 1.5)
    if kind == "p":
        return getattr(np_, tree[1])(evaluate(np_, tree[2], x) ** 2 + 0.75)
    if kind == "b":
        left, right = evaluate(np_, tree[2], x), evaluate(np_, tree[3], x)
        if tree[1] in ("arctan2", "hypot"):
            right = right**2 + 0.5
        return getattr(np_, tree[1])(left, right)
    if kind == "/":
        return evaluate(np_, tree[1], x) / (evaluate(np_, tree[2], x) ** 2 + 0.5)
    base = evaluate(np_, tree[1], x)
    return (base**2 + 0.5) ** tree[2] if tree[2] in (-1, 1.5) else base ** tree[2]


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(tree=expressions(), seed=st.integers(0, 10**6))
def test_random_compositions_agree_with_50_digits(tree, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.2, 1.2, 3)
    directions = rng.uniform(-0.7, 0.7, (2, 3))
    ref = [reference.reference(lambda m, z: evaluate(m, tree, z), x, d, 6) for d in directions]

    def f(z):
        return evaluate(anp, tree, z)

    c = taylor(f, x, directions, 6)
    # composition cancels: every coefficient is measured against the largest of the whole series
    for i in range(2):
        single = taylor(f, x, directions[i], 6)
        for k in range(7):
            scale = np.abs(ref[i]).max()
            assert np.abs(c[k, i] - ref[i][k]).max() <= 1e-12 * scale, f"{tree}, seed {seed}, order {k}"
            assert np.abs(single[k] - ref[i][k]).max() <= 1e-12 * scale, f"{tree}, seed {seed}, order {k}"
    weights = rng.standard_normal(ref[0].shape)
    u = rng.standard_normal(3)
    slope = reference.reference_slope(lambda m, z: evaluate(m, tree, z), x, directions[0], 0 * u, u, 3)
    w = weights[:4]
    g = gradient(lambda s: anp.sum(w * taylor(f, x, s, 3)), directions[0])
    assert abs(g @ u - np.sum(w * slope)) <= 1e-11 * max(
        np.sum(np.abs(w * slope)), np.abs(ref[0]).max(), float(np.abs(g) @ np.abs(u))
    ), f"{tree}, seed {seed}"


# ---------------------------------------------------------------------- the model


@pytest.mark.parametrize("order", [4, 5])
def test_the_model_of_a_quartic_is_the_quartic(order):
    rng = np.random.default_rng(7)
    x, s, v = rng.standard_normal((3, 6))
    m, g = model_value_and_gradient(rosenbrock, x, s, order)
    assert m == pytest.approx(rosenbrock(x + s), rel=1e-13)
    assert model_value(rosenbrock, x, s, order) == m
    np.testing.assert_allclose(g, gradient(rosenbrock, x + s), rtol=1e-12)
    H = hessian(rosenbrock, x + s)
    np.testing.assert_allclose(model_hvp(rosenbrock, x, s, v, order), H @ v, rtol=1e-11)
    product = model_product(rosenbrock, x, s, order)
    np.testing.assert_allclose([product(e) for e in np.eye(6)], H, rtol=1e-11, atol=1e-10)


def test_model_gradient_and_product_by_differences():
    for order in range(1, 6):
        m, g = model_value_and_gradient(smooth, X, S, order)
        h = 1e-6
        numeric = [
            (model_value(smooth, X, S + h * e, order) - model_value(smooth, X, S - h * e, order)) / (2 * h)
            for e in np.eye(3)
        ]
        np.testing.assert_allclose(g, numeric, rtol=1e-7, atol=1e-8)
        slope = (
            model_value_and_gradient(smooth, X, S + h * V, order)[1]
            - model_value_and_gradient(smooth, X, S - h * V, order)[1]
        ) / (2 * h)
        np.testing.assert_allclose(model_hvp(smooth, X, S, V, order), slope, rtol=1e-7, atol=1e-8)


def test_models_of_constants_and_linear_functions():
    assert model_value_and_gradient(lambda x: 3.0, X, S, 3)[1].tolist() == [0.0] * 3
    assert model_hvp(lambda x: anp.sum(x), X, S, V, 3).tolist() == [0.0] * 3
    with pytest.raises(ValueError, match="one number"):
        model_value_and_gradient(lambda x: x, X, S, 2)


def test_memory_of_the_gradient_is_linear():
    """Peak memory of the order-4 model's gradient grows in proportion to n."""
    import tracemalloc

    peaks = []
    for n in (20_000, 80_000):
        x, s = np.full(n, 0.3), np.full(n, 0.1)
        tracemalloc.start()
        model_value_and_gradient(rosenbrock, x, s, 4)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 4.5 * peaks[0]
    assert peaks[1] < 100 * 8 * 80_000  # less than a hundred vectors
