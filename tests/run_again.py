"""A failed test of several processes runs once more, and the end of the run names it with its first failure.

How long processes take to start, and which of two comes first, is up to a loaded machine. Tests without the marker
`several_processes` are never run again.
"""

from typing import Final

import pytest
from _pytest.runner import runtestprotocol

MARKER: Final = "several_processes"
_FIRST_FAILURE: Final = "first_failure"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    if item.get_closest_marker(MARKER) is None or _first_failure(item.user_properties) is not None:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    failed = next((report for report in reports if report.failed), None)
    if failed is not None:
        return _run_again(item, nextitem, failed)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _run_again(item: pytest.Item, nextitem: pytest.Item | None, failed: pytest.TestReport) -> bool | None:
    """Run the test as if for the first time: with a time limit of its own, and on services started anew."""
    item.user_properties.append((_FIRST_FAILURE, failed.longreprtext))
    end_fixtures = item.session._setupstate.teardown_exact
    pytest.CallInfo.from_call(lambda: end_fixtures(None), when="teardown")
    again: bool | None = item.ihook.pytest_runtest_protocol(item=item, nextitem=nextitem)
    return again


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    failures = {
        report.nodeid: failure
        for report in reports
        if isinstance(report, pytest.TestReport) and (failure := _first_failure(report.user_properties)) is not None
    }
    if not failures:
        return
    terminalreporter.section("first failures of tests that were run again")
    for nodeid, failure in failures.items():
        terminalreporter.section(nodeid, sep="_")
        terminalreporter.line(failure)
    terminalreporter.section("run again")
    for nodeid in failures:
        terminalreporter.line(f"RUN AGAIN {nodeid}")


def _first_failure(properties: list[tuple[str, object]]) -> str | None:
    return next((str(value) for name, value in properties if name == _FIRST_FAILURE), None)
