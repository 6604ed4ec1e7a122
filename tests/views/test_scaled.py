"""Scaled variables: the view against the composition written out, and runs in units of 1e6 and 1e-6."""

from __future__ import annotations

import copy
import itertools
import pickle

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
import torch
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import refopt
from refopt.fit import objective_of
from refopt.registry import ENTRIES
from refopt.views.scaled import ScaledObjective, sizes

START = np.array([-1.2, 1.0, 0.8, 0.7])
LOCAL = np.array([-0.775659, 0.613093, 0.382063, 0.145972])  # the minimiser near it, to 6 digits
SHAPES = [(2,), (2,)]
SEED = 20260110
UNITS = np.array([1e6, 1e-6, 1e3, 1.0])
POWERS = 2.0 ** np.array([20, -20, 10, 0])
BOX = np.array([-1.5, 0.2, -1.0, 0.5]), np.array([0.4, 2.0, 3.0, 0.9])
each_method = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


@pytest.fixture(autouse=True)
def quiet_overflow():
    """Methods without a step size may run away; both runs do so alike."""
    with np.errstate(over="ignore", invalid="ignore"):
        yield


def residuals(x):
    return anp.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]])


def stretched(s):
    """Rosenbrock's function in variables that are s times as large."""
    return refopt.LeastSquares(lambda x: residuals(x / s))


def counts(run):
    objective = run.objective
    return [objective.nfev, objective.njev, objective.nhev, objective.nhvp, objective.ntaylor]


def started(method, s=None, x_scale=None, maxiter=10, bounds=None, **keywords):
    s = np.ones(4) if s is None else s
    if bounds is not None:
        bounds = list(zip(bounds[0] * s, bounds[1] * s, strict=True))
    return refopt.iterate(
        stretched(s),
        START * s,
        method=method,
        shapes=SHAPES,
        rng=SEED,
        bounds=bounds,
        options={"maxiter": maxiter, "gtol": 0, "x_scale": x_scale, "return_all": True},
        **keywords,
    )


# ---------------------------------------------------------------- the view


def test_every_quantity_is_that_of_the_composition():
    s, x = np.array([4.0, 0.3, 7.0, 1.0]), START
    seen = ScaledObjective(objective_of(refopt.LeastSquares(residuals), x).at(x), s).start
    z = x / s
    phi = lambda z: anp.sum(residuals(s * z) ** 2)  # noqa: E731
    v, w = np.random.default_rng(1).standard_normal((2, 4))
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10 * np.abs(b).max())  # noqa: E731
    gradient, H = autograd.grad(phi)(z), autograd.hessian(phi)(z)
    T = autograd.jacobian(autograd.hessian(phi))(z)
    J = autograd.jacobian(lambda z: residuals(s * z))(z)
    close(seen.x, z)
    close(seen.f, phi(z))
    close(seen.g, gradient)
    close(seen.hess, H)
    close(seen.hvp(v), H @ v)
    np.testing.assert_allclose(seen.hvp(v, "fd_central", 1e-4), H @ v, rtol=1e-7)  # h^2 and eps/h
    close(seen.objective.third(seen, w)[0], H @ w)
    close(seen.objective.third(seen, w)[1](v), T @ w @ v)
    close(seen.objective.contraction(seen, (w,)).matrix(), T @ w)
    close(seen.residuals, residuals(x))
    close(seen.jacobian, J)
    close(seen.gauss_newton, 2 * J.T @ J)
    close(seen.gauss_newton_product(v), 2 * J.T @ J @ v)
    close(seen.taylor(v, 2), [phi(z), gradient @ v, v @ H @ v / 2])
    close(seen.tensors(3)[3], T)
    value, slope, product = seen.model(v, 3)
    close(value, phi(z) + gradient @ v + v @ H @ v / 2 + v @ (T @ v) @ v / 6)
    close(slope, gradient + H @ v + v @ T @ v / 2)
    close(product(w), (H + T @ v) @ w)


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_matrix, aslinearoperator])
def test_a_hessian_keeps_its_kind(form):
    H = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 0.0], [0.0, 0.0, 2.0]])
    s = np.array([2.0, 0.1, 5.0])
    objective = objective_of(lambda x: x @ H @ x / 2, np.ones(3), (), lambda x: H @ x, lambda x: form(H))
    seen = ScaledObjective(objective.at(np.ones(3)), s).start
    kind = LinearOperator if form is aslinearoperator else type(form(H))
    assert isinstance(seen.hess, kind)
    np.testing.assert_allclose(seen.dense_hessian(), s[:, None] * H * s, rtol=1e-14)


def test_points_are_those_of_f_and_differences_beside_the_path_are_not_kept():
    s = np.array([3.0, 0.1, 7.0, 1.0])
    base = objective_of(refopt.LeastSquares(residuals), START).at(START)
    base.f  # noqa: B018
    phi = ScaledObjective(base, s)
    child = phi.start.after(np.full(4, 0.1))
    assert child.memo["parent"] is base.after(s * 0.1) and phi.of(child.memo["parent"]) is child
    assert phi.start.after(np.zeros(4)) is phi.start
    best, recent = base.objective.best_f, list(base.objective._recent)
    phi.gradient_at(phi.start.x * 0.9)
    assert base.objective.best_f == best and base.objective._recent == recent


# ---------------------------------------------------------------- runs in other units


@each_method
def test_powers_of_two_give_the_same_run_to_the_bit(entry):
    """Multiplication by them is exact. (Tensors are interpolated along directions of other lengths:
    HigherOrderNewton differs by their rounding.)
    """
    run, other = started(entry.complete()), started(entry.complete(), POWERS, POWERS)
    path, scaled = list(run), list(other)
    exact = entry.name != "HigherOrderNewton"
    if exact:
        assert len(path) == len(scaled) and counts(run) == counts(other)
        assert run.result.status == other.result.status
    for a, b in zip(path, scaled, strict=exact):
        if exact:
            assert a.x.tobytes() == (b.x / POWERS).tobytes() and a.fun == b.fun
            assert (a.jac / POWERS).tobytes() == b.jac.tobytes()
            assert [x.tolist() for x in a.rejected] == [(x / POWERS).tolist() for x in b.rejected]
        else:
            np.testing.assert_allclose(b.x / POWERS, a.x, rtol=1e-10, atol=1e-10)


@each_method
def test_units_of_a_million_give_the_same_run_to_rounding(entry):
    """The first step to a few ulps; later ones amplify rounding as a start disturbed by one ulp does."""
    path, scaled = (
        list(started(entry.complete(), maxiter=6)),
        list(started(entry.complete(), UNITS, UNITS, 6)),
    )
    # Taylor models and systems solved by iteration amplify rounding by their condition
    np.testing.assert_allclose(scaled[0].x / UNITS, path[0].x, rtol=1e-13, atol=1e-13)
    for a, b in zip(path, scaled, strict=False):
        np.testing.assert_allclose(b.x / UNITS, a.x, rtol=1e-7, atol=1e-7)
        np.testing.assert_allclose(b.fun, a.fun, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(b.jac * UNITS, a.jac, rtol=1e-5, atol=1e-5)


@each_method
def test_without_x_scale_bad_units_change_the_path_of_all_but_invariant_methods(entry):
    """So the tests above can fail."""
    path, plain = list(started(entry.complete())), list(started(entry.complete(), POWERS))
    alike = len(path) == len(plain) and all(
        np.allclose(a.x, b.x / POWERS, rtol=1e-6) for a, b in zip(path, plain, strict=True)
    )
    assert alike == (entry.name in ("Newton", "GaussNewton", "LevenbergMarquardt"))


def test_newton_with_backtracking_is_the_same_in_all_units():
    method = refopt.chain(refopt.Newton(), refopt.Backtracking())
    path = list(started(method))
    for x_scale in (POWERS, 1 / POWERS, UNITS, "hess", "jac", "auto", 4.0):
        scaled = list(started(method, x_scale=x_scale))
        assert len(scaled) == len(path)
        for a, b in zip(path, scaled, strict=True):
            np.testing.assert_allclose(b.x, a.x, rtol=1e-9)


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.complete().keeps_bounds()], ids=lambda e: e.name)
def test_bounds_are_met_exactly_and_the_run_is_the_same(entry):
    s = UNITS
    path = list(started(entry.complete(), bounds=BOX))
    run = started(entry.complete(), s, s, bounds=BOX)
    scaled = list(run)
    for a, b in zip(path, scaled, strict=False):
        assert np.all(b.x >= BOX[0] * s) and np.all(b.x <= BOX[1] * s)
        np.testing.assert_allclose(b.x / s, a.x, rtol=1e-7, atol=1e-7)
    exact = started(entry.complete(), POWERS, POWERS, bounds=BOX)
    if entry.name != "HigherOrderNewton":
        assert [r.x.tolist() for r in path] == [(r.x / POWERS).tolist() for r in exact]


def test_what_the_user_sees_is_in_his_units():
    seen = []
    s = POWERS
    res = refopt.minimize(
        stretched(s),
        START * s,
        method="InfinityNormTrustRegion",
        callback=lambda x: seen.append(x),
        options={"x_scale": s, "return_all": True, "gtol": 1e-9},
    )
    plain = refopt.minimize(
        stretched(np.ones(4)),
        START,
        method="InfinityNormTrustRegion",
        options={"return_all": True, "gtol": 0},
    )
    assert res.success and "InfinityNormTrustRegion" in res.method and "caled" not in res.method
    np.testing.assert_allclose(res.x, LOCAL * s, rtol=1e-5)
    np.testing.assert_allclose(res.hess * s * s[:, None], plain.hess, rtol=1e-6, atol=1e-6)
    assert (
        [x.tolist() for x in seen]
        == [r.x.tolist() for r in res.history]
        == [x.tolist() for x in res.allvecs[1:]]
    )
    assert res.allvecs[0].tolist() == (START * s).tolist()
    ours = [x.tolist() for r in res.history for x in r.rejected]
    assert ours == [(x * s).tolist() for r in plain.history[: res.nit] for x in r.rejected] and len(ours) > 0
    np.testing.assert_allclose(res.jac, autograd.grad(stretched(s))(res.x), rtol=1e-9, atol=1e-12)
    assert res.options["x_scale"].tolist() == s.tolist()


def test_the_best_point_of_an_unfinished_run_is_in_the_users_units():
    res = refopt.minimize(
        stretched(UNITS), START * UNITS, method="LBFGS", options={"x_scale": UNITS, "maxfev": 7}
    )
    assert not res.success and res.fun == stretched(UNITS)(res.x)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda run: pickle.loads(pickle.dumps(run))])
def test_a_scaled_run_can_be_copied(copied):
    run = refopt.iterate(residual_sum, START * UNITS, method="LBFGS", options={"x_scale": UNITS})
    for _ in range(3):
        next(run)
    twin = copied(run)
    assert [r.x.tolist() for r in twin] == [r.x.tolist() for r in run] and run.nit > 3


def residual_sum(x):
    return anp.sum(residuals(x / UNITS) ** 2)


def test_float32_stays_float32():
    s = np.array([64.0, 0.125, 2.0, 1.0], np.float32)
    res = refopt.minimize(
        stretched(s), (START * s).astype(np.float32), method="LBFGS", options={"x_scale": s.tolist()}
    )
    assert res.x.dtype == np.float32 and res.options["x_scale"].dtype == np.float32
    np.testing.assert_allclose(res.x, LOCAL * s, rtol=2e-2)


def test_a_bare_name_still_falls_back_to_the_order_that_the_function_allows():
    """A Jacobian of the user's own, of a function that cannot be traced."""
    fun = lambda x: float(np.sum((x / UNITS - 1.0) ** 4) + np.sum((x / UNITS) ** 2))  # noqa: E731
    jac = lambda x: (4 * (x / UNITS - 1.0) ** 3 + 2 * x / UNITS) / UNITS  # noqa: E731
    res = refopt.minimize(fun, 3 * UNITS, jac=jac, options={"x_scale": UNITS, "gtol": 0})
    assert "order=2" in res.derivatives["note"] and "order=2" in res.method
    np.testing.assert_allclose(jac(res.x) * UNITS, 0, atol=1e-6)


def test_a_torch_model_in_scaled_variables():
    s = torch.tensor(POWERS)
    w = torch.tensor(START * POWERS, requires_grad=True)

    def loss():
        x = w / s
        return torch.cat([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]]), refopt.torch.squares

    res = refopt.minimize(refopt.torch.objective(loss, [w]), method="LBFGS", options={"x_scale": POWERS})
    np.testing.assert_allclose(w.detach().numpy(), res.x)
    for x_scale in ("jac", "hess"):
        with torch.no_grad():
            w.copy_(torch.tensor(START * POWERS))
        res = refopt.minimize(refopt.torch.objective(loss, [w]), method="LBFGS", options={"x_scale": x_scale})
        np.testing.assert_allclose(res.x, LOCAL * POWERS, rtol=1e-3)


# ---------------------------------------------------------------- the scales


def test_sizes_of_the_hessian_and_the_jacobian():
    J = np.array([[3.0, 0.0, 1e-9], [4.0, 0.0, 0.0]])
    fun = refopt.LeastSquares(lambda x: J @ x - 1)
    point = objective_of(fun, np.zeros(3)).at(np.zeros(3))
    # g = -2 J^T 1 = -(14, 0, 2e-9): |g / |J e_i|| = 2.8 and 2, so sqrt(F) = 2.8; it is 1 where J e_i = 0
    assert sizes("jac", point).tolist() == [0.5, 1.0, 2.0**31]  # 2.8/5 and 2.8e9
    # H = 2 J^T J: sqrt H_ii = 7.07, 0, 1.41e-9, sqrt(F) = 1.98
    assert sizes("hess", point).tolist() == [0.25, 1.0, 2.0**30]
    x = np.array([0.5, 0.0])
    negative = objective_of(lambda x: -8 * x[0] ** 2 + x[1] ** 3, x).at(x)  # sqrt(F) = 8/4
    assert sizes("hess", negative).tolist() == [0.5, 1.0]
    H = lambda x: scipy.sparse.csr_matrix(np.diag([16.0, np.nan]))  # noqa: E731
    sparse = objective_of(lambda x: x @ x, np.ones(2), (), lambda x: 8 * x, H).at(np.ones(2))
    assert sizes("hess", sparse).tolist() == [0.5, 1.0]
    model = refopt.ModelLoss(lambda x: 16 * x, lambda y: anp.sum(y))
    assert sizes("jac", objective_of(model, np.ones(2)).at(np.ones(2))).tolist() == [0.0625, 0.0625]


def test_sizes_do_not_depend_on_the_units_of_f_and_follow_those_of_x():
    for x_scale, factor in itertools.product(("hess", "jac"), (1.0, 2.0**-40, 2.0**40)):
        found = []
        for s in (np.ones(4), POWERS):
            fun = refopt.LeastSquares(lambda x: residuals(x / s) * factor)  # noqa: B023
            found.append(sizes(x_scale, objective_of(fun, START * s).at(START * s)) / s)
        plain = sizes(x_scale, objective_of(refopt.LeastSquares(residuals), START).at(START))
        assert found[0].tolist() == found[1].tolist() == plain.tolist()
    # at a stationary point the value is the scale of f, and 1 where that is 0
    flat = objective_of(lambda x: 4.0 + 8 * x[0] ** 2, np.zeros(1))
    assert sizes("hess", flat.at(np.zeros(1))).tolist() == [0.5]
    assert sizes("hess", objective_of(lambda x: 8 * x[0] ** 2, np.zeros(1)).at(np.zeros(1))).tolist() == [
        0.25
    ]


def test_auto_scales_where_a_size_is_out_of_the_ordinary_and_h_is_at_hand():
    def found(fun, x0, jac=None):
        """The sizes, and the Hessians that they cost."""
        objective = objective_of(fun, x0, (), jac)
        s = sizes("auto", objective.at(x0))
        return s if s is None else s.shape, objective.nhev

    quadratic, slope = lambda x: np.sum((x / POWERS) ** 2), lambda x: 2 * x / POWERS**2
    assert found(stretched(np.ones(4)), START) == (None, 1)
    assert found(stretched(POWERS), START * POWERS) == ((4,), 1)
    assert found(stretched(np.full(101, 1e6)), np.ones(101)) == (None, 0)
    assert found(quadratic, START * POWERS, slope) == (None, 0)
    assert found(quadratic, START * POWERS, "3-point") == (None, 0)
    run = refopt.iterate(
        quadratic, START, method="Newton", hess=scipy.optimize.BFGS(), options={"x_scale": "auto"}
    )
    assert run.options["x_scale"] is None
    assert started("LBFGS", x_scale="auto").options["x_scale"] == "auto"  # until the run begins
    assert list(started("LBFGS", POWERS, "auto"))[-1].accepted


@pytest.mark.parametrize("x_scale", ["hess", "jac"])
def test_scales_found_at_the_start_undo_the_units(x_scale):
    """Powers of two in the units are found again exactly, so the runs are the same."""
    path = list(started(ENTRY["InfinityNormTrustRegion"].complete(), x_scale=x_scale))
    run = started(ENTRY["InfinityNormTrustRegion"].complete(), POWERS, x_scale)
    assert [r.x.tolist() for r in path] == [(r.x / POWERS).tolist() for r in run]
    assert run.result.options["x_scale"].shape == (4,)


ENTRY = {entry.name: entry for entry in ENTRIES}
