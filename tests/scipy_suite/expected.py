"""The tests of SciPy that fail with methods of refopt in the place of SciPy's, each with its reason.

A pattern names tests as ``module::class::test[parameters]``; ``*`` stands for any text, ``{a,b}`` for a or b.
It speaks of the tests that reach refopt: all of these must fail, with an error in which the regular
expression `error` of one of their groups is found.
"""

from __future__ import annotations

from typing import NamedTuple


class Group(NamedTuple):
    """Tests that fail for one reason."""

    reason: str
    error: str
    tests: tuple[str, ...]


CLASSES = "test_optimize::TestOptimize{}::"
FOUR = ("WrapperDisp", "WrapperNoDisp", "NoWrapperDisp", "NoWrapperNoDisp")
SIMPLE = CLASSES.format("Simple")
CONSTRAINED = "test_minimize_constrained::TestTrustRegionConstr::"


def of_each(test: str, classes: tuple[str, ...] = FOUR) -> tuple[str, ...]:
    """The test in each of the classes that call the same tests with and without `disp`."""
    return tuple(CLASSES.format(name) + test for name in classes)


REFUSED = [
    Group(
        "a negative maxiter is refused; SciPy runs no iteration",
        "maxiter must be a number >= 0, or inf, got -1",
        of_each("test_ncg_negative_maxiter"),
    ),
    Group(
        "a value that is no number is refused in other words",
        "(?s)Expected regex: 'The user-provided objective .* Actual message: 'fun must return one n",
        ("test_optimize::test_obj_func_returns_scalar",),
    ),
    Group(
        "a start of two dimensions is refused in other words",
        "(?s)Expected regex: \"'x0' must only .* Actual message: 'x0 has shape",
        (SIMPLE + "test_ndim_error",),
    ),
    Group(
        "bounds of the wrong length are refused in other words",
        "(?s)Expected regex: 'The number of bounds is not .* Actual message: 'bounds has",
        (SIMPLE + "test_minimize_invalid_bounds[*]",),
    ),
    Group(
        "a gradient of the wrong sign is found and refused; SciPy goes on with it",
        "jac disagrees with the derivative of fun",
        (SIMPLE + "test_no_increase[newton-cg]",),
    ),
]

ACCEPTED = [
    Group(
        "differences of differences for the Hessian are accepted; SciPy refuses them",
        "DID NOT RAISE ValueError",
        (SIMPLE + "test_finite_differences_hess",),
    ),
]

PRIVATE = [
    Group(
        "the derivative by differences for a variable that bounds fix is nan in SciPy, and counts as 0 here",
        "(?s)nan location mismatch.*ACTUAL: array.*0.*DESIRED: array.*nan",
        ("test_optimize::test_equal_bounds[*-kwds0-*]",),
    ),
    Group(
        "numbers of calls that only SciPy's own method makes",
        r"assert \d+ [=<]= \d+\n \+  where \d+ = <_thread._local",
        (
            *of_each("test_cg", FOUR[:2]),
            *of_each("test_ncg", FOUR[:2]),
            *of_each("test_ncg_hess", FOUR[:2]),
            *of_each("test_ncg_hessp", FOUR[:2]),
        ),
    ),
    Group(
        "the start is evaluated twice: once to compare the function with what autograd traces",
        "Duplicate evaluations made by",
        (SIMPLE + "test_duplicate_evaluations[{cg,bfgs,l-bfgs-b,tnc,slsqp,trust-constr}]",),
    ),
    Group(
        "a limit on calls that is too small for central differences",
        "(?s)Not equal to tolerance rtol=1e-07, atol=0.0001",
        ("test_tnc::TestTnc::test_minimize_tnc1b",),
    ),
    Group(
        "a number of iterations, 1 for every quadratic, and `niter`, which only trust-constr has",
        "AssertionError",
        (CONSTRAINED + "test_issue_9044",),
    ),
    Group(
        "numbers of status: refopt has one table for all methods, `refopt.Status`",
        "DESIRED: 1|assert 10 == 9|Invalid termination condition: 0",
        (
            SIMPLE + "test_respect_maxiter[SLSQP]",
            SIMPLE + "test_l_bfgs_b_maxiter",
            CONSTRAINED + "test_list_of_problems[*-prob9]",
            CONSTRAINED + "test_list_of_problems[*-prob12]",
        ),
    ),
    Group(
        "the text of a message",
        "`callback` raised `StopIteration`",
        (SIMPLE + "test_callback_stopiteration[*]", "test_slsqp::TestSLSQP::test_callback"),
    ),
    Group(
        "one call of fun where no variable is free; refopt makes three: x0 twice, and one before success",
        "assert 3 == 1",
        ("test_optimize::test_all_bounds_equal[*]",),
    ),
    Group(
        "warnings that SciPy's methods print for disp=True, where refopt prints its message",
        "DID NOT WARN",
        (SIMPLE + "test_minimize_warnings_gh1953[*]",),
    ),
    Group(
        "a warning that dogleg gives for an indefinite matrix and CG for bounds",
        "DID NOT WARN",
        (
            "test_trustregion::TestTrustRegionSolvers::test_dogleg_user_warning",
            "test__dual_annealing::TestDualAnnealing::test_deprecated_local_search_options_bounds",
            "test__dual_annealing::TestDualAnnealing::test_minimizer_kwargs_bounds",
        ),
    ),
    Group(
        "hess_inv of BFGS and, as an operator, of L-BFGS-B",
        "hess_inv|'numpy.ndarray' object (is not callable|has no attribute 'todense')",
        (*of_each("test_bfgs", FOUR[:2]), "test_lbfgsb_hessinv::test_*"),
    ),
    Group(
        "options of BFGS: its first matrix and the constants of its line search",
        r"DID NOT RAISE ValueError|assert (\d+) > \1\n",
        (
            *of_each("test_bfgs_hess_inv0_neg"),
            *of_each("test_bfgs_hess_inv0_semipos"),
            *of_each("test_bfgs_c1"),
            *of_each("test_bfgs_c2"),
            *of_each("test_invalid_c1_c2[*]"),
        ),
    ),
    Group(
        "an option of L-BFGS-B: one trial in each line search must not be enough",
        "assert not True",
        (SIMPLE + "test_minimize_l_bfgs_maxls",),
    ),
    Group(
        "SLSQP gives 7 digits of a quadratic; gtol = 1e-5 gives the 5 digits that it asks for",
        "(?s)Not equal to tolerance rtol=1e-07, atol=0.*2.00000",
        (
            "test_slsqp::TestSLSQP::test_minimize_unbounded_approximated",
            "test_slsqp::TestSLSQP::test_minimize_unbounded_given",
            "test_slsqp::TestSLSQP::test_minimize_unbounded_combined",
        ),
    ),
    Group(
        "refopt returns the best finite point, with success False; SciPy's BFGS returns -inf",
        r"assert not array\(\[ True\]\)",
        of_each("test_bfgs_infinite", FOUR[:2]),
    ),
    Group(
        "refopt returns the best finite point, with success False; SciPy's BFGS returns nan",
        r"<ufunc 'isnan'>\(0.0\)",
        (SIMPLE + "test_bfgs_nan_return",),
    ),
]

# Faults of refopt that are known.
FAULTS = [
    Group(
        "the first step is 1.01 |g| in SciPy's CG and BFGS",
        "CG 1: ",
        (SIMPLE + "test_initial_step_scaling",),
    ),
    Group(
        "a Hessian of condition 1e20: the gradient is left at 3e-5 by rounding, and no success is said",
        "message: no progress: the last steps promised no decrease beyond rounding",
        ("test_optimize::test_gh12513_trustregion_exact_infinite_loop",),
    ),
]

GROUPS = [*REFUSED, *ACCEPTED, *PRIVATE, *FAULTS]
