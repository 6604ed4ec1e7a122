"""The oracle: is this optimizer right, and if not, where does it first go wrong?

    from refopt import Adam, LR, chain, oracle
    report = oracle.compare(lambda params: torch.optim.Adam(params, lr=1e-3), chain(Adam(), LR(1e-3)), "mgh/rosenbrock")
    print(report)          # the first differing step and quantity, in rounding bounds, with a hint at the mistake

`compare` runs a candidate and judges each step against the same step in more digits; `assert_matches` raises;
`record` and `Trace` keep runs in files; `deviations` lists where refopt knowingly differs from its original.
"""

from .candidates import Stepper
from .comparison import assert_matches, compare
from .recording import record
from .report import Difference, Report
from .task import Task
from .torchzero.deviations import Deviation, deviations
from .trace import Trace

__all__ = [
    "Deviation",
    "Difference",
    "Report",
    "Stepper",
    "Task",
    "Trace",
    "assert_matches",
    "compare",
    "deviations",
    "record",
]
