"""Taylor mode for `autograd`: truncated series through a function's own primitives, one rule each.

The folder is not called ``taylor``: that is the public function of `refopt.derivatives`.
"""
