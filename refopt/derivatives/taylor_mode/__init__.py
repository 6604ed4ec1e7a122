"""Taylor mode for autograd: truncated power series through a function's own primitives, one rule each.

(The folder is not called ``taylor``, which is the public function of `refopt.derivatives`.)

`expand` holds the functions that are called, `algebra` the arithmetic of series, `families` what most rules
share, and `rules` the complete table. The rules themselves stand in `elementary`, `choices`, `sorting`,
`reductions`, `differences`, `indexing`, `shapes`, `diagonals`, `creation`, `products`, `linalg` and
`fourier`; those of autograd.scipy in `special`, `distributions` and `scipy_linalg`; those of autograd's
backward pass in `reverse`.

Where a function has no Taylor series:

- *Kinks and ties* (``abs`` at 0, equal arguments of ``maximum``, equal elements in ``max`` or ``sort``): the
  coefficients are those of the curve ``t -> fun(x + t s)`` for small t > 0. The first coefficients that
  differ decide between the branches. Such a one-sided series is exact, so ``abs(x)**2`` is right at 0, but it
  is not linear in s.
- *Coefficients that do not exist* are nan: those of ``sqrt`` and of powers with a non-integer exponent r at
  0, beyond order r. An element that does not move at all keeps zeros.
- *Branches* that the user wrote (``where``, ``if``) are taken at the point, as in all automatic
  differentiation.
- *Piecewise constant functions* (``sign``, ``floor``, comparisons) have zero coefficients, also where they
  jump.
"""
