"""The platforms that journeys share: every process real, the provider the sandbox."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.collector import Collector
from tests.journeys.platform import MORTAL_LEASE, Platform, running_platform

# Leases and waits short enough to see end.
_SETTINGS = {
    "APP_CLAIM_LEASE_SECONDS": "5",
    "APP_SENDING_LEASE_SECONDS": "10",
    "APP_ECHO_GRACE_SECONDS": "4",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.several_processes)


# A hanging provider is cut off within the sending lease, which ends before a late webhook comes.
_SETTINGS_OF_THE_MORTAL = {
    "APP_CLAIM_LEASE_SECONDS": str(MORTAL_LEASE),
    "APP_SENDING_LEASE_SECONDS": str(MORTAL_LEASE),
    "APP_ECHO_GRACE_SECONDS": "1",
}
_SANDBOX_OF_THE_MORTAL = {"hang_max_ms": 500, "webhook_late_ms": 2_000, "pair_limit": False}


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """What the platform exports its spans to."""
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="session")
async def platform(collector: Collector) -> AsyncIterator[Platform]:
    async with running_platform(_SETTINGS | {"APP_OTLP_ENDPOINT": collector.url}) as platform:
        yield platform


@pytest.fixture(scope="session")
async def mortal() -> AsyncIterator[Platform]:
    """Its processes die all the time: leases are twenty times shorter than the defaults, no connection is kept."""
    async with running_platform(_SETTINGS_OF_THE_MORTAL, keep_connections=False) as platform:
        await platform.sandbox.post("/_control/settings", json=_SANDBOX_OF_THE_MORTAL)
        yield platform
