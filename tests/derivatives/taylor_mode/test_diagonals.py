"""Taylor rules of diagonals and triangles."""

from derivatives.taylor_mode.judge import rule_tests

test_coefficients, test_batches, test_gradients = rule_tests("diagonals")
