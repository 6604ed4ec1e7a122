"""Derivatives as plain functions of ``(fun, x, ...)``: reverse mode, Taylor mode, tensors, and a test of your own.

One thing is changed for the whole process: importing this package gives autograd's indexing ``x[...]`` an adjoint that
adds slices as slices. The numbers are the same to the bit; gradients of functions that slice take half the time.
"""

from .finite import central_product, forward_product
from .reverse import TraceError, gradient, hvp, value_and_gradient
from .taylor_mode.algebra import TaylorError
from .taylor_mode.expand import model_hvp, model_product, model_value, model_value_and_gradient, taylor
from .tensors import check_derivatives, derivative_tensors, directional, hessian, tensor_product, tensor_vector

__all__ = [
    "TaylorError", "TraceError", "central_product", "check_derivatives", "derivative_tensors", "directional",
    "forward_product", "gradient", "hessian", "hvp", "model_hvp", "model_product", "model_value",
    "model_value_and_gradient", "taylor", "tensor_product", "tensor_vector", "value_and_gradient",
]
