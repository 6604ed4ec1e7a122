"""placeholder array_methods"""

from __future__ import annotations

from derivatives.plain_judge import expression_tests

test_plain_numpy, test_twin = expression_tests("array_methods")
