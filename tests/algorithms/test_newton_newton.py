"""NewtonNewton against the definition written out with plain autograd, against Schroeder's formula, and
its order.
"""

from __future__ import annotations

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

import refopt
from refopt.function import FunctionObjective
from refopt.problems import get

EPS = np.finfo(float).eps


def coupled(x):
    return (
        anp.sum(anp.exp(x) - x)
        + 0.3 * x[0] * x[1] ** 2
        + 0.2 * anp.sin(x[2] * x[0])
        + x[2] ** 4
        + anp.sum(x**2)
    )


X = np.array([0.3, -0.4, 0.5])


def step(method, fun=coupled, x=X):
    point = FunctionObjective(fun, x).at(x)
    update, state = method.step(point, point.g, method.init(x))
    return update, state


def by_definition(fun, x, order, reg):
    """x_order with every Jacobian by nested autograd: the formulas of the docstring, literally."""

    def vector(k):
        if k == 1:
            return autograd.grad(fun)
        before = vector(k - 1)
        return lambda x: anp.linalg.solve(autograd.jacobian(before)(x) + reg * anp.eye(x.size), before(x))

    u = autograd.grad(fun)(x)
    for k in range(1, order):
        u = np.linalg.solve(autograd.jacobian(vector(k))(x) + reg * np.eye(x.size), u)
    return u


@pytest.mark.parametrize("reg", [0.0, 1e-6, 0.1])
@pytest.mark.parametrize("order", [2, 3, 4])
def test_agrees_with_the_definition(order, reg):
    update, state = step(refopt.NewtonNewton(reg=reg, order=order))
    expected = by_definition(coupled, X, order, reg)
    # a dozen solves with matrices of condition below 20
    assert np.linalg.norm(update - expected) <= 1e4 * EPS * np.linalg.norm(expected)
    assert state.solvers == ("cholesky", *["lu"] * (order - 2))


@pytest.mark.parametrize("order, reg", [(2, 0.0), (3, 0.0), (3, 1e-6), (4, 0.1)])
def test_gmres_and_columns_give_the_dense_step(order, reg):
    dense, _ = step(refopt.NewtonNewton(reg=reg, order=order))
    columns, _ = step(refopt.NewtonNewton(reg=reg, order=order, vectorize=False))
    krylov, state = step(refopt.NewtonNewton(reg=reg, order=order, solver="gmres", rtol=1e-13))
    assert np.allclose(columns, dense, rtol=1e3 * EPS, atol=0)
    # Nested solves to 1e-13 with condition below 20 each
    assert np.allclose(krylov, dense, rtol=1e-9, atol=0)
    assert state.solvers == ("gmres",) * (order - 1)


def test_one_variable_is_schroeders_formula():
    """d = (g/h) / (1 - g t / h^2) at order 3 (Schroeder 1870, second algorithm)."""
    x = np.array([0.7])
    update, _ = step(refopt.NewtonNewton(reg=0), lambda x: anp.sum(anp.exp(x) + x**4), x)
    z = x[0]
    g, h, t = np.exp(z) + 4 * z**3, np.exp(z) + 12 * z**2, np.exp(z) + 24 * z
    assert np.isclose(update[0], (g / h) / (1 - g * t / h**2), rtol=16 * EPS)


def test_order_two_is_newton():
    update, _ = step(refopt.NewtonNewton(reg=0, order=2))
    assert np.allclose(
        update,
        np.linalg.solve(refopt.derivatives.hessian(coupled, X), refopt.derivatives.gradient(coupled, X)),
        rtol=32 * EPS,
    )


def test_powells_singular_function_in_one_step():
    powell = get("mgh/powell_singular")
    result = refopt.minimize(powell.fun, powell.x0, method=refopt.NewtonNewton(reg=0), options={"gtol": 1e-8})
    assert result.success and result.nit == 1 and result.fun < 1e-20
    newton, _ = step(refopt.NewtonNewton(reg=0, order=2), powell.fun, powell.x0)
    assert 31 < powell.fun(powell.x0 - newton) < 32.5


@pytest.mark.parametrize("gtol", [0.0, 1e-12])
def test_rounding_does_not_throw_the_run_out(gtol):
    """Without any tolerance, going on from the solution must not lose it: the best point is the result."""
    powell = get("mgh/powell_singular")
    for method in (refopt.NewtonNewton(reg=0), "NewtonNewton"):
        result = refopt.minimize(
            powell.fun,
            powell.x0,
            method=method,
            options={"gtol": gtol, "maxiter": 5, **({"reg": 0.0} if method == "NewtonNewton" else {})},
        )
        assert result.fun < 1e-20


def exponents(method, fun, x0, minimiser, steps):
    """Observed orders of convergence log(e_2/e_1) / log(e_1/e_0) along a run without a line search."""
    errors = [np.linalg.norm(np.array(x0) - minimiser)]
    for record in refopt.iterate(fun, x0, method=method, options={"gtol": 0, "maxiter": steps}):
        errors.append(np.linalg.norm(record.x - minimiser))
    errors = [e for e in errors if e > 1e-13]
    return [
        np.log(c / b) / np.log(b / a) for a, b, c in zip(errors, errors[1:], errors[2:], strict=False)
    ], errors


def test_order_of_convergence_at_a_degenerate_minimum():
    """f = x^4 + x^5: Newton's error shrinks by 2/3 a step, order 3 squares it."""
    quartic = lambda x: anp.sum(x**4 + x**5)  # noqa: E731
    _, errors = exponents(refopt.NewtonNewton(reg=0, order=2), quartic, [0.05, 0.04], 0.0, 12)
    ratios = np.array(errors[1:]) / np.array(errors[:-1])
    assert np.allclose(ratios[-4:], 2 / 3, atol=0.01)
    orders, errors = exponents(refopt.NewtonNewton(reg=0, order=3), quartic, [0.3, 0.2], 0.0, 5)
    assert abs(orders[-1] - 2) < 0.1 and errors[-1] < 1e-5


@pytest.mark.parametrize("order", [2, 3, 4])
def test_order_of_convergence_at_a_regular_minimum(order):
    fun = lambda x: anp.sum(anp.exp(x) - x)  # noqa: E731  minimiser 0, H = I, third derivative not 0
    orders, errors = exponents(refopt.NewtonNewton(reg=0, order=order), fun, [0.4, 0.3], 0.0, 6)
    assert abs(orders[-1] - 2) < 0.15 and errors[-1] < 1e-5


def test_update_freq_keeps_the_matrices():
    convex, options = lambda x: anp.sum(anp.exp(x) - x), {"maxiter": 4, "gtol": 0}
    fresh = refopt.minimize(convex, X, method=refopt.NewtonNewton(), options=options)
    kept = refopt.minimize(convex, X, method=refopt.NewtonNewton(update_freq=4), options=options)
    assert (fresh.nhev, kept.nhev) == (4, 1) and np.abs(kept.jac).max() > np.abs(fresh.jac).max()


def test_singular_hessian_falls_back_to_least_squares():
    update, state = step(
        refopt.NewtonNewton(reg=0, order=2), lambda x: (x[0] + x[1]) ** 2, np.array([1.0, 2.0])
    )
    assert state.solvers == ("least squares",) and np.allclose(update, [1.5, 1.5])


def test_linear_function_has_no_newton_step():
    update, state = step(refopt.NewtonNewton(reg=0), lambda x: anp.sum(x), np.ones(2))
    assert not update.any() and state.solvers == ("least squares", "least squares")


def test_inner_is_applied_first():
    update, _ = step(refopt.NewtonNewton(inner=refopt.LR(3.0)))
    plain, _ = step(refopt.NewtonNewton())
    assert np.allclose(update, 3 * plain, rtol=8 * EPS)


def test_products_only():
    n = 60
    fun = lambda x: anp.sum((x - 1) ** 4) + anp.sum((x[1:] - x[:-1]) ** 2)  # noqa: E731
    result = refopt.minimize(  # the one Hessian is the run's, at its end
        fun,
        np.linspace(0, 3, n),
        method=refopt.NewtonNewton(solver="gmres", rtol=1e-4),
        options={"maxiter": 2, "gtol": 1e-4},
    )
    assert result.nhev == 1 and result.nhvp > 0 and result.fun < 1e-3 * fun(np.linspace(0, 3, n))


@pytest.mark.parametrize(
    "given, words",
    [
        ({"order": 1}, "order must be a whole number >= 2, got 1"),
        ({"reg": -1}, r"reg must be in \[0, inf\), got -1"),
        ({"solver": "cg"}, "solver must be one of 'dense', 'gmres', got 'cg'"),
        ({"update_freq": 0}, "update_freq must be"),
        ({"rtol": 0}, r"rtol must be in \(0, 1\)"),
    ],
)
def test_bad_hyperparameters(given, words):
    with pytest.raises(ValueError, match="NewtonNewton: " + words):
        refopt.NewtonNewton(**given)


def test_a_hessian_that_is_not_finite_ends_the_run():
    with np.errstate(all="ignore"):
        result = refopt.minimize(
            lambda x: anp.sum(anp.abs(x) ** 1.5), [0.0, 1.0], method=refopt.NewtonNewton()
        )
    assert result.status == 21 and "J_1 of NewtonNewton has entries that are not finite" in result.message


def test_relative_damping_does_not_depend_on_units():
    """Powers of two change hardly a digit: the pivots of LU are chosen among other numbers."""
    fun = lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2 + x[0] ** 4  # noqa: E731
    unit, x0 = np.array([2.0**20, 2.0**-17]), np.array([-1.2, 1.0])
    method = refopt.NewtonNewton(reg=1e-2, damping="relative")
    points = (
        FunctionObjective(fun, x0).at(x0),
        FunctionObjective(lambda x: 2.0**40 * fun(x / unit), x0).at(x0 * unit),
    )
    plain, other = (method.step(point, point.g, method.init(point.x))[0] for point in points)
    assert other / unit == pytest.approx(plain, rel=1e-9)
    undamped = refopt.NewtonNewton(reg=0.0).step(points[0], points[0].g, method.init(x0))[0]
    assert not np.allclose(plain, undamped, rtol=1e-3)
    with pytest.raises(ValueError, match="solver must be one of 'dense'"):
        refopt.NewtonNewton(damping="relative", solver="gmres")
