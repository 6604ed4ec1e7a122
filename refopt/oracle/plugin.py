"""A pytest plugin: compare optimizers in tests; when they differ, the report has a section of its own.

Switch it on in ``conftest.py`` or on the command line. It has no entry point: a test run that does not ask
for it imports neither refopt nor SciPy. ::

    pytest_plugins = ["refopt.oracle.plugin"]         # or: pytest -p refopt.oracle.plugin

    @pytest.mark.oracle(steps=20, mode="free")        # defaults of this test's comparisons
    def test_my_adam(oracle):
        oracle.assert_matches(my_adam, refopt.chain(refopt.Adam(), refopt.LR(1e-3)), "mgh/rosenbrock")
"""

from __future__ import annotations

from typing import Any

import pytest

from .comparison import compare
from .recording import record

__all__ = ["OracleFixture", "oracle"]

KEY: pytest.StashKey[list] = pytest.StashKey()
OPTIONS = ("steps", "mode", "dtype", "arithmetic", "hints", "rng", "tape", "hyperparameters")


class OracleFixture:
    """`compare`, `assert_matches` and `record` with the marker's defaults; remembers the reports.

    Attributes
    ----------
    reports : list of `Report`, all comparisons of this test
    """

    def __init__(self, defaults: dict[str, Any]):
        self.defaults = defaults
        self.reports: list[Any] = []

    def compare(self, candidate: Any, reference: Any, problem: Any, **options: Any) -> Any:
        """As `refopt.oracle.compare`."""
        report = compare(candidate, reference, problem, **{**self.defaults, **options})
        self.reports.append(report)
        return report

    def assert_matches(self, candidate: Any, reference: Any, problem: Any, **options: Any) -> Any:
        """As `refopt.oracle.assert_matches`, with one line in the traceback and the rest in its section."""
        __tracebackhide__ = True
        report = self.compare(candidate, reference, problem, **options)
        if not report.ok:
            place = f"at step {report.step}, {report.quantity}"
            raise AssertionError(
                f"the candidate does not match the reference {place}; see the oracle section"
            ) from report.error
        return report

    def record(self, candidate: Any, problem: Any, **options: Any) -> Any:
        """As `refopt.oracle.record`."""
        known = {k: v for k, v in self.defaults.items() if k in ("steps", "rng", "dtype", "tape")}
        return record(candidate, problem, **{**known, **options})


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"oracle({', '.join(OPTIONS)}): defaults of the comparisons of the `oracle` fixture"
    )


@pytest.fixture
def oracle(request: pytest.FixtureRequest) -> OracleFixture:
    """Compare optimizers with refopt's; see `refopt.oracle.plugin`."""
    marker = request.node.get_closest_marker("oracle")
    defaults = dict(marker.kwargs) if marker else {}
    unknown = set(defaults) - set(OPTIONS)
    if unknown or (marker and marker.args):
        what = f"unknown option {sorted(unknown)[0]!r}" if unknown else "options are given by name"
        raise pytest.UsageError(f"pytest.mark.oracle: {what}; known: {', '.join(OPTIONS)}")
    fixture = OracleFixture(defaults)
    request.node.stash[KEY] = fixture.reports
    return fixture


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Any:
    outcome = yield
    result = outcome.get_result()
    if result.when == "call" and result.failed:
        differ = [r for r in item.stash.get(KEY, []) if not r.ok]
        if differ:
            result.sections.append(("oracle", "\n\n".join(map(str, differ))))
