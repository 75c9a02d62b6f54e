"""Which platform do the journeys run on? One for all of them: every process real, the provider the sandbox."""

from collections.abc import AsyncIterator

import pytest

from tests.journeys.platform import Platform, running_platform

# Waits for an echo short enough to see end.
_SETTINGS = {"APP_ECHO_GRACE_SECONDS": "4"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All in one test process: the platform starts once. The crash points take as long, and have one of their own."""
    for item in items:
        if "tests/journeys" in item.path.as_posix():
            own = item.path.stem == "test_crashpoints"
            item.add_marker(pytest.mark.xdist_group("crashpoints" if own else "journeys"))


@pytest.fixture(scope="session")
async def platform() -> AsyncIterator[Platform]:
    async with running_platform(_SETTINGS) as platform:
        yield platform
