"""The iterative solvers of SciPy behind one call: every solver, every outcome, counted products."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator

from refopt.solvers import krylov
from refopt.status import Stop

SOLVERS = list(krylov.SOLVERS)
SEED = 31


def system(n=6, definite=True, seed=SEED):
    """A symmetric matrix of condition number 10, and a right side."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    w = np.linspace(1, 10, n) * (1 if definite else np.resize([1, -1], n))
    return (Q * w) @ Q.T, rng.standard_normal(n)


def product(A, **options):
    return krylov.Product(lambda v: A @ v, "test", **options)


@pytest.mark.parametrize("name", SOLVERS)
def test_every_solver_solves_and_its_products_are_counted(name):
    A, b = system()
    tight = {"atol": 1e-13, "btol": 1e-13} if name in krylov.LEAST_SQUARES else {"rtol": 1e-13}
    times = product(A)
    answer = krylov.solve(name, times, b, keywords=tight)
    assert answer.outcome == "converged" and answer.products == times.count > 0
    assert np.abs(answer.x - np.linalg.solve(A, b)).max() <= 1e-10 * np.abs(b).max()


@pytest.mark.parametrize("name", [n for n in SOLVERS if n not in krylov.LEAST_SQUARES])
def test_rtol_is_the_share_of_the_right_side_that_may_be_left(name):
    A, b = system()
    answer = krylov.solve(name, product(A), b, rtol=1e-3)
    assert np.linalg.norm(b - A @ answer.x) <= 1e-3 * np.linalg.norm(b) * (1 + 1e-9)


def test_the_limit_of_iterations_is_told_from_convergence():
    A, b = system(40)
    assert krylov.solve("cg", product(A), b, keywords={"maxiter": 2}).outcome == "iterations"


def test_truncation_stops_at_the_first_direction_without_curvature():
    A, b = system(definite=False)
    A[0] = A[:, 0] = 0
    A[0, 0], b[:] = -1.0, 0
    b[0] = 1.0
    answer = krylov.solve("cg", product(A, truncate=True), b)
    assert answer.outcome == "curvature" and np.array_equal(answer.x, b)


def test_a_zero_matrix_and_a_product_that_is_not_finite():
    b = np.ones(3)
    answer = krylov.solve("cg", product(np.zeros((3, 3))), b)
    assert answer.outcome == "breakdown" and np.array_equal(answer.x, b) and answer.x is not b
    with pytest.raises(Stop, match="test: coordinate 1 of Hessian-vector product 1 is nan"):
        krylov.solve("cg", krylov.Product(lambda v: np.array([0, np.nan, 0]), "test"), b)
    with pytest.raises(Stop, match="test: the incoming update is not finite"):
        krylov.solve("cg", product(np.eye(3)), np.array([np.inf, 0, 0]))


def test_names_and_keywords():
    assert krylov.find_solver("X", "cg") == krylov.find_solver("X", krylov.SOLVERS["cg"]) == "cg"
    with pytest.raises(ValueError, match="unknown solver for X: 'minrs'; did you mean 'minres'"):
        krylov.find_solver("X", "minrs")
    with pytest.raises(TypeError, match="X: solver must be one of cg, minres"):
        krylov.find_solver("X", np.linalg.solve)
    assert krylov.check_keywords("X", "cg", None, {}) == {}
    with pytest.raises(ValueError, match="X: cg takes no 'restart'; it takes"):
        krylov.check_keywords("X", "cg", {"restart": 3}, {})
    with pytest.raises(ValueError, match="X: kwargs must not hold 'rtol': it is set by forcing"):
        krylov.check_keywords("X", "cg", {"rtol": 3}, {"rtol": "it is set by forcing"})


def test_a_preconditioner_is_used_and_its_shape_checked():
    A, b = np.diag([1.0, 1e4, 1e8]), np.ones(3)
    M = krylov.operator("X", np.diag(1 / np.diag(A)), 3)
    assert np.allclose(M @ b, 1 / np.diag(A)) and np.allclose(M.H @ b, M @ b)
    answer = krylov.solve("cg", product(A), b, M=M)
    assert answer.products <= 2 and np.allclose(answer.x, 1 / np.diag(A))
    with pytest.raises(ValueError, match=r"X: M must have shape \(3, 3\), got shape \(2, 2\)"):
        krylov.operator("X", np.eye(2), 3)


@pytest.mark.parametrize("shown, kept", [([0.9, 0.9], True), ([5.0, 5.0], False), ([np.nan, 1.0], False)])
def test_breakdown_keeps_the_last_iterate_if_it_is_better_than_none(shown, kept, monkeypatch):
    def solver(A, b, callback=None, **rest):
        callback(np.array(shown))
        raise ZeroDivisionError

    monkeypatch.setitem(krylov.SOLVERS, "cg", solver)
    answer = krylov.solve("cg", krylov.Product(lambda v: v.copy(), "test"), np.ones(2))
    assert answer.outcome == "breakdown" and np.array_equal(answer.x, shown if kept else np.ones(2))


# Products that carry errors far above rounding.

WATCHED = [name for name in krylov.SOLVERS if name not in krylov.UNWATCHED]
each_watched = pytest.mark.parametrize("name", WATCHED)


def conditioned(seed, n, condition=100.0):
    """A symmetric positive definite matrix and a right side."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    return (Q * np.geomspace(1, condition, n)) @ Q.T, rng.standard_normal(n)


def noisy(A, seed, error=1e-3):
    """Products with A, each with a fresh error of the given size, relative to A v."""
    rng = np.random.default_rng(seed)

    def product(v):
        e, Av = rng.standard_normal(v.size), A @ v
        return Av + e * (error * np.linalg.norm(Av) / np.linalg.norm(e))

    return krylov.Product(product, "test", rough=True)


def most_products(name, n, falls):
    """Bound where the residual may fall by a factor of 10 so many times before the last try."""
    cycle = min(n, krylov.CYCLES[name][1]) + 2 if name in krylov.CYCLES else 0
    window = krylov.PRODUCTS * (n + 1) + 3
    return (falls + 1) * (cycle if name in krylov.CYCLES and n <= 20 else window + cycle)


@each_watched
@pytest.mark.parametrize("n", [1, 2, 3, 10, 40])
@pytest.mark.parametrize("rtol", [1e-3, 1e-12])
def test_products_are_bounded_whatever_the_errors(name, n, rtol):
    """Errors of 1e-3 allow no residual of 1e-12: the solve ends all the same."""
    for seed in range(50 if n <= 3 else 10):
        A, b = conditioned(seed, n)
        product = noisy(A, seed)
        answer = krylov.solve(name, product, b, keywords={"rtol": rtol})
        assert np.all(np.isfinite(answer.x)) and answer.products == product.count
        assert answer.products <= most_products(name, n, 3), (seed, answer)


@each_watched
def test_a_rough_answer_is_as_good_as_the_errors_allow(name):
    for seed in range(20):
        A, b = conditioned(seed, 4, condition=10.0)
        answer = krylov.solve(name, noisy(A, seed, 1e-6), b, keywords={"rtol": 1e-12})
        assert np.linalg.norm(b - A @ answer.x) <= 1e-4 * np.linalg.norm(b), seed


@each_watched
def test_a_residual_small_enough_is_converged(name):
    for seed in range(20):
        A, b = conditioned(seed, 4, condition=10.0)
        product = noisy(A, seed, 1e-8)
        answer = krylov.solve(name, product, b, keywords={"rtol": 1e-3})
        assert answer.outcome == "converged"
        assert np.linalg.norm(b - A @ answer.x) <= 2e-2 * np.linalg.norm(b)  # minres: relative to |A| |x|


@pytest.mark.parametrize("name", list(krylov.CYCLES))
def test_a_solver_that_idles_is_ended(name, monkeypatch):
    """gcrotmk skips its update where its vectors span the space, and goes on so for 1000 cycles."""
    shown = np.array([0.6, 0.3])

    def idle(A, b, callback=None, **rest):
        for _ in range(1000):
            A.matvec(b)
            A.matvec(-b)
            callback(shown)
        return shown, 1000

    monkeypatch.setitem(krylov.SOLVERS, name, idle)
    answer = krylov.solve(name, krylov.Product(lambda v: v.copy(), "test", rough=True), np.ones(2))
    assert answer.outcome == "breakdown" and np.array_equal(answer.x, shown) and answer.products <= 6


@pytest.mark.parametrize("name", list(krylov.CYCLES))
def test_the_best_iterate_is_kept_where_the_solver_moves_away_from_it(name, monkeypatch):
    iterates = [np.array([0.95, 0.94]), np.array([0.999, 0.998]), np.array([30.0, -20.0])]

    def explode(A, b, callback=None, **rest):
        for x in iterates:
            A.matvec(b)
            callback(x)
        return iterates[-1], 1

    monkeypatch.setitem(krylov.SOLVERS, name, explode)
    answer = krylov.solve(name, krylov.Product(lambda v: v.copy(), "test", rough=True), np.ones(2))
    assert np.array_equal(answer.x, iterates[1]) and answer.outcome == "breakdown"


@pytest.mark.parametrize("name", list(krylov.SOLVERS))
def test_exact_products_reach_the_solver_untouched(name):
    """The same answer to the bit, from the same products, as SciPy's function alone."""

    def recording(A, seen):
        def product(v):
            seen.append(v.copy())
            return A @ v

        return product

    for seed in range(5):
        A, b = conditioned(seed, 8)
        ours, theirs = [], []
        answer = krylov.solve(name, krylov.Product(recording(A, ours), "test"), b)
        product = recording(A, theirs)
        x = krylov.SOLVERS[name](LinearOperator((8, 8), matvec=product, rmatvec=product, dtype=float), b)[0]
        assert np.array_equal(answer.x, x)
        assert len(ours) - len(theirs) in (0, 1)  # one more to judge an answer
        assert all(map(np.array_equal, ours, theirs))


def test_a_repeated_rough_product_is_computed_once():
    calls = []
    product = krylov.Product(lambda v: calls.append(1) or 2 * v, "test", rough=True)
    v = np.array([1.0, 2.0])
    product(v)[:] = 0.0  # the caller may change what it was given
    assert np.array_equal(product(v.copy()), [2.0, 4.0]) and product.count == len(calls) == 1
    v[:] = 3.0
    assert np.array_equal(product(v), [6.0, 6.0]) and product.count == len(calls) == 2


def test_lists_of_the_user_are_used():
    """CU of gcrotmk carries vectors from one solve to the next."""
    A, b = conditioned(0, 6)
    CU = []
    answer = krylov.solve("gcrotmk", noisy(A, 0, 1e-9), b, keywords={"CU": CU, "m": 4})
    assert answer.outcome == "converged" and np.linalg.norm(b - A @ answer.x) < 1e-4 * np.linalg.norm(b)


def test_curvature_along_an_iterate_ends_a_truncated_solve():
    A = np.diag([1.0, -2.0])
    for name in ("gcrotmk", "lgmres", "gmres", "cg", "minres"):
        product = krylov.Product(lambda v: A @ v, "test", truncate=True, rough=True)
        answer = krylov.solve(name, product, np.array([1.0, 0.9]))
        assert answer.outcome == "curvature", name


def test_minres_ends_its_rounds_where_the_residual_stands_still():
    for seed in range(20):
        A, b = conditioned(seed, 3, condition=1e4)
        product = noisy(A, seed, 1e-2)
        answer = krylov.solve("minres", product, b, rtol=1e-10)
        assert answer.outcome != "converged" and answer.products <= 3 * (krylov.PRODUCTS * 4 + 15), answer
