"""What the user asked for, checked: every wrong call gets its own message, before the first evaluation."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest
import scipy.optimize
from autograd.tracer import getval
from functions import never, sphere
from scipy.optimize import Bounds, LinearConstraint, OptimizeWarning
from scipy.optimize._optimize import MemoizeJac

from refopt import InfinityNormTrustRegion, LeastSquares, iterate, minimize
from refopt.registry import ENTRIES
from refopt.request import SECOND_ORDER, plain_gradient

START = [1.0, 2.0]


@pytest.mark.parametrize(
    "x0, error, words",
    [
        ([], ValueError, "x0 is empty; give at least one variable"),
        ([1 + 1j, 2], TypeError, r"x0 is complex \(complex128\); give real numbers"),
        (np.array([1, "a"], dtype=object), TypeError, "x0 has dtype object; give real numbers"),
        ([1.0, np.nan], ValueError, r"x0 must be finite, but x0\[1\] = nan"),
        ([np.inf, 1.0], ValueError, r"x0 must be finite, but x0\[0\] = inf"),
        (np.ones((2, 2)), ValueError, r"x0 has shape \(2, 2\); give a flat vector"),
        ("ab", TypeError, "x0 has dtype <U2"),
        (None, TypeError, "x0 is None"),
        ([[1.0], [1.0, 2.0]], ValueError, "not a rectangular array"),
    ],
)
def test_bad_start(x0, error, words):
    with pytest.raises(error, match=words):
        minimize(never, x0, method="LR")


@pytest.mark.parametrize(
    "shapes, error, words",
    [
        ([(3,)], ValueError, r"shapes \[\(3,\)\] hold 3 numbers, but x0 has 2"),
        (5, TypeError, "shapes must be a list of tensor shapes"),
        ([(-1, -2)], ValueError, "must not hold negative lengths"),
    ],
)
def test_bad_shapes(shapes, error, words):
    with pytest.raises(error, match=words):
        minimize(never, START, method="LR", shapes=shapes)


def test_a_matrix_start_is_welcome_with_its_shape():
    result = minimize(sphere, np.ones((2, 3)), method="Newton", shapes=[(2, 3)])
    assert result.success and result.x.shape == (6,)


@pytest.mark.parametrize(
    "options, error, words",
    [
        ({"maxitr": 3}, ValueError, "unknown option for Newton 'maxitr'; did you mean 'maxiter'"),
        ({"delt": 0.1}, ValueError, "unknown option for Newton 'delt'; did you mean 'delta'"),
        ({"maxiter": -1}, ValueError, "maxiter must be a number >= 0, or inf, got -1"),
        ({"maxiter": np.nan}, ValueError, "maxiter must be a number >= 0, or inf, got nan"),
        ({"maxiter": "many"}, TypeError, "maxiter must be a number >= 0, or inf, got 'many'"),
        ({"maxiter": True}, TypeError, "maxiter must be a number >= 0, or inf, got True"),
        ({"maxfev": 0}, ValueError, "maxfev must be a number >= 1, or inf, got 0"),
        ({"gtol": -1e-3}, ValueError, r"gtol must be in \[0, inf\], got -0.001"),
        ({"ftol": np.nan}, ValueError, "ftol must be a real number, got nan"),
        ({"xtol": "small"}, TypeError, "xtol must be a real number, got 'small'"),
        ({"maxtime": -1}, ValueError, r"maxtime must be in \[0, inf\]"),
        ({"disp": -1}, TypeError, r"disp must be True, False or a whole number >= 0 \(0 is off\), got -1"),
        ({"disp": 0.5}, TypeError, "disp must be True, False or a whole number"),
        ({"return_all": "yes"}, TypeError, "return_all must be True, False or a whole number .* got 'yes'"),
        (["maxiter"], TypeError, "options must be a dict"),
    ],
)
def test_bad_options(options, error, words):
    with pytest.raises(error, match=words):
        minimize(never, START, method="Newton", options=options)


@pytest.mark.parametrize(
    "x_scale, error, words",
    [
        ([1.0, -1.0], ValueError, r"x_scale must be positive and finite.*x_scale\[1\] = -1.0 and x0\[1\] = "),
        (0, ValueError, r"x_scale must be positive and finite, and x0 / x_scale too, but x_scale\[0\] = 0"),
        ([np.inf, 1.0], ValueError, r"x_scale\[0\] = inf"),
        ([1.0, np.nan], ValueError, r"x_scale\[1\] = nan"),
        ([1e-310, 1.0], ValueError, r"and x0 / x_scale too, but x_scale\[0\] = 1e-310"),
        ([1.0, 2.0, 3.0], ValueError, "one positive number, or one for each of the 2 variables, got"),
        (np.ones((2, 2)), ValueError, "one for each of the 2 variables"),
        ([1.0, 1j], ValueError, "x_scale must be 'jac', 'hess', 'auto', None, one positive number"),
        (True, ValueError, "x_scale must be 'jac', 'hess', 'auto', None, one positive number.* got True"),
        ("hes", ValueError, "x_scale must be one of 'jac', 'hess', 'auto', got 'hes'"),
        ("jac", TypeError, "x_scale='jac' takes the Jacobian of residuals or of a model, but fun is a plain"),
    ],
)
def test_bad_x_scale(x_scale, error, words):
    with pytest.raises(error, match=words):
        minimize(never, START, method="LBFGS", options={"x_scale": x_scale})


def test_x_scale_of_a_hessian_that_is_not_known_at_the_start():
    with pytest.raises(ValueError, match=r"takes the Hessian at x0, which hess=BFGS\(\) does not know"):
        minimize(never, START, method="Newton", hess=scipy.optimize.BFGS(), options={"x_scale": "hess"})


def test_x_scale_is_copied_and_may_be_one_number():
    given = np.array([2.0, 4.0])
    run = iterate(off_centre, START, method="LBFGS", options={"x_scale": given})
    given[0] = np.nan
    assert run.options["x_scale"].tolist() == [2.0, 4.0]
    run = iterate(off_centre, START, method="LBFGS", options={"x_scale": 3})
    assert run.options["x_scale"].tolist() == [3.0, 3.0]


def test_tol_and_gtol_together():
    with pytest.raises(ValueError, match=r"give tol or options\['gtol'\], not both"):
        minimize(never, START, method="Newton", tol=1e-3, options={"gtol": 1e-4})


def test_bad_fun_callback_and_rng():
    with pytest.raises(TypeError, match="fun must be callable, got 3"):
        minimize(3, START, method="LR")
    with pytest.raises(TypeError, match="callback must be callable, got 'x'"):
        minimize(never, START, method="LR", callback="x")
    for rng in ("seed", -1, True, 1.5):
        with pytest.raises(
            TypeError, match="rng must be None, a non-negative integer or a numpy.random.Generator"
        ):
            minimize(never, START, method="CoordinateMomentum", rng=rng)


def test_bounds_where_unsupported():
    with pytest.raises(ValueError, match="^GGT does not support bounds; by name these do: .*, Newton$"):
        minimize(never, START, method="GGT", bounds=[(0, 1), (0, 3)])


@pytest.mark.parametrize(
    "bounds, error, words",
    [
        (
            Bounds([0, 0, 0], 1),
            ValueError,
            "bounds has 3 lower bounds, but x0 has 2 variables; give Bounds with",
        ),
        (Bounds(0, [1, 1, 1]), ValueError, "bounds has 3 lower bounds, but x0 has 2 variables"),
        (Bounds(np.zeros((2, 2)), 5), ValueError, "bounds has 4 lower bounds, but x0 has 2 variables"),
        ([(0, 1)], ValueError, "bounds has 1 pairs, but x0 has 2 variables; they must be equal"),
        (5, TypeError, r"bounds must be scipy.optimize.Bounds or a sequence of \(low, high\) pairs, got 5"),
        ([0, 1], TypeError, "bounds must be scipy.optimize.Bounds or a sequence of"),
        ([("a", 1), (0, 1)], TypeError, "bounds must hold real numbers, or None for no bound"),
        ([(0, 1), (1j, 1)], TypeError, "bounds must hold real numbers, or None for no bound"),
        ([(0, 1), (3, 2)], ValueError, "bounds cross at variable 1: the lower bound 3.0 must not be above"),
        ([(0, 1), (np.nan, 2)], ValueError, "bounds cross at variable 1: the lower bound nan"),
    ],
)
def test_bad_bounds(bounds, error, words):
    with pytest.raises(error, match=words):
        minimize(never, START, method=InfinityNormTrustRegion(), bounds=bounds)


def off_centre(x):
    return ((x - 3) ** 2).sum()


@pytest.mark.parametrize(
    "bounds",
    [
        Bounds(0, 2),
        Bounds([0], [2, 2]),
        Bounds(np.array(0), np.array([2])),
        [(0, 2), (None, 2)],
        ((0, 2), (0, 2)),
        np.array([[0, 2], [0, 2]]),
        zip([0, 0], [2, 2], strict=True),
        [(np.array([0.0]), 2), (0, np.array(2.0))],
    ],
)
def test_every_form_of_bounds_that_scipy_takes(bounds):
    result = minimize(off_centre, [1.0, 0.5], method=InfinityNormTrustRegion(), bounds=bounds)
    assert result.success and np.array_equal(result.x, [2.0, 2.0])


def test_a_start_outside_the_bounds_moves_inside_with_scipys_warning():
    seen = []

    def fun(x):
        seen.append(getval(x))
        return off_centre(x)

    x0 = np.array([5.0, -1.0])
    with pytest.warns(
        OptimizeWarning, match="Initial guess is not within .* bounds at variable 0; the run"
    ) as w:
        result = minimize(fun, x0, method=InfinityNormTrustRegion(), bounds=[(0, 2), (0, 4)])
    assert np.array_equal(seen[0], [2.0, 0.0]) and np.array_equal(x0, [5.0, -1.0])
    assert w[0].filename == __file__, "the warning must name the line of the call"
    assert result.success and np.allclose(result.x, [2.0, 3.0])
    # the same category, and the same first words, as SciPy's own
    with pytest.warns(OptimizeWarning, match="Initial guess is not within the specified bounds"):
        scipy.optimize.minimize(off_centre, x0, method="Nelder-Mead", bounds=[(0, 2), (0, 4)])


def test_a_start_on_the_bounds_is_inside():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert minimize(off_centre, [0.0, 2.0], method=InfinityNormTrustRegion(), bounds=[(0, 2)] * 2).success


def test_infinite_bounds_are_no_bounds():
    assert minimize(sphere, START, method="Newton", bounds=[(None, None), (-np.inf, np.inf)]).success


# ---------------------------------------------------------------- callbacks and randomness


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def test_callback_of_x():
    seen = []
    result = minimize(rosenbrock, START, method="Newton", callback=lambda xk: seen.append(xk))
    assert len(seen) == result.nit and np.array_equal(seen[-1], result.x)
    seen[0][:] = 0  # a copy: nothing happens


def test_callback_of_the_intermediate_result():
    seen = []

    def callback(intermediate_result):
        seen.append(intermediate_result)
        intermediate_result.x[:] = 99  # a copy: nothing happens

    result = minimize(rosenbrock, START, method="Newton", callback=callback)
    assert [r.nit for r in seen] == list(range(1, result.nit + 1))
    assert seen[-1].fun == result.fun and seen[-1].figures["step_size"] == 1.0 and result.success


def test_seed_is_reported_and_repeats_the_run():
    options = {"maxiter": 20}
    first = minimize(sphere, START, method="CoordinateMomentum", options=options)
    again = minimize(sphere, START, method="CoordinateMomentum", options=options, rng=first.options["rng"])
    assert np.array_equal(first.x, again.x)
    assert "rng" not in minimize(sphere, START, method="Newton").options


# ---------------------------------------------------------------- the seam with SciPy


@pytest.mark.parametrize("function", [minimize, iterate])
def test_arguments_stand_where_scipy_has_them(function):
    theirs = list(inspect.signature(scipy.optimize.minimize).parameters)
    ours = inspect.signature(function).parameters
    assert list(ours)[: len(theirs)] == theirs
    assert all(p.kind is p.KEYWORD_ONLY for p in list(ours.values())[len(theirs) :])


def test_no_method_means_the_default_one():
    assert minimize(sphere, START, method=None).method == minimize(sphere, START).method


def test_the_default_of_a_fit_sees_its_residuals():
    fit = LeastSquares(lambda x: x - 1.0)
    for given in ({}, {"method": None}):
        assert minimize(fit, [3.0], **given).method.startswith("LevenbergMarquardt(")
        assert next(iter(iterate(fit, [3.0], **given))).figures["model"] == "gauss-newton"
    assert minimize(fit, [3.0], method="HigherOrderNewton").method.startswith("HigherOrderNewton(")
    assert minimize(fit, [3.0], bounds=[(2, 4)]).x == 2.0
    with pytest.raises(ValueError, match="unknown option for LevenbergMarquardt 'order'"):
        minimize(LeastSquares(never), [3.0], options={"order": 2})


@pytest.mark.parametrize("constraints", [(), [], {}, None, np.array([])])
def test_constraints_that_are_none(constraints):
    assert minimize(sphere, START, method="Newton", constraints=constraints).success


@pytest.mark.parametrize(
    "constraints",
    [{"type": "eq", "fun": sphere}, [{"type": "ineq", "fun": sphere}], LinearConstraint([1, 1], 0)],
)
def test_constraints_are_refused(constraints):
    with pytest.raises(ValueError, match="Newton does not support constraints; .*trust-constr"):
        minimize(never, START, method="Newton", constraints=constraints)


@pytest.mark.parametrize("on", [True, 1, 2, 5, np.True_, np.int64(1), np.array(True)])
def test_switches_that_are_on(on, capsys):
    result = minimize(sphere, START, method="Newton", options={"disp": on, "return_all": on})
    assert "converged: " in capsys.readouterr().out and len(result.history) == result.nit
    assert result.options["disp"] is True and result.options["return_all"] is True


@pytest.mark.parametrize("off", [False, 0, None, np.False_, np.int8(0), np.array(0)])
def test_switches_that_are_off(off, capsys):
    result = minimize(sphere, START, method="Newton", options={"disp": off, "return_all": off})
    assert capsys.readouterr().out == "" and "history" not in result


@pytest.mark.parametrize(
    "given, counted", [(3, 3), (3.0, 3), (3.7, 3), (np.float64(3), 3), (np.array(3), 3), (np.inf, np.inf)]
)
def test_maxiter_as_scipy_takes_it(given, counted):
    options = {"maxiter": given, "gtol": 1e-300 if counted == 3 else 1e-5}
    result = minimize(rosenbrock, START, method="LBFGS", options=options)
    assert result.options["maxiter"] == counted
    assert result.nit == 3 and result.status == 10 if counted == 3 else result.success and result.nit > 3


def test_no_limit_on_calls():
    assert minimize(sphere, START, method="Newton", options={"maxfev": np.inf}).options["maxfev"] == np.inf


def test_tol_as_an_array_of_no_dimension():
    result = minimize(rosenbrock, START, method="LBFGS", tol=np.array(1e-3))
    assert result.options["gtol"] == 1e-3 and np.abs(result.jac).max() <= 1e-3
    assert not isinstance(result.options["gtol"], np.ndarray)


class Pair:
    """A callable with the attributes of SciPy's wrapper, which means something else."""

    def fun(self, x):
        raise AssertionError("an attribute of the user's object was called")

    def derivative(self, x):
        return 2 * x

    def __call__(self, x):
        return (x**2).sum()


def test_only_scipys_own_wrapper_is_taken_off():
    wrapper, pair = MemoizeJac(sphere), Pair()
    assert plain_gradient(wrapper, wrapper.derivative) == (sphere, True)
    # another gradient than the stored one is kept, and so is every object of another type
    assert plain_gradient(wrapper, never) == (wrapper, never)
    assert plain_gradient(pair, pair.derivative) == (pair, pair.derivative)
    result = minimize(pair, START, method="LBFGS", jac=pair.derivative)
    assert result.success and np.allclose(result.x, 0, atol=1e-5)


def test_second_derivatives_that_a_method_never_uses():
    both = {"hess": lambda x: 2 * np.eye(2), "hessp": lambda x, v: 2 * v}
    for entry in ENTRIES:
        method = entry.complete()
        needs = method.all_needs()
        if needs & (SECOND_ORDER | {"residuals", "gauss-newton"}):
            continue
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            minimize(sphere, START, method=method, options={"maxiter": 2}, **both)
        words = [str(w.message) for w in seen if w.category is RuntimeWarning]
        assert len(words) == 2 and "does not use Hessian information (hess); leave it out" in words[0], (
            entry.name
        )
        assert "does not use Hessian-vector product information (hessp)" in words[1]
        assert all(w.filename == __file__ for w in seen)
    with pytest.warns(RuntimeWarning, match=r"Method CG does not use Hessian information \(hess\)"):
        scipy.optimize.minimize(sphere, START, method="CG", hess=never)  # whose words these are


def test_second_derivatives_that_are_used_bring_no_warning():
    result = minimize(sphere, START, method="Newton", hess=lambda x: 2 * np.eye(2))
    assert result.success and result.nhev == 2  # at the start, and where the run ends
    assert minimize(sphere, START, method="ScipyNewtonCG", hessp=lambda x, v: 2 * v).nhvp > 0


# ---------------------------------------------------------------- one variable, as minimize_scalar has it


@pytest.mark.parametrize("method", ["LBFGS", "Newton", "ScipyNewtonCG", "CurveBall"])
@pytest.mark.parametrize(
    "wrap", [float, np.array, np.float64, lambda v: np.array([v]), lambda v: [v], lambda v: np.array([[v]])]
)
def test_one_variable_with_derivatives_that_are_numbers(method, wrap):
    hess = None if method == "LBFGS" else lambda x: wrap(2.0 + 12 * (x[0] - 3) ** 2)
    result = minimize(
        lambda x: (x[0] - 3) ** 2 + (x[0] - 3) ** 4,
        5,
        method=method,
        jac=lambda x: wrap(2 * (x[0] - 3) + 4 * (x[0] - 3) ** 3),
        hess=hess,
    )
    assert result.success and abs(result.x[0] - 3) < 1e-5 and result.x.shape == result.jac.shape == (1,)
    best = scipy.optimize.minimize_scalar(lambda x: (x - 3) ** 2 + (x - 3) ** 4)
    assert abs(result.x[0] - best.x) < 1e-5


def test_one_variable_with_products_that_are_numbers():
    result = minimize(
        lambda x: float((x[0] - 3) ** 2),
        [5.0],
        method="ScipyNewtonCG",
        jac=lambda x: float(2 * (x[0] - 3)),
        hessp=lambda x, v: 2.0 * float(v[0]),
    )
    assert result.success and abs(result.x[0] - 3) < 1e-9 and result.nhvp > 0


def test_several_variables_need_a_whole_gradient():
    with pytest.raises(ValueError, match=r"jac must return an array of shape \(2,\), got"):
        minimize(sphere, START, method="LBFGS", jac=lambda x: 1.0)
    with pytest.raises(ValueError, match=r"hess must return shape \(2, 2\), got shape \(\)"):
        minimize(sphere, START, method="Newton", hess=lambda x: 1.0)


@pytest.mark.parametrize("pack", [tuple, list])
def test_value_and_gradient_in_a_tuple_or_a_list(pack):
    pair = lambda x: pack([rosenbrock(x), scipy.optimize.rosen_der(x)])  # noqa: E731
    result = minimize(pair, [-1.2, 1.0], method="LBFGS", jac=True)
    assert result.success and np.allclose(result.x, 1, atol=1e-4)
    with pytest.raises(TypeError, match=r"with jac=True fun must return \(value, gradient\), got"):
        minimize(lambda x: pack([1.0, x, x]), START, method="LBFGS", jac=True)


def test_fallback_of_a_method_and_fallback_of_derivatives():
    """InfinityNormTrustRegion(fallback=True) inverts a strategy's matrix; "3-point" differences fun."""
    result = minimize(sphere, START, method="InfinityNormTrustRegion", options={"fallback": True})
    assert result.success and "fallback=True" in result.method
    given = lambda x: 2 * x  # noqa: E731
    assert minimize(
        sphere, START, method="InfinityNormTrustRegion", jac=given, options={"fallback": True}
    ).success
    result = minimize(sphere, START, method="InfinityNormTrustRegion", options={"fallback": "3-point"})
    assert result.success and "fallback=False" in result.method
    with pytest.raises(ValueError, match="unknown option for LBFGS 'fallback'"):
        minimize(sphere, START, method="LBFGS", options={"fallback": True})
