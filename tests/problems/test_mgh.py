"""The 35 functions against the facts table: values, gradients, minima, sizes, second derivatives."""

import warnings

import autograd
import numpy as np
import pytest

from refopt import problems
from refopt.problems import mgh

FACTS = mgh.facts()
INSTANCES = [(key, instance) for key, fact in FACTS.items() for instance in fact["instances"]]
IDS = [f"{key}-{i['n']}-{i['m']}" for key, i in INSTANCES]

# The facts are 60-digit results rounded to float64. A residual here is a few dozen float64 operations, and no
# start or probe cancels more than one digit: 1e-14 is 45 roundings.
ROUNDING = 1e-14


def problem_of(key, instance):
    sizes = mgh.FUNCTIONS[key][1]
    return problems.get(f"mgh/{key}", **{k: instance[k] for k in "nm" if getattr(sizes, f"any_{k}")})


def disagreement(fun, point, f, g):
    """Largest relative error of value and gradient (in the maximum norm)."""
    point, g = np.array(point), np.array(g)
    scale = np.max(np.abs(g))
    return max(abs(fun(point) - f) / abs(f), np.max(np.abs(autograd.grad(fun)(point) - g)) / scale)


@pytest.mark.parametrize(("key", "instance"), INSTANCES, ids=IDS)
def test_value_and_gradient_agree_with_the_facts(key, instance):
    p, probe = problem_of(key, instance), instance["probe"]
    np.testing.assert_allclose(p.x0, instance["x0"], rtol=4e-16, atol=1e-17)  # the rules j/(n+1), ... rounded
    assert disagreement(p.fun, instance["x0"], instance["f_x0"], instance["grad_x0"]) < ROUNDING
    assert disagreement(p.fun, probe["x"], probe["f"], probe["grad"]) < ROUNDING


def test_the_comparison_catches_a_planted_error():
    p, (_, instance) = problems.get("mgh/bard"), INSTANCES[IDS.index("bard-3-15")]
    probe = instance["probe"]

    def wrong(x):
        return p.fun(x) * (1.0 + 1e-12 * x[0])

    assert disagreement(p.fun, probe["x"], probe["f"], probe["grad"]) < ROUNDING
    assert disagreement(wrong, probe["x"], probe["f"], probe["grad"]) > ROUNDING


def residual_rounding(p, x):
    """A bound on the rounding errors of the residuals at a rounded x.

    |J| |x| measures the terms that x enters, |r| and 1 the constants; 8 eps is the rounding of x and a few
    operations.
    """
    jacobian, r = autograd.jacobian(p.residuals)(x), p.residuals(x)
    return 8 * np.finfo(float).eps * (np.abs(jacobian) @ np.abs(x) + np.abs(r) + 1.0)


def gradient_rounding(p, x):
    """What these errors, and the rounding of x in the Jacobian, make of the gradient 2 J^T r."""
    jacobian, hessian = autograd.jacobian(p.residuals)(x), autograd.hessian(p.fun)(x)
    return 2 * np.abs(jacobian).T @ residual_rounding(p, x) + np.finfo(float).eps * np.abs(hessian) @ np.abs(
        x
    )


@pytest.mark.parametrize(("key", "instance"), INSTANCES, ids=IDS)
def test_listed_minima(key, instance):
    p = problem_of(key, instance)
    assert len(p.minima) == len(instance["minima"]) + len(mgh.FURTHER_MINIMA.get((key, p.n), []))
    assert p.f_opt == min(known.f for known in p.minima)
    for known in p.minima:
        if known.x is None:
            assert "infinity" in known.kind
            continue
        error = residual_rounding(p, known.x)
        assert abs(p.fun(known.x) - known.f) <= 2 * np.abs(p.residuals(known.x)) @ error + error @ error
        gradient = np.abs(autograd.grad(p.fun)(known.x))
        # Biggs: the published saddle is listed with 10 to 13 digits in two of its coordinates
        printed = 1e-9 * np.abs(autograd.hessian(p.fun)(known.x)).sum() if "saddle" in known.kind else 0.0
        assert np.all(gradient <= gradient_rounding(p, known.x) + printed), (known.kind, gradient)


def test_the_minimum_check_catches_a_planted_error():
    p = problems.get("mgh/bard")
    off = p.x_opt * (1.0 + 1e-10)
    assert np.any(np.abs(autograd.grad(p.fun)(off)) > gradient_rounding(p, off))


SIZES = {
    "rosenbrock": (2, 2),
    "freudenstein_roth": (2, 2),
    "powell_badly_scaled": (2, 2),
    "brown_badly_scaled": (2, 3),
    "beale": (2, 3),
    "jennrich_sampson": (2, 10),
    "helical_valley": (3, 3),
    "bard": (3, 15),
    "gaussian": (3, 15),
    "meyer": (3, 16),
    "gulf": (3, 99),
    "box3d": (3, 10),
    "powell_singular": (4, 4),
    "wood": (4, 6),
    "kowalik_osborne": (4, 11),
    "brown_dennis": (4, 20),
    "osborne1": (5, 33),
    "biggs_exp6": (6, 13),
    "osborne2": (11, 65),
    "watson": (6, 31),
    "extended_rosenbrock": (10, 10),
    "extended_powell_singular": (12, 12),
    "penalty1": (4, 5),
    "penalty2": (4, 8),
    "variably_dimensioned": (10, 12),
    "trigonometric": (10, 10),
    "brown_almost_linear": (40, 40),
    "discrete_boundary_value": (10, 10),
    "discrete_integral_equation": (10, 10),
    "broyden_tridiagonal": (10, 10),
    "broyden_banded": (10, 10),
    "linear_full_rank": (10, 10),
    "linear_rank1": (10, 10),
    "linear_rank1_zero": (10, 10),
    "chebyquad": (8, 8),
}


def test_there_are_35_numbered_as_in_the_paper():
    assert list(mgh.KEYS) == list(SIZES) == list(FACTS)
    assert [FACTS[key]["id"] for key in mgh.KEYS] == list(range(1, 36))
    assert [problems.get(f"mgh/{i}").name for i in range(1, 36)] == [f"mgh/{key}" for key in mgh.KEYS]


@pytest.mark.parametrize("key", SIZES)
def test_standard_size_starts_and_second_derivatives(key):
    p = problems.get(f"mgh/{key}")
    assert (p.n, p.residuals(p.x0).shape) == (SIZES[key][0], (SIZES[key][1],))
    assert p.f_opt is not None and len(p.starts) == 3 and p.starts[0] is p.x0
    if np.any(p.x0):
        np.testing.assert_array_equal(p.starts[2], 100.0 * p.x0)
    assert np.isclose(p.fun(p.x0), np.sum(p.residuals(p.x0) ** 2), rtol=1e-15 * p.residuals(p.x0).size)
    hessian = autograd.hessian(p.fun)(p.x0)
    assert np.all(np.isfinite(hessian))
    # two ways round the same graph differ by the roundings of a few hundred operations at most
    assert np.max(np.abs(hessian - hessian.T)) <= 1e-15 * np.max(np.abs(hessian))
    step = 1e-5 * (1.0 + np.abs(p.x0)) * np.where(np.arange(p.n) % 2, 1.0, -1.0)
    grad = autograd.grad(p.fun)
    central = (grad(p.x0 + step) - grad(p.x0 - step)) / 2.0
    # a central difference of relative step 1e-5: error 1e-10 times the third derivative's scale, rounding
    # 1e-11
    np.testing.assert_allclose(
        hessian @ step, central, rtol=0, atol=1e-5 * np.max(np.abs(hessian) @ np.abs(step))
    )


@pytest.mark.parametrize("key", SIZES)
def test_single_precision_is_accepted(key):
    p = problems.get(f"mgh/{key}")
    x = p.x0.astype(np.float32)
    f, g = p.fun(x), autograd.grad(p.fun)(x)
    assert np.isfinite(f) and np.all(np.isfinite(g))
    # 1000 = a generous bound on the sensitivity of f to the rounding of x0 (it is 40 for Gulf, 10 elsewhere)
    scale = abs(p.fun(p.x0)) + np.abs(autograd.grad(p.fun)(p.x0)) @ np.abs(p.x0)
    assert abs(f - p.fun(p.x0)) <= 1000 * np.finfo(np.float32).eps * scale


@pytest.mark.parametrize(
    ("key", "options"),
    [
        ("jennrich_sampson", {"m": 20}),
        ("gulf", {"m": 3}),
        ("gulf", {"m": 100}),
        ("box3d", {"m": 3}),
        ("brown_dennis", {"m": 7}),
        ("biggs_exp6", {"m": 30}),
        ("watson", {"n": 2}),
        ("watson", {"n": 31}),
        ("extended_rosenbrock", {"n": 2}),
        ("extended_rosenbrock", {"n": 1000}),
        ("extended_powell_singular", {"n": 4}),
        ("penalty1", {"n": 1}),
        ("penalty2", {"n": 1}),
        ("penalty2", {"n": 7}),
        ("variably_dimensioned", {"n": 1}),
        ("trigonometric", {"n": 1}),
        ("trigonometric", {"n": 33}),
        ("brown_almost_linear", {"n": 1}),
        ("brown_almost_linear", {"n": 2}),
        ("brown_almost_linear", {"n": 3}),
        ("brown_almost_linear", {"n": 11}),
        ("discrete_boundary_value", {"n": 1}),
        ("discrete_integral_equation", {"n": 1}),
        ("broyden_tridiagonal", {"n": 1}),
        ("broyden_tridiagonal", {"n": 5000}),
        ("broyden_banded", {"n": 1}),
        ("broyden_banded", {"n": 101}),
        ("broyden_banded", {"n": 5000}),
        ("linear_full_rank", {"n": 4, "m": 9}),
        ("linear_rank1", {"n": 4, "m": 9}),
        ("linear_rank1", {"n": 1}),
        ("linear_rank1_zero", {"n": 3, "m": 3}),
        ("linear_rank1_zero", {"n": 4, "m": 9}),
        ("chebyquad", {"n": 1}),
        ("chebyquad", {"n": 3, "m": 11}),
    ],
    ids=str,
)
def test_other_sizes(key, options):
    p = problems.get(f"mgh/{key}", **options)
    r = p.residuals(p.x0)
    assert p.n == options.get("n", p.n) and r.ndim == 1 and r.size == options.get("m", r.size) and r.size >= 1
    assert np.isfinite(p.fun(p.x0)) and autograd.grad(p.fun)(p.x0).shape == (p.n,)
    for known in p.minima:
        if known.x is not None:
            size = 1.0 + np.sum(autograd.jacobian(p.residuals)(known.x) ** 2) if p.n < 100 else 1.0
            assert abs(p.fun(known.x) - known.f) <= 1e-14 * known.f + 1e-30 * size, known
            # linear functions: entries up to m n, rounded once each
            assert np.max(np.abs(autograd.grad(p.fun)(known.x))) <= 1e-15 * r.size * size


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mgh/rosenbrock", {"n": 4}, "mgh/rosenbrock: unknown option 'n'"),
        ("mgh/watson", {"m": 30}, "unknown option for mgh/watson 'm'"),
        ("mgh/watson", {"n": 32}, "mgh/watson: n must satisfy: 2 <= n <= 31, got 32"),
        ("mgh/watson", {"n": 1}, "mgh/watson: n must be a whole number >= 2, got 1"),
        ("mgh/watson", {"n": 6.5}, "mgh/watson: n must be a whole number >= 2, got 6.5"),
        ("mgh/extended_rosenbrock", {"n": 5}, "n must satisfy: even n, got 5"),
        ("mgh/extended_powell_singular", {"n": 6}, "n must satisfy: multiples of 4, got 6"),
        ("mgh/gulf", {"m": 101}, "m must satisfy: n <= m <= 100, got m = 101"),
        ("mgh/linear_rank1", {"n": 5, "m": 4}, "m must satisfy: m >= n, got m = 4 with n = 5"),
        ("mgh/36", {}, "unknown problem 'mgh/36'"),
    ],
)
def test_bad_sizes_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        problems.get(name, **options)


def chebyshev_by_recurrence(z, m):
    """T_1 .. T_m by T_{k+1} = 2 z T_k - T_{k-1}, the definition in the facts table."""
    rows = [np.ones_like(z), z]
    while len(rows) <= m:
        rows.append(2.0 * z * rows[-1] - rows[-2])
    return np.array(rows[1 : m + 1])


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 2), (5, 6), (8, 8), (9, 23)])
def test_chebyquad_is_the_recurrence(n, m):
    rng = np.random.default_rng(n)
    x = rng.uniform(-0.2, 1.2, n)
    i = np.arange(1, m + 1)
    integral = np.array([0.0 if k % 2 else -1.0 / (k * k - 1) for k in i])
    rows = chebyshev_by_recurrence(2.0 * x - 1.0, m)
    ours = problems.get("mgh/chebyquad", n=n, m=m).residuals(x)
    # a polynomial of degree m: m^2 is its growth of rounding errors on [-1, 1], |T_m| its size outside
    bound = m**2 * np.finfo(float).eps * (1.0 + np.max(np.abs(rows)))
    np.testing.assert_allclose(ours, rows.mean(axis=1) - integral, rtol=0, atol=bound, err_msg=f"seed {n}")


def test_broyden_banded_is_the_double_loop_at_any_size():
    for n in (3, 100, 101, 130):
        x = np.random.default_rng(n).standard_normal(n)
        loop = [
            x[i] * (2 + 5 * x[i] ** 2)
            + 1
            - sum(x[j] * (1 + x[j]) for j in range(max(0, i - 5), min(n, i + 2)) if j != i)
            for i in range(n)
        ]
        p = problems.get("mgh/broyden_banded", n=n)
        # ten terms of size below 100
        np.testing.assert_allclose(p.residuals(x), loop, rtol=0, atol=1e-12, err_msg=f"seed {n}")


def test_helical_valley_angle_and_its_derivatives():
    p = problems.get("mgh/helical_valley")

    def theta(a, b):
        return (p.residuals(np.array([a, b, 0.0]))[0]) / -100.0

    # the definition, quadrant by quadrant, on the axes, and on both sides of the start
    for a, b in [(1, 2), (2, 1), (1, -2), (2, -1), (1e-9, 1), (1e-9, -1)]:
        assert theta(a, b) == pytest.approx(np.arctan(b / a) / (2 * np.pi), abs=1e-16)
    for a, b in [(-1, 2), (-2, 1), (-1, -2), (-2, -1), (-1e-9, 1), (-1e-9, -1), (-1, 1e-12), (-1, -1e-12)]:
        assert theta(a, b) == pytest.approx(np.arctan(b / a) / (2 * np.pi) + 0.5, abs=2e-16)
    assert [theta(0.0, b) for b in (1.0, -1.0)] == [0.25, -0.25] and theta(-1.0, -0.0) == theta(
        -1.0, 0.0
    ) == 0.5
    assert np.isfinite(p.fun(np.zeros(3)))

    # theta = Im log(a + ib) / (2 pi) up to a constant, so its k-th derivative in b is Im(i^k (-1)^(k-1)
    # (k-1)! z^-k)
    for a, b in [(-1.0, 0.0), (0.0, 1.0), (0.3, -0.4), (-0.5, 0.2)]:
        z, factorial = complex(a, b), 1.0

        def derivative(t, a=a):
            x = autograd.numpy.concatenate((np.array([a]), t, np.zeros(1)))
            return p.residuals(x)[0] / -100.0

        for k in range(1, 5):
            inner = derivative
            derivative = lambda t, inner=inner: autograd.grad(inner)(t)[0]  # noqa: E731
            factorial *= max(k - 1, 1)
            expected = (1j**k * (-1) ** (k - 1) * factorial * z**-k).imag / (2 * np.pi)
            # k nested derivatives, each a rational function of a and b: 1e-13 of the size of the largest term
            assert derivative(np.array([b])) == pytest.approx(
                expected, abs=1e-13 * factorial * abs(z) ** -k
            ), (a, b, k)


def test_third_derivatives_at_the_starts_have_no_nan():
    for key in (
        "rosenbrock",
        "helical_valley",
        "gulf",
        "powell_singular",
        "osborne1",
        "chebyquad",
        "penalty2",
    ):
        p = problems.get(f"mgh/{key}")
        direction = np.ones(p.n)

        def along(x, p=p, direction=direction):
            hvp = autograd.grad(lambda y: autograd.numpy.dot(autograd.grad(p.fun)(y), direction))
            return autograd.numpy.dot(hvp(x), direction)

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.all(np.isfinite(autograd.grad(along)(p.x0))), key


def test_brown_almost_linear_has_derivatives_where_a_factor_is_zero():
    p = problems.get("mgh/brown_almost_linear", n=4)
    trap = next(known for known in p.minima if known.f == 1.0)
    hessian = autograd.hessian(p.fun)(trap.x)
    assert np.all(np.isfinite(hessian))
    # product rule by hand: only first derivatives of the sums and second of x1 x2 x3 x4 at (0, 0, 0, 5),
    # which vanish
    sums = np.array([[2.0, 1, 1, 1], [1, 2, 1, 1], [1, 1, 2, 1]])
    np.testing.assert_allclose(hessian, 2 * sums.T @ sums, atol=1e-14)


def test_gulf_at_the_solution_where_the_absolute_value_vanishes():
    p = problems.get("mgh/gulf", m=100)  # y_100 = 25 = x_2 at the solution
    assert p.fun(p.x_opt) < 1e-28 and np.all(np.isfinite(autograd.grad(p.fun)(p.x_opt)))
