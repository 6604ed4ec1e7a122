"""One planted fault per method lesson: code that runs before the lesson's cells and breaks the method.

With it the lesson must end with an AssertionError. Pick a fault that a person could make (a wrong sign, a
lost factor, a missing bias correction), patched where the method finds the name at run time:

    "11_cubic_adam": '''
    import refopt.algorithms.cubic_adam as module
    right = module.stable_root
    module.stable_root = lambda *args: -right(*args)
    ''',
"""

from __future__ import annotations

FAULTS: dict[str, str] = {
    "10_higher_order_newton": """
import importlib
module = importlib.import_module("refopt.algorithms.higher_order_newton")
right = module.taylor_model
# a derivative too few
module.taylor_model = lambda point, order, how: right(point, max(1, order - 1), how)
""",
    "11_newton_newton": """
import importlib
module = importlib.import_module("refopt.algorithms.newton_newton")
module.Tower.J = lambda self, k, B: self.derivative(1, (), B) + self.reg * B  # every J_k is the Hessian
""",
    "12_scipy_newton_cg": """
import importlib
krylov = importlib.import_module("refopt.solvers.krylov")
right = krylov.solve


def one_too_many(name, product, u, *rest):  # solves H d = H u: the right side multiplied once too often
    return right(name, product, product(u), *rest)


krylov.solve = one_too_many
""",
    "13_newton_solver": """
import importlib
module = importlib.import_module("refopt.views.linear_system")
right = module.LinearSystem.gradient
module.LinearSystem.gradient = lambda self, point: right(self, point) / 2  # a lost factor 2
""",
    "14_curve_ball": """
import importlib
module = importlib.import_module("refopt.algorithms.curve_ball")
right = module.minimise_over_span


def minus_rho(*args):  # the second unknown of the 2x2 system is -rho
    beta, rho, branch = right(*args)
    return beta, -rho, branch


module.minimise_over_span = minus_rho
""",
    "15_infinity_norm_trust_region": """
import importlib
module = importlib.import_module("refopt.algorithms.infinity_norm_trust_region")
right = module.quadratic_step
module.quadratic_step = lambda H, g, lower, upper, tol: right(H, 2 * g, lower, upper, tol)  # a lost 1/2
""",
    "20_reduce_outward_lr": """
import refopt.algorithms.reduce_outward_lr as module
right = module.reduce_outward
module.reduce_outward = lambda u, *, x, c, mul, invert: right(u, x=x, c=-c, mul=mul, invert=invert)  # inward
""",
    "21_coordinate_momentum": """
import refopt.algorithms.coordinate_momentum as module
right = module.coordinate_momentum
module.coordinate_momentum = lambda u, *, v, mask: right(u, v=v, mask=~mask)  # the others are refreshed
""",
    "22_cubic_adam": """
import refopt.algorithms.cubic_adam as module
right = module.third_order
module.third_order = lambda m3, mode: -right(m3, mode)  # the maximum of the mirrored cubic
""",
    "23_subspace_cubic_adam": """
import importlib
module = importlib.import_module("refopt.algorithms.subspace_cubic_adam")
module.carry = lambda C, m, power: C @ m  # every average carried as if it were the first
""",
    "30_block_partition": """
import importlib
module = importlib.import_module("refopt.algorithms.block_partition")
# shifted
module.chunk_sizes = lambda n, max_size: [max_size - 1] + [max_size] * ((n - max_size) // max_size) + [1]
""",
    "32_fft_projection": """
import importlib
import numpy
module = importlib.import_module("refopt.algorithms.fft_projection")
module.multiplicity = lambda n, dtype: numpy.ones(n // 2 + 1, dtype)  # conjugate pairs counted once
""",
    "33_grad_min": """
import refopt.views.gradient_size as module
right = module.Terms.weight
module.Terms.weight = lambda self, g: right(self, g) / 2  # the factor of the square lost
""",
    "31_tensorize_projection": """
import importlib
module = importlib.import_module("refopt.algorithms.tensorize_projection")
right = module.cube
module.cube = lambda n, max_side: right(n + 1, max_side)  # one too many, as from a logarithm rounded up
""",
}
