"""placeholder missing_rules"""

from __future__ import annotations

from derivatives.plain_judge import expression_tests

test_plain_numpy, test_twin = expression_tests("missing_rules")
