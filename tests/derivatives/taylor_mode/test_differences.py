"""Taylor rules of `diff` and NumPy's `gradient`."""

from derivatives.taylor_mode.judge import rule_tests

test_coefficients, test_batches, test_gradients = rule_tests("differences")
