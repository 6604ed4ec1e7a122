"""Derivatives as plain functions of ``(fun, x, ...)``."""

from .finite import central_product, forward_product
from .reverse import TraceError, gradient, hessian, hvp, value_and_gradient

__all__ = ["TraceError", "central_product", "forward_product", "gradient", "hessian", "hvp", "value_and_gradient"]
