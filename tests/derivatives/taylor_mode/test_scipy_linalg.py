"""Taylor rules of `autograd.scipy.linalg` and `convolve`."""

from derivatives.taylor_mode.judge import rule_tests

test_coefficients, test_batches, test_gradients = rule_tests("scipy_linalg")
