"""Derivatives as plain functions of ``(fun, x, ...)``.

- `reverse`: gradients and Hessian-vector products;
- `branches`: the same where a branch that is not taken has no finite slope;
- `finite`: Hessian-vector products from differences of gradients;
- `taylor_mode`: Taylor coefficients of any order along directions, and Taylor models;
- `tensors`: Hessians, tensors of any order and their contractions;
- `missing_rules`, `missing_shape_rules`, `missing_linear_rules`, `missing_special_rules`: rules that autograd
  lacks or has wrong;
- `roundoff`: the rounding error of a value;
- `check`: a test of derivatives that you wrote yourself;
- `numpy_calls`, `composed_calls`, `array_methods`: plain NumPy on autograd's boxes.

Importing this package completes autograd for the whole process: a faster adjoint of ``x[...]`` (in
`reverse`), the missing rules, and plain NumPy on its boxes.
"""

# they fill the tables of rules and complete autograd's boxes
from . import (  # noqa: F401
    array_methods,
    composed_calls,
    missing_linear_rules,
    missing_rules,
    missing_shape_rules,
    missing_special_rules,
    numpy_calls,
)
from .branches import DerivativeError, gradient, hvp, value_and_gradient
from .check import check_derivatives
from .finite import central_product, forward_product
from .reverse import TraceError
from .roundoff import value_error
from .taylor_mode.algebra import TaylorError
from .taylor_mode.expand import model_hvp, model_product, model_value, model_value_and_gradient, taylor
from .tensors import derivative_tensors, directional, hessian, tensor_product, tensor_vector

__all__ = [
    "DerivativeError",
    "TaylorError",
    "TraceError",
    "central_product",
    "check_derivatives",
    "derivative_tensors",
    "directional",
    "forward_product",
    "gradient",
    "hessian",
    "hvp",
    "model_hvp",
    "model_product",
    "model_value",
    "model_value_and_gradient",
    "taylor",
    "tensor_product",
    "tensor_vector",
    "value_and_gradient",
    "value_error",
]
