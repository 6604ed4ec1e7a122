"""phi, the size of a gradient as an objective: its derivatives are the definition's, and what they cost."""

from __future__ import annotations

import itertools

import autograd.numpy as anp
import numpy as np
import pytest
from functions import mixed

import refopt
from refopt.algorithms.grad_min import GradMin
from refopt.derivatives import gradient, hessian
from refopt.function import FunctionObjective
from refopt.views.gradient_size import GradientSize, mixture

START = np.array([-1.2, 1.0, 0.7])

EXACT = 1e-12  # relative: a few hundred roundings of sums of products


def fun(x):
    return mixed(anp, x)


def phi(x, *, loss_term=0.0, relative=None, square=False, mean=True, maximize=False):
    """The definition, to be differentiated by autograd twice."""
    g = gradient(fun, x)
    G = anp.sum(g**2) if square else anp.sum(anp.abs(g))
    G = G / len(x) if mean else G
    L = fun(x)
    if relative == "grad_to_loss":
        G = G * L
    if relative == "loss_to_grad":
        L = L * G
    return (-1 if maximize else 1) * (loss_term * L + G)


def phi_point(x=START, f=fun, objective=None, **options):
    method = GradMin(refopt.LR(), **options)
    parent = objective or FunctionObjective(f, x)
    return GradientSize(parent, method.terms).at(x)


def close(a, b, rtol=EXACT):
    return np.abs(np.asarray(a) - b).max() <= rtol * np.abs(b).max()


@pytest.mark.parametrize(
    "relative, square, mean, maximize",
    list(itertools.product((None, "loss_to_grad", "grad_to_loss"), *3 * [(False, True)])),
)
def test_value_gradient_and_hessian_are_those_of_the_definition(relative, square, mean, maximize):
    options = dict(loss_term=0.7, relative=relative, square=square, mean=mean)
    point = phi_point(maximize_grad=maximize, **options)
    define = lambda x: phi(x, maximize=maximize, **options)  # noqa: E731
    assert close(point.f, define(START))
    assert close(point.g, gradient(define, START))
    assert close(point.dense_hessian(), hessian(define, START))


@pytest.mark.parametrize(
    "graft, relative",
    list(itertools.product(("loss_to_grad", "grad_to_loss"), (None, "loss_to_grad", "grad_to_loss"))),
)
def test_grafts_hold_their_scale_constant(graft, relative):
    point = phi_point(loss_term=0.7, graft=graft, relative=relative)
    f, S = fun(START), float(np.abs(gradient(fun, START)).mean())
    g_scale = f / S if graft == "grad_to_loss" else 1.0
    l_scale = 1.0
    if graft == "loss_to_grad":
        l_scale = S * f / f if relative == "grad_to_loss" else S / f

    def define(x):
        g = anp.mean(anp.abs(gradient(fun, x))) * g_scale
        g = g * fun(x) if relative == "grad_to_loss" else g
        loss = fun(x) * l_scale
        loss = loss * g if relative == "loss_to_grad" else loss
        return 0.7 * loss + g

    assert close(point.f, define(START))
    assert close(point.g, gradient(define, START))
    assert close(point.dense_hessian(), hessian(define, START))


def test_the_checks_of_the_definition_see_a_wrong_third_derivative(monkeypatch):
    point = phi_point(square=True)
    right = hessian(lambda x: phi(x, square=True), START)
    point.g  # noqa: B018
    third = FunctionObjective.third
    monkeypatch.setattr(FunctionObjective, "third", lambda self, p, w: (third(self, p, w)[0], np.zeros_like))
    assert not close(point.dense_hessian(), right)


def test_third_products_with_user_hessp_are_central_differences():
    given = FunctionObjective(
        fun, START, jac=lambda x: gradient(fun, x), hessp=lambda x, v: hessian(fun, x) @ v
    )
    exact = hessian(lambda x: phi(x, square=True), START)
    # central differences of step eps^(1/3): error of order eps^(2/3) = 4e-11 relative to the terms
    assert close(phi_point(objective=given, square=True).dense_hessian(), exact, 1e-7)


def test_no_loss_term_needs_no_finite_scale():
    assert mixture(0.0, 2.0, 0.0, None, "loss_to_grad", False) == (2.0, 0.0, 1.0, 0.0)


def test_a_gradient_costs_one_product_more_than_a_plain_one():
    plain, objective = FunctionObjective(fun, START), FunctionObjective(fun, START)
    plain.at(START).g  # noqa: B018
    point = phi_point(objective=objective, loss_term=1.0, relative="loss_to_grad", graft="grad_to_loss")
    point.g  # noqa: B018
    assert (objective.njev, objective.nhvp, objective.nhev) == (plain.njev, plain.nhvp + 1, 0)
    assert objective.nfev == plain.nfev + 1  # the trace that gives the product


def test_a_product_costs_one_third_derivative_and_at_most_two_hessians():
    objective = FunctionObjective(fun, START)
    point = phi_point(objective=objective, square=True)
    point.g  # noqa: B018
    point.hvp(np.ones(3))
    before = objective.nhvp
    point.hvp(np.arange(3.0))
    assert objective.nhvp == before + 3
