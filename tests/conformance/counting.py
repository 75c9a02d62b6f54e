"""Counts what the conformance suite has checked, and of how many providers; the end of a run tells it."""

from collections import Counter
from typing import Final

import pytest

_PROVIDER: Final = "conformance of"
_CASES: Final = "cases"


class Cases:
    """The cases of one check of one provider, where it goes through many samples; otherwise it is one case."""

    def __init__(self, item: pytest.Item, provider: str) -> None:
        self._item = item
        self._provider = provider
        self._count = 0
        self._tell(1)

    def add(self) -> None:
        self._count += 1
        self._tell(self._count)

    def _tell(self, count: int) -> None:
        """A report takes the properties as they are when the test has ended."""
        self._item.user_properties[:] = [(_PROVIDER, self._provider), (_CASES, count)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    checks, cases = Counter[str](), Counter[str]()
    for report in terminalreporter.stats.get("passed", []):
        told = dict(report.user_properties)
        if _PROVIDER in told:
            checks[str(told[_PROVIDER])] += 1
            cases[str(told[_PROVIDER])] += int(str(told[_CASES]))
    if checks:
        each = ", ".join(f"{name} {count} ({cases[name]} cases)" for name, count in sorted(checks.items()))
        terminalreporter.section("conformance")
        terminalreporter.line(f"{sum(checks.values())} checks of {len(checks)} providers passed: {each}")
